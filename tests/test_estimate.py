"""The noise level of pictures: known noise on photographs that scikit-image ships."""

import numpy as np
import pytest
from skimage import data

from restore.estimate import noise_level
from restore.image import to_linear

PHOTOGRAPHS = {"astronaut": data.astronaut(), "coffee": data.coffee(), "chelsea": data.cat()}


def noisy(photograph: np.ndarray, sigma: float, *, dtype: type = np.float32) -> np.ndarray:
    x = photograph / 255 + np.random.default_rng(7).normal(0, sigma / 255, photograph.shape)
    if dtype == np.float32:
        return x.astype(dtype)
    full = np.iinfo(dtype).max
    return np.round(np.clip(x, 0, 1) * full).astype(dtype)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [5, 25, 75])
def test_float_noise(name: str, sigma: int) -> None:
    assert noise_level(noisy(PHOTOGRAPHS[name], sigma)) == pytest.approx(sigma, abs=0.5, rel=0.02)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [5, 25, 50])
def test_clipped_8_bit_noise(name: str, sigma: int) -> None:
    assert noise_level(noisy(PHOTOGRAPHS[name], sigma, dtype=np.uint8)) == pytest.approx(sigma, abs=0.5, rel=0.06)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_clean(name: str) -> None:
    assert noise_level(PHOTOGRAPHS[name]) < 2


@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_grey(sigma: int) -> None:
    grey = noisy(PHOTOGRAPHS["coffee"].mean(2, keepdims=True), sigma)
    assert noise_level(grey) == pytest.approx(sigma, rel=0.06)
    assert noise_level(np.repeat(grey, 3, 2)) == noise_level(grey)


def test_depth_does_not_matter() -> None:
    eight, sixteen = (noise_level(noisy(PHOTOGRAPHS["coffee"], 20, dtype=dtype)) for dtype in (np.uint8, np.uint16))
    assert sixteen == pytest.approx(eight, abs=0.1)


def test_linear_is_measured_encoded() -> None:
    encoded = np.clip(noisy(PHOTOGRAPHS["coffee"], 20), 0, 1)
    linear = to_linear(encoded).astype(np.float32)
    assert noise_level(linear, linear=True) == pytest.approx(noise_level(encoded), rel=0.01)
    assert abs(noise_level(linear) - noise_level(encoded)) > 1


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_flat_picture_has_no_noise(value: float) -> None:
    assert noise_level(np.full((40, 50, 3), value, np.float32)) < 0.01


@pytest.mark.parametrize(("shape", "told"), [((1, 1, 3), 0), ((1, 40, 3), 0), ((2, 2, 1), 0), ((5, 7, 3), 1), ((16, 16, 1), 1)])
def test_small_pictures(shape: tuple[int, int, int], told: int) -> None:
    level = noise_level(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    assert 10 * told <= level < 150 * told + 1e-9


def test_a_small_picture_of_noise() -> None:
    assert noise_level((0.5 + np.random.default_rng(0).normal(0, 20 / 255, (24, 24, 3))).astype(np.float32)) == pytest.approx(20, rel=0.1)


def test_not_finite() -> None:
    picture = np.full((20, 20, 3), 0.5, np.float32)
    picture[3, 4] = np.nan
    with pytest.raises(ValueError, match="holds a NaN or an infinity; expected finite numbers"):
        noise_level(picture)
