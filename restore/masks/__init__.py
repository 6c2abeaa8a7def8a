"""Masks of damage: drawn from a random generator, read from files, checked against a picture.

A mask is an (H, W) array; non-zero means repair. Drawn and loaded ones are uint8, 0 or 255: the same bytes from the same generator, for
one version of OpenCV (its fonts changed from 4 to 5). Sizes are fractions of the picture's shorter side, widths of scratches pixels.

>>> import numpy as np
>>> draw(["scratches", "text"], (64, 96), np.random.default_rng(0), area=(0.04, 0.06)).shape
(64, 96)
"""

import math
import os
from collections.abc import Callable, Sequence
from typing import BinaryIO

import cv2
import numpy as np

from restore import image
from restore.image import Picture

Shape = tuple[int, int]
Range = tuple[float, float]
Count = tuple[int, int]


def _canvas(shape: Shape) -> np.ndarray:
    height, width = shape
    if height < 1 or width < 1:
        raise ValueError(f"a mask needs at least one pixel, got shape {height}x{width}")
    return np.zeros((height, width), np.uint8)


def _path(mask: np.ndarray, points: np.ndarray, width: int) -> None:
    """Draw an open path with round joints; `points` is (K, 2), x before y."""
    cv2.polylines(mask, [np.rint(points).astype(np.int32)], isClosed=False, color=255, thickness=max(1, width))


def strokes(
    shape: Shape, *, rng: np.random.Generator, count: Count = (1, 3), vertices: Count = (4, 11), width: Range = (0.024, 0.08)
) -> np.ndarray:
    """Free-form brush strokes that zigzag.

    Segments lean 2 pi / 5 +- 2 pi / 15 left and right of a heading in turn; lengths are normal (mean r, deviation r / 2, within 0 and
    2 r), r an eighth of the diagonal (Yu et al., Free-Form Image Inpainting with Gated Convolution, 2019; brush half as wide).

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most strokes.
        vertices: fewest and most corners of a stroke.
        width: thinnest and widest brush.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> strokes((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = _canvas(shape)
    side, reach = min(shape), np.hypot(*shape) / 8
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        number = int(rng.integers(vertices[0], vertices[1], endpoint=True))
        lean = 2 * np.pi / 5 + rng.uniform(-1, 1, number) * 2 * np.pi / 15
        lean[1::2] *= -1
        angles = rng.uniform(0, 2 * np.pi) + lean
        lengths = np.clip(rng.normal(reach, reach / 2, number), 0, 2 * reach)
        points = np.empty((number + 1, 2))
        points[0] = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        points[1:] = points[0] + np.cumsum(lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1), 0)
        points = np.clip(points, 0, (shape[1] - 1, shape[0] - 1))
        _path(mask, points, round(side * rng.uniform(*width)))
    return mask


def polylines(
    shape: Shape, *, rng: np.random.Generator, count: Count = (1, 5), length: Range = (0.04, 0.82), width: Range = (0.02, 0.4)
) -> np.ndarray:
    """Irregular thick lines: one to five segments each, of any length and width (Suvorov et al., LaMa, 2021).

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most lines.
        length: shortest and longest segment.
        width: thinnest and widest segment.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> polylines((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = _canvas(shape)
    side, corner = min(shape), np.array([shape[1] - 1, shape[0] - 1])
    for line in range(rng.integers(count[0], count[1], endpoint=True)):
        point = rng.uniform(0, 1, 2) * corner
        for _ in range(rng.integers(1, 5, endpoint=True)):
            angle = (0.01 + rng.integers(0, 4)) * (1 if line % 2 else -1)
            step = side * rng.uniform(*length) * np.array([np.sin(angle), np.cos(angle)])
            end = np.clip(point + step, 0, corner)
            _path(mask, np.stack([point, end]), round(side * rng.uniform(*width)))
            point = end
    return mask


def boxes(shape: Shape, *, rng: np.random.Generator, count: Count = (1, 4), size: Range = (0.12, 0.58)) -> np.ndarray:
    """Upright rectangles inside the picture, width and height drawn apart (Suvorov et al., LaMa, 2021).

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most boxes.
        size: shortest and longest edge.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> boxes((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = _canvas(shape)
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        height, width = (min(edge, max(1, round(min(shape) * rng.uniform(*size)))) for edge in shape)
        top, left = (int(rng.integers(0, edge - part, endpoint=True)) for edge, part in zip(shape, (height, width), strict=True))
        mask[top : top + height, left : left + width] = 255
    return mask


def scratches(
    shape: Shape,
    *,
    rng: np.random.Generator,
    count: Count = (1, 2),
    width: Count = (1, 3),
    length: Range = (0.3, 1.5),
    upright: float = 0.5,
) -> np.ndarray:
    """Thin wobbling lines: near-vertical ones, as film has them, and free ones.

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most scratches.
        width: thinnest and widest, in pixels.
        length: shortest and longest.
        upright: share of the near-vertical ones, 0 to 1.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> scratches((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = _canvas(shape)
    side = min(shape)
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        x, y, lean, kind, stretch, wobble = rng.uniform(0, 1, 6)
        angle = np.pi / 2 + (lean - 0.5) * 0.1 if kind < upright else lean * np.pi
        reach = side * (length[0] + stretch * (length[1] - length[0]))
        number = 4 + int(reach / 12)
        along = np.linspace(-reach / 2, reach / 2, number)
        across = np.cumsum(rng.normal(0, 0.2 + 1.3 * wobble, number))
        across -= across.mean()
        cos, sin = np.cos(angle), np.sin(angle)
        points = np.stack([x * shape[1] + along * cos - across * sin, y * shape[0] + along * sin + across * cos], 1)
        for shift in range(rng.integers(width[0], width[1], endpoint=True)):  # OpenCV's own width 2 covers 3 pixels, its 3 covers 5
            _path(mask, points + ((shift, 0) if abs(sin) > abs(cos) else (0, shift)), 1)
    return mask


def text(shape: Shape, *, rng: np.random.Generator, count: Count = (1, 2), size: Range = (0.03, 0.06)) -> np.ndarray:
    """Random words in the fonts of OpenCV, as captions and date stamps.

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most words.
        size: smallest and largest height of the letters; never under 6 pixels.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> text((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = _canvas(shape)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        word = "".join(letters[i] for i in rng.integers(0, len(letters), rng.integers(3, 12)))
        height = max(6.0, min(shape) * rng.uniform(*size))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        weight = max(1, round(height / 12))
        scale = height / 22  # capitals of these fonts are about 22 pixels high at scale 1
        (width, _), _ = cv2.getTextSize(word, font, scale, weight)
        x = int(rng.uniform(-width / 3, max(1, shape[1] - width * 2 / 3)))
        y = int(rng.uniform(height / 2, shape[0] + height / 2))
        cv2.putText(mask, word, (x, y), font, scale, 255, weight)
    return np.where(mask > 127, np.uint8(255), np.uint8(0))  # OpenCV 5 smooths the letters' edges


def dust(shape: Shape, *, rng: np.random.Generator, count: Count = (5, 30), size: Range = (0.001, 0.012), hairs: float = 0.1) -> np.ndarray:
    """Specks, and a few curved hairs.

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most specks.
        size: smallest and largest half axis of a speck.
        hairs: share of the hairs, 0 to 1.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> dust((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = _canvas(shape)
    side, number = min(shape), int(rng.integers(count[0], count[1], endpoint=True))
    numbers = rng.uniform(0, 1, (number, 6))
    for x, y, a, b, angle, kind in numbers:
        centre = int(x * shape[1]), int(y * shape[0])
        axes = [round(side * (size[0] + part * (size[1] - size[0]))) for part in (a, b)]
        if kind < hairs:
            radius = 3 + round(side * 0.1 * a)
            cv2.ellipse(mask, centre, (radius, max(1, round(radius * b))), angle * 360, 0, 40 + 140 * b, 255, 1)
        else:
            cv2.ellipse(mask, centre, axes, angle * 360, 0, 360, 255, -1)
    return mask


def blobs(shape: Shape, *, rng: np.random.Generator, count: Count = (1, 3), size: Range = (0.04, 0.25), waves: int = 5) -> np.ndarray:
    """Smooth round holes: stains, burns, torn-out pieces.

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most blobs.
        size: smallest and largest mean radius.
        waves: how many harmonics shape the outline.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> blobs((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = _canvas(shape)
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    orders = np.arange(1, waves + 1)
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        x, y = rng.uniform(0, 1, 2)
        heights, phases = rng.uniform(0, 0.45, waves) / orders, rng.uniform(0, 2 * np.pi, waves)
        outline = 1 + (heights[:, None] * np.cos(orders[:, None] * angles + phases[:, None])).sum(0)
        radii = min(shape) * rng.uniform(*size) * np.maximum(outline, 0.1)
        points = np.stack([x * shape[1] + radii * np.cos(angles), y * shape[0] + radii * np.sin(angles)], 1)
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 255)
    return mask


MASKS: dict[str, Callable[..., np.ndarray]] = {
    "strokes": strokes,
    "polylines": polylines,
    "boxes": boxes,
    "scratches": scratches,
    "text": text,
    "dust": dust,
    "blobs": blobs,
}

BENCHMARKS: dict[str, tuple[tuple[str, ...], Range]] = {
    "thin": (("scratches", "scratches", "scratches", "text"), (0.045, 0.055)),
    "medium": (("strokes",), (0.18, 0.22)),
    "large": (("boxes", "blobs"), (0.27, 0.33)),
}


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
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    unknown = [name for name in names if name not in MASKS]
    if unknown or not names:
        raise ValueError(f"unknown kind of mask {unknown or names}, expected some of {', '.join(MASKS)}")
    low, high = area
    if not 0 <= low <= high <= 1:
        raise ValueError(f"area must be a range within 0 and 1, got {area}")
    mask, covered, size = _canvas(shape), 0.0, shape[0] * shape[1]
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
        kind: "thin" (scratches and text, 5 % of the picture), "medium" (brush strokes, 20 %) or "large" (boxes and blobs, 30 %).
        shape: (H, W).
        seed: number of the mask within its set.

    Returns:
        (H, W) uint8, 0 or 255.

    Raises:
        ValueError: an unknown set.

    >>> round(float((benchmark("thin", (200, 200), 0) > 0).mean()), 2)
    0.05
    """
    if kind not in BENCHMARKS:
        raise ValueError(f"unknown set of masks {kind!r}, expected one of {', '.join(BENCHMARKS)}")
    names, area = BENCHMARKS[kind]
    return draw(names, shape, np.random.default_rng([seed, list(BENCHMARKS).index(kind)]), area)


def load(source: str | os.PathLike[str] | bytes | BinaryIO | Picture, shape: Shape | None = None) -> np.ndarray:
    """Read a mask from a picture, in displayed orientation; it may be as large as the photograph.

    Repaired is where any channel is above half of the range, so that the ringing of JPEG makes no hole. Alpha counts only when it alone
    varies: one colour painted on a transparent layer.

    Args:
        source: a path, the file's bytes, an open file, or a Picture.
        shape: (H, W) of the photograph, to be compared with.

    Returns:
        (H, W) uint8, 0 or 255.

    Raises:
        ValueError: another size than the photograph, or values that all stay under half of the range (such as 0 and 1).
        restore.image.ImageError: a file that cannot be read.
    """
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else "the mask"
    if not isinstance(source, Picture):
        source = image.read(source, max_pixels=max(image.DEFAULT_MAX_PIXELS, math.prod(shape or (1,))))
    values, alpha = source.pixels, source.alpha
    if alpha is not None and (alpha != alpha.flat[0]).any() and (values == values[0, 0]).all():
        values = alpha[..., None]
    if shape is not None and values.shape[:2] != tuple(shape):
        raise ValueError(f"{name} is {values.shape[1]}x{values.shape[0]} pixels, the photograph {shape[1]}x{shape[0]} (width x height)")
    half = image.full_scale(values.dtype) / 2
    holes = (values > half).any(2)
    if not holes.any() and values.any():
        raise ValueError(f"{name} has no pixel above half of its range: its largest value is {values.max()}, half is {half:g}")
    return np.where(holes, np.uint8(255), np.uint8(0))


def check(mask: np.ndarray, shape: Shape) -> np.ndarray:
    """Check a mask against a picture's size.

    Args:
        mask: (H, W) or (H, W, 1), bool, integer or float; non-zero means repair.
        shape: (H, W) of the picture.

    Returns:
        (H, W) bool, True means repair.

    Raises:
        ValueError: another size, number of axes or type.

    >>> check(np.array([[0, 7]]), (1, 2))
    array([[False,  True]])
    """
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2 or mask.dtype.kind not in "buif":
        raise ValueError(f"a mask is an (H, W) array of bool, integers or floats, got {mask.dtype} of shape {mask.shape}")
    if mask.shape != tuple(shape):
        raise ValueError(f"the mask is {mask.shape[1]}x{mask.shape[0]} pixels, the picture {shape[1]}x{shape[0]} (width x height)")
    return mask != 0
