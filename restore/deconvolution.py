"""Undo a blur whose kernel nobody knows: find it in the picture, then deconvolve, a denoiser saying what pictures look like.

Kernels (k, k) are what a sharp picture was correlated with, as in ``filters.wiener`` and ``degrade.blur``; their centroid is at the centre.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from scipy.fft import next_fast_len

Clean = Callable[[np.ndarray, float], np.ndarray]
"""A denoiser: a picture (H, W, C) float32 and the noise's standard deviation, both on the scale of [0, 1] -> a clean picture."""

SIZE, WIDE = 35, 71
"""Sides of the kernels that are looked for, in pixels: of short shakes, in which noise has little room, and of long ones."""
FURTHEST, OUTSIDE = 33, 0.03
"""A wide kernel counts that lies within the one, in pixels from its centre, and whose share beyond ``SIZE`` / 2 is above the other."""
WINDOW = 512
"""Largest side of the part of a picture that is looked at, in pixels: where its edges are."""
OVERVIEW = 1024
"""Pictures with longer sides are reduced to look for it."""
LEAST, LEAST_WIDE = 240, 320
"""Smallest sides of a picture that tells its kernel, and a wide one, in pixels."""
FLATNESS = 0.012
"""Weight of the number of edges, from the coarsest scale on; it falls by ``FADING`` each time that a kernel is fitted."""
FADING = 1.05
FITS = 8
"""Times that a kernel is fitted at each scale."""
SHRINK = math.sqrt(0.5)
"""Each scale's size over that of the next."""
STIFFEST = 1e3
"""Where edges and gradients are forced together."""
ENERGY = 10.0
"""Weight of a kernel's energy while the picture is made of edges."""
FINE_ENERGY, FINE_SLOPE = 50.0, 20.0
"""Weights of its energy and of its slopes while it is fitted to what the denoiser made."""
FAINTEST, FINE_FAINTEST = 0.05, 0.03
"""What is below this part of a kernel's largest number is noise; then and then."""
LOOSE, FINE_LOOSE = 0.1, 0.05
"""Islands of less than this part of a kernel are noise."""
ROUNDS = 2
"""Times that the kernel is fitted to what the denoiser made."""
STRONGEST = 49 / 255
"""Noise that the denoiser is told of in its first step."""
MODERATE = 10 / 255
"""Noise that it is told of in its last step while the kernel is improved: faint structure is left out, as a wrong kernel makes such."""
TRUST = 0.23
"""Weight of the denoiser's picture (lambda of Zhang et al. 2021)."""
BEYOND = 0.1
"""How far beyond black and white the denoiser is shown numbers."""
MULTIPLE = 8
"""The sides of what it is shown are multiples of this."""


def find(grey: np.ndarray) -> np.ndarray | None:
    """Find the kernel of a blur that is the same all over a picture.

    From coarse to fine, in turn: the picture with few, sharp edges that blurs to what is seen (L0 of gradients: Xu, Zheng, Jia 2013,
    "Unnatural L0 Sparse Representation for Natural Image Deblurring"), and the kernel that blurs it so, by least squares of gradients.

    Args:
        grey: (H, W) float32, nominally in [0, 1].

    Returns:
        A kernel (k, k) float32; None for pictures without edges or of less than ``LEAST`` pixels a side.

    >>> find(np.zeros((128, 128), np.float32)) is None
    True
    """
    if min(grey.shape) < LEAST or not np.ptp(grey) > 0:
        return None
    seen = torch.from_numpy(np.ascontiguousarray(grey))
    if min(grey.shape) >= LEAST_WIDE:
        half = F.interpolate(seen[None, None], scale_factor=0.5, mode="bicubic", antialias=True)[0, 0]
        if _is_long(_coarse_to_fine(half, SIZE), 2):
            kernel = _coarse_to_fine(seen, WIDE)
            if _is_long(kernel, 1):
                return kernel
    return _coarse_to_fine(seen, SIZE)


def busiest(pixels: np.ndarray) -> tuple[slice, slice]:
    """The part of a picture (H, W, C) with most edges, at most ``WINDOW`` pixels a side: they count by their height, not its square."""
    factor = max(1, math.ceil(max(pixels.shape[:2]) / OVERVIEW))
    height, width = (-(-side // factor) for side in pixels.shape[:2])
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, -1).astype(np.float32).mean(2)
    slopes = np.zeros_like(small)
    slopes[:-1, :-1] = np.hypot(small[:-1, 1:] - small[:-1, :-1], small[1:, :-1] - small[:-1, :-1])
    tall, wide = (min(WINDOW // factor, side) for side in small.shape)
    sums = cv2.boxFilter(slopes, -1, (wide, tall), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT)
    sums = sums[: height - tall + 1, : width - wide + 1]
    top, left = (factor * int(at) for at in np.unravel_index(sums.argmax(), sums.shape))
    return slice(top, top + WINDOW), slice(left, left + WINDOW)


def improve(seen: np.ndarray, kernel: np.ndarray, clean: Clean, *, sigma: float) -> np.ndarray:
    """Fit a kernel anew to what a denoiser makes of the picture with it, ``ROUNDS`` times.

    Args:
        seen: (H, W, C) float32, nominally in [0, 1].
        kernel: (k, k) float32.
        clean: The denoiser.
        sigma: Of the noise in ``seen``, on the scale of [0, 1].

    Returns:
        A kernel (k, k) float32.
    """
    for _ in range(ROUNDS):
        kernel = between(deconvolve(seen, kernel, clean, sigma=sigma, steps=4, last=MODERATE), seen, len(kernel))
    return kernel


def between(sharp: np.ndarray, seen: np.ndarray, size: int = SIZE) -> np.ndarray:
    """The kernel that blurs one picture (H, W, C) float32 into another: smooth, tidied and centred, (size, size) float32."""
    fitted = fit(_planes(sharp), _planes(seen), size, energy=FINE_ENERGY, slope=FINE_SLOPE)
    return _centred(_tidy(fitted, FINE_FAINTEST, FINE_LOOSE)).numpy()


def deconvolve(
    seen: np.ndarray,
    kernel: np.ndarray,
    clean: Clean,
    *,
    sigma: float,
    steps: int = 6,
    last: float = 0.0,
    limits: tuple[float, float] = (0.0, 1.0),
) -> np.ndarray:
    """Undo a known blur, with a denoiser as what knows pictures.

    After Zhang et al. 2021, "Plug-and-Play Image Restoration with Deep Denoiser Prior".

    In turn: the picture that blurs to what is seen and is near to the denoiser's, by conjugate gradients, in which nothing is asked of
    what lies beyond the borders; and that picture without noise, whose level falls from step to step.

    Args:
        seen: (H, W, C) float32, nominally in [0, 1].
        kernel: (h, w) float32, h and w odd, its sum 1.
        clean: The denoiser.
        sigma: Of the noise in ``seen``, on the scale of [0, 1], above 0.
        steps: How often the denoiser is asked.
        last: The level that it is told in its last step, where that is above ``sigma``.
        limits: Between which the sharp picture is.

    Returns:
        (H, W, C) float32.
    """
    y = _planes(seen)
    shape = tuple(_fast(side + taps, MULTIPLE) for side, taps in zip(y.shape[1:], kernel.shape, strict=True))
    blur = spectrum(torch.from_numpy(kernel), shape)
    power, inside = blur.abs().square(), torch.zeros(shape)
    inside[: y.shape[1], : y.shape[2]] = 1
    y = around(y, shape)
    back = _filtered(inside * y, blur.conj())
    z, x = y, None
    for step, level in enumerate(np.geomspace(STRONGEST, max(sigma, last), steps).tolist()):
        weight = TRUST * (sigma / level) ** 2
        x = _filtered(y, blur.conj() / (power + weight), z, weight / (power + weight)) if x is None else x
        x = _solved(x, back + weight * z, blur, power, inside, weight)
        shown = x.clamp(limits[0] - BEYOND, limits[1] + BEYOND)
        z = _turned(shown, clean, level, step).clamp(*limits)
    return np.ascontiguousarray(z[:, : seen.shape[0], : seen.shape[1]].numpy().transpose(1, 2, 0))


def _turned(x: torch.Tensor, clean: Clean, level: float, step: int) -> torch.Tensor:
    """Let a denoiser see a periodic picture (C, H, W) turned, mirrored and moved in another way at each step.

    What it adds itself in smooth places, a pattern of its grid, would grow from step to step.
    """
    moved = x.roll((step, step // 2), (1, 2)).rot90(step, (1, 2))
    moved = moved.flip(2) if step % 2 else moved
    result = _planes(clean(np.ascontiguousarray(moved.numpy().transpose(1, 2, 0)), level))
    result = result.flip(2) if step % 2 else result
    return result.rot90(-step, (1, 2)).roll((-step, -(step // 2)), (1, 2))


def _solved(
    x: torch.Tensor, wanted: torch.Tensor, blur: torch.Tensor, power: torch.Tensor, inside: torch.Tensor, weight: float, steps: int = 3
) -> torch.Tensor:
    """Solve (B' M B + w) x = wanted by conjugate gradients; without the borders, M, the Fourier transform solves it: that preconditions."""

    def apply(v: torch.Tensor) -> torch.Tensor:
        return _filtered(inside * _filtered(v, blur), blur.conj()) + weight * v

    rest = wanted - apply(x)
    near = way = _filtered(rest, 1 / (power + weight))
    size = (rest * near).sum()
    for _ in range(steps):
        change = apply(way)
        length = size / (way * change).sum().clamp_min(1e-20)
        x, rest = x + length * way, rest - length * change
        near = _filtered(rest, 1 / (power + weight))
        before, size = size, (rest * near).sum()
        way = near + size / before.clamp_min(1e-20) * way
    return x


def fit(sharp: torch.Tensor, seen: torch.Tensor, size: int, *, energy: float, slope: float = 0.0, steps: int = 80) -> torch.Tensor:
    """Fit the kernel that blurs one picture into another: least squares of gradients, no number below 0.

    By accelerated projected gradients (Beck, Teboulle 2009) on the normal equations: sums over the pictures are taken once.

    Args:
        sharp: (C, H, W), each side longer than 2 ``size``.
        seen: (C, H, W).
        size: Side of the kernel, odd.
        energy: Weight of its sum of squares.
        slope: Weight of the squares of the differences of neighbours.
        steps: Of the descent.

    Returns:
        (size, size), its sum near 1.
    """
    height, width = (side - 1 - 2 * (size // 2) for side in sharp.shape[1:])
    shape = tuple(next_fast_len(side + size, real=True) for side in sharp.shape[1:])
    edge = size // 2
    alike, across = torch.zeros(shape), torch.zeros(shape)
    for one, other in zip(_slopes(sharp), _slopes(seen), strict=True):
        x, y = (torch.fft.rfft2(slopes[:, edge : edge + height, edge : edge + width], s=shape) for slopes in (one, other))
        alike += torch.fft.irfft2(x.abs().square().sum(0), s=shape)
        across += torch.fft.irfft2((y.conj() * x).sum(0), s=shape)
    alike, across = (_middle(sums, side, (height, width)) for sums, side in ((alike, 2 * size - 1), (across, size)))
    alike[size - 1, size - 1] += energy + 4 * slope
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        alike[size - 1 + down, size - 1 + right] -= slope
    room = (next_fast_len(3 * size, real=True),) * 2
    curve = spectrum(alike, room)
    steepest = float(curve.abs().max())
    kernel = ahead = torch.full((size, size), 1 / size**2)
    momentum = 1.0
    for _ in range(steps):
        downhill = torch.fft.irfft2(curve * torch.fft.rfft2(ahead, s=room), s=room)[:size, :size] - across
        moved, faster = (ahead - downhill / steepest).clamp_min(0), (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + (momentum - 1) / faster * (moved - kernel)
        kernel, momentum = moved, faster
    return kernel


def spectrum(kernel: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """What correlating with a kernel (k, k) does to the frequencies of a periodic picture of ``shape``: as ``rfft2`` gives them."""
    padded = F.pad(kernel, (0, shape[1] - kernel.shape[1], 0, shape[0] - kernel.shape[0]))
    return torch.fft.rfft2(padded.roll([-(side // 2) for side in kernel.shape], (0, 1))).conj().resolve_conj()


def around(x: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Continue pictures (C, H, W) below and to the right up to ``shape`` by what leads from each border to the opposite one.

    The mirror images at both borders fade into each other.

    >>> around(torch.arange(3.0).expand(1, 1, 3), (1, 6))[0, 0]
    tensor([0., 1., 2., 1., 1., 1.])
    """
    for axis, side in ((1, shape[0]), (2, shape[1])):
        length = x.shape[axis]
        rows, period = torch.arange(side - length), max(2 * length - 2, 1)
        after, before = (length + rows) % period, (side - length - rows) % period
        after, before = (torch.where(at < length, at, period - at) for at in (after, before))
        share = torch.linspace(0, 1, len(rows) + 2)[1:-1].view(-1, *[1] * (2 - axis))
        share = share * share * (3 - 2 * share)
        x = torch.cat([x, x.index_select(axis, after) * (1 - share) + x.index_select(axis, before) * share], axis)
    return x


def roughness(picture: np.ndarray) -> float:
    """Mean length of the differences of neighbours in a picture (H, W, C): a wrong kernel rings all over, and multiplies it.

    >>> roughness(np.arange(6.0).reshape(2, 3, 1)).__round__(3)
    3.162
    """
    return float(_slope_lengths(picture).mean())


def sparsity(picture: np.ndarray) -> float:
    """How far the differences of neighbours in a picture (H, W, C) are spread over it, 0 to 1: least where a few edges hold all.

    The ratio of their norms l1 and l2 (Krishnan, Tay, Fergus 2011): blur spreads an edge, and a wrong kernel rings around it.

    >>> ramp = np.arange(64.0).reshape(8, 8, 1) % 8
    >>> round(sparsity(ramp), 2), round(sparsity(1.0 * (ramp > 3)), 2)
    (1.0, 0.38)
    """
    slopes = _slope_lengths(picture)
    return float(slopes.mean() / max(math.sqrt(np.square(slopes).mean()), 1e-12))


def misfit(sharp: np.ndarray, kernel: np.ndarray, seen: np.ndarray) -> float:
    """Root mean square of what is seen (H, W, C) that a sharp picture does not become through a kernel, off the borders."""
    rim = max(kernel.shape) // 2
    rest = cv2.filter2D(sharp, -1, kernel, borderType=cv2.BORDER_REPLICATE).reshape(seen.shape) - seen
    return float(np.sqrt(np.square(rest[rim:-rim, rim:-rim]).mean()))


def _coarse_to_fine(seen: torch.Tensor, largest: int) -> np.ndarray:
    """The kernel of a grey picture (H, W), at most ``largest`` pixels a side."""
    scales = [SHRINK**i for i in range(round(math.log(largest / 4) / -math.log(SHRINK)) + 1)]
    kernel, flatness = torch.tensor([[0.0, 0, 0], [0.5, 0.5, 0], [0, 0, 0]]), FLATNESS
    for scale in reversed(scales):
        size = 2 * int(largest * scale / 2) + 1
        small = seen if scale == 1 else F.interpolate(seen[None, None], scale_factor=scale, mode="bicubic", antialias=True)[0, 0]
        kernel = F.interpolate(kernel[None, None], size=(size, size), mode="bilinear")[0, 0]
        kernel = kernel / kernel.sum()
        whole = around(small[None], tuple(_fast(side + 2 * size, 1) for side in small.shape))[0]
        for _ in range(FITS):
            edges = _edges(whole, kernel, flatness)[: small.shape[0], : small.shape[1]]
            kernel = _centred(_tidy(fit(edges[None], small[None], size, energy=ENERGY), FAINTEST, LOOSE))
            flatness /= FADING
    return kernel.numpy()


def _is_long(kernel: np.ndarray, scale: float) -> bool:
    """Tell whether a kernel, whose pixels are ``scale`` wide, is what ``OUTSIDE`` and ``FURTHEST`` ask of long shakes."""
    rows, columns = np.indices(kernel.shape) - len(kernel) // 2
    away = scale * np.hypot(rows, columns)
    return bool(kernel[away > SIZE / 2].sum() > OUTSIDE and not kernel[away > FURTHEST].any())


def _edges(seen: torch.Tensor, kernel: torch.Tensor, flatness: float) -> torch.Tensor:
    """The periodic picture (H, W) with few edges that blurs to ``seen``: half-quadratic splitting of the number of gradients."""
    shape = tuple(seen.shape)
    blur = spectrum(kernel, shape)
    right, down = (spectrum(torch.tensor(step), shape) for step in ([[0.0, -1.0, 1.0]], [[0.0], [-1.0], [1.0]]))
    fixed, power, steep = blur.conj() * torch.fft.rfft2(seen), blur.abs().square(), right.abs().square() + down.abs().square()
    sharp, stiffness = seen, 2 * flatness
    while stiffness < STIFFEST:
        across, along = sharp.roll(-1, 1) - sharp, sharp.roll(-1, 0) - sharp
        kept = across.square() + along.square() >= flatness / stiffness
        pull = right.conj() * torch.fft.rfft2(across * kept) + down.conj() * torch.fft.rfft2(along * kept)
        sharp = torch.fft.irfft2((fixed + stiffness * pull) / (power + stiffness * steep), s=shape)
        stiffness *= 2
    return sharp


def _tidy(kernel: torch.Tensor, faintest: float, loose: float) -> torch.Tensor:
    """Take faint numbers and small islands off a kernel; what is left sums to 1."""
    kernel = torch.where(kernel < faintest * kernel.max(), 0, kernel)
    islands, count = ndimage.label(kernel.numpy() > 0, structure=np.ones((3, 3)))
    masses = ndimage.sum(kernel.numpy(), islands, range(1, count + 1))
    for number, mass in enumerate(masses, 1):
        if mass < loose * float(kernel.sum()):
            kernel[torch.from_numpy(islands == number)] = 0
    total = kernel.sum()
    if not total > 0:
        kernel = torch.zeros_like(kernel)
        kernel[len(kernel) // 2, len(kernel) // 2] = total = torch.tensor(1.0)
    return kernel / total


def _centred(kernel: torch.Tensor) -> torch.Tensor:
    """Move a kernel's centroid to its centre, by parts of pixels."""
    rows = torch.arange(len(kernel)) - len(kernel) // 2
    by = [-float((kernel.sum(1 - axis) * rows).sum()) for axis in (0, 1)]
    moved = torch.from_numpy(ndimage.shift(kernel.numpy(), by, order=1))
    return moved / moved.sum()


def _slope_lengths(picture: np.ndarray) -> np.ndarray:
    """Lengths of the differences of a picture's (H, W, C) neighbours, (H - 1, W - 1, C)."""
    corner = picture[:-1, :-1]
    return np.hypot(picture[:-1, 1:] - corner, picture[1:, :-1] - corner)


def _planes(picture: np.ndarray) -> torch.Tensor:
    """(H, W, C) -> (C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def _slopes(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences (C, H - 1, W - 1) with the pixel on the right, and with that below."""
    corner = x[:, :-1, :-1]
    return x[:, :-1, 1:] - corner, x[:, 1:, :-1] - corner


def _middle(sums: torch.Tensor, size: int, window: tuple[int, int]) -> torch.Tensor:
    """Sums of products at shifts of less than size / 2, (size, size), as if none had lost the pixels that it moves out of the window."""
    lost = (1 - (torch.arange(size) - size // 2).abs() / side for side in window)
    return sums.roll((size // 2, size // 2), (0, 1))[:size, :size] / torch.outer(*lost)


def _filtered(x: torch.Tensor, by: torch.Tensor, other: torch.Tensor | None = None, by_other: torch.Tensor | None = None) -> torch.Tensor:
    """Multiply the frequencies of pictures (C, H, W), and add those of others."""
    frequencies = torch.fft.rfft2(x) * by
    if other is not None and by_other is not None:
        frequencies = frequencies + torch.fft.rfft2(other) * by_other
    return torch.fft.irfft2(frequencies, s=x.shape[1:])


def _fast(side: int, multiple_of: int) -> int:
    """The next length that is a multiple and quick to transform."""
    side = -(-side // multiple_of) * multiple_of
    while next_fast_len(side, real=True) != side:
        side += multiple_of
    return side
