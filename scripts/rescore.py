"""Measure all that the card of a weight says, and what bfloat16 costs it.

python scripts/rescore.py denoise --weight ../runs/denoise --json scores.json
python scripts/publish.py run ../runs/denoise ... --scores scores.json

Every call of `evaluate.py` is printed before its table. What bfloat16 costs is measured on held-out photographs, not on the pictures of
the scores: it decides in which precision users get the weight (``Restorer(precision="auto")``).
"""

import json
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import evaluate
import numpy as np
import typer
from estimates import photographs
from scores import add_noise, centre, writable

from restore import Restorer, masks, metrics
from restore.degrade import codec
from restore.degrade.blur import benchmark_kernels
from restore.loaded import BF16_LOSS

Array = np.ndarray
Row = dict[str, Any]
HELD_OUT = evaluate.SHARED / "train" / "train-006.tar"
SIDE = 256
"""Of the centre crops on which bfloat16 is measured, in pixels."""
NOISES = {"float": "float", "clipped": "clipped to 8 bits"}
KERNELS = {"gaussian_1.2": "Gaussian of sigma 1.2", "gaussian_2": "Gaussian of sigma 2", "disk_3": "disk of radius 3"}


def of_noise(rows: list[Row]) -> dict[str, float]:
    """Labels of `evaluate.py denoise`.

    >>> of_noise([{"noise": "float", "sigma": 15.0, "psnr": 34.7111}])
    {'Kodak24, sigma 15, float: PSNR, dB': 34.71}
    """
    found = {f"Kodak24, sigma {row['sigma']:g}, {NOISES[row['noise']]}: PSNR, dB": round(row["psnr"], 2) for row in rows}
    for row in rows:
        if (row["sigma"], row["noise"]) == (25, "float"):
            measured = {name: row[name] for name in ("ssim", "lpips") if row[name] is not None}
            found |= {f"Kodak24, sigma 25, float: {name.upper()}": round(value, 4) for name, value in measured.items()}
    return found


def of_classic5(rows: list[Row]) -> dict[str, float]:
    """Labels of `evaluate.py dejpeg`, luma."""
    return {f"Classic5, quality {row['quality']}, blind: PSNR, dB": round(row["psnr"], 2) for row in rows}


def of_colour(rows: list[Row]) -> dict[str, float]:
    """Labels of `evaluate.py dejpeg --files colour`."""
    return {f"Kodak24, colour 4:2:0, quality {row['quality']}, blind: gain in PSNR, dB": round(row["gained psnr"], 2) for row in rows}


def of_double(rows: list[Row]) -> dict[str, float]:
    """Labels of `evaluate.py dejpeg --files double`."""
    title = "Kodak24, luma, files of quality {} and 50, grids 4 x 4 apart, blind: gain in PSNR, dB"
    return {title.format(row["quality"]): round(row["gained psnr"], 2) for row in rows}


def of_blur(rows: list[Row]) -> dict[str, float]:
    """Labels of `evaluate.py deblur`.

    >>> of_blur([{"kernel": kernel, "gained psnr": gain} for kernel, gain in {"walk_8": 1.0, "walk_12": 2.0, "all": 1.5}.items()])
    {'Kodak24, eight blurs, blind: gain in PSNR, dB': 1.5, 'Kodak24, five shaken hands, blind: mean gain in PSNR, dB': 1.5}
    """
    gains = {row["kernel"]: row["gained psnr"] for row in rows}
    found = {"Kodak24, eight blurs, blind: gain in PSNR, dB": gains.pop("all")}
    found |= {f"Kodak24, {name}, blind: gain in PSNR, dB": gains.pop(key) for key, name in KERNELS.items() if key in gains}
    found["Kodak24, five shaken hands, blind: mean gain in PSNR, dB"] = float(np.mean(list(gains.values())))
    return {key: round(value, 2) for key, value in found.items()}


OF_PICTURES = {"lpips": "LPIPS", "ms_ssim": "MS-SSIM"}
"""Columns of `evaluate.py inpaint` that are of the picture, and what cards call them."""


def of_holes(rows: list[Row]) -> dict[str, float]:
    """Labels of `evaluate.py inpaint`."""
    found = {}
    for row in rows:
        title = f"Kodak24, {row['masks']} masks: "
        found |= {f"{title}PSNR in the hole, dB": round(row["psnr"], 2), f"{title}SSIM in the hole": round(row["ssim"], 4)}
        found |= {f"{title}{label}": round(row[key], 4) for key, label in OF_PICTURES.items() if row[key] is not None}
    return found


CALLS: dict[str, list[tuple[str, Callable[[list[Row]], dict[str, float]]]]] = {
    "denoise": [("denoise --noise float,clipped", of_noise)],
    "dejpeg": [
        ("--blind dejpeg --data {classic5}", of_classic5),
        ("--blind dejpeg --files colour", of_colour),
        ("--blind dejpeg --files double --jpeg-quality 10", of_double),
    ],
    "deblur": [("deblur --blur any", of_blur)],
    "inpaint": [("inpaint", of_holes)],
}
"""Task -> calls of `evaluate.py`, and what their rows are called on the card."""


def noisy(restorer: Restorer, clean: Array, number: int) -> float:
    """PSNR of a picture (H, W, 3) uint8 with noise of level 15, below which noise is removed in fp32, when that is gone."""
    return metrics.psnr(clean / 255, restorer.denoise(add_noise(clean, 15, number, "float"), sigma=15))


def compressed(restorer: Restorer, clean: Array, number: int) -> float:
    """PSNR of a file of quality 40, restored."""
    file = codec.jpeg_array(clean, 40).astype(np.float32) / 255
    return metrics.psnr(clean / 255, restorer.dejpeg(file, jpeg_quality=40))


def blurred(restorer: Restorer, clean: Array, number: int) -> float:
    """PSNR of a picture behind the narrowest of the blurs, sharpened by the network alone."""
    sharp, seen = evaluate.deconvolution.damaged(clean, benchmark_kernels()["gaussian_1.2"], number, 0)
    return metrics.psnr(sharp / 255, restorer.deblur(seen.astype(np.float32) / 255, blur="any"))


def holed(restorer: Restorer, clean: Array, number: int) -> float:
    """PSNR in thin holes, filled by the network alone."""
    mask = masks.benchmark("thin", clean.shape[:2], number)
    damaged = np.where(mask[..., None] > 0, np.uint8(0), clean)
    filled = restorer.inpaint(damaged.astype(np.float32) / 255, mask, texture=False, grain=False)
    return metrics.psnr(clean / 255, filled, mask=mask)


CASES: dict[str, Callable[[Restorer, Array, int], float]] = {"denoise": noisy, "dejpeg": compressed, "deblur": blurred, "inpaint": holed}
"""Task -> PSNR of one restored picture, not rounded to 8 bits, where bfloat16 shows most."""


def loss_in_bf16(task: str, weight: str, pictures: Iterator[Array]) -> float:
    """Mean PSNR in fp32 less that in bfloat16, in dB, over pictures (H, W, 3) uint8."""
    fp32, bf16 = (Restorer(device="cpu", precision=precision, weights={task: weight}) for precision in ("fp32", "bf16"))
    case = CASES[task]
    losses = [case(fp32, clean, number) - case(bf16, clean, number) for number, clean in enumerate(pictures)]
    return float(np.mean(losses))


def main(
    task: Annotated[str, typer.Argument(help=f"One of {', '.join(CALLS)}.")],
    weight: Annotated[str, typer.Option(help="A shipped weight, or the folder or a checkpoint of a training run.")],
    *,
    kodak: Annotated[Path, typer.Option(help="Folder of Kodak24.")] = evaluate.KODAK,
    classic5: Annotated[Path, typer.Option(help="Folder of Classic5.")] = evaluate.KODAK.parent / "classic5",
    held_out: Annotated[Path, typer.Option(help="Photographs that the weight was not trained on; for bfloat16.")] = HELD_OUT,
    count: Annotated[int, typer.Option(min=1, help="How many of them.")] = 40,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures of the scores.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", callback=writable, help="File for the scores, as `publish.py` takes them.")
    ] = None,
) -> None:
    """Measure, print and write the scores of a weight."""
    if task not in CALLS:
        raise typer.BadParameter(f"{task!r} is unknown, expected one of {', '.join(CALLS)}", param_hint="TASK")
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        for text, named in CALLS[task]:
            call = [part.format(classic5=classic5) for part in text.split()]
            call += ["--weight", weight, *([] if "--data" in call else ["--data", str(kodak)])]
            call = [*(["--limit", str(limit)] if limit else []), *call]
            print("\npython scripts/evaluate.py", shlex.join(call), flush=True)
            evaluate.app([*call, "--json", str(file)], standalone_mode=False)
            found |= named(json.loads(file.read_text("utf-8")))
    crops = (np.ascontiguousarray(centre(photograph, SIDE)) for photograph in photographs(held_out, count))
    found[BF16_LOSS] = round(loss_in_bf16(task, weight, crops), 4)
    print(f"\n{BF16_LOSS}: {found[BF16_LOSS]}")
    if json_file:
        json_file.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
