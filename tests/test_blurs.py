"""The picture of what undoing blur does."""

import numpy as np
import pytest
from PIL import Image
from test_holes import load

from restore import Restorer, figures


@pytest.fixture(scope="module")
def blurs():
    return load("blurs")


def test_examples_are_blurred_and_large_enough(blurs):
    for name, (top, left), _, kernel in blurs.EXAMPLES:
        clean, seen = blurs.example(name, kernel)
        assert clean.shape == seen.shape
        assert clean.dtype == seen.dtype == np.uint8
        assert clean.shape[0] >= top + blurs.SIDE
        assert clean.shape[1] >= left + blurs.SIDE
        steps = [np.abs(np.diff(picture[..., 1].astype(int), axis=0)).max() for picture in (clean, seen)]
        assert steps[1] < steps[0]


def test_each_row_shows_what_was_seen_both_ways_and_the_truth(blurs, monkeypatch, tmp_path):
    monkeypatch.setattr(Restorer, "deblur", lambda self, picture, blur="auto": picture // (2 if blur == "any" else 4))
    monkeypatch.setattr(blurs, "EXAMPLES", blurs.EXAMPLES[:2])
    blurs.main(tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png")).astype(int)
    step = blurs.SIDE + figures.GAP
    cells = [sheet[figures.GAP : figures.GAP + blurs.SIDE, figures.GAP + i * step :][:, : blurs.SIDE] for i in range(4)]
    clean, seen = blurs.example(*blurs.EXAMPLES[0][::3])
    top, left = blurs.EXAMPLES[0][1]
    np.testing.assert_array_equal(cells[3], clean[top : top + blurs.SIDE, left : left + blurs.SIDE])
    np.testing.assert_array_equal(cells[0], seen[top : top + blurs.SIDE, left : left + blurs.SIDE])
    np.testing.assert_array_equal(cells[1], cells[0] // 2)
    np.testing.assert_array_equal(cells[2], cells[0] // 4)
