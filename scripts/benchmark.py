"""Measure what a whole command costs, and check what it promises.

python scripts/benchmark.py large --megapixels 24
python scripts/benchmark.py backbones resnet50 vgg16
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import tifffile
import torch
import torchvision
import typer
from PIL import ImageCms
from skimage import data, transform

from restore import backbones, masks
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


@app.command("backbones")
def race_backbones(
    names: Annotated[list[str] | None, typer.Argument(help="Networks that torchvision has too; resnet50 and vgg16.")] = None,
    size: Annotated[int, typer.Option(min=32, help="Height and width of the pictures.")] = 224,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in a pass.")] = 1,
    runs: Annotated[int, typer.Option(min=2, help="Timed runs of each; two more come before.")] = 21,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    cpu: Annotated[bool, typer.Option("--cpu", help="Count processor time: steadier than the clock where others work too.")] = False,
) -> None:
    """Seconds of an encoder beside torchvision's with the same weights, in turn: forward, and forward with backward in training."""
    torch.set_num_threads(threads)
    clock = time.process_time if cpu else time.perf_counter
    shared = [name for family in backbones.FAMILIES for name in family.TORCHVISION]
    typer.echo(f"{batch} x 3 x {size} x {size}, {threads} threads, {runs} runs, torch {torch.__version__}")
    typer.echo(f"ms are medians of {'processor' if cpu else 'wall-clock'} time, ratios ours / theirs")
    typer.echo(f"{'network':<16}{'pass':<18}{'ours ms':>10}{'theirs ms':>12}{'of medians':>12}{'quartiles of the pairs':>26}")
    for name in names or ["resnet50", "vgg16"]:
        if name not in shared:
            raise typer.BadParameter(f"{name!r} is not a network of both; expected one of {', '.join(shared)}")
        theirs = torchvision.models.get_model(name, weights=None)
        ours = backbones.build(name)
        ours.load_state_dict(theirs.state_dict())
        x = torch.randn(batch, 3, size, size)
        for kind, step in {"forward": forward, "forward+backward": forward_backward}.items():
            seconds = take_turns(lambda: step(ours, x), lambda: step(theirs, x), runs=runs, clock=clock)  # noqa: B023
            ratio, low, high = compare(seconds)
            mine, other = 1000 * np.median(seconds, 0)
            typer.echo(f"{name:<16}{kind:<18}{mine:>10.1f}{other:>12.1f}{ratio:>12.3f}{f'{low:.3f} to {high:.3f}':>26}")


def forward(net: torch.nn.Module, x: torch.Tensor) -> None:
    """One pass in evaluation."""
    net.eval()
    with torch.inference_mode():
        net(x)


def forward_backward(net: torch.nn.Module, x: torch.Tensor) -> None:
    """One pass in training, and the gradients of all parameters."""
    net.train().zero_grad()
    logits = net(x)
    logits = getattr(logits, "logits", logits)  # torchvision's GoogLeNet and Inception v3 return their auxiliary logits too
    logits.square().mean().backward()


def take_turns(
    ours: Callable[[], None], theirs: Callable[[], None], *, runs: int, clock: Callable[[], float] = time.perf_counter
) -> np.ndarray:
    """Seconds of each run, (runs, 2): ours and theirs in turn, who goes first changing from pair to pair; two pairs warm up."""
    seconds = np.zeros((runs + 2, 2))
    for i, pair in enumerate(seconds):
        for side in (0, 1) if i % 2 == 0 else (1, 0):
            started = clock()
            (ours, theirs)[side]()
            pair[side] = clock() - started
    return seconds[2:]


def compare(seconds: np.ndarray) -> tuple[float, float, float]:
    """Ratio of the medians of the two columns, and the quartiles of the ratios of the pairs."""
    ours, theirs = np.median(seconds, 0)
    low, high = np.quantile(seconds[:, 0] / seconds[:, 1], [0.25, 0.75])
    return float(ours / theirs), float(low), float(high)


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
