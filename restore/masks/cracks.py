"""Broken emulsion: cracks and folds."""

import numpy as np

from restore.masks.base import Count, Range, Shape, canvas, ribbon


def _crack(mask: np.ndarray, rng: np.random.Generator, start: np.ndarray, heading: float, width: float, reach: float) -> np.ndarray:
    """Draw one jagged, tapering line as far as the picture or another crack lets it; its points (K, 2)."""
    step = max(1.5, min(mask.shape) / 128)
    number = max(2, round(reach / step))
    kinks = rng.normal(0, 0.7, number) * (rng.uniform(0, 1, number) < 0.3)
    headings = heading + np.cumsum(rng.normal(0, 0.07, number)) + kinks + rng.normal(0, 0.2, number)
    steps = step * rng.uniform(0.4, 1.6, number)[:, None] * np.stack([np.cos(headings), np.sin(headings)], 1)
    points = start + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
    fine = np.linspace(0, number, 1 + number * max(1, round(2 * step)))
    xs, ys = (np.rint(np.interp(fine, np.arange(number + 1), axis)).astype(int) for axis in points.T)
    height, across = mask.shape
    inside = (xs >= 0) & (xs < across) & (ys >= 0) & (ys < height)
    free = inside & (mask[ys.clip(0, height - 1), xs.clip(0, across - 1)] == 0)
    free[fine < 3] = inside[fine < 3]  # it starts on the one that it branches from
    end = number if free.all() else max(1, int(np.ceil(fine[free.argmin()])))
    half = (width * np.linspace(1, 0.2, number + 1) ** 0.7 * rng.uniform(0.6, 1.3, number + 1) / 2 - 0.5)[: end + 1].clip(0)
    points = points[: end + 1]
    ribbon(mask, points, half, half)
    return points


def _tree(mask: np.ndarray, rng: np.random.Generator, width: float, reach: float, branches: int) -> None:
    """A crack that grows both ways from a point, and the branches of its branches."""
    start, heading = rng.uniform(0, 1, 2) * mask.shape[::-1], rng.uniform(0, 2 * np.pi)
    tips = [(start, heading, width, reach / 2, branches), (start, heading + np.pi, width, reach / 2, branches)]
    while tips:
        start, heading, width, reach, branches = tips.pop(0)
        points = _crack(mask, rng, start, heading, width, reach)
        for _ in range(rng.poisson(branches / 2) if branches > 0 else 0):
            at = int(rng.integers(len(points)))
            side = rng.choice([-1, 1]) * rng.uniform(0.4, 1.4)
            direction = points[min(at + 1, len(points) - 1)] - points[max(at - 1, 0)]
            shorter = reach * rng.uniform(0.2, 0.6)
            tips.append((points[at], np.arctan2(*direction[::-1]) + side, width * 0.7, shorter, branches - 2))


def _network(mask: np.ndarray, rng: np.random.Generator, width: float, reach: float, number: int) -> None:
    """A patch of cracks that stop where they meet an earlier one: the later, the shorter and finer."""
    centre, along = rng.uniform(0, 1, 2) * mask.shape[::-1], rng.uniform(0, np.pi)
    for i in range(number):
        start = centre + rng.normal(0, reach / 4, 2)
        heading = along + rng.normal(0, 0.35) + (np.pi / 2 if rng.uniform() < 0.5 else 0)
        fine = width * (1 - 0.6 * i / number)
        length = reach * rng.uniform(0.3, 0.7)
        _crack(mask, rng, start, heading, fine, length)
        _crack(mask, rng, start, heading + np.pi, fine, length)


def cracks(
    shape: Shape,
    *,
    rng: np.random.Generator,
    count: Count = (1, 3),
    width: Range = (0.002, 0.007),
    length: Range = (0.3, 1.0),
    branches: Count = (2, 6),
    network: float = 0.4,
) -> np.ndarray:
    """Cracks of the emulsion: jagged, tapering, with branches; some form a network.

    A crack ends where it meets an earlier one, at which the stress is gone: early ones are long, later ones short and across (Bohn,
    Pauchard, Couder, Hierarchical crack pattern as formed by successive domain divisions, 2005).

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most cracks, a network being one.
        width: thinnest and widest, where widest; never under a pixel.
        length: shortest and longest crack; a network is as large.
        branches: fewest and most branches of the first order; a network has five times as many cracks.
        network: share of the networks, 0 to 1.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> cracks((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask, side = canvas(shape), min(shape)
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        kind, widest, reach = rng.uniform(), side * rng.uniform(*width), side * rng.uniform(*length)
        number = int(rng.integers(branches[0], branches[1], endpoint=True))
        if kind < network:
            _network(mask, rng, widest, reach, 5 * number)
        else:
            _tree(mask, rng, widest, reach, number)
    return mask


def _flakes(rng: np.random.Generator, number: int) -> np.ndarray:
    """(number,) how far emulsion is lost beside a fold, 0 to about 1: patches of any length, sharp in detail, nothing between them."""
    total = np.zeros(number)
    for knots, weight in ((7, 0.5), (31, 0.7), (101, 0.7), (number, 0.2)):
        total += weight * np.interp(np.linspace(0, 1, number), np.linspace(0, 1, knots), rng.normal(0, 1, knots))
    return ((total - 0.7).clip(0, 2) / 2) ** 0.7


def folds(
    shape: Shape,
    *,
    rng: np.random.Generator,
    count: Count = (1, 2),
    width: Range = (0.002, 0.005),
    flakes: Range = (0.01, 0.04),
    bow: Range = (0.0, 0.02),
    crooked: float = 0.2,
) -> np.ndarray:
    """Folds from border to border: a thin, slightly curved line along which emulsion has flaked off. The second crosses the first.

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most folds.
        width: thinnest and widest line; never under a pixel.
        flakes: how far the largest flakes reach to either side, at least and at most.
        bow: smallest and largest sag of the line.
        crooked: share of the folds in any direction; the others are nearly level or upright.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> folds((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask, side, half = canvas(shape), min(shape), np.hypot(*shape) / 2
    first = rng.uniform(0, np.pi) if rng.uniform() < crooked else rng.integers(2) * np.pi / 2
    along = np.linspace(-1.4, 1.4, max(5, round(2.8 * half / max(1.5, side / 300))))
    for i in range(rng.integers(count[0], count[1], endpoint=True)):
        angle = first + i * np.pi / 2 + rng.normal(0, 0.05)
        direction, normal = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        middle = rng.uniform(0.15, 0.85, 2) * shape[::-1]
        sag, phase, period = side * rng.uniform(*bow) * rng.choice([-1, 1]), rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 2)
        wander = side * 0.0015 * np.cumsum(rng.normal(0, len(along) ** -0.5, len(along)))
        across = sag * (along**2 + 0.3 * np.sin(2 * np.pi * along / period + phase)) + wander
        points = middle + half * along[:, None] * direction + across[:, None] * normal
        core = (side * rng.uniform(*width) * rng.uniform(0.5, 1, len(along)) / 2 - 0.5).clip(0)
        reach = side * rng.uniform(*flakes)
        ribbon(mask, points, core + reach * _flakes(rng, len(along)), core + reach * _flakes(rng, len(along)))
    return mask
