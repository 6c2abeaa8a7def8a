"""GoogLeNet against torchvision's and against table 1 of its paper."""

import copy

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from restore.backbones import build
from restore.backbones.googlenet import Inception

PAPER = {
    "conv1": (2.7, 34),
    "conv2 conv3": (112, 360),
    "inception3a": (159, 128),
    "inception3b": (380, 304),
    "inception4a": (364, 73),
    "inception4b": (437, 88),
    "inception4c": (463, 100),
    "inception4d": (580, 119),
    "inception4e": (840, 170),
    "inception5a": (1072, 54),
    "inception5b": (1388, 71),
    "fc": (1000, 1),
}
"""Table 1 as printed: row -> parameters in K and multiplications in M. Its K is 1024 (conv2 and conv3: 112 * 1024 weights), its M 10^6."""

MISPRINTS = {
    ("conv1", "parameters"): "a separable convolution's: 8 filters of 7x7 on each colour, then 1x1; 7x7x3x64 are 9.2 K",
    ("conv1", "macs"): "likewise: the row's 7x7 convolution has 118 M",
    ("inception4c", "parameters"): "contradicts the row's own 100 M, which need 498 K on 14x14",
    ("inception5a", "parameters"): "1072 K are the row's widths on 928 channels; its input has 832",
    ("inception5a", "macs"): "likewise",
}
"""Row and column -> what the number printed there is instead of the count of the widths printed beside it."""

K = 1024


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def counts(net):
    """Row -> parameters and multiplications at 224x224."""
    with FlopCounterMode(display=False, depth=2) as counter:
        net(torch.zeros(1, 3, 224, 224, device="meta"))
    flops = {name.rpartition(".")[2]: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    rows = {row: row.split() for row in PAPER}
    return {row: (sum(parameters(getattr(net, n)) for n in names), sum(flops[n] for n in names) / 2) for row, names in rows.items()}


def meta(name, **options):
    with torch.device("meta"):
        return build(name, options=options).eval()


@pytest.fixture(scope="module")
def measured():
    return counts(meta("googlenet_2014"))


@pytest.mark.parametrize("row", PAPER)
def test_rows_of_table_1(measured, row):
    (thousands, millions), (weights, macs) = PAPER[row], measured[row]
    right = {
        "parameters": weights == pytest.approx(thousands * K, rel=0.02),
        "macs": macs == pytest.approx(millions * 1e6, rel=0.015, abs=0.5e6),  # or the rounding of the printed number
    }
    assert {column for column, is_right in right.items() if not is_right} == {column for where, column in MISPRINTS if where == row}


def test_sums_of_table_1(measured):
    """In all, the misprints included in the parameters; the first layer apart in the multiplications, where it weighs most."""
    assert sum(weights for weights, _ in measured.values()) == pytest.approx(sum(k for k, _ in PAPER.values()) * K, rel=0.006)
    others = [row for row in PAPER if row != "conv1"]
    assert sum(measured[row][1] for row in others) == pytest.approx(sum(PAPER[row][1] for row in others) * 1e6, rel=0.003)


def test_the_misprinted_counts_are_those_of_other_layers():
    """Chollet 2017 ("Xception", section 1.2): the first layer of Inception V1 was a depthwise separable convolution."""
    net = meta("googlenet_2014")
    net.conv1 = nn.Sequential(nn.Conv2d(3, 24, 7, 2, 3, groups=3, bias=False), nn.Conv2d(24, 64, 1)).to("meta")
    rows = counts(net)
    weights, macs = rows["conv1"]
    assert weights == pytest.approx(2.7 * K, rel=0.02)
    assert macs == pytest.approx(34e6, rel=0.015)
    assert sum(macs for _, macs in rows.values()) == pytest.approx(sum(m for _, m in PAPER.values()) * 1e6, rel=0.003)
    wider = Inception(832 + 96, (256, 160, 320, 32, 128, 128), norm="none")
    weights = sum(p.numel() for p in wider.parameters() if p.dim() > 1)
    assert weights == 1072 * K
    assert weights * 7 * 7 == pytest.approx(54e6, rel=0.015)
    assert 463 * K * 14 * 14 == pytest.approx(93e6, rel=0.01)  # not the 100 M that the row of 4c says beside it


def test_parameter_counts():
    assert parameters(meta("googlenet")) == 13_004_888
    assert parameters(meta("googlenet", aux_logits=False)) == 6_624_904
    assert parameters(meta("googlenet_2014", aux_logits=False)) == 6_998_552
    hidden_and_logits = 2048 * 1024 + 1024 + 1024 * 1000 + 1000
    extra = parameters(meta("googlenet_2014")) - 6_998_552
    assert extra == 512 * 128 + 128 + 528 * 128 + 128 + 2 * hidden_and_logits


def test_the_network_of_2014():
    net = build("googlenet_2014")
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert sum(isinstance(m, nn.LocalResponseNorm) for m in net.modules()) == 2
    assert [(m.kernel_size, m.padding) for n, m in net.named_modules() if n.endswith("branch3.1.conv")] == [((5, 5), (2, 2))] * 9
    assert [m.kernel_size for n, m in net.named_modules() if n.startswith("maxpool")] == [3, 3, 3, 3]
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.7, 0.7, 0.4]
    x = torch.randn(1, 512, 14, 14)
    assert torch.equal(net.aux1.avgpool(x), nn.functional.avg_pool2d(x, 5, 3))
    maps = net.features(torch.randn(1, 3, 224, 224))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 112, 112), (192, 56, 56), (480, 28, 28), (832, 14, 14), (1024, 7, 7)]
    assert maps[-1].std() > 0.05  # the scale survives 22 layers without normalisation


@pytest.mark.parametrize(("size", "transform_input"), [((224, 224), False), ((199, 163), True)])
def test_auxiliary_logits_equal_torchvision(size, transform_input):
    torch.manual_seed(0)
    theirs = torchvision.models.googlenet(init_weights=False, num_classes=7, transform_input=transform_input)
    ours = build("googlenet", num_classes=7, options={"transform_input": transform_input})
    ours.load_state_dict(theirs.state_dict())
    for net in (ours, theirs):
        net.train()
        for module in net.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            elif isinstance(module, nn.BatchNorm2d):
                module.eval()
    x = torch.randn(2, 3, *size)
    with torch.inference_mode():
        logits, auxiliary = ours.forward_aux(x)
        expected = theirs(x)
        assert torch.equal(logits, expected.logits)
        assert torch.equal(ours(x), expected.logits)
        assert len(auxiliary) == 2
        assert torch.equal(auxiliary[0], expected.aux_logits1)
        assert torch.equal(auxiliary[1], expected.aux_logits2)
        assert all(torch.equal(a, b) for a, b in zip(ours.eval().forward_aux(x)[1], auxiliary, strict=True))


@pytest.mark.parametrize("name", ["googlenet", "googlenet_2014"])
def test_auxiliary_classifiers_take_odd_sizes(name):
    net = build(name, num_classes=5).eval()
    logits, auxiliary = net.forward_aux(torch.randn(1, 3, 75, 131))
    assert [tuple(a.shape) for a in (logits, *auxiliary)] == [(1, 5)] * 3


def test_without_auxiliary_classifiers():
    net = build("googlenet", num_classes=5, options={"aux_logits": False}).eval()
    x = torch.randn(1, 3, 64, 64)
    logits, auxiliary = net.forward_aux(x)
    assert torch.equal(logits, net(x))
    assert auxiliary == []


@pytest.mark.parametrize("name", ["googlenet", "googlenet_2014"])
@pytest.mark.parametrize("output_stride", [16, 8, 4])
def test_dilated_map_at_every_kth_place_is_the_original(name, output_stride):
    torch.manual_seed(0)
    net = build(name, num_classes=0).eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)  # maps of size 1, not 1e-6
    dilated = build(name, num_classes=0, output_stride=output_stride).eval()
    dilated.load_state_dict(net.state_dict())
    x = torch.randn(1, 3, 96, 64)
    with torch.inference_mode():
        expected, ours = net.features(x)[-1], dilated.features(x)[-1]
    k = 32 // output_stride
    assert ours.shape[-2:] == (96 // output_stride, 64 // output_stride)
    assert expected.std() > 0.05
    torch.testing.assert_close(ours[..., ::k, ::k], expected, rtol=1e-3, atol=1e-4)


def test_options():
    x = torch.randn(2, 1, 64, 64)
    net = build("googlenet", in_channels=1, num_classes=0, norm="instance", options={"dropout": 0.9})
    pooled = net(x)
    torch.testing.assert_close(pooled, net.features(x)[-1].mean((2, 3)))  # in training too: nothing is dropped
    assert net.forward_aux(x)[1] == []
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert build("googlenet_2014", options={"dropout": 0.1}).dropout.p == 0.1
    assert isinstance(build("googlenet_2014", norm="batch").conv1.bn, nn.BatchNorm2d)


def test_a_map_is_not_changed_by_what_follows():
    net = build("googlenet_2014", num_classes=3)
    x = torch.randn(1, 3, 64, 64)
    for stage in net.stages():
        x = torch.nn.Sequential(*stage)(x)
        before = copy.deepcopy(x.detach())
        net(torch.randn(1, 3, 64, 64))
        torch.testing.assert_close(x, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "weight"}, "norm 'weight' is unknown"),
        ({"output_stride": 5}, "output_stride 5 is not reached"),
        ({"in_channels": 1, "transform_input": True}, "transform_input is for RGB, 3 channels; this network takes 1"),
    ],
)
def test_wrong_options(options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        build("googlenet", options=options)
