"""`restore deblur`: blurred photographs in, sharper ones out."""

from typing import TYPE_CHECKING, Annotated

import typer

from restore_cli.base import (
    Arithmetic,
    Device,
    Effort,
    Engine,
    Exists,
    MaxPixels,
    OnExists,
    Out,
    Photos,
    Precision,
    Quality,
    Quiet,
    RunBy,
    Weight,
    carry_out,
    make_plan,
    make_restorer,
    read_strength,
)

if TYPE_CHECKING:
    from restore_cli.base import Repair

MIN_WIDTH, MAX_WIDTH = 0.3, 4.0
"""Those of `restore.tasks.deblur`, repeated so that a wrong call is answered before torch is imported."""


def deblur(  # noqa: PLR0913 - one parameter for each option
    photos: Photos,
    *,
    out: Out = "",
    width: Annotated[
        str,
        typer.Option(
            "--width",
            metavar="auto|W",
            help="How far the blur spreads a point, 0.3 to 4 pixels: the sigma of a soft one, half the radius of an unfocused lens's disk, "
            "a fifth of the length of a shake. auto: as the photograph looks.",
        ),
    ] = "auto",
    quality: Effort = Quality.default,
    weights: Weight = "",
    on_exists: Exists = OnExists.fail,
    device: Device = "auto",
    precision: Arithmetic = Precision.auto,
    runtime: RunBy = Engine.auto,
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """Sharpen what a lens out of focus, or a hand that shook, blurred alike all over the photograph."""
    spread = read_strength("--width", width, MIN_WIDTH, MAX_WIDTH)
    work = make_plan(photos, out, on_exists=on_exists)

    def prepare() -> "Repair":
        restorer = make_restorer(device, precision, runtime, tasks={"deblur": weights}, quality=quality)
        return lambda picture, job, progress: restorer.deblur(picture, width=spread, progress=progress)

    carry_out(work, prepare, max_pixels=max_pixels, quiet=quiet)
