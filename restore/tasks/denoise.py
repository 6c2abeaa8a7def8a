"""Remove noise."""

import math
from collections.abc import Callable
from numbers import Real

import cv2
import numpy as np
from scipy.special import ndtr, ndtri

from restore import kinds
from restore.estimate import SharedNoise, noise_level, shared_noise
from restore.image import from_float, to_float, to_linear, to_srgb
from restore.runtime import Runtime
from restore.tasks.base import apart, beside, run
from restore.tiling import tiled

MAX_SIGMA = 75.0
"""The strongest noise that the networks are trained on, in 8-bit units."""
NOISES = ("auto", "white", "camera")
"""What ``Restorer.denoise`` takes as its noise."""
GREY = np.full(3, 1 / np.sqrt(3), np.float32)
"""The grey axis of RGB."""
LEAST = 1.0
"""Noise of the channels' own beside what they share is removed from this level on, in 8-bit units."""
LARGE = 8
"""Sigma of a Gaussian, in pixels: what it leaves of a camera network's picture does not depend on the level that is told."""
LOOKED = 250_000
"""Squares in which the finest detail is looked at, at most about."""
NORMAL_MEDIAN = 0.6745
"""Median of the size of a standard normal number."""
_DEPTHS = np.linspace(0, 5, 501)
_SEEN = _DEPTHS * ndtr(_DEPTHS) + np.exp(-(_DEPTHS**2) / 2) / np.sqrt(2 * np.pi)
"""The mean of max(0, x + n) for x in ``_DEPTHS`` and normal noise n of deviation 1."""


def denoise(
    pixels: np.ndarray,
    runtime: Runtime,
    *,
    sigma: float | np.ndarray | None = None,
    camera: bool = False,
    tile: int = 512,
    linear: bool = False,
    where: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Remove noise, tile by tile; memory is input + output in their own depth + one tile (for a grey picture, that of a colour one).

    Noise that the channels share, all of it as in grey pictures or most of it as in sepia ones (``restore.estimate.shared_noise``), is
    removed first, then what each has of its own: networks for white noise take the former for content.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1] (it may exceed that).
            Three equal channels are treated as grey, and stay equal.
        runtime: A denoiser.
        sigma: Standard deviation of the noise in 8-bit units, 0 to 75, whatever the depth, or a map of it (H, W); None: estimated. Where it
            is 0, nothing changes.
        camera: The runtime is one for the noise of cameras, which neighbouring pixels share: it gets grey as three equal channels, and
            where ``sigma`` is None it sees for itself how strong the noise is. Told a level it is asked twice, so that only detail
            depends on it and no brightness.
        tile: Largest side of what the network gets at once, in pixels, without the halo.
        linear: The samples are proportional to light; the network gets them sRGB-encoded, and ``sigma`` is that of the encoded samples.
        where: (H, W) bool, where it is looked how strong the noise is, and of what colour; None: everywhere.
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
        sigma = min(noise_level(pixels, linear=linear, where=where), MAX_SIGMA)
    if not np.any(sigma):
        if progress:
            progress(1.0)
        return pixels.copy()
    if camera:
        result = run(pixels, _Steady(runtime), sigma / 255, tile=tile, linear=linear, progress=progress)
    else:
        shared = shared_noise(pixels, linear=linear, where=where)
        result = run_white(pixels, runtime, sigma / 255, shared, tile=tile, linear=linear, where=where, progress=progress)
    return np.where(sigma[..., None] == 0, pixels, result) if isinstance(sigma, np.ndarray) else result


class _Steady(Runtime):
    """A network for the noise of cameras that is told how strong it is, and changes no brightness by it.

    Told more than there is, such a network makes dark darker, light lighter and colours others: sensors clip. So what is larger than
    ``LARGE`` is as the network sees it that is told nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._told, reach = runtime, 3 * LARGE
        self.multiple_of, self.min_size = runtime.multiple_of, runtime.min_size
        self.halo = None if runtime.halo is None else runtime.halo + reach
        self._size = (2 * reach + 1, 2 * reach + 1)

    def __call__(self, image: np.ndarray, condition: np.ndarray | float | tuple[int, float]) -> np.ndarray:
        """As ``Runtime``; the condition is a level, one or a map."""
        told = self._told(image, condition)
        untold = self._told(image, np.zeros_like(condition) if isinstance(condition, np.ndarray) else 0.0)
        return told + cv2.GaussianBlur(untold - told, self._size, LARGE, borderType=cv2.BORDER_REFLECT_101)


def check_noise(noise: str) -> None:
    """Raise a ValueError unless ``noise`` is one of ``NOISES``."""
    if noise not in NOISES:
        raise ValueError(f"noise {noise!r} is unknown; expected one of {', '.join(NOISES)}")


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


def run_white(
    pixels: np.ndarray,
    runtime: Runtime,
    level: float | np.ndarray,
    shared: SharedNoise | None = None,
    *,
    tile: int,
    linear: bool = False,
    where: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Do what ``base.run`` does for white noise of a level above 0; what the channels share of it is removed first, along its colour.

    Args:
        pixels: As for ``base.run``.
        runtime: As for ``base.run``.
        level: Standard deviation of the noise on the scale of [0, 1], a number or a map (H, W).
        shared: How much of it the channels share, and in which colour; in grey pictures all of it.
        tile: As for ``base.run``.
        linear: As for ``base.run``.
        where: As for ``denoise``.
        progress: As for ``base.run``.

    Returns:
        As ``base.run``.
    """
    if pixels.shape[2] == 1 or bool((pixels[..., :1] == pixels).all()):
        there = _there(pixels, level, linear=linear, where=where)
        return _run_along(pixels, runtime, level * 3**0.5, GREY, there, tile=tile, linear=linear, progress=progress)
    if shared is None:
        return run(pixels, runtime, level, tile=tile, linear=linear, progress=progress)
    own = np.minimum(level, shared.across / 255)
    first, second = kinds.shares(progress, 2)
    along = np.sqrt(3 * level**2 - 2 * own**2)
    is_map = isinstance(along, np.ndarray)
    there = _there(pixels, level, linear=linear, where=where) if is_map else min(1.0, shared.along / 255 / float(along))
    pixels = _run_along(pixels, runtime, along, shared.axis, there, tile=tile, linear=linear, progress=first)
    if shared.across >= LEAST:
        return run(pixels, runtime, own, tile=tile, linear=linear, progress=second)
    if second:
        second(1.0)
    return pixels


def _run_along(
    pixels: np.ndarray,
    runtime: Runtime,
    level: float | np.ndarray,
    axis: np.ndarray,
    there: float,
    *,
    tile: int,
    linear: bool,
    progress: Callable[[float], None] | None,
) -> np.ndarray:
    """As ``base.run``, for noise along one axis of colour (3,), made white by noise across it that is not in the result.

    The picture has noise of ``there`` times the level, and gets as much across the axis: were that of the whole level, the network would
    take for clipped what it misses along the axis, and make dark darker and light lighter. Noise above ``MAX_SIGMA`` is removed at less
    contrast. Clipping to [0, 1] has made black brighter, and white darker, than they were; as far as the picture has noise, that is undone.
    """
    stored, across = pixels[..., : 1 if axis is GREY else 3], np.linalg.svd(axis[None])[2][1:]  # (2, 3)
    contrast = min(1.0, MAX_SIGMA / 255 / float(np.max(level)))
    is_clipped = pixels.dtype != np.float32 or bool(pixels.min() >= 0 and pixels.max() <= 1)

    def clean(crop: np.ndarray) -> np.ndarray:
        crop, condition = apart(crop, stored.shape[2] + 2, level)
        given = np.asarray(condition, np.float32)
        x = to_float(crop[..., :-2])
        if not np.isfinite(x).all():
            raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
        x = (to_srgb(x) if linear else x) + np.zeros(3, np.float32)  # (h, w, 3)
        noisy = x + there * given * (_normal(crop[..., -2:]) @ across)
        y = runtime(contrast * noisy, contrast * given if given.ndim else float(contrast * given)) / contrast
        y = x + ((y - x) @ axis)[..., None] * axis
        y = (_unclipped(y, there * given * np.abs(axis)) if is_clipped else y)[..., : pixels.shape[2]]
        return from_float(to_linear(y) if linear else y, crop.dtype)

    image = beside(_with_noise(stored), level)
    return tiled(clean, image, tile=tile, halo=runtime.halo, multiple_of=runtime.multiple_of, min_size=runtime.min_size, progress=progress)


def _there(pixels: np.ndarray, level: float | np.ndarray, *, linear: bool, where: np.ndarray | None) -> float:
    """How much of noise of a level, a number or a map (H, W) on the scale of [0, 1], a picture (H, W, C) has: from 0 to 1.

    Of a map, what is told the most noise is looked at. Where noise cannot be estimated, in writing and tiny pictures, the finest detail
    says how much there may be (Donoho, Johnstone 1994).
    """
    told = float(np.max(level))
    if isinstance(level, np.ndarray):
        told /= 2
        where = level >= told if where is None else where & (level >= told)
        x = to_float(pixels)
        pixels, linear = (to_srgb(x) if linear else x) * (told / np.maximum(level, told))[..., None], False  # alike noise everywhere
    found = noise_level(pixels, linear=linear, where=where) / 255
    return min(1.0, (found or _finest(pixels, linear=linear)) / told)


def _finest(pixels: np.ndarray, *, linear: bool) -> float:
    """The level of noise as which the finest detail of a picture (H, W, C) could be taken, on the scale of [0, 1]."""
    sides = tuple(min(2, side) for side in pixels.shape[:2])
    squares = np.lib.stride_tricks.sliding_window_view(pixels, sides, axis=(0, 1))  # (h, w, C, 2, 2)
    step = math.ceil(math.sqrt(squares.shape[0] * squares.shape[1] / LOOKED))
    x = to_float(squares[::step, ::step])
    x = to_srgb(x) if linear else x
    for axis in (axis for axis in (3, 4) if x.shape[axis] > 1):
        x = np.diff(x, axis=axis) / math.sqrt(2)
    return float(np.median(np.abs(x))) / NORMAL_MEDIAN if sides != (1, 1) else 0.0


def _unclipped(y: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """What samples (h, w, 3) were whose means noise of a level (3,) or (h, w, 3), cut to [0, 1], has moved to ``y``."""
    with np.errstate(divide="ignore", invalid="ignore"):  # without noise nothing moves
        low, high = (
            (np.where(z < _SEEN[-1], np.interp(z, _SEEN, _DEPTHS), z) * sigma).astype(np.float32) for z in (y / sigma, (1 - y) / sigma)
        )
    return np.where(np.asarray(sigma) == 0, y, np.where(y < 0.5, low, 1 - high))


def _with_noise(samples: np.ndarray) -> np.ndarray:
    """(H, W, C) -> (H, W, C + 2) of the same type: beside the samples two channels of numbers that ``_normal`` turns into noise.

    A network for white noise takes noise along one axis of colour for content. As strong noise across that axis makes it what the
    network knows. In grey pictures noise of variance s has the variance 3 s along the grey axis. They lie beside the samples so that a
    pixel gets the same noise in every tile.
    """
    rng = np.random.default_rng(0)
    shape = (*samples.shape[:2], 2)
    if samples.dtype == np.float32:
        return np.concatenate([samples, rng.standard_normal(shape, np.float32)], 2)
    return np.concatenate([samples, rng.integers(0, np.iinfo(samples.dtype).max, shape, samples.dtype, endpoint=True)], 2)


def _normal(stored: np.ndarray) -> np.ndarray:
    """Standard normal float32 numbers from uniform integers or, as they are, from float32."""
    if stored.dtype == np.float32:
        return stored
    return ndtri((stored + np.float32(0.5)) / np.float32(np.iinfo(stored.dtype).max + 1))
