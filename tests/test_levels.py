import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from restore import levels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_float_and_back_is_exact(dtype: type) -> None:
    array = np.arange(65536).astype(dtype)
    scaled = levels.to_float(array)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(levels.from_float(scaled, dtype), array)


def test_from_float_rounds_and_clips_integers_only() -> None:
    values = np.array([-1, 0.499 / 255, 0.501 / 255, 1.5, np.nan], np.float32)
    np.testing.assert_array_equal(levels.from_float(values, np.uint8), [0, 0, 1, 255, 0])
    np.testing.assert_array_equal(levels.from_float(values, np.float32), values)


def test_full_scale_refuses_other_types() -> None:
    for call in (levels.full_scale, lambda dtype: levels.to_float(np.zeros(2, dtype)), lambda dtype: levels.from_float(np.zeros(2), dtype)):
        with pytest.raises(TypeError, match="expected uint8"):
            call(np.float64)


def test_srgb_against_skimage_and_its_inverse() -> None:
    from skimage.color import rgb2xyz, xyz2rgb

    grey = np.linspace(0, 1, 101).repeat(3).reshape(1, -1, 3)
    luminance = rgb2xyz(grey)[..., 1].ravel()[:101]  # of grey: the linear value
    np.testing.assert_allclose(levels.to_linear(grey[0, :, 0]), luminance, atol=1e-6)
    np.testing.assert_allclose(levels.to_srgb(luminance), xyz2rgb(rgb2xyz(grey))[0, :, 0], atol=1e-6)
    wide = np.linspace(-2, 4, 1001, dtype=np.float32)
    assert levels.to_srgb(wide).dtype == np.float32
    np.testing.assert_allclose(levels.to_linear(levels.to_srgb(wide)), wide, atol=1e-5)
    np.testing.assert_array_equal(levels.to_srgb(-wide), -levels.to_srgb(wide))


def test_brightness_against_opencv() -> None:
    colours = np.random.default_rng(0).random((5, 7, 3), np.float32)
    np.testing.assert_allclose(colours @ np.array(levels.LUMA, np.float32), cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), atol=1e-6)


def test_the_weights_of_brightness_stand_once() -> None:
    library = Path(levels.__file__).parent
    assert [path.name for path in library.rglob("*.py") if re.search(r"0\.299, 0\.587", path.read_text("utf-8"))] == ["levels.py"]
