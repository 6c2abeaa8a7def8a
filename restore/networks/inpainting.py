"""The generator behind the brush: fills holes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones.base import Backbone
from restore.networks.base import Network, build_parts, start_as_identity
from restore.nn.blocks import Bottleneck
from restore.nn.filling import push_pull


class Inpainting(Network):
    """Encoder, dilated trunk with 1x1 bottlenecks and batch norm, decoder; the hole enters filled and the residual is predicted.

    Dilated bottlenecks after Yu, Koltun 2016, "Multi-Scale Context Aggregation by Dilated Convolutions"; that a dilated trunk
    serves inpainting almost as well as Fourier convolutions: Suvorov et al. 2022, "LaMa", table 3.

    Args:
        encoder: A backbone on 4 channels (RGB and the mask) whose finest map is at half the input's size.
        trunk: Works on the encoder's coarsest map.
        decoder: Maps the encoder's maps to one at their finest size.
    """

    takes_mask = True

    def __init__(self, encoder: Backbone, trunk: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.trunk, self.decoder = encoder, trunk, decoder
        self.tail = nn.Conv2d(encoder.channels[0], 12, 3, padding=1)
        self.multiple_of = self.min_size = encoder.reductions[-1]
        start_as_identity(self, self.tail)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Fill holes.

        Args:
            x: Pictures (N, 3, H, W), float in [0, 1]; H and W multiples of ``multiple_of``. What lies in the hole is ignored.
            mask: Holes (N, 1, H, W), 1 = repair.

        Returns:
            Pictures (N, 3, H, W), not clipped; only their hole pixels are meant to be used.
        """
        x = push_pull(x, mask)
        *fine, coarse = self.encoder.features(torch.cat([x, mask.to(x.dtype)], 1))
        decoded = self.decoder([*fine, self.trunk(coarse)])
        return x + F.pixel_shuffle(self.tail(decoded), 2)  # (N, 3, H, W)


def from_restoration(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A denoiser's parameters as those of an inpainting network of the same widths and depths.

    The weights of the fourth input channel, a noise level there and a mask here, are zeroed: the network starts as the denoiser of clean
    pictures. Parameters that already are an inpainting network's stay as they are.
    """
    if any(key.startswith("trunk.") for key in state):
        return state
    stem = "encoder.conv1.1.weight"
    weight = state[stem].clone()  # (width, 16, 3, 3): each colour's four pixels, then the map's
    weight[:, 12:] = 0
    return {**state, stem: weight}


def build_trunk(channels: int, dilations: Sequence[int]) -> nn.Sequential:
    """Residual bottlenecks of ``channels`` channels with batch norm, one for each dilation."""
    return nn.Sequential(*(Bottleneck(channels, channels // Bottleneck.expansion, dilation=d, post_activation=False) for d in dilations))


def build(
    *,
    widths: Sequence[int] = (48, 64, 96),
    down: Sequence[int] = (2, 2, 2),
    up: Sequence[int] = (2, 2, 2),
    dilations: Sequence[int] = (1, 2, 4, 8, 1, 2, 4, 8),
    block: str = "basic",
) -> Inpainting:
    """Build the network with random weights.

    Args:
        widths: Channels at 1/2, 1/4, 1/8 of the size.
        down: Residual blocks of the encoder at each scale.
        up: Residual blocks of the decoder at each scale.
        dilations: One bottleneck of the trunk for each.
        block: A name in ``networks.base.BLOCKS``, for encoder and decoder.

    Raises:
        ValueError: Unknown block.

    >>> net = build(widths=(8, 8, 8))
    >>> net(torch.zeros(1, 3, 16, 24), torch.ones(1, 1, 16, 24)).shape
    torch.Size([1, 3, 16, 24])
    """
    encoder, decoder = build_parts(widths, down, up, block)
    return Inpainting(encoder, build_trunk(encoder.channels[-1], dilations), decoder)
