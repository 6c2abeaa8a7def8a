"""Dense prediction on any backbone: where a photograph is damaged."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from restore import backbones
from restore.backbones.base import Backbone
from restore.networks.base import Network
from restore.nn.blocks import BasicBlock, UpDecoder
from restore.nn.layers import resize_to


class UNet(Network):
    """An encoder, a decoder that climbs back over its maps, and one logit for each pixel and output.

    Ronneberger et al. 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation", with added skips and any encoder.

    Args:
        encoder: A backbone; it normalises the pictures itself.
        decoder: Maps the encoder's maps to one at their finest size.
        outputs: Logits for each pixel.
    """

    def __init__(self, encoder: Backbone, decoder: nn.Module, *, outputs: int = 1) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.scale = encoder.reductions[0]
        self.tail = nn.Conv2d(encoder.channels[0], outputs * self.scale**2, 3, padding=1)
        self.multiple_of = self.min_size = encoder.reductions[-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, outputs, H, W) of pictures (N, C, H, W) in [0, 1]."""
        decoded = self.decoder(self.encoder.features(self.encoder.normalise(x)))
        return resize_to(F.pixel_shuffle(self.tail(decoded), self.scale), like=x)  # (N, outputs, H, W)


def build(
    *, backbone: str = "resnet18", depth: int = 1, norm: str = "batch", outputs: int = 1, encoder: Mapping[str, Any] | None = None
) -> UNet:
    """Build the network with random weights.

    Args:
        backbone: A key of ``backbones.BACKBONES``.
        depth: Residual blocks of the decoder at each scale.
        norm: Normalisation of those, a name in ``restore.nn.layers.NORMS``.
        outputs: Logits for each pixel.
        encoder: Options of the backbone.

    Raises:
        ValueError: Unknown backbone or options, or fewer than one output.

    >>> build()(torch.zeros(1, 3, 64, 96)).shape
    torch.Size([1, 1, 64, 96])
    """
    if outputs < 1:
        raise ValueError(f"{outputs} outputs; expected at least 1")
    built = backbones.build(backbone, options={**(encoder or {}), "num_classes": 0})
    depths: Sequence[int] = [depth] * len(built.channels)
    return UNet(built, UpDecoder(built.channels, depths=depths, block=partial(BasicBlock, norm=norm)), outputs=outputs)
