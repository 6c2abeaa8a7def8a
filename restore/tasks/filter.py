"""Imitate slow filters with one network."""

from collections.abc import Callable
from numbers import Real

import numpy as np

from restore.filters.options import Row, options_of
from restore.networks.filtering import OPERATORS
from restore.runtime import Runtime
from restore.tasks.base import run

LEARNED = "learned-"
"""What the name of a learned filter begins with, where programs list it beside the others."""


def filter(
    pixels: np.ndarray,
    runtime: Runtime,
    *,
    name: str,
    strength: float = 0.5,
    tile: int = 512,
    linear: bool = False,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Do what a filter of ``restore.filters`` would do, tile by tile; memory is input + output in their own depth + one tile.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1]. Grey is filtered as three equal channels, and
            three equal channels stay equal.
        runtime: A network trained on the filters of ``restore.networks.filtering.OPERATORS``.
        name: Which of them.
        strength: From 0 to 1, the range of the filter that ``OPERATORS`` names; 0 is its weakest, not nothing.
        tile: Largest side of what the network gets at once, in pixels, without the halo.
        linear: The samples are proportional to light; the network gets them sRGB-encoded.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        An array like ``pixels``; float32 is neither clipped nor quantised.

    Raises:
        ValueError: ``name`` is unknown, ``strength`` is out of its range, or a float picture holds a NaN or an infinity.
    """
    if name not in OPERATORS:
        raise ValueError(f"no learned filter {name!r}; expected one of {', '.join(OPERATORS)}")
    if not (isinstance(strength, Real) and 0 <= strength <= 1):
        raise ValueError(f"strength must be a number from 0 to 1, got {strength!r}")
    condition = list(OPERATORS).index(name), float(strength)
    return run(pixels, runtime, condition, tile=tile, linear=linear, progress=progress)


def learned() -> list[Row]:
    """The filters that the network imitates, as programs show them.

    >>> learned()[0].name, list(learned()[0].options)
    ('learned-bilateral', ['strength'])
    """
    options = {"strength": options_of(filter)["strength"]}
    return [Row(LEARNED + name, "learned", f"Imitate {name} by a network; the strength is from 0 to 1.", options) for name in OPERATORS]
