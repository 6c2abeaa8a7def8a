"""Some thousands of masks, drawn once and kept on a device, where training picks, turns, shifts and unites them."""

from collections.abc import Sequence

import numpy as np
import torch

from restore.draws import Draws
from restore.masks.base import Range
from restore.masks.draw import draw, known

PINNED = {"film_scratches", "folds", "tears", "outpainting"}
"""Kinds that belong to the borders: a shift would cut them, and is not done."""


class Bank:
    """Masks to draw from.

    Args:
        kinds: A name in ``masks.MASKS``, or several; each mask of the bank is a union of draws of one of them or two.
        area: Least and largest part of each mask that is covered, 0 to 1.
        count: How many masks. Every second one covers less, from half the least area to the middle of the range: two of those are united.
        size: Their height and width, in pixels.
        seed: The same one gives the same bank; mask i is the same in a larger bank.
        device: Where it is kept, ``count * size**2`` bytes, and where ``draw`` works.

    Attributes:
        masks: (count, size, size) uint8, 0 or 1.
        area: As given.

    Raises:
        ValueError: No mask, an unknown kind, or an area that its draws cannot meet.

    >>> bank = Bank(["strokes", "text"], (0.1, 0.3), 8, 32, seed=0)
    >>> bank.draw(Draws(0, range(4))).shape
    torch.Size([4, 1, 32, 32])
    """

    def __init__(
        self, kinds: str | Sequence[str], area: Range, count: int, size: int, *, seed: int = 0, device: str | torch.device = "cpu"
    ) -> None:
        if count < 1:
            raise ValueError(f"count of masks is {count}; expected at least 1")
        names = known(kinds)
        masks, pinned = np.empty((count, size, size), np.uint8), np.empty(count, bool)
        for i, mask in enumerate(masks):
            rng, (low, high) = np.random.default_rng([seed, i]), area
            chosen = [names[j] for j in rng.integers(len(names), size=rng.integers(1, 3))]
            mask[:] = draw(chosen, (size, size), rng, (low / 2, (low + high) / 2) if i % 2 else area) > 0
            pinned[i] = not PINNED.isdisjoint(chosen)
        self.area = area
        self.masks = torch.from_numpy(masks).to(device)
        self._pinned = torch.from_numpy(pinned).to(device)

    def __len__(self) -> int:
        """How many masks."""
        return len(self.masks)

    def draw(self, draws: Draws, size: int | None = None, *, union: float = 0.5, area: Range | None = None, tries: int = 8) -> torch.Tensor:
        """Pick a mask for each sample, turn and mirror it, shift it around (what leaves at one border enters at the other), cut it.

        Args:
            draws: Where the numbers come from.
            size: Height and width of the result, at most the bank's; None: the bank's.
            union: Share of the samples that get two of the smaller masks, unless those cover too little or too much together.
            area: Least and largest part to cover; None: the bank's. Of the masks that are tried for a sample, the first one within it
                is taken, or else the nearest.
            tries: How many masks may be tried. At the bank's size and area, the first one fits.

        Returns:
            (N, 1, size, size) float32, 0 or 1, on the bank's device. Each depends on the draws of its own sample alone.

        Raises:
            ValueError: A size beyond the bank's.
        """
        side = self.masks.shape[-1]
        size = side if size is None else size
        if not 1 <= size <= side:
            raise ValueError(f"masks of {size} pixels a side from a bank of {side}; expected 1 to {side}")
        low, high = self.area if area is None else area
        result = self.masks.new_zeros(len(draws), size, size)
        best = torch.full((len(draws),), torch.inf, device=self.masks.device)
        for _ in range(1 if size == side and area is None else tries):
            mask, both = self._pick(draws, size, 0), self._pick(draws, size, 1) | self._pick(draws, size, 1)
            united = self._put(draws.uniform() < union) & (off(both, low, high) == 0)
            mask = torch.where(united[:, None, None], both, mask)
            distance = off(mask, low, high)
            result = torch.where((distance < best)[:, None, None], mask, result)
            best = torch.minimum(distance, best)
        return result[:, None].float()

    def _pick(self, draws: Draws, size: int, smaller: int) -> torch.Tensor:
        """A mask for each sample, (N, size, size) uint8; one of the smaller ones (1) or of the others (0)."""
        side = self.masks.shape[-1]
        index = 2 * draws.integers(max(1, (len(self) + 1 - smaller) // 2)) + smaller
        chosen, turned = self._put(index % len(self)), self._put(draws.integers(2) > 0)  # a bank of one has no smaller one
        window = torch.arange(size, device=self.masks.device)
        rows, columns = (self._line(window, chosen, draws, side) for _ in range(2))  # (N, size)
        picked = self.masks[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]  # (N, size, size)
        return torch.where(turned[:, None, None], picked.mT, picked)

    def _line(self, window: torch.Tensor, chosen: torch.Tensor, draws: Draws, side: int) -> torch.Tensor:
        """The rows (or columns) of the bank that each sample shows, (N, size)."""
        start, mirrored = self._put(draws.integers(side)), self._put(draws.integers(2) > 0)
        start = torch.where(self._pinned[chosen], 0, start)
        line = (start[:, None] + window) % side
        return torch.where(mirrored[:, None], side - 1 - line, line)

    def _put(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(self.masks.device)


def off(masks: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """How far (N,) the covered part of masks (N, H, W), 0 or 1, is from a range; 0 within."""
    covered = masks.sum((1, 2)) / (masks.shape[1] * masks.shape[2])
    return torch.maximum(low - covered, covered - high).clamp(min=0)
