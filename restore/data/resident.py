"""Photographs that stay decoded in a device's memory, and are cropped there."""

from collections.abc import Sequence

import numpy as np
import torch

from restore.data.crops import Photographs, Windows, sizes_of
from restore.draws import Draws


class Resident:
    """The crops that ``Crops`` draws, bit for bit, gathered on a device from one flat tensor of pixels.

    Args:
        photographs: (H, W, 3) uint8 arrays, read once, one after the other; those that are smaller than ``size`` are never drawn.
        size: Largest side of a crop in pixels.
        device: Where the pixels stay, 3 bytes each, and where the crops come to be.
        sizes: Rows and columns of the photographs, where asking the photographs would decode them.

    Raises:
        ValueError: No photograph is large enough.

    >>> Resident([np.zeros((64, 80, 3), np.uint8)], 32).draw(Draws(0, range(4)), range(4), 16).shape
    torch.Size([4, 3, 16, 16])
    """

    def __init__(
        self,
        photographs: Photographs,
        size: int,
        device: str | torch.device = "cpu",
        sizes: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self.windows = Windows(sizes_of(photographs) if sizes is None else sizes, size)
        areas = self.windows.sizes.prod(axis=1)
        self.starts = np.cumsum(areas) - areas  # of each photograph, in pixels
        self.pixels = torch.empty(int(areas.sum()), 3, dtype=torch.uint8, device=device)
        for number, part in enumerate(self.pixels.split(areas.tolist())):
            part.copy_(torch.tensor(photographs[number]).view(-1, 3))
        self.white = torch.tensor(255.0, device=device)  # CUDA divides by a tensor exactly, by a number not

    def __len__(self) -> int:
        """How many photographs are large enough."""
        return len(self.windows)

    def draw(self, draws: Draws, numbers: range, size: int) -> torch.Tensor:
        """A crop for each of the run's samples ``numbers``: (N, 3, size, size), float32 in [0, 1], on the device, channels last.

        Raises:
            ValueError: ``size`` is larger than promised.
        """
        steps = torch.from_numpy(self.walk(draws, size)).to(self.pixels.device)  # (3, N)
        corner, down, across = steps[..., None, None]
        along = torch.arange(size, device=steps.device)
        places = corner + down * along[:, None] + across * along  # (N, size, size)
        crops = self.pixels.index_select(0, places.flatten()).view(*places.shape, 3)
        return crops.float().div_(self.white).permute(0, 3, 1, 2)  # (N, 3, size, size)

    def walk(self, draws: Draws, size: int) -> np.ndarray:
        """For each crop its first pixel's number, and how far the next pixel lies down and across: (3, N) int64."""
        photograph, top, left, turns, mirrored = self.windows.draw(draws, size)
        width, far = self.windows.sizes[photograph, 1], size - 1
        corner = self.starts[photograph] + top * width + left + far * np.choose(turns, [0, 1, width + 1, width])
        down, across = np.choose(turns, [width, -1, -width, 1]), np.choose(turns, [1, width, -1, -width])
        return np.stack([corner + mirrored * far * across, down, np.where(mirrored, -across, across)])
