"""Deblurring: what is blurred comes back, scikit-image says the same far from borders, and every Raises."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import data, restoration

from restore.filters import kernels
from restore.filters.array import deblur
from restore.filters.base import BORDERS

SCIPY = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "constant": "constant", "wrap": "wrap"}
LOPSIDED = np.array([[0.1, 0.2, 0.4], [0.0, 0.1, 0.2], [0.0, 0.0, 0.0]])


def scene():
    y, x = np.mgrid[:64, :72]
    return (0.3 + 0.4 * ((x // 12 + y // 16) % 2) + 0.1 * np.sin(x / 5)).astype(np.float32)


def error(one, other):
    return float(np.sqrt(np.mean((one - other) ** 2)))


NAMED = [("gaussian", 1.5, kernels.gaussian(1.5)), ("disk", 2.5, kernels.disk(2.5)), ("motion", 7, kernels.motion(7, 30))]


@pytest.mark.parametrize("border", [border for border in BORDERS if border != "constant"])
@pytest.mark.parametrize(("name", "size", "kernel"), NAMED)
def test_a_known_blur_is_undone(name, size, kernel, border):
    sharp = scene()
    blurred = ndimage.correlate(sharp, kernel, mode=SCIPY[border])
    options = {"kernel": name, "size": size, "angle": 30, "border": border}
    assert error(deblur.wiener(blurred, balance=1e-3, **options), sharp) < 0.8 * error(blurred, sharp)
    assert error(deblur.richardson_lucy(blurred, steps=40, **options), sharp) < 0.8 * error(blurred, sharp)


def test_a_lopsided_kernel_is_not_turned():
    sharp = scene()
    blurred = ndimage.correlate(sharp, LOPSIDED, mode="mirror")
    for restored in (deblur.wiener(blurred, kernel=LOPSIDED, balance=1e-3), deblur.richardson_lucy(blurred, kernel=5 * LOPSIDED, steps=40)):
        assert error(restored, sharp) < 0.4 * error(blurred, sharp)


def test_a_long_lopsided_kernel_does_not_ring_from_the_borders():
    hook = np.zeros((15, 15))
    hook[1:12, 3], hook[11, 3:14] = 1, 0.4
    sharp = data.camera()[100:260, 150:310].astype(np.float32) / 255
    blurred = ndimage.correlate(sharp, hook / hook.sum(), mode="mirror")[30:130, 30:130]  # there is a world around a picture
    seen = np.rint(255 * blurred + np.random.default_rng(0).normal(0, 1, blurred.shape)).clip(0, 255).astype(np.uint8)
    restored = deblur.wiener(seen, kernel=hook, balance=3e-3)
    assert error(restored / 255, sharp[30:130, 30:130]) < 0.6 * error(blurred, sharp[30:130, 30:130])
    far = slice(20, -20), slice(20, -20)
    assert error(restored[far] / 255, sharp[30:130, 30:130][far]) < 0.45 * error(blurred[far], sharp[30:130, 30:130][far])


@pytest.mark.parametrize("shape", [(16, 20), (1, 1), (2, 40)])
def test_a_kernel_wider_than_a_periodic_picture_goes_around_it(shape):
    sharp = np.random.default_rng(0).random(shape).astype(np.float32)
    row = np.ones((1, 21)) / 21
    blurred = ndimage.correlate(np.tile(sharp, (3, 50)), row, mode="wrap")
    expected = deblur.wiener(blurred, kernel=row, border="wrap")[: shape[0], : shape[1]]
    given = deblur.wiener(blurred[: shape[0], : shape[1]], kernel=row, border="wrap")
    np.testing.assert_allclose(given, expected, atol=1e-4)


def test_against_scikit_image_far_from_borders():
    blurred = ndimage.correlate(scene(), LOPSIDED, mode="mirror")
    far = slice(24, -24), slice(24, -24)
    turned = LOPSIDED[::-1, ::-1]
    expected = restoration.richardson_lucy(blurred.astype(np.float64), turned, num_iter=10, clip=False)
    np.testing.assert_allclose(deblur.richardson_lucy(blurred, kernel=LOPSIDED, steps=10)[far], expected[far], atol=1e-5)
    expected = restoration.wiener(blurred.astype(np.float64), turned, 0.01, clip=False)
    np.testing.assert_allclose(deblur.wiener(blurred, kernel=LOPSIDED, border="wrap"), expected, atol=1e-5)


def test_channels_are_apart():
    planes = scene(), scene()[::-1], scene()[:, ::-1]
    for function in (deblur.wiener, deblur.richardson_lucy):
        result = function(np.dstack(planes))
        for i, plane in enumerate(planes):
            np.testing.assert_allclose(result[..., i], function(np.ascontiguousarray(plane)), atol=1e-5)


@pytest.mark.parametrize("function", [deblur.wiener, deblur.richardson_lucy])
def test_bad_kernels(function):
    for kernel, text in [
        ("lens", "kernel is 'lens'; expected one of gaussian, disk, motion, or an array"),
        (np.ones((2, 3)), "the kernel is 2x3; expected odd sides"),
        ([[1, -1, 0]], "the kernel sums to 0; expected a blur"),
        ([[1, 2, 3], [4]], "not a rectangle of numbers"),
        ([[1, np.nan, 3]], "NaN or infinity"),
    ]:
        with pytest.raises(ValueError, match=text):
            function(scene(), kernel=kernel)
    with pytest.raises(ValueError, match="length is 0.5; expected 1 or more"):
        function(scene(), kernel="motion", size=0.5)


def test_richardson_lucy_takes_no_negative_weights():
    with pytest.raises(ValueError, match="the kernel holds -0.5; expected no negative numbers"):
        deblur.richardson_lucy(scene(), kernel=[[-1, 4, -1]])
