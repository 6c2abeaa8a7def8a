import functools
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from restore import backbones
from restore.nn.arithmetic import (
    chain_field,
    conv_macs,
    conv_parameters,
    dense_macs,
    dense_parameters,
    output_size,
    summary,
    table,
)
from restore.nn.layers import resize_to

TORCHVISION = [name for family in backbones.FAMILIES for name in family.TORCHVISION]
WITHOUT_AUXILIARIES = {"googlenet": {"aux_logits": False}}


def on_meta(name):
    slow = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        return torchvision.models.get_model(name, weights=None, **slow)


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), list(itertools.product([1, 2, 3, 5], [1, 2, 3], [0, 1, 2], [1, 2])))
def test_output_size_equals_torch(kernel, stride, padding, dilation):
    for size in range(9, 15):
        x = torch.zeros(1, 1, size, device="meta")
        theirs = F.conv1d(x, torch.zeros(1, 1, kernel, device="meta"), None, stride, padding, dilation).shape[-1]
        assert output_size(size, kernel, stride=stride, padding=padding, dilation=dilation) == theirs
        if padding <= kernel // 2:
            for ceil in (False, True):
                theirs = F.max_pool1d(x, kernel, stride, padding, dilation, ceil_mode=ceil).shape[-1]
                assert output_size(size, kernel, stride=stride, padding=padding, dilation=dilation, ceil=ceil) == theirs


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("mode", ["valid", "same", "full"])
def test_output_size_of_modes_equals_numpy(mode, kernel):
    assert output_size(9, kernel, padding=mode) == len(np.convolve(np.ones(9), np.ones(kernel), mode))
    assert output_size(9, kernel, padding="same", stride=2) == len(np.convolve(np.ones(9), np.ones(kernel), "same")[::2])


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("kernel", "padding"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (5, 0), (5, 1), (5, 2)])
@pytest.mark.parametrize(("size", "stride"), list(itertools.product([1, 2, 3, 4], [1, 2, 3, 4])))
def test_output_size_of_an_axis_about_as_large_as_the_window_equals_torch(size, stride, kernel, padding, ceil):
    """Where torch's pooling rounds up, the only window may go beyond the axis by less than a stride."""
    try:
        theirs = F.max_pool2d(torch.zeros(1, size, size, device="meta"), kernel, stride, padding, ceil_mode=ceil).shape[-1]
    except RuntimeError:
        with pytest.raises(ValueError, match=f"kernel spans {kernel}; expected no more than the padded size {size + 2 * padding}"):
            output_size(size, kernel, stride=stride, padding=padding, ceil=ceil)
    else:
        assert output_size(size, kernel, stride=stride, padding=padding, ceil=ceil) == theirs


def test_output_size_in_the_papers():
    assert output_size(227, 11, stride=4) == 55  # AlexNet
    assert output_size(224, 7, stride=2, padding=3) == 112  # ResNet, GoogLeNet
    assert output_size(112, 3, stride=2, ceil=True) == 56  # GoogLeNet
    assert [output_size(32, 5), output_size(28, 2, stride=2), output_size(14, 5)] == [28, 14, 10]  # LeNet-5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"size": 0, "kernel": 3}, "size 0, kernel 3, stride 1, dilation 1: expected 1 or more of each"),
        ({"size": 5, "kernel": 3, "stride": 0}, "stride 0"),
        ({"size": 5, "kernel": 3, "padding": "reflect"}, "padding is 'reflect'; expected valid, same, full, or an integer from 0"),
        ({"size": 5, "kernel": 3, "padding": -1}, "padding is -1"),
        ({"size": 1, "kernel": 3, "stride": 2, "ceil": True}, r"kernel spans 3; expected no more than the padded size 1 \+ 1$"),
        ({"size": 5, "kernel": 3, "dilation": 4, "padding": 1}, "kernel spans 9; expected no more than the padded size 7"),
    ],
)
def test_output_size_errors(arguments, said):
    with pytest.raises(ValueError, match=said):
        output_size(**arguments)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel", "groups"), [(3, 1), (5, 2), ((1, 7), 1), ((3, 2), 4)])
def test_parameters_and_macs_equal_torch(kernel, groups, bias):
    with torch.device("meta"):
        layer, x = nn.Conv2d(8, 12, kernel, groups=groups, bias=bias), torch.zeros(1, 8, 20, 30)
    with FlopCounterMode(display=False) as flops:
        y = layer(x)
    assert conv_parameters(kernel, 8, 12, groups=groups, bias=bias) == sum(p.numel() for p in layer.parameters())
    assert 2 * conv_macs(kernel, 8, 12, y.shape[2:], groups=groups) == flops.get_total_flops()


@pytest.mark.parametrize("bias", [True, False])
def test_dense_parameters_and_macs_equal_torch(bias):
    layer = nn.Linear(30, 7, bias=bias)
    with FlopCounterMode(display=False) as flops:
        layer(torch.zeros(1, 30))
    assert dense_parameters(30, 7, bias=bias) == sum(p.numel() for p in layer.parameters())
    assert 2 * dense_macs(30, 7) == flops.get_total_flops()


def test_alexnet_by_the_formulas():
    """Two towers as groups of 2: 60,965,224 parameters."""
    convolutions = [(11, 3, 96, 1), (5, 96, 256, 2), (3, 256, 384, 1), (3, 384, 384, 2), (3, 384, 256, 2)]
    dense = [(9216, 4096), (4096, 4096), (4096, 1000)]
    total = sum(conv_parameters(f, d, k, groups=g) for f, d, k, g in convolutions) + sum(dense_parameters(*sizes) for sizes in dense)
    assert total == 60_965_224


@pytest.mark.parametrize("groups", [0, 2])
@pytest.mark.parametrize("count", [conv_parameters, lambda *args, groups: conv_macs(*args, (4, 4), groups=groups)])
def test_groups_must_divide(count, groups):
    with pytest.raises(ValueError, match=f"groups is {groups}; expected a divisor of 3 and 8 channels"):
        count(3, 3, 8, groups=groups)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: conv_parameters(-3, 3, 4), "kernel -3, in_channels 3, out_channels 4"),
        (lambda: conv_parameters((3, 0), 3, 4), r"kernel \(3, 0\), in_channels 3, out_channels 4"),
        (lambda: conv_parameters(3, -3, 4), "kernel 3, in_channels -3, out_channels 4"),
        (lambda: conv_macs(3, 3, 0, (4, 4)), "kernel 3, in_channels 3, out_channels 0"),
        (lambda: conv_macs(3, 3, 4, (-1, 5)), r"size \(-1, 5\)"),
        (lambda: dense_parameters(-1, 5), "in_features -1, out_features 5"),
        (lambda: dense_macs(5, 0), "in_features 5, out_features 0"),
        (lambda: chain_field([(3, 1, 1), (0, 1, 1)]), "kernel 0, stride 1, dilation 1"),
        (lambda: chain_field([(3, 0, 1)]), "kernel 3, stride 0, dilation 1"),
        (lambda: summary(nn.Conv2d(3, 4, 3), -1), "in_channels 3, height -1, width -1"),
        (lambda: summary(nn.Conv2d(3, 4, 3), (8, 0)), "in_channels 3, height 8, width 0"),
        (lambda: summary(nn.Conv2d(3, 4, 3), 8, in_channels=-3), "in_channels -3, height 8, width 8"),
    ],
)
def test_numbers_below_1(call, said):
    with pytest.raises(ValueError, match=f"^{said}: expected 1 or more of each$"):
        call()


def bottlenecks(depths, strided):
    """(kernel, stride, dilation) along the residuals of a ResNet with bottlenecks; ``strided``: which of the three is."""
    layers = [(7, 2, 1), (3, 2, 1)]
    for stage, depth in enumerate(depths):
        for block in range(depth):
            layers += [(k, 2 if stage and not block and i == strided else 1, 1) for i, k in enumerate((1, 3, 1))]
    return layers


def test_fields_of_chains():
    alexnet = [(11, 4, 1), (3, 2, 1), (5, 1, 1), (3, 2, 1), *[(3, 1, 1)] * 3]
    assert (chain_field(alexnet), chain_field([*alexnet, (3, 2, 1)])) == (163, 195)
    vgg16 = [layer for depth in (2, 2, 3, 3, 3) for layer in [*[(3, 1, 1)] * depth, (2, 2, 1)]]
    assert chain_field(vgg16) == 212
    assert chain_field(bottlenecks((3, 4, 6, 3), 1)) == 427  # torchvision: the 3x3 has the stride
    dilated = [(3, 1, d) for d in (1, 1, 2, 4, 8, 16, 1)]
    assert chain_field(dilated) == 67  # Yu, Koltun 2016, table 1
    assert chain_field([]) == 1


@pytest.mark.parametrize(("depths", "field"), [((3, 4, 6, 3), 483), ((3, 4, 23, 3), 1027), ((3, 8, 36, 3), 1507)])
def test_fields_of_resnets_as_published(depths, field):
    """Araujo, Norris, Sim 2019, table 1: ResNets whose stride comes before the 3x3."""
    assert chain_field(bottlenecks(depths, 0)) == field


def test_fields_of_torchvisions_networks():
    assert summary(on_meta("vgg16"), 224).field == (212, 212)
    assert summary(on_meta("resnet50"), 224).field == (427, 427)
    assert summary(on_meta("inception_v3"), 299).field == (1311, 1311)  # Araujo, Norris, Sim 2019, table 1
    alexnet = {row.name: row.field for row in summary(on_meta("alexnet"), 224).rows}
    assert (alexnet["features.10"], alexnet["features.12"], alexnet["classifier.1"]) == ((163, 163), (195, 195), (None, None))


@functools.cache
def built(name):
    """A backbone without what torchvision's published counts leave out, and its summary."""
    with torch.device("meta"):
        net = backbones.build(name, options=WITHOUT_AUXILIARIES.get(name))
    return net, summary(net, net.input_size, in_channels=len(net.mean))


@pytest.mark.parametrize("name", TORCHVISION)
def test_counts_equal_torchvisions_metadata(name):
    """To the digit in parameters; in 10^9 MACs to the three places that are given."""
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    net, result = built(name)
    assert net.input_size == (weights.transforms().crop_size[0],) * 2
    assert result.parameters == weights.meta["num_params"]
    assert round(result.macs / 1e9, 3) == pytest.approx(weights.meta["_ops"], abs=1e-9)


@pytest.mark.parametrize("name", backbones.list())
def test_every_backbone_has_a_summary(name):
    net, result = built(name)
    assert result.parameters == sum(row.parameters for row in result.rows) == sum(p.numel() for p in net.parameters())
    assert result.macs == sum(row.macs for row in result.rows) > 0
    assert result.rows[-1].output[0] == net(torch.zeros(2, len(net.mean), *net.input_size, device="meta")).shape[1]


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "squeezenet1_1"])
def test_layers_sum_up_to_their_blocks(name):
    net, result = built(name)
    layers = summary(net, net.input_size, layers=True)
    assert len(layers.rows) > len(result.rows)
    assert sum(row.parameters for row in layers.rows) == result.parameters
    assert sum(row.macs for row in layers.rows) == result.macs
    assert layers.field == result.field


def test_a_part_that_gives_several_maps_is_opened():
    rows = {row.name: row for row in built("vgg16")[1].rows}
    assert (rows["features.28"].field, rows["features.30"].field) == ((196, 196), (212, 212))


def test_resnet50_stage_by_stage():
    """Table 1 of the paper: sizes, and bottlenecks of the stride where torchvision has it."""
    rows = {row.name: row for row in summary(on_meta("resnet50"), 224).rows}
    assert [rows[name].output for name in ("conv1", "maxpool", "layer1.2", "layer2.3", "layer3.5", "layer4.2", "avgpool", "fc")] == [
        (64, 112, 112),
        (64, 56, 56),
        (256, 56, 56),
        (512, 28, 28),
        (1024, 14, 14),
        (2048, 7, 7),
        (2048, 1, 1),
        (1000,),
    ]
    assert rows["conv1"].macs == conv_macs(7, 3, 64, (112, 112))
    assert rows["layer2.1"].parameters == sum(conv_parameters(f, d, k, bias=False) + 2 * k for f, d, k in BLOCK)
    assert [row.kind for row in rows.values()][:5] == ["Conv2d", "BatchNorm2d", "MaxPool2d", "Bottleneck", "Bottleneck"]


BLOCK = [(1, 512, 128), (3, 128, 128), (1, 128, 512)]


def test_the_model_stays_as_it_is():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Sequential(nn.BatchNorm2d(4)))
    net[3].eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert summary(net, 8).rows[0].output == (4, 6, 6)
    assert [module.training for module in net.modules()] == [True, True, True, True, False, False]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_what_a_network_cannot_take():
    with pytest.raises(ValueError, match="^the network cannot take 3 x 2 x 20: .*Kernel size can't be greater than actual input size$"):
        summary(nn.Conv2d(3, 4, 3), (2, 20))


def test_half_precision_and_other_channels():
    assert summary(nn.Conv2d(1, 2, 3).half(), (5, 7), in_channels=1).rows[0].output == (2, 3, 5)


def test_a_layer_used_twice_counts_once_and_works_twice():
    layer = nn.Conv2d(3, 3, 3, padding=1)
    result = summary(nn.Sequential(layer, nn.ReLU(), layer), 8)
    assert (result.parameters, result.macs, result.field) == (84, 2 * 81 * 64, (5, 5))


class Segmenter(nn.Module):
    """A backbone of which only the maps are used, and a head."""

    def __init__(self):
        super().__init__()
        self.encoder = backbones.build("resnet18", num_classes=10)
        self.head = nn.Conv2d(512, 5, 1)

    def forward(self, x):
        return resize_to(self.head(self.encoder.features(x)[-1]), like=x)


def test_an_encoder_called_by_its_parts_is_opened_and_what_does_not_run_says_so():
    result = summary(Segmenter(), 64)
    rows = {row.name: row for row in result.rows}
    assert sum(row.parameters for row in result.rows) == result.parameters
    assert rows["encoder.layer4.1"].output == (512, 2, 2)
    assert rows["head"].field == (435, 435)
    assert (rows["encoder.fc"].output, rows["encoder.fc"].parameters, rows["encoder.fc"].macs) == (None, 5130, 0)
    assert ["encoder.fc", "Linear", "not", "run", "5,130", "0"] in [line.split() for line in str(result).splitlines()]


def test_the_table_as_text_and_markdown():
    result = summary(nn.Sequential(nn.Conv2d(3, 8, (3, 5)), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)), (6, 12))
    assert str(result).splitlines() == [
        "layer  kind     output  parameters    MACs  field",
        "0      Conv2d   8x4x8          368  11,520    3x5",
        "2      Flatten  256              0       0    all",
        "3      Linear   10           2,570   2,560    all",
        "total                        2,938  14,080    3x5",
    ]
    assert result.render(markdown=True).splitlines()[1:3] == [
        "|:------|:--------|:-------|-----------:|-------:|------:|",
        "| 0     | Conv2d  | 8x4x8  |        368 | 11,520 |   3x5 |",
    ]
    assert table([["a", "b", "c"], ["1", "22", "333"]], align="lrl") == "a   b  c\n1  22  333"
