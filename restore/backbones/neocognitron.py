"""Neocognitron (Fukushima 1980): the first network of convolutions and poolings, here for its place in history.

S-cells find a feature where it is; C-cells find that it is thereabouts; all S-cells of a plane share their weights. Fukushima's
network organises itself: a plane's weights grow towards what its most active cell saw. This one keeps his cells, made of the
convolution and the average pooling of all other networks here, and learns as they do, by gradient descent (docs/neocognitron.md).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones.base import Backbone
from restore.nn.layers import AvgPool2d

PAPER = (
    "Fukushima 1980, Neocognitron: A Self-organizing Neural Network Model for a Mechanism of Pattern Recognition Unaffected by Shift in"
    " Position"
)
VARIANTS = {"neocognitron": ((24, 24, 24), (4.0, 1.5, 1.5))}
"""Name -> planes of each module and the selectivity r of its S-cells, as in the paper."""

TORCHVISION = ()

STRENGTH = 30.0
"""Weights start this many times as large as torch's, so that their ratio, more than the constant 1 beside them, decides."""


class Neocognitron(Backbone):
    """Modules of an S-layer and a C-layer; for logits, the mean of each plane and a linear layer.

    The maps are those of the S-layers, each the last of its size, and of the last C-layer. Pixels are light on dark in [0, 1] and,
    as no signal here is negative, not normalised. The paper's 16x16, 10x10, 6x6 and 1x1 cells are 16x16, 8x8, 4x4 and 2x2 here (other
    inputs, such as 28x28, do as well), and the paper has no linear layer: the cell of the last layer that answers names the pattern.

    Args:
        planes: Planes of each module.
        selectivity: r of each module; see ``SCells``.
        in_channels: Channels of the input.
        num_classes: Outputs; 0 leaves out the linear layer: ``forward`` then gives the means of the planes.
        output_stride: 8, 4, 2 or 1: largest reduction.

    Raises:
        ValueError: Not one selectivity for each module, or an output stride that is not reached.

    >>> net = Neocognitron((24, 24, 24), (4.0, 1.5, 1.5))
    >>> [tuple(f.shape) for f in net.features(torch.zeros(1, 1, 16, 16))]
    [(1, 24, 16, 16), (1, 24, 8, 8), (1, 24, 4, 4), (1, 24, 2, 2)]
    """

    input_size = (16, 16)
    resize_size = 16

    def __init__(
        self,
        planes: Sequence[int],
        selectivity: Sequence[float],
        *,
        in_channels: int = 1,
        num_classes: int = 10,
        output_stride: int | None = None,
    ) -> None:
        super().__init__()
        if len(planes) != len(selectivity) or not planes:
            raise ValueError(f"got planes for {len(planes)} modules and selectivity for {len(selectivity)}; expected one of each for each")
        self.mean, self.std = (0.0,) * in_channels, (1.0,) * in_channels
        self.channels = [*planes, planes[-1]]
        self.reductions = [2**i for i in range(len(self.channels))]
        self.layers = nn.ModuleList()
        for inputs, count, r in zip([in_channels, *planes[:-1]], planes, selectivity, strict=True):
            self.layers += [SCells(inputs, count, r=r), CCells()]
        self.output = nn.Linear(planes[-1], num_classes) if num_classes else nn.Identity()
        self.dilate(output_stride)

    def stages(self) -> list[list[nn.Module]]:
        """S1; C1 and S2; C2 and S3; C3."""
        first, *between, last = self.layers
        return [[first], *([c, s] for c, s in zip(between[::2], between[1::2], strict=True)), [last]]

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """The mean of each plane, then the linear layer: (N, C, h, w) -> (N, num_classes), or (N, C) without classes."""
        return self.output(x.mean((2, 3)))


class SCells(nn.Module):
    """Feature extraction: 5x5 excitation against the shunting inhibition of one V-cell at each place, in all planes the same.

    ``s = r relu((1 + a * u) / (1 + r / (1 + r) b v) - 1)`` with learned ``a``, ``b`` >= 0 and ``v``, the root of the mean square of
    ``u`` under a window that falls off from its centre. Where signals are strong the two ones do not count, and the answer is that
    to the form of the stimulus whatever its contrast; the larger ``r``, the less a form may differ from ``a`` to be answered. (The
    paper's other constant factors are in ``b``.)

    Args:
        in_channels: Planes of the layer before.
        planes: Planes of this one.
        r: Selectivity, above 0.

    >>> SCells(1, 24, r=4.0)(torch.rand(1, 1, 16, 16)).shape
    torch.Size([1, 24, 16, 16])
    """

    def __init__(self, in_channels: int, planes: int, *, r: float) -> None:
        super().__init__()
        self.r = r
        self.excite = Excitation(in_channels, planes, 5, padding=2, bias=False)  # a
        self.inhibit = nn.Parameter(torch.ones(planes))  # b
        self.blur = blur(stride=1)
        nn.init.uniform_(self.excite.weight, 0, STRENGTH * (25 * in_channels) ** -0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) -> (N, planes, H, W), not negative."""
        v = self.blur(x.square().mean(1, keepdim=True)).clamp(min=1e-12).sqrt()  # (N, 1, H, W); the root has no slope at 0
        b = self.inhibit.abs()[:, None, None]
        return self.r * F.relu((1 + self.excite(x)) / (1 + self.r / (1 + self.r) * b * v) - 1)


class Excitation(nn.Conv2d):
    """A convolution with the magnitudes of its weights: excitatory synapses only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As ``nn.Conv2d``."""
        return F.conv2d(x, self.weight.abs(), self.bias, self.stride, self.padding, self.dilation)


class CCells(nn.Module):
    """Tolerance of shifts: each plane blurred and thinned out, inhibited by the mean of all planes, saturating.

    ``c = psi((1 + d) / (1 + mean of d over the planes) - 1)`` with ``d`` the blurred plane and ``psi(x) = x / (1/2 + x)`` for
    positive ``x``, 0 for others: a plane answers where it is above the mean. Nothing is learned.

    >>> CCells()(torch.rand(1, 24, 16, 16)).shape
    torch.Size([1, 24, 8, 8])
    """

    def __init__(self) -> None:
        super().__init__()
        self.blur = blur(stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2)), in [0, 1)."""
        d = self.blur(x)
        y = F.relu((1 + d) / (1 + d.mean(1, keepdim=True)) - 1)
        return y / (0.5 + y)


def blur(*, stride: int) -> nn.Sequential:
    """Two 3x3 means: together a 5x5 window that falls off as 3, 2, 1 from its centre.

    >>> x = torch.zeros(1, 1, 1, 9)
    >>> x[..., 4] = 81.0
    >>> blur(stride=1)(x)[0, 0].round()
    tensor([[0., 0., 1., 2., 3., 2., 1., 0., 0.]])
    """
    return nn.Sequential(AvgPool2d(3, 1, 1), AvgPool2d(3, stride, 1))


def build(name: str, *, in_channels: int = 1, num_classes: int = 10, output_stride: int | None = None) -> Neocognitron:
    """Build a variant.

    >>> sum(p.numel() for p in build("neocognitron").parameters())  # 25 * 24 * (1 + 24 + 24) + 3 * 24 + 25 * 10
    29722
    """
    planes, selectivity = VARIANTS[name]
    return Neocognitron(planes, selectivity, in_channels=in_channels, num_classes=num_classes, output_stride=output_stride)
