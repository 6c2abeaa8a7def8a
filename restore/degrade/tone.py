"""What time and light do to tones: fading, yellowing, toning, haze, vignettes, casts."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from restore.degrade.base import Degradation, Shape, Strength, Uniform, column, interpolate, numbers
from restore.draws import Draws
from restore.levels import LUMA

GAMMA, DENSEST = 2.2, 2.4
"""Exponent from stored values to light; optical density of black, in decades."""


@dataclass(frozen=True)
class Clouds:
    """(N, 1, H, W): a smooth field of mean about 0 and deviation about 1; its values may pass 3.

    Attributes:
        cells: How many of its coarsest bumps fit along the shorter side.
        octaves: How many times it is repeated at half the size, at most, down to two pixels.
        gain: How strong each is, against the one before it.
    """

    cells: int = 2
    octaves: int = 3
    gain: float = 0.5

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        size, out, power = shape[2:], torch.zeros(len(draws), 1, *shape[2:], device=draws.device), 0.0
        for octave in range(self.octaves):
            cells, share = self.cells * 2**octave, self.gain**octave
            if octave and cells > min(size) / 2:  # finer than pixels
                break
            grid = draws.normal(1, *(max(2, math.ceil(cells * edge / min(size))) + 1 for edge in size))
            out += share * F.interpolate(grid, size, mode="bicubic", align_corners=True)
            power += share**2
        return 1.3 * out / power**0.5  # 1.3: interpolation takes a quarter


@dataclass(frozen=True)
class Dyes:
    """(N, 3) shares of the cyan, magenta and yellow dye that are lost.

    One of them, most often cyan (Wilhelm, The Permanence and Care of Color Photographs, 1993), loses from ``low`` at severity 0 to
    ``high`` at 1; the others 0.3 to 0.8 of that.
    """

    low: float
    high: float

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        others = np.stack([draws.uniform(0.3, 0.8) for _ in range(3)], 1)
        first = np.array([0, 0, 1, 2])[draws.integers(4)]
        shares = np.where(np.arange(3) == first[:, None], 1.0, others)
        return numbers(shares * interpolate(self.low, self.high, severity)[:, None], draws)


@dataclass(frozen=True)
class Cast:
    """(N, 3) logarithms of gains of red, green and blue, of sum 0: ``low`` long at severity 0, ``high`` at 1; rarely green or magenta."""

    low: float
    high: float

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        angle = draws.uniform(0, 2 * np.pi)[:, None]
        warm, magenta = np.array([1, 0, -1]) / 2**0.5, np.array([1, -2, 1]) / 6**0.5
        direction = np.cos(angle) * warm + 0.6 * np.sin(angle) * magenta
        return numbers(direction * interpolate(self.low, self.high, severity)[:, None], draws)


def luma(x: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) as (N, 1, H, W): the grey of colours, ITU-R BT.601; one channel as it is."""
    return x if x.shape[1] == 1 else (x * x.new_tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)


def channels(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Numbers for red, green and blue (N, 3) as (N, C, 1, 1); pictures of one channel get their grey."""
    return luma(values[..., None, None]) if x.shape[1] == 1 else values[..., None, None]


def monochrome(x: torch.Tensor, red: torch.Tensor, blue: torch.Tensor) -> torch.Tensor:
    """What black-and-white film records: ``red`` and ``blue`` (N,) are their shares of the grey, green has the rest.

    Early film sees no red, so that lips are dark and skies white.

    >>> monochrome(torch.tensor([1.0, 0.5, 0.0]).reshape(1, 3, 1, 1), torch.tensor([0.2]), torch.tensor([0.4])).flatten()
    tensor([0.4000, 0.4000, 0.4000])
    """
    if x.shape[1] == 1:
        return x
    shares = torch.stack([red, 1 - red - blue, blue], 1)[..., None, None]
    return (x * shares).sum(1, keepdim=True).to(x.dtype).expand_as(x)


def fading(x: torch.Tensor, loss: torch.Tensor, stain: torch.Tensor) -> torch.Tensor:
    """Dyes lose density, each its share, and paper yellows: blacks lift, whites fall, the hue turns.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        loss: Shares (N, 3) of the cyan, magenta and yellow dye, which hold back red, green and blue.
        stain: Optical density (N,) that the paper gains in blue; green gains a third of it, red a tenth.

    >>> grey = fading(torch.full((1, 3, 1, 1), 0.5), torch.tensor([[0.5, 0.2, 0.2]]), torch.zeros(1)).flatten()
    >>> bool(grey[0] > grey[1] > 0.5)  # cyan is lost: red comes through
    True
    """
    black = 10**-DENSEST
    density = -torch.log10(x.clamp(0, 1) ** GAMMA * (1 - black) + black)
    paper = column(stain) * channels(stain.new_tensor([[0.1, 0.33, 1.0]]), x)
    light = 10 ** -(density * (1 - channels(loss, x)) + paper)
    return ((light - black) / (1 - black)).clamp(min=0) ** (1 / GAMMA)


def yellowing(x: torch.Tensor, strength: torch.Tensor, warmth: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """Paper or varnish turns yellow to brown, here more and there less.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        strength: Negative logarithm (N,) of what is left of white's blue, on average.
        warmth: How much of that green loses, (N,): 0.3 yellow, 0.5 brown. Red loses its square.
        field: Smooth field (N, 1, H, W) of deviation 1.
    """
    absorbed = torch.stack([warmth**2, warmth, torch.ones_like(warmth)], 1)
    return x * torch.exp(-column(strength) * torch.exp(0.35 * field.clamp(-3, 3)) * channels(absorbed, x))


def sepia(x: torch.Tensor, strength: torch.Tensor, warmth: torch.Tensor) -> torch.Tensor:
    """Toned silver: greys turn to browns on cream paper, colours go.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        strength: 0 to 1, (N,): 1 leaves nothing but the brown.
        warmth: How brown the middle is, (N,): 0.15 a warm grey, 0.5 a red brown.
    """
    grey, bend = luma(x).clamp(0, 1), channels(torch.stack([-warmth, 0.1 * warmth, warmth], 1), x)
    brown = grey ** torch.exp(bend) * (1 - 0.3 * (bend + column(warmth)).clamp(min=0) * 0.5)
    return torch.lerp(x, 0.06 * (1 - grey) + 0.94 * brown + 0.03 * grey, column(strength))


def contrast_loss(x: torch.Tensor, strength: torch.Tensor, haze: torch.Tensor) -> torch.Tensor:
    """Mix in an even grey: ``x + strength * (haze - x)``.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        strength: 0 to 1, (N,).
        haze: The grey, 0 to 1, (N,).

    >>> contrast_loss(torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2), torch.tensor([0.5]), torch.tensor([0.5])).flatten()
    tensor([0.2500, 0.7500])
    """
    return x + column(strength) * (column(haze) - x)


def vignette(x: torch.Tensor, strength: torch.Tensor, across: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """The cosine to the fourth of a lens: light / (1 + (strength * r)^2)^2, r = 1 half a diagonal from the centre.

    Args:
        x: Pictures (N, C, H, W) in [0, 1], stored with gamma 2.2.
        strength: Tangent (N,) of half the angle of view.
        across: Where the centre is, (N,): 0 left, 1 right.
        down: The same from top to bottom.

    >>> round(float(vignette(torch.ones(1, 1, 3, 3), *torch.tensor([[1.0], [0.5], [0.5]]))[0, 0, 1, 1]), 4)
    1.0
    """
    (height, width), device = x.shape[2:], x.device
    columns = (torch.arange(width, device=device) + 0.5 - column(across) * width) ** 2
    rows = (torch.arange(height, device=device)[:, None] + 0.5 - column(down) * height) ** 2
    squares = (columns + rows) * (4 / (height**2 + width**2))
    return x * (1 + column(strength) ** 2 * squares) ** (-2 / GAMMA)


def uneven_light(x: torch.Tensor, strength: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """A lamp that reaches some parts less, or a bulging print: ``x / (1 + exp(2 * field)) ** strength``, brighter nowhere.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        strength: 0 or more, (N,).
        field: Smooth field (N, 1, H, W) of deviation 1.
    """
    return x * (1 + torch.exp(2 * field)) ** -column(strength)


def cast(x: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
    """Wrong white balance: ``x * exp(gains)``.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        gains: For red, green and blue, (N, 3).

    >>> cast(torch.ones(1, 3, 1, 1), torch.tensor([[0.1, 0.0, -0.1]])).flatten()
    tensor([1.1052, 1.0000, 0.9048])
    """
    return x * channels(torch.exp(gains), x)


ROWS = {
    "fading": Degradation("tone", fading, {"loss": Dyes(0.04, 0.75), "stain": Strength(0.01, 0.2)}),
    "yellowing": Degradation("tone", yellowing, {"strength": Strength(0.05, 0.9), "warmth": Uniform(0.28, 0.5), "field": Clouds(1, 3)}),
    "sepia": Degradation("tone", sepia, {"strength": Strength(0.1, 1), "warmth": Uniform(0.2, 0.5)}),
    "contrast_loss": Degradation("tone", contrast_loss, {"strength": Strength(0.05, 0.7), "haze": Uniform(0.4, 0.75)}),
    "vignette": Degradation(
        "tone", vignette, {"strength": Strength(0.25, 1.3, log=True), "across": Uniform(0.4, 0.6), "down": Uniform(0.4, 0.6)}
    ),
    "uneven_light": Degradation("tone", uneven_light, {"strength": Strength(0.02, 0.25), "field": Clouds(1, 2)}),
    "cast": Degradation("tone", cast, {"gains": Cast(0.03, 0.5)}),
}
