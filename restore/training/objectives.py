"""What a network is asked to do: repair a crop that was damaged, or name what a picture shows; and how well it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from restore import data, degrade, losses, masks
from restore.draws import Draws
from restore.metrics import MetricUnavailable

Batch = dict[str, torch.Tensor]


class Source(Protocol):
    """Pictures to train on."""

    def __len__(self) -> int:
        """How many."""
        ...

    def draw(self, draws: Draws, numbers: range, size: int) -> Any:
        """The run's samples ``numbers``, for which ``draws`` draws, ``size`` pixels a side, as the objective's ``draw`` takes them."""
        ...


class Objective(Protocol):
    """Reads pictures, makes batches of them, judges what a network does with one.

    Everything random comes from the draws that it is handed and, in ``loss``, from torch's generator, which the engine seeds at each step.
    """

    def read(self, source: Path, network: nn.Module, *, size: int, licence: str, seed: int) -> tuple[Source, list[Batch]]:
        """Pictures to train on, ``size`` pixels a side when drawn, and batches to validate with."""
        ...

    def draw(self, drawn: Any, draws: Draws) -> Batch:
        """A batch from what the source drew."""
        ...

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Run the network on a batch; one number to minimise."""
        ...

    def validate(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """Scores on held-out pictures (higher is better); the same at each call."""
        ...


class Repair:
    """What the objectives have in common that learn on crops of photographs."""

    pictures = 24
    side = 256

    def read(self, source: Path, network: nn.Module, *, size: int, licence: str, seed: int) -> tuple[Source, list[Batch]]:
        """Random crops of a folder's photographs; the centres of the first 24 that are held out, as ``clean`` (1, 3, h, w)."""
        training, held_out = data.load(source, licence=licence, min_side=size)
        return data.Crops(training, size), [{"clean": centre(photograph, self.side)} for photograph in held_out[: self.pictures]]


def centre(photograph: np.ndarray, side: int) -> torch.Tensor:
    """The centre of a photograph (H, W, 3) uint8, at most ``side`` pixels a side and a multiple of 16, as (1, 3, h, w) in [0, 1]."""
    height, width = (min(length, side) // 16 * 16 for length in photograph.shape[:2])
    top, left = (photograph.shape[0] - height) // 2, (photograph.shape[1] - width) // 2
    return data.to_tensor(photograph[None, top : top + height, left : left + width])


@dataclass(frozen=True, kw_only=True)
class Denoise(Repair):
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

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Add noise of a level drawn for each crop."""
        sigma = torch.from_numpy(draws.uniform(*self.sigma).astype(np.float32)).to(clean.device)
        clipped = torch.from_numpy(draws.uniform() < self.clipped).to(clean.device).reshape(-1, 1, 1, 1)
        noisy = degrade.gaussian_noise(clean, sigma, draws.normal(*clean.shape[1:]))
        return {"clean": clean, "noisy": torch.where(clipped, degrade.quantize(noisy), noisy), "level": sigma / 255}

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Charbonnier distance to the clean crop."""
        return losses.charbonnier(network(batch["noisy"], batch["level"]).float(), batch["clean"])

    def validate(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """Mean PSNR at sigma 15, 25, 50 in float and 50 clipped to 8 bits."""
        scores = {}
        for sigma, clipped in ((15, False), (25, False), (50, False), (50, True)):
            rng, values = np.random.default_rng(sigma), []
            for clean in (batch["clean"] for batch in batches):
                noisy = degrade.gaussian_noise(clean, torch.tensor([float(sigma)], device=clean.device), normal(clean, rng))
                result = network(degrade.quantize(noisy) if clipped else noisy, sigma / 255).float()
                values.append(psnr(degrade.quantize(result), clean))
            scores[f"psnr_{sigma}{'_8bit' if clipped else ''}"] = float(np.mean(values))
        return scores


@dataclass(frozen=True, kw_only=True)
class Inpaint(Repair):
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

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Cut holes drawn from the bank."""
        bank = mask_bank(self.kinds, self.area, self.bank, clean.shape[-1])
        chosen, turns, mirrored = draws.integers(len(bank)), draws.integers(4), draws.integers(2)
        holes = [np.rot90(bank[i], turn)[:, :: -1 if flip else 1] for i, turn, flip in zip(chosen, turns, mirrored, strict=True)]
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

    def validate(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """Mean PSNR in the hole for thin, medium and large holes; LPIPS too where its trunk is at hand."""
        scores = {}
        for kind in ("thin", "medium", "large"):
            values, distances = [], []
            for seed, clean in enumerate(batch["clean"] for batch in batches):
                mask = torch.from_numpy(masks.benchmark(kind, (clean.shape[-2], clean.shape[-1]), seed) > 0).to(clean)[None, None]
                repaired = torch.where(mask > 0, network(clean * (1 - mask), mask).float(), clean)
                values.append(psnr(degrade.quantize(repaired), clean, mask))
                if self.features:
                    distances.append(float(perceptual(self.features, clean.device)(repaired, clean)))
            scores[f"psnr_{kind}"] = float(np.mean(values))
            if distances:
                scores[f"lpips_{kind}"] = float(np.mean(distances))
        return scores


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

    def read(self, source: Path, network: nn.Module, *, size: int, licence: str, seed: int) -> tuple[Source, list[Batch]]:
        """Labelled pictures (see ``data.load_labelled``); those held out come in batches of 500, as they are.

        Raises:
            ValueError: The network has not one output for each class.
        """
        training, held_out = data.load_labelled(source, size=size, channels=len(network.mean))  # type: ignore[arg-type]
        batches = chunks(held_out, size)
        with torch.no_grad():
            outputs = network.eval()(batches[0]["x"][:1].to(next(network.parameters()).device)).shape[1]
        if outputs != len(training.names):
            raise ValueError(f"the network has {outputs} outputs; expected one for each of {len(training.names)} classes")
        examples = data.Examples(training, size, shift=self.shift, padding=self.padding, flip=self.flip, seed=seed)
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

    def validate(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """Share of the pictures, in per cent, whose class has the largest logit; and the cross-entropy."""
        logits = torch.cat([network(prepare(network, batch)).float() for batch in batches])
        labels = torch.cat([batch["label"] for batch in batches])
        return {
            "accuracy": 100 * float((logits.argmax(1) == labels).float().mean()),
            "cross_entropy": float(F.cross_entropy(logits, labels)),
        }


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
