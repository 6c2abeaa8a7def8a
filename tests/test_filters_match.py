"""Normalised correlation against its formula and OpenCV; its peaks."""

import cv2
import numpy as np
import pytest

from restore.filters.array.match import match, peaks
from restore.filters.base import BORDERS

NUMPY = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "constant": "constant", "wrap": "wrap"}


def picture(shape=(16, 19, 3), dtype=np.float32):
    values = np.random.default_rng(0).random(shape)
    return values.astype(dtype) if dtype == np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)


def naive(image, patch, centred, border):
    """The cosine between the patch and each place."""
    height, width = patch.shape[:2]
    before = height // 2, width // 2
    around = [(before[0], height - 1 - before[0]), (before[1], width - 1 - before[1]), (0, 0)]
    padded = np.pad(np.atleast_3d(image).astype(np.float64), around, mode=NUMPY[border])
    wanted = np.atleast_3d(patch).astype(np.float64)
    result = np.zeros(image.shape[:2])
    for y, x in np.ndindex(result.shape):
        there = padded[y : y + height, x : x + width]
        a, b = (v - v.mean((0, 1)) * centred for v in (there, wanted))
        result[y, x] = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    return result


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(("shape", "size"), [((16, 19, 3), (5, 5)), ((16, 19), (4, 7)), ((9, 8), (9, 8))])
def test_against_the_cosine(shape, size, border, centred):
    for dtype in (np.uint8, np.uint16, np.float32):
        image = picture(shape, dtype)
        patch = image[: size[0], : size[1]]
        result = match(image, patch=patch, centred=centred, border=border)
        assert (result.shape, result.dtype) == (shape[:2], np.float32)
        np.testing.assert_allclose(result, naive(image, patch, centred, border), atol=2e-5)


def test_inside_it_is_opencvs():
    image = picture(dtype=np.uint8)
    expected = cv2.matchTemplate(image, image[3:8, 4:10], cv2.TM_CCOEFF_NORMED)
    np.testing.assert_allclose(match(image, patch=image[3:8, 4:10])[2:-2, 3:-2], expected, atol=1e-5)


def test_alpha_does_not_count():
    image = picture((12, 13, 4))
    np.testing.assert_array_equal(match(image, patch=image[2:5, 3:6]), match(image[..., :3], patch=image[2:5, 3:6, :3]))


def test_flat_places_are_0():
    image = np.full((20, 20), 0.3, np.float32)
    image[:8, :8] = picture((8, 8))
    result = match(image, patch=image[1:6, 1:6])
    assert result[3, 3] == pytest.approx(1, abs=1e-5)
    assert (result[11:, 11:] == 0).all()
    assert (match(image, patch=image[12:15, 12:15]) == 0).all()
    assert (match(np.zeros((5, 5), np.uint8), patch=np.ones((3, 3), np.uint8), centred=False) == 0).all()


def test_repeated_dust_is_found():
    rng = np.random.default_rng(4)
    image = rng.normal(0.5, 0.02, (60, 70, 3)).astype(np.float32)
    dust = np.float32([[0, 0.1, 0], [0.2, 0.5, 0.3], [0, 0.4, 0.1], [0, 0.1, 0]])[..., None]
    places = [(10, 12), (30, 50), (45, 20)]
    for y, x in places:
        image[y - 2 : y + 2, x - 1 : x + 2] -= dust
    found = peaks(match(image, patch=image[8:12, 11:14]), threshold=0.8)
    assert sorted(map(tuple, found.tolist())) == places
    assert found[0].tolist() == [10, 12]


def test_peaks_by_hand():
    similarity = np.zeros((9, 12), np.float32)
    similarity[2, 2], similarity[3, 4], similarity[7, 10], similarity[0, 11] = 0.9, 0.95, 0.85, 0.5
    assert peaks(similarity, threshold=0.8, distance=3).tolist() == [[3, 4], [7, 10]]
    assert peaks(similarity, threshold=0.8, distance=1).tolist() == [[3, 4], [2, 2], [7, 10]]
    assert peaks(similarity, threshold=0.4, distance=1).tolist()[-1] == [0, 11]
    assert peaks(similarity, threshold=0.99).shape == (0, 2)


def test_bad_input():
    image = picture()
    for patch, error, text in [
        (picture(dtype=np.uint8), TypeError, "the patch is uint8; expected float32"),
        (picture((3, 3)), ValueError, r"the patch has shape \(3, 3\); expected the picture's channels"),
        (picture((17, 3, 3)), ValueError, r"the patch has shape \(17, 3, 3\); expected .* at most its size, \(16, 19, 3\)"),
        (picture((0, 3, 3)), ValueError, "none of them 0"),
        ([[1.0]], TypeError, "a picture is an array"),
        (np.full((3, 3, 3), np.nan, np.float32), ValueError, "NaN or infinity"),
    ]:
        with pytest.raises(error, match=text):
            match(image, patch=patch)
    with pytest.raises(ValueError, match=r"a similarity has shape \(H, W\), neither of them 0; got \(16, 19, 3\)"):
        peaks(image)
    with pytest.raises(ValueError, match="threshold is 1.5; expected -1 to 1"):
        peaks(image[..., 0], threshold=1.5)
    with pytest.raises(ValueError, match="distance is 0; expected a whole number, 1 or more"):
        peaks(image[..., 0], distance=0)
