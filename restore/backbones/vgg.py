"""VGG (Simonyan, Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition").

Five blocks of 3x3 convolutions, 2x2 max pooling after each, three linear layers. The paper's table 1:

===========  ======  ================================  =========================  ===========
name         letter  convolutions in the five blocks   particular                 parameters
===========  ======  ================================  =========================  ===========
vgg11        A       1, 1, 2, 2, 2                                                132,863,336
vgg11_lrn    A-LRN   1, 1, 2, 2, 2                     LRN after the first        132,863,336
vgg13        B       2, 2, 2, 2, 2                                                133,047,848
vgg16_1x1    C       2, 2, 3, 3, 3                     the third of three is 1x1  133,638,952
vgg16        D       2, 2, 3, 3, 3                                                138,357,544
vgg19        E       2, 2, 4, 4, 4                                                143,667,240
===========  ======  ================================  =========================  ===========

With ``_bn`` batch norm follows each convolution; with ``_cifar`` too, and one linear layer reads the 1x1 map of a picture of 32x32.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.layers import MaxPool2d, activation_layer, norm_layer
from restore.nn.pyramid import Pyramid

PAPER = "Simonyan, Zisserman 2014, Very Deep Convolutional Networks for Large-Scale Image Recognition"
WIDTHS = (64, 128, 256, 512, 512)
"""Channels of the five blocks."""


@dataclass(frozen=True)
class Configuration:
    """A column of the paper's table 1.

    Attributes:
        letter: Its name there.
        depths: Convolutions in each of the five blocks.
        lrn: Local response normalisation stands after the first convolution and its activation.
        pointwise: The third convolution of a block is 1x1.
        norm: Normalisation after each convolution.
        cifar: Sized for 32x32 and 10 classes, with one linear layer in place of three.
    """

    letter: str
    depths: tuple[int, ...]
    lrn: bool = False
    pointwise: bool = False
    norm: str = "none"
    cifar: bool = False


A, B = Configuration("A", (1, 1, 2, 2, 2)), Configuration("B", (2, 2, 2, 2, 2))
D, E = Configuration("D", (2, 2, 3, 3, 3)), Configuration("E", (2, 2, 4, 4, 4))
PLAIN = {"vgg11": A, "vgg13": B, "vgg16": D, "vgg19": E}
VARIANTS = {
    **PLAIN,
    **{f"{name}_bn": replace(plain, norm="batch") for name, plain in PLAIN.items()},
    "vgg11_lrn": replace(A, letter="A-LRN", lrn=True),
    "vgg16_1x1": replace(D, letter="C", pointwise=True),
    "vgg11_cifar": replace(A, norm="batch", cifar=True),
    "vgg16_cifar": replace(D, norm="batch", cifar=True),
}
TORCHVISION = (*PLAIN, *(f"{name}_bn" for name in PLAIN))


class VGG(Backbone):
    """Blocks of convolutions, 2x2 max pooling after each, linear layers.

    The maps are those before each pooling and the one after the last. The classifier averages the last map to 7x7 regions, so that
    any size of picture from 32x32 fits.

    Args:
        configuration: A column of the paper's table 1.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifier; 0 builds none: ``forward`` returns the pooled map (N, 512). None: 1000, CIFAR's 10.
        output_stride: Largest reduction: 32, 16, 8, 4, 2 or 1.
        norm: A name in ``restore.nn.layers.NORMS``, between each convolution and its activation; None: the configuration's.
        activation: A name in ``restore.nn.layers.ACTIVATIONS``.
        dropout: Probability of a zero in the outputs of the hidden linear layers; in the input of a single one. None: the paper's
            0.5; 0 for CIFAR, where it makes the first steps diverge at learning rates that batch norm otherwise allows.

    Raises:
        ValueError: An unknown norm, activation or output stride, or a dropout outside [0, 1].

    >>> net = VGG(VARIANTS["vgg11_cifar"])
    >>> [tuple(m.shape) for m in net.features(torch.zeros(1, 3, 32, 32))]
    [(1, 64, 32, 32), (1, 128, 16, 16), (1, 256, 8, 8), (1, 512, 4, 4), (1, 512, 2, 2), (1, 512, 1, 1)]
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        in_channels: int = 3,
        num_classes: int | None = None,
        output_stride: int | None = None,
        norm: str | None = None,
        activation: str = "relu",
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.reductions = [*WIDTHS, WIDTHS[-1]], [1, 2, 4, 8, 16, 32]
        if configuration.cifar:
            self.fit_cifar()
        if norm is not None:
            configuration = replace(configuration, norm=norm)
        self._modules["features"] = Pyramid(*convolutions(configuration, in_channels=in_channels, activation=activation))
        regions, hidden, classes, rate = (1, [], 10, 0.0) if configuration.cifar else (7, [4096, 4096], 1000, 0.5)
        classes, rate = classes if num_classes is None else num_classes, rate if dropout is None else dropout
        self.avgpool = nn.AdaptiveAvgPool2d(regions if classes else 1)
        self.classifier = nn.Sequential()
        if classes:
            self.classifier = head([WIDTHS[-1] * regions**2, *hidden, classes], activation=activation, dropout=rate)
        self.apply(initialise)
        self.dilate(output_stride)

    @property
    def features(self) -> Pyramid:
        """The convolutional layers; called on pictures (N, in_channels, H, W), they give the maps, finest first."""
        return self._modules["features"]  # type: ignore[return-value]

    def stages(self) -> list[list[nn.Module]]:
        """The first block; pooling and the next block; ...; the last pooling."""
        return self.features.stages()

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Average to 7x7 regions (1x1 for CIFAR or without a classifier), then the linear layers."""
        return self.classifier(self.avgpool(x).flatten(1))

    def layers(self) -> dict[str, nn.ModuleList]:
        """Convolutions, each with its norm, and linear layers by their place: "conv3_2" is the second of block 3, "fc6" the first linear.

        >>> list(VGG(VARIANTS["vgg11_cifar"]).layers())
        ['conv1_1', 'conv2_1', 'conv3_1', 'conv3_2', 'conv4_1', 'conv4_2', 'conv5_1', 'conv5_2', 'fc6']
        """
        named = {}
        for block, stage in enumerate(self.stages(), 1):
            starts = [i for i, layer in enumerate(stage) if isinstance(layer, nn.Conv2d)]
            for position, (start, end) in enumerate(pairwise([*starts, len(stage)]), 1):
                named[f"conv{block}_{position}"] = nn.ModuleList(stage[start:end])
        linear = [layer for layer in self.classifier if isinstance(layer, nn.Linear)]
        return named | {f"fc{i}": nn.ModuleList([layer]) for i, layer in enumerate(linear, 6)}

    def grow(self, *, from_: "VGG") -> list[str]:
        """Start from a trained, shallower network, as the paper trained its deep ones from A (section 3.1).

        The donor's first four convolutions and all linear layers are copied; the others stay random. Layers correspond by block
        and place within it, not by number: A's second convolution, 64 to 128 channels, is the third of D, "conv2_1" in both.

        Args:
            from_: The donor; it keeps its weights.

        Returns:
            Names of the layers that were copied, as ``layers`` gives them.

        Raises:
            ValueError: One of these layers is missing in either network, or differs in shape; nothing is copied then.

        >>> build("vgg16_cifar").grow(from_=build("vgg11_cifar"))
        ['conv1_1', 'conv2_1', 'conv3_1', 'conv3_2', 'fc6']
        """
        mine, theirs = self.layers(), from_.layers()
        names = [name for name in theirs if name.startswith("conv")][:4] + [name for name in mine if name.startswith("fc")]
        for name in names:
            if name not in mine or name not in theirs:
                raise ValueError(f"{name} is missing in {'the donor' if name in mine else 'this network'}; expected it in both")
            if shapes(theirs[name]) != shapes(mine[name]):
                raise ValueError(f"the donor's {name} holds {shapes(theirs[name])}; expected {shapes(mine[name])}")
        for name in names:
            mine[name].load_state_dict(theirs[name].state_dict())
        return names


def convolutions(configuration: Configuration, *, in_channels: int, activation: str) -> list[nn.Module]:
    """The five blocks, a pooling after each."""
    layers: list[nn.Module] = []
    for width, depth in zip(WIDTHS, configuration.depths, strict=True):
        for position in range(depth):
            kernel = 1 if configuration.pointwise and position == 2 else 3
            layers.append(nn.Conv2d(in_channels, width, kernel, padding=kernel // 2))
            if configuration.norm != "none":
                layers.append(norm_layer(configuration.norm, width))
            layers.append(activation_layer(activation))
            in_channels = width
        if configuration.lrn and width == WIDTHS[0]:
            layers.append(norm_layer("lrn", width))
        layers.append(MaxPool2d(2, 2))
    return layers


def head(sizes: list[int], *, activation: str, dropout: float) -> nn.Sequential:
    """Linear layers from each of ``sizes`` to the next; activation and dropout follow the hidden ones."""
    layers: list[nn.Module] = [] if len(sizes) > 2 else [nn.Dropout(dropout)]
    for size, following in pairwise(sizes[:-1]):
        layers += [nn.Linear(size, following), activation_layer(activation), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def initialise(module: nn.Module) -> None:
    """He initialisation of a convolution, a small normal one of a linear layer, no bias: these train from scratch, unlike the paper's."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def shapes(layer: nn.Module) -> dict[str, tuple[int, ...]]:
    """Name of each tensor of ``layer`` -> its shape."""
    return {key: tuple(value.shape) for key, value in layer.state_dict().items()}


def build(
    name: str,
    *,
    in_channels: int = 3,
    num_classes: int | None = None,
    output_stride: int | None = None,
    norm: str | None = None,
    activation: str = "relu",
    dropout: float | None = None,
) -> VGG:
    """Build a variant of the paper's table 1, with batch norm (``_bn``), or sized for 32x32 (``_cifar``); arguments as for ``VGG``.

    >>> build("vgg11_cifar")(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    return VGG(
        VARIANTS[name],
        in_channels=in_channels,
        num_classes=num_classes,
        output_stride=output_stride,
        norm=norm,
        activation=activation,
        dropout=dropout,
    )
