"""Sharpen what a lens out of focus or a moving camera blurred."""

from collections.abc import Callable
from numbers import Real

import numpy as np

from restore.networks.restoration import WIDEST
from restore.runtime import Runtime
from restore.tasks.base import run

MIN_WIDTH, MAX_WIDTH = 0.3, WIDEST
"""The range of ``width`` in pixels; what the network hears at the upper end is 1."""


def deblur(
    pixels: np.ndarray,
    runtime: Runtime,
    *,
    width: float | None = None,
    tile: int = 512,
    linear: bool = False,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Undo an unknown blur that is the same all over the picture, tile by tile; memory is input + output in their own depth + one tile.

    One network for all kernels, as in Kupyn et al. 2018, "DeblurGAN"; no kernel is estimated on the way.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1] (it may exceed that). Grey goes in as three equal
            channels, and three equal channels stay equal.
        runtime: A network that sharpens; its level is 0 where the width is unknown, else width / 4.
        width: Standard deviation of the blur's kernel in pixels, sqrt((var_x + var_y) / 2), 0.3 to 4: of a Gaussian its sigma, of a disk
            half its radius, of a straight motion its length / sqrt(24). None: nobody knows.
        tile: Largest side of what the network gets at once, in pixels, without the halo.
        linear: The samples are proportional to light; the network gets them sRGB-encoded.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        An array like ``pixels``; float32 is neither clipped nor quantised.

    Raises:
        ValueError: ``width`` is out of its range; a float picture holds a NaN or an infinity.
    """
    return run(pixels, runtime, level_of(width), tile=tile, linear=linear, progress=progress)


def level_of(width: float | None) -> float:
    """What the network is told.

    Raises:
        ValueError: ``width`` is neither None nor a number from 0.3 to 4.

    >>> level_of(None), level_of(1), level_of(4)
    (0.0, 0.25, 1.0)
    """
    if width is None:
        return 0.0
    if not (isinstance(width, Real) and MIN_WIDTH <= width <= MAX_WIDTH):
        raise ValueError(f"width must be a number from {MIN_WIDTH:g} to {MAX_WIDTH:g} in pixels, or None, got {width!r}")
    return float(width) / MAX_WIDTH
