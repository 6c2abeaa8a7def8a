"""Filters that smooth and keep edges. Input and output as in ``linear``."""

import cv2
import numpy as np

from restore.filters.array.base import bordered, pad, take
from restore.filters.base import LARGEST, check_border, check_count, check_number, check_reach, check_size
from restore.levels import from_float, to_float


def median(image: np.ndarray, *, size: int = 3, border: str = "reflect") -> np.ndarray:
    """Median over a window of (size, size) pixels, each channel by itself: removes specks, keeps edges.

    >>> median(np.array([[1, 1, 1], [1, 99, 1], [1, 1, 1]], np.uint8))[1, 1]
    np.uint8(1)
    """
    check_size("size", size)
    pixels, give = take(image)
    check_border(border)
    padded, crop = (pixels, np.asarray) if border == "replicate" else pad(pixels, (size, size), border)  # OpenCV's replicates
    if pixels.dtype == np.uint8 or size <= 5:
        return give(crop(cv2.medianBlur(padded, size)))
    from scipy.ndimage import median_filter

    return give(crop(median_filter(padded, size=(size, size) + (1,) * (padded.ndim - 2), mode="nearest")))


def bilateral(
    image: np.ndarray, *, sigma_color: float = 25.0, sigma_space: float = 3.0, size: int | None = None, border: str = "reflect"
) -> np.ndarray:
    """Mean of the neighbours, weighted by how near and how alike they are (Tomasi, Manduchi 1998); RGB differences are summed.

    Args:
        image: The picture.
        sigma_color: Differences well above it stay, in 8-bit units.
        sigma_space: Of the Gaussian over distances, in pixels.
        size: Width of the round window, odd; None: 2 round(1.5 sigma_space) + 1, as OpenCV has it.
        border: A name in ``BORDERS``.

    Returns:
        The smoothed picture.
    """
    check_number("sigma_color", sigma_color)
    check_number("sigma_space", sigma_space)
    check_reach("sigma_space", sigma_space, 100)
    size = 2 * max(1, round(1.5 * sigma_space)) + 1 if size is None else size
    check_size("size", size)
    pixels, give = take(image)
    if pixels.dtype == np.uint8:
        return give(
            bordered(lambda p, code: cv2.bilateralFilter(p, size, sigma_color, sigma_space, borderType=code), pixels, (size, size), border)
        )
    unit = to_float(pixels)
    smooth = bordered(
        lambda p, code: cv2.bilateralFilter(p, size, sigma_color / 255, sigma_space, borderType=code), unit, (size, size), border
    )
    return give(from_float(smooth, pixels.dtype))


def guided(image: np.ndarray, *, radius: int = 8, sigma_color: float = 25.0, border: str = "reflect") -> np.ndarray:
    """Guided filter with the picture as its own guide, each channel by itself (He, Sun, Tang 2013).

    Args:
        image: The picture.
        radius: Of the square window, in pixels.
        sigma_color: Where the standard deviation in a window is well above it, the pixels stay; in 8-bit units; the paper's epsilon
            is its square.
        border: A name in ``BORDERS``.

    Returns:
        The smoothed picture.
    """
    check_count("radius", radius, high=LARGEST // 2)
    check_number("sigma_color", sigma_color)
    pixels, give = take(image)
    window = 2 * int(radius) + 1
    unit = to_float(pixels)
    epsilon = (sigma_color / 255) ** 2

    def mean(values: np.ndarray) -> np.ndarray:
        return bordered(lambda p, code: cv2.blur(p, (window, window), borderType=code), values, (window, window), border)

    middle = mean(unit)
    variance = np.maximum(mean(unit * unit) - middle * middle, 0)
    share = variance / (variance + epsilon)
    return give(from_float(mean(share) * unit + mean((1 - share) * middle), pixels.dtype))


def non_local_means(image: np.ndarray, *, strength: float = 10.0, size: int = 7, search: int = 21) -> np.ndarray:
    """Mean of all pixels in a search window, weighted by how alike the patches around them are (Buades, Coll, Morel 2005).

    Args:
        image: The picture.
        strength: Differences of patches well above it count little, in 8-bit units: about the noise's standard deviation.
        size: Side of a patch, odd.
        search: Side of the window, odd.

    Returns:
        The smoothed picture. uint8 through OpenCV, other types through scikit-image's fast version: alike, not equal.
    """
    check_number("strength", strength)
    check_size("size", size)
    check_size("search", search)
    pixels, give = take(image)
    if pixels.dtype == np.uint8:
        return give(cv2.fastNlMeansDenoising(pixels, None, strength, size, search))
    from skimage.restoration import denoise_nl_means

    axis = None if pixels.ndim == 2 else -1
    unit = denoise_nl_means(to_float(pixels), size, search // 2, strength / 255, fast_mode=True, channel_axis=axis)
    return give(from_float(unit.reshape(pixels.shape), pixels.dtype))


def anisotropic(image: np.ndarray, *, sigma_color: float = 15.0, steps: int = 20) -> np.ndarray:
    """Diffusion that stops at edges (Perona, Malik 1990), conductance ``exp(-(difference / sigma_color)^2)``, step 1/4.

    Args:
        image: The picture; the edges of RGB are judged over its channels together.
        sigma_color: Differences well above it do not diffuse, in 8-bit units.
        steps: Steps of diffusion; they spread over about ``sqrt(steps / 2)`` pixels.

    Returns:
        The smoothed picture; its mean is kept.
    """
    check_number("sigma_color", sigma_color)
    check_count("steps", steps)
    pixels, give = take(image)
    unit = np.atleast_3d(to_float(pixels)).copy()  # (H, W, C)
    for _ in range(int(steps)):
        change = np.zeros_like(unit)
        for axis in (0, 1):
            difference = np.diff(unit, axis=axis)
            flow = difference * np.exp(-np.square(difference).mean(-1, keepdims=True) / (sigma_color / 255) ** 2)
            ahead, behind = [slice(None)] * 3, [slice(None)] * 3
            ahead[axis], behind[axis] = slice(None, -1), slice(1, None)
            change[tuple(ahead)] += flow
            change[tuple(behind)] -= flow
        unit += 0.25 * change
    return give(from_float(unit.reshape(pixels.shape), pixels.dtype))


def total_variation(image: np.ndarray, *, weight: float = 25.0, steps: int = 100) -> np.ndarray:
    """The picture of least total variation near this one (Rudin, Osher, Fatemi 1992; by Chambolle 2004), RGB together.

    Args:
        image: The picture.
        weight: How much of the variation goes, in 8-bit units.
        steps: Most iterations.
    """
    check_number("weight", weight)
    check_count("steps", steps)
    pixels, give = take(image)
    from skimage.restoration import denoise_tv_chambolle

    axis = None if pixels.ndim == 2 else -1
    unit = denoise_tv_chambolle(to_float(pixels), weight / 255, max_num_iter=int(steps), channel_axis=axis)
    return give(from_float(unit, pixels.dtype))


def beauty(image: np.ndarray, *, strength: float = 0.7, radius: int = 8, sigma_color: float = 20.0, texture: float = 0.3) -> np.ndarray:
    """Smooth skin: blotches and wrinkles go, pores and edges stay.

    A guided filter takes out what is weaker than an edge; the finest part of what it took, the grain of the skin, is given back.

    Args:
        image: The picture.
        strength: 0 changes nothing, 1 smooths fully.
        radius: Of the blotches, in pixels.
        sigma_color: Contrast of the blotches that go, in 8-bit units.
        texture: Share of the finest detail (below 1.5 pixels) that is given back, 0 to 1.

    Returns:
        The picture with smooth skin.
    """
    check_number("strength", strength, high=1, inclusive=True)
    check_number("texture", texture, high=1, inclusive=True)
    pixels, give = take(image)
    unit = to_float(pixels)
    smooth = guided(unit, radius=radius, sigma_color=sigma_color)
    fine = unit - cv2.GaussianBlur(unit, (0, 0), 1.5, borderType=cv2.BORDER_REFLECT_101)
    edge = np.abs(unit - smooth)
    fine = np.where(edge * 255 < sigma_color, fine, 0)
    return give(from_float(unit + strength * (smooth + texture * fine - unit), pixels.dtype))
