"""Slow, edge-aware operators: what learned filters imitate. Input and output as in ``linear``."""

from itertools import pairwise

import cv2
import numpy as np

from restore.filters.array.base import take
from restore.filters.base import check_count, check_number
from restore.levels import from_float, to_float


def smooth_l0(image: np.ndarray, *, strength: float = 0.02, kappa: float = 2.0) -> np.ndarray:
    """Flatten: the fewest pixels that change, near the picture (Xu, Lu, Xu, Jia 2011, "Image Smoothing via L0 Gradient Minimization").

    Args:
        image: The picture; the gradients of RGB count together.
        strength: The paper's lambda, 0.001 to 0.1.
        kappa: Growth of the penalty from step to step, above 1; nearer to 1 is slower and finer.

    Returns:
        The flattened picture; its mean is kept. Its borders wrap around in the Fourier domain: it is solved on the picture and its mirror
        image.
    """
    check_number("strength", strength)
    check_number("kappa", kappa, low=1.0)
    pixels, give = take(image)
    unit = np.atleast_3d(to_float(pixels))  # (H, W, C)
    height, width, channels = unit.shape
    mirrored = cv2.copyMakeBorder(unit, 0, height, 0, width, cv2.BORDER_REFLECT).reshape(2 * height, 2 * width, channels)
    frequency = np.fft.rfft2(mirrored, axes=(0, 1))
    turns = (2 * np.sin(np.pi * np.fft.fftfreq(2 * height))) ** 2, (2 * np.sin(np.pi * np.fft.rfftfreq(2 * width))) ** 2
    squared = (turns[0][:, None] + turns[1])[..., None]
    beta = 2 * strength
    while beta < 1e5:
        down, right = np.roll(mirrored, -1, 0) - mirrored, np.roll(mirrored, -1, 1) - mirrored
        flat = (down**2 + right**2).sum(-1, keepdims=True) < strength / beta
        down, right = np.where(flat, 0, down), np.where(flat, 0, right)
        divergence = np.roll(down, 1, 0) - down + np.roll(right, 1, 1) - right
        solved = (frequency + beta * np.fft.rfft2(divergence, axes=(0, 1))) / (1 + beta * squared)
        mirrored = np.fft.irfft2(solved, s=mirrored.shape[:2], axes=(0, 1)).astype(np.float32)
        beta *= kappa
    return give(from_float(mirrored[:height, :width].reshape(pixels.shape), pixels.dtype))


def local_laplacian(image: np.ndarray, *, amount: float = 1.0, sigma_color: float = 30.0, levels: int = 8) -> np.ndarray:
    """Bring out detail, or smooth it, without halos (Paris, Hasinoff, Kautz 2011; sampled in grey as Aubry et al. 2014 do).

    Args:
        image: The picture; RGB is worked on by its luma, whose change is added to each channel.
        amount: 1 doubles the detail, 0 changes nothing, -1 removes it.
        sigma_color: Contrast up to which something is detail, in 8-bit units.
        levels: Grey values at which the picture is remapped.

    Returns:
        The picture with more, or less, detail.
    """
    check_number("amount", amount, low=-1, inclusive=True)
    check_number("sigma_color", sigma_color)
    check_count("levels", levels, low=2)
    pixels, give = take(image)
    unit = to_float(pixels)
    luma = unit if unit.ndim == 2 else cv2.cvtColor(unit, cv2.COLOR_RGB2GRAY)
    depth = max(1, int(np.log2(max(2, min(luma.shape)))) - 2)
    guide = gaussian_pyramid(luma, depth)
    result = [np.zeros_like(level) for level in guide[:-1]]
    sigma, step = sigma_color / 255, 1 / (int(levels) - 1)
    for reference in np.linspace(0, 1, int(levels), dtype=np.float32):
        difference = luma - reference
        remapped = luma + amount * difference * np.exp(-(difference**2) / (2 * sigma**2))
        for i, (level, detail) in enumerate(zip(guide[:-1], laplacian_pyramid(remapped, depth)[:-1], strict=True)):
            result[i] += detail * np.maximum(0, 1 - np.abs(np.clip(level, 0, 1) - reference) / step)
    detailed = guide[-1]
    for level in reversed(result):
        detailed = level + cv2.pyrUp(detailed, dstsize=level.shape[::-1])
    change = detailed - luma
    return give(from_float(unit + (change if unit.ndim == 2 else change[..., None]), pixels.dtype))


def gaussian_pyramid(plane: np.ndarray, depth: int) -> list[np.ndarray]:
    """The plane (H, W) and ``depth`` halvings of it (Burt, Adelson 1983)."""
    levels = [plane]
    for _ in range(depth):
        levels.append(cv2.pyrDown(levels[-1]))
    return levels


def laplacian_pyramid(plane: np.ndarray, depth: int) -> list[np.ndarray]:
    """What each of ``depth`` levels has beyond the next coarser one, finest first; the coarsest itself comes last."""
    levels = gaussian_pyramid(plane, depth)
    return [fine - cv2.pyrUp(coarse, dstsize=fine.shape[::-1]) for fine, coarse in pairwise(levels)] + levels[-1:]
