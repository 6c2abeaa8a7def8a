"""`restore degrade` and `restore degradations`: drawn damage on good photographs, for tests and for training pairs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restore_cli.base import Exists, MaxPixels, OnExists, Out, Photos, Quiet, WrongCall, carry_out, make_plan, shown, unknown

if TYPE_CHECKING:
    from restore.batch import Job, Plan, Result
    from restore.degrade import Degradation
    from restore.image import Picture
    from restore_cli.base import Repair


def degrade(  # noqa: PLR0913 - one parameter for each option
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that `restore degradations` prints.")],
    photos: Photos,
    *,
    out: Out = "",
    severity: Annotated[float, typer.Option("--severity", metavar="S", help="0 is barely seen, 1 the worst that archives hold.")] = 0.5,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Another number is other damage.")] = 0,
    mask_out: Annotated[
        str, typer.Option("--mask-out", metavar="DIR", help="Folder for masks, PNG, white where only inpainting helps; mirrors OUT.")
    ] = "",
    on_exists: Exists = OnExists.fail,
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """Damage good photographs, to test a repair or to train one.

    The seed and a photograph's path, within the folder that is named, decide what it gets. Depth and metadata stay; jpeg, double-jpeg and
    webp leave 256 levels in whatever depth.
    """
    if not 0 <= severity <= 1:
        raise WrongCall(f"--severity is {severity:g}; expected a number from 0 to 1")
    if mask_out and os.path.lexists(mask_out) and not os.path.isdir(mask_out):
        raise WrongCall(f"--mask-out {mask_out} is a file; expected a folder")
    chosen = find(name)
    work = make_plan(photos, out, on_exists=on_exists, exclude=[mask_out] if mask_out else [])
    places = aim(work, chosen, Path(mask_out), on_exists) if mask_out else {}

    def prepare() -> "Repair":
        return lambda picture, job, progress: run(picture, job, chosen, severity, seed, places.get(job), on_exists)

    carry_out(work, prepare, max_pixels=max_pixels, quiet=quiet)


def degradations(*, markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False) -> None:
    """List the degradations: what each is, and what it draws.

    Between which numbers, from severity 0 to 1 or at random.
    """
    from restore.nn.arithmetic import table

    rows = list(every())
    if markdown:
        cells = [[f"`{name}`", group, drawn, text] for name, group, drawn, text in rows]
        print(table([["name", "group", "drawn", "what it does"], *cells], align="llll", markdown=True))
        return
    for name, group, drawn, text in rows:
        print(f"{name} ({group}): {text}\n    {drawn}")


def every() -> Iterator[tuple[str, str, str, str]]:
    """All degradations: name, group, what is drawn, summary."""
    from restore.degrade import DEGRADATIONS, OLD_PHOTOGRAPH, old_photograph

    for name, row in DEGRADATIONS.items():
        yield name, row.group, ", ".join(ranges(row)) or "nothing", row.summary
    others = sum(map(len, OLD_PHOTOGRAPH))
    yield (
        "old_photograph",
        "composition",
        f"some of {others} others, each by its own chance",
        (old_photograph.__doc__ or "").splitlines()[0],
    )


def ranges(row: "Degradation") -> Iterator[str]:
    """What a degradation draws between two numbers, or of several.

    >>> from restore.degrade.base import Choice, Degradation, Mask, Strength, Uniform
    >>> from restore.degrade.codec import Quality
    >>> drawn = {"mask": Mask("dust", 1, 8), "sigma": Strength(2, 75), "width": Uniform(0.3, 1.5), "colour": Choice((0, 0, 0.3, 0.6))}
    >>> print(*ranges(Degradation("noise", abs, drawn | {"first": Quality(95, 5, 30)})), sep=", ")
    1 to 8 dust by severity, sigma 2 to 75 by severity, width 0.3 to 1.5, colour 0, 0.3 or 0.6, first 95 to one of 5 to 30 by severity
    """
    from restore.degrade.base import Choice, Integer, Uniform
    from restore.degrade.codec import Quality

    for name, drawn in row.parameters.items():
        mask: Any = drawn
        while hasattr(mask, "mask"):
            mask = mask.mask
        if hasattr(mask, "fewest"):
            yield f"{mask.fewest} to {mask.most} {mask.kind} by severity"
        elif isinstance(drawn, Choice):
            *some, last = [f"{value:g}" for value in sorted(set(drawn.values))]
            yield f"{name} {', '.join(some)} or {last}"
        elif isinstance(drawn, Quality):
            yield f"{name} {drawn.start:g} to one of {drawn.low:g} to {drawn.high:g} by severity"
        elif hasattr(drawn, "low") and hasattr(drawn, "high"):
            yield f"{name} {drawn.low:.3g} to {drawn.high:.3g}" + " by severity" * (not isinstance(drawn, Uniform | Integer))


def find(name: str) -> str:
    """The name as the table has it; - and _ are the same.

    Raises:
        WrongCall: There is none.
    """
    from restore.degrade import NAMES

    wanted = name.replace("-", "_")
    if wanted not in NAMES:
        raise unknown("degradation", wanted, NAMES)
    return wanted


def aim(work: "Plan", name: str, folder: Path, on_exists: OnExists) -> "dict[Job, Path]":
    """Where the mask of each photograph goes: as the photograph, with the suffix .png.

    With rename one that exists is left, and the next free name taken.

    Raises:
        WrongCall: The degradation marks nothing, a mask would overwrite a photograph or another mask, or it has no name.
    """
    from restore.batch import free
    from restore.degrade import DEGRADATIONS

    marking = [key for key, row in DEGRADATIONS.items() if row.mask] + ["old_photograph"]
    if name not in marking:
        raise WrongCall(f"--mask-out: {name} leaves nothing that only inpainting repairs; expected one of {', '.join(marking)}")
    taken = {_same(path): shown(path) for job in work.jobs for path in (job.source, job.target) if path}
    places = {}
    for job in work.jobs:
        named = job.target or job.source
        if named is None:
            raise WrongCall("--mask-out: a picture from standard input to standard output has no name; expected -o FILE")
        place = folder / job.name.parent / f"{named.stem}.png"
        if _same(place) in taken:
            raise WrongCall(f"mask {shown(place)} would overwrite {taken[_same(place)]}; expected another folder, or different names")
        taken[_same(place)] = f"the mask of {shown(named)}"
        places[job] = place
    if on_exists is OnExists.rename:
        names = {os.path.normcase(path) for path in (*places.values(), *(job.target for job in work.jobs if job.target))}
        places = {job: free(place, names) if os.path.lexists(place) else place for job, place in places.items()}
    return places


def _same(path: Path) -> str:
    """What paths to one file share."""
    return os.path.normcase(os.path.realpath(path))


def run(
    picture: "Picture", job: "Job", name: str, severity: float, seed: int, place: Path | None, on_exists: OnExists
) -> "Picture | Result":
    """Damage a picture, and aim its mask at a place.

    Raises:
        FileExistsError: There is a file in that place, and nothing says what to do about it.
    """
    import hashlib
    import warnings

    import numpy as np

    from restore.batch import Result
    from restore.degrade import DEGRADATIONS
    from restore.degrade import degrade as damage
    from restore.image import ImageWarning, Picture

    if place and os.path.lexists(place) and on_exists is OnExists.fail:
        raise FileExistsError(f"mask {place} exists; choose --on-exists skip, replace or rename")
    if name in DEGRADATIONS and DEGRADATIONS[name].array and picture.dtype != np.uint8:
        warnings.warn(f"{name} leaves 256 levels: its files have 8 bits", ImageWarning, stacklevel=2)
    digest = hashlib.sha256(b"%d/%s" % (seed, os.fsencode(job.name.as_posix()))).digest()
    pixels, marked = damage(picture.pixels, name, int.from_bytes(digest[:8], "big") >> 1, severity)
    result = picture.replace(pixels=pixels)
    return Result(result, {place: Picture.from_array(marked * np.uint8(255))}) if place else result
