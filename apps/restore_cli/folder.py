"""Pictures that are written into a folder, all or none, and never over what is read."""

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restore_cli.base import WrongCall, give_up

if TYPE_CHECKING:
    import numpy as np


def spare(reads: Iterable[str | os.PathLike[str]], targets: Iterable[Path]) -> None:
    """Check that nothing that is read would be overwritten.

    Args:
        reads: Files; names of anything else are passed over.
        targets: Files that will be written.

    Raises:
        WrongCall: A target is one of those that are read, under whatever name.
    """
    from restore.image.folders import identity

    read = {identity(Path(path)) for path in reads} - {None}
    for target in targets:
        if identity(target) in read:
            raise WrongCall(f"output {target} would overwrite a file that is read; expected another output")


def check_folder(out: Path, names: Sequence[str]) -> None:
    """Check before the work that `write_all` will be able to write these files into a folder.

    Raises:
        typer.Exit: One cannot be written.
    """
    from restore.image import ImageError
    from restore.image.files import check_place, name_of

    missing = out
    while not os.path.lexists(missing.parent):
        missing = missing.parent
    place = missing
    try:
        for place in [out / name for name in names] if out.is_dir() else [missing]:
            check_place(place)
    except ImageError as error:
        give_up(f"{name_of(place)}: {error}")


def write_all(out: Path, pictures: "Mapping[str, np.ndarray]", *, replace: bool) -> None:
    """Write pictures into a folder, all or none.

    Args:
        out: The folder; it is made if need be.
        pictures: Name -> (H, W) or (H, W, C).
        replace: Replace files that exist.

    Raises:
        typer.Exit: One cannot be written, or exists and is not to be replaced.
    """
    from restore.batch import describe
    from restore.image import ImageError, Picture, drafted

    try:
        out.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as drafts:
            for name, pixels in pictures.items():
                drafts.enter_context(drafted(Picture.from_array(pixels), out / name, replace=replace))
            there = [] if replace else [out / name for name in pictures if os.path.lexists(out / name)]
            if there:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(there[0]))
    except (OSError, ImageError) as error:
        give_up(describe(error))
