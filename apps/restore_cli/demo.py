"""`restore demo`: damage a photograph, repair it, show what was gained."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restore_cli.base import Arithmetic, Device, Engine, Precision, RunBy, WrongCall, check_out, make_restorer
from restore_cli.folder import check_folder, write_all

if TYPE_CHECKING:
    import numpy as np

FILES = ("damaged.png", "mask.png", "repaired.png", "comparison.png")
SEED = 1974
SIGMA = 20.0
"""Standard deviation of the demo's noise, in 8-bit units; the repair does not know it."""


def demo(
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the four pictures; those of an earlier demo are replaced.")
    ] = Path("demo"),
    device: Device = "auto",
    precision: Arithmetic = Precision.auto,
    runtime: RunBy = Engine.auto,
) -> None:
    """Damage a photograph, repair it, and show what was gained.

    Writes it with scratches, text and noise, the mask, the repair, and all side by side.
    """
    check_out(out)
    there = [name for name in FILES if os.path.lexists(out / name)]
    if there and len(there) < len(FILES):
        raise WrongCall(f"{out / there[0]} is there without the rest of a demo; expected a new folder, or that of an earlier demo")
    check_folder(out, FILES)
    from skimage import data

    from restore.figures import sheet
    from restore.metrics import psnr

    photo = data.astronaut()
    damaged, mask = damage(photo)
    restorer = make_restorer(device, precision, runtime, tasks={"inpaint": "", "denoise": ""})
    started = time.perf_counter()
    repaired = restorer.denoise(restorer.inpaint(damaged, mask))  # in this order: a denoiser smears scratches into what is around them
    seconds = time.perf_counter() - started
    before, after = psnr(damaged, photo), psnr(repaired, photo)
    captions = (f"damaged · {before:.1f} dB", f"repaired · {after:.1f} dB", "original")
    pictures = dict(zip(FILES, (damaged, mask, repaired, sheet([damaged, repaired, photo], captions)), strict=True))
    write_all(out, pictures, replace=bool(there))
    for name in pictures:
        print(out / name)
    print(f"PSNR before {before:.2f} dB, after {after:.2f} dB, gained {after - before:.2f} dB, in {seconds:.1f} s on {restorer.device}")


def damage(photo: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """Scratch a photograph, write on it, add noise to all of it; always the same way.

    Args:
        photo: (H, W, 3) uint8.

    Returns:
        The damaged photograph, (H, W, 3) uint8, and where it is scratched and written on, (H, W) uint8, 0 or 255.

    >>> import numpy as np
    >>> damaged, mask = damage(np.full((200, 300, 3), 90, np.uint8))
    >>> damaged.shape, mask.shape
    ((200, 300, 3), (200, 300))
    """
    import cv2
    import numpy as np

    from restore import masks

    rng = np.random.default_rng(SEED)
    height, width = photo.shape[:2]
    scratches = masks.draw(["scratches", "scratches", "dust"], (height, width), rng, area=(0.03, 0.035))
    words = np.zeros_like(scratches)
    font, text, weight = cv2.FONT_HERSHEY_SCRIPT_COMPLEX, "Summer of 1974", max(1, height // 300)
    scale = 0.8 * width / cv2.getTextSize(text, font, 1.0, weight)[0][0]
    cv2.putText(words, text, (width // 10, height * 9 // 10), font, scale, 255, weight)
    words = np.where(words > 127, np.uint8(255), np.uint8(0))
    damaged = photo.astype(np.float32)
    damaged[scratches > 0] = (235, 230, 220)
    damaged[words > 0] = (50, 80, 190)
    damaged += rng.normal(0, SIGMA, photo.shape).astype(np.float32)
    return np.rint(np.clip(damaged, 0, 255)).astype(np.uint8), scratches | words
