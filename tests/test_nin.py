"""Network in Network: the paper's network for CIFAR-10 and the Model Zoo's for ImageNet."""

import pytest
import torch
from torch import nn

from restore.backbones import nin


def on_meta(name, **options):
    with torch.device("meta"):
        return nin.build(name, **options)


def of_type(net, kind):
    return [module for module in net.modules() if isinstance(module, kind)]


@pytest.mark.parametrize(("name", "count"), [("nin", 7_595_176), ("nin_cifar", 966_986)])
def test_parameters(name, count):
    """By hand, sum of (F*F*D + 1) * K; in bytes the Model Zoo's "29 MB"."""
    assert sum(p.numel() for p in on_meta(name).parameters()) == count
    assert name == "nin_cifar" or round(count * 4 / 2**20) == 29


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nin", [(96, 11), (96, 1), (96, 1), (256, 5), (256, 1), (256, 1), (384, 3), (384, 1), (384, 1), (1024, 3), (1024, 1), (1000, 1)]),
        ("nin_cifar", [(192, 5), (160, 1), (96, 1), (192, 5), (192, 1), (192, 1), (192, 3), (192, 1), (10, 1)]),
    ],
)
def test_convolutions(name, expected):
    assert [(layer.out_channels, layer.kernel_size[0]) for layer in of_type(on_meta(name), nn.Conv2d)] == expected
    assert of_type(on_meta(name), nn.Linear) == []


@pytest.mark.parametrize(("name", "size", "sides"), [("nin", 224, [54, 27, 13, 6]), ("nin_cifar", 32, [32, 16, 8])])
def test_maps(name, size, sides):
    net = on_meta(name)
    assert net.input_size == (size, size)
    assert [m.shape[2] for m in net.features(torch.zeros(1, 3, size, size, device="meta"))] == sides


def test_sized_for_cifar():
    net = on_meta("nin_cifar")
    assert (net.resize_size, net.mean, net.std) == (32, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    assert on_meta("nin_cifar", num_classes=100).classifier[0].out_channels == 100


def test_mlpconv_is_a_perceptron_that_slides_over_the_map():
    torch.manual_seed(0)
    layers = nin.mlpconv(3, (8, 6, 4), kernel=5)
    x = torch.randn(2, 3, 9, 9)
    out = nn.Sequential(*layers)(x)
    patches = nn.functional.unfold(x, 5, padding=2).transpose(1, 2)  # (N, 81, 3 * 5 * 5)
    for convolution in layers[::2]:
        patches = torch.relu(patches @ convolution.weight.flatten(1).T + convolution.bias)
    torch.testing.assert_close(out, patches.transpose(1, 2).reshape(2, 4, 9, 9))


def test_logits_are_averages_of_rectified_class_maps():
    torch.manual_seed(0)
    net = nin.build("nin_cifar", activation="tanh").eval()
    x = torch.randn(2, 3, 40, 50)
    last = net.features(x)[-1]
    weight, bias = net.classifier[0].weight[:, :, 0, 0], net.classifier[0].bias
    maps = (torch.einsum("kc,nchw->nkhw", weight, last) + bias[:, None, None]).clamp(min=0)
    torch.testing.assert_close(net(x), maps.mean((2, 3)))
    headless = nin.build("nin_cifar", activation="tanh", num_classes=0).eval()
    headless.load_state_dict({key: value for key, value in net.state_dict().items() if not key.startswith("classifier")})
    torch.testing.assert_close(headless(x), last.mean((2, 3)))


@pytest.mark.parametrize(("name", "before"), [("nin", [384]), ("nin_cifar", [96, 192])])
def test_dropout(name, before):
    layers = list(on_meta(name, dropout=0.2).features)
    drops = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Dropout)]
    assert [layers[i].p for i in drops] == [0.2] * len(before)
    assert [layers[i + 1].in_channels for i in drops] == before
    assert {layer.p for layer in of_type(on_meta(name), nn.Dropout)} == {0.5}
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        on_meta(name, dropout=2.0)


def test_norm_follows_every_convolution_but_the_class_maps():
    assert len(of_type(on_meta("nin_cifar", norm="batch"), nn.BatchNorm2d)) == 8
    assert of_type(on_meta("nin_cifar", norm="batch").classifier, nn.BatchNorm2d) == []
    assert len(of_type(on_meta("nin"), nn.BatchNorm2d | nn.GroupNorm)) == 0


def test_initialisation_is_hes():
    torch.manual_seed(0)
    for layer in of_type(nin.build("nin_cifar").features, nn.Conv2d):
        fan_in = layer.weight[0].numel()
        assert layer.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)
        assert not layer.bias.any()


def test_class_maps_start_alive():
    torch.manual_seed(0)
    net = nin.build("nin_cifar").eval()
    with torch.inference_mode():
        logits = net(torch.randn(8, 3, 32, 32))
    assert (logits > 0).all()
    assert nn.functional.cross_entropy(logits, torch.arange(8)).item() == pytest.approx(torch.tensor(10.0).log().item(), abs=0.3)


@pytest.mark.parametrize("option", [{"norm": "ghost"}, {"activation": "step"}, {"output_stride": 64}])
def test_unknown_values(option):
    (word,) = map(str, option.values())
    with pytest.raises(ValueError, match=f"{word}.*; expected one of"):
        on_meta("nin", **option)


@pytest.mark.parametrize("output_stride", [2, 1])
def test_dilated_maps_of_the_small_network(output_stride):
    net, dilated = nin.build("nin_cifar").eval(), nin.build("nin_cifar", output_stride=output_stride).eval()
    dilated.load_state_dict(net.state_dict())
    x = torch.randn(1, 3, 32, 48)
    coarse, fine = net.features(x)[-1], dilated.features(x)[-1]
    assert fine.shape[2:] == (32 // output_stride, 48 // output_stride)
    torch.testing.assert_close(fine[..., :: 4 // output_stride, :: 4 // output_stride], coarse)
