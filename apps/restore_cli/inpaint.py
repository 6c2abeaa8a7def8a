"""`restore inpaint`: photographs and masks in, repaired photographs out."""

import os
import warnings
from enum import Enum
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
    WrongCall,
    carry_out,
    make_plan,
    make_restorer,
)

if TYPE_CHECKING:
    from restore.batch import Job, Progress
    from restore.image import Picture
    from restore_cli.base import Repair


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
        str,
        typer.Option("--mask", metavar="FILE|DIR", help="White where to repair: one for all, or a folder with the photographs' names."),
    ],
    out: Out = "",
    method: Annotated[Method, typer.Option("--method", help="The network, or a classical method.")] = Method.learned,
    texture: Annotated[
        bool, typer.Option("--texture/--no-texture", help="Texture copied from the photograph into wide holes that the network filled.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same texture.")] = 0,
    quality: Effort = Quality.default,
    weights: Weight = "",
    on_exists: Exists = OnExists.fail,
    device: Device = "auto",
    precision: Arithmetic = Precision.auto,
    runtime: RunBy = Engine.auto,
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """Fill what a mask marks: scratches, text, stains, things.

    Everything outside the mask stays as it was, bit for bit where the format is lossless.
    """
    if not os.path.exists(mask):
        raise WrongCall(f"no mask {mask}; expected a file, or a folder of masks with the photographs' names")
    from restore import masks
    from restore.batch import Partners
    from restore.image import ImageWarning

    work = make_plan(photos, out, on_exists=on_exists, exclude=[mask])
    partners = Partners(mask) if os.path.isdir(mask) else None
    if partners and any(job.source is None for job in work.jobs):
        raise WrongCall(f"mask {mask} is a folder; expected a file for a picture from standard input")

    def prepare() -> "Repair":
        tasks = {"inpaint": weights} if method is Method.learned else {}
        restorer = make_restorer(device, precision, runtime, tasks=tasks, quality=quality)

        def repair(picture: "Picture", job: "Job", progress: "Progress") -> "Picture":
            holes = masks.load(partners.find(job.name) if partners else mask, picture.shape)
            if not holes.any():
                warnings.warn("the mask marks nothing; the photograph is written as it was", ImageWarning, stacklevel=2)
            return restorer.inpaint(picture, holes, method=method.value, texture=texture, seed=seed, progress=progress)

        return repair

    carry_out(work, prepare, max_pixels=max_pixels, quiet=quiet)
