"""Where the holes are: crops around them, the thick ones, boxes. The cost of a fill follows these and not the picture."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

CONTEXT = 32
"""Known pixels around a thin hole that its crop shows, at least."""
CALL = 96 * 96
"""What a crop costs besides its pixels, in pixels."""
BLOCK = 8
"""Thick holes are looked for in blocks of so many pixels."""
MIN_TILE = 64
"""Crops do not shrink below this when memory runs out."""


class Box(NamedTuple):
    """A rectangle of pixels; right and bottom are outside it."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index an array (H, W, ...) with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    def grown(self, pixels: int, shape: tuple[int, ...]) -> "Box":
        """With so many pixels around it, within a picture (H, W, ...)."""
        height, width, *_ = shape
        return Box(
            max(0, self.top - pixels), max(0, self.left - pixels), min(height, self.bottom + pixels), min(width, self.right + pixels)
        )

    def joined(self, other: "Box") -> "Box":
        """The smallest box around both."""
        return Box(*map(min, self[:2], other[:2]), *map(max, self[2:], other[2:]))

    def within(self, window: "Box") -> "Box":
        """The same pixels, counted from the window's corner."""
        return Box(self.top - window.top, self.left - window.left, self.bottom - window.top, self.right - window.left)


def plan(holes: np.ndarray, *, tile: int, multiple_of: int = 1) -> list[tuple[Box, Box]]:
    """Cut holes into crops: near ones share one, far ones have their own, long ones are split.

    Boxes are cut in two, along empty rows or columns where there are any, until their windows fit ``tile`` and no cut between holes is
    worth another crop (after Nagy, Seth 1984, the XY cut). A window shows twice the width of its thickest hole around the box,
    at least ``CONTEXT`` pixels and at most a quarter of ``tile``.

    Args:
        holes: (H, W) bool.
        tile: Largest side of a window, in pixels; never under eight times ``multiple_of``.
        multiple_of: Windows begin and end at multiples of this, or at the picture's edge.

    Returns:
        Pairs (core, window); each hole pixel lies in exactly one core.

    >>> holes = np.zeros((1000, 1000), bool); holes[10:12, 10:12] = holes[10:12, 20:22] = holes[900, 900] = True
    >>> [core for core, _ in plan(holes, tile=256)]
    [Box(top=900, left=900, bottom=901, right=901), Box(top=10, left=10, bottom=12, right=22)]
    """
    tile = max(tile, MIN_TILE, 8 * multiple_of)
    found: list[tuple[Box, Box]] = []
    boxes = [Box(0, 0, *holes.shape)]
    while boxes:
        box = _tighten(holes, boxes.pop())
        if box is None:
            continue
        window = _window(holes, box, tile, multiple_of)
        if window is None:
            boxes += _halve(holes, box)
            continue
        parts = [_tighten(holes, part) or part for part in _part(holes, box)]
        windows = [_window(holes, part, tile, multiple_of) or window for part in parts]
        if parts and sum(map(_price, windows)) < _price(window):
            boxes += parts
        else:
            found.append((box, window))
    return found


def split(holes: np.ndarray, box: Box, *, around: int, limit: int, longest: int) -> Iterator[Box]:
    """Cut a box until it has at most ``limit`` pixels with what lies around it, or is hardly longer than wide.

    Args:
        holes: (H, W) bool.
        box: Where holes are.
        around: Pixels of the surroundings on each side.
        limit: The most pixels.
        longest: Boxes with sides up to this many pixels are not cut.

    Yields:
        Boxes that share no pixel and hold all holes of ``box``, as small as these.

    >>> line = np.zeros((400, 400), bool); line[10:14, :] = True
    >>> list(split(line, Box(0, 0, 400, 400), around=10, limit=8000, longest=8))
    [Box(top=10, left=200, bottom=14, right=400), Box(top=10, left=0, bottom=14, right=200)]
    """
    boxes: list[Box | None] = [box]
    while boxes:
        found = boxes.pop()
        tight = found and _tighten(holes, found)
        if not tight:
            continue
        if max(tight.sides) > longest and np.prod(tight.grown(around, holes.shape).sides) > limit:
            boxes += _halve(holes, tight)
        else:
            yield tight


def _tighten(holes: np.ndarray, box: Box) -> Box | None:
    """The smallest box around the holes in ``box``."""
    rows, columns = (np.flatnonzero(np.any(holes[box.slices], axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return Box(box.top + int(rows[0]), box.left + int(columns[0]), box.top + int(rows[-1]) + 1, box.left + int(columns[-1]) + 1)


def _window(holes: np.ndarray, box: Box, tile: int, multiple_of: int) -> Box | None:
    """``box`` with its context, within the picture; None if that is larger than ``tile``."""
    least, most = min(CONTEXT, tile // 4), tile // 4

    def framed(context: int) -> Box | None:
        window = Box(
            max(0, box.top - context) // multiple_of * multiple_of,
            max(0, box.left - context) // multiple_of * multiple_of,
            min(holes.shape[0], -(-(box.bottom + context) // multiple_of) * multiple_of),
            min(holes.shape[1], -(-(box.right + context) // multiple_of) * multiple_of),
        )
        return window if max(window.sides) <= tile else None

    if framed(least) is None:  # thickness takes a while to measure
        return None
    return framed(int(np.clip(2 * _thickness(holes[box.slices]), least, most)))


def _thickness(holes: np.ndarray) -> float:
    """Width of the thickest hole, in pixels."""
    distance = cv2.distanceTransform(np.pad(holes, 1).astype(np.uint8), cv2.DIST_L2, 3)
    return 2 * float(distance.max())


def _price(window: Box) -> int:
    return window.sides[0] * window.sides[1] + CALL


def _halve(holes: np.ndarray, box: Box) -> list[Box]:
    """Cut across the longer side: at the empty row or column nearest to the middle, else in the middle."""
    axis = int(box.sides[1] > box.sides[0])
    full = np.any(holes[box.slices], 1 - axis)
    middle = len(full) // 2
    empty = np.flatnonzero(~full[middle // 2 : middle + middle // 2]) + middle // 2
    return _cut(box, axis, int(empty[np.abs(empty - middle).argmin()]) if len(empty) else middle)


def _part(holes: np.ndarray, box: Box) -> list[Box]:
    """Cut along the middle of the widest band of empty rows or columns; nothing where there is none."""
    widest, where = 0, (0, 0)
    for axis in (0, 1):
        full = np.flatnonzero(np.any(holes[box.slices], 1 - axis))
        gaps = np.diff(full)
        if len(gaps) and gaps.max() - 1 > widest:
            widest, where = gaps.max() - 1, (axis, int(full[gaps.argmax()]) + 1)
    return _cut(box, *where) if widest else []


def _cut(box: Box, axis: int, at: int) -> list[Box]:
    """Two boxes: the first ``at`` rows (axis 0) or columns (axis 1), and the rest."""
    if axis == 0:
        return [box._replace(bottom=box.top + at), box._replace(top=box.top + at)]
    return [box._replace(right=box.left + at), box._replace(left=box.left + at)]


def in_order(crops: list[tuple[Box, Box]], holes: np.ndarray, hidden: np.ndarray | None = None) -> Iterator[tuple[Box, Box]]:
    """Those that show most first; one that shows nothing waits until its neighbours are filled, or until none is left that shows something.

    Args:
        crops: Pairs (core, window).
        holes: (H, W) bool; who takes a crop takes its holes off it.
        hidden: (H, W) bool, what shows nothing and never will; None: nothing.
    """

    def shown(window: Box) -> float:
        unseen = holes[window.slices] if hidden is None else holes[window.slices] | hidden[window.slices]
        return 1 - float(unseen.mean())

    waiting, passed = deque(sorted(crops, key=lambda crop: -shown(crop[1]))), 0
    while waiting:
        core, window = waiting.popleft()
        if passed <= len(waiting) and not shown(window):
            waiting.append((core, window))
            passed += 1
        else:
            yield core, window
            passed = 0


def thick(holes: np.ndarray, thickest: int) -> Iterator[tuple[int, Box]]:
    """Find connected holes thicker than ``thickest`` pixels.

    Args:
        holes: (H, W) bool.
        thickest: The thickness that is passed over, in pixels.

    Yields:
        The thickness and the box of each, to ``BLOCK`` pixels.

    >>> holes = np.zeros((64, 96), bool); holes[30:32] = True; holes[16:48, 40:72] = True
    >>> list(thick(holes, 16))
    [(30, Box(top=16, left=40, bottom=48, right=72))]
    """
    height, width = holes.shape
    grid = cv2.resize(holes.view(np.uint8), (-(-width // BLOCK), -(-height // BLOCK)), interpolation=cv2.INTER_AREA)
    thickness = 2 * BLOCK * np.minimum(cv2.distanceTransform(grid, cv2.DIST_L2, 3), max(grid.shape))
    _, parts, places, _ = cv2.connectedComponentsWithStats(grid)
    for part in np.unique(parts[thickness > thickest]):
        left, top, across, down = (int(BLOCK * number) for number in places[part][:4])
        yield int(thickness[parts == part].max()), Box(top, left, top + down, left + across)
