"""Residual networks (He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition").

With the ImageNet stem the parameters carry torchvision's names and load its weights. With the pixel-unshuffle stem, blocks
without normalisation and convolutions between the stages, the same class is the encoder of the restoration networks.
"""

from collections.abc import Sequence

import torch
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.blocks import BasicBlock, BlockFactory, Bottleneck
from restore.nn.layers import MaxPool2d, norm_layer

PAPER = "He, Zhang, Ren, Sun 2016, Deep Residual Learning for Image Recognition"
VARIANTS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
    "resnet152": (Bottleneck, (3, 8, 36, 3)),
}
"""Table 1 of the paper: name -> block and number of blocks in each stage."""

TORCHVISION = tuple(VARIANTS)

STEMS = {"imagenet": 4, "unshuffle": 2}
"""Stem -> reduction of the first stage's maps."""


class ResNet(Backbone):
    """Stem, stages of residual blocks, global average pooling, linear classifier.

    Args:
        block: Builds a block: ``block(in_channels, width, stride=..., dilation=...)``; its ``expansion`` is read from the
            first block built.
        depths: Blocks in each stage.
        widths: Width of each stage's blocks.
        stem: ``"imagenet"``: 7x7 convolution of stride 2 with batch norm, ReLU and 3x3 max pooling; ``"unshuffle"``: 2x2
            pixels become channels, then a 3x3 convolution.
        transition: How a stage halves its input: ``"block"``: the first block has stride 2; ``"conv"``: a 2x2 convolution of
            stride 2 stands before the blocks.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifier; 0 builds none.
        output_stride: Largest reduction; stages beyond it keep the size and dilate instead.

    Raises:
        ValueError: Unknown stem or transition, or an output stride that the stages do not pass through.

    >>> net = ResNet(BasicBlock, (1, 1), (8, 16), num_classes=0)
    >>> [tuple(f.shape) for f in net.features(torch.zeros(1, 3, 64, 64))]
    [(1, 8, 32, 32), (1, 8, 16, 16), (1, 16, 8, 8)]
    """

    def __init__(
        self,
        block: BlockFactory,
        depths: Sequence[int],
        widths: Sequence[int],
        *,
        stem: str = "imagenet",
        transition: str = "block",
        in_channels: int = 3,
        num_classes: int = 1000,
        output_stride: int | None = None,
    ) -> None:
        super().__init__()
        if stem not in STEMS:
            raise ValueError(f"stem {stem!r} is unknown; expected one of {', '.join(STEMS)}")
        if transition not in ("block", "conv"):
            raise ValueError(f"transition {transition!r} is unknown; expected 'block' or 'conv'")
        if stem == "imagenet":
            self.conv1: nn.Module = nn.Conv2d(in_channels, widths[0], 7, 2, 3, bias=False)
            self.bn1 = norm_layer("batch", widths[0])
            self.relu: nn.Module = nn.ReLU(inplace=True)
            self.maxpool: nn.Module = MaxPool2d(3, 2, 1)
        else:
            self.conv1 = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(in_channels * 4, widths[0], 3, padding=1))
            self.bn1, self.relu, self.maxpool = nn.Identity(), nn.Identity(), nn.Identity()
        self.channels, self.reductions, self.layers = [], [STEMS[stem] * 2**i for i in range(len(depths))], []
        channels = widths[0]
        for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            stride = 1 if i == 0 else 2
            layers: list[nn.Module] = []
            if transition == "conv" and stride == 2:
                layers.append(nn.Conv2d(channels, width, 2, 2))
                channels, stride = width, 1
            for k in range(depth):
                layers.append(block(channels, width, stride=stride if k == 0 else 1))
                channels = width * int(layers[-1].expansion)  # type: ignore[arg-type]
            self.layers.append(f"layer{i + 1}")
            self.add_module(self.layers[-1], nn.Sequential(*layers))
            self.channels.append(channels)
        if stem == "imagenet":  # the stem's own map, before its pooling
            self.channels.insert(0, widths[0])
            self.reductions.insert(0, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes) if num_classes else nn.Identity()
        self.apply(initialise)
        self.dilate(output_stride)

    def stages(self) -> list[list[nn.Module]]:
        """The stem, then the residual stages."""
        stem: list[nn.Module] = [self.conv1, self.bn1, self.relu]
        first, *others = [getattr(self, name) for name in self.layers]
        if isinstance(self.maxpool, MaxPool2d):
            return [stem, [self.maxpool, first], *([layer] for layer in others)]
        return [[*stem, first], *([layer] for layer in others)]

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Global average pooling and the linear classifier."""
        return self.fc(self.avgpool(x).flatten(1))


def initialise(module: nn.Module) -> None:
    """He initialisation of a convolution (He et al. 2015, "Delving Deep into Rectifiers"), zeros for its bias."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(name: str, *, in_channels: int = 3, num_classes: int = 1000, output_stride: int | None = None) -> ResNet:
    """Build a variant of the paper's table 1.

    >>> sum(p.numel() for p in build("resnet18").parameters())
    11689512
    """
    block, depths = VARIANTS[name]
    return ResNet(block, depths, (64, 128, 256, 512), in_channels=in_channels, num_classes=num_classes, output_stride=output_stride)
