import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from restore.backbones import squeezenet
from restore.backbones.squeezenet import Fire
from restore.nn.layers import ACTIVATIONS, NORMS


def on_meta(name, **options):
    with torch.device("meta"):
        return squeezenet.build(name, **options).eval()


def size_of(net):
    return sum(p.numel() for p in net.parameters())


def macs(net):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, *net.input_size))
    return counter.get_total_flops() / 2


@pytest.mark.parametrize(
    ("name", "parameters", "classifier"),
    [("squeezenet1_0", 1248424, 513000), ("squeezenet1_1", 1235496, 513000), ("squeezenet_cifar", 730570, 5130)],
)
def test_parameters(name, parameters, classifier):
    net = on_meta(name)
    assert size_of(net) == parameters
    assert size_of(net.classifier) == classifier
    assert size_of(on_meta(name, num_classes=0)) == parameters - classifier


def test_fire_modules_have_the_counts_of_the_papers_table_1():
    fires = [m for m in on_meta("squeezenet1_0").modules() if isinstance(m, Fire)]
    assert [size_of(fire) for fire in fires] == [11920, 12432, 45344, 49440, 104880, 111024, 188992, 197184]


def test_version_1_1_costs_2_4_times_less():
    assert macs(on_meta("squeezenet1_0")) / macs(on_meta("squeezenet1_1")) == pytest.approx(2.4, abs=0.06)


@pytest.mark.parametrize("name", squeezenet.TORCHVISION)
def test_maps_are_what_torchvisions_poolings_read(name):
    theirs = torchvision.models.get_model(name, weights=None).eval()
    ours = on_meta(name).to_empty(device="cpu")
    ours.load_state_dict(theirs.state_dict())
    x, expected = torch.randn(1, 3, 97, 75), []
    for module in theirs.features:
        if isinstance(module, torch.nn.MaxPool2d):
            module.register_forward_pre_hook(lambda module, given: expected.append(given[0]))
    with torch.inference_mode():
        expected.append(theirs.features(x))
        assert all(torch.equal(a, b) for a, b in zip(ours.features(x), expected, strict=True))


def test_cifar_network_keeps_the_size_longer():
    net = squeezenet.build("squeezenet_cifar").eval()
    assert [tuple(m.shape[1:]) for m in net.features(torch.zeros(1, 3, 32, 32))] == [(64, 32, 32), (256, 16, 16), (512, 8, 8)]
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize(
    ("name", "output_stride"), [("squeezenet1_0", 8), ("squeezenet1_1", 2), ("squeezenet_cifar", 2), ("squeezenet_cifar", 1)]
)
@pytest.mark.parametrize("side", [64, 71, 78])
def test_dilated_map_at_every_kth_place_is_the_map(name, output_stride, side):
    torch.manual_seed(0)
    net = squeezenet.build(name).eval()
    dilated = squeezenet.build(name, output_stride=output_stride).eval()
    dilated.load_state_dict(net.state_dict())
    k = net.reductions[-1] // output_stride
    x = torch.randn(1, 3, side, side + 5)
    with torch.inference_mode():
        torch.testing.assert_close(dilated.features(x)[-1][..., ::k, ::k], net.features(x)[-1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["squeezenet1_1", "squeezenet_cifar"])
@pytest.mark.parametrize(("option", "value"), [*(("norm", n) for n in NORMS), *(("activation", a) for a in ACTIVATIONS)])
def test_swaps_reach_every_layer(name, option, value):
    net = on_meta(name, **{option: value})
    kind = type(NORMS[value](64) if option == "norm" else ACTIVATIONS[value]())
    others = {type(f(64)) for f in NORMS.values()} if option == "norm" else {type(f()) for f in ACTIVATIONS.values()}
    assert {type(m) for m in net.modules()} & others - {torch.nn.Identity} == {kind} - {torch.nn.Identity}
    plain = value == "none" if option == "norm" else name == "squeezenet1_1"
    assert all(
        (m.bias is not None) == plain for key, m in net.named_modules() if isinstance(m, torch.nn.Conv2d) and "classifier" not in key
    )


def test_dropout_stands_before_the_classifier():
    assert squeezenet.build("squeezenet_cifar", dropout=0.25).classifier[0].p == 0.25


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match="norm 'l2' is unknown"):
        Fire(8, 2, norm="l2")
    with pytest.raises(ValueError, match="activation 'swish' is unknown"):
        Fire(8, 2, activation="swish")
    with pytest.raises(ValueError, match="norm 'l2' is unknown"):
        squeezenet.build("squeezenet1_0", norm="l2")
    with pytest.raises(ValueError, match="activation 'swish' is unknown"):
        squeezenet.build("squeezenet1_0", activation="swish")
    with pytest.raises(ValueError, match=r"output_stride 32 is not reached; expected one of \[2, 4, 8, 16\]"):
        squeezenet.build("squeezenet1_0", output_stride=32)
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        squeezenet.build("squeezenet1_0", dropout=2)
