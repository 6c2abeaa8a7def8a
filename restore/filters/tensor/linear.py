"""Filters that correlate pictures with one kernel, or with two and subtract.

Each is the twin of the function of its name in ``array``: the same options, borders and, on float32, the same result to 1e-5. It takes
(N, C, H, W) of any floating-point type on any device, white = 1, filters every channel of every picture by itself, is differentiable,
and returns the same shape and type. All raise TypeError and ValueError as ``base.check`` does, and ValueError for an option out of its
range.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch

from restore.filters import kernels
from restore.filters.base import as_kernel, check_count, check_number, check_size
from restore.filters.tensor.base import check, correlate, mean, separable


def box(x: torch.Tensor, *, size: int = 5, border: str = "reflect") -> torch.Tensor:
    """Mean over a window of (size, size) pixels.

    >>> box(9 * torch.eye(3).expand(1, 1, 3, 3), size=3)[0, 0, 1]
    tensor([3., 3., 3.])
    """
    check_size("size", size)
    check(x)
    return mean(x, size, border)


def gaussian(x: torch.Tensor, *, sigma: float = 2.0, border: str = "reflect") -> torch.Tensor:
    """Blur with a Gaussian of ``sigma`` pixels, cut at 3 sigma.

    >>> gaussian(torch.rand(2, 3, 8, 9)).shape
    torch.Size([2, 3, 8, 9])
    """
    line = kernels.gaussian_1d(sigma)
    check(x)
    return separable(x, line, border=border)


def motion(x: torch.Tensor, *, length: float = 9.0, angle: float = 0.0, border: str = "reflect") -> torch.Tensor:
    """Blur along a straight line: ``length`` in pixels, ``angle`` in degrees counter-clockwise from the horizontal."""
    check(x)
    return correlate(x, kernels.motion(length, angle), border=border)


def disk(x: torch.Tensor, *, radius: float = 3.0, border: str = "reflect") -> torch.Tensor:
    """Blur as a round lens out of focus does, over a disk of ``radius`` pixels."""
    check(x)
    return correlate(x, kernels.disk(radius), border=border)


def sharpen(x: torch.Tensor, *, border: str = "reflect") -> torch.Tensor:
    """The classic 3x3 kernel ``[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]``: the picture plus its Laplacian.

    >>> sharpen(torch.tensor([[[[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]]]))[0, 0, 1]
    tensor([-2.,  5., -2.])
    """
    check(x)
    return correlate(x, kernels.SHARPEN, border=border)


def laplacian(x: torch.Tensor, *, border: str = "reflect") -> torch.Tensor:
    """The 3x3 kernel ``[[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]``: bright where a pixel stands out, black where nothing changes."""
    check(x)
    return correlate(x, kernels.LAPLACIAN, border=border)


def emboss(x: torch.Tensor, *, border: str = "reflect") -> torch.Tensor:
    """A relief lit from the top left; flat areas keep their grey."""
    check(x)
    return correlate(x, kernels.EMBOSS, border=border)


def unsharp(x: torch.Tensor, *, sigma: float = 2.0, amount: float = 1.0, threshold: float = 0.0, border: str = "reflect") -> torch.Tensor:
    """Unsharp mask: add ``amount`` times the difference to the blurred picture.

    Args:
        x: The pictures.
        sigma: Of the blur, in pixels.
        amount: 0 changes nothing.
        threshold: Differences of at most this size, in 8-bit units, stay as they are.
        border: A name in ``BORDERS``.

    Returns:
        The sharpened pictures.
    """
    check_number("amount", amount, inclusive=True)
    check_number("threshold", threshold, inclusive=True, high=255)
    difference = x - gaussian(x, sigma=sigma, border=border)
    if threshold:
        difference = torch.where(difference.abs() > threshold / 255, difference, 0)
    return x + amount * difference


def high_boost(x: torch.Tensor, *, boost: float = 1.5, size: int = 3, border: str = "reflect") -> torch.Tensor:
    """High-boost filter: ``boost`` times the picture minus its mean over (size, size), weights summing to 1."""
    check_number("boost", boost, low=1.0, inclusive=True)
    check_size("size", size)
    check(x)
    return boost * x + (1 - boost) * mean(x, size, border)


def difference_of_gaussians(x: torch.Tensor, *, sigma: float = 1.0, ratio: float = 1.6, border: str = "reflect") -> torch.Tensor:
    """The picture blurred by ``sigma`` minus it blurred by ``ratio * sigma``; 1.6 is near the Laplacian of it (Marr, Hildreth 1980)."""
    check_number("ratio", ratio, low=1.0)
    return gaussian(x, sigma=sigma, border=border) - gaussian(x, sigma=ratio * sigma, border=border)


def laplacian_of_gaussian(x: torch.Tensor, *, sigma: float = 2.0, border: str = "reflect") -> torch.Tensor:
    """Laplacian of Gaussian, positive on bright spots of radius ``sigma * sqrt(2)`` pixels."""
    check(x)
    return correlate(x, kernels.log(sigma), border=border)


def gabor(x: torch.Tensor, *, wavelength: float = 8.0, count: int = 8, border: str = "reflect") -> torch.Tensor:
    """A bank of Gabor filters: at each pixel the largest response, in size, among ``count`` directions.

    Args:
        x: The pictures.
        wavelength: Of the stripes that are looked for, in pixels.
        count: Directions, evenly spaced over half a turn.
        border: A name in ``BORDERS``.

    Returns:
        Bright where there are stripes of that wavelength.
    """
    check_number("wavelength", wavelength)
    check_count("count", count)
    check(x)
    bank = (kernels.gabor(wavelength, 180 * i / count) for i in range(int(count)))
    return reduce(torch.maximum, (correlate(x, kernel, border=border).abs() for kernel in bank))


def custom(
    x: torch.Tensor,
    *,
    kernel: np.ndarray | Sequence[Sequence[float]],
    flip: bool = False,
    normalise: bool = False,
    border: str = "reflect",
) -> torch.Tensor:
    """Correlate with any kernel.

    Args:
        x: The pictures.
        kernel: (h, w), odd sides.
        flip: Turn the kernel by 180 degrees, which makes it a convolution.
        normalise: Divide the kernel by its sum.
        border: A name in ``BORDERS``.

    Returns:
        The filtered pictures.

    Raises:
        ValueError: Even sides, rows of different length, numbers that are not finite, or a sum of 0 that should be divided by.

    >>> custom(torch.tensor([[[[1.0, 2, 3]]]]), kernel=[[1, 0, 0]], border="constant").flatten()
    tensor([0., 1., 2.])
    """
    weights = as_kernel(kernel)
    if normalise:
        if abs(weights.sum()) < 1e-12:
            raise ValueError("the kernel sums to 0; expected another sum, or no normalise")
        weights = weights / weights.sum()
    check(x)
    return correlate(x, weights[::-1, ::-1] if flip else weights, border=border)
