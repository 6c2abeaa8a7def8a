"""Fill holes: by a network, or by one of three classical methods, on crops around the holes.

The cost follows the holes and not the picture: crops are cut from the picture's own samples, and only what lies in a hole is written.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from numbers import Integral

import cv2
import numpy as np

from restore import estimate, exemplar, grain, masks
from restore.image import from_float, to_float, to_linear, to_srgb
from restore.runtime import Runtime
from restore.tasks.base import continued
from restore.tasks.crops import BLOCK, MIN_TILE, Box, in_order, plan, split, thick
from restore.tasks.fills import Fill, choose, limited
from restore.tiling import is_out_of_memory

THICK = 128
"""Holes thicker than this are filled at half the resolution first by a network, in pixels: on photographs with holes of 30 % that gained
0.4 dB in the holes, and objects went on further into them."""
VIEW = 4
"""A crop is so many times as wide as the thickest hole that a network fills on it at full resolution."""
RIM = 16
"""Width of the rim of a thick hole that is filled at full resolution, in pixels."""
DETAIL = 4.0
"""Standard deviation of a blur, in pixels: what it takes out of a fill at full resolution is the detail that a thick hole has from there;
the rest is from half the resolution. With holes of 30 % that gained 0.06 dB in the holes, and 3 % of LPIPS before texture."""
WIDE = 5 * BLOCK
"""Holes thicker than this, as blocks tell, may take texture, in pixels: from some 52 on they do (``restore.exemplar.share``)."""
SURROUNDINGS = (128, 512)
"""Pixels around a wide hole that texture is copied from, least and most; between them twice the hole's thickness."""
FILLED = 0.4
"""Share of the work that is done when wide holes are filled but have no texture yet."""
GRAINED = 256
"""Largest side of a crop that gets grain at once, with what lies around it, in pixels."""
WHITE = 1.25
"""White grain is at most so many times as strong as the picture's estimated noise: texture adds to what is measured of it."""
NEAR = 64
"""Pixels around a hole in which it is measured how strong the grain is there."""


@dataclass(frozen=True)
class Finish:
    """What the fill of a network gets in the end.

    Attributes:
        texture: Wide holes get texture of the picture itself (``restore.exemplar``).
        grain: All get grain like that of the picture (``restore.grain``).
        seed: Same seed, same texture and grain; from 0 to 2 ** 63 - 1.

    Raises:
        ValueError: ``seed`` is none.
    """

    texture: bool = True
    grain: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not (isinstance(self.seed, Integral) and 0 <= self.seed < 2**63):
            raise ValueError(f"seed must be a whole number from 0 to 2 ** 63 - 1, got {self.seed!r}")


FINISH = Finish()
"""All of it."""


def inpaint(  # noqa: PLR0913 - all that people choose about a fill
    pixels: np.ndarray,
    mask: np.ndarray,
    runtime: Runtime | None = None,
    *,
    method: str = "learned",
    tile: int = 512,
    linear: bool = False,
    hidden: np.ndarray | None = None,
    finish: Finish | None = FINISH,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Fill the holes that a mask marks.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1]. What lies in the holes is ignored, NaNs and
            infinities elsewhere are as if hidden.
        mask: (H, W), non-zero = fill.
        runtime: An inpainting network; only "learned" needs one.
        method: "learned", "telea" (Telea 2004), "ns" (Navier-Stokes; Bertalmio et al. 2001) or "biharmonic" (Damelin, Hoang 2018).
        tile: Largest side of a crop, in pixels. Long holes are filled crop by crop, each sees what those before it filled; the inside of
            holes too thick for a crop, or for a network thicker than ``THICK``, is filled at half the resolution first.
        linear: The samples are proportional to light; holes are filled sRGB-encoded.
        hidden: (H, W) bool, what nobody sees, such as the colours of transparent pixels: nothing is filled from them, and they stay as
            they are. None: nothing.
        finish: What the fill of method "learned" gets in the end; None: nothing.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        An array like ``pixels``, bit-identical to it outside the holes. Classical fills stay within the range of what surrounds them, those
        of networks within [0, 1] and that of the picture.

    Raises:
        ValueError: The method is unknown, the mask has another size or covers all that is seen of the picture.
        MemoryError: The smallest crop does not fit.
    """
    fill = choose(method, runtime)
    holes = masks.check(mask, pixels.shape[:2])
    hidden = _hidden(pixels, holes, hidden)
    marked, result, holes, multiple_of = holes, pixels.copy(), holes.copy(), runtime.multiple_of if runtime else 1
    report = progress or (lambda done: None)
    report(0.0)
    finish = finish if method == "learned" else None
    textured = _textured(marked) if finish and finish.texture else []
    left = int(np.count_nonzero(holes))
    total, part = max(1, left), FILLED if textured else 1.0
    while left:
        try:
            crop_by_crop = partial(_fill_crops, fill=fill, tile=tile, multiple_of=multiple_of, linear=linear)
            again = partial(inpaint, runtime=runtime, method=method, tile=tile, linear=linear, finish=None)
            fills = again, crop_by_crop if method == "learned" else None
            _fill_thick(result, holes, hidden, fills, thickest=_thickest(method, tile, holes.shape))
            left = int(np.count_nonzero(holes))
            for filled in crop_by_crop(result, holes, hidden):
                left -= filled
                if left:
                    report(part - part * left / total)
        except (MemoryError, RuntimeError) as error:  # noqa: PERF203, crops are few
            if not is_out_of_memory(error):
                raise
            if tile // 2 < MIN_TILE:
                raise MemoryError(f"not enough memory to fill a hole on a crop of {tile} pixels") from error
            tile //= 2
    if finish:
        unseen = marked if hidden is None else marked | hidden
        _finish(result, marked, unseen, textured, finish, linear=linear, report=report)
    if hidden is not None:
        result[hidden] = pixels[hidden]
    report(1.0)
    return result


def _hidden(pixels: np.ndarray, holes: np.ndarray, hidden: np.ndarray | None) -> np.ndarray | None:
    """What nobody sees, and what is not finite beside the ``holes``: (H, W) bool, or None; some of the picture is left."""
    lost = None if pixels.dtype != np.float32 else ~(np.isfinite(pixels).all(2) | holes)
    if lost is not None and lost.any():
        hidden = lost if hidden is None else hidden | lost
    if not (holes if hidden is None else holes | hidden).all():
        return hidden
    if hidden is not None and hidden.all():
        why = "all of the picture is transparent"
    else:
        why = f"the mask covers {'the whole picture' if holes.all() else 'all that is seen: the rest is transparent, or not finite'}"
    raise ValueError(f"{why}; nothing is known that it could be filled from")


def _finish(
    result: np.ndarray,
    holes: np.ndarray,
    unseen: np.ndarray,
    textured: list[tuple[Box, Box]],
    finish: Finish,
    *,
    linear: bool,
    report: Callable[[float], None],
) -> None:
    """Give the filled ``holes`` (H, W) of ``result`` (H, W, C) texture in its crops, and grain; of what is not ``unseen``."""
    sizes = [math.prod(window.sides) for _, window in textured]
    try:
        for i, (core, window) in enumerate(textured):
            report(FILLED + (1 - FILLED) * sum(sizes[:i]) / sum(sizes))
            crop, filled, without = (array[window.slices] for array in (result, holes, unseen))
            _copy_texture(crop, filled, without, core.within(window), linear=linear, seed=finish.seed)
        if finish.grain:
            _add_grain(result, holes, unseen, linear=linear, seed=finish.seed)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError("not enough memory to give a fill texture and grain; without them it needs less") from error


def _fill_thick(
    result: np.ndarray,
    holes: np.ndarray,
    hidden: np.ndarray | None,
    fills: tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], Callable[[np.ndarray, np.ndarray, None], Iterator[int]] | None],
    *,
    thickest: int,
) -> None:
    """Fill the inside of holes thicker than ``thickest`` pixels from a fill at half the resolution, and take it off ``holes``.

    A network sees all around a hole there, and a wide hole keeps one idea of what is in it; the rim is left for full resolution.

    Args:
        result: The picture (H, W, C), written to.
        holes: (H, W) bool, written to.
        hidden: (H, W) bool, what is not seen, or None.
        fills: Of a smaller picture with holes; and at full resolution, which the inside has detail from where that is one crop, or None.
        thickest: The thickness that is left as it is.
    """
    again, detailed = fills
    for thickness, box in list(thick(holes, thickest)):
        window = box.grown(thickness, holes.shape)
        crop, unknown = result[window.slices], holes[window.slices]
        unseen = _unseen(unknown, hidden, window)
        if unseen.all():
            continue
        filled = again(*_half(crop, unseen))
        inside = cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, 3) > RIM
        large = cv2.resize(filled, window.sides[::-1], interpolation=cv2.INTER_LINEAR).reshape(crop.shape)
        if detailed and max(window.sides) <= VIEW * thickest:
            fine = to_float(crop)
            sum(detailed(fine, unseen.copy(), None))
            apart = np.where(unseen[..., None], large - fine, np.float32(0))
            large = limited(fine + cv2.GaussianBlur(apart, (0, 0), DETAIL).reshape(crop.shape), fine[unseen])
        crop[inside] = from_float(large[inside], crop.dtype)
        unknown[inside] = False


def _fill_crops(
    result: np.ndarray, holes: np.ndarray, hidden: np.ndarray | None, *, fill: Fill, tile: int, multiple_of: int, linear: bool
) -> Iterator[int]:
    """Fill the ``holes`` of ``result`` crop by crop, and take them off; yields how many pixels each crop had of them."""
    for core, window in in_order(plan(holes, tile=tile, multiple_of=multiple_of), holes, hidden):
        yield _repair(result, holes, hidden, core, window, fill, linear=linear)


def _unseen(unknown: np.ndarray, hidden: np.ndarray | None, window: Box) -> np.ndarray:
    """The holes of a window, and what is hidden there."""
    return unknown if hidden is None else unknown | hidden[window.slices]


def _from_afar(result: np.ndarray, holes: np.ndarray, hidden: np.ndarray | None, window: Box) -> np.ndarray:
    """What a window that shows nothing gets (h, w, C): the nearest of what is seen of ``result``, continued smoothly."""
    around = window
    while _unseen(holes[around.slices], hidden, around).all():
        around = around.grown(max(around.sides), holes.shape)
    filled = continued(result[around.slices], ~_unseen(holes[around.slices], hidden, around))
    return filled[window.within(around).slices]


def _textured(holes: np.ndarray) -> list[tuple[Box, Box]]:
    """Pairs (core, window) of the wide ones of ``holes`` (H, W): long ones are cut, near ones share a window."""
    crops: list[tuple[Box, Box]] = []
    for thickness, box in thick(holes, WIDE):
        around = int(np.clip(2 * thickness, *SURROUNDINGS))
        limit = min(exemplar.LIMIT, (4 * around) ** 2)
        for part in split(holes, box.grown(BLOCK, holes.shape), around=around, limit=limit, longest=2 * thickness):
            core, window = part, part.grown(around, holes.shape)
            for other in crops.copy():
                union = window.joined(other[1])
                if math.prod(union.sides) <= min(limit, math.prod(window.sides) + math.prod(other[1].sides)):
                    core, window = core.joined(other[0]), union
                    crops.remove(other)
            crops.append((core, window))
    return crops


def _copy_texture(crop: np.ndarray, filled: np.ndarray, unseen: np.ndarray, core: Box, *, linear: bool, seed: int) -> None:
    """Give the wide ones of the ``filled`` holes (h, w) of ``crop`` (h, w, C) texture, those in ``core``; of what is not ``unseen``.

    What lies outside of it is continued as it is: what is known, and what other crops have made of the hole.
    """
    share = np.zeros(filled.shape, np.float32)
    share[core.slices] = exemplar.share(filled)[core.slices]
    written = share > 0
    if not written.any():
        return
    x = to_float(crop)
    x = to_srgb(x) if linear else x
    x = continued(x, filled | ~unseen)
    y = exemplar.complete(x, written, sources=~unseen, seed=seed)
    y = x + share[..., None] * (y - x)
    crop[written] = from_float(to_linear(y) if linear else y, crop.dtype)[written]


def _add_grain(result: np.ndarray, holes: np.ndarray, unseen: np.ndarray, *, linear: bool, seed: int) -> None:
    """Give the filled ``holes`` (H, W) of ``result`` (H, W, C) the grain of what is not ``unseen``, where their surroundings have it."""
    usual = _grain(result, unseen, linear=linear)
    if usual is None:
        return
    for core, _ in plan(holes, tile=GRAINED):
        window = core.grown(NEAR, holes.shape)
        crop, unknown = result[window.slices], holes[window.slices]
        here = usual.at_most(grain.measure(crop, unseen[window.slices], linear=linear))
        inner = core.within(window).slices
        written = np.zeros_like(unknown)
        written[inner] = unknown[inner]
        x = to_float(crop)
        x = to_srgb(x) if linear else x
        y = limited(grain.match(x, written, here, np.random.default_rng([seed, core.top, core.left])), x[np.isfinite(x)])
        written &= here.strength(y.mean(2)) > 0
        crop[written] = from_float(to_linear(y) if linear else y, result.dtype)[written]


def _grain(pixels: np.ndarray, holes: np.ndarray, *, linear: bool) -> grain.Grain | None:
    """The grain of what is not in ``holes`` (H, W); None where nobody would see it, or it is texture: that is found where noise is not."""
    found = grain.measure(pixels, holes, linear=linear)
    if found is None or not found.strength(found.levels).any():
        return None
    seen = ~holes
    if estimate.has_camera_noise(pixels, linear=linear, where=seen):
        return found
    level = WHITE * estimate.noise_level(pixels, linear=linear, where=seen)
    return found.weakened(level) if level > grain.LEAST else None


def _thickest(method: str, tile: int, shape: tuple[int, ...]) -> int:
    """The thickness up to which a hole is filled at full resolution: by classical methods wherever its surroundings fit a crop."""
    if method == "learned":
        return min(THICK, tile // VIEW)
    return tile // 2 if max(shape) > tile else tile


def _half(pixels: np.ndarray, holes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the resolution, float32, of what is known; and where nothing is."""
    size = (-(-holes.shape[1] // 2), -(-holes.shape[0] // 2))
    known = cv2.resize((~holes).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    planes = (np.where(holes, np.float32(0), to_float(plane)) for plane in np.moveaxis(pixels, 2, 0))
    values = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes], 2)
    return values / np.maximum(known, 0.01)[..., None], known < 0.01


def _repair(result: np.ndarray, holes: np.ndarray, hidden: np.ndarray | None, core: Box, window: Box, fill: Fill, *, linear: bool) -> int:
    """Fill the holes of ``core`` in ``result``, as its window shows them, and take them off ``holes``: so many pixels."""
    crop, unknown = result[window.slices], holes[window.slices]
    unseen = _unseen(unknown, hidden, window)
    afar = unseen.all()
    x = to_float(_from_afar(result, holes, hidden, window) if afar else crop)
    x = to_srgb(x) if linear else x
    x = x if afar else np.where(unseen[..., None], np.float32(0), x)  # a NaN there is as good as any number
    filled = x if afar else fill(x, unseen)
    filled = from_float(to_linear(filled) if linear else filled, result.dtype)
    written = np.zeros_like(unknown)
    inner = core.within(window)
    written[inner.slices] = unknown[inner.slices]
    crop[written] = filled[written]
    unknown[written] = False
    return int(np.count_nonzero(written))
