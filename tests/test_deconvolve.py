"""Blur that is found and undone with the denoiser: shakes, lenses, depth, linear light, tiles, what is refused."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from restore import psf, weights
from restore.degrade.blur import Walk, motion_kernels
from restore.draws import Draws
from restore.image import full_scale, to_linear, to_srgb
from restore.metrics import psnr
from restore.restorer import Restorer
from restore.runtime import Runtime
from restore.tasks.deconvolve import check_blur, deconvolve, find_kernel, search_share


def stand_in(function) -> SimpleNamespace:
    """A runtime that is a function of (image, level)."""

    class Run(SimpleNamespace):
        def __call__(self, image: np.ndarray, level: float) -> np.ndarray:
            assert image.dtype == np.float32
            assert image.shape[2] == 3
            return function(image, level)

    return Run(halo=0, multiple_of=1, min_size=1)


brighten = stand_in(lambda image, level: image + np.float32(level))

SHAKE = motion_kernels(14 * Walk()(Draws(3, [1]), (1, 3, 25, 25), np.ones(1)), 25)[0].numpy()
needs_networks = pytest.mark.skipif({"denoise", "deblur"} - set(weights.entries()) != set(), reason="a network is still in training")


@pytest.fixture(scope="module")
def denoiser() -> Runtime:
    return Runtime(weights.load("denoise"), device="cpu")


@pytest.fixture(scope="module")
def sharpener() -> Runtime:
    return Runtime(weights.load("deblur"), device="cpu")


def blurred(clean: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """As a camera would see a picture through a kernel, with some noise, in the picture's own depth."""
    x = clean / full_scale(clean.dtype)
    x = ndimage.correlate(x, np.array(kernel)[..., None], mode="reflect") + np.random.default_rng(0).normal(0, 0.008, clean.shape)
    return np.rint(np.clip(x, 0, 1) * full_scale(clean.dtype)).astype(clean.dtype)


@needs_networks
@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("shake", "uint8"),
        ("lens", "uint16"),
        ("lens", "grey"),
        ("shake", "linear"),
        *(
            pytest.param(*others, marks=pytest.mark.slow)
            for others in [("lens", "uint8"), ("shake", "uint16"), ("shake", "grey"), ("lens", "linear")]
        ),
    ],
)
def test_blur_is_found_and_undone(cause: str, kind: str, denoiser: Runtime, sharpener: Runtime) -> None:
    clean = data.astronaut()[:256, 128:384]
    clean = clean[..., 1:2] if kind == "grey" else clean.astype(np.uint16) * 257 if kind == "uint16" else clean
    damaged = blurred(clean, SHAKE if cause == "shake" else psf.disk(1.5))
    if kind == "linear":
        damaged = to_linear(damaged / np.float32(255))
    kernel = find_kernel(damaged, denoiser, sharpener, linear=kind == "linear")
    assert kernel is not None
    assert (psf.roundness(kernel) > psf.ROUND) == (cause == "lens")
    result = deconvolve(damaged, denoiser, kernel=kernel, linear=kind == "linear")
    assert (result.shape, result.dtype) == (damaged.shape, damaged.dtype)
    if kind == "linear":
        damaged, result = (np.rint(255 * to_srgb(x)).clip(0, 255).astype(np.uint8) for x in (damaged, result))
    assert psnr(result, clean) - psnr(damaged, clean) > (4 if cause == "shake" else 3.5)


@needs_networks
@pytest.mark.parametrize(("kernel", "gain"), [(SHAKE, 9.8), (psf.disk(1.5), 5.0)])
def test_grey_photographs_gain_as_much(kernel: np.ndarray, gain: float, denoiser: Runtime) -> None:
    """Told more noise than there is, the denoiser must not change the brightness: each step would add to it."""
    clean = cv2.cvtColor(data.astronaut()[:256, 128:384], cv2.COLOR_RGB2GRAY)[..., None]
    damaged = blurred(clean, kernel)
    assert psnr(deconvolve(damaged, denoiser, kernel=kernel), clean) - psnr(damaged, clean) > gain


@needs_networks
@pytest.mark.parametrize("grain", [3, 5])
def test_grain_that_channels_share_is_not_sharpened(grain: int, denoiser: Runtime) -> None:
    grey = cv2.cvtColor(data.astronaut()[:256, 128:384], cv2.COLOR_RGB2GRAY)[..., None]
    tone = np.array([1, 0.8, 0.6])
    seen = ndimage.correlate(grey / 255, SHAKE[..., None], mode="reflect") + np.random.default_rng(0).normal(0, grain / 255, grey.shape)
    damaged, clean = (np.rint(255 * np.clip(x, 0, 1) * tone).astype(np.uint8) for x in (seen, grey / 255))
    assert psnr(deconvolve(damaged, denoiser, kernel=SHAKE), clean) - psnr(damaged, clean) > {3: 7, 5: 8.3}[grain]


@needs_networks
def test_a_cut_out_is_sharpened_like_the_photograph(denoiser: Runtime) -> None:
    clean = data.astronaut()[:256, 128:384]
    damaged, seen = blurred(clean, SHAKE), np.hypot(*(np.indices(clean.shape[:2]) - 128)) < 110
    restorer = Restorer(device="cpu")
    gains = []
    for under in (damaged, np.zeros_like(damaged)):
        cut_out = np.dstack([np.where(seen[..., None], damaged, under), 255 * seen.astype(np.uint8)])
        result = restorer.deblur(cut_out, kernel=SHAKE)[..., :3]
        gains.append(psnr(result[seen][None], clean[seen][None]) - psnr(damaged[seen][None], clean[seen][None]))
    assert gains[0] > 4
    assert gains[1] == gains[0]


@needs_networks
def test_what_is_looked_for(denoiser: Runtime, sharpener: Runtime) -> None:
    clean = data.astronaut()[:256, 128:384]
    lens, shake = blurred(clean, psf.disk(2)), blurred(clean, SHAKE)
    moved: dict[str, list[float]] = {"lens": [], "shake": [], "any": []}

    def find(picture: np.ndarray, blur: str) -> np.ndarray | None:
        return find_kernel(picture, denoiser, None if blur == "shake" else sharpener, blur=blur, progress=moved[blur].append)

    assert psf.spread(find(lens, "lens")) == pytest.approx(2, rel=0.06)
    assert len(moved["lens"]) > 5
    assert find(shake, "lens") is None
    assert find(shake, "any") is None
    assert find(clean, "shake") is not None
    assert moved["any"] == [1]
    assert moved["shake"] == [0.5, 1]
    assert moved["lens"][-1] == 1
    assert [*moved["lens"]][:7] == sorted([*moved["lens"]][:7])


def test_the_share_of_the_search_falls_with_size() -> None:
    shares = [search_share(np.zeros((side, side, 3), np.uint8)) for side in (300, 500, 4000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.8
    assert shares[-1] < 0.1


@needs_networks
def test_nothing_is_found_where_it_would_not_help(denoiser: Runtime, sharpener: Runtime) -> None:
    clean = data.astronaut()[:256, 128:384]
    loud = blurred(clean, SHAKE) + np.random.default_rng(0).normal(0, 15, clean.shape)
    for picture in (clean, np.full_like(clean, 80), clean[:50], loud.clip(0, 255).astype(np.uint8)):
        assert find_kernel(picture, denoiser, sharpener) is None
    for blur in ("auto", "shake"):
        assert find_kernel(np.full((256, 256, 3), np.nan, np.float32), denoiser, sharpener, blur=blur) is None


def test_causes_have_names() -> None:
    check_blur("lens")
    with pytest.raises(ValueError, match="blur 'soft' is unknown; expected one of auto, lens, shake, any"):
        check_blur("soft")


@needs_networks
def test_tiles_of_a_deconvolution_hardly_differ(denoiser: Runtime) -> None:
    damaged = blurred(data.astronaut()[:256, 128:384], SHAKE)
    seen: list[float] = []
    whole = deconvolve(damaged, denoiser, kernel=SHAKE)
    assert psnr(deconvolve(damaged, denoiser, kernel=SHAKE, tile=128, progress=seen.append), whole) > 40
    assert seen == sorted(seen)
    assert (len(seen), seen[-1]) == (5, 1)


def test_a_known_kernel_is_divided_by_its_sum() -> None:
    damaged = blurred(data.astronaut()[:96, 128:224], SHAKE)
    softly = stand_in(lambda image, level: image)
    np.testing.assert_array_equal(deconvolve(damaged, softly, kernel=SHAKE), deconvolve(damaged, softly, kernel=4 * SHAKE))


def test_floats_keep_their_range() -> None:
    picture = np.linspace(-0.5, 2.5, 96 * 96 * 3, dtype=np.float32).reshape(96, 96, 3)
    result = deconvolve(picture, stand_in(lambda image, level: image), kernel=np.ones((1, 1)))
    np.testing.assert_allclose(result, picture, atol=1e-3)


@pytest.mark.parametrize(
    ("kernel", "said"),
    [(np.ones((2, 3)), "the kernel is 2x3; expected odd sides"), (np.zeros((3, 3)), "the kernel sums to 0"), ([1, 2], "shape")],
)
def test_no_kernel(kernel: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        deconvolve(np.zeros((5, 6, 3), np.uint8), brighten, kernel=kernel)


def test_nothing_is_deconvolved_that_is_not_finite() -> None:
    with pytest.raises(ValueError, match="the picture holds a NaN or an infinity; expected finite numbers"):
        deconvolve(np.full((5, 6, 3), np.nan, np.float32), brighten, kernel=SHAKE)
