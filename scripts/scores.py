"""What `evaluate.py` reads, computes and prints: pictures in, scores of each, one table."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer

from restore import image, metrics

Array = np.ndarray
NOISES = ("float", "clipped", "shared", "sepia")
"""What `add_noise` adds."""
SEPIA = np.array([1.143, 1.017, 0.812], np.float32)
"""The brown of a toned print; the mean of its squares is 1."""


def timed(function: Callable[[], Array]) -> tuple[Array, float]:
    """What a function returns, and its seconds."""
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def names(text: str, known: Any, option: str) -> list[str]:
    """Split a list at its commas; every name must be known, if ``known`` says which are."""
    found = [name for name in text.split(",") if name]
    for name in found:
        if known is not None and name not in known:
            raise typer.BadParameter(f"{name!r} is unknown, expected some of {', '.join(known)}", param_hint=f"--{option}")
    return found


def numbers(text: str, option: str = "sigma") -> list[float]:
    """Split a list of numbers at its commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of numbers, expected such as 15,25,50", param_hint=f"--{option}") from None


def pictures(folder: Path, crop: int, limit: int | None) -> Iterator[tuple[int, Array]]:
    """Read the pictures of a folder by name: number and centre crop (H, W, 3) uint8."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in image.SUFFIXES)[:limit]
    if not paths:
        raise typer.BadParameter(f"{folder} holds no pictures", param_hint="--data")
    for number, path in enumerate(paths):
        pixels = centre(image.from_float(image.to_float(image.read(path).pixels), np.uint8), crop)
        yield number, np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def centre(pixels: Array, crop: int) -> Array:
    """The middle of a picture (H, W, C), at most ``crop`` pixels a side; 0: all of it."""
    height, width = (min(crop or size, size) for size in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def toned(clean: Array) -> Array:
    """Turn a picture (H, W, 3) uint8 into a sepia print: its green in one brown."""
    return image.from_float(image.to_float(clean[..., 1:2]) * SEPIA / SEPIA.max(), np.uint8)


def add_noise(clean: Array, sigma: float, seed: int, kind: str = "clipped") -> Array:
    """Add Gaussian noise of a kind in ``NOISES`` to a picture (H, W, 3) uint8.

    "float" gives float32 that may leave [0, 1], all others uint8. "float" and "clipped" are the same draw; "shared" is one number for all
    channels of a pixel, and so is "sepia", in its brown. The level ``sigma`` is the root mean square over the channels, in 8-bit units.
    """
    channels = clean.shape[2] if kind in ("float", "clipped") else 1
    noise = np.random.default_rng([seed, round(1000 * sigma)]).standard_normal((*clean.shape[:2], channels), np.float32)
    noisy = image.to_float(clean) + np.float32(sigma / 255) * noise * (SEPIA if kind == "sepia" else np.float32(1))
    return noisy if kind == "float" else image.from_float(noisy, np.uint8)


def measure(clean: Array, restored: Array, features: Path, mask: Array | None = None) -> dict[str, float | None]:
    """Return the scores of one picture; LPIPS is None where it is not available."""
    try:
        distance = metrics.lpips(clean, restored, features=features if features.exists() else None)
    except metrics.MetricUnavailable:
        distance = None
    psnr, ssim = metrics.psnr(clean, restored, mask=mask), metrics.ssim(clean, restored, mask=mask)
    return {"psnr": psnr, "ssim": ssim, "lpips": distance}


def summary(scores: list[dict[str, float | None]]) -> dict[str, Any]:
    """Return the mean of each score (of the seconds, the median), and the scores of each picture."""
    columns = {key: [score[key] for score in scores] for key in scores[0]}
    means = {key: None if None in values else float(np.mean(values)) for key, values in columns.items()}  # type: ignore[arg-type]
    seconds = {key: float(np.median(values)) for key, values in columns.items() if key.endswith("seconds")}  # type: ignore[arg-type]
    return {**means, **seconds, "pictures": columns}


def save(folder: Path | None, name: str, picture: Array) -> None:
    """Write a result, if a folder was given."""
    if folder:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.write(image.Picture.from_array(picture), path)


def writable(path: Path | None) -> Path | None:
    """Give the file for a result back, before anything is measured or drawn, if its folder is there and it is none itself."""
    if path and not path.parent.is_dir():
        raise typer.BadParameter(f"{path.parent} is no folder")
    if path and path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; expected a file")
    return path


def report(rows: list[dict[str, Any]], json_file: Path | None) -> None:
    """Print a markdown table of the rows, and write them to a file."""
    if not rows:
        raise typer.BadParameter("nothing to measure: give --weight or --method")
    form = {"accuracy": "{:.2f}", "area": "{:.3f}", "lpips": "{:.4f}", "ms_ssim": "{:.4f}", "psnr": "{:.2f}", "psnr_b": "{:.2f}"}
    form |= {"seconds": "{:.2f}", "sigma": "{:g}", "ssim": "{:.4f}", "strength": "{:g}"}
    keys = [key for key, value in rows[0].items() if not isinstance(value, dict)]
    print("| " + " | ".join(keys) + " |")
    print("|" + "---|" * len(keys))
    for row in rows:
        print("| " + " | ".join("-" if row[key] is None else form.get(key.split()[-1], "{}").format(row[key]) for key in keys) + " |")
    if any(row.get("lpips", 0) is None for row in rows):
        typer.echo("LPIPS is missing: the weights of its SqueezeNet are not on this machine; give --features", err=True)
    if json_file:
        json_file.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
