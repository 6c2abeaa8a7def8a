"""The table of masks; draws of a given area and benchmark sets."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from restore.masks.base import Range, Shape, canvas
from restore.masks.cracks import cracks, folds
from restore.masks.lama import LAMA
from restore.masks.lines import film_scratches, polylines, scratches, strokes
from restore.masks.marks import dust, handwriting, text
from restore.masks.shapes import blobs, boxes, grid, outpainting, stains, tears

MASKS: dict[str, Callable[..., np.ndarray]] = {
    "strokes": strokes,
    "polylines": polylines,
    "boxes": boxes,
    "scratches": scratches,
    "text": text,
    "dust": dust,
    "blobs": blobs,
    "film_scratches": film_scratches,
    "cracks": cracks,
    "folds": folds,
    "tears": tears,
    "stains": stains,
    "grid": grid,
    "outpainting": outpainting,
    "handwriting": handwriting,
}

MIXED = ("scratches", "text", "dust", "strokes", "polylines", "boxes", "blobs")
"""Kinds that the sets by area are drawn from, named by the part of the picture that they cover, in per cent."""

BENCHMARKS: dict[str, tuple[tuple[str, ...], Range]] = {
    "thin": (("scratches", "scratches", "scratches", "text"), (0.045, 0.055)),
    "medium": (("strokes",), (0.18, 0.22)),
    "large": (("boxes", "blobs"), (0.27, 0.33)),
    "lama-thin-256": (("polylines",), (0.0, 0.5)),
    "lama-medium-256": (("polylines", "boxes"), (0.0, 0.5)),
    "lama-thick-256": (("polylines", "boxes"), (0.0, 0.5)),
    "lama-thin-512": (("polylines",), (0.0, 0.5)),
    "lama-medium-512": (("polylines", "boxes"), (0.0, 0.5)),
    "lama-thick-512": (("polylines", "boxes"), (0.0, 0.5)),
    "0-1": (MIXED, (0.002, 0.01)),
    "1-5": (MIXED, (0.01, 0.05)),
    "5-10": (MIXED, (0.05, 0.10)),
    "10-20": (MIXED, (0.10, 0.20)),
    "20-40": (MIXED, (0.20, 0.40)),
}
"""Set -> kinds that it is drawn from, and the part of the picture that it covers. Append only: what is drawn depends on the place."""


def known(kinds: str | Sequence[str]) -> list[str]:
    """The names of one kind of mask, or of several.

    Raises:
        ValueError: None, or one that is not in ``MASKS``.

    >>> known("dust")
    ['dust']
    """
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    if not names or not set(names) <= set(MASKS):
        raise ValueError(f"kinds of masks {kinds!r}; expected some of {', '.join(MASKS)}")
    return names


def draw(kinds: str | Sequence[str], shape: Shape, rng: np.random.Generator, area: Range = (0.05, 0.3), *, tries: int = 1000) -> np.ndarray:
    """Unite draws of the given kinds until the wanted part of the picture is covered.

    Aims at an area drawn uniformly from the range; a draw that would pass the upper end is thrown away.

    Args:
        kinds: a name of MASKS, or several, of which each draw takes one at random (the oftener the more often it is named).
        shape: (H, W).
        rng: where the numbers come from.
        area: the least and the largest part of the picture to cover, 0 to 1.
        tries: how many draws at most.

    Returns:
        (H, W) uint8, 0 or 255.

    Raises:
        ValueError: an unknown kind, an impossible range, or an area that no draw could meet.

    >>> mask = draw("dust", (64, 64), np.random.default_rng(0), area=(0.02, 0.05))
    >>> bool(0.02 <= (mask > 0).mean() <= 0.05)
    True
    """
    names = known(kinds)
    low, high = area
    if not 0 <= low <= high <= 1:
        raise ValueError(f"area must be a range within 0 and 1, got {area}")
    mask, covered, size = canvas(shape), 0.0, shape[0] * shape[1]
    goal = rng.uniform(low, high)
    for _ in range(tries):
        if covered >= goal:
            return mask
        name = names[0] if len(names) == 1 else names[int(rng.integers(len(names)))]
        union = mask | MASKS[name](shape, rng=rng)
        part = cv2.countNonZero(union) / size
        if part <= high:
            mask, covered = union, part
    if covered >= low:
        return mask
    raise ValueError(f"{tries} draws of {', '.join(names)} cover {covered:.3f} of {shape[0]}x{shape[1]}, expected {low} to {high}")


def benchmark(kind: str, shape: Shape, seed: int) -> np.ndarray:
    """Draw one mask of a benchmark set.

    Args:
        kind: "thin" (scratches and text, 5 % of the picture), "medium" (brush strokes, 20 %) or "large" (boxes and blobs, 30 %);
            "0-1", "1-5", "5-10", "10-20" or "20-40" (several kinds, so many per cent); or
            "lama-thin-256" and the like, with which Suvorov et al. (LaMa, 2021) evaluate on pictures of that size: their pixels are those
            of the picture at hand, and masks that cover over half of it are thrown away.
        shape: (H, W).
        seed: number of the mask within its set.

    Returns:
        (H, W) uint8, 0 or 255.

    Raises:
        ValueError: an unknown set, or one whose pixels leave no room in so small a picture.

    >>> round(float((benchmark("thin", (200, 200), 0) > 0).mean()), 2)
    0.05
    """
    if kind not in BENCHMARKS:
        raise ValueError(f"unknown set of masks {kind!r}, expected one of {', '.join(BENCHMARKS)}")
    names, area = BENCHMARKS[kind]
    if kind in LAMA:
        return LAMA[kind].draw(shape, np.random.default_rng([seed, *kind.encode()]), area[1])
    return draw(names, shape, np.random.default_rng([seed, list(BENCHMARKS).index(kind)]), area)
