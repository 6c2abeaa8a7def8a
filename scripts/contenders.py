"""What `evaluate.py` measures: shipped weights, training runs and classical methods, as functions of arrays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import typer

from restore import Restorer
from restore.weights import WeightsError

Array = np.ndarray
Denoiser = Callable[[Array, float], Array]


@dataclass(frozen=True)
class Settings:
    """What the options before the verb say."""

    limit: int | None
    features: Path
    device: str
    precision: str
    out: Path | None
    blind: bool
    best: bool


def networks(task: str, weight: str, options: Settings) -> dict[str, Callable[..., Array]]:
    """Return label -> function that restores an array, of weights as ``weights.find`` takes them.

    Raises:
        typer.BadParameter: A weight cannot be used, or was trained for another task.
    """
    found: dict[str, Callable[..., Array]] = {}
    for name in filter(None, weight.split(",")):
        quality = "best" if options.best else "default"
        restorer = Restorer(device=options.device, precision=options.precision, weights={task: name}, quality=quality)
        with usable():
            restorer.runtime(task)
        found[label(name)] = getattr(restorer, task)
    return found


def label(weight: str) -> str:
    """What a weight is called in tables and in names of files.

    >>> label("denoise"), label("runs/mine"), label("runs/mine/checkpoint.pt")
    ('denoise', 'mine', 'mine-checkpoint')
    """
    path = Path(weight)
    return f"{path.parent.name}-{path.stem}" if path.suffix in (".pt", ".safetensors") else path.name


@contextmanager
def usable() -> Iterator[None]:
    """Make a weight that cannot be used an error of the call."""
    try:
        yield
    except WeightsError as error:
        raise typer.BadParameter(str(error), param_hint="--weight") from error


def bilateral(noisy: Array, sigma: float) -> Array:
    """OpenCV's; the range 5 sigma, as it adds the differences of three channels."""
    return cv2.bilateralFilter(noisy, -1, 5 * sigma / 255, 3)


def wavelet(noisy: Array, sigma: float) -> Array:
    """Scikit-image's BayesShrink in YCbCr (Chang et al. 2000), the mean over 16 shifts (Coifman, Donoho 1995); it needs PyWavelets."""
    from skimage.restoration import denoise_wavelet

    total = np.zeros_like(noisy)
    for shift in np.ndindex(4, 4):
        moved = np.roll(noisy, shift, (0, 1))
        smooth = denoise_wavelet(moved, sigma=sigma / 255, convert2ycbcr=True, channel_axis=2, rescale_sigma=True)
        total += np.roll(smooth, (-shift[0], -shift[1]), (0, 1)).astype(np.float32)
    return total / 16


def nlm(noisy: Array, sigma: float) -> Array:
    """Scikit-image's non-local means (Buades et al. 2005)."""
    from skimage.restoration import denoise_nl_means

    level = sigma / 255
    return denoise_nl_means(noisy, patch_size=5, patch_distance=6, h=0.6 * level, sigma=level, channel_axis=2)


DENOISERS: dict[str, Denoiser] = {"none": lambda noisy, sigma: noisy, "bilateral": bilateral, "wavelet": wavelet, "nlm": nlm}
INPAINTERS = ("telea", "ns", "biharmonic")
