"""Broken emulsion: cracks and folds."""

import numpy as np

from restore.masks.base import Count, Range, Shape, canvas, ribbon


def _crack(mask: np.ndarray, rng: np.random.Generator, start: np.ndarray, heading: float, width: float, reach: float) -> np.ndarray:
    """Draw one jagged, tapering line as far as the picture or another crack lets it; its points (K, 2)."""
    step = max(1.5, min(mask.shape) / 128)
    number = max(3, round(reach / step))
    wander, jag, kink = rng.normal(0, 1, (3, number))
    kinked, stretch, bulge = rng.uniform(0, 1, (3, number))
    headings = heading + 0.07 * wander.cumsum() + 0.2 * jag + 0.7 * kink * (kinked < 0.3)
    steps = step * (0.4 + 1.2 * stretch) * (np.cos(headings), np.sin(headings))  # (2, number)
    points = start + (steps.cumsum(1) - steps[:, :1]).T
    fine = np.arange(0, number - 1, 1 / max(1, round(2 * step)))
    xs, ys = (np.rint(np.interp(fine, np.arange(number), axis)) for axis in points.T)
    free = (xs >= 0) & (xs < mask.shape[1]) & (ys >= 0) & (ys < mask.shape[0])
    met = free & (fine >= 3)  # before, it is on the crack that it branches from
    free[met] = mask[ys[met].astype(int), xs[met].astype(int)] == 0
    length = number if free.all() else 1 + max(1, int(np.ceil(fine[free.argmin()])))
    half = width * np.linspace(1, 0.15, number) ** 0.7 * (0.6 + 0.7 * bulge) / 2 - 0.5
    ribbon(mask, points[:length], half[:length].clip(0), half[:length].clip(0))
    return points[:length]


def _tree(mask: np.ndarray, rng: np.random.Generator, width: float, reach: float, branches: int) -> None:
    """A crack that grows both ways from a point, and the branches of its branches."""
    start, heading = rng.uniform(0, 1, 2) * (mask.shape[1] - 1, mask.shape[0] - 1), rng.uniform(0, 2 * np.pi)
    tips = [(start, heading, width, reach / 2, branches), (start, heading + np.pi, width, reach / 2, branches)]
    while tips:
        start, heading, width, reach, branches = tips.pop(0)
        points = _crack(mask, rng, start, heading, width, reach)
        for _ in range(rng.poisson(branches / 2) if branches > 0 and reach > 4 else 0):
            at = int(rng.integers(len(points) - 1))
            x, y = points[at + 1] - points[at]
            away = np.arctan2(y, x) + rng.choice([-1, 1]) * rng.uniform(0.4, 1.4)
            tips.append((points[at], away, width * 0.7, reach * rng.uniform(0.2, 0.6), branches - 2))


def _network(mask: np.ndarray, rng: np.random.Generator, width: float, reach: float, number: int) -> None:
    """A patch of cracks that stop where they meet an earlier one: the later, the shorter and finer."""
    centre, along = rng.uniform(0, 1, 2) * mask.shape[::-1], rng.uniform(0, np.pi)
    for i in range(number):
        start = centre + rng.normal(0, reach / 4, 2)
        heading = along + rng.normal(0, 0.35) + np.pi / 2 * rng.integers(2)
        fine = width * (1 - 0.6 * i / number)
        length = reach * rng.uniform(0.3, 0.7)
        if (start >= 0).all() and (start <= (mask.shape[1] - 1, mask.shape[0] - 1)).all():
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
    for knots, weight in ((10, 0.6), (33, 0.7), (97, 0.6), (number, 0.12)):
        total += weight * np.interp(np.linspace(0, 1, number), np.linspace(0, 1, knots), rng.normal(0, 1, knots))
    return ((total - 0.7).clip(0, 2) / 2) ** 0.7


def folds(
    shape: Shape,
    *,
    rng: np.random.Generator,
    count: Count = (1, 2),
    width: Range = (0.002, 0.005),
    flakes: Range = (0.008, 0.032),
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
    along = np.linspace(-2, 2, max(5, round(4 * half / max(1.5, side / 300))))
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
