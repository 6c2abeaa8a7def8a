"""Inception v2 against table 1 of its paper, v3 against torchvision's."""

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from restore.backbones import build
from restore.nn.layers import AvgPool2d

V2 = {
    "Conv2d_1a_3x3": (32, 149),
    "Conv2d_2a_3x3": (32, 147),
    "Conv2d_2b_3x3": (64, 147),
    "maxpool1": (64, 73),
    "Conv2d_3b_3x3": (80, 71),
    "Conv2d_4a_3x3": (192, 35),
    "Conv2d_4b_3x3": (288, 35),
    "Mixed_5d": (288, 35),
    "Mixed_6a": (768, 17),
    "Mixed_6f": (768, 17),
    "Mixed_7a": (1280, 8),
    "Mixed_7c": (2048, 8),
}
"""Table 1 of the paper: layer -> channels and side of its output at 299x299."""


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def meta(name, **options):
    with torch.device("meta"):
        return build(name, options=options).eval()


def multiplications(net):
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, 299, 299, device="meta"))
    return counter.get_total_flops() / 2


def test_v3_parameters_and_multiplications():
    published = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.meta
    assert parameters(meta("inception_v3")) == 27_161_264 == published["num_params"]
    plain = meta("inception_v3", aux_logits=False)
    assert parameters(plain) == 23_834_568
    assert multiplications(plain) == pytest.approx(published["_ops"] * 1e9, rel=1e-3)


def test_v2_follows_table_1():
    net = meta("inception_v2")
    shapes = {}
    for name, module in net.named_children():
        module.register_forward_hook(lambda module, args, output, name=name: shapes.update({name: tuple(output.shape)}))
    net(torch.zeros(1, 3, 299, 299, device="meta"))
    assert {name: shapes[name] for name in V2} == {name: (1, channels, side, side) for name, (channels, side) in V2.items()}
    blocks = [name for name in shapes if name.startswith("Mixed")]
    assert [sum(name.startswith(f"Mixed_{i}") for name in blocks) for i in (5, 6, 7)] == [3, 1 + 5, 1 + 2]
    kernels = {(name.split(".")[0], m.kernel_size) for name, m in net.named_modules() if isinstance(m, nn.Conv2d)}
    assert all(max(kernel) <= 3 for name, kernel in kernels if not name.startswith(("Mixed_6", "Mixed_7a", "Aux")))
    assert all(min(kernel) == 1 for _, kernel in kernels if max(kernel) == 7)


def test_v2_parameters_are_those_of_v3_and_the_differences():
    first = 64 * 80 * (9 - 1) + 192 * 288 * 9 + 2 * 288  # 3x3 for 1x1 before 80 channels, and a convolution to 288 with its norm
    blocks5 = 3 * 48 * 64 * (9 - 25) + 96 * (64 + 48 + 64) + (288 * 64 - 192 * 32) + 2 * 32 + 32 * (64 + 48 + 64 + 64)
    block6 = 768 * (192 + 128 + 128 + 192) + 7 * 128 * (128 + 192) + 7 * 128 * (3 * 128 + 192) + 2 * (4 * 192 + 6 * 128)
    expected = 23_834_568 + first + blocks5 + block6
    assert parameters(meta("inception_v2", aux_logits=False)) == expected == 25_560_648
    head = 768 * 128 + 2 * 128 + 128 * 768 * 25 + 768 + 768 * 1000 + 1000  # a bias instead of the 5x5 layer's norm
    assert parameters(meta("inception_v2")) == expected + head
    assert parameters(meta("inception_v3")) == 23_834_568 + head + 768


def test_only_v3_normalises_its_auxiliary_classifier():
    norms = {name: sum(isinstance(m, nn.BatchNorm2d) for m in meta(name).AuxLogits.modules()) for name in ("inception_v2", "inception_v3")}
    assert norms == {"inception_v2": 1, "inception_v3": 2}


@pytest.mark.parametrize(("size", "transform_input"), [((299, 299), False), ((331, 403), True)])
def test_auxiliary_logits_equal_torchvision(size, transform_input):
    torch.manual_seed(0)
    theirs = torchvision.models.inception_v3(init_weights=False, num_classes=7, transform_input=transform_input)
    ours = build("inception_v3", num_classes=7, options={"transform_input": transform_input})
    ours.load_state_dict(theirs.state_dict())
    for net in (ours, theirs):
        net.train()
        for module in net.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            elif isinstance(module, nn.BatchNorm2d):
                module.eval()
    x = torch.randn(1, 3, *size)
    with torch.inference_mode():
        logits, auxiliary = ours.forward_aux(x)
        expected = theirs(x)
        assert torch.equal(logits, expected.logits)
        assert [torch.equal(a, expected.aux_logits) for a in auxiliary] == [True]
        assert torch.equal(ours.eval().forward_aux(x)[1][0], auxiliary[0])


@pytest.mark.parametrize("name", ["inception_v2", "inception_v3"])
@pytest.mark.parametrize("output_stride", [16, 8, 4])
def test_dilated_map_at_every_kth_place_is_the_original(name, output_stride):
    torch.manual_seed(0)
    net = build(name, num_classes=0).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
    dilated = build(name, num_classes=0, output_stride=output_stride).eval()
    dilated.load_state_dict(net.state_dict())
    x = torch.randn(1, 3, 107, 140)
    with torch.inference_mode():
        expected, ours = net.features(x)[-1], dilated.features(x)[-1]
    k = 32 // output_stride
    assert expected.shape[-1] > 1
    assert 0.05 < expected.std() < 10  # the first weights keep the scale
    assert ours.shape[-1] > expected.shape[-1]
    torch.testing.assert_close(ours[..., ::k, ::k], expected, rtol=1e-3, atol=1e-4)


def test_every_kernel_is_dilated_but_the_auxiliary_classifier_s():
    net = meta("inception_v3", output_stride=8)
    inner = [m for name, m in net.named_modules() if name.startswith("Mixed_7c") and isinstance(m, nn.Conv2d | AvgPool2d)]
    assert inner
    for m in inner:
        sides = m.kernel_size if isinstance(m.kernel_size, tuple) else (m.kernel_size,) * 2
        assert tuple(m.dilation) == tuple(1 if side == 1 and isinstance(m, nn.Conv2d) else 4 for side in sides)
    assert {m.dilation for m in net.AuxLogits.modules() if isinstance(m, nn.Conv2d)} == {(1, 1)}


def test_smallest_pictures():
    net = build("inception_v2", num_classes=3).eval()
    assert net(torch.randn(1, 3, 75, 75)).shape == (1, 3)
    with pytest.raises(ValueError, match="the pictures are 75x74; expected at least 75x75"):
        net(torch.randn(1, 3, 75, 74))
    with pytest.raises(ValueError, match="the auxiliary classifier's map is 12x17; expected at least 17x17, of pictures of 299x299"):
        net.forward_aux(torch.randn(1, 3, 224, 299))


def test_options():
    x = torch.randn(2, 1, 107, 107)
    net = build("inception_v3", in_channels=1, num_classes=0, norm="layer", options={"dropout": 0.9})
    pooled, auxiliary = net.forward_aux(x)
    torch.testing.assert_close(pooled, net.features(x)[-1].mean((2, 3)))  # in training too: nothing is dropped
    assert auxiliary == []
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert meta("inception_v3", dropout=0.1).dropout.p == 0.1
    plain = build("inception_v2", num_classes=3, norm="none", options={"aux_logits": False})
    assert 0.01 < plain.features(x.expand(-1, 3, -1, -1))[-1].std() < 100  # the scale survives without normalisation
    assert plain.forward_aux(x.expand(-1, 3, -1, -1))[1] == []
    assert net.input_size == (299, 299)
    assert net.resize_size == torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.transforms().resize_size[0]


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
        build("inception_v3", options=options)
