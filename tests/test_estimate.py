"""Noise level and JPEG quality of pictures: known noise, and Pillow's files, on photographs that scikit-image ships."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter
from skimage import data

from restore.degrade import codec
from restore.degrade.codec import double_jpeg_array
from restore.estimate import (
    earlier_quality,
    has_camera_noise,
    jpeg_history,
    jpeg_quality,
    noise_level,
    quality_of_pixels,
    quality_of_tables,
    shared_noise,
)
from restore.image import Picture, read, to_float, to_linear, write

PHOTOGRAPHS = {"astronaut": data.astronaut(), "coffee": data.coffee(), "chelsea": data.cat()}


def noisy(photograph: np.ndarray, sigma: float, *, dtype: type = np.float32) -> np.ndarray:
    x = photograph / 255 + np.random.default_rng(7).normal(0, sigma / 255, photograph.shape)
    if dtype == np.float32:
        return x.astype(dtype)
    full = np.iinfo(dtype).max
    return np.round(np.clip(x, 0, 1) * full).astype(dtype)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [5, 25, 75])
def test_float_noise(name: str, sigma: int) -> None:
    assert noise_level(noisy(PHOTOGRAPHS[name], sigma)) == pytest.approx(sigma, abs=0.5, rel=0.02)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [5, 25, 50])
def test_clipped_8_bit_noise(name: str, sigma: int) -> None:
    assert noise_level(noisy(PHOTOGRAPHS[name], sigma, dtype=np.uint8)) == pytest.approx(sigma, abs=0.5, rel=0.06)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_clean(name: str) -> None:
    assert noise_level(PHOTOGRAPHS[name]) < 2


@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_grey(sigma: int) -> None:
    grey = noisy(PHOTOGRAPHS["coffee"].mean(2, keepdims=True), sigma)
    assert noise_level(grey) == pytest.approx(sigma, rel=0.06)
    assert noise_level(np.repeat(grey, 3, 2)) == noise_level(grey)


SEPIA = np.array([1, 0.89, 0.71])


def shared(photograph: np.ndarray, sigma: float, tone: np.ndarray | float = 1.0) -> np.ndarray:
    """The same noise in all channels, as strong in each as ``tone`` says; 8 bits."""
    noise = np.random.default_rng(2).normal(0, sigma, (*photograph.shape[:2], 1))
    return np.clip(np.round(photograph + noise * tone), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [8, 25])
def test_noise_that_channels_share(name: str, sigma: float) -> None:
    photograph = PHOTOGRAPHS[name][:200, :240]
    grainy, sepia = shared(photograph, sigma), shared(photograph.mean(2, keepdims=True) * SEPIA, sigma, SEPIA)
    for picture, tone in ((grainy, np.ones(3)), (sepia, SEPIA), (np.rot90(grainy) * np.uint16(257), np.ones(3))):
        found = shared_noise(picture)
        assert found is not None
        assert found.axis @ tone / np.linalg.norm(tone) > 0.99
        assert found.along == pytest.approx(sigma * np.linalg.norm(tone), rel=0.1)
        assert found.across < 0.2 * sigma
        assert noise_level(picture) == found.level == pytest.approx(sigma * np.sqrt((tone**2).mean()), rel=0.1)


def test_noise_of_one_channel() -> None:
    found = shared_noise(shared(PHOTOGRAPHS["coffee"][:200, :240], 20, np.array([0, 0, 1])))
    assert found is not None
    np.testing.assert_allclose(found.axis, [0, 0, 1], atol=0.1)
    assert found.along == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_noise_of_which_each_channel_has_its_own(name: str) -> None:
    photograph = PHOTOGRAPHS[name][:200, :240]
    sepia = (photograph.mean(2, keepdims=True) * SEPIA).astype(np.uint8)
    for picture in (photograph, noisy(photograph, 20), noisy(photograph, 20, dtype=np.uint8), through_camera(photograph, 15), sepia):
        assert shared_noise(picture) is None
    grey = noisy(photograph[..., :1], 20)
    assert shared_noise(grey) is shared_noise(grey.repeat(3, 2)) is shared_noise(grey[:7].repeat(3, 2)) is None


def test_depth_does_not_matter() -> None:
    eight, sixteen = (noise_level(noisy(PHOTOGRAPHS["coffee"], 20, dtype=dtype)) for dtype in (np.uint8, np.uint16))
    assert sixteen == pytest.approx(eight, abs=0.1)


def test_what_is_not_in_where_is_not_looked_at() -> None:
    photograph = PHOTOGRAPHS["astronaut"][:200, :240]
    holes = np.zeros(photograph.shape[:2], bool)
    holes[20:180, 30:120] = True
    slope = np.linspace(0.3, 0.7, 240, dtype=np.float32)[:, None]
    for picture, is_camera in ((noisy(photograph, 20), False), (through_camera(photograph, 15) / np.float32(255), True)):
        filled = np.where(holes[..., None], slope, picture)
        broken = np.where(holes[..., None], np.float32(np.nan), picture)
        assert noise_level(filled) < 0.5 * noise_level(picture) or is_camera
        assert noise_level(filled, where=~holes) == noise_level(broken, where=~holes) == pytest.approx(noise_level(picture), rel=0.1)
        assert has_camera_noise(filled, where=~holes) is has_camera_noise(broken, where=~holes) is is_camera
        assert shared_noise(broken, where=~holes) is None
    assert noise_level(photograph, where=np.zeros_like(holes)) == 0
    assert not has_camera_noise(photograph, where=np.zeros_like(holes))


@pytest.mark.parametrize("frame", [(120, 130, 140), (255, 255, 255), (0, 0, 0), (200, 90, 31)])
def test_a_frame_says_nothing_of_the_noise_within(frame: tuple[int, int, int]) -> None:
    photograph = PHOTOGRAPHS["astronaut"][:200, :240]
    for picture, is_camera in ((noisy(photograph, 10, dtype=np.uint8), False), (through_camera(photograph, 15), True)):
        framed = picture.copy()
        framed[:, :60] = framed[:20] = framed[-10:] = frame
        assert noise_level(framed) == pytest.approx(noise_level(picture), abs=0.4)
        assert has_camera_noise(framed) is has_camera_noise(picture) is is_camera
    framed = shared(photograph, 15)
    framed[:, :60] = frame
    assert noise_level(framed) == pytest.approx(15, rel=0.1)
    assert shared_noise(framed) is not None


def test_linear_is_measured_encoded() -> None:
    encoded = np.clip(noisy(PHOTOGRAPHS["coffee"], 20), 0, 1)
    linear = to_linear(encoded).astype(np.float32)
    assert noise_level(linear, linear=True) == pytest.approx(noise_level(encoded), rel=0.01)
    assert abs(noise_level(linear) - noise_level(encoded)) > 0.5


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_flat_picture_has_no_noise(value: float) -> None:
    assert noise_level(np.full((40, 50, 3), value, np.float32)) < 0.01


@pytest.mark.parametrize(("shape", "told"), [((1, 1, 3), 0), ((1, 40, 3), 0), ((2, 2, 1), 0), ((5, 7, 3), 1), ((16, 16, 1), 1)])
def test_small_pictures(shape: tuple[int, int, int], told: int) -> None:
    level = noise_level(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    assert 10 * told <= level < 150 * told + 1e-9


def test_a_small_picture_of_noise() -> None:
    assert noise_level((0.5 + np.random.default_rng(0).normal(0, 20 / 255, (24, 24, 3))).astype(np.float32)) == pytest.approx(20, rel=0.1)


def test_not_finite() -> None:
    picture = np.full((20, 20, 3), 0.5, np.float32)
    picture[3, 4] = np.nan
    with pytest.raises(ValueError, match="holds a NaN or an infinity; expected finite numbers"):
        noise_level(picture)


# JPEG quality

SOURCES = {name: np.array(Image.fromarray(photo).resize((300, 220), Image.Resampling.LANCZOS)) for name, photo in PHOTOGRAPHS.items()}
"""Resized, so that they have no traces of an earlier JPEG."""


def jpeg(pixels: np.ndarray, quality: int, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


def decoded(content: bytes) -> np.ndarray:
    return np.atleast_3d(np.array(Image.open(io.BytesIO(content))))


@pytest.mark.parametrize("shape", [(16, 16, 3), (16, 16)])
def test_tables_tell_each_quality_of_libjpeg(shape: tuple[int, ...]) -> None:
    blank = np.zeros(shape, np.uint8)
    found = []
    for quality in range(1, 101):
        tables = Image.open(io.BytesIO(jpeg(blank, quality))).quantization
        upright = np.array([tables[number] for number in sorted(tables)])
        found.append(quality_of_tables(upright.tolist()))
        assert quality_of_tables(upright.reshape(-1, 8, 8).transpose(0, 2, 1).reshape(-1, 64).tolist()) == found[-1]
    assert found == list(range(1, 101))


def test_other_tables_are_called_by_the_nearest_quality() -> None:
    tables = np.array(list(Image.open(io.BytesIO(jpeg(SOURCES["coffee"], 40))).quantization.values()))
    assert quality_of_tables((tables + np.random.default_rng(0).integers(-1, 2, tables.shape)).tolist()) == pytest.approx(40, abs=1)
    assert quality_of_tables([[300] * 64]) == 1
    assert quality_of_tables([[0] * 64]) == 100
    assert quality_of_tables([[1] * 64] * 3) == 100


def test_a_file_is_judged_by_its_tables_and_others_by_their_pixels() -> None:
    content = jpeg(SOURCES["coffee"], 37)
    picture, flat = read(content), read(jpeg(np.full((8, 8, 3), 90, np.uint8), 37))
    assert jpeg_quality(picture) == jpeg_quality(flat) == 37
    assert jpeg_quality(Picture.from_array(flat.pixels)) is None
    file = io.BytesIO()
    write(picture, file, format="PNG")
    assert jpeg_quality(read(file.getvalue())) == 37


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 90, 95, 98])
def test_pixels_tell_the_quality(name: str, quality: int) -> None:
    pixels = decoded(jpeg(SOURCES[name], quality))
    assert quality_of_pixels(pixels) == quality
    grey = decoded(jpeg(SOURCES[name][..., 1], quality))
    assert quality_of_pixels(grey) == quality_of_pixels(np.repeat(grey, 3, 2)) == quality


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_chroma_does_not_matter(subsampling: int) -> None:
    assert quality_of_pixels(decoded(jpeg(SOURCES["astronaut"], 60, subsampling=subsampling))) == 60


@pytest.mark.parametrize("corner", [(0, 3), (5, 0), (4, 4), (7, 1)])
def test_cropped_pictures_keep_their_traces(corner: tuple[int, int]) -> None:
    pixels = decoded(jpeg(SOURCES["chelsea"], 45))[corner[0] :, corner[1] :]
    assert quality_of_pixels(pixels) == 45


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_pictures_keep_their_traces(turns: int) -> None:
    assert quality_of_pixels(np.rot90(decoded(jpeg(SOURCES["astronaut"][:217, :299], 35)), turns)) == 35


def test_the_last_of_two_files_counts() -> None:
    assert quality_of_pixels(decoded(jpeg(decoded(jpeg(SOURCES["coffee"], 20)), 70))) == 70


@pytest.mark.parametrize("corner", [(0, 0), (4, 4), (7, 1)])
@pytest.mark.parametrize(("first", "last"), [(10, 50), (10, 75), (20, 85), (50, 95)])
def test_an_earlier_file_shows(first: int, last: int, corner: tuple[int, int]) -> None:
    pixels = double_jpeg_array(SOURCES["astronaut"], first, last, np.array(corner))
    assert earlier_quality(pixels, last) == pytest.approx(first, abs=1)
    assert min(jpeg_history(Picture.from_array(pixels))) == pytest.approx(first, abs=1)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("last", [30, 50, 75, 95, 100])
def test_a_single_file_shows_no_earlier_one(name: str, last: int) -> None:
    assert earlier_quality(decoded(jpeg(SOURCES[name], last)), last) is None


def test_history_of_what_was_no_file() -> None:
    assert jpeg_history(Picture.from_array(SOURCES["coffee"])) == ()
    assert jpeg_history(read(jpeg(SOURCES["coffee"], 60))) == (60,)


def test_jpeg_in_other_depths_and_linear() -> None:
    pixels = decoded(jpeg(SOURCES["coffee"], 30))
    assert quality_of_pixels(pixels.astype(np.uint16) * 257) == 30
    assert quality_of_pixels(to_float(pixels)) == 30
    assert quality_of_pixels(to_linear(to_float(pixels)), linear=True) == 30


def drawing() -> np.ndarray:
    x, y = np.meshgrid(np.arange(300), np.arange(200))
    lines = np.where((x // 8 + y // 8) % 3 == 0, 30, np.where(x % 16 < 2, 77, 210))
    return np.stack([lines, lines + 9, lines - 5], 2).astype(np.uint8)


@pytest.mark.parametrize(
    "pixels",
    [
        *SOURCES.values(),
        noisy(SOURCES["coffee"], 10, dtype=np.uint8),
        np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8),
        np.full((64, 64, 3), 77, np.uint8),
        np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (256, 256))[..., None],
        (np.add.outer(np.arange(384), np.arange(384) / 3)[..., None] / 2).astype(np.uint8),
        drawing(),
        data.binary_blobs(128, rng=0)[..., None] * np.float32(1),
        np.array(Image.fromarray(decoded(jpeg(SOURCES["astronaut"], 30))).resize((240, 180))),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((9, 7, 1), np.uint16),
    ],
    ids=[*SOURCES, "noisy", "noise", "flat", "ramp", "slope", "drawing", "blobs", "resized", "pixel", "small"],
)
def test_no_traces(pixels: np.ndarray) -> None:
    assert quality_of_pixels(pixels) is None


def test_traces_not_finite() -> None:
    with pytest.raises(ValueError, match="holds a NaN or an infinity; expected finite numbers"):
        quality_of_pixels(np.full((20, 20, 3), np.nan, np.float32))


def through_camera(photograph: np.ndarray, sigma: float, **how) -> np.ndarray:
    """Colour noise that neighbours share, in a JPEG file as Pillow writes it."""
    noise = gaussian_filter(np.random.default_rng(3).normal(0, 1, photograph.shape), (1, 1, 0))
    file = io.BytesIO()
    taken = np.clip(photograph + sigma * noise / noise.std(), 0, 255).round().astype(np.uint8)
    Image.fromarray(taken).save(file, "JPEG", **{"quality": 92, **how})
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [10, 20])
def test_the_noise_of_cameras_is_told_from_white_noise(name: str, sigma: float) -> None:
    photograph = PHOTOGRAPHS[name][:256, :256]
    assert has_camera_noise(through_camera(photograph, sigma))
    assert has_camera_noise(through_camera(photograph, sigma, quality=80, subsampling=0))
    assert not has_camera_noise(noisy(photograph, sigma, dtype=np.uint8))
    assert not has_camera_noise(photograph)


def test_camera_noise_in_other_forms() -> None:
    picture = through_camera(PHOTOGRAPHS["coffee"][:256, :256], 15)
    assert has_camera_noise(picture.astype(np.uint16) * 257)
    assert has_camera_noise(to_linear(to_float(picture)), linear=True)
    assert has_camera_noise(picture[..., :1])
    assert has_camera_noise(picture[..., :1].repeat(3, 2))
    assert not has_camera_noise(picture[:7])
    assert not has_camera_noise(np.zeros((40, 40, 3), np.uint8))


@pytest.mark.parametrize("quality", [50, 60, 75])
def test_white_noise_in_a_jpeg_file_is_a_cameras(quality: int) -> None:
    """Its colour is gone, and its fine part: a network for white noise takes what is left for content."""
    noisy = PHOTOGRAPHS["coffee"][:320, :320] + np.random.default_rng(0).normal(0, 15, (320, 320, 3))
    noisy = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    assert not has_camera_noise(noisy)
    assert has_camera_noise(codec.jpeg_array(noisy, quality))
    assert has_camera_noise(codec.jpeg_array(noisy[..., 1:2], min(quality, 60)))


@pytest.mark.parametrize("channels", [1, 3])
def test_writing_and_line_art_are_not_noisy(channels: int) -> None:
    page = np.full((600, 600), 255, np.uint8)
    for line in range(30, 590, 24):
        cv2.putText(page, "Lorem ipsum dolor sit amet consectetur", (15, line), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 0, 1, cv2.LINE_AA)
    page = page[..., None].repeat(channels, 2)
    assert noise_level(page) < 1
    assert not has_camera_noise(page)
    noisy = np.minimum(page, 235) + np.random.default_rng(0).normal(0, 12, page.shape)
    assert noise_level(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)) == pytest.approx(12, rel=0.05)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("smooth", [cv2.LINE_8, cv2.LINE_AA])
def test_lines_are_not_noisy(width: int, smooth: int) -> None:
    rng, page = np.random.default_rng(3), np.full((300, 300, 3), 255, np.uint8)
    for _ in range(40):
        start, end = rng.integers(0, 300, (2, 2)).tolist()
        cv2.line(page, start, end, (0, 0, 0), width, smooth)
    for picture in (page, page[..., :1]):
        assert noise_level(picture) == 0
        assert not has_camera_noise(picture)


@pytest.mark.parametrize("size", [10, 13, 16, 20])
@pytest.mark.parametrize(
    ("colour", "paper"),
    [
        ((0, 0, 0), (255,) * 3),
        ((90, 90, 90), (255,) * 3),
        ((200, 40, 40), (255,) * 3),
        ((210, 210, 210), (30,) * 3),
        ((0,) * 3, (240,) * 3),
    ],
)
def test_screenshots_of_text_are_not_noisy(size: int, colour: tuple[int, ...], paper: tuple[int, ...]) -> None:
    page = Image.new("RGB", (400, 300), paper)
    for top in range(5, 290, size + 4):
        text = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do"
        ImageDraw.Draw(page).text((5, top), text, fill=colour, font=ImageFont.load_default(size=size))
    assert noise_level(np.asarray(page)) < 0.5
    assert not has_camera_noise(np.asarray(page))


@pytest.mark.parametrize("sigma", [25, 50, 75])
@pytest.mark.parametrize("brightness", [0.25, 1.0])
def test_strong_noise_that_is_clipped_is_not_taken_for_line_art(sigma: float, brightness: float) -> None:
    photo = brightness * data.rocket()[:256, 200:456].astype(np.float32)
    noisy = np.clip(np.rint(photo + np.random.default_rng(0).normal(0, sigma, photo.shape)), 0, 255).astype(np.uint8)
    assert noise_level(noisy) > 0.7 * sigma


def test_camera_noise_wants_finite_numbers() -> None:
    picture = np.full((16, 16, 3), np.nan, np.float32)
    with pytest.raises(ValueError, match="the picture holds a NaN or an infinity; expected finite numbers"):
        has_camera_noise(picture)
