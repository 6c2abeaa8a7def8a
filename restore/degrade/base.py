"""What a degradation is: a pure function on tensors, and how its parameters are drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F

from restore import masks
from restore.draws import Draws

Shape = tuple[int, int, int, int]
"""(N, C, H, W) of the pictures that parameters are drawn for."""


class Distribution(Protocol):
    """Draws one parameter of a degradation."""

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """The parameter for each picture of a batch, on the device of ``draws``; ``severity`` is (N,) in [0, 1].

        It draws as much, and in the same order, whatever the severity.
        """
        ...


@dataclass(frozen=True)
class Degradation:
    """One row of the table.

    Attributes:
        group: What kind of damage it is.
        function: ``function(x, **drawn)``: pictures (N, C, H, W) in [0, 1] and the drawn parameters to damaged pictures, of the same
            shape, neither clipped nor rounded unless a file would do so. It draws nothing, and works on any device.
        parameters: Name of an argument -> how it is drawn. At severity 0 the damage is barely seen, at 1 it is the worst that archives
            hold; with everything else alike, PSNR falls as severity rises.
        mask: The argument that marks what is beyond repair by anything but inpainting, (N, 1, H, W): 1 in the damage, 1/2 in a margin
            where it is seen, too, else 0; empty: none does.
        array: The same on an array (H, W, C) uint8 through the real codec, where there is one: ``array(image, **numbers)``.
        about: What it is, in a line, where rows share their function; empty: the first line of the function's docstring.
    """

    group: str
    function: Callable[..., torch.Tensor]
    parameters: Mapping[str, Distribution]
    mask: str = ""
    array: Callable[..., np.ndarray] | None = None
    about: str = ""

    @property
    def summary(self) -> str:
        """What it is, in a line."""
        return self.about or (self.function.__doc__ or "").splitlines()[0].replace("``", "")

    def draw(self, draws: Draws, shape: Shape, severity: float | np.ndarray | None = None) -> dict[str, torch.Tensor]:
        """Draw the parameters for pictures of a shape.

        Args:
            draws: Where the numbers come from, one set for each picture.
            shape: (N, C, H, W).
            severity: 0 to 1, for all or (N,); None draws it evenly.

        Returns:
            Name -> tensor whose first axis is N, on the device of ``draws``.

        Raises:
            ValueError: A severity outside 0 to 1.
        """
        drawn = draws.uniform()
        given = drawn if severity is None else np.broadcast_to(np.asarray(severity, np.float64), drawn.shape)
        if not ((given >= 0) & (given <= 1)).all():
            raise ValueError(f"severity is {severity}; expected 0 to 1")
        return {name: distribution(draws, shape, given) for name, distribution in self.parameters.items()}


def numbers(values: np.ndarray, draws: Draws) -> torch.Tensor:
    """Drawn numbers (N, ...) as float32 on the device of ``draws``."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(draws.device)


def interpolate(low: float, high: float, share: np.ndarray, *, log: bool = False) -> np.ndarray:
    """From ``low`` at share 0 to ``high`` at share 1, evenly or in equal ratios."""
    return low * (high / low) ** share if log else low + (high - low) * share


@dataclass(frozen=True)
class Strength:
    """(N,): ``low`` at severity 0, ``high`` at 1, evenly or in equal ratios (``log``); ``high`` may be the smaller one."""

    low: float
    high: float
    log: bool = False

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        return numbers(interpolate(self.low, self.high, severity, log=self.log), draws)


@dataclass(frozen=True)
class Uniform:
    """(N,): evenly between ``low`` and ``high``, or their logarithms (``log``), whatever the severity."""

    low: float
    high: float
    log: bool = False

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        return numbers(interpolate(self.low, self.high, draws.uniform(), log=self.log), draws)


@dataclass(frozen=True)
class Integer:
    """(N,): a whole number from ``low`` to ``high``, both included."""

    low: int
    high: int

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        return numbers(self.low + draws.integers(self.high - self.low + 1), draws)


@dataclass(frozen=True)
class Choice:
    """(N,): one of ``values``, whatever the severity; a value that stands there twice comes twice as often."""

    values: tuple[float, ...]

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        return numbers(np.array(self.values)[draws.integers(len(self.values))], draws)


@dataclass(frozen=True)
class Normal:
    """(N, C, H, W) standard normal samples; ``channels`` instead of C, where it is given."""

    channels: int | None = None

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        _, channels, height, width = shape
        return draws.normal(self.channels or channels, height, width)


@dataclass(frozen=True)
class Even:
    """(N, C, H, W) samples evenly in [0, 1]; ``channels`` instead of C, where it is given."""

    channels: int | None = None

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        return torch.special.ndtr(Normal(self.channels)(draws, shape, severity))


@dataclass(frozen=True)
class Field:
    """(N, channels, H, W): what varies slowly over the picture, its values about standard normal.

    Attributes:
        cells: How many samples a side are drawn, 2 or more; bicubic interpolation joins them.
        channels: How many fields.
    """

    cells: int = 4
    channels: int = 1

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        return F.interpolate(draws.normal(self.channels, self.cells, self.cells), shape[2:], mode="bicubic", align_corners=True)


@dataclass(frozen=True)
class Mask:
    """(N, 1, H, W), 1 in the damage, else 0: draws of ``masks.MASKS[kind]``, the more of them the higher the severity.

    Attributes:
        kind: Its name.
        fewest: How many draws at severity 0.
        most: How many at 1.
    """

    kind: str
    fewest: int = 1
    most: int = 1

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``. What is drawn at a low severity is part of what is drawn at a higher one."""
        function, size = masks.MASKS[self.kind], shape[2:]
        out = np.zeros((len(draws), 1, *size), np.float32)
        counts = np.rint(interpolate(self.fewest, self.most, severity)).astype(int)
        for mask, rng, count in zip(out, draws.generators(), counts, strict=True):
            for _ in range(count):
                mask[0] = np.maximum(mask[0], function(size, rng=rng) > 0)
        return numbers(out, draws)


def column(values: torch.Tensor) -> torch.Tensor:
    """(N,) as (N, 1, 1, 1), to be multiplied with pictures."""
    return values.reshape(-1, 1, 1, 1)
