"""Ranges of the pixel types, the sRGB transfer functions, and what is brightness: numbers only, no files."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LUMA = (0.299, 0.587, 0.114)
"""Parts of red, green and blue in the brightness that JPEG stores (ITU-R BT.601, ITU-T T.871)."""
_FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}


def full_scale(dtype: npt.DTypeLike) -> float:
    """Return the number that means white in arrays of this type; the content never decides it.

    Raises:
        TypeError: The type is none of uint8, uint16 and float32.

    >>> full_scale(np.uint16)
    65535.0
    """
    try:
        return _FULL_SCALE[np.dtype(dtype)]
    except KeyError:
        raise TypeError(f"pixels of type {np.dtype(dtype)}: expected uint8, uint16 or float32") from None


def to_float(array: np.ndarray) -> np.ndarray:
    """Scale uint8, uint16 or float32 samples of any shape to float32, white at 1.0; float32 is returned as it is.

    Raises:
        TypeError: The type is none of uint8, uint16 and float32.

    >>> to_float(np.array([0, 255], np.uint8))
    array([0., 1.], dtype=float32)
    """
    scale = full_scale(array.dtype)
    return array if array.dtype == np.float32 else np.divide(array, np.float32(scale), dtype=np.float32)


def from_float(array: np.ndarray, dtype: npt.DTypeLike) -> np.ndarray:
    """Turn float samples with white at 1.0 into `dtype`: rounded and clipped for integers (NaN is 0), untouched for float32.

    Raises:
        TypeError: `dtype` is none of uint8, uint16 and float32.

    >>> from_float(np.array([-0.5, 0.5, 2.0]), np.uint8)
    array([  0, 128, 255], dtype=uint8)
    """
    scale = full_scale(dtype)
    if np.dtype(dtype) == np.float32:
        return array.astype(np.float32, copy=False)
    scaled = np.fmin(np.fmax(array, 0), 1) * np.asarray(scale, np.result_type(array, np.float32))
    return np.rint(scaled, out=scaled).astype(dtype)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Encode linear light with the sRGB transfer function (IEC 61966-2-1), continued as an odd function below 0.

    >>> to_srgb(np.array([0.0, 0.5, 1.0])).round(4)
    array([0.    , 0.7354, 1.    ])
    """
    size = np.abs(linear)
    return np.copysign(np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055), linear)


def to_linear(encoded: np.ndarray) -> np.ndarray:
    """Undo `to_srgb`.

    >>> to_linear(np.array([0.0, 0.5, 1.0])).round(4)
    array([0.   , 0.214, 1.   ])
    """
    size = np.abs(encoded)
    return np.copysign(np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4), encoded)
