"""Gradients and edges. Input and output as in ``linear``."""

import cv2
import numpy as np

from restore.filters import kernels
from restore.filters.array.base import pad, take
from restore.filters.base import check_number
from restore.levels import full_scale, to_float


def gradient(image: np.ndarray, kernel: np.ndarray, across: np.ndarray, border: str) -> np.ndarray:
    """Length of the gradient whose two components the kernels give; integers saturate."""
    pixels, give = take(image)
    padded, crop = pad(pixels, kernel.shape, border)
    deep = cv2.CV_32F
    x, y = cv2.filter2D(padded, deep, kernel), cv2.filter2D(padded, deep, across)
    length = crop(cv2.magnitude(x, y))
    if pixels.dtype == np.float32:
        return give(length)
    full = full_scale(pixels.dtype)
    return give(np.rint(np.minimum(length, full, out=length), out=length).astype(pixels.dtype))


def sobel(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """Length of the gradient by the Sobel kernels (Sobel, Feldman 1968), not normalised: a step of 1 gives 4.

    >>> sobel(np.array([[0, 0, 9, 9]] * 3, np.uint8))[1]
    array([ 0, 36, 36,  0], dtype=uint8)
    """
    return gradient(image, kernels.SOBEL, kernels.SOBEL.T, border)


def scharr(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """Length of the gradient by the Scharr kernels (Scharr 2000), not normalised: a step of 1 gives 16."""
    return gradient(image, kernels.SCHARR, kernels.SCHARR.T, border)


def prewitt(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """Length of the gradient by the Prewitt kernels (Prewitt 1970), not normalised: a step of 1 gives 3."""
    return gradient(image, kernels.PREWITT, kernels.PREWITT.T, border)


def roberts(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """Length of the diagonal differences of 2x2 pixels (Roberts 1963), the pixel at their top left."""
    pixels_right = np.array([[0, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)
    return gradient(image, kernels.ROBERTS, pixels_right, border)


def canny(image: np.ndarray, *, sigma: float = 1.4, low: float = 20.0, high: float = 50.0) -> np.ndarray:
    """Edges one pixel wide (Canny 1986): white on black, the same in every channel.

    Args:
        image: The picture; RGB is judged by its luma.
        sigma: Of the Gaussian that comes first, in pixels.
        low: Length of the gradient (Sobel, in 8-bit units) from which an edge goes on.
        high: That from which it starts.

    Raises:
        ValueError: ``low`` is above ``high``, or one is out of range.
    """
    check_number("sigma", sigma)
    check_number("high", high, high=8 * 255)
    check_number("low", low, high=high)
    pixels, give = take(image)
    grey = to_float(pixels)
    grey = cv2.cvtColor(grey, cv2.COLOR_RGB2GRAY) if grey.ndim == 3 else grey
    smooth = np.rint(np.clip(cv2.GaussianBlur(grey, (0, 0), sigma), 0, 1) * 255).astype(np.uint8)
    edges = cv2.Canny(smooth, low, high, L2gradient=True) > 0
    white = np.asarray(edges * full_scale(pixels.dtype), pixels.dtype)
    return give(white if pixels.ndim == 2 else np.repeat(white[..., None], 3, 2))
