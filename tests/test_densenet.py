import pytest
import torch
import torchvision

from restore.backbones import densenet
from restore.backbones.densenet import DenseBlock
from restore.nn.layers import ACTIVATIONS, NORMS


def on_meta(name, **options):
    with torch.device("meta"):
        return densenet.build(name, **options).eval()


def with_random_statistics(net):
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


@pytest.mark.parametrize(
    ("name", "parameters", "layers"),
    [
        ("densenet121", 7978856, 121),
        ("densenet161", 28681000, 161),
        ("densenet169", 14149480, 169),
        ("densenet201", 20013928, 201),
        ("densenet40", 1019722, 40),  # 1.0 M in the paper's table 2
        ("densenet100_bc", 769162, 100),  # 0.8 M
    ],
)
def test_parameters_and_layers(name, parameters, layers):
    net = on_meta(name)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert sum(isinstance(m, torch.nn.Conv2d | torch.nn.Linear) for m in net.modules()) == layers


def test_maps_have_the_sizes_of_the_papers_table_1():
    net = on_meta("densenet121")
    with torch.device("meta"):
        maps = net.features(torch.zeros(1, 3, 224, 224))
    assert [m.shape[-1] for m in maps] == [112, 56, 28, 14, 7]
    assert [m.shape[1] for m in maps] == net.channels == [64, 64 + 6 * 32, 128 + 12 * 32, 256 + 24 * 32, 512 + 16 * 32]


def test_maps_are_torchvisions_activations():
    theirs = with_random_statistics(torchvision.models.densenet121(weights=None))
    ours = on_meta("densenet121").to_empty(device="cpu")
    ours.load_state_dict(theirs.state_dict())
    x, expected = torch.randn(1, 3, 64, 96), []
    for name in ["relu0", "transition1.relu", "transition2.relu", "transition3.relu"]:
        theirs.features.get_submodule(name).register_forward_hook(lambda module, given, output: expected.append(output.clone()))
    with torch.inference_mode():
        expected.append(theirs.features(x).relu())
        assert all(torch.equal(a, b) for a, b in zip(ours.features(x), expected, strict=True))


def test_a_layer_sees_all_layers_before_it():
    block = DenseBlock(3, depth=3, growth=2, compressed=False).eval()
    x = torch.randn(1, 3, 5, 6)
    first = block["denselayer1"](x)
    second = block["denselayer2"](torch.cat([x, first], 1))
    third = block["denselayer3"](torch.cat([x, first, second], 1))
    assert torch.equal(block(x), torch.cat([x, first, second, third], 1))
    assert [layer.conv1.in_channels for layer in block.values()] == [3, 5, 7]


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_a_block_leaves_its_input_alone(norm):
    x = torch.randn(2, 8, 5, 5)
    y = DenseBlock(8, depth=2, growth=4, norm=norm)(x)
    assert torch.equal(y[:, :8], x)
    assert (x < 0).any()


def test_remap_reads_the_keys_of_the_published_files():
    state = torchvision.models.densenet121(weights=None).state_dict()
    published = {}
    for key, value in state.items():
        head, point, tail = key.partition(".denselayer")
        for name in ("norm1", "norm2", "conv1", "conv2"):
            tail = tail.replace(f".{name}.", f".{name[:-1]}.{name[-1]}.")
        published[head + point + tail] = value
    assert "features.denseblock4.denselayer16.norm.2.running_mean" in published
    assert "features.denseblock1.denselayer1.conv.1.weight" in published
    remapped = densenet.remap(published)
    assert list(remapped) == list(state)
    assert all(remapped[key] is state[key] for key in state)
    assert densenet.remap(state) == dict(state)
    on_meta("densenet121").load_state_dict(remapped, assign=True)


@pytest.mark.parametrize(("name", "output_stride"), [("densenet121", 16), ("densenet121", 4), ("densenet40", 2), ("densenet100_bc", 1)])
def test_dilated_map_at_every_kth_place_is_the_map(name, output_stride):
    net = with_random_statistics(densenet.build(name))
    dilated = densenet.build(name, output_stride=output_stride).eval()
    dilated.load_state_dict(net.state_dict())
    k = net.reductions[-1] // output_stride
    x = torch.randn(1, 3, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(dilated.features(x)[-1][..., ::k, ::k], net.features(x)[-1], atol=1e-4, rtol=1e-4)


def test_dropout():
    net = densenet.build("densenet40", dropout=0.2)
    assert [m.p for m in net.modules() if isinstance(m, torch.nn.Dropout)] == [0.2] * 36
    assert list(net.state_dict()) == list(on_meta("densenet40").state_dict())


@pytest.mark.parametrize("name", ["densenet40", "densenet121"])
@pytest.mark.parametrize(("option", "value"), [*(("norm", n) for n in NORMS), *(("activation", a) for a in ACTIVATIONS)])
def test_swaps_reach_every_layer(name, option, value):
    net = on_meta(name, **{option: value})
    kind = type(NORMS[value](64) if option == "norm" else ACTIVATIONS[value]())
    others = {type(f(64)) for f in NORMS.values()} if option == "norm" else {type(f()) for f in ACTIVATIONS.values()}
    assert {type(m) for m in net.modules()} & others - {torch.nn.Identity} == {kind} - {torch.nn.Identity}
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all((m.bias is None) == (option != "norm" or value != "none") for m in convolutions)


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match="norm 'l2' is unknown"):
        densenet.build("densenet40", norm="l2")
    with pytest.raises(ValueError, match="activation 'swish' is unknown"):
        densenet.build("densenet40", activation="swish")
    with pytest.raises(ValueError, match=r"output_stride 8 is not reached; expected one of \[1, 2, 4\]"):
        densenet.build("densenet40", output_stride=8)
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        densenet.build("densenet40", dropout=2)
