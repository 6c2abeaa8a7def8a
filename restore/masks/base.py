"""What all masks are drawn with: a canvas, paths, ribbons, ragged edges."""

import cv2
import numpy as np

Shape = tuple[int, int]
Range = tuple[float, float]
Count = tuple[int, int]


def canvas(shape: Shape) -> np.ndarray:
    """An empty mask.

    Args:
        shape: (H, W).

    Returns:
        (H, W) uint8 zeros.

    Raises:
        ValueError: No pixel.

    >>> canvas((2, 3)).shape
    (2, 3)
    """
    height, width = shape
    if height < 1 or width < 1:
        raise ValueError(f"a mask needs at least one pixel, got shape {height}x{width}")
    return np.zeros((height, width), np.uint8)


def path(mask: np.ndarray, points: np.ndarray, width: int) -> None:
    """Draw an open path with round joints; `points` is (K, 2), x before y."""
    cv2.polylines(mask, [np.rint(points).astype(np.int32)], isClosed=False, color=255, thickness=max(1, width))


def polygon(mask: np.ndarray, points: np.ndarray) -> None:
    """Fill a polygon; `points` is (K, 2), x before y, to a sixteenth of a pixel."""
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 255, shift=4)


def ribbon(mask: np.ndarray, points: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Draw a path of changing width.

    Args:
        mask: (H, W), drawn on.
        points: (K, 2), x before y, K at least 2.
        left: (K,) what it covers on one side beside its middle pixel.
        right: (K,) the same on the other side.
    """
    if not (left.any() or right.any()):
        cv2.polylines(mask, [np.rint(points * 16).astype(np.int32)], isClosed=False, color=255, shift=4)
        return
    steps = points[1:] - points[:-1]
    tangents = np.concatenate([steps[:1], steps[1:] + steps[:-1], steps[-1:]])
    normals = np.stack([-tangents[:, 1], tangents[:, 0]], 1) / np.maximum(np.hypot(*tangents.T), 1e-9)[:, None]
    one, other = points - normals * left[:, None], points + normals * right[:, None]
    corners = np.rint(16 * np.stack([one[:-1], one[1:], other[1:], other[:-1]], 1)).astype(np.int32)  # (K - 1, 4, 2)
    for quadrilateral in corners:
        cv2.fillPoly(mask, [quadrilateral], 255, shift=4)  # each on its own: together, where two overlap would be a hole


def ragged(rng: np.random.Generator, start: np.ndarray, end: np.ndarray, rough: float) -> np.ndarray:
    """A torn edge: midpoints are displaced again and again (Fournier, Fussell, Carpenter, Computer Rendering of Stochastic Models, 1982).

    Args:
        rng: where the numbers come from.
        start: (2,) x and y.
        end: (2,) x and y.
        rough: deviation of the first midpoint, as a share of the distance.

    Returns:
        (K, 2), from start to end, at most 3 pixels apart before they are displaced.

    >>> ragged(np.random.default_rng(0), np.zeros(2), np.array([8.0, 0.0]), 0.1).shape
    (5, 2)
    """
    points, across = np.stack([start, end]).astype(np.float64), np.array([start[1] - end[1], end[0] - start[0]])
    spacing = np.hypot(*across)
    while spacing > 3:
        middle = (points[1:] + points[:-1]) / 2 + rng.normal(0, rough, len(points) - 1)[:, None] * across
        points = np.insert(points, np.arange(1, len(points)), middle, axis=0)
        spacing, rough = spacing / 2, rough * 0.55
    return points
