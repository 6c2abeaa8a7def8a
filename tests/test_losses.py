import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import skimage
import torch
import torch.nn.functional as F
from scipy.ndimage import uniform_filter
from torchvision.ops import sigmoid_focal_loss

from restore import losses, metrics

PAIRS = {
    "l1": losses.l1,
    "mse": losses.mse,
    "charbonnier": losses.charbonnier,
    "hole_l1": lambda x, y: losses.hole_l1(x, y, hole(y)),
    "ssim": losses.ssim,
    "weighted ssim": lambda x, y: losses.ssim(x, y, weight=hole(y)),
    "frequency_l1": losses.frequency_l1,
    "focal_frequency": losses.focal_frequency,
    "total_variation": lambda x, y: losses.total_variation(x - y),
    "isotropic": lambda x, y: losses.total_variation(x - y, isotropic=True, weight=hole(y)),
    "dice": lambda x, y: losses.dice(10 * x - 5, y),
    "focal": lambda x, y: losses.focal(10 * x - 5, y),
    "bce_dice": lambda x, y: losses.bce_dice(10 * x - 5, y),
    "cross_entropy": lambda x, y: losses.cross_entropy(10 * x, y.argmax(1), smoothing=0.1, gamma=0.5),
}
"""Name -> loss of two pictures (N, 3, H, W) in [0, 1]."""
NOT_ZERO = {
    "charbonnier": "eps where they are equal",
    "dice": "a logit has no value that is 1",
    "focal": "the same",
    "bce_dice": "the same",
    "cross_entropy": "the same",
}


def hole(y):
    """Where the first channel is bright, (N, 1, H, W)."""
    return (y[:, :1] > 0.6).to(torch.uint8)


def pictures(*shape, seed=0, dtype=torch.float32):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("name", PAIRS)
def test_the_loss_of_a_batch_is_the_mean_of_the_losses_of_its_samples(name):
    x, y = pictures(2, 3, 16, 20), pictures(2, 3, 16, 20, seed=1).round(decimals=1)
    single = [PAIRS[name](x[i : i + 1], y[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(PAIRS[name](x, y), (single[0] + single[1]) / 2)
    assert single[0] != single[1]


@pytest.mark.parametrize("name", PAIRS)
def test_equal_pictures_have_the_least_loss_and_a_finite_gradient(name):
    y = torch.zeros(2, 3, 16, 20)
    y[..., 8:, :10], y[0, 1] = 1, 0.25  # flat parts, and equal ones
    y = y.round() if name in ("dice", "focal", "bce_dice") else y
    x = y.clone().requires_grad_()
    loss = PAIRS[name](x, y)
    loss.backward()
    assert x.grad.isfinite().all()
    assert loss < PAIRS[name](y + 0.3 * (pictures(2, 3, 16, 20) - 0.5), y)
    assert abs(loss) < 1e-6 or name in NOT_ZERO


@pytest.mark.parametrize("name", PAIRS)
def test_gradients_are_those_of_finite_differences(name):
    x, y = (pictures(1, 3, 11, 12, seed=seed, dtype=torch.float64) for seed in (0, 1))
    y = y.round() if name in ("dice", "focal", "bce_dice") else y
    loss = partial(losses.focal_frequency, alpha=0.0) if name == "focal_frequency" else PAIRS[name]  # no gradient through its weight
    assert torch.autograd.gradcheck(loss, (x.requires_grad_(), y), eps=1e-7, atol=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_autocast_changes_nothing_and_half_precision_is_raised(name):
    x, y = pictures(2, 3, 16, 20), pictures(2, 3, 16, 20, seed=1)
    outside = PAIRS[name](x, y)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(PAIRS[name](x, y), outside)
    assert PAIRS[name](x.bfloat16(), y.bfloat16()).dtype == torch.float32
    assert PAIRS[name](x.double(), y.double()).dtype == torch.float64


@pytest.mark.parametrize("name", sorted(set(PAIRS) - {"total_variation", "isotropic", "cross_entropy"}))
def test_shapes_that_differ_are_refused(name):
    message = r"the prediction has shape \(2, 3, 16, 20\); expected the target's \(2, 3, 1, 20\)"
    with pytest.raises(ValueError, match=message):
        PAIRS[name](pictures(2, 3, 16, 20), pictures(2, 3, 1, 20))


@pytest.mark.parametrize("loss", [losses.l1, losses.mse, losses.charbonnier])
def test_weighted_is_the_loss_of_what_has_weight(loss):
    x, y = pictures(2, 3, 8, 9), pictures(2, 3, 8, 9, seed=1)
    mask = torch.zeros(2, 1, 8, 9, dtype=torch.uint8)
    mask[0, :, 2:5, 3:7], mask[1, :, :1] = 1, 1
    expected = (loss(x[:1, :, 2:5, 3:7], y[:1, :, 2:5, 3:7]) + loss(x[1:, :, :1], y[1:, :, :1])) / 2
    torch.testing.assert_close(loss(x, y, weight=mask), expected)
    torch.testing.assert_close(loss(x, y, weight=0.25 * mask), expected)
    torch.testing.assert_close(loss(x, y, weight=torch.ones(2, 3, 8, 9)), loss(x, y))
    assert loss(x, y, weight=torch.zeros(2, 1, 8, 9)) == 0
    for shape in ((2, 1, 8, 8), (1, 2, 8, 9), (8, 9)):
        with pytest.raises(ValueError, match=r"the weight has shape .*; expected one that expands to \(2, 3, 8, 9\)"):
            loss(x, y, weight=torch.ones(shape))


def test_l1_and_mse_are_torchs():
    x, y = pictures(2, 3, 8, 9), pictures(2, 3, 8, 9, seed=1)
    torch.testing.assert_close(losses.l1(x, y), F.l1_loss(x, y))
    torch.testing.assert_close(losses.mse(x, y), F.mse_loss(x, y))


def test_charbonnier_by_hand():
    prediction, target = torch.tensor([[[[3.0, 0.0]]]]), torch.tensor([[[[0.0, 0.0]]]])
    expected = ((9 + 16) ** 0.5 + 4) / 2
    torch.testing.assert_close(losses.charbonnier(prediction, target, eps=4.0), torch.tensor(expected))
    with pytest.raises(ValueError, match="eps is 0; expected a number above 0"):
        losses.charbonnier(prediction, target, eps=0)


def test_hole_l1_counts_hole_pixels_only():
    prediction, target = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    prediction[..., 0, 0], prediction[..., 1, 1] = 0.5, 9.0
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    torch.testing.assert_close(losses.hole_l1(prediction, target, mask), torch.tensor(0.25))
    assert losses.hole_l1(prediction, target, torch.zeros_like(mask)) == 0


def test_hole_l1_counts_less_far_inside_of_large_holes():
    target, prediction = torch.zeros(2, 3, 64, 64), torch.ones(2, 3, 64, 64)
    mask = torch.zeros(2, 1, 64, 64)
    mask[0, :, 30:33], mask[1, :, 8:56, 8:56] = 1, 1
    share = uniform_filter(np.pad(mask[:, 0].numpy(), ((0, 0), (8, 8), (8, 8))), (0, 17, 17), mode="constant")[:, 8:-8, 8:-8]
    weight, inside = 1 - 0.8 * share, mask[:, 0].numpy() > 0
    inside[:, :8], inside[:, 56:], inside[..., :8], inside[..., 56:] = (False,) * 4  # at the border a window is smaller
    loss = losses.hole_l1(prediction[1:], target[1:], mask[1:], deep=0.2, window=17)
    torch.testing.assert_close(float(loss), float(weight[1][inside[1]].mean()), atol=1e-5, rtol=0)
    thin, large = (float(losses.hole_l1(prediction[i : i + 1], target[i : i + 1], mask[i : i + 1], deep=0.2)) for i in (0, 1))
    assert large < 0.6
    assert 0.9 < thin < 1
    with pytest.raises(ValueError, match="deep is 1.5; expected 0 to 1"):
        losses.hole_l1(prediction, target, mask, deep=1.5)


def test_ssim_is_that_of_scikit_image_and_of_our_metric():
    clean = skimage.data.chelsea()[:90, :110].astype(np.float64) / 255
    noisy = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)
    x, y = (torch.from_numpy(p).permute(2, 0, 1)[None] for p in (noisy, clean))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1, "channel_axis": 2}
    expected, everywhere = skimage.metrics.structural_similarity(noisy, clean, full=True, **options)
    assert 0.2 < expected < 0.8
    assert float(losses.ssim(x, y)) == pytest.approx(1 - expected, abs=1e-9)
    assert float(losses.ssim(x, y)) == pytest.approx(1 - metrics.ssim(noisy, clean), abs=1e-9)
    assert float(losses.ssim(x.float(), y.float())) == pytest.approx(1 - expected, abs=1e-5)
    mask = torch.zeros(1, 1, 90, 110)
    mask[..., 20:40, :60] = 1  # the 5 columns at the border have no window
    assert float(losses.ssim(x, y, weight=mask)) == pytest.approx(1 - everywhere[20:40, 5:60].mean(), abs=1e-9)
    with pytest.raises(ValueError, match="the pictures are 12x10; expected at least 11 pixels each way"):
        losses.ssim(x[..., :10, :12], y[..., :10, :12])
    with pytest.raises(ValueError, match="the weight has shape"):
        losses.ssim(x, y, weight=mask[..., :-1])


def test_frequency_losses_are_those_of_numpy():
    x, y = (pictures(2, 3, 9, 12, seed=seed, dtype=torch.float64) for seed in (0, 1))
    spectrum = np.fft.fft2((x - y).numpy(), norm="ortho")
    expected = (np.abs(spectrum.real).mean() + np.abs(spectrum.imag).mean()) / 2
    assert float(losses.frequency_l1(x, y)) == pytest.approx(expected)
    for alpha in (1.0, 0.5):
        weight = np.abs(spectrum) ** alpha
        weight /= weight.max((-2, -1), keepdims=True)
        assert float(losses.focal_frequency(x, y, alpha=alpha)) == pytest.approx((weight * np.abs(spectrum) ** 2).mean())
    torch.testing.assert_close(losses.focal_frequency(x, y, alpha=0.0), losses.mse(x, y))  # Parseval
    with pytest.raises(ValueError, match="alpha is -1; expected a number from 0"):
        losses.focal_frequency(x, y, alpha=-1)


def test_total_variation_by_hand():
    x = torch.tensor([[[[0.0, 3.0, 3.0], [4.0, 4.0, 4.0], [4.0, 4.0, 9.0]]]])
    across, down = [3, 0, 0, 0, 0, 0, 0, 5, 0], [4, 1, 1, 0, 0, 5, 0, 0, 0]
    assert float(losses.total_variation(x)) == pytest.approx((sum(across) + sum(down)) / 9)
    assert float(losses.total_variation(x, isotropic=True)) == pytest.approx((5 + 1 + 1 + 5 + 5) / 9)
    first = torch.zeros(1, 1, 3, 3)
    first[..., 0, 0] = 1
    assert float(losses.total_variation(x, isotropic=True, weight=first)) == 5
    with pytest.raises(ValueError, match=r"the pictures have shape \(3, 3\); expected \(N, C, H, W\)"):
        losses.total_variation(x[0, 0])
    with pytest.raises(ValueError, match="the weight has shape"):
        losses.total_variation(x, weight=first[..., :2])


def test_total_variation_of_a_disc_is_its_border_only_if_isotropic():
    rows, columns = np.mgrid[:256, :256] - 127.5
    smooth = 1 / (1 + np.exp((np.hypot(rows, columns) - 80) / 4))
    x = torch.from_numpy(smooth)[None, None]
    assert float(losses.total_variation(x, isotropic=True)) * 256**2 == pytest.approx(2 * np.pi * 80, rel=2e-3)
    assert float(losses.total_variation(x)) * 256**2 == pytest.approx(8 * 80, rel=2e-3)


def test_dice_by_hand():
    target = torch.zeros(2, 1, 4, 4)
    target[0, 0, :2] = 1
    found = torch.zeros(2, 1, 4, 4)
    found[0, 0, 1:3] = 1
    logits = 200 * found - 100
    assert float(losses.dice(logits, target)) == pytest.approx(((1 - 9 / 17) + 0) / 2)  # the second is empty and found so
    assert float(losses.dice(logits, target, smooth=1e-6)) == pytest.approx(
        (1 - metrics.dice(found[0, 0].numpy(), target[0, 0].numpy())) / 2
    )
    with pytest.raises(ValueError, match="smooth is 0; expected a number above 0"):
        losses.dice(logits, target, smooth=0)


def test_focal_is_torchvisions():
    logits, target = 8 * pictures(2, 1, 6, 7) - 4, pictures(2, 1, 6, 7, seed=1).round()
    for gamma, alpha in ((2.0, 0.25), (0.5, 0.75), (0.0, None), (3.0, None)):
        expected = sigmoid_focal_loss(logits, target, alpha=-1 if alpha is None else alpha, gamma=gamma, reduction="mean")
        torch.testing.assert_close(losses.focal(logits, target, gamma=gamma, alpha=alpha), expected)
    torch.testing.assert_close(losses.focal(logits, target, gamma=0, alpha=None), F.binary_cross_entropy_with_logits(logits, target))
    far = torch.tensor([[-300.0, 300.0]], requires_grad=True)
    losses.focal(far, torch.tensor([[0.0, 1.0]]), gamma=0.5).backward()
    assert far.grad.isfinite().all()
    for gamma, alpha in ((-1, 0.5), (2, 1.5)):
        with pytest.raises(ValueError, match=f"gamma is {gamma} and alpha {alpha}; expected gamma from 0, and alpha from 0 to 1 or None"):
            losses.focal(logits, target, gamma=gamma, alpha=alpha)


def test_bce_dice_is_a_mixture_of_both():
    logits, target = 8 * pictures(2, 1, 6, 7) - 4, pictures(2, 1, 6, 7, seed=1).round()
    entropy = F.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(losses.bce_dice(logits, target, dice_weight=0), entropy)
    torch.testing.assert_close(losses.bce_dice(logits, target, dice_weight=1), losses.dice(logits, target))
    torch.testing.assert_close(losses.bce_dice(logits, target, dice_weight=0.25), 0.75 * entropy + 0.25 * losses.dice(logits, target))
    with pytest.raises(ValueError, match="dice_weight is 2; expected 0 to 1"):
        losses.bce_dice(logits, target, dice_weight=2)


@pytest.mark.parametrize("shape", [(5, 4), (2, 4, 3, 3)])
def test_cross_entropy_is_torchs_and_its_focus_by_hand(shape):
    logits, labels = 6 * pictures(*shape), torch.randint(4, (shape[0], *shape[2:]), generator=torch.Generator().manual_seed(0))
    for smoothing in (0.0, 0.1):
        torch.testing.assert_close(
            losses.cross_entropy(logits, labels, smoothing=smoothing), F.cross_entropy(logits, labels, label_smoothing=smoothing)
        )
    p = logits.softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(losses.cross_entropy(logits, labels, gamma=2.0), (-((1 - p) ** 2) * p.log()).mean())
    sure = torch.tensor([[500.0, 0.0]], requires_grad=True)
    losses.cross_entropy(sure, torch.tensor([0]), gamma=0.5).backward()
    assert sure.grad.isfinite().all()
    for smoothing, gamma in ((2, 0), (0, -1)):
        with pytest.raises(
            ValueError, match=f"smoothing is {smoothing} and gamma {gamma}; expected smoothing from 0 to 1 and gamma from 0"
        ):
            losses.cross_entropy(logits, labels, smoothing=smoothing, gamma=gamma)


def test_two_classes_are_one_logit():
    logits, labels = 8 * pictures(1, 2, 6, 7) - 4, pictures(1, 6, 7, seed=1).round().long()
    one = (logits[:, 1] - logits[:, 0])[:, None]
    expected = losses.focal(one, labels[:, None].float(), gamma=1.5, alpha=None)
    torch.testing.assert_close(losses.cross_entropy(logits, labels, gamma=1.5), expected)


def test_importing_the_losses_imports_no_heavy_package():
    code = "import sys, restore.losses; print([m for m in ('lpips', 'torchvision', 'albumentations', 'gradio') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
