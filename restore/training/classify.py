"""The objective of the classifiers: name what a picture shows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from restore import data
from restore.draws import Draws
from restore.training.base import Batch, Reading, Source, check_range


@dataclass(frozen=True, kw_only=True)
class Classify:
    """Name what a picture shows.

    Attributes:
        shift: Largest displacement of the crop from the picture's centre, in pixels.
        padding: What the crop finds beyond the border: ``"zeros"`` or ``"reflect"``.
        flip: Share of the pictures that are mirrored.
        smoothing: Share of the target that all classes have alike: label smoothing (Szegedy et al. 2016, "Rethinking the Inception
            Architecture", section 7).
        l1: Penalty on the sum of the weights' magnitudes; biases and normalisations are free.
        l2: Penalty on half the sum of their squares.
        noise: Standard deviation, in 8-bit units, of Gaussian noise on the pictures (Bishop 1995, "Training with noise is equivalent to
            Tikhonov regularization").
        weight_noise: Standard deviation of Gaussian noise on the weights, anew at each step (Murray, Edwards 1994, "Enhanced MLP
            performance and fault tolerance resulting from synaptic weight noise during training").
        auxiliary: Weight of the loss of each auxiliary classifier (0.3: Szegedy et al. 2015, "Going deeper with convolutions").

    Raises:
        ValueError: A number is out of its range, or the padding is unknown.
    """

    task = "classify"
    score = "accuracy"
    shift: int = 0
    padding: str = "zeros"
    flip: float = 0.0
    smoothing: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    noise: float = 0.0
    weight_noise: float = 0.0
    auxiliary: float = 0.3

    def __post_init__(self) -> None:
        highest = {"shift": 64, "flip": 1, "smoothing": 1, "l1": 1, "l2": 1, "noise": 255, "weight_noise": 1, "auxiliary": 1}
        for name, limit in highest.items():
            check_range(f"objective.{name}", (getattr(self, name),) * 2, limit)
        if self.padding not in ("zeros", "reflect"):
            raise ValueError(f"objective.padding is {self.padding!r}; expected 'zeros' or 'reflect'")

    def read(self, reading: Reading) -> tuple[Source, list[Batch]]:
        """Labelled pictures (see ``data.load_labelled``); those held out come in batches of 500, as they are.

        Raises:
            ValueError: The network has not one output for each class.
        """
        network, size = reading.network, reading.size
        training, held_out = data.load_labelled(reading.source, size=size, channels=len(network.mean))  # type: ignore[arg-type]
        batches = chunks(held_out, size)
        with torch.no_grad():
            outputs = network.eval()(batches[0]["x"][:1].to(next(network.parameters()).device)).shape[1]
        if outputs != len(training.names):
            raise ValueError(f"the network has {outputs} outputs; expected one for each of {len(training.names)} classes")
        examples = data.Examples(training, size, shift=self.shift, padding=self.padding, flip=self.flip, seed=reading.seed)
        return examples, batches

    def draw(self, drawn: Batch, draws: Draws) -> Batch:
        """Add noise to ``x``, if asked for."""
        return {**drawn, "x": drawn["x"] + self.noise / 255 * draws.normal(*drawn["x"].shape[1:])} if self.noise else drawn

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Cross-entropy of the logits, and of the auxiliary ones by their weight; the penalties."""
        weights = {key: p for key, p in network.named_parameters() if p.ndim > 1}
        noisy = {f"network.{key}": p + self.weight_noise * torch.randn_like(p) for key, p in weights.items()} if self.weight_noise else {}
        logits, auxiliary = functional_call(ForwardAux(network), noisy, (prepare(network, batch),))
        loss = F.cross_entropy(logits.float(), batch["label"], label_smoothing=self.smoothing)
        for other in auxiliary:
            loss = loss + self.auxiliary * F.cross_entropy(other.float(), batch["label"], label_smoothing=self.smoothing)
        if self.l1:
            loss = loss + self.l1 * torch.stack([p.abs().sum() for p in weights.values()]).sum()
        if self.l2:
            loss = loss + self.l2 / 2 * torch.stack([p.square().sum() for p in weights.values()]).sum()
        return loss

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Share of the pictures, in per cent, whose class has the largest logit; and the cross-entropy."""
        logits = torch.cat([network(prepare(network, batch)).float() for batch in batches])
        labels = torch.cat([batch["label"] for batch in batches])
        return {
            "accuracy": 100 * float((logits.argmax(1) == labels).float().mean()),
            "cross_entropy": float(F.cross_entropy(logits, labels)),
        }

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """Nothing: a label is no picture."""
        return {}


class ForwardAux(nn.Module):
    """A backbone whose ``forward`` is its ``forward_aux``, for ``functional_call``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits and auxiliary logits."""
        return self.network.forward_aux(x)  # type: ignore[operator]


def chunks(labelled: data.Labelled, size: int, count: int = 500) -> list[Batch]:
    """The centres of all pictures, ``size`` pixels a side, in their order: batches of ``x`` (N, C, size, size) and ``label`` (N,)."""
    sides = [(max(0, (size - side) // 2), max(0, size - side - (size - side) // 2)) for side in labelled.pictures.shape[1:3]]
    pictures = np.pad(labelled.pictures, ((0, 0), *sides, (0, 0)))
    top, left = ((side - size) // 2 for side in pictures.shape[1:3])
    x = pictures[:, top : top + size, left : left + size]
    starts = range(0, len(labelled), count)
    return [{"x": data.to_tensor(x[i : i + count]), "label": torch.from_numpy(labelled.labels[i : i + count])} for i in starts]


def prepare(network: nn.Module, batch: Batch) -> torch.Tensor:
    """The pictures of a batch as the network's ``forward`` wants them."""
    return network.normalise(batch["x"])  # type: ignore[operator]
