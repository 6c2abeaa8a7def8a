"""What the cards of weights show: small photographs of scikit-image before and after, for `publish.py`."""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from skimage import data

from restore import Restorer, degrade, masks, metrics
from restore.degrade.blur import benchmark_kernels, blur
from restore.draws import Draws
from restore.levels import from_float, to_float
from restore.networks.filtering import OPERATORS
from restore.training.camera import CASES, take

SIDE = 208
"""Pixels of a small picture's side."""
Pictures = dict[str, np.ndarray]


def photograph(name: str, top: int, left: int) -> np.ndarray:
    """A part of a photograph of scikit-image, (SIDE, SIDE, 3) uint8."""
    return np.ascontiguousarray(getattr(data, name)()[top : top + SIDE, left : left + SIDE])


def with_difference(row: Pictures) -> Pictures:
    """A row (what is given, what the network makes of it, what is wanted) with four times the difference of the last two."""
    made, wanted = (row[caption].astype(int) for caption in list(row)[1:])
    return {**row, "4 x difference": np.clip(4 * abs(made - wanted), 0, 255).astype(np.uint8)}


def subjects() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A face, fur and a cup: parts of scikit-image's photographs."""
    return photograph("astronaut", 10, 120), photograph("chelsea", 40, 120), photograph("coffee", 60, 180)


def compared(clean: np.ndarray, given: np.ndarray, result: np.ndarray, what: str, done: str) -> Pictures:
    """A row: what was given, what was made of it, and what is wanted."""
    return {
        f"{what}: {metrics.psnr(given, clean):.1f} dB": given,
        f"{done}: {metrics.psnr(result, clean):.1f} dB": result,
        "original": clean,
    }


def denoised(restorer: Restorer) -> list[Pictures]:
    """Noise of two levels, and film grain, which it was not trained for."""
    faces, fur, cup = subjects()
    noisy = [
        from_float(to_float(x) + s / 255 * np.random.default_rng(s).normal(size=x.shape), np.uint8) for x, s in ((faces, 25), (fur, 50))
    ]
    x = torch.from_numpy(to_float(cup)).permute(2, 0, 1)[None]
    drawn = degrade.DEGRADATIONS["film_grain"].draw(Draws(1, [0]), (1, 3, SIDE, SIDE), 0.6)
    grain = from_float(degrade.apply("film_grain", x, drawn)[0].permute(1, 2, 0).numpy(), np.uint8)
    rows = []
    for clean, given, sigma, what in (
        (faces, noisy[0], 25, "sigma 25"),
        (fur, noisy[1], 50, "sigma 50"),
        (cup, grain, None, "film grain, not trained for"),
    ):
        result = restorer.denoise(given, sigma=sigma, noise="white")
        rows.append(compared(clean, given, result, what, "denoised"))
    return rows


def developed(restorer: Restorer) -> list[Pictures]:
    """A camera of high ISO, one that smooths its noise itself, and film."""
    rows = []
    cameras = {"high": "high ISO", "smooth": "high ISO, smoothed", "film": "film"}
    for clean, (case, what) in zip(subjects(), cameras.items(), strict=True):
        taken, _ = take(torch.from_numpy(to_float(clean)).permute(2, 0, 1)[None], CASES[case], 0)
        given = from_float(taken[0].permute(1, 2, 0).numpy(), np.uint8)
        result = restorer.denoise(given, noise="camera")
        rows.append(compared(clean, given, result, what, "denoised"))
    return rows


def deblocked(restorer: Restorer) -> list[Pictures]:
    """Files of two qualities, and one of quality 10 that was shifted and saved again at 50, which it does not recognise."""
    faces, fur, cup = subjects()
    moved = saved(np.pad(cup, ((4, 0), (4, 0), (0, 0)), "edge"), 10)[4:, 4:]
    rows = []
    for clean, given, what in (
        (faces, saved(faces, 10), "quality 10"),
        (fur, saved(fur, 40), "quality 40"),
        (cup, saved(moved, 50), "10, then 50"),
    ):
        result = restorer.dejpeg(given)
        rows.append(compared(clean, given, result, what, "restored"))
    return rows


def sharpened(restorer: Restorer) -> list[Pictures]:
    """A lens out of focus and two shakes, with 1 % of noise, in crops too small to tell their kernels: what the network does."""
    kernels, rows = benchmark_kernels(), []
    blurs = {"disk_3": "disk of radius 3", "walk_12": "shaken, 12 pixels", "walk_24": "shaken, 24 pixels"}
    for clean, (kernel, what) in zip(subjects(), blurs.items(), strict=True):
        blurred = blur(torch.from_numpy(to_float(clean)).permute(2, 0, 1)[None], kernels[kernel][None])[0].permute(1, 2, 0).numpy()
        given = from_float(blurred + np.random.default_rng(0).normal(0, 0.01, clean.shape), np.uint8)
        result = restorer.deblur(given)
        rows.append(compared(clean, given, result, what, "sharpened"))
    return rows


def saved(picture: np.ndarray, quality: int) -> np.ndarray:
    """A picture (H, W, 3) uint8 as a JPEG file of a quality holds it."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def inpainted(restorer: Restorer) -> list[Pictures]:
    """Holes of three sizes, of which it cannot fill the largest."""
    rows = []
    for clean, (kind, seed) in zip(subjects(), {"thin": 0, "medium": 1, "large": 3}.items(), strict=True):
        mask = masks.benchmark(kind, (SIDE, SIDE), seed)
        result = restorer.inpaint(np.where(mask[..., None] > 0, np.uint8(0), clean), mask)
        rows.append(
            {
                f"{kind} mask: {(mask > 0).mean():.0%} missing": np.where(mask[..., None] > 0, np.uint8(255), clean),
                f"filled: {metrics.psnr(result, clean, mask=mask):.1f} dB in the hole": result,
                "original": clean,
            }
        )
    return rows


def filtered(restorer: Restorer) -> list[Pictures]:
    """Three operators, the two that it imitates worst among them."""
    rows = []
    for name, strength, given in (
        ("bilateral", 0.5, photograph("astronaut", 10, 120)),
        ("smooth_l0", 0.9, photograph("coffee", 60, 180)),
        ("local_laplacian", 0.9, photograph("chelsea", 40, 120)),
    ):
        wanted, result = OPERATORS[name](given, strength), restorer.filter(given, name, strength=strength)
        network = f"network: {metrics.psnr(result, wanted):.1f} dB to the operator"
        rows.append({"photograph": given, network: result, f"{name} at {strength:g}": wanted})
    return rows


SHEETS: dict[str, Callable[[Restorer], list[Pictures]]] = {
    "denoise": denoised,
    "denoise-camera": developed,
    "dejpeg": deblocked,
    "deblur": sharpened,
    "inpaint": inpainted,
    "filter": filtered,
}
"""Recipe or task -> rows of pictures; of others what their training shows at a validation."""
