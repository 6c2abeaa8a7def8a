"""Gradients against SciPy and scikit-image at all borders; Canny."""

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage import filters

from restore.filters import kernels
from restore.filters.array import edges
from restore.filters.base import BORDERS

SCIPY = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "constant": "constant", "wrap": "wrap"}
PAIRS = {
    "sobel": (kernels.SOBEL, kernels.SOBEL.T),
    "scharr": (kernels.SCHARR, kernels.SCHARR.T),
    "prewitt": (kernels.PREWITT, kernels.PREWITT.T),
    "roberts": (kernels.ROBERTS, kernels.ROBERTS[:, ::-1]),
}


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", PAIRS)
def test_against_scipy(name, border):
    for height in (1, 2, edges.STRIP - 1, edges.STRIP, edges.STRIP + 1, 2 * edges.STRIP + 1):
        image = np.random.default_rng(0).random((height, 9)).astype(np.float32) / 25
        one, other = PAIRS[name]
        other = np.roll(other, 1, 1) if name == "roberts" else other  # its top left pixel is the centre
        x, y = (ndimage.correlate(image.astype(np.float64), kernel, mode=SCIPY[border]) for kernel in (one, other))
        expected = np.hypot(x, y)
        function = getattr(edges, name)
        np.testing.assert_allclose(function(image, border=border), expected, atol=1e-6)
        for white in (255, 65535):
            dtype = np.uint8 if white == 255 else np.uint16
            whole = np.rint(image * white).astype(dtype)
            x, y = (ndimage.correlate(whole.astype(np.float64), kernel, mode=SCIPY[border]) for kernel in (one, other))
            np.testing.assert_allclose(function(whole, border=border), np.clip(np.hypot(x, y), 0, white), atol=0.51)


def test_roberts_against_scikit_image():
    image = np.random.default_rng(0).random((12, 13)).astype(np.float32)
    expected = filters.roberts(image) * np.sqrt(2)
    np.testing.assert_allclose(edges.roberts(image)[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-5)


def test_integers_saturate():
    step = np.zeros((4, 6), np.uint8)
    step[:, 3:] = 200
    assert edges.sobel(step)[1].tolist() == [0, 0, 255, 255, 0, 0]
    assert edges.scharr(step.astype(np.uint16) * 257)[1].tolist() == [0, 0, 65535, 65535, 0, 0]


def test_canny_of_a_step_is_one_pixel_wide():
    for image, white in ((np.uint8(100), 255), (np.uint16(25700), 65535), (np.float32(0.4), 1.0)):
        step = np.zeros((20, 24, 3), image.dtype)
        step[:, 12:] = image
        found = edges.canny(step)
        assert set(np.unique(found)) == {0, white}
        assert (found == found[..., :1]).all()
        assert ((found[..., 0] > 0).sum(1) == 1).all()
        assert np.isin(np.flatnonzero(found[5, :, 0]), [11, 12]).all()


def test_canny_of_a_disk_is_a_thin_ring():
    y, x = np.mgrid[:64, :64] - 31.5
    found = edges.canny((np.hypot(x, y) < 20).astype(np.float32)) > 0
    away = np.abs(np.hypot(x, y)[found] - 20)
    assert away.max() < 1.6
    assert 2 * np.pi * 20 * 0.8 < found.sum() < 2 * np.pi * 20 * 1.2
    assert ndimage.label(found, np.ones((3, 3)))[1] == 1


def test_canny_is_opencvs_after_the_blur():
    image = np.random.default_rng(0).integers(0, 256, (40, 44), np.uint8)
    smooth = cv2.GaussianBlur(image, (0, 0), 2.0)
    expected = cv2.Canny(smooth, 30, 60, L2gradient=True)
    assert expected.any()
    np.testing.assert_array_equal(edges.canny(image, sigma=2.0, low=30, high=60), expected)


def test_canny_thresholds():
    with pytest.raises(ValueError, match="low is 80; expected above 0 to 50"):
        edges.canny(np.zeros((5, 5), np.uint8), low=80)
