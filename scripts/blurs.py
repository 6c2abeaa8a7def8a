"""What undoing blur does to photographs of scikit-image.

python scripts/blurs.py

draws docs/deblurring.jpg: lenses out of focus and shakes that are undone, and fur, which looks out of focus by itself.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from scores import writable
from skimage import data

from restore import Restorer, figures, metrics, psf
from restore.degrade.blur import benchmark_kernels, blur
from restore.levels import from_float, to_float

Array = np.ndarray
SIDE = 240
"""Pixels of a picture that are shown, each way."""
RIM = 24
"""Pixels that a blurred picture loses at each side: light from outside came there."""
NOISE = 0.008
PICTURE = Path(__file__).parents[1] / "docs" / "deblurring.jpg"
EXAMPLES = (
    ("astronaut", (10, 130), "out of focus, radius 5", psf.disk(2.5)),
    ("coffee", (60, 150), "shaken, 20 pixels", benchmark_kernels()["walk_20"].numpy()),
    ("rocket", (90, 260), "shaken, 8 pixels", benchmark_kernels()["walk_8"].numpy()),
    ("chelsea", (10, 100), "out of focus, radius 2", psf.disk(1.0)),
)
"""Photograph, top and left of what is shown, what happened to it, its kernel."""


def example(name: str, kernel: Array) -> tuple[Array, Array]:
    """One of scikit-image's photographs (H, W, 3) uint8, and as a camera would have seen it, without their rims."""
    clean = getattr(data, name)()
    x = blur(torch.from_numpy(to_float(clean)).permute(2, 0, 1)[None], torch.tensor(kernel)[None])[0].permute(1, 2, 0).numpy()
    seen = from_float(x + np.random.default_rng(0).normal(0, NOISE, x.shape).astype(np.float32), np.uint8)
    return clean[RIM:-RIM, RIM:-RIM], seen[RIM:-RIM, RIM:-RIM]


def main(out: Annotated[Path, typer.Argument(callback=writable, help="Where the picture goes.")] = PICTURE) -> None:
    """Draw what is undone well, and what is not."""
    torch.set_num_threads(1)
    restorer, shown, captions = Restorer(device="cpu"), [], []
    for name, (top, left), what, kernel in EXAMPLES:
        clean, seen = example(name, kernel)
        made = {what: seen, "--blur any": restorer.deblur(seen, blur="any"), "restore deblur": restorer.deblur(seen)}
        part = np.s_[top : top + SIDE, left : left + SIDE]
        shown += [picture[part] for picture in (*made.values(), clean)]
        captions += [*(f"{caption}: {metrics.psnr(picture, clean):.1f} dB" for caption, picture in made.items()), "truth"]
    Image.fromarray(figures.sheet(shown, captions, columns=4)).save(out, quality=80, optimize=True)
    typer.echo(f"{out.name}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    typer.run(main)
