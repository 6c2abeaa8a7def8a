import pytest
import torch
import torch.nn.functional as F

from restore import losses
from restore.networks.discriminator import PatchDiscriminator


def logits(seed, shape=(2, 1, 3, 4)):
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def fake():
    """A map of patches: a third of them touched, in one picture of two."""
    fake = torch.zeros(2, 1, 3, 4)
    fake[0, 0, 1:, 1:] = 1
    return fake


def test_logistic_losses_are_binary_cross_entropies():
    real, made = logits(0), logits(1)
    one, zero = torch.ones_like(real), torch.zeros_like(real)
    expected = F.binary_cross_entropy_with_logits(real, one) + F.binary_cross_entropy_with_logits(made, zero)
    torch.testing.assert_close(losses.nonsaturating_discriminator(real, made), expected)
    torch.testing.assert_close(losses.nonsaturating_generator(made), F.binary_cross_entropy_with_logits(made, one))


def test_patches_that_do_not_touch_the_hole_are_labelled_real(fake):
    real, made = logits(0), logits(1)
    expected = F.binary_cross_entropy_with_logits(real, torch.ones_like(real)) + F.binary_cross_entropy_with_logits(made, 1 - fake)
    torch.testing.assert_close(losses.nonsaturating_discriminator(real, made, fake=fake), expected)
    touched = (fake > 0).sum()
    by_hand = (1 - real).clamp_min(0).mean() + ((1 + made).clamp_min(0)[fake > 0].sum() + (1 - made).clamp_min(0)[fake == 0].sum()) / 24
    assert touched == 6
    torch.testing.assert_close(losses.hinge_discriminator(real, made, fake=fake), by_hand)


@pytest.mark.parametrize("kind", losses.ADVERSARIAL)
def test_all_patches_fake_is_the_plain_loss_and_none_is_that_of_real_ones(kind):
    real, made = logits(0), logits(1)
    discriminator = losses.ADVERSARIAL[kind].discriminator
    torch.testing.assert_close(discriminator(real, made, fake=torch.ones(2, 1, 1, 1)), discriminator(real, made))
    torch.testing.assert_close(discriminator(real, made, fake=torch.zeros(2, 1, 3, 4)), discriminator(made, -real))


def test_hinge_by_hand():
    real, made = torch.tensor([[-1.0, 0.5, 2.0]]), torch.tensor([[-2.0, -0.5, 1.0]])
    assert losses.hinge_discriminator(real, made) == pytest.approx((2 + 0.5 + 0) / 3 + (0 + 0.5 + 2) / 3)
    assert losses.hinge_generator(made) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", losses.ADVERSARIAL)
def test_weight_chooses_the_patches_that_teach_the_generator(kind, fake):
    made = logits(1).requires_grad_()
    generator = losses.ADVERSARIAL[kind].generator
    loss = generator(made, weight=fake)
    torch.testing.assert_close(loss, generator(made[:1, :, 1:, 1:]) / 2)  # the second picture has no patch: 0
    loss.backward()
    assert torch.equal(made.grad != 0, fake > 0)


@pytest.mark.parametrize("kind", losses.ADVERSARIAL)
def test_the_losses_pull_apart(kind):
    generator, discriminator = losses.ADVERSARIAL[kind]
    real, made = torch.full((1, 1, 2, 2), 0.3, requires_grad=True), torch.full((1, 1, 2, 2), 0.3, requires_grad=True)
    discriminator(real, made).backward()
    assert (real.grad < 0).all()
    assert (made.grad > 0).all()
    made.grad = None
    generator(made).backward()
    assert (made.grad < 0).all()


def test_nothing_overflows():
    far = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    loss = losses.nonsaturating_discriminator(far, far) + losses.nonsaturating_generator(far)
    loss.backward()
    assert loss.isfinite()
    assert far.grad.isfinite().all()


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weight():
    linear = torch.nn.Linear(3 * 4 * 4, 1).double()
    pictures = torch.rand(5, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    penalty = losses.r1(linear(pictures.flatten(1)), pictures)
    torch.testing.assert_close(penalty, linear.weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(linear.weight.grad, 2 * linear.weight)


def test_r1_teaches_the_discriminator():
    torch.manual_seed(0)
    net, x = PatchDiscriminator(2, 4).double(), torch.rand(2, 3, 16, 20, dtype=torch.float64).requires_grad_()
    penalty = losses.r1(net(x)[0], x)
    penalty.backward()
    weight = net.stages[1][0].weight
    gradient, step = weight.grad[0, 0, 0, 0].item(), 1e-6
    with torch.no_grad():
        weight[0, 0, 0, 0] += step
    shifted = losses.r1(net(x)[0], x)
    assert gradient != 0
    assert (shifted - penalty).item() / step == pytest.approx(gradient, rel=1e-3)
    single = [losses.r1(net(one)[0], one) for one in (one[None].detach().requires_grad_() for one in x)]
    torch.testing.assert_close(shifted, sum(single) / 2)


def test_feature_matching_by_hand():
    fakes, reals = [logits(i, (2, 3, 4 + i, 5)) for i in range(3)], [logits(9 + i, (2, 3, 4 + i, 5)) for i in range(3)]
    absolute = sum((a - b).abs().mean() for a, b in zip(fakes, reals, strict=True)) / 3
    squared = sum((a - b).square().mean() for a, b in zip(fakes, reals, strict=True)) / 3
    torch.testing.assert_close(losses.feature_matching(fakes, reals), absolute)
    torch.testing.assert_close(losses.feature_matching(fakes, reals, distance="mse"), squared)
    fakes, reals = [x.requires_grad_() for x in fakes], [x.requires_grad_() for x in reals]
    losses.feature_matching(fakes, reals).backward()
    assert all(x.grad.any() for x in fakes)
    assert all(x.grad is None for x in reals)


def test_wrong_calls_are_refused():
    real, made = logits(0), logits(1)
    for discriminator in (losses.nonsaturating_discriminator, losses.hinge_discriminator):
        with pytest.raises(
            ValueError, match=r"the map of fake patches has shape \(2, 1, 6, 8\); expected one that expands to \(2, 1, 3, 4\)"
        ):
            discriminator(real, made, fake=torch.ones(2, 1, 6, 8))
    for generator in (losses.nonsaturating_generator, losses.hinge_generator):
        with pytest.raises(ValueError, match=r"the weight has shape \(2, 3, 4\); expected one that expands to \(2, 1, 3, 4\)"):
            generator(made, weight=torch.ones(2, 3, 4))
    with pytest.raises(ValueError, match=r"the pictures require no gradient; expected requires_grad_\(\)"):
        losses.r1(real, torch.rand(2, 3, 8, 8))
    with pytest.raises(ValueError, match="0 maps of fakes and 0 of photographs; expected as many, and at least one"):
        losses.feature_matching([], [])
    with pytest.raises(ValueError, match="1 maps of fakes and 2 of photographs"):
        losses.feature_matching([real], [real, made])
    with pytest.raises(ValueError, match="the prediction has shape"):
        losses.feature_matching([real], [real[:1]])
    with pytest.raises(ValueError, match="distance 'l3' is unknown; expected one of l1, mse"):
        losses.feature_matching([real], [made], distance="l3")


def test_relativistic_asks_only_which_of_the_two_looks_more_real():
    torch.manual_seed(0)
    mine, other, weight = torch.randn(2, 1, 3, 4), torch.randn(2, 1, 3, 4), torch.rand(2, 1, 3, 4)
    expected = (-torch.log(torch.sigmoid(mine - other)) * weight).mean()
    torch.testing.assert_close(losses.relativistic(mine, other, weight=weight), expected)
    torch.testing.assert_close(losses.relativistic(mine + 7, other + 7, weight=weight), expected)
    torch.testing.assert_close(losses.relativistic(mine, other), -torch.log(torch.sigmoid(mine - other)).mean())
    halves = [losses.relativistic(mine[i : i + 1], other[i : i + 1], weight=weight[i : i + 1]) for i in (0, 1)]
    torch.testing.assert_close(sum(halves) / 2, expected)
    assert losses.relativistic(torch.full((1, 1, 1, 1), -200.0), torch.zeros(1, 1, 1, 1)) == 200
    with pytest.raises(ValueError, match="weight has shape"):
        losses.relativistic(mine, other, weight=weight[..., :2])
