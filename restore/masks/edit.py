"""What is done to masks before a repair: found by a painted colour, united, grown, given a soft edge."""

import re
from collections.abc import Sequence

import cv2
import numpy as np

from restore.image import Picture, from_float, full_scale, to_float
from restore.masks.base import Shape
from restore.masks.files import check

LOSSY = 48.0
"""Tolerance for files that did not keep their samples exactly, in 8-bit units: 70 to 100 % of what is fully painted lies within it in
strokes of 3 to 9 pixels, red, green, magenta or white, saved as JPEG 4:2:0 of quality 75 to 95, and all of it within ``SPREAD`` of that."""
SPREAD = 3
"""So many pixels around the colour belong to it, as the edge of a brush is a mixture, and JPEG spreads colours."""
WIDEST = 10_000
"""Masks grow, and edges are soft, over at most so many pixels."""


def from_colour(picture: Picture, colour: str, *, tolerance: float | None = None) -> np.ndarray:
    """Find what was painted over with one colour, and three pixels around it.

    Args:
        picture: The painted photograph.
        colour: "#ff0000" or "#f00", on the scale of the picture's own samples whatever its profile.
        tolerance: How far any channel may be from the colour, in 8-bit units whatever the depth; by default 0 for arrays and for files
            that keep their samples exactly, and ``LOSSY`` for others.

    Returns:
        (H, W) uint8, 0 or 255.

    Raises:
        ValueError: The colour is not of such a form, or the tolerance is not from 0 to 255.

    >>> painted = np.full((1, 9, 3), 200, np.uint8); painted[0, 2] = 255, 0, 0
    >>> from_colour(Picture.from_array(painted), "#f00").tolist()
    [[255, 255, 255, 255, 255, 255, 0, 0, 0]]
    """
    if not is_colour(colour):
        raise ValueError(f"the colour is {colour!r}; expected # and 3 or 6 hexadecimal digits, such as #ff0000")
    if tolerance is None:
        tolerance = LOSSY if picture.lossless is False else 0.0
    if not 0 <= tolerance <= 255:
        raise ValueError(f"the tolerance is {tolerance:g}; expected 0 to 255")
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    scale, reach = full_scale(picture.dtype) / 255, max(0.5, tolerance)
    found = np.ones(picture.shape, bool)
    for number, value in enumerate(bytes.fromhex(digits)):
        plane = picture.pixels[..., number % picture.pixels.shape[2]]
        found &= (plane >= (value - reach) * scale) & (plane <= (value + reach) * scale)
    return grow(found, SPREAD)


def is_colour(text: str) -> bool:
    """Whether a text is a colour that ``from_colour`` takes.

    >>> is_colour("#ff0000"), is_colour("mask.png"), is_colour("#red")
    (True, False, False)
    """
    return re.fullmatch("#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", text) is not None


def union(masks: Sequence[np.ndarray], shape: Shape) -> np.ndarray:
    """Unite masks.

    Args:
        masks: (H, W) each, non-zero = marked.
        shape: (H, W).

    Returns:
        (H, W) uint8, 0 or 255.

    Raises:
        ValueError: One has another size, or is no mask.

    >>> union([np.eye(2), np.zeros((2, 2))], (2, 2)).tolist()
    [[255, 0], [0, 255]]
    """
    result = np.zeros(shape, bool)
    for mask in masks:
        result |= check(mask, shape)
    return _drawn(result)


def grow(mask: np.ndarray, pixels: float) -> np.ndarray:
    """Mark all that is at most so far from what is marked: a dilation by a disk.

    Args:
        mask: (H, W), non-zero = marked.
        pixels: Radius of the disk, 0 to ``WIDEST``; distances are between the middles of pixels.

    Returns:
        (H, W) uint8, 0 or 255.

    Raises:
        ValueError: The radius is out of its range.

    >>> grow(np.pad([[1]], 1), 1).tolist()
    [[0, 255, 0], [255, 255, 255], [0, 255, 0]]
    """
    _check_width(pixels, "the radius that a mask grows by")
    return _drawn(_distance(mask, pixels) <= pixels)


def feather(mask: np.ndarray, pixels: float) -> np.ndarray:
    """Weights that fall from 1 in a mask to 0 around it, evenly over so many pixels.

    What is marked is replaced as a whole, so that no damage shines through; the soft edge lies outside it.

    Args:
        mask: (H, W), non-zero = marked.
        pixels: Width of the soft edge, 0 to ``WIDEST``.

    Returns:
        (H, W) float32, 0 to 1: at the distance d from the mask 1 - d / (pixels + 1).

    Raises:
        ValueError: The width is out of its range.

    >>> feather(np.array([[1, 0, 0, 0, 0, 0]]), 3).tolist()
    [[1.0, 0.75, 0.5, 0.25, 0.0, 0.0]]
    """
    _check_width(pixels, "the width of a soft edge")
    return np.clip(1 - _distance(mask, pixels + 1) / np.float32(pixels + 1), 0, 1)


def blend(before: np.ndarray, after: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mix two pictures.

    Args:
        before: (H, W, C) uint8, uint16 or float32.
        after: Like ``before``.
        weights: (H, W) float32, 0 to 1, of ``after``; where it is 0 or 1 the samples are taken bit for bit.

    Returns:
        An array like ``before``. A sample of ``before`` that is not finite counts nothing where the weight is above 0.

    >>> one, other, weights = np.zeros((1, 3, 1), np.uint8), np.full((1, 3, 1), 9, np.uint8), np.float32([[0, 1 / 3, 1]])
    >>> blend(one, other, weights).ravel().tolist()
    [0, 3, 9]
    """
    result = np.where(weights[..., None] > 0, after, before)
    mixed = (weights > 0) & (weights < 1)
    one, other = before[mixed], to_float(after[mixed])
    one = np.where(np.isfinite(one), to_float(one), other)
    result[mixed] = from_float(one + weights[mixed][:, None] * (other - one), before.dtype)
    return result


def _check_width(pixels: float, name: str) -> None:
    if not 0 <= pixels <= WIDEST:
        raise ValueError(f"{name} is {pixels:g}; expected 0 to {WIDEST} pixels")


def _distance(mask: np.ndarray, reach: float) -> np.ndarray:
    """Distance (H, W) float32 from what is marked, in pixels; infinity beyond ``reach`` of all that is marked."""
    marked = np.asarray(mask) != 0
    result = np.full(marked.shape, np.inf, np.float32)
    rows, columns = (np.flatnonzero(marked.any(axis)) for axis in (1, 0))
    if len(rows):
        margin = int(np.ceil(reach))
        near = tuple(slice(max(0, int(places[0]) - margin), int(places[-1]) + margin + 1) for places in (rows, columns))
        result[near] = cv2.distanceTransform((~marked[near]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return result


def _drawn(marked: np.ndarray) -> np.ndarray:
    return np.where(marked, np.uint8(255), np.uint8(0))
