"""What deblurrers learn from: kernels against their widths, crops against SciPy's correlation, scores against metrics on arrays."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data as photographs
from torch import nn

from restore import data, metrics
from restore.degrade.blur import benchmark_kernels, disk_kernels, gaussian_kernels, motion_kernels
from restore.draws import Draws
from restore.tasks.deblur import MAX_WIDTH, level_of
from restore.training import deblur
from restore.training.base import MULTIPLE
from restore.training.deblur import MARGIN, Deblur, width

CLEAR = {"noise": 0.0, "rounded": 0.0, "coded": 0.0, "grey": 0.0}


def crops(count, side):
    picture = photographs.astronaut()
    return data.to_tensor(np.stack([picture[8 * i : 8 * i + side, 130 : 130 + side] for i in range(count)]))


def test_the_width_of_a_kernel():
    sigma = torch.tensor([0.7, 1.5, 3.0])
    torch.testing.assert_close(width(gaussian_kernels(sigma, sigma, torch.zeros(3), 33)), sigma, rtol=2e-3, atol=0)
    flat = width(gaussian_kernels(sigma, sigma / 2, torch.full((3,), 30.0), 33))
    torch.testing.assert_close(flat[1:], sigma[1:] * (1.25 / 2) ** 0.5, rtol=5e-3, atol=0)
    torch.testing.assert_close(width(disk_kernels(torch.tensor([4.0, 10.0]), 33)), torch.tensor([2.0, 5.0]), rtol=2e-2, atol=0)
    straight = torch.stack([torch.linspace(-6, 6, 1000), torch.zeros(1000)], 1)[None]
    torch.testing.assert_close(width(motion_kernels(straight, 33)), torch.tensor([12 / 24**0.5]), rtol=2e-2, atol=0)
    beside = torch.zeros(1, 33, 33)
    beside[0, 3, 5] = 0.5  # neither on the centre nor of sum 1
    assert width(beside) == 0


def test_crops_are_what_their_kernels_make_of_them(monkeypatch):
    seen = []
    real = Deblur.kernels
    monkeypatch.setattr(Deblur, "kernels", lambda self, draws: seen.append(real(self, draws)) or seen[-1])
    clean = crops(12, 72)
    batch = Deblur(**CLEAR, sharp=0.0, told=1.0).draw(clean, Draws(0, range(12)))
    assert torch.equal(batch["clean"], clean[..., 16:-16, 16:-16])
    for number in range(12):
        kernel = seen[0][number].numpy()
        wanted = [ndimage.correlate(plane, kernel, mode="constant")[16:-16, 16:-16] for plane in clean[number].numpy()]
        np.testing.assert_allclose(batch["blurred"][number], wanted, atol=2e-6)
    told = [level_of(min(float(spread), MAX_WIDTH)) for spread in width(seen[0])]
    assert batch["level"].tolist() == pytest.approx(told)


def test_kernels_are_of_three_kinds_within_their_bounds():
    kernels = Deblur().kernels(Draws(3, range(600)))
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(600))
    spread = width(kernels)
    assert 0.05 < spread.min() < 0.6
    assert 2.4 < spread.max() < 8
    mirrored = (kernels - kernels.flip(1, 2)).abs().amax((1, 2)) < 1e-5
    assert 0.44 < mirrored.double().mean() < 0.56  # Gaussians and disks
    shaken = Deblur(shaken=1.0).kernels(Draws(3, range(60)))
    assert ((shaken - shaken.flip(1, 2)).abs().amax((1, 2)) > 1e-5).double().mean() > 0.9


def test_sharp_crops_come_as_they_are_and_untold():
    clean = crops(6, 48)
    batch = Deblur(**CLEAR, sharp=1.0, told=1.0).draw(clean, Draws(0, range(6)))
    torch.testing.assert_close(batch["blurred"], batch["clean"], rtol=0, atol=1e-6)
    assert not batch["level"].any()


def test_noise_rounding_and_files():
    clean = torch.full((200, 3, 48, 48), 0.5)
    noisy = Deblur(noise=4.0, rounded=0.0, coded=0.0, grey=0.0).draw(clean, Draws(0, range(200)))["blurred"]
    levels = (255 * noisy).std((1, 2, 3))
    assert levels.min() < 0.2
    assert 3.7 < levels.max() < 4.3
    assert abs(levels.mean() - 2) < 0.25
    rounded = Deblur(noise=4.0, rounded=1.0, coded=0.0, grey=0.0).draw(clean, Draws(0, range(200)))["blurred"]
    torch.testing.assert_close(rounded, (noisy * 255).round() / 255)
    coded = Deblur(noise=4.0, rounded=0.0, coded=1.0, grey=0.0, quality=(75.0, 75.0)).draw(clean, Draws(0, range(200)))["blurred"]
    torch.testing.assert_close(coded, deblur.degrade.jpeg(rounded, torch.full((200,), 75.0)))


def test_draws_are_the_samples_own():
    clean = crops(6, 48)
    whole, part = (Deblur().draw(clean[i:], Draws(1, range(i, 6))) for i in (0, 4))
    for key in whole:
        torch.testing.assert_close(whole[key][4:], part[key])


def test_grey_crops_have_grey_noise():
    batch = Deblur(grey=1.0, noise=50.0, coded=0.0).draw(crops(6, 48), Draws(0, range(6)))
    for key in ("clean", "blurred"):
        assert torch.equal(batch[key], batch[key][:, :1].expand(-1, 3, -1, -1))
    wanted = crops(6, 48)[..., 16:-16, 16:-16]
    torch.testing.assert_close(batch["clean"][:, 0], torch.einsum("nchw,c->nhw", wanted, torch.tensor([0.299, 0.587, 0.114])))


class Same(nn.Module):
    def forward(self, x, level):
        assert level == 0
        return x


def test_scores_are_those_of_the_metric_on_arrays():
    objective, photograph = Deblur(), photographs.astronaut()
    batches = objective.questions(photograph, 96)
    scores = objective.validate(Same(), batches)
    assert scores.pop("gain") == 0
    assert scores.keys() == {f"psnr_{name}" for name in benchmark_kernels()}
    top = (512 - 96) // 2
    clean = photograph[top : top + 96, top : top + 96]
    kernel = benchmark_kernels()["disk_3"].numpy()
    blurred = np.stack([ndimage.correlate(plane / 255, kernel, mode="mirror") for plane in np.moveaxis(clean, 2, 0)], 2)
    cut = slice(MARGIN, 96 - MARGIN)
    noise = Draws(0, [0]).normal(3, 64, 64)[0].permute(1, 2, 0).numpy()
    seen = np.clip(np.rint(255 * blurred[cut, cut] + 2.55 * noise), 0, 255).astype(np.uint8)
    assert scores["psnr_disk_3"] == pytest.approx(metrics.psnr(clean[cut, cut], seen), abs=1e-3)
    assert MULTIPLE % 8 == 0


def test_what_is_shown():
    shown = Deblur().show(Same(), Deblur().questions(photographs.astronaut(), 96)[0], 0)
    assert [x.shape for x in shown.values()] == [(1, 3, 64, 64)] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": (0.0, 2.0)}, r"objective.sigma starts at 0; expected a number above 0"),
        ({"radius": (1.0, 20.0)}, r"objective.radius is 1,20; expected 0 to 16, the lower before the higher"),
        ({"length": (9.0, 2.0)}, r"objective.length is 9,2; expected 0 to 32"),
        ({"quality": (0.0, 90.0)}, r"objective.quality starts at 0"),
        ({"noise": -1.0}, r"objective.noise is -1; expected 0 to 255"),
        ({"told": 1.5}, r"objective.told is 1.5; expected 0 to 1"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(ValueError, match=message):
        Deblur(**options)


def test_a_crop_without_a_middle():
    with pytest.raises(ValueError, match="crop is 32; expected more than the 32 pixels that its edges give up"):
        Deblur().draw(torch.zeros(1, 3, 32, 32), Draws(0, [0]))
