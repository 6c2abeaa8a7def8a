"""What a trained network scores on photographs of one's choice, or on a test split."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from restore import data, weights
from restore.backbones import Backbone
from restore.data.photographs import attempt, survey
from restore.runtime import pick_device
from restore.training.base import Batch, Objective, Photographs
from restore.training.camera import DenoiseCamera
from restore.training.classify import Classify, chunks
from restore.training.deblur import Deblur
from restore.training.dejpeg import Dejpeg
from restore.training.denoise import Denoise
from restore.training.imitate import Imitate
from restore.training.inpaint import Inpaint
from restore.training.recipes import RECIPES
from restore.training.repair import Repair
from restore.training.segment import Segment

OBJECTIVES: tuple[type[Any], ...] = (Denoise, DenoiseCamera, Dejpeg, Deblur, Inpaint, Imitate, Classify, Repair, Segment)
"""What networks are trained with; of those with one task, a run is of the first that has all of its settings."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was measured.

    Attributes:
        measure: What the scores are, in words.
        pictures: How many were measured.
        scores: What -> value.
    """

    measure: str
    pictures: int
    scores: dict[str, float]


@dataclass(frozen=True)
class Batches:
    """Batches on a device, made anew whenever they are walked through."""

    make: Callable[[], Iterable[Batch]]
    device: torch.device

    def __iter__(self) -> Iterator[Batch]:
        """One after the other."""
        for batch in self.make():
            yield {key: x.to(self.device) for key, x in batch.items()}


@torch.inference_mode()
def evaluate(weight: str, source: Path, *, crop: int = 256, limit: int | None = None, device: str = "auto", say: Say = print) -> Report:
    """Measure a weight as its training validates it, but on photographs in full size, in fp32: the same numbers at each call.

    (Training shrinks those that are held out for some objectives, to be rid of what JPEG left: ``Photographs.reduced``.)
    All photographs are measured, in the order of their names, each its centre. Noise, masks and damage are seeded by the photograph's
    number in that order. Noise is added in float and not clipped, but where a score's name says ``8bit``. Results are rounded to 8 bits,
    PSNR is over RGB (for inpainting, in the hole) in dB, and the mean over the photographs is that of their dB. Of a labelled set all of
    the test split is measured.

    Args:
        weight: As ``weights.find`` takes it.
        source: Photographs as for ``data.find``, of any licence and tier; for a classifier a labelled set, see ``data.read_labelled``.
        crop: Largest side of the centre that is measured, in pixels.
        limit: Only the first so many pictures; None: all.
        device: As for ``restore.Restorer``.
        say: Told which files are left out.

    Raises:
        WeightsError: The weight cannot be used, or its recipe is unknown.
        ValueError: No pictures, an unknown device, or other classes than the network has.
    """
    objective, network = understand(*weights.find(weight)), weights.load(weight).to(torch.device(pick_device(device)))
    place = next(network.parameters()).device
    if isinstance(network, Backbone):
        test = test_split(network, source, limit)
        count, batches = len(test), Batches(lambda: chunks(test, network.input_size[0]), place)
    else:
        crops = centres(source, crop, limit, say)
        asking = cast(Photographs, objective)
        count, batches = len(crops), Batches(lambda: (batch for picture in crops for batch in asking.questions(picture, crop)), place)
    scores = objective.validate(network, batches)
    return Report(measure=(objective.validate.__doc__ or "").strip().splitlines()[0], pictures=count, scores=scores)


def understand(entry: weights.Entry, path: Path) -> Objective:
    """What a weight was trained for: as its run was told or, of a published one, as its recipe says.

    Args:
        entry: As ``weights.find`` returns it.
        path: Its file.

    Raises:
        WeightsError: Its recipe or its task is unknown, or its run's settings are not those of this release.
    """
    if entry.recipe in RECIPES:
        return RECIPES[entry.recipe]().objective
    kind, known = ("recipe", list(RECIPES)) if entry.recipe else ("task", list(dict.fromkeys(made.task for made in OBJECTIVES)))
    if entry.recipe or entry.task not in known:
        raise weights.WeightsError(f"weight {entry.name!r} is of {kind} {getattr(entry, kind)!r}; expected one of {', '.join(known)}")
    file = weights.config_of(path)
    settings = json.loads(file.read_text("utf-8")).get("objective", {})
    alike = [made for made in OBJECTIVES if made.task == entry.task]
    objective = next((made for made in alike if settings.keys() <= {field.name for field in fields(made)}), alike[0])
    try:
        return objective(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()})
    except (TypeError, ValueError) as error:
        raise weights.WeightsError(f"{file} is not of this release: {error}") from error


def test_split(network: Backbone, source: Path, limit: int | None) -> data.Labelled:
    """The test split of a labelled set, as a classifier takes it.

    Raises:
        ValueError: There is none, or it has not one class for each output.
    """
    test = data.read_labelled(source, "test", size=network.input_size[0], channels=len(network.mean)).part(slice(limit))
    outputs = network.eval()(chunks(test.part(slice(1)), network.input_size[0])[0]["x"].to(next(network.parameters()).device)).shape[1]
    if outputs != len(test.names):
        raise ValueError(f"{source} has {len(test.names)} classes; expected {outputs}, one for each output of the network")
    return test


def centres(source: Path, crop: int, limit: int | None, say: Say) -> list[np.ndarray]:
    """The centres (H, W, 3) uint8 of all photographs, at most ``crop`` pixels a side, in the order of their files' names.

    Raises:
        ValueError: There are none.
    """
    found, _ = survey(source, validation="", licence="any", tier="any", min_side=64, say=say)
    pictures = []
    for photograph in found[:limit]:
        for pixels in attempt(photograph.decode, say):
            top, left = (max(0, side - crop) // 2 for side in pixels.shape[:2])
            pictures.append(pixels[top : top + crop, left : left + crop].copy())
    if not pictures:
        raise ValueError(f"no photographs in {source}, 64 pixels or larger; expected some")
    return pictures
