import numpy as np
import pytest
import torch

from restore import networks
from restore.filters import FILTERS
from restore.networks.filtering import OPERATORS, Filtering
from restore.networks.inpainting import from_restoration
from restore.nn.filling import push_pull
from restore.tiling import tiled

U_NET = {"widths": [8, 12, 16]}
OPTIONS = {"restoration": U_NET, "inpainting": U_NET, "filtering": {"width": 12, "dilations": [1, 2, 4, 1]}}
PICTURES = [name for name in networks.NETWORKS if name != "unet"]  # which gives logits: tests/test_unet.py


def randomised(name, **options):
    """A small network of random weights large enough that every path shows in the output."""
    torch.manual_seed(0)
    net = networks.build(name, OPTIONS[name] | options).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.08)
    return net


def second_input(net, x):
    if isinstance(net, Filtering):
        return torch.arange(x.shape[0]) % net.operators
    if not net.takes_mask:
        return torch.full((x.shape[0],), 25 / 255)
    mask = torch.zeros(x.shape[0], 1, *x.shape[-2:])
    mask[..., 3:9, 4:12] = 1
    return mask


@pytest.mark.parametrize("name", PICTURES)
def test_untrained_network_is_the_identity_where_nothing_is_missing(name):
    net = networks.build(name, OPTIONS[name]).eval()
    x = torch.rand(2, 3, 16, 24)
    second = second_input(net, x)
    known = torch.ones_like(x) if not net.takes_mask else 1 - second.expand_as(x)
    assert torch.equal(net(x, second) * known, x * known)


@pytest.mark.parametrize("name", PICTURES)
def test_batch_equals_loop(name):
    net = randomised(name)
    x = torch.rand(3, 3, 24, 16)
    second = second_input(net, x)
    with torch.inference_mode():
        batch = net(x, second)
        loop = torch.cat([net(x[i : i + 1], second[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(batch, loop, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", PICTURES)
def test_every_parameter_receives_a_gradient(name):
    net = randomised(name).train()
    x = torch.rand(2, 3, 32, 32)
    net(x, second_input(net, x)).square().mean().backward()
    assert [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's compiler has many
@pytest.mark.parametrize("name", PICTURES)
def test_a_compiled_network_learns_as_an_eager_one_does(name):
    """As ``restore train --set compile=true`` has it: channels last, on pictures whose holes are deep enough for all there is."""
    net = randomised(name, **({"finish": 4} if name == "inpainting" else {})).to(memory_format=torch.channels_last)
    x = torch.rand(1, 3, 32, 32).to(memory_format=torch.channels_last)
    second = second_input(net, x)
    gradients = []
    for forward in (net, torch.compile(net)):
        net.zero_grad()
        forward(x, second).square().mean().backward()
        gradients.append([parameter.grad.clone() for parameter in net.parameters()])
    for eager, compiled in zip(*gradients, strict=True):
        torch.testing.assert_close(compiled, eager, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", [n for n in PICTURES if networks.build(n, OPTIONS[n]).halo is not None])
def test_tiles_equal_the_whole_picture(name):
    net = randomised(name)

    def run(crop):
        x = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return net(x, second_input(net, x))[0].permute(1, 2, 0).numpy()

    image = np.random.default_rng(0).random((331, 417, 3), np.float32)
    needs = {"halo": net.halo, "multiple_of": net.multiple_of, "min_size": net.min_size}
    whole = tiled(run, image, tile=4096, **needs)
    assert whole.std() > 0.05
    np.testing.assert_allclose(tiled(run, image, tile=64, **needs), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("block", networks.base.BLOCKS)
@pytest.mark.parametrize(("down", "up"), [((1, 2, 2), (1, 2, 2)), ((2, 1), (1, 3))])
def test_halo_of_every_block_is_the_reach(block, down, up):
    torch.manual_seed(0)
    net = networks.build("restoration", {"widths": [8] * len(down), "down": down, "up": up, "block": block}).double()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x = torch.zeros(1, 3, 256, 256, dtype=torch.double, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x, 0.1)[0, :, 128, 128].sum(), x)
    reach = 128 - int(gradient.abs().sum((0, 1, 3)).nonzero().min())
    assert net.halo - net.multiple_of < reach <= net.halo


@pytest.mark.parametrize("name", ["restoration", "inpainting"])
def test_an_unknown_block_is_named(name):
    with pytest.raises(ValueError, match="block 'dense' is unknown; expected one of gated, plain"):
        networks.build(name, {"block": "dense"})


@pytest.mark.parametrize("name", ["restoration", "filtering"])
def test_halo_is_the_reach_and_not_more_than_a_phase_larger(name):
    net = randomised(name).double()
    x = torch.zeros(1, 3, 512, 512, dtype=torch.double, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        net(x, second_input(net, x).to(x.dtype if name == "restoration" else torch.long))[0, :, 256, 256].sum(), x
    )
    reach = 256 - int(gradient.abs().sum((0, 1, 3)).nonzero().min())
    assert net.halo - net.multiple_of < reach <= net.halo


def test_level_may_be_a_number_a_vector_or_a_map():
    net = randomised("restoration")
    x = torch.rand(2, 3, 16, 16)
    number = net(x, 0.2)
    assert torch.equal(number, net(x, torch.full((2,), 0.2)))
    assert torch.equal(number, net(x, torch.full((2, 1, 16, 16), 0.2)))
    assert not torch.allclose(number, net(x, 0.1))


def test_what_lies_in_the_hole_is_ignored():
    net = randomised("inpainting")
    x, mask = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    mask[..., 8:20, 10:30] = 1
    assert torch.equal(net(x, mask), net(torch.where(mask > 0, torch.full_like(x, float("nan")), x), mask))


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (32, 33)])
def test_push_pull_keeps_what_is_known_and_stays_within_its_range(size):
    x, mask = torch.rand(2, 3, *size), (torch.rand(2, 1, *size) < 0.6).float()
    mask[..., 0, 0] = 0
    filled = push_pull(x, mask)
    known = mask.expand_as(x) == 0
    assert torch.equal(filled[known], x[known])
    for i in range(2):
        for c in range(3):
            values = x[i, c][mask[i, 0] == 0]
            assert values.min() - 1e-6 <= filled[i, c].min()
            assert filled[i, c].max() <= values.max() + 1e-6


def test_push_pull_of_nothing_known_is_zero():
    assert torch.equal(push_pull(torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8)), torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("block", networks.base.BLOCKS)
def test_inpainting_starts_as_the_denoiser_at_level_zero(block):
    denoiser, generator = randomised("restoration", block=block), networks.build("inpainting", {**U_NET, "block": block}).eval()
    missing = generator.load_state_dict(from_restoration(denoiser.state_dict(), generator), strict=False)
    assert missing.unexpected_keys == []
    assert all(key.startswith("trunk.") for key in missing.missing_keys)
    x, mask = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    mask[..., 8:20, 10:30] = 1
    torch.testing.assert_close(generator(x, mask), denoiser(push_pull(x, mask), 0.0))


def test_smooth_steps_up_take_over_the_mean_of_four_taps():
    denoiser, generator = randomised("restoration"), networks.build("inpainting", {**U_NET, "finish": 4, "trunk": 32})
    state = from_restoration(denoiser.state_dict(), generator)
    missing = generator.load_state_dict(state, strict=False)
    assert missing.unexpected_keys == []
    assert {key.partition(".")[0] for key in missing.missing_keys} == {"trunk", "finish"}
    coarse = torch.rand(1, 16, 5, 4)
    for i in (1, 0):
        steps = torch.nn.functional.avg_pool2d(denoiser.decoder.ups[i](coarse), 2)
        coarse = generator.decoder.ups[i](coarse)
        torch.testing.assert_close(coarse, steps)
    assert from_restoration(generator.state_dict(), generator).keys() == generator.state_dict().keys()


def test_a_hole_that_is_all_there_is_gets_no_grid():
    options, spread = {**U_NET, "dilations": [1, 2], "trunk": 32}, []
    x, mask = torch.rand(1, 3, 320, 320), torch.zeros(1, 1, 320, 320)
    mask[..., 4:316, 4:316] = 1
    for finish in (0, 8):
        net = randomised("inpainting", **options, finish=finish)
        with torch.inference_mode():
            y = net(torch.full_like(x, 0.5), mask)[..., 144:176, 144:176]
        spread.append(float(y.std((2, 3)).max()))
    assert spread[0] > 1e-2
    assert spread[1] < 1e-6


@pytest.mark.parametrize("encoder", networks.base.BLOCKS)
def test_the_encoder_may_have_blocks_of_its_own(encoder):
    net = networks.build("inpainting", {**U_NET, "encoder": encoder})
    built = networks.build("inpainting", {**U_NET, "block": encoder})
    assert [key for key, _ in net.encoder.named_parameters()] == [key for key, _ in built.encoder.named_parameters()]
    assert type(net.decoder.blocks[0][0]).__name__ == "GatedBlock"


def test_options_and_names_are_checked():
    with pytest.raises(ValueError, match="network 'gan' is unknown; expected one of restoration, inpainting, filtering"):
        networks.build("gan")
    with pytest.raises(ValueError, match="options {'depth': 3} do not fit network 'restoration'"):
        networks.build("restoration", {"depth": 3})


def test_operator_and_strength_decide():
    net = randomised("filtering")
    x = torch.rand(2, 3, 16, 16)
    one = net(x, 1, 0.5)
    assert torch.equal(one, net(x, torch.tensor([1, 1]), torch.tensor([0.5, 0.5])))
    assert not torch.allclose(one, net(x, 2, 0.5))
    assert not torch.allclose(one, net(x, 1, 0.6))


def test_operators_are_filters_of_the_table_and_grow_with_their_strength():
    from skimage.data import chelsea

    photo = chelsea()[100:164, 120:184]
    for name, operator in OPERATORS.items():
        assert name in FILTERS
        weak, strong = (np.abs(operator(photo, s).astype(float) - photo).mean() for s in (0.0, 1.0))
        assert weak < strong, name
