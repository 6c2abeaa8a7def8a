"""What a network sees, on networks of which it is known."""

import numpy as np
import pytest
import torch
from torch import nn

from restore import backbones, explain
from restore.backbones import Backbone


class Corners(Backbone):
    """Two maps of brightness: the first sees the upper left quarter alone, the second the lower right one.

    Class 0 is for what the first sees, class 1 for the second; class 2 is against both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.channels, self.reductions, self.input_size = [2], [2], (32, 32)
        self.mean, self.std = (0.0,), (1.0,)
        self.look = nn.Sequential(nn.Conv2d(1, 2, 2, 2, bias=False), Quarters())
        self.head = nn.Linear(2, 3, bias=False)
        nn.init.constant_(self.look[0].weight, 0.25)
        self.head.weight = nn.Parameter(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))

    def stages(self) -> list[list[nn.Module]]:
        return [[self.look]]

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.mean((2, 3)))


class Quarters(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        keep = torch.zeros_like(x)
        middle = x.shape[2] // 2
        keep[:, 0, :middle, :middle] = 1
        keep[:, 1, middle:, middle:] = 1
        return x * keep


@pytest.fixture(scope="module")
def resnet() -> Backbone:
    torch.manual_seed(0)
    net = backbones.build("resnet18", num_classes=10)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def test_grad_cam_lights_the_corner_that_a_class_looks_at() -> None:
    first, second, third = explain.grad_cam(Corners(), torch.ones(3, 1, 32, 32), target=[0, 1, 2])
    assert first[:14, :14].min() == 1.0
    assert first[18:].max() == first[:, 18:].max() == 0.0
    np.testing.assert_array_equal(second, first[::-1, ::-1])
    assert third.max() == 0.0
    assert (first.dtype, first.shape) == (np.float32, (32, 32))


def test_grad_cam_shows_the_likeliest_class_if_none_is_named() -> None:
    x = torch.ones(2, 1, 32, 32)
    x[1, :, :16] = 0  # nothing in the upper left: class 1 wins
    cams = explain.grad_cam(Corners(), x)
    np.testing.assert_array_equal(cams[0], explain.grad_cam(Corners(), x[:1], target=0)[0])
    np.testing.assert_array_equal(cams[1], explain.grad_cam(Corners(), x[1:], target=1)[0])


def test_grad_cam_is_cam_where_a_linear_layer_follows_the_mean(resnet: Backbone) -> None:
    """Section 3 of the paper: there, the weights are those of the linear layer (Zhou et al. 2016)."""
    x = torch.randn(2, 3, 96, 128)
    with torch.no_grad():
        maps = resnet.features(x)[-1]
        cam = torch.einsum("k,nkhw->nhw", resnet.fc.weight[4], maps).relu()
        cam = nn.functional.interpolate(cam[:, None], (96, 128), mode="bilinear", align_corners=False)[:, 0]
    expected = (cam / cam.amax((1, 2), keepdim=True)).numpy()
    np.testing.assert_allclose(explain.grad_cam(resnet, x, target=4), expected, atol=1e-5)
    np.testing.assert_allclose(explain.grad_cam(resnet, x, target=4, layer="layer4"), expected, atol=1e-5)


def test_grad_cam_of_a_layer_whose_output_is_changed_in_place(resnet: Backbone) -> None:
    """The batch norm that an in-place ReLU follows: the formula, by hand."""
    x = torch.randn(1, 3, 64, 64)
    with torch.enable_grad():
        maps = resnet.bn1(resnet.conv1(x)).detach().requires_grad_()
        y = resnet.layer1(resnet.maxpool(maps.relu()))
        logits = resnet.classify(resnet.layer4(resnet.layer3(resnet.layer2(y))))
        (slope,) = torch.autograd.grad(logits[0, 7], maps)
    cam = (slope.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True).relu()
    cam = nn.functional.interpolate(cam, (64, 64), mode="bilinear", align_corners=False)[0, 0].numpy()
    np.testing.assert_allclose(explain.grad_cam(resnet, x, target=7, layer="bn1")[0], cam / cam.max(), atol=1e-5)


@pytest.mark.parametrize("name", ["lenet5", "squeezenet_cifar", "googlenet"])
def test_every_kind_of_backbone_has_a_grad_cam(name: str) -> None:
    net = backbones.build(name)
    x = torch.rand(1, len(net.mean), *(min(side, 96) for side in net.input_size))
    cam = explain.grad_cam(net, x, target=3)
    assert cam.shape == (1, *x.shape[2:])
    assert 0 <= cam.min() <= cam.max() <= 1


def test_maximisation_raises_a_class_and_a_unit(resnet: Backbone) -> None:
    def respond(pictures: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        x = resnet.normalise(torch.from_numpy(pictures).permute(0, 3, 1, 2))
        with torch.no_grad():
            return resnet(x), resnet.features(x)[2].mean((2, 3))

    settings = {"size": (32, 48), "seed": 3}
    start = explain.maximise(resnet, [2, 5], steps=0, **settings)
    assert (start.shape, start.dtype) == ((2, 32, 48, 3), np.float32)
    assert 0 <= start.min() < start.max() <= 1
    classes = explain.maximise(resnet, [2, 5], steps=10, **settings)
    units = explain.maximise(resnet, [2, 5], steps=10, layer="layer2", **settings)
    for before, after in ((respond(start)[0], respond(classes)[0]), (respond(start)[1], respond(units)[1])):
        for picture, other, unit in ((0, 1, 2), (1, 0, 5)):
            assert after[picture, unit] > before[picture, unit] + 0.3
            assert after[picture, unit] > after[other, unit]


def test_maximisation_is_seeded_and_each_unit_has_its_own_picture(resnet: Backbone) -> None:
    settings = {"size": (32, 32), "steps": 2}
    first = explain.maximise(resnet, [1, 1], **settings)
    np.testing.assert_array_equal(first, explain.maximise(resnet, [1, 1], **settings))
    assert not np.array_equal(first, explain.maximise(resnet, [1, 1], seed=1, **settings))
    assert not np.array_equal(first[0], first[1])


def test_what_excites_nothing_fades(resnet: Backbone) -> None:
    pictures = [explain.maximise(resnet, [0], size=(32, 32), steps=10, decay=decay, jitter=0) for decay in (0.0, 5.0)]
    assert pictures[1].std() < 0.8 * pictures[0].std()


def test_the_pictures_are_as_smooth_as_photographs() -> None:
    """Their spectrum falls with the frequency: neighbours are alike (of white noise, they differ by 1.13 standard deviations)."""
    picture = explain.maximise(Corners(), [0], steps=0, size=(128, 128))[0]
    assert np.abs(np.diff(picture, axis=0)).mean() < 0.3 * picture.std()


def test_feature_maps_are_those_of_the_network(resnet: Backbone) -> None:
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = resnet.features(x)
    for ours, theirs in zip(explain.feature_maps(resnet, x), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs[0].numpy())


def test_responses_are_logits_or_means(resnet: Backbone) -> None:
    x = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        np.testing.assert_array_equal(explain.responses(resnet, x), resnet(x).numpy())
        np.testing.assert_allclose(explain.responses(resnet, x, layer="layer3"), resnet.features(x)[3].mean((2, 3)).numpy(), rtol=1e-5)


def test_kernels_are_those_of_the_first_convolution(resnet: Backbone) -> None:
    weights = explain.kernels(resnet)
    np.testing.assert_array_equal(weights, resnet.conv1.weight.detach().numpy())
    weights[:] = 0
    assert resnet.conv1.weight.abs().sum() > 0


SEVERAL = "'features' gives a list; expected a layer that gives one tensor"


def run_all(net: Backbone, x: torch.Tensor) -> None:
    explain.feature_maps(net, x)
    explain.kernels(net)
    explain.grad_cam(net, x)
    explain.grad_cam(net, x, layer="layer3")
    explain.maximise(net, [0], size=(32, 32), steps=1)


def test_the_network_is_left_as_it_was() -> None:
    net = backbones.build("resnet18", num_classes=10).train().freeze("layer2")
    next(net.fc.parameters()).grad = torch.full((10, 512), 7.0)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    wants = [parameter.requires_grad for parameter in net.parameters()]
    x = torch.randn(1, 3, 64, 64)
    run_all(net, x)
    assert [module.training for module in net.modules()] == modes
    assert True in modes and False in modes  # noqa: PT018
    assert [parameter.requires_grad for parameter in net.parameters()] == wants
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    grads = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    assert len(grads) == 1
    assert (grads[0] == 7).all()
    assert not x.requires_grad
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off_and_parameters_frozen(context) -> None:
    net = backbones.build("resnet18", num_classes=10).requires_grad_(False)
    with context():
        run_all(net, torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, x: explain.grad_cam(net, x, target=10), "class 10 is not there; expected 0 to 9"),
        (lambda net, x: explain.grad_cam(net, x, target=-1), "class -1 is not there"),
        (lambda net, x: explain.grad_cam(net, x, layer="layer9"), "no module is called 'layer9'; expected one of conv1, bn1"),
        (lambda net, x: explain.responses(net, x, layer="layer9"), "no module is called 'layer9'"),
        (lambda net, x: explain.grad_cam(net, x, layer=""), "no module is called ''"),
        (lambda net, x: explain.grad_cam(net, x, layer="fc"), r"fc gives \(1, 10\); expected maps \(N, K, h, w\) of more than one pixel"),
        (lambda net, x: explain.grad_cam(backbones.build("mlp"), torch.zeros(1, 1, 28, 28)), "the network gives .*; expected maps"),
        (lambda net, x: explain.maximise(net, [0, 64], layer="layer1", size=(32, 32)), "unit 64 is not there; expected 0 to 63"),
        (lambda net, x: explain.maximise(net, [0], layer="layer9", size=(32, 32)), "no module is called 'layer9'"),
        (lambda net, x: explain.grad_cam(backbones.build("googlenet"), x, layer="aux1"), "'aux1' is not passed through on the way"),
        (lambda net, x: explain.kernels(backbones.build("mlp")), "MLP has no convolution"),
        (
            lambda net, x: explain.grad_cam(net, x.repeat(3, 1, 1, 1), target=[1, 2]),
            "2 classes for 3 pictures; expected one, or",
        ),
        (lambda net, x: explain.grad_cam(net, x, target=[]), "0 classes for 1 pictures"),
        (lambda net, x: explain.maximise(net, []), "no units; expected one or more"),
        (lambda net, x: explain.maximise(net, [0], jitter=-1), "jitter is -1; expected at least 0"),
        (lambda net, x: explain.maximise(net, [0], steps=-1), "steps is -1; expected at least 0"),
        (lambda net, x: explain.maximise(net, [99], steps=0), "unit 99 is not there; expected 0 to 9"),
        (lambda net, x: explain.feature_maps(net, x.expand(2, -1, -1, -1)), "2 pictures; expected one"),
        (lambda net, x: explain.seen(net, x.expand(2, -1, -1, -1)), "2 pictures; expected one"),
        (lambda net, x: explain.grad_cam(backbones.build("vgg11_cifar"), x, layer="features"), SEVERAL),
        (lambda net, x: explain.responses(backbones.build("squeezenet_cifar"), x, layer="features"), SEVERAL),
        (lambda net, x: explain.feature_figure([np.zeros((9, 1, 1))]), "1 scales of one pixel; expected maps that are larger"),
    ],
)
def test_what_is_not_there(resnet: Backbone, call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(resnet, torch.zeros(1, 3, 64, 64))


# figures


def test_a_row_of_features_for_each_scale() -> None:
    maps = [np.zeros((12, 56, 56), np.float32), np.zeros((3, 14, 28), np.float32), np.ones((5, 1, 1), np.float32)]
    maps[0][7, 20:30] = 4.0
    maps[0][2, 20:30] = -1.0
    page = explain.feature_figure(maps, columns=4)
    assert page.shape == (2 * (12 + 112 + 32), 12 + 4 * (112 + 12), 3)
    tile = page[12:124, 12:124]  # map 7 varies most, and each of its pixels is 2x2
    assert (tile[40:60] == 255).all()
    assert tile.sum() == 255 * 20 * 112 * 3
    assert (page[12 : 12 + 112, 136 : 136 + 112][40:60] == 0).all()  # then map 2, the other way round
    assert (page[168 + 28 : 168 + 84, 12:124] == 0).all()  # 14x28, in the middle of its cell


def test_kernels_as_colours_around_grey() -> None:
    weights = np.zeros((3, 3, 2, 2), np.float32)
    weights[0, 0, 0, 0] = 2.0
    weights[1, :, 1, 1] = -0.1
    page = explain.kernel_figure(weights, columns=3)
    cells = [page[12:68, 12 + i * 68 : 68 + i * 68] for i in range(3)]
    assert cells[0][0, 0].tolist() == [255, 128, 128]
    assert cells[1][-1, -1].tolist() == [0, 0, 0]
    assert (cells[2] == 128).all()
    assert explain.kernel_figure(np.ones((2, 1, 5, 5), np.float32)).shape == (55 + 24, 2 * 55 + 36, 3)


def test_grad_cam_over_the_picture() -> None:
    picture, cam = np.full((32, 32, 1), 0.5, np.float32), np.zeros((32, 32), np.float32)
    cam[:16] = 1
    page = explain.cam_figure(picture, [cam], ["a", "b"])
    assert page.shape == (12 + 224 + 32, 2 * 224 + 36, 3)
    assert (page[12:236, 12:236] == 128).all()
    over = page[12:236, 248:472].astype(int)
    assert (over[:112] == np.rint(255 * 0.35 * 0.5 + 0.65 * np.array([255, 235, 60]))).all()
    assert over[112:].max() < 50


def test_what_the_network_saw(resnet: Backbone) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    np.testing.assert_allclose(explain.seen(resnet, resnet.preprocess(picture)), picture[16:240, 16:240] / 255, atol=1e-6)
