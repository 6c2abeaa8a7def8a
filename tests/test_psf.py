"""Kernels of blurs: their sizes, their shapes, what made them."""

import numpy as np
import pytest
import torch

from restore import psf
from restore.degrade.blur import Walk, disk_kernels, gaussian_kernels, motion_kernels
from restore.draws import Draws

SPREADS = [0.6, 1.0, 2.3, 4.0]


def shake(length: float, number: int = 0, size: int = 25) -> np.ndarray:
    path = length * Walk()(Draws(3, [number]), (1, 3, size, size), np.ones(1))
    return motion_kernels(path, size)[0].numpy()


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("make", [psf.disk, psf.gaussian])
def test_lenses_kernels_are_as_wide_as_they_are_told(make, spread: float) -> None:
    kernel = make(spread)
    assert kernel.dtype == np.float32
    assert kernel.shape[0] == kernel.shape[1]
    assert kernel.shape[0] % 2 == 1
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert psf.spread(kernel) == pytest.approx(spread, rel=0.05, abs=0.11)  # a small disk is mostly the pixel that it lies in
    assert psf.spreads(kernel)[0] == pytest.approx(psf.spreads(kernel)[1], abs=1e-3)
    np.testing.assert_allclose(kernel, np.rot90(kernel), atol=1e-6)


def test_a_disk_is_whole() -> None:
    """Padding adds nothing: it was not cut."""
    for spread in SPREADS:
        whole = disk_kernels(torch.tensor([2 * spread]), 35)[0].numpy()
        rim = (35 - len(psf.disk(spread))) // 2
        np.testing.assert_allclose(np.pad(psf.disk(spread), rim), whole, atol=1e-6)


def test_the_axes_of_a_kernel() -> None:
    slanted = gaussian_kernels(torch.tensor([3.0]), torch.tensor([1.0]), torch.tensor([30.0]), 35)[0].numpy()
    assert psf.spreads(slanted) == pytest.approx((3, 1), rel=0.02)
    assert psf.spread(slanted) == pytest.approx(5**0.5, rel=0.02)


def test_lenses_make_round_kernels_and_shakes_thin_ones() -> None:
    shakes = [shake(length, number) for length, number in ((8, 0), (14, 1), (20, 2), (20, 4))]
    assert min(psf.roundness(make(spread)) for make in (psf.disk, psf.gaussian) for spread in SPREADS) > 0.99
    assert max(map(psf.roundness, shakes)) < 0.9
    assert max(map(psf.thickness, shakes)) < 1.8 < psf.thickness(psf.disk(1.5))


@pytest.mark.parametrize("spread", [1.5, 2.3, 4.0])
def test_disks_are_told_from_gaussians(spread: float) -> None:
    for share in (0, 0.03):
        noise = share * np.random.default_rng(0).random((35, 35)).astype(np.float32) / 35**2
        for make, expected in ((psf.disk, True), (psf.gaussian, False)):
            kernel = make(spread)
            kernel = np.pad(kernel, (35 - len(kernel)) // 2) + noise
            assert psf.is_disk(kernel / kernel.sum()) is expected


def test_what_made_a_kernel() -> None:
    assert psf.in_words(psf.disk(1.5)) == "the lens was out of focus by 6 pixels"
    assert psf.in_words(psf.gaussian(2)) == "the lens was out of focus by 8 pixels"
    assert psf.in_words(shake(14, 1)) == f"the camera shook by {psf.length(shake(14, 1)):.0f} pixels"
    assert psf.length(shake(14, 1)) == pytest.approx(14, abs=2)
