"""The objective of the JPEG restorer: bring back what files of any quality lost."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from restore import degrade, losses
from restore.degrade.base import column
from restore.degrade.codec import double_jpeg
from restore.degrade.tone import luma
from restore.draws import Draws
from restore.jpeg_tables import level
from restore.training.base import Batch, Photographs, check_positive, check_range, check_shares, measured, shrunken, some


class Case(NamedTuple):
    """What is done to a held-out picture.

    Attributes:
        quality: Of the only file, or of the first of two.
        again: Of the second file, whose grid of blocks lies 4 rows and columns beside the first one's; 0: there is none.
        grey: Whether the picture is made grey before.
        told: Whether the network hears of the quality.
    """

    quality: int
    again: int = 0
    grey: bool = False
    told: bool = False


CASES = {
    "10": Case(10),
    "20": Case(20),
    "30": Case(30),
    "40": Case(40),
    "10_told": Case(10, told=True),
    "10_grey": Case(10, grey=True),
    "10_50_grey": Case(10, again=50, grey=True),
}
"""What is measured; grey pictures are the luma of photographs."""

SUBSAMPLINGS = (2, 2, 2, 2, 2, 2, 2, 0, 0, 1)
"""Of ten files; most are 4:2:0."""


@dataclass(frozen=True, kw_only=True)
class Dejpeg(Photographs):
    """Restore JPEG files, of a quality that is told or not.

    The level that the network is given is that of ``jpeg_tables.level``, of two files that of the worse one; 0 says nothing.

    Photographs are JPEG files themselves, and what they lost must not be learnt: a share is shrunk, as are all that are held out. So what
    is trained on is smaller than what is drawn, by the lower of the factors.

    Attributes:
        shrink: Lowest and highest factor by which crops are shrunk, above 0.
        shrunk: Share of the crops that are.
        quality: Lowest and highest quality, 1 to 100; of a quarter of the files it is drawn from 1 to 100 all the same.
        twice: Share of the crops that are files twice over, with grids of blocks that do not coincide.
        again: Lowest and highest quality of half of the second files; the other half is drawn as the first ones are.
        untouched: Share of the crops that are no files at all: the network gets them as they are, and is told nothing.
        grey: Share of the crops that lose their colours before.
        told: Share of the crops whose quality the network hears of.

    Raises:
        ValueError: A number is not within its bounds.
    """

    task = "dejpeg"
    score = "gain"
    reduced = 0.6
    shrink: tuple[float, float] = (0.5, 0.8)
    shrunk: float = 0.6
    quality: tuple[float, float] = (5.0, 60.0)
    twice: float = 0.35
    again: tuple[float, float] = (40.0, 95.0)
    untouched: float = 0.03
    grey: float = 0.15
    told: float = 0.5

    def __post_init__(self) -> None:
        check_positive("objective.shrink", self.shrink, 1)
        check_range("objective.quality", self.quality, 100)
        check_range("objective.again", self.again, 100)
        check_shares(self, "shrunk", "twice", "untouched", "grey", "told")
        for name in ("quality", "again"):
            if not getattr(self, name)[0] >= 1:
                raise ValueError(f"objective.{name} starts at {getattr(self, name)[0]:g}; expected 1 or more")

    def draw(self, clean: torch.Tensor, draws: Draws) -> Batch:
        """Shrink crops, take the colour of some, and write and read them as JPEG files of drawn qualities, once or twice."""
        clean = shrunken(clean, draws, self.shrink, self.shrunk).clamp(0, 1).mul(255).round()
        clean = torch.where(column(some(draws, self.grey)), luma(clean).round(), clean)
        first, second = (torch.from_numpy(self.qualities(draws)).to(clean.device) for _ in range(2))
        subsampling = torch.tensor(SUBSAMPLINGS)[draws.integers(len(SUBSAMPLINGS))].to(clean.device)
        shift = torch.from_numpy(np.stack(np.divmod(1 + draws.integers(63), 8), 1)).to(clean.device)  # (N, 2), not (0, 0)
        twice, told, mild, untouched = (some(draws, share) for share in (self.twice, self.told, 0.5, self.untouched))
        second = torch.where(twice & mild, torch.from_numpy(np.rint(draws.uniform(*self.again))).to(second), second)
        clean, coded, once = clean / 255, torch.empty_like(clean), ~twice
        if once.any():
            coded[once] = degrade.jpeg(clean[once], second[once], subsampling=subsampling[once])
        if twice.any():
            coded[twice] = double_jpeg(clean[twice], first[twice], second[twice], shift[twice], subsampling=subsampling[twice])
        worse = torch.where(twice, first.minimum(second), second)
        coded = torch.where(untouched[:, None, None, None], clean, coded)
        return {"clean": clean, "coded": coded, "level": torch.where(told & ~untouched, level(worse), 0).float()}

    def qualities(self, draws: Draws) -> np.ndarray:
        """Whole numbers (N,): three quarters of them within ``quality``."""
        usual, any_at_all = draws.uniform(self.quality[0], self.quality[1]), draws.uniform(1, 100)
        return np.rint(np.where(draws.uniform() < 0.75, usual, any_at_all))

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Charbonnier distance to the clean crop."""
        return losses.charbonnier(network(batch["coded"], batch["level"]).float(), batch["clean"])

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean PSNR of 4:2:0 files by their quality, told or not, of grey ones and of two files; and the mean gain over the files."""

        def ask(case: Case, clean: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            wanted, coded = code(clean, case)
            result = network(coded, level(case.quality) if case.told else 0.0).float()
            return wanted, coded, result.mean(1, keepdim=True).expand(-1, 3, -1, -1) if case.grey else result

        return measured(batches, CASES, ask)

    def show(self, network: nn.Module, batch: Batch, number: int) -> dict[str, torch.Tensor]:
        """A picture as a file of quality 10, restored, and as it was."""
        clean, coded = code(batch["clean"], CASES["10"])
        return {"quality 10": coded, "restored": network(coded, 0.0).float(), "clean": clean}


def code(clean: torch.Tensor, case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture (N, 3, H, W) as the case wants it, and what is left of it; both multiples of 1 / 255.

    JPEG codes three equal channels as it codes a grey picture.

    >>> wanted, coded = code(torch.full((1, 3, 16, 16), 90 / 255), CASES["10_grey"])
    >>> (coded[0, :, 0, 0] * 255).tolist()
    [88.0, 88.0, 88.0]
    """
    wanted = degrade.quantize(luma(clean).expand_as(clean) if case.grey else clean)
    quality = wanted.new_tensor([case.quality])
    if not case.again:
        return wanted, degrade.jpeg(wanted, quality)
    return wanted, double_jpeg(wanted, quality, wanted.new_tensor([case.again]), torch.tensor([[4, 4]], device=wanted.device))
