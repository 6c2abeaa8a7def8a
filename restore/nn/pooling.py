"""Pooling chosen by name, and the one kind that torch does not have.

Overlapping pooling is a stride smaller than the window (Krizhevsky et al. 2012: ``MaxPool2d(3, 2)``); global pooling is
``nn.AdaptiveAvgPool2d(1)`` (Lin et al. 2013, "Network in network"); adaptive pooling, ``nn.AdaptiveMaxPool2d``, gives any input the same
number of windows (see ``adaptive_windows``).
"""

from collections.abc import Callable

import torch
from torch import nn

from restore.nn.layers import AvgPool2d, MaxPool2d


class StochasticPool2d(nn.Module):
    """Stochastic pooling (Zeiler, Fergus 2013, "Stochastic pooling for regularization of deep convolutional neural networks").

    In training each window gives one of its activations, drawn with the probability ``p = a / sum of a``; in evaluation the mean that
    they weight, ``sum of p a``. Activations below zero count as zero; a window of zeros gives zero.

    Args:
        kernel_size: Side of the windows.
        stride: Steps between them; None sets them side by side.
        generator: Draws the places; None is torch's own. On the device of the input.

    Raises:
        ValueError: A kernel size or a stride below 1, or an input smaller than a window.

    >>> x = torch.tensor([[1.6, 0.0], [0.0, 2.4]])[None, None]  # probabilities 0.4, 0, 0, 0.6
    >>> StochasticPool2d(2).eval()(x)
    tensor([[[[2.0800]]]])
    """

    def __init__(self, kernel_size: int, stride: int | None = None, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.generator = kernel_size, kernel_size if stride is None else stride, generator
        if self.kernel_size < 1 or self.stride < 1:
            raise ValueError(f"kernel size is {kernel_size}, stride {stride}; expected 1 or more")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H', W'), rounded down."""
        k, s = self.kernel_size, self.stride
        height, width = (size - k + 1 for size in x.shape[-2:])
        if min(height, width) < 1:
            raise ValueError(f"input is {x.shape[-2]} x {x.shape[-1]}; expected at least the window's {k} x {k}")
        windows = [x[..., i : i + height : s, j : j + width : s] for i in range(k) for j in range(k)]
        activations = torch.stack(windows).relu()  # (k * k, N, C, H', W')
        if not self.training:
            total = activations.sum(0)
            return activations.square().sum(0) / total.where(total > 0, 1)
        waiting = torch.empty_like(activations).exponential_(generator=self.generator)  # the first to come is drawn with probability p
        chosen = (activations / waiting).argmax(0, keepdim=True)
        return activations.gather(0, chosen)[0]


POOLS: dict[str, Callable[[int, int], nn.Module]] = {"max": MaxPool2d, "average": AvgPool2d, "stochastic": StochasticPool2d}
"""Name of a pooling -> constructor that takes the side of its windows and the stride."""


def pool_layer(kind: str, kernel_size: int, stride: int) -> nn.Module:
    """Build the pooling called ``kind``.

    Raises:
        ValueError: The name is not in ``POOLS``.

    >>> pool_layer("max", 3, 2)(torch.zeros(1, 96, 55, 55)).shape
    torch.Size([1, 96, 27, 27])
    """
    if kind not in POOLS:
        raise ValueError(f"pooling {kind!r} is unknown; expected one of {', '.join(POOLS)}")
    return POOLS[kind](kernel_size, stride)


def adaptive_windows(size: int, bins: int) -> list[tuple[int, int]]:
    """The windows of adaptive pooling: start and end (exclusive) of each of ``bins`` along an axis of ``size`` values.

    From ``floor(i * size / bins)`` to ``ceil((i + 1) * size / bins)``: side by side where they divide, else they overlap. So they are
    in torch, in spatial pyramids (He et al. 2014, "Spatial pyramid pooling") and in regions of interest (Girshick 2015, "Fast R-CNN").

    Raises:
        ValueError: A size or a number of bins below 1.

    >>> adaptive_windows(8, 2), adaptive_windows(5, 2)
    ([(0, 4), (4, 8)], [(0, 3), (2, 5)])
    """
    if size < 1 or bins < 1:
        raise ValueError(f"size is {size}, bins {bins}; expected 1 or more")
    return [(i * size // bins, -(-(i + 1) * size // bins)) for i in range(bins)]
