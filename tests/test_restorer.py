"""The Restorer, and the calls of one line."""

import dataclasses
import functools
import io
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

import restore
from restore import Picture, Restorer, WeightsError, estimate, loaded, restorer, weights
from restore.degrade.codec import double_jpeg_array
from restore.image import ImageError, read, write
from restore.kinds import Progress
from restore.metrics import psnr
from restore.runtime import Runtime
from restore.tasks import TASKS
from restore.tasks.deconvolve import search_share

rng = np.random.default_rng(0)
PHOTO = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
MASK = np.zeros((40, 50), np.uint8)
MASK[10:14, 5:40] = 9
FUNCTIONS = {
    "inpaint": lambda restorer, image: restorer.inpaint(image, MASK),
    "denoise": lambda restorer, image: restorer.denoise(image, sigma=20),
    "dejpeg": lambda restorer, image: restorer.dejpeg(image, jpeg_quality=20),
    "deblur": lambda restorer, image: restorer.deblur(image, width=2),
    "filter": lambda restorer, image: restorer.filter(image, "bilateral"),
}


@pytest.fixture
def small(tiny_weights: Path) -> Restorer:
    return Restorer(device="cpu")


def kinds_of(array: np.ndarray, folder: Path) -> dict[str, object]:
    write(Picture.from_array(array), folder / "photo.png")
    return {
        "array": array,
        "path": folder / "photo.png",
        "Picture": Picture.from_array(array),
        "PIL": Image.fromarray(array),
        "tensor": torch.from_numpy(array.transpose(2, 0, 1).copy()),
        "batch": torch.from_numpy(np.stack([array.transpose(2, 0, 1)] * 2)),
    }


def arrays_of(result: object) -> list[np.ndarray]:
    if isinstance(result, torch.Tensor):
        return [tensor.permute(1, 2, 0).numpy() for tensor in result.reshape(-1, *result.shape[-3:])]
    return [result.to_array() if isinstance(result, Picture) else np.asarray(result)]


@pytest.mark.parametrize("task", TASKS)
def test_same_kind_same_result(task: str, small: Restorer, tmp_path: Path) -> None:
    function = functools.partial(FUNCTIONS[task], small)
    expected = function(PHOTO)
    assert (expected != PHOTO).any()
    for name, image in kinds_of(PHOTO, tmp_path).items():
        result = function(image)
        assert isinstance(result, Picture if name == "path" else type(image)), name
        for array in arrays_of(result):
            np.testing.assert_array_equal(array, expected, err_msg=name)
    assert len(arrays_of(result)) == 2


@pytest.mark.parametrize("method", ["learned", "telea", "ns", "biharmonic"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_outside_the_mask_and_alpha_stay(method: str, channels: int, dtype: type, small: Restorer) -> None:
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    image = (rng.random((40, 50, channels)) * full).astype(dtype)
    result = small.inpaint(image, MASK, method=method)
    changed = (result != image).any(2)
    assert changed[MASK > 0].mean() > 0.9
    assert not changed[MASK == 0].any()
    if channels in (2, 4):
        np.testing.assert_array_equal(result[..., -1], image[..., -1])
        np.testing.assert_array_equal(small.denoise(image, sigma=9)[..., -1], image[..., -1])
        np.testing.assert_array_equal(small.dejpeg(image, jpeg_quality=9)[..., -1], image[..., -1])
        np.testing.assert_array_equal(small.deblur(image, width=1)[..., -1], image[..., -1])
        np.testing.assert_array_equal(small.filter(image, "beauty")[..., -1], image[..., -1])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("task", sorted({*FUNCTIONS} - {"inpaint"}))
def test_colours_under_full_transparency_stay_there(task: str, dtype: type, small: Restorer) -> None:
    alpha = np.where(np.indices(MASK.shape).sum(0) < 50, 255, 0).astype(np.uint8)[..., None]
    photo, alpha = (x if dtype == np.uint8 else x / np.float32(255) for x in (PHOTO, alpha))
    cut_outs = [np.dstack([np.where(alpha, photo, dtype(value)), alpha]) for value in (0, 255 if dtype == np.uint8 else np.nan)]
    results = [FUNCTIONS[task](small, cut_out) for cut_out in cut_outs]
    seen = alpha[..., 0] > 0
    np.testing.assert_array_equal(*(result[seen] for result in results))
    assert (results[0] != cut_outs[0])[seen].any()
    for cut_out, result in zip(cut_outs, results, strict=True):
        np.testing.assert_array_equal(result[~seen], cut_out[~seen])


@pytest.mark.parametrize("method", ["learned", "telea"])
def test_colours_under_full_transparency_do_not_matter(method: str, small: Restorer) -> None:
    alpha = np.where(np.indices(MASK.shape).sum(0) < 50, 255, 0).astype(np.uint8)
    cut_outs = [np.dstack([np.where(alpha[..., None], PHOTO, value), alpha]) for value in (0, 255)]
    fills = [small.inpaint(cut_out, MASK, method=method) for cut_out in cut_outs]
    marked, hidden = MASK > 0, alpha == 0
    np.testing.assert_array_equal(*(fill[marked & ~hidden] for fill in fills))
    assert (marked & hidden).any()
    for cut_out, fill in zip(cut_outs, fills, strict=True):
        np.testing.assert_array_equal(fill[hidden], cut_out[hidden])


def test_noise_is_not_looked_for_under_full_transparency(small: Restorer) -> None:
    picture = np.random.default_rng(0).normal(120, 20, (120, 150, 3)).clip(0, 255).astype(np.uint8)
    alpha = np.where(np.hypot(*np.indices((120, 150))) < 90, 200, 0).astype(np.uint8)
    cut_out = np.dstack([np.where(alpha[..., None], picture, 99), alpha]).astype(np.uint8)
    assert small.find_noise(picture, noise="white") == pytest.approx(20, rel=0.1)
    assert small.find_noise(cut_out, noise="white") == pytest.approx(20, rel=0.1)


def test_what_needs_no_work_is_a_copy(small: Restorer) -> None:
    flat = np.full((40, 50, 3), 90, np.uint8)
    calls = [
        small.inpaint(flat, np.zeros_like(MASK)),
        small.denoise(flat),
        small.denoise(flat, sigma=0),
        small.dejpeg(flat),
        small.expand(flat, (0, 0, 0, 0)),
    ]
    for result in calls:
        np.testing.assert_array_equal(result, flat)
        assert not np.may_share_memory(result, flat)


def test_a_grown_mask_and_a_soft_edge(small: Restorer) -> None:
    mask = np.zeros(PHOTO.shape[:2], bool)
    mask[10:14, 12:20] = True
    grown = restore.masks.grow(mask, 2)
    weights = restore.masks.feather(grown, 3)
    np.testing.assert_array_equal(small.inpaint(PHOTO, [mask, mask[::-1] & mask], grow=2), small.inpaint(PHOTO, grown))
    whole, soft = small.inpaint(PHOTO, weights > 0), small.inpaint(PHOTO, mask, grow=2, feather=3)
    np.testing.assert_array_equal(soft, restore.masks.blend(PHOTO, whole, weights))
    np.testing.assert_array_equal(soft[weights == 0], PHOTO[weights == 0])
    assert (soft != whole).any()
    for options in ({"grow": -1}, {"feather": -1}):
        with pytest.raises(ValueError, match="expected 0 to 10000 pixels"):
            small.inpaint(PHOTO, mask, **options)


def test_expand(small: Restorer) -> None:
    height, width = PHOTO.shape[:2]
    result = small.expand(PHOTO, (8, 0, 4, 2))
    assert result.shape == (height + 2, width + 12, *PHOTO.shape[2:])
    np.testing.assert_array_equal(result[:height, 8:-4], PHOTO)
    larger, border = restore.masks.expand(Picture.from_array(PHOTO), (8, 0, 4, 2))
    np.testing.assert_array_equal(result, small.inpaint(larger, border).pixels)
    tensor = torch.from_numpy(np.stack([PHOTO, PHOTO])).permute(0, 3, 1, 2)
    assert small.expand(tensor, (8, 0, 4, 2), method="ns").shape == (2, 3, height + 2, width + 12)
    with pytest.raises(ValueError, match="the margin at the left is -1 pixels"):
        small.expand(PHOTO, (-1, 0, 0, 0))


def test_texture_follows_its_seed_and_can_be_left_out(small: Restorer) -> None:
    image, mask = rng.random((96, 120, 3), np.float32), np.zeros((96, 120), bool)
    mask[14:84, 30:104] = True
    hows = ({"texture": False}, {"seed": 1}, {"seed": 1}, {"seed": 2})
    plain, first, again, other = (small.inpaint(image, mask, grain=False, **how) for how in hows)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != plain)[40:50, 60:75].all()
    np.testing.assert_array_equal(first[~mask], plain[~mask])
    np.testing.assert_array_equal(plain, small.inpaint(image, mask, texture=False, grain=False, seed=3))


def test_a_file_keeps_what_it_says(small: Restorer, tmp_path: Path) -> None:
    picture = Picture(pixels=PHOTO, dpi=(300.0, 300.0), xmp=b"<x/>")
    write(picture, tmp_path / "a.png")
    write(Picture.from_array(np.where(MASK > 0, np.uint8(255), np.uint8(0))), tmp_path / "mask.png")
    result = small.inpaint(tmp_path / "a.png", tmp_path / "mask.png")
    assert result.dpi == pytest.approx((300, 300), abs=0.1)
    assert (result.xmp, result.format) == (b"<x/>", "PNG")


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (17, 5)])
def test_any_size(shape: tuple[int, int], small: Restorer) -> None:
    for image in (np.zeros(shape, np.uint8), np.zeros((*shape, 3), np.float32)):
        assert small.denoise(image, sigma=5).shape == image.shape
        assert small.denoise(image).shape == image.shape
        assert small.dejpeg(image, jpeg_quality=50).shape == image.shape
        assert small.deblur(image).shape == image.shape
        assert small.filter(image, "smooth_l0").shape == image.shape
        if shape != (1, 1):
            holes = np.zeros(shape, bool)
            holes[0, 0] = True
            assert small.inpaint(image, holes).shape == image.shape


def test_floats_come_back_unquantised_and_beyond_the_range(small: Restorer) -> None:
    image = rng.normal(0.5, 0.6, (40, 50, 3)).astype(np.float32)
    result = small.denoise(image, sigma=10)
    assert result.dtype == np.float32
    assert result.min() < 0
    assert result.max() > 1
    assert np.abs(result * 255 - np.round(result * 255)).max() > 0.4


def test_linear_pictures(small: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Picture.from_array(PHOTO)
    for function in (
        lambda: small.denoise(picture, sigma=20),
        lambda: small.dejpeg(picture, jpeg_quality=20),
        lambda: small.deblur(picture),
        lambda: small.inpaint(picture, MASK),
        lambda: small.filter(picture, "bilateral"),
    ):
        encoded = function().pixels
        with monkeypatch.context() as patch:
            patch.setattr(Picture, "is_linear", property(lambda self: True))
            assert not np.array_equal(function().pixels, encoded)


def compressed(quality: int, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(data.astronaut()[:120, 150:310]).save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


def test_auto_cleans_blindly_what_shows_traces_and_nothing_else(small: Restorer) -> None:
    pixels = read(compressed(20)).pixels
    blind = small.dejpeg(pixels)
    np.testing.assert_array_equal(blind, TASKS["dejpeg"].function(pixels, small.runtime("dejpeg")))
    assert (blind != small.dejpeg(pixels, jpeg_quality=20)).any()
    seen: list[float] = []
    picture = Picture.from_array(PHOTO)
    assert small.dejpeg(picture, progress=seen.append) is picture
    assert seen == [1]
    fine, coarser = read(compressed(91)), read(compressed(90))
    assert small.dejpeg(fine) is fine
    assert (small.dejpeg(coarser).pixels != coarser.pixels).any()
    assert (small.dejpeg(fine, jpeg_quality=91).pixels != fine.pixels).any()
    batch = torch.from_numpy(np.stack([pixels[:40, :50], PHOTO]).transpose(0, 3, 1, 2).copy())
    first, second = arrays_of(small.dejpeg(batch))
    assert (first != pixels[:40, :50]).any()
    np.testing.assert_array_equal(second, PHOTO)


def test_auto_hears_of_a_stronger_file_under_a_fine_one(small: Restorer) -> None:
    pixels = double_jpeg_array(data.astronaut()[:240, 100:400], 15, 95, np.array([3, 6]))
    np.testing.assert_array_equal(small.dejpeg(pixels), small.dejpeg(pixels, jpeg_quality=15))
    assert (small.dejpeg(pixels) != pixels).any()


def test_a_pil_image_of_a_jpeg_file_is_judged_by_its_tables(small: Restorer) -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (9, 99, 200)).save(file, "JPEG", quality=20)
    image = Image.open(file)
    assert (np.asarray(small.dejpeg(image)) != np.asarray(image)).any()
    np.testing.assert_array_equal(small.dejpeg(image.copy()), image)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"keep_rgb": True}, {"comment": b"hello"}])
def test_a_cleaned_jpeg_is_written_well(options: dict, small: Restorer) -> None:
    picture, file = read(compressed(20, **options)), io.BytesIO()
    result = small.dejpeg(picture)
    write(result, file, format="JPEG")
    written = read(file.getvalue())
    assert estimate.jpeg_quality(written) == 95
    assert written.coding.sampling == 0
    assert (written.coding.progressive, written.coding.rgb) == (picture.coding.progressive, picture.coding.rgb)
    assert written.coding.segments == picture.coding.segments
    assert psnr(written.pixels, result.pixels) > 35


def test_a_weight_that_is_not_shipped_is_one_line(tiny_weights: Path) -> None:
    manifest = tiny_weights / "weights.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("[dejpeg]", "[mine]"), "utf-8")
    with pytest.raises(WeightsError, match=r"^no weight for 'dejpeg' is there: weight 'dejpeg' is unknown; expected one of denoise.*$"):
        Restorer(device="cpu").dejpeg(PHOTO)
    assert Restorer(device="cpu", weights={"dejpeg": "mine"}).dejpeg(PHOTO, jpeg_quality=5).shape == PHOTO.shape


def test_wrong_quality(small: Restorer) -> None:
    with pytest.raises(ValueError, match="jpeg_quality must be 'auto', 'blind' or a whole number from 1 to 100, got 0"):
        small.dejpeg(PHOTO, jpeg_quality=0)


def test_the_width_of_a_blur(small: Restorer) -> None:
    blind = small.deblur(PHOTO)
    np.testing.assert_array_equal(blind, TASKS["deblur"].function(PHOTO, small.runtime("deblur")))
    assert (blind != small.deblur(PHOTO, width=2)).any()
    with pytest.raises(ValueError, match="width must be a number from 0.3 to 4 in pixels, or None, got 5"):
        small.deblur(PHOTO, width=5)


def test_networks_are_loaded_once(small: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, load = [], weights.load

    def slow(name: str):
        loaded.append(name)
        time.sleep(0.05)
        return load(name)

    monkeypatch.setattr(weights, "load", slow)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: small.denoise(PHOTO, sigma=20), range(8)))
    assert loaded == ["denoise"]
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_classical_methods_load_nothing(small: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "load", None)
    small.inpaint(PHOTO, MASK, method="telea")


def test_progress_of_a_batch(small: Restorer) -> None:
    seen: list[float] = []
    small.denoise(torch.from_numpy(np.stack([PHOTO.transpose(2, 0, 1)] * 3)), sigma=20, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert any(abs(fraction - 1 / 3) < 1e-9 for fraction in seen)


def test_a_mask_for_each_picture_of_a_batch(small: Restorer) -> None:
    batch = torch.from_numpy(np.stack([PHOTO.transpose(2, 0, 1)] * 2))
    masks = torch.from_numpy(np.stack([MASK, MASK[::-1]]))[:, None]
    first, second = arrays_of(small.inpaint(batch, masks))
    np.testing.assert_array_equal(first, small.inpaint(PHOTO, MASK))
    np.testing.assert_array_equal(second, small.inpaint(PHOTO, MASK[::-1]))


def test_what_blurred_a_picture_is_found_or_told(small: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    kernel = np.eye(3, dtype=np.float32) / 3

    def find(pixels: np.ndarray, *runtimes: Runtime, blur: str, linear: bool, where: None, progress: Progress | None) -> np.ndarray | None:
        heard.append(blur)
        if progress:
            progress(1.0)
        assert len(runtimes) == (1 if blur == "shake" else 2)
        return kernel if pixels.mean() > 100 and blur != "any" else None

    monkeypatch.setattr(restorer, "find_kernel", find)
    undone = restorer.deconvolve(PHOTO, small.runtime("denoise"), kernel=kernel)
    told: list[np.ndarray | None] = []
    np.testing.assert_array_equal(small.deblur(PHOTO, found=told.append), undone)
    np.testing.assert_array_equal(small.deblur(PHOTO, blur="shake"), undone)
    np.testing.assert_array_equal(small.deblur(PHOTO // 4, found=told.append), small.deblur(PHOTO // 4, blur="any", found=told.append))
    assert heard == ["auto", "shake", "auto"]
    assert told[1:] == [None]
    assert told[0] is kernel
    np.testing.assert_array_equal(
        small.deblur(PHOTO // 4, kernel=kernel), restorer.deconvolve(PHOTO // 4, small.runtime("denoise"), kernel=kernel)
    )
    np.testing.assert_array_equal(small.deblur(PHOTO, width=2), small.deblur(PHOTO, width=2, blur="lens"))
    assert len(heard) == 3
    np.testing.assert_array_equal(small.find_kernel(PHOTO), kernel)
    small.quality = "fast"
    assert small.find_kernel(PHOTO) is None
    np.testing.assert_array_equal(small.find_kernel(PHOTO, blur="shake"), kernel)
    np.testing.assert_array_equal(small.find_kernel(PHOTO, blur="lens"), kernel)


def test_progress_counts_the_search_for_a_kernel(small: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    monkeypatch.setattr(restorer, "find_kernel", lambda *_, progress, **__: progress(1.0))
    small.deblur(PHOTO, progress=seen.append)
    assert seen[0] == pytest.approx(search_share(PHOTO))
    assert seen == sorted(seen)
    assert seen[-1] == 1
    seen.clear()
    small.deblur(PHOTO, blur="any", progress=seen.append)
    assert seen == [0, 1]  # one tile


def test_blur_is_told_in_one_way(small: Restorer) -> None:
    kernel = np.ones((3, 3))
    for hints in ({"width": 2, "kernel": kernel}, {"width": 2, "blur": "shake"}, {"kernel": kernel, "blur": "shake"}):
        with pytest.raises(ValueError, match="width, kernel and blur 'shake' are three ways to say what blurred the picture; expected one"):
            small.deblur(PHOTO, **hints)
    with pytest.raises(ValueError, match="blur 'soft' is unknown; expected one of auto, lens, shake, any"):
        small.deblur(PHOTO, blur="soft")
    with pytest.raises(ValueError, match="a kernel is found in one picture, got 2"):
        small.find_kernel(torch.zeros(2, 3, 8, 8))


def test_the_mean_over_turned_copies_is_not_for_deconvolution(tiny_weights: Path) -> None:
    best = Restorer(device="cpu", quality="best")
    np.testing.assert_array_equal(best.deblur(PHOTO, kernel=np.ones((3, 3))), Restorer(device="cpu").deblur(PHOTO, kernel=np.ones((3, 3))))


def test_another_weight(tiny_weights: Path) -> None:
    manifest = tiny_weights / "weights.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("[denoise]", "[mine]"), "utf-8")
    with pytest.raises(WeightsError, match="weight 'denoise' is unknown; expected one of mine, inpaint"):
        Restorer(device="cpu").denoise(PHOTO, sigma=5)
    assert Restorer(device="cpu", weights={"denoise": "mine"}).denoise(PHOTO, sigma=5).shape == PHOTO.shape


def test_fast_takes_the_small_weight_where_one_is_shipped(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(restorer.TASKS, "denoise", dataclasses.replace(TASKS["denoise"], fast="quick"))
    monkeypatch.setitem(restorer.TASKS, "dejpeg", dataclasses.replace(TASKS["dejpeg"], fast=""))
    fast = Restorer(device="cpu", quality="fast")
    assert (fast.weights["denoise"], fast.weights["dejpeg"]) == ("quick", "dejpeg")
    assert Restorer(device="cpu", quality="fast", weights={"denoise": "mine"}).weights["denoise"] == "mine"
    assert {Restorer(device="cpu", quality=quality).weights["denoise"] for quality in ("default", "best")} == {"denoise"}


def test_fast_weights_are_of_their_task() -> None:
    shipped = weights.entries()
    assert [shipped[task.fast].task for task in TASKS.values() if task.fast] == [name for name, task in TASKS.items() if task.fast]


@pytest.mark.parametrize("task", TASKS)
def test_best_is_the_mean_over_turns_where_that_makes_sense(task: str, small: Restorer) -> None:
    function = FUNCTIONS[task]
    usual, best = (function(Restorer(device="cpu", precision="fp32", quality=quality), PHOTO) for quality in ("default", "best"))
    assert (usual != best).any() == TASKS[task].ensemble


@pytest.fixture
def with_camera(tiny_weights: Path) -> Path:
    """The tiny weights, and one for cameras."""
    manifest = tiny_weights / "weights.toml"
    text = manifest.read_text("utf-8")
    if "[denoise-camera]" not in text:
        (entry,) = re.findall(r"^\[denoise\]\n(?:[^\[].*\n)*", text, re.MULTILINE)
        manifest.write_text(f"{text}\n{entry.replace('[denoise]', '[denoise-camera]', 1)}", "utf-8")
    return tiny_weights


def flat(sigma: float, *, smooth: float = 0) -> np.ndarray:
    """Grey with noise that neighbouring pixels share, or not."""
    noise = np.random.default_rng(0).normal(0, 1, (160, 160, 3))
    noise = gaussian_filter(noise, (smooth, smooth, 0)) if smooth else noise
    return np.clip(128 + sigma * noise / noise.std(), 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("picture", "noise", "expected"),
    [
        (flat(10), "auto", "denoise"),
        (flat(10, smooth=1), "auto", "denoise-camera"),
        (flat(0), "auto", "denoise"),
        (flat(10), "camera", "denoise-camera"),
        (flat(10, smooth=1), "white", "denoise"),
    ],
)
@pytest.mark.parametrize("sigma", [None, 5])
def test_the_network_for_the_noise(
    picture: np.ndarray, noise: str, expected: str, sigma: float | None, with_camera: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def spy(
        pixels: np.ndarray, runtime: Runtime, *, sigma: float | None, camera: bool, tile: int, linear: bool, where: None, progress: None
    ) -> np.ndarray:
        told.append((runtime, sigma, camera))
        return pixels

    monkeypatch.setitem(restorer.TASKS, "denoise", dataclasses.replace(TASKS["denoise"], function=spy))
    ours = Restorer(device="cpu")
    found: list[float | None] = []
    ours.denoise(picture, sigma=sigma, noise=noise, found=found.append)
    camera = expected == "denoise-camera"
    assert found == ([] if sigma else [ours.find_noise(picture, noise=noise)])
    if not camera and not sigma and not ours.find_noise(picture, noise=noise):
        assert not told
        return
    level = sigma if camera or sigma else estimate.noise_level(picture)
    assert told == [(ours.runtime("denoise", camera=camera, exact=level is not None), level, camera)]
    assert [name for _, name, *_ in ours._runtimes] == [expected]


def test_no_noise_told_is_no_work() -> None:
    picture, seen, ours = Picture.from_array(PHOTO), [], Restorer(device="cpu")
    assert ours.denoise(picture, sigma=0, progress=seen.append) is picture
    assert ours.denoise(picture, sigma=np.zeros(PHOTO.shape[:2])) is picture
    assert seen == [1.0]
    assert not ours._runtimes


def test_noise_is_found(with_camera: Path) -> None:
    ours = Restorer(device="cpu")
    assert ours.find_noise(flat(10)) == pytest.approx(10, rel=0.1)
    assert ours.find_noise(flat(10, smooth=1)) is None
    assert ours.find_noise(flat(10), noise="camera") is None
    assert ours.find_noise(flat(10, smooth=1), noise="white") is not None
    picture = Picture.from_array(np.rint(flat(0.3)).astype(np.uint8))
    assert ours.find_noise(picture) == 0
    assert ours.denoise(picture) is picture
    with pytest.raises(ValueError, match="noise 'film' is unknown; expected one of auto, white, camera"):
        ours.find_noise(PHOTO, noise="film")
    with pytest.raises(ValueError, match="noise is found in one picture, got 2"):
        ours.find_noise(torch.zeros(2, 3, 8, 8))


def test_a_soft_edge_that_leaves_nothing_is_said() -> None:
    mask = np.zeros(PHOTO.shape[:2], bool)
    mask[4] = True
    with pytest.raises(ValueError, match="the mask with its soft edge of 300 pixels covers the whole picture; expected a smaller feather"):
        Restorer(device="cpu").inpaint(PHOTO, mask, feather=300, method="telea")


def test_a_weight_of_ones_own_is_for_all_noise(with_camera: Path) -> None:
    own = Restorer(device="cpu", weights={"denoise": "own"})
    for exact in (False, own._has_bf16):
        own._runtimes["denoise", "own", exact, False] = Restorer(device="cpu").runtime("denoise")
    for noise in ("auto", "camera"):
        own.denoise(flat(10, smooth=1), noise=noise)
    assert {name for _, name, *_ in own._runtimes} == {"own"}


def test_the_usual_weight_may_be_named_too(with_camera: Path) -> None:
    named = Restorer(device="cpu", weights={"denoise": "denoise"})
    for noise in ("auto", "camera"):
        named.denoise(flat(10, smooth=1), noise=noise)
    assert {name for _, name, *_ in named._runtimes} == {"denoise"}


def test_without_a_weight_for_cameras(small: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(restorer.TASKS, "denoise", dataclasses.replace(TASKS["denoise"], camera="absent"))
    small.denoise(flat(10, smooth=1), sigma=10)
    assert {name for _, name, *_ in small._runtimes} == {"denoise"}
    with pytest.raises(WeightsError, match=r"^no weight for 'denoise' \(camera\) is there: weight 'absent' is unknown"):
        small.denoise(PHOTO, noise="camera")


@pytest.mark.parametrize("seed", [-1, 1.5, "1", 2**63, True])
def test_seeds_are_whole_numbers(small: Restorer, seed: int) -> None:
    said = re.escape(f"seed must be a whole number from 0 to 2 ** 63 - 1, got {seed!r}")
    with pytest.raises(ValueError, match=said):
        small.inpaint(PHOTO, np.eye(*PHOTO.shape[:2]), method="telea", seed=seed)
    with pytest.raises(ValueError, match=said):
        small.expand(PHOTO, (1, 0, 0, 0), method="telea", seed=seed)


def test_unknown_noise(small: Restorer) -> None:
    with pytest.raises(ValueError, match="noise 'pink' is unknown; expected one of auto, white, camera"):
        small.denoise(PHOTO, noise="pink")


@pytest.mark.parametrize("kind", ["array", "path", "tensor", "batch"])
def test_maps_of_the_level(kind: str, small: Restorer, tmp_path: Path) -> None:
    levels = np.linspace(0, 50, PHOTO.shape[1], dtype=np.float32)[None].repeat(PHOTO.shape[0], 0)
    expected = small.denoise(PHOTO, sigma=levels)
    assert (expected[:, 1:] != PHOTO[:, 1:]).any()
    np.testing.assert_array_equal(expected[:, 0], PHOTO[:, 0])
    for given in (levels, torch.from_numpy(levels)):
        for array in arrays_of(small.denoise(kinds_of(PHOTO, tmp_path)[kind], sigma=given)):
            np.testing.assert_array_equal(array, expected)
    with pytest.raises(ValueError, match="sigma is a map of"):
        small.denoise(PHOTO, sigma=levels[1:])


def test_weight_of_another_task(tiny_weights: Path) -> None:
    with pytest.raises(WeightsError, match="weight 'denoise' is for the task 'denoise', not 'inpaint'"):
        Restorer(device="cpu", weights={"inpaint": "denoise"}).inpaint(PHOTO, MASK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "device 'tpu' is not there"),
        ({"precision": "fp1"}, "precision 'fp1' is unknown; expected one of auto, fp32, bf16"),
        ({"runtime": "onnx"}, "runtime 'onnx' is unknown; expected one of auto, torch, openvino"),
        ({"quality": "good"}, "quality 'good' is unknown; expected one of fast, default, best"),
        ({"tile": 63}, "tile must be at least 64 pixels, got 63"),
        ({"weights": {"colour": "denoise"}}, "task 'colour' is unknown; expected one of inpaint, denoise"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Restorer(**{"device": "cpu", **options})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_runtimes_agree(dtype: type, tiny_weights: Path) -> None:
    image = rng.integers(0, np.iinfo(dtype).max, (140, 90, 3), dtype, endpoint=True)
    mask = np.zeros((140, 90), bool)
    mask[20:90, 30:34] = True
    ours, theirs = (Restorer(device="cpu", runtime=runtime, precision="fp32", tile=64) for runtime in ("torch", "openvino"))
    for run in (
        lambda restorer: restorer.denoise(image, sigma=20),
        lambda restorer: restorer.denoise(image[..., :1], sigma=20),
        lambda restorer: restorer.inpaint(image, mask),
        lambda restorer: restorer.dejpeg(image, jpeg_quality=30),
        lambda restorer: restorer.deblur(image),
        lambda restorer: restorer.filter(image, "smooth_l0", strength=0.7),
    ):
        one, other = run(ours).astype(int), run(theirs).astype(int)
        assert np.abs(one - other).max() <= np.iinfo(dtype).max / 255
    assert ours.runtime("denoise").engine == "torch"
    assert theirs.runtime("denoise").engine == "openvino"


@pytest.mark.parametrize(
    ("loss", "runtime", "has_it", "precision"),
    [
        (0.0199, "auto", True, "bf16"),
        (0.0199, "auto", False, "fp32"),
        (0.0199, "torch", True, "fp32"),
        (0.02, "auto", True, "fp32"),
        (None, "auto", True, "fp32"),
    ],
)
def test_auto_takes_bf16_where_it_is_fast_and_cheap(
    loss: float | None, runtime: str, has_it: bool, precision: str, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from restore.runtime import compiled

    if loss is not None:
        say_loss(tiny_weights, loss)
    monkeypatch.setattr(compiled, "capabilities", lambda: ["FP32", "BF16"] if has_it else ["FP32"])
    taken = precisions(monkeypatch)
    Restorer(device="cpu", runtime=runtime).runtime("denoise")
    assert taken == [precision]


def say_loss(folder: Path, loss: float) -> None:
    """Write into a manifest what the denoiser loses in bf16."""
    manifest = folder / "weights.toml"
    scores = f'[denoise.scores]\n"{loaded.BF16_LOSS}" = {loss}\n[inpaint]'
    manifest.write_text(manifest.read_text("utf-8").replace("[inpaint]", scores), "utf-8")


def precisions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The precisions of the networks that will be made; none is."""
    taken: list[str] = []
    monkeypatch.setattr(loaded, "Runtime", lambda network, *, device, precision, runtime, ensemble: taken.append(precision))
    return taken


@pytest.fixture
def with_bf16(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The precisions of the networks that are made, on a processor that has bf16 and with a denoiser that loses nothing by it."""
    from restore.runtime import compiled

    say_loss(tiny_weights, 0)
    monkeypatch.setattr(compiled, "capabilities", lambda: ["BF16"])
    return precisions(monkeypatch)


@pytest.mark.parametrize(
    ("sigma", "asked", "precision"),
    [
        (14.9, "auto", "fp32"),
        (15, "auto", "bf16"),
        (14.9, "bf16", "bf16"),
        (np.linspace(5, 40, 160 * 160).reshape(160, 160), "auto", "fp32"),
    ],
)
def test_faint_noise_is_removed_in_fp32(
    sigma: float | np.ndarray, asked: str, precision: str, with_bf16: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(restorer.TASKS, "denoise", dataclasses.replace(TASKS["denoise"], function=lambda pixels, **others: pixels))
    Restorer(device="cpu", precision=asked).denoise(flat(10), sigma=sigma)
    assert with_bf16 == [precision]


def test_a_weight_is_for_its_task_whatever_was_loaded_before(small: Restorer) -> None:
    wrong = Restorer(device="cpu", weights={"dejpeg": "denoise"})
    wrong.denoise(PHOTO, sigma=5)
    with pytest.raises(WeightsError, match="weight 'denoise' is for the task 'denoise', not 'dejpeg'"):
        wrong.dejpeg(PHOTO, jpeg_quality=10)


def test_unknown_task() -> None:
    with pytest.raises(ValueError, match="task 'colour' is unknown; expected one of inpaint, denoise"):
        Restorer(device="cpu").runtime("colour")


@pytest.mark.parametrize(
    ("error", "image", "mask"),
    [
        (TypeError, None, MASK),
        (TypeError, PHOTO, None),
        (ImageError, PHOTO.astype(float), MASK),
        (ValueError, PHOTO, MASK[:-1]),
        (ValueError, PHOTO, MASK + 1),
    ],
)
def test_wrong_pictures(error: type[Exception], image: object, mask: object, small: Restorer) -> None:
    with pytest.raises(error) as raised:
        small.inpaint(image, mask)
    assert "\n" not in str(raised.value)


def test_wrong_sigma(small: Restorer) -> None:
    with pytest.raises(ValueError, match="sigma must be .*from 0 to 75 in 8-bit units"):
        small.denoise(PHOTO, sigma=76)


def test_import_is_light() -> None:
    code = (
        "import sys, restore; assert callable(restore.list_weights) and 'read' in dir(restore); "
        "heavy = {'torch', 'gradio', 'skimage', 'albumentations', 'lpips'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_public_names() -> None:
    for name in restore.__all__:
        assert getattr(restore, name) is not None
    with pytest.raises(AttributeError, match="module 'restore' has no attribute 'paint'"):
        restore.paint  # noqa: B018


@pytest.mark.gpu
def test_gpu(tiny_weights: Path) -> None:
    tensor = torch.from_numpy(PHOTO.transpose(2, 0, 1).copy()).cuda()
    result = Restorer(device="cuda").inpaint(tensor, MASK)
    assert result.device == tensor.device
    expected = Restorer(device="cpu").inpaint(PHOTO, MASK).transpose(2, 0, 1)
    assert np.abs(result.cpu().numpy().astype(int) - expected).max() <= 1
