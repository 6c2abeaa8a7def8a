"""What a picture needs, measured on the picture itself.

>>> import numpy as np
>>> noisy = 0.5 + np.random.default_rng(0).normal(0, 10 / 255, (96, 96, 3)).astype(np.float32)
>>> round(noise_level(noisy))
10
"""

import numpy as np
from scipy.special import ndtr

from restore.image import to_float, to_srgb

PATCH = 5
"""Side of the patches, in pixels: small enough for many of them, large enough for flat directions among them."""
MOST = 65536
"""Patches looked at, at most."""
ENOUGH = 6000
"""Patches that clipping is kept out of at the price of looking nearer to black and white."""


def noise_level(pixels: np.ndarray, *, linear: bool = False) -> float:
    """Estimate the standard deviation of white Gaussian noise, the same in all channels.

    The content of patches lies near a subspace, noise fills all directions alike: the level is the mean of those smallest
    eigenvalues of the covariance of patches whose mean is their median (Chen, Zhu, Heng 2015, "An Efficient Statistical Method for
    Image Noise Level
    Estimation"). Where samples are clipped to the range, noise near black and white is cut: only patches whose mean is one deviation away
    from both ends count, and what is cut of theirs is made up for by the moments of a clipped normal variable.

    Args:
        pixels: (H, W, C), uint8, uint16, or float32 nominally in [0, 1]; a float picture that exceeds it is taken as not clipped.
        linear: The samples are proportional to light; the level is that of the sRGB-encoded samples.

    Returns:
        The level in 8-bit units, whatever the depth; 0 for a picture of less than 2x2 pixels.

    Raises:
        ValueError: A float picture holds a NaN or an infinity where it is looked at.
    """
    patches = _patches(pixels)
    if patches is None:
        return 0.0
    patches = to_float(patches)
    if not np.isfinite(patches).all():
        raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
    if linear:
        patches = to_srgb(patches)
    number, channels = patches.shape[:2]
    variance = _flat_variance(patches)
    if variance and patches.min() >= 0 and patches.max() <= 1:
        means = patches.reshape(number, channels, -1).mean(2)  # (N, C)
        inside = np.minimum(means, 1 - means).min(1)  # (N,) distance to black or white
        least = np.sort(inside)[-min(number, ENOUGH)]
        sigma = np.sqrt(variance)
        for _ in range(8):
            kept = inside >= min(sigma, least)
            sigma = np.sqrt(_flat_variance(patches[kept]) / _kept_variance(means[kept], sigma))
        variance = sigma**2
    return 255 * float(np.sqrt(variance))


def _patches(pixels: np.ndarray) -> np.ndarray | None:
    """Patches (N, C, side, side) from a grid over the picture, in its own depth; smaller ones where it is too small for many."""
    height, width, channels = pixels.shape
    for side in range(min(PATCH, height, width), 1, -1):
        places = (height - side + 1) * (width - side + 1)
        if places >= 4 * channels * side**2 or side == 2:
            step = int(np.ceil(np.sqrt(places / MOST)))
            grid = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), axis=(0, 1))[::step, ::step]
            return grid.reshape(-1, channels, side, side)
    return None


def _flat_variance(patches: np.ndarray) -> float:
    """The variance in the directions that content does not fill."""
    vectors = patches.reshape(len(patches), -1)
    vectors = vectors - vectors.mean(0)
    values = np.linalg.eigvalsh((vectors.T @ vectors).astype(np.float64) / len(vectors))[::-1]
    for first in range(len(values)):
        rest = values[first:]
        if (rest > rest.mean()).sum() >= (rest < rest.mean()).sum():
            return max(0.0, float(rest.mean()))
    return 0.0


def _kept_variance(means: np.ndarray, sigma: float) -> float:
    """The part of a variance ``sigma ** 2`` that clipping to [0, 1] leaves, on average over places where the clipped mean is ``means``."""
    latent = np.linspace(-3 * sigma, 1 + 3 * sigma, 400)
    low, high = -latent / sigma, (1 - latent) / sigma
    density_low, density_high = (np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) for z in (low, high))
    white, inside = ndtr(-high), ndtr(high) - ndtr(low)
    first = latent * inside + sigma * (density_low - density_high) + white
    second = (latent**2 + sigma**2) * inside + 2 * latent * sigma * (density_low - density_high)
    second += sigma**2 * (low * density_low - high * density_high) + white
    return float(np.interp(means, first, second - first**2).mean() / sigma**2)
