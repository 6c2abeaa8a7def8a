"""Pixels, places and refusals: what a file holds comes back, what it cannot hold is said. Oracles: Pillow, OpenCV, tifffile."""

import contextlib
import io
import os
import stat
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from restore import image as images
from restore.image import (
    DEFAULT_MAX_PIXELS,
    FORMATS,
    SUFFIXES,
    ImageError,
    ImageWarning,
    Picture,
    check_target,
    drafted,
    put,
    read,
    write,
)

DTYPES = (np.uint8, np.uint16, np.float32)
SHAPES = ((23, 31), (23, 31, 2), (23, 31, 3), (23, 31, 4), (1, 1), (1, 7, 3))
LOSSLESS = ("PNG", "TIFF", "BMP", "WEBP")


def noise(shape: tuple[int, ...], dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(shape) * images.full_scale(dtype)
    return values.astype(dtype)


def by_another_reader(path: Path) -> np.ndarray:
    """Read with Pillow (8 bit), OpenCV (16-bit PNG) or tifffile, RGB, alpha last."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    array = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if array.dtype == np.uint16:
        if array.ndim == 3:
            array = array[:, :, [2, 1, 0, *range(3, array.shape[2])]]
        return array[:, :, [0, 3]] if path.read_bytes()[25] == 4 else array  # colour type 4: grey and alpha
    with Image.open(path) as opened:
        return np.array(opened)


def png(array: np.ndarray, **options: object) -> bytes:
    draft = io.BytesIO()
    Image.fromarray(array).save(draft, "PNG", **options)
    return draft.getvalue()


def with_header(width: int, height: int) -> bytes:
    """A tiny PNG that claims another size."""
    data = png(np.zeros((2, 2), np.uint8))
    header = b"IHDR" + struct.pack(">LL", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">L", zlib.crc32(header)) + data[33:]


def made_png(header: bytes, rows: bytes) -> bytes:
    """A PNG by hand: the header chunk, and filtered rows."""
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in (header, b"IDAT" + zlib.compress(rows), b"IEND"):
        data += struct.pack(">L", len(chunk) - 4) + chunk + struct.pack(">L", zlib.crc32(chunk))
    return data


# ---- Picture


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_from_array_and_back(shape: tuple[int, ...], dtype: type) -> None:
    array = noise(shape, dtype)
    picture = Picture.from_array(array)
    assert picture.pixels.shape == (*shape[:2], 3 if len(shape) == 3 and shape[2] > 2 else 1)
    assert (picture.height, picture.width, picture.shape, picture.dtype) == (*shape[:2], shape[:2], dtype)
    np.testing.assert_array_equal(picture.to_array(), array)


def test_from_array_takes_one_channel_and_foreign_byte_order() -> None:
    array = noise((4, 5, 1), np.uint16)
    np.testing.assert_array_equal(Picture.from_array(array.astype(">u2")).to_array(), array[:, :, 0])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), bool),
        np.zeros((4, 4), np.float64),
        np.zeros((4, 4), np.int16),
        np.zeros(4, np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_from_array_refuses(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="expected"):
        Picture.from_array(array)


def test_replace_keeps_the_rest_and_refuses_other_shapes() -> None:
    picture = Picture(pixels=noise((4, 5, 3)), icc=b"profile")
    other = picture.replace(pixels=picture.pixels + 1)
    assert other.icc == b"profile"
    np.testing.assert_array_equal(other.pixels, picture.pixels + 1)
    for wrong in (noise((4, 5, 1)), noise((5, 4, 3)), noise((4, 5, 3), np.uint16)):
        with pytest.raises(ImageError, match="new pixels"):
            picture.replace(pixels=wrong)
    with pytest.raises(ImageError, match="new alpha"):
        picture.replace(alpha=noise((4, 5)))


def test_alpha_must_fit_the_pixels() -> None:
    with pytest.raises(ImageError, match="alpha"):
        Picture(pixels=noise((4, 5, 3)), alpha=noise((4, 5), np.uint16))


# ---- writing and reading


@pytest.mark.parametrize("shape", [(300, 1), (3000, 3), (40000, 1, 3), (1, 3000), (5000, 2, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_of_any_shape(shape: tuple[int, ...], dtype: type, tmp_path: Path) -> None:
    """Rows of noise do not shrink, and each has a byte more."""
    array = noise(shape, dtype)
    write(Picture.from_array(array), tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png").to_array(), array)


@pytest.mark.parametrize(("name", "dtype"), [(name, dtype) for name in LOSSLESS for dtype in FORMATS[name].dtypes])
@pytest.mark.parametrize("shape", SHAPES)
def test_lossless_formats_keep_every_bit(tmp_path: Path, shape: tuple[int, ...], name: str, dtype: type) -> None:
    array, path = noise(shape, dtype), tmp_path / f"a{FORMATS[name].suffixes[0]}"
    picture = Picture.from_array(array)
    write(picture, path)
    if name == "WEBP" or (name == "BMP" and shape[2:] == (2,)):  # these have no grey (and alpha)
        planes = [picture.pixels] * (3 // picture.pixels.shape[2])
        array = np.dstack(planes if picture.alpha is None else [*planes, picture.alpha])
    np.testing.assert_array_equal(read(path).to_array(), array)
    np.testing.assert_array_equal(by_another_reader(path).reshape(array.shape), array)


@pytest.mark.parametrize("name", ["JPEG", "AVIF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_stay_close(tmp_path: Path, name: str, channels: int) -> None:
    smooth = cv2.GaussianBlur(noise((64, 64, 3)), (0, 0), 4)[:, :, :channels].reshape(64, 64, channels)
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    write(Picture.from_array(smooth), path)
    picture = read(path)
    assert picture.pixels.shape == smooth.shape  # grey stays grey
    assert np.abs(picture.pixels.astype(int) - smooth).max() <= 6
    np.testing.assert_array_equal(picture.to_array(), by_another_reader(path))


@pytest.mark.parametrize(("dtype", "name", "becomes"), [(np.uint16, "JPEG", np.uint8), (np.float32, "PNG", np.uint16)])
def test_other_depths_are_said(tmp_path: Path, dtype: type, name: str, becomes: type) -> None:
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    array = np.full((8, 8), images.full_scale(dtype) / 3, dtype)
    with pytest.warns(ImageWarning, match=f"a.*{name} cannot hold {np.dtype(dtype)} samples: written as {np.dtype(becomes)}"):
        write(Picture.from_array(array), path)
    picture = read(path)
    assert picture.dtype == becomes
    np.testing.assert_allclose(picture.pixels, images.full_scale(becomes) / 3, atol=1)


PILLOW_WRITES = {"PNG": ("1", "L", "LA", "P", "RGB", "RGBA"), "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA"), "BMP": ("1", "L", "P", "RGB")}


@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name, modes in PILLOW_WRITES.items() for mode in modes])
def test_untouched_files_of_pillow_come_back(tmp_path: Path, name: str, mode: str) -> None:
    colour = Image.fromarray(noise((19, 27, 4)))
    made = colour.convert("RGB").quantize(11) if mode == "P" else colour.convert(mode)
    before, after = (tmp_path / f"{part}{FORMATS[name].suffixes[0]}" for part in ("before", "after"))
    made.save(before)
    picture = read(before)
    assert picture.lossless
    write(picture, after)
    with Image.open(before) as one, Image.open(after) as two:
        assert one.mode == two.mode
        np.testing.assert_array_equal(np.array(two), np.array(one))
        if mode == "P":
            assert two.getpalette()[:33] == one.getpalette()[:33]


@pytest.mark.parametrize("name", ["PNG", "TIFF", "BMP"])
def test_palette_and_bilevel_widen_when_the_pixels_no_longer_fit(tmp_path: Path, name: str) -> None:
    suffix = FORMATS[name].suffixes[0]
    for mode in ("P", "1"):
        made = Image.fromarray(noise((9, 9, 3))).quantize(4) if mode == "P" else Image.fromarray(noise((9, 9)) > 99)
        made.save(tmp_path / f"a{suffix}")
        picture = read(tmp_path / f"a{suffix}")
        pixels = picture.pixels.copy()
        pixels[2, 3] = 77
        write(picture.replace(pixels=pixels), tmp_path / f"b{suffix}")
        with Image.open(tmp_path / f"b{suffix}") as opened:
            assert opened.mode == ("RGB" if mode == "P" else "L")
        np.testing.assert_array_equal(read(tmp_path / f"b{suffix}").pixels, pixels)


def test_palette_with_transparency(tmp_path: Path) -> None:
    made = Image.fromarray(noise((9, 9, 3))).quantize(5)
    made.save(tmp_path / "a.png", transparency=bytes([0, 100, 255]))
    picture = read(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        np.testing.assert_array_equal(picture.to_array(), np.array(opened.convert("RGBA")))
    write(picture, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as opened:
        assert opened.mode == "P"
        np.testing.assert_array_equal(picture.to_array(), np.array(opened.convert("RGBA")))


@pytest.mark.parametrize("bits", [2, 4])
def test_png_of_few_bits(bits: int) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (6, bits), dtype=np.uint8)  # 8 pixels each
    header = b"IHDR" + struct.pack(">LLBBBBB", 8, 6, bits, 0, 0, 0, 0)
    samples = np.unpackbits(rows, axis=1).reshape(6, 8, bits) @ (1 << np.arange(bits)[::-1])
    data = made_png(header, b"".join(b"\0" + row.tobytes() for row in rows))
    np.testing.assert_array_equal(read(data).pixels[:, :, 0], samples * (255 // (2**bits - 1)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_key_of_png_becomes_alpha(dtype: type) -> None:
    array = noise((5, 6, 3), dtype)
    draft = io.BytesIO()
    write(Picture.from_array(array), draft, format="PNG")
    key = b"tRNS" + array[1, 2].astype(">u2").tobytes()
    data = draft.getvalue()
    data = data[:33] + struct.pack(">L", 6) + key + struct.pack(">L", zlib.crc32(key)) + data[33:]
    picture = read(data)
    expected = np.full((5, 6), images.full_scale(dtype))
    expected[1, 2] = 0
    np.testing.assert_array_equal(picture.alpha, expected)
    np.testing.assert_array_equal(picture.pixels, array)


def test_a_dark_16_bit_picture_stays_16_bit(tmp_path: Path) -> None:
    array = noise((8, 8, 3)).astype(np.uint16)  # nothing above 255: the header decides, not the content
    for suffix in (".png", ".tif"):
        write(Picture.from_array(array), tmp_path / f"a{suffix}")
        assert read(tmp_path / f"a{suffix}").dtype == np.uint16
        np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").pixels, array)


def test_webp_stays_lossless_or_lossy() -> None:
    array = noise((40, 40, 4))
    for lossless in (True, False):
        draft, again = io.BytesIO(), io.BytesIO()
        Image.fromarray(array).save(draft, "WEBP", lossless=lossless, exact=True, quality=60)
        picture = read(draft.getvalue())
        assert picture.lossless is lossless
        write(picture, again)
        assert read(again.getvalue()).lossless is lossless
        if lossless:
            np.testing.assert_array_equal(read(again.getvalue()).to_array(), array)


def test_avif_of_10_bits_is_said() -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    data = imagecodecs.avif_encode(noise((16, 16, 3), np.uint16) >> 6, bitspersample=10)
    with pytest.warns(ImageWarning, match="10 bits per sample were read as 8"):
        assert read(data).dtype == np.uint8


def test_the_format_is_decided_by_the_first_bytes_and_written_by_the_suffix(tmp_path: Path) -> None:
    array = noise((5, 5, 3))
    (tmp_path / "a.jpg").write_bytes(png(array))
    picture = read(tmp_path / "a.jpg")
    assert picture.format == "PNG"
    write(picture, tmp_path / "a.bmp")
    assert read(tmp_path / "a.bmp").format == "BMP"
    write(picture, tmp_path / "noname")
    assert read(tmp_path / "noname").format == "PNG"
    write(picture, tmp_path / "b.png", format="tif")
    assert read(tmp_path / "b.png").format == "TIFF"


def test_sources_and_targets(tmp_path: Path) -> None:
    array, draft = noise((5, 6, 3)), io.BytesIO()
    picture = Picture.from_array(array)
    write(picture, draft, format="PNG")
    (tmp_path / "a.png").write_bytes(draft.getvalue())
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), draft.getvalue(), io.BytesIO(draft.getvalue())):
        np.testing.assert_array_equal(read(source).pixels, array)
    with pytest.raises(TypeError, match="ndarray"):
        read(array)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="binary stream"):
        read(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="int"):
        write(picture, 3)  # type: ignore[arg-type]


# ---- refusals: one line each


def animation(name: str) -> bytes:
    draft = io.BytesIO()
    frames = [Image.fromarray(noise((16, 16, 3), seed=seed)) for seed in range(3)]
    frames[0].save(draft, name, save_all=True, append_images=frames[1:])
    return draft.getvalue()


REFUSED = {
    "empty": (b"", "is empty"),
    "text": (b"not a picture at all", "is not a picture"),
    "truncated png": (png(noise((64, 64, 3)))[:-4000], "truncated"),
    "png header only": (png(noise((8, 8)))[:20], "truncated"),
    "corrupt png": (png(noise((64, 64, 3)))[:3000] + b"????" + png(noise((64, 64, 3)))[3004:], "damaged"),
    "bomb": (with_header(60000, 60000), f"60000 x 60000 pixels are more than the limit of {DEFAULT_MAX_PIXELS}"),
    "zero-sized png": (with_header(0, 5), "0 x 5 pixels"),
    "animated png": (animation("PNG"), "one frame"),
    "animated webp": (animation("WEBP"), "3 frames"),
    "animated avif": (animation("AVIF"), "3 frames"),
    "several pages": (animation("TIFF"), "3 pages"),
    "gif": (animation("GIF"), "GIF cannot be read"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC cannot be read"),
    "raw cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw camera data"),
    "raw cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "raw camera data"),
    "raw raf": (b"FUJIFILMCCD-RAW 0201", "raw camera data"),
    "psd": (b"8BPS\0\1" + bytes(30), "PSD"),
    "bmp header only": (b"BM" + bytes(60), "damaged"),
    "jpeg header only": (b"\xff\xd8\xff\xe0", "damaged"),
    "tiff without directory": (b"II*\0\xff\xff\xff\0", "directory"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_whole_picture_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    data, reason = REFUSED[case]
    path = tmp_path / "some.file"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=reason) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_every_cut_is_an_image_error(name: str) -> None:
    draft = io.BytesIO()
    write(Picture.from_array(noise((40, 40, 3))), draft, format=name)
    data = draft.getvalue()
    for share in (0.02, 0.2, 0.5, 0.9):
        with pytest.raises(ImageError):
            read(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_an_image_error_or_a_picture(name: str) -> None:
    draft, rng = io.BytesIO(), np.random.default_rng(0)
    write(Picture.from_array(noise((20, 20, 3))), draft, format=name)
    for _ in range(60):
        data = bytearray(draft.getvalue())
        for place in rng.integers(0, min(len(data), 600), 4):
            data[place] = rng.integers(256)
        with contextlib.suppress(ImageError, ImageWarning):
            assert read(bytes(data), max_pixels=10**6).pixels.size


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.png", "no such file"), (tmp_path, "is a folder"), ("a\0b", "cannot be read")):
        with pytest.raises(ImageError, match=reason):
            read(path)


def test_the_pixel_limit_is_the_users() -> None:
    data = png(noise((10, 10)))
    with pytest.raises(ImageError, match="10 x 10 pixels are more than the limit of 99"):
        read(data, max_pixels=99)
    assert read(data, max_pixels=100).shape == (10, 10)


def test_the_pixel_limit_can_exceed_that_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for name in FORMATS:
        draft = io.BytesIO()
        write(Picture.from_array(noise((8, 8, 3))), draft, format=name)
        assert read(draft.getvalue()).shape == (8, 8)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_can_be_worked_on_in_place(tmp_path: Path, name: str, channels: int) -> None:
    path = tmp_path / "a"
    write(Picture.from_array(noise((8, 8, channels))), path, format=name)
    for source in (path, path.read_bytes()):
        flags = read(source).pixels.flags
        assert flags.writeable
        assert flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("a.jpg", np.zeros((4, 4, 4), np.uint8), "JPEG cannot hold an alpha channel"),
        ("a.webp", np.zeros((1, 16384), np.uint8), "at most 16383"),
        ("a.jpg", np.zeros((1, 65501), np.uint8), "at most 65500"),
        ("a.gif", np.zeros((4, 4), np.uint8), "names no format"),
        ("a", np.zeros((4, 4), np.uint8), "nothing says the format"),
        ("none/a.png", np.zeros((4, 4), np.uint8), "folder does not exist"),
        ("folder.png", np.zeros((4, 4), np.uint8), "is a folder"),
    ],
)
def test_what_cannot_be_written_is_refused_before_and_while_writing(tmp_path: Path, name: str, array: np.ndarray, reason: str) -> None:
    (tmp_path / "folder.png").mkdir()
    picture = Picture.from_array(array)
    for call in (lambda: check_target(tmp_path / name, picture), lambda: write(picture, tmp_path / name)):
        with pytest.raises(ImageError, match=reason):
            call()
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_check_target_without_a_picture(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        check_target(tmp_path / f"a{suffix.upper()}")
    with pytest.raises(ImageError, match="a.xyz"):
        check_target(tmp_path / "a.xyz")
    with pytest.raises(ImageError, match="'XYZ'"):
        write(Picture.from_array(noise((4, 4))), io.BytesIO(), format="XYZ")


# ---- atomic writes


def test_a_crash_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def crash(picture: Picture, file: io.BytesIO, note: object) -> None:
        file.write(b"half a picture")
        raise error

    for error in (OSError(28, "No space left on device"), RuntimeError("broken"), KeyboardInterrupt()):
        monkeypatch.setitem(FORMATS, "PNG", FORMATS["PNG"]._replace(encode=crash))
        with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ImageError):
            write(Picture.from_array(noise((4, 4))), path)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_complete_and_flushed_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen, replace, fsync = tmp_path / "a.png", [], os.replace, os.fsync
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda number: (seen.append("fsync"), fsync(number)))

    def renaming(source: Path, target: Path) -> None:
        seen.append("rename")
        assert path.read_bytes() == b"old"
        assert read(Path(source).read_bytes()).shape == (4, 4)
        assert Path(source).parent == tmp_path
        replace(source, target)

    monkeypatch.setattr(os, "replace", renaming)
    write(Picture.from_array(noise((4, 4))), path)
    assert seen[:2] == ["fsync", "rename"]
    assert read(path).shape == (4, 4)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    picture = Picture.from_array(noise((4, 4)))
    path, link = tmp_path / "a.png", tmp_path / "link.png"
    umask = os.umask(0o027)
    try:
        write(picture, path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    link.symlink_to(path)
    write(picture, link)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert link.is_symlink()
    with pytest.raises(ImageError, match="not a regular file"):
        write(picture, "/dev/null", format="PNG")


# ---- cost


def test_memory_of_a_16_bit_tiff_is_two_copies(tmp_path: Path) -> None:
    array = noise((1200, 1800, 3), np.uint16)
    for compression in (None, "lzw"):
        tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", compression=compression, rowsperstrip=16)
        tracemalloc.start()
        picture = read(tmp_path / "a.tif")
        reading = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        write(picture, tmp_path / "b.tif")
        writing = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert max(reading, writing) < (1.2 if compression is None else 2) * array.nbytes


def test_damaged_files_print_nothing_but_one_line_each() -> None:
    draft = io.BytesIO()
    write(Picture.from_array(noise((8, 8))), draft, format="TIFF")
    data = draft.getvalue()
    place = tifffile.TiffFile(io.BytesIO(data)).pages[0].tags[258].offset
    data = data[: place + 2] + b"\xff\0\xff\xff" + data[place + 6 :]  # an unknown type, far too many values
    cases = [data, png(noise((64, 64)), icc_profile=b"no profile")[:-99], png(noise((64, 64)))[:-99] + bytes(99)]
    code = f"""
import restore.image
for data in {cases!r}:
    try: restore.image.read(data)
    except restore.image.ImageError as error: print(error)"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == len(cases)
    assert done.stderr == ""


def test_interlaced_png() -> None:
    array, rows = noise((21, 13, 3), np.uint16), b""
    for y, x, down, across in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)):
        rows += b"".join(b"\0" + row.astype(">u2").tobytes() for row in array[y::down, x::across])
    np.testing.assert_array_equal(read(made_png(b"IHDR" + struct.pack(">LLBBBBB", 13, 21, 16, 2, 0, 0, 1), rows)).pixels, array)


def test_neither_torch_nor_a_decoder_is_imported_with_the_package() -> None:
    code = "import sys, restore.image; print(*{'torch', 'cv2', 'tifffile', 'imagecodecs', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_a_draft_takes_its_place_when_the_block_ends(tmp_path):
    target, picture = tmp_path / "a.png", Picture.from_array(np.arange(12, dtype=np.uint8).reshape(3, 4))
    target.write_bytes(b"an older one")
    with pytest.raises(KeyError), drafted(picture, target):
        raise KeyError
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an older one"]
    with drafted(picture, target):
        assert target.read_bytes() == b"an older one"
    np.testing.assert_array_equal(read(target).pixels, picture.pixels)
    with pytest.raises(ImageError, match=r"a.gif: the suffix '.gif' names no format"), drafted(picture, "a.gif"):
        pytest.fail("was entered")


@pytest.mark.parametrize("links", [True, False])
def test_a_draft_does_not_replace_a_file_that_came_to_exist(tmp_path, monkeypatch, links):
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr("os.link", refuse)
    target, picture = tmp_path / "a.png", Picture.from_array(np.arange(12, dtype=np.uint8).reshape(3, 4))
    for content in (picture, b"bytes"):
        with pytest.raises(FileExistsError, match="a.png"), drafted(content, target, replace=False):
            target.write_bytes(b"another's")
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"another's"]
        target.unlink()
        with drafted(content, target, replace=False):
            assert not target.exists()
        assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
        target.unlink()


def test_bytes_are_put_whole_or_not_at_all(tmp_path):
    put(b"content", tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == b"content"
    with pytest.raises(ImageError, match=f"{tmp_path}: is a folder"):
        put(b"content", tmp_path)
    with pytest.raises(ImageError, match="its folder does not exist"):
        put(b"content", tmp_path / "none" / "a.json")
