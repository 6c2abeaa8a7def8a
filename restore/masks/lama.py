"""The sets of masks that LaMa was evaluated with (Suvorov et al., Resolution-robust Large Mask Inpainting, 2021; `configs/data_gen`)."""

from dataclasses import dataclass

import numpy as np

from restore.masks.base import Count, Shape
from restore.masks.lines import polylines
from restore.masks.shapes import boxes


@dataclass(frozen=True)
class Lama:
    """One set, in pixels.

    Attributes:
        count: fewest and most polylines.
        length: how many lengths a segment may have, from 10 on.
        width: how many widths a segment may have, from 5 on.
        boxes: fewest and most boxes; None: the set has none.
        size: shortest edge of a box, and what all are shorter than.
        margin: how far boxes stay from the border.
    """

    count: Count
    length: int
    width: int
    boxes: Count | None = None
    size: Count = (0, 0)
    margin: int = 0

    def draw(self, shape: Shape, rng: np.random.Generator, most: float = 0.5) -> np.ndarray:
        """Draw masks until one leaves enough of the picture.

        Args:
            shape: (H, W).
            rng: where the numbers come from.
            most: the largest part of the picture to cover, 0 to 1.

        Returns:
            (H, W) uint8, 0 or 255.

        Raises:
            ValueError: a picture so small that 1000 masks cover more of it.

        >>> LAMA["lama-thin-256"].draw((256, 256), np.random.default_rng(0)).shape
        (256, 256)
        """
        for _ in range(1000):
            mask = self._boxes(shape, rng) if self.boxes and rng.uniform() < 0.3 / 1.3 else self._polylines(shape, rng)
            if (mask > 0).mean() <= most:
                return mask
        raise ValueError(f"1000 masks cover more than {most} of {shape[0]}x{shape[1]}, expected a larger picture")

    def _polylines(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        length, width = ((low / min(shape), (low + number - 1) / min(shape)) for low, number in ((10, self.length), (5, self.width)))
        return polylines(shape, rng=rng, count=self.count, length=length, width=width)

    def _boxes(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        margin = min(self.margin, (min(shape) - 1) // 2)
        inner = shape[0] - 2 * margin, shape[1] - 2 * margin
        size = self.size[0] / min(inner), (self.size[1] - 1) / min(inner)
        return np.pad(boxes(inner, rng=rng, count=self.boxes or (0, 0), size=size), margin)


LAMA = {
    "lama-thin-256": Lama((4, 50), length=40, width=10),
    "lama-medium-256": Lama((4, 5), length=100, width=50, boxes=(1, 5), size=(10, 50)),
    "lama-thick-256": Lama((1, 5), length=200, width=100, boxes=(1, 3), size=(30, 150), margin=10),
    "lama-thin-512": Lama((4, 70), length=100, width=20),
    "lama-medium-512": Lama((4, 10), length=200, width=100, boxes=(1, 5), size=(30, 150)),
    "lama-thick-512": Lama((1, 5), length=450, width=250, boxes=(1, 4), size=(30, 300), margin=10),
}
"""Name -> set; where it has boxes, 3 of 13 masks are boxes (their weight is 0.3 to 1)."""
