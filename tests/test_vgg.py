"""VGG: the paper's configurations, the classifier at other sizes, growing a deep network from a shallow one."""

import pytest
import torch
from torch import nn

from restore.backbones import vgg

COUNTS = {  # the paper's table 2, in millions, and to the digit
    "vgg11": ("A", 133, 132_863_336),
    "vgg11_lrn": ("A-LRN", 133, 132_863_336),
    "vgg13": ("B", 133, 133_047_848),
    "vgg16_1x1": ("C", 134, 133_638_952),
    "vgg16": ("D", 138, 138_357_544),
    "vgg19": ("E", 144, 143_667_240),
}


def on_meta(name, **options):
    with torch.device("meta"):
        return vgg.build(name, **options)


def of_type(net, kind):
    return [module for module in net.modules() if isinstance(module, kind)]


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_the_papers(name):
    letter, millions, count = COUNTS[name]
    total = sum(p.numel() for p in on_meta(name).parameters())
    assert vgg.VARIANTS[name].letter == letter
    assert total == count
    assert round(total / 1e6) == millions


@pytest.mark.parametrize(
    ("name", "depth"), [("vgg11", 11), ("vgg11_lrn", 11), ("vgg13", 13), ("vgg16_1x1", 16), ("vgg16", 16), ("vgg19", 19)]
)
def test_weight_layers_are_those_of_the_name(name, depth):
    assert len(of_type(on_meta(name), nn.Conv2d | nn.Linear)) == len(on_meta(name).layers()) == depth


def test_every_configuration_is_in_the_docstring():
    rows = {line.split()[0]: line for line in vgg.__doc__.splitlines() if line.startswith("vgg")}
    assert {name: (COUNTS[name][0] in row.split(), f"{COUNTS[name][2]:,}" in row) for name, row in rows.items()} == dict.fromkeys(
        COUNTS, (True, True)
    )


def test_configuration_c_has_three_1x1_convolutions():
    kernels = {name: layer[0].kernel_size for name, layer in on_meta("vgg16_1x1").layers().items() if name.startswith("conv")}
    assert [name for name, kernel in kernels.items() if kernel == (1, 1)] == ["conv3_3", "conv4_3", "conv5_3"]
    assert set(kernels.values()) == {(1, 1), (3, 3)}


def test_a_lrn_normalises_the_first_maps_after_their_activation():
    net = vgg.build("vgg11_lrn", num_classes=0).eval()
    x = torch.randn(1, 3, 32, 32) * 50
    a = torch.relu(net.features[0](x))
    padded = torch.cat([torch.zeros(1, 2, 32, 32), a, torch.zeros(1, 2, 32, 32)], 1).square()
    summed = sum(padded[:, i : i + 64] for i in range(5))  # over the five neighbouring channels
    torch.testing.assert_close(net.features(x)[0], a / (2 + 1e-4 * summed) ** 0.75)
    assert len(of_type(net, nn.LocalResponseNorm)) == 1


def test_norm_batch_is_the_variant_bn():
    assert list(on_meta("vgg13", norm="batch").state_dict()) == list(on_meta("vgg13_bn").state_dict())
    assert list(on_meta("vgg13_bn", norm="none").state_dict()) == list(on_meta("vgg13").state_dict())
    assert len(of_type(on_meta("vgg13", norm="lrn"), nn.LocalResponseNorm)) == 10


def test_activation_is_everywhere():
    net = on_meta("vgg11", activation="tanh")
    assert (len(of_type(net, nn.Tanh)), len(of_type(net, nn.ReLU))) == (10, 0)


def test_sized_for_cifar():
    net = on_meta("vgg16_cifar")
    assert (net.input_size, net.resize_size, net.mean) == ((32, 32), 32, (0.4914, 0.4822, 0.4465))
    assert net.layers()["fc6"][0].weight.shape == (10, 512)
    assert len(of_type(net, nn.BatchNorm2d)) == 13
    assert on_meta("vgg16").input_size == (224, 224)
    assert on_meta("vgg16_cifar", num_classes=100).layers()["fc6"][0].weight.shape == (100, 512)


def test_classifier_reads_7x7_regions_of_any_size():
    net = vgg.build("vgg11_cifar")
    assert [net(torch.zeros(2, 3, *size)).shape for size in [(32, 32), (40, 70)]] == [(2, 10)] * 2
    assert on_meta("vgg11")(torch.zeros(1, 3, 32, 50, device="meta")).shape == (1, 1000)
    x = torch.arange(512 * 14 * 14.0).reshape(1, 512, 14, 14)
    seen = on_meta("vgg11").avgpool(x)
    torch.testing.assert_close(seen, x.reshape(1, 512, 7, 2, 7, 2).mean((3, 5)))


def test_without_classifier_the_map_is_averaged():
    net = vgg.build("vgg13", num_classes=0).eval()
    x = torch.randn(2, 3, 64, 96)
    torch.testing.assert_close(net(x), net.features(x)[-1].mean((2, 3)))
    assert list(net.layers())[-1] == "conv5_2"


@pytest.mark.parametrize(("name", "layers", "default"), [("vgg11", 2, 0.5), ("vgg11_cifar", 1, 0.0)])
def test_dropout(name, layers, default):
    assert [module.p for module in of_type(on_meta(name), nn.Dropout)] == [default] * layers
    assert [module.p for module in of_type(on_meta(name, dropout=0.1), nn.Dropout)] == [0.1] * layers
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        on_meta(name, dropout=2.0)


def test_initialisation_is_hes_and_without_biases():
    torch.manual_seed(0)
    weights = {name: layer[0] for name, layer in vgg.build("vgg16_cifar").layers().items()}
    for name, expected in {"conv1_1": (2 / (64 * 9)) ** 0.5, "conv5_3": (2 / (512 * 9)) ** 0.5, "fc6": 0.01}.items():
        assert weights[name].weight.std().item() == pytest.approx(expected, rel=0.05)
        assert not weights[name].bias.any()


@pytest.mark.parametrize("option", [{"norm": "ghost"}, {"activation": "step"}, {"output_stride": 64}])
def test_unknown_values(option):
    (word,) = map(str, option.values())
    with pytest.raises(ValueError, match=f"{word}.*; expected one of"):
        on_meta("vgg11", **option)


def test_features_is_a_module_for_torchs_own_tools():
    net = vgg.build("vgg11_cifar").eval()
    x = torch.randn(2, 3, 32, 32)
    assert net.get_submodule("features.4") is net.features[4]
    halved = {key: p / 2 if key == "classifier.1.weight" else p for key, p in net.named_parameters()}
    torch.testing.assert_close(torch.func.functional_call(net, halved, (x,)), net(x) / 2)
    torch.testing.assert_close(torch.export.export(net, (x,), strict=False).module()(x), net(x))


def filled(name, **options):
    """A network whose tensors hold 1, 2, 3, ...: quick to make at full size."""
    net = on_meta(name, **options).to_empty(device="cpu")
    for number, tensor in enumerate(net.state_dict().values(), 1):
        tensor.fill_(number)
    return net


def test_d_grows_from_a_as_in_the_paper():
    a, d = filled("vgg11", num_classes=2), filled("vgg16", num_classes=2)
    before = {key: value.flatten()[0].item() for key, value in d.state_dict().items()}
    assert d.grow(from_=a) == ["conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8"]
    donors = {"features.0": "features.0", "features.5": "features.3", "features.10": "features.6", "features.12": "features.8"}
    donors |= {f"classifier.{i}": f"classifier.{i}" for i in (0, 3, 6)}
    theirs = a.state_dict()
    for key, value in d.state_dict().items():
        layer, _, kind = key.rpartition(".")
        expected = theirs[f"{donors[layer]}.{kind}"].flatten()[0].item() if layer in donors else before[key]
        assert (value == expected).all(), key


def test_growing_carries_norms_and_leaves_the_donor():
    torch.manual_seed(0)
    donor, net = vgg.build("vgg11_cifar"), vgg.build("vgg16_cifar")
    for _ in range(2):
        donor(torch.randn(4, 3, 32, 32))  # statistics of batch norm
    net.grow(from_=donor)
    x = torch.randn(2, 3, 32, 32)
    net.eval(), donor.eval()
    assert torch.equal(net.features[:3](x)[0], donor.features[:3](x)[0])
    assert torch.equal(net.classifier(x.new_ones(2, 512)), donor.classifier(x.new_ones(2, 512)))
    net(x).sum().backward()
    assert all(p.grad is None for p in donor.parameters())
    with torch.no_grad():
        net.features[0].weight.zero_()
    assert donor.features[0].weight.any()


@pytest.mark.parametrize(
    ("net", "donor", "message"),
    [
        (("vgg11", {}), ("vgg16", {}), "conv1_2 is missing in this network; expected it in both"),
        (("vgg16", {}), ("vgg11", {"num_classes": 0}), "fc6 is missing in the donor; expected it in both"),
        (("vgg16", {}), ("vgg11", {"num_classes": 7}), "the donor's fc8 holds .*(7, 4096).*; expected .*(1000, 4096)"),
        (("vgg16", {}), ("vgg11", {"in_channels": 1}), "the donor's conv1_1 holds .*(64, 1, 3, 3).*; expected .*(64, 3, 3, 3)"),
        (("vgg16", {}), ("vgg11_bn", {}), "the donor's conv1_1 holds .*1.running_mean.*; expected "),
        (("vgg16", {}), ("vgg11_cifar", {"norm": "none"}), "the donor's fc6 holds .*(10, 512).*; expected "),
    ],
)
def test_a_donor_that_does_not_fit(net, donor, message):
    with pytest.raises(ValueError, match=message.replace("(", "\\(").replace(")", "\\)")):
        on_meta(net[0], **net[1]).grow(from_=on_meta(donor[0], **donor[1]))


def test_nothing_is_copied_from_a_donor_that_fits_in_part():
    net, donor = vgg.build("vgg16_cifar"), vgg.build("vgg11_cifar", num_classes=7)
    before = net.features[0].weight.clone()
    with pytest.raises(ValueError, match="fc6"):
        net.grow(from_=donor)
    assert torch.equal(net.features[0].weight, before)
