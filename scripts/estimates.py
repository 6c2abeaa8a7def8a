"""How far the estimates of noise and of JPEG quality are from the truth; a verb of `evaluate.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from scores import add_noise, names, numbers, report, writable

from restore.data.photographs import survey
from restore.degrade import codec
from restore.estimate import APART, earlier_quality, noise_level, quality_of_pixels

KINDS = ("float", "clipped", "jpeg", "twice")


def estimates(
    data: Annotated[Path, typer.Option(help="Photographs without noise, as `restore train` takes them.")],
    kinds: Annotated[
        str, typer.Option(help="Noise: float as it is drawn, clipped to 8 bits; jpeg, the only file; twice, the first of two.")
    ] = ",".join(KINDS),
    sigma: Annotated[str, typer.Option(help="Noise levels in 8-bit units, separated by commas.")] = "0,2,5,10,15,25,50,75",
    jpeg_quality: Annotated[str, typer.Option(help="Qualities of files, separated by commas.")] = "5,10,20,30,50,70,90,95,98",
    again: Annotated[str, typer.Option(help="Qualities of second files, on grids of their own, separated by commas.")] = "50,75,95",
    scale: Annotated[float, typer.Option(min=0.1, max=1, help="Shrink the photographs (Lanczos): their own JPEG traces go.")] = 0.6,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many photographs.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", callback=writable, help="File for the numbers.")] = None,
) -> None:
    """Errors of the noise level, and of the JPEG quality that pixels tell, in colour and in grey.

    Of how many pictures a value is told, and of how many exactly; mean of the errors' sizes, mean of the errors, the largest error. The
    first rows of "jpeg" are pictures that were none, those of "twice" pictures that were one file only.
    """
    shelf = [Image.fromarray(photograph) for photograph in photographs(data, limit)]
    shelf = [photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS) for photo in shelf]
    levels, qualities, rows = numbers(sigma), numbers(jpeg_quality, "jpeg-quality"), []
    for kind in names(kinds, KINDS, "kinds"):
        for mode, of in (("RGB", "colour"), ("L", "grey")):
            pictures = [np.asarray(photo.convert(mode)).reshape(photo.height, photo.width, -1) for photo in shelf]
            for last in numbers(again, "again") if kind == "twice" else [None]:
                for value in [None, *qualities] if kind in ("jpeg", "twice") else levels:
                    if last is None or value is None or value <= last - APART:
                        told = [measured(picture, kind, value, number, last) for number, picture in enumerate(pictures)]
                        rows.append(row(f"{kind}{f', then {last:g}' if last else ''}, {of}", value, told))
    report(rows, json_file)


def photographs(root: Path, limit: int | None) -> Iterator[np.ndarray]:
    """All photographs of a folder, shard or list, (H, W, 3) uint8."""
    training, held_out = survey(root, validation="", licence="any", tier="any", min_side=64, say=typer.echo)
    for photograph in [*training, *(held_out or [])][:limit]:
        yield photograph.decode()


def measured(picture: np.ndarray, kind: str, value: float | None, seed: int, last: float | None = None) -> float | None:
    """What is told of a picture (H, W, C) uint8 that got noise of a level, or that went through a file of a quality; None: neither.

    With ``last``, another file of that quality comes after.
    """
    if last is not None:
        corner = np.random.default_rng(seed).integers(0, 8, 2)
        file = codec.jpeg_array(picture, last) if value is None else codec.double_jpeg_array(picture, value, last, corner)
        return earlier_quality(file, round(last))
    if value is None:
        return quality_of_pixels(picture)
    if kind == "jpeg":
        return quality_of_pixels(codec.jpeg_array(picture, value))
    return noise_level(add_noise(picture, value, seed, kind))


def row(kind: str, true: float | None, told: list[float | None]) -> dict[str, Any]:
    """A line of the table: what was told of pictures of which one thing is true; None: nothing.

    >>> row("float", 5, [5.5, None, 4])
    {'picture': 'float', 'true': '5', 'told': '2 of 3', 'exactly': 0, 'mean error': 0.75, 'bias': -0.25, 'worst': -1.0}
    """
    errors = [value - true for value in told if value is not None and true is not None]
    count = f"{sum(value is not None for value in told)} of {len(told)}"
    line: dict[str, Any] = {"picture": kind, "true": None if true is None else f"{true:g}", "told": count}
    if not errors:
        return {**line, "exactly": None, "mean error": None, "bias": None, "worst": None}
    mean, bias, worst = (round(float(value), 2) for value in (np.mean(np.abs(errors)), np.mean(errors), max(errors, key=abs)))
    return {**line, "exactly": errors.count(0), "mean error": mean, "bias": bias, "worst": worst}
