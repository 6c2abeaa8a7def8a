"""LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998, "Gradient-Based Learning Applied to Document Recognition").

Layers carry the paper's names: C1, S2, C3, S4, C5, F6, output. `lenet5_1998` has its 60,000 trainable parameters: sub-sampling
with a coefficient and a bias per map, C3 connected as in its table 1, scaled tanh, fixed codes as radial basis functions.
`lenet5` is what the name means today: ReLU, max pooling, C3 connected to every map, linear output.
"""

import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.layers import ACTIVATIONS, AvgPool2d, MaxPool2d, activation_layer, norm_layer

PAPER = "LeCun, Bottou, Bengio, Haffner 1998, Gradient-Based Learning Applied to Document Recognition"
VARIANTS = {"lenet5_1998": (True, "scaled_tanh", "average"), "lenet5": (False, "relu", "max")}
"""Name -> whether C3 and the output are those of the paper, the activation, the pooling."""

TORCHVISION = ()

SIZE = 32
"""Height and width that the paper's digits of 28x28 are centred in; smaller inputs are padded to it."""

TABLE = [
    *([i, (i + 1) % 6, (i + 2) % 6] for i in range(6)),
    *([i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6] for i in range(6)),
    *([i, i + 1, (i + 3) % 6, (i + 4) % 6] for i in range(3)),
    [0, 1, 2, 3, 4, 5],
]
"""Table 1 of the paper: the maps of S2 that each map of C3 sees; 60 connections of 6 * 16."""


class LeNet(Backbone):
    """Three 5x5 convolutions with two poolings between them, a hidden layer of 84 units, an output.

    The maps are those of C1, C3 and C5. An input smaller than 32x32 is centred in 32x32 of background (black, which the paper
    does to the digits of 28x28). C5 is a convolution: from larger inputs its map is more than one pixel, and its global
    average goes on to F6. Digits are light on dark, as in MNIST.

    Args:
        original: C3 sees the maps in ``TABLE`` only, and the output is ``Codes``; otherwise all maps, and linear.
        in_channels: Channels of the input.
        num_classes: Outputs; 0 leaves out the output: ``forward`` then gives the 84 values of F6.
        output_stride: 4, 2 or 1: largest reduction.
        norm: A name in ``restore.nn.layers.NORMS``: after each convolution, in place of its bias.
        activation: ``"scaled_tanh"``, the paper's 1.7159 tanh(2x/3), or a name in ``restore.nn.layers.ACTIVATIONS``.
        pooling: ``"average"``: 2x2 means times a coefficient plus a bias, both learned for each map, then the activation, as in
            the paper; ``"max"``: 2x2 maxima.
        dropout: Probability of a zero in the inputs of F6 and of the output.

    Raises:
        ValueError: An unknown activation, pooling, norm or output stride; or more classes than there are codes.

    >>> net = LeNet()
    >>> [tuple(f.shape) for f in net.features(torch.zeros(1, 1, 28, 28))]
    [(1, 6, 28, 28), (1, 16, 10, 10), (1, 120, 1, 1)]
    >>> net(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 10])
    """

    input_size = (28, 28)
    resize_size = 28

    def __init__(
        self,
        *,
        original: bool = False,
        in_channels: int = 1,
        num_classes: int = 10,
        output_stride: int | None = None,
        norm: str = "none",
        activation: str = "relu",
        pooling: str = "max",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if pooling not in ("average", "max"):
            raise ValueError(f"pooling {pooling!r} is unknown; expected 'average' or 'max'")
        self.mean, self.std = (0.1307,) * in_channels, (0.3081,) * in_channels
        self.channels, self.reductions = [6, 16, 120], [1, 2, 4]
        bias = norm == "none"
        self.pad = PadTo(SIZE, -self.mean[0] / self.std[0])
        self.c1 = nn.Sequential(nn.Conv2d(in_channels, 6, 5, bias=bias), norm_layer(norm, 6), squash(activation))
        self.s2 = subsampling(pooling, 6, activation)
        c3 = TableConv2d(bias=bias) if original else nn.Conv2d(6, 16, 5, bias=bias)
        self.c3 = nn.Sequential(c3, norm_layer(norm, 16), squash(activation))
        self.s4 = subsampling(pooling, 16, activation)
        self.c5 = nn.Sequential(nn.Conv2d(16, 120, 5, bias=bias), norm_layer(norm, 120), squash(activation))
        self.dropout = nn.Dropout(dropout)
        self.f6 = nn.Sequential(nn.Linear(120, 84), squash(activation))
        self.output: nn.Module = nn.Identity()
        if num_classes:
            self.output = Codes(num_classes, 84) if original else nn.Linear(84, num_classes)
        if original:
            self.apply(initialise)
        self.dilate(output_stride)

    def stages(self) -> list[list[nn.Module]]:
        """C1; S2 and C3; S4 and C5."""
        return [[self.pad, self.c1], [self.s2, self.c3], [self.s4, self.c5]]

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Global average of C5's map, F6, output: (N, 120, h, w) -> (N, num_classes), or (N, 84) without classes."""
        hidden = self.f6(self.dropout(x.mean((2, 3))))
        return hidden if isinstance(self.output, nn.Identity) else self.output(self.dropout(hidden))


class PadTo(nn.Module):
    """Centre what is smaller than ``size`` x ``size`` in that many pixels of ``value``; leave the rest as it is.

    >>> PadTo(4, 7.0)(torch.zeros(1, 1, 2, 3))[0, 0]
    tensor([[7., 7., 7., 7.],
            [0., 0., 0., 7.],
            [0., 0., 0., 7.],
            [7., 7., 7., 7.]])
    """

    def __init__(self, size: int, value: float) -> None:
        super().__init__()
        self.size, self.value = size, value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, max(H, size), max(W, size))."""
        down, right = (max(0, self.size - side) for side in x.shape[-2:])
        return F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2), value=self.value) if down or right else x


class ScaledTanh(nn.Module):
    """The paper's squashing function (appendix A), 1.7159 tanh(2x/3): it maps 1 to 1 and -1 to -1.

    >>> ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0])).round(decimals=3)
    tensor([-1.,  0.,  1.])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape."""
        return 1.7159 * torch.tanh(x * (2 / 3))


def squash(activation: str) -> nn.Module:
    """The paper's scaled tanh, or one of the package's activations."""
    if activation == "scaled_tanh":
        return ScaledTanh()
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r} is unknown; expected one of scaled_tanh, {', '.join(ACTIVATIONS)}")
    return activation_layer(activation)


class Scale(nn.Module):
    """Multiply each map by a learned coefficient and add a learned bias; starts as the identity.

    >>> sum(p.numel() for p in Scale(6).parameters())
    12
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W), same shape."""
        return x * self.weight[:, None, None] + self.bias[:, None, None]


def subsampling(pooling: str, channels: int, activation: str) -> nn.Module:
    """S2 and S4. The paper adds four pixels where this takes their mean; the coefficient makes up for it."""
    return MaxPool2d(2) if pooling == "max" else nn.Sequential(AvgPool2d(2), Scale(channels), squash(activation))


class TableConv2d(nn.Conv2d):
    """A 5x5 convolution whose maps see only some of the input's: C3, with the connections of ``TABLE``.

    Attributes:
        weight: (60, 5, 5), one kernel for each connection.

    >>> sum(p.numel() for p in TableConv2d().parameters())
    1516
    """

    def __init__(self, *, bias: bool = True) -> None:
        super().__init__(6, len(TABLE), 5, bias=bias)
        self.targets = [target for target, sources in enumerate(TABLE) for _ in sources]
        self.sources = [source for sources in TABLE for source in sources]
        self.weight = nn.Parameter(self.weight.detach()[self.targets, self.sources])  # (60, 5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 6, H, W) -> (N, 16, H - 4, W - 4)."""
        kernel = self.weight.new_zeros(self.out_channels, self.in_channels, 5, 5)
        index = tuple(torch.tensor(i, device=x.device) for i in (self.targets, self.sources))
        return F.conv2d(x, kernel.index_put(index, self.weight), self.bias, self.stride, self.padding, self.dilation)


class Codes(nn.Module):
    """The paper's output: minus the squared distance from F6 to a fixed code of +1 and -1 for each class (its equation 7).

    The softmax cross-entropy of these logits is the paper's equation 9 without its constant "rubbish" class. The paper draws its
    codes as 7x12 bitmaps of the characters, so that similar characters have similar codes, and says that an error-correcting
    code would do: here they are Walsh functions, of which any two of the first ten differ in about half of the units.

    Args:
        classes: 1 to 127, which is how many of them differ.
        length: Units of F6.

    Raises:
        ValueError: More classes than codes.

    >>> Codes(10, 84)(torch.zeros(1, 84))[0, :2]
    tensor([-84., -84.])
    """

    codes: torch.Tensor

    def __init__(self, classes: int, length: int) -> None:
        super().__init__()
        if classes > 127:
            raise ValueError(f"there are 127 codes; got {classes} classes: take 'lenet5', whose output is linear")
        signs = [[1.0 - 2 * ((i & j).bit_count() % 2) for j in range(length)] for i in range(1, classes + 1)]
        self.register_buffer("codes", torch.tensor(signs))  # (classes, length)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, length) -> (N, classes), at most 0."""
        return -(x[:, None] - self.codes).square().sum(2)


def initialise(module: nn.Module) -> None:
    """The paper's start (appendix A): uniform within 2.4 / inputs of a unit (of C3: their mean)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        units = module.out_channels if isinstance(module, nn.Conv2d) else module.out_features
        bound = 2.4 * units / module.weight.numel()
        for parameter in module.parameters():
            nn.init.uniform_(parameter, -bound, bound)


def build(
    name: str,
    *,
    in_channels: int = 1,
    num_classes: int = 10,
    output_stride: int | None = None,
    norm: str = "none",
    activation: str | None = None,
    pooling: str | None = None,
    dropout: float = 0.0,
) -> LeNet:
    """Build a variant; what is None is as ``VARIANTS`` has it, the others as ``LeNet`` does.

    >>> [sum(p.numel() for p in build(name).parameters()) for name in ("lenet5_1998", "lenet5")]
    [60000, 61706]
    """
    original, its_activation, its_pooling = VARIANTS[name]
    return LeNet(
        original=original,
        in_channels=in_channels,
        num_classes=num_classes,
        output_stride=output_stride,
        norm=norm,
        activation=its_activation if activation is None else activation,
        pooling=its_pooling if pooling is None else pooling,
        dropout=dropout,
    )
