"""Sharpen what a lens out of focus or a moving camera blurred."""

from collections.abc import Callable
from numbers import Real

import numpy as np

from restore import deconvolution
from restore.estimate import LUMA, noise_level
from restore.filters.array.deblur import point_spread
from restore.image import from_float, to_float, to_linear, to_srgb
from restore.networks.restoration import WIDEST
from restore.runtime import Runtime
from restore.tasks.base import run
from restore.tasks.denoise import MAX_SIGMA, denoise
from restore.tiling import tiled

BLURS = ("auto", "lens", "shake")
"""What is taken for the cause of a blur: see ``Restorer.deblur``."""
MIN_WIDTH, MAX_WIDTH = 0.3, WIDEST
"""The range of ``width`` in pixels; what the network hears at the upper end is 1."""
ROUNDEST, ROUGHEST = 0.8, 2.1
"""A shake's kernel is less like its quarter turn than the one, and makes a picture rougher by less than the other (chosen on train-006)."""
LOUDEST = 8.0
"""In noise above this level, in 8-bit units, kernels are not sure."""
FAINTEST, CAUTION = 3.2, 1.25
"""Noise is taken for this much at least, in 8-bit units, and for so many times what it is: a kernel that was found is never quite right."""
REACH, CORE = 64, 384
"""Pixels around a tile besides the kernel's that it is deconvolved with, and its largest side."""


def deblur(
    pixels: np.ndarray,
    runtime: Runtime,
    *,
    width: float | None = None,
    tile: int = 512,
    linear: bool = False,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Undo an unknown blur that is the same all over the picture, tile by tile; memory is input + output in their own depth + one tile.

    One network for all kernels, as in Kupyn et al. 2018, "DeblurGAN"; no kernel is estimated on the way.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1] (it may exceed that). Grey goes in as three equal
            channels, and three equal channels stay equal.
        runtime: A network that sharpens; its level is 0 where the width is unknown, else width / 4.
        width: Standard deviation of the blur's kernel in pixels, sqrt((var_x + var_y) / 2), 0.3 to 4: of a Gaussian its sigma, of a disk
            half its radius, of a straight motion its length / sqrt(24). None: nobody knows.
        tile: Largest side of what the network gets at once, in pixels, without the halo.
        linear: The samples are proportional to light; the network gets them sRGB-encoded.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        An array like ``pixels``; float32 is neither clipped nor quantised.

    Raises:
        ValueError: ``width`` is out of its range; a float picture holds a NaN or an infinity.
    """
    return run(pixels, runtime, level_of(width), tile=tile, linear=linear, progress=progress)


def find_kernel(pixels: np.ndarray, denoiser: Runtime, *, surely: bool = True, linear: bool = False) -> np.ndarray | None:
    """Find how the camera moved: the kernel of a shake that is the same all over the picture; see ``restore.deconvolution``.

    It is looked for where the picture has most edges, and fitted to what a denoiser makes of that part.

    Args:
        pixels: As for ``deblur``.
        denoiser: A network for white noise.
        surely: Only in pictures of little noise, and kernels that look like a shake's (lenses make round ones) and leave no rings.
        linear: As for ``deblur``.

    Returns:
        A kernel (k, k) float32, of what a sharp picture was correlated with; None where there is none.
    """
    seen = to_float(pixels[deconvolution.busiest(pixels)])
    seen = to_srgb(seen) if linear else seen
    if not np.isfinite(seen).all():
        return None
    kernel = deconvolution.find(seen @ LUMA if seen.shape[2] == 3 else seen[..., 0])
    if kernel is None or (surely and deconvolution.roundness(kernel) > ROUNDEST):
        return None
    clean, sigma = _cleaner(denoiser), _noise(pixels, linear=linear)
    if surely and sigma > CAUTION * LOUDEST / 255:
        return None
    kernel = deconvolution.improve(seen, kernel, clean, sigma=sigma)
    if surely:
        sharp = deconvolution.deconvolve(seen, kernel, clean, sigma=sigma)
        if deconvolution.roughness(sharp) > ROUGHEST * deconvolution.roughness(seen):
            return None
    return kernel


def deconvolve(
    pixels: np.ndarray,
    runtime: Runtime,
    *,
    kernel: np.ndarray,
    tile: int = 512,
    linear: bool = False,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Undo a known blur with a denoiser, tile by tile; see ``restore.deconvolution.deconvolve``.

    Args:
        pixels: As for ``deblur``.
        runtime: A network for white noise.
        kernel: What the sharp picture was correlated with, (h, w) of odd sides; it is divided by its sum.
        tile: As for ``deblur``, up to ``CORE``.
        linear: As for ``deblur``.
        progress: As for ``deblur``.

    Returns:
        An array like ``pixels``; float32 is not quantised, and stays within the range that the picture has.

    Raises:
        ValueError: ``kernel`` is none; a float picture holds a NaN or an infinity.
    """
    blur = point_spread(kernel, 0, 0).astype(np.float32)
    if not np.isfinite(pixels).all():
        raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
    clean, sigma, limits = _cleaner(runtime), _noise(pixels, linear=linear), (0.0, 1.0)
    if pixels.dtype == np.float32:
        darkest, brightest = (to_srgb(end) if linear else end for end in (pixels.min(), pixels.max()))
        limits = min(0.0, float(darkest)), max(1.0, float(brightest))

    def sharpen(crop: np.ndarray) -> np.ndarray:
        x = to_float(crop)
        y = deconvolution.deconvolve(to_srgb(x) if linear else x, blur, clean, sigma=sigma, limits=limits)
        return from_float(to_linear(y) if linear else y, crop.dtype)

    return tiled(sharpen, pixels, tile=min(tile, CORE), halo=REACH + max(blur.shape) // 2, progress=progress)


def _cleaner(denoiser: Runtime) -> deconvolution.Clean:
    """A network for white noise as a function of a picture of any size and its noise."""
    return lambda x, level: denoise(x, denoiser, sigma=255 * level, tile=max(x.shape))


def _noise(pixels: np.ndarray, *, linear: bool) -> float:
    """What a picture's noise is taken for, on the scale of [0, 1]."""
    return min(CAUTION * max(FAINTEST, noise_level(pixels, linear=linear)), MAX_SIGMA) / 255


def level_of(width: float | None) -> float:
    """What the network is told.

    Raises:
        ValueError: ``width`` is neither None nor a number from 0.3 to 4.

    >>> level_of(None), level_of(1), level_of(4)
    (0.0, 0.25, 1.0)
    """
    if width is None:
        return 0.0
    if not (isinstance(width, Real) and MIN_WIDTH <= width <= MAX_WIDTH):
        raise ValueError(f"width must be a number from {MIN_WIDTH:g} to {MAX_WIDTH:g} in pixels, or None, got {width!r}")
    return float(width) / MAX_WIDTH
