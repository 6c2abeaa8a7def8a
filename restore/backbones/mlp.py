"""Multilayer perceptron (Rumelhart, Hinton, Williams 1986, "Learning representations by back-propagating errors").

The baseline that a convolutional network has to beat: every unit sees every pixel, so where a pixel stands means nothing to it.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.layers import activation_layer

PAPER = "Rumelhart, Hinton, Williams 1986, Learning representations by back-propagating errors"
VARIANTS = {"mlp": (300, 100)}
"""Name -> units of each hidden layer: the 784-300-100-10 of LeCun et al. 1998, figure 9."""

TORCHVISION = ()


class MLP(Backbone):
    """Dense layers with an activation after each but the last.

    The features are the hidden layers as maps of 1x1, each as far reduced as can be: by the size of the input.

    Args:
        widths: Units of each hidden layer.
        size: Height and width of the input; no other fits.
        in_channels: Channels of the input.
        num_classes: Outputs; 0 leaves out the last layer: ``forward`` then gives the last hidden layer's values.
        activation: A name in ``restore.nn.layers.ACTIVATIONS``.
        dropout: Probability of a zero in each hidden layer's values on their way to the next (Hinton et al. 2012).

    Raises:
        ValueError: No hidden layer, or an unknown activation; ``forward`` and ``features``: an input of another shape.

    >>> net = MLP((300, 100))
    >>> [tuple(f.shape) for f in net.features(torch.zeros(2, 1, 28, 28))]
    [(2, 300, 1, 1), (2, 100, 1, 1)]
    >>> net(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        size: int = 28,
        in_channels: int = 1,
        num_classes: int = 10,
        activation: str = "tanh",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("widths is empty; expected the units of at least one hidden layer")
        self.input_size, self.resize_size = (size, size), size
        self.mean, self.std = (0.1307,) * in_channels, (0.3081,) * in_channels  # MNIST
        self.channels, self.reductions = [*widths], [size] * len(widths)
        layers = [
            nn.Sequential(nn.Dropout(dropout if i else 0.0), Dense(inputs, units), activation_layer(activation))
            for i, (inputs, units) in enumerate(pairwise([in_channels * size * size, *widths]))
        ]
        self.hidden = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(widths[-1], num_classes) if num_classes else nn.Identity()

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Values of the hidden layers, (N, widths[i], 1, 1), of pictures (N, in_channels, size, size)."""
        expected = (len(self.mean), *self.input_size)
        if x.shape[1:] != expected:
            raise ValueError(f"input is of shape {tuple(x.shape)}; expected (N, {', '.join(map(str, expected))})")
        return super().features(x)

    def stages(self) -> list[list[nn.Module]]:
        """The hidden layers."""
        return [[layer] for layer in self.hidden]

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """The last layer: (N, widths[-1], 1, 1) -> (N, num_classes), or (N, widths[-1]) without classes."""
        return self.output(self.dropout(x.flatten(1))) if isinstance(self.output, nn.Linear) else x.flatten(1)


class Dense(nn.Linear):
    """A linear layer from a whole map to a map of 1x1: a convolution whose kernel is as large as the map.

    >>> Dense(2 * 4 * 4, 5)(torch.zeros(1, 2, 4, 4)).shape
    torch.Size([1, 5, 1, 1])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) with C * H * W inputs -> (N, out_features, 1, 1)."""
        return super().forward(x.flatten(1))[..., None, None]


def build(
    name: str,
    *,
    in_channels: int = 1,
    num_classes: int = 10,
    activation: str = "tanh",
    widths: Sequence[int] | None = None,
    size: int = 28,
    dropout: float = 0.0,
) -> MLP:
    """Build a variant, with other ``widths`` if asked.

    >>> sum(p.numel() for p in build("mlp").parameters())  # 785 * 300 + 301 * 100 + 101 * 10
    266610
    """
    chosen = VARIANTS[name] if widths is None else widths
    return MLP(chosen, size=size, in_channels=in_channels, num_classes=num_classes, activation=activation, dropout=dropout)
