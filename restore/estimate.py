"""What a picture needs, measured on the picture itself.

>>> import numpy as np
>>> noisy = 0.5 + np.random.default_rng(0).normal(0, 10 / 255, (96, 96, 3)).astype(np.float32)
>>> round(noise_level(noisy))
10
"""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from scipy.fft import dctn
from scipy.special import ndtr

from restore.image import JpegCoding, Picture, to_float, to_srgb
from restore.jpeg_tables import QUALITIES, quantization_table

SIDES = {1: 8, 3: 6}
"""Channels -> side of the patches in pixels: large enough for directions that content does not fill, small enough for many patches."""
MOST = 65536
"""Patches that are looked at, at most."""
ENOUGH = 5000
"""Patches that are kept, at least: the smoothest, the farthest from black and white."""
ROUNDS = 8
"""Times that the patches are chosen anew for the level that those before gave."""

LOOKED = 16384
"""Blocks of 8 x 8 pixels that are looked at for the noise of cameras, at most."""
_TURNS = np.add.outer(np.arange(8), np.arange(8))
MIDDLE, FINE = (_TURNS >= 3) & (_TURNS <= 5), _TURNS >= 9
"""Frequencies of such blocks, (8, 8) bool: those that cameras and JPEG leave noise in, and those that they take it from."""
CAMERA_LEVEL, CAMERA_SHARE = 2.0, 0.5
"""Noise is a camera's from this level on, in 8-bit units, if its colour has less than this share of its power at ``FINE``."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Parts of red, green and blue in the brightness that JPEG stores (ITU-T T.871)."""
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


def noise_level(pixels: np.ndarray, *, linear: bool = False) -> float:
    """Estimate the standard deviation of white Gaussian noise that is alike, but not the same, in all channels.

    The content of patches lies near a subspace, noise fills all directions alike: the level is the mean of those smallest
    eigenvalues of the patches' covariance whose mean is their median (Chen, Zhu, Heng 2015, "An Efficient Statistical
    Method for Image Noise Level Estimation"). Only patches count that are not rougher than noise of that level would make them (Liu,
    Tanaka, Okutomi 2013, "Single-Image Noise Level Estimation for Blind Denoising"). Where samples are clipped to the range, noise near
    black and white is cut: patches must lie one deviation away from both, and what is cut of theirs is made up for by the moments
    of a clipped normal variable.

    Errors on 60 photographs (shard train-006, shrunk by 0.6 with Lanczos, some 385 x 304 pixels; ``scripts/evaluate.py estimates``): the
    mean of their sizes and the largest, in 8-bit units; at 0 the photographs' own noise and fine texture count as errors:

    | true level | 0 | 2 | 5 | 10 | 15 | 25 | 50 | 75 |
    |---|---|---|---|---|---|---|---|---|
    | colour, float: mean | 0.52 | 0.11 | 0.08 | 0.10 | 0.12 | 0.13 | 0.16 | 0.17 |
    | colour, float: largest | 2.95 | 0.87 | 0.43 | 0.34 | -0.99 | -0.50 | -0.64 | -0.61 |
    | colour, clipped to 8 bits: mean | 0.52 | 0.13 | 0.10 | 0.12 | 0.17 | 0.28 | 0.84 | 1.54 |
    | colour, clipped to 8 bits: largest | 2.95 | 1.48 | 0.65 | 0.42 | -0.95 | -1.34 | -4.69 | -8.09 |
    | grey, float: mean | 1.14 | 0.41 | 0.25 | 0.26 | 0.34 | 0.39 | 0.47 | 0.46 |
    | grey, float: largest | 5.71 | 4.23 | 2.47 | 2.23 | 2.55 | 1.62 | 1.71 | 1.51 |
    | grey, clipped to 8 bits: mean | 1.14 | 0.45 | 0.27 | 0.26 | 0.33 | 0.44 | 0.57 | 1.00 |
    | grey, clipped to 8 bits: largest | 5.71 | 4.23 | 2.47 | 2.23 | 2.39 | 1.59 | -2.93 | -6.76 |

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1]; a float picture that exceeds it is taken as
            not clipped. Three equal channels count as one.
        linear: The samples are proportional to light; the level is that of the sRGB-encoded samples.

    Returns:
        The level in 8-bit units, whatever the depth; 0 for a picture too small to tell.

    Raises:
        ValueError: A float picture holds a NaN or an infinity where it is looked at.
    """
    patches = _patches(pixels)
    if patches is None:
        return 0.0
    patches = to_float(patches)
    if not np.isfinite(patches).all():
        raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
    if linear:
        patches = to_srgb(patches)
    means = patches.mean((2, 3))  # (N, C)
    inside = np.minimum(means, 1 - means).min(1)  # (N,) distance to black or white
    far = np.sort(inside)[-min(len(inside), ENOUGH)]
    roughness = _roughness(patches)
    limit = _roughest(*patches.shape[1:3])
    clipped = patches.min() >= 0 and patches.max() <= 1
    variance = _flat_variance(patches)
    for _ in range(ROUNDS):
        if variance == 0:
            break
        kept = np.flatnonzero(inside >= min(np.sqrt(variance), far)) if clipped else np.arange(len(patches))
        rough = roughness[kept]
        smooth = np.sort(rough)[min(len(rough), ENOUGH) - 1]
        kept = kept[rough <= max(limit * variance, smooth)]
        left = _left_by_clipping(means[kept], float(np.sqrt(variance))) if clipped else 1.0
        variance, before = _flat_variance(patches[kept]) / left, variance
        if abs(variance - before) < 1e-3 * before:
            break
    return 255 * float(np.sqrt(variance))


def has_camera_noise(pixels: np.ndarray, *, linear: bool = False) -> bool:
    """Tell whether a picture's noise is that of a camera, which neighbouring pixels share, and not white, or too little to matter.

    Demosaicking, smoothing and JPEG take the fine part of noise, that of its colour first; white noise has all frequencies alike. Both are
    measured on the hundredth of all blocks whose brightness is the flattest, those at black or white aside.

    On 60 photographs of 300x230 that were held out: white noise of 3 to 50 was never taken for a camera's (300 pictures); that of simulated
    cameras was found in 58 % of the pictures at 3 to 6, in 80 % at 6 to 12, in 92 % above (the others had no mosaic, so that it is white).
    12 % of the photographs as they were, and 3 % as JPEG files, seemed to have it: gravel and leaves look alike.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1]. Grey pictures show nothing: their answer is no.
        linear: The samples are proportional to light.

    Raises:
        ValueError: A float picture holds a NaN or an infinity where it is looked at.
    """
    height, width, channels = pixels.shape
    if channels == 1 or min(height, width) < 8:
        return False
    step = max(3, int(np.ceil(np.sqrt((height - 7) * (width - 7) / LOOKED))))
    blocks = to_float(np.lib.stride_tricks.sliding_window_view(pixels, (8, 8), axis=(0, 1))[::step, ::step].reshape(-1, 3, 8, 8))
    if not np.isfinite(blocks).all():
        raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
    blocks = 255 * (to_srgb(blocks) if linear else blocks)
    clipped = np.logical_or(blocks <= 0, blocks >= 255).mean((2, 3)).max(1)
    blocks = blocks[clipped <= max(0.02, np.quantile(clipped, 0.1))]
    coefficients = dctn(blocks, axes=(2, 3), norm="ortho")
    grey = coefficients.mean(1, keepdims=True)  # (N, 1, 8, 8)
    roughness = (grey[..., MIDDLE | FINE] ** 2).mean((1, 2))
    flat = np.argsort(roughness)[: max(30, len(roughness) // 100)]
    colour = coefficients[flat] - grey[flat]
    middle, fine = (1.5 * (colour[..., band] ** 2).mean() for band in (MIDDLE, FINE))  # what white noise has: its variance, in both
    return bool(middle > CAMERA_LEVEL**2 and fine < CAMERA_SHARE * middle)


def _patches(pixels: np.ndarray) -> np.ndarray | None:
    """Patches (N, C, side, side) from a grid over the picture, in its own depth; smaller ones where it is too small for many."""
    height, width, channels = pixels.shape
    for side in range(min(SIDES[channels], height, width), 1, -1):
        places = (height - side + 1) * (width - side + 1)
        if places >= 4 * channels * side**2 or side == 2:
            step = int(np.ceil(np.sqrt(places / MOST)))
            grid = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), axis=(0, 1))[::step, ::step]
            patches = grid.reshape(-1, channels, side, side)
            grey = channels == 3 and (patches == patches[:, :1]).all()
            return _patches(pixels[..., :1]) if grey else patches
    return None


def _roughness(patches: np.ndarray) -> np.ndarray:
    """For each patch, (N,): the sum of the squared differences of neighbours, a channel on average."""
    down, across = np.diff(patches, axis=2), np.diff(patches, axis=3)
    return ((down**2).sum((2, 3)) + (across**2).sum((2, 3))).mean(1)


def _roughest(channels: int, side: int) -> float:
    """The roughness that patches of noise of variance 1 hardly exceed: its mean and three times its deviation."""
    step = np.diff(np.eye(side), axis=0)
    form = np.kron(np.eye(side), step.T @ step) + np.kron(step.T @ step, np.eye(side))  # roughness is a quadratic form
    return float(form.trace() + 3 * np.sqrt(2 * (form @ form).trace() / channels))


def _flat_variance(patches: np.ndarray) -> float:
    """The variance in the directions that content does not fill."""
    vectors = patches.reshape(len(patches), -1)
    vectors = vectors - vectors.mean(0)
    values = np.linalg.eigvalsh((vectors.T @ vectors).astype(np.float64) / len(vectors))[::-1]
    for first in range(len(values)):
        rest = values[first:]
        if (rest > rest.mean()).sum() >= (rest < rest.mean()).sum():
            return max(0.0, float(rest.mean()))
    return 0.0


def _left_by_clipping(means: np.ndarray, sigma: float) -> float:
    """The part of a variance ``sigma ** 2`` that clipping to [0, 1] leaves, on average over places where the clipped mean is ``means``."""
    latent = np.linspace(-3 * sigma, 1 + 3 * sigma, 400)
    low, high = -latent / sigma, (1 - latent) / sigma
    density_low, density_high = (np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) for z in (low, high))
    white, between = ndtr(-high), ndtr(high) - ndtr(low)
    first = latent * between + sigma * (density_low - density_high) + white
    second = (latent**2 + sigma**2) * between + 2 * latent * sigma * (density_low - density_high)
    second += sigma**2 * (low * density_low - high * density_high) + white
    return float(np.interp(means, first, second - first**2).mean() / sigma**2)


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
        tables: 64 steps each, row by row from the lowest frequency on: of luminance, and of chrominance where there is any.

    Returns:
        1 to 100.

    >>> quality_of_tables(quantization_table(83).reshape(2, 64).tolist())
    83
    """
    given = np.maximum(1, [list(table) for table in tables[:2]])  # (1 or 2, 64)
    known = quantization_table(QUALITIES).reshape(len(QUALITIES), 2, 64)[:, : len(given)]
    return int(QUALITIES[np.abs(np.log(known / given)).mean((1, 2)).argmin()])


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
