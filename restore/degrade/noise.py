"""Noise: of sensors, of film, of what handled the picture later. Levels are standard deviations in 8-bit units."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from restore.degrade.base import Choice, Degradation, Even, Field, Integer, Normal, Shape, Strength, Uniform, column, numbers
from restore.degrade.blur import blur, gaussian_kernels
from restore.degrade.tone import luma
from restore.draws import Draws
from restore.filters.tensor.base import pad


def gaussian_noise(x: torch.Tensor, sigma: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Add white Gaussian noise: ``x + sigma / 255 * noise``.

    Args:
        x: Pictures (N, C, H, W), float in [0, 1].
        sigma: Standard deviations in 8-bit units, (N,), or (N, 1, H, W) where they vary over the picture.
        noise: Standard normal samples of the shape of ``x``, or (N, 1, H, W) where all channels have the same.

    >>> gaussian_noise(torch.zeros(1, 1, 1, 2), torch.tensor([25.5]), torch.tensor([[[[1.0, -1.0]]]]))
    tensor([[[[ 0.1000, -0.1000]]]])
    """
    return x + (sigma if sigma.ndim == 4 else column(sigma)) / 255 * noise


@dataclass(frozen=True)
class Uneven:
    """(N, 1, H, W): a level that varies slowly over the picture, between half and twice a ``Strength(low, high)``."""

    low: float
    high: float

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        level = Strength(self.low, self.high)(draws, shape, severity)
        return column(level) * torch.exp2(torch.tanh(Field()(draws, shape, severity)))


def scatter(light: torch.Tensor, shot: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
    """Standard deviation of a sensor's noise in [0, 1]: that of counting photons, ``shot`` at white, and of reading, in 8-bit units."""
    return ((column(shot) / 255) ** 2 * light.clamp(min=0) + (column(read) / 255) ** 2).sqrt()


def poisson_gaussian(x: torch.Tensor, shot: torch.Tensor, read: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Add the noise of a sensor: photons that are counted, and a circuit that is read.

    Its variance is ``a x + b`` (Foi, Trimeche, Katkovnik, Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data", 2008). The samples are normal ones, scaled, as in that paper: one drawn field says it all, and a gradient
    passes; Poisson's skew, which this leaves out, shows below some ten photons (deep shadows at the highest severity).

    Args:
        x: Pictures (N, C, H, W).
        shot: Standard deviation of the photon noise at white, (N,): 255 / sqrt(photons).
        read: Standard deviation at black, (N,), above 0.
        noise: Standard normal samples of the shape of ``x``.

    >>> x = torch.tensor([[[[0.0, 1.0]]]])
    >>> poisson_gaussian(x, torch.tensor([40.0]), torch.tensor([30.0]), torch.ones(1, 1, 1, 2)).mul(255).round()
    tensor([[[[ 30., 305.]]]])
    """
    return x + scatter(x, shot, read) * noise


def grains(noise: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Blur white noise (N, C, H, W) with kernels (N, k, k); its variance stays 1, at the borders too."""
    return blur(noise, kernels / kernels.square().sum((1, 2), keepdim=True).sqrt(), border="wrap")


def correlated_noise(
    x: torch.Tensor,
    sigma: torch.Tensor,
    width: torch.Tensor,
    ratio: torch.Tensor,
    angle: torch.Tensor,
    mixing: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """Add Gaussian noise that neighbours and channels share, as demosaicking, scaling and compression leave it.

    Args:
        x: Pictures (N, C, H, W).
        sigma: Standard deviation, (N,).
        width: That of the Gaussian that filters the noise, in pixels, (N,), at most 2.
        ratio: Its second axis over the first, (N,).
        angle: Of the first axis, in degrees counter-clockwise from the horizontal, (N,).
        mixing: (N, C, C), rows of length 1: what each channel gets from each of the filtered ones.
        noise: Standard normal samples of the shape of ``x``.

    >>> one = torch.ones(1)
    >>> correlated_noise(torch.zeros(1, 3, 8, 9), one, one, one, one, torch.eye(3)[None], torch.randn(1, 3, 8, 9)).shape
    torch.Size([1, 3, 8, 9])
    """
    grain = grains(noise, gaussian_kernels(width, width * ratio, angle, 13))
    return gaussian_noise(x, sigma, torch.einsum("nij,njhw->nihw", mixing, grain))


@dataclass(frozen=True)
class Mixing:
    """(N, C, C): rows of length 1 and no negative number, so that channels are correlated by 0 to 1."""

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        return F.normalize(draws.normal(shape[1], shape[1]).abs(), dim=2)


def film_grain(x: torch.Tensor, sigma: torch.Tensor, width: torch.Tensor, colour: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Add the grain of film, strongest in mid-tones.

    Where a share u of the film is covered by grains, the variance is that of a coin, u (1 - u) (Newson, Delon, Galerne, "A stochastic
    film grain model for resolution-independent rendering", 2017).

    Args:
        x: Pictures (N, C, H, W), C = 1 or 3.
        sigma: Standard deviation in mid-tones, (N,).
        width: Of a grain: standard deviation of the Gaussian that filters the noise, in pixels, (N,), at most 2.
        colour: How much of its own each channel has, (N,): 0 for black-and-white film; 1 for colour film whose layers do not mix.
        noise: Standard normal samples (N, C, H, W).

    >>> one = torch.ones(1)
    >>> film_grain(torch.zeros(1, 3, 8, 9), one, one, one, torch.randn(1, 3, 8, 9)).shape
    torch.Size([1, 3, 8, 9])
    """
    root, own = math.sqrt(noise.shape[1]), column(colour)
    layers = (1 - own) * noise.sum(1, keepdim=True) / root + own * noise
    layers = layers / (1 - 2 * own * (1 - own) * (1 - 1 / root)).sqrt()  # variance 1
    grain = grains(layers, gaussian_kernels(width, width, torch.zeros_like(width), 13))
    u = luma(x).clamp(0.02, 0.98)
    return gaussian_noise(x, column(sigma) * 2 * (u * (1 - u)).sqrt(), grain)


def salt_and_pepper(x: torch.Tensor, amount: torch.Tensor, salt: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Make pixels white or black.

    Args:
        x: Pictures (N, C, H, W).
        amount: Share of the pixels, (N,).
        salt: Share of white ones among them, (N,).
        where: Samples evenly in [0, 1], (N, 1, H, W) for whole pixels or (N, C, H, W) for channels; the lowest turn white, the highest
            black.

    >>> salt_and_pepper(torch.full((1, 1, 1, 3), 0.5), torch.tensor([0.2]), torch.tensor([0.5]), torch.tensor([[[[0.05, 0.5, 0.95]]]]))
    tensor([[[[1.0000, 0.5000, 0.0000]]]])
    """
    x = torch.where(where < column(amount * salt), 1.0, x)
    return torch.where(where > 1 - column(amount * (1 - salt)), 0.0, x)


def speckle(x: torch.Tensor, sigma: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Add noise that is the stronger the brighter the picture: ``x + sigma / 255 * x * noise``.

    Args:
        x: Pictures (N, C, H, W).
        sigma: Standard deviation at white, (N,).
        noise: Standard normal samples of the shape of ``x``.

    >>> speckle(torch.tensor([[[[0.0, 0.5]]]]), torch.tensor([51.0]), torch.ones(1, 1, 1, 2))
    tensor([[[[0.0000, 0.6000]]]])
    """
    return gaussian_noise(x, sigma, x * noise)


def decode_srgb(x: torch.Tensor) -> torch.Tensor:
    """Values of an sRGB file, of any size, to amounts of light (IEC 61966-2-1).

    >>> decode_srgb(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.2140, 1.0000])
    """
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: torch.Tensor) -> torch.Tensor:
    """The inverse of ``decode_srgb``; negative amounts stay on its straight line.

    >>> encode_srgb(torch.tensor([0.0, 0.214, 1.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def bayer(phase: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Which colour a sensor sees at each pixel: (N, 3, H, W) of 0 and 1; red at the top left for ``phase`` 0, else beside, below, across.

    >>> bayer(torch.zeros(1), 2, 2)[0].int().tolist()
    [[[1, 0], [0, 0]], [[0, 1], [1, 0]], [[0, 0], [0, 1]]]
    """
    down, right = torch.div(phase, 2, rounding_mode="floor"), phase % 2
    rows = (torch.arange(height, device=phase.device) + down[:, None]) % 2 == 0  # (N, H): those with red
    columns = (torch.arange(width, device=phase.device) + right[:, None]) % 2 == 0  # (N, W)
    rows, columns = rows[:, :, None], columns[:, None, :]
    return torch.stack([rows & columns, rows ^ columns, ~rows & ~columns], 1).to(phase.dtype)


def demosaic(mosaic: torch.Tensor) -> torch.Tensor:
    """Fill in the colours (N, 3, H, W) that a Bayer sensor did not see, zeros in ``mosaic``, with the mean of the nearest that it did.

    >>> demosaic(bayer(torch.zeros(1), 4, 4)).unique()
    tensor([1.])
    """
    straight, cross = [[1.0, 2, 1], [2, 4, 2], [1, 2, 1]], [[0.0, 1, 0], [1, 4, 1], [0, 1, 0]]
    weight = mosaic.new_tensor([straight, cross, straight])[:, None] / 4
    return F.conv2d(pad(mosaic, 1, 1, "reflect"), weight, groups=3)


def camera_noise(
    x: torch.Tensor,
    shot: torch.Tensor,
    read: torch.Tensor,
    gains: torch.Tensor,
    crosstalk: torch.Tensor,
    phase: torch.Tensor,
    mosaic: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """Put noise where a camera has it: on the sensor, before demosaicking, white balance, colour matrix and the sRGB curve.

    After Brooks et al., "Unprocessing images for learned raw denoising", 2019, without their global tone curve. Grey pictures are taken
    by the same camera and lose their colour afterwards.

    Args:
        x: Pictures (N, C, H, W), C = 1 or 3.
        shot: Standard deviation of the photon noise at the sensor's white, (N,).
        read: Of the noise of reading, (N,), above 0.
        gains: White balance (N, 3), by which the sensor's colours are multiplied.
        crosstalk: (N, 3, 3), rows summing to 1: how the sensor's filters mix red, green and blue light.
        phase: Of the Bayer pattern, (N,), 0 to 3.
        mosaic: How much of the picture's own detail bilinear demosaicking spoils: 0 (it is ideal) to 1, (N,).
        noise: Standard normal samples (N, 1, H, W), one for each pixel of the sensor.

    >>> drawn = ROWS["camera_noise"].draw(Draws(0, [0]), (1, 3, 8, 9), 0.5)
    >>> camera_noise(torch.zeros(1, 3, 8, 9), **drawn).shape
    torch.Size([1, 3, 8, 9])
    """
    light = decode_srgb(x.expand(-1, 3, -1, -1))
    sensor = torch.einsum("nij,njhw->nihw", crosstalk, light) / gains[:, :, None, None]
    spoilt = column(mosaic)
    seen = bayer(phase, *x.shape[2:]) * (spoilt * sensor + scatter(sensor, shot, read) * noise)
    noisy = (1 - spoilt) * sensor + demosaic(seen)  # which is linear
    light = torch.einsum("nij,njhw->nihw", torch.linalg.inv(crosstalk), noisy * gains[:, :, None, None])
    return encode_srgb(light if x.shape[1] == 3 else light.mean(1, keepdim=True))


@dataclass(frozen=True)
class Gains:
    """(N, 3): white balance of red, green and blue, in the ranges of Brooks et al. 2019."""

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        red, blue = draws.uniform(1.9, 2.4), draws.uniform(1.5, 1.9)
        return numbers(np.stack([red, np.ones_like(red), blue], 1), draws)


@dataclass(frozen=True)
class Crosstalk:
    """(N, 3, 3): rows summing to 1, at most ``most`` of each from another colour, below 1/4 so that an inverse exists."""

    most: float = 0.22

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        mixed = np.stack([draws.uniform(0.02, self.most) for _ in range(9)], 1).reshape(-1, 3, 3) * (1 - np.eye(3))
        return numbers(mixed + np.eye(3) * (1 - mixed.sum(2, keepdims=True)), draws)


ROWS = {
    "gaussian_noise": Degradation("noise", gaussian_noise, {"sigma": Strength(2, 75), "noise": Normal()}),
    "grey_noise": Degradation(
        "noise",
        gaussian_noise,
        {"sigma": Strength(2, 75), "noise": Normal(channels=1)},
        about="Add white Gaussian noise, the same to all channels.",
    ),
    "uneven_noise": Degradation(
        "noise",
        gaussian_noise,
        {"sigma": Uneven(2, 50), "noise": Normal()},
        about="Add white Gaussian noise, here more and there less.",
    ),
    "poisson_gaussian": Degradation(
        "noise", poisson_gaussian, {"shot": Strength(3, 50, log=True), "read": Uniform(0.5, 5), "noise": Normal()}
    ),
    "correlated_noise": Degradation(
        "noise",
        correlated_noise,
        {
            "sigma": Strength(2, 40),
            "width": Uniform(0.3, 1.5),
            "ratio": Uniform(0.4, 1),
            "angle": Uniform(0, 180),
            "mixing": Mixing(),
            "noise": Normal(),
        },
    ),
    "film_grain": Degradation(
        "noise",
        film_grain,
        {"sigma": Strength(2, 40), "width": Uniform(0.4, 1.1), "colour": Choice((0, 0, 0.3, 0.6)), "noise": Normal()},
    ),
    "salt_and_pepper": Degradation(
        "noise", salt_and_pepper, {"amount": Strength(5e-4, 0.05, log=True), "salt": Uniform(0.3, 0.8), "where": Even(channels=1)}
    ),
    "speckle": Degradation("noise", speckle, {"sigma": Strength(4, 75), "noise": Normal()}),
    "camera_noise": Degradation(
        "noise",
        camera_noise,
        {
            "shot": Strength(2.5, 28, log=True),
            "read": Strength(0.02, 3.7, log=True),  # falls with the shot noise as in Brooks et al. 2019
            "gains": Gains(),
            "crosstalk": Crosstalk(),
            "phase": Integer(0, 3),
            "mosaic": Strength(0, 1),
            "noise": Normal(channels=1),
        },
    ),
}
