"""Filters that smooth and keep edges. Input, output and errors as in ``linear``."""

import math

import torch

from restore.filters.base import check_count, check_number, check_size
from restore.filters.tensor.base import check, mean, pad

AT_ONCE = 2**24
"""Pixels of all windows that ``median`` holds at a time: 64 MB of float32."""


def median(x: torch.Tensor, *, size: int = 3, border: str = "reflect") -> torch.Tensor:
    """Median over a window of (size, size) pixels, each channel by itself: removes specks, keeps edges.

    >>> median(torch.tensor([[[[1.0, 1, 1], [1, 99, 1], [1, 1, 1]]]]))[0, 0, 1]
    tensor([1., 1., 1.])
    """
    check_size("size", size)
    check(x)
    windows = pad(x, size // 2, size // 2, border).unfold(2, size, 1).unfold(3, size, 1)  # (N, C, H, W, size, size)
    rows = max(1, AT_ONCE // (x[:, :, 0].numel() * size**2))
    return torch.cat([strip.flatten(4).median(4).values for strip in windows.split(rows, 2)], 2)


def bilateral(
    x: torch.Tensor, *, sigma_color: float = 25.0, sigma_space: float = 3.0, size: int | None = None, border: str = "reflect"
) -> torch.Tensor:
    """Mean of the neighbours, weighted by how near and how alike they are (Tomasi, Manduchi 1998); differences of channels are summed.

    Args:
        x: The pictures.
        sigma_color: Differences well above it stay, in 8-bit units.
        sigma_space: Of the Gaussian over distances, in pixels.
        size: Width of the round window, odd; None: 2 round(1.5 sigma_space) + 1, as OpenCV has it.
        border: A name in ``BORDERS``.

    Returns:
        The smoothed pictures.
    """
    check_number("sigma_color", sigma_color)
    check_number("sigma_space", sigma_space)
    size = 2 * max(1, round(1.5 * sigma_space)) + 1 if size is None else size
    check_size("size", size)
    check(x)
    reach, (height, width) = size // 2, x.shape[2:]
    padded = pad(x, reach, reach, border)
    total, weights = torch.zeros_like(x), torch.zeros_like(x[:, :1])
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if math.hypot(down, right) > reach:
                continue
            shifted = padded[:, :, reach + down : reach + down + height, reach + right : reach + right + width]
            unlike = (shifted - x).abs().sum(1, keepdim=True)  # (N, 1, H, W)
            near = (down**2 + right**2) / (2 * sigma_space**2)
            weight = torch.exp(-0.5 * (unlike * (255 / sigma_color)) ** 2 - near)
            total, weights = total + weight * shifted, weights + weight
    return total / weights


def guided(x: torch.Tensor, *, radius: int = 8, sigma_color: float = 25.0, border: str = "reflect") -> torch.Tensor:
    """Guided filter with the picture as its own guide, each channel by itself (He, Sun, Tang 2013); float32 inside, or float64.

    Args:
        x: The pictures.
        radius: Of the square window, in pixels.
        sigma_color: Where the standard deviation in a window is well above it, the pixels stay; in 8-bit units; the paper's epsilon
            is its square.
        border: A name in ``BORDERS``.

    Returns:
        The smoothed pictures.
    """
    check_count("radius", radius)
    check_number("sigma_color", sigma_color)
    check(x)
    window, wide = 2 * int(radius) + 1, x if x.dtype == torch.float64 else x.float()
    middle = mean(wide, window, border)
    variance = (mean(wide * wide, window, border) - middle * middle).clamp(min=0)
    share = variance / (variance + (sigma_color / 255) ** 2)
    return (mean(share, window, border) * wide + mean((1 - share) * middle, window, border)).to(x.dtype)
