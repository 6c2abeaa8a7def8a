"""Find what blurred a picture, and undo it with the denoiser, tile by tile."""

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from restore import deconvolution, psf
from restore.estimate import LUMA, SharedNoise, noise_level, shared_noise
from restore.filters.array.deblur import point_spread
from restore.image import from_float, to_float, to_linear, to_srgb
from restore.runtime import Runtime
from restore.tasks.deblur import deblur
from restore.tasks.denoise import MAX_SIGMA, run_white
from restore.tiling import tiled

BLURS = ("auto", "lens", "shake", "any")
"""What is taken for the cause of a blur: see ``Restorer.deblur``."""
LOUDEST = 8.0
"""In noise above this level, in 8-bit units, kernels are not sure."""
FAINTEST, CAUTION = 3.2, 1.25
"""Noise is taken for this much at least, in 8-bit units, and for so many times what it is: a kernel that was found is never quite right."""
SEARCH = 8
"""To look for a kernel takes as long as to undo it in so many tiles of ``CORE`` pixels a side."""
REACH, CORE = 64, 384
"""Pixels around a tile besides the kernel's that it is deconvolved with, and its largest side."""

# How kernels are told from what only looks like one: chosen on train-006, as the constants of ``deconvolution``.
ROUND_FULL, SLIM, NARROW = 0.965, 0.7, 0.85
"""A lens's kernel is rounder than the first, the ratio of its axes above the second, its smaller one above the third in pixels."""
WIDE, WIDE_ROUND = 2.5, 0.99
"""A kernel seen at half the size tells of lenses whose spread in pixels is above the first, and whose roundness is above the second."""
ROUND_HALF = 0.96
"""A spread seen at half the size is tried where the kernel is rounder."""
ALIKE = 1.3
"""Disks and Gaussians of a smaller spread in pixels look alike: both are tried."""
LARGEST = 16
"""Spreads of more than this part of the smaller side are not tried."""
NEARER = (1.13, 1.06)
"""By these factors wider and narrower kernels than the best one are tried, in turn."""
STEPS = 4
"""Of each such deconvolution."""
ROUGHER = 1.16
"""Where the network tells the width, what is rougher than its picture by more than this is sharpened too much."""
SPARE, SPARSE = 1.006, 1.08
"""Of lenses' kernels whose misfit is below the least one times the first, the one counts that makes the sparsest picture, if that is below
the network's times the second."""
ROUGHEST, THICKEST = 2.1, 1.8
"""A shake's kernel makes a picture rougher by less than the first, and is thinner than the second."""
MISFIT, MISFIT_CLEAN = 1.1, 2.8
"""What a kernel leaves unexplained is less than so many times the noise, or than the second in 8-bit units."""


def check_blur(blur: str) -> None:
    """Raise a ValueError unless ``blur`` is one of ``BLURS``."""
    if blur not in BLURS:
        raise ValueError(f"blur {blur!r} is unknown; expected one of {', '.join(BLURS)}")


def find_kernel(
    pixels: np.ndarray,
    denoiser: Runtime,
    sharpener: Runtime | None = None,
    *,
    blur: str = "auto",
    linear: bool = False,
    where: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray | None:
    """Find what blurred all of a picture in the same way: a lens out of focus, or the path of a camera; see ``restore.deconvolution``.

    It is looked for where the picture has most edges.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1].
        denoiser: A network for white noise.
        sharpener: A network for blur: what it makes of the picture tells what lens it was, and a kernel that leaves the picture less sharp
            is not taken. Not for ``blur="shake"``.
        blur: "lens": a disk or a Gaussian; "shake": a path, whatever it does to the picture; "auto": either, where it is sure to help;
            "any": nothing.
        linear: The samples are proportional to light.
        where: (H, W) bool, where it is looked how noisy the picture is; None: everywhere.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        A kernel (k, k) float32, of what a sharp picture was correlated with; None where there is none, and in pictures of less than
        ``deconvolution.LEAST`` pixels a side.
    """
    move = progress or (lambda _: None)
    kernel = None if blur == "any" else _searched(pixels, denoiser, sharpener, blur, linear=linear, where=where, move=move)
    move(1.0)
    return kernel


def search_share(pixels: np.ndarray) -> float:
    """The part of the time that looking for a picture's kernel takes, and not undoing it, 0 to 1."""
    tiles = math.prod(math.ceil(side / CORE) for side in pixels.shape[:2])
    return SEARCH / (SEARCH + tiles)


def _searched(
    pixels: np.ndarray,
    denoiser: Runtime,
    sharpener: Runtime | None,
    blur: str,
    *,
    linear: bool,
    where: np.ndarray | None,
    move: Callable[[float], None],
) -> np.ndarray | None:
    """The kernel of a picture, where there is one."""
    seen = to_float(pixels[deconvolution.busiest(pixels)])
    seen = to_srgb(seen) if linear else seen
    if not np.isfinite(seen).all():
        return None
    clean = _cleaner(denoiser, shared_noise(pixels, linear=linear, where=where))
    noise = noise_level(pixels, linear=linear, where=where)
    if sharpener is None or blur == "shake":
        kernel = deconvolution.find(_grey(seen))
        move(0.5)
        return None if kernel is None else deconvolution.improve(seen, kernel, clean, sigma=_told(noise))
    if noise > LOUDEST or min(seen.shape[:2]) < deconvolution.LEAST or not np.ptp(seen) > 0:
        return None
    share = 0.5 if blur == "auto" else 1.0
    is_lens, kernel = _lens(seen, lambda x: deblur(x, sharpener), clean, noise, lambda done: move(share * done))
    if kernel is not None or is_lens or blur == "lens":
        return kernel
    return _shake(seen, clean, noise, lambda done: move(share + (1 - share) * done))


def deconvolve(
    pixels: np.ndarray,
    runtime: Runtime,
    *,
    kernel: np.ndarray,
    tile: int = 512,
    linear: bool = False,
    where: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Undo a known blur with a denoiser, tile by tile; see ``restore.deconvolution.deconvolve``.

    Args:
        pixels: As for ``find_kernel``.
        runtime: A network for white noise.
        kernel: What the sharp picture was correlated with, (h, w) of odd sides; it is divided by its sum.
        tile: As for ``deblur``, up to ``CORE``.
        linear: As for ``find_kernel``.
        where: As for ``find_kernel``.
        progress: As for ``deblur``.

    Returns:
        An array like ``pixels``; float32 is not quantised, and stays within the range that the picture has.

    Raises:
        ValueError: ``kernel`` is none; a float picture holds a NaN or an infinity.
    """
    if isinstance(kernel, str):
        raise ValueError(f"kernel is {kernel!r}; expected an array (h, w) of odd sides")
    blur = point_spread(kernel, 0, 0).astype(np.float32)
    if not np.isfinite(pixels).all():
        raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
    clean = _cleaner(runtime, shared_noise(pixels, linear=linear, where=where))
    sigma, limits = _told(noise_level(pixels, linear=linear, where=where)), (0.0, 1.0)
    if pixels.dtype == np.float32:
        darkest, brightest = (to_srgb(end) if linear else end for end in (pixels.min(), pixels.max()))
        limits = min(0.0, float(darkest)), max(1.0, float(brightest))

    def sharpen(crop: np.ndarray) -> np.ndarray:
        x = to_float(crop)
        y = deconvolution.deconvolve(to_srgb(x) if linear else x, blur, clean, sigma=sigma, limits=limits)
        return from_float(to_linear(y) if linear else y, crop.dtype)

    return tiled(sharpen, pixels, tile=min(tile, CORE), halo=REACH + max(blur.shape) // 2, progress=progress)


def _lens(
    seen: np.ndarray,
    sharpen: Callable[[np.ndarray], np.ndarray],
    clean: deconvolution.Clean,
    noise: float,
    move: Callable[[float], None],
) -> tuple[bool, np.ndarray | None]:
    """Tell whether a lens blurred a picture, and the kernel where that makes it sharper than the network does.

    What lies between the picture and what the network makes of it, and the same at half the size, says how wide the kernel is and whether
    it is a disk or a Gaussian; of those the picture is sharpened with, the best one is taken.
    """
    sharp, small = sharpen(seen), cv2.resize(seen, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    small = small.reshape(*small.shape[:2], -1)
    full, half = deconvolution.between(sharp, seen), deconvolution.between(sharpen(small), small)
    (larger, smaller), width, wide = psf.spreads(full), psf.spread(full), 2 * psf.spread(half)
    is_lens = psf.roundness(full) > ROUND_FULL and smaller > max(NARROW, SLIM * larger)
    is_wide = psf.roundness(half) > WIDE_ROUND and wide > WIDE
    move(0.1)
    if not (is_lens or is_wide):
        return False, None
    is_disk, is_small = psf.is_disk(half if is_wide else full), width < ALIKE and not is_wide
    makers = [psf.disk] * (is_disk or is_small) + [psf.gaussian] * (is_small or not is_disk)
    widths = [width] * is_lens + [wide] * (psf.roundness(half) > ROUND_HALF)
    pairs = [(make, value) for make in makers for value in widths if value < min(seen.shape[:2]) / LARGEST]
    if not pairs:
        return is_lens, None
    roughest = math.inf if is_wide else ROUGHER * deconvolution.roughness(sharp)
    tried, count = list[_Try](), len(pairs) + 2 * len(NEARER)

    def attempt(make: Callable[[float], np.ndarray], value: float) -> None:
        tried.append(_tried(seen, make, value, clean, noise))
        move(0.1 + 0.9 * len(tried) / count)

    for make, value in pairs:
        attempt(make, value)
    for factor in NEARER:
        best = _best(tried, roughest)
        for value in (best.width * factor, best.width / factor):
            attempt(best.make, value)
    best = _best(tried, roughest)
    is_explained, is_sparse = best.misfit < _most_misfit(noise), best.sparsity < SPARSE * deconvolution.sparsity(sharp)
    return is_lens, best.make(best.width) if is_explained and is_sparse and best.roughness <= roughest else None


class _Try(NamedTuple):
    """A kernel, what it leaves unexplained of a picture, and the sparsity and roughness of the picture that it makes."""

    make: Callable[[float], np.ndarray]
    width: float
    misfit: float
    sparsity: float
    roughness: float


def _tried(seen: np.ndarray, make: Callable[[float], np.ndarray], width: float, clean: deconvolution.Clean, noise: float) -> _Try:
    """Sharpen a picture with the kernel of a lens."""
    kernel = make(width)
    sharp = deconvolution.deconvolve(seen, kernel, clean, sigma=_told(noise), steps=STEPS)
    return _Try(make, width, deconvolution.misfit(sharp, kernel, seen), deconvolution.sparsity(sharp), deconvolution.roughness(sharp))


def _best(tried: list[_Try], roughest: float) -> _Try:
    """The sparsest one that explains about as much as any; of those that make a picture too rough, the narrowest."""
    smooth = [one for one in tried if one.roughness <= roughest]
    if not smooth:
        return min(tried, key=lambda one: one.width)
    least = min(one.misfit for one in smooth)
    return min((one for one in smooth if one.misfit <= SPARE * least), key=lambda one: one.sparsity)


def _shake(seen: np.ndarray, clean: deconvolution.Clean, noise: float, move: Callable[[float], None]) -> np.ndarray | None:
    """The path of a camera, where it is one: thin, and with a picture that explains what is seen and does not ring."""
    kernel = deconvolution.find(_grey(seen))
    move(0.5)
    if kernel is None or psf.roundness(kernel) > psf.ROUND:
        return None
    kernel = deconvolution.improve(seen, kernel, clean, sigma=_told(noise))
    move(0.8)
    if psf.thickness(kernel) > THICKEST:
        return None
    sharp = deconvolution.deconvolve(seen, kernel, clean, sigma=_told(noise))
    rings = deconvolution.roughness(sharp) > ROUGHEST * deconvolution.roughness(seen)
    return None if rings or deconvolution.misfit(sharp, kernel, seen) > _most_misfit(noise) else kernel


def _most_misfit(noise: float) -> float:
    """What a right kernel may leave unexplained in noise of a level in 8-bit units, on the scale of [0, 1]."""
    return max(MISFIT * noise, MISFIT_CLEAN) / 255


def _grey(seen: np.ndarray) -> np.ndarray:
    """(H, W, C) -> (H, W)."""
    return seen @ LUMA if seen.shape[2] == 3 else seen[..., 0]


def _cleaner(denoiser: Runtime, shared: SharedNoise | None) -> deconvolution.Clean:
    """A network for white noise as a function of a picture of any size and its noise.

    What the channels share of it is what they share in the photograph: half sharpened, it no longer looks like noise.
    """
    return lambda x, level: run_white(x, denoiser, level, shared, tile=max(x.shape))


def _told(noise: float) -> float:
    """What noise of a level, in 8-bit units, is taken for, on the scale of [0, 1]."""
    return min(CAUTION * max(FAINTEST, noise), MAX_SIGMA) / 255
