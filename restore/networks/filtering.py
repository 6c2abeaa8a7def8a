"""One network that imitates slow, edge-aware filters: told which, and how strongly."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from restore.filters.array import detail, smoothing
from restore.networks.base import Network

Operator = Callable[[np.ndarray, float], np.ndarray]

OPERATORS: dict[str, Operator] = {
    "bilateral": lambda image, s: smoothing.bilateral(image, sigma_color=10 + 50 * s, sigma_space=4.0),
    "non_local_means": lambda image, s: smoothing.non_local_means(image, strength=4 + 16 * s),
    "total_variation": lambda image, s: smoothing.total_variation(image, weight=10 + 40 * s),
    "beauty": lambda image, s: smoothing.beauty(image, strength=1.0, sigma_color=10 + 30 * s),
    "smooth_l0": lambda image, s: detail.smooth_l0(image, strength=0.004 * 10**s),
    "local_laplacian": lambda image, s: detail.local_laplacian(image, amount=2 * s),
}
"""Name of a filter in ``restore.filters`` -> that filter at a strength from 0 to 1, of the range that the network covers. Their order
is the order of the network's inputs: append, never insert."""


class AdaptiveNorm(nn.Module):
    """``a x + b BN(x)`` with learned a and b, at first the identity (Chen, Xu, Koltun 2017, equation 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.identity = nn.Parameter(torch.ones(1))
        self.share = nn.Parameter(torch.zeros(1))
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return self.identity * x + self.share * self.norm(x)


class Filtering(Network):
    """Context aggregation: 3x3 convolutions of growing dilation, adaptive batch norm, a 1x1 head.

    After Chen, Xu, Koltun 2017, "Fast Image Processing with Fully-Convolutional Networks"; the dilations: Yu, Koltun 2016. Works at half
    the size (2x2 pixels as channels) and predicts the change. What the paper gives as extra input channels, the operator and its
    strength, scales and shifts the channels after each convolution (Perez et al. 2018, "FiLM").

    Args:
        width: Channels of each layer.
        dilations: Of each 3x3 convolution.
        operators: How many filters it can be told apart.
    """

    def __init__(self, width: int, dilations: Sequence[int], operators: int) -> None:
        super().__init__()
        widths = [12, *[width] * len(dilations)]
        self.operators = operators
        self.convs = nn.ModuleList(nn.Conv2d(widths[i], width, 3, 1, d, d) for i, d in enumerate(dilations))
        self.norms = nn.ModuleList(AdaptiveNorm(width) for _ in dilations)
        self.films = nn.ModuleList(nn.Linear(3 * operators, 2 * width) for _ in dilations)
        self.head = nn.Conv2d(width, 12, 1)
        self.multiple_of = self.min_size = 2
        self.halo = 2 * sum(dilations)
        for parameter in [*self.head.parameters(), *self.films.parameters()]:
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor, operator: torch.Tensor | int, strength: torch.Tensor | float = 0.5) -> torch.Tensor:
        """Filter pictures.

        Args:
            x: Pictures (N, 3, H, W), float in [0, 1]; H and W even.
            operator: Number of the filter in the order of ``OPERATORS``: one, or (N,).
            strength: From 0 to 1: one, or (N,).

        Returns:
            Filtered pictures (N, 3, H, W), not clipped.
        """
        condition = self.condition(x, operator, strength)
        y = F.pixel_unshuffle(x, 2)  # (N, 12, H/2, W/2)
        for conv, norm, film in zip(self.convs, self.norms, self.films, strict=True):
            scale, shift = film(condition)[..., None, None].chunk(2, 1)  # (N, width, 1, 1) each
            y = F.leaky_relu(norm(conv(y)) * (1 + scale) + shift, 0.2)
        return x + F.pixel_shuffle(self.head(y), 2)  # (N, 3, H, W)

    def condition(self, x: torch.Tensor, operator: torch.Tensor | int, strength: torch.Tensor | float) -> torch.Tensor:
        """One-hot of the operator, once as it is, once times the strength, once times its square: (N, 3 operators)."""
        which = F.one_hot(torch.as_tensor(operator, device=x.device).reshape(-1), self.operators).to(x.dtype)
        power = torch.as_tensor(strength, dtype=x.dtype, device=x.device).reshape(-1, 1)
        return torch.cat([which, which * power, which * power**2], 1).expand(len(x), -1)


def build(*, width: int = 64, dilations: Sequence[int] = (1, 2, 4, 8, 16, 1), operators: int = len(OPERATORS)) -> Filtering:
    """Build the network with random weights.

    Args:
        width: Channels of each layer.
        dilations: Of each 3x3 convolution, at half the size.
        operators: How many filters it can be told apart.

    >>> build(width=8)(torch.zeros(2, 3, 8, 10), 1, 0.5).shape
    torch.Size([2, 3, 8, 10])
    """
    return Filtering(width, dilations, operators)
