"""What people get: the shipped weights on pictures that are hard, or that need nothing; and what the documents say of them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from skimage import data

from restore import Restorer, metrics, weights

ROOT = Path(__file__).parents[1]
SHIPPED = weights.entries()
REPAIRS = {"denoise": {"sigma": 15}, "dejpeg": {"jpeg_quality": 30}, "deblur": {"blur": "any"}}
"""Task -> options with which it works on everything."""
COLOUR_SHIFT = 0.3
"""Of the mean, in 8-bit units."""


@pytest.fixture(scope="module")
def ours():
    return Restorer(device="cpu")


def page():
    picture = Image.new("RGB", (240, 160), "white")
    for top in range(5, 150, 18):
        ImageDraw.Draw(picture).text((5, top), "The quick brown fox jumps", fill=(40, 40, 40), font=ImageFont.load_default(size=14))
    return np.asarray(picture)


CLEAN = {
    "face": data.astronaut()[0:160, 120:360],
    "cup": data.coffee()[80:240, 160:400],
    "night": data.rocket()[200:360, 250:490],
    "page": page(),
    "flat": np.full((160, 240, 3), (200, 90, 31), np.uint8),
    "grey": data.camera()[100:260, 150:390],
}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_pictures_come_back(ours, name):
    """Nobody told what they have: little changes where little is found, and no colour shifts."""
    clean = np.ascontiguousarray(CLEAN[name])
    back = ours.denoise(clean)
    assert metrics.psnr(back, clean) > 45
    assert np.abs(back.mean((0, 1)) - clean.mean((0, 1))).max() < COLOUR_SHIFT
    np.testing.assert_array_equal(ours.dejpeg(clean), clean)


@pytest.mark.parametrize("task", REPAIRS)
@pytest.mark.parametrize("name", ["face", "cup", "night", "grey"])
def test_no_colour_shifts_in_what_is_clean_and_repaired_all_the_same(ours, task, name):
    clean = np.ascontiguousarray(CLEAN[name])
    back = getattr(ours, task)(clean, **({"sigma": 3} if task == "denoise" else REPAIRS[task]))
    assert np.abs(back.mean((0, 1)) - clean.mean((0, 1))).max() < COLOUR_SHIFT


@pytest.mark.parametrize("task", REPAIRS)
def test_noise_alone_and_long_strips_are_taken(ours, task):
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 3), (96, 128, 3), (7, 1500, 3), (1500, 7, 1)):
        noise = rng.integers(0, 256, shape, dtype=np.uint8)
        result = getattr(ours, task)(noise, **REPAIRS[task])
        assert (result.shape, result.dtype) == (noise.shape, noise.dtype)
    strong = np.clip(rng.normal(0.5, 0.3, (96, 128, 3)), 0, 1).astype(np.float32)
    assert ours.denoise(strong, sigma=75).std() < 0.3 * strong.std()


@pytest.mark.parametrize("name", [name for name, entry in SHIPPED.items() if entry.network == "restoration"])
def test_tiles_need_little_around_them(name):
    assert weights.load(name).halo <= 64


def rows(heading: str) -> list[list[str]]:
    """The table of the README that begins with ``heading``, without the marks of bold print."""
    text = (ROOT / "README.md").read_text("utf-8").replace("**", "")
    start = text.index(heading)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text[start : text.index("\n\n", start)].splitlines()]


def test_readme_says_what_the_cards_say():
    found = {row[0]: row[1:] for row in rows("| | sigma 15 | sigma 25 |")}["`restore denoise`"]
    scores = SHIPPED["denoise"].scores
    for sigma, cell in zip((15, 25, 50), found, strict=True):
        wanted = [scores[f"Kodak24, sigma {sigma}, {kind}: PSNR, dB"] for kind in ("float", "clipped to 8 bits")]
        assert [float(part) for part in cell.split("/")] == wanted
    found = {row[0]: row[1:] for row in rows("| | quality 10 | 20 |")}
    jpeg = SHIPPED["dejpeg"].scores
    classic5, kodak = list(found.values())[-2:]
    for quality, classic, colour in zip((10, 20, 30, 40), classic5, kodak, strict=True):
        assert float(classic.split("/")[1]) == jpeg[f"Classic5, quality {quality}, blind: PSNR, dB"]
        before, after = map(float, colour.split("/"))
        assert after - before == pytest.approx(jpeg[f"Kodak24, colour 4:2:0, quality {quality}, blind: gain in PSNR, dB"], abs=0.011)
    found = {row[0]: row[1:] for row in rows("| | thin: scratches")}["`restore inpaint`"]
    holes = SHIPPED["inpaint"].scores
    for kind, cell in zip(("thin", "medium", "large"), found, strict=True):
        psnr, lpips = re.findall(r"[\d.]+", cell)
        assert float(psnr) == holes[f"Kodak24, {kind} masks: PSNR in the hole, dB"]
        assert float(lpips) == holes[f"Kodak24, {kind} masks: LPIPS"]


@pytest.mark.parametrize("kind", ["sepia", "grey", "colour"])
def test_grain_that_neighbours_share_goes(ours, kind):
    """Scanned film: found, and removed by the network for it."""
    clean = CLEAN["face"].astype(np.float32)
    tone = {"sepia": np.float32([1.0, 0.89, 0.71]), "grey": np.ones(3, np.float32)}.get(kind)
    clean = clean if tone is None else clean[..., 1:2] * tone
    grain = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=clean.shape), (0.8, 0.8, 0), mode="wrap")
    grain = grain if tone is None else grain[..., :1] * tone
    seen, clean = (np.clip(np.rint(x), 0, 255).astype(np.uint8) for x in (clean + 14 * grain / grain.std(), clean))
    found = []
    assert metrics.psnr(ours.denoise(seen, found=found.append), clean) > metrics.psnr(seen, clean) + 4
    assert found == [None]
