"""Photographs for training: decoded once to uint8, crops drawn by area, deterministic in the step."""

import csv
import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from restore.image import SUFFIXES

CLOSED = ("none stated", "non-commercial")
"""What the ``licence`` column of a manifest begins with where a photograph's licence is not stated or not open."""


def load(
    root: Path, *, validation: str = "train-006", licence: str = "open", min_side: int = 64
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Read the photographs of a folder, apart for training and validation.

    Args:
        root: A folder with pictures (searched recursively), or with tar shards of pictures and a ``manifest.tsv`` whose rows name
            each photograph's ``file``, ``licence`` and ``shard``.
        validation: The shard kept for validation. A folder without shards gives every tenth picture, at least one.
        licence: ``"open"``: only photographs whose manifest row states an open licence; ``"any"``: all.
        min_side: Smaller pictures are left out.

    Returns:
        Training and validation photographs, each (H, W, 3) uint8 RGB.

    Raises:
        ValueError: No photograph is left, one cannot be decoded, or an unknown ``licence``.
    """
    if licence not in ("open", "any"):
        raise ValueError(f"licence {licence!r} is unknown; expected 'open' or 'any'")
    root = Path(root)
    shards = sorted(root.glob("*.tar"))
    if shards:
        allowed = None if licence == "any" else open_files(root / "manifest.tsv")
        training = [p for shard in shards if shard.stem != validation for p in read_shard(shard, allowed, min_side)]
        held_out = list(read_shard(root / f"{validation}.tar", None, min_side))
    else:
        files = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES)
        pictures = [p for p in (decode(file.read_bytes(), str(file)) for file in files) if min(p.shape[:2]) >= min_side]
        training, held_out = [p for i, p in enumerate(pictures) if i % 10], pictures[::10]
    if not training or not held_out:
        found = f"{len(training)} photographs to train on and {len(held_out)} to validate with"
        raise ValueError(f"{found} in {root}; expected some of each, {min_side} pixels or larger")
    return training, held_out


def open_files(manifest: Path) -> set[str]:
    """Names of the photographs whose licence is stated and open."""
    with manifest.open(newline="", encoding="utf-8") as file:
        return {row["file"] for row in csv.DictReader(file, delimiter="\t") if not row["licence"].startswith(CLOSED)}


def read_shard(shard: Path, allowed: set[str] | None, min_side: int) -> Iterator[np.ndarray]:
    """Photographs (H, W, 3) uint8 of a tar file, in its order; ``allowed`` None takes all."""
    with tarfile.open(shard) as tar:
        for member in tar:
            name = Path(member.name).name
            if Path(name).suffix.lower() in SUFFIXES and (allowed is None or name in allowed):
                picture = decode(tar.extractfile(member).read(), f"{shard}: {name}")  # type: ignore[union-attr]
                if min(picture.shape[:2]) >= min_side:
                    yield picture


def decode(content: bytes, name: str) -> np.ndarray:
    """A picture file as (H, W, 3) uint8 RGB, upright.

    Raises:
        ValueError: It cannot be decoded; the message names it.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as a picture: {error}") from error


class Crops:
    """Random square crops of photographs in memory, drawn by area, flipped and turned.

    Args:
        photographs: (H, W, 3) uint8 arrays, each at least ``size`` on both sides.
        size: Side of a crop in pixels.
    """

    def __init__(self, photographs: Sequence[np.ndarray], size: int) -> None:
        self.photographs = [p for p in photographs if min(p.shape[:2]) >= size]
        if not self.photographs:
            raise ValueError(f"no photograph of {len(photographs)} holds a crop of {size}x{size}")
        areas = np.array([p.shape[0] * p.shape[1] for p in self.photographs], float)
        self.cumulative = np.cumsum(areas) / areas.sum()
        self.size = size

    def draw(self, rng: np.random.Generator, count: int) -> torch.Tensor:
        """``count`` crops (N, 3, size, size), float32 in [0, 1], channels last."""
        batch = np.empty((count, self.size, self.size, 3), np.uint8)
        for crop in batch:
            photo = self.photographs[int(np.searchsorted(self.cumulative, rng.random(), side="right"))]
            y, x = (int(rng.integers(side - self.size + 1)) for side in photo.shape[:2])
            patch = np.rot90(photo[y : y + self.size, x : x + self.size], int(rng.integers(4)))
            crop[:] = patch[:, ::-1] if rng.integers(2) else patch
        return torch.from_numpy(batch.astype(np.float32) / 255).permute(0, 3, 1, 2)  # (N, 3, size, size)
