"""Densely connected networks (Huang, Liu, van der Maaten, Weinberger 2017, "Densely Connected Convolutional Networks").

Within a block every layer sees the maps of all layers before it, concatenated, and adds ``growth`` maps of its own.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.layers import AvgPool2d, MaxPool2d, activation_layer, norm_layer

PAPER = "Huang, Liu, van der Maaten, Weinberger 2017, Densely Connected Convolutional Networks"


class Variant(NamedTuple):
    """A column of the paper's table 1, or a row of its table 2.

    Attributes:
        growth: Maps that each layer adds (k).
        depths: Layers in each block.
        width: Channels of the first convolution.
        compressed: DenseNet-BC: a 1x1 convolution to 4k channels before each 3x3, and half the channels from block to block.
        cifar: For pictures of 32x32: a 3x3 convolution of stride 1 and no pooling before the first block.
    """

    growth: int
    depths: tuple[int, ...]
    width: int
    compressed: bool = True
    cifar: bool = False


VARIANTS = {
    "densenet121": Variant(32, (6, 12, 24, 16), 64),
    "densenet161": Variant(48, (6, 12, 36, 24), 96),
    "densenet169": Variant(32, (6, 12, 32, 32), 64),
    "densenet201": Variant(32, (6, 12, 48, 32), 64),
    "densenet40": Variant(12, (12, 12, 12), 16, compressed=False, cifar=True),
    "densenet100_bc": Variant(12, (16, 16, 16), 24, cifar=True),
}

TORCHVISION = ("densenet121", "densenet161", "densenet169", "densenet201")


class DenseBlock(nn.ModuleDict):
    """Layers of norm, activation and convolution, each on the concatenation of all before it (the paper's equation 2).

    Maps (N, in_channels, H, W) to (N, in_channels + depth * growth, H, W).

    Args:
        in_channels: Channels of the input.
        depth: Number of layers.
        growth: Maps that each layer adds.
        compressed: A 1x1 convolution to ``4 * growth`` channels before each 3x3.
        norm: A name in ``NORMS``; convolutions have a bias only without normalisation.
        activation: A name in ``ACTIVATIONS``.
        dropout: Probability of a zero in a layer's output.

    Raises:
        ValueError: Unknown norm or activation, or a dropout outside [0, 1].

    >>> DenseBlock(16, depth=3, growth=12)(torch.zeros(1, 16, 8, 8)).shape
    torch.Size([1, 52, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        *,
        depth: int,
        growth: int,
        compressed: bool = True,
        norm: str = "batch",
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for i in range(depth):
            channels, layer = in_channels + i * growth, nn.Sequential()
            for k, (width, kernel) in enumerate([(4 * growth, 1), (growth, 3)] if compressed else [(growth, 3)], 1):
                layer.add_module(f"norm{k}", norm_layer(norm, channels))
                layer.add_module(f"relu{k}", activation_layer(activation))
                layer.add_module(f"conv{k}", nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=norm == "none"))
                channels = width
            if dropout:
                layer.add_module("dropout", nn.Dropout(dropout))
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input and the maps of every layer, side by side."""
        maps = [x]
        for layer in self.values():
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


class DenseNet(Backbone):
    """Convolution, dense blocks with transitions between them, global average pooling, linear classifier.

    The maps are the stem's before its pooling (ImageNet only) and each block's, after norm and activation.

    Args:
        variant: Its sizes.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifier; 0 builds none: ``forward`` returns the pooled map (N, C). None: 1000, CIFAR's 10.
        output_stride: Largest reduction; dilation replaces stride beyond it.
        norm: A name in ``restore.nn.layers.NORMS``.
        activation: A name in ``restore.nn.layers.ACTIVATIONS``.
        dropout: Probability of a zero in a layer's output; the paper has 0.2 for CIFAR without augmentation.

    Raises:
        ValueError: Unknown norm, activation or output stride, or a dropout outside [0, 1].

    >>> net = DenseNet(Variant(4, (2, 2), 8, cifar=True))
    >>> [tuple(m.shape) for m in net.features(torch.zeros(1, 3, 32, 32))]
    [(1, 16, 32, 32), (1, 16, 16, 16)]
    """

    def __init__(
        self,
        variant: Variant,
        *,
        in_channels: int = 3,
        num_classes: int | None = None,
        output_stride: int | None = None,
        norm: str = "batch",
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        growth, depths, channels, compressed, cifar = variant
        if cifar:
            self.fit_cifar()
            self.channels, self.reductions = [], []
            layers: dict[str, nn.Module] = {"conv0": nn.Conv2d(in_channels, channels, 3, padding=1, bias=norm == "none")}
        else:
            self.channels, self.reductions = [channels], [2]
            layers = stem(in_channels, channels, norm=norm, activation=activation)
        for i, depth in enumerate(depths):
            if i:
                width = channels // 2 if compressed else channels
                layers[f"transition{i}"] = transition(channels, width, norm=norm, activation=activation)
                channels = width
            layers[f"denseblock{i + 1}"] = DenseBlock(
                channels, depth=depth, growth=growth, compressed=compressed, norm=norm, activation=activation, dropout=dropout
            )
            channels += depth * growth
            self.channels.append(channels)
            self.reductions.append((1 if cifar else 4) * 2**i)
        layers[f"norm{len(depths) + 1}"] = norm_layer(norm, channels)
        layers[f"relu{len(depths) + 1}"] = activation_layer(activation)
        self._modules["features"] = nn.Sequential(OrderedDict(layers))  # torchvision's name; here the attribute is a method
        classes = (10 if cifar else 1000) if num_classes is None else num_classes
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes) if classes else nn.Identity()
        self.apply(initialise)
        self.dilate(output_stride)

    def stages(self) -> list[list[nn.Module]]:
        """What leads to each activation outside of the blocks: the stem's, the transitions', the last."""
        stages: list[list[nn.Module]] = [[]]
        for name, module in dict(self.named_children())["features"].named_children():
            for part, layer in module.named_children() if name.startswith("transition") else [(name, module)]:
                stages[-1].append(layer)
                if part.startswith("relu"):
                    stages.append([])
        return stages[:-1]

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Global average pooling and the linear classifier."""
        return self.classifier(self.avgpool(x).flatten(1))


def stem(in_channels: int, width: int, *, norm: str, activation: str) -> dict[str, nn.Module]:
    """7x7 convolution of stride 2, norm, activation, 3x3 max pooling of stride 2."""
    conv = nn.Conv2d(in_channels, width, 7, 2, 3, bias=norm == "none")
    return {"conv0": conv, "norm0": norm_layer(norm, width), "relu0": activation_layer(activation), "pool0": MaxPool2d(3, 2, 1)}


def transition(in_channels: int, out_channels: int, *, norm: str, activation: str) -> nn.Sequential:
    """From block to block: norm, activation, 1x1 convolution, 2x2 average pooling."""
    conv = nn.Conv2d(in_channels, out_channels, 1, bias=norm == "none")
    layers = {"norm": norm_layer(norm, in_channels), "relu": activation_layer(activation), "conv": conv, "pool": AvgPool2d(2, 2)}
    return nn.Sequential(OrderedDict(layers))


def initialise(module: nn.Module) -> None:
    """He initialisation of a convolution (He et al. 2015, "Delving Deep into Rectifiers"), zeros for every bias."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def remap(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The keys of torchvision's published files, of 2017, as those of today's: "denselayer1.norm.1.weight" is "denselayer1.norm1.weight".

    >>> list(remap({"features.denseblock1.denselayer2.conv.1.weight": torch.zeros(1)}))
    ['features.denseblock1.denselayer2.conv1.weight']
    """
    return {re.sub(r"(\.denselayer\d+\.(?:norm|conv))\.(?=[12]\.)", r"\1", key): value for key, value in state.items()}


def build(
    name: str,
    *,
    in_channels: int = 3,
    num_classes: int | None = None,
    output_stride: int | None = None,
    norm: str = "batch",
    activation: str = "relu",
    dropout: float = 0.0,
) -> DenseNet:
    """Build a variant of the paper; the options are those of ``DenseNet``.

    >>> sum(p.numel() for p in build("densenet40").parameters())
    1019722
    """
    return DenseNet(
        VARIANTS[name],
        in_channels=in_channels,
        num_classes=num_classes,
        output_stride=output_stride,
        norm=norm,
        activation=activation,
        dropout=dropout,
    )
