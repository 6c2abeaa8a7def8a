"""Residual networks (He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition").

With the ImageNet stem the parameters carry torchvision's names and load its weights. With the pixel-unshuffle stem, blocks
without normalisation and convolutions between the stages, the same class is the encoder of the restoration networks.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.blocks import BasicBlock, BlockFactory, Bottleneck
from restore.nn.layers import MaxPool2d, activation_layer, norm_layer

PAPER = "He, Zhang, Ren, Sun 2016, Deep Residual Learning for Image Recognition"

IMAGENET: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
    "resnet152": (Bottleneck, (3, 8, 36, 3)),
}
"""Table 1 of the paper: name -> block and number of blocks in each stage."""

CIFAR: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    f"resnet{6 * n + 2}": (BasicBlock, (n, n, n)) for n in (1, 2, 3, 5, 7, 9, 18)
}
"""Section 4.2 of the paper, for pictures of 32x32; it has those of 20, 32, 44, 56 and 110 layers."""

VARIANTS = {**IMAGENET, **CIFAR}

TORCHVISION = tuple(IMAGENET)


Stem = Callable[[int, int], tuple[dict[str, nn.Module], int]]
"""``stem(in_channels, width)``: the modules before the stages, by name and in order, and by how much they reduce the size."""


def imagenet_stem(in_channels: int, width: int, *, norm: str = "batch", activation: str = "relu") -> tuple[dict[str, nn.Module], int]:
    """7x7 convolution of stride 2, normalisation, activation, 3x3 max pooling of stride 2."""
    conv = nn.Conv2d(in_channels, width, 7, 2, 3, bias=norm == "none")
    return {"conv1": conv, "bn1": norm_layer(norm, width), "relu": activation_layer(activation), "maxpool": MaxPool2d(3, 2, 1)}, 4


def cifar_stem(in_channels: int, width: int, *, norm: str = "batch", activation: str = "relu") -> tuple[dict[str, nn.Module], int]:
    """3x3 convolution, normalisation, activation; the size stays."""
    conv = nn.Conv2d(in_channels, width, 3, 1, 1, bias=norm == "none")
    return {"conv1": conv, "bn1": norm_layer(norm, width), "relu": activation_layer(activation)}, 1


def unshuffle_stem(in_channels: int, width: int) -> tuple[dict[str, nn.Module], int]:
    """2x2 pixels become channels, then a 3x3 convolution: half the size, and nothing is thrown away."""
    return {"conv1": nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(in_channels * 4, width, 3, padding=1))}, 2


STEMS: dict[str, Stem] = {"imagenet": imagenet_stem, "cifar": cifar_stem, "unshuffle": unshuffle_stem}


class ResNet(Backbone):
    """Stem, stages of residual blocks, global average pooling, linear classifier.

    Args:
        block: Builds a block: ``block(in_channels, width, stride=..., dilation=...)``; its ``expansion`` is read from the
            blocks built.
        depths: Blocks in each stage.
        widths: Width of each stage's blocks.
        stem: A name in ``STEMS``, or a function like those there.
        transition: How a stage halves its input: ``"block"``: the first block has stride 2; ``"conv"``: a 2x2 convolution of
            stride 2 stands before the blocks.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifier; 0 builds none, and ``forward`` returns the pooled map (N, C).
        output_stride: Largest reduction; stages beyond it keep the size and dilate instead.

    Raises:
        ValueError: Unknown stem or transition, another number of widths than of depths, or an output stride that the stages do
            not pass through.

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
        stem: str | Stem = "imagenet",
        transition: str = "block",
        in_channels: int = 3,
        num_classes: int = 1000,
        output_stride: int | None = None,
    ) -> None:
        super().__init__()
        if isinstance(stem, str) and stem not in STEMS:
            raise ValueError(f"stem {stem!r} is unknown; expected one of {', '.join(STEMS)}")
        if transition not in ("block", "conv"):
            raise ValueError(f"transition {transition!r} is unknown; expected 'block' or 'conv'")
        if len(depths) != len(widths):
            raise ValueError(f"{len(widths)} widths {tuple(widths)} for {len(depths)} stages; expected one for each")
        modules, reduction = (STEMS[stem] if isinstance(stem, str) else stem)(in_channels, widths[0])
        for name, module in modules.items():
            self.add_module(name, module)
        self.stem, self.layers, self.channels, self.reductions = list(modules), [], [], []
        if "maxpool" in modules:  # the stem's own map stands before its pooling
            self.channels, self.reductions = [widths[0]], [reduction // 2]
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
            self.reductions.append(reduction * 2**i)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes) if num_classes else nn.Identity()
        self.apply(initialise)
        self.dilate(output_stride)

    def stages(self) -> list[list[nn.Module]]:
        """The stem up to its pooling, where it has one, then the residual stages."""
        stem, layers = ([getattr(self, name) for name in names] for names in (self.stem, self.layers))
        first, others = layers[0], [[layer] for layer in layers[1:]]
        if "maxpool" in self.stem:
            return [stem[:-1], [stem[-1], first], *others]
        return [[*stem, first], *others]

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Global average pooling and the linear classifier."""
        return self.fc(self.avgpool(x).flatten(1))


def initialise(module: nn.Module) -> None:
    """He initialisation of a convolution (He et al. 2015, "Delving Deep into Rectifiers"), zeros for its bias."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(
    name: str,
    *,
    in_channels: int = 3,
    num_classes: int | None = None,
    output_stride: int | None = None,
    norm: str = "batch",
    activation: str = "relu",
    stride_on: str = "3x3",
    widths: Sequence[int] | None = None,
) -> ResNet:
    """Build a variant of the paper: of table 1, or for CIFAR (with shortcuts that have no parameters, as there).

    Args:
        name: A key of ``VARIANTS``.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifier; None: 1000, or 10 for CIFAR; 0 builds none.
        output_stride: Largest reduction; dilation replaces stride beyond it.
        norm: A name in ``restore.nn.layers.NORMS``.
        activation: A name in ``restore.nn.layers.ACTIVATIONS``.
        stride_on: Convolution of a bottleneck that has the stride: ``"3x3"`` as in torchvision, ``"1x1"`` as in the paper; networks
            without bottlenecks are the same with both.
        widths: Width of each stage; None: 64, 128, 256, 512, or 16, 32, 64 for CIFAR.

    Raises:
        ValueError: A value that an option cannot have.

    >>> sum(p.numel() for p in build("resnet18").parameters()), sum(p.numel() for p in build("resnet20").parameters())
    (11689512, 269722)
    >>> build("resnet14", widths=(64, 128, 256))(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    block, depths = VARIANTS[name]
    small = name in CIFAR
    if stride_on not in ("1x1", "3x3"):
        raise ValueError(f"stride_on {stride_on!r} is unknown; expected '1x1' or '3x3'")
    own: dict[str, Any] = {"stride_on": stride_on} if block is Bottleneck else {"shortcut": "padding" if small else "projection"}
    net = ResNet(
        partial(block, norm=norm, activation=activation, **own),
        depths,
        widths or ((16, 32, 64) if small else (64, 128, 256, 512)),
        stem=partial(cifar_stem if small else imagenet_stem, norm=norm, activation=activation),
        in_channels=in_channels,
        num_classes=(10 if small else 1000) if num_classes is None else num_classes,
        output_stride=output_stride,
    )
    if small:
        net.fit_cifar()
    return net
