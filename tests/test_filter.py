"""The task of the learned filters: what the network is asked for, depth, grey, linear light, tiles."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from restore import networks
from restore.image import full_scale, to_linear, to_srgb
from restore.networks.filtering import OPERATORS
from restore.runtime import Runtime
from restore.tasks import filter

rng = np.random.default_rng(0)
DTYPES = [np.uint8, np.uint16, np.float32]


def random_picture(shape, dtype):
    return (rng.random(shape) * full_scale(dtype)).astype(dtype)


def stand_in(function):
    """A runtime that is a function of (image, condition)."""

    class Run(SimpleNamespace):
        def __call__(self, image, condition):
            assert image.dtype == np.float32
            assert image.shape[2] == 3
            return function(image, condition)

    return Run(halo=0, multiple_of=2, min_size=2)


brighten = stand_in(lambda image, condition: image + np.float32(condition[1] / 10))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    net = networks.build("filtering", {"width": 8, "dilations": [1, 2, 4]})
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net


@pytest.mark.parametrize("name", OPERATORS)
def test_the_network_is_asked_for_the_operator_and_the_strength(name, network):
    picture = random_picture((10, 12, 3), np.float32)
    x = torch.from_numpy(picture).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = network.eval()(x, list(OPERATORS).index(name), 0.3)[0].permute(1, 2, 0).numpy()
    result = filter(picture, Runtime(network, device="cpu"), name=name, strength=0.3)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert np.abs(filter(picture, Runtime(network, device="cpu"), name=name, strength=0.9) - result).max() > 1e-3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_depth_and_grey(dtype, channels):
    picture = random_picture((21, 34, channels), dtype)
    result = filter(picture, brighten, name="beauty", strength=0.5, tile=8)
    assert (result.dtype, result.shape) == (dtype, picture.shape)
    expected = picture + 0.05 * full_scale(dtype)
    if dtype == np.float32:
        np.testing.assert_allclose(result, expected, atol=1e-6)
    else:
        np.testing.assert_allclose(result, np.minimum(expected, full_scale(dtype)), atol=0.51)


def test_three_equal_channels_stay_equal(network):
    grey, runtime = random_picture((20, 24, 1), np.uint8), Runtime(network, device="cpu")
    result = filter(np.repeat(grey, 3, 2), runtime, name="bilateral")
    np.testing.assert_array_equal(result, np.repeat(filter(grey, runtime, name="bilateral"), 3, 2))
    assert (result != grey).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_linear_pictures_reach_the_network_encoded(channels):
    picture = rng.uniform(0.1, 0.9, (6, 8, channels)).astype(np.float32)
    result = filter(picture, brighten, name="beauty", strength=1, linear=True)
    np.testing.assert_allclose(result, to_linear(to_srgb(picture) + 0.1), atol=1e-5)


@pytest.mark.parametrize("shape", [(101, 77), (64, 130)])
def test_tiles_equal_the_whole(shape, network):
    picture, runtime = random_picture((*shape, 3), np.float32), Runtime(network, device="cpu")
    whole = filter(picture, runtime, name="smooth_l0", tile=512)
    np.testing.assert_allclose(filter(picture, runtime, name="smooth_l0", tile=32), whole, atol=1e-5)


def test_progress():
    seen = []
    filter(random_picture((40, 40, 3), np.uint8), brighten, name="beauty", tile=16, progress=seen.append)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 1)
    assert len(seen) > 4


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), "1"])
def test_strength_out_of_range(strength):
    with pytest.raises(ValueError, match=f"strength must be a number from 0 to 1, got {strength!r}"):
        filter(random_picture((4, 4, 3), np.uint8), brighten, name="beauty", strength=strength)


def test_unknown_name():
    with pytest.raises(ValueError, match="no learned filter 'sobel'; expected one of bilateral, non_local_means, .*local_laplacian$"):
        filter(random_picture((4, 4, 3), np.uint8), brighten, name="sobel")


@pytest.mark.parametrize("channels", [1, 3])
def test_not_finite(channels):
    with pytest.raises(ValueError, match="the picture holds a NaN or an infinity; expected finite numbers"):
        filter(np.full((4, 4, channels), np.nan, np.float32), brighten, name="beauty")
