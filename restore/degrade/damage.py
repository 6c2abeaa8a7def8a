"""Masks made visible: scratches, cracks, folds, tears, lost emulsion, stains, dust and writing.

What is seen of a scratch is wider than its line. So a drawn mask is 1 where the damage is and 1/2 in a margin: outside of both, where it is
0, a picture stays as it is, but for the shading of the sheet beside a fold.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from restore.degrade.base import Degradation, Distribution, Mask, Normal, Shape, Strength, Uniform, column, numbers
from restore.degrade.surface import slope, soften
from restore.degrade.tone import Clouds, channels
from restore.draws import Draws

Colours = tuple[tuple[float, float, float], ...]

PAPER: Colours = ((0.96, 0.94, 0.9), (0.9, 0.86, 0.78), (0.82, 0.75, 0.63))
LIGHT: Colours = ((0.97, 0.97, 0.96), (0.88, 0.87, 0.84))
DARK: Colours = ((0.04, 0.04, 0.05), (0.16, 0.13, 0.11))
LAYERS: Colours = ((0.6, 0.76, 0.55), (0.92, 0.88, 0.6), (0.66, 0.75, 0.86))
"""Where the emulsion is scratched: cinema prints lose magenta first, then cyan (green, yellow), slides the yellow layer (blue)."""
LID: Colours = ((0.98, 0.98, 0.98), (0.93, 0.92, 0.9), (0.02, 0.02, 0.02), (0.35, 0.35, 0.36))
PENS: Colours = ((0.08, 0.1, 0.35), (0.06, 0.06, 0.08), (0.3, 0.18, 0.1), (0.55, 0.1, 0.12))
STAMPS: Colours = ((1.0, 0.55, 0.1), (0.98, 0.35, 0.12), (0.98, 0.98, 0.96), (0.05, 0.05, 0.06), (1.0, 0.9, 0.35))


@dataclass(frozen=True)
class Palette:
    """(N, 3): one of some colours, each of its channels off by up to ``spread``."""

    colours: Colours
    spread: float = 0.02

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        chosen = np.array(self.colours)[draws.integers(len(self.colours))]
        return numbers(chosen + np.stack([draws.uniform(-self.spread, self.spread) for _ in range(3)], 1), draws)


@dataclass(frozen=True)
class Margin:
    """(N, 1, H, W): 1 where ``mask`` draws damage, 1/2 where that is at most ``reach`` columns and rows away, else 0."""

    mask: Distribution
    reach: int

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        mask = self.mask(draws, shape, severity)
        return torch.maximum(mask, near(mask, self.reach) / 2)


@dataclass(frozen=True)
class Frayed:
    """(N, 1, H, W), 0 or 1: what is left of a mask once a field that is rough at all sizes has eaten into it.

    Attributes:
        mask: Draws the mask.
        cells: How many of the coarsest bites fit along the shorter side.
        edge: How deep the edge is, as a share of the shorter side.
        rough: How uneven it becomes.
        level: From where on a pixel is left, 0.5 at a straight edge, 1 within.
    """

    mask: Distribution
    cells: int
    edge: float
    rough: float
    level: float

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        mask, field = self.mask(draws, shape, severity), Clouds(self.cells, 6, 0.75)(draws, shape, severity)
        sigma = max(0.6, self.edge * min(shape[2:]))
        inside = soften(mask, mask.new_full((len(draws),), sigma), math.ceil(2.5 * sigma))
        return ((inside + self.rough * field > self.level) & (mask > 0)).to(mask.dtype)


def near(mask: torch.Tensor, reach: int) -> torch.Tensor:
    """Where a pixel of the mask (N, 1, H, W) is at most ``reach`` columns and rows away: dilation.

    >>> near(torch.eye(3)[0].reshape(1, 1, 1, 3), 1).flatten()
    tensor([1., 1., 0.])
    """
    return F.max_pool2d(mask, 2 * reach + 1, 1, reach)


def core(mask: torch.Tensor) -> torch.Tensor:
    """A mask without its margin: 1 where it is above 1/2, else 0."""
    return (mask > 0.5).to(mask.dtype)


def marks(
    x: torch.Tensor,
    mask: torch.Tensor,
    opacity: torch.Tensor,
    colour: torch.Tensor,
    sigma: torch.Tensor,
    wear: torch.Tensor,
    field: torch.Tensor,
) -> torch.Tensor:
    """Paint over a mask with soft edges, here thicker and there thinner: scratches, dust, ink.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        mask: (N, 1, H, W), 1 in the damage; a margin of 1/2 changes nothing.
        opacity: 0 to 1, (N,).
        colour: (N, 3).
        sigma: Softness (N,) in pixels, at most 1.
        wear: How uneven the opacity is, (N,): 0 to 1.
        field: Smooth field (N, 1, H, W) of deviation 1.
    """
    share = (soften(core(mask), sigma, 2) * (1 + column(sigma))).clamp(max=1)
    share = share * column(opacity) * (1 + column(wear) * (field - 0.5)).clamp(0.15, 1)
    return x + share * (channels(colour, x) - x)


def cracks(
    x: torch.Tensor, mask: torch.Tensor, opacity: torch.Tensor, colour: torch.Tensor, angle: torch.Tensor, field: torch.Tensor
) -> torch.Tensor:
    """Emulsion split open: paper or dirt shows in the gap, one lip throws a shadow, the other one glints.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        mask: (N, 1, H, W), 1 in the damage; a margin of 1/2 changes nothing.
        opacity: 0 to 1, (N,).
        colour: Of the gap, (N, 3).
        angle: Where the light comes from, (N,) radians.
        field: Smooth field (N, 1, H, W) of deviation 1.
    """
    mask = core(mask)
    round_ = soften(mask, torch.full_like(opacity, 0.9), 2)
    lips = column(opacity) * slope(round_, angle)
    x = x * torch.exp(-2.5 * lips.clamp(min=0)) + 0.5 * (-lips).clamp(min=0) * (1 - x)
    share = (1.3 * soften(mask, torch.full_like(opacity, 0.5), 1)).clamp(max=1) * column(opacity) * (0.85 + 0.25 * field).clamp(0.2, 1)
    return x + share * (channels(colour, x) - x)


def folds(
    x: torch.Tensor,
    mask: torch.Tensor,
    opacity: torch.Tensor,
    colour: torch.Tensor,
    angle: torch.Tensor,
    noise: torch.Tensor,
    field: torch.Tensor,
) -> torch.Tensor:
    """A crease: a ridge with a light and a dark flank, emulsion flaked off along it, the sheet bent on both sides.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        mask: (N, 1, H, W), 1 in the damage; a margin of 1/2 changes nothing.
        opacity: 0 to 1, (N,).
        colour: Of the paper below the emulsion, (N, 3).
        angle: Where the light comes from, (N,) radians.
        noise: Standard normal samples (N, 1, H, W).
        field: Smooth field (N, 1, H, W) of deviation 1.
    """
    mask, strength = core(mask), column(opacity)
    step = max(1, min(x.shape[2:]) // 48)
    broad = F.avg_pool2d(mask, step, step, ceil_mode=True)
    broad = F.interpolate(slope(soften(broad, torch.full_like(opacity, 3.0), 8), angle), x.shape[2:], mode="bilinear")
    x = x * torch.exp(strength * (1.2 * broad).clamp(-0.15, 0.15))
    ridge = slope(soften(mask, torch.full_like(opacity, 1.3), 3), angle)
    x = x * torch.exp(2.5 * strength * ridge) + 0.5 * strength * ridge.clamp(min=0) * (1 - x)
    edge = soften(near(mask, 1), torch.full_like(opacity, 1.0), 2)
    rough = soften(noise, torch.full_like(opacity, 0.8), 3) * 2.8
    flaked = torch.sigmoid(6 * (2 * edge - 2.6 + 0.5 * rough + 0.7 * field + 1.2 * strength)) * near(mask, 2)
    return x + (2 * strength).clamp(max=1) * flaked * (channels(colour, x) * (1 + 0.03 * noise) - x)


def missing(
    x: torch.Tensor,
    mask: torch.Tensor,
    colour: torch.Tensor,
    paper: torch.Tensor,
    rim: torch.Tensor,
    angle: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """Pieces that are gone: what lies behind, and along the edge a torn band of bare paper that throws a shadow on it.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        mask: (N, 1, H, W), 1 in the damage; a margin of 1/2 changes nothing.
        colour: Of what lies behind, (N, 3).
        paper: Of the band, (N, 3).
        rim: Width (N,) of the band, in pixels, about; up to 6.
        angle: Where the light comes from, (N,) radians.
        noise: Standard normal samples (N, 2, H, W).
    """
    mask, spread = core(mask), torch.full_like(rim, 4.0)
    inside = soften(mask, spread, 12)
    fibres = soften(noise[:, :1], 0.3 * spread, 4) * 4
    tufts = soften(noise[:, 1:], spread, 12) * 14
    band = torch.sigmoid(25 * (0.5 + 0.07 * column(rim) * (1 + 0.3 * fibres + 0.3 * tufts).clamp(0.2, 1.35) - inside))
    shadow = torch.exp(-(slope(inside, angle) * 8).clamp(0, 0.35))
    behind = channels(colour, x) * shadow * (1 + 0.02 * tufts + 0.015 * fibres)
    torn = channels(paper, x) * (1 + 0.03 * fibres + 0.02 * noise[:, :1])
    return x + soften(mask, 0.15 * spread, 1) * (behind + band * (torn - behind) - x)


def stains(
    x: torch.Tensor,
    mask: torch.Tensor,
    strength: torch.Tensor,
    rim: torch.Tensor,
    tint: torch.Tensor,
    noise: torch.Tensor,
    field: torch.Tensor,
) -> torch.Tensor:
    """Dried liquid: a see-through tint, and a rim where the drying edge left most of it (Deegan et al., Nature 389, 1997).

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        mask: (N, 1, H, W), 1 in the damage; a margin of 1/2 changes nothing.
        strength: Optical depth (N,) of the rim in blue.
        rim: How much of the rim's depth the inside has not, 0 to 1, (N,).
        tint: What red, green and blue lose of what blue would, (N, 3).
        noise: Standard normal samples (N, 1, H, W).
        field: Smooth field (N, 1, H, W) of deviation 1.
    """
    one = torch.ones_like(rim)
    edge = (2 * soften(mask, 2.5 * one, 8) - 1).clamp(0, 1)
    wide = (2 * soften(mask, 6 * one, 20) - 1).clamp(0, 1)
    profile = 1 - column(rim) * (0.75 * edge + 0.25 * wide)
    blotches = torch.exp(0.3 * field.clamp(-2, 2) + 0.15 * soften(noise, one, 4) * 3)
    depth = column(strength) * soften(mask, 0.7 * one, 2) * profile * blotches
    return x * torch.exp(-depth * channels(tint, x))


SIDE, UNEVEN = Uniform(0, 2 * math.pi), Clouds(6, 4, 0.8)
COVER = Strength(0.12, 1.0)


def _marks(about: str, mask: Distribution, colours: Colours, sigma: Uniform, wear: Uniform) -> Degradation:
    parameters: dict[str, Distribution] = {
        "mask": Margin(mask, 2),
        "opacity": COVER,
        "colour": Palette(colours),
        "sigma": sigma,
        "wear": wear,
        "field": UNEVEN,
    }
    return Degradation("damage", marks, parameters, "mask", about=about)


def _missing(about: str, mask: Distribution, colours: Colours, rim: Uniform) -> Degradation:
    parameters: dict[str, Distribution] = {
        "mask": Margin(mask, 1),
        "colour": Palette(colours, 0.01),
        "paper": Palette(PAPER),
        "rim": rim,
        "angle": SIDE,
        "noise": Normal(2),
    }
    return Degradation("damage", missing, parameters, "mask", about=about)


ROWS = {
    "scratches": _marks(
        "Thin wobbling lines, light or dark: prints that lay on one another.",
        Mask("scratches", 1, 8),
        LIGHT + LIGHT + DARK,
        Uniform(0.35, 0.7),
        Uniform(0.2, 0.8),
    ),
    "film_scratches": _marks(
        "Long upright lines that a projector cuts into film, clear, dark or, where a layer is left, coloured.",
        Mask("film_scratches", 1, 4),
        LIGHT + DARK + LAYERS,
        Uniform(0.4, 0.8),
        Uniform(0.3, 0.9),
    ),
    "dust": _marks(
        "Ragged specks and a few hairs, light or dark.",
        Frayed(Mask("dust", 1, 8), 30, 0.002, 0.3, 0.25),
        LIGHT + DARK,
        Uniform(0.35, 0.8),
        Uniform(0.2, 0.7),
    ),
    "text": _marks("Words and dates, printed or stamped.", Mask("text", 1, 5), STAMPS, Uniform(0.3, 0.6), Uniform(0, 0.2)),
    "handwriting": _marks("Lines of writing in ink.", Mask("handwriting", 1, 5), PENS, Uniform(0.3, 0.6), Uniform(0.1, 0.4)),
    "cracks": Degradation(
        "damage",
        cracks,
        {"mask": Margin(Mask("cracks", 1, 4), 3), "opacity": COVER, "colour": Palette(PAPER + DARK), "angle": SIDE, "field": UNEVEN},
        "mask",
    ),
    "folds": Degradation(
        "damage",
        folds,
        {
            "mask": Margin(Mask("folds", 1, 3), 4),
            "opacity": COVER,
            "colour": Palette(PAPER),
            "angle": SIDE,
            "noise": Normal(1),
            "field": Clouds(4, 4, 0.8),
        },
        "mask",
    ),
    "tears": _missing(
        "Pieces torn off at the border: what lies behind, and a ragged band of bare paper that throws a shadow on it.",
        Mask("tears", 1, 4),
        LID,
        Uniform(1, 5),
    ),
    "flakes": _missing(
        "Emulsion flaked off within the picture: bare paper with a ragged rim.",
        Frayed(Mask("blobs", 1, 3), 5, 1 / 30, 0.5, 1.1),
        PAPER + LIGHT,
        Uniform(0, 1.5),
    ),
    "stains": Degradation(
        "damage",
        stains,
        {
            "mask": Mask("stains", 1, 3),
            "strength": Strength(0.15, 1.8),
            "rim": Uniform(0.45, 0.9),
            "tint": Palette(((0.3, 0.55, 1.0), (0.4, 0.6, 0.9), (0.15, 0.35, 0.8)), 0.05),
            "noise": Normal(1),
            "field": Clouds(3, 4),
        },
    ),
}
