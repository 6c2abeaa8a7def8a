import pytest
import torch
import torch.nn.functional as F

from restore.nn.blocks import BasicBlock, Bottleneck, GatedBlock, PlainBlock, UpDecoder
from restore.nn.layers import ACTIVATIONS, NORMS, activation_layer, norm_layer, resize_to


@pytest.mark.parametrize("kind", NORMS)
def test_norms_keep_the_shape(kind):
    x = torch.randn(2, 8, 5, 5)
    y = norm_layer(kind, 8)(x)
    assert y.shape == x.shape
    assert torch.equal(x, y) == (kind == "none")


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_equal_their_formulas(kind):
    x = torch.linspace(-2, 2, 9)
    oracle = {
        "relu": x.clamp_min(0),
        "leaky_relu": torch.where(x > 0, x, 0.1 * x),
        "tanh": (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
        "sigmoid": 1 / (1 + (-x).exp()),
        "none": x,
    }
    torch.testing.assert_close(activation_layer(kind)(x.clone()), oracle[kind])


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match="norm 'spectral' is unknown; expected one of batch"):
        norm_layer("spectral", 8)
    with pytest.raises(ValueError, match="activation 'swish' is unknown; expected one of relu"):
        activation_layer("swish")


def test_resize_to_leaves_equal_sizes_alone():
    x = torch.randn(1, 2, 4, 5)
    assert resize_to(x, like=torch.zeros(1, 7, 4, 5)) is x


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_zero_initialised_block_is_its_shortcut(block, norm):
    net = block(4 * block.expansion, 4, norm=norm, post_activation=False)
    net.zero_init()
    x = torch.randn(2, 4 * block.expansion, 6, 6)
    assert torch.equal(net(x), x)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_post_activation_is_after_the_addition(block):
    net = block(4 * block.expansion, 4)
    net.zero_init()
    x = torch.randn(2, 4 * block.expansion, 6, 6)
    assert torch.equal(net(x), x.relu())


@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (4, 2)])
def test_gated_blocks_keep_channels_and_size(channels, stride):
    with pytest.raises(ValueError, match=f"GatedBlock keeps channels and size; got {channels} to 4 channels, stride {stride}"):
        GatedBlock(channels, 4, stride=stride)


def test_gated_block_is_that_of_the_paper(monkeypatch):
    net, x = GatedBlock(4, 4, dilation=2), torch.randn(2, 4, 7, 6)
    for norm in (net.norm1, net.norm2):
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)

    def normalised(x, norm):
        centred = x - x.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]

    around = F.conv2d(net.conv1(normalised(x, net.norm1)), net.conv2.weight, net.conv2.bias, padding=2, dilation=2, groups=8)
    middle = x + net.conv3(around[:, :4] * around[:, 4:])
    alone = net.conv4(normalised(middle, net.norm2))
    for tracing in (False, True):  # the norm is written in two ways
        monkeypatch.setattr(torch.jit, "is_tracing", lambda tracing=tracing: tracing)
        torch.testing.assert_close(net(x), middle + net.conv5(alone[:, :4] * alone[:, 4:]))
    net.zero_init()
    assert torch.equal(net(x), x)


def test_plain_block_is_two_convolutions():
    net, x = PlainBlock(4, 6, stride=2, dilation=2), torch.randn(2, 4, 7, 6)
    inside = F.conv2d(x, net.conv1.weight, net.conv1.bias, 2, 2, 2).relu()
    torch.testing.assert_close(net(x), F.conv2d(inside, net.conv2.weight, net.conv2.bias, 1, 2, 2).relu())


def test_smooth_steps_up_keep_flat_maps_flat():
    torch.manual_seed(0)
    maps = [torch.zeros(1, 4, 8, 8), torch.rand(1, 6, 1, 1).expand(1, 6, 4, 4)]
    decoders = [UpDecoder([4, 6], depths=[0, 0], block=BasicBlock, smooth=smooth) for smooth in (False, True)]
    with torch.no_grad():
        sharp, smooth = (float(decoder(maps).std((2, 3)).max()) for decoder in decoders)
    assert sharp > 0.01
    assert smooth < 1e-6


def test_decoder_resizes_to_a_skip_of_odd_size():
    decoder = UpDecoder([8, 16], depths=[1, 1], block=BasicBlock)
    assert decoder([torch.zeros(1, 8, 7, 5), torch.zeros(1, 16, 3, 3)]).shape == (1, 8, 7, 5)
