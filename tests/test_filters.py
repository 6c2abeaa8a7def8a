"""Properties of every kernel filter, over the table, and what each is held against: SciPy, OpenCV, hand-made arrays."""

import inspect
import math
from functools import partial

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


OPTIONS = {
    "custom": {"kernel": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "normalise": True},
    "smooth_l0": {"kappa": 8.0},
    "total_variation": {"steps": 20},
    "anisotropic": {"steps": 5},
    "non_local_means": {"search": 7},
    "richardson_lucy": {"steps": 5},
    "clahe": {"tiles": 2},
}
"""Options without which a filter does not run, or is slow."""
OTHER_OUTPUT = {"match": "gives similarities, (H, W) float32; tests/test_filters_match.py"}
"""Rows that give no picture, with the reason."""
NAMES = [name for name in FILTERS if name not in OTHER_OUTPUT]
DTYPES = [np.uint8, np.uint16, np.float32]


def apply(name, image, **options):
    return FILTERS[name].array(image, **{**OPTIONS.get(name, {}), **options})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_shape_type_and_alpha_are_kept(name, dtype):
    for shape in [(20, 23), (20, 23, 1), (20, 23, 2), (20, 23, 3), (20, 23, 4)]:
        image = picture(shape, dtype)
        before = image.copy()
        image.flags.writeable = False
        result = apply(name, image)
        assert (result.shape, result.dtype) == (shape, image.dtype)
        assert not np.shares_memory(result, image)
        np.testing.assert_array_equal(image, before)
        if shape[2:] in [(2,), (4,)]:
            np.testing.assert_array_equal(result[..., -1], image[..., -1])
            np.testing.assert_allclose(result[..., :-1], apply(name, image[..., :-1]), rtol=0, atol=2e-6 * (dtype == np.float32))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_small_pictures(name, dtype):
    for shape in [(1, 1), (1, 9), (9, 1), (4, 1), (2, 3), (1, 1, 3), (4, 1, 3), (2, 3, 4)]:
        result = apply(name, picture(shape, dtype))
        assert result.shape == shape
        assert np.isfinite(result).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_views_give_what_copies_give(name, dtype):
    whole = picture((30, 42, 3), dtype)
    for view in (whole[::2, ::2], whole[::-1, ::-1], whole.swapaxes(0, 1), whole[..., ::-1], whole[..., 1], whole[3:, 5:30, :1]):
        # OpenCV's order of additions depends on where a row starts in memory
        np.testing.assert_allclose(apply(name, view), apply(name, np.ascontiguousarray(view)), rtol=0, atol=2e-6 * (dtype == np.float32))


def scene():
    """Slopes, a step of 120 levels, a bright disk and faint noise, (48, 52, 3), uint8."""
    y, x = np.mgrid[:48, :52]
    plane = 40 + x + 0.5 * y + 120 * (x > 30) + 30 * ((x - 14) ** 2 + (y - 20) ** 2 < 64)
    noise = np.random.default_rng(1).normal(0, 3, (48, 52, 3))
    return np.clip(plane[..., None] * [1, 0.9, 0.8] + noise, 0, 255).astype(np.uint8)


COARSER = {
    "gaussian": (1.5, "OpenCV rounds the weights of 8-bit pictures to 1/256"),
    "unsharp": (1.5, "as gaussian"),
    "difference_of_gaussians": (2, "as gaussian, twice"),
    "high_boost": (1.01, "the mean is rounded before it is multiplied"),
    "clahe": (3, "the luma is rounded, and the curve may be steep"),
    "bilateral": (1, "OpenCV takes 8-bit weights from a table"),
    "non_local_means": (8, "OpenCV for 8 bits, scikit-image for the others; other weights, see tests/test_filters_smoothing.py"),
}
"""Largest difference between the types, in 8-bit levels, where it is above the rounding, with the reason."""


@pytest.mark.parametrize("name", NAMES)
def test_types_agree(name):
    image = scene()
    result = apply(name, image).astype(np.float64)
    wide = apply(name, image.astype(np.uint16) * 257) / 257.0
    real = apply(name, (image / 255).astype(np.float32)).clip(0, 1) * 255.0
    tolerance = COARSER.get(name, (0.51,))[0]
    np.testing.assert_allclose(wide, result, rtol=0, atol=tolerance)
    np.testing.assert_allclose(real, result, rtol=0, atol=tolerance)
    np.testing.assert_allclose(real, wide, rtol=0, atol=0.02)


BLACK = {"laplacian", "sobel", "scharr", "prewitt", "roberts", "canny", "difference_of_gaussians", "laplacian_of_gaussian", "gabor"}
BLACK |= {"top_hat", "black_hat"}
"""Filters that show what differs: a constant becomes 0."""
TONES = {"brightness", "contrast", "gamma", "clahe"}
"""Filters that change a constant."""


@pytest.mark.parametrize(("dtype", "grey"), [(np.uint8, 77), (np.uint16, 20001), (np.float32, 0.3)])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in TONES])
def test_a_constant_stays(name, dtype, grey):
    image = np.full((24, 27, 3), grey, dtype)
    expected = np.zeros_like(image) if name in BLACK else image
    np.testing.assert_allclose(apply(name, image), expected, rtol=0, atol=1e-6 * (dtype == np.float32))


@pytest.mark.parametrize("name", FILTERS)
def test_bad_pictures(name):
    options = {"patch": np.zeros((1, 1), np.uint8)} if name == "match" else {}
    nan = np.zeros((3, 3), np.float32)
    nan[1, 1] = np.nan
    for image, error, text in [
        (np.zeros((5, 5), np.int32), TypeError, r"int32: expected uint8, uint16 or float32"),
        (np.zeros((5, 5)), TypeError, r"float64: expected uint8, uint16 or float32"),
        ([[1, 2], [3, 4]], TypeError, r"a picture is an array .* got list"),
        (nan, ValueError, r"NaN or infinity"),
        (np.full((2, 2), np.inf, np.float32), ValueError, r"NaN or infinity"),
        (np.zeros((0, 5), np.uint8), ValueError, r"none of them 0; got \(0, 5\)"),
        (np.zeros((5, 5, 0), np.uint8), ValueError, r"none of them 0; got \(5, 5, 0\)"),
        (np.zeros((5, 5, 5), np.uint8), ValueError, r"1 to 4.*got \(5, 5, 5\)"),
        (np.zeros(5, np.uint8), ValueError, r"got \(5,\)"),
    ]:
        with pytest.raises(error, match=text):
            apply(name, image, **options)


@pytest.mark.parametrize("name", [name for name in FILTERS if "border" in inspect.signature(FILTERS[name].array).parameters])
def test_unknown_border(name):
    options = {"patch": picture((3, 3))} if name == "match" else {}
    with pytest.raises(ValueError, match="border is 'mirror'; expected one of reflect, symmetric, replicate, constant, wrap"):
        apply(name, picture(), border="mirror", **options)


WINDOWS = {
    "size": (
        "box",
        "median",
        "high_boost",
        "bilateral",
        "non_local_means",
        "erosion",
        "dilation",
        "opening",
        "closing",
        "top_hat",
        "black_hat",
    ),
    "search": ("non_local_means",),
}


@pytest.mark.parametrize(("option", "name"), [(option, name) for option, names in WINDOWS.items() for name in names])
def test_windows_are_odd(option, name):
    for size in (4, 0, -3, 2.5):
        with pytest.raises(ValueError, match=f"{option} is {size}; expected an odd number"):
            apply(name, picture(), **{option: size})


ABOVE = {
    "gaussian": ("sigma",),
    "disk": ("radius",),
    "motion": ("length",),
    "unsharp": ("sigma", "amount", "threshold"),
    "high_boost": ("boost",),
    "difference_of_gaussians": ("sigma", "ratio"),
    "laplacian_of_gaussian": ("sigma",),
    "gabor": ("wavelength", "count"),
    "bilateral": ("sigma_color", "sigma_space"),
    "guided": ("radius", "sigma_color"),
    "non_local_means": ("strength",),
    "anisotropic": ("sigma_color", "steps"),
    "total_variation": ("weight", "steps"),
    "beauty": ("strength", "radius", "sigma_color", "texture"),
    "smooth_l0": ("strength", "kappa"),
    "local_laplacian": ("amount", "sigma_color", "levels"),
    "canny": ("sigma", "low", "high"),
    "contrast": ("factor",),
    "gamma": ("gamma",),
    "clahe": ("limit", "tiles"),
    "wiener": ("balance", "size"),
    "richardson_lucy": ("steps", "size"),
}


@pytest.mark.parametrize(("name", "option"), [(name, option) for name, options in ABOVE.items() for option in options])
def test_numbers_below_their_range(name, option):
    for value in (-2.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"{option} is {value:g}; expected "):
            apply(name, picture(), **{option: value})


def test_every_number_is_checked():
    numbers = {
        (name, option)
        for name in NAMES
        for option, parameter in inspect.signature(FILTERS[name].array).parameters.items()
        if isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool)
    }
    checked = {(name, option) for name, options in ABOVE.items() for option in options}
    checked |= {(name, option) for option, names in WINDOWS.items() for name in names}
    assert numbers - checked == {("motion", "angle"), ("wiener", "angle"), ("richardson_lucy", "angle"), ("brightness", "amount")}


@pytest.mark.parametrize(
    ("name", "option"),
    [("guided", "radius"), ("anisotropic", "steps"), ("gabor", "count"), ("local_laplacian", "levels"), ("clahe", "tiles")],
)
def test_counts_are_whole_numbers(name, option):
    with pytest.raises(ValueError, match=f"{option} is 2.5; expected a whole number"):
        FILTERS[name].array(picture(), **{option: 2.5})


EXTREME = (1e-9, 0, -1, 1e9, 1003, math.nan, math.inf)
SLOW = {("anisotropic", "steps"), ("total_variation", "steps"), ("richardson_lucy", "steps"), ("smooth_l0", "kappa"), ("gabor", "count")}
"""Options of which a large value is taken, and takes its time."""


@pytest.mark.parametrize("name", FILTERS)
def test_extreme_numbers_are_taken_or_refused_in_one_line(name):
    needs = {"custom": {"kernel": np.ones((3, 3))}, "match": {"patch": picture((3, 3), np.uint8)}}.get(name, {})
    for option, parameter in inspect.signature(FILTERS[name].array).parameters.items():
        if isinstance(parameter.default, bool) or not isinstance(parameter.default, int | float):
            continue
        for value in EXTREME:
            if (name, option) in SLOW and value > 100:
                continue
            message = refusal(partial(FILTERS[name].array, picture((16, 20), np.uint8), **{option: value}, **needs))
            assert message is None or ("expected" in message and "\n" not in message)


def refusal(call):
    """The message of the ValueError that a call raises, if it does."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return None
