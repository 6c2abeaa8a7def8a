"""The objective of the restorers: undo any mixture of degradations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from restore import degrade, losses
from restore.draws import Draws
from restore.training.base import Batch, Photographs, check_names, check_range, psnr


@dataclass(frozen=True, kw_only=True)
class Repair(Photographs):
    """Undo what some degradations did, one after the other, without being told which and how strongly.

    Attributes:
        names: Names in ``degrade.DEGRADATIONS``, in the order in which they happen.
        probabilities: Share of the crops that each happens to: one for all, or one for each.
        severity: Lowest and highest, 0 to 1, drawn uniformly for each crop and each degradation.
        clipped: Share of the crops that are clipped and rounded to 8 bits at the end, as a file would hold them.

    Raises:
        ValueError: An unknown degradation, another number of probabilities, or a number out of its range.
    """

    score = "psnr"
    names: tuple[str, ...] = ("gaussian_noise",)
    probabilities: tuple[float, ...] = (0.5,)
    severity: tuple[float, float] = (0.0, 1.0)
    clipped: float = 1.0

    def __post_init__(self) -> None:
        check_mixture(self.names, self.probabilities, self.severity)
        check_range("objective.clipped", (self.clipped, self.clipped), 1)

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Degrade clean crops."""
        degraded, _ = mix(clean, draws, self.names, self.probabilities, self.severity)
        clipped = torch.from_numpy(draws.uniform() < self.clipped).to(clean.device).reshape(-1, 1, 1, 1)
        return {"clean": clean, "degraded": torch.where(clipped, degrade.quantize(degraded), degraded)}

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Charbonnier distance to the clean crop."""
        return losses.charbonnier(restored(network, batch["degraded"]), batch["clean"])

    def validate(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """Mean PSNR after each degradation alone at the middle of the severities, and the mean of those; in dB."""
        scores = {}
        for name in self.names:
            values = []
            for number, clean in enumerate(batch["clean"] for batch in batches):
                degraded = degrade.quantize(once(name, clean, number, float(np.mean(self.severity))))
                values.append(psnr(degrade.quantize(restored(network, degraded)), clean))
            scores[f"psnr_{name}"] = float(np.mean(values))
        return {**scores, "psnr": float(np.mean(list(scores.values())))}

    def show(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """A picture with all of it at the middle of the severities, restored, and as it was."""
        degraded = batch["clean"]
        for name in self.names:
            degraded = once(name, degraded, 0, float(np.mean(self.severity)))
        degraded = degrade.quantize(degraded)
        return {"degraded": degraded, "restored": restored(network, degraded), "clean": batch["clean"]}


def restored(network: nn.Module, degraded: torch.Tensor) -> torch.Tensor:
    """What the network makes of pictures (N, 3, H, W) when it is told nothing: a noise level of 0."""
    return network(degraded, 0.0).float()


def check_mixture(names: Sequence[str], probabilities: Sequence[float], severity: tuple[float, float]) -> None:
    """Check what ``mix`` is told.

    Raises:
        ValueError: It is wrong.
    """
    check_names("objective.names", names, list(degrade.DEGRADATIONS))
    if len(probabilities) not in (1, len(names)):
        raise ValueError(f"objective.probabilities has {len(probabilities)} numbers; expected 1, or {len(names)}, one for each name")
    for probability in probabilities:
        check_range("objective.probabilities", (probability, probability), 1)
    check_range("objective.severity", severity, 1)


def mix(
    clean: torch.Tensor, draws: Draws, names: Sequence[str], probabilities: Sequence[float], severity: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Degrade pictures (N, C, H, W), each by its own choice of ``names``, in their order.

    Returns:
        The degraded pictures, and where only inpainting helps: (N, 1, H, W), 1 = damaged.
    """
    x, damaged = clean, torch.zeros_like(clean[:, :1])
    chances = list(probabilities) * (len(names) if len(probabilities) == 1 else 1)
    for name, probability in zip(names, chances, strict=True):
        row = degrade.DEGRADATIONS[name]
        chosen = torch.from_numpy(draws.uniform() < probability).to(clean.device).reshape(-1, 1, 1, 1)
        drawn = row.draw(draws, tuple(clean.shape), draws.uniform(*severity))  # type: ignore[arg-type]
        x = torch.where(chosen, row.function(x, **drawn), x)
        if row.mask:
            damaged = torch.maximum(damaged, (drawn[row.mask] > 0) & chosen)
    return x, damaged


def once(name: str, clean: torch.Tensor, number: int, severity: float) -> torch.Tensor:
    """Pictures (1, C, H, W) after one degradation; the same for the same ``number`` on every device."""
    row = degrade.DEGRADATIONS[name]
    drawn = row.draw(Draws(0, [number]), tuple(clean.shape), severity)  # type: ignore[arg-type]
    return row.function(clean, **{key: value.to(clean.device) for key, value in drawn.items()})
