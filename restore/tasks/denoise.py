"""Remove noise."""

from collections.abc import Callable

import numpy as np

from restore.estimate import noise_level
from restore.image import from_float, to_float, to_linear, to_srgb
from restore.runtime import Runtime
from restore.tiling import tiled

MAX_SIGMA = 75.0
"""The strongest noise that the networks are trained on, in 8-bit units."""


def denoise(
    pixels: np.ndarray,
    runtime: Runtime,
    *,
    sigma: float | None = None,
    tile: int = 512,
    linear: bool = False,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Remove noise, tile by tile; memory is input + output in their own depth + one tile.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1] (it may exceed that).
        runtime: A denoiser.
        sigma: Standard deviation of the noise in 8-bit units, 0 to 75, whatever the depth; None: estimated. 0 changes nothing.
        tile: Largest side of what the network gets at once, in pixels, without the halo.
        linear: The samples are proportional to light; the network gets them sRGB-encoded, and ``sigma`` is that of the encoded samples.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        An array like ``pixels``; float32 is neither clipped nor quantised.

    Raises:
        ValueError: ``sigma`` is out of its range; a float picture holds a NaN or an infinity.
    """
    if sigma is not None and not 0 <= sigma <= MAX_SIGMA:
        raise ValueError(f"sigma must be from 0 to {MAX_SIGMA:g} in 8-bit units, got {sigma}")
    if sigma is None:
        sigma = min(noise_level(pixels, linear=linear), MAX_SIGMA)
    if sigma == 0:
        if progress:
            progress(1.0)
        return pixels.copy()

    def clean(crop: np.ndarray) -> np.ndarray:
        x = to_float(crop)
        if not np.isfinite(x).all():
            raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
        if linear:
            x = to_srgb(x)
        grey = x.shape[2] == 1
        y = runtime(np.repeat(x, 3, axis=2) if grey else x, sigma / 255)  # (h, w, 3)
        if grey:
            y = y.mean(axis=2, keepdims=True)
        return from_float(to_linear(y) if linear else y, crop.dtype)

    return tiled(clean, pixels, tile=tile, halo=runtime.halo, multiple_of=runtime.multiple_of, min_size=runtime.min_size, progress=progress)
