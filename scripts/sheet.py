"""Draw the contact sheet of masks and degradations, docs/degradations.jpg.

python scripts/sheet.py
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image, ImageDraw, ImageFont
from scores import writable
from skimage import data, transform

from restore import figures, masks
from restore.degrade import DEGRADATIONS, apply, old_photograph
from restore.draws import Draws

PICTURE = Path(__file__).parents[1] / "docs" / "degradations.jpg"
SIDE, BLOCKS, LIMIT = 160, 4, 1_000_000
"""Pixels of a small picture's side, kinds in a row, bytes of the file."""
SEVERITIES = (0.2, 0.6, 1.0)
SAMPLES = {"film_scratches": 2, "dust": 2, "tears": 3, "flakes": 3, "text": 1, "fading": 1, "foxing": 5, "cast": 2}
"""Name -> number of the sample that is shown, where 0 shows little of it."""
OLD = (("astronaut", 5), ("camera", 1), ("chelsea", 4), ("rocket", 2))
"""Photographs of scikit-image, and the seeds with which they grow old."""


def photograph(side: int, name: str = "astronaut") -> torch.Tensor:
    """A photograph of scikit-image, (1, 3, side, side)."""
    picture = getattr(data, name)()
    picture = np.stack([picture] * 3, 2) if picture.ndim == 2 else picture
    short = min(picture.shape[:2])
    left = (picture.shape[1] - short) // 2
    small = transform.resize(picture[:short, left : left + short], (side, side), anti_aliasing=True)
    return torch.from_numpy(small.astype(np.float32)).permute(2, 0, 1)[None]


def array(x: torch.Tensor) -> np.ndarray:
    """(1, C, H, W) in [0, 1] as (H, W, C) uint8."""
    return (x[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def strip(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures of one height side by side, 2 pixels apart."""
    gap = np.full((pictures[0].shape[0], 2, 3), figures.PAPER, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], 1)


def mask_strip(name: str) -> np.ndarray:
    """Three draws of a kind of mask, white on dark."""
    drawn = [masks.MASKS[name]((SIDE, SIDE), rng=np.random.default_rng(seed)) for seed in range(3)]
    return strip([np.where(mask[..., None] > 0, np.uint8(250), np.uint8(40)).repeat(3, 2) for mask in drawn])


def degradation_strip(name: str, x: torch.Tensor) -> np.ndarray:
    """One degradation at three severities."""
    shown = []
    for severity in SEVERITIES:
        draws = Draws(0, [SAMPLES.get(name, 0)])
        shown.append(array(apply(name, x, DEGRADATIONS[name].draw(draws, (1, 3, SIDE, SIDE), severity))))
    return strip(shown)


def heading(text: str, width: int) -> np.ndarray:
    """A line of text on paper."""
    page = Image.new("RGB", (width, 40), figures.PAPER)
    ImageDraw.Draw(page).text((figures.GAP, 22), text, fill=figures.INK, font=ImageFont.load_default(size=20), anchor="lm")
    return np.asarray(page)


def draw() -> np.ndarray:
    """The whole sheet."""
    x = photograph(300)[:, :, :SIDE, 55 : 55 + SIDE]
    groups = list(dict.fromkeys(row.group for row in DEGRADATIONS.values()))
    rows = [name for group in groups for name, row in DEGRADATIONS.items() if row.group == group]
    first = figures.sheet([mask_strip(name) for name in masks.MASKS], list(masks.MASKS), columns=BLOCKS)
    second = figures.sheet([degradation_strip(name, x) for name in rows], rows, columns=BLOCKS)
    width = first.shape[1]
    side = (width - figures.GAP) // len(OLD) - figures.GAP
    drawn = [(photograph(side, name), Draws(seed, [0], step=seed)) for name, seed in OLD]
    third = figures.sheet([array(old_photograph(new, draws, severity=0.95, grey=0.5)[1]) for new, draws in drawn])
    severities = ", ".join(map(str, SEVERITIES))
    parts = [
        heading("Masks: three draws of each kind", width),
        first,
        heading(f"Degradations at the severities {severities}", width),
        second,
        heading("Old photographs: drawn damage, composed", width),
        np.pad(third, ((0, 0), (0, width - third.shape[1]), (0, 0)), mode="edge"),
    ]
    return np.concatenate(parts)


def write(picture: np.ndarray, out: Path, limit: int) -> None:
    """Save a picture (H, W, 3) uint8 as a JPEG file as good as so many bytes allow, and say how good that is."""
    sheet = Image.fromarray(picture)
    for quality in range(94, 40, -2):
        sheet.save(out, quality=quality, optimize=True)
        if out.stat().st_size < limit:
            break
    typer.echo(f"{out.name}: {sheet.width}x{sheet.height}, {out.stat().st_size} bytes, quality {quality}")


def main(out: Annotated[Path, typer.Argument(callback=writable, help="Where the picture goes.")] = PICTURE) -> None:
    """Draw the sheet, as good as its size allows."""
    torch.set_num_threads(1)
    write(draw(), out, LIMIT)


if __name__ == "__main__":
    typer.run(main)
