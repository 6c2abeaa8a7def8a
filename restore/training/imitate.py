"""The objective of the learned filters: do to a crop what a slow operator does to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import nn

from restore import data, losses
from restore.draws import Draws
from restore.networks.filtering import OPERATORS
from restore.training.base import Batch, Reading, Source, centre, check_names, psnr


@dataclass(frozen=True, kw_only=True)
class Imitate:
    """Imitate operators of every strength; what they make of random crops is computed once, before the first step.

    Attributes:
        operators: Names in ``filtering.OPERATORS`` to train on.
        bank: Crops for each; turned and mirrored when drawn.

    Raises:
        ValueError: An unknown operator, or an empty bank.
    """

    task = "filter"
    score = "psnr"
    operators: tuple[str, ...] = tuple(OPERATORS)
    bank: int = 2000

    def __post_init__(self) -> None:
        check_names("objective.operators", self.operators, list(OPERATORS))
        if self.bank < 1:
            raise ValueError(f"objective.bank is {self.bank}; expected a number above 0")

    def read(self, reading: Reading) -> tuple[Source, list[Batch]]:
        """Pairs of crops; to validate, the centres of eight held-out photographs, through every operator at three strengths."""
        crops, held_out = reading.photographs(8)
        pairs = Pairs(crops, self.operators, self.bank, reading.size, reading.seed)
        return pairs, [batch for photograph in held_out for batch in self.questions(photograph, 256)]

    def questions(self, photograph: np.ndarray, side: int) -> list[Batch]:
        """The centre of a photograph, through every operator at three strengths."""
        clean = centre(photograph, side)
        asked = product(self.operators, (0.1, 0.5, 0.9))
        return [{"x": clean, **answer(name, to_uint8(clean)[0], strength)} for name, strength in asked]

    def draw(self, drawn: Batch, draws: Draws) -> Batch:
        """The pairs as they are."""
        return drawn

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Charbonnier distance to what the operator gave."""
        return losses.charbonnier(network(batch["x"], batch["operator"], batch["strength"]).float(), batch["target"])

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean PSNR against each operator, in dB, and the mean of those."""
        values: dict[str, list[float]] = {}
        for batch in batches:
            result = network(batch["x"], batch["operator"], batch["strength"]).float().clamp(0, 1)
            name = list(OPERATORS)[int(batch["operator"])]
            values.setdefault(f"psnr_{name}", []).append(psnr(result, batch["target"]))
        means = {name: float(np.mean(scores)) for name, scores in values.items()}
        return {**means, "psnr": float(np.mean(list(means.values())))}

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """A picture, what the network makes of it, and what the operator does."""
        result = network(batch["x"], batch["operator"], batch["strength"]).float()
        return {"picture": batch["x"], "imitated": result, list(OPERATORS)[int(batch["operator"])]: batch["target"]}


class Pairs:
    """Crops and what the operators made of them, in memory as uint8; the same for the same seed.

    Args:
        crops: Photographs.
        operators: Names in ``OPERATORS``.
        count: Crops for each.
        size: Side of a crop in pixels.
        seed: Of crops and strengths.
    """

    def __init__(self, crops: Source, operators: Sequence[str], count: int, size: int, seed: int) -> None:
        total = count * len(operators)
        draws = Draws(seed + 1, range(total))
        self.number = np.repeat([list(OPERATORS).index(name) for name in operators], count)
        self.strength = draws.uniform().astype(np.float32)
        self.x = to_uint8(crops.draw(draws, range(total), size))  # (N, size, size, 3)
        self.target = np.empty_like(self.x)
        table = list(OPERATORS.values())
        for i in range(total):
            self.target[i] = table[self.number[i]](self.x[i], float(self.strength[i]))

    def __len__(self) -> int:
        """How many pairs."""
        return len(self.x)

    def draw(self, draws: Draws, numbers: range, size: int) -> Batch:
        """Random pairs, turned and mirrored: ``x`` and ``target`` (N, 3, size, size), ``operator`` and ``strength`` (N,).

        Raises:
            ValueError: Another ``size`` than that of the pairs.
        """
        if size != self.x.shape[1]:
            raise ValueError(f"the pairs are {self.x.shape[1]} pixels a side and cannot be drawn at {size}; expected one size for the run")
        chosen, turns, mirrored = draws.integers(len(self)), draws.integers(4), draws.integers(2)
        pairs = []
        for pictures in (self.x, self.target):
            turned = [np.rot90(pictures[i], turn)[:, :: -1 if flip else 1] for i, turn, flip in zip(chosen, turns, mirrored, strict=True)]
            pairs.append(data.to_tensor(np.stack(turned)))
        operator, strength = torch.from_numpy(self.number[chosen]), torch.from_numpy(self.strength[chosen])
        return {"x": pairs[0], "target": pairs[1], "operator": operator, "strength": strength}


def answer(name: str, image: np.ndarray, strength: float) -> Batch:
    """What an operator makes of a photograph (H, W, 3) uint8, as the network is asked for it."""
    target = data.to_tensor(OPERATORS[name](image, strength)[None])
    return {"target": target, "operator": torch.tensor([list(OPERATORS).index(name)]), "strength": torch.tensor([strength])}


def to_uint8(x: torch.Tensor) -> np.ndarray:
    """Pictures (N, 3, H, W) in [0, 1] as (N, H, W, 3) uint8."""
    return np.rint(x.permute(0, 2, 3, 1).cpu().numpy() * 255).astype(np.uint8)
