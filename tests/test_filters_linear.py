"""Linear filters against SciPy in every type, sharpening against its formulas, and the kernels themselves."""

import numpy as np
import pytest
from scipy import ndimage

from restore.filters import FILTERS, kernels
from restore.filters.array import linear
from restore.filters.base import BORDERS, as_kernel

SCIPY = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "constant": "constant", "wrap": "wrap"}


def picture(shape=(23, 31), dtype=np.float32):
    values = np.random.default_rng(0).random(shape)
    return values.astype(dtype) if dtype == np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)


def scipy_correlate(image, kernel, border):
    return ndimage.correlate(image.astype(np.float64), kernel.reshape(kernel.shape + (1,) * (image.ndim - 2)), mode=SCIPY[border])


CASES = [
    ("box", {"size": 15}, kernels.box(15), 0.51),
    ("gaussian", {"sigma": 4.0}, kernels.gaussian(4.0), 2.5),  # OpenCV rounds the weights of 8 bits to 1/256
    ("motion", {"length": 21.0, "angle": 70.0}, kernels.motion(21.0, 70.0), 0.51),
    ("disk", {"radius": 9.0}, kernels.disk(9.0), 0.51),
    ("sharpen", {}, kernels.SHARPEN, 0.51),
    ("laplacian", {}, kernels.LAPLACIAN, 0.51),
    ("emboss", {}, kernels.EMBOSS, 0.51),
    ("laplacian_of_gaussian", {"sigma": 2.5}, kernels.log(2.5), 0.51),
]


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(("name", "options", "kernel", "tolerance"), CASES)
def test_large_kernels_and_integers_against_scipy(name, options, kernel, tolerance, border):
    for shape in [(23, 31, 3), (4, 5)]:
        image = picture(shape)
        np.testing.assert_allclose(FILTERS[name].array(image, border=border, **options), scipy_correlate(image, kernel, border), atol=1e-5)
        for dtype in (np.uint8, np.uint16):
            image = picture(shape, dtype)
            expected = np.clip(scipy_correlate(image, kernel, border), 0, np.iinfo(dtype).max)
            result = FILTERS[name].array(image, border=border, **options)
            np.testing.assert_allclose(result, expected, atol=tolerance if dtype == np.uint8 else max(0.6, tolerance))


@pytest.mark.parametrize("border", BORDERS)
def test_sharpening_against_its_formulas(border):
    image = picture()
    smooth = scipy_correlate(image, kernels.gaussian(1.5), border)
    expected = image + 0.7 * (image - smooth)
    np.testing.assert_allclose(linear.unsharp(image, sigma=1.5, amount=0.7, border=border), expected, atol=1e-5)
    limited = np.where(np.abs(image - smooth) > 40 / 255, expected, image)
    result = linear.unsharp(image, sigma=1.5, amount=0.7, threshold=40, border=border)
    np.testing.assert_allclose(result, limited, atol=1e-5)
    assert 0.1 < (result == image).mean() < 0.9
    mean = scipy_correlate(image, kernels.box(5), border)
    np.testing.assert_allclose(linear.high_boost(image, boost=1.8, size=5, border=border), 1.8 * image - 0.8 * mean, atol=1e-5)
    wider = scipy_correlate(image, kernels.gaussian(2.4), border)
    np.testing.assert_allclose(linear.difference_of_gaussians(image, sigma=1.5, border=border), smooth - wider, atol=1e-5)


def test_unsharp_threshold_in_every_type():
    image = np.full((9, 9), 100, np.uint8)
    image[4, 4], image[:, 8] = 104, 180
    for picture_, white in ((image, 255), (image.astype(np.uint16) * 257, 65535), ((image / 255).astype(np.float32), 1)):
        result = linear.unsharp(picture_, sigma=1.0, amount=2.0, threshold=6.0)
        assert result[4, 4] == picture_[4, 4]
        assert result[2, 7] < picture_[2, 7] - 20 / 255 * white


def test_gabor_finds_its_stripes():
    y, x = np.mgrid[:64, :128]
    for angle in (0, 45, 90):
        along = x * np.cos(np.radians(angle)) - y * np.sin(np.radians(angle))
        image = (0.5 + 0.3 * np.where(x < 64, np.cos(2 * np.pi * along / 8), np.cos(2 * np.pi * along / 20))).astype(np.float32)
        found = linear.gabor(image, wavelength=8.0)
        assert found[16:48, 12:48].mean() > 5 * found[16:48, 80:116].mean()


def test_custom_correlates_and_flip_convolves():
    image = picture((9, 11))
    kernel = np.arange(15.0).reshape(3, 5)
    np.testing.assert_allclose(linear.custom(image, kernel=kernel), ndimage.correlate(image, kernel, mode="mirror"), rtol=1e-5)
    np.testing.assert_allclose(linear.custom(image, kernel=kernel, flip=True), ndimage.convolve(image, kernel, mode="mirror"), rtol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        (np.ones((2, 3)), "the kernel is 2x3; expected odd sides"),
        ([[1, 2, 3], [4, 5]], "the kernel is not a rectangle of numbers; expected rows of equal length"),
        ([["a"]], "the kernel is not a rectangle of numbers"),
        ([1, 2, 3], r"the kernel has shape \(3,\); expected \(h, w\)"),
        (np.ones((0, 3)), r"the kernel has shape \(0, 3\)"),
        ([[np.inf]], "the kernel holds NaN or infinity"),
    ],
)
def test_bad_kernels(kernel, text):
    with pytest.raises(ValueError, match=text):
        linear.custom(picture(), kernel=kernel)
    with pytest.raises(ValueError, match="the kernel sums to 0; expected another sum, or no normalise"):
        linear.custom(picture(), kernel=[[1, 0, -1]], normalise=True)


def test_kernels_sum_to_1_or_0():
    for kernel in (kernels.gaussian(2), kernels.box(7), kernels.disk(3.3), kernels.motion(8, 20), kernels.SHARPEN, kernels.EMBOSS):
        assert kernel.sum() == pytest.approx(1)
    for kernel in (
        kernels.log(1.5),
        kernels.gabor(8, 30),
        kernels.gabor(8, 30, phase=90),
        kernels.LAPLACIAN,
        kernels.SOBEL,
        kernels.ROBERTS,
    ):
        assert kernel.sum() == pytest.approx(0, abs=1e-12)


def test_kernels_are_symmetric():
    for kernel in (kernels.gaussian(2), kernels.disk(3.3), kernels.log(1.5)):
        for other in (kernel.T, kernel[::-1], kernel[:, ::-1]):
            np.testing.assert_allclose(other, kernel, atol=1e-15)
    for kernel in (kernels.motion(8, 20), kernels.gabor(8, 30)):
        np.testing.assert_allclose(kernel[::-1, ::-1], kernel, atol=1e-12)
    odd = kernels.gabor(8, 30, phase=90)
    np.testing.assert_allclose(odd[::-1, ::-1], -odd, atol=1e-12)


def test_shapes_of_kernels():
    np.testing.assert_allclose(kernels.gaussian_1d(2.0), ndimage.gaussian_filter1d(np.eye(1, 13, 6)[0], 2.0, truncate=3.0), atol=1e-12)
    np.testing.assert_allclose(kernels.motion(5)[2], np.full(5, 0.2), atol=1e-12)
    np.testing.assert_allclose(kernels.motion(5, 90), kernels.motion(5).T, atol=1e-12)
    rising = kernels.motion(9, 45)
    assert rising[0, -1] + rising[1, -2] > 10 * (rising[0, 0] + rising[1, 1])  # counter-clockwise: up on the right
    disk = kernels.disk(4.0)
    assert disk.max() == pytest.approx(1 / (np.pi * 16), rel=0.01)
    x = np.arange(len(disk)) - len(disk) // 2
    assert (disk * x**2).sum() == pytest.approx(4.0, rel=0.03)  # variance of a disk: radius^2 / 4 (and the pixel's 1/12)
    log = kernels.log(3.0)
    assert log[log.shape[0] // 2, log.shape[1] // 2] == log.max() > 0
    centre = len(log) // 2
    assert log[centre, centre + 4] > 0 > log[centre, centre + 5]  # zero at sigma * sqrt(2) = 4.24
    assert np.abs(kernels.gabor(8, 30)).sum() == pytest.approx(1)


def test_kernels_out_of_range():
    for call, text in [
        (lambda: kernels.gaussian_1d(0), "sigma is 0; expected above 0"),
        (lambda: kernels.box(4), "size is 4; expected an odd number"),
        (lambda: kernels.disk(-1), "radius is -1; expected above 0"),
        (lambda: kernels.motion(0.9), "length is 0.9; expected 1 or more"),
        (lambda: kernels.log(-2), "sigma is -2; expected above 0"),
        (lambda: kernels.gabor(0, 0), "wavelength is 0"),
        (lambda: kernels.gabor(4, 0, aspect=0), "aspect is 0"),
        (lambda: kernels.gabor(4, 0, sigma=-1), "sigma is -1"),
    ]:
        with pytest.raises(ValueError, match=text):
            call()


def test_read_kernel(tmp_path):
    sobel = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
    by_line = "1 0 -1\n2 0 -2\n\n1 0 -1\n", "1;0;-1\r\n2;0;-2\r\n1;0;-1", "1 0 -1;\n2 0 -2;\n1 0 -1"
    for text in ("1 0 -1; 2 0 -2; 1 0 -1", "1,0,-1;2,0,-2;1,0,-1;", *by_line):
        np.testing.assert_array_equal(kernels.read_kernel(text), sobel)
        path = tmp_path / "kernel.csv"
        path.write_text("\ufeff# Sobel\n" + text, encoding="utf-8")
        np.testing.assert_array_equal(kernels.read_kernel(path), sobel)
        np.testing.assert_array_equal(kernels.read_kernel(str(path)), sobel)
    np.testing.assert_array_equal(kernels.read_kernel("1e-1\t.5"), [[0.1, 0.5]])
    assert as_kernel(kernels.read_kernel("7")).tolist() == [[7]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the kernel is empty; expected rows of numbers"),
        ("# nothing\n ; ", "the kernel is empty"),
        ("1 2 3; 4 five 6", "row 2 of the kernel holds 'five'; expected numbers"),
        ("missing.txt", "row 1 of the kernel holds 'missing.txt'; expected numbers, or the path of a file"),
        ("1 2 3; 4 5", "row 2 of the kernel has 2 numbers, row 1 3; expected rows of equal length"),
        ("1 nan 3", "NaN or infinity"),
    ],
)
def test_read_kernel_says_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "kernel.txt"
    path.write_text(text, encoding="utf-8")
    for source in (text, path):
        with pytest.raises(ValueError, match=message):
            kernels.read_kernel(source)
    with pytest.raises(OSError, match="nowhere"):
        kernels.read_kernel(tmp_path / "nowhere")
