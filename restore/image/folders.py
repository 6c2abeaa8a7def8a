"""Pictures in folders."""

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

Identity = tuple[int, int]


def identity(path: Path) -> Identity | None:
    """What tells one file from another, whatever it is called; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


class Walk:
    """A search of one folder; hidden files and folders are passed over, and links that lead back up not followed.

    Args:
        top: The folder.
        suffixes: What pictures end in, in lower case.
        exclude: Files and folders that are passed over, too.

    Attributes:
        entered: The folders that were searched.
        errors: Those that cannot be.
    """

    def __init__(self, top: Path, suffixes: Collection[str], exclude: Sequence[str | os.PathLike[str]] = ()) -> None:
        self.top = top
        self.entered: set[Identity | None] = set()
        self.errors: list[tuple[Path, OSError]] = []
        self._suffixes = suffixes
        self._excluded = {identity(Path(path)) for path in exclude} - {None}

    def pictures(self) -> Iterator[tuple[Path, Path]]:
        """Yield (path, path within the top folder), in the order of their names."""
        return self._enter(self.top, frozenset())

    def _enter(self, folder: Path, above: frozenset[Identity | None]) -> Iterator[tuple[Path, Path]]:
        here = identity(folder)
        if here in above:
            return
        self.entered.add(here)
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            self.errors.append((folder, error))
            return
        for path in (folder / name for name in names if not name.startswith(".")):
            if identity(path) in self._excluded:
                continue
            if os.path.isdir(path):
                yield from self._enter(path, above | {here})
            elif path.suffix.lower() in self._suffixes and _is_file(path):
                yield path, path.relative_to(self.top)


def _is_file(path: Path) -> bool:
    """No pipe or device; a link that leads nowhere counts, so that it is reported."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True
