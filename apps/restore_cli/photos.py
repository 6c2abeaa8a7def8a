"""`restore denoise`, `restore dejpeg` and `restore deblur`: photographs in, restored photographs out."""

from enum import Enum
from pathlib import Path
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
    read_strength,
)

if TYPE_CHECKING:
    import numpy as np

    from restore.batch import Job, Progress
    from restore.image import Picture
    from restore_cli.base import Repair


class Noise(Enum):
    """`restore.tasks.denoise.NOISES`, repeated so that a wrong call is answered before torch is imported."""

    auto = "auto"
    white = "white"
    camera = "camera"


class Blur(Enum):
    """`restore.tasks.deconvolve.BLURS`, repeated for the same reason."""

    auto = "auto"
    lens = "lens"
    shake = "shake"
    any = "any"


def denoise(  # noqa: PLR0913 - one parameter for each option
    photos: Photos,
    *,
    out: Out = "",
    sigma: Annotated[
        str,
        typer.Option("--sigma", metavar="auto|S", help="Strength of the noise: its standard deviation, 0 to 75 on the scale of 8 bits."),
    ] = "auto",
    noise: Annotated[
        Noise,
        typer.Option(
            "--noise",
            help="camera: as cameras, phones and scans of film have it; white: as tests add it; auto: as each photograph shows.",
        ),
    ] = Noise.auto,
    quality: Effort = Quality.default,
    weights: Weight = "",
    on_exists: Exists = OnExists.fail,
    device: Device = "auto",
    precision: Arithmetic = Precision.auto,
    runtime: RunBy = Engine.auto,
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """Remove noise, of a strength that is given or estimated.

    With auto, what is found is printed; a photograph without noise is written as it was.
    """
    level = read_strength("--sigma", sigma, 0, MAX_SIGMA)
    work, remarks = make_plan(photos, out, on_exists=on_exists), dict[Path | None, str]()

    def prepare() -> "Repair":
        restorer = make_restorer(device, precision, runtime, tasks={"denoise": weights}, quality=quality, camera=noise is Noise.camera)

        def repair(picture: "Picture", job: "Job", progress: "Progress") -> "Picture":
            def remark(found: float | None) -> None:
                white = f"white noise of level {found:.1f}" if found else "no noise was found; written as it was"
                remarks[job.source] = "noise of a camera or of film" if found is None else white

            return restorer.denoise(picture, sigma=level, noise=noise.value, found=remark, progress=progress)

        return repair

    carry_out(work, prepare, max_pixels=max_pixels, quiet=quiet, remarks=remarks)


def dejpeg(  # noqa: PLR0913 - one parameter for each option
    photos: Photos,
    *,
    out: Out = "",
    jpeg_quality: Annotated[
        str,
        typer.Option(
            "--jpeg-quality",
            metavar="auto|Q",
            help="JPEG quality of the photograph, 1 to 100: the lower, the stronger the repair. auto: as strong as the photograph needs.",
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
    """Remove what JPEG left: blocks, rings, blotches of colour.

    A JPEG is written at quality 95 without chroma subsampling, as its own tables would damage it anew. With auto, the quality that is
    found is printed, and that of an earlier, stronger file whose traces are still there; a photograph without traces of JPEG, or of
    qualities above 90, is written as it was.
    """
    given = read_jpeg_quality(jpeg_quality)
    work, remarks = make_plan(photos, out, on_exists=on_exists), dict[Path | None, str]()

    def prepare() -> "Repair":
        from restore.tasks.dejpeg import history_in_words, quality_for

        restorer = make_restorer(device, precision, runtime, tasks={"dejpeg": weights}, quality=quality)

        def repair(picture: "Picture", job: "Job", progress: "Progress") -> "Picture":
            def remark(history: tuple[int, ...]) -> None:
                said = f"JPEG quality {history_in_words(history)}" if history else "no traces of JPEG were found"
                gains = " leaves nothing to gain" if history else ""
                remarks[job.source] = said if quality_for(history) else f"{said}{gains}; written as it was"

            return restorer.dejpeg(picture, jpeg_quality=given or "auto", found=remark, progress=progress)

        return repair

    carry_out(work, prepare, max_pixels=max_pixels, quiet=quiet, remarks=remarks)


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
    blur: Annotated[
        Blur,
        typer.Option(
            "--blur",
            help="What made it: the spot of a lens out of focus, or the path of a camera that shook, is found and undone; auto: either. "
            "Where that is not sure to help, and with any, a network sharpens, which is quick.",
        ),
    ] = Blur.auto,
    quality: Effort = Quality.default,
    weights: Weight = "",
    on_exists: Exists = OnExists.fail,
    device: Device = "auto",
    precision: Arithmetic = Precision.auto,
    runtime: RunBy = Engine.auto,
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """Sharpen what is blurred alike all over the photograph.

    By a lens out of focus, or a hand that shook.
    """
    spread = read_strength("--width", width, MIN_WIDTH, MAX_WIDTH)
    if spread is not None and blur is Blur.shake:
        raise WrongCall(f"--width {width} and --blur shake exclude each other: the path of a shake is found, not told")
    work, remarks = make_plan(photos, out, on_exists=on_exists), dict[Path | None, str]()

    def prepare() -> "Repair":
        from restore.deconvolution import LEAST
        from restore.psf import in_words

        tasks = {"deblur": weights} if blur is not Blur.shake else {"deblur": weights, "denoise": ""}
        restorer = make_restorer(device, precision, runtime, tasks=tasks, quality=quality)

        def repair(picture: "Picture", job: "Job", progress: "Progress") -> "Picture":
            def remark(kernel: "np.ndarray | None") -> None:
                if kernel is not None:
                    remarks[job.source] = in_words(kernel)
                else:
                    cause = "blur" if blur is Blur.auto else blur.value
                    small = f"under {LEAST} pixels a side no {cause} can be found"
                    why = small if min(picture.shape) < LEAST else f"no {cause} was found that is sure to be undone"
                    remarks[job.source] = f"{why}; a network sharpened it"

            return restorer.deblur(picture, width=spread, blur=blur.value, found=remark, progress=progress)

        return repair

    carry_out(work, prepare, max_pixels=max_pixels, quiet=quiet, remarks=remarks)


def read_jpeg_quality(text: str) -> int | None:
    """Read the JPEG quality; None is "auto".

    Raises:
        WrongCall: It is no whole number from 1 to 100.
    """
    if text == "auto":
        return None
    if not (text.isdecimal() and 1 <= int(text) <= 100):
        raise WrongCall(f"--jpeg-quality is {text!r}; expected auto, or a whole number from 1 to 100")
    return int(text)


MAX_SIGMA = 75.0
"""`restore.tasks.denoise.MAX_SIGMA`, repeated so that a wrong call is answered before torch is imported."""
MIN_WIDTH, MAX_WIDTH = 0.3, 4.0
"""Those of `restore.tasks.deblur`, for the same reason."""
