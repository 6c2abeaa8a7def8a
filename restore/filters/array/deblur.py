"""Undo a known blur. Input and output as in ``linear``.

The blur is named by ``kernel``: "gaussian" (``size`` is its sigma), "disk" (its radius) or "motion" (its length, along ``angle``), all in
pixels, or is itself an array (h, w) of odd sides that the sharp picture was correlated with; it is divided by its sum.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from restore.filters import kernels
from restore.filters.array.base import correlate, take
from restore.filters.base import BORDERS, as_kernel, check_border, check_count, check_number
from restore.levels import from_float, to_float


def wiener(
    image: np.ndarray,
    *,
    kernel: str | np.ndarray | Sequence[Sequence[float]] = "gaussian",
    size: float = 2.0,
    angle: float = 0.0,
    balance: float = 0.01,
    border: str = "reflect",
) -> np.ndarray:
    """Undo a blur by the Wiener filter, each channel by itself (Wiener 1949; smooth by its Laplacian as Hunt 1973).

    Args:
        image: The blurred picture.
        kernel: The blur: "gaussian", "disk", "motion", or an array (h, w).
        size: Of a named blur, in pixels.
        angle: Of "motion", in degrees counter-clockwise from the horizontal.
        balance: The more noise, the larger it must be; smaller is sharper.
        border: A name in ``BORDERS``.

    Returns:
        The sharp picture.

    Raises:
        ValueError: An unknown blur, one that sums to 0, or an argument out of its range.
    """
    check_number("balance", balance)
    blur = point_spread(kernel, size, angle)
    pixels, give = take(image)
    from skimage.restoration import wiener as deconvolve

    check_border(border)
    unit = to_float(pixels)
    planes = np.atleast_3d(tile(unit, blur) if border == "wrap" else periodic(unit, blur, border))
    turned = blur[::-1, ::-1].astype(np.float32)  # scikit-image convolves
    sharp = np.dstack([deconvolve(planes[..., i], turned, balance, clip=False) for i in range(planes.shape[2])])
    return give(from_float(sharp[: unit.shape[0], : unit.shape[1]].reshape(unit.shape), pixels.dtype))


def tile(unit: np.ndarray, blur: np.ndarray) -> np.ndarray:
    """Repeat a periodic picture (H, W) or (H, W, C) until no side is shorter than the kernel's, nor than scikit-image's Laplacian."""
    times = [-(-max(taps, 3) // side) for taps, side in zip(blur.shape, unit.shape, strict=False)]
    return np.tile(unit, (*times, 1)[: unit.ndim])


def periodic(unit: np.ndarray, blur: np.ndarray, border: str) -> np.ndarray:
    """Continue a blurred picture (H, W) or (H, W, C) below and to the right until it meets its own other side.

    What continues both sides fades into each other, blurred by the same kernel: a seam would ring all over the picture, and so would a
    mirror image of what a lopsided kernel blurred.
    """
    whole = unit
    for side in blur.shape:  # rows, then columns
        band = BAND * side
        wide = cv2.copyMakeBorder(np.ascontiguousarray(whole), band, band, 0, 0, BORDERS[border])
        share = np.linspace(0, 1, band, dtype=np.float32).reshape(-1, *[1] * (whole.ndim - 1))
        whole = np.concatenate([whole, (1 - share) * wide[-band:] + share * wide[:band]]).swapaxes(0, 1)
    soft = correlate(np.ascontiguousarray(whole), blur, border="wrap")
    soft[: unit.shape[0], : unit.shape[1]] = unit
    return soft


BAND = 2
"""How many sides of the kernel there are between two opposite borders."""


def richardson_lucy(
    image: np.ndarray,
    *,
    kernel: str | np.ndarray | Sequence[Sequence[float]] = "gaussian",
    size: float = 2.0,
    angle: float = 0.0,
    steps: int = 20,
    border: str = "reflect",
) -> np.ndarray:
    """Undo a blur by multiplying, step by step, with what the blurred guess lacks (Richardson 1972, Lucy 1974).

    scikit-image's version takes what is outside for black and darkens a rim that grows with each step; this one has borders.

    Args:
        image: The blurred picture; below black counts as black.
        kernel: The blur: "gaussian", "disk", "motion", or an array (h, w) without negative numbers.
        size: Of a named blur, in pixels.
        angle: Of "motion", in degrees counter-clockwise from the horizontal.
        steps: The more, the sharper and the noisier.
        border: A name in ``BORDERS``.

    Returns:
        The sharp picture.

    Raises:
        ValueError: An unknown blur, one with negative numbers or a sum of 0, or an argument out of its range.
    """
    check_count("steps", steps)
    blur = point_spread(kernel, size, angle)
    if blur.min() < 0:
        raise ValueError(f"the kernel holds {blur.min():g}; expected no negative numbers")
    pixels, give = take(image)
    seen = np.maximum(to_float(pixels), 0)
    sharp = np.full_like(seen, 0.5)
    for _ in range(int(steps)):
        missing = seen / np.maximum(correlate(sharp, blur, border=border), np.float32(1e-12))
        sharp *= correlate(missing, blur[::-1, ::-1], border=border)
    return give(from_float(sharp, pixels.dtype))


BLURS = ("gaussian", "disk", "motion")
"""Blurs that have a name."""


def point_spread(kernel: str | np.ndarray | Sequence[Sequence[float]], size: float, angle: float) -> np.ndarray:
    """The kernel (h, w) of a blur, summing to 1.

    Raises:
        ValueError: An unknown name, a size out of its range, not a kernel of odd sides, or a sum of 0.
    """
    if not isinstance(kernel, str):
        array = as_kernel(kernel)
        if abs(array.sum()) < 1e-12:
            raise ValueError("the kernel sums to 0; expected a blur, which does not")
        return array / array.sum()
    if kernel not in BLURS:
        raise ValueError(f"kernel is {kernel!r}; expected one of {', '.join(BLURS)}, or an array")
    check_number("size", size)
    return kernels.gaussian(size) if kernel == "gaussian" else kernels.disk(size) if kernel == "disk" else kernels.motion(size, angle)
