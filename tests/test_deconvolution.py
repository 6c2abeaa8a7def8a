"""Kernels that are found in pictures and undone: least squares, few edges, the denoiser, borders, what is refused."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data

from restore import deconvolution, psf
from restore.degrade.blur import Walk, blur, disk_kernels, motion_kernels
from restore.draws import Draws
from restore.image import full_scale
from restore.metrics import psnr

SIGMA = 2 / 255


def shake(length: float, number: int = 0, size: int = 25) -> np.ndarray:
    path = length * Walk()(Draws(3, [number]), (1, 3, size, size), np.ones(1))
    return motion_kernels(path, size)[0].numpy()


def seen(sharp: np.ndarray, kernel: np.ndarray, noise: float = SIGMA) -> np.ndarray:
    """A sharp picture (H, W, C) seen through a kernel, without the rim into which others' light came."""
    x = torch.from_numpy(sharp).permute(2, 0, 1)[None]
    blurred = blur(x, torch.from_numpy(np.array(kernel))[None])[0].permute(1, 2, 0).numpy()
    return (blurred + np.random.default_rng(0).normal(0, noise, blurred.shape).astype(np.float32))[RIM:-RIM, RIM:-RIM]


RIM = 16


def photograph(channels: int = 3) -> np.ndarray:
    whole = (data.astronaut()[:300, 100:400] / np.float32(255)).astype(np.float32)
    return whole if channels == 3 else whole.mean(2, keepdims=True)


def soften(x: np.ndarray, level: float) -> np.ndarray:
    """A denoiser: what a window of 3 x 3 pixels shows (Wiener 1949, after Lee 1980)."""
    mean, square = (ndimage.uniform_filter(one, (3, 3, 0)) for one in (x, x * x))
    spread = np.maximum(square - mean**2, 0)
    return mean + (x - mean) * spread / (spread + level**2)


@pytest.mark.parametrize("kernel", [shake(8), shake(16, 1), disk_kernels(torch.tensor([3.0]), 25)[0].numpy()])
def test_the_kernel_between_two_pictures_is_fitted(kernel: np.ndarray) -> None:
    sharp = photograph(1)
    pair = (torch.from_numpy(x.transpose(2, 0, 1).copy()) for x in (sharp[RIM:-RIM, RIM:-RIM], seen(sharp, kernel, 0)))
    found = deconvolution.fit(*pair, 25, energy=1e-3, steps=600).numpy()
    assert found.sum() == pytest.approx(1, abs=0.02)
    assert np.abs(found - kernel).sum() < 0.15


@pytest.mark.parametrize(("length", "number"), [(8, 0), (14, 1), (20, 4)])
def test_a_shake_is_found(length: float, number: int) -> None:
    kernel = shake(length, number)
    picture = seen(photograph(), kernel)
    found = deconvolution.find(picture.mean(2))
    assert found.dtype == np.float32
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found.min() >= 0
    rows = np.arange(len(found)) - len(found) // 2
    assert [abs(float((found.sum(1 - axis) * rows).sum())) for axis in (0, 1)] == pytest.approx([0, 0], abs=0.1)
    wide = np.pad(kernel, (len(found) - len(kernel)) // 2)
    assert (found * wide).sum() / np.linalg.norm(found) / np.linalg.norm(wide) > 0.7
    assert psf.length(found) == pytest.approx(length, rel=0.5, abs=4)


def test_a_long_shake_is_found() -> None:
    """Wider than the kernels of short shakes, where the picture is large enough to tell."""
    kernel = shake(40, 1, 71)
    grey = seen((data.astronaut() / np.float32(255)).astype(np.float32), kernel)[20:-20, 20:-20].mean(2)
    found = deconvolution.find(grey)
    assert found.shape == (deconvolution.WIDE, deconvolution.WIDE)
    assert (found * kernel).sum() / np.linalg.norm(found) / np.linalg.norm(kernel) > 0.8
    assert deconvolution.find(grey[:300]).shape == (deconvolution.SIZE, deconvolution.SIZE)


def test_the_denoiser_improves_the_kernel() -> None:
    kernel = np.pad(shake(14, 1), 5)
    picture = seen(photograph(), kernel)
    rough = np.float32(0.6) * kernel + np.float32(0.4) * ndimage.gaussian_filter(kernel, 2)
    better = deconvolution.improve(picture, rough, soften, sigma=SIGMA)
    assert np.abs(better - kernel).sum() < 0.8 * np.abs(rough - kernel).sum()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_known_kernel_is_undone_up_to_the_borders(channels: int) -> None:
    kernel = shake(14, 1)
    sharp = photograph(channels)
    picture, clean = seen(sharp, kernel), sharp[RIM:-RIM, RIM:-RIM]
    result = deconvolution.deconvolve(picture, kernel, soften, sigma=SIGMA)
    assert result.shape == picture.shape
    assert result.dtype == np.float32
    assert psnr(result, clean) > psnr(picture, clean) + 5
    for rim in (np.s_[:8], np.s_[-8:], np.s_[:, :8], np.s_[:, -8:]):
        assert psnr(result[rim], clean[rim]) > psnr(picture[rim], clean[rim])


def test_a_point_for_a_kernel_leaves_the_picture_to_the_denoiser() -> None:
    picture = photograph()[:96, :120]
    levels: list[float] = []

    def listen(x: np.ndarray, level: float) -> np.ndarray:
        levels.append(level)
        assert x.shape[0] % deconvolution.MULTIPLE == x.shape[1] % deconvolution.MULTIPLE == 0
        return x

    result = deconvolution.deconvolve(picture, np.ones((1, 1), np.float32), listen, sigma=SIGMA, steps=5)
    np.testing.assert_allclose(result, picture, atol=1e-4)
    assert levels == sorted(levels, reverse=True)
    assert (levels[0], levels[-1], len(levels)) == (pytest.approx(deconvolution.STRONGEST), pytest.approx(SIGMA), 5)


def test_the_denoiser_sees_each_step_in_another_way() -> None:
    x, seen = torch.rand(3, 16, 24), []
    for step in range(6):
        back = deconvolution._turned(x, lambda moved, level: seen.append(moved) or moved, 0.1, step)
        torch.testing.assert_close(back, x, rtol=0, atol=0)
    np.testing.assert_array_equal(seen[0], x.permute(1, 2, 0))
    assert not any(one.shape == other.shape and (one == other).all() for i, one in enumerate(seen) for other in seen[:i])


def test_what_is_brighter_than_white_stays_where_it_may() -> None:
    picture = 3 * photograph()[:64, :64]
    kernel = np.ones((1, 1), np.float32)
    for limits in ((0.0, 1.0), (0.0, 3.0)):
        result = deconvolution.deconvolve(picture, kernel, lambda x, level: x, sigma=SIGMA, limits=limits)
        np.testing.assert_allclose(result, np.clip(picture, *limits), atol=0.15)


def test_kernels_with_sides_of_their_own() -> None:
    kernel = np.full((1, 9), 1 / 9, np.float32)
    sharp = photograph()
    picture, clean = seen(sharp, np.pad(kernel, ((4, 4), (0, 0)))), sharp[RIM:-RIM, RIM:-RIM]
    assert psnr(deconvolution.deconvolve(picture, kernel, soften, sigma=SIGMA), clean) > psnr(picture, clean) + 1.5


@pytest.mark.parametrize("picture", [np.zeros((200, 200), np.float32), np.full((128, 99), 0.3, np.float32)])
def test_no_edges_no_kernel(picture: np.ndarray) -> None:
    assert deconvolution.find(picture) is None


def test_small_pictures_do_not_tell() -> None:
    assert deconvolution.find(photograph(1)[:239, :, 0]) is None


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_busiest_part(channels: int, dtype: type) -> None:
    picture = np.zeros((1500, 2300, channels), dtype)
    picture[900:1200:8, 1700:2000] = full_scale(dtype)
    rows, columns = deconvolution.busiest(picture)
    assert picture[rows, columns].sum() == picture.sum()
    assert picture[rows, columns].shape == (deconvolution.WINDOW, deconvolution.WINDOW, channels)
    small = picture[:100, :40]
    assert small[deconvolution.busiest(small)].shape == small.shape


def test_the_kernel_between_pictures_is_tidy() -> None:
    kernel = np.pad(shake(14, 1), 5)
    sharp = photograph()[RIM:-RIM, RIM:-RIM]
    found = deconvolution.between(sharp, seen(photograph(), kernel[5:-5, 5:-5]))
    assert found.shape == kernel.shape
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(found - kernel).sum() < 0.5


def test_sharp_pictures_are_sparse_and_rough_and_rings_make_them_less_sparse() -> None:
    sharp = photograph()
    soft = ndimage.gaussian_filter(sharp, (2, 2, 0))
    rung = sharp + 0.05 * np.sin(np.arange(sharp.shape[1]) / 2)[:, None].astype(np.float32)
    assert deconvolution.sparsity(sharp) < deconvolution.sparsity(soft)
    assert deconvolution.sparsity(sharp) < deconvolution.sparsity(rung)
    assert deconvolution.roughness(soft) < deconvolution.roughness(sharp) < deconvolution.roughness(rung)
    assert deconvolution.sparsity(np.zeros((5, 5, 3), np.float32)) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_the_right_kernel_leaves_noise_alone(channels: int) -> None:
    kernel, sharp = shake(14, 1), photograph(channels)
    picture, clean = seen(sharp, kernel), sharp[RIM:-RIM, RIM:-RIM]
    assert deconvolution.misfit(clean, kernel, picture) == pytest.approx(SIGMA, rel=0.05)
    assert deconvolution.misfit(clean, kernel[::-1, ::-1], picture) > 2 * SIGMA
