"""Kernels of blurs, point-spread functions: their shapes and sizes, and those that lenses make.

A kernel is (k, k) float32 with k odd, its sum 1, its centroid at its centre.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage, signal

from restore.degrade.blur import disk_kernels, gaussian_kernels

ROUND = 0.935
"""Kernels of more roundness are lenses'."""
FACTORS = np.linspace(0.6, 1.1, 11)
"""By which a disk and a Gaussian are scaled until they fit a kernel best."""


def disk(spread: float) -> np.ndarray:
    """What a round lens out of focus makes of a point; its radius is twice the standard deviation ``spread``, in pixels.

    >>> round(spread(disk(1.5)), 2), len(disk(1.5))
    (1.54, 9)
    """
    return disk_kernels(torch.tensor([2 * spread]), 2 * math.ceil(2 * spread + 0.5) + 1)[0].numpy()


def gaussian(spread: float) -> np.ndarray:
    """A Gaussian of a standard deviation in pixels, cut at three of them.

    >>> gaussian(1.2).shape
    (9, 9)
    """
    sigma = torch.tensor([spread])
    return gaussian_kernels(sigma, sigma, torch.zeros(1), 2 * math.ceil(3 * spread) + 1)[0].numpy()


def spreads(kernel: np.ndarray) -> tuple[float, float]:
    """Standard deviations along a kernel's axes in pixels, the larger one first.

    >>> spreads(np.full((1, 3), 1 / 3))[1]
    0.0
    """
    rows, columns = np.indices(kernel.shape) - (np.array(kernel.shape) // 2)[:, None, None]
    across, along, both = ((kernel * product).sum() for product in (rows * rows, columns * columns, rows * columns))
    small, large = np.linalg.eigvalsh([[across, both], [both, along]])
    return math.sqrt(large), math.sqrt(max(small, 0))


def spread(kernel: np.ndarray) -> float:
    """The standard deviation of a round kernel in pixels; of any other the mean one."""
    return math.hypot(*spreads(kernel)) / math.sqrt(2)


def roundness(kernel: np.ndarray) -> float:
    """How like itself a kernel is after a quarter turn: the correlation, 0 to 1. Lenses make round ones, shakes do not.

    >>> roundness(np.ones((3, 3), np.float32)), roundness(np.eye(9, dtype=np.float32)) < 0.5
    (1.0, True)
    """
    soft = ndimage.gaussian_filter(np.pad(kernel, 2), 0.7)
    fits = signal.fftconvolve(soft, np.rot90(soft, 3))  # turned by half and a quarter: convolving turns by half
    return round(float(fits.max() / np.square(soft).sum()), 6)


def length(kernel: np.ndarray) -> float:
    """How long the path of a shake is: twice the way from the kernel's centre to its furthest number above 0, in pixels.

    >>> length(np.eye(5, dtype=np.float32)).__round__(2)
    5.66
    """
    rows, columns = (at - side // 2 for at, side in zip(np.nonzero(kernel), kernel.shape, strict=True))
    return 2 * float(np.hypot(rows, columns).max())


def thickness(kernel: np.ndarray) -> float:
    """Pixels that a kernel covers, by the sum of its squares, over its ``length``: paths are thin.

    >>> thickness(np.full((1, 9), 1 / 9)), thickness(disk(3)) > 4
    (1.125, True)
    """
    return float(1 / np.square(kernel).sum() / max(length(kernel), 1))


def is_disk(kernel: np.ndarray) -> bool:
    """Tell whether a kernel is rather a disk than a Gaussian.

    >>> is_disk(disk(2)), is_disk(gaussian(2))
    (True, False)
    """
    return _likeness(kernel, disk) > _likeness(kernel, gaussian)


def in_words(kernel: np.ndarray) -> str:
    """Say what made a kernel, and how large it is.

    >>> in_words(disk(2.0)), in_words(np.eye(9, dtype=np.float32) / 9)
    ('the lens was out of focus by 8 pixels', 'the camera shook by 11 pixels')
    """
    if roundness(kernel) > ROUND:
        return f"the lens was out of focus by {4 * spread(kernel):.0f} pixels"
    return f"the camera shook by {length(kernel):.0f} pixels"


def _likeness(kernel: np.ndarray, make: Callable[[float], np.ndarray]) -> float:
    """The best correlation of a kernel with one of a family, 0 to 1."""
    return max(_correlation(kernel, make(factor * spread(kernel))) for factor in FACTORS)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    side = max(len(one), len(other))
    one, other = (np.pad(kernel, (side - len(kernel)) // 2) for kernel in (one, other))
    return float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))
