"""Each filter on tensors against its twin on arrays, over the table; its gradient against finite differences."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data

from restore.filters import FILTERS
from restore.filters.base import BORDERS
from restore.filters.tensor import base, smoothing

TWINS = {name: row for name, row in FILTERS.items() if row.tensor}
OPTIONS = {
    "box": [{}, {"size": 1}, {"size": 11}],
    "gaussian": [{}, {"sigma": 0.3}, {"sigma": 6.0}],
    "motion": [{}, {"length": 12.5, "angle": 30.0}],
    "disk": [{}, {"radius": 7.5}],
    "unsharp": [{}, {"sigma": 1.2, "amount": 2.5}],
    "high_boost": [{}, {"boost": 3.0, "size": 7}],
    "median": [{}, {"size": 1}, {"size": 5}, {"size": 9}],
    "bilateral": [{}, {"sigma_color": 8.0, "sigma_space": 1.0}, {"sigma_color": 120.0, "size": 7}, {"sigma_space": 0.2}],
    "guided": [{}, {"radius": 2, "sigma_color": 5.0}],
    "difference_of_gaussians": [{}, {"sigma": 2.0, "ratio": 3.0}],
    "laplacian_of_gaussian": [{}, {"sigma": 1.0}],
    "gabor": [{}, {"wavelength": 4.0, "count": 3}],
    "erosion": [{}, {"size": 7, "shape": "disk"}, {"size": 5, "shape": "cross"}],
    "dilation": [{}, {"size": 7, "shape": "disk"}, {"size": 5, "shape": "cross"}],
    "opening": [{}, {"size": 5, "shape": "disk"}],
    "closing": [{}, {"size": 5, "shape": "disk"}],
    "top_hat": [{}, {"size": 5, "shape": "cross"}],
    "black_hat": [{}, {"size": 5, "shape": "cross"}],
    "custom": [
        {"kernel": [[1, 2, 3], [4, 5, 6], [7, 8, 10]], "normalise": True},
        {"kernel": [[1, 2, 3, 4, 5]], "flip": True, "normalise": True},
    ],
}
"""Name -> options that are tried; those that are not listed have none."""
CASES = [(name, options) for name in TWINS for options in OPTIONS.get(name, [{}])]
EXACT = {"median", "erosion", "dilation", "opening", "closing", "top_hat", "black_hat"}
PHOTO = (data.astronaut()[20:84, 180:276] / 255).astype(np.float32)  # (64, 96, 3)


def tensor(*pictures: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """(N, C, H, W) of pictures (H, W, C)."""
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy()).to(dtype)


def arrays(x: torch.Tensor) -> np.ndarray:
    """(N, H, W, C) of a batch."""
    return x.permute(0, 2, 3, 1).numpy()


def tolerance(name: str) -> float:
    return 0.0 if name in EXACT else 1e-5


def test_which_filters_have_a_twin():
    without = set(FILTERS) - set(TWINS)
    assert without.isdisjoint(OPTIONS)
    assert {"sobel", "scharr", "prewitt", "roberts", "sharpen", "laplacian", "emboss", *OPTIONS} == set(TWINS)
    assert {"canny", "clahe", "non_local_means", "richardson_lucy"} <= without


@pytest.mark.parametrize("name", TWINS)
def test_same_options(name):
    ours, theirs = (inspect.signature(function).parameters.values() for function in (TWINS[name].array, TWINS[name].tensor))
    assert [(p.name, p.default, p.kind, p.annotation) for p in ours][1:] == [(p.name, p.default, p.kind, p.annotation) for p in theirs][1:]


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_twin_on_arrays(name, options, border):
    result = TWINS[name].tensor(tensor(PHOTO, PHOTO[::-1, ::-1]), border=border, **options)
    expected = [TWINS[name].array(np.ascontiguousarray(p), border=border, **options) for p in (PHOTO, PHOTO[::-1, ::-1])]
    assert result.dtype == torch.float32
    np.testing.assert_allclose(arrays(result), expected, rtol=0, atol=tolerance(name))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", TWINS)
def test_windows_that_are_larger_than_the_picture(name, border):
    options = {"disk": {"radius": 9.0}, "gaussian": {"sigma": 5.0}}.get(name, OPTIONS.get(name, [{}])[0])
    for shape in ((5, 7, 3), (1, 6, 1), (4, 1, 3)):
        picture = np.random.default_rng(0).random(shape, np.float32)
        expected = TWINS[name].array(picture, border=border, **options)
        result = arrays(TWINS[name].tensor(tensor(picture), border=border, **options))[0]
        np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance(name))


def test_large_kernels():
    for name, options in (("disk", {"radius": 30.0}), ("gaussian", {"sigma": 20.0}), ("box", {"size": 101})):
        expected = TWINS[name].array(PHOTO, **options)
        np.testing.assert_allclose(arrays(TWINS[name].tensor(tensor(PHOTO), **options))[0], expected, atol=1e-5)


def test_unsharp_with_a_threshold():
    """Where the difference is the threshold up to rounding, the two may decide differently: there are none here."""
    options = {"sigma": 1.5, "threshold": 6.0}
    expected = TWINS["unsharp"].array(PHOTO, **options)
    result = arrays(TWINS["unsharp"].tensor(tensor(PHOTO), **options))[0]
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert 0.1 < (result == PHOTO).mean() < 0.9


@pytest.mark.parametrize("border", BORDERS)
def test_bilateral_by_its_definition(border):
    """OpenCV looks the weights up in a table; the definition, in float64, has none."""
    picture, reach, sigma_color, sigma_space = PHOTO[:20, :24].astype(np.float64), 4, 30.0, 2.0
    numpy = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "constant": "constant", "wrap": "wrap"}
    padded = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode=numpy[border])
    expected = np.empty_like(picture)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    near = np.where(x**2 + y**2 <= reach**2, np.exp(-(x**2 + y**2) / (2 * sigma_space**2)), 0)
    for row, column in np.ndindex(picture.shape[:2]):
        window = padded[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
        alike = np.exp(-0.5 * (np.abs(window - picture[row, column]).sum(-1) * 255 / sigma_color) ** 2)
        expected[row, column] = np.average(window, axis=(0, 1), weights=np.repeat((near * alike)[..., None], 3, -1))
    options = {"sigma_color": sigma_color, "sigma_space": sigma_space, "size": 2 * reach + 1, "border": border}
    np.testing.assert_allclose(arrays(TWINS["bilateral"].tensor(tensor(picture, dtype=torch.float64), **options))[0], expected, atol=1e-12)
    np.testing.assert_allclose(TWINS["bilateral"].array(picture.astype(np.float32), **options), expected, atol=1e-6)


def test_float64_is_computed_in_float64():
    picture = PHOTO.astype(np.float64)
    x = tensor(picture, dtype=torch.float64)
    expected = ndimage.gaussian_filter(picture, 2.0, mode="mirror", truncate=3, axes=(0, 1))
    np.testing.assert_allclose(arrays(TWINS["gaussian"].tensor(x))[0], expected, atol=1e-13)
    expected = ndimage.uniform_filter(picture, (5, 5, 1), mode="mirror")
    np.testing.assert_allclose(arrays(TWINS["box"].tensor(x))[0], expected, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", TWINS)
def test_half_precision(name, dtype):
    options = OPTIONS.get(name, [{}])[0]
    x = tensor(PHOTO[:30, :40])
    result = TWINS[name].tensor(x.to(dtype), **options)
    assert result.dtype == dtype
    expected = TWINS[name].tensor(x.to(dtype).float(), **options)
    torch.testing.assert_close(result.float(), expected, rtol=0.02, atol=0.03 * max(1, float(expected.abs().max())))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", TWINS)
def test_gradients(name, border):
    small = {
        "bilateral": {"size": 5},
        "gabor": {"wavelength": 2.0, "count": 3},
        "guided": {"radius": 1},
        "top_hat": {"size": 3},
        "black_hat": {"size": 3},
    }
    options = small.get(name, OPTIONS.get(name, [{}])[0])
    x = torch.rand(1, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: TWINS[name].tensor(x, border=border, **options), x)


@pytest.mark.parametrize("name", TWINS)
def test_gradients_are_finite_on_a_flat_picture(name):
    x = torch.full((1, 3, 8, 9), 0.5, requires_grad=True)
    (slope,) = torch.autograd.grad(TWINS[name].tensor(x, **OPTIONS.get(name, [{}])[0]).sum(), x)
    assert slope.isfinite().all()


@pytest.mark.parametrize("name", TWINS)
def test_memory_formats_and_batches(name):
    options = OPTIONS.get(name, [{}])[0]
    x = tensor(PHOTO, PHOTO[::-1])
    expected = TWINS[name].tensor(x, **options)
    torch.testing.assert_close(TWINS[name].tensor(x.to(memory_format=torch.channels_last), **options), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(TWINS[name].tensor(x.transpose(2, 3), **options).shape, x.transpose(2, 3).shape)
    torch.testing.assert_close(TWINS[name].tensor(x[1:], **options), expected[1:], rtol=0, atol=1e-6)


def test_the_median_in_strips(monkeypatch):
    x = tensor(PHOTO)
    expected = smoothing.median(x, size=5)
    monkeypatch.setattr(smoothing, "AT_ONCE", 1)
    torch.testing.assert_close(smoothing.median(x, size=5), expected, rtol=0, atol=0)


@pytest.mark.parametrize("border", BORDERS)
def test_borders_of_any_width(border):
    numpy = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "constant": "constant", "wrap": "wrap"}
    x = torch.arange(24.0).reshape(2, 1, 3, 4) + 1
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (10, 10), (7, 7)), mode=numpy[border])
    np.testing.assert_array_equal(base.pad(x, 10, 7, border).numpy(), expected)


BAD = [
    (np.zeros((1, 3, 4, 4), np.float32), TypeError, "got ndarray"),
    (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), TypeError, "torch.uint8; expected floating point"),
    (torch.zeros(3, 4, 4), ValueError, r"\(N, C, H, W\), none of them 0; got \(3, 4, 4\)"),
    (torch.zeros(1, 3, 0, 4), ValueError, r"got \(1, 3, 0, 4\)"),
    (torch.full((1, 1, 2, 2), torch.nan), ValueError, "NaN or infinity"),
]


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize(("x", "error", "message"), BAD, ids=["array", "bytes", "three axes", "empty", "NaN"])
def test_bad_pictures(name, x, error, message):
    with pytest.raises(error, match=message):
        TWINS[name].tensor(x, **OPTIONS.get(name, [{}])[0])


@pytest.mark.parametrize("name", TWINS)
def test_an_unknown_border(name):
    with pytest.raises(ValueError, match="border is 'mirror'; expected one of reflect"):
        TWINS[name].tensor(tensor(PHOTO), border="mirror", **OPTIONS.get(name, [{}])[0])


WRONG = [
    ("box", {"size": 4}),
    ("gaussian", {"sigma": -1.0}),
    ("motion", {"length": 0.5}),
    ("disk", {"radius": 0.0}),
    ("unsharp", {"sigma": 0.0}),
    ("unsharp", {"amount": -1.0}),
    ("unsharp", {"threshold": 300.0}),
    ("high_boost", {"boost": 0.5}),
    ("high_boost", {"size": 2}),
    ("difference_of_gaussians", {"sigma": 0.0}),
    ("difference_of_gaussians", {"ratio": 1.0}),
    ("laplacian_of_gaussian", {"sigma": -2.0}),
    ("gabor", {"wavelength": 0.0}),
    ("gabor", {"count": 0}),
    ("median", {"size": 2}),
    ("bilateral", {"sigma_color": 0.0}),
    ("bilateral", {"sigma_space": -1.0}),
    ("bilateral", {"size": 4}),
    ("guided", {"radius": 0}),
    ("guided", {"sigma_color": 0.0}),
    ("erosion", {"size": 2}),
    ("erosion", {"shape": "star"}),
    ("custom", {"kernel": [[1, 2]]}),
    ("custom", {"kernel": [[1, 0, -1]], "normalise": True}),
    ("custom", {"kernel": [["a", "b", "c"]]}),
    ("custom", {"kernel": [[1.0, float("nan"), 1.0]]}),
]


@pytest.mark.parametrize(("name", "options"), WRONG)
def test_bad_options_raise_what_they_raise_on_arrays(name, options):
    with pytest.raises(ValueError, match="expected") as ours:
        TWINS[name].tensor(tensor(PHOTO), **options)
    with pytest.raises(ValueError, match="expected") as theirs:
        TWINS[name].array(PHOTO, **options)
    assert str(ours.value) == str(theirs.value)
    assert "\n" not in str(ours.value)


def test_arrays_need_no_torch():
    code = "import sys, numpy, restore.filters as f; f.FILTERS['sobel'].array(numpy.eye(9, dtype='float32')); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.gpu
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_on_the_gpu(name, options, border):
    """In float32 too, where cuDNN would round a convolution to TF32; one channel and one picture included."""
    for x in (tensor(PHOTO, PHOTO[::-1]), tensor(PHOTO[..., :1])):
        result = TWINS[name].tensor(x.cuda(), border=border, **options)
        assert result.is_cuda
        torch.testing.assert_close(result.cpu(), TWINS[name].tensor(x, border=border, **options), rtol=0, atol=1e-5)
