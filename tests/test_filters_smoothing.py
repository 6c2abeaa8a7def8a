"""Smoothing that keeps edges, against direct formulas, SciPy, OpenCV and scikit-image."""

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage.restoration import denoise_tv_chambolle

from restore.filters.array import detail, linear, smoothing
from restore.filters.base import BORDERS

SCIPY = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "constant": "constant", "wrap": "wrap"}
NUMPY = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "constant": "constant", "wrap": "wrap"}


def picture(shape=(17, 21, 3), dtype=np.float32):
    values = np.random.default_rng(0).random(shape)
    return values.astype(dtype) if dtype == np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("border", BORDERS)
def test_median_against_scipy(border, dtype):
    for size in (3, 5, 7):
        image = picture(dtype=dtype)
        expected = ndimage.median_filter(image, size=(size, size, 1), mode=SCIPY[border])
        np.testing.assert_array_equal(smoothing.median(image, size=size, border=border), expected)


def naive_bilateral(image, sigma_color, sigma_space, size, border):
    """Every neighbour in the round window, its weight from distance and the sum of the channels' differences; levels of 8 bits."""
    reach = size // 2
    padded = np.pad(image.astype(np.float64), [(reach, reach), (reach, reach), (0, 0)], mode=NUMPY[border])
    total, weights = 0.0, 0.0
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if down**2 + right**2 <= reach**2:
                there = padded[reach + down : reach + down + image.shape[0], reach + right : reach + right + image.shape[1]]
                unlike = np.abs(there - image).sum(-1, keepdims=True)
                weight = np.exp(-(unlike**2) / (2 * sigma_color**2) - (down**2 + right**2) / (2 * sigma_space**2))
                total, weights = total + weight * there, weights + weight
    return total / weights


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("border", BORDERS)
def test_bilateral_against_the_formula(border, channels):
    image = picture((17, 21, channels), np.uint8)
    expected = naive_bilateral(image, 60.0, 2.0, 7, border)
    options = {"sigma_color": 60.0, "sigma_space": 2.0, "border": border}
    np.testing.assert_allclose(smoothing.bilateral(image, **options, size=7), expected, atol=0.52)
    np.testing.assert_allclose(smoothing.bilateral((image / 255).astype(np.float32), **options) * 255, expected, atol=0.02)
    np.testing.assert_allclose(smoothing.bilateral(image.astype(np.uint16) * 257, **options) / 257, expected, atol=0.02)


def naive_guided(image, radius, epsilon):
    """He, Sun, Tang (2013), equations 5, 6 and 8 with the picture as its guide: window by window; only where all windows lie inside."""
    height, width = image.shape
    slope, offset = np.full((2, height, width), np.nan)
    for y in range(radius, height - radius):
        for x in range(radius, width - radius):
            window = image[y - radius : y + radius + 1, x - radius : x + radius + 1]
            slope[y, x] = window.var() / (window.var() + epsilon)
            offset[y, x] = window.mean() * (1 - slope[y, x])
    result = np.full_like(image, np.nan)
    for y in range(2 * radius, height - 2 * radius):
        for x in range(2 * radius, width - 2 * radius):
            window = slice(y - radius, y + radius + 1), slice(x - radius, x + radius + 1)
            result[y, x] = slope[window].mean() * image[y, x] + offset[window].mean()
    return result


def test_guided_against_the_paper():
    image = picture((17, 21))
    expected = naive_guided(image.astype(np.float64), 3, (40 / 255) ** 2)
    inside = ~np.isnan(expected)
    assert inside.sum() == 5 * 9
    np.testing.assert_allclose(smoothing.guided(image, radius=3, sigma_color=40.0)[inside], expected[inside], atol=1e-5)


@pytest.mark.parametrize("border", BORDERS)
def test_guided_at_borders_against_scipy(border):
    image = picture()

    def mean(values):
        return ndimage.uniform_filter(values, (7, 7, 0), mode=SCIPY[border])

    unit = image.astype(np.float64)
    variance = mean(unit**2) - mean(unit) ** 2
    slope = variance / (variance + (40 / 255) ** 2)
    expected = mean(slope) * unit + mean(mean(unit) * (1 - slope))
    np.testing.assert_allclose(smoothing.guided(image, radius=3, sigma_color=40.0, border=border), expected, atol=1e-5)


def noisy(shape=(40, 44, 3)):
    """A step of 100 levels in the middle, and noise of 8 levels."""
    clean = np.full(shape, 70.0)
    clean[:, shape[1] // 2 :] += 100
    return clean, np.rint(clean + np.random.default_rng(2).normal(0, 8, shape)).astype(np.uint8)


@pytest.mark.parametrize("convert", [lambda image: image, lambda image: (image / 255).astype(np.float32)])
def test_non_local_means_takes_noise_out(convert):
    clean, image = noisy()
    result = smoothing.non_local_means(convert(image), strength=10.0).astype(np.float64)
    result *= 255 if result.max() < 2 else 1
    assert np.sqrt(np.mean((result - clean) ** 2)) < 0.4 * np.sqrt(np.mean((image - clean) ** 2))


def test_non_local_means_is_opencvs():
    image = noisy()[1]
    np.testing.assert_array_equal(smoothing.non_local_means(image, strength=9.0), cv2.fastNlMeansDenoising(image, None, 9.0, 7, 21))


def test_anisotropic_one_step_against_the_formula():
    image = picture((9, 11, 3))
    padded = np.pad(image.astype(np.float64), [(1, 1), (1, 1), (0, 0)], mode="edge")
    expected = image.astype(np.float64)
    for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
        difference = padded[down : down + 9, right : right + 11] - image
        expected = expected + 0.25 * difference * np.exp(-(difference**2).mean(-1, keepdims=True) / (15 / 255) ** 2)
    np.testing.assert_allclose(smoothing.anisotropic(image, sigma_color=15.0, steps=1), expected, atol=1e-6)


def test_anisotropic_keeps_the_mean_and_edges():
    clean, image = noisy()
    unit = (image / 255).astype(np.float32)
    result = smoothing.anisotropic(unit, sigma_color=25.0, steps=30)
    np.testing.assert_allclose(result.mean((0, 1)), unit.mean((0, 1)), atol=1e-6)
    assert np.std(result * 255 - clean) < 0.35 * np.std(image - clean)
    assert (result[:, 22] - result[:, 21]).min() * 255 > 85


def test_total_variation_is_scikit_images():
    image = picture()
    expected = denoise_tv_chambolle(image, 25 / 255, max_num_iter=50, channel_axis=-1)
    result = smoothing.total_variation(image, weight=25.0, steps=50)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert np.abs(np.diff(result, axis=0)).sum() < 0.9 * np.abs(np.diff(image, axis=0)).sum()


def test_beauty_keeps_an_edge_where_a_gaussian_does_not():
    step = np.full((40, 44, 3), 70, np.uint8)
    step[:, 22:] += 100

    def height(result):
        return float(result[20, 22, 0]) - float(result[20, 21, 0])

    assert 90 <= height(smoothing.beauty(step, strength=1.0)) <= 110
    assert height(linear.gaussian(step, sigma=2.0)) < 30


def test_beauty_smooths_blotches_and_keeps_some_grain():
    rng = np.random.default_rng(3)
    blotches = cv2.GaussianBlur(rng.normal(0, 1, (96, 96)), (0, 0), 3) * 60
    skin = np.rint(160 + blotches).astype(np.uint8)
    plain = skin.astype(np.float64).std()
    assert smoothing.beauty(skin, strength=1.0).std() < 0.5 * plain
    assert smoothing.beauty(skin, strength=1.0).std() < smoothing.beauty(skin, strength=0.5).std() < plain
    np.testing.assert_array_equal(smoothing.beauty(skin, strength=0.0), skin)
    grain = np.clip(rng.normal(128, 4, (64, 64)), 0, 255).astype(np.uint8)
    bare, grained = (smoothing.beauty(grain, strength=1.0, texture=share).std() for share in (0.0, 0.8))
    assert grained > 2 * bare


def test_smooth_l0_flattens_and_keeps_its_mean():
    clean, image = noisy()
    unit = (image / 255).astype(np.float32)
    result = detail.smooth_l0(unit, strength=0.02, kappa=1.2)
    np.testing.assert_allclose(result.mean((0, 1)), unit.mean((0, 1)), atol=5e-5)
    np.testing.assert_allclose(result * 255, clean, atol=1)
    changes = np.abs(np.diff(result, axis=1)).max(-1) > 1 / 255
    assert changes[:, 21].all()
    assert np.delete(changes, 21, axis=1).sum() == 0


def naive_local_laplacian(luma, amount, sigma):
    """Paris, Hasinoff, Kautz (2011): a pyramid of its own for every coefficient."""
    depth = max(1, int(np.log2(min(luma.shape))) - 2)
    guide = detail.gaussian_pyramid(luma, depth)
    result = [np.empty_like(level) for level in guide[:-1]]
    for scale, level in enumerate(guide[:-1]):
        for place in np.ndindex(level.shape):
            away = luma - level[place]
            remapped = luma + amount * away * np.exp(-(away**2) / (2 * sigma**2))
            result[scale][place] = detail.laplacian_pyramid(remapped, depth)[scale][place]
    collapsed = guide[-1]
    for level in reversed(result):
        collapsed = level + cv2.pyrUp(collapsed, dstsize=level.shape[::-1])
    return collapsed


@pytest.mark.parametrize("amount", [1.0, -0.7])
def test_local_laplacian_against_the_paper(amount):
    image = cv2.GaussianBlur(picture((18, 21)), (0, 0), 1)
    expected = naive_local_laplacian(image, amount, 30 / 255)
    result = detail.local_laplacian(image, amount=amount, levels=100)
    np.testing.assert_allclose(result, expected, atol=2e-3)
    assert np.abs(result - image).max() > 0.03


def test_local_laplacian_of_nothing_is_the_picture():
    for image in (picture(), picture(dtype=np.uint8), picture((18, 21), np.uint16)):
        np.testing.assert_allclose(detail.local_laplacian(image, amount=0.0), image, atol=1e-6 * (image.dtype == np.float32))


def test_pyramids_add_up():
    plane = picture((19, 22))
    levels = detail.laplacian_pyramid(plane, 2)
    assert [level.shape for level in levels] == [(19, 22), (10, 11), (5, 6)]
    collapsed = levels[-1]
    for level in reversed(levels[:-1]):
        collapsed = level + cv2.pyrUp(collapsed, dstsize=level.shape[::-1])
    np.testing.assert_allclose(collapsed, plane, atol=1e-6)
