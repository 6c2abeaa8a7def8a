"""What a picture was compressed with as JPEG."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from scipy.fft import dctn

from restore.estimate.base import LUMA
from restore.image import JpegCoding, Picture, to_float, to_srgb
from restore.jpeg_tables import QUALITIES, quantization_table

BLOCKS, FEW = 8192, 256
"""Blocks of 8 x 8 pixels that are looked at, at most: on one grid, and on each of 64 while the grid is searched."""
ROUNDING = 0.4
"""Standard deviation, in 8-bit units, that rounding the pixels leaves in a coefficient; a little more than its 0.29 to 0.35."""
STRAY = 0.02
"""Part of the coefficients that may lie anywhere: clipping and editing move them."""
SMALLEST = 3.75
"""Coefficients below so many such deviations say nothing: smooth content has them at any quality."""
COARSEST = 26.0
"""Steps above it count as this much in what a later file does to coefficients, in 8-bit units: most of those are 0, and lose less."""
APART = 10
"""An earlier file is looked for at qualities that are lower than the last by this much, at least."""
PROOF, SHARE = 30.0, 0.05
"""Logarithm of the likelihood ratio from which on there are traces: in all, and of a coefficient on average."""


def jpeg_quality(picture: Picture) -> int | None:
    """Estimate the quality, on libjpeg's scale, that a picture was last compressed with as JPEG.

    A JPEG file says it by its quantisation tables; any other, such as a PNG made of a JPEG, by its pixels.

    Returns:
        1 to 100, exact for files of libjpeg; None where nothing tells of JPEG.

    Raises:
        ValueError: A float picture holds a NaN or an infinity where it is looked at.
    """
    if isinstance(picture.coding, JpegCoding) and picture.coding.tables:
        return quality_of_tables(picture.coding.tables)
    return quality_of_pixels(picture.pixels, linear=picture.is_linear)


def jpeg_history(picture: Picture) -> tuple[int, ...]:
    """Estimate the qualities that a picture was compressed with as JPEG, the last first.

    Returns:
        What ``jpeg_quality`` finds and, if there was a stronger compression before, what ``earlier_quality`` finds; nothing where nothing
        tells of JPEG.

    Raises:
        ValueError: A float picture holds a NaN or an infinity where it is looked at.
    """
    last = jpeg_quality(picture)
    if last is None:
        return ()
    earlier = earlier_quality(picture.pixels, last, linear=picture.is_linear)
    return (last,) if earlier is None else (last, earlier)


def quality_of_tables(tables: Sequence[Sequence[int]]) -> int:
    """Find the quality whose tables libjpeg would have made most alike: the least mean distance of the steps' logarithms.

    Args:
        tables: 64 steps each, row by row from the lowest frequency on: of luminance, and of chrominance where there is any. They may be
            those of a picture on its side.

    Returns:
        1 to 100.

    >>> quality_of_tables(quantization_table(83).reshape(2, 64).tolist())
    83
    """
    given = np.maximum(1, [list(table) for table in tables[:2]]).reshape(-1, 8, 8)  # (1 or 2, 8, 8)
    known = quantization_table(QUALITIES).reshape(len(QUALITIES), 2, 8, 8)[:, : len(given)]
    distances = [np.abs(np.log(known / way)).mean((1, 2, 3)) for way in (given, given.mT)]
    return int(QUALITIES[np.minimum(*distances).argmin()])


def quality_of_pixels(pixels: np.ndarray, *, linear: bool = False) -> int | None:
    """Estimate the JPEG quality of pixels that were compressed and decoded, and neither resized nor edited since.

    JPEG leaves the cosine coefficients of brightness near multiples of the quantisation steps. The quality is the one whose steps make
    them most likely (after Fan, de Queiroz 2003, "Identification of Bitmap Compression History: JPEG Detection and Quantizer
    Estimation"), with the rounding of the pixels as normal noise. Where the picture's own grid of 8 x 8 blocks has no traces, the
    other 63 are tried, and steps for pictures on their side: cropping and turning shift it.

    Of 118 photographs (shard train-006, shrunk by 0.6 with Lanczos, some 385 x 304 pixels), written by Pillow at each of 5, 10, 20, ... 90,
    95 and 98, all were told exactly, and none was taken for a JPEG before; so were 60 in grey (``scripts/evaluate.py estimates``). Of 40
    with 1 to 7 rows and columns cut off, 3 at quality 5 and 2 at 10 showed no traces; the others were told exactly.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1].
        linear: The samples are proportional to light.

    Returns:
        1 to 99; None where there are no traces: never compressed, at quality 100, resized, blurred, or too small to tell.

    Raises:
        ValueError: A float picture holds a NaN or an infinity where it is looked at.
    """
    found = _coefficients(pixels, 0, 0, BLOCKS, linear=linear)
    return _likeliest(found.reshape(-1, 64))[1] or _on_any_grid(pixels, linear=linear)


def earlier_quality(pixels: np.ndarray, last: int, *, linear: bool = False) -> int | None:
    """Estimate the JPEG quality of an earlier, stronger compression of pixels: of a file that was cropped, perhaps, and saved again.

    As ``quality_of_pixels``, with what the last compression does to the coefficients as more noise, on each of the 64 grids, as the
    grids of both files need not coincide.

    Of 24 photographs (as there) written at 50, 75 or 95 none was taken for a second file. Of those that were a file of quality 10 on
    another grid before, all were told exactly; of quality 20, 16 under one of 50 and all under better ones; of quality 40, 1, 17 and all;
    of 60, all under one of 95 (``scripts/evaluate.py estimates --kinds twice``).

    Args:
        pixels: As for ``quality_of_pixels``.
        last: The quality of the last compression, 1 to 100.
        linear: The samples are proportional to light.

    Returns:
        1 to 99, at least ``APART`` below ``last``; None where there are no traces of another.

    Raises:
        ValueError: A float picture holds a NaN or an infinity where it is looked at.
    """
    steps = np.minimum(quantization_table(np.array([last])).reshape(2, 64)[0, 1:], COARSEST)
    return _on_any_grid(pixels, rounding=float(np.hypot(ROUNDING, np.sqrt((steps**2).mean() / 12))), below=last - APART + 1, linear=linear)


def _on_any_grid(pixels: np.ndarray, *, rounding: float = ROUNDING, below: int = 101, linear: bool) -> int | None:
    """The likeliest quality ``below`` another on the likeliest grid of blocks, upright or on its side; see ``_likeliest``."""

    def look(row: int, column: int, turned: bool, most: int) -> tuple[float, int | None]:
        found = _coefficients(pixels, row, column, most, linear=linear)  # (N, 8, 8)
        return _likeliest((found.transpose(0, 2, 1) if turned else found).reshape(-1, 64), rounding, below)

    grids = list(itertools.product(range(8), range(8), (False, True)))
    row, column, turned = max(grids, key=lambda grid: look(grid[0], grid[1], grid[2], FEW)[0])
    return look(row, column, turned, BLOCKS)[1]


def _coefficients(pixels: np.ndarray, row: int, column: int, most: int, *, linear: bool) -> np.ndarray:
    """Cosine coefficients (N, 8, 8) of brightness, in 8-bit units, of unlike, unclipped blocks on the grid that begins there."""
    height, width = (pixels.shape[0] - row) // 8, (pixels.shape[1] - column) // 8
    if height < 1 or width < 1:
        return np.zeros((0, 8, 8), np.float32)
    step = int(np.ceil(np.sqrt(height * width / most))) * 8
    blocks = np.lib.stride_tricks.sliding_window_view(pixels, (8, 8), axis=(0, 1))[row::step, column::step]
    x = to_float(blocks.reshape(-1, *blocks.shape[2:]))  # (N, C, 8, 8)
    if not np.isfinite(x).all():
        raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
    x = x[((x > 0) & (x < 1)).all((1, 2, 3))]
    x = 255 * (to_srgb(x) if linear else x)
    luma = x[:, 0] if x.shape[1] == 1 else np.tensordot(x, LUMA, (1, 0))  # (N, 8, 8)
    coefficients = dctn(luma, axes=(1, 2), norm="ortho")
    patterns = coefficients.reshape(-1, 64)[:, 1:].round(1)
    return coefficients[np.unique(patterns, axis=0, return_index=True)[1]]  # those that repeat count once


def _likeliest(coefficients: np.ndarray, rounding: float = ROUNDING, below: int = 101) -> tuple[float, int | None]:
    """The quality that makes coefficients (N, 64) most likely, None where that proves nothing, behind its log likelihood ratio.

    It is the ratio to coefficients of any value: s times the density of their distances to the multiples of the step s.

    Args:
        coefficients: Row by row from the lowest frequency on.
        rounding: Standard deviation of what was done to them since, in 8-bit units.
        below: Qualities under this one are compared.
    """
    ratio, number = np.zeros(len(QUALITIES)), 0
    for frequency, (s, where) in enumerate(_steps(), 1):
        x = coefficients[np.abs(coefficients[:, frequency]) > SMALLEST * rounding, frequency]
        number += len(x)
        distance = x - s * np.round(x / s)  # (steps, N)
        density = sum(np.exp(-(((distance + near) / rounding) ** 2) / 2) for near in (-s, 0, s)) / (rounding * np.sqrt(2 * np.pi))
        ratio += np.log((1 - STRAY) * s * density + STRAY).sum(1)[where]
    best = int(np.where(below > QUALITIES, ratio, -np.inf).argmax())
    proven = ratio[best] > max(PROOF, SHARE * number) and best + 1 < QUALITIES[-1]
    return float(ratio[best]), int(QUALITIES[best]) if proven else None


@functools.cache
def _steps() -> list[tuple[np.ndarray, np.ndarray]]:
    """For each frequency but 0: the steps (N, 1) of brightness at all qualities, and which of them a quality has, (100,)."""
    columns = [np.unique(column, return_inverse=True) for column in quantization_table(QUALITIES)[:, 0].reshape(-1, 64).T[1:]]
    return [(steps.astype(np.float32)[:, None], where) for steps, where in columns]
