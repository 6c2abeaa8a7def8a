"""Properties of every encoder, over the table; what is particular to one family is tested in its own file."""

import inspect

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from skimage import data

from restore import backbones
from restore.backbones.base import adapt_input
from restore.image import Picture
from restore.nn.layers import ACTIVATIONS, NORMS

TORCHVISION = [name for family in backbones.FAMILIES for name in family.TORCHVISION]
UNINITIALISED = {name: {"init_weights": False} for name in ("googlenet", "inception_v3")}
"""Arguments that spare torchvision its slow initialisation (torch's own is as random)."""


def on_meta(name, **options):
    with torch.device("meta"):
        return backbones.build(name, options=options)


def size_of(net):
    return sum(p.numel() for p in net.parameters())


def smallest(names):
    return min(names, key=lambda name: size_of(on_meta(name)))


SMALLEST = [smallest(family.VARIANTS) for family in backbones.FAMILIES]
"""The network of each family with the fewest parameters."""
DEEP = [[name for name in family.VARIANTS if 16 in on_meta(name).reductions] for family in backbones.FAMILIES]
DILATED = [smallest(names) for names in DEEP if names]
"""The smallest of each family that goes down to 1/16."""


def taking(option, names=SMALLEST):
    return [name for name in names if option in inspect.signature(backbones.BACKBONES[name].build).parameters]


def built(name, **options):
    """A network in evaluation mode whose batch-norm statistics are no identity."""
    torch.manual_seed(0)
    net = backbones.build(name, options=options).eval()
    randomise(net)
    return net


def randomise(net):
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)


def picture_for(net, count=1):
    torch.manual_seed(1)
    return torch.randn(count, len(net.mean), *net.input_size)


@pytest.fixture(scope="module", params=TORCHVISION)
def pair(request):
    """A network of ours with torchvision's weights, beside torchvision's."""
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(request.param, weights=None, **UNINITIALISED.get(request.param, {})).eval()
    randomise(theirs)
    ours = on_meta(request.param).eval().to_empty(device="cpu")
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def test_keys_and_parameters_equal_torchvision(pair):
    ours, theirs = pair
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("size", [(224, 224), (229, 251)])
def test_logits_equal_torchvision(pair, size):
    ours, theirs = pair
    x = torch.randn(1, 3, *size)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


def test_every_torchvision_network_of_these_families_is_there():
    families = ("alexnet", "vgg", "googlenet", "inception", "resnet", "squeezenet", "densenet")
    theirs = {name for name in torchvision.models.list_models(torchvision.models) if name.startswith(families)}
    assert theirs == set(TORCHVISION)


@pytest.mark.parametrize("name", backbones.list())
def test_row_of_the_table(name):
    family = backbones.BACKBONES[name]
    assert any(year in family.PAPER for year in map(str, range(1980, 2020)))
    assert sum(name in other.VARIANTS for other in backbones.FAMILIES) == 1
    assert on_meta(name).input_size[0] in (16, 28, 32, 224, 227, 299)


@pytest.mark.parametrize("name", backbones.list())
def test_features_match_what_the_backbone_says(name):
    net = on_meta(name).eval()
    with torch.device("meta"), torch.no_grad():
        maps = net.features(picture_for(net))
        assert [m.shape[1] for m in maps] == net.channels
        assert net.reductions == sorted(net.reductions)
        if name in FIXED:
            return
        small, large = (net.features(torch.zeros(1, len(net.mean), side, side + 64)) for side in (256, 320))
    for a, b, reduction in zip(small, large, net.reductions, strict=True):
        assert [(n - m) * reduction for m, n in zip(a.shape[2:], b.shape[2:], strict=True)] == [64, 64]


FIXED = {"mlp": "dense layers take one size only"}


@pytest.mark.parametrize("name", backbones.list())
def test_logits_and_their_number(name):
    net = on_meta(name)
    with torch.device("meta"), torch.no_grad():
        logits, auxiliary = net.eval().forward_aux(picture_for(net, 2))
        assert logits.shape == (2, 10 if net.input_size[0] < 64 else 1000)
        assert all(a.shape == logits.shape for a in auxiliary)
        assert on_meta(name, num_classes=7).eval()(picture_for(net)).shape == (1, 7)
        assert on_meta(name, num_classes=0).eval()(picture_for(net)).ndim == 2
        assert net.train()(picture_for(net, 2)).shape == logits.shape


@pytest.mark.parametrize("name", SMALLEST)
def test_batch_equals_loop(name):
    net = built(name)
    x = picture_for(net, 2)
    with torch.inference_mode():
        torch.testing.assert_close(net(x), torch.cat([net(x[:1]), net(x[1:])]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", SMALLEST)
def test_maps_are_not_changed_by_what_follows(name):
    net = built(name)
    x = picture_for(net)
    with torch.inference_mode():
        maps = [m.clone() for m in net.features(x)]
        for module in net.modules():
            if getattr(module, "inplace", False):
                module.inplace = False
        assert all(torch.equal(a, b) for a, b in zip(maps, net.features(x), strict=True))
        assert torch.equal(net.classify(maps[-1]), net(x))


@pytest.mark.parametrize("name", SMALLEST)
def test_every_parameter_receives_a_gradient(name):
    net = built(name).train()
    logits, auxiliary = net.forward_aux(picture_for(net, 2))
    sum(a.square().sum() for a in [logits, *auxiliary]).backward()
    assert [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("name", taking("output_stride", DILATED))
@pytest.mark.parametrize(("output_stride", "extra"), [(16, (0, 32)), (8, (5, 38))])
def test_dilated_maps_at_every_kth_place_are_the_maps(name, output_stride, extra):
    net = built(name)
    dilated = built(name, output_stride=output_stride)
    dilated.load_state_dict(net.state_dict())
    side = max(net.input_size[0], 128)
    x = torch.randn(1, len(net.mean), side + extra[0], side + extra[1])
    with torch.inference_mode():
        for small, large, reduction in zip(net.features(x), dilated.features(x), net.reductions, strict=True):
            k = max(1, reduction // output_stride)
            sampled = large[..., ::k, ::k]
            assert sampled.shape == small.shape
            torch.testing.assert_close(sampled, small, atol=1e-4, rtol=1e-4)
    assert dilated.reductions == [min(r, output_stride) for r in net.reductions]


@pytest.mark.parametrize("name", taking("in_channels"))
@pytest.mark.parametrize("in_channels", [1, 5])
def test_input_channels(name, in_channels):
    net = backbones.build(name, in_channels=in_channels).eval()
    assert net(net.normalise(torch.rand(1, in_channels, *net.input_size))).ndim == 2
    if in_channels == 1:
        assert net(net.preprocess(data.chelsea())).ndim == 2


def test_input_channels_among_the_options():
    net = backbones.build("resnet8", options={"in_channels": 1}).eval()
    assert net(net.preprocess(data.camera())).ndim == 2
    assert net.mean == pytest.approx((sum(backbones.build("resnet8").mean) / 3,))


@pytest.mark.parametrize(("option", "value"), [*(("norm", n) for n in NORMS), *(("activation", a) for a in ACTIVATIONS if a != "none")])
@pytest.mark.parametrize("name", SMALLEST)
def test_swaps(name, option, value):
    if name not in taking(option):
        with pytest.raises(ValueError, match=f"takes no '{option}'"):
            backbones.build(name, options={option: value})
        return
    net = on_meta(name, **{option: value})
    wanted = type(NORMS[value](64) if option == "norm" else ACTIVATIONS[value]())
    assert any(isinstance(m, wanted) for m in net.modules()) or value == "none"


@pytest.mark.parametrize("name", SMALLEST)
def test_freezing(name):
    net = built(name).freeze().train()
    head = {id(p) for p in net.parameters() if p.requires_grad}
    assert 0 < len(head) < len(list(net.parameters()))
    before = {key: value.clone() for key, value in net.state_dict().items()}
    stages = [m for stage in net.stages() for m in stage]
    assert not any(p.requires_grad for m in stages for p in m.parameters())
    net.forward_aux(picture_for(net, 2))
    body = {id(t) for m in stages for t in [*m.parameters(), *m.buffers()]}
    assert all(torch.equal(before[key], value) for key, value in net.state_dict(keep_vars=True).items() if id(value) in body)


def test_freezing_until_a_module():
    net = backbones.build("resnet18").freeze(until="layer4.1").train()
    learning = {key.rpartition(".")[0].split(".conv")[0].split(".bn")[0] for key, p in net.named_parameters() if p.requires_grad}
    assert learning == {"layer4.1", "fc"}
    assert not net.layer4[0].bn1.training
    assert net.layer4[1].bn1.training
    with pytest.raises(ValueError, match="no module is called 'layer5'; expected one of conv1"):
        net.freeze(until="layer5")
    assert not net.layer1[0].conv1.weight.requires_grad


def test_freezing_again_lets_learn_what_is_frozen_no_more():
    net = backbones.build("resnet18").train()
    net.bn1.bias.requires_grad_(False)  # by hand, and so it stays
    net.freeze().freeze(until="layer3")
    frozen = {key.split(".")[0] for key, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {"conv1", "bn1", "layer1", "layer2"}
    assert {name.split(".")[0] for name, m in net.named_modules() if name and not m.training} == {*frozen, "relu", "maxpool"}
    net.freeze(until="conv1")
    assert [key for key, p in net.named_parameters() if not p.requires_grad] == ["bn1.bias"]
    assert all(m.training for m in net.modules())


@pytest.mark.parametrize("name", ["resnet50", "inception_v3"])
def test_preprocess_equals_torchvisions_preset(name):
    photo = data.chelsea()
    theirs = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].transforms()(Image.fromarray(photo))
    ours = on_meta(name).preprocess(photo)
    assert ours.shape == (1, *theirs.shape)
    torch.testing.assert_close(ours[0], theirs, atol=0.03, rtol=0)  # torchvision rounds to 8 bits between its steps


def test_preprocess_takes_any_picture():
    net = on_meta("resnet18")
    grey = data.camera()
    assert torch.equal(net.preprocess(grey), net.preprocess(np.dstack([grey] * 3)))
    assert torch.equal(net.preprocess(Picture.from_array(grey)), net.preprocess(grey))
    deep = grey.astype(np.uint16) * 257
    torch.testing.assert_close(net.preprocess(deep), net.preprocess(grey), atol=1e-5, rtol=0)
    assert net.preprocess(np.zeros((3, 400, 3), np.uint8)).shape == (1, 3, 224, 224)
    net.mean = net.std = (0.5,)
    assert net.preprocess(data.chelsea()).shape == (1, 1, 224, 224)
    net.mean = (0.5,) * 4
    with pytest.raises(ValueError, match="1 or 3 channels; this network takes 4"):
        net.preprocess(grey)


def resized_whole(net, pixels):
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    size = [net.resize_size * side // min(x.shape[2:]) for side in x.shape[2:]]
    x = torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
    top, left = ((side - 224) // 2 for side in size)
    return net.normalise(x[..., top : top + 224, left : left + 224])


def test_of_a_long_picture_the_centre_is_resized(monkeypatch):
    net = on_meta("resnet18")
    long = np.tile(data.chelsea(), (1, 2, 1))[100:200, :900].astype(np.float32) / 255
    for pixels in (long, long.transpose(1, 0, 2).copy(), long[:, :400].copy()):
        torch.testing.assert_close(net.preprocess(pixels), resized_whole(net, pixels), atol=0.02, rtol=0)
    for height, width in ((100, 899), (37, 890), (100, 402), (3, 300)):
        ramp = np.zeros((height, width, 3), np.float32) + np.linspace(0, 1, width, dtype=np.float32)[:, None]
        expected = resized_whole(net, ramp)
        shift = (net.preprocess(ramp) - expected) / (expected[..., 223:] - expected[..., :1]) * 223  # in pixels
        assert shift.abs().max() < 0.6
    sizes, real = [], torch.nn.functional.interpolate
    monkeypatch.setattr(torch.nn.functional, "interpolate", lambda x, size, **options: sizes.append(size) or real(x, size, **options))
    assert net.preprocess(np.zeros((3, 3000, 3), np.uint8)).shape == (1, 3, 224, 224)
    assert net.preprocess(np.zeros((3001, 2, 3), np.uint8)).shape == (1, 3, 224, 224)
    assert max(map(max, sizes)) <= 5 * 256


def test_a_trained_first_layer_serves_other_channels():
    weight, grey = torch.randn(8, 3, 7, 7), torch.randn(1, 1, 20, 20)
    as_rgb = torch.nn.functional.conv2d(grey.expand(-1, 3, -1, -1), weight)
    torch.testing.assert_close(torch.nn.functional.conv2d(grey, adapt_input(weight, 1)), as_rgb, atol=1e-4, rtol=1e-4)
    six = adapt_input(weight, 6)
    assert torch.equal(six[:, :3], weight / 2)
    assert torch.equal(six[:, 3:], weight / 2)
    assert torch.equal(adapt_input(weight, 3), weight)


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match="backbone 'resnet19' is unknown; expected one of "):
        backbones.build("resnet19")
    with pytest.raises(ValueError, match="output_stride 5 is not reached; expected one of \\[2, 4, 8, 16, 32\\]"):
        backbones.build("resnet18", output_stride=5)
    with pytest.raises(ValueError, match="backbone 'resnet18' takes no 'depth'; it takes in_channels, num_classes"):
        backbones.build("resnet18", options={"depth": 3})
    for given in ({"in_channels": 0}, {"options": {"in_channels": -1}}):
        with pytest.raises(ValueError, match="backbone 'resnet18' with in_channels=(0|-1); expected at least 1"):
            backbones.build("resnet18", **given)
    for given in ({"num_classes": -1}, {"options": {"num_classes": -1}}):
        with pytest.raises(ValueError, match="backbone 'resnet18' with num_classes=-1; expected at least 0"):
            backbones.build("resnet18", **given)
