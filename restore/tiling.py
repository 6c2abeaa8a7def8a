"""Run a function over a picture tile by tile, with the result it would have on the whole picture.

A tile's result is exact where the network sees, around each pixel, what it sees in the whole picture. So each tile is cut with
a halo as wide as the network's reach, only its core is kept, and tile and halo are multiples of the network's stride: strided
layers must sample the same pixels. At the picture's own borders there is no halo, so that the network's own padding acts there
as it does on the whole picture.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Pixels = TypeVar("Pixels", np.ndarray, "torch.Tensor")
Span = tuple[int, int]
Core = tuple[Span, Span]  # rows, columns
SMALLEST = 32  # pixels: a tile that runs out of memory at this size does not shrink further


def _up(size: int, multiple_of: int) -> int:
    return -(-size // multiple_of) * multiple_of


def _padded(size: int, multiple_of: int, min_size: int) -> np.ndarray:
    """Return, for each row (or column) of the padded picture, the row of the picture it shows."""
    total = _up(max(size, min_size), multiple_of)
    rows = np.arange(total)
    if total < 2 * size:
        return np.where(rows < size, rows, 2 * (size - 1) - rows)
    return np.minimum(rows, size - 1)


def pad_to(picture: Pixels, multiple_of: int, *, min_size: int = 1) -> Pixels:
    """Pad at the bottom and the right to a multiple; by reflection, or by the edge where the picture is smaller than the padding.

    Args:
        picture: array (H, W, ...) or tensor (..., H, W).
        multiple_of: the padded sides are multiples of it.
        min_size: the padded sides are not smaller.

    Returns:
        The padded picture, of the same kind; the picture itself where nothing is to be done.

    >>> pad_to(np.arange(5).reshape(1, 5), 4)[0]
    array([0, 1, 2, 3, 4, 3, 2, 1])
    """
    is_array = isinstance(picture, np.ndarray)
    height, width = picture.shape[:2] if is_array else picture.shape[-2:]
    rows, columns = (_padded(size, multiple_of, min_size) for size in (height, width))
    if (len(rows), len(columns)) == (height, width):
        return picture
    return picture[np.ix_(rows, columns)] if is_array else picture[..., rows, :][..., columns]


def crop_to(picture: Pixels, shape: tuple[int, int]) -> Pixels:
    """Undo `pad_to`.

    Args:
        picture: array (H, W, ...) or tensor (..., H, W).
        shape: (height, width) before the padding.

    Returns:
        A view of the first rows and columns.

    >>> crop_to(pad_to(np.zeros((5, 7, 3)), 8), (5, 7)).shape
    (5, 7, 3)
    """
    height, width = shape
    return picture[:height, :width] if isinstance(picture, np.ndarray) else picture[..., :height, :width]


def _split(span: Span, tile: int) -> list[Span]:
    return [(start, min(start + tile, span[1])) for start in range(span[0], span[1], tile)]


@dataclass(frozen=True)
class _Axis:
    """What to cut along one axis: rows (or columns) of the picture by their place in the padded one, multiples throughout."""

    rows: np.ndarray
    reach: int
    multiple_of: int
    min_size: int

    def cut(self, core: Span) -> Span:
        """Return the core with its halo, inside the padded picture and not under the smallest size."""
        start, stop = max(0, core[0] - self.reach), _up(core[1], self.multiple_of) + self.reach
        stop = min(len(self.rows), max(stop, start + self.min_size))
        return max(0, min(start, stop - self.min_size)), stop


def _run(function: Callable[[np.ndarray], np.ndarray], image: np.ndarray, core: Core, axes: tuple[_Axis, _Axis]) -> np.ndarray:
    """Apply the function to a core with its halo and return the core of the result."""
    (top, bottom), (left, right) = (axis.cut(span) for axis, span in zip(axes, core, strict=True))
    part = image[np.ix_(axes[0].rows[top:bottom], axes[1].rows[left:right])]
    shape = part.shape
    result = function(part)
    if result.ndim != 3 or result.shape[:2] != shape[:2]:
        raise ValueError(f"the function made {result.shape} of a tile {shape}, expected the same height and width")
    return result[core[0][0] - top : core[0][1] - top, core[1][0] - left : core[1][1] - left]


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out: numpy's, or one of torch (CPU, CUDA, MPS) and other runtimes.

    >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    """
    text = str(error).lower()
    signs = "out of memory", "can't alloc", "bad_alloc"
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(sign in text for sign in signs))


def _store(result: np.ndarray, out: np.ndarray | None, core: Core, size: tuple[int, int]) -> np.ndarray:
    """Write a core of the result to its place; make the array if there is none yet."""
    shape = (*size, result.shape[2])
    if out is None:
        out = np.empty(shape, result.dtype)
    if out.shape != shape or out.dtype != result.dtype:
        raise ValueError(f"out is {out.dtype} {out.shape}, the function makes {result.dtype} {shape}")
    out[slice(*core[0]), slice(*core[1])] = result
    return out


def tiled(
    function: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    *,
    tile: int = 512,
    halo: int | None,
    multiple_of: int = 1,
    min_size: int = 1,
    out: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Apply a function to a picture in tiles; the result is that of the function on the whole padded picture.

    Memory is the picture, the result and one tile. When that runs out, the tile is halved and the same tile tried again.

    Args:
        function: (h, w, C) -> (h, w, C'), given copies whose sides are multiples of `multiple_of` and at least `min_size`.
        image: (H, W, C).
        tile: side of a tile's core in pixels, rounded up to `multiple_of`; a picture no larger runs whole.
        halo: reach of the function in pixels, rounded up to `multiple_of`; None if it must see the whole picture at once.
        multiple_of: stride of the function.
        min_size: smallest side that the function takes.
        out: (H, W, C') array to write the result to, of the function's dtype; a new one if None.
        progress: called with the done part of the work: 0 first, then growing, 1 at the end.

    Returns:
        (H, W, C'), of the function's dtype.

    Raises:
        ValueError: an empty picture or one without three axes, a tile or multiple under 1, a negative halo, an `out` that shares
            memory with the picture or does not fit, or a function that changes the height or width.
        MemoryError: no memory for the smallest tile, or for the whole picture where `halo` is None.

    >>> picture = np.arange(12.0).reshape(3, 4, 1)
    >>> tiled(lambda part: part + 1, picture, tile=2, halo=0).shape
    (3, 4, 1)
    """
    if image.ndim != 3 or image.size == 0:
        raise ValueError(f"expected a picture (H, W, C) of at least one pixel, got shape {image.shape}")
    if tile < 1 or multiple_of < 1 or (halo is not None and halo < 0):
        raise ValueError(f"expected tile >= 1, multiple_of >= 1 and halo >= 0 or None, got {tile}, {multiple_of} and {halo}")
    if out is not None and np.may_share_memory(out, image):
        raise ValueError("out shares memory with the picture, whose pixels later tiles still need")
    height, width = image.shape[:2]
    reach, tile = (0, max(height, width)) if halo is None else (_up(halo, multiple_of), _up(tile, multiple_of))
    rows, columns = (_padded(size, multiple_of, min_size) for size in (height, width))
    axes = _Axis(rows, reach, multiple_of, _up(min_size, multiple_of)), _Axis(columns, reach, multiple_of, _up(min_size, multiple_of))
    smallest = _up(max(SMALLEST, multiple_of), multiple_of)
    cores, done = [((0, height), (0, width))], 0
    progress = progress or (lambda fraction: None)
    progress(0.0)
    while cores:
        core = cores.pop()
        side = max(stop - start for start, stop in core)
        if side > tile:
            cores += [(down, across) for down in _split(core[0], tile)[::-1] for across in _split(core[1], tile)[::-1]]
            continue
        is_done = False
        try:
            out = _store(_run(function, image, core, axes), out, core, (height, width))
            is_done = True
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if halo is None:
                raise MemoryError(f"no memory for a picture of {width}x{height} pixels, which this network must see whole") from error
            if side <= smallest:
                raise MemoryError(f"no memory for a tile of {side} pixels with a halo of {reach}, the smallest there is") from error
        if not is_done:  # out of memory; out here the error no longer holds what the failed attempt had made
            gc.collect()
            tile = max(smallest, _up(side // 2, multiple_of))
            cores.append(core)
            continue
        done += (core[0][1] - core[0][0]) * (core[1][1] - core[1][0])
        progress(done / (height * width))
    assert out is not None
    return out
