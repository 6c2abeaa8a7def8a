"""Grain for fills: noise like that of what surrounds a hole, as a network fills it clean and the patch would show.

The noise is measured where the surroundings are smoothest, by the power spectrum of patches (Welch 1967, "The Use of Fast Fourier
Transform for the Estimation of Power Spectra"), and drawn anew with that spectrum (Galerne, Gousseau, Morel 2011, "Random Phase Textures"):
as coarse as theirs, and as colourful. How strong it is follows the brightness. A fill that has some already, such as copied texture, gets
what it lacks.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from restore.levels import to_float, to_srgb

SIDE = 16
"""Side of the patches, in pixels."""
STEP, MANY = 6, 1024
"""Least distance of the patches, in pixels; it grows until there are at most so many."""
FEW = 12
"""With fewer patches than this nothing is measured; and of so many, at least, each brightness is."""
BRIGHTNESSES = 6
"""Groups of patches, by brightness, at most; beside those nearer than ``END`` to black and to white."""
END = 0.02
"""See ``BRIGHTNESSES``: noise is cut there, and what is measured elsewhere does not hold."""
SMOOTH, WITHIN = 0.01, 3.0
"""The part of a group that is smooth for sure; so are other patches, if their variance is at most so many times that of its roughest."""
TEXTURED = 3.0
"""A group's variance counts as at most so many times that of the calmer groups: what is more is texture."""
LOW, ABOVE = 1.6, 5.0
"""Below the first frequency is content: the power there is what a Gaussian bell through the frequencies up to the second gives."""
STEEP = 4.0
"""But at most so many times the power beside it."""
LEAST = 1.5
"""Noise of a smaller standard deviation is left out, in 8-bit units, and as much is missing in the variance of a larger one: nobody sees
it, smooth texture passes for it, and a fill without it is nearer to the truth."""
CALM = 9
"""Side of the square in which it is measured what a fill has already, in pixels."""
MOST = 4.0
"""Squared differences of neighbours count as at most so many times those of the grain: edges are no grain."""


class Grain(NamedTuple):
    """Noise of a picture.

    Attributes:
        spectrum: (SIDE, SIDE), the power of each frequency, 1 on average.
        covariance: (C, C) of the channels, in squared samples.
        levels: (K,) brightnesses, rising.
        gains: (K,) the standard deviation there, as a multiple of the usual one.
    """

    spectrum: np.ndarray
    covariance: np.ndarray
    levels: np.ndarray
    gains: np.ndarray

    @property
    def sigma(self) -> float:
        """Standard deviation in 8-bit units, over all channels."""
        return 255 * float(np.sqrt(self.covariance.trace() / len(self.covariance)))

    def at_most(self, other: "Grain | None") -> "Grain":
        """The same grain, weakened where another one of the same picture is weaker at its own brightnesses; as it is beside None."""
        if other is None:
            return self
        usual = float(np.interp(other.levels, self.levels, self.gains).mean())
        return self.weakened(other.sigma / max(usual, 1e-6))

    def weakened(self, sigma: float) -> "Grain":
        """The same grain, ``sigma`` being at most that much."""
        return self._replace(covariance=self.covariance * min(1.0, (sigma / self.sigma) ** 2))

    def strength(self, brightness: np.ndarray) -> np.ndarray:
        """Standard deviation at brightnesses, as a multiple of the usual one, without what is left out; any shape."""
        gains = np.interp(brightness, self.levels, self.gains)
        return np.sqrt(np.maximum(0, gains**2 - (LEAST / max(self.sigma, 1e-6)) ** 2))


def measure(pixels: np.ndarray, holes: np.ndarray, *, linear: bool = False) -> Grain | None:
    """Measure the noise of a picture.

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1].
        holes: (H, W) bool, where not to look: at fills.
        linear: The samples are proportional to light; the noise is that of the sRGB-encoded samples.

    Returns:
        The noise; None where there is too little to look at.

    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 10 / 255, (96, 96, 3)).astype(np.float32)
    >>> round(measure(noisy, np.zeros((96, 96), bool)).sigma)
    10
    """
    patches = to_float(_patches(pixels, holes))
    patches = patches[np.isfinite(patches).all((1, 2, 3))]
    patches = to_srgb(patches) if linear else patches
    patches, means = _without_slope(patches)
    power = np.maximum(np.einsum("ncij,ncij->n", patches, patches) / math.prod(patches.shape[1:]), 1e-12)
    order = np.argsort(means)
    black, between, white = np.split(order, np.searchsorted(means[order], (END, 1 - END)))
    if len(between) < FEW:
        return None
    groups = np.array_split(between, min(BRIGHTNESSES, len(between) // FEW))
    smooth = [_smoothest(group, power) for group in groups]
    powers = np.array([power[group].mean() for group in smooth])
    powers = np.minimum(powers, TEXTURED * np.quantile(powers, 0.25))
    calm = np.concatenate([group for group, own in zip(smooth, powers, strict=True) if power[group].mean() <= own * 1.001])
    spectrum, covariance = _spectrum(patches[calm])
    covariance *= powers.mean() / power[calm].mean()
    levels = {float(means[group].mean()): own for group, own in zip(smooth, powers, strict=True)}
    for group in (black, white):
        if len(group):  # clipping has cut the noise there: as much of it as is left, and no more than elsewhere
            end = _smoothest(group, power)
            levels[float(means[end].mean())] = min(float(power[end].mean()), float(powers.max()))
    rising = sorted(levels)
    return Grain(spectrum, covariance, np.array(rising), np.sqrt([levels[level] for level in rising] / powers.mean()))


def match(fill: np.ndarray, holes: np.ndarray, grain: Grain, rng: np.random.Generator) -> np.ndarray:
    """Give a fill the grain that it lacks.

    Args:
        fill: (H, W, C) float32, nominally in [0, 1]: a picture whose holes are filled.
        holes: (H, W) bool.
        grain: What the fill should have.
        rng: Where the noise comes from.

    Returns:
        An array like ``fill``, equal to it outside the holes.

    >>> flat, grey = np.full((64, 64, 1), 0.5, np.float32), np.ones((1, 1))
    >>> grain = Grain(np.ones((16, 16)), grey * (10 / 255) ** 2, np.array([0.5]), np.array([1.0]))
    >>> round(255 * float(match(flat, flat[..., 0] > 0, grain, np.random.default_rng(0)).std()))
    10
    """
    values, vectors = np.linalg.eigh(grain.covariance)
    colours = vectors * np.sqrt(np.maximum(values, 0))
    kernel = np.fft.fftshift(np.fft.ifft2(np.sqrt(grain.spectrum)).real)
    white = rng.standard_normal(fill.shape, np.float32)
    noise = cv2.filter2D(white, -1, kernel, borderType=cv2.BORDER_REFLECT).reshape(fill.shape) @ colours.T
    strength = grain.strength(fill.mean(2))
    lack = np.sqrt(1 - _present(fill, holes, grain, strength))
    return np.where(holes[..., None], fill + (strength * lack)[..., None] * noise, fill).astype(np.float32)


def _patches(pixels: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Patches (N, C, SIDE, SIDE) of what is known, on a grid."""
    height, width, channels = pixels.shape
    if min(height, width) < SIDE:
        return np.zeros((0, channels, SIDE, SIDE), pixels.dtype)
    step = max(STEP, int(np.sqrt(height * width / MANY)))
    whole = ~np.lib.stride_tricks.sliding_window_view(holes, (SIDE, SIDE))[::step, ::step].any((2, 3))
    return np.lib.stride_tricks.sliding_window_view(pixels, (SIDE, SIDE), (0, 1))[::step, ::step][whole]


def _smoothest(group: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Those of a group of patches, numbers (n,), that have no texture, by the variances of all."""
    return group[power[group] <= WITHIN * np.quantile(power[group], SMOOTH)]


def _without_slope(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patches without their mean and slope, and their mean brightness (N,)."""
    slope = (np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2) / np.sqrt(SIDE * (SIDE**2 - 1) / 12)  # of length 1
    level = np.full(SIDE, SIDE**-0.5, np.float32)
    smooth = np.stack([np.outer(*pair).ravel() for pair in ((level, level), (level, slope), (slope, level))], 1)  # orthonormal
    flat = patches.reshape(-1, SIDE**2)
    parts = flat @ smooth
    rest = parts @ smooth.T
    np.subtract(flat, rest, out=rest)
    return rest.reshape(patches.shape), parts[:, 0].reshape(patches.shape[:2]).mean(1) / SIDE


def _spectrum(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The spectrum, 1 on average, and the covariance of the channels, of patches (n, C, SIDE, SIDE) without slope."""
    window = np.sqrt(np.outer(np.hanning(SIDE + 2)[1:-1], np.hanning(SIDE + 2)[1:-1]))
    waves = np.fft.fft2(patches * window) / np.sqrt((window**2).sum())
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIDE, 1 / SIDE)] * 2))
    low, above = frequency < LOW, (frequency >= LOW) & (frequency < ABOVE)
    spectrum = (np.abs(waves) ** 2).mean((0, 1)) + 1e-12
    bell = np.polynomial.Polynomial.fit(frequency[above] ** 2, np.log(spectrum[above]), 1)
    beside = spectrum[above & (frequency < LOW + 1)].mean()
    spectrum[low] = np.clip(np.exp(bell(frequency[low] ** 2)), beside, STEEP * beside)
    high = np.moveaxis(waves[..., ~low], 1, -1).reshape(-1, patches.shape[1])
    covariance = (high.T @ high.conj()).real
    return spectrum / spectrum.mean(), covariance * patches.shape[1] * spectrum.mean() / max(covariance.trace(), 1e-12)


def _present(fill: np.ndarray, holes: np.ndarray, grain: Grain, strength: np.ndarray) -> np.ndarray:
    """The part of the grain's variance (H, W), 0 to 1, that a fill has already: by the differences of neighbours in the holes."""
    present, pairs = np.zeros(holes.shape), np.zeros(holes.shape)
    turns = 2 - 2 * np.cos(2 * np.pi * np.fft.fftfreq(SIDE))  # what a difference makes of the power of a frequency
    for axis in (0, 1):
        usual = (grain.spectrum * np.expand_dims(turns, 1 - axis)).mean() * grain.covariance.trace()
        both = holes & np.roll(holes, -1, axis)
        both[(-1, slice(None)) if axis == 0 else (slice(None), -1)] = False
        squared = (np.diff(fill, axis=axis, append=fill.take([-1], axis)) ** 2).sum(2)
        present += np.where(both, np.minimum(squared / np.maximum(usual * strength**2, 1e-12), MOST), 0)  # NaNs lie outside
        pairs += both
    around = cv2.blur(np.dstack([present, pairs]), (CALM, CALM))
    return np.clip(around[..., 0] / np.maximum(around[..., 1], 1e-9), 0, 1)
