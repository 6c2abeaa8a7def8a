"""Inception v2 and v3 (Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv 2015).

Large kernels are factorised: 5x5 into two of 3x3, nxn into nx1 and 1xn; a block that halves the map pools and convolves side by side.

``inception_v3`` is torchvision's, with its keys and outputs. ``inception_v2`` is the outline in table 1 of the paper, its blocks those of
figures 5, 6 and 7 (3, 5 and 2 of them), batch norm after each convolution, but not in the auxiliary classifier's 5x5 layer: that one
makes v3, as do RMSProp and label smoothing. The paper leaves open, or contradicts itself on:

- the widths inside the blocks (in a supplement): v3's; the fifth block of figure 6, of which v3 has four, is another of the narrowest;
- the first layers: table 1 has 3x3 kernels, table 3 counts "factorized 7x7" among v3's changes; table 1 is followed;
- the second halving (17x17 to 8x8x1280, "figure 10"): v3's;
- the cost: table 3 has 3.8 G multiplications for v2 and 4.8 G for v3, whose published weights make 5.7 G; v2 by table 1 makes 6.2 G.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones.base import Backbone, HalfRange
from restore.nn.blocks import ConvNorm
from restore.nn.layers import AvgPool2d, MaxPool2d, pair

PAPER = "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2015, Rethinking the Inception Architecture for Computer Vision"


class Conv(NamedTuple):
    """A row of the tables: channels, kernel, stride of a convolution; ``padded`` with zeros that keep the size, or not at all."""

    width: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    padded: bool = True


class Mixed(NamedTuple):
    """A block: name -> convolutions of each branch, where a list runs side by side; and a branch that pools.

    With ``pool`` it takes means and convolves them 1x1 to so many channels; with 0 it takes maxima with stride 2.
    """

    branches: Mapping[str, Sequence[Conv | list[Conv]]]
    pool: int


def figure5(kernel: int, pool: int) -> Mixed:
    """A block at 35x35; the paper's has ``kernel`` 3, v3's 5."""
    own = f"branch{kernel}x{kernel}"
    return Mixed({"branch1x1": [Conv(64)], own: [Conv(48), Conv(64, kernel)], "branch3x3dbl": [Conv(64), Conv(96, 3), Conv(96, 3)]}, pool)


def figure6(width: int) -> Mixed:
    """A block at 17x17: 7x7 as 1x7 and 7x1."""
    across, down = Conv(width, (1, 7)), Conv(width, (7, 1))
    branches = {
        "branch1x1": [Conv(192)],
        "branch7x7": [Conv(width), across, Conv(192, (7, 1))],
        "branch7x7dbl": [Conv(width), down, across, down, Conv(192, (1, 7))],
    }
    return Mixed(branches, 192)


def figure7() -> Mixed:
    """A block at 8x8, wider: 1x3 and 3x1 side by side."""
    fork = [Conv(384, (1, 3)), Conv(384, (3, 1))]
    return Mixed({"branch1x1": [Conv(320)], "branch3x3": [Conv(384), fork], "branch3x3dbl": [Conv(448), Conv(384, 3), fork]}, 192)


def to_17x17() -> Mixed:
    """From 35x35 to 17x17 (figure 10)."""
    deep = [Conv(64), Conv(96, 3), Conv(96, 3, 2, padded=False)]
    return Mixed({"branch3x3": [Conv(384, 3, 2, padded=False)], "branch3x3dbl": deep}, 0)


def to_8x8() -> Mixed:
    """From 17x17 to 8x8."""
    deep = [Conv(192), Conv(192, (1, 7)), Conv(192, (7, 1)), Conv(192, 3, 2, padded=False)]
    return Mixed({"branch3x3": [Conv(192), Conv(320, 3, 2, padded=False)], "branch7x7x3": deep}, 0)


Stage = Mapping[str, Conv | Mixed | None]
"""Layers from one map to the next, by torchvision's names; None is 3x3 max pooling of stride 2."""

FIRST: Stage = {
    "Conv2d_1a_3x3": Conv(32, 3, 2, padded=False),
    "Conv2d_2a_3x3": Conv(32, 3, padded=False),
    "Conv2d_2b_3x3": Conv(64, 3),
}
LAST: Stage = {"Mixed_7a": to_8x8(), "Mixed_7b": figure7(), "Mixed_7c": figure7()}


class Variant(NamedTuple):
    """The stages of a network, and whether the 5x5 layer of its auxiliary classifier is normalised."""

    stages: list[Stage]
    normed_head: bool


VARIANTS = {
    "inception_v2": Variant(
        [
            FIRST,
            {"maxpool1": None, "Conv2d_3b_3x3": Conv(80, 3, padded=False)},
            {"Conv2d_4a_3x3": Conv(192, 3, 2, padded=False), "Conv2d_4b_3x3": Conv(288, 3)}
            | {f"Mixed_5{i}": figure5(3, 64) for i in "bcd"},
            {"Mixed_6a": to_17x17()} | {f"Mixed_6{i}": figure6(w) for i, w in zip("bcdef", (128, 128, 160, 160, 192), strict=True)},
            LAST,
        ],
        normed_head=False,
    ),
    "inception_v3": Variant(
        [
            FIRST,
            {"maxpool1": None, "Conv2d_3b_1x1": Conv(80), "Conv2d_4a_3x3": Conv(192, 3, padded=False)},
            {"maxpool2": None, "Mixed_5b": figure5(5, 32), "Mixed_5c": figure5(5, 64), "Mixed_5d": figure5(5, 64)},
            {"Mixed_6a": to_17x17()} | {f"Mixed_6{i}": figure6(w) for i, w in zip("bcde", (128, 160, 160, 192), strict=True)},
            LAST,
        ],
        normed_head=True,
    ),
}

TORCHVISION = ("inception_v3",)


class ValidMaxPool2d(MaxPool2d):
    """Max pooling that shrinks the map by its border, as the convolutions beside it do, also when it is dilated."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return nn.MaxPool2d.forward(self, x)


def conv_norm(in_channels: int, row: Conv, norm: str) -> nn.Sequential:
    """Convolution, normalisation, ReLU; a bias only without normalisation."""
    height, width = pair(row.kernel)
    padding = (height // 2, width // 2) if row.padded else 0
    return ConvNorm(in_channels, row.width, (height, width), stride=row.stride, padding=padding, norm=norm)


class Inception(nn.Module):
    """Branches side by side, their maps joined: (N, in_channels, H, W) -> (N, out_channels, H', W').

    Args:
        in_channels: Channels of the input.
        mixed: The branches.
        norm: A name in ``NORMS``.

    >>> Inception(288, to_17x17())(torch.zeros(1, 288, 9, 9)).shape
    torch.Size([1, 768, 4, 4])
    """

    def __init__(self, in_channels: int, mixed: Mixed, *, norm: str = "batch") -> None:
        super().__init__()
        self.paths: list[list[list[str]]] = []
        self.out_channels = mixed.pool or in_channels
        for branch, rows in mixed.branches.items():
            self.paths.append([])
            channels = in_channels
            for i, row in enumerate(rows, 1):
                fork = row if isinstance(row, list) else [row]
                stem = f"{branch}_{i}" if len(rows) > 1 else branch
                self.paths[-1].append([stem + letter for letter in "ab"] if len(fork) > 1 else [stem])
                for name, conv in zip(self.paths[-1][-1], fork, strict=True):
                    self.add_module(name, conv_norm(channels, conv, norm))
                channels = sum(conv.width for conv in fork)
            self.out_channels += channels
        self.pool = AvgPool2d(3, 1, 1) if mixed.pool else ValidMaxPool2d(3, 2)
        self.paths.append([["pool"]])
        if mixed.pool:
            self.branch_pool = conv_norm(in_channels, Conv(mixed.pool), norm)
            self.paths[-1].append(["branch_pool"])

    def branches(self) -> list[list[nn.Module]]:
        """The modules that run side by side."""
        return [[getattr(self, name) for step in path for name in step] for path in self.paths]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H', W')."""
        outputs = []
        for path in self.paths:
            y = [x]
            for step in path:
                joined = torch.cat(y, 1) if len(y) > 1 else y[0]
                y = [getattr(self, name)(joined) for name in step]
            outputs += y
        return torch.cat(outputs, 1)


class Auxiliary(nn.Module):
    """A classifier on the last 17x17 map (figure 8 of the paper).

    Args:
        in_channels: Channels of the map.
        num_classes: Outputs.
        norm: Normalisation of the 1x1 convolution.
        last_norm: That of the 5x5 layer, which sees the whole map: v3 has one, v2 has none.

    >>> Auxiliary(768, 10)(torch.zeros(2, 768, 17, 17)).shape
    torch.Size([2, 10])
    """

    def __init__(self, in_channels: int, num_classes: int, *, norm: str = "batch", last_norm: str = "batch") -> None:
        super().__init__()
        self.conv0 = conv_norm(in_channels, Conv(128), norm)
        self.conv1 = conv_norm(128, Conv(768, 5, padded=False), last_norm)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes) from a map (N, in_channels, H, W).

        Raises:
            ValueError: The map is smaller than 17x17.
        """
        if min(x.shape[-2:]) < 17:
            height, width = x.shape[-2:]
            raise ValueError(f"the auxiliary classifier's map is {height}x{width}; expected at least 17x17, of pictures of 299x299")
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, 3)))  # (N, 768, 1, 1) of 17x17
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class InceptionNet(Backbone):
    """Convolutions, Inception blocks in three groups, global average pooling, dropout, linear classifier.

    Args:
        variant: A value of ``VARIANTS``.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifiers; 0 builds none, also no auxiliary one, and ``forward`` returns the pooled map (N, 2048).
        norm: A name in ``NORMS``, after each convolution.
        dropout: Share of the classifier's inputs that is dropped.
        aux_logits: Build the auxiliary classifier that ``forward_aux`` asks.
        transform_input: The weights want [-1, 1]: ``forward``, which takes what ``normalise`` gives, converts it.
        output_stride: Largest reduction; dilation replaces stride beyond it.

    Raises:
        ValueError: Unknown norm, ``transform_input`` without RGB, or an output stride that the network does not pass through.

    >>> net = InceptionNet(VARIANTS["inception_v3"], num_classes=10)
    >>> [tuple(f.shape[1:]) for f in net.features(torch.zeros(2, 3, 139, 139))]
    [(64, 67, 67), (192, 31, 31), (288, 15, 15), (768, 7, 7), (2048, 3, 3)]
    """

    input_size = (299, 299)
    resize_size = 342

    def __init__(
        self,
        variant: Variant,
        *,
        in_channels: int = 3,
        num_classes: int = 1000,
        norm: str = "batch",
        dropout: float = 0.5,
        aux_logits: bool = True,
        transform_input: bool = False,
        output_stride: int | None = None,
    ) -> None:
        super().__init__()
        if transform_input and in_channels != 3:
            raise ValueError(f"transform_input is for RGB, 3 channels; this network takes {in_channels}")
        self.transform = HalfRange() if transform_input else nn.Identity()
        self.names = [list(stage) for stage in variant.stages]
        self.channels, self.reductions = [], [2, 4, 8, 16, 32]
        channels = in_channels
        for stage in variant.stages:
            for name, row in stage.items():
                if isinstance(row, Mixed):
                    block = Inception(channels, row, norm=norm)
                    channels = block.out_channels
                    self.add_module(name, block)
                elif isinstance(row, Conv):
                    self.add_module(name, conv_norm(channels, row, norm))
                    channels = row.width
                else:
                    self.add_module(name, ValidMaxPool2d(3, 2))
            self.channels.append(channels)
            if len(self.channels) == 4 and aux_logits and num_classes:
                self.AuxLogits = Auxiliary(channels, num_classes, norm=norm, last_norm=norm if variant.normed_head else "none")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout if num_classes else 0)
        self.fc = nn.Linear(channels, num_classes) if num_classes else nn.Identity()
        self.apply(initialise)
        self.dilate(output_stride)

    def stages(self) -> list[list[nn.Module]]:
        """The first convolutions, and those and the blocks of each smaller size."""
        first, *others = [[getattr(self, name) for name in names] for names in self.names]
        return [[self.transform, *first], *others]

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps as of any ``Backbone``.

        Raises:
            ValueError: The pictures are smaller than 75x75, of which nothing is left at the end.
        """
        if min(x.shape[-2:]) < 75:
            raise ValueError(f"the pictures are {x.shape[-2]}x{x.shape[-1]}; expected at least 75x75")
        return super().features(x)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Global average pooling, dropout and the linear classifier."""
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))

    def forward_aux(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits as ``forward`` gives them, and those of the auxiliary classifier on the last 17x17 map, where there is one.

        Raises:
            ValueError: The pictures are too small for it, see ``Auxiliary``.
        """
        maps = self.features(x)
        return self.classify(maps[-1]), [self.AuxLogits(maps[3])] if hasattr(self, "AuxLogits") else []


def initialise(module: nn.Module) -> None:
    """He initialisation: maps hold their scale without batch statistics too (paper: none; by torchvision's 0.1 they reach 1e11)."""
    if isinstance(module, nn.BatchNorm2d):
        module.eps = 0.001
    elif isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(
    name: str,
    *,
    in_channels: int = 3,
    num_classes: int = 1000,
    output_stride: int | None = None,
    norm: str = "batch",
    dropout: float = 0.5,
    aux_logits: bool = True,
    transform_input: bool = False,
) -> InceptionNet:
    """Build version 2 or 3; ``transform_input`` is wanted by torchvision's ImageNet weights; see ``InceptionNet`` for the arguments.

    Raises:
        ValueError: A value that an option cannot have.

    >>> sum(p.numel() for p in build("inception_v3").parameters())
    27161264
    """
    return InceptionNet(
        VARIANTS[name],
        in_channels=in_channels,
        num_classes=num_classes,
        norm=norm,
        dropout=dropout,
        aux_logits=aux_logits,
        transform_input=transform_input,
        output_stride=output_stride,
    )
