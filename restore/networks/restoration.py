"""The encoder-decoder that removes noise, told how much there is."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones.base import Backbone
from restore.networks.base import BLOCKS, Network, build_encoder, factory, start_as_identity
from restore.nn.blocks import UpDecoder

WIDEST = 4.0
"""Width of a blur in pixels, the standard deviation of its kernel, that a network which sharpens hears of as level 1, as of wider ones."""


class Restoration(Network):
    """Residual U-Net with a noise-level map (the map after Zhang et al. 2018, "FFDNet"; the shape after Zhang et al. 2021, "DRUNet").

    Args:
        encoder: A backbone on 4 channels (RGB and the level) whose finest map is at half the input's size.
        decoder: Maps the encoder's maps to one at their finest size.
        halo: How far an output pixel sees, in pixels.
    """

    def __init__(self, encoder: Backbone, decoder: nn.Module, *, halo: int) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.tail = nn.Conv2d(encoder.channels[0], 12, 3, padding=1)
        self.multiple_of = self.min_size = encoder.reductions[-1]
        self.halo = halo
        start_as_identity(self, self.tail)

    def forward(self, x: torch.Tensor, level: torch.Tensor | float) -> torch.Tensor:
        """Remove noise.

        Args:
            x: Pictures (N, 3, H, W), float, nominally in [0, 1]; H and W multiples of ``multiple_of``.
            level: Standard deviation of the noise on the same scale (8-bit units / 255): a number, (N,) or a map (N, 1, H, W).

        Returns:
            Clean pictures (N, 3, H, W), not clipped.
        """
        features = self.encoder.features(torch.cat([x, level_map(level, x)], 1))
        residual = F.pixel_shuffle(self.tail(self.decoder(features)), 2)  # (N, 3, H, W)
        return x + residual


def level_map(level: torch.Tensor | float, x: torch.Tensor) -> torch.Tensor:
    """A level as a map (N, 1, H, W) beside ``x`` (N, C, H, W): from a number, (N,) or (N, 1, H, W).

    >>> level_map(0.1, torch.zeros(2, 3, 4, 4)).shape
    torch.Size([2, 1, 4, 4])
    """
    level = torch.as_tensor(level, dtype=x.dtype, device=x.device)
    if level.ndim < 4:
        level = level.reshape(-1, 1, 1, 1)
    return level.expand(x.shape[0], 1, *x.shape[-2:])


def reach(down: Sequence[int], up: Sequence[int], cells: int) -> int:
    """How far an output pixel of the U-Net sees, in pixels, rounded up to a multiple of its coarsest reduction.

    Follows the left edge of what pixel 0 depends on, back through the network: each block reaches so many ``cells`` of its scale, and
    each step between scales rounds to whole cells.

    >>> reach((2, 2, 2), (2, 2, 2), 2), reach((2, 2, 2), (2, 2, 2), 1)
    (128, 64)
    """
    cell = -1  # of the grid at 1/2: the tail
    for blocks in up[:-1]:
        cell = (cell - cells * blocks) // 2
    cell -= cells * (up[-1] + down[-1])
    for blocks in reversed(down[:-1]):
        cell = 2 * cell - cells * blocks
    pixels, coarsest = -2 * (cell - 1), 2 ** len(down)
    return -(-pixels // coarsest) * coarsest


def build(
    *, widths: Sequence[int] = (64, 128, 256), down: Sequence[int] = (2, 2, 2), up: Sequence[int] = (2, 2, 2), block: str = "gated"
) -> Restoration:
    """Build the network with random weights.

    Args:
        widths: Channels at 1/2, 1/4, 1/8 of the size.
        down: Residual blocks of the encoder at each scale.
        up: Residual blocks of the decoder at each scale.
        block: A name in ``networks.base.BLOCKS``.

    Raises:
        ValueError: Unknown block.

    >>> net = build(widths=(8, 8, 8))
    >>> net(torch.zeros(1, 3, 16, 24), 25 / 255).shape
    torch.Size([1, 3, 16, 24])
    """
    encoder = build_encoder(widths, down, block)
    decoder = UpDecoder(encoder.channels, depths=up, block=factory(block))
    return Restoration(encoder, decoder, halo=reach(down, up, BLOCKS[block][1]))
