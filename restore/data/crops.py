"""Square crops of photographs: where they lie, drawn apart from pixels, and cut out on the CPU."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch

from restore.draws import Draws


class Photographs(Protocol):
    """Arrays (H, W, 3) uint8 by their number: a list, or ``OnDemand``."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, number: int, /) -> np.ndarray:
        """One of them."""
        ...


class Places(NamedTuple):
    """Where the crops of a batch lie: each (N,) integers.

    Attributes:
        photograph: Its number.
        top: First row.
        left: First column.
        turns: Quarter turns anticlockwise, 0 to 3.
        mirrored: 1: mirrored left to right after that.
    """

    photograph: np.ndarray
    top: np.ndarray
    left: np.ndarray
    turns: np.ndarray
    mirrored: np.ndarray


class Windows:
    """Draws where crops lie: each pixel's photograph is as likely as it is large, each place in it alike.

    Args:
        sizes: Rows and columns of the photographs, (N, 2); those that are smaller than ``largest`` are never drawn.
        largest: Largest side of a crop in pixels.

    Raises:
        ValueError: No photograph is large enough.

    >>> Windows([(64, 80), (20, 20)], 32).draw(Draws(0, range(3)), 32).photograph
    array([0, 0, 0])
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], largest: int) -> None:
        self.sizes = np.array(sizes, np.int64).reshape(-1, 2)
        self.numbers = np.flatnonzero(self.sizes.min(axis=1) >= largest)
        if not len(self.numbers):
            raise ValueError(f"no photograph of {len(self.sizes)} holds a crop of {largest}x{largest}")
        areas = self.sizes[self.numbers].prod(axis=1).astype(float)
        self.cumulative = np.cumsum(areas) / areas.sum()
        self.largest = largest

    def __len__(self) -> int:
        """How many photographs are large enough."""
        return len(self.numbers)

    def draw(self, draws: Draws, size: int) -> Places:
        """Places of crops with sides of ``size`` pixels.

        Raises:
            ValueError: ``size`` is above ``largest``.
        """
        if size > self.largest:
            raise ValueError(f"a crop of {size}x{size} is asked for; expected at most {self.largest}x{self.largest}")
        photograph = self.numbers[np.searchsorted(self.cumulative, draws.uniform(), side="right")]
        free = self.sizes[photograph] - size + 1  # (N, 2)
        top, left = ((draws.uniform() * free[:, axis]).astype(np.int64) for axis in (0, 1))
        return Places(photograph, top, left, draws.integers(4), draws.integers(2))


class Crops:
    """Random crops, flipped and turned, of photographs that are arrays in memory or that a sequence decodes.

    Args:
        photographs: (H, W, 3) uint8 arrays; those that are smaller than ``size`` are never drawn.
        size: Largest side of a crop in pixels.
        sizes: Rows and columns of the photographs, where asking the photographs would decode them.

    Raises:
        ValueError: No photograph is large enough.

    >>> Crops([np.zeros((64, 80, 3), np.uint8)], 32).draw(Draws(0, range(4)), range(4), 16).shape
    torch.Size([4, 3, 16, 16])
    """

    def __init__(self, photographs: Photographs, size: int, sizes: Sequence[tuple[int, int]] | None = None) -> None:
        self.photographs = photographs
        self.windows = Windows(sizes_of(photographs) if sizes is None else sizes, size)

    def __len__(self) -> int:
        """How many photographs are large enough."""
        return len(self.windows)

    def draw(self, draws: Draws, numbers: range, size: int) -> torch.Tensor:
        """A crop for each of the run's samples ``numbers``: (N, 3, size, size), float32 in [0, 1], channels last.

        Raises:
            ValueError: ``size`` is larger than promised, or a photograph cannot be decoded.
        """
        batch = np.empty((len(numbers), size, size, 3), np.uint8)
        for crop, (number, y, x, turns, mirrored) in zip(batch, zip(*self.windows.draw(draws, size), strict=True), strict=True):
            patch = np.rot90(self.photographs[number][y : y + size, x : x + size], turns)
            crop[:] = patch[:, ::-1] if mirrored else patch
        return to_tensor(batch)


def sizes_of(photographs: Photographs) -> list[tuple[int, int]]:
    """Rows and columns of photographs that are decoded."""
    return [photographs[number].shape[:2] for number in range(len(photographs))]


def to_tensor(batch: np.ndarray) -> torch.Tensor:
    """(N, H, W, C) uint8 as (N, C, H, W) float32 in [0, 1], channels last in memory."""
    return torch.from_numpy(batch.astype(np.float32) / 255).permute(0, 3, 1, 2)  # (N, C, H, W)
