"""`restore evaluate`: what a weight scores on one's own photographs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from restore_cli.base import Device, WrongCall, check_weight, give_up, say


def evaluate(
    weight: Annotated[
        str, typer.Argument(metavar="WEIGHT", help="One that `restore models` lists, the folder of a run, or a file of either.")
    ],
    *,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Photographs as `restore train` takes them, of which all are measured; to classify, a labelled set with a test split.",
        ),
    ],
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the first so many.", show_default="all")] = None,
    crop: Annotated[int, typer.Option("--crop", min=64, metavar="N", help="Largest side of what is measured of each, its centre.")] = 256,
    device: Device = "auto",
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers there, too; replaces a file.")] = None,
) -> None:
    """Measure a weight on photographs of yours.

    As its training does, and the same numbers each time. Damage is drawn by the photograph's number in the folder. A denoiser's noise is
    added in float and not clipped, but for "8bit"; inpainting gets thin, medium and large masks. Results are rounded to 8 bits. PSNR is
    over RGB (for inpainting, in the hole), in dB, and averaged over the photographs. All in fp32. Photographs that it was trained on
    flatter it.
    """
    if not data.exists():
        raise WrongCall(f"no folder {data}; expected --data to name a folder of pictures, a shard, a list or a labelled set")
    from restore.image import ImageError, put
    from restore.image.files import check_place

    try:
        if json_file:
            check_place(json_file)
    except ImageError as error:
        raise WrongCall(f"--json {json_file}: {error}") from error
    from restore.batch import describe
    from restore.runtime import pick_device
    from restore.training import evaluation
    from restore.weights import WeightsError

    try:
        pick_device(device)
    except ValueError as error:
        raise WrongCall(str(error)) from error
    try:
        check_weight(weight)
        report = evaluation.evaluate(weight, data, crop=crop, limit=limit, device=device, say=say)
        print(f"{report.measure} {report.pictures} picture{'s' * (report.pictures != 1)}.")
        for what, value in report.scores.items():
            print(f"  {what.ljust(max(map(len, report.scores)))}  {value:.3f}")
        if json_file:
            content = {"weight": weight, "data": data.resolve().name, **asdict(report)}
            put((json.dumps(content, indent=1) + "\n").encode(), json_file)
    except (WeightsError, ValueError, OSError) as error:
        give_up(describe(error))
