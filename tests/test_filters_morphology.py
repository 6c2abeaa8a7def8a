"""Morphology against SciPy at all borders, and by hand."""

import numpy as np
import pytest
from scipy import ndimage

from restore.filters import kernels
from restore.filters.array import morphology
from restore.filters.base import BORDERS

SCIPY = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "constant": "constant", "wrap": "wrap"}


def picture(shape=(14, 17, 3), dtype=np.float32):
    values = np.random.default_rng(0).random(shape)
    return values.astype(dtype) if dtype == np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)


def extreme(function, image, footprint, border):
    outside = np.inf if function is ndimage.grey_erosion else -np.inf  # does not count
    planes = [
        function(plane, footprint=footprint, mode=SCIPY[border], cval=outside) for plane in np.moveaxis(image.astype(np.float64), -1, 0)
    ]
    return np.stack(planes, -1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", kernels.SHAPES)
@pytest.mark.parametrize("border", BORDERS)
def test_against_scipy(border, shape, dtype):
    image = picture(dtype=dtype)
    footprint = kernels.footprint(5, shape)
    darkest = extreme(ndimage.grey_erosion, image, footprint, border)
    brightest = extreme(ndimage.grey_dilation, image, footprint, border)
    opened = extreme(ndimage.grey_dilation, darkest, footprint, border)
    closed = extreme(ndimage.grey_erosion, brightest, footprint, border)
    for function, expected in [
        (morphology.erosion, darkest),
        (morphology.dilation, brightest),
        (morphology.opening, opened),
        (morphology.closing, closed),
        (morphology.top_hat, image - opened),
        (morphology.black_hat, closed - image),
    ]:
        result = function(image, size=5, shape=shape, border=border)
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_constant_border_does_not_count():
    image = np.full((3, 3), 9, np.uint8)
    assert (morphology.erosion(image, border="constant") == 9).all()
    assert (morphology.dilation(np.full((3, 3), -5, np.float32), border="constant") == -5).all()


def test_a_speck_goes_and_a_square_stays():
    image = np.zeros((12, 12), np.uint8)
    image[2, 2], image[5:10, 5:10] = 200, 150
    square = image.copy()
    square[2, 2] = 0
    np.testing.assert_array_equal(morphology.opening(image, size=3), square)
    np.testing.assert_array_equal(morphology.top_hat(image, size=3), image - square)
    np.testing.assert_array_equal(morphology.closing(255 - image, size=3), 255 - square)
    np.testing.assert_array_equal(morphology.black_hat(255 - image, size=3), image - square)


def test_footprints():
    np.testing.assert_array_equal(kernels.footprint(3), np.ones((3, 3)))
    np.testing.assert_array_equal(kernels.footprint(5, "disk"), [[0, 1, 1, 1, 0], [1] * 5, [1] * 5, [1] * 5, [0, 1, 1, 1, 0]])
    np.testing.assert_array_equal(kernels.footprint(5, "cross").sum(0), [1, 1, 5, 1, 1])
    assert kernels.footprint(1, "disk").tolist() == kernels.footprint(1, "cross").tolist() == [[1]]


def test_unknown_shape():
    with pytest.raises(ValueError, match="shape is 'star'; expected one of square, disk, cross"):
        morphology.erosion(picture(), shape="star")
    with pytest.raises(ValueError, match="size is 4; expected an odd number"):
        kernels.footprint(4)
