import pytest
import torch
from torch import nn

from restore import losses
from restore.networks.discriminator import FeatureDiscriminator, PatchDiscriminator
from restore.nn.arithmetic import summary


def small(layers=2, **options):
    torch.manual_seed(0)
    return PatchDiscriminator(layers, 4, **options)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142)])  # Isola et al., appendix 6.1.2: 16, 70
def test_receptive_field_is_that_of_the_paper(layers, field):
    net = small(layers, norm="none")
    assert net.field == field
    assert max(row.field[0] for row in summary(net, 256).rows) == field


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("size", [(24, 24), (25, 39), (97, 64)])
def test_touched_patches_are_those_whose_logit_changes(layers, size):
    net = small(layers, norm="none").double()
    x, mask = torch.rand(2, 3, *size, dtype=torch.float64), torch.zeros(2, 1, *size)
    mask[0, 0, 3, size[1] // 2], mask[1, 0, -1, -1] = 1, 1
    with torch.no_grad():
        changed = net(x)[0] != net(x + mask)[0]
    assert changed.shape[-2:] == net.grid(*size)
    assert torch.equal(net.touched(mask, field=True), changed.float())


def test_shared_out_among_patches_every_pixel_makes_one_fake():
    net = small(4)
    for row, column in ((0, 0), (255, 255), (0, 130), (77, 200)):
        mask = torch.zeros(1, 1, 256, 256, dtype=torch.uint8)
        mask[..., row, column] = 1
        touched = net.touched(mask)
        assert touched.shape == (1, 1, 14, 14)
        assert 1 <= touched.sum() <= 4
        assert (touched <= net.touched(mask, field=True)).all()
    assert not net.touched(torch.zeros(1, 1, 256, 256)).any()
    assert net.touched(torch.ones(1, 1, 256, 256)).all()


@pytest.mark.parametrize("options", [{}, {"norm": "none", "spectral": True, "takes_mask": True}, {"norm": "batch"}])
def test_shapes_and_gradients(options):
    net = small(3, **options)
    x = torch.rand(2, 3, 48, 64)
    logits, maps = net(x, *([torch.ones(2, 1, 48, 64)] if net.takes_mask else []))
    assert logits.shape == (2, 1, *net.grid(48, 64)) == (2, 1, 4, 6)
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 24, 32), (8, 12, 16), (16, 6, 8), (32, 5, 7)]
    (logits.square().mean() + sum(m.square().mean() for m in maps)).backward()
    assert [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_samples_are_judged_apart_from_each_other():
    net, x = small(3), torch.rand(3, 3, 48, 48)
    with torch.no_grad():
        loop = torch.cat([net(one[None])[0] for one in x])
        torch.testing.assert_close(net(x)[0], loop, atol=1e-5, rtol=0)


def test_channels_double_up_to_eight_times_the_width():
    convolutions = [m for m in PatchDiscriminator(5, 4, channels=1, takes_mask=True).modules() if isinstance(m, nn.Conv2d)]
    assert [m.in_channels for m in convolutions] == [2, 4, 8, 16, 32, 32, 32]
    assert [m.stride[0] for m in convolutions] == [2, 2, 2, 2, 2, 1, 1]
    assert convolutions[-1].out_channels == 1


def test_spectral_norm_bounds_each_kernel():
    net = small(2, norm="none", spectral=True)
    for _ in range(30):  # one power iteration for each pass in training
        net(torch.rand(1, 3, 16, 16))
    norms = [torch.linalg.matrix_norm(m.weight.flatten(1), 2) for m in net.modules() if isinstance(m, nn.Conv2d)]
    torch.testing.assert_close(torch.stack(norms), torch.ones(4), atol=1e-2, rtol=0)


def test_the_mask_is_seen():
    net, x, mask = small(takes_mask=True), torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    with torch.no_grad():
        before = net(x, mask)[0]
        mask[..., 16:, 16:] = 1
        assert not torch.equal(net(x, mask)[0], before)


@pytest.mark.parametrize("kind", losses.ADVERSARIAL)
def test_it_learns_which_patches_were_made(kind):
    """Noise with dark holes, LaMa's labels, R1: after a few steps the touched patches look less real than the others."""
    net = small(1, norm="none", spectral=kind == "hinge")
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60):
        real, photograph = torch.rand(2, 4, 3, 32, 32)
        mask = torch.zeros(4, 1, 32, 32)
        mask[:2, :, 4:20, 4:20], mask[2:, :, 14:, 14:] = 1, 1
        made, fake = torch.where(mask > 0, 0.1, photograph), net.touched(mask)
        (real_logits, _), (logits, _) = net(real.requires_grad_()), net(made)
        loss = losses.ADVERSARIAL[kind].discriminator(real_logits, logits, fake=fake) + 0.001 * losses.r1(real_logits, real)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    inside, clear = net.touched(1 - mask) == 0, net.touched(mask, field=True) == 0
    assert logits[inside].mean() + 0.5 < logits[clear].mean()
    assert logits[inside].mean() + 0.5 < real_logits.mean()


def test_wrong_calls_are_refused():
    x, mask = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    with pytest.raises(ValueError, match="a mask was given; takes_mask is False"):
        small()(x, mask)
    with pytest.raises(ValueError, match="no mask was given; takes_mask is True"):
        small(takes_mask=True)(x)
    net = small(3)
    assert net.grid(24, 24) == (1, 1)
    for call in (lambda: net(x[..., :23]), lambda: net.touched(mask[..., :23]), lambda: net.grid(32, 23)):
        with pytest.raises(ValueError, match="the picture is 23x32; expected at least 24x24"):
            call()
    with pytest.raises(ValueError, match="0 layers, width 64, 3 channels; expected 1 or more of each"):
        PatchDiscriminator(0)
    with pytest.raises(ValueError, match="norm 'spectral' is unknown"):
        PatchDiscriminator(norm="spectral")


# on what another network sees


def seen(seed=0):
    torch.manual_seed(seed)
    return torch.rand(2, 3, 32, 48), [torch.rand(2, 8, 16, 24), torch.rand(2, 16, 7, 11)]


def test_a_head_for_each_map_and_one_for_the_picture():
    net = FeatureDiscriminator([8, 16], 12)
    x, maps = seen()
    maps = [m.requires_grad_() for m in (x, *maps)]
    logits = net(maps[0], maps[1:])
    assert [tuple(logit.shape) for logit in logits] == [(2, 1, 16, 24), (2, 1, 16, 24), (2, 1, 7, 11)]
    sum(logit.square().mean() for logit in logits).backward()
    assert [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(m.grad.any() for m in maps)


def test_maps_count_by_their_direction_alone():
    net = FeatureDiscriminator([8, 16], 12).eval()
    x, maps = seen()
    with torch.no_grad():
        for a, b in zip(net(x, maps), net(x, [1000 * m for m in maps]), strict=True):
            torch.testing.assert_close(a, b)
        assert all(torch.isfinite(logit).all() for logit in net(x, [0 * m for m in maps]))


def test_logits_are_as_steep_as_the_gain_says():
    """Each head's slope is at most 1 before it: of a convolution of 3x3 some more, as its kernel and not its matrix is divided."""
    x, maps = seen()
    torch.manual_seed(1)
    net = FeatureDiscriminator([8, 16], 12, gain=1.0)
    torch.manual_seed(1)
    steep = FeatureDiscriminator([8, 16], 12, gain=3.0)
    for once, thrice in zip(net(x, maps), steep(x, maps), strict=True):
        torch.testing.assert_close(3 * once, thrice)


def test_patches_are_judged_that_are_a_third_hole():
    mask = torch.zeros(1, 1, 32, 48)
    mask[..., :10, :] = 1
    logits = [torch.zeros(1, 1, 16, 24), torch.zeros(1, 1, 4, 6)]
    fine, coarse = FeatureDiscriminator.touched(mask, logits)
    assert fine[0, 0, :, 3].tolist() == [1.0] * 5 + [0.0] * 11
    assert coarse[0, 0, :, 3].tolist() == [1.0, 0.0, 0.0, 0.0]  # the second has 2 rows of 8
    mask[..., :11, :] = 1
    assert FeatureDiscriminator.touched(mask, logits)[1][0, 0, :, 3].tolist() == [1.0, 1.0, 0.0, 0.0]
