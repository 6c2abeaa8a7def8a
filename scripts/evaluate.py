"""Measure weights and classical methods on clean pictures: PSNR, SSIM, LPIPS and seconds in one table; or classifiers on a test split.

python scripts/evaluate.py denoise --weight denoise --method bilateral,wavelet,nlm --sigma 15,25,50 --noise float,clipped
python scripts/evaluate.py inpaint --weight inpaint --method telea,ns,biharmonic --masks thin,medium,large --sheet /tmp/sheet.png
python scripts/evaluate.py inpaint --weight inpaint --no-texture --no-grain
python scripts/evaluate.py --blind dejpeg --weight dejpeg --files grey,colour --jpeg-quality 10,20,30,40
python scripts/evaluate.py deblur --weight deblur --method wiener,richardson-lucy,wiener-true,richardson-lucy-true
python scripts/evaluate.py filter --weight filters --strength 0.1,0.5,0.9 --data ../shared/data/dev/kodak24
python scripts/evaluate.py --best denoise --weight denoise --noise float,clipped
python scripts/evaluate.py estimates --data ../shared/data/train/train-006.tar
python scripts/evaluate.py classify --weight lenet5-mnist --data ../shared/data/mnist

Noise and masks are seeded by the picture's number in its folder, so that every method and every day sees the same ones. Results
are rounded to 8 bits before they are measured, and so is the noisy input ("none"). PSNR is over RGB; for inpainting PSNR and
SSIM are those of the hole, LPIPS (SqueezeNet) and MS-SSIM those of the picture. Nothing but `classify` reads a test split.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import deconvolution
import holes
import numpy as np
import torch
import typer
from contenders import DENOISERS, INPAINTERS, Array, Denoiser, Settings, label, networks, usable
from estimates import estimates
from PIL import Image
from scores import NOISES, add_noise, measure, names, numbers, pictures, report, save, summary, timed, toned, writable

from restore import Restorer, image, masks, metrics, weights
from restore import data as datasets
from restore.backbones import Backbone
from restore.degrade import codec
from restore.degrade.blur import benchmark_kernels
from restore.networks.filtering import OPERATORS
from restore.runtime import pick_device
from restore.tasks.deblur import MAX_WIDTH
from restore.tasks.denoise import MAX_SIGMA
from restore.training.classify import chunks
from restore.training.deblur import width

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
KODAK = SHARED / "dev" / "kodak24"
FEATURES = SHARED / "lpips" / "squeezenet1_1-features.safetensors"
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(estimates)

Weights = Annotated[
    str, typer.Option("--weight", help="Shipped weights, and folders or checkpoints of training runs, separated by commas.")
]
Methods = Annotated[str, typer.Option("--method", help="Classical methods, separated by commas.")]
Data = Annotated[Path, typer.Option(help="Folder of clean pictures.")]
Crop = Annotated[int, typer.Option(min=0, help="Side of the centre crop that is measured; 0: the whole picture.")]
Json = Annotated[Path | None, typer.Option("--json", callback=writable, help="File for the numbers, those of each picture too.")]


@app.callback()
def settings(
    context: typer.Context,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures.")] = None,
    features: Annotated[Path, typer.Option(help="ImageNet weights of LPIPS's SqueezeNet.")] = FEATURES,
    device: Annotated[str, typer.Option(help="Device of the networks.")] = "auto",
    precision: Annotated[Literal["fp32", "bf16", "auto"], typer.Option(help="Precision of the networks.")] = "fp32",
    out: Annotated[Path | None, typer.Option(help="Folder for the results, as PNG.")] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Do not tell the networks the noise level or the quality.")] = False,
    best: Annotated[bool, typer.Option("--best", help="The mean over eight turned and mirrored forms.")] = False,
) -> None:
    """Keep the options for the verb."""
    context.obj = Settings(limit, features, device, precision, out, blind, best)


FILES = ("grey", "colour", "double")
KERNELS = benchmark_kernels()
SECOND = 50  # quality of the second of two files


@app.command()
def denoise(
    context: typer.Context,
    *,
    weight: Weights = "",
    method: Methods = "",
    sigma: Annotated[str, typer.Option(help="Noise levels in 8-bit units, separated by commas.")] = "15,25,50",
    noise: Annotated[
        str, typer.Option(help="float: as it is drawn; clipped: in 8 bits; shared: and alike in all channels; sepia: of a toned print.")
    ] = "float",
    data: Data = KODAK,
    crop: Crop = 500,
    json_file: Json = None,
) -> None:
    """Colour Gaussian noise."""
    options: Settings = context.obj
    contenders: dict[str, Denoiser] = {name: DENOISERS[name] for name in names(method, DENOISERS, "method")}
    for name, function in networks("denoise", weight, options).items():
        contenders[name] = lambda noisy, level, function=function: function(noisy, sigma=None if options.blind else level)
    levels, rows = numbers(sigma), []
    if weight and not 0 <= min(levels) <= max(levels) <= MAX_SIGMA:
        raise typer.BadParameter(f"{sigma!r} leaves 0 to {MAX_SIGMA:g}, which networks know", param_hint="--sigma")
    for kind in names(noise, NOISES, "noise"):
        for level in levels:
            for name, function in contenders.items():
                scores = []
                for number, photo in pictures(data, crop, options.limit):
                    clean = toned(photo) if kind == "sepia" else photo
                    noisy = add_noise(clean, level, number, kind)
                    restored, seconds = timed(partial(function, image.to_float(noisy) if name in DENOISERS else noisy, level))
                    restored = image.from_float(image.to_float(restored), np.uint8)
                    scores.append({**measure(clean, restored, options.features), "seconds": seconds})
                    save(options.out, f"{name}-{kind}-{level:g}-{number:02d}.png", restored)
                rows.append({"method": name, "noise": kind, "sigma": level, **summary(scores)})
    report(rows, json_file)


@app.command()
def inpaint(
    context: typer.Context,
    *,
    weight: Weights = "",
    method: Methods = "",
    sets: Annotated[
        str, typer.Option("--masks", help="Sets of masks, separated by commas; 0-1, 1-5, 5-10, 10-20, 20-40: per cent of the picture.")
    ] = "thin,medium,large",
    sheet: Annotated[
        Path | None, typer.Option(callback=writable, help="PNG for the ten best and ten worst fills of the last weight or method.")
    ] = None,
    texture: Annotated[bool, typer.Option("--texture/--no-texture", help="Whether networks copy texture into wide holes.")] = True,
    grain: Annotated[bool, typer.Option("--grain/--no-grain", help="Whether what networks fill gets the picture's grain.")] = True,
    by: Annotated[str, typer.Option(help="Score that ranks them: psnr, that of the hole, or lpips, that of the picture.")] = "psnr",
    data: Data = KODAK,
    crop: Crop = 500,
    json_file: Json = None,
) -> None:
    """Holes; beside LPIPS stands whether a network learned from that distance, which flatters it."""
    options: Settings = context.obj
    names(by, ("psnr", "lpips"), "by")
    contenders: dict[str, Callable[..., Array]] = {
        name: partial(Restorer(device="cpu").inpaint, method=name) for name in names(method, INPAINTERS, "method")
    }
    learned = dict.fromkeys(contenders, "no")
    for name in names(weight, None, "weight"):
        found = networks("inpaint", name, options)
        contenders |= {key: partial(function, texture=texture, grain=grain) for key, function in found.items()}
        learned |= dict.fromkeys(found, "yes" if holes.trained_on_lpips(name) else "no")
    rows, fills = [], []
    for kind in names(sets, masks.BENCHMARKS, "masks"):
        scores: dict[str, list[dict[str, float | None]]] = {name: [] for name in contenders}
        for number, clean in pictures(data, crop, options.limit):
            mask = masks.benchmark(kind, clean.shape[:2], number)
            damaged, shown = np.where(mask[..., None] > 0, np.uint8(0), clean), [holes.marked(clean, mask)]
            for name, function in contenders.items():
                restored, seconds = timed(partial(function, damaged, mask))  # nothing of the hole's content is left
                likeness = {"ms_ssim": metrics.ms_ssim(clean, restored) if min(clean.shape[:2]) >= 176 else None, "seconds": seconds}
                area = {"area": float((mask > 0).mean())}
                scores[name].append({**area, **measure(clean, restored, options.features, mask), **likeness})
                save(options.out, f"{name}-{kind}-{number:02d}.png", restored)
                shown.append(restored)
            if sheet and contenders:
                fills.append(holes.Fill(f"{kind} {number}", scores[name][-1][by], holes.cut([*shown, clean], mask)))
        rows += [{"method": name, "masks": kind, "learned from LPIPS": learned[name], **summary(scores[name])} for name in contenders]
    report(rows, json_file)
    if sheet:
        holes.write_sheet(sheet, fills, ["holes", *contenders, "truth"], by)


def coded(clean: Array, kind: str, quality: int) -> tuple[Array, Array]:
    """A picture (H, W, 3) uint8, as grey (H, W, 1) unless ``kind`` is colour, and what JPEG leaves of it."""
    wanted = clean if kind == "colour" else np.asarray(Image.fromarray(clean).convert("L"))[..., None]
    if kind == "double":
        return wanted, codec.double_jpeg_array(wanted, quality, SECOND, np.array([4, 4]))
    return wanted, codec.jpeg_array(wanted, quality)


@app.command()
def dejpeg(
    context: typer.Context,
    *,
    weight: Weights,
    files: Annotated[str, typer.Option(help="grey (luma), colour (4:2:0), double (luma; 50 after it, grids 4 x 4 apart).")] = "grey",
    jpeg_quality: Annotated[str, typer.Option(help="Qualities of files (of double, the first ones), separated by commas.")] = "10,20,30,40",
    data: Data = KODAK,
    crop: Crop = 0,
    json_file: Json = None,
) -> None:
    """JPEG files; "input" is the file itself, from where the gain counts."""
    options: Settings = context.obj
    contenders, rows = networks("dejpeg", weight, options), []
    for kind in names(files, FILES, "files"):
        for value in map(round, numbers(jpeg_quality, "jpeg-quality")):
            told = "auto" if options.blind else min(value, SECOND) if kind == "double" else value
            for name, function in contenders.items():
                scores = []
                for number, clean in pictures(data, crop, options.limit):
                    wanted, file = coded(clean, kind, value)
                    restored, seconds = timed(partial(function, file, jpeg_quality=told))
                    before, after = metrics.psnr(wanted, file), metrics.psnr(wanted, restored)
                    gained = after - before if after != before else 0.0  # both may be infinite
                    close = {"psnr_b": metrics.psnr_b(wanted, restored), "ssim": metrics.ssim(wanted, restored)}
                    scores.append({"input psnr": before, "psnr": after, "gained psnr": gained, **close, "seconds": seconds})
                    save(options.out, f"{name}-{kind}-{value}-{number:02d}.png", restored)
                rows.append({"method": name, "files": kind, "quality": value, **summary(scores)})
    report(rows, json_file)


@app.command()
def deblur(
    context: typer.Context,
    *,
    weight: Weights = "",
    method: Methods = "",
    kernel: Annotated[str, typer.Option(help="Kernels, separated by commas.")] = ",".join(KERNELS),
    told: Annotated[Literal["nothing", "width", "kernel"], typer.Option(help="What they are told of the kernel.")] = "nothing",
    blur: Annotated[Literal["auto", "lens", "shake", "any"], typer.Option(help="What they take for the cause.")] = "auto",
    data: Data = KODAK,
    crop: Crop = 500,
    json_file: Json = None,
) -> None:
    """Blur and 1 % of noise; "input" is what is seen, from where the gain counts. Methods named -true know the kernel: a ceiling."""
    options: Settings = context.obj
    if told != "nothing" and blur == "shake":
        raise typer.BadParameter(f"a shake's path is found; {told!r} cannot be told beside it", param_hint="--told")
    contenders = {name: deconvolution.method(*deconvolution.CHOSEN[name]) for name in names(method, deconvolution.CHOSEN, "method")}
    hints = {"nothing": lambda known: {}, "width": lambda known: {"width": spread(known)}, "kernel": lambda known: {"kernel": known}}
    for name, function in networks("deblur", weight, options).items():
        contenders[name] = lambda seen, known, function=function: function(seen, blur=blur, **hints[told](known))
    rows, everything = [], {name: [] for name in contenders}
    for kind in names(kernel, KERNELS, "kernel"):
        scores: dict[str, list[dict[str, float | None]]] = {name: [] for name in contenders}
        for number, whole in pictures(data, 0, options.limit):
            clean, seen = deconvolution.damaged(whole, KERNELS[kind], number, crop)
            before = {"input psnr": metrics.psnr(clean, seen), "input ssim": metrics.ssim(clean, seen)}
            for name, function in contenders.items():
                restored, seconds = timed(partial(function, seen, KERNELS[kind].numpy()))
                after = {"psnr": metrics.psnr(clean, restored), "ssim": metrics.ssim(clean, restored)}
                scores[name].append({**before, **after, "gained psnr": after["psnr"] - before["input psnr"], "seconds": seconds})
                save(options.out, f"{name}-{kind}-{number:02d}.png", restored)
        rows += [{"method": name, "kernel": kind, **summary(scores[name])} for name in contenders]
        everything = {name: everything[name] + scores[name] for name in contenders}
    report(rows + [{"method": name, "kernel": "all", **summary(everything[name])} for name in contenders if rows], json_file)


def spread(kernel: Array) -> float:
    """The width of a kernel (k, k) in pixels, at most what a network can be told."""
    return min(float(width(torch.from_numpy(kernel)[None])[0]), MAX_WIDTH)


@app.command()
def classify(
    context: typer.Context,
    *,
    weight: Weights,
    data: Annotated[Path, typer.Option(help="Labelled pictures as `restore train` takes them; their test split is measured.")],
    mirror: Annotated[bool, typer.Option("--mirror", help="Measure the mean with the mirrored picture's probabilities too.")] = False,
    json_file: Json = None,
) -> None:
    """Names of what pictures show: share that is right, in per cent."""
    options: Settings = context.obj
    rows, device = [], pick_device(options.device)
    for name in names(weight, None, "weight"):
        title, network = classifier(name)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        size = network.input_size[0]
        test = datasets.read_labelled(data, "test", size=size, channels=len(network.mean)).part(slice(options.limit))
        for mirrored in (False, True)[: 1 + mirror]:
            start, right = time.perf_counter(), 0
            for batch in chunks(test, size):
                chances = predict(network, batch["x"].to(device), options.precision, mirrored=mirrored)
                right += int((chances.argmax(1).cpu() == batch["label"]).sum())
            seconds = time.perf_counter() - start
            score = {"pictures": len(test), "errors": len(test) - right, "accuracy": 100 * right / len(test), "seconds": seconds}
            rows.append({"method": title + mirrored * ", mirrored too", **score})
    plain = [row["accuracy"] for row in rows if not row["method"].endswith(" too")]
    report(rows, json_file)
    if len(plain) > 1:
        print(f"mean of {len(plain)}: {np.mean(plain):.3f}, standard deviation {np.std(plain, ddof=1):.3f}")


def classifier(name: str) -> tuple[str, Backbone]:
    """Return the label and the network of a weight."""
    with usable():
        found = weights.load(name)
    if not isinstance(found, Backbone):
        raise typer.BadParameter(f"{name!r} is no classifier", param_hint="--weight")
    return label(name), found


@torch.no_grad()
def predict(network: Backbone, x: torch.Tensor, precision: str, *, mirrored: bool) -> torch.Tensor:
    """Return probabilities (N, classes) of pictures (N, C, H, W) in [0, 1]; ``mirrored``: the mean of theirs and their mirror images'."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
        views = [x, x.flip(3)] if mirrored else [x]
        return torch.stack([network(network.normalise(view)).float().softmax(1) for view in views]).mean(0)


@app.command("filter")
def learned_filter(
    context: typer.Context,
    *,
    weight: Weights = "filters",
    operator: Annotated[str, typer.Option(help="Filters that the network imitates, separated by commas.")] = ",".join(OPERATORS),
    strength: Annotated[str, typer.Option(help="Strengths from 0 to 1, separated by commas.")] = "0.1,0.5,0.9",
    data: Data = KODAK,
    crop: Crop = 500,
    json_file: Json = None,
) -> None:
    """Learned filters against the filters they imitate; "unfiltered" is the picture itself against them, from where the gain counts."""
    options: Settings = context.obj
    operators, strengths, rows = names(operator, OPERATORS, "operator"), numbers(strength, "strength"), []
    if not all(0 <= value <= 1 for value in strengths):
        raise typer.BadParameter(f"{strength!r} leaves 0 to 1", param_hint="--strength")
    contenders = networks("filter", weight, options)
    for name in operators:
        for value in strengths:
            scores: dict[str, list[dict[str, float | None]]] = {contender: [] for contender in contenders}
            for number, clean in pictures(data, crop, options.limit):
                wanted, theirs = timed(partial(OPERATORS[name], clean, value))
                plain = {"unfiltered psnr": metrics.psnr(wanted, clean), "unfiltered ssim": metrics.ssim(wanted, clean)}
                for contender, function in contenders.items():
                    result, seconds = timed(partial(function, clean, name=name, strength=value))
                    close = {"psnr": metrics.psnr(wanted, result), "ssim": metrics.ssim(wanted, result)}
                    scores[contender].append({**close, **plain, "seconds": seconds, "operator seconds": theirs})
                    save(options.out, f"{contender}-{name}-{value:g}-{number:02d}.png", result)
            rows += [{"method": contender, "operator": name, "strength": value, **summary(scores[contender])} for contender in contenders]
    report(rows, json_file)


if __name__ == "__main__":
    app()
