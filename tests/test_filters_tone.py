"""Tones against formulas, scikit-image and OpenCV."""

import cv2
import numpy as np
import pytest
from skimage.exposure import adjust_gamma

from restore.filters.array import tone

LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("amount", [-255, -40, 0, 12.7, 30, 255])
def test_brightness(amount):
    expected = np.clip(LEVELS.astype(float) + amount, 0, 255)
    np.testing.assert_allclose(tone.brightness(LEVELS, amount=amount), expected, atol=0.5)
    np.testing.assert_allclose(tone.brightness(LEVELS.astype(np.uint16) * 257, amount=amount) / 257, expected, atol=0.002)
    np.testing.assert_allclose(tone.brightness(np.dstack([LEVELS] * 3), amount=amount), np.dstack([expected] * 3), atol=0.5)
    unit = (LEVELS / 255).astype(np.float32)
    np.testing.assert_allclose(tone.brightness(unit, amount=amount), unit + amount / 255, atol=1e-6)


def test_brightness_out_of_range():
    for amount in (-256, 256, float("nan")):
        with pytest.raises(ValueError, match=f"amount is {amount:g}; expected -255 to 255"):
            tone.brightness(LEVELS, amount=amount)


@pytest.mark.parametrize("factor", [0, 0.5, 1, 1.3, 4])
def test_contrast(factor):
    expected = np.clip((LEVELS - 127.5) * factor + 127.5, 0, 255)
    np.testing.assert_allclose(tone.contrast(LEVELS, factor=factor), expected, atol=0.501)
    unit = (LEVELS / 255).astype(np.float32)
    np.testing.assert_allclose(tone.contrast(unit, factor=factor), (unit - 0.5) * factor + 0.5, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.4, 1, 2.2])
def test_gamma_against_scikit_image(gamma):
    unit = (LEVELS / 255).astype(np.float32)
    expected = adjust_gamma(unit.astype(np.float64), 1 / gamma)
    np.testing.assert_allclose(tone.gamma(unit, gamma=gamma), expected, atol=1e-6)
    np.testing.assert_array_equal(tone.gamma(LEVELS, gamma=gamma), np.rint(expected * 255))
    np.testing.assert_allclose(tone.gamma(LEVELS.astype(np.uint16) * 257, gamma=gamma), np.rint(expected * 65535), atol=1)
    np.testing.assert_allclose(tone.gamma(-unit, gamma=gamma), -expected, atol=1e-6)


def slopes(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    plane = 90 + 40 * np.sin(x / 9) + 25 * np.cos(y / 7) + np.random.default_rng(0).normal(0, 6, shape[:2])
    plane = plane if len(shape) == 2 else plane[..., None] * [1.2, 1.0, 0.7]
    return np.clip(plane, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(64, 80), (61, 83), (64, 81), (3, 5), (1, 1)])
@pytest.mark.parametrize(("limit", "tiles"), [(2.0, 8), (4.0, 3), (1.5, 1), (0.01, 4)])
def test_clahe_is_opencvs_in_every_type(shape, limit, tiles):
    image = slopes(shape)
    expected = cv2.createCLAHE(limit, (tiles, tiles)).apply(image)
    np.testing.assert_array_equal(tone.clahe(image, limit=limit, tiles=tiles), expected)
    wide = tone.clahe(image.astype(np.uint16) * 257, limit=limit, tiles=tiles) / 257  # not rounded as OpenCV's tables and result are
    real = tone.clahe((image / 255).astype(np.float32), limit=limit, tiles=tiles) * 255
    np.testing.assert_allclose(wide, expected, atol=1.01)
    np.testing.assert_allclose(real, wide, atol=0.01)


def test_clahe_keeps_colours():
    image = slopes((64, 80, 3)) // 2 + 60
    assert 20 < image.min() < image.max() < 235
    result = tone.clahe(image, limit=1.2)
    change = result.astype(int) - image
    free = ((result > 0) & (result < 255)).all(-1)
    assert free.mean() > 0.9
    assert np.ptp(change[free], axis=-1).max() == 0
    assert np.abs(change).mean() > 1


def test_clahe_has_no_steps_between_bins():
    ramp = np.tile(np.linspace(0.3, 0.5, 4096, dtype=np.float32), (64, 1))
    rise = np.diff(tone.clahe(ramp, tiles=2), axis=1)
    assert np.abs(rise).max() < 20 * 0.2 / 4096
