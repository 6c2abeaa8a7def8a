"""Pictures with a border to be filled, and what was filled as a picture of its own."""

import dataclasses
from collections.abc import Sequence
from numbers import Integral

import numpy as np

from restore.image import Picture, full_scale
from restore.image.settle import resized
from restore.masks.files import check

Margins = tuple[int, int, int, int]
"""Pixels at the left, the top, the right, the bottom."""


def expand(picture: Picture, margins: Margins) -> tuple[Picture, np.ndarray]:
    """Put a picture on a larger canvas.

    Args:
        picture: What is to be continued. It keeps all that its file says; the size in its EXIF and XMP becomes the new one.
        margins: Pixels to be added at the left, the top, the right, the bottom: each from 0 to the picture's width or height.

    Returns:
        The larger picture, its border a repetition of the edge and opaque; and the mask of the border, (H, W) uint8, 0 or 255.

    Raises:
        ValueError: There are not four whole numbers; one is negative, or wider than the picture.

    >>> larger, border = expand(Picture.from_array(np.full((2, 3), 7, np.uint8)), (1, 0, 0, 0))
    >>> larger.shape, border.tolist()
    ((2, 4), [[255, 0, 0, 0], [255, 0, 0, 0]])
    """
    if not isinstance(margins, Sequence) or len(margins) != 4 or not all(isinstance(margin, Integral) for margin in margins):
        raise ValueError(f"the margins are {margins!r}; expected four whole numbers: left, top, right, bottom")
    left, top, right, bottom = margins
    height, width = picture.shape
    for name, margin, side in (("left", left, width), ("top", top, height), ("right", right, width), ("bottom", bottom, height)):
        if not 0 <= margin <= side:
            raise ValueError(f"the margin at the {name} is {margin} pixels; expected 0 to {side}, as large as the picture")
    sides = ((top, bottom), (left, right))
    border = np.pad(np.zeros(picture.shape, np.uint8), sides, constant_values=255)
    alpha = picture.alpha
    if alpha is not None:
        alpha = np.pad(alpha, sides, constant_values=full_scale(alpha.dtype))
    pixels = np.pad(picture.pixels, (*sides, (0, 0)), "edge")
    return resized(dataclasses.replace(picture, pixels=pixels, alpha=alpha)), border


def layer(picture: Picture, mask: np.ndarray) -> Picture:
    """Cut out what was synthesised: laid over the photograph it gives the repaired one, bit for bit where that is opaque.

    Args:
        picture: The repaired photograph.
        mask: (H, W), non-zero = synthesised.

    Returns:
        The repaired samples, opaque, where the mask is and the photograph is not transparent; 0 and transparent elsewhere. Depth, ICC
        profile and resolution are the photograph's; the format is not.

    Raises:
        ValueError: The mask has another size, or is no mask.

    >>> layer(Picture.from_array(np.full((1, 2), 7, np.uint8)), np.array([[0, 1]])).to_array().tolist()
    [[[0, 0], [7, 255]]]
    """
    inside = check(mask, picture.shape)
    if picture.alpha is not None:
        inside = inside & (picture.alpha > 0)
    pixels = np.where(inside[..., None], picture.pixels, 0).astype(picture.dtype)
    alpha = np.where(inside, full_scale(picture.dtype), 0).astype(picture.dtype)
    return Picture(pixels=pixels, alpha=alpha, icc=picture.icc, dpi=picture.dpi)
