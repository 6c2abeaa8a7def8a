"""The objective of the deblurrer: sharpen what a lens or a shaking hand blurred, without being told how."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from restore import degrade, losses
from restore.degrade.base import column, numbers
from restore.degrade.blur import Walk, benchmark_kernels, blur, disk_kernels, gaussian_kernels, grid, motion_kernels
from restore.degrade.tone import luma
from restore.draws import Draws
from restore.networks.restoration import WIDEST
from restore.training.base import Batch, Photographs, check_positive, check_range, check_shares, measured, some

MARGIN = 16
"""Pixels around a crop from where a kernel brings light into it: kernels have 2 * 16 + 1 pixels a side."""
GRAIN = 2.55
"""Noise of what is validated with, in 8-bit units: 1 %."""


@dataclass(frozen=True, kw_only=True)
class Deblur(Photographs):
    """Sharpen crops that were blurred by Gaussians, disks and paths of a shaking hand, and have some noise.

    A crop gives up ``MARGIN`` pixels on each side, as what is seen near the edge of a picture came from beyond it. The level that the
    network is given is the kernel's width in pixels (see ``width``) divided by ``WIDEST``; 0 says nothing.

    Attributes:
        sigma: Lowest and highest standard deviation of a Gaussian, in pixels; across it is half of that or more.
        radius: Lowest and highest radius of a disk.
        length: Lowest and highest length of a path, twice from its centroid to its furthest place.
        noise: Highest standard deviation of the noise in 8-bit units, drawn evenly from 0 on.
        rounded: Share of the crops that are rounded and clipped to 8 bits.
        coded: Share of the crops that are JPEG files of ``quality`` afterwards.
        quality: Lowest and highest quality of those.
        shaken: Share of the crops that are blurred by a path; Gaussians and disks share the others.
        sharp: Share of the crops that are not blurred.
        grey: Share of the crops that lose their colours, noise included.
        told: Share of the others of whose width the network hears.

    Raises:
        ValueError: A number is not within its bounds.
    """

    task = "deblur"
    score = "gain"
    sigma: tuple[float, float] = (0.4, 3.0)
    radius: tuple[float, float] = (0.7, 5.0)
    length: tuple[float, float] = (2.0, 28.0)
    noise: float = 4.0
    rounded: float = 0.7
    coded: float = 0.15
    quality: tuple[float, float] = (75.0, 97.0)
    shaken: float = 0.5
    sharp: float = 0.08
    grey: float = 0.2
    told: float = 0.3

    def __post_init__(self) -> None:
        for name, highest in (("sigma", MARGIN / 4), ("radius", MARGIN), ("length", 2 * MARGIN), ("quality", 100)):
            check_positive(f"objective.{name}", getattr(self, name), highest)
        check_range("objective.noise", (self.noise, self.noise), 255)
        check_shares(self, "rounded", "coded", "shaken", "sharp", "grey", "told")

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Blur each crop (N, 3, C, C) with a kernel of its own, take its middle, add noise."""
        if clean.shape[-1] <= 2 * MARGIN:
            raise ValueError(f"crop is {clean.shape[-1]}; expected more than the {2 * MARGIN} pixels that its edges give up")
        sharp, told, rounded, coded = (some(draws, share) for share in (self.sharp, self.told, self.rounded, self.coded))
        grey = column(some(draws, self.grey))
        clean = torch.where(grey, luma(clean), clean)
        kernels = torch.where(column(sharp)[:, 0], identity(len(clean)).to(clean.device), self.kernels(draws).to(clean.device))
        blurred = middle(blur(clean, kernels))
        sigma, quality = numbers(draws.uniform(0, self.noise), draws), numbers(np.rint(draws.uniform(*self.quality)), draws)
        noise = draws.normal(*blurred.shape[1:]).to(clean.device)
        seen = degrade.gaussian_noise(blurred, sigma.to(clean.device), torch.where(grey, noise[:, :1], noise))
        seen = torch.where(column(rounded | coded), degrade.quantize(seen), seen)
        if coded.any():
            seen[coded] = degrade.jpeg(seen[coded], quality.to(clean.device)[coded])
        return {"clean": middle(clean), "blurred": seen, "level": torch.where(told & ~sharp, (width(kernels) / WIDEST).clamp_max(1), 0)}

    def kernels(self, draws: Draws) -> torch.Tensor:
        """A kernel for each sample, (N, 33, 33)."""
        size, shaken, soft = 2 * MARGIN + 1, column(some(draws, self.shaken))[:, 0], column(some(draws, 0.5))[:, 0]
        sigma, ratio, angle = (numbers(draws.uniform(*limits), draws) for limits in (self.sigma, (0.5, 1), (0, 180)))
        radius, length = (numbers(draws.uniform(*limits), draws) for limits in (self.radius, self.length))
        paths = length[:, None, None] * Walk()(draws, (len(draws), 3, 1, 1), np.zeros(len(draws)))
        round_ones = torch.where(soft, gaussian_kernels(sigma, sigma * ratio, angle, size), disk_kernels(radius, size))
        return torch.where(shaken, motion_kernels(paths, size), round_ones)

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Charbonnier distance to the sharp crop."""
        return losses.charbonnier(network(batch["blurred"], batch["level"]).float(), batch["clean"])

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean PSNR over RGB for each kernel of the benchmark with 1 % noise, untold; and the mean gain over the blurred pictures."""

        def ask(kernel: torch.Tensor, clean: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            wanted, seen = take(clean, kernel, number)
            return wanted, seen, network(seen, 0.0)

        return measured(batches, benchmark_kernels(), ask)

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """A picture out of focus, sharpened, and as it was."""
        wanted, seen = take(batch["clean"], benchmark_kernels()["disk_3"], number)
        return {"disk of radius 3": seen, "sharpened": network(seen, 0.0).float(), "clean": wanted}


def width(kernels: torch.Tensor) -> torch.Tensor:
    """Standard deviation (N,) of kernels (N, k, k) in pixels, the root of its mean square along the two axes.

    >>> width(disk_kernels(torch.tensor([6.0]), 33)).round(decimals=1)
    tensor([3.])
    """
    x = grid(kernels.shape[-1], kernels)
    sums = kernels.sum((1, 2))
    across, down = ((kernels.sum(axis) * x).sum(1) / sums for axis in (1, 2))
    spread = (kernels * (x**2 + x[:, None] ** 2)).sum((1, 2)) / sums - across**2 - down**2
    return (spread / 2).clamp_min(0).sqrt()


def identity(count: int) -> torch.Tensor:
    """Kernels (count, 33, 33) that change nothing."""
    kernels = torch.zeros(count, 2 * MARGIN + 1, 2 * MARGIN + 1)
    kernels[:, MARGIN, MARGIN] = 1
    return kernels


def middle(x: torch.Tensor) -> torch.Tensor:
    """Pictures (N, C, H, W) without ``MARGIN`` pixels on each side."""
    return x[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def take(clean: torch.Tensor, kernel: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The middle of a picture (1, 3, H, W), and how a camera sees it through a kernel (k, k): with noise, in 8 bits."""
    blurred = middle(blur(clean, kernel[None].to(clean.device)))
    noise = Draws(0, [number]).normal(*blurred.shape[1:]).to(clean.device)
    return middle(clean), degrade.quantize(degrade.gaussian_noise(blurred, torch.tensor([GRAIN], device=clean.device), noise))
