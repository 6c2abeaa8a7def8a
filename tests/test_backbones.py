import pytest
import torch
import torchvision

from restore import backbones
from restore.backbones.resnet import ResNet
from restore.nn.blocks import BasicBlock

SMALL = ["resnet18", "resnet50"]


@pytest.fixture(scope="module", params=backbones.BACKBONES)
def pair(request):
    """A network of ours with torchvision's weights, beside torchvision's."""
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(request.param, weights=None).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    ours = backbones.build(request.param).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def test_keys_and_parameters_equal_torchvision(pair):
    ours, theirs = pair
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("size", [(64, 64), (97, 65)])
def test_logits_equal_torchvision(pair, size):
    ours, theirs = pair
    x = torch.randn(2, 3, *size)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


def test_features_match_what_the_backbone_says(pair):
    ours, _ = pair
    with torch.inference_mode():
        maps = ours.features(torch.zeros(1, 3, 64, 96))
    assert [m.shape[1] for m in maps] == ours.channels
    assert [(64 // m.shape[2], 96 // m.shape[3]) for m in maps] == [(r, r) for r in ours.reductions]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("output_stride", [32, 16, 8])
def test_output_stride(name, output_stride):
    net = backbones.build(name, num_classes=0, output_stride=output_stride).eval()
    with torch.inference_mode():
        maps = net.features(torch.zeros(1, 3, 64, 64))
    assert [64 // m.shape[-1] for m in maps] == net.reductions == [min(r, output_stride) for r in (4, 8, 16, 32)]


def test_dilation_equals_torchvision():
    theirs = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True]).eval()
    ours = backbones.build("resnet50", output_stride=8).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, 65, 64)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


def test_input_channels_and_classes():
    net = backbones.build("resnet18", in_channels=5, num_classes=7).eval()
    assert net(torch.zeros(1, 5, 32, 32)).shape == (1, 7)


@pytest.mark.parametrize("transition", ["block", "conv"])
def test_unshuffle_stem_starts_at_half_the_size(transition):
    net = ResNet(BasicBlock, (1, 1), (8, 12), stem="unshuffle", transition=transition, num_classes=0)
    assert [tuple(m.shape) for m in net.features(torch.zeros(1, 3, 16, 24))] == [(1, 8, 8, 12), (1, 12, 4, 6)]


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match="backbone 'resnet19' is unknown; expected one of resnet18"):
        backbones.build("resnet19")
    with pytest.raises(ValueError, match="output_stride 5 is not reached; expected one of \\[4, 8, 16, 32\\]"):
        backbones.build("resnet18", output_stride=5)
    with pytest.raises(ValueError, match="stem 'cifar' is unknown"):
        ResNet(BasicBlock, (1,), (8,), stem="cifar")
    with pytest.raises(ValueError, match="transition 'pool' is unknown"):
        ResNet(BasicBlock, (1,), (8,), transition="pool")
