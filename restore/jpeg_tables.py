"""The quantisation tables that libjpeg writes for a quality: numbers only, no files.

>>> quantization_table(50)[0, 0, :4]
array([16, 11, 10, 16], dtype=int32)
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Number = TypeVar("Number", float, "Tensor")

LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Quantisation steps at quality 50 (ITU-T T.81, table K.1), vertical frequency first."""

CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *[(99,) * 8] * 4,
)
"""The same for chrominance (table K.2)."""

QUALITIES = np.arange(1, 101)
"""The qualities that libjpeg knows."""


def quantization_table(quality: npt.ArrayLike) -> np.ndarray:
    """Quantisation steps that libjpeg writes for a quality.

    Args:
        quality: Whole numbers of any shape (...), 1 to 100; what lies outside is clipped.

    Returns:
        (..., 2, 8, 8) int32, 1 to 255: of luminance and chrominance, vertical frequency first.

    >>> quantization_table([75, 100])[:, 0, 0, :4]
    array([[8, 6, 5, 8],
           [1, 1, 1, 1]], dtype=int32)
    """
    whole = np.clip(quality, 1, 100).astype(np.int32)[..., None, None, None]
    percent = np.where(whole < 50, 5000 // whole, 200 - 2 * whole)
    return ((np.array((LUMINANCE, CHROMINANCE), np.int32) * percent + 50) // 100).clip(1, 255)


def level(quality: Number) -> Number:
    """What a network is told of a file's quality: 1 of the worst, 0.01 of the best; it hears 0 where nobody knows.

    >>> level(1), level(100)
    (1.0, 0.01)
    """
    return (101 - quality) / 100
