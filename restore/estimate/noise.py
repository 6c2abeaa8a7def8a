"""How noisy a picture is, and of what kind its noise is.

>>> import numpy as np
>>> noisy = 0.5 + np.random.default_rng(0).normal(0, 10 / 255, (96, 96, 3)).astype(np.float32)
>>> round(noise_level(noisy))
10
"""

from typing import NamedTuple

import numpy as np
from scipy.fft import dctn
from scipy.special import ndtr

from restore.estimate.base import LUMA
from restore.image import to_float, to_srgb

SIDES = {1: 8, 3: 6}
"""Channels -> side of the patches in pixels: large enough for directions that content does not fill, small enough for many patches."""
MOST = 65536
"""Patches that are looked at, at most."""
ENOUGH = 5000
"""Patches that are kept, at least: the smoothest, the farthest from black and white."""
ROUNDS = 8
"""Times that the patches are chosen anew for the level that those before gave."""

LEFT = 0.5
"""Patches with a flat part, as of a frame, are left out if at least this share of all has none; on a page fewer have, the letters."""
DRAWN_LEVEL = 2.0
"""What seems to be noise above this, in 8-bit units, may be writing or line art: many samples are black, white or as a neighbour."""
DRAWN, DRAWN_ENDS = 0.27, 0.6
"""Their share from which on it is, and where noise of that level would be clipped: noise leaves few such."""
DRAWN_BLOCKS, DRAWN_PAPER = 0.5, 0.25
"""The share in the blocks that tell the kind of noise, some of which JPEG makes flat; and that of one colour there, that of the paper."""
LOOKED = 16384
"""Blocks of 8 x 8 pixels that are looked at for the kind of noise, at most."""
_TURNS = np.add.outer(np.arange(8), np.arange(8))
MIDDLE, FINE = (_TURNS >= 3) & (_TURNS <= 5), _TURNS >= 9
"""Frequencies of such blocks, (8, 8) bool: those that cameras and JPEG leave noise in, and those that they take it from."""
CAMERA_LEVEL, CAMERA_SHARE = 2.0, 0.5
"""Noise is a camera's from this level on, in 8-bit units, if its colour has less than this share of its power at ``FINE``."""
BRIGHT_LEVEL, BRIGHT_SHARE = 2.4, 0.6
"""Or if its brightness is stronger than the first and has less than this share of its amplitude there: JPEG leaves little colour."""
SHARED_LEVEL, SHARED_TIMES, SHARED_FINE, SHARED_ALONE = 4.0, 1.6, 0.72, 0.5
"""Channels share the noise that lies along one direction of colour if there, at ``FINE``, it is stronger than the first, in 8-bit units;
than the second times that along any other direction; and than the third times what the same direction has at ``MIDDLE``, where texture,
which channels share too, has more. And if other directions have less than the fourth times that at ``MIDDLE``: cameras' noise has more."""


class SharedNoise(NamedTuple):
    """Noise that the channels share for the greater part: grain in sepia prints and scans, or of one channel that was amplified.

    Attributes:
        axis: (3,) float32, the direction of colour along which it is strongest; of length 1.
        along: Its standard deviation there, in 8-bit units.
        across: The same in any direction across.
    """

    axis: np.ndarray
    along: float
    across: float

    @property
    def level(self) -> float:
        """The standard deviation of a channel, the root of the mean square of all three."""
        return float(np.sqrt((self.along**2 + 2 * self.across**2) / 3))


def noise_level(pixels: np.ndarray, *, linear: bool = False, where: np.ndarray | None = None) -> float:
    """Estimate the standard deviation of white Gaussian noise: of each channel's own or, as in sepia prints, shared by them.

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
    | colour, float: mean | 0.54 | 0.11 | 0.07 | 0.10 | 0.12 | 0.13 | 0.16 | 0.17 |
    | colour, float: largest | 2.86 | 0.87 | 0.43 | 0.34 | -0.99 | -0.50 | -0.64 | -0.61 |
    | colour, clipped to 8 bits: mean | 0.54 | 0.13 | 0.10 | 0.12 | 0.17 | 0.28 | 0.84 | 1.54 |
    | colour, clipped to 8 bits: largest | 2.86 | 1.47 | 0.65 | 0.42 | -0.95 | -1.34 | -4.69 | -8.09 |
    | grey, float: mean | 1.26 | 0.41 | 0.25 | 0.26 | 0.34 | 0.39 | 0.47 | 0.46 |
    | grey, float: largest | 5.71 | 4.23 | 2.47 | 2.23 | 2.55 | 1.62 | 1.71 | 1.51 |
    | grey, clipped to 8 bits: mean | 1.26 | 0.45 | 0.27 | 0.26 | 0.33 | 0.44 | 0.56 | 1.01 |
    | grey, clipped to 8 bits: largest | 5.71 | 4.23 | 2.47 | 2.23 | 2.39 | 1.59 | -2.92 | -6.76 |

    Of noise that the channels share (``shared_noise``), the root of the mean square of the three.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1]; a float picture that exceeds it is taken as
            not clipped. Three equal channels count as one.
        linear: The samples are proportional to light; the level is that of the sRGB-encoded samples.
        where: (H, W) bool, what is looked at, such as all that is not in a hole; None: all of it.

    Returns:
        The level in 8-bit units, whatever the depth; 0 for a picture too small to tell.

    Raises:
        ValueError: A float picture holds a NaN or an infinity where it is looked at.
    """
    shared = shared_noise(pixels, linear=linear, where=where)
    return shared.level if shared else _own_level(pixels, linear=linear, where=where)


def shared_noise(pixels: np.ndarray, *, linear: bool = False, where: np.ndarray | None = None) -> SharedNoise | None:
    """Tell whether the channels of a picture share its noise, and how strong it is; a network for white noise takes that for content.

    Measured on the hundredth of all blocks whose brightness is the flattest, those at black or white aside: the directions of colour in
    which the fine part of their cosine coefficients varies the most and the least.

    On 118 photographs of 256x192 (shard train-006, shrunk by 0.6): one was taken for noisy; none was when it was made sepia, nor with the
    noise of simulated cameras. With the same noise in all channels it was found in some 85 % at a level of 5, in 97 % at 10 and in all at
    25; of sepia ones, in 97 % at 5 and in all above.

    Args:
        pixels: As for ``noise_level``. Grey pictures, also of three equal channels, share nothing.
        linear: As for ``noise_level``.
        where: As for ``noise_level``.

    Returns:
        The noise, or None where there is none, too little to tell, or each channel has its own.

    Raises:
        ValueError: As ``noise_level``.
    """
    axis = _shared_axis(_flattest(pixels, linear=linear, where=where))
    patches = None if axis is None else _encoded(pixels, SIDES[1], linear=linear, where=where)
    if axis is None or patches is None or patches.shape[1] == 1:
        return None
    reach = float(np.abs(axis).sum())
    there = (np.tensordot(patches, axis, (1, 0))[:, None] - np.minimum(axis, 0).sum()) / reach  # 0 to 1 where they are
    return SharedNoise(axis, reach * _level(there), _own_level(pixels, linear=linear, where=where))


def _shared_axis(flat: np.ndarray | None) -> np.ndarray | None:
    """The direction of colour (3,) along which flat blocks, as ``_flattest`` gives them, have noise that the channels share."""
    if flat is None or (flat == flat[:, :1]).all():
        return None
    middle, fine = (flat[..., band].transpose(0, 2, 1).reshape(-1, 3).astype(np.float64) for band in (MIDDLE, FINE))
    powers, directions = np.linalg.eigh(fine.T @ fine / len(fine))  # ascending
    strongest, next_one = np.sqrt(np.maximum(powers[:0:-1], 0))
    _, other, coarse = np.sqrt(np.maximum(np.linalg.eigvalsh(middle.T @ middle / len(middle)), 0))
    if strongest <= max(SHARED_LEVEL, SHARED_TIMES * next_one, SHARED_FINE * coarse) or other >= SHARED_ALONE * coarse:
        return None
    axis = directions[:, -1].astype(np.float32)
    return axis if axis.sum() > 0 else -axis


def _own_level(pixels: np.ndarray, *, linear: bool, where: np.ndarray | None) -> float:
    """The level of noise that is alike, but not the same, in all channels."""
    return _level(_encoded(pixels, SIDES[pixels.shape[2]], linear=linear, where=where))


def _encoded(pixels: np.ndarray, side: int, *, linear: bool, where: np.ndarray | None) -> np.ndarray | None:
    """Patches as ``_patches`` finds them, float32, sRGB-encoded."""
    patches = _patches(pixels, side, where)
    if patches is None:
        return None
    patches = to_float(patches)
    if not np.isfinite(patches).all():
        raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
    return to_srgb(patches) if linear else patches


def _level(patches: np.ndarray | None) -> float:
    """The level of white noise in patches (N, C, side, side), in 8-bit units; see ``noise_level``."""
    if patches is None:
        return 0.0
    means = patches.mean((2, 3))  # (N, C)
    inside = np.minimum(means, 1 - means).min(1)  # (N,) distance to black or white
    far = np.sort(inside)[-min(len(inside), ENOUGH)]
    roughness = _roughness(patches)
    limit = _roughest(*patches.shape[1:3])
    clipped = patches.min() >= 0 and patches.max() <= 1
    variance, kept = _flat_variance(patches), np.arange(len(patches))
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
    level = 255 * float(np.sqrt(variance))
    return 0.0 if level > DRAWN_LEVEL and _is_drawn(patches[kept], DRAWN if level <= 255 * far else DRAWN_ENDS) else level


def has_camera_noise(pixels: np.ndarray, *, linear: bool = False, where: np.ndarray | None = None) -> bool:
    """Tell whether a picture's noise is that of a camera, which neighbouring pixels share, and not white, or too little to matter.

    Demosaicking, smoothing and JPEG take the fine part of noise, that of its colour first; white noise has all frequencies alike. Both are
    measured on the hundredth of all blocks whose brightness is the flattest, those at black or white aside, in colour and in brightness.

    On 60 photographs of 300x230 (shard train-006, shrunk by 0.6): white noise of 3 to 50 was taken for a camera's in 2 %, of 10 and more
    in none. A plain camera (photons, mosaic, bilinear interpolation, JPEG of quality 85 and 95) was found in 52 % at a photon noise of 8 at
    white, in 8-bit units, in all at 16 and 30; turned grey, in 41 % and in 98 %. White noise of 10 and 20 in JPEG files of qualities from
    50 to 90 was found in 62 % and 88 %. 20 % of the photographs as they were, and 12 % as JPEG files, seemed to have a camera's noise:
    gravel and leaves look alike.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1].
        linear: The samples are proportional to light.
        where: As for ``noise_level``.

    Raises:
        ValueError: A float picture holds a NaN or an infinity where it is looked at.
    """
    flat = _flattest(pixels, linear=linear, where=where)
    if flat is None or _shared_axis(flat) is not None:
        return False
    bright = flat[:, 0] if flat.shape[1] == 1 else np.tensordot(flat, LUMA, (1, 0))
    middle, fine = (float(np.sqrt((bright[:, band] ** 2).mean())) for band in (MIDDLE, FINE))
    if middle > BRIGHT_LEVEL and fine < BRIGHT_SHARE * middle:
        return True
    colour = flat - flat.mean(1, keepdims=True)
    middle, fine = (1.5 * (colour[..., band] ** 2).mean() for band in (MIDDLE, FINE))  # what white noise has: its variance, in both
    return bool(middle > CAMERA_LEVEL**2 and fine < CAMERA_SHARE * middle)


def _is_drawn(patches: np.ndarray, most: float) -> bool:
    """Tell whether patches (N, C, side, side), nominally in [0, 1], are of writing or line art and not of noise."""
    alike, ends = np.diff(patches, axis=3) == 0, (patches == 0) | (patches == 1)
    return bool((alike | ends[..., 1:]).mean() > most)


def _flattest(pixels: np.ndarray, *, linear: bool, where: np.ndarray | None) -> np.ndarray | None:
    """Cosine coefficients (N, C, 8, 8), in 8-bit units, of the blocks with the flattest brightness.

    None of tiny pictures or places, and where those blocks are drawn: flat colour, writing.
    """
    height, width, channels = pixels.shape
    if min(height, width) < 8:
        return None
    step = max(3, int(np.ceil(np.sqrt((height - 7) * (width - 7) / LOOKED))))
    blocks = to_float(_windows(pixels, 8, step, where))
    if not len(blocks):
        return None
    if not np.isfinite(blocks).all():
        raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
    blocks = 255 * (to_srgb(blocks) if linear else blocks)
    clipped = np.logical_or(blocks <= 0, blocks >= 255).mean((2, 3)).max(1)
    blocks = blocks[clipped <= max(0.02, np.quantile(clipped, 0.1))]
    coefficients = dctn(blocks, axes=(2, 3), norm="ortho")
    roughness = (coefficients.mean(1)[..., MIDDLE | FINE] ** 2).mean(1)
    flattest = np.argsort(roughness)[: max(30, len(roughness) // 100)]
    flat = blocks[flattest] / 255
    paper = np.unique(np.moveaxis(flat, 1, -1).reshape(-1, channels), axis=0, return_counts=True)[1].max() / flat[:, 0].size
    return None if paper > DRAWN_PAPER or _is_drawn(flat, DRAWN_BLOCKS) else coefficients[flattest]


def _patches(pixels: np.ndarray, largest: int, where: np.ndarray | None) -> np.ndarray | None:
    """Patches (N, C, side, side) from a grid over the picture, in its own depth; smaller ones where it is too small for many."""
    height, width, channels = pixels.shape
    for side in range(min(largest, height, width), 1, -1):
        places = (height - side + 1) * (width - side + 1)
        if places >= 4 * channels * side**2 or side == 2:
            step = int(np.ceil(np.sqrt(places / MOST)))
            patches = _windows(pixels, side, step, where)
            if not len(patches):
                return None
            grey = channels == 3 and (patches == patches[:, :1]).all()
            return _patches(pixels[..., :1], SIDES[1], where) if grey else patches
    return None


def _windows(pixels: np.ndarray, side: int, step: int, where: np.ndarray | None) -> np.ndarray:
    """Squares (N, C, side, side), each ``step`` pixels from the next, as a whole in ``where``; without flat parts, where there are such."""
    grid = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), axis=(0, 1))[::step, ::step]
    if where is None:
        squares = grid.reshape(-1, *grid.shape[2:])
    else:
        squares = grid[np.lib.stride_tricks.sliding_window_view(where, (side, side))[::step, ::step].all((2, 3))]
    varied = ~_has_flat_part(squares)  # such as of a frame, which says nothing of the noise elsewhere
    return squares if np.count_nonzero(varied) < LEFT * len(squares) else squares[varied]


def _has_flat_part(squares: np.ndarray) -> np.ndarray:
    """Tell which of squares (N, C, side, side) have 3 x 3 pixels of one colour: (N,) bool."""
    rows = (squares[..., 1:] == squares[..., :-1]).all(1)  # (N, side, side - 1)
    columns = (squares[..., 1:, :] == squares[..., :-1, :]).all(1)
    threes = rows[..., 1:] & rows[..., :-1]
    return (threes[:, 2:] & threes[:, 1:-1] & threes[:, :-2] & columns[:, 1:, 2:] & columns[:, :-1, 2:]).any((1, 2))


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
    return max(1e-3, float(np.interp(means, first, second - first**2).mean() / sigma**2))
