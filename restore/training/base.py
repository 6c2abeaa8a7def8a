"""What the engine asks of an objective and of what it reads; and what the objectives have in common."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import nn

from restore import data, degrade
from restore.degrade.base import numbers
from restore.degrade.sampling import resampling
from restore.draws import Draws

Batch = dict[str, torch.Tensor]
Case = TypeVar("Case")
"""What is done to a held-out picture."""

MULTIPLE = 16
"""Height and width of the photographs to validate with are multiples of it, which suits all networks."""


class TrainingError(RuntimeError):
    """A run cannot start or go on; the message is one line."""


class SettingError(ValueError):
    """A setting does not go with the network, the machine or the other settings; the message is one line."""


class Source(Protocol):
    """Pictures to train on."""

    def __len__(self) -> int:
        """How many."""
        ...

    def draw(self, draws: Draws, numbers: range, size: int) -> Any:
        """The run's samples ``numbers``, for which ``draws`` draws, ``size`` pixels a side, as the objective's ``draw`` takes them."""
        ...


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What an objective reads its pictures by.

    Attributes:
        source: A folder or file: see ``data.load`` and ``data.load_labelled``.
        network: What is to be trained.
        size: Largest side of what will be drawn, in pixels.
        seed: Of the run.
        licence: As for ``data.load``.
        tier: As for ``data.load``.
        device: Where decoded photographs stay; None: they stay in their files, and are decoded when they are drawn.
        say: Receives a line on each file that cannot be read.
    """

    source: Path
    network: nn.Module
    size: int
    seed: int = 0
    licence: str = "open"
    tier: str = "any"
    device: torch.device | None = torch.device("cpu")  # noqa: RUF009
    say: Callable[[str], None] = print

    def photographs(self, held_out: int) -> tuple[data.Crops | data.Resident, list[np.ndarray]]:
        """Crops to train on, and the first ``held_out`` photographs (H, W, 3) uint8 to validate with."""
        smallest = max(self.size, MULTIPLE)
        if self.device is not None:
            training, others = data.load(self.source, licence=self.licence, tier=self.tier, min_side=smallest, say=self.say)
            return data.Resident(training, self.size, self.device), others[:held_out]
        found, kept = data.find(self.source, licence=self.licence, tier=self.tier, min_side=smallest, say=self.say)
        decoded = data.OnDemand(found)
        crops = data.Crops(decoded, self.size, decoded.sizes)
        return crops, [photograph.decode() for photograph in kept[:held_out]]


class Objective(Protocol):
    """Reads pictures, makes batches of them, judges what a network does with one.

    Everything random comes from the draws that it is handed and, within the network and its weights, from torch's generator, which the
    engine seeds at each step, in each process otherwise.
    """

    @property
    def task(self) -> str:
        """What its networks are for: a key of ``restore.tasks.TASKS``, "classify", "repair" or "segment"."""
        ...

    @property
    def score(self) -> str:
        """The key of what ``validate`` returns that the best checkpoints are chosen by; higher is better."""
        ...

    def read(self, reading: Reading) -> tuple[Source, list[Batch]]:
        """Pictures to train on, and batches to validate with."""
        ...

    def draw(self, drawn: Any, draws: Draws) -> Batch:
        """A batch from what the source drew."""
        ...

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Run the network on a batch; one number to minimise, the mean over the samples."""
        ...

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Scores on held-out pictures; the same at each call."""
        ...

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """What the network is given of the ``number``-th batch, what it makes of it, what is wanted: caption -> (1, C, H, W) in [0, 1]."""
        ...


@runtime_checkable
class Adversarial(Protocol):
    """What an objective has beside an ``Objective``'s methods that may train its network against an opponent.

    Attributes:
        opponent_lr: Highest learning rate of the opponent, which AdamW trains.
    """

    @property
    def opponent_lr(self) -> float:
        """See the class."""
        ...

    def opponent(self) -> nn.Module | None:
        """Build the network to play against; None: ``loss`` is all there is."""
        ...

    def contest(self, network: nn.Module, opponent: nn.Module, batch: Batch) -> tuple[torch.Tensor, Batch]:
        """As ``loss``, with the opponent's opinion in it; and the batch with what the network made, cut off from its graph."""
        ...

    def opponent_loss(self, opponent: nn.Module, made: Batch, step: int) -> torch.Tensor:
        """What the opponent minimises on what ``contest`` returned."""
        ...


class Photographs:
    """What the objectives have in common that learn on crops of photographs."""

    pictures = 24
    side = 256
    reduced = 1.0

    def read(self, reading: Reading) -> tuple[Source, list[Batch]]:
        """Random crops of a folder's photographs; the centres of the first 24 that are held out, as ``clean`` (1, 3, h, w).

        Where ``reduced`` is below 1 these are shrunk to it, which leaves hardly anything of their own noise and JPEG.
        """
        crops, held_out = reading.photographs(self.pictures)
        small = (shrink(photograph, self.reduced) if self.reduced < 1 else photograph for photograph in held_out)
        return crops, [batch for photograph in small for batch in self.questions(photograph, self.side)]

    def questions(self, photograph: np.ndarray, side: int) -> list[Batch]:
        """What to validate with, from one photograph (H, W, 3) uint8: its centre, at most ``side`` pixels a side, as ``clean``."""
        return [{"clean": centre(photograph, side)}]


def centre(photograph: np.ndarray, side: int) -> torch.Tensor:
    """The centre of a photograph (H, W, 3) uint8 as (1, 3, h, w) in [0, 1]; h and w: ``side`` at most, multiples of ``MULTIPLE``."""
    height, width = (min(length, side) // MULTIPLE * MULTIPLE for length in photograph.shape[:2])
    top, left = (photograph.shape[0] - height) // 2, (photograph.shape[1] - width) // 2
    return data.to_tensor(photograph[None, top : top + height, left : left + width])


def shrink(photograph: np.ndarray, factor: float) -> np.ndarray:
    """A photograph (H, W, 3) uint8, smaller, by Lanczos's window.

    >>> shrink(np.zeros((40, 60, 3), np.uint8), 0.6).shape
    (24, 36, 3)
    """
    height, width = (max(MULTIPLE, round(side * factor)) for side in photograph.shape[:2])
    return np.asarray(Image.fromarray(photograph).resize((width, height), Image.Resampling.LANCZOS))


def shrunken(x: torch.Tensor, draws: Draws, limits: tuple[float, float], share: float) -> torch.Tensor:
    """Make pictures (N, C, S, S) of crops (N, C, K, K); S is the lowest factor times K, in whole ``MULTIPLE``.

    Args:
        x: Float, of any range.
        draws: One set for each crop.
        limits: Lowest and highest factor, above 0 and up to 1.
        share: Of the crops that are shrunk, each by a factor and a filter of its own: of these a square of S / factor pixels is used, of
            the others one of S.
    """
    crop = x.shape[-1]
    side = max(MULTIPLE, int(crop * limits[0]) // MULTIPLE * MULTIPLE)
    factor, chosen = draws.uniform(*limits), draws.uniform() < share
    source = numbers(np.where(chosen, np.rint(side / factor).clip(max=crop), side), draws)
    kind = numbers(draws.integers(3), draws)  # area, bilinear or bicubic
    matrix = resampling(source, torch.full_like(source, side), kind, (side, crop))[:, None]  # (N, 1, S, K)
    return matrix @ x @ matrix.mT


def some(draws: Draws, share: float) -> torch.Tensor:
    """Choose a share of the samples: (N,) bool, on the device of ``draws``."""
    return torch.from_numpy(draws.uniform() < share).to(draws.device)


def check_range(name: str, limits: tuple[float, float], highest: float) -> None:
    """Check that a range is a pair in order within 0 and ``highest``.

    Raises:
        ValueError: It is not.
    """
    if len(limits) != 2 or not 0 <= limits[0] <= limits[1] <= highest:
        raise ValueError(
            f"{name} is {','.join(f'{x:g}' for x in dict.fromkeys(limits))}; expected 0 to {highest:g}, the lower before the higher"
        )


def check_positive(name: str, limits: tuple[float, float], highest: float) -> None:
    """Check that a range is a pair in order above 0 and up to ``highest``.

    Raises:
        ValueError: It is not.
    """
    check_range(name, limits, highest)
    if not limits[0] > 0:
        raise ValueError(f"{name} starts at {limits[0]:g}; expected a number above 0")


def check_shares(objective: object, *names: str) -> None:
    """Check that settings of an objective are shares, 0 to 1.

    Raises:
        ValueError: One is not.
    """
    for name in names:
        value = getattr(objective, name)
        check_range(f"objective.{name}", (value, value), 1)


def check_names(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    """Check that some names are given, and known.

    Raises:
        ValueError: They are not.
    """
    if not given or not set(given) <= set(known):
        raise ValueError(f"{name} is {','.join(given)!r}; expected some of {', '.join(known)}")


def measured(
    batches: Iterable[Batch],
    cases: Mapping[str, Case],
    ask: Callable[[Case, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
) -> dict[str, float]:
    """What a network does with held-out pictures, case by case, in dB.

    Args:
        batches: Pictures as ``clean`` (1, 3, H, W), the same at each call.
        cases: Name -> case.
        ask: (a case, a clean picture, its number) -> what is wanted of the network, what it is given, and what it makes of that.

    Returns:
        ``psnr_NAME``: the mean PSNR of what it makes, rounded to 8 bits; ``gain``: by how much that is above the PSNR of what it is
        given, on average over all pictures that are not given as they are wanted.

    >>> def halved(case, clean, number):
    ...     return clean, clean + case, clean + case / 2
    >>> scores = measured([{"clean": torch.zeros(1, 3, 4, 4)}], {"far": 102 / 255, "there": 0.0}, halved)
    >>> {name: round(score, 2) for name, score in scores.items()}
    {'psnr_far': 13.98, 'psnr_there': 100.0, 'gain': 6.02}
    """
    scores, gains = {}, []
    for name, case in cases.items():
        values = []
        for number, batch in enumerate(batches):
            wanted, given, made = ask(case, batch["clean"], number)
            values.append(psnr(degrade.quantize(made.float()), wanted))
            if not torch.equal(given, wanted):
                gains.append(values[-1] - psnr(given, wanted))
        scores[f"psnr_{name}"] = float(np.mean(values))
    return {**scores, "gain": float(np.mean(gains)) if gains else 0.0}


def psnr(prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None = None) -> float:
    """PSNR in dB of (1, C, H, W) in [0, 1]; with a mask (1, 1, H, W), over its pixels; 100 at most, so that means stay finite."""
    error = (prediction - target).square()
    mean = error.mean() if mask is None else (error * mask).sum() / (mask.sum() * error.shape[1])
    return float(-10 * mean.clamp_min(1e-10).log10())
