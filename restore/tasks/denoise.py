"""Remove noise."""

from collections.abc import Callable
from numbers import Real

import numpy as np
from scipy.special import ndtri

from restore.estimate import noise_level
from restore.image import from_float, to_float, to_linear, to_srgb
from restore.runtime import Runtime
from restore.tasks.base import apart, beside, run
from restore.tiling import tiled

MAX_SIGMA = 75.0
"""The strongest noise that the networks are trained on, in 8-bit units."""
COLOUR = np.array([[1, -1, 0], [1 / np.sqrt(3), 1 / np.sqrt(3), -2 / np.sqrt(3)]], np.float32) / np.float32(np.sqrt(2))
"""Two unit vectors across the grey axis of RGB, as rows."""


def denoise(
    pixels: np.ndarray,
    runtime: Runtime,
    *,
    sigma: float | np.ndarray | None = None,
    camera: bool = False,
    tile: int = 512,
    linear: bool = False,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Remove noise, tile by tile; memory is input + output in their own depth + one tile (for a grey picture, that of a colour one).

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1] (it may exceed that).
            Three equal channels are treated as grey, and stay equal.
        runtime: A denoiser.
        sigma: Standard deviation of the noise in 8-bit units, 0 to 75, whatever the depth, or a map of it (H, W); None: estimated. Where it
            is 0, nothing changes.
        camera: The runtime is one for the noise of cameras, which neighbouring pixels share: it gets grey as three equal channels, and
            where ``sigma`` is None it sees for itself how strong the noise is.
        tile: Largest side of what the network gets at once, in pixels, without the halo.
        linear: The samples are proportional to light; the network gets them sRGB-encoded, and ``sigma`` is that of the encoded samples.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        An array like ``pixels``; float32 is neither clipped nor quantised.

    Raises:
        ValueError: ``sigma`` is out of its range; a float picture holds a NaN or an infinity.
    """
    sigma = check_sigma(sigma, pixels.shape)
    if camera and sigma is None:
        return run(pixels, runtime, 0.0, tile=tile, linear=linear, progress=progress)
    if sigma is None:
        sigma = min(noise_level(pixels, linear=linear), MAX_SIGMA)
    if not np.any(sigma):
        if progress:
            progress(1.0)
        return pixels.copy()
    function = run if camera else _run_white
    result = function(pixels, runtime, sigma / 255, tile=tile, linear=linear, progress=progress)
    return np.where(sigma[..., None] == 0, pixels, result) if isinstance(sigma, np.ndarray) else result


def check_sigma(sigma: float | np.ndarray | None, shape: tuple[int, ...]) -> float | np.ndarray | None:
    """Give a level for a picture of ``shape`` (H, W, ...) back, a map as float32.

    Raises:
        ValueError: It is out of its range, or a map of another size.
    """
    if isinstance(sigma, np.ndarray) and sigma.ndim == 2:
        if sigma.shape != shape[:2]:
            raise ValueError(f"sigma is a map of {sigma.shape[1]}x{sigma.shape[0]}; expected {shape[1]}x{shape[0]}, as the picture has")
        if not (sigma.min() >= 0 and sigma.max() <= MAX_SIGMA):
            raise ValueError(f"sigma runs from {sigma.min():g} to {sigma.max():g}; expected 0 to {MAX_SIGMA:g} in 8-bit units")
        return sigma.astype(np.float32)
    if sigma is not None and not (isinstance(sigma, Real) and 0 <= sigma <= MAX_SIGMA):
        came = f"an array of shape {sigma.shape}" if isinstance(sigma, np.ndarray) else repr(sigma)
        raise ValueError(f"sigma must be a number from 0 to {MAX_SIGMA:g} in 8-bit units, a map (H, W) of them, or None, got {came}")
    return sigma


def _run_white(
    pixels: np.ndarray,
    runtime: Runtime,
    level: float | np.ndarray,
    *,
    tile: int,
    linear: bool,
    progress: Callable[[float], None] | None,
) -> np.ndarray:
    """As ``base.run``, but that grey gets noise across the grey axis."""
    grey = pixels.shape[2] == 1 or bool((pixels[..., :1] == pixels).all())
    image = _with_colour_noise(pixels[..., :1]) if grey else pixels
    level, channels = level * (3**0.5 if grey else 1), image.shape[2]

    def clean(crop: np.ndarray) -> np.ndarray:
        crop, given = apart(crop, channels, level)
        x = to_float(crop[..., :1] if grey else crop)
        if not np.isfinite(x).all():
            raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
        if linear:
            x = to_srgb(x)
        if grey:
            x = x + np.asarray(given, np.float32) * (_normal(crop[..., 1:]) @ COLOUR)
        y = runtime(x, given)  # (h, w, 3)
        if grey:
            y = np.repeat(y.mean(axis=2, keepdims=True), pixels.shape[2], axis=2)
        return from_float(to_linear(y) if linear else y, crop.dtype)

    image = beside(image, level)
    return tiled(clean, image, tile=tile, halo=runtime.halo, multiple_of=runtime.multiple_of, min_size=runtime.min_size, progress=progress)


def _with_colour_noise(grey: np.ndarray) -> np.ndarray:
    """(H, W, 1) -> (H, W, 3) of the same type: beside the samples two channels of numbers that ``_normal`` turns into noise.

    A colour denoiser takes noise that is equal in all channels for content. Noise of variance s in grey has the variance 3 s along
    the grey axis of colour; colour noise of the same variance 3 s across it makes it the noise that the network knows.
    They lie beside the samples so that a pixel gets the same noise in every tile.
    """
    rng = np.random.default_rng(0)
    shape = (*grey.shape[:2], 2)
    if grey.dtype == np.float32:
        return np.concatenate([grey, rng.standard_normal(shape, np.float32)], 2)
    return np.concatenate([grey, rng.integers(0, np.iinfo(grey.dtype).max, shape, grey.dtype, endpoint=True)], 2)


def _normal(stored: np.ndarray) -> np.ndarray:
    """Standard normal float32 numbers from uniform integers or, as they are, from float32."""
    if stored.dtype == np.float32:
        return stored
    return ndtri((stored + np.float32(0.5)) / np.float32(np.iinfo(stored.dtype).max + 1))
