"""Grey-scale morphology (Serra 1982): the darkest or brightest pixel under a shape. Input and output as in ``linear``.

``shape`` is "square", "disk" or "cross", ``size`` its odd width in pixels. At the border "constant" what is outside does not count: it
is white to an erosion and black to a dilation.
"""

import cv2
import numpy as np

from restore.filters import kernels
from restore.filters.array.base import bordered, take


def erosion(image: np.ndarray, *, size: int = 3, shape: str = "square", border: str = "reflect") -> np.ndarray:
    """The darkest pixel under the shape: bright specks go, dark areas grow.

    Raises:
        ValueError: ``size`` is even or below 1, or an unknown ``shape`` or ``border``.

    >>> erosion(np.array([[9, 9, 1, 9, 9]], np.uint8))
    array([[9, 1, 1, 1, 9]], dtype=uint8)
    """
    return morph(image, cv2.MORPH_ERODE, kernels.footprint(size, shape), border)


def dilation(image: np.ndarray, *, size: int = 3, shape: str = "square", border: str = "reflect") -> np.ndarray:
    """The brightest pixel under the shape: dark specks go, bright areas grow.

    Arguments and errors as ``erosion``.
    """
    return morph(image, cv2.MORPH_DILATE, kernels.footprint(size, shape), border)


def opening(image: np.ndarray, *, size: int = 3, shape: str = "square", border: str = "reflect") -> np.ndarray:
    """Erosion, then dilation: bright specks that the shape does not fit into go, the rest stays.

    Arguments and errors as ``erosion``.
    """
    return morph(image, cv2.MORPH_OPEN, kernels.footprint(size, shape), border)


def closing(image: np.ndarray, *, size: int = 3, shape: str = "square", border: str = "reflect") -> np.ndarray:
    """Dilation, then erosion: dark specks that the shape does not fit into go, the rest stays.

    Arguments and errors as ``erosion``.
    """
    return morph(image, cv2.MORPH_CLOSE, kernels.footprint(size, shape), border)


def top_hat(image: np.ndarray, *, size: int = 9, shape: str = "square", border: str = "reflect") -> np.ndarray:
    """The picture minus its opening: bright specks smaller than the shape, on black.

    Arguments and errors as ``erosion``.

    >>> top_hat(np.array([[5, 5, 9, 5, 5]], np.uint8), size=3)
    array([[0, 0, 4, 0, 0]], dtype=uint8)
    """
    return morph(image, cv2.MORPH_TOPHAT, kernels.footprint(size, shape), border)


def black_hat(image: np.ndarray, *, size: int = 9, shape: str = "square", border: str = "reflect") -> np.ndarray:
    """The closing minus the picture: dark specks smaller than the shape, such as dust, bright on black.

    Arguments and errors as ``erosion``.
    """
    return morph(image, cv2.MORPH_BLACKHAT, kernels.footprint(size, shape), border)


def morph(image: np.ndarray, operation: int, footprint: np.ndarray, border: str) -> np.ndarray:
    """One of OpenCV's operations; its default constant is the one that does not count. Two passes reach twice as far as one."""
    pixels, give = take(image)
    reach = 2 * len(footprint), 2 * len(footprint)
    return give(bordered(lambda p, code: cv2.morphologyEx(p, operation, footprint, borderType=code), pixels, reach, border))
