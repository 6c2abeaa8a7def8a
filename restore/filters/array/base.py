"""What the filters on arrays share: what they take, and correlation with any kernel at any border."""

from collections.abc import Callable

import cv2
import numpy as np

from restore.filters.base import BORDERS, check_border
from restore.levels import full_scale

Give = Callable[[np.ndarray], np.ndarray]


def take(image: np.ndarray) -> tuple[np.ndarray, Give]:
    """Check a picture and set its alpha aside.

    Args:
        image: (H, W) or (H, W, C), uint8, uint16 or float32 (white = 1); C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.

    Returns:
        The pixels as OpenCV wants them, (H, W) or (H, W, 3), and a function that gives filtered pixels the picture's shape and alpha.

    Raises:
        TypeError: Not an array of those types.
        ValueError: An empty picture, another shape, or NaN or infinity in it.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"a picture is an array (H, W) or (H, W, C); got {type(image).__name__}")
    full_scale(image.dtype)
    if image.ndim not in (2, 3) or image.size == 0 or (image.ndim == 3 and image.shape[2] > 4):
        raise ValueError(f"a picture has shape (H, W) or (H, W, 1 to 4), none of them 0; got {image.shape}")
    if image.dtype == np.float32 and not np.isfinite(image).all():
        raise ValueError("the picture holds NaN or infinity; expected finite pixels")
    shape = image.shape
    if image.ndim == 2:
        return image, lambda pixels: pixels
    if shape[2] == 3:
        return image, lambda pixels: pixels
    if shape[2] == 1:
        return image[..., 0], lambda pixels: pixels.reshape(*pixels.shape[:2], 1)
    colours, alpha = np.ascontiguousarray(image[..., : shape[2] - 1]), image[..., -1:]
    return (colours if shape[2] == 4 else colours[..., 0]), lambda pixels: np.dstack([pixels, alpha])


def correlate(pixels: np.ndarray, kernel: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """Correlate pixels (H, W) or (H, W, 3) with a kernel (h, w) of odd sides; integers are rounded and saturate.

    Raises:
        ValueError: Unknown border.
    """
    return bordered(lambda p, code: cv2.filter2D(p, -1, kernel, borderType=code), pixels, kernel.shape, border)


def bordered(function: Callable[[np.ndarray, int], np.ndarray], pixels: np.ndarray, window: tuple[int, ...], border: str) -> np.ndarray:
    """Run an OpenCV filter ``function(pixels, border number)``; where OpenCV lacks the border, pad first and crop.

    Raises:
        ValueError: Unknown border.
    """
    check_border(border)
    if border != "wrap":
        return function(pixels, BORDERS[border])
    padded, crop = pad(pixels, window, border)
    return crop(function(padded, cv2.BORDER_REPLICATE))


def pad(pixels: np.ndarray, window: tuple[int, ...], border: str) -> tuple[np.ndarray, Give]:
    """Surround pixels with half a window (h, w) of any border; also the function that cuts the surroundings off again."""
    check_border(border)
    down, right = window[0] // 2, window[1] // 2
    padded = cv2.copyMakeBorder(pixels, down, down, right, right, BORDERS[border])
    height, width = pixels.shape[:2]
    return padded, lambda result: np.ascontiguousarray(result[down : down + height, right : right + width])


def saturate(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float samples on the scale of ``dtype`` in that type: integers rounded and clipped."""
    if dtype == np.float32:
        return values.astype(np.float32, copy=False)
    return np.rint(np.clip(values, 0, full_scale(dtype))).astype(dtype)
