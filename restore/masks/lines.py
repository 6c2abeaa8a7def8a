"""Lines: brush strokes, scratches."""

import numpy as np

from restore.masks.base import Count, Range, Shape, canvas, path


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
    mask = canvas(shape)
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
        path(mask, points, round(side * rng.uniform(*width)))
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
    mask = canvas(shape)
    side, corner = min(shape), np.array([shape[1] - 1, shape[0] - 1])
    for line in range(rng.integers(count[0], count[1], endpoint=True)):
        point = rng.uniform(0, 1, 2) * corner
        for _ in range(rng.integers(1, 5, endpoint=True)):
            angle = (0.01 + rng.integers(0, 4)) * (1 if line % 2 else -1)
            step = side * rng.uniform(*length) * np.array([np.sin(angle), np.cos(angle)])
            end = np.clip(point + step, 0, corner)
            path(mask, np.stack([point, end]), round(side * rng.uniform(*width)))
            point = end
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
    mask = canvas(shape)
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
            path(mask, points + ((shift, 0) if abs(sin) > abs(cos) else (0, shift)), 1)
    return mask


def _interrupted(rng: np.random.Generator, number: int, broken: float) -> np.ndarray:
    """(number,) bool: which rows a film scratch covers; a share of the scratches skips some."""
    gaps = rng.uniform() < broken
    lengths = number * rng.exponential((0.15, 0.04), (40, 2))
    edges = np.cumsum(lengths) - number * rng.uniform(0, 0.2)
    return np.searchsorted(edges, np.arange(number)) % 2 == 0 if gaps else np.ones(number, bool)


def film_scratches(
    shape: Shape,
    *,
    rng: np.random.Generator,
    count: Count = (1, 3),
    lines: Count = (1, 5),
    width: Range = (0.001, 0.005),
    length: Range = (0.4, 2.5),
    wave: Range = (0.0, 0.006),
    broken: float = 0.4,
) -> np.ndarray:
    """Scratches that a projector cuts into running film: long, thin, near-vertical, slightly wavy, often several side by side.

    Those of a cluster run in parallel, as one piece of grit or one worn roller made them (Kokaram, Motion Picture Restoration, 1998;
    Newson et al., Robust Automatic Line Scratch Detection in Films, 2014).

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most clusters.
        lines: fewest and most scratches of a cluster.
        width: thinnest and widest; never under a pixel.
        length: shortest and longest, as a share of the height, about a middle within the picture.
        wave: smallest and largest deviation from a straight line.
        broken: share of the interrupted ones, 0 to 1.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> film_scratches((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = canvas(shape)
    side, rows = min(shape), np.arange(shape[0])
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        periods, phases = shape[0] * rng.uniform(0.3, 2.5, 3), rng.uniform(0, 2 * np.pi, 3)
        swing = side * rng.uniform(*wave) * np.sin(2 * np.pi * rows[:, None] / periods + phases).mean(1)
        centre = rng.uniform(0, shape[1]) + swing + rng.normal(0, 0.008) * (rows - shape[0] / 2)
        spread = side * rng.uniform(0.005, 0.04)
        for line in range(rng.integers(lines[0], lines[1], endpoint=True)):
            own = side * 0.0015 * np.sin(2 * np.pi * rows / (shape[0] * rng.uniform(0.1, 0.6)) + rng.uniform(0, 2 * np.pi))
            left = np.rint(centre + own + (rng.normal(0, spread) if line else 0)).astype(int)
            middle, reach = rng.uniform(0, shape[0]), shape[0] * rng.uniform(*length) / 2
            covered = (np.abs(rows - middle) <= reach) & _interrupted(rng, len(rows), broken)
            thick = side * rng.uniform(*width) * (1 + 0.5 * np.sin(2 * np.pi * rows / (shape[0] * rng.uniform(0.1, 1))))
            for shift in range(max(1, round(thick.max()))):
                here = covered & ((shift == 0) | (shift + 0.5 <= thick)) & (left + shift >= 0) & (left + shift < shape[1])
                mask[rows[here], left[here] + shift] = 255
    return mask
