"""Residual blocks and the decoder that more than one network is formed from."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from restore.nn.layers import ChannelNorm, MaxPool2d, activation_layer, norm_layer, resize_to

BlockFactory = Callable[..., nn.Module]
"""Builds a residual block: ``factory(in_channels, width, stride=1, dilation=1)``; the output has ``width * expansion`` channels."""


class ConvNorm(nn.Sequential):
    """Convolution, normalisation, ReLU: (N, in_channels, H, W) -> (N, width, H', W'); a bias only without normalisation.

    >>> ConvNorm(3, 8, 3, padding=1)(torch.zeros(1, 3, 6, 6)).shape
    torch.Size([1, 8, 6, 6])
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        norm: str = "batch",
    ) -> None:
        conv = nn.Conv2d(in_channels, width, kernel, stride, padding, bias=norm == "none")
        super().__init__(OrderedDict(conv=conv, bn=norm_layer(norm, width), relu=nn.ReLU(inplace=True)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, "Deep Residual Learning for Image Recognition", figure 5 left).

    Maps (N, in_channels, H, W) to (N, width, H/stride, W/stride).

    Args:
        in_channels: Channels of the input.
        width: Channels of the output.
        stride: Stride of the first convolution.
        dilation: Dilation of both convolutions.
        norm: A name in ``NORMS``; convolutions have a bias only without normalisation.
        activation: A name in ``ACTIVATIONS``.
        post_activation: Apply the activation after the addition (as the paper does); without it a stack of blocks is a
            sum of residuals, as restoration networks want it (Lim et al. 2017, "EDSR").
        shortcut: How it passes where the shape changes: ``"projection"`` or ``"padding"``, a name in ``SHORTCUTS``.

    Raises:
        ValueError: Unknown norm, activation or shortcut.

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
        shortcut: str = "projection",
    ) -> None:
        super().__init__()
        bias = norm == "none"
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, dilation, dilation, bias=bias)
        self.bn1 = norm_layer(norm, width)
        self.relu = activation_layer(activation)
        self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=bias)
        self.bn2 = norm_layer(norm, width)
        self.downsample = shortcut_layer(shortcut, in_channels, width, stride=stride, norm=norm)
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
        residual += x if self.downsample is None else self.downsample(x)
        return self.act2(residual)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut (He et al. 2016, figure 5 right).

    Maps (N, in_channels, H, W) to (N, 4 * width, H/stride, W/stride).

    Args:
        in_channels: Channels of the input.
        width: Channels of the 3x3 convolution.
        stride: Stride of the block.
        dilation: Dilation of the 3x3 convolution.
        norm: A name in ``NORMS``; convolutions have a bias only without normalisation.
        activation: A name in ``ACTIVATIONS``.
        post_activation: As for ``BasicBlock``.
        stride_on: The convolution that has the stride: ``"3x3"`` as in torchvision (and Goyal et al. 2017), ``"1x1"``, the first,
            as in the paper.

    Raises:
        ValueError: Unknown norm or activation, or ``stride_on`` is neither.

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
        stride_on: str = "3x3",
    ) -> None:
        super().__init__()
        if stride_on not in ("1x1", "3x3"):
            raise ValueError(f"stride_on {stride_on!r} is unknown; expected '1x1' or '3x3'")
        first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
        bias, out_channels = norm == "none", width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=bias)
        self.bn1 = norm_layer(norm, width)
        self.conv2 = nn.Conv2d(width, width, 3, second, dilation, dilation, bias=bias)
        self.bn2 = norm_layer(norm, width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=bias)
        self.bn3 = norm_layer(norm, out_channels)
        self.relu = activation_layer(activation)
        self.downsample = shortcut_layer("projection", in_channels, out_channels, stride=stride, norm=norm)
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
        residual += x if self.downsample is None else self.downsample(x)
        return self.act3(residual)


class GatedBlock(nn.Module):
    """Two residuals in which one half of the channels multiplies the other: of what lies around each pixel, then of the pixel alone.

    The block of Chen et al. 2022, "Simple Baselines for Image Restoration" (NAFNet), without its attention, which pools over all of the
    picture, and without the scales of its residuals: these start at zero otherwise (``zero_init``).

    Maps (N, width, H, W) to the same shape.

    Args:
        in_channels: Channels of the input; the same as ``width``.
        width: Channels of the output.
        stride: 1.
        dilation: Dilation of the 3x3 convolution.

    Raises:
        ValueError: The block is asked to change channels or size.

    >>> GatedBlock(8, 8)(torch.zeros(1, 8, 6, 6)).shape
    torch.Size([1, 8, 6, 6])
    """

    expansion = 1
    reach = 1

    def __init__(self, in_channels: int, width: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        if in_channels != width or stride != 1:
            raise ValueError(f"GatedBlock keeps channels and size; got {in_channels} to {width} channels, stride {stride}")
        self.norm1, self.norm2 = ChannelNorm(width), ChannelNorm(width)
        self.conv1 = nn.Conv2d(width, 2 * width, 1)
        self.conv2 = nn.Conv2d(2 * width, 2 * width, 3, 1, dilation, dilation, groups=2 * width)
        self.conv3 = nn.Conv2d(width, width, 1)
        self.conv4 = nn.Conv2d(width, 2 * width, 1)
        self.conv5 = nn.Conv2d(width, width, 1)

    def zero_init(self) -> None:
        """Make the residuals zero, so that the block starts as its shortcut."""
        for conv in (self.conv3, self.conv5):
            zero_last(nn.Identity(), conv)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the residuals: (N, width, H, W) -> the same shape."""
        x = x + self.conv3(gate(self.conv2(self.conv1(self.norm1(x)))))
        return x + self.conv5(gate(self.conv4(self.norm2(x))))


def gate(x: torch.Tensor) -> torch.Tensor:
    """The first half of the channels times the second: (N, 2 C, H, W) -> (N, C, H, W)."""
    first, second = x.chunk(2, 1)
    return first * second


class PlainBlock(nn.Sequential):
    """Two 3x3 convolutions, each with ReLU, no shortcut (Simonyan, Zisserman 2014, "VGG", a block of configuration B).

    Maps (N, in_channels, H, W) to (N, width, H/stride, W/stride).

    Args:
        in_channels: Channels of the input.
        width: Channels of the output.
        stride: Stride of the first convolution.
        dilation: Dilation of both convolutions.

    >>> PlainBlock(4, 8)(torch.zeros(1, 4, 6, 6)).shape
    torch.Size([1, 8, 6, 6])
    """

    expansion = 1
    reach = 2

    def __init__(self, in_channels: int, width: int, *, stride: int = 1, dilation: int = 1) -> None:
        first = nn.Conv2d(in_channels, width, 3, stride, dilation, dilation)
        second = nn.Conv2d(width, width, 3, 1, dilation, dilation)
        super().__init__(OrderedDict(conv1=first, relu1=nn.ReLU(inplace=True), conv2=second, relu2=nn.ReLU(inplace=True)))


def projection(in_channels: int, out_channels: int, *, stride: int, norm: str) -> nn.Sequential:
    """The shortcut with parameters, a 1x1 convolution (He et al. 2016, option B)."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=norm == "none"), norm_layer(norm, out_channels))


def padding(in_channels: int, out_channels: int, *, stride: int, norm: str) -> nn.Sequential:
    """The shortcut without parameters: every ``stride``-th pixel, and zeros for the new channels (He et al. 2016, option A)."""
    return nn.Sequential(MaxPool2d(1, stride), nn.ZeroPad3d((0, 0, 0, 0, 0, out_channels - in_channels)))


SHORTCUTS: dict[str, Callable[..., nn.Sequential]] = {"projection": projection, "padding": padding}
"""Name of a shortcut -> constructor that takes channels in and out, stride and norm."""


def shortcut_layer(kind: str, in_channels: int, out_channels: int, *, stride: int, norm: str) -> nn.Sequential | None:
    """What carries a block's input where the shape changes; None where the identity will do.

    Raises:
        ValueError: The name is not in ``SHORTCUTS``.

    >>> shortcut_layer("padding", 1, 2, stride=2, norm="batch")(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).flatten()
    tensor([1., 0.])
    """
    if kind not in SHORTCUTS:
        raise ValueError(f"shortcut {kind!r} is unknown; expected one of {', '.join(SHORTCUTS)}")
    if stride == 1 and in_channels == out_channels:
        return None
    return SHORTCUTS[kind](in_channels, out_channels, stride=stride, norm=norm)


def zero_last(norm: nn.Module, conv: nn.Conv2d) -> None:
    """Zero the scale of ``norm`` (or, where it has none, the weight and bias of ``conv`` before it)."""
    last = norm if getattr(norm, "weight", None) is not None else conv
    for parameter in last.parameters(recurse=False):
        nn.init.zeros_(parameter)


class UpDecoder(nn.Module):
    """From the coarsest of a backbone's maps back to its finest: a step up, added skip, blocks.

    Args:
        channels: Channels of the maps, finest first, as ``Backbone.channels`` lists them.
        depths: Blocks at each scale, finest first; the coarsest scale's blocks come before the first step up.
        block: Builds a block.
        smooth: Steps up are a 1x1 convolution and bilinear interpolation, and what is flat stays flat. Else they are 2x2 transposed
            convolutions, sharper, which give what is flat a pattern of their own.

    >>> decoder = UpDecoder([8, 16], depths=[1, 1], block=BasicBlock)
    >>> decoder([torch.zeros(1, 8, 6, 6), torch.zeros(1, 16, 3, 3)]).shape
    torch.Size([1, 8, 6, 6])
    """

    def __init__(self, channels: Sequence[int], *, depths: Sequence[int], block: BlockFactory, smooth: bool = False) -> None:
        super().__init__()
        up = partial(nn.Conv2d, kernel_size=1) if smooth else partial(nn.ConvTranspose2d, kernel_size=2, stride=2)
        self.blocks = nn.ModuleList(nn.Sequential(*(block(c, c) for _ in range(depth))) for c, depth in zip(channels, depths, strict=True))
        self.ups = nn.ModuleList(up(coarse, fine) for fine, coarse in pairwise(channels))

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps (N, C_i, H_i, W_i), finest first -> (N, C_0, H_0, W_0)."""
        x = self.blocks[-1](features[-1])
        for i in reversed(range(len(self.ups))):
            x = self.blocks[i](resize_to(self.ups[i](x), like=features[i]) + features[i])  # (N, C_i, H_i, W_i)
        return x
