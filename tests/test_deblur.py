"""The task that sharpens: what the network hears, depth, grey, linear light, tiles, what shipped networks gain."""

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
from restore.tasks import deblur

rng = np.random.default_rng(0)
DTYPES = [np.uint8, np.uint16, np.float32]


def random_picture(shape: tuple[int, int, int], dtype: type) -> np.ndarray:
    if dtype == np.float32:
        return rng.uniform(-0.3, 1.3, shape).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def stand_in(function, *, halo: int = 0) -> SimpleNamespace:
    """A runtime that is a function of (image, level)."""

    class Run(SimpleNamespace):
        def __call__(self, image: np.ndarray, level: float) -> np.ndarray:
            assert image.dtype == np.float32
            assert image.shape[2] == 3
            return function(image, level)

    return Run(halo=halo, multiple_of=1, min_size=1)


brighten = stand_in(lambda image, level: image + np.float32(level))


def real_network() -> Runtime:
    torch.manual_seed(0)
    network = networks.build("restoration", {"widths": [8, 8], "down": [1, 1], "up": [1, 1]})
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return Runtime(network, device="cpu")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("width", "level"), [(None, 0), (0.3, 0.075), (np.float32(2.5), 0.625), (4, 1)])
def test_the_network_hears_of_the_width(dtype: type, width: float | None, level: float) -> None:
    picture = random_picture((5, 6, 3), dtype)
    result = deblur(picture, brighten, width=width)
    expected = picture + level * full_scale(dtype)
    if dtype == np.float32:
        np.testing.assert_allclose(result, expected, atol=1e-6)
    else:
        np.testing.assert_allclose(result, np.minimum(expected, full_scale(dtype)), atol=0.51)
    assert result.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_the_network_leaves_stays(dtype: type, channels: int) -> None:
    picture = random_picture((21, 34, channels), dtype)
    result = deblur(picture, stand_in(lambda image, level: image), width=1.5, tile=8)
    if dtype == np.float32 and channels == 1:
        np.testing.assert_allclose(result, picture, atol=1e-6)
    else:
        np.testing.assert_array_equal(result, picture)


def test_grey_goes_in_as_three_equal_channels_and_stays_grey() -> None:
    grey, runtime = random_picture((40, 40, 1), np.uint8), real_network()
    expected = runtime(np.repeat(grey, 3, 2) / np.float32(255), 0.0).mean(2, keepdims=True)
    result = deblur(grey, runtime)
    np.testing.assert_allclose(result, np.clip(255 * expected, 0, 255), atol=0.51)
    np.testing.assert_array_equal(deblur(np.repeat(grey, 3, 2), runtime), np.repeat(result, 3, 2))
    assert (result != grey).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_linear_pictures_reach_the_network_encoded(channels: int) -> None:
    picture = rng.uniform(0.1, 0.6, (6, 7, channels)).astype(np.float32)
    result = deblur(picture, brighten, width=0.4, linear=True)
    np.testing.assert_allclose(result, to_linear(to_srgb(picture) + 0.1), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_equal_the_whole(channels: int) -> None:
    runtime, picture = real_network(), random_picture((150, 133, channels), np.float32)
    np.testing.assert_allclose(deblur(picture, runtime, tile=32), deblur(picture, runtime, tile=512), atol=1e-6)


def test_progress() -> None:
    seen: list[float] = []
    deblur(random_picture((40, 40, 3), np.uint8), brighten, tile=16, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 4


@pytest.mark.parametrize("width", [0, 0.29, 4.1, -1, float("nan"), "auto"])
def test_width_out_of_range(width: object) -> None:
    with pytest.raises(ValueError, match=f"width must be a number from 0.3 to 4 in pixels, or None, got {width!r}"):
        deblur(random_picture((5, 6, 3), np.uint8), brighten, width=width)


@pytest.mark.parametrize("channels", [1, 3])
def test_not_finite(channels: int) -> None:
    with pytest.raises(ValueError, match="the picture holds a NaN or an infinity; expected finite numbers"):
        deblur(np.full((5, 6, channels), np.inf, np.float32), brighten)


@pytest.mark.skipif("deblur" not in weights.entries(), reason="the network is still in training")
@pytest.mark.parametrize("sigma", [1.2, 2])
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("kind", ["colour", "grey"])
def test_shipped_network_gains(sigma: float, told: bool, kind: str) -> None:
    clean = data.cat()[:, 100:340]
    if kind == "grey":
        clean = clean[..., 1:2]
    blurred = ndimage.gaussian_filter(clean.astype(float), sigma, axes=(0, 1)) + np.random.default_rng(0).normal(0, 2.55, clean.shape)
    damaged = np.clip(np.rint(blurred), 0, 255).astype(np.uint8)
    result = deblur(damaged, Runtime(weights.load("deblur"), device="cpu"), width=sigma if told else None)
    assert psnr(result, clean) - psnr(damaged, clean) > 0.3
