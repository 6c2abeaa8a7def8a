"""Figures: every picture is where it belongs, unchanged; the colours mean what they say."""

import numpy as np
import pytest

from restore.figures import GAP, LINE, fit, grey, heat, sheet


def plain(value: int, height: int = 50, width: int = 80) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_a_row_shows_the_pictures_unchanged() -> None:
    page = sheet([plain(value) for value in (0, 100, 200)], ("a", "b", "c"))
    assert page.shape == (50 + 12 + 32, 3 * 80 + 4 * 12, 3)
    assert page.dtype == np.uint8
    for i, value in enumerate((0, 100, 200)):
        assert (page[12:62, 12 + i * 92 : 92 + i * 92] == value).all()


@pytest.mark.parametrize(("captions", "line"), [((), 0), ("abc", LINE)])
def test_a_grid_row_by_row(captions: str, line: int) -> None:
    page = sheet([plain(value) for value in (0, 100, 200)], captions, columns=2)
    assert page.shape == (2 * (GAP + 50 + line) + (0 if line else GAP), 2 * 80 + 3 * GAP, 3)
    assert (page[GAP + 50 + line + GAP :][:50, GAP : GAP + 80] == 200).all()
    assert (page[GAP + 50 + line + GAP :][:50, GAP + 80 + GAP :] == page[0, 0]).all()  # the last cell stays empty


def test_smaller_pictures_stand_in_the_middle() -> None:
    page = sheet([plain(0), plain(9, 10, 20)])
    cell = page[GAP : GAP + 50, GAP + 80 + GAP : -GAP]
    assert (cell[20:30, 30:50] == 9).all()
    assert (cell == 9).all(2).sum() == 200


def test_captions_are_below_their_picture_and_inside_their_cell() -> None:
    page = sheet([plain(255, 60, 300)] * 2, ("", "a word that is a good deal wider than the others of this line"))
    ink = (page[GAP + 60 :] < 200).all(2)
    assert ink[:, : GAP + 300].sum() == 0
    assert ink.sum() > 200
    assert not ink[:, -GAP:].any()


@pytest.mark.parametrize(
    ("pictures", "captions", "columns", "message"),
    [
        ([], (), None, "0 pictures and 0 captions; expected one caption for each, or none"),
        ([plain(0)], ("a", "b"), None, "1 pictures and 2 captions"),
        ([plain(0)[..., 0]], (), None, r"a picture is \(50, 80\) uint8; expected \(H, W, 3\) uint8"),
        ([plain(0) / 255], (), None, r"a picture is \(50, 80, 3\) float64"),
        ([plain(0)], (), 0, "columns is 0; expected at least 1"),
    ],
)
def test_what_is_no_sheet(pictures, captions, columns, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sheet(pictures, captions, columns=columns)


def test_fit_makes_squares_of_pixels_or_averages() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    np.testing.assert_array_equal(fit(picture, 20), np.kron(picture, np.ones((3, 3, 1), np.uint8)))
    np.testing.assert_array_equal(fit(picture, 6), picture)
    np.testing.assert_allclose(fit(picture, 3), picture.reshape(2, 2, 3, 2, 3).mean((1, 3)), atol=1.01)  # PIL rounds after each axis
    assert fit(plain(7, 1, 500), 100).shape == (1, 100, 3)


def test_grey_and_heat() -> None:
    assert (grey(np.full((3, 4), 5.0)) == 0).all()
    assert grey(np.array([[2.0, 4.0, 6.0]]))[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    ramp = heat(np.linspace(0, 1, 256)[None])[0].astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(ramp) > 0).all()  # it reads in grey too
    np.testing.assert_array_equal(heat(np.array([[-1.0, 2.0]])), heat(np.array([[0.0, 1.0]])))
