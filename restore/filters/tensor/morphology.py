"""Grey-scale morphology (Serra 1982): the darkest or brightest pixel under a shape. Input, output and errors as in ``linear``.

``shape`` is "square", "disk" or "cross", ``size`` its odd width in pixels. At the border "constant" what is outside does not count.
"""

import math
from functools import reduce

import torch
import torch.nn.functional as F

from restore.filters import kernels
from restore.filters.tensor.base import check, pad


def erosion(x: torch.Tensor, *, size: int = 3, shape: str = "square", border: str = "reflect") -> torch.Tensor:
    """The darkest pixel under the shape: bright specks go, dark areas grow.

    Raises:
        ValueError: ``size`` is even or below 1, or an unknown ``shape`` or ``border``.

    >>> erosion(torch.tensor([[[[9.0, 9, 1, 9, 9]]]])).flatten()
    tensor([9., 1., 1., 1., 9.])
    """
    widths = rows(size, shape)
    check(x)
    return erode(x, widths, border)


def dilation(x: torch.Tensor, *, size: int = 3, shape: str = "square", border: str = "reflect") -> torch.Tensor:
    """The brightest pixel under the shape: dark specks go, bright areas grow. Raises as ``erosion``."""
    widths = rows(size, shape)
    check(x)
    return dilate(x, widths, border)


def opening(x: torch.Tensor, *, size: int = 3, shape: str = "square", border: str = "reflect") -> torch.Tensor:
    """Erosion, then dilation: bright specks that the shape does not fit into go, the rest stays. Raises as ``erosion``."""
    widths = rows(size, shape)
    check(x)
    return dilate(erode(x, widths, border), widths, border)


def closing(x: torch.Tensor, *, size: int = 3, shape: str = "square", border: str = "reflect") -> torch.Tensor:
    """Dilation, then erosion: dark specks that the shape does not fit into go, the rest stays. Raises as ``erosion``."""
    widths = rows(size, shape)
    check(x)
    return erode(dilate(x, widths, border), widths, border)


def top_hat(x: torch.Tensor, *, size: int = 9, shape: str = "square", border: str = "reflect") -> torch.Tensor:
    """The picture minus its opening: bright specks smaller than the shape, on black. Raises as ``erosion``.

    >>> top_hat(torch.tensor([[[[5.0, 5, 9, 5, 5]]]]), size=3).flatten()
    tensor([0., 0., 4., 0., 0.])
    """
    return x - opening(x, size=size, shape=shape, border=border)


def black_hat(x: torch.Tensor, *, size: int = 9, shape: str = "square", border: str = "reflect") -> torch.Tensor:
    """The closing minus the picture: dark specks smaller than the shape, such as dust, bright on black. Raises as ``erosion``."""
    return closing(x, size=size, shape=shape, border=border) - x


def rows(size: int, shape: str) -> list[int]:
    """Widths of the rows of a shape; each is one run of pixels, in the middle."""
    return kernels.footprint(size, shape).sum(1).tolist()


def dilate(x: torch.Tensor, widths: list[int], border: str) -> torch.Tensor:
    """The dilation of checked pictures: the largest value in each row of the shape, then over the rows."""
    size, (height, width) = len(widths), x.shape[2:]
    padded = pad(x, size // 2, size // 2, border, outside=-math.inf)
    largest = {}
    for run in set(widths):
        left = (size - run) // 2
        largest[run] = F.max_pool2d(padded[..., left : left + width + run - 1], (1, run), 1)  # (N, C, H + size - 1, W)
    return reduce(torch.maximum, (largest[run][:, :, top : top + height] for top, run in enumerate(widths)))


def erode(x: torch.Tensor, widths: list[int], border: str) -> torch.Tensor:
    """The erosion of checked pictures."""
    return -dilate(-x, widths, border)
