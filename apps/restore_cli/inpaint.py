"""`restore inpaint`: photographs and masks in, repaired photographs out."""

import os
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restore_cli.base import (
    Arithmetic,
    Device,
    Engine,
    Exists,
    MaxPixels,
    OnExists,
    Out,
    Photos,
    Precision,
    Quiet,
    RunBy,
    Weight,
    WrongCall,
    carry_out,
    make_plan,
    make_restorer,
)

if TYPE_CHECKING:
    import numpy as np

    from restore.batch import Job, Plan, Progress, Result
    from restore.image import Picture
    from restore.masks import Margins
    from restore_cli.base import Repair

    Mark = Callable[[Picture, Job], np.ndarray]

LAYERS = (".png", ".tif", ".tiff")
"""What layers end in: formats that keep samples exactly, with their transparency."""
WIDEST = 10_000
"""`restore.masks.edit.WIDEST`, repeated so that a wrong call is answered before OpenCV is imported."""
MOST = 0.6
"""A mask that marks more than this share of a photograph is said to: it may be the wrong way round."""
LAST_SEED = 2**63 - 1
"""The largest that `Restorer.inpaint` takes."""


class Method(Enum):
    """How holes are filled."""

    learned = "learned"
    telea = "telea"
    ns = "ns"
    biharmonic = "biharmonic"


def inpaint(  # noqa: PLR0913 - one parameter for each option
    photos: Photos,
    *,
    mask: Annotated[
        list[str],
        typer.Option(
            "--mask",
            metavar="FILE|DIR|COLOUR",
            help="White where to repair: one for all, or a folder with the photographs' names; or the colour that was painted on the "
            "photographs, such as '#ff0000'. Several are united.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer copies it
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            min=0,
            max=255,
            metavar="T",
            help="How far a channel may be from the painted colour, on the scale of 8 bits.",
            show_default="0; 48 for JPEG and its like",
        ),
    ] = None,
    grow: Annotated[
        float, typer.Option("--grow", min=0, max=WIDEST, metavar="PX", help="Let the mask grow by so many pixels on all sides.")
    ] = 0,
    feather: Annotated[
        float,
        typer.Option(
            "--feather", min=0, max=WIDEST, metavar="PX", help="Let the fill fade into the photograph over so many pixels around it."
        ),
    ] = 0,
    expand: Annotated[
        str,
        typer.Option(
            "--expand",
            metavar="MARGINS",
            help="Continue the photograph beyond its edges: pixels, or per cent of its side, as in 64 or 10%; or LEFT,TOP,RIGHT,BOTTOM.",
            show_default=False,
        ),
    ] = "",
    layer: Annotated[
        str,
        typer.Option(
            "--layer", metavar="FILE|DIR", help="Write what was synthesised as a transparent layer too: PNG or TIFF.", show_default=False
        ),
    ] = "",
    out: Out = "",
    method: Annotated[Method, typer.Option("--method", help="The network, or a classical method.")] = Method.learned,
    texture: Annotated[
        bool, typer.Option("--texture/--no-texture", help="Texture copied from the photograph into wide holes that the network filled.")
    ] = True,
    grain: Annotated[
        bool, typer.Option("--grain/--no-grain", help="Noise like that of the surroundings in what the network filled.")
    ] = True,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=LAST_SEED, metavar="N", help="Same seed, same texture and grain.", show_default="0")
    ] = None,
    weights: Weight = "",
    on_exists: Exists = OnExists.fail,
    device: Device = "auto",
    precision: Arithmetic = Precision.auto,
    runtime: RunBy = Engine.auto,
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """Fill what a mask marks: scratches, text, stains, things.

    Or continue a photograph beyond its edges.

    Everything outside the mask and its soft edge stays as it was, bit for bit where the format is lossless.
    """
    if not mask and not expand:
        raise WrongCall("nothing says what to fill; expected --mask, --expand, or both")
    learned = {"--weights": bool(weights), "--no-texture": not texture, "--no-grain": not grain, "--seed": seed is not None}
    if method is not Method.learned and any(learned.values()):
        raise WrongCall(f"{next(name for name, given in learned.items() if given)} is for --method learned; {method.value} has none")
    if tolerance is not None and not any(one.startswith("#") for one in mask):
        raise WrongCall(f"--tolerance {tolerance:g} is for a --mask that is a colour; expected one such as '#ff0000'")
    margins = read_margins(expand)
    work = make_plan(photos, out, on_exists=on_exists, reads=mask, beside=("layer", layer, LAYERS))
    marks = [_read_mask(one, work, tolerance) for one in mask]

    def prepare() -> "Repair":
        import numpy as np

        from restore import masks
        from restore.batch import Result
        from restore.image import ImageWarning

        tasks = {"inpaint": weights} if method is Method.learned else {}
        restorer = make_restorer(device, precision, runtime, tasks=tasks)

        def repair(picture: "Picture", job: "Job", progress: "Progress") -> "Picture | Result":
            holes = masks.union([mark(picture, job) for mark in marks], picture.shape)
            if (share := (holes > 0).mean()) > MOST:
                said = f"the mask marks {share:.0%} of the photograph; white is what is to be filled"
                warnings.warn(said, ImageWarning, stacklevel=2)
            holes = masks.grow(holes, grow)
            left, top, right, bottom = sides = margins(*picture.shape)
            if any(sides):
                picture, border = masks.expand(picture, sides)
                holes = border | np.pad(holes, ((top, bottom), (left, right)))
            if not holes.any():
                idle = "the mask marks nothing" if marks else f"--expand {expand} adds nothing"
                warnings.warn(f"{idle}; the photograph is written as it was", ImageWarning, stacklevel=2)
                result = picture
            else:
                result = restorer.inpaint(
                    picture, holes, method=method.value, texture=texture, grain=grain, seed=seed or 0, feather=feather, progress=progress
                )
            return Result(result, masks.layer(result, masks.feather(holes, feather) > 0)) if job.beside else result

        return repair

    carry_out(work, prepare, max_pixels=max_pixels, quiet=quiet)


def read_margins(text: str) -> "Callable[[int, int], Margins]":
    """Read what a picture is to be continued by: one number for all sides, or LEFT,TOP,RIGHT,BOTTOM; pixels, or per cent of the side.

    Returns:
        A function (height, width) -> margins in pixels.

    Raises:
        WrongCall: It is none of these.

    >>> read_margins("64,0,64,5%")(200, 300)
    (64, 0, 64, 10)
    """
    parts = text.split(",") if text else ["0"]
    if len(parts) not in (1, 4) or not all(re.fullmatch(r"\d+|\d+(\.\d+)?%", part) for part in parts):
        raise WrongCall(f"--expand is {text!r}; expected pixels or per cent, as in 64 or 10%, for all sides or as LEFT,TOP,RIGHT,BOTTOM")

    def margins(height: int, width: int) -> "Margins":
        sides = zip(parts * (4 // len(parts)), (width, height, width, height), strict=True)
        left, top, right, bottom = (round(float(part[:-1]) / 100 * side) if part[-1] == "%" else int(part) for part, side in sides)
        return left, top, right, bottom

    return margins


def _read_mask(mask: str, work: "Plan", tolerance: float | None) -> "Mark":
    """Say how a photograph's mask is found: in a file, in a folder, or by the colour that was painted on it.

    Raises:
        WrongCall: There is no such file or folder, or a folder for standard input; or a photograph would be its own mask.
    """
    from restore import masks
    from restore.batch import Partners
    from restore.image.folders import identity

    if masks.is_colour(mask):
        return lambda picture, job: masks.from_colour(picture, mask, tolerance=tolerance)
    if not os.path.exists(mask):
        raise WrongCall(f"no mask {mask}; expected a file, a folder of masks with the photographs' names, or a colour such as '#ff0000'")
    if not os.path.isdir(mask):
        if identity(Path(mask)) in {identity(job.source) for job in work.jobs if job.source}:
            raise WrongCall(f"mask {mask} is a photograph that is to be repaired; expected another file")
        return lambda picture, job: masks.load(mask, picture.shape)
    if any(job.source is None for job in work.jobs):
        raise WrongCall(f"mask {mask} is a folder; expected a file for a picture from standard input")
    partners = Partners(mask)
    for job in work.jobs:
        with suppress(ValueError):  # a photograph without a mask fails alone
            if job.source and identity(partners.find(job.name)) == identity(job.source):
                raise WrongCall(f"{job.source} would be its own mask; expected another folder than {mask}")
    return lambda picture, job: masks.load(partners.find(job.name), picture.shape)
