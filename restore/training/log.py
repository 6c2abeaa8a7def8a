"""What a run tells while it goes on: lines of JSON, TensorBoard, its pace, and pictures."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from restore import figures
from restore.levels import from_float
from restore.training.base import TrainingError


class Log:
    """Appends JSON lines to a file, says each as a line of text and, if asked to, hands its numbers to TensorBoard.

    Args:
        path: The file; what it says of steps after ``step`` is dropped, since they are run again.
        say: Receives one line of text at a time.
        step: The step that the run goes on with.
        tensorboard: Folder for TensorBoard; None: not asked for.

    Raises:
        TrainingError: The package tensorboard is missing.
    """

    def __init__(self, path: Path, say: Callable[[str], None], *, step: int = 0, tensorboard: Path | None = None) -> None:
        self.path, self.say, self.writer = path, say, None
        if path.exists():
            rewind(path, step)
        if tensorboard is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                wanted = "expected it (pip install 'restore-photographs[train]'), or tensorboard=False"
                raise TrainingError(f"tensorboard=True and the package tensorboard is missing; {wanted}") from error
            self.writer = SummaryWriter(str(tensorboard), purge_step=step + 1)

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Write one record; its key ``step`` says when."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self.say("  ".join(f"{key} {value:.5g}" if isinstance(value, float) else f"{key} {value}" for key, value in record.items()))
        if self.writer is not None:
            for key, value in record.items():
                if key != "step":
                    self.writer.add_scalar(key, value, record["step"])
            self.writer.flush()

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self.writer is not None:
            self.writer.close()


def rewind(path: Path, step: int) -> None:
    """Drop what a log says of steps after ``step``, and a last line that was not written to its end."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("}\n") and json.loads(line)["step"] <= step]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    os.replace(temporary, path)


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: Steps that are done.
        steps: Steps of the whole run.
        images_per_s: Crops, or labelled pictures, a second, of all processes.
        eta_s: Seconds that are left at this pace.
    """

    step: int
    steps: int
    images_per_s: float
    eta_s: float


class Pace:
    """Counts images a second, from the last rest on."""

    def __init__(self) -> None:
        self.rest()

    def rest(self) -> None:
        """Begin to count anew."""
        self.images, self.started = 0, time.monotonic()

    def add(self, images: int) -> None:
        """Count images."""
        self.images += images

    @property
    def images_per_s(self) -> float:
        """Since the last rest."""
        return self.images / max(time.monotonic() - self.started, 1e-9)


def contact_sheet(rows: Sequence[Mapping[str, torch.Tensor]]) -> np.ndarray:
    """Pictures with their captions, one row for each mapping of captions to (1, C, H, W) in [0, 1], as one (H', W', 3) uint8."""
    shown = [(caption, x[0].float().cpu().expand(3, -1, -1).permute(1, 2, 0).numpy()) for row in rows for caption, x in row.items()]
    pictures = [from_float(np.ascontiguousarray(picture), np.uint8) for _, picture in shown]
    return figures.sheet(pictures, [caption for caption, _ in shown], columns=len(rows[0]))
