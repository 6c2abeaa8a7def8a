"""Gradients and edges. Input and output as in ``linear``."""

from collections.abc import Callable

import cv2
import numpy as np

from restore.filters import kernels
from restore.filters.array.base import bordered, saturate, take
from restore.filters.base import check_number, check_reach
from restore.levels import from_float, to_float

Components = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""From rows of pixels and OpenCV's number of a border to the two components of the gradient, float32."""
STRIP = 32
"""Rows that are worked on at once: their components stay in the processor's cache."""


def gradient(image: np.ndarray, components: Components, border: str) -> np.ndarray:
    """Length of the gradient whose components reach one pixel far; integers saturate."""
    pixels, give = take(image)

    def length(whole: np.ndarray, code: int) -> np.ndarray:
        result = np.empty_like(whole, order="C")
        for top in range(0, len(whole), STRIP):
            above, strip = min(top, 1), result[top : top + STRIP]
            both = cv2.magnitude(*components(whole[top - above : top + STRIP + 1], code))
            strip[...] = saturate(both[above : above + len(strip)], whole.dtype)
        return result

    return give(bordered(length, pixels, (3, 3), border))


def smoothed(line: np.ndarray) -> Components:
    """The difference of the neighbours left and right, then above and below, each smoothed across by ``line`` (3,)."""
    ramp = np.array([-1.0, 0.0, 1.0])
    return lambda rows, code: (
        cv2.sepFilter2D(rows, cv2.CV_32F, ramp, line, borderType=code),
        cv2.sepFilter2D(rows, cv2.CV_32F, line, ramp, borderType=code),
    )


def sobel(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """Length of the gradient by the Sobel kernels (Sobel, Feldman 1968), not normalised: a step of 1 gives 4.

    >>> sobel(np.array([[0, 0, 9, 9]] * 3, np.uint8))[1]
    array([ 0, 36, 36,  0], dtype=uint8)
    """
    return gradient(image, smoothed(kernels.SOBEL[:, 2]), border)


def scharr(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """Length of the gradient by the Scharr kernels (Scharr 2000), not normalised: a step of 1 gives 16."""
    return gradient(image, smoothed(kernels.SCHARR[:, 2]), border)


def prewitt(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """Length of the gradient by the Prewitt kernels (Prewitt 1970), not normalised: a step of 1 gives 3."""
    return gradient(image, smoothed(kernels.PREWITT[:, 2]), border)


def roberts(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """Length of the diagonal differences of 2x2 pixels (Roberts 1963), the pixel at their top left."""
    pair = kernels.ROBERTS, np.array([[0, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)

    def components(rows: np.ndarray, code: int) -> tuple[np.ndarray, np.ndarray]:
        one, other = (cv2.filter2D(rows, cv2.CV_32F, kernel, borderType=code) for kernel in pair)
        return one, other

    return gradient(image, components, border)


def canny(image: np.ndarray, *, sigma: float = 1.4, low: float = 20.0, high: float = 50.0) -> np.ndarray:
    """Edges one pixel wide (Canny 1986): white on black, the same in every channel.

    Args:
        image: The picture; RGB is judged by its luma, any depth at 8 bits.
        sigma: Of the Gaussian that comes first, in pixels.
        low: Length of the gradient (Sobel, in 8-bit units) from which an edge goes on.
        high: That from which it starts.

    Raises:
        ValueError: ``low`` is above ``high``, or one is out of range.
    """
    check_number("sigma", sigma)
    check_reach("sigma", sigma, 100)
    check_number("high", high, high=8 * 255)
    check_number("low", low, high=high)
    pixels, give = take(image)
    grey = pixels if pixels.dtype == np.uint8 else from_float(to_float(pixels), np.uint8)  # OpenCV's takes 8 bits
    grey = cv2.cvtColor(grey, cv2.COLOR_RGB2GRAY) if grey.ndim == 3 else grey
    edges = cv2.Canny(cv2.GaussianBlur(grey, (0, 0), sigma), low, high, L2gradient=True)  # 0 or 255
    white = edges if pixels.dtype == np.uint8 else from_float(to_float(edges), pixels.dtype)
    return give(white if pixels.ndim == 2 else cv2.merge([white] * 3))
