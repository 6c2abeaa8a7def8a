"""Fill holes: by a network, or by one of three classical methods, on crops around the holes.

The cost follows the holes and not the picture: crops are cut from the picture's own samples, and only what lies in a hole is written.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from restore import exemplar, masks
from restore.image import from_float, to_float, to_linear, to_srgb
from restore.runtime import Runtime
from restore.tiling import crop_to, is_out_of_memory, pad_to

CONTEXT = 32
"""Known pixels around a thin hole that its crop shows, at least."""
CALL = 96 * 96
"""What a crop costs besides its pixels, in pixels."""
RADIUS = 3
"""Neighbourhood of the classical methods of OpenCV, in pixels."""
THICK = 128
"""Holes thicker than this are filled at half the resolution first by a network, in pixels: on photographs with holes of 30 % that gained
0.9 dB in the holes, and objects went on further into them."""
RIM = 16
"""Width of the rim of a thick hole that is filled at full resolution, in pixels."""
BLOCK = 8
"""Thick holes are looked for in blocks of so many pixels."""
WIDE = 2 * BLOCK
"""Holes thicker than this are looked at for texture, in pixels; ``restore.exemplar.share`` says where they take it."""
SURROUNDINGS = (128, 512)
"""Pixels around a wide hole that texture is copied from, least and most; between them twice the hole's thickness."""
MIN_TILE = 64
"""Crops do not shrink below this when memory runs out."""

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(window (h, w, C) float32, its holes (h, w) bool) -> the window with its holes filled."""


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


def inpaint(
    pixels: np.ndarray,
    mask: np.ndarray,
    runtime: Runtime | None = None,
    *,
    method: str = "learned",
    tile: int = 512,
    linear: bool = False,
    texture: int | None = 0,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Fill the holes that a mask marks.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1]. What lies in the holes is ignored.
        mask: (H, W), non-zero = fill.
        runtime: An inpainting network; only "learned" needs one.
        method: "learned", "telea" (Telea 2004), "ns" (Navier-Stokes; Bertalmio et al. 2001) or "biharmonic" (Damelin, Hoang 2018).
        tile: Largest side of a crop, in pixels. Long holes are filled crop by crop, each sees what those before it filled; the inside of
            holes too thick for a crop, or for a network thicker than ``THICK``, is filled at half the resolution first.
        linear: The samples are proportional to light; holes are filled sRGB-encoded.
        texture: Seed of the search for texture in the picture itself, which method "learned" copies into wide holes
            (``restore.exemplar``); None: the network's fill as it is.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        An array like ``pixels``, bit-identical to it outside the holes. Classical fills stay within the range of what surrounds them.

    Raises:
        ValueError: The method is unknown, the mask has another size or covers the whole picture, a float picture holds a NaN or an
            infinity beside a hole.
        MemoryError: The smallest crop does not fit.
    """
    fill = _fill(method, runtime)
    holes = masks.check(mask, pixels.shape[:2])
    if holes.all():
        raise ValueError("the mask covers the whole picture: nothing is known that it could be filled from")
    marked, result, holes, multiple_of = holes, pixels.copy(), holes.copy(), runtime.multiple_of if runtime else 1
    total = max(1, int(np.count_nonzero(holes)))
    if progress:
        progress(0.0)
    while holes.any():
        try:
            again = partial(inpaint, runtime=runtime, method=method, tile=tile, linear=linear, texture=None)
            _fill_thick(result, holes, again, thickest=_thickest(method, tile, holes.shape))
            for core, window in _in_order(plan(holes, tile=tile, multiple_of=multiple_of), holes):
                _repair(result, holes, core, window, fill, linear=linear)
                if progress and holes.any():
                    progress(1 - int(np.count_nonzero(holes)) / total)
        except (MemoryError, RuntimeError) as error:  # noqa: PERF203, crops are few
            if not is_out_of_memory(error):
                raise
            if tile // 2 < MIN_TILE:
                raise MemoryError(f"not enough memory to fill a hole on a crop of {tile} pixels") from error
            tile //= 2
    if method == "learned" and texture is not None:
        _copy_texture(result, marked, linear=linear, seed=texture)
    if progress:
        progress(1.0)
    return result


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


def _tighten(holes: np.ndarray, box: Box) -> Box | None:
    """The smallest box around the holes in ``box``."""
    rows, columns = (np.flatnonzero(np.any(holes[box.slices], axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return Box(box.top + int(rows[0]), box.left + int(columns[0]), box.top + int(rows[-1]) + 1, box.left + int(columns[-1]) + 1)


def _window(holes: np.ndarray, box: Box, tile: int, multiple_of: int) -> Box | None:
    """``box`` with its context, within the picture; None if that is larger than ``tile``."""
    least, most = min(CONTEXT, tile // 4), tile // 4
    for measure in (lambda: least, lambda: int(np.clip(2 * _thickness(holes[box.slices]), least, most))):  # the cheap test comes first
        context = measure()
        window = Box(
            max(0, box.top - context) // multiple_of * multiple_of,
            max(0, box.left - context) // multiple_of * multiple_of,
            min(holes.shape[0], -(-(box.bottom + context) // multiple_of) * multiple_of),
            min(holes.shape[1], -(-(box.right + context) // multiple_of) * multiple_of),
        )
        if max(window.sides) > tile:
            return None
    return window


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


def _in_order(crops: list[tuple[Box, Box]], holes: np.ndarray) -> Iterator[tuple[Box, Box]]:
    """Those that show most first; one that shows nothing known waits until its neighbours are filled."""
    waiting = deque(sorted(crops, key=lambda crop: holes[crop[1].slices].mean()))
    while waiting:
        core, window = waiting.popleft()
        if holes[window.slices].all():
            waiting.append((core, window))
        else:
            yield core, window


def _fill_thick(result: np.ndarray, holes: np.ndarray, again: Callable[[np.ndarray, np.ndarray], np.ndarray], *, thickest: int) -> None:
    """Fill the inside of holes thicker than ``thickest`` pixels from a fill at half the resolution, and take it off ``holes``.

    A network sees all around a hole there, and a wide hole keeps one idea of what is in it; the rim is left for full resolution.

    Args:
        result: The picture (H, W, C), written to.
        holes: (H, W) bool, written to.
        again: Fills a smaller picture with holes.
        thickest: The thickness that is left as it is.
    """
    for thickness, box in list(_thick(holes, thickest)):
        window = _around(box, min(max(holes.shape), thickness), holes.shape)
        crop, unknown = result[window.slices], holes[window.slices]
        filled = again(*_half(crop, unknown))
        inside = cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, 3) > RIM
        large = cv2.resize(filled, window.sides[::-1], interpolation=cv2.INTER_LINEAR).reshape(crop.shape)
        crop[inside] = from_float(large[inside], crop.dtype)
        unknown[inside] = False


def _thick(holes: np.ndarray, thickest: int) -> Iterator[tuple[int, Box]]:
    """Connected holes thicker than ``thickest`` pixels: their thickness and their box, to ``BLOCK`` pixels."""
    height, width = holes.shape
    grid = cv2.resize(holes.view(np.uint8), (-(-width // BLOCK), -(-height // BLOCK)), interpolation=cv2.INTER_AREA)
    thickness = 2 * BLOCK * np.minimum(cv2.distanceTransform(grid, cv2.DIST_L2, 3), max(grid.shape))
    _, parts, places, _ = cv2.connectedComponentsWithStats(grid)
    for part in np.unique(parts[thickness > thickest]):
        left, top, across, down = (int(BLOCK * number) for number in places[part][:4])
        yield int(thickness[parts == part].max()), Box(top, left, top + down, left + across)


def _around(box: Box, pixels: int, shape: tuple[int, ...]) -> Box:
    """``box`` with so many pixels around it, within the picture."""
    top, left, bottom, right = box
    return Box(max(0, top - pixels), max(0, left - pixels), min(shape[0], bottom + pixels), min(shape[1], right + pixels))


def _copy_texture(result: np.ndarray, holes: np.ndarray, *, linear: bool, seed: int) -> None:
    """Give the wide ones of the filled ``holes`` (H, W) of ``result`` (H, W, C) texture; near ones share a window."""
    least, most = SURROUNDINGS
    crops: list[tuple[Box, Box]] = []
    for thickness, box in _thick(holes, WIDE):
        core, window = _around(box, BLOCK, holes.shape), _around(box, int(np.clip(2 * thickness, least, most)), holes.shape)
        for other in crops.copy():
            union = _union(window, other[1])
            if np.prod(union.sides) <= min(exemplar.LIMIT, np.prod(window.sides) + np.prod(other[1].sides)):
                core, window = _union(core, other[0]), union
                crops.remove(other)
        crops.append((core, window))
    for core, window in crops:
        crop, unknown = result[window.slices], holes[window.slices]
        share = np.zeros(window.sides, np.float32)
        inner = Box(core.top - window.top, core.left - window.left, core.bottom - window.top, core.right - window.left)
        share[inner.slices] = exemplar.share(unknown)[inner.slices]
        x = to_float(crop)
        x = to_srgb(x) if linear else x
        finite = np.isfinite(x).all(2)
        x = np.where(finite[..., None], x, np.float32(0))
        y = exemplar.complete(x, share > 0, sources=finite & ~unknown, seed=seed)
        y = x + share[..., None] * (y - x)
        written = share > 0
        crop[written] = from_float(to_linear(y) if linear else y, result.dtype)[written]


def _union(one: Box, other: Box) -> Box:
    return Box(min(one.top, other.top), min(one.left, other.left), max(one.bottom, other.bottom), max(one.right, other.right))


def _thickest(method: str, tile: int, shape: tuple[int, ...]) -> int:
    """The thickness up to which a hole is filled at full resolution: by classical methods wherever its surroundings fit a crop."""
    if method == "learned":
        return min(THICK, tile // 4)
    return tile // 2 if max(shape) > tile else tile


def _half(pixels: np.ndarray, holes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the resolution, float32, of what is known; and where nothing is."""
    size = (-(-holes.shape[1] // 2), -(-holes.shape[0] // 2))
    known = cv2.resize((~holes).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    planes = (np.where(holes, np.float32(0), to_float(plane)) for plane in np.moveaxis(pixels, 2, 0))
    values = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes], 2)
    return values / np.maximum(known, 0.01)[..., None], known < 0.01


def _repair(result: np.ndarray, holes: np.ndarray, core: Box, window: Box, fill: Fill, *, linear: bool) -> None:
    """Fill the holes of ``core`` in ``result``, as its window shows them, and take them off ``holes``."""
    crop, unknown = result[window.slices], holes[window.slices]
    x = to_float(crop)
    x = np.where(unknown[..., None], np.float32(0), to_srgb(x) if linear else x)  # a NaN in a hole is as good as any number
    if not np.isfinite(x).all():
        raise ValueError("the picture holds a NaN or an infinity beside a hole; expected finite numbers, or such pixels in the mask")
    filled = fill(x, unknown)
    filled = from_float(to_linear(filled) if linear else filled, result.dtype)
    written = np.zeros_like(unknown)
    inner = Box(core.top - window.top, core.left - window.left, core.bottom - window.top, core.right - window.left)
    written[inner.slices] = unknown[inner.slices]
    crop[written] = filled[written]
    unknown[written] = False


def _learned(runtime: Runtime) -> Fill:
    def fill(x: np.ndarray, holes: np.ndarray) -> np.ndarray:
        grey = x.shape[2] == 1
        x = np.concatenate([np.repeat(x, 3, 2) if grey else x, holes[..., None].astype(np.float32)], 2)  # (h, w, 4)
        padded = pad_to(x, runtime.multiple_of, min_size=runtime.min_size)
        y = crop_to(runtime(padded[..., :3], padded[..., 3:]), holes.shape)
        return y.mean(2, keepdims=True) if grey else y

    return fill


def _opencv(flag: int) -> Fill:
    """A method of OpenCV: on channels, as it takes more than 8 bits only so; on a scale of 65535, as its Telea adds steps of about 1.

    The edge is repeated twice: OpenCV leaves some of the outermost pixels unfilled, and reads beyond pictures one pixel wide.
    """

    def fill(x: np.ndarray, holes: np.ndarray) -> np.ndarray:
        mask = np.pad(holes, 2, "edge").astype(np.uint8)
        channels = (np.pad(channel, 2, "edge") * np.float32(65535) for channel in np.moveaxis(x, 2, 0))
        filled = np.stack([cv2.inpaint(channel, mask, RADIUS, flag)[2:-2, 2:-2] for channel in channels], 2)
        return _within(filled / np.float32(65535), x, holes)

    return fill


def _biharmonic(x: np.ndarray, holes: np.ndarray) -> np.ndarray:
    from skimage.restoration import inpaint_biharmonic

    return _within(inpaint_biharmonic(x, holes, channel_axis=2), x, holes)


def _within(filled: np.ndarray, x: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Keep what was filled within the range of what is known, channel by channel: extrapolation overshoots in corners."""
    known = x[~holes]  # (K, C)
    return np.clip(filled, known.min(0), known.max(0)).astype(np.float32)


METHODS: dict[str, Fill | None] = {
    "learned": None,
    "telea": _opencv(cv2.INPAINT_TELEA),
    "ns": _opencv(cv2.INPAINT_NS),
    "biharmonic": _biharmonic,
}
"""Name -> how a crop is filled; "learned" needs a runtime."""


def _fill(method: str, runtime: Runtime | None) -> Fill:
    if method not in METHODS:
        raise ValueError(f"method {method!r} is unknown; expected one of {', '.join(METHODS)}")
    fill = METHODS[method]
    if fill is None:
        if runtime is None:
            raise ValueError("method 'learned' needs a runtime with an inpainting network, got None")
        fill = _learned(runtime)
    return fill
