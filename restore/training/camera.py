"""The objective of the denoiser for photographs as cameras write them: noise that light, film, colour, sharpening and JPEG have formed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from restore import degrade, losses
from restore.degrade.base import column, numbers
from restore.degrade.blur import blur
from restore.degrade.camera import Camera, sharpening, smoothed
from restore.degrade.noise import Crosstalk, Gains, film_grain
from restore.degrade.tone import luma, sepia
from restore.draws import Draws
from restore.training.base import Batch, Photographs, check_positive, check_range, check_shares, measured, shrunken, some


class Case(NamedTuple):
    """A camera, and what it does to a held-out picture.

    Attributes:
        shot: Standard deviation of the photon noise at the sensor's white, or of film's grain in mid-tones, in 8-bit units; 0: there is no
            noise at all.
        quality: Of the JPEG file, 4:2:0; 0: none is written.
        interpolation: The place in ``degrade.camera.INTERPOLATIONS``.
        smooth: How widely the camera smooths noise, in pixels: that of brightness; that of colour three times as much.
        told: Whether the network hears of the level.
        film: The width of film's grain in pixels; 0: there is none, but a sensor.
    """

    shot: float
    quality: int
    interpolation: int = 2
    smooth: float = 0.1
    told: bool = False
    film: float = 0.0


CASES = {
    "low": Case(5, 95),
    "medium": Case(12, 92),
    "high": Case(28, 90),
    "high_told": Case(28, 90, told=True),
    "smooth": Case(28, 85, interpolation=1, smooth=0.6),
    "film": Case(14, 90, film=0.7),
    "clean": Case(0, 0),
}
"""What is measured: low, medium and high ISO, scanned film, and pictures without noise."""
FILM_COLOUR = 0.2
"""How much of its grain each layer of the film that is measured has of its own."""
SLOPE, OFFSET, SPREAD = 2.18, 1.2, 0.26
"""Logarithm of the variance of reading, from that of the photons at white, and its deviation: Brooks et al. 2019, of phones."""


@dataclass(frozen=True, kw_only=True)
class DenoiseCamera(Photographs):
    """Remove the noise of cameras, of a level that is told or not.

    The level that the network is given is the standard deviation of what was added to a crop, before JPEG, in 8-bit units / 255; 0 says
    nothing. Crops become smaller than what is drawn, by the lowest factor by which cameras shrink.

    Attributes:
        shot: Lowest and highest photon noise at the sensor's white, in 8-bit units; its logarithm is drawn evenly.
        contrast: Lowest and highest slope of the tone curve.
        shrink: Lowest and highest factor by which cameras shrink, above 0.
        shrunk: Share of the crops that are, with their noise.
        smooth: Share of the crops whose noise the camera smooths.
        sharp: Share of the crops that it sharpens.
        coded: Share of the crops that are JPEG files.
        quality: Their lowest and highest quality.
        white: Share of the crops that have white noise instead, up to a deviation of 50.
        film: Share of the crops that are of film instead, grey or coloured in equal parts.
        grain: Lowest and highest deviation of its grain in mid-tones, in 8-bit units; its logarithm is drawn evenly.
        width: Lowest and highest width of a grain: the deviation in pixels of the Gaussian that filters noise.
        untouched: Share of the crops without noise.
        grey: Share of the crops that lose their colours, noise included.
        toned: Share of the crops that turn sepia, noise included.
        told: Share of the crops whose level the network hears of.

    Raises:
        ValueError: A number is not within its bounds.
    """

    task = "denoise"
    score = "gain"
    reduced = 0.6
    shot: tuple[float, float] = (1.5, 32.0)
    contrast: tuple[float, float] = (1.0, 1.5)
    shrink: tuple[float, float] = (0.5, 1.0)
    shrunk: float = 0.35
    smooth: float = 0.4
    sharp: float = 0.3
    coded: float = 0.7
    quality: tuple[float, float] = (70.0, 98.0)
    white: float = 0.1
    film: float = 0.2
    grain: tuple[float, float] = (3.0, 30.0)
    width: tuple[float, float] = (0.2, 1.5)
    untouched: float = 0.04
    grey: float = 0.08
    toned: float = 0.06
    told: float = 0.4

    def __post_init__(self) -> None:
        for name, highest in (("shot", 255), ("contrast", 4), ("shrink", 1), ("grain", 255), ("width", 2)):
            check_positive(f"objective.{name}", getattr(self, name), highest)
        check_range("objective.quality", self.quality, 100)
        check_shares(self, "shrunk", "smooth", "sharp", "coded", "white", "film", "untouched", "grey", "toned", "told")

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Take crops with a drawn camera each, and do to them what cameras, scanners and phones do before they write a file."""
        taken = self.taken(clean, draws)
        clean, shown = self.developed(clean, taken, draws)
        clean, noisy = self.processed(clean, shown, draws)
        level = (noisy - clean).square().mean((1, 2, 3)).sqrt()
        coded, quality = some(draws, self.coded), numbers(draws.uniform(*self.quality), draws)
        subsampling = numbers(np.where(draws.uniform() < 0.7, 2, 0), draws)
        if coded.any():
            noisy[coded] = degrade.jpeg(noisy[coded], quality[coded], subsampling=subsampling[coded])
        return {"clean": clean, "noisy": noisy, "level": torch.where(some(draws, self.told), level, 0)}

    def taken(self, clean: torch.Tensor, draws: Draws) -> torch.Tensor:
        """The crops with noise, or without: of a sensor, of film, or white."""
        camera, normal = self.cameras(draws), draws.normal(*clean.shape[1:])
        white = degrade.gaussian_noise(clean, numbers(draws.uniform(0, 50), draws), normal)
        noisy = torch.where(column(some(draws, self.film)), self.filmed(clean, normal, draws), camera.expose(clean, normal))
        noisy = torch.where(column(some(draws, self.white)), white, noisy)
        return torch.where(column(some(draws, self.untouched)), clean, noisy)

    def developed(self, clean: torch.Tensor, noisy: torch.Tensor, draws: Draws) -> tuple[torch.Tensor, torch.Tensor]:
        """Both in the size and tone of the file."""
        both = shrunken(torch.cat([clean, noisy], 1), draws, self.shrink, self.shrunk)  # (N, 6, S, S)
        grey = column(some(draws, self.grey))
        toned, warmth = column(some(draws, self.toned)), numbers(draws.uniform(-0.1, 0.5), draws)
        brown = (torch.where(toned, sepia(x, torch.ones_like(warmth), warmth), x) for x in both.split(3, 1))
        clean, noisy = (torch.where(grey, luma(x).expand_as(x), x) for x in brown)
        return clean, noisy

    def processed(self, clean: torch.Tensor, noisy: torch.Tensor, draws: Draws) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise smoothed and pictures sharpened, as cameras do it; in [0, 1], and what is noisy in 8 bits."""
        brightness, spread = draws.uniform(0.1, 0.8), draws.uniform(0.1, 2.0)
        noise = smoothed(noisy - clean, numbers(brightness, draws), numbers(np.maximum(brightness, spread), draws))
        noise = torch.where(column(some(draws, self.smooth)), noise, noisy - clean)
        kernels = sharpening(numbers(draws.uniform(0, 0.8), draws), numbers(draws.uniform(0.5, 1.5), draws))
        both, sharp = torch.cat([clean, noise], 1), column(some(draws, self.sharp))
        clean, noise = torch.where(sharp, blur(both, kernels), both).split(3, 1)
        clean = clean.clamp(0, 1)
        return clean, degrade.quantize(clean + noise)

    def cameras(self, draws: Draws) -> Camera:
        """A camera for each crop."""
        shape, severity = (len(draws), 3, 1, 1), np.zeros(len(draws))
        shot = np.exp(draws.uniform(*np.log(self.shot)))
        spread = draws.uniform(-1, 1) * SPREAD * 3**0.5
        return Camera(
            shot=numbers(shot, draws),
            read=numbers(reading_noise(shot, spread), draws),
            gains=Gains()(draws, shape, severity),
            crosstalk=Crosstalk()(draws, shape, severity),
            phase=numbers(draws.integers(4), draws),
            interpolation=numbers(draws.integers(3), draws),
            contrast=numbers(draws.uniform(*self.contrast), draws),
        )

    def filmed(self, clean: torch.Tensor, normal: torch.Tensor, draws: Draws) -> torch.Tensor:
        """The crops on film: a drawn one each."""
        level, width = (numbers(np.exp(draws.uniform(*np.log(bounds))), draws) for bounds in (self.grain, self.width))
        colour = np.where(draws.uniform() < 0.5, 0.0, draws.uniform())
        return film_grain(clean, level, width, numbers(colour, draws), normal)

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Charbonnier distance to the clean crop."""
        return losses.charbonnier(network(batch["noisy"], batch["level"]).float(), batch["clean"])

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean PSNR at low, medium and high ISO, of scanned film and of clean pictures; and the mean gain over the noisy ones."""

        def ask(case: Case, clean: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            noisy, level = take(clean, case, number)
            return clean, noisy, network(noisy, level if case.told else 0.0)

        return measured(batches, CASES, ask)

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """A picture of high ISO, denoised, and as it was."""
        noisy, _ = take(batch["clean"], CASES["high"], number)
        return {"high ISO": noisy, "denoised": network(noisy, 0.0).float(), "clean": batch["clean"]}


def reading_noise(shot: np.ndarray, spread: np.ndarray | float = 0.0) -> np.ndarray:
    """Standard deviation of the noise of reading that goes with a photon noise, both in 8-bit units: a camera at some ISO.

    >>> reading_noise(np.array([2.5, 28.0])).round(2)
    array([0.02, 3.76])
    """
    return 255 * np.exp((SLOPE * 2 * np.log(shot / 255) + OFFSET + spread) / 2)


def take(clean: torch.Tensor, case: Case, number: int) -> tuple[torch.Tensor, float]:
    """A picture (1, 3, H, W) as a camera takes it, the same for the same ``number`` on every device; and the noise's deviation / 255.

    >>> take(torch.full((1, 3, 16, 16), 0.5), CASES["clean"], 0)[1]
    0.0
    """
    if not case.shot:
        return clean, 0.0
    draws = Draws(round(case.shot), [number])
    shot = np.array([case.shot])
    camera = Camera(
        shot=numbers(shot, draws),
        read=numbers(reading_noise(shot), draws),
        gains=numbers(np.array([[2.1, 1.0, 1.7]]), draws),
        crosstalk=numbers(np.array([[[0.8, 0.15, 0.05], [0.1, 0.75, 0.15], [0.05, 0.2, 0.75]]]), draws),
        phase=numbers(draws.integers(4), draws),
        interpolation=numbers(np.array([case.interpolation]), draws),
        contrast=numbers(np.array([1.25]), draws),
    )
    host, normal = clean.cpu(), draws.normal(*clean.shape[1:])
    if case.film:
        sigma, width, colour = (numbers(np.array([value]), draws) for value in (case.shot, case.film, FILM_COLOUR))
        taken = film_grain(host, sigma, width, colour, normal)
    else:
        taken = camera.expose(host, normal)
    noise = taken - host
    widths = numbers(np.array([case.smooth]), draws)
    noisy = degrade.quantize(host + smoothed(noise, widths, 3 * widths))
    level = float((noisy - host).square().mean().sqrt())
    noisy = degrade.jpeg(noisy, noisy.new_tensor([case.quality])) if case.quality else noisy
    return noisy.to(clean.device), level
