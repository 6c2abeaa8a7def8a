"""The objective of the denoiser: remove white Gaussian noise of a known level."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from restore import degrade, losses
from restore.degrade.base import column, numbers
from restore.draws import Draws
from restore.training.base import Batch, Photographs, check_positive, check_range, check_shares, measured, shrunken, some

CASES = {"15": (15, False), "25": (25, False), "50": (50, False), "50_8bit": (50, True)}
"""What is measured: a standard deviation in 8-bit units, and whether the noisy pictures are clipped to 8 bits."""


@dataclass(frozen=True, kw_only=True)
class Denoise(Photographs):
    """Remove white Gaussian noise of a known level.

    Photographs have some noise and JPEG of their own, which must not be learnt: a share can be shrunk. Where it is above 0, what is
    trained on is smaller than what is drawn, by the lower of the factors.

    Attributes:
        sigma: Lowest and highest standard deviation in 8-bit units, drawn uniformly for each crop.
        clipped: Share of the crops whose noisy version is clipped and rounded to 8 bits, as a file would hold it.
        shrink: Lowest and highest factor by which crops are shrunk, above 0.
        shrunk: Share of the crops that are.
        overtold: Share of the crops that come a second time, with less noise than the network is told, as where a level is chosen by
            hand or a picture is noisy in parts: it is to smooth them as if the noise were there. One that never saw it answers with loud
            patterns.

    Raises:
        ValueError: A range is not within its bounds.
    """

    task = "denoise"
    score = "psnr_25"
    sigma: tuple[float, float] = (0.0, 75.0)
    clipped: float = 0.3
    shrink: tuple[float, float] = (0.5, 0.8)
    shrunk: float = 0.0
    overtold: float = 0.0

    def __post_init__(self) -> None:
        check_range("objective.sigma", self.sigma, 255)
        check_positive("objective.shrink", self.shrink, 1)
        check_shares(self, "clipped", "shrunk", "overtold")

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Shrink a share of the crops, and add noise of a level drawn for each."""
        if self.shrunk > 0:
            clean = shrunken(clean, draws, self.shrink, self.shrunk).clamp(0, 1)
        sigma, clipped = numbers(draws.uniform(*self.sigma), draws), column(some(draws, self.clipped))
        noisy = degrade.gaussian_noise(clean, sigma, draws.normal(*clean.shape[1:]))
        noisy = torch.where(clipped, degrade.quantize(noisy), noisy)
        if not self.overtold:
            return {"clean": clean, "noisy": noisy, "level": sigma / 255}
        again, less = some(draws, self.overtold), sigma * numbers(draws.uniform() ** 2, draws)
        quiet = degrade.gaussian_noise(clean, less, draws.normal(*clean.shape[1:]))[again]
        return {"clean": clean, "noisy": torch.cat([noisy, quiet]), "level": torch.cat([sigma, sigma[again]]) / 255, "again": again}

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Charbonnier distance to the clean crop; of what has less noise than is told, to what the network makes of all of the noise."""
        made, clean = network(batch["noisy"], batch["level"]).float(), batch["clean"]
        count = len(clean)
        loss = losses.charbonnier(made[:count], clean)
        if len(made) == count:
            return loss
        wanted = made[:count][batch["again"]].detach()
        return loss + (len(made) / count - 1) * losses.charbonnier(made[count:], wanted)

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean PSNR at sigma 15, 25, 50 in float and 50 clipped to 8 bits; and the mean gain over the noisy pictures."""

        def ask(case: tuple[int, bool], clean: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            sigma, clipped = case
            noisy = add_noise(clean, sigma, number)
            noisy = degrade.quantize(noisy) if clipped else noisy
            return clean, noisy, network(noisy, sigma / 255)

        return measured(batches, CASES, ask)

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """A picture with noise of sigma 50, denoised, and as it was."""
        noisy = add_noise(batch["clean"], 50, number)
        return {"sigma 50": noisy, "denoised": network(noisy, 50 / 255).float(), "clean": batch["clean"]}


def add_noise(clean: torch.Tensor, sigma: float, number: int) -> torch.Tensor:
    """A picture (1, 3, H, W) with noise that is the same for the same ``number`` on every device."""
    noise = Draws(round(sigma), [number]).normal(*clean.shape[1:]).to(clean.device)
    return degrade.gaussian_noise(clean, torch.tensor([float(sigma)], device=clean.device), noise)
