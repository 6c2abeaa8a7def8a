"""Masks from painted colours, their growth, soft edges: against SciPy, scikit-image and real JPEG files."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import data, morphology

from restore import masks
from restore.image import Picture, read

RNG = np.random.default_rng(0)
SPECKS = RNG.random((60, 90)) < 0.004
PHOTO = data.astronaut()[:300, :400]


def painted(colour: tuple[int, int, int], width: int) -> tuple[np.ndarray, np.ndarray]:
    """The photograph with smooth strokes, and how much of each pixel they cover, 0 to 255."""
    canvas, cover = PHOTO.copy(), np.zeros(PHOTO.shape[:2], np.uint8)
    for points in np.random.default_rng(1).integers(20, 280, (5, 4, 2)).astype(np.int32):
        cv2.polylines(canvas, [points], False, colour, width, cv2.LINE_AA)
        cv2.polylines(cover, [points], False, 255, width, cv2.LINE_AA)
    return canvas, cover


@pytest.mark.parametrize("radius", [0, 1, 2, 2.5, 7])
def test_growth_is_a_dilation_by_a_disk(radius: float) -> None:
    disk = morphology.disk(7)[np.ix_(*[np.arange(7 - int(radius), 8 + int(radius))] * 2)]
    y, x = np.indices(disk.shape) - int(radius)
    disk = x**2 + y**2 <= radius**2
    np.testing.assert_array_equal(masks.grow(SPECKS, radius) > 0, ndimage.binary_dilation(SPECKS, disk))
    if radius == int(radius):
        np.testing.assert_array_equal(disk, morphology.disk(int(radius)))


@pytest.mark.parametrize("width", [0, 1, 4, 9.5])
def test_a_soft_edge_falls_with_the_distance(width: float) -> None:
    distance = ndimage.distance_transform_edt(~SPECKS)
    expected = np.clip(1 - distance / (width + 1), 0, 1)
    np.testing.assert_allclose(masks.feather(SPECKS, width), expected, atol=1e-6)


@pytest.mark.parametrize("function", [masks.grow, masks.feather])
def test_what_marks_nothing_stays_so(function) -> None:
    assert not function(np.zeros((5, 7)), 3).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_growth_of_thin_pictures(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape)
    mask[0, 0] = 1
    assert np.count_nonzero(masks.grow(mask, 2)) == min(3, mask.size)


@pytest.mark.parametrize("pixels", [-1.5, np.nan, np.inf, 1e300, 10_001])
def test_growth_and_edges_out_of_range(pixels: float) -> None:
    with pytest.raises(ValueError, match="the radius that a mask grows by is .*; expected 0 to 10000 pixels"):
        masks.grow(SPECKS, pixels)
    with pytest.raises(ValueError, match="the width of a soft edge is .*; expected 0 to 10000 pixels"):
        masks.feather(SPECKS, pixels)


def test_union() -> None:
    one, other = np.eye(4, dtype=bool), np.eye(4)[::-1]
    np.testing.assert_array_equal(masks.union([one, other], (4, 4)) > 0, one | (other > 0))
    assert not masks.union([], (4, 4)).any()
    with pytest.raises(ValueError, match="the mask is 4x4 pixels, the picture 5x4"):
        masks.union([one], (4, 5))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_blending(dtype: type) -> None:
    scale = 1 if dtype == np.float32 else np.iinfo(dtype).max
    before, after = (RNG.random((2, 9, 8, 3)) * scale).astype(dtype)
    weights = np.clip(RNG.random((9, 8)) * 1.5 - 0.25, 0, 1).astype(np.float32)
    result = masks.blend(before, after, weights)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result[weights == 0], before[weights == 0])
    np.testing.assert_array_equal(result[weights == 1], after[weights == 1])
    exact = before + weights[..., None].astype(np.float64) * (after.astype(np.float64) - before)
    assert np.abs(result - exact).max() <= (1e-6 if dtype == np.float32 else 0.51)


def test_blending_takes_nothing_that_is_not_finite() -> None:
    before, after = np.full((1, 3, 1), np.nan, np.float32), np.full((1, 3, 1), 0.5, np.float32)
    assert masks.blend(before, after, np.float32([[0, 0.5, 1]]))[0, 1:, 0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("colour", ["#ff0000", "#00ff00", "#ff00ff"])
@pytest.mark.parametrize("width", [3, 9])
def test_painted_strokes_in_a_png_are_found_whole(colour: str, width: int) -> None:
    canvas, cover = painted(tuple(bytes.fromhex(colour[1:])), width)
    file = io.BytesIO()
    Image.fromarray(canvas).save(file, "PNG")
    found = masks.from_colour(read(file.getvalue()), colour) > 0
    assert (canvas == PHOTO)[~found].all()
    assert not found[cv2.dilate(cover, np.ones((9, 9))) == 0].any()


@pytest.mark.parametrize("quality", [75, 95])
@pytest.mark.parametrize("colour", ["#ff0000", "#0f0", "#ff00ff"])
def test_painted_strokes_in_a_jpeg_are_found(colour: str, quality: int) -> None:
    rgb = tuple(bytes.fromhex(colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])))
    canvas, cover = painted(rgb, 5)
    file = io.BytesIO()
    Image.fromarray(canvas).save(file, "JPEG", quality=quality, subsampling=2)
    found = masks.from_colour(read(file.getvalue()), colour) > 0
    assert found[cover == 255].mean() > 0.997
    assert found[cover > 0].mean() > 0.97
    assert not found[cv2.dilate(cover, np.ones((13, 13))) == 0].any()
    exact = masks.from_colour(read(file.getvalue()), colour, tolerance=0) > 0
    assert exact[cover == 255].mean() < 0.9


def test_a_colour_in_other_depths_and_in_grey() -> None:
    photo = PHOTO[:40, :40].copy()
    photo[10:13, 20] = 12, 200, 77
    expected = masks.from_colour(Picture.from_array(photo), "#0cc84d")
    assert np.count_nonzero(expected) == 29 + 2 * 7
    for other in (photo.astype(np.uint16) * 257, photo.astype(np.float32) / 255):
        np.testing.assert_array_equal(masks.from_colour(Picture.from_array(other), "#0CC84D"), expected)
    grey = np.zeros((9, 9), np.uint8)
    grey[4, 4] = 77
    assert masks.from_colour(Picture.from_array(grey), "#4d4d4d").any()
    assert not masks.from_colour(Picture.from_array(grey), "#0cc84d").any()


@pytest.mark.parametrize("colour", ["red", "#ff00", "#ff00zz", "ff0000", "#ff0000\n"])
def test_no_colour(colour: str) -> None:
    with pytest.raises(ValueError, match="expected # and 3 or 6 hexadecimal digits"):
        masks.from_colour(Picture.from_array(PHOTO), colour)


@pytest.mark.parametrize("tolerance", [-1, 256, np.nan])
def test_no_tolerance(tolerance: float) -> None:
    with pytest.raises(ValueError, match="the tolerance is .*; expected 0 to 255"):
        masks.from_colour(Picture.from_array(PHOTO), "#ff0000", tolerance=tolerance)
