"""What `evaluate.py inpaint` shows: the holes that a network fills best and worst, beside what another method makes of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from restore import figures, weights
from restore.training.inpaint import Inpaint
from restore.training.recipes import RECIPES

Array = np.ndarray
SIDE = 256
"""Pixels of a picture that are shown, each way."""
MARK = (255, 0, 255)
"""Colour of holes."""


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
    Image.fromarray(sheet(sorted(fills, key=lambda fill: fill.score, reverse=by == "psnr"), columns)).save(path)


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
    """Whether the loss of a shipped weight, or of a run's file beside its config.json, was the distance that it is measured by."""
    path = Path(weight)
    if path.suffix in (".pt", ".safetensors"):
        return json.loads((path.parent / "config.json").read_text("utf-8"))["objective"].get("perceptual", 0) > 0
    objective = RECIPES[weights.find(weight)[0].recipe]().objective
    return isinstance(objective, Inpaint) and objective.perceptual > 0
