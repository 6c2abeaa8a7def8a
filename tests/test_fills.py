"""What fills a crop, by itself: ``tests/test_inpaint.py`` has the crops."""

import numpy as np
import pytest

from restore.tasks.fills import METHODS, choose, limited

CLASSICAL = [method for method in METHODS if method != "learned"]


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_classical_method_fills_within_what_is_known(method: str, channels: int) -> None:
    x = np.random.default_rng(0).uniform(0.2, 1.4, (24, 30, channels)).astype(np.float32)
    holes = np.zeros((24, 30), bool)
    holes[8:12, 5:20] = True
    known = x[~holes]
    filled = choose(method, None)(np.where(holes[..., None], np.float32(0), x), holes)
    assert filled.shape == x.shape
    assert filled.dtype == np.float32
    assert (filled[holes] >= known.min(0)).all()
    assert (filled[holes] <= known.max(0)).all()


def test_limited_is_the_unit_range_or_that_of_what_is_known() -> None:
    filled = np.array([-0.5, 0.5, 1.7], np.float32)
    np.testing.assert_array_equal(limited(filled, np.array([0.2, 0.8])), np.float32([0, 0.5, 1]))
    np.testing.assert_array_equal(limited(filled, np.array([-0.25, 1.5])), np.float32([-0.25, 0.5, 1.5]))
    np.testing.assert_array_equal(limited(filled, np.array([])), np.float32([0, 0.5, 1]))


def test_wrong_calls_are_named() -> None:
    with pytest.raises(ValueError, match="method 'magic' is unknown; expected one of learned, telea, ns, biharmonic"):
        choose("magic", None)
    with pytest.raises(ValueError, match="method 'learned' needs a runtime with an inpainting network, got None"):
        choose("learned", None)
