"""What tasks share."""

from collections.abc import Callable

import numpy as np

from restore.image import from_float, to_float, to_linear, to_srgb
from restore.runtime import Runtime
from restore.tiling import tiled


def run(
    pixels: np.ndarray,
    runtime: Runtime,
    condition: float | tuple[int, float],
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
    grey = pixels.shape[2] == 1 or bool((pixels[..., :1] == pixels).all())

    def clean(crop: np.ndarray) -> np.ndarray:
        x = to_float(np.repeat(crop[..., :1], 3, axis=2) if grey else crop)
        if not np.isfinite(x).all():
            raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
        y = runtime(to_srgb(x) if linear else x, condition)  # (h, w, 3)
        if grey:
            y = np.repeat(y.mean(axis=2, keepdims=True), crop.shape[2], axis=2)
        return from_float(to_linear(y) if linear else y, crop.dtype)

    return tiled(clean, pixels, tile=tile, halo=runtime.halo, multiple_of=runtime.multiple_of, min_size=runtime.min_size, progress=progress)
