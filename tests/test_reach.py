"""The receptive field of whole networks, against an independent measure: where the gradient of one value is."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from restore import backbones
from restore.nn.blocks import BasicBlock, Bottleneck
from restore.nn.layers import AvgPool2d
from restore.nn.pooling import StochasticPool2d
from restore.nn.reach import ReachMode


class Branches(nn.Module):
    """Kernels of several shapes side by side, one of them even, and what they lead to."""

    def __init__(self):
        super().__init__()
        self.paths = nn.ModuleList(
            [
                nn.Conv2d(2, 2, 1, 2),
                nn.Conv2d(2, 2, 3, 2, 1),
                nn.Sequential(nn.Conv2d(2, 2, (1, 7), padding=(0, 3)), nn.Conv2d(2, 2, (3, 1), 2, (1, 0))),
                AvgPool2d(2, 2),
            ]
        )
        self.last = nn.Conv2d(8, 2, 3, dilation=2)

    def forward(self, x):
        return self.last(torch.cat([path(x) for path in self.paths], 1))


class Odd(nn.Module):
    """What is not a layer: padding on one side, cutting, every second value, arithmetic and channels on their own."""

    def forward(self, x):
        x = F.pad(x, (3, 1, 1, 2))[:, :, 2:-1, 1::2]
        x = F.avg_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 2, 1) + x * x[:, :1]
        return F.pixel_unshuffle(F.local_response_norm(x, 3), 2)


def dilated_resnet():
    net = backbones.build("resnet18", num_classes=0, output_stride=8)
    return nn.Sequential(*[module for stage in net.stages() for module in stage])


EXACT = {
    "chain": lambda: nn.Sequential(nn.Conv2d(2, 2, 5, 2, 1), nn.ReLU(), AvgPool2d(3, 2), nn.Conv2d(2, 2, 3, padding=4, dilation=4)),
    "rows and columns": lambda: nn.Sequential(nn.Conv2d(2, 2, (1, 5), (2, 1)), nn.Conv2d(2, 2, (3, 1), (1, 2))),
    "rounded up": lambda: nn.Sequential(AvgPool2d(3, 2, ceil_mode=True), AvgPool2d(2, 2, 1, ceil_mode=True), nn.Conv2d(2, 2, 3)),
    "shortcuts": lambda: nn.Sequential(BasicBlock(2, 4, stride=2), BasicBlock(4, 4, dilation=2), Bottleneck(4, 2, stride=2)),
    "branches": Branches,
    "odd": Odd,
    "adaptive": lambda: nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.AdaptiveAvgPool2d(8)),
    "unshuffled": lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(8, 2, 3, padding=1)),
    "stochastic pooling": lambda: StochasticPool2d(3, 2),
    "normalised": lambda: nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.Dropout(), nn.Conv2d(2, 2, 3)),
}
BOUNDED = {
    "transposed": lambda: nn.Sequential(nn.Conv2d(2, 2, 3, 2, 1), nn.ConvTranspose2d(2, 2, 2, 2), nn.Conv2d(2, 2, 3)),
    "transposed 4": lambda: nn.Sequential(nn.Conv2d(2, 2, 3, 2, 1), nn.ConvTranspose2d(2, 2, 4, 2, 1), nn.Conv2d(2, 2, 3)),
    "bilinear": lambda: nn.Sequential(AvgPool2d(2, 2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(2, 2, 3)),
    "nearest": lambda: nn.Sequential(AvgPool2d(4, 4), nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3)),
    "shrunk": lambda: nn.Sequential(nn.Conv2d(2, 2, 3), nn.Upsample(size=(13, 17), mode="bilinear")),
    "shuffled": lambda: nn.Sequential(nn.Conv2d(2, 8, 3, 2, 1), nn.PixelShuffle(2), nn.Conv2d(2, 2, 3)),
    "adaptive": lambda: nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.AdaptiveAvgPool2d(7)),
}


def positive(model):
    """With positive weights nothing cancels: what a value depends on has a gradient."""
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    return model.double().eval()


def support(model, x, place):
    """First and last row, first and last column that the value at ``place`` has a gradient at."""
    (gradient,) = torch.autograd.grad(model(x)[0, :, place[0], place[1]].sum(), x)
    rows, columns = gradient[0].abs().sum(0).nonzero().T
    return (rows.min().item(), rows.max().item()), (columns.min().item(), columns.max().item())


def reach_of(model, x):
    with torch.no_grad(), ReachMode(x) as mode:
        y = model(x)
    return mode.reaches[y], mode.field(y), y.shape[-2:]


@pytest.mark.parametrize("kind", EXACT)
def test_field_is_the_support_of_the_gradient(kind):
    model, x = positive(EXACT[kind]()), torch.ones(1, 2, 64, 72, dtype=torch.float64, requires_grad=True)
    reaches, field, size = reach_of(model, x)
    for place in [(size[0] // 2, size[1] // 2), (size[0] // 2 - 1, size[1] // 2 + 1)]:
        found = support(model, x, place)
        assert found == tuple((r.first + i * r.jump, r.last + i * r.jump) for r, i in zip(reaches, place, strict=True))
        assert field == tuple(last - first + 1 for first, last in found)


@pytest.mark.parametrize("kind", BOUNDED)
def test_field_bounds_the_support_of_the_gradient(kind):
    model, x = positive(BOUNDED[kind]()), torch.ones(1, 2, 64, 72, dtype=torch.float64, requires_grad=True)
    reaches, field, size = reach_of(model, x)
    widest = [0, 0]
    for i, j in itertools.product(range(-1, 3), range(2)):
        place = (size[0] // 2 + i, size[1] // 2 + j)
        for axis, (first, last) in enumerate(support(model, x, place)):
            assert reaches[axis].first + place[axis] * reaches[axis].jump <= first
            assert reaches[axis].last + place[axis] * reaches[axis].jump >= last
            widest[axis] = max(widest[axis], last - first + 1)
    jumps = [max(1, r.jump) for r in reaches]
    assert all(wide <= side <= wide + 4 * jump for wide, side, jump in zip(widest, field, jumps, strict=True))


def test_field_of_a_dilated_resnet():
    """Max pooling, whose gradient leads to one value only, becomes average pooling."""
    model = dilated_resnet()
    pool = model[3]
    assert isinstance(pool, nn.MaxPool2d)
    model[3] = AvgPool2d(pool.kernel_size, pool.stride, pool.padding)
    model, x = positive(model).float(), torch.ones(1, 3, 480, 16, requires_grad=True)
    reaches, field, _ = reach_of(model, x)
    (first, last), _ = support(model, x, (30, 1))
    assert (reaches[0].first + 30 * 8, reaches[0].last + 30 * 8) == (first, last)
    assert field == (last - first + 1,) * 2


@pytest.mark.parametrize("reduce", [nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), nn.Flatten(), lambda x: x.amax((2, 3))])
def test_whatever_sees_everything_is_the_whole_input(reduce):
    x = torch.zeros(1, 3, 9, 11)
    assert reach_of_any(reduce, x) == (None, None)
    assert reach_of_any(lambda x: x * reduce(x).reshape(1, -1, 1, 1)[:, :1], x) == (None, None)  # squeeze and excitation
    assert reach_of_any(lambda x: x.mean(2, keepdim=True), x) == (None, 1)
    assert reach_of_any(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), x) == (None, None)


def reach_of_any(function, x):
    with torch.no_grad(), ReachMode(x) as mode:
        return mode.field(function(x))
