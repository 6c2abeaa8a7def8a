"""SqueezeNet (Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters").

A fire module squeezes to few channels by 1x1 convolutions and expands by 1x1 and 3x3 ones side by side; no layer is fully connected.
"""

from typing import NamedTuple

import torch
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.layers import MaxPool2d, activation_layer, norm_layer
from restore.nn.pyramid import Pyramid

PAPER = "Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters"


class Variant(NamedTuple):
    """Where one network differs from another.

    Attributes:
        width: Channels of the first convolution.
        kernel: Side of its kernel.
        squeezes: Channels that each fire module squeezes to; a pooling stands before each group of them.
        cifar: For pictures of 32x32: the first convolution keeps the size.
    """

    width: int
    kernel: int
    squeezes: tuple[tuple[int, ...], ...]
    cifar: bool = False


VARIANTS = {
    "squeezenet1_0": Variant(96, 7, ((16, 16, 32), (32, 48, 48, 64), (64,))),
    "squeezenet1_1": Variant(64, 3, ((16, 16), (32, 32), (48, 48, 64, 64))),
    "squeezenet_cifar": Variant(64, 3, ((16, 16, 32, 32), (48, 48, 64, 64)), cifar=True),
}
"""1.0 is table 1 of the paper; 1.1, its authors' later one, pools earlier: the same accuracy for 2.4 times less computation."""

TORCHVISION = ("squeezenet1_0", "squeezenet1_1")


class Fire(nn.Module):
    """Squeeze by 1x1 convolutions, expand by as many 1x1 as 3x3 ones (section 3.2, figure 1).

    Maps (N, in_channels, H, W) to (N, 8 * squeeze, H, W): the expansion that all of the paper's modules have.

    Args:
        in_channels: Channels of the input.
        squeeze: Channels between the two.
        norm: A name in ``NORMS``; convolutions have a bias only without normalisation, as in the paper.
        activation: A name in ``ACTIVATIONS``.

    Raises:
        ValueError: Unknown norm or activation.

    >>> Fire(96, 16)(torch.zeros(1, 96, 9, 9)).shape
    torch.Size([1, 128, 9, 9])
    """

    def __init__(self, in_channels: int, squeeze: int, *, norm: str = "none", activation: str = "relu") -> None:
        super().__init__()
        expand, bias = 4 * squeeze, norm == "none"
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1, bias=bias)
        self.squeeze_norm = norm_layer(norm, squeeze)
        self.squeeze_activation = activation_layer(activation)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1, bias=bias)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1, bias=bias)
        self.expand_norm = norm_layer(norm, 2 * expand)
        self.expand_activation = activation_layer(activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) -> (N, 8 * squeeze, H, W)."""
        x = self.squeeze_activation(self.squeeze_norm(self.squeeze(x)))
        return self.expand_activation(self.expand_norm(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1)))


class SqueezeNet(Backbone):
    """Convolution, fire modules between 3x3 max poolings of stride 2, a 1x1 convolution to the classes, global average pooling.

    The maps are those before each pooling and the last.

    Args:
        variant: Its sizes.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifier; 0 builds none: ``forward`` returns the pooled map (N, 512). None: 1000, CIFAR's 10.
        output_stride: Largest reduction; dilation replaces stride beyond it.
        norm: A name in ``restore.nn.layers.NORMS``; None: none, as in the paper, or "batch" for CIFAR.
        activation: A name in ``restore.nn.layers.ACTIVATIONS``.
        dropout: Probability of a zero in the input of the classifier.

    Raises:
        ValueError: Unknown norm, activation or output stride, or a dropout outside [0, 1].

    >>> net = SqueezeNet(VARIANTS["squeezenet_cifar"])
    >>> [tuple(m.shape) for m in net.features(torch.zeros(1, 3, 32, 32))]
    [(1, 64, 32, 32), (1, 256, 16, 16), (1, 512, 8, 8)]
    """

    def __init__(
        self,
        variant: Variant,
        *,
        in_channels: int = 3,
        num_classes: int | None = None,
        output_stride: int | None = None,
        norm: str | None = None,
        activation: str = "relu",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        channels, kernel, squeezes, cifar = variant
        if cifar:
            self.fit_cifar()
        norm = ("batch" if cifar else "none") if norm is None else norm
        stride, padding = (1, kernel // 2) if cifar else (2, 0)
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, kernel, stride, padding, bias=norm == "none")]
        layers += [] if norm == "none" else [norm_layer(norm, channels)]  # torchvision's keys count the layers
        layers.append(activation_layer(activation))
        self.channels, self.reductions = [channels], [stride]
        for group in squeezes:
            layers.append(MaxPool2d(3, 2, ceil_mode=True))
            for squeeze in group:
                layers.append(Fire(channels, squeeze, norm=norm, activation=activation))
                channels = 8 * squeeze
            self.channels.append(channels)
            self.reductions.append(self.reductions[-1] * 2)
        self._modules["features"] = Pyramid(*layers)
        classes = (10 if cifar else 1000) if num_classes is None else num_classes
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1))
        self.apply(initialise)
        if classes:
            last = nn.Conv2d(channels, classes, 1)
            nn.init.normal_(last.weight, std=0.01)
            self.classifier = nn.Sequential(nn.Dropout(dropout), last, activation_layer(activation), nn.AdaptiveAvgPool2d(1))
        self.dilate(output_stride)

    @property
    def features(self) -> Pyramid:
        """All layers but the classifier; called on pictures (N, in_channels, H, W), they give the maps, finest first."""
        return self._modules["features"]  # type: ignore[return-value]

    def stages(self) -> list[list[nn.Module]]:
        """The first convolution; each pooling and the fire modules after it."""
        return self.features.stages()

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """A map for each class, averaged."""
        return self.classifier(x).flatten(1)


def initialise(module: nn.Module) -> None:
    """He initialisation of a convolution (He et al. 2015, "Delving Deep into Rectifiers"), zeros for its bias."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(
    name: str,
    *,
    in_channels: int = 3,
    num_classes: int | None = None,
    output_stride: int | None = None,
    norm: str | None = None,
    activation: str = "relu",
    dropout: float = 0.5,
) -> SqueezeNet:
    """Build a variant; the options are those of ``SqueezeNet``.

    >>> sum(p.numel() for p in build("squeezenet1_0").parameters())
    1248424
    """
    return SqueezeNet(
        VARIANTS[name],
        in_channels=in_channels,
        num_classes=num_classes,
        output_stride=output_stride,
        norm=norm,
        activation=activation,
        dropout=dropout,
    )
