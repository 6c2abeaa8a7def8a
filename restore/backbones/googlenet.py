"""GoogLeNet (Szegedy et al. 2015, "Going Deeper with Convolutions", arXiv 2014): branches of several kernel sizes side by side.

``googlenet_2014`` is the paper's. ``googlenet`` is torchvision's, with its keys and outputs: batch norm, 3x3 kernels where the paper
has 5x5, a smaller last pooling, no response normalisation.
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones.base import Backbone, HalfRange
from restore.nn.blocks import ConvNorm
from restore.nn.layers import MaxPool2d, local_response_norm

PAPER = "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich 2014, Going Deeper with Convolutions"


@dataclass(frozen=True)
class Variant:
    """What tells the two networks apart.

    Attributes:
        kernel: Side of the widest kernels in the Inception blocks.
        pool: Side of the last max pooling.
        norm: Normalisation after each convolution.
        original: Local response normalisation in the stem, 5x5 means of stride 3 before the auxiliary classifiers.
        dropout: Share of the classifier's inputs that is dropped.
    """

    kernel: int
    pool: int
    norm: str
    original: bool
    dropout: float


VARIANTS = {
    "googlenet_2014": Variant(kernel=5, pool=3, norm="none", original=True, dropout=0.4),
    "googlenet": Variant(kernel=3, pool=2, norm="batch", original=False, dropout=0.2),
}

TORCHVISION = ("googlenet",)


class Inception(nn.Module):
    """Four branches side by side, their maps joined (figure 2b of the paper).

    Args:
        in_channels: Channels of the input.
        widths: As the columns of table 1: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1 after the pooling.
        kernel: Side of the kernels of the branch that the paper calls 5x5.
        norm: A name in ``NORMS``.

    >>> Inception(192, (64, 96, 128, 16, 32, 32))(torch.zeros(1, 192, 7, 7)).shape
    torch.Size([1, 256, 7, 7])
    """

    def __init__(self, in_channels: int, widths: tuple[int, int, int, int, int, int], *, kernel: int = 5, norm: str = "batch") -> None:
        super().__init__()
        conv = partial(ConvNorm, norm=norm)
        one, reduce3, three, reduce5, five, project = widths
        self.branch1 = conv(in_channels, one, 1)
        self.branch2 = nn.Sequential(conv(in_channels, reduce3, 1), conv(reduce3, three, 3, padding=1))
        self.branch3 = nn.Sequential(conv(in_channels, reduce5, 1), conv(reduce5, five, kernel, padding=kernel // 2))
        self.branch4 = nn.Sequential(MaxPool2d(3, 1, 1), conv(in_channels, project, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) -> (N, sum of the branches' last widths, H, W)."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Auxiliary(nn.Module):
    """A classifier on an inner map, which trains the layers below it (section 5 of the paper).

    Args:
        in_channels: Channels of the map.
        num_classes: Outputs.
        original: Means of 5x5 with stride 3, which make 4x4 of 14x14; further means bring maps of other sizes to 4x4 (torchvision: alone).
        norm: A name in ``NORMS``.
        dropout: Share of the hidden units that is dropped.

    >>> Auxiliary(512, 10)(torch.zeros(2, 512, 14, 14)).shape
    torch.Size([2, 10])
    """

    def __init__(self, in_channels: int, num_classes: int, *, original: bool = True, norm: str = "batch", dropout: float = 0.7) -> None:
        super().__init__()
        self.avgpool = nn.Sequential(nn.AvgPool2d(5, 3, ceil_mode=True) if original else nn.Identity(), nn.AdaptiveAvgPool2d(4))
        self.conv = ConvNorm(in_channels, 128, 1, norm=norm)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes) from a map (N, in_channels, H, W)."""
        x = self.conv(self.avgpool(x)).flatten(1)  # (N, 128 * 4 * 4)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet(Backbone):
    """Two convolutions, nine Inception blocks in three groups, global average pooling, linear classifier (table 1 of the paper).

    Args:
        variant: A value of ``VARIANTS``.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifiers; 0 builds none, also no auxiliary ones, and ``forward`` returns the pooled map (N, 1024).
        aux_logits: Build the two auxiliary classifiers that ``forward_aux`` asks.
        transform_input: The weights want [-1, 1]: ``forward``, which takes what ``normalise`` gives, converts it.
        output_stride: Largest reduction; dilation replaces stride beyond it.

    Raises:
        ValueError: Unknown norm, ``transform_input`` without RGB, or an output stride that the network does not pass through.

    >>> net = GoogLeNet(VARIANTS["googlenet"], num_classes=10)
    >>> [tuple(f.shape) for f in net.features(torch.zeros(2, 3, 64, 64))]
    [(2, 64, 32, 32), (2, 192, 16, 16), (2, 480, 8, 8), (2, 832, 4, 4), (2, 1024, 2, 2)]
    """

    def __init__(
        self,
        variant: Variant,
        *,
        in_channels: int = 3,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        output_stride: int | None = None,
    ) -> None:
        super().__init__()
        if transform_input and in_channels != 3:
            raise ValueError(f"transform_input is for RGB, 3 channels; this network takes {in_channels}")
        conv = partial(ConvNorm, norm=variant.norm)
        block = partial(Inception, kernel=variant.kernel, norm=variant.norm)
        pool = partial(MaxPool2d, stride=2, ceil_mode=True)
        self.transform = HalfRange() if transform_input else nn.Identity()
        self.conv1 = conv(in_channels, 64, 7, stride=2, padding=3)
        self.maxpool1 = pool(3)
        self.norm1 = local_response_norm() if variant.original else nn.Identity()
        self.conv2 = conv(64, 64, 1)
        self.conv3 = conv(64, 192, 3, padding=1)
        self.norm2 = local_response_norm() if variant.original else nn.Identity()
        self.maxpool2 = pool(3)
        self.inception3a = block(192, (64, 96, 128, 16, 32, 32))
        self.inception3b = block(256, (128, 128, 192, 32, 96, 64))
        self.maxpool3 = pool(3)
        self.inception4a = block(480, (192, 96, 208, 16, 48, 64))
        self.inception4b = block(512, (160, 112, 224, 24, 64, 64))
        self.inception4c = block(512, (128, 128, 256, 24, 64, 64))
        self.inception4d = block(512, (112, 144, 288, 32, 64, 64))
        self.inception4e = block(528, (256, 160, 320, 32, 128, 128))
        self.maxpool4 = pool(variant.pool)
        self.inception5a = block(832, (256, 160, 320, 32, 128, 128))
        self.inception5b = block(832, (384, 192, 384, 48, 128, 128))
        self.heads: dict[str, str] = {}
        if aux_logits and num_classes:
            self.heads = {"inception4a": "aux1", "inception4d": "aux2"}
            self.aux1 = Auxiliary(512, num_classes, original=variant.original, norm=variant.norm)
            self.aux2 = Auxiliary(528, num_classes, original=variant.original, norm=variant.norm)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(variant.dropout if num_classes else 0)
        self.fc = nn.Linear(1024, num_classes) if num_classes else nn.Identity()
        self.channels, self.reductions = [64, 192, 480, 832, 1024], [2, 4, 8, 16, 32]
        initialise(self, variant.norm)
        self.dilate(output_stride)

    def stages(self) -> list[list[nn.Module]]:
        """The first convolution, the second, and the three groups of Inception blocks; each but the first begins with its pooling."""
        names = [
            "transform conv1",
            "maxpool1 norm1 conv2 conv3 norm2",
            "maxpool2 inception3a inception3b",
            "maxpool3 inception4a inception4b inception4c inception4d inception4e",
            "maxpool4 inception5a inception5b",
        ]
        return [[getattr(self, name) for name in stage.split()] for stage in names]

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Global average pooling, dropout and the linear classifier."""
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))

    def forward_aux(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits as ``forward`` gives them, and those after blocks 4a and 4d (the paper adds 0.3 of their losses)."""
        heads = {getattr(self, block): getattr(self, head) for block, head in self.heads.items()}
        logits = []
        for module in [module for stage in self.stages() for module in stage]:
            x = module(x)
            if module in heads:
                logits.append(heads[module](x))
        return self.classify(x), logits


def initialise(net: nn.Module, norm: str) -> None:
    """Weights of deviation 0.01 where a norm rescales them, as torchvision's; else as He et al. 2015 scale them: the paper does not say."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.001
        elif isinstance(module, nn.Conv2d | nn.Linear):
            if norm in ("none", "lrn"):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                nn.init.trunc_normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def build(
    name: str,
    *,
    in_channels: int = 3,
    num_classes: int = 1000,
    output_stride: int | None = None,
    norm: str | None = None,
    dropout: float | None = None,
    aux_logits: bool = True,
    transform_input: bool = False,
) -> GoogLeNet:
    """Build the paper's network or torchvision's.

    Args:
        name: A key of ``VARIANTS``.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifiers; 0 builds none.
        output_stride: Largest reduction; dilation replaces stride beyond it.
        norm: A name in ``restore.nn.layers.NORMS``, after each convolution; None: as in ``VARIANTS``.
        dropout: Share of the classifier's inputs that is dropped; None: as in ``VARIANTS``.
        aux_logits: Build the two auxiliary classifiers.
        transform_input: True with torchvision's ImageNet weights, which want [-1, 1].

    Raises:
        ValueError: A value that an option cannot have.

    >>> [sum(p.numel() for p in build("googlenet", aux_logits=aux).parameters()) for aux in (False, True)]
    [6624904, 13004888]
    """
    variant = VARIANTS[name]
    variant = replace(variant, norm=variant.norm if norm is None else norm, dropout=variant.dropout if dropout is None else dropout)
    return GoogLeNet(
        variant,
        in_channels=in_channels,
        num_classes=num_classes,
        aux_logits=aux_logits,
        transform_input=transform_input,
        output_stride=output_stride,
    )
