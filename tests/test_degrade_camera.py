"""Cameras: interpolation against what it must reproduce, noise against its formula, kernels against SciPy."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from restore.degrade.camera import Camera, demosaic_gradient, sharpening, smoothed, toned
from restore.degrade.noise import bayer


def camera(count: int = 1, **changes: torch.Tensor) -> Camera:
    plain = Camera(
        shot=torch.full((count,), 1e-4),
        read=torch.full((count,), 5.0),
        gains=torch.ones(count, 3),
        crosstalk=torch.eye(3).repeat(count, 1, 1),
        phase=torch.zeros(count),
        interpolation=torch.zeros(count),
        contrast=torch.ones(count),
    )
    return dataclasses.replace(plain, **changes)


@pytest.mark.parametrize("phase", range(4))
def test_interpolation_reproduces_planes_and_keeps_what_was_seen(phase: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(14.0), indexing="ij")
    plane = (0.03 * rows + 0.02 * columns).expand(1, 3, -1, -1)
    pattern = bayer(torch.tensor([float(phase)]), 12, 14)
    filled = demosaic_gradient(pattern * plane, pattern)
    torch.testing.assert_close(filled[..., 2:-2, 2:-2], plane[..., 2:-2, 2:-2])
    noise = torch.randn(1, 3, 12, 14)
    torch.testing.assert_close(pattern * demosaic_gradient(pattern * noise, pattern), pattern * noise)


def test_interpolation_by_hand() -> None:
    """A red sample of 8 in the middle: what the paper's filters give around it."""
    pattern = bayer(torch.zeros(1), 9, 9)
    mosaic = torch.zeros(1, 3, 9, 9)
    mosaic[0, 0, 4, 4] = 8
    red, green, blue = demosaic_gradient(mosaic, pattern)[0]
    assert (red[4, 4], green[4, 4], blue[4, 4]) == (8, 4, 6)
    assert (green[4, 2], green[2, 4]) == (-1, -1)
    assert (red[4, 3], red[3, 4], red[3, 3]) == (4, 4, 2)
    assert (blue[4, 2], blue[2, 4]) == (-1.5, -1.5)


@pytest.mark.parametrize("interpolation", [0.0, 1.0, 2.0])
def test_without_noise_a_picture_stays(interpolation: float) -> None:
    x = torch.rand(2, 3, 16, 18)
    mixed = torch.tensor([[0.8, 0.15, 0.05], [0.1, 0.75, 0.15], [0.05, 0.2, 0.75]]).repeat(2, 1, 1)
    ours = camera(
        2,
        gains=torch.tensor([[2.1, 1, 1.7]] * 2),
        crosstalk=mixed,
        contrast=torch.tensor([1.5, 1.0]),
        interpolation=torch.full((2,), interpolation),
    )
    torch.testing.assert_close(ours.expose(x, torch.zeros_like(x)), x, atol=1e-4, rtol=0)


def test_noise_has_the_variance_of_its_formula() -> None:
    """At x = 1/2, light 0.2140, the slope of sRGB's curve is 1.055 / 2.4 * light ** (1 / 2.4 - 1)."""
    torch.manual_seed(0)
    x = torch.full((1, 3, 256, 256), 0.5)
    ours = camera(shot=torch.tensor([10.0]), read=torch.tensor([1.0]), gains=torch.tensor([[2.0, 1.0, 1.0]]))
    found = 255 * ours.expose(x, torch.randn_like(x)).std((2, 3))[0]
    light = 0.21404
    slope = 1.055 / 2.4 * light ** (1 / 2.4 - 1)
    expected = [slope * gain * np.sqrt(100 * light / gain + 1) for gain in (2, 1, 1)]
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_a_mosaic_makes_noise_that_neighbours_share() -> None:
    torch.manual_seed(0)
    x = torch.full((3, 3, 128, 128), 0.5)
    noise = camera(3, interpolation=torch.arange(3.0)).expose(x, torch.randn_like(x)) - x
    shared = [float(np.corrcoef(n[0, :, 1:].flatten(), n[0, :, :-1].flatten())[0, 1]) for n in noise]
    assert abs(shared[0]) < 0.03
    assert shared[1] > shared[2] > 0.1
    among = [float(np.corrcoef(n.flatten(1))[0, 1]) for n in noise]
    assert abs(among[0]) < 0.03
    assert among[2] > among[1] + 0.1  # the gradient's correction comes from another colour


def test_tone_is_undone_and_has_its_slope() -> None:
    x = torch.linspace(0, 1, 1001)[None, None, None]
    curve = toned(x, torch.tensor([1.5]))
    torch.testing.assert_close(toned(curve, torch.tensor([1 / 1.5])), x, atol=1e-5, rtol=0)
    assert float(curve[..., 501] - curve[..., 499]) / 0.002 == pytest.approx(1.5, rel=1e-3)


def test_smoothing_is_a_gaussian_for_brightness_and_one_for_colour() -> None:
    torch.manual_seed(0)
    noise = torch.randn(1, 3, 40, 44)
    grey = noise[:, :1].expand(-1, 3, -1, -1)
    narrow, wide = torch.tensor([0.7]), torch.tensor([1.5])
    expected = gaussian_filter(grey[0].numpy(), (0, 0.7, 0.7), mode="mirror", truncate=8)
    np.testing.assert_allclose(smoothed(grey, narrow, wide)[0], expected, atol=1e-3)
    colour = noise - (0.299 * noise[:, :1] + 0.587 * noise[:, 1:2] + 0.114 * noise[:, 2:])
    inside = (slice(None), slice(7, -7), slice(7, -7))
    expected = gaussian_filter(colour[0].numpy(), (0, 1.5, 1.5), mode="mirror", truncate=4)
    np.testing.assert_allclose(smoothed(colour, narrow, wide)[0].numpy()[inside], expected[inside], atol=1e-3)
    torch.testing.assert_close(smoothed(noise, torch.tensor([0.1]), torch.tensor([0.1])), noise, atol=1e-5, rtol=0)


def test_sharpening_keeps_what_is_flat_and_steepens_a_line() -> None:
    kernel = sharpening(torch.tensor([0.8]), torch.tensor([1.0]))[0]
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-6)
    impulse = np.zeros((9, 9))
    impulse[4, 4] = 1
    np.testing.assert_allclose(kernel, impulse + 0.8 * (impulse - gaussian_filter(impulse, 1, truncate=4)), atol=1e-4)
