"""`restore degrade` and `restore degradations`: drawn damage on good photographs, for tests and for training pairs."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restore_cli.base import Exists, MaxPixels, OnExists, Out, Photos, Quiet, WrongCall, carry_out, make_plan, unknown

if TYPE_CHECKING:
    from restore.batch import Job, Result
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
        str, typer.Option("--mask-out", metavar="FILE|DIR", help="Write masks too, PNG, white where only inpainting helps; as OUT.")
    ] = "",
    on_exists: Exists = OnExists.fail,
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """Damage good photographs, to test a repair or to train one.

    The seed and a photograph's path, within the folder that is named, decide what it gets. Depth and metadata stay; jpeg, double-jpeg and
    webp leave 256 levels in whatever depth.
    """
    from restore.degrade import DEGRADATIONS

    if not 0 <= severity <= 1:
        raise WrongCall(f"--severity is {severity:g}; expected a number from 0 to 1")
    chosen = find(name)
    if mask_out and chosen not in (marking := [key for key, row in DEGRADATIONS.items() if row.mask] + ["old_photograph"]):
        raise WrongCall(f"--mask-out: {chosen} leaves nothing that only inpainting repairs; expected one of {', '.join(marking)}")
    work = make_plan(photos, out, on_exists=on_exists, beside=("mask", mask_out, (".png",)))

    def prepare() -> "Repair":
        return lambda picture, job, progress: run(picture, job, chosen, severity, seed)

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


def run(picture: "Picture", job: "Job", name: str, severity: float, seed: int) -> "Picture | Result":
    """Damage a picture, and mark what only inpainting repairs if that is to be written."""
    import hashlib
    import warnings

    import numpy as np

    from restore.batch import Result
    from restore.degrade import DEGRADATIONS
    from restore.degrade import degrade as damage
    from restore.image import ImageWarning, Picture

    if name in DEGRADATIONS and DEGRADATIONS[name].array and picture.dtype != np.uint8:
        warnings.warn(f"{name} leaves 256 levels: its files have 8 bits", ImageWarning, stacklevel=2)
    digest = hashlib.sha256(b"%d/%s" % (seed, os.fsencode(job.name.as_posix()))).digest()
    pixels, marked = damage(picture.pixels, name, int.from_bytes(digest[:8], "big") >> 1, severity)
    result = picture.replace(pixels=pixels)
    return Result(result, Picture.from_array(marked * np.uint8(255))) if job.beside else result
