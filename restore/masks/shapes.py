"""Areas: boxes, holes, stains, tears, bands and grids."""

import cv2
import numpy as np

from restore.masks.base import Count, Range, Shape, canvas, polygon, ragged


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
    mask = canvas(shape)
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        height, width = (min(edge, max(1, round(min(shape) * rng.uniform(*size)))) for edge in shape)
        top, left = (int(rng.integers(0, edge - part, endpoint=True)) for edge, part in zip(shape, (height, width), strict=True))
        mask[top : top + height, left : left + width] = 255
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
    mask = canvas(shape)
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


def tears(
    shape: Shape,
    *,
    rng: np.random.Generator,
    count: Count = (1, 3),
    size: Range = (0.05, 0.3),
    corner: float = 0.4,
    rough: Range = (0.03, 0.12),
) -> np.ndarray:
    """Pieces torn off at the border: ragged notches, slits and corners.

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most tears.
        size: how far the shortest and the longest reach along the border and into the picture.
        corner: share of the torn-off corners, 0 to 1.
        rough: smallest and largest raggedness: the deviation of the first midpoint of an edge, as a share of its length.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> tears((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask, side = canvas(shape), min(shape)
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        turn, at, tip, kind, roughness = int(rng.integers(4)), rng.uniform(), rng.uniform(-1, 1), rng.uniform(), rng.uniform(*rough)
        along, deep = side * rng.uniform(*size, 2)
        edge = shape[1 - turn % 2]  # the border that the tear starts from, laid along x with the picture below it
        if kind < corner:
            outline = ragged(rng, np.array([along, -2.0]), np.array([-2.0, deep]), roughness)
            outline = np.concatenate([outline, [[-side, deep], [-side, -side], [along, -side]]])
        else:
            along *= rng.uniform(0.15, 1)
            roughness *= min(1, 0.5 + along / deep)  # or the two edges of a slit would cross
            top = np.array([at * edge + 0.8 * tip * along, deep])
            first = ragged(rng, np.array([at * edge - along / 2, -2.0]), top, roughness)
            second = ragged(rng, top, np.array([at * edge + along / 2, -2.0]), roughness)
            outline = np.concatenate([first, second[1:]])
        piece = canvas((shape[turn % 2], edge))
        polygon(piece, outline)
        mask |= np.rot90(piece, turn)
    return mask


def stains(
    shape: Shape,
    *,
    rng: np.random.Generator,
    count: Count = (1, 3),
    size: Range = (0.03, 0.2),
    lobes: Count = (1, 5),
    drops: Count = (0, 6),
) -> np.ndarray:
    """Water marks: puddles with a smooth, irregular outline, and drops beside them.

    A puddle is a level set of a sum of bells (Blinn, A Generalization of Algebraic Surface Drawing, 1982) on a bent plane.

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most stains.
        size: smallest and largest radius, about.
        lobes: of how many bells a puddle is the sum, at least and at most.
        drops: fewest and most drops beside a puddle.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> stains((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask, side = canvas(shape), min(shape)
    scale = max(1.0, side / 128)  # the field is smooth: a coarse one, made larger, has the same outline
    height, width = (int(np.ceil(edge / scale)) for edge in shape)
    ys, xs = (axis.astype(np.float32) * np.float32(scale) for axis in np.ogrid[:height, :width])
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        centre, radius = rng.uniform(0, 1, 2) * shape[::-1], side * rng.uniform(*size)
        waves, phases = radius * rng.uniform(0.6, 2.5, (2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))
        bend = 0.025 * waves
        x = xs + sum(b * np.sin(2 * np.pi * ys / w + p) for b, w, p in zip(bend[0], waves[0], phases[0], strict=True))
        y = ys + sum(b * np.sin(2 * np.pi * xs / w + p) for b, w, p in zip(bend[1], waves[1], phases[1], strict=True))
        field = np.zeros((height, width), np.float32)
        for lobe in range(rng.integers(lobes[0], lobes[1], endpoint=True)):
            cx, cy = centre + (rng.normal(0, 0.6 * radius, 2) if lobe else 0)
            field += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (radius * rng.uniform(0.4, 0.9)) ** 2)
        for _ in range(rng.integers(drops[0], drops[1], endpoint=True)):
            cx, cy = centre + rng.normal(0, 1.6 * radius, 2)
            field += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (radius * rng.uniform(0.04, 0.2)) ** 2)
        mask[cv2.resize(field, shape[::-1], interpolation=cv2.INTER_CUBIC) > 0.4] = 255
    return mask


def grid(shape: Shape, *, rng: np.random.Generator, step: Count = (2, 4), width: Count = (1, 3)) -> np.ndarray:
    """Lines across and down at equal distances, so that filling in is super-resolution (code of Suvorov et al., LaMa, 2021).

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        step: smallest and largest distance, in pixels, at least 2.
        width: thinnest and widest line, in pixels; always less than the distance.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> float(grid((4, 4), rng=np.random.default_rng(0), step=(2, 2)).mean() / 255)
    0.75
    """
    mask = canvas(shape)
    for lines in (mask, mask.T):
        distance = int(rng.integers(step[0], step[1], endpoint=True))
        thick = int(rng.integers(width[0], min(width[1], distance - 1), endpoint=True))
        lines[(np.arange(len(lines)) + rng.integers(distance)) % distance < thick] = 255
    return mask


def outpainting(shape: Shape, *, rng: np.random.Generator, size: Range = (0.04, 0.25), side: float = 0.5) -> np.ndarray:
    """Bands along the borders, one at least (code of Suvorov et al., LaMa, 2021).

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        size: narrowest and widest band, as a share of the picture's height or width.
        side: chance of each of the four sides.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> outpainting((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = canvas(shape)
    chosen, shares = rng.uniform(0, 1, 4) < side, rng.uniform(*size, 4)
    chosen[rng.integers(4)] |= not chosen.any()
    for turn in range(4):
        band = np.rot90(mask, turn)
        band[: round(len(band) * shares[turn] * chosen[turn])] = 255
    return mask
