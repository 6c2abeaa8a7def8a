"""Measure what a whole command costs, and check what it promises.

python scripts/benchmark.py large --megapixels 24
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import tifffile
import typer
from PIL import ImageCms
from skimage import data, transform

from restore import masks
from restore.image import Picture, read, write

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Measure what a whole command costs, and check what it promises."""


@app.command()
def large(
    megapixels: Annotated[float, typer.Option(min=0.1, help="Size of the picture.")] = 24.0,
    method: Annotated[str, typer.Option(help="Method of inpainting.")] = "learned",
) -> None:
    """One scratch in a large 16-bit RGB TIFF with ICC and EXIF: seconds, peak memory, and whether all else is identical."""
    with tempfile.TemporaryDirectory() as folder:
        source, mask_file, target = (Path(folder) / name for name in ("photo.tif", "mask.png", "repaired.tif"))
        photo = draw_photo(megapixels)
        mask = masks.scratches(photo.shape, rng=np.random.default_rng(0), count=(1, 1), width=(3, 3))
        write(photo, source)
        write(Picture.from_array(mask), mask_file)
        seconds, peak = run(["inpaint", str(source), "--mask", str(mask_file), "-o", str(target), "--method", method])
        before, after = read(source), read(target)
        same = (before.pixels == after.pixels).all(2)
        kept = {name: getattr(before, name) == getattr(after, name) for name in ("icc", "exif", "xmp", "iptc", "dpi", "format", "coding")}
        lost = [name for name, equal in kept.items() if not equal]
        size = f"{photo.width} x {photo.height}, {photo.pixels.nbytes / 2**20:.0f} MiB of samples"
        typer.echo(f"{size}, {np.count_nonzero(mask)} pixels to repair")
        typer.echo(f"restore inpaint --method {method}: {seconds:.1f} s, peak memory {peak:.0f} MiB, start of the program included")
        typer.echo(f"samples outside the mask identical: {bool(same[mask == 0].all())}; changed inside: {np.mean(~same[mask > 0]):.1%}")
        typer.echo(f"kept: {', '.join(name for name in kept if name not in lost)}; lost: {', '.join(lost) or 'nothing'}")
        if lost or not same[mask == 0].all():
            raise typer.Exit(1)


def draw_photo(megapixels: float) -> Picture:
    """A photograph of scikit-image's, enlarged, in 16 bits with fine noise, an ICC profile and EXIF."""
    small = data.astronaut().astype(np.float32) / 255
    height = round((megapixels * 1e6 * 2 / 3) ** 0.5)
    pixels = transform.resize(small, (height, round(height * 1.5)), order=1, anti_aliasing=False)
    pixels += np.random.default_rng(0).normal(0, 0.004, pixels.shape).astype(np.float32)
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.tif"
        extra = [(34675, 7, len(icc), icc, True), (271, 2, 0, "Maker", True), (315, 2, 0, "A. Photographer", True)]
        samples = np.round(pixels.clip(0, 1) * 65535).astype(np.uint16)
        tifffile.imwrite(path, samples, photometric="rgb", resolution=(300, 300), resolutionunit=2, extratags=extra)
        return read(path)


WATCH = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "restore_cli", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs the command line from a small process: a child's peak counts what its parent held when it was forked."""


def run(arguments: list[str]) -> tuple[float, float]:
    """Run the command line in a process of its own; wall-clock seconds and its peak resident memory in MiB."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", WATCH, *arguments, "--quiet"], check=True, capture_output=True, text=True)
    seconds = time.monotonic() - started
    return seconds, int(done.stdout) / 2 ** (20 if sys.platform == "darwin" else 10)  # bytes on macOS, KiB elsewhere


if __name__ == "__main__":
    app()
