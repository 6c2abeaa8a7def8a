"""The calls of one line."""

from pathlib import Path

import numpy as np

import restore
from restore import functions

rng = np.random.default_rng(0)
PHOTO = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
MASK = np.zeros((40, 50), np.uint8)
MASK[10:14, 5:40] = 9


def test_calls_of_one_line(tiny_weights: Path) -> None:
    functions._shared.cache_clear()
    try:
        np.testing.assert_array_equal(restore.inpaint(PHOTO, MASK), functions._shared().inpaint(PHOTO, MASK))
        np.testing.assert_array_equal(restore.denoise(PHOTO, sigma=5), functions._shared().denoise(PHOTO, sigma=5))
        np.testing.assert_array_equal(restore.deblur(PHOTO, width=2), functions._shared().deblur(PHOTO, width=2))
        np.testing.assert_array_equal(restore.dejpeg(PHOTO, jpeg_quality=5), functions._shared().dejpeg(PHOTO, jpeg_quality=5))
    finally:
        functions._shared.cache_clear()
