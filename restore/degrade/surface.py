"""What pictures lie on: textured paper, the printer's screen, spots that grow in damp."""

import math

import torch
import torch.nn.functional as F

from restore.degrade.base import Degradation, Normal, Strength, Uniform, column
from restore.degrade.tone import Clouds, channels

SCREEN = (0.78718828, -0.64096383, 0.37374155)
"""Odd polynomial: share of the plane where ``(cos u + cos v) / 2`` is below s, less 1/2; off by at most 0.02."""


def soften(x: torch.Tensor, sigma: torch.Tensor, reach: int) -> torch.Tensor:
    """Gaussian blur of each picture by its own ``sigma`` (N,) in pixels, cut ``reach`` pixels from the middle; borders repeat.

    >>> soften(torch.eye(3)[1].reshape(1, 1, 1, 3), torch.tensor([0.5]), 1).flatten()
    tensor([0.1065, 0.7870, 0.1065])
    """
    count, depth, height, width = x.shape
    if not count:
        return x
    steps = torch.arange(-reach, reach + 1, device=x.device)
    line = torch.exp(-(steps**2) / (2 * sigma[:, None] ** 2))
    line = (line / line.sum(1, keepdim=True)).to(x.dtype).repeat_interleave(depth, 0)[:, None, None]  # (N C, 1, 1, K)
    flat = F.pad(x, (reach, reach, reach, reach), mode="replicate").reshape(1, count * depth, height + 2 * reach, width + 2 * reach)
    return F.conv2d(F.conv2d(flat, line, groups=count * depth), line.mT, groups=count * depth).reshape(x.shape)


def slope(height: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """How steeply a relief (N, 1, H, W) rises towards the light, which comes from ``angle`` (N,) in radians: central differences."""
    padded = F.pad(height, (1, 1, 1, 1), mode="replicate")
    across, down = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2], padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    return (column(torch.cos(angle)) * across + column(torch.sin(angle)) * down) / 2


def lit(x: torch.Tensor, relief: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Light a surface from the side: slopes towards the light are brighter, as its glare whitens dark parts too."""
    shade = column(strength) * relief
    return x * torch.exp(0.6 * shade.clamp(-2, 2)) + 0.12 * (shade.clamp(max=2) + 0.5 * column(strength)).clamp(min=0) * (1 - x)


def turned(x: torch.Tensor, angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates of the pixels in axes that are turned by ``angle`` (N,) radians: two (N, 1, H, W)."""
    rows = torch.arange(x.shape[2], device=x.device, dtype=x.dtype)[:, None]
    columns = torch.arange(x.shape[3], device=x.device, dtype=x.dtype)
    cos, sin = column(torch.cos(angle)), column(torch.sin(angle))
    return columns * cos + rows * sin, rows * cos - columns * sin


def paper_texture(x: torch.Tensor, strength: torch.Tensor, size: torch.Tensor, angle: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Matte paper, scanned with light from one side: felted fibres and a coarser unevenness.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        strength: Contrast (N,) of the shading.
        size: Deviation (N,) in pixels of the Gaussian that makes fibres of noise.
        angle: Where the light comes from, (N,) radians.
        noise: Standard normal samples (N, 2, H, W).
    """
    fine, coarse = soften(noise[:, :1], size, 4), soften(noise[:, 1:], 3 * size, 10)
    relief = slope((5 * fine + 15 * coarse) * column(size) ** 2, angle)  # 5 size^2: of deviation about 1
    return lit(x, 0.7 * relief, strength)


def linen_texture(x: torch.Tensor, strength: torch.Tensor, period: torch.Tensor, angle: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Paper embossed as woven linen: threads of uneven thickness, over and under one another.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        strength: Contrast (N,) of the shading.
        period: Distance (N,) of the threads in pixels.
        angle: How far the weave is turned, (N,) radians.
        noise: Standard normal samples (N, 2, H, W).
    """
    across, down = turned(x, angle)
    wander = soften(noise, period, 12) * column(period)
    u, v = (math.pi * (axis / column(period) + 0.7 * wander[:, i : i + 1]) for i, axis in enumerate((across, down)))
    threads = torch.sin(u) * torch.cos(v) + 0.5 * torch.sin(2 * u) + 0.5 * torch.sin(2 * v)
    return lit(x, threads * (1 + 0.5 * wander.flip(1)[:, :1]), strength)


def silk_texture(
    x: torch.Tensor, strength: torch.Tensor, period: torch.Tensor, angle: torch.Tensor, light: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """The "silk" paper of the 1970s: a honeycomb of round dimples that glint on one side.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        strength: Contrast (N,) of the shading.
        period: Distance (N,) of the rows of dimples in pixels.
        angle: How far the honeycomb is turned, (N,) radians.
        light: Where the light comes from, (N,) radians.
        noise: Standard normal samples (N, 1, H, W).
    """
    relief = torch.zeros_like(noise)
    for third in (0, math.pi / 3, 2 * math.pi / 3):
        along, _ = turned(x, angle + third)
        relief = relief + column(torch.cos(light - angle - third)) * torch.sin(2 * math.pi * along / column(period))
    uneven = 1 + 0.8 * soften(noise, period / 2, 8) * column(period)
    return lit(x, 0.8 * relief * uneven, strength)


def halftone(x: torch.Tensor, strength: torch.Tensor, period: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Print through a screen: dots of cyan, magenta, yellow and black ink, 15, 75, 0 and 45 degrees apart, or of black ink alone.

    Where dots take the share a of the paper, the share 1 - a of its light is left: the mean tone stays.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        strength: Contrast (N,) of the dots: 1 sharp, lower ones as a soft scan sees them.
        period: Distance (N,) of the dots in pixels.
        angle: How far all screens are turned, (N,) radians.
    """
    ink = 1 - x.clamp(0, 1)
    black = ink.amin(1, keepdim=True) ** 2 if x.shape[1] == 3 else ink
    plates = torch.cat([(ink - black) / (1 - black).clamp(min=1e-3), black], 1) if x.shape[1] == 3 else black
    dots = []
    for i, degrees in enumerate((15, 75, 0, 45)[-plates.shape[1] :]):
        axes = turned(x, angle + math.radians(degrees))
        wave = sum(torch.cos(2 * math.pi * axis / column(period)) for axis in axes) / 2
        level = 0.5 + SCREEN[0] * wave + SCREEN[1] * wave**3 + SCREEN[2] * wave**5
        share = plates[:, i : i + 1]
        dots.append(share + column(strength) * ((0.5 + (share - level) * column(period) / 2).clamp(0, 1) - share))
    return (1 - torch.cat(dots[:3], 1)) * (1 - dots[3]) if x.shape[1] == 3 else 1 - dots[0]


def foxing(
    x: torch.Tensor, strength: torch.Tensor, size: torch.Tensor, tint: torch.Tensor, noise: torch.Tensor, field: torch.Tensor
) -> torch.Tensor:
    """Foxing: rust-brown diffuse spots that iron and mould leave in damp paper, many of them in some places.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        strength: Optical depth (N,) of the darkest, in blue.
        size: Deviation (N,) in pixels of the Gaussian that makes spots of noise.
        tint: What green absorbs of what blue does, (N,); red absorbs less than half of it.
        noise: Standard normal samples (N, 1, H, W).
        field: Where spots grow: smooth (N, 1, H, W) of deviation 1.
    """
    bumps = soften(noise, size, 12) * column(size) * (2 * math.pi**0.5) + 0.6 * field
    spots = 1 - torch.exp(-2 * (bumps - 1.8).clamp(min=0))
    depth = column(strength) * (0.8 * soften(spots, 0.6 * size, 8) + 0.6 * soften(spots, 2 * size, 20))
    colour = torch.stack([tint / 2.2, tint, torch.ones_like(tint)], 1)
    return x * torch.exp(-depth * channels(colour, x))


TURN, SIDE = Uniform(-0.12, 0.12), Uniform(0, 2 * math.pi)
PAPER = {"strength": Strength(0.03, 0.3)}

ROWS = {
    "paper_texture": Degradation("surface", paper_texture, {**PAPER, "size": Uniform(0.6, 1.3), "angle": SIDE, "noise": Normal(2)}),
    "linen_texture": Degradation("surface", linen_texture, {**PAPER, "period": Uniform(3, 7), "angle": TURN, "noise": Normal(2)}),
    "silk_texture": Degradation(
        "surface", silk_texture, {**PAPER, "period": Uniform(4, 10), "angle": TURN, "light": SIDE, "noise": Normal(1)}
    ),
    "halftone": Degradation(
        "surface", halftone, {"strength": Strength(0.05, 0.8), "period": Uniform(2.6, 5.5, log=True), "angle": Uniform(0, math.pi / 2)}
    ),
    "foxing": Degradation(
        "surface",
        foxing,
        {
            "strength": Strength(0.15, 1.6),
            "size": Uniform(1.5, 4, log=True),
            "tint": Uniform(0.45, 0.6),
            "noise": Normal(1),
            "field": Clouds(2, 3),
        },
    ),
}
