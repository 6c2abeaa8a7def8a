"""One function for each shipped weight: what it was trained with."""

from collections.abc import Callable

from restore.training.config import Config
from restore.training.objectives import Denoise, Inpaint


def denoise() -> Config:
    """Colour denoiser with a noise-level map, sigma 0 to 75, float or 8-bit noise.

    ``restore train denoise --data DIR --out RUN``; about two hours of one CPU core, 31.8 dB on Kodak24 at sigma 25.
    """
    return Config(
        network="restoration",
        options={"widths": [48, 64, 96], "down": [2, 2, 2], "up": [2, 2, 2]},
        objective=Denoise(),
        steps=30_000,
    )


def inpaint_thin() -> Config:
    """First stage of the inpainting network: small crops with dense thin and medium holes, from the denoiser's weights.

    ``restore train inpaint-thin --data DIR --out RUN --set start=weights/denoise.safetensors``; about 15 minutes of one CPU core.
    """
    return Config(
        network="inpainting",
        options={"widths": [48, 64, 96], "down": [2, 2, 2], "up": [2, 2, 2], "dilations": [1, 2, 4, 8, 1, 2, 4, 8]},
        objective=Inpaint(),
        steps=4_000,
        decay=0,
        lr=1e-3,
    )


def inpaint() -> Config:
    """Second stage of the inpainting network: larger crops, all kinds of holes, the perceptual loss; from the first stage.

    ``restore train inpaint --data DIR --out RUN --set start=RUN1/checkpoint.pt --set objective.features=FILE``; about 45 minutes of one
    CPU core. FILE holds the trunk of LPIPS, which is not shipped: see ``losses.Perceptual``. Scores: ``weights/inpaint.md``.
    """
    return Config(
        network="inpainting",
        options={"widths": [48, 64, 96], "down": [2, 2, 2], "up": [2, 2, 2], "dilations": [1, 2, 4, 8, 1, 2, 4, 8]},
        objective=Inpaint(kinds=("strokes", "polylines", "boxes", "scratches", "text", "blobs"), area=(0.03, 0.40), perceptual=0.3),
        steps=6_000,
        batch=8,
        crop=128,
        lr=1e-3,
        validate_every=500,
    )


RECIPES: dict[str, Callable[[], Config]] = {"denoise": denoise, "inpaint-thin": inpaint_thin, "inpaint": inpaint}
"""Name -> function that returns the run's configuration."""
