"""AlexNet (Krizhevsky, Sutskever, Hinton 2012, "ImageNet Classification with Deep Convolutional Neural Networks").

Five convolutions, three overlapping poolings, three linear layers. ``alexnet_2012`` is the paper's network; ``alexnet`` is torchvision's,
after Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks": one tower, fewer maps, no normalisation.
The paper's text says that its input is 224x224; its maps of 55x55 come from 227x227.
"""

from dataclasses import dataclass

import torch
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.layers import MaxPool2d, activation_layer, norm_layer
from restore.nn.pyramid import Pyramid

PAPER = "Krizhevsky, Sutskever, Hinton 2012, ImageNet Classification with Deep Convolutional Neural Networks"
KERNELS = (11, 5, 3, 3, 3)
HIDDEN = 4096


@dataclass(frozen=True)
class Variant:
    """What tells the two networks apart.

    Attributes:
        widths: Channels of the five convolutions.
        padding: Of the first convolution.
        towers: Groups of the second, fourth and fifth convolution, which the paper spread over two GPUs.
        norm: What follows the first two convolutions and their activations.
        original: Dropout of the hidden units (else of what they see), initialisation and scale of the input are the paper's.
    """

    widths: tuple[int, ...]
    padding: int
    towers: int
    norm: str
    original: bool


VARIANTS = {
    "alexnet": Variant((64, 192, 384, 256, 256), padding=2, towers=1, norm="none", original=False),
    "alexnet_2012": Variant((96, 256, 384, 384, 256), padding=0, towers=2, norm="lrn", original=True),
}
TORCHVISION = ("alexnet",)


class AlexNet(Backbone):
    """Convolutions of 11x11/4, 5x5 and three of 3x3; 3x3/2 pooling after the first, the second and the last; linear layers.

    The maps are those before each pooling and the one after the last; their sides are 55, 27, 13 and 6 where the input's is
    ``input_size``. The classifier averages the last map to 6x6 regions, so that other sizes fit too.

    Args:
        variant: Its sizes. The paper's network wants pixels of 0 to 255 less their mean (its ``std`` is 1/255), as its
            normalisation and initialisation do.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifier; 0 builds none: ``forward`` returns the pooled map (N, 256).
        output_stride: Largest reduction: 32, 16, 8 or 4.
        norm: A name in ``restore.nn.layers.NORMS``, where the paper has its own: after the first two convolutions and their
            activations, before the pooling. None: the variant's.
        activation: A name in ``restore.nn.layers.ACTIVATIONS``; the paper compares "relu" with "tanh" (figure 1).
        dropout: Probability of a zero before or after each hidden layer (see ``Variant``).

    Raises:
        ValueError: An unknown norm, activation or output stride, or a dropout outside [0, 1].

    >>> net = AlexNet(VARIANTS["alexnet_2012"], num_classes=0)
    >>> [tuple(m.shape) for m in net.features(torch.zeros(1, 3, 227, 227))]
    [(1, 96, 55, 55), (1, 256, 27, 27), (1, 256, 13, 13), (1, 256, 6, 6)]
    """

    def __init__(
        self,
        variant: Variant,
        *,
        in_channels: int = 3,
        num_classes: int = 1000,
        output_stride: int | None = None,
        norm: str | None = None,
        activation: str = "relu",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        widths, norm = variant.widths, variant.norm if norm is None else norm
        self.channels, self.reductions = [widths[0], widths[1], widths[4], widths[4]], [4, 8, 16, 32]
        if variant.original:
            self.input_size, self.std = (227, 227), (1 / 255,) * 3
        layers: list[nn.Module] = []
        for i, (channels, width, kernel) in enumerate(zip([in_channels, *widths], widths, KERNELS, strict=False)):
            stride, padding = (4, variant.padding) if i == 0 else (1, kernel // 2)
            groups = variant.towers if i in (1, 3, 4) else 1
            layers += [nn.Conv2d(channels, width, kernel, stride, padding, groups=groups), activation_layer(activation)]
            if i < 2 and norm != "none":
                layers.append(norm_layer(norm, width))
            if i in (0, 1, 4):
                layers.append(MaxPool2d(3, 2))
        self._modules["features"] = Pyramid(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(6 if num_classes else 1)
        self.classifier = nn.Sequential()
        if num_classes:
            for size in (widths[4] * 6 * 6, HIDDEN):
                hidden = [nn.Linear(size, HIDDEN), activation_layer(activation)]
                self.classifier.extend([*hidden, nn.Dropout(dropout)] if variant.original else [nn.Dropout(dropout), *hidden])
            self.classifier.append(nn.Linear(HIDDEN, num_classes))
        if variant.original:
            self.initialise()
        self.dilate(output_stride)

    @property
    def features(self) -> Pyramid:
        """The convolutional layers; called on pictures (N, in_channels, H, W), they give the maps, finest first."""
        return self._modules["features"]  # type: ignore[return-value]

    def stages(self) -> list[list[nn.Module]]:
        """The first convolution; pooling and the second; pooling and the others; the last pooling."""
        return self.features.stages()

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Average to 6x6 regions (1x1 without a classifier), then the linear layers."""
        return self.classifier(self.avgpool(x).flatten(1))

    def initialise(self) -> None:
        """Weights as in section 5 of the paper: N(0, 0.01^2); biases 1 where ReLUs would else start dead, 0 elsewhere."""
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        for i, layer in enumerate(layers):
            nn.init.normal_(layer.weight, 0, 0.01)
            nn.init.constant_(layer.bias, 1.0 if i in (1, 3, 4, 5, 6) else 0.0)  # type: ignore[arg-type]


def build(
    name: str,
    *,
    in_channels: int = 3,
    num_classes: int = 1000,
    output_stride: int | None = None,
    norm: str | None = None,
    activation: str = "relu",
    dropout: float = 0.5,
) -> AlexNet:
    """Build the network of 2012 or torchvision's; arguments as for ``AlexNet``.

    >>> with torch.device("meta"):
    ...     net = build("alexnet_2012")
    >>> sum(p.numel() for p in net.parameters())
    60965224
    """
    return AlexNet(
        VARIANTS[name],
        in_channels=in_channels,
        num_classes=num_classes,
        output_stride=output_stride,
        norm=norm,
        activation=activation,
        dropout=dropout,
    )
