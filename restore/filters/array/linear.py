"""Filters that correlate a picture with one kernel, or with two and subtract.

Every function takes (H, W) or (H, W, C), uint8, uint16 or float32 (see ``base.take``), and returns the same shape and type; integers
are rounded and saturate, so that a result below black is black: pass float32 to keep the sign. Alpha is untouched. All raise
TypeError and ValueError as ``base.take`` does, and ValueError for an argument out of its range.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from restore.filters import kernels
from restore.filters.array.base import bordered, correlate, saturate, take
from restore.filters.base import as_kernel, check_count, check_number, check_size
from restore.levels import full_scale


def box(image: np.ndarray, *, size: int = 5, border: str = "reflect") -> np.ndarray:
    """Mean over a window of (size, size) pixels.

    >>> box(np.eye(3, dtype=np.float32) * 9, size=3)[1, 1]
    np.float32(3.0)
    """
    check_size("size", size)
    pixels, give = take(image)
    return give(bordered(lambda p, code: cv2.blur(p, (size, size), borderType=code), pixels, (size, size), border))


def gaussian(image: np.ndarray, *, sigma: float = 2.0, border: str = "reflect") -> np.ndarray:
    """Blur with a Gaussian of ``sigma`` pixels, cut at 3 sigma.

    >>> gaussian(np.full((4, 4), 7, np.uint8), sigma=1.5)[0, 0]
    np.uint8(7)
    """
    check_number("sigma", sigma)
    pixels, give = take(image)
    return give(blur(pixels, sigma, border))


def blur(pixels: np.ndarray, sigma: float, border: str) -> np.ndarray:
    """The Gaussian blur of checked pixels."""
    size = kernels.gaussian_1d(sigma).size
    return bordered(lambda p, code: cv2.GaussianBlur(p, (size, size), sigma, borderType=code), pixels, (size, size), border)


def motion(image: np.ndarray, *, length: float = 9.0, angle: float = 0.0, border: str = "reflect") -> np.ndarray:
    """Blur along a straight line: ``length`` in pixels, ``angle`` in degrees counter-clockwise from the horizontal."""
    pixels, give = take(image)
    return give(correlate(pixels, kernels.motion(length, angle), border=border))


def disk(image: np.ndarray, *, radius: float = 3.0, border: str = "reflect") -> np.ndarray:
    """Blur as a round lens out of focus does, over a disk of ``radius`` pixels."""
    pixels, give = take(image)
    return give(correlate(pixels, kernels.disk(radius), border=border))


def sharpen(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """The classic 3x3 kernel ``[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]``: the picture plus its Laplacian.

    >>> sharpen(np.array([[0, 0, 0], [0, 10, 0], [0, 0, 0]], np.uint8))[1]
    array([ 0, 50,  0], dtype=uint8)
    """
    pixels, give = take(image)
    return give(correlate(pixels, kernels.SHARPEN, border=border))


def laplacian(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """The 3x3 kernel ``[[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]``: bright where a pixel stands out, black where nothing changes."""
    pixels, give = take(image)
    return give(correlate(pixels, kernels.LAPLACIAN, border=border))


def emboss(image: np.ndarray, *, border: str = "reflect") -> np.ndarray:
    """A relief lit from the top left; flat areas keep their grey."""
    pixels, give = take(image)
    return give(correlate(pixels, kernels.EMBOSS, border=border))


def unsharp(image: np.ndarray, *, sigma: float = 2.0, amount: float = 1.0, threshold: float = 0.0, border: str = "reflect") -> np.ndarray:
    """Unsharp mask: add ``amount`` times the difference to the blurred picture.

    Args:
        image: The picture.
        sigma: Of the blur, in pixels.
        amount: 0 changes nothing.
        threshold: Differences of at most this size, in 8-bit units, stay as they are.
        border: A name in ``BORDERS``.

    Returns:
        The sharpened picture.
    """
    check_number("sigma", sigma)
    check_number("amount", amount, inclusive=True)
    check_number("threshold", threshold, inclusive=True, high=255)
    pixels, give = take(image)
    smooth = blur(pixels, sigma, border)
    sharp = cv2.addWeighted(pixels, 1 + amount, smooth, -amount, 0)
    if threshold:
        weak = cv2.absdiff(pixels, smooth) <= threshold / 255 * full_scale(pixels.dtype)
        sharp = cv2.copyTo(pixels, weak.view(np.uint8), sharp)
    return give(sharp)


def high_boost(image: np.ndarray, *, boost: float = 1.5, size: int = 3, border: str = "reflect") -> np.ndarray:
    """High-boost filter: ``boost`` times the picture minus its mean over (size, size), weights summing to 1.

    ``boost * image - (boost - 1) * box(image)``: 1 changes nothing, more sharpens.
    """
    check_number("boost", boost, low=1.0, inclusive=True)
    check_size("size", size)
    pixels, give = take(image)
    mean = bordered(lambda p, code: cv2.blur(p, (size, size), borderType=code), pixels, (size, size), border)
    return give(cv2.addWeighted(pixels, boost, mean, 1 - boost, 0))


def difference_of_gaussians(image: np.ndarray, *, sigma: float = 1.0, ratio: float = 1.6, border: str = "reflect") -> np.ndarray:
    """The picture blurred by ``sigma`` minus it blurred by ``ratio * sigma``; 1.6 is near the Laplacian of it (Marr, Hildreth 1980)."""
    check_number("sigma", sigma)
    check_number("ratio", ratio, low=1.0)
    pixels, give = take(image)
    return give(cv2.subtract(blur(pixels, sigma, border), blur(pixels, ratio * sigma, border)))


def laplacian_of_gaussian(image: np.ndarray, *, sigma: float = 2.0, border: str = "reflect") -> np.ndarray:
    """Laplacian of Gaussian, positive on bright spots of radius ``sigma * sqrt(2)`` pixels."""
    pixels, give = take(image)
    return give(correlate(pixels, kernels.log(sigma), border=border))


def gabor(image: np.ndarray, *, wavelength: float = 8.0, count: int = 8, border: str = "reflect") -> np.ndarray:
    """A bank of Gabor filters: at each pixel the largest response, in size, among ``count`` directions.

    Args:
        image: The picture.
        wavelength: Of the stripes that are looked for, in pixels.
        count: Directions, evenly spaced over half a turn.
        border: A name in ``BORDERS``.

    Returns:
        Bright where there are stripes of that wavelength.
    """
    check_number("wavelength", wavelength)
    check_count("count", count)
    pixels, give = take(image)
    signed = pixels.astype(np.float32)
    bank = (kernels.gabor(wavelength, 180 * i / count) for i in range(int(count)))
    strongest = np.maximum.reduce([np.abs(correlate(signed, kernel, border=border)) for kernel in bank])
    return give(saturate(strongest, pixels.dtype))


def custom(
    image: np.ndarray,
    *,
    kernel: np.ndarray | Sequence[Sequence[float]],
    flip: bool = False,
    normalise: bool = False,
    border: str = "reflect",
) -> np.ndarray:
    """Correlate with any kernel.

    Args:
        image: The picture.
        kernel: (h, w), odd sides.
        flip: Turn the kernel by 180 degrees, which makes it a convolution.
        normalise: Divide the kernel by its sum.
        border: A name in ``BORDERS``.

    Returns:
        The filtered picture.

    Raises:
        ValueError: Even sides, rows of different length, numbers that are not finite, or a sum of 0 that should be divided by.

    >>> custom(np.array([[1, 2, 3]], np.float32), kernel=[[1, 0, 0]], border="constant")
    array([[0., 1., 2.]], dtype=float32)
    """
    array = as_kernel(kernel)
    if normalise:
        if abs(array.sum()) < 1e-12:
            raise ValueError("the kernel sums to 0; expected another sum, or no normalise")
        array = array / array.sum()
    pixels, give = take(image)
    return give(correlate(pixels, array[::-1, ::-1] if flip else array, border=border))
