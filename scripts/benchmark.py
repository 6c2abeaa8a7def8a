"""Measure what a whole command costs, and check what it promises.

python scripts/benchmark.py large --megapixels 24
python scripts/benchmark.py backbones resnet50 vgg16
python scripts/benchmark.py filters gaussian median --threads 2
python scripts/benchmark.py input --data PHOTOS --size 64 --size 128
python scripts/benchmark.py price --threads 2
python scripts/benchmark.py brush --threads 2 --cpu
"""

import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import tifffile
import torch
import torchvision
import typer
from brush import brush
from PIL import Image, ImageCms, ImageFilter  # noqa: F401 - named in RACES, as are those below
from price import price
from scipy import ndimage  # noqa: F401
from skimage import data, exposure, feature, filters, morphology, restoration, transform  # noqa: F401
from torchvision.transforms.v2 import functional as tv  # noqa: F401
from turns import compare, take_turns

from restore import backbones, degrade, masks
from restore import data as datasets
from restore.draws import Draws
from restore.filters import FILTERS, kernels
from restore.image import Picture, from_float, read, to_float, write

try:
    import kornia
except ImportError:
    kornia = None

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(price)
app.command()(brush)


@app.callback()
def root() -> None:
    """Measure what a whole command costs, and check what it promises."""


@app.command()
def large(
    megapixels: Annotated[float, typer.Option(min=0.1, help="Size of the picture.")] = 24.0,
    method: Annotated[str, typer.Option(help="Method of inpainting.")] = "learned",
    scratches: Annotated[int, typer.Option(min=1, help="How many scratches.")] = 1,
) -> None:
    """Scratches in a large 16-bit RGB TIFF with ICC and EXIF: seconds, peak memory, and whether all else is identical."""
    with tempfile.TemporaryDirectory() as folder:
        source, mask_file, target = (Path(folder) / name for name in ("photo.tif", "mask.png", "repaired.tif"))
        photo = draw_photo(megapixels)
        mask = masks.scratches(photo.shape, rng=np.random.default_rng(0), count=(scratches, scratches), width=(3, 3))
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
            seconds = take_turns([lambda: step(ours, x), lambda: step(theirs, x)], runs=runs, clock=clock)  # noqa: B023
            ratio, low, high = compare(seconds)
            mine, other = 1000 * np.median(seconds, 0)
            typer.echo(f"{name:<16}{kind:<18}{mine:>10.1f}{other:>12.1f}{ratio:>12.3f}{f'{low:.3f} to {high:.3f}':>26}")


@app.command("input")
def race_input(
    data: Annotated[Path, typer.Option(help="Photographs, as `restore train` takes them.")],
    size: Annotated[list[int], typer.Option(min=1, help="Side of the crops.")] = [64, 128],  # noqa: B006 - typer wants a list
    batch: Annotated[int, typer.Option(min=1, help="Crops in a batch.")] = 16,
    steps: Annotated[int, typer.Option(min=1, help="Batches in a timed turn.")] = 40,
    runs: Annotated[int, typer.Option(min=2, help="Timed turns of each way; one more comes before.")] = 7,
    workers: Annotated[int, typer.Option(min=0, help="Most worker processes.")] = 2,
) -> None:
    """Crops a second, with Gaussian noise of a drawn level, of photographs kept in memory, on a device, or decoded anew by workers."""
    torch.set_num_threads(1)
    found = datasets.find(data, min_side=max(size))[0]
    shelf, pictures = datasets.OnDemand(found), [photograph.decode() for photograph in found]
    sources = {"in memory": datasets.Crops(pictures, max(size)), "resident, cpu": datasets.Resident(pictures, max(size))}
    if torch.cuda.is_available():
        sources["resident, cuda"] = datasets.Resident(pictures, max(size), "cuda")
    ways = {name: (source, 0) for name, source in sources.items()}
    ways |= {f"decoded, {n} workers": (datasets.Crops(shelf, max(size), shelf.sizes), n) for n in range(workers + 1)}
    typer.echo(f"{len(found)} photographs, {sum(p.nbytes for p in pictures) / 2**20:.0f} MiB decoded; batches of {batch}, one thread each")
    typer.echo(f"crops a second, median of {runs} turns of {steps} batches (quartiles), torch {torch.__version__}")
    for side in size:
        made = {name: datasets.batches(Noisy(source, side, batch), count(), workers=n) for name, (source, n) in ways.items()}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(runs + 1):
            for name in list(ways)[:: 1 if turn % 2 else -1]:
                ahead = 2 * ways[name][1]  # made while the others had their turns
                batches = islice(made[name], ahead + steps)
                deque(islice(batches, ahead), maxlen=0)
                started = time.perf_counter()
                last = deque(batches, maxlen=1).pop()
                float(last["noisy"][-1, -1, -1, -1])  # waits for the device
                seconds[name].append(time.perf_counter() - started)
        for name, turns in seconds.items():
            low, middle, high = np.quantile(steps * batch / np.array(turns[1:]), [0.25, 0.5, 0.75])
            typer.echo(f"{side:>4}  {name:<20}{middle:>10,.0f}{f'({low:,.0f} to {high:,.0f})':>24}")


@dataclass
class Noisy:
    """Makes a batch of crops with noise, as the denoiser is trained on."""

    source: datasets.Crops | datasets.Resident
    size: int
    count: int

    def __call__(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step."""
        numbers = range(step * self.count, (step + 1) * self.count)
        device = self.source.pixels.device if isinstance(self.source, datasets.Resident) else "cpu"
        draws = Draws(self.size, numbers, device, step=step)  # others for each size: nothing is decoded already
        clean = self.source.draw(draws, numbers, self.size)
        sigma = torch.from_numpy(draws.uniform(0, 75).astype(np.float32)).to(device)
        return {"clean": clean, "noisy": degrade.gaussian_noise(clean, sigma, draws.normal(*clean.shape[1:]))}


LIBRARIES = ("OpenCV", "Pillow", "SciPy", "scikit-image", "torchvision", "kornia")
SLANT = np.float64([[0, 0, 0], [0, 0, 1], [0, -1, 0]])
RACES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "box": (
        {"size": 5},
        {
            "OpenCV": "cv2.blur(image, (5, 5))",
            "Pillow": "image.filter(ImageFilter.BoxBlur(2))",
            "SciPy": "ndimage.uniform_filter(image, (5, 5, 1), mode='mirror')",
            "kornia": "kornia.filters.box_blur(image, 5)",
        },
    ),
    "gaussian": (
        {"sigma": 2.0},
        {
            "OpenCV": "cv2.GaussianBlur(image, (13, 13), 2)",
            "Pillow": "image.filter(ImageFilter.GaussianBlur(2))",
            "SciPy": "ndimage.gaussian_filter(image, (2, 2, 0), truncate=3, mode='mirror')",
            "scikit-image": "filters.gaussian(image, 2, truncate=3, mode='mirror', channel_axis=-1)",
            "torchvision": "tv.gaussian_blur(image, [13, 13], [2.0, 2.0])",
            "kornia": "kornia.filters.gaussian_blur2d(image, 13, (2.0, 2.0))",
        },
    ),
    "motion": (
        {"length": 9.0},
        {
            "OpenCV": "cv2.filter2D(image, -1, kernels.motion(9))",
            "SciPy": "ndimage.correlate(image, kernels.motion(9)[..., None], mode='mirror')",
            "kornia": "kornia.filters.motion_blur(image, 9, 0.0, 0.0, 'reflect')",
        },
    ),
    "disk": (
        {"radius": 3.0},
        {
            "OpenCV": "cv2.filter2D(image, -1, kernels.disk(3))",
            "SciPy": "ndimage.correlate(image, kernels.disk(3)[..., None], mode='mirror')",
            "kornia": "kornia.filters.filter2d(image, weights(kernels.disk(3)))",
        },
    ),
    "unsharp": (
        {"sigma": 2.0, "amount": 1.0},
        {
            "OpenCV": "cv2.addWeighted(image, 2, cv2.GaussianBlur(image, (13, 13), 2), -1, 0)",
            "Pillow": "image.filter(ImageFilter.UnsharpMask(2, 100, 0))",
            "scikit-image": "filters.unsharp_mask(image, 2, 1, channel_axis=-1)",
            "kornia": "kornia.filters.unsharp_mask(image, (13, 13), (2.0, 2.0))",
        },
    ),
    "high_boost": ({"boost": 1.5, "size": 3}, {"OpenCV": "cv2.addWeighted(image, 1.5, cv2.blur(image, (3, 3)), -0.5, 0)"}),
    "sharpen": (
        {},
        {
            "OpenCV": "cv2.filter2D(image, -1, kernels.SHARPEN)",
            "Pillow": "image.filter(ImageFilter.Kernel((3, 3), kernels.SHARPEN.ravel(), 1))",
            "SciPy": "ndimage.correlate(image, kernels.SHARPEN[..., None], mode='mirror')",
            "kornia": "kornia.filters.filter2d(image, weights(kernels.SHARPEN))",
        },
    ),
    "local_laplacian": ({}, {}),
    "median": (
        {"size": 5, "border": "replicate"},
        {
            "OpenCV": "cv2.medianBlur(image, 5)",
            "Pillow": "image.filter(ImageFilter.MedianFilter(5))",
            "SciPy": "ndimage.median_filter(image, (5, 5, 1), mode='nearest')",
            "scikit-image": "planes(filters.rank.median, image, np.ones((5, 5)))",
            "kornia": "kornia.filters.median_blur(image, 5)",
        },
    ),
    "bilateral": (
        {"sigma_color": 25.0, "sigma_space": 3.0},
        {
            "OpenCV": "cv2.bilateralFilter(image, 9, 25, 3)",
            "scikit-image": "restoration.denoise_bilateral(image, 9, 25 / 255, 3, channel_axis=-1)",
            "kornia": "kornia.filters.bilateral_blur(image, 9, 25 / 255, (3.0, 3.0))",
        },
    ),
    "guided": ({"radius": 8}, {"kornia": "kornia.filters.guided_blur(image, image, 17, 0.01, separable=True)"}),
    "non_local_means": (
        {"strength": 10.0},
        {
            "OpenCV": "cv2.fastNlMeansDenoising(image, None, 10, 7, 21)",
            "scikit-image": "restoration.denoise_nl_means(image, 7, 10, 10 / 255, channel_axis=-1)",
        },
    ),
    "anisotropic": ({"steps": 20}, {}),
    "total_variation": (
        {"weight": 25.0},
        {"scikit-image": "restoration.denoise_tv_chambolle(image, 25 / 255, max_num_iter=100, channel_axis=-1)"},
    ),
    "beauty": ({}, {}),
    "smooth_l0": ({}, {}),
    "laplacian": (
        {},
        {
            "OpenCV": "cv2.filter2D(image, -1, kernels.LAPLACIAN)",
            "Pillow": "image.filter(ImageFilter.Kernel((3, 3), kernels.LAPLACIAN.ravel(), 1))",
            "SciPy": "ndimage.correlate(image, kernels.LAPLACIAN[..., None], mode='mirror')",
            "scikit-image": "planes(filters.laplace, image)",
            "kornia": "kornia.filters.laplacian(image, 3)",
        },
    ),
    "sobel": (
        {},
        {
            "OpenCV": "length(cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1))",
            "SciPy": "np.hypot(*(ndimage.sobel(np.float32(image), axis, mode='mirror') for axis in (0, 1)))",
            "scikit-image": "planes(filters.sobel, image)",
            "kornia": "kornia.filters.sobel(image)",
        },
    ),
    "scharr": (
        {},
        {
            "OpenCV": "length(cv2.Scharr(image, cv2.CV_32F, 1, 0), cv2.Scharr(image, cv2.CV_32F, 0, 1))",
            "scikit-image": "planes(filters.scharr, image)",
        },
    ),
    "prewitt": (
        {},
        {
            "OpenCV": "length(cv2.filter2D(image, cv2.CV_32F, kernels.PREWITT), cv2.filter2D(image, cv2.CV_32F, kernels.PREWITT.T))",
            "SciPy": "np.hypot(*(ndimage.prewitt(np.float32(image), axis, mode='mirror') for axis in (0, 1)))",
            "scikit-image": "planes(filters.prewitt, image)",
        },
    ),
    "roberts": (
        {},
        {
            "OpenCV": "length(cv2.filter2D(image, cv2.CV_32F, kernels.ROBERTS), cv2.filter2D(image, cv2.CV_32F, SLANT))",
            "scikit-image": "planes(filters.roberts, image)",
        },
    ),
    "canny": (
        {"sigma": 1.4},
        {
            "OpenCV": "cv2.cvtColor(cv2.Canny(cv2.GaussianBlur(grey(image), (0, 0), 1.4), 20, 50, L2gradient=True), cv2.COLOR_GRAY2RGB)",
            "scikit-image": "feature.canny(grey(image), 1.4, 20, 50)",
            "kornia": "kornia.filters.canny(image, 0.08, 0.2, 9, (1.4, 1.4))",
        },
    ),
    "difference_of_gaussians": (
        {"sigma": 1.0, "ratio": 1.6},
        {
            "OpenCV": "cv2.subtract(cv2.GaussianBlur(image, (7, 7), 1), cv2.GaussianBlur(image, (11, 11), 1.6))",
            "scikit-image": "filters.difference_of_gaussians(image, 1, 1.6, channel_axis=-1)",
        },
    ),
    "laplacian_of_gaussian": (
        {"sigma": 2.0},
        {
            "OpenCV": "cv2.filter2D(image, -1, kernels.log(2))",
            "SciPy": "planes(ndimage.gaussian_laplace, np.float32(image), 2)",
        },
    ),
    "gabor": (
        {"wavelength": 8.0, "count": 4},
        {"OpenCV": "strongest(cv2.filter2D(image, cv2.CV_32F, kernels.gabor(8, 45 * i)) for i in range(4))"},
    ),
    "emboss": (
        {},
        {
            "OpenCV": "cv2.filter2D(image, -1, kernels.EMBOSS)",
            "Pillow": "image.filter(ImageFilter.Kernel((3, 3), kernels.EMBOSS.ravel(), 1))",
            "SciPy": "ndimage.correlate(image, kernels.EMBOSS[..., None], mode='mirror')",
            "kornia": "kornia.filters.filter2d(image, weights(kernels.EMBOSS))",
        },
    ),
    "erosion": (
        {"size": 3},
        {
            "OpenCV": "cv2.erode(image, np.ones((3, 3)), borderType=cv2.BORDER_REFLECT_101)",
            "Pillow": "image.filter(ImageFilter.MinFilter(3))",
            "SciPy": "ndimage.grey_erosion(image, (3, 3, 1), mode='mirror')",
            "scikit-image": "morphology.erosion(image, np.ones((3, 3, 1)))",
            "kornia": "kornia.morphology.erosion(image, torch.ones(3, 3))",
        },
    ),
    "dilation": (
        {"size": 3},
        {
            "OpenCV": "cv2.dilate(image, np.ones((3, 3)), borderType=cv2.BORDER_REFLECT_101)",
            "Pillow": "image.filter(ImageFilter.MaxFilter(3))",
            "SciPy": "ndimage.grey_dilation(image, (3, 3, 1), mode='mirror')",
            "scikit-image": "morphology.dilation(image, np.ones((3, 3, 1)))",
            "kornia": "kornia.morphology.dilation(image, torch.ones(3, 3))",
        },
    ),
    **{
        name: (
            {"size": 9},
            {
                "OpenCV": f"cv2.morphologyEx(image, cv2.MORPH_{code}, np.ones((9, 9)), borderType=cv2.BORDER_REFLECT_101)",
                "SciPy": f"ndimage.{theirs}(image, (9, 9, 1), mode='mirror')",
                "scikit-image": f"morphology.{name if code in ('OPEN', 'CLOSE') else theirs}(image, np.ones((9, 9, 1)))",
                "kornia": f"kornia.morphology.{korn}(image, torch.ones(9, 9))",
            },
        )
        for name, code, theirs, korn in (
            ("opening", "OPEN", "grey_opening", "opening"),
            ("closing", "CLOSE", "grey_closing", "closing"),
            ("top_hat", "TOPHAT", "white_tophat", "top_hat"),
            ("black_hat", "BLACKHAT", "black_tophat", "bottom_hat"),
        )
    },
    "brightness": (
        {"amount": 30.0},
        {
            "OpenCV": "cv2.add(image, (30, 30, 30, 0))",
            "Pillow": "image.point([min(i + 30, 255) for i in range(256)] * 3)",
            "kornia": "kornia.enhance.adjust_brightness(image, 30 / 255)",
        },
    ),
    "contrast": (
        {"factor": 1.3},
        {
            "OpenCV": "cv2.LUT(image, cv2.convertScaleAbs(np.maximum(np.arange(256) * 1.3 - 38.25, 0)))",
            "Pillow": "image.point([round(min(max((i - 127.5) * 1.3 + 127.5, 0), 255)) for i in range(256)] * 3)",
        },
    ),
    "gamma": (
        {"gamma": 1.5},
        {
            "OpenCV": "cv2.LUT(image, np.uint8(np.rint(255 * (np.arange(256) / 255) ** (1 / 1.5))))",
            "Pillow": "image.point([round(255 * (i / 255) ** (1 / 1.5)) for i in range(256)] * 3)",
            "scikit-image": "exposure.adjust_gamma(image, 1 / 1.5)",
            "torchvision": "tv.adjust_gamma(image, 1 / 1.5)",
            "kornia": "kornia.enhance.adjust_gamma(image, 1 / 1.5)",
        },
    ),
    "clahe": (
        {"limit": 2.0, "tiles": 8},
        {
            "OpenCV": "equalised(image)",
            "scikit-image": "exposure.equalize_adapthist(image)",
            "kornia": "kornia.enhance.equalize_clahe(image, 2.0)",
        },
    ),
    "wiener": (
        {"size": 2.0},
        {"scikit-image": "planes(restoration.wiener, np.float32(image) / 255, np.float32(kernels.gaussian(2)), 0.01)"},
    ),
    "richardson_lucy": (
        {"size": 2.0, "steps": 20},
        {"scikit-image": "planes(restoration.richardson_lucy, np.float32(image) / 255, np.float32(kernels.gaussian(2)), 20)"},
    ),
    "custom": (
        {"kernel": kernels.disk(2.0)},
        {
            "OpenCV": "cv2.filter2D(image, -1, kernels.disk(2))",
            "Pillow": "image.filter(ImageFilter.Kernel((5, 5), kernels.disk(2).ravel(), 1))",
            "SciPy": "ndimage.correlate(image, kernels.disk(2)[..., None], mode='mirror')",
            "kornia": "kornia.filters.filter2d(image, weights(kernels.disk(2)))",
        },
    ),
    "match": (
        {},
        {
            "OpenCV": "cv2.matchTemplate(image, image[:31, :31], cv2.TM_CCOEFF_NORMED)",
            "scikit-image": "feature.match_template(image, image[:31, :31])",
        },
    ),
}
"""Filter -> its options, and what to call in each library for the same; ``image`` is that library's own kind of picture."""
LIMIT = 2.0
"""Seconds that a call may take on the whole picture; a slower one gets a crop, and its time is scaled by the pixels."""


@app.command("filters")
def race_filters(
    names: Annotated[list[str] | None, typer.Argument(help="Filters; all of them.", show_default=False)] = None,
    megapixels: Annotated[float, typer.Option(min=0.01, help="Size of the picture.")] = 12.0,
    runs: Annotated[int, typer.Option(min=2, help="Timed runs of each; two more come before.")] = 7,
    threads: Annotated[int, typer.Option(min=1, help="Threads of OpenCV and torch.")] = 2,
    libraries: Annotated[str, typer.Option(help="Whom to race, separated by commas.")] = ",".join(LIBRARIES),
    cpu: Annotated[bool, typer.Option("--cpu", help="Count processor time: steadier than the clock where others work too.")] = False,
    calls: Annotated[bool, typer.Option("--calls", help="List what is called instead.")] = False,
) -> None:
    """Milliseconds of each filter on arrays, and their ratio to those of the same filter in other libraries, in turn; as Markdown."""
    for given, known in ((names or [], FILTERS), (libraries.split(","), LIBRARIES)):
        if unknown := set(given) - set(known):
            raise typer.BadParameter(f"{sorted(unknown)[0]!r} is unknown; expected some of {', '.join(known)}")
    rivals = [name for name in LIBRARIES if name in libraries.split(",") and (name != "kornia" or kornia)]
    if calls:
        typer.echo("| filter | library | call |\n|---|---|---|")
        typer.echo("\n".join(f"| {name} | {who} | `{call}` |" for name in names or RACES for who, call in RACES[name][1].items()))
        return
    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    picture = from_float(to_float(draw_photo(megapixels).pixels), np.uint8)
    crops = [picture[:side, :side].copy() for side in (256, 1024) if side < min(picture.shape[:2])] + [picture]
    forms = [kinds_of(crop) for crop in crops]
    clock = time.process_time if cpu else time.perf_counter
    size = f"{picture.shape[1]} x {picture.shape[0]} uint8 RGB"
    typer.echo(f"{size}; {threads} threads; median of {runs} runs, {'processor time' if cpu else 'wall clock'}; ratios ours / theirs.")
    typer.echo(f"`*`: over {LIMIT:g} s, so measured on a crop and scaled. Each library starts from its own kind of picture.\n")
    typer.echo(f"| filter | ours, ms | {' | '.join(rivals)} |\n|{'---|' * (2 + len(rivals))}")
    for name in names or RACES:
        typer.echo(f"| {name} | {' | '.join(race(name, rivals, forms, runs=runs, clock=clock))} |")


def race(name: str, rivals: list[str], forms: list[dict[str, Any]], *, runs: int, clock: Callable[[], float]) -> list[str]:
    """The cells of a filter's row: our milliseconds, and the ratio to each rival."""
    options, texts = RACES[name]
    if name == "match":
        calls = {"ours": lambda image: FILTERS[name].array(image, patch=image[:31, :31])}
    else:
        calls = {"ours": lambda image: FILTERS[name].array(image, **options)}
    calls |= {rival: eval(f"lambda image: {texts[rival]}", globals()) for rival in rivals if rival in texts}
    sizes = {who: largest(call, [form[who] for form in forms], [form["ours"].size for form in forms]) for who, call in calls.items()}
    if "OpenCV" in sizes:
        sizes["ours"] = sizes["OpenCV"] = min(sizes["ours"], sizes["OpenCV"])
    contenders = [lambda call=call, image=forms[sizes[who]][who]: call(image) for who, call in calls.items()]
    scale = np.array([forms[-1]["ours"].size / forms[sizes[who]]["ours"].size for who in calls])
    turns = take_turns(contenders, runs=runs, clock=clock, budget=LIMIT, always=2 * ("OpenCV" in calls))
    seconds = dict(zip(calls, np.nanmedian(turns, 0) * scale, strict=True))
    star = {who: "" if sizes[who] == len(forms) - 1 else "*" for who in calls}
    ratios = [f"{seconds['ours'] / seconds[rival]:.3g}{star[rival]}" if rival in seconds else "" for rival in rivals]
    return [f"{1000 * seconds['ours']:.4g}{star['ours']}", *ratios]


def largest(call: Callable[[Any], object], pictures: list[Any], pixels: list[int]) -> int:
    """The number of the largest picture, of growing ones, on which a call should take no more than ``LIMIT`` seconds."""
    for i, picture in enumerate(pictures[:-1]):
        call(picture)
        started = time.perf_counter()
        call(picture)
        if (time.perf_counter() - started) * pixels[i + 1] / pixels[i] > LIMIT:
            return i
    return len(pictures) - 1


def kinds_of(image: np.ndarray) -> dict[str, Any]:
    """A picture (H, W, 3) uint8 as each library takes it."""
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()  # (1, 3, H, W)
    arrays = dict.fromkeys(["ours", "OpenCV", "SciPy", "scikit-image"], image)
    return {**arrays, "Pillow": Image.fromarray(image), "torchvision": planes, "kornia": planes.float() / 255}


def planes(function: Callable[..., np.ndarray], image: np.ndarray, *more: object) -> np.ndarray:
    """Run a function of planes on each channel."""
    return np.stack([function(np.ascontiguousarray(image[..., i]), *more) for i in range(3)], -1)


def weights(kernel: np.ndarray) -> torch.Tensor:
    """A kernel as kornia takes it, (1, h, w)."""
    return torch.from_numpy(kernel)[None].float()


def grey(image: np.ndarray) -> np.ndarray:
    """The luma of RGB."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def length(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of gradients, as uint8."""
    return cv2.convertScaleAbs(cv2.magnitude(x, y))


def strongest(responses: Iterable[np.ndarray]) -> np.ndarray:
    """The largest response, in size, as uint8."""
    return cv2.convertScaleAbs(reduce(cv2.max, (cv2.absdiff(response, 0) for response in responses)))


def equalised(image: np.ndarray) -> np.ndarray:
    """CLAHE of the luma, its change added to each channel."""
    luma = grey(image)
    change = cv2.subtract(cv2.createCLAHE(2.0, (8, 8)).apply(luma), luma, dtype=cv2.CV_16S)
    return cv2.add(image, cv2.merge([change] * 3), dtype=cv2.CV_8U)


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
