"""What tasks share."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch

from restore.image import Picture, from_float, to_float, to_linear, to_srgb
from restore.nn.filling import push_pull
from restore.runtime import Runtime
from restore.tiling import tiled

Condition: TypeAlias = float | tuple[int, float] | np.ndarray
"""What a network takes beside the picture: a number, a filter's number and its strength, or a map (H, W) float32 of numbers."""


def run(
    pixels: np.ndarray,
    runtime: Runtime,
    condition: Condition,
    *,
    tile: int,
    linear: bool,
    progress: Callable[[float], None] | None,
) -> np.ndarray:
    """Run a network on a picture, tile by tile; memory is input + output in their own depth + one tile.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1]. Grey goes in as three equal channels, and three
            equal channels stay equal.
        runtime: The network.
        condition: What it takes beside the picture.
        tile: Largest side of what it gets at once, in pixels, without the halo.
        linear: The samples are proportional to light; the network gets them sRGB-encoded.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        An array like ``pixels``; float32 is neither clipped nor quantised.

    Raises:
        ValueError: A float picture holds a NaN or an infinity.
    """
    channels = pixels.shape[2]
    grey = channels == 1 or bool((pixels[..., :1] == pixels).all())

    def clean(crop: np.ndarray) -> np.ndarray:
        crop, given = apart(crop, channels, condition)
        x = to_float(np.repeat(crop[..., :1], 3, axis=2) if grey else crop)
        if not np.isfinite(x).all():
            raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
        y = runtime(to_srgb(x) if linear else x, given)  # (h, w, 3)
        if grey:
            y = np.repeat(y.mean(axis=2, keepdims=True), crop.shape[2], axis=2)
        return from_float(to_linear(y) if linear else y, crop.dtype)

    image = beside(pixels, condition)
    return tiled(clean, image, tile=tile, halo=runtime.halo, multiple_of=runtime.multiple_of, min_size=runtime.min_size, progress=progress)


def apply_to_seen(picture: Picture, function: Callable[[np.ndarray], np.ndarray]) -> Picture:
    """Change a picture as a function changes samples (H, W, C); those that nobody sees stay as they are, and are kept from the others.

    Whatever colour a program has left under full transparency, nothing of it gets over the edge.
    """
    pixels = function(continued(picture.pixels, picture.seen))
    return picture.replace(pixels=pixels if picture.seen is None else np.where(picture.seen[..., None], pixels, picture.pixels))


def continued(pixels: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
    """Continue what is seen smoothly into what is not.

    Args:
        pixels: (H, W, C), uint8, uint16 or float32.
        seen: (H, W) bool; None: all of it.

    Returns:
        An array like ``pixels``: itself, where all is seen.

    >>> continued(np.float32([[[0.5], [np.nan], [9]]]), np.array([[True, False, False]])).ravel().tolist()
    [0.5, 0.5, 0.5]
    """
    if seen is None or seen.all():
        return pixels
    result, hidden = pixels.copy(), torch.from_numpy(~seen)[None, None]
    for plane in np.moveaxis(result, 2, 0):
        filled = push_pull(torch.from_numpy(to_float(plane))[None, None], hidden)[0, 0].numpy()
        plane[~seen] = from_float(filled[~seen], plane.dtype)
    return result


def beside(pixels: np.ndarray, condition: Condition) -> np.ndarray:
    """Put a condition that is a map beside the samples, byte for byte, so that tiles cut both; others change nothing.

    Args:
        pixels: (H, W, C), uint8, uint16 or float32.
        condition: A map (H, W) float32, or something else.

    Returns:
        (H, W, C + n), of the same type.

    >>> beside(np.zeros((5, 7, 3), np.uint16), np.ones((5, 7), np.float32)).shape
    (5, 7, 5)
    """
    if not isinstance(condition, np.ndarray):
        return pixels
    return np.concatenate([pixels, np.ascontiguousarray(condition, np.float32)[..., None].view(pixels.dtype)], 2)


def apart(crop: np.ndarray, channels: int, condition: Condition) -> tuple[np.ndarray, Condition]:
    """Undo ``beside`` on a crop of what it made: the samples (h, w, channels), and the condition there, a map as (h, w, 1) float32."""
    if not isinstance(condition, np.ndarray):
        return crop, condition
    return crop[..., :channels], np.ascontiguousarray(crop[..., channels:]).view(np.float32)
