"""The objective of the detectors: mark the damage that only inpainting can repair."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from restore import degrade, losses
from restore.draws import Draws
from restore.training.base import Batch, Photographs, check_range
from restore.training.repair import check_mixture, held_out, mix


@dataclass(frozen=True, kw_only=True)
class Segment(Photographs):
    """Mark damage, with a network that gives one logit for each pixel.

    Attributes:
        names: As for ``Repair``; what has a mask is to be found, the others make that harder.
        probabilities: As for ``Repair``.
        severity: As for ``Repair``.
        gamma: Focus of the focal loss on what is still wrong (Lin et al. 2017); 0: cross-entropy.
        dice: Weight of the Dice loss beside it.

    Raises:
        ValueError: An unknown degradation, none with a mask, another number of probabilities, or a number out of its range.
    """

    task = "segment"
    score = "iou"
    names: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = (0.5,)
    severity: tuple[float, float] = (0.0, 1.0)
    gamma: float = 2.0
    dice: float = 1.0

    def __post_init__(self) -> None:
        check_mixture(self.names, self.probabilities, self.severity)
        check_range("objective.gamma", (self.gamma, self.gamma), 10)
        check_range("objective.dice", (self.dice, self.dice), 1e6)
        if self.names and not any(degrade.DEGRADATIONS[name].mask for name in self.names):
            marked = [name for name, row in degrade.DEGRADATIONS.items() if row.mask]
            raise ValueError(f"objective.names is {','.join(self.names)!r}; expected one with a mask among them: {', '.join(marked)}")

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Damage crops."""
        _, x, mask = mix(clean, draws, self.names, self.probabilities, self.severity)
        return {"x": degrade.quantize(x), "mask": mask}

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Focal loss and Dice."""
        logits = network(batch["x"]).float()
        loss = losses.focal(logits, batch["mask"], gamma=self.gamma, alpha=None)
        return loss + self.dice * losses.dice(logits, batch["mask"]) if self.dice else loss

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Intersection over union, precision and recall, over the pixels of all pictures; 1 where there is nothing to count."""
        right = found = wanted = 0.0
        for number, batch in enumerate(batches):
            x, mask = self.damaged(batch["clean"], number)
            marked = network(x) > 0
            right, found, wanted = right + float(mask[marked].sum()), found + float(marked.sum()), wanted + float(mask.sum())
        scores = {"iou": (right, found + wanted - right), "precision": (right, found), "recall": (right, wanted)}
        return {name: part / whole if whole else 1.0 for name, (part, whole) in scores.items()}

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """A damaged picture, how sure the network is of damage, and the damage."""
        x, mask = self.damaged(batch["clean"], number)
        return {"damaged": x, "found": network(x).float().sigmoid(), "damage": mask}

    def damaged(self, clean: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A picture (1, C, H, W) damaged as in training, and its mask; the same for the same ``number`` on every device."""
        _, x, mask = held_out(clean, number, self.names, self.probabilities, self.severity)
        return degrade.quantize(x), mask
