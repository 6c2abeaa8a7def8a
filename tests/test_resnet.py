import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from restore.backbones import resnet
from restore.backbones.resnet import ResNet
from restore.nn.blocks import BasicBlock, Bottleneck
from restore.nn.layers import ACTIVATIONS, NORMS


def on_meta(name, **options):
    with torch.device("meta"):
        return resnet.build(name, **options).eval()


def size_of(net):
    return sum(p.numel() for p in net.parameters())


def macs(net, side):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, side, side))
    return counter.get_total_flops() / 2


def with_random_statistics(net):
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet18", 11689512), ("resnet34", 21797672), ("resnet50", 25557032), ("resnet101", 44549160), ("resnet152", 60192808)],
)
def test_parameters(name, parameters):
    assert size_of(on_meta(name)) == size_of(on_meta(name, stride_on="1x1")) == parameters


@pytest.mark.parametrize(
    ("name", "giga"), [("resnet18", 1.8), ("resnet34", 3.6), ("resnet50", 3.8), ("resnet101", 7.6), ("resnet152", 11.3)]
)
def test_macs_are_those_of_the_papers_table_1(name, giga):
    assert macs(on_meta(name, stride_on="1x1"), 224) / 1e9 == pytest.approx(giga, abs=0.07)  # the paper rounds, or cuts off


def test_stride_on_the_3x3_costs_more():
    assert macs(on_meta("resnet50"), 224) / 1e9 == pytest.approx(4.09, abs=0.01)


def test_stride_on_the_1x1_reads_every_second_pixel():
    block = with_random_statistics(Bottleneck(16, 4, stride=2, stride_on="1x1"))
    x = torch.randn(2, 16, 9, 10)
    same = with_random_statistics(Bottleneck(16, 4, stride=2, stride_on="1x1"))
    same.load_state_dict(block.state_dict())
    same.conv1.stride = same.downsample[0].stride = (1, 1)
    torch.testing.assert_close(block(x), same(x[..., ::2, ::2]))


@pytest.mark.parametrize(
    ("name", "exact", "millions"),
    [
        ("resnet20", 269722, 0.27),
        ("resnet32", 464154, 0.46),
        ("resnet44", 658586, 0.66),
        ("resnet56", 853018, 0.85),
        ("resnet110", 1727962, 1.7),
    ],
)
def test_cifar_networks_have_the_papers_counts(name, exact, millions):
    net = on_meta(name)
    assert size_of(net) == exact
    assert exact / 1e6 == pytest.approx(millions, abs=0.05 if millions == 1.7 else 0.006)
    layers = [m for key, m in net.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear) and "downsample" not in key]
    assert len(layers) == int(name.removeprefix("resnet"))


def test_cifar_networks_have_the_papers_maps():
    net = resnet.build("resnet20").eval()
    assert [tuple(m.shape[1:]) for m in net.features(torch.zeros(1, 3, 32, 32))] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert (net.channels, net.reductions, net.input_size, net.mean[0]) == ([16, 32, 64], [1, 2, 4], (32, 32), 0.4914)


def test_widths():
    net = resnet.build("resnet14", widths=(8, 24, 32), num_classes=0).eval()
    assert net.channels == [8, 24, 32]
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 32)
    with pytest.raises(ValueError, match=r"2 widths \(8, 16\) for 3 stages; expected one for each"):
        resnet.build("resnet14", widths=(8, 16))


def test_shortcut_without_parameters_pads_with_zeros():
    block = BasicBlock(2, 5, stride=2, norm="none", post_activation=False, shortcut="padding")
    block.zero_init()
    x = torch.randn(1, 2, 5, 6)
    expected = torch.zeros(1, 5, 3, 3)
    expected[:, :2] = x[..., ::2, ::2]
    assert torch.equal(block(x), expected)


def test_dilation_equals_torchvisions():
    theirs = with_random_statistics(torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True]))
    ours = resnet.build("resnet50", output_stride=8).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, 65, 64)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(
    ("name", "options", "output_stride"),
    [("resnet18", {}, 16), ("resnet50", {"stride_on": "1x1"}, 8), ("resnet50", {}, 4), ("resnet20", {}, 2), ("resnet20", {}, 1)],
)
def test_dilated_map_at_every_kth_place_is_the_map(name, options, output_stride):
    net = with_random_statistics(resnet.build(name, **options))
    dilated = resnet.build(name, output_stride=output_stride, **options).eval()
    dilated.load_state_dict(net.state_dict())
    k = net.reductions[-1] // output_stride
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(dilated.features(x)[-1][..., ::k, ::k], net.features(x)[-1], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("transition", ["block", "conv"])
def test_unshuffle_stem_starts_at_half_the_size(transition):
    net = ResNet(BasicBlock, (1, 1), (8, 12), stem="unshuffle", transition=transition, num_classes=0)
    assert [tuple(m.shape) for m in net.features(torch.zeros(1, 3, 16, 24))] == [(1, 8, 8, 12), (1, 12, 4, 6)]


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "resnet50"])
@pytest.mark.parametrize(("option", "value"), [*(("norm", n) for n in NORMS), *(("activation", a) for a in ACTIVATIONS)])
def test_swaps_reach_every_layer(name, option, value):
    net = on_meta(name, **{option: value})
    kind = type(NORMS[value](64) if option == "norm" else ACTIVATIONS[value]())
    others = {type(f(64)) for f in NORMS.values()} if option == "norm" else {type(f()) for f in ACTIVATIONS.values()}
    found = {type(m) for m in net.modules()} & others - {torch.nn.Identity}
    assert found == {kind} - {torch.nn.Identity}
    assert all((m.bias is None) == (option != "norm" or value != "none") for m in net.modules() if isinstance(m, torch.nn.Conv2d))


@pytest.mark.parametrize("norm", NORMS)
def test_swapped_networks_train(norm):
    net = resnet.build("resnet8", norm=norm, activation="leaky_relu", widths=(8, 8, 16))
    net(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in net.parameters())


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match="stem 'vgg' is unknown; expected one of imagenet, cifar, unshuffle"):
        ResNet(BasicBlock, (1,), (8,), stem="vgg")
    with pytest.raises(ValueError, match="transition 'pool' is unknown; expected 'block' or 'conv'"):
        ResNet(BasicBlock, (1,), (8,), transition="pool")
    with pytest.raises(ValueError, match="stride_on '5x5' is unknown; expected '1x1' or '3x3'"):
        resnet.build("resnet18", stride_on="5x5")
    with pytest.raises(ValueError, match="stride_on '5x5' is unknown; expected '1x1' or '3x3'"):
        Bottleneck(8, 8, stride_on="5x5")
    with pytest.raises(ValueError, match="shortcut 'sum' is unknown; expected one of projection, padding"):
        BasicBlock(8, 8, shortcut="sum")
    with pytest.raises(ValueError, match="norm 'l2' is unknown"):
        resnet.build("resnet20", norm="l2")
    with pytest.raises(ValueError, match="activation 'swish' is unknown"):
        resnet.build("resnet20", activation="swish")
    with pytest.raises(ValueError, match="output_stride 8 is not reached"):
        resnet.build("resnet20", output_stride=8)
