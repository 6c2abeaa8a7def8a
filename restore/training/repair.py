"""The objective of the restorers: undo any mixture of degradations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from restore import degrade, losses
from restore.degrade.base import column
from restore.draws import Draws
from restore.training.base import Batch, Photographs, check_names, check_range, check_shares, measured, some


@dataclass(frozen=True, kw_only=True)
class Repair(Photographs):
    """Undo what some degradations did, one after the other, without being told which and how strongly.

    Attributes:
        names: Names in ``degrade.DEGRADATIONS``, in the order in which they happen; none: what happens to an old photograph
            (``degrade.old_photograph``).
        probabilities: Share of the crops that each name happens to: one for all, or one for each.
        severity: Lowest and highest of the worst damage of a crop, 0 to 1; each damage has an even share of it.
        clipped: Share of the crops that are rounded to 8 bits at the end, as a file would hold them.

    Raises:
        ValueError: An unknown degradation, another number of probabilities, or a number out of its range.
    """

    task = "repair"
    score = "psnr_mixed"
    names: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = (0.5,)
    severity: tuple[float, float] = (0.0, 1.0)
    clipped: float = 1.0

    def __post_init__(self) -> None:
        check_mixture(self.names, self.probabilities, self.severity)
        check_shares(self, "clipped")

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Damage clean crops; of an old photograph that was black and white the clean one is so too."""
        clean, damaged, _ = mix(clean, draws, self.names, self.probabilities, self.severity)
        return {"clean": clean, "damaged": torch.where(column(some(draws, self.clipped)), degrade.quantize(damaged), damaged)}

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Charbonnier distance to the clean crop."""
        return losses.charbonnier(restored(network, batch["damaged"]), batch["clean"])

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean PSNR in dB: of the mixture as in training, and after each degradation alone at the middle of the severities; the gain."""
        severity = float(np.mean(self.severity))

        def ask(name: str, clean: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            if name:
                damaged = once(name, clean, number, severity)
            else:
                clean, damaged, _ = held_out(clean, number, self.names, self.probabilities, self.severity)
            damaged = degrade.quantize(damaged)
            return clean, damaged, restored(network, damaged)

        return measured(batches, {"mixed": "", **{name: name for name in self.names}}, ask)

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """A damaged picture, restored, and as it was."""
        clean, damaged, _ = held_out(batch["clean"], number, self.names, self.probabilities, self.severity)
        return {"damaged": damaged, "restored": restored(network, degrade.quantize(damaged)), "clean": clean}


def restored(network: nn.Module, damaged: torch.Tensor) -> torch.Tensor:
    """What the network makes of pictures (N, 3, H, W) when it is told nothing: a noise level of 0."""
    return network(damaged, 0.0).float()


def check_mixture(names: Sequence[str], probabilities: Sequence[float], severity: tuple[float, float]) -> None:
    """Check what ``mix`` is told.

    Raises:
        ValueError: It is wrong.
    """
    if names:
        check_names("objective.names", names, list(degrade.DEGRADATIONS))
        if len(probabilities) not in (1, len(names)):
            raise ValueError(f"objective.probabilities has {len(probabilities)} numbers; expected 1, or {len(names)}, one for each name")
    for probability in probabilities:
        check_range("objective.probabilities", (probability, probability), 1)
    check_range("objective.severity", severity, 1)


def mix(
    clean: torch.Tensor, draws: Draws, names: Sequence[str], probabilities: Sequence[float], severity: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Damage pictures (N, C, H, W); arguments as ``Repair`` has them.

    Returns:
        What a restorer should come to, what it sees, and where only inpainting helps: (N, 1, H, W), 1 there, else 0.
    """
    worst = draws.uniform(*severity)
    with torch.autocast(clean.device.type, enabled=False):
        if not names:
            return degrade.old_photograph(clean, draws, severity=worst)
        chances = list(probabilities) * (len(names) if len(probabilities) == 1 else 1)
        steps = [{name: chance} for name, chance in zip(names, chances, strict=True)]
        return clean, *degrade.compose(clean, steps, draws, severity=worst)


def held_out(
    clean: torch.Tensor, number: int, names: Sequence[str], probabilities: Sequence[float], severity: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As ``mix``, for one picture (1, C, H, W); the same for the same ``number`` on every device."""
    wanted, damaged, mask = mix(clean.cpu(), Draws(0, [number], step=number), names, probabilities, severity)
    return wanted.to(clean.device), damaged.to(clean.device), mask.to(clean.device)


def once(name: str, clean: torch.Tensor, number: int, severity: float) -> torch.Tensor:
    """A picture (1, C, H, W) after one degradation; the same for the same ``number`` on every device."""
    shape = (clean.shape[0], clean.shape[1], clean.shape[2], clean.shape[3])
    drawn = degrade.DEGRADATIONS[name].draw(Draws(0, [number]), shape, severity)
    return degrade.apply(name, clean.cpu(), drawn).to(clean.device)
