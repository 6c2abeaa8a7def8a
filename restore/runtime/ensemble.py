"""Self-ensemble: a network's opinion of a picture's eight turned and mirrored forms."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Others: TypeAlias = tuple[np.ndarray | float, ...]


def self_ensemble(run: Callable[[np.ndarray, Others], np.ndarray], image: np.ndarray, others: Others) -> np.ndarray:
    """The mean of what a function makes of a picture's eight turned and mirrored forms, each put back.

    Timofte, Rothe, Van Gool 2016, "Seven Ways to Improve Example-Based Single Image Super Resolution", who call it enhanced prediction.

    Args:
        run: A picture (H, W, C) float32 and what belongs to it -> a picture of the same height and width.
        image: (H, W, C) float32.
        others: Maps (H, W, C), which are turned with the picture, and numbers.

    Returns:
        (H, W, C) float32.

    >>> def corner(image, others):
    ...     return np.full_like(image, image[0, 0])
    >>> float(self_ensemble(corner, np.float32([[[1], [2]], [[3], [6]]]), ())[0, 0, 0])
    3.0
    """
    total = np.zeros((), np.float32)
    for mirrored in (False, True):
        for quarters in range(4):
            given = [_turn(value, quarters, mirrored) if isinstance(value, np.ndarray) else value for value in others]
            form = np.rot90(run(_turn(image, quarters, mirrored), tuple(given)), -quarters)  # (H, W, C)
            total = total + (form[:, ::-1] if mirrored else form)
    return total / np.float32(8)


def _turn(array: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
    """(H, W, C) -> itself or its mirror image, turned by quarters: (H, W, C) or (W, H, C)."""
    return np.rot90(array[:, ::-1] if mirrored else array, quarters)
