"""Masks from files and from callers."""

import math
import os
from typing import BinaryIO

import numpy as np

from restore import image
from restore.image import Picture
from restore.masks.base import Shape


def load(source: str | os.PathLike[str] | bytes | BinaryIO | Picture, shape: Shape | None = None) -> np.ndarray:
    """Read a mask from a picture, in displayed orientation; it may be as large as the photograph.

    Repaired is where any channel is above half of the range, so that the ringing of JPEG makes no hole. Where alpha varies and all that is
    seen has one colour, as of paint on a transparent layer, alpha is looked at instead; the colours of transparent pixels never are.

    Args:
        source: a path, the file's bytes, an open file, or a Picture.
        shape: (H, W) of the photograph, to be compared with.

    Returns:
        (H, W) uint8, 0 or 255.

    Raises:
        ValueError: another size than the photograph, or values that all stay under half of the range (such as 0 and 1).
        restore.image.ImageError: a file that cannot be read.
    """
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else "the mask"
    if not isinstance(source, Picture):
        source = image.read(source, max_pixels=max(image.DEFAULT_MAX_PIXELS, math.prod(shape or (1,))))
    values, alpha = source.pixels, source.alpha
    if alpha is not None and (alpha != alpha.flat[0]).any():
        seen = values[alpha > 0]
        values = alpha[..., None] if (seen == seen[0]).all() else np.where(alpha[..., None] > 0, values, values.dtype.type(0))
    if shape is not None and values.shape[:2] != tuple(shape):
        raise ValueError(f"{name} is {values.shape[1]}x{values.shape[0]} pixels, the photograph {shape[1]}x{shape[0]} (width x height)")
    half = image.full_scale(values.dtype) / 2
    holes = (values > half).any(2)
    if not holes.any() and values.any():
        raise ValueError(f"{name} has no pixel above half of its range: its largest value is {values.max()}, half is {half:g}")
    return np.where(holes, np.uint8(255), np.uint8(0))


def check(mask: np.ndarray, shape: Shape) -> np.ndarray:
    """Check a mask against a picture's size.

    Args:
        mask: (H, W) or (H, W, 1), bool, integer or float; non-zero means repair.
        shape: (H, W) of the picture.

    Returns:
        (H, W) bool, True means repair.

    Raises:
        ValueError: another size, number of axes or type.

    >>> check(np.array([[0, 7]]), (1, 2))
    array([[False,  True]])
    """
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2 or mask.dtype.kind not in "buif":
        raise ValueError(f"a mask is an (H, W) array of bool, integers or floats, got {mask.dtype} of shape {mask.shape}")
    if mask.shape != tuple(shape):
        raise ValueError(f"the mask is {mask.shape[1]}x{mask.shape[0]} pixels, the picture {shape[1]}x{shape[0]} (width x height)")
    return mask != 0
