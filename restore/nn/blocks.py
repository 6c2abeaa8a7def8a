"""Residual blocks and the decoder that more than one network is formed from."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from restore.nn.layers import activation_layer, norm_layer, resize_to

BlockFactory = Callable[..., nn.Module]
"""Builds a residual block: ``factory(in_channels, width, stride=1, dilation=1)``; the output has ``width * expansion`` channels."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, "Deep Residual Learning for Image Recognition", figure 5 left).

    Maps (N, in_channels, H, W) to (N, width, H/stride, W/stride).

    Args:
        in_channels: Channels of the input.
        width: Channels of the output.
        stride: Stride of the first convolution; a 1x1 convolution carries the shortcut when the shape changes.
        dilation: Dilation of both convolutions.
        norm: A name in ``NORMS``; convolutions have a bias only without normalisation.
        activation: A name in ``ACTIVATIONS``.
        post_activation: Apply the activation after the addition (as the paper does); without it a stack of blocks is a
            sum of residuals, as restoration networks want it (Lim et al. 2017, "EDSR").

    >>> BasicBlock(8, 16, stride=2)(torch.zeros(1, 8, 6, 6)).shape
    torch.Size([1, 16, 3, 3])
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        norm: str = "batch",
        activation: str = "relu",
        post_activation: bool = True,
    ) -> None:
        super().__init__()
        bias = norm == "none"
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, dilation, dilation, bias=bias)
        self.bn1 = norm_layer(norm, width)
        self.relu = activation_layer(activation)
        self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=bias)
        self.bn2 = norm_layer(norm, width)
        self.downsample = shortcut(in_channels, width, stride=stride, norm=norm)
        self.act2 = activation_layer(activation if post_activation else "none")

    def branches(self) -> list[list[nn.Module]]:
        """The modules that run side by side: the residual and the shortcut."""
        return [[self.conv1, self.conv2], [] if self.downsample is None else [self.downsample]]

    def zero_init(self) -> None:
        """Make the residual branch zero, so that the block starts as its shortcut (Goyal et al. 2017, section 5.1)."""
        zero_last(self.bn2, self.conv2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the residual to the shortcut: (N, C, H, W) -> (N, width, H/stride, W/stride)."""
        residual = self.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        return self.act2(residual + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut (He et al. 2016, figure 5 right), stride on the 3x3 as in torchvision.

    Maps (N, in_channels, H, W) to (N, 4 * width, H/stride, W/stride). Arguments as for ``BasicBlock``; ``width`` is that
    of the 3x3 convolution.

    >>> Bottleneck(64, 16)(torch.zeros(1, 64, 6, 6)).shape
    torch.Size([1, 64, 6, 6])
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        norm: str = "batch",
        activation: str = "relu",
        post_activation: bool = True,
    ) -> None:
        super().__init__()
        bias, out_channels = norm == "none", width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=bias)
        self.bn1 = norm_layer(norm, width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=bias)
        self.bn2 = norm_layer(norm, width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=bias)
        self.bn3 = norm_layer(norm, out_channels)
        self.relu = activation_layer(activation)
        self.downsample = shortcut(in_channels, out_channels, stride=stride, norm=norm)
        self.act3 = activation_layer(activation if post_activation else "none")

    def branches(self) -> list[list[nn.Module]]:
        """The modules that run side by side: the residual and the shortcut."""
        return [[self.conv1, self.conv2, self.conv3], [] if self.downsample is None else [self.downsample]]

    def zero_init(self) -> None:
        """Make the residual branch zero, so that the block starts as its shortcut."""
        zero_last(self.bn3, self.conv3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the residual to the shortcut: (N, C, H, W) -> (N, 4 * width, H/stride, W/stride)."""
        residual = self.relu(self.bn1(self.conv1(x)))
        residual = self.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        return self.act3(residual + (x if self.downsample is None else self.downsample(x)))


def shortcut(in_channels: int, out_channels: int, *, stride: int, norm: str) -> nn.Sequential | None:
    """The projection that carries a block's input where the shape changes; None where the identity will do."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=norm == "none"), norm_layer(norm, out_channels))


def zero_last(norm: nn.Module, conv: nn.Conv2d) -> None:
    """Zero the scale of ``norm`` (or, where it has none, the weight and bias of ``conv`` before it)."""
    last = norm if getattr(norm, "weight", None) is not None else conv
    for parameter in last.parameters(recurse=False):
        nn.init.zeros_(parameter)


class UpDecoder(nn.Module):
    """From the coarsest of a backbone's maps back to its finest: 2x2 transposed convolution, added skip, blocks.

    Args:
        channels: Channels of the maps, finest first, as ``Backbone.channels`` lists them.
        depths: Blocks at each scale, finest first; the coarsest scale's blocks come before the first step up.
        block: Builds a block.

    >>> decoder = UpDecoder([8, 16], depths=[1, 1], block=BasicBlock)
    >>> decoder([torch.zeros(1, 8, 6, 6), torch.zeros(1, 16, 3, 3)]).shape
    torch.Size([1, 8, 6, 6])
    """

    def __init__(self, channels: Sequence[int], *, depths: Sequence[int], block: BlockFactory) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(*(block(c, c) for _ in range(depth))) for c, depth in zip(channels, depths, strict=True))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, 2) for fine, coarse in pairwise(channels))

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps (N, C_i, H_i, W_i), finest first -> (N, C_0, H_0, W_0)."""
        x = self.blocks[-1](features[-1])
        for i in reversed(range(len(self.ups))):
            x = self.blocks[i](resize_to(self.ups[i](x), like=features[i]) + features[i])  # (N, C_i, H_i, W_i)
        return x
