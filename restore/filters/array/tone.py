"""Tones: each pixel by itself, or against its surroundings. Input and output as in ``linear``; float32 may leave 0 to 1."""

from collections.abc import Callable

import cv2
import numpy as np

from restore.filters.array.base import take
from restore.filters.base import check_count, check_number
from restore.levels import from_float, full_scale, to_float


def brightness(image: np.ndarray, *, amount: float = 30.0) -> np.ndarray:
    """Add ``amount``, -255 to 255 in 8-bit units: above 0 brightens, below darkens.

    Raises:
        ValueError: ``amount`` is out of that range.

    >>> brightness(np.array([[0, 100, 250]], np.uint8), amount=10)
    array([[ 10, 110, 255]], dtype=uint8)
    """
    check_number("amount", amount, low=-255, high=255, inclusive=True)
    pixels, give = take(image)
    more = np.full(4, amount / 255 * full_scale(pixels.dtype))
    return give(np.reshape(cv2.add(pixels.reshape(1, -1), more), pixels.shape))


def contrast(image: np.ndarray, *, factor: float = 1.3) -> np.ndarray:
    """Multiply each pixel's distance from middle grey, 0.5, by ``factor``: 1 changes nothing, below 1 is flatter.

    Raises:
        ValueError: ``factor`` is below 0.
    """
    check_number("factor", factor, inclusive=True)
    return pointwise(image, lambda unit: (unit - np.float32(0.5)) * np.float32(factor) + np.float32(0.5))


def gamma(image: np.ndarray, *, gamma: float = 1.5) -> np.ndarray:
    """``out = in ** (1 / gamma)`` with white at 1: above 1 brightens the midtones, below 1 darkens; black and white stay.

    That is what photo editors call gamma; scikit-image's ``adjust_gamma`` takes 1 / gamma. Below black, float32 goes on as an odd function.

    Raises:
        ValueError: ``gamma`` is not above 0.

    >>> gamma(np.array([[0.0, 0.25, 1.0]], np.float32), gamma=2.0)
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    check_number("gamma", gamma)
    return pointwise(image, lambda unit: np.copysign(np.abs(unit) ** np.float32(1 / gamma), unit))


def pointwise(image: np.ndarray, curve: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Send each sample through a curve from float32 to float32, white at 1; integers through a table of all their levels."""
    pixels, give = take(image)
    if pixels.dtype == np.float32:
        return give(curve(pixels))
    table = from_float(curve(to_float(np.arange(int(full_scale(pixels.dtype)) + 1).astype(pixels.dtype))), pixels.dtype)
    return give(cv2.LUT(pixels, table) if pixels.dtype == np.uint8 else table[pixels])


def clahe(image: np.ndarray, *, limit: float = 2.0, tiles: int = 8) -> np.ndarray:
    """Equalise the histogram of each tile, its peaks clipped, and blend between tiles (CLAHE; Pizer 1987, Zuiderveld 1994).

    Args:
        image: The picture; of RGB the luma is equalised and its change added to each channel, so that colours keep.
        limit: Steepest curve: times the mean of the histogram; near 0 changes least.
        tiles: Tiles along each side.

    Returns:
        The picture with local contrast. 8 bits by OpenCV; other types by the same 256 bins, read between them without steps.

    Raises:
        ValueError: ``limit`` is not above 0, or ``tiles`` is no whole number from 1.
    """
    check_number("limit", limit)
    check_count("tiles", tiles)
    pixels, give = take(image)
    luma = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if pixels.dtype == np.uint8:
        equal = cv2.createCLAHE(limit, (int(tiles), int(tiles))).apply(luma)
        if pixels.ndim == 2:
            return give(equal)
        change = cv2.subtract(equal, luma, dtype=cv2.CV_16S)
        return give(cv2.add(pixels, cv2.merge([change] * 3), dtype=cv2.CV_8U))
    unit, change = to_float(pixels), equalised(to_float(luma), limit, int(tiles)) - to_float(luma)
    return give(from_float(unit + (change if unit.ndim == 2 else change[..., None]), pixels.dtype))


def equalised(luma: np.ndarray, limit: float, tiles: int) -> np.ndarray:
    """OpenCV's CLAHE of a plane (H, W) in float32: the same tables of 256 bins for tiles x tiles, read between bins.

    Its own for 16 bits counts 65536 bins, most of them empty in a photograph, and leaves it nearly as it was.
    """
    level = np.clip(luma, 0, 1) * np.float32(255)
    extra = [tiles - side % tiles for side in luma.shape]
    if extra == [tiles, tiles]:
        extra = [0, 0]
    whole = cv2.copyMakeBorder(np.rint(level).astype(np.uint8), 0, extra[0], 0, extra[1], cv2.BORDER_REFLECT_101)
    height, width = whole.shape[0] // tiles, whole.shape[1] // tiles
    blocks = whole.reshape(tiles, height, tiles, width).swapaxes(1, 2).reshape(tiles * tiles, -1)
    counts = np.stack([np.bincount(block, minlength=256) for block in blocks])
    clip = max(1, int(limit * height * width / 256))
    spare = np.maximum(counts - clip, 0).sum(1)
    counts = np.minimum(counts, clip) + (spare // 256)[:, None]
    for row, rest in zip(counts, spare % 256, strict=True):
        if rest:
            row[:: max(1, 256 // rest)][:rest] += 1
    tables = (np.cumsum(counts, 1) / (height * width)).astype(np.float32).reshape(tiles, tiles, 256)
    low = np.minimum(level.astype(np.uint8), 254)
    between = level - low
    result = np.zeros_like(level)
    for down, share_down in neighbours(luma.shape[0], height, tiles):
        for right, share_right in neighbours(luma.shape[1], width, tiles):
            under, over = (tables[down[:, None], right, low + above] for above in (np.uint8(0), np.uint8(1)))
            result += share_down[:, None] * share_right * (under + between * (over - under))
    return luma + (result - level / np.float32(255))


def neighbours(length: int, tile: int, tiles: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each place along a side the two tiles whose centres surround it, each with its share."""
    places = np.arange(length, dtype=np.float32) / tile - np.float32(0.5)
    before = np.floor(places).astype(int)
    share = places - before
    return [(np.clip(before, 0, tiles - 1), 1 - share), (np.clip(before + 1, 0, tiles - 1), share)]
