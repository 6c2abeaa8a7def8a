"""Crops around holes: each hole pixel once, context, cost."""

import cv2
import numpy as np
import pytest

from restore import masks
from restore.tasks.crops import Box, plan


def area(crops: list[tuple[Box, Box]]) -> int:
    return sum(window.sides[0] * window.sides[1] for _, window in crops)


@pytest.mark.parametrize("kind", ["thin", "medium", "large"])
@pytest.mark.parametrize("shape", [(50, 700), (333, 257), (600, 800)])
@pytest.mark.parametrize(("tile", "multiple_of"), [(64, 1), (160, 8), (512, 16)])
def test_plan_covers_each_hole_once(kind: str, shape: tuple[int, int], tile: int, multiple_of: int) -> None:
    holes = masks.benchmark(kind, shape, 1) > 0
    covered = np.zeros(shape, int)
    for core, window in plan(holes, tile=tile, multiple_of=multiple_of):
        covered[core.slices] += 1
        assert window.top <= core.top < core.bottom <= window.bottom
        assert window.left <= core.left < core.right <= window.right
        assert max(window.sides) <= max(tile, 8 * multiple_of)
        for start, stop, size in ((window.top, window.bottom, shape[0]), (window.left, window.right, shape[1])):
            assert start % multiple_of == 0
            assert stop % multiple_of == 0 or stop == size
    assert (covered[holes] == 1).all()


def test_a_picture_of_one_tile_is_one_crop() -> None:
    holes = masks.benchmark("medium", (496, 496), 0) > 0
    assert [window for _, window in plan(holes, tile=512, multiple_of=8)] == [Box(0, 0, 496, 496)]


def test_context_grows_with_the_hole() -> None:
    holes = np.zeros((1000, 1000), bool)
    holes[500:504, 500:504] = True
    ((_, window),) = plan(holes, tile=512)
    assert window == Box(468, 468, 536, 536)
    holes[500:540, 500:540] = True
    ((_, window),) = plan(holes, tile=512)
    assert 70 < 500 - window.top < 90


def test_cost_follows_the_hole() -> None:
    holes = np.zeros((2000, 3000), np.uint8)
    cv2.line(holes, (10, 10), (2990, 1990), 1, 3)
    crops = plan(holes > 0, tile=512)
    assert area(crops) < 0.3 * holes.size
    assert len(crops) < 20


def test_specks_share_crops_where_near() -> None:
    holes = np.zeros((2000, 2000), bool)
    holes[100:110:3, 100:150:5] = True  # 40 specks
    holes[1900, 1900] = True
    crops = plan(holes, tile=512)
    assert len(crops) == 2
    assert area(crops) < 20000


def test_boxes_are_slices_of_an_array() -> None:
    picture = np.arange(9 * 12).reshape(9, 12)
    box, window = Box(3, 4, 6, 9), Box(1, 2, 8, 10)
    assert box.sides == picture[box.slices].shape
    np.testing.assert_array_equal(picture[window.slices][box.within(window).slices], picture[box.slices])
    assert box.grown(2, picture.shape) == Box(1, 2, 8, 11)
    assert box.grown(100, (*picture.shape, 3)) == Box(0, 0, 9, 12)
    assert Box(1, 5, 2, 7).joined(Box(0, 6, 2, 9)) == Box(0, 5, 2, 9)
