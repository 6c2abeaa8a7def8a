"""The denoising task: depth, range, grey, linear light, tiles, and what a shipped network gains."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data

from restore import networks, weights
from restore.image import full_scale, to_linear, to_srgb
from restore.metrics import psnr
from restore.runtime import Runtime
from restore.tasks import denoise

rng = np.random.default_rng(0)
DTYPES = [np.uint8, np.uint16, np.float32]


def random_picture(shape: tuple[int, int, int], dtype: type) -> np.ndarray:
    if dtype == np.float32:
        return rng.uniform(-0.3, 1.3, shape).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def stand_in(function, *, halo: int = 0, multiple_of: int = 1) -> SimpleNamespace:
    """A runtime that is a function of (image, level)."""

    class Run(SimpleNamespace):
        def __call__(self, image: np.ndarray, level: float) -> np.ndarray:
            assert image.dtype == np.float32
            assert image.shape[2] == 3
            return function(image, level)

    return Run(halo=halo, multiple_of=multiple_of, min_size=multiple_of)


def ramp(height: int, width: int) -> np.ndarray:
    """A grey picture (H, W, 1) float32 without noise, from 0 to 1."""
    return np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width, 1)


brighten = stand_in(lambda image, level: image + np.float32(level))


def real_network() -> Runtime:
    torch.manual_seed(0)
    network = networks.build("restoration", {"widths": [8, 8], "down": [1, 1], "up": [1, 1]})
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return Runtime(network, device="cpu")


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigma_is_in_8_bit_units_whatever_the_depth(dtype: type) -> None:
    picture = random_picture((5, 6, 3), dtype)
    result = denoise(picture, brighten, sigma=10)
    expected = picture + 10 / 255 * full_scale(dtype)
    if dtype == np.float32:
        np.testing.assert_allclose(result, expected, atol=1e-6)
    else:
        np.testing.assert_allclose(result, np.minimum(expected, full_scale(dtype)), atol=0.51)
    assert result.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_the_network_leaves_stays(dtype: type, channels: int) -> None:
    picture = random_picture((21, 34, 3), dtype) if channels == 3 else (ramp(21, 34) * full_scale(dtype)).astype(dtype)
    result = denoise(picture, stand_in(lambda image, level: image), sigma=30, tile=8)
    if dtype == np.float32 and channels == 1:
        np.testing.assert_allclose(result, picture, atol=1e-6)
    else:
        np.testing.assert_array_equal(result, picture)


@pytest.mark.parametrize("dtype", DTYPES)
def test_grey_noise_reaches_the_network_white(dtype: type) -> None:
    full = full_scale(dtype)
    noise = np.random.default_rng(1).normal(0, 20 / 255, (256, 256, 1))
    picture = ((0.5 + noise) * full).astype(dtype)
    seen = []
    denoise(picture, stand_in(lambda image, level: (seen.append((image, level)), image)[1]), sigma=20)
    ((image, level),) = seen
    assert level == pytest.approx(20 / 255 * np.sqrt(3))
    covariance = np.cov(image.reshape(-1, 3).T)
    np.testing.assert_allclose(covariance, np.eye(3) * level**2, atol=0.02 * level**2)


def test_three_equal_channels_are_grey() -> None:
    grey = random_picture((40, 40, 1), np.uint8)
    runtime = real_network()
    result = denoise(np.repeat(grey, 3, 2), runtime, sigma=20)
    np.testing.assert_array_equal(result, np.repeat(denoise(grey, runtime, sigma=20), 3, 2))
    assert (result != grey).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_linear_pictures_reach_the_network_encoded(channels: int) -> None:
    picture = 0.2 + 0.6 * ramp(26, 27).repeat(channels, 2) ** np.float32([1, 2, 3][:channels])
    result = denoise(picture, brighten, sigma=10, linear=True)
    level = 10 / 255 * (np.sqrt(3) if channels == 1 else 1)
    np.testing.assert_allclose(result, to_linear(to_srgb(picture) + level), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_equal_the_whole(channels: int) -> None:
    runtime = real_network()
    picture = random_picture((150, 133, channels), np.float32)
    np.testing.assert_allclose(denoise(picture, runtime, sigma=25, tile=32), denoise(picture, runtime, sigma=25, tile=512), atol=1e-6)


def test_sigma_0_changes_nothing() -> None:
    picture = random_picture((5, 6, 3), np.uint16)
    seen: list[float] = []
    result = denoise(picture, brighten, sigma=0, progress=seen.append)
    np.testing.assert_array_equal(result, picture)
    assert not np.shares_memory(result, picture)
    assert seen == [1.0]


def test_level_is_estimated() -> None:
    picture = (0.5 + np.random.default_rng(0).normal(0, 30 / 255, (128, 128, 3))).astype(np.float32)
    assert np.mean(denoise(picture, brighten) - picture) * 255 == pytest.approx(30, rel=0.02)


def test_estimate_stays_in_range() -> None:
    picture = np.random.default_rng(0).normal(0, 1, (64, 64, 3)).astype(np.float32)
    assert np.mean(denoise(picture, brighten) - picture) * 255 == pytest.approx(75, rel=1e-3)


def test_progress() -> None:
    seen: list[float] = []
    denoise(random_picture((40, 40, 3), np.uint8), brighten, sigma=5, tile=16, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 4


@pytest.mark.parametrize("sigma", [-1, 75.5, float("nan")])
def test_sigma_out_of_range(sigma: float) -> None:
    with pytest.raises(ValueError, match=f"sigma must be .*from 0 to 75 in 8-bit units.*, got {sigma}"):
        denoise(random_picture((5, 6, 3), np.uint8), brighten, sigma=sigma)


@pytest.mark.parametrize("channels", [1, 3])
def test_not_finite(channels: int) -> None:
    picture = np.full((5, 6, channels), np.inf, np.float32)
    with pytest.raises(ValueError, match="the picture holds a NaN or an infinity; expected finite numbers"):
        denoise(picture, brighten, sigma=5)


@pytest.mark.parametrize(("sigma", "gain"), [(15, 7.0), (25, 9.0), (50, 12.0)])
@pytest.mark.parametrize("kind", ["float", "8-bit", "grey", "grey, 8-bit", "shared, 8-bit", "sepia, 8-bit"])
@pytest.mark.parametrize("told", [True, False])
def test_shipped_network_gains(sigma: int, gain: float, kind: str, told: bool) -> None:
    clean, draws, tone = data.cat()[:192, 100:292].astype(np.float32), np.random.default_rng(0), np.ones(3)
    if kind not in ("float", "8-bit"):
        gain -= 2  # such noise is one of three directions, stronger
    if "grey" in kind or "sepia" in kind:
        clean = clean[..., 1:2]
    if "sepia" in kind:
        tone = np.array([1, 0.89, 0.71])
        clean = (clean * tone).astype(np.float32)
    each_its_own = clean.shape[2] if kind in ("float", "8-bit") else 1
    noisy = (clean + draws.normal(0, sigma, (*clean.shape[:2], each_its_own)) * tone[: clean.shape[2]]).astype(np.float32) / 255
    if "8-bit" in kind:
        noisy, clean = (np.round(255 * np.clip(x, 0, 1)).astype(np.uint8) for x in (noisy, clean / 255))
    else:
        clean = clean / 255
    level = sigma * np.sqrt((tone**2).mean()) if told else None
    result = denoise(noisy, Runtime(weights.load("denoise"), device="cpu"), sigma=level)
    assert psnr(result, clean) - psnr(noisy, clean) > gain


def test_black_and_white_of_grey_pictures_are_not_dulled() -> None:
    """Noise of 8 bits is cut at both, so its mean is not 0 there."""
    clean = np.where(np.arange(160) < 80, 5.0, 250.0)[None, :, None].repeat(160, 0)
    noisy = np.clip(np.round(clean + np.random.default_rng(0).normal(0, 40, clean.shape)), 0, 255).astype(np.uint8)
    result = denoise(noisy, Runtime(weights.load("denoise"), device="cpu"), sigma=40).astype(float)
    assert abs((result - clean)[:, 10:70].mean()) < 4
    assert abs((result - clean)[:, 90:150].mean()) < 4
    assert abs((noisy - clean)[:, :80].mean()) > 12


@pytest.mark.parametrize("name", ["denoise", "denoise-fast"])
@pytest.mark.parametrize("kind", ["grey", "map", "sepia", "flat", "writing", "one row"])
def test_a_level_that_is_not_there_changes_no_brightness(name: str, kind: str) -> None:
    """Noise across the grey axis without any along it is what clipping leaves: dark became darker, light lighter."""
    clean, draws = data.camera()[100:260, 100:260, None], np.random.default_rng(0)
    if kind == "flat":
        clean = np.where(np.arange(160) < 80, 40, 200)[None, :, None].repeat(160, 0).astype(np.uint8)
    elif kind == "writing":
        clean = data.text()[:160, :160, None]
    elif kind == "one row":
        clean = clean[:1]
    noisy = clean
    if kind == "sepia":
        clean = np.uint8(clean * np.array([1, 0.89, 0.71]))
        noisy = np.uint8((clean + draws.normal(0, 6, (160, 160, 1)) * np.array([1, 0.89, 0.71])).clip(0, 255))
    for sigma in (15, 25, 50):
        level = np.full(clean.shape[:2], sigma) if kind == "map" else sigma
        result = denoise(noisy, Runtime(weights.load(name), device="cpu"), sigma=level).astype(float)
        assert abs(result.mean() - noisy.mean()) < 1
        assert psnr(result.round().astype(np.uint8), clean) > {15: 34, 25: 32.5, 50: 29.5}[sigma]


def test_noise_of_colours_own_goes_beside_what_they_share() -> None:
    clean, draws = data.cat()[:192, 100:292].astype(np.float32), np.random.default_rng(0)
    noisy = ((clean + draws.normal(0, 20, (192, 192, 1)) + draws.normal(0, 8, clean.shape)) / 255).astype(np.float32)
    seen: list[float] = []
    result = denoise(noisy, Runtime(weights.load("denoise"), device="cpu"), progress=seen.append)
    assert psnr(result, clean / np.float32(255)) - psnr(noisy, clean / np.float32(255)) > 6.5
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_grey_noise_beyond_the_networks_range_reaches_it_at_less_contrast() -> None:
    seen = []
    picture = (0.5 + np.random.default_rng(1).normal(0, 60 / 255, (128, 128, 1))).astype(np.float32)
    result = denoise(picture, stand_in(lambda image, level: (seen.append((image, level)), image)[1]), sigma=60)
    ((image, level),) = seen
    assert level == pytest.approx(75 / 255)
    np.testing.assert_allclose(np.cov(image.reshape(-1, 3).T), np.eye(3) * level**2, atol=0.03 * level**2)
    np.testing.assert_allclose(result, picture, atol=1e-6)


@pytest.mark.parametrize("name", ["denoise", "denoise-fast"])
@pytest.mark.parametrize("noise", [0, 5])
@pytest.mark.parametrize("subject", ["astronaut", "rocket", "smooth"])
def test_less_noise_than_told_is_smoothed_too_much_and_no_worse(name: str, noise: float, subject: str) -> None:
    """Levels are chosen by hand, and pictures are noisy in parts: no patterns, no colours where there is nothing."""
    clean = (data.rocket()[:160, 300:460] if subject == "rocket" else data.astronaut()[:160, 256:416]).astype(np.float32) / 255
    if subject == "smooth":
        clean = ndimage.gaussian_filter(clean, (2, 2, 0))
    noisy = clean + np.random.default_rng(0).normal(0, noise / 255, clean.shape).astype(np.float32)
    runtime = Runtime(weights.load(name), device="cpu")
    for sigma in (10, 15, 20, 30, 50, 75):
        result = denoise(noisy, runtime, sigma=sigma)
        assert psnr(result.clip(0, 1), clean) > 16
        assert np.abs(result - clean).max() < 0.8


def level_map(shape: tuple[int, int]) -> np.ndarray:
    """Rows of 10, columns of 40 from the middle on."""
    return np.where(np.arange(shape[1]) < shape[1] // 2, 10.0, 40.0)[None].repeat(shape[0], 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("camera", [False, True])
def test_a_constant_map_is_its_number(dtype: type, channels: int, camera: bool) -> None:
    picture, runtime = random_picture((70, 61, channels), dtype), real_network()
    number = denoise(picture, runtime, sigma=25, camera=camera, tile=32)
    mapped = denoise(picture, runtime, sigma=np.full((70, 61), 25.0), camera=camera, tile=32)
    np.testing.assert_allclose(mapped.astype(float), number, atol=1e-6 if dtype == np.float32 else 1)
    assert (mapped != number).mean() < 1e-3 or dtype == np.float32  # a last bit may round the other way


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_half_has_its_level(dtype: type) -> None:
    picture = random_picture((37, 50, 3), dtype)
    result = denoise(picture, brighten, sigma=level_map((37, 50)), tile=16)
    np.testing.assert_array_equal(result[:, :25], denoise(picture, brighten, sigma=10)[:, :25])
    np.testing.assert_array_equal(result[:, 25:], denoise(picture, brighten, sigma=40)[:, 25:])


def test_far_from_the_border_the_other_level_is_not_seen() -> None:
    runtime = real_network()
    picture, halo = random_picture((16, 200, 3), np.float32), runtime.halo
    result = denoise(picture, runtime, sigma=level_map((16, 200)), tile=32)
    np.testing.assert_allclose(result[:, : 100 - halo], denoise(picture, runtime, sigma=10)[:, : 100 - halo], atol=1e-6)
    np.testing.assert_allclose(result[:, 100 + halo :], denoise(picture, runtime, sigma=40)[:, 100 + halo :], atol=1e-6)
    assert np.abs(result - denoise(picture, runtime, sigma=10))[:, 100:].max() > 1e-3


def test_grey_under_a_map_gets_white_noise_of_its_level() -> None:
    seen = []
    levels = level_map((128, 256))
    picture = (0.5 + np.random.default_rng(1).normal(0, levels / 255)).astype(np.float32)[..., None]
    denoise(picture, stand_in(lambda image, level: (seen.append((image, level)), image)[1]), sigma=levels)
    ((image, level),) = seen
    np.testing.assert_allclose(level[..., 0], levels / 255 * np.sqrt(3), rtol=1e-6)
    across = image @ np.float32([1, -1, 0]) / np.float32(np.sqrt(2))
    for half, sigma in ((across[:, :128], 10), (across[:, 128:], 40)):
        assert half.std() * 255 == pytest.approx(sigma * np.sqrt(3), rel=0.05)


@pytest.mark.parametrize("camera", [False, True])
def test_where_the_map_is_0_nothing_changes(camera: bool) -> None:
    picture, levels = random_picture((30, 40, 3), np.uint8), level_map((30, 40)) - 10
    result = denoise(picture, brighten, sigma=levels, camera=camera)
    np.testing.assert_array_equal(result[:, :20], picture[:, :20])
    assert (result[:, 20:] != picture[:, 20:]).mean() > 0.5
    np.testing.assert_array_equal(denoise(picture, brighten, sigma=0 * levels, camera=camera), picture)


def test_a_camera_network_is_told_nothing_unless_somebody_knows() -> None:
    seen = []
    runtime = stand_in(lambda image, level: (seen.append((image, level)), image)[1])
    grey = random_picture((8, 9, 1), np.uint8)
    np.testing.assert_array_equal(denoise(grey, runtime, camera=True), grey)
    denoise(grey, runtime, camera=True, sigma=51)
    assert [level for _, level in seen] == [0, 0.2, 0]
    np.testing.assert_allclose(seen[0][0], np.repeat(grey, 3, 2) / np.float32(255), atol=1e-6)


@pytest.mark.parametrize("kind", ["night", "dark", "grey, 16 bits", "map"])
def test_a_camera_network_that_is_told_a_level_changes_no_brightness(kind: str) -> None:
    clean = data.rocket()[:192, 200:392] if kind == "night" else data.astronaut()[:192, 150:342]
    clean = clean // 8 if kind == "dark" else clean[..., 1:2] * np.uint16(257) if kind == "grey, 16 bits" else clean
    level = np.full(clean.shape[:2], 30) if kind == "map" else 30
    result = denoise(clean, Runtime(weights.load("denoise-camera"), device="cpu"), sigma=level, camera=True)
    shift = np.abs(result.mean((0, 1)) - clean.mean((0, 1))) / full_scale(clean.dtype)
    assert shift.max() * 255 < 0.3
    assert psnr(result, clean) > 35


def test_tiles_of_a_camera_network_that_is_told_a_level_are_exact() -> None:
    picture, runtime = random_picture((150, 131, 3), np.float32), real_network()
    whole, tiles = (denoise(picture, runtime, sigma=25, camera=True, tile=tile) for tile in (256, 32))
    np.testing.assert_allclose(tiles, whole, atol=1e-5)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.zeros((5, 6)), "sigma is a map of 6x5; expected 5x6, as the picture has"),
        (np.full((6, 5), 76.0), "sigma runs from 76 to 76; expected 0 to 75 in 8-bit units"),
        (np.full((6, 5), np.nan), "sigma runs from nan to nan; expected 0 to 75 in 8-bit units"),
        (np.zeros((6, 5, 1)), r"sigma must be a number from 0 to 75 .* or None, got an array of shape \(6, 5, 1\)"),
    ],
)
def test_maps_that_do_not_fit(levels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        denoise(random_picture((6, 5, 3), np.uint8), brighten, sigma=levels)
