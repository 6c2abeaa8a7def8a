"""Draw what the README shows first, docs/before-after.jpg: photographs of scikit-image, damaged above and restored below.

python scripts/overview.py
"""

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from gallery import saved
from scores import writable
from sheet import write
from skimage import data

from restore import Restorer, figures, masks
from restore.degrade.blur import benchmark_kernels, blur
from restore.levels import from_float, to_float

PICTURE = Path(__file__).parents[1] / "docs" / "before-after.jpg"
WIDTH, HEIGHT, LIMIT = 256, 192, 200_000
"""Pixels of a small picture's sides, bytes of the file."""
TOWERS = (
    ((40, 0), (94, 0), (90, 356), (84, 427), (0, 427), (0, 200)),
    ((190, 114), (210, 114), (214, 408), (156, 408), (168, 330)),
    ((438, 114), (458, 114), (488, 408), (428, 408)),
    ((556, 0), (608, 0), (640, 150), (640, 427), (572, 427)),
)
"""Polygons (x, y) around what is painted over in the photograph of a rocket."""
Pair = tuple[np.ndarray, np.ndarray]
"""What is given, and what is made of it: (H, W, 3) uint8."""


def cut(pair: Pair, top: int, left: int) -> Pair:
    """The same part of both."""
    given, made = (picture[top : top + HEIGHT, left : left + WIDTH] for picture in pair)
    return given, made


def without_towers(restorer: Restorer) -> Pair:
    """Things painted over, and gone."""
    photo = data.rocket()
    mask = np.zeros(photo.shape[:2], np.uint8)
    for tower in TOWERS:
        cv2.fillPoly(mask, [np.array(tower)], 255)
    made = restorer.inpaint(photo, mask)
    painted = np.where(mask[..., None] > 0, np.uint8([225, 60, 50]) // 2 + photo // 2, photo)
    size = (round(HEIGHT * photo.shape[1] / photo.shape[0]), HEIGHT)
    given, made = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (painted, made))
    return cut((given, made), 0, (size[0] - WIDTH) // 2)


def without_scratches(restorer: Restorer) -> Pair:
    """Scratches and dust."""
    photo = data.astronaut()
    mask = masks.draw(["scratches", "scratches", "dust"], photo.shape[:2], np.random.default_rng(1974), area=(0.04, 0.05))
    given = np.where(mask[..., None] > 0, np.uint8([235, 230, 220]), photo)
    return cut((given, restorer.inpaint(given, mask)), 20, 100)


def without_noise(restorer: Restorer) -> Pair:
    """Noise of a level that nobody tells."""
    photo = data.chelsea()
    given = from_float(to_float(photo) + np.random.default_rng(0).normal(0, 35 / 255, photo.shape), np.uint8)
    return cut((given, restorer.denoise(given)), 40, 100)


def without_blocks(restorer: Restorer) -> Pair:
    """A file of quality 8."""
    given = saved(data.coffee(), 8)
    return cut((given, restorer.dejpeg(given)), 60, 170)


def without_shake(restorer: Restorer) -> Pair:
    """The path of a hand, which nobody tells, and 1 % of noise."""
    photo, kernel = data.astronaut(), benchmark_kernels()["walk_16"]
    blurred = blur(torch.from_numpy(to_float(photo)).permute(2, 0, 1)[None], kernel[None])[0].permute(1, 2, 0).numpy()
    given = from_float(blurred + np.random.default_rng(0).normal(0, 0.01, photo.shape), np.uint8)
    return cut((given, restorer.deblur(given)), 20, 100)


COLUMNS = {
    "painted over": without_towers,
    "scratches": without_scratches,
    "noise": without_noise,
    "JPEG": without_blocks,
    "a shaken hand": without_shake,
}
"""Caption -> what makes the pair."""


def draw(restorer: Restorer) -> np.ndarray:
    """All pairs, what is given above what is made of it."""
    pairs = [make(restorer) for make in COLUMNS.values()]
    return figures.sheet([pair[row] for row in (0, 1) for pair in pairs], [*COLUMNS, *["restored"] * len(pairs)], columns=len(pairs))


def main(out: Annotated[Path, typer.Argument(callback=writable, help="Where the picture goes.")] = PICTURE) -> None:
    """Draw the sheet, as good as its size allows."""
    write(draw(Restorer(device="cpu")), out, LIMIT)


if __name__ == "__main__":
    typer.run(main)
