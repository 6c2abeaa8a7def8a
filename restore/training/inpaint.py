"""The objective of the inpainting networks: fill holes."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from restore import degrade, losses, masks
from restore.draws import Draws
from restore.masks.bank import Bank
from restore.metrics import MetricUnavailable
from restore.networks.discriminator import FeatureDiscriminator, PatchDiscriminator
from restore.training.base import (
    Batch,
    Photographs,
    Reading,
    SettingError,
    Source,
    check_names,
    check_positive,
    check_range,
    check_shares,
    psnr,
    shrunken,
)

SHIFTS = 8
"""LPIPS starts at one of so many pixels each way: the strides of its first layers together."""
TAPS = 4
"""So many of LPIPS's maps, the finest, are what an opponent of features sees."""


@dataclass(frozen=True, kw_only=True)
class Inpaint(Photographs):
    """Fill holes.

    Attributes:
        kinds: Names in ``masks.MASKS`` that holes are drawn from, one or two for each mask.
        area: Smallest and largest share of a crop that its holes take.
        shrink: Lowest and highest factor by which crops are shrunk, above 0: the same things at other sizes.
        shrunk: Share of the crops that are; above 0, all crops have the lowest factor times the side that the run asks for.
        bank: How many masks are drawn once, and then turned, shifted and united.
        deep: What the error of a pixel far inside of a large hole counts: see ``losses.hole_l1``.
        perceptual: Weight of the LPIPS loss beside the L1 in the hole; 0: none. It looks at each batch from another pixel on, so that no
            grid of the network's may hide in its strides (as Kettunen et al. 2019, "E-LPIPS", see it).
        features: File of the LPIPS trunk (see ``losses.Perceptual``); needed with ``perceptual``.
        adversarial: Weight of what a discriminator says of the patches that touch the hole; 0: there is none.
        opponent_sees: "pixels": the discriminator is a ``PatchDiscriminator`` and has the non-saturating loss (Goodfellow et al. 2014) with
            R1. "features": it is a ``FeatureDiscriminator`` on the maps that LPIPS sees, which learns in fewer steps, and both players
            have the relativistic loss, patch against patch of the same photograph.
        spared: Pixels of each hole's rim that a ``FeatureDiscriminator`` is not asked about: holes up to twice as wide are left to other
            losses, which know better what is there.
        matching: Weight of the distance between the maps in a ``PatchDiscriminator`` of the repaired crop and of the clean one.
        r1: Weight of the penalty on a ``PatchDiscriminator``'s gradient at clean crops.
        r1_every: Steps between two penalties, each that much heavier (Karras et al. 2020, "Analyzing and Improving the Image Quality of
            StyleGAN", appendix B: lazy regularisation).
        opponent_lr: Highest learning rate of the discriminator, which AdamW trains.
        opponent_layers: Convolutions of stride 2 in a ``PatchDiscriminator``.
        opponent_width: Channels of the first; in a ``FeatureDiscriminator``, the most of a head.

    Raises:
        ValueError: An unknown kind of mask, a number out of its range, or an opponent that cannot be.
    """

    task = "inpaint"
    score = "psnr_medium"
    kinds: tuple[str, ...] = ("strokes", "scratches", "text")
    area: tuple[float, float] = (0.10, 0.35)
    shrink: tuple[float, float] = (0.6, 1.0)
    shrunk: float = 0.0
    bank: int = 2000
    deep: float = 1.0
    perceptual: float = 0.0
    features: str = ""
    adversarial: float = 0.0
    opponent_sees: str = "pixels"
    spared: int = 6
    matching: float = 0.0
    r1: float = 1e-3
    r1_every: int = 16
    opponent_lr: float = 1e-4
    opponent_layers: int = 4
    opponent_width: int = 64

    def __post_init__(self) -> None:
        check_range("objective.area", self.area, 1)
        check_positive("objective.shrink", self.shrink, 1)
        check_shares(self, "shrunk")
        check_range("objective.deep", (self.deep,) * 2, 1)
        for name in ("perceptual", "adversarial", "matching", "r1", "opponent_lr"):
            check_range(f"objective.{name}", (getattr(self, name),) * 2, 1e6)
        for name in ("bank", "r1_every", "opponent_layers", "opponent_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"objective.{name} is {getattr(self, name)}; expected a number above 0")
        if self.spared < 0:
            raise ValueError(f"objective.spared is {self.spared}; expected 0 or more")
        check_names("objective.kinds", self.kinds, list(masks.MASKS))
        check_names("objective.opponent_sees", (self.opponent_sees,), ["pixels", "features"])
        if self.opponent_sees == "features" and self.matching:
            raise ValueError("objective.matching is above 0; expected 0 where objective.opponent_sees is 'features'")

    @property
    def looks(self) -> bool:
        """Whether what LPIPS sees is needed."""
        return self.perceptual > 0 or (self.adversarial > 0 and self.opponent_sees == "features")

    def read(self, reading: Reading) -> tuple[Source, list[Batch]]:
        """As ``Photographs.read``, once it is sure that LPIPS can be measured where it is asked for."""
        if self.looks:
            perceptual(self.features, next(reading.network.parameters()).device)
        return super().read(reading)

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Cut holes drawn from the bank; ``shift`` is where LPIPS starts, the same for all crops."""
        clean = shrunken(clean, draws, self.shrink, self.shrunk).clamp(0, 1) if self.shrunk else clean
        bank = mask_bank(self.kinds, self.area, self.bank, clean.shape[-1], clean.device)
        mask, shift = bank.draw(draws), torch.from_numpy(draws.common().integers(SHIFTS, size=2))
        return {"clean": clean, "mask": mask, "shift": shift.to(clean.device).expand(len(clean), 2)}

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """L1 in the hole and, if asked for, LPIPS of the repaired crop."""
        return self.judge(network, batch)[0]

    def judge(self, network: nn.Module, batch: Batch) -> tuple[torch.Tensor, Batch]:
        """The loss, and the batch with the ``repaired`` crops (N, 3, H, W); and, where LPIPS looks at them, with what it sees: ``look``."""
        clean, mask = batch["clean"], batch["mask"]
        prediction = network(clean * (1 - mask), mask).float()
        loss = losses.hole_l1(prediction, clean, mask, deep=self.deep)
        made = {**batch, "repaired": torch.where(mask > 0, prediction, clean)}
        if self.looks:
            lpips = perceptual(self.features, clean.device)
            made |= look(lpips, made)
            loss = loss + self.perceptual * lpips.distance(maps(made, "repaired"), maps(made, "clean"))
        return loss, made

    def opponent(self) -> PatchDiscriminator | FeatureDiscriminator | None:
        """A discriminator, if it has a weight."""
        if not (self.adversarial or self.matching):
            return None
        if self.opponent_sees == "features":
            return FeatureDiscriminator(losses.Perceptual.CHANNELS[:TAPS], self.opponent_width)
        return PatchDiscriminator(self.opponent_layers, self.opponent_width)

    def contest(self, network: nn.Module, opponent: nn.Module, batch: Batch) -> tuple[torch.Tensor, Batch]:
        """The loss with the opponent's opinion of the patches that touch the hole; what was judged, cut off from the graph."""
        loss, made = self.judge(network, batch)
        if isinstance(opponent, FeatureDiscriminator):
            with torch.no_grad():
                theirs = verdict(opponent, made, "clean")
            ours = verdict(opponent, made, "repaired")
            loss = loss + self.adversarial * relativistic(ours, theirs, opponent.touched(inside(made["mask seen"], self.spared), ours))
        else:
            logits, shown = opponent(made["repaired"])
            touched = opponent.touched(made["mask"])  # type: ignore[operator]
            loss = loss + self.adversarial * losses.nonsaturating_generator(logits, weight=touched)
            if self.matching:
                with torch.no_grad():
                    _, wanted = opponent(made["clean"])
                loss = loss + self.matching * losses.feature_matching(shown, wanted)
        return loss, {name: x.detach() for name, x in made.items()}

    def opponent_loss(self, opponent: nn.Module, made: Batch, step: int) -> torch.Tensor:
        """Tell clean crops from repaired ones, of which only the patches that touch the hole are fake.

        A ``PatchDiscriminator`` has R1 beside it at every ``r1_every``-th step.
        """
        if isinstance(opponent, FeatureDiscriminator):
            theirs, ours = (verdict(opponent, made, name) for name in ("clean", "repaired"))
            return relativistic(theirs, ours, opponent.touched(inside(made["mask seen"], self.spared), ours))
        clean, touched = made["clean"], opponent.touched(made["mask"])  # type: ignore[operator]
        loss = losses.nonsaturating_discriminator(opponent(clean)[0], opponent(made["repaired"])[0], fake=touched)
        if self.r1 and step % self.r1_every == 0:
            with torch.autocast(clean.device.type, enabled=False):
                pictures = clean.float().requires_grad_()
                loss = loss + self.r1 * self.r1_every * losses.r1(opponent(pictures)[0], pictures)
        return loss

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean PSNR in the hole for thin, medium and large holes; LPIPS too where its trunk is at hand."""
        scores = {}
        for kind in ("thin", "medium", "large"):
            values, distances = [], []
            for seed, clean in enumerate(batch["clean"] for batch in batches):
                mask, repaired = fill(network, clean, kind, seed)
                values.append(psnr(degrade.quantize(repaired), clean, mask))
                if self.features:
                    distances.append(float(perceptual(self.features, clean.device)(repaired, clean)))
            scores[f"psnr_{kind}"] = float(np.mean(values))
            if distances:
                scores[f"lpips_{kind}"] = float(np.mean(distances))
        return scores

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """A picture with medium holes in white, filled, and as it was."""
        mask, repaired = fill(network, batch["clean"], "medium", number)
        return {"medium": batch["clean"].masked_fill(mask > 0, 1), "filled": repaired, "clean": batch["clean"]}


def fill(network: nn.Module, clean: torch.Tensor, kind: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A benchmark's mask (1, 1, H, W) and what the network makes of a picture (1, 3, H, W) with that hole."""
    mask = torch.from_numpy(masks.benchmark(kind, (clean.shape[-2], clean.shape[-1]), seed) > 0).to(clean)[None, None]
    return mask, torch.where(mask > 0, network(clean * (1 - mask), mask).float(), clean)


def look(lpips: losses.Perceptual, made: Batch) -> Batch:
    """What LPIPS sees of the ``clean`` and the ``repaired`` crops of a batch.

    Returns:
        Their windows and that of the ``mask``, "clean seen" and so on; its maps of the two, finest first, "clean map 0" and so on.
    """
    seen = {f"{name} seen": window(made[name], made["shift"][0]) for name in ("clean", "mask", "repaired")}
    seen_maps = {f"{name} map {i}": x for name in ("clean", "repaired") for i, x in enumerate(lpips.maps(seen[f"{name} seen"]))}
    return {**seen, **seen_maps}


def maps(made: Batch, name: str) -> list[torch.Tensor]:
    """LPIPS's maps of the crops called so."""
    return [x for key, x in made.items() if key.startswith(f"{name} map ")]


def verdict(opponent: FeatureDiscriminator, made: Batch, name: str) -> list[torch.Tensor]:
    """What an opponent of features says of the crops called so."""
    logits: list[torch.Tensor] = opponent(made[f"{name} seen"], maps(made, name)[:TAPS])
    return logits


def relativistic(judged: list[torch.Tensor], other: list[torch.Tensor], touched: list[torch.Tensor]) -> torch.Tensor:
    """Mean of ``losses.relativistic`` over the heads of a ``FeatureDiscriminator``."""
    each = (losses.relativistic(a, b, weight=weight) for a, b, weight in zip(judged, other, touched, strict=True))
    return torch.stack([*each]).mean()


def inside(mask: torch.Tensor, rim: int) -> torch.Tensor:
    """Holes (N, 1, H, W) without so many pixels of their rim; the edge of the picture is none.

    >>> inside(torch.tensor([[[[0.0, 1, 1, 1, 1, 0, 1]]]]).expand(1, 1, 3, 7), 1)[0, 0, 0].tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    return 1 - F.max_pool2d(1 - mask.float(), 2 * rim + 1, 1, rim)


def window(x: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Pictures (N, C, H, W) without ``SHIFTS - 1`` rows and columns, from row ``start[0]`` and column ``start[1]`` on.

    >>> window(torch.arange(9.0).expand(1, 1, 9, 9), torch.tensor([0, 1]))[0, 0, 0]
    tensor([1., 2.])
    """
    rows, columns = (at + torch.arange(side - SHIFTS + 1, device=x.device) for at, side in zip(start, x.shape[-2:], strict=True))
    return x.index_select(2, rows).index_select(3, columns)  # unlike a slice, it does not wait for a GPU to know where to start


@lru_cache(maxsize=4)
def mask_bank(kinds: tuple[str, ...], area: tuple[float, float], count: int, size: int, device: torch.device) -> Bank:
    """The bank of a run, drawn once."""
    return Bank(kinds, area, count, size, device=device)


@lru_cache(maxsize=1)
def perceptual(features: str, device: torch.device) -> losses.Perceptual:
    """The LPIPS network, loaded once.

    Raises:
        SettingError: ``features`` is not the file of its trunk.
    """
    try:
        return losses.Perceptual(Path(features)).to(device)
    except MetricUnavailable as error:
        wanted = "expected the file of LPIPS's trunk, or objective.perceptual=0"
        raise SettingError(f"objective.features is {features!r}; {wanted}") from error
