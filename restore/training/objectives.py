"""What a network is asked to do with a clean crop: how it is damaged, and how the repair is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from restore import degrade, losses, masks
from restore.metrics import MetricUnavailable

Batch = dict[str, torch.Tensor]


class Objective(Protocol):
    """Draws damage, judges repairs. Everything random comes from the generator that it is handed."""

    def draw(self, clean: torch.Tensor, rng: np.random.Generator) -> Batch:
        """Damage clean crops (N, 3, H, W) in [0, 1]."""
        ...

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Run the network on a batch; one number to minimise."""
        ...

    def validate(self, network: nn.Module, pictures: Sequence[torch.Tensor]) -> dict[str, float]:
        """Scores (dB, higher is better) on clean pictures (1, 3, H, W); the same damage at each call."""
        ...


@dataclass(frozen=True, kw_only=True)
class Denoise:
    """Remove white Gaussian noise of a known level.

    Attributes:
        sigma: Lowest and highest standard deviation in 8-bit units, drawn uniformly for each crop.
        clipped: Share of the crops whose noisy version is clipped and rounded to 8 bits, as a file would hold it.

    Raises:
        ValueError: A range is not within its bounds.
    """

    sigma: tuple[float, float] = (0.0, 75.0)
    clipped: float = 0.3

    def __post_init__(self) -> None:
        check_range("objective.sigma", self.sigma, 255)
        check_range("objective.clipped", (self.clipped, self.clipped), 1)

    def draw(self, clean: torch.Tensor, rng: np.random.Generator) -> Batch:
        """Add noise of a level drawn for each crop."""
        count = clean.shape[0]
        sigma = torch.from_numpy(rng.uniform(*self.sigma, count).astype(np.float32)).to(clean.device)
        clipped = torch.from_numpy(rng.random(count) < self.clipped).to(clean.device).reshape(-1, 1, 1, 1)
        noisy = degrade.gaussian_noise(clean, sigma, normal(clean, rng))
        return {"clean": clean, "noisy": torch.where(clipped, degrade.quantize(noisy), noisy), "level": sigma / 255}

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Charbonnier distance to the clean crop."""
        return losses.charbonnier(network(batch["noisy"], batch["level"]).float(), batch["clean"])

    def validate(self, network: nn.Module, pictures: Sequence[torch.Tensor]) -> dict[str, float]:
        """Mean PSNR at sigma 15, 25, 50 in float and 50 clipped to 8 bits."""
        scores = {}
        for sigma, clipped in ((15, False), (25, False), (50, False), (50, True)):
            rng, values = np.random.default_rng(sigma), []
            for clean in pictures:
                noisy = degrade.gaussian_noise(clean, torch.tensor([float(sigma)], device=clean.device), normal(clean, rng))
                result = network(degrade.quantize(noisy) if clipped else noisy, sigma / 255).float()
                values.append(psnr(degrade.quantize(result), clean))
            scores[f"psnr_{sigma}{'_8bit' if clipped else ''}"] = float(np.mean(values))
        return scores


@dataclass(frozen=True, kw_only=True)
class Inpaint:
    """Fill holes.

    Attributes:
        kinds: Names in ``masks.MASKS`` that holes are drawn from, one or two for each mask.
        area: Smallest and largest share of a crop that its holes take.
        bank: How many masks are drawn once and then flipped and turned.
        perceptual: Weight of the LPIPS loss beside the L1 in the hole; 0: none.
        features: File of the LPIPS trunk (see ``losses.Perceptual``); needed with ``perceptual``.

    Raises:
        ValueError: An unknown kind of mask, or a number out of its range.
    """

    kinds: tuple[str, ...] = ("strokes", "scratches", "text")
    area: tuple[float, float] = (0.10, 0.35)
    bank: int = 2000
    perceptual: float = 0.0
    features: str = ""

    def __post_init__(self) -> None:
        check_range("objective.area", self.area, 1)
        check_range("objective.perceptual", (self.perceptual, self.perceptual), 1e6)
        if self.bank < 1:
            raise ValueError(f"objective.bank is {self.bank}; expected a number above 0")
        if not self.kinds or not set(self.kinds) <= set(masks.MASKS):
            raise ValueError(f"objective.kinds is {','.join(self.kinds)!r}; expected some of {', '.join(masks.MASKS)}")

    def draw(self, clean: torch.Tensor, rng: np.random.Generator) -> Batch:
        """Cut holes drawn from the bank."""
        bank = mask_bank(self.kinds, self.area, self.bank, clean.shape[-1])
        holes = [np.rot90(bank[rng.integers(len(bank))], int(rng.integers(4)))[:, :: int(rng.choice((-1, 1)))] for _ in clean]
        mask = torch.from_numpy(np.stack(holes)[:, None]).to(clean)  # (N, 1, H, W)
        return {"clean": clean, "mask": mask}

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """L1 in the hole and, if asked for, LPIPS of the repaired crop."""
        clean, mask = batch["clean"], batch["mask"]
        prediction = network(clean * (1 - mask), mask).float()
        loss = losses.hole_l1(prediction, clean, mask)
        if self.perceptual:
            repaired = torch.where(mask > 0, prediction, clean)
            loss = loss + self.perceptual * perceptual(self.features, clean.device)(repaired, clean)
        return loss

    def validate(self, network: nn.Module, pictures: Sequence[torch.Tensor]) -> dict[str, float]:
        """Mean PSNR in the hole for thin, medium and large holes; LPIPS too where its trunk is at hand."""
        scores = {}
        for kind in ("thin", "medium", "large"):
            values, distances = [], []
            for seed, clean in enumerate(pictures):
                mask = torch.from_numpy(masks.benchmark(kind, (clean.shape[-2], clean.shape[-1]), seed) > 0).to(clean)[None, None]
                repaired = torch.where(mask > 0, network(clean * (1 - mask), mask).float(), clean)
                values.append(psnr(degrade.quantize(repaired), clean, mask))
                if self.features:
                    distances.append(float(perceptual(self.features, clean.device)(repaired, clean)))
            scores[f"psnr_{kind}"] = float(np.mean(values))
            if distances:
                scores[f"lpips_{kind}"] = float(np.mean(distances))
        return scores


def check_range(name: str, limits: tuple[float, float], highest: float) -> None:
    """Check that a range is a pair in order within 0 and ``highest``.

    Raises:
        ValueError: It is not.
    """
    if len(limits) != 2 or not 0 <= limits[0] <= limits[1] <= highest:
        raise ValueError(
            f"{name} is {','.join(f'{x:g}' for x in dict.fromkeys(limits))}; expected 0 to {highest:g}, the lower before the higher"
        )


def normal(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Standard normal samples, float32, of the shape and on the device of ``like``."""
    return torch.from_numpy(rng.standard_normal(tuple(like.shape), np.float32)).to(like.device)


def psnr(prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None = None) -> float:
    """PSNR in dB of (1, C, H, W) in [0, 1]; with a mask (1, 1, H, W), over its pixels."""
    error = (prediction - target).square()
    mean = error.mean() if mask is None else (error * mask).sum() / (mask.sum() * error.shape[1])
    return float(-10 * mean.log10())


@lru_cache(maxsize=4)
def mask_bank(kinds: tuple[str, ...], area: tuple[float, float], count: int, size: int) -> np.ndarray:
    """``count`` masks (size, size) bool, the same at each call: a union of draws of one kind or two."""
    rng = np.random.default_rng(0)
    bank = np.empty((count, size, size), bool)
    for mask in bank:
        chosen = rng.choice(kinds, size=int(rng.integers(1, 3)))
        mask[:] = masks.draw(tuple(chosen), (size, size), rng=rng, area=area) > 0
    return bank


@lru_cache(maxsize=1)
def perceptual(features: str, device: torch.device) -> losses.Perceptual:
    """The LPIPS network, loaded once.

    Raises:
        ValueError: ``features`` is not the file of its trunk.
    """
    try:
        return losses.Perceptual(Path(features)).to(device)
    except MetricUnavailable as error:
        wanted = "expected the file of LPIPS's trunk, or objective.perceptual=0"
        raise ValueError(f"objective.features is {features!r}; {wanted}") from error
