"""Properties of every kernel filter, over the table, and what each is held against: SciPy, OpenCV, hand-made arrays."""

import numpy as np
import pytest
from scipy import ndimage

from restore.filters import FILTERS, kernels
from restore.filters.base import BORDERS, border_indices

SCIPY = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "constant": "constant", "wrap": "wrap"}
"""Our name of a border -> SciPy's."""
NUMPY = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "constant": "constant", "wrap": "wrap"}


def picture(shape=(23, 31), dtype=np.float32):
    values = np.random.default_rng(0).random(shape)
    return values.astype(dtype) if dtype == np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(("size", "reach"), [(7, 3), (4, 3), (2, 1), (9, 4)])
def test_border_indices_against_numpy(border, size, reach):
    row = np.arange(1, size + 1)
    padded = np.concatenate([[0], row])[border_indices(size, reach, reach, border) + 1]
    np.testing.assert_array_equal(padded, np.pad(row, reach, mode=NUMPY[border]))


LINEAR = {
    "box": ({"size": 5}, kernels.box(5)),
    "gaussian": ({"sigma": 1.7}, kernels.gaussian(1.7)),
    "motion": ({"length": 7.5, "angle": 30.0}, kernels.motion(7.5, 30.0)),
    "disk": ({"radius": 2.5}, kernels.disk(2.5)),
    "sharpen": ({}, np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])),
    "laplacian": ({}, np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])),
    "emboss": ({}, kernels.EMBOSS),
    "laplacian_of_gaussian": ({"sigma": 1.2}, kernels.log(1.2)),
    "custom": ({"kernel": [[1, 2, 3], [4, 5, 6], [7, 8, 10]], "normalise": True}, np.array([[1, 2, 3], [4, 5, 6], [7, 8, 10]]) / 46),
}
"""Name -> options, and the kernel that SciPy correlates with."""


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", LINEAR)
def test_linear_filters_against_scipy(name, border):
    options, kernel = LINEAR[name]
    image = picture()
    expected = ndimage.correlate(image.astype(np.float64), kernel, mode=SCIPY[border])
    np.testing.assert_allclose(FILTERS[name].array(image, border=border, **options), expected, atol=1e-5)


@pytest.mark.parametrize("border", BORDERS)
def test_gradients_against_scipy(border):
    image = picture()
    for name, function in (("sobel", ndimage.sobel), ("prewitt", ndimage.prewitt)):
        expected = np.hypot(*(function(image.astype(np.float64), axis, mode=SCIPY[border]) for axis in (0, 1)))
        np.testing.assert_allclose(FILTERS[name].array(image, border=border), expected, atol=1e-5)
