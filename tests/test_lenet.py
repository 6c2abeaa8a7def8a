"""LeNet-5: the counts and formulas of the paper, its two inputs, and that it learns to read."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from restore import backbones
from restore.backbones.lenet import TABLE, Codes, LeNet, PadTo, ScaledTanh, TableConv2d

PAPER = {"c1": (156, 122_304), "s2": (12, 5_880), "c3": (1_516, 151_600), "s4": (32, 2_000), "c5": (48_120, 48_120), "f6": (10_164, 10_164)}
"""Layer -> trainable parameters and connections, as section II.B says."""

TABLE_1 = """
X . . . X X X . . X X X X . X X
X X . . . X X X . . X X X X . X
X X X . . . X X X . . X . X X X
. X X X . . X X X X . . X . X X
. . X X X . . X X X X . X X . X
. . . X X X . . X X X X . X X X
"""
"""Table 1 as printed: a row for each map of S2, a column for each of C3."""


def test_parameters_are_the_papers():
    net = backbones.build("lenet5_1998")
    assert {name: sum(p.numel() for p in getattr(net, name).parameters()) for name in PAPER} == {k: v for k, (v, _) in PAPER.items()}
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 60_000
    assert sum(p.numel() for p in backbones.build("lenet5").parameters()) == 61_706


def test_connections_are_the_papers():
    """A connection: a kernel's entry, or a bias, at each place; 340,908 with the output's 84 * 10."""
    net = backbones.build("lenet5_1998").eval()
    places, x = {}, torch.zeros(1, 1, 32, 32)
    for name in ("c1", "s2", "c3", "s4", "c5"):
        x = getattr(net, name)(x)
        places[name] = x.shape[2] * x.shape[3]
    counted = {name: PAPER[name][0] * places[name] for name in ("c1", "c3", "c5")}
    counted |= {name: (4 + 1) * maps * places[name] for name, maps in (("s2", 6), ("s4", 16))}  # four pixels and a bias
    counted["f6"] = (120 + 1) * 84
    assert counted == {name: count for name, (_, count) in PAPER.items()}
    assert sum(counted.values()) + net.output.codes.numel() == 340_908


def test_table_1():
    printed = [[mark == "X" for mark in row.split()] for row in TABLE_1.strip().splitlines()]
    assert [[source in sources for sources in TABLE] for source in range(6)] == printed


def test_c3_is_a_convolution_whose_other_kernels_are_zero():
    layer, x = TableConv2d().double(), torch.randn(2, 6, 14, 14, dtype=torch.double)
    y = layer(x)
    assert y.shape == (2, 16, 10, 10)
    first = 0
    for target, sources in enumerate(TABLE):
        kernels = layer.weight[first : first + len(sources)]
        alone = sum(F.conv2d(x[:, [s]], k[None, None]) for s, k in zip(sources, kernels, strict=True)) + layer.bias[target]
        torch.testing.assert_close(y[:, [target]], alone)
        first += len(sources)
    assert first == 60


def test_subsampling_is_the_papers_formula():
    net = backbones.build("lenet5_1998").eval()
    x = torch.randn(1, 6, 4, 4)
    with torch.no_grad():
        net.s2[1].weight.normal_()
        net.s2[1].bias.normal_()
    total = x[..., ::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, ::2] + x[..., 1::2, 1::2]
    weight, bias = (p[:, None, None] for p in (net.s2[1].weight, net.s2[1].bias))
    expected = 1.7159 * torch.tanh(2 / 3 * (weight / 4 * total + bias))
    torch.testing.assert_close(net.s2(x), expected)


def test_coefficients_and_biases_are_free_of_weight_decay_and_noise():
    """Both go by the dimensions: one value for each map has one."""
    weights = [name for name, p in backbones.build("lenet5_1998").named_parameters() if p.ndim > 1]
    assert weights == ["c1.0.weight", "c3.0.weight", "c5.0.weight", "f6.0.weight"]


def test_scaled_tanh_has_the_properties_of_appendix_a():
    x = torch.linspace(-3, 3, 6001, dtype=torch.double, requires_grad=True)
    y = ScaledTanh()(x)
    assert y[[2000, 4000]].tolist() == pytest.approx([-1, 1], abs=1e-4)
    slope = torch.autograd.grad(y.sum(), x, create_graph=True)[0]
    bend = torch.autograd.grad(slope.sum(), x)[0]
    assert abs(x[bend.abs().argmax()].abs().item() - 1) < 0.05  # the second derivative is greatest at 1


def test_output_is_the_distance_to_the_codes():
    layer, x = Codes(10, 84), torch.randn(5, 84)
    torch.testing.assert_close(layer(x), -(torch.cdist(x, layer.codes) ** 2), atol=1e-3, rtol=1e-4)
    assert layer.codes.abs().eq(1).all()
    assert layer(layer.codes).argmax(1).tolist() == list(range(10))
    assert layer(layer.codes).fill_diagonal_(-1000).max() <= -4 * 40  # two codes differ in 40 of 84 units or more: error-correcting
    assert len({tuple(code) for code in Codes(127, 84).codes.tolist()}) == 127


@pytest.mark.parametrize("name", ["lenet5_1998", "lenet5"])
def test_28_and_32_pixels_are_the_same_picture(name):
    net = backbones.build(name).eval()
    digit = torch.rand(2, 1, 28, 28)
    small, large = net.normalise(digit), net.normalise(F.pad(digit, (2, 2, 2, 2)))
    torch.testing.assert_close(net.pad(small), large)
    torch.testing.assert_close(net(small), net(large), atol=1e-4, rtol=1e-4)
    assert [tuple(m.shape[1:]) for m in net.features(large)] == [(6, 28, 28), (16, 10, 10), (120, 1, 1)]


def test_what_is_larger_is_not_padded():
    x = torch.randn(1, 2, 40, 33)
    assert PadTo(32, 0.0)(x) is x
    assert PadTo(32, 0.0)(x[..., :7]).shape == (1, 2, 40, 32)
    assert backbones.build("lenet5")(torch.randn(3, 1, 50, 71)).shape == (3, 10)


def test_c5_reads_a_larger_picture_as_it_does_each_part():
    """The paper's replicated network (section VII): one step of C5's map is four pixels."""
    net = backbones.build("lenet5_1998").eval()
    x = torch.randn(1, 1, 32, 44)
    whole = net.features(x)[-1]
    assert whole.shape == (1, 120, 1, 4)
    for i in range(4):
        torch.testing.assert_close(whole[..., i : i + 1], net.features(x[..., 4 * i : 4 * i + 32])[-1])


@pytest.mark.parametrize("name", ["lenet5_1998", "lenet5"])
@pytest.mark.parametrize("output_stride", [2, 1])
def test_dilated_maps_at_every_kth_place_are_the_maps(name, output_stride):
    net = backbones.build(name).eval()
    dilated = backbones.build(name, output_stride=output_stride).eval()
    dilated.load_state_dict(net.state_dict())
    x = torch.randn(1, 1, 64, 48)
    for small, large, reduction in zip(net.features(x), dilated.features(x), net.reductions, strict=True):
        k = max(1, reduction // output_stride)
        assert large[..., ::k, ::k].shape == small.shape
        torch.testing.assert_close(large[..., ::k, ::k], small)


def test_options():
    net = backbones.build("lenet5", in_channels=3, num_classes=0, norm="batch", activation="sigmoid", options={"pooling": "average"})
    assert net.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 84)
    assert 0 < net.features(torch.randn(1, 3, 32, 32))[1].min() < 1
    assert [m.bias for m in net.modules() if isinstance(m, torch.nn.Conv2d)] == [None] * 3
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules()) == 3
    assert backbones.build("lenet5_1998", norm="batch").c3[0].bias is None
    assert net.preprocess(np.zeros((60, 90, 3), np.uint8)).shape == (1, 3, 28, 28)
    dropping = backbones.build("lenet5", options={"dropout": 0.5}).train()
    x = torch.randn(1, 1, 28, 28)
    assert not torch.equal(dropping(x), dropping(x))
    assert torch.equal(dropping.features(x)[-1], dropping.features(x)[-1])


def test_the_papers_start():
    net = backbones.build("lenet5_1998")
    for layer, inputs in ((net.c1[0], 25), (net.c3[0], 1500 / 16), (net.c5[0], 400), (net.f6[0], 120)):
        assert 0.8 * 2.4 / inputs < layer.weight.abs().max() <= 2.4 / inputs


def test_errors():
    with pytest.raises(ValueError, match="pooling 'mean' is unknown; expected 'average' or 'max'"):
        LeNet(pooling="mean")
    with pytest.raises(ValueError, match="activation 'gelu' is unknown; expected one of scaled_tanh, relu, "):
        LeNet(activation="gelu")
    with pytest.raises(ValueError, match="norm 'local' is unknown; expected one of batch, "):
        LeNet(norm="local")
    with pytest.raises(ValueError, match="output_stride 8 is not reached; expected one of \\[1, 2, 4\\]"):
        LeNet(output_stride=8)
    with pytest.raises(ValueError, match="there are 127 codes; got 1000 classes: take 'lenet5', whose output is linear"):
        backbones.build("lenet5_1998", num_classes=1000)


def drawn_digits(count, seed):
    """Digits of OpenCV's fonts, shifted, scaled, thick or thin, in noise: (count, 1, 28, 28) in [0, 1], and what they are."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    pictures = np.zeros((count, 28, 28), np.uint8)
    fonts = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
    for picture, label in zip(pictures, labels, strict=True):
        at = (int(rng.integers(3, 9)), int(rng.integers(22, 26)))
        cv2.putText(picture, str(label), at, fonts[rng.integers(3)], rng.uniform(0.65, 0.85), 255, int(rng.integers(1, 3)), cv2.LINE_AA)
    noisy = np.clip(pictures / 255 + rng.normal(0, 0.1, pictures.shape), 0, 1)
    return torch.tensor(noisy, dtype=torch.float32)[:, None], torch.tensor(labels)


@pytest.mark.parametrize(("name", "least"), [("lenet5", 0.97), ("lenet5_1998", 0.88)])
def test_it_learns_to_read(name, least):
    torch.manual_seed(0)
    net = backbones.build(name).train()
    x, labels = drawn_digits(3200, seed=1)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for batch in torch.randperm(len(x)).repeat(2).split(32):
        optimiser.zero_grad()
        F.cross_entropy(net(net.normalise(x[batch])), labels[batch]).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)  # the distances of 1998 have steep slopes
        optimiser.step()
    test, expected = drawn_digits(1000, seed=2)
    with torch.inference_mode():
        accuracy = (net.eval()(net.normalise(test)).argmax(1) == expected).float().mean().item()
    assert accuracy >= least
