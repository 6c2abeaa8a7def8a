"""Network in Network (Lin, Chen, Yan 2013, "Network In Network").

A convolution followed by two 1x1 convolutions is a small multilayer perceptron that slides over the map: an mlpconv layer. The last one
ends in a map for each class, whose global averages are the logits: there are no linear layers to overfit.
"""

from dataclasses import dataclass

import torch
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.layers import MaxPool2d, activation_layer, norm_layer
from restore.nn.pyramid import Pyramid

PAPER = "Lin, Chen, Yan 2013, Network In Network"


@dataclass(frozen=True)
class Variant:
    """The mlpconv layers of a network.

    Attributes:
        kernels: Kernel of each layer's first convolution.
        widths: Channels of each layer's three convolutions; the last one's third has a channel for each class.
        stride: Of the very first convolution; the others have 1.
        dropouts: Layers whose input is dropped out, by number from 0.
        cifar: Sized for 32x32 and 10 classes, not for 224x224 and 1000.
    """

    kernels: tuple[int, ...]
    widths: tuple[tuple[int, ...], ...]
    stride: int
    dropouts: tuple[int, ...]
    cifar: bool = False


VARIANTS = {
    "nin": Variant((11, 5, 3, 3), ((96, 96, 96), (256, 256, 256), (384, 384, 384), (1024, 1024)), 4, (3,)),
    "nin_cifar": Variant((5, 5, 3), ((192, 160, 96), (192, 192, 192), (192, 192)), 1, (1, 2), cifar=True),
}
"""The paper's network for CIFAR-10, and its authors' for ImageNet, as the Caffe Model Zoo has it (7,595,176 parameters, 29 MB)."""

TORCHVISION = ()


class NiN(Backbone):
    """Mlpconv layers, 3x3/2 max pooling between them, global average pooling of a map for each class.

    The maps are those of each mlpconv layer, of the last one without its class maps. Any size of picture fits.

    Args:
        variant: Its mlpconv layers.
        in_channels: Channels of the input.
        num_classes: Number of class maps; 0 builds none: ``forward`` returns the pooled map (N, C). None: 1000, CIFAR's 10.
        output_stride: Largest reduction: 32, 16, 8 or 4; of the CIFAR network 4, 2 or 1.
        norm: A name in ``restore.nn.layers.NORMS``, between each convolution and its activation. The paper has none; with "batch" it
            trains in far fewer epochs. The class maps are not normalised.
        activation: A name in ``restore.nn.layers.ACTIVATIONS``; the class maps are rectified whatever it is.
        dropout: Probability of a zero in what enters the second and third layer (CIFAR), the last one (ImageNet).

    Raises:
        ValueError: An unknown norm, activation or output stride, or a dropout outside [0, 1].

    >>> net = NiN(VARIANTS["nin_cifar"])
    >>> [tuple(m.shape) for m in net.features(torch.zeros(1, 3, 32, 32))]
    [(1, 96, 32, 32), (1, 192, 16, 16), (1, 192, 8, 8)]
    """

    def __init__(
        self,
        variant: Variant,
        *,
        in_channels: int = 3,
        num_classes: int | None = None,
        output_stride: int | None = None,
        norm: str = "none",
        activation: str = "relu",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.channels = [widths[-1] for widths in variant.widths]
        self.reductions = [variant.stride * 2**i for i in range(len(variant.widths))]
        if variant.cifar:
            self.fit_cifar()
        layers: list[nn.Module] = []
        for i, (kernel, widths) in enumerate(zip(variant.kernels, variant.widths, strict=True)):
            if i > 0:
                layers.append(MaxPool2d(3, 2, ceil_mode=True))
            if i in variant.dropouts:
                layers.append(nn.Dropout(dropout))
            stride = variant.stride if i == 0 else 1
            layers += mlpconv(in_channels, widths, kernel=kernel, stride=stride, norm=norm, activation=activation)
            in_channels = widths[-1]
        self._modules["features"] = Pyramid(*layers)
        classes = (10 if variant.cifar else 1000) if num_classes is None else num_classes
        self.classifier = nn.Sequential(nn.Conv2d(in_channels, classes, 1), nn.ReLU()) if classes else nn.Sequential()
        self.apply(initialise)
        if classes:  # small weights, positive biases: else the rectified class maps soon die, and all logits stay 0
            nn.init.normal_(self.classifier[0].weight, 0, 0.01)  # type: ignore[arg-type]
            nn.init.ones_(self.classifier[0].bias)  # type: ignore[arg-type]
        self.dilate(output_stride)

    @property
    def features(self) -> Pyramid:
        """The mlpconv layers; called on pictures (N, in_channels, H, W), they give the maps, finest first."""
        return self._modules["features"]  # type: ignore[return-value]

    def stages(self) -> list[list[nn.Module]]:
        """The first mlpconv layer; pooling and the second; ..."""
        return self.features.stages()

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """The class maps and their global averages."""
        return self.classifier(x).mean((2, 3))


def mlpconv(
    in_channels: int, widths: tuple[int, ...], *, kernel: int, stride: int = 1, norm: str = "none", activation: str = "relu"
) -> list[nn.Module]:
    """A convolution and the 1x1 convolutions after it, each with norm and activation.

    With a stride the window stays inside the picture; without, the size stays.

    >>> net = nn.Sequential(*mlpconv(3, (96, 96, 96), kernel=11, stride=4))
    >>> net(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 96, 54, 54])
    """
    layers: list[nn.Module] = []
    for i, width in enumerate(widths):
        size, step = (kernel, stride) if i == 0 else (1, 1)
        layers.append(nn.Conv2d(in_channels, width, size, step, size // 2 if step == 1 else 0))
        if norm != "none":
            layers.append(norm_layer(norm, width))
        layers.append(activation_layer(activation))
        in_channels = width
    return layers


def initialise(module: nn.Module) -> None:
    """He initialisation (the paper tuned its own by hand), no bias."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def build(
    name: str,
    *,
    in_channels: int = 3,
    num_classes: int | None = None,
    output_stride: int | None = None,
    norm: str = "none",
    activation: str = "relu",
    dropout: float = 0.5,
) -> NiN:
    """Build the network for ImageNet or the paper's for CIFAR-10; arguments as for ``NiN``.

    >>> build("nin_cifar")(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    return NiN(
        VARIANTS[name],
        in_channels=in_channels,
        num_classes=num_classes,
        output_stride=output_stride,
        norm=norm,
        activation=activation,
        dropout=dropout,
    )
