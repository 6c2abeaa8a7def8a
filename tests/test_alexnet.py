"""AlexNet: the network of 2012 as its paper describes it, and torchvision's."""

import pytest
import torch
from torch import nn

from restore.backbones import alexnet


def on_meta(name, **options):
    with torch.device("meta"):
        return alexnet.build(name, **options)


def of_type(net, kind):
    return [module for module in net.modules() if isinstance(module, kind)]


@pytest.mark.parametrize(("name", "count"), [("alexnet", 61_100_840), ("alexnet_2012", 60_965_224)])
def test_parameters(name, count):
    assert sum(p.numel() for p in on_meta(name).parameters()) == count


def test_neurons_are_the_papers():
    """Section 3.5: 253,440, 186,624, 64,896, 64,896, 43,264, 4096, 4096 and 1000 neurons; it gives 150,528 (224x224) for the input.

    Its 253,440 is 48 * 55 * 96; 55 * 55 * 96, the size of the maps that it names, is 290,400.
    """
    net, sizes = on_meta("alexnet_2012"), []
    for layer in of_type(net, nn.Conv2d | nn.Linear):
        layer.register_forward_hook(lambda layer, inputs, output: sizes.append(output.numel()))
    net(torch.zeros(1, 3, 227, 227, device="meta"))
    assert sizes == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]


@pytest.mark.parametrize(("name", "size", "width"), [("alexnet", 224, 64), ("alexnet_2012", 227, 96)])
def test_maps(name, size, width):
    net = on_meta(name)
    assert net.input_size == (size, size)
    assert [m.shape[2] for m in net.features(torch.zeros(1, 3, size, size, device="meta"))] == [55, 27, 13, 6]
    assert net.channels[0] == width


def test_two_towers_meet_in_the_third_convolution_only():
    groups = [layer.groups for layer in of_type(on_meta("alexnet_2012"), nn.Conv2d)]
    assert groups == [1, 2, 1, 2, 2]
    second = alexnet.build("alexnet_2012", num_classes=0).features[4]
    x = torch.randn(1, 96, 9, 9)
    other = x.clone()
    other[:, 48:] = 0  # silence the second tower
    assert torch.equal(second(x)[:, :128], second(other)[:, :128])
    assert not torch.equal(second(x)[:, 128:], second(other)[:, 128:])


def test_order_of_the_paper():
    names = [type(layer).__name__ for layer in on_meta("alexnet_2012").features]
    first = ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    assert names == [*first, *first, *["Conv2d", "ReLU"] * 3, "MaxPool2d"]
    assert {(pool.kernel_size, pool.stride) for pool in of_type(on_meta("alexnet_2012"), nn.MaxPool2d)} == {(3, 2)}


def test_normalisation_is_the_papers():
    net = alexnet.build("alexnet_2012", num_classes=0)
    x = torch.randn(1, 3, 67, 67) * 50
    a = torch.relu(net.features[0](x))
    padded = nn.functional.pad(a.square(), (0, 0, 0, 0, 2, 2))
    summed = sum(padded[:, i : i + 96] for i in range(5))  # over the five neighbouring channels
    torch.testing.assert_close(net.features(x)[0], a / (2 + 1e-4 * summed) ** 0.75)


def test_norm_stands_in_the_place_of_the_papers():
    for norm, kind in {"batch": nn.BatchNorm2d, "group": nn.GroupNorm}.items():
        net = on_meta("alexnet_2012", norm=norm)
        assert isinstance(net.features[2], kind)
        assert isinstance(net.features[6], kind)
        assert len(of_type(net, kind)) == 2
    assert list(on_meta("alexnet_2012", norm="none").features.state_dict()) == list(on_meta("alexnet").features.state_dict())


def test_activation_is_everywhere():
    net = on_meta("alexnet_2012", activation="tanh")
    assert (len(of_type(net, nn.Tanh)), len(of_type(net, nn.ReLU))) == (7, 0)


@pytest.mark.parametrize(("name", "order"), [("alexnet", "DLRDLRL"), ("alexnet_2012", "LRDLRDL")])
def test_dropout(name, order):
    """The paper zeroes the output of the hidden neurons; torchvision what they see."""
    net = on_meta(name, dropout=0.2)
    assert "".join(type(layer).__name__[0] for layer in net.classifier) == order
    assert [layer.p for layer in of_type(net, nn.Dropout)] == [0.2, 0.2]
    assert [layer.p for layer in of_type(on_meta(name), nn.Dropout)] == [0.5, 0.5]
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        on_meta(name, dropout=2.0)


def test_initialisation_is_the_papers():
    torch.manual_seed(0)
    layers = of_type(alexnet.build("alexnet_2012", num_classes=10), nn.Conv2d | nn.Linear)
    assert [set(layer.bias.tolist()) for layer in layers] == [{0.0}, {1.0}, {0.0}, {1.0}, {1.0}, {1.0}, {1.0}, {0.0}]
    assert [layer.weight.std().item() for layer in layers] == pytest.approx([0.01] * 8, rel=0.03)


def test_the_network_of_2012_sees_pixels_of_0_to_255():
    net = on_meta("alexnet_2012")
    grey = net.normalise(torch.full((1, 3, 1, 1), 0.5)).flatten()
    torch.testing.assert_close(grey, 127.5 - 255 * torch.tensor([0.485, 0.456, 0.406]))


def test_without_classifier_the_map_is_averaged():
    net = alexnet.build("alexnet", num_classes=0)
    x = torch.randn(2, 3, 100, 130)
    torch.testing.assert_close(net(x), net.features(x)[-1].mean((2, 3)))


def test_classifier_takes_other_sizes():
    assert on_meta("alexnet_2012", num_classes=7)(torch.zeros(2, 3, 180, 300, device="meta")).shape == (2, 7)


@pytest.mark.parametrize("option", [{"norm": "ghost"}, {"activation": "step"}, {"output_stride": 2}])
def test_unknown_values(option):
    (word,) = map(str, option.values())
    with pytest.raises(ValueError, match=f"{word}.*; expected one of"):
        on_meta("alexnet", **option)
