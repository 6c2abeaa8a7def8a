"""What `evaluate.py inpaint` shows: the holes that a network fills best and worst, beside what another method makes of them.

python scripts/holes.py

draws docs/inpainting.jpg: scratches, and holes that are too much, in scikit-image's photographs.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from PIL import Image
from scores import writable
from skimage import data

from restore import Restorer, figures, masks, weights
from restore.training.inpaint import Inpaint
from restore.training.recipes import RECIPES

Array = np.ndarray
SIDE = 256
"""Pixels of a picture that are shown, each way."""
MARK = (255, 0, 255)
"""Colour of holes."""
PICTURE = Path(__file__).parents[1] / "docs" / "inpainting.jpg"
EXAMPLES = (
    ("astronaut", (0, 80), None),
    ("astronaut", (0, 80), (70, 140, 110, 185)),
    ("chelsea", (0, 60), (70, 135, 120, 190)),
    ("coffee", (40, 150), (150, 260, 90, 220)),
    ("rocket", (100, 160), (60, 220, 120, 230)),
)
"""Photograph of scikit-image, top and left of what is shown, hole in it (top, bottom, left, right); None: scratches."""


@dataclass(frozen=True)
class Fill:
    """One picture with holes, filled.

    Attributes:
        name: Set of masks and number of the picture.
        score: What it is ranked by.
        pictures: Before, methods, truth: each (H, W, 3) uint8.
    """

    name: str
    score: float
    pictures: tuple[Array, ...]


def cut(pictures: Sequence[Array], mask: Array, side: int = SIDE) -> tuple[Array, ...]:
    """The square of the pictures (H, W, 3) with most of its holes (H, W) seen from outside: where as many pixels are hole as are not."""
    height, width = (min(side, size) for size in mask.shape)
    holes = cv2.blur((mask > 0).astype(np.float64), (width, height), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    holes = holes[: mask.shape[0] - height + 1, : mask.shape[1] - width + 1]
    top, left = np.unravel_index(np.argmin(np.abs(holes - 0.5)), holes.shape)
    return tuple(picture[top : top + height, left : left + width] for picture in pictures)


def marked(picture: Array, mask: Array) -> Array:
    """A picture (H, W, 3) with its holes painted."""
    return np.where(mask[..., None] > 0, np.uint8(MARK), picture)


def write_sheet(path: Path, fills: Sequence[Fill], columns: Sequence[str], by: str) -> None:
    """Write ``sheet`` of the fills, ranked by a score that is the better the higher ("psnr") or the lower ("lpips")."""
    Image.fromarray(sheet(sorted(fills, key=lambda fill: fill.score, reverse=by == "psnr"), columns)).save(path, "PNG")


def sheet(ranked: Sequence[Fill], columns: Sequence[str], count: int = 10) -> Array:
    """The first fills on the left, the last ones on the right; ``columns`` says what each fill's pictures are."""
    count = min(count, -(-len(ranked) // 2))
    pictures, captions = [], []
    for pair in zip(ranked[:count], ranked[-count:], strict=True):
        for fill in pair:
            pictures += fill.pictures
            captions += [f"{fill.name}: {fill.score:.4g}", *columns[1:]]
    return figures.sheet(pictures, captions, columns=2 * len(columns))


def trained_on_lpips(weight: str) -> bool:
    """Whether the loss of a shipped weight, or of a training run, was the distance that it is measured by."""
    entry, path = weights.find(weight)
    if not entry.recipe:
        return json.loads((path.parent / "config.json").read_text("utf-8"))["objective"].get("perceptual", 0) > 0
    objective = RECIPES[entry.recipe]().objective
    return isinstance(objective, Inpaint) and objective.perceptual > 0


def example(name: str, corner: tuple[int, int], hole: tuple[int, int, int, int] | None) -> tuple[Array, Array]:
    """A part (h, w, 3) of one of scikit-image's photographs, and its mask (h, w)."""
    picture = np.ascontiguousarray(getattr(data, name)()[corner[0] : corner[0] + 300, corner[1] : corner[1] + 320])
    if hole is None:
        return picture, masks.benchmark("thin", picture.shape[:2], 3)
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[hole[0] : hole[1], hole[2] : hole[3]] = 255
    return picture, mask


def main(
    out: Annotated[Path, typer.Argument(callback=writable, help="Where the picture goes.")] = PICTURE,
    weight: Annotated[str, typer.Option(help="Shipped weight, or training run.")] = "inpaint",
) -> None:
    """Draw what is filled well, and what is not."""
    torch.set_num_threads(1)
    restorer, shown = Restorer(device="cpu", weights={"inpaint": weight}), []
    for picture, mask in (example(*words) for words in EXAMPLES):
        damaged = np.where(mask[..., None] > 0, np.uint8(0), picture)
        shown += [marked(picture, mask), *(restorer.inpaint(damaged, mask, method=method) for method in ("telea", "learned")), picture]
    captions = ["holes", "Telea", "restore inpaint", "truth"] * len(EXAMPLES)
    Image.fromarray(figures.sheet(shown, captions, columns=4)).save(out, quality=80, optimize=True)
    typer.echo(f"{out.name}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    typer.run(main)
