"""TIFF: every layout is read, and written again as it was, tags included. Oracles: tifffile and Pillow (libtiff)."""

import io
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from restore.image import ImageError, ImageWarning, Picture, TiffCoding, read, write

DTYPES = (np.uint8, np.uint16, np.float32)
OLD_CODECS = sys.version_info < (3, 11)
"""The last imagecodecs and tifffile for Python 3.10 decode no fax compression."""


def noise(shape: tuple[int, ...], dtype: type = np.uint16) -> np.ndarray:
    array = np.random.default_rng(0).integers(0, 256, shape)
    return (array * {np.uint8: 1, np.uint16: 257, np.float32: 0.01}[dtype] - (dtype == np.float32)).astype(dtype)


def tiff(array: np.ndarray, **options: object) -> bytes:
    draft = io.BytesIO()
    tifffile.imwrite(draft, array, **{"photometric": "rgb" if array.ndim == 3 else "minisblack", "metadata": None, **options})
    return draft.getvalue()


def rewritten(data: bytes) -> bytes:
    draft = io.BytesIO()
    write(read(data), draft, format="TIFF")
    return draft.getvalue()


def page_of(data: bytes) -> tifffile.TiffPage:
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        assert len(tif.pages) == 1
        page = tif.pages[0]
        page.samples = page.asarray()
        page.values = {tag.code: tag.value for tag in page.tags}
        return page


# ---- layouts


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bigtiff", [False, True])
def test_compression_predictor_and_size_of_offsets_stay(dtype: type, compression: str | None, bigtiff: bool) -> None:
    array = noise((45, 33, 3), dtype)
    predictor = None if compression in (None, "packbits") else 3 if dtype == np.float32 else 2
    data = tiff(array, compression=compression, predictor=predictor, bigtiff=bigtiff, rowsperstrip=8)
    np.testing.assert_array_equal(read(data).pixels, array)
    before, after = page_of(data), page_of(rewritten(data))
    np.testing.assert_array_equal(after.samples, array)
    for field in ("compression", "predictor", "rowsperstrip", "bitspersample", "photometric"):
        assert getattr(after, field) == getattr(before, field), field
    assert rewritten(data)[2] == data[2] == (43 if bigtiff else 42)


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"byteorder": ">", "compression": "zlib", "predictor": True},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "compression": "lzw"},
        {"tile": (16, 32)},
        {"tile": (16, 32), "compression": "zlib"},
        {"bigtiff": True, "byteorder": ">"},
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_other_layouts_give_the_same_pixels(dtype: type, options: dict[str, object]) -> None:
    array = noise((45, 33, 3), dtype)
    data = tiff(np.moveaxis(array, 2, 0) if "planarconfig" in options else array, **options)
    picture = read(data)
    np.testing.assert_array_equal(picture.pixels, array)
    assert picture.pixels.flags.c_contiguous
    assert picture.pixels.dtype.isnative
    after = page_of(rewritten(data))
    np.testing.assert_array_equal(after.samples, array)
    assert ((after.tilelength, after.tilewidth) if after.is_tiled else None) == options.get("tile")


@pytest.mark.parametrize("compression", ["raw", "group3", "group4", "tiff_ccitt", "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_bilevel_stays_bilevel(compression: str, white_is_zero: bool) -> None:
    white = noise((37, 53), np.uint8) > 99
    draft = io.BytesIO()
    Image.fromarray(~white if white_is_zero else white).save(draft, "TIFF", compression=compression)
    data = draft.getvalue()
    if white_is_zero:
        place = tifffile.TiffFile(io.BytesIO(data)).pages[0].tags[262].valueoffset
        data = data[:place] + b"\0" + data[place + 1 :]
    if OLD_CODECS and compression in ("group3", "group4", "tiff_ccitt"):
        with pytest.raises(ImageError, match="CCITT.* not supported"):
            read(data)
        return
    picture = read(data)
    np.testing.assert_array_equal(picture.pixels[:, :, 0], white * 255)
    again = rewritten(data)
    with Image.open(io.BytesIO(data)) as one, Image.open(io.BytesIO(again)) as two:
        assert two.mode == one.mode == "1"
        np.testing.assert_array_equal(np.array(two), white)
        assert two.tag_v2[259] == one.tag_v2[259]
        assert two.tag_v2[262] == one.tag_v2[262] == (0 if white_is_zero else 1)
    grey = picture.replace(pixels=np.full_like(picture.pixels, 99))
    draft = io.BytesIO()
    write(grey, draft, format="TIFF")
    np.testing.assert_array_equal(read(draft.getvalue()).pixels, 99)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", [False, True])
def test_white_is_zero_stays(dtype: type, alpha: bool) -> None:
    stored = noise((9, 7, 2), dtype) if alpha else noise((9, 7), dtype)
    extra = {"extrasamples": [2], "planarconfig": "contig"} if alpha else {}
    data = tiff(stored, photometric="miniswhite", **extra)
    grey = stored[:, :, 0] if alpha else stored
    np.testing.assert_array_equal(read(data).pixels[:, :, 0], ~grey)
    if alpha:
        np.testing.assert_array_equal(read(data).alpha, stored[:, :, 1])
    again = page_of(rewritten(data))
    np.testing.assert_array_equal(again.samples, stored)
    assert again.photometric == 0


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [2, 4])
def test_one_extra_sample_is_alpha_of_its_kind(channels: int, dtype: type, kind: int) -> None:
    array = noise((9, 7, channels), dtype)
    photometric = "rgb" if channels == 4 else "minisblack"
    data = tiff(array, photometric=photometric, extrasamples=[kind], planarconfig="contig")
    np.testing.assert_array_equal(read(data).to_array(), array)
    again = page_of(rewritten(data))
    np.testing.assert_array_equal(again.samples, array)
    assert again.extrasamples == (kind,)


def test_premultiplied_alpha_is_divided_out_for_other_formats() -> None:
    alpha = np.array([[0, 51, 255]], np.uint8)
    data = tiff(np.dstack([alpha // 3] * 3 + [alpha]), extrasamples=[1])
    draft = io.BytesIO()
    with pytest.warns(ImageWarning, match="premultiplied"):
        write(read(data), draft, format="PNG")
    np.testing.assert_array_equal(read(draft.getvalue()).to_array()[0], [[0, 0, 0, 0], [85, 85, 85, 51], [85, 85, 85, 255]])
    with pytest.warns(ImageWarning, match="no stated meaning"):
        write(read(tiff(np.dstack([alpha] * 4), extrasamples=[0])), draft, format="PNG")


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits(bits: int) -> None:
    if OLD_CODECS and bits > 1:
        pytest.skip("imagecodecs for Python 3.10 packs no samples of few bits")
    array = (noise((9, 16), np.uint8) >> (8 - bits)).astype(np.uint8)
    data = tiff(array if bits > 1 else array > 0, **({} if bits == 1 else {"bitspersample": bits}))
    np.testing.assert_array_equal(read(data).pixels[:, :, 0], array * (255 // (2**bits - 1)))
    np.testing.assert_array_equal(read(rewritten(data)).pixels, read(data).pixels)


def test_palette_of_16_bit_colours() -> None:
    indices = noise((9, 7), np.uint8)
    colours = np.random.default_rng(1).permutation(65536)[:768].reshape(3, 256).astype(np.uint16)
    data = tiff(indices, photometric="palette", colormap=colours)
    np.testing.assert_array_equal(read(data).pixels, (colours.T >> 8)[indices])
    assert page_of(rewritten(data)).photometric == 3
    np.testing.assert_array_equal(read(rewritten(data)).pixels, read(data).pixels)


def test_jpeg_inside_is_read_and_becomes_exact() -> None:
    array = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (64, 64, 3))
    data = tiff(array, compression="jpeg", compressionargs={"level": 95})
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.array(opened.convert("RGB"))
    assert np.abs(read(data).pixels.astype(int) - expected).max() <= 2
    with pytest.warns(ImageWarning, match="became deflate"):
        again = rewritten(data)
    np.testing.assert_array_equal(read(again).pixels, read(data).pixels)
    assert page_of(again).compression == 8
    assert (read(data).lossless, read(again).lossless) == (False, True)


def test_cmyk_of_16_bits_stays_16_bit() -> None:
    inks = noise((6, 5, 4), np.uint16)
    with pytest.warns(ImageWarning, match="by formula"):
        picture = read(tiff(inks, photometric="separated"))
    paper = (65535.0 - inks[:, :, 3:]) / 65535
    assert picture.dtype == np.uint16
    np.testing.assert_allclose(picture.pixels, (65535.0 - inks[:, :, :3]) * paper, atol=1)


def test_a_new_tiff_is_compressed() -> None:
    for dtype, predictor in zip(DTYPES, (2, 2, 3), strict=True):
        draft = io.BytesIO()
        write(Picture.from_array(noise((9, 7, 3), dtype)), draft, format="TIFF")
        page = page_of(draft.getvalue())
        assert (page.compression, page.predictor) == (8, predictor)


# ---- refusals


def with_subifd(kind: int) -> bytes:
    draft = io.BytesIO()
    with tifffile.TiffWriter(draft) as tif:
        tif.write(noise((16, 16, 3)), photometric="rgb", subifds=1, metadata=None, subfiletype=kind)
        tif.write(noise((8, 8, 3)), photometric="rgb", metadata=None, subfiletype=1 - kind)
    return draft.getvalue()


def pages(*subfiletypes: int) -> bytes:
    draft = io.BytesIO()
    with tifffile.TiffWriter(draft) as tif:
        for kind in subfiletypes:
            tif.write(noise((16, 16, 3)), photometric="rgb", metadata=None, subfiletype=kind)
    return draft.getvalue()


def cut(data: bytes, size: int) -> bytes:
    """The same file, with its end (the pixels) cut off."""
    assert page_of(data).dataoffsets[0] < len(data) - size
    return data[:-size]


def without_strips(data: bytes) -> bytes:
    place = page_of(data).tags[279]
    return data[: place.valueoffset] + bytes(4) + data[place.valueoffset + 4 :]


rgb = noise((16, 16, 3))
REFUSED = {
    "pages": (lambda: pages(0, 0, 0), "3 pages"),
    "imagej stack": (lambda: tiff(noise((5, 16, 16)), imagej=True, photometric="minisblack", metadata={"axes": "ZYX"}), "5 pages"),
    "imagej stack behind one page": (
        lambda: tiff(noise((5, 16, 16)), imagej=True, truncate=True, photometric="minisblack", metadata={"axes": "ZYX"}),
        "5 pages",
    ),
    "volume": (lambda: tiff(noise((4, 16, 16)), volumetric=True, photometric="minisblack", tile=(2, 16, 16)), "volume of 4 slices"),
    "two extra samples": (lambda: tiff(noise((16, 16, 5)), extrasamples=[2, 0]), "5 samples per pixel"),
    "float64": (lambda: tiff(np.zeros((16, 16))), "64-bit float"),
    "float16": (lambda: tiff(np.zeros((16, 16), np.float16)), "16-bit float"),
    "int16": (lambda: tiff(np.zeros((16, 16), np.int16)), "16-bit signed"),
    "uint32": (lambda: tiff(np.zeros((16, 16), np.uint32)), "32-bit unsigned"),
    "12 bits": (lambda: tiff(rgb >> 4, bitspersample=12), "12-bit unsigned"),
    "lab": (lambda: tiff(rgb.astype(np.uint8), photometric="cielab"), "CIELAB"),
    "raw cfa": (lambda: tiff(noise((16, 16)), photometric="cfa", extratags=[(50706, 1, 4, b"\1\4\0\0", True)]), "raw camera data"),
    "raw behind a preview": (lambda: with_subifd(1), "raw camera data"),
    "further page behind": (lambda: with_subifd(0).replace(b"\xfe\0\4\0\1\0\0\0\1\0\0\0", b"\xfe\0\4\0\1\0\0\0\0\0\0\0"), "2 pages"),
    "truncated": (lambda: cut(tiff(rgb), 99), "truncated TIFF"),
    "truncated strips": (lambda: cut(tiff(rgb, compression="lzw", rowsperstrip=4), 99), "truncated TIFF"),
    "missing strip": (lambda: without_strips(tiff(rgb, rowsperstrip=4)), "without all of its strips"),
    "too large": (lambda: tiff(np.zeros((40, 30), np.uint8)), "30 x 40 pixels are more than the limit of 1000"),
    "unknown compression": (lambda: tiff(rgb).replace(b"\x03\1\3\0\1\0\0\0\1\0", b"\x03\1\3\0\1\0\0\0\x39\x30"), "damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_say_why(case: str) -> None:
    if OLD_CODECS and case == "12 bits":
        pytest.skip("imagecodecs for Python 3.10 packs no samples of 12 bits")
    make, reason = REFUSED[case]
    data = make()
    with pytest.raises(ImageError, match=reason) as caught:
        read(data, max_pixels=1000)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [lambda: pages(0, 1, 1), lambda: with_subifd(0)])
def test_reduced_copies_are_said(make: Callable[[], bytes]) -> None:
    with pytest.warns(ImageWarning, match="reduced copies"):
        picture = read(make())
    np.testing.assert_array_equal(picture.pixels, noise((16, 16, 3)))


# ---- tags


def tagged(**options: object) -> bytes:
    """A TIFF with all kinds of tags; the EXIF and GPS directories come from Pillow."""
    block = Image.Exif()
    block.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    block.get_ifd(0x8769)[0x829A] = 0.004
    block.get_ifd(0x8769)[0x927C] = b"maker note" * 20
    block.get_ifd(0x8825)[2] = (52.0, 30.0, 15.5)
    loaded = Image.Exif()
    loaded.load(block.tobytes())
    inner = (loaded.get_ifd(0x8769), loaded.get_ifd(0x8825))
    assert all(inner)
    texts = {270: "a description", 271: "Maker", 305: "Software 1", 306: "2021:01:01 00:00:00", 315: "Artist", 65000: "private"}
    blobs = {700: b"<xmp/>", 33723: b"\x1c\x02\x05\0\4Name", 34377: b"8BIM\x04\x25\0\0\0\0\0\4abcd", 34675: b"icc profile"}
    for code, value in (texts | blobs).items():
        loaded[code] = value
    draft = io.BytesIO()
    Image.fromarray(noise((9, 7, 3), np.uint8)).save(draft, "TIFF", exif=loaded, dpi=(300, 150), **options)
    return draft.getvalue()


@pytest.mark.parametrize("big", [False, True])
def test_all_tags_stay(big: bool) -> None:
    data = tagged(**({"big_tiff": True} if big else {}))
    again = rewritten(data)
    before, after = page_of(data).values, page_of(again).values
    layout = {254, 258, 259, 273, 277, 278, 279, 284, 317, 339, 34665, 34853}
    assert {code: value for code, value in after.items() if code not in layout} == {
        code: value for code, value in before.items() if code not in layout
    }
    assert set(before) - set(after) <= {254, 284, 317}
    assert {270, 271, 282, 283, 296, 305, 306, 315, 700, 33723, 34377, 34675, 65000, 34665, 34853} <= set(after)
    with Image.open(io.BytesIO(data)) as one, Image.open(io.BytesIO(again)) as two:
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            assert two.getexif().get_ifd(directory) == one.getexif().get_ifd(directory) != {}
        assert two.info["dpi"] == one.info["dpi"] == (300, 150)
    assert before[34665]["DateTimeOriginal"] == after[34665]["DateTimeOriginal"] == "2020:01:02 03:04:05"
    assert (again[2] == 43) is big


def test_tags_of_every_type_and_order_stay() -> None:
    extra = [
        (65001, 1, 3, b"\1\2\3", True), (65002, 3, 3, (1, 2, 65535), True), (65003, 4, 2, (1, 4294967295), True),
        (65004, 5, 2, (1, 3, 2, 7), True), (65005, 6, 2, (-1, 5), True), (65006, 8, 3, (-1, 2, -300), True),
        (65007, 9, 2, (-1, 70000), True), (65008, 10, 1, (-1, 3), True), (65009, 11, 2, (0.5, -2.0), True),
        (65010, 12, 2, (0.1, 1e300), True),
        (65011, 2, 0, "text", True), (65012, 16, 2, (1, 2**31), True),
    ]  # fmt: skip
    for order in "<>":
        for big in (False, True):
            data = tiff(noise((9, 7)), byteorder=order, bigtiff=big, extratags=extra if big else extra[:-1])
            before, after = page_of(data).values, page_of(rewritten(data)).values
            codes = [code for code in before if code > 65000]
            assert len(codes) == len(extra) - (not big)
            assert {code: after[code] for code in codes} == {code: before[code] for code in codes}


@pytest.mark.parametrize("unit", [1, 2, 3])
def test_resolution_keeps_its_fractions_and_unit(unit: int) -> None:
    data = tiff(noise((9, 7)), resolution=((11811, 100), (3000, 26)), resolutionunit=unit)
    picture = read(data)
    factor = {1: None, 2: 1.0, 3: 2.54}[unit]
    assert picture.dpi == (None if factor is None else pytest.approx((118.11 * factor, 3000 / 26 * factor)))
    before, after = page_of(data).values, page_of(rewritten(data)).values
    assert [after[code] for code in (282, 283, 296)] == [before[code] for code in (282, 283, 296)]


def test_layers_of_photoshop_are_said() -> None:
    data = tiff(noise((9, 7)), extratags=[(37724, 7, 30, b"Adobe Photoshop Document Data\0", True)])
    with pytest.warns(ImageWarning, match="layers"):
        assert 37724 not in page_of(rewritten(data)).values


def test_iptc_typed_as_longs_in_a_big_endian_file_keeps_its_bytes() -> None:
    iptc = b"\x1c\x02\x05\0\3abc"
    longs = struct.unpack(">2L", iptc)
    data = tiff(noise((9, 7)), byteorder=">", extratags=[(33723, 4, 2, longs, True)])
    assert iptc in data
    assert read(data).iptc == iptc
    assert read(rewritten(data)).iptc == iptc


def test_writing_in_place(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tagged())
    for _ in range(3):
        write(read(path), path)
    np.testing.assert_array_equal(page_of(path.read_bytes()).samples, noise((9, 7, 3), np.uint8))
    assert abs(path.stat().st_size - len(rewritten(tagged()))) < 64  # and it does not grow


def test_a_coding_that_does_not_fit_is_adapted() -> None:
    picture = Picture(pixels=noise((40, 7, 3), np.float32), coding=TiffCoding(compression=4, predictor=2, rows=10**6, white_is_zero=True))
    draft = io.BytesIO()
    write(picture, draft, format="TIFF")
    np.testing.assert_array_equal(read(draft.getvalue()).pixels, picture.pixels)
