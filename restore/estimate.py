"""What a picture needs, measured on the picture itself.

>>> import numpy as np
>>> noisy = 0.5 + np.random.default_rng(0).normal(0, 10 / 255, (96, 96, 3)).astype(np.float32)
>>> round(noise_level(noisy))
10
"""

import numpy as np
from scipy.special import ndtr

from restore.image import to_float, to_srgb

SIDES = {1: 8, 3: 6}
"""Channels -> side of the patches in pixels: large enough for directions that content does not fill, small enough for many patches."""
MOST = 65536
"""Patches that are looked at, at most."""
ENOUGH = 5000
"""Patches that are kept, at least: the smoothest, the farthest from black and white."""
ROUNDS = 8
"""Times that the patches are chosen anew for the level that those before gave."""


def noise_level(pixels: np.ndarray, *, linear: bool = False) -> float:
    """Estimate the standard deviation of white Gaussian noise that is alike, but not the same, in all channels.

    The content of patches lies near a subspace, noise fills all directions alike: the level is the mean of those smallest
    eigenvalues of the patches' covariance whose mean is their median (Chen, Zhu, Heng 2015, "An Efficient Statistical
    Method for Image Noise Level Estimation"). Only patches count that are not rougher than noise of that level would make them (Liu,
    Tanaka, Okutomi 2013, "Single-Image Noise Level Estimation for Blind Denoising"). Where samples are clipped to the range, noise near
    black and white is cut: patches must lie one deviation away from both, and what is cut of theirs is made up for by the moments
    of a clipped normal variable.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1]; a float picture that exceeds it is taken as
            not clipped. Three equal channels count as one.
        linear: The samples are proportional to light; the level is that of the sRGB-encoded samples.

    Returns:
        The level in 8-bit units, whatever the depth; 0 for a picture too small to tell.

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
    means = patches.mean((2, 3))  # (N, C)
    inside = np.minimum(means, 1 - means).min(1)  # (N,) distance to black or white
    far = np.sort(inside)[-min(len(inside), ENOUGH)]
    roughness = _roughness(patches)
    limit = _roughest(*patches.shape[1:3])
    clipped = patches.min() >= 0 and patches.max() <= 1
    variance = _flat_variance(patches)
    for _ in range(ROUNDS):
        if variance == 0:
            break
        kept = np.flatnonzero(inside >= min(np.sqrt(variance), far)) if clipped else np.arange(len(patches))
        rough = roughness[kept]
        smooth = np.sort(rough)[min(len(rough), ENOUGH) - 1]
        kept = kept[rough <= max(limit * variance, smooth)]
        left = _left_by_clipping(means[kept], float(np.sqrt(variance))) if clipped else 1.0
        variance, before = _flat_variance(patches[kept]) / left, variance
        if abs(variance - before) < 1e-3 * before:
            break
    return 255 * float(np.sqrt(variance))


def _patches(pixels: np.ndarray) -> np.ndarray | None:
    """Patches (N, C, side, side) from a grid over the picture, in its own depth; smaller ones where it is too small for many."""
    height, width, channels = pixels.shape
    for side in range(min(SIDES[channels], height, width), 1, -1):
        places = (height - side + 1) * (width - side + 1)
        if places >= 4 * channels * side**2 or side == 2:
            step = int(np.ceil(np.sqrt(places / MOST)))
            grid = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), axis=(0, 1))[::step, ::step]
            patches = grid.reshape(-1, channels, side, side)
            grey = channels == 3 and (patches == patches[:, :1]).all()
            return _patches(pixels[..., :1]) if grey else patches
    return None


def _roughness(patches: np.ndarray) -> np.ndarray:
    """For each patch, (N,): the sum of the squared differences of neighbours, a channel on average."""
    down, across = np.diff(patches, axis=2), np.diff(patches, axis=3)
    return ((down**2).sum((2, 3)) + (across**2).sum((2, 3))).mean(1)


def _roughest(channels: int, side: int) -> float:
    """The roughness that patches of noise of variance 1 hardly exceed: its mean and three times its deviation."""
    step = np.diff(np.eye(side), axis=0)
    form = np.kron(np.eye(side), step.T @ step) + np.kron(step.T @ step, np.eye(side))  # roughness is a quadratic form
    return float(form.trace() + 3 * np.sqrt(2 * (form @ form).trace() / channels))


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


def _left_by_clipping(means: np.ndarray, sigma: float) -> float:
    """The part of a variance ``sigma ** 2`` that clipping to [0, 1] leaves, on average over places where the clipped mean is ``means``."""
    latent = np.linspace(-3 * sigma, 1 + 3 * sigma, 400)
    low, high = -latent / sigma, (1 - latent) / sigma
    density_low, density_high = (np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) for z in (low, high))
    white, between = ndtr(-high), ndtr(high) - ndtr(low)
    first = latent * between + sigma * (density_low - density_high) + white
    second = (latent**2 + sigma**2) * between + 2 * latent * sigma * (density_low - density_high)
    second += sigma**2 * (low * density_low - high * density_high) + white
    return float(np.interp(means, first, second - first**2).mean() / sigma**2)
