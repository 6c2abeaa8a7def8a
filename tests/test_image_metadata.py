"""EXIF, orientation, ICC, XMP, IPTC, resolution, JPEG coding: kept, turned once, and never stale. Oracles: Pillow and its EXIF parser."""

import dataclasses
import io
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps, IptcImagePlugin
from PIL.JpegImagePlugin import get_sampling
from PIL.TiffImagePlugin import IFDRational

from restore import masks
from restore.estimate import quality_of_tables
from restore.image import FORMATS, ImageWarning, JpegCoding, Picture, read, write

WITH_EXIF = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="A"/></x:xmpmeta>'
IPTC = b"\x1c\x02\x05\x00\x05Title\x1c\x02\x50\x00\x06Author"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
CAPTION = b"8BIM\x04\x25\0\0" + struct.pack(">L", 3) + b"abc\0"  # a digest, kept
THUMBNAIL = b"8BIM\x04\x0c\0\0" + struct.pack(">L", 4) + b"old!"


def photo(channels: int = 3) -> np.ndarray:
    """Smooth, so that lossy formats stay close, and without symmetry."""
    y, x = np.mgrid[0:24, 0:40]
    return np.stack([y * 10, x * 6, (x + y) * 4], axis=-1).astype(np.uint8)[:, :, :channels]


def exif(orientation: int | None = None) -> Image.Exif:
    block = Image.Exif()
    if orientation is not None:
        block[0x0112] = orientation
    block[0x010F], block[0x013B], block[0x8298] = "Maker", "Artist", "Copyright"
    block[0x011A] = block[0x011B] = 300.0
    block[0x0128] = 2
    inner = block.get_ifd(0x8769)
    inner[0x9003], inner[0x829A], inner[0x927C] = "2020:01:02 03:04:05", 0.004, b"maker note"
    inner[0xA002], inner[0xA003] = 40, 24
    block.get_ifd(0x8825)[2] = (52.0, 30.0, 15.5)
    loaded = Image.Exif()
    loaded.load(block.tobytes())  # Pillow writes the inner directories into a TIFF only when they were loaded
    assert loaded.get_ifd(0x8769)
    assert loaded.get_ifd(0x8825)
    return loaded


def saved(name: str, **options: object) -> bytes:
    draft = io.BytesIO()
    Image.fromarray(photo()).save(draft, name, **({"lossless": True} if name == "WEBP" else {}), **options)
    return draft.getvalue()


def rewritten(data: bytes, name: str) -> bytes:
    draft = io.BytesIO()
    write(read(data), draft, format=name)
    return draft.getvalue()


def facts(data: bytes) -> dict[str, object]:
    """What Pillow finds in the EXIF of a file."""
    with Image.open(io.BytesIO(data)) as opened:
        block = opened.getexif()
        names = {"make": 0x010F, "artist": 0x013B, "copyright": 0x8298, "x": 0x011A, "unit": 0x0128}
        found: dict[str, object] = {name: block.get(code) for name, code in names.items()}
        inner = block.get_ifd(0x8769)
        return found | {"date": inner.get(0x9003), "note": inner.get(0x927C), "gps": block.get_ifd(0x8825).get(2)}


# ---- orientation


@pytest.mark.parametrize("name", WITH_EXIF)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_and_reset(orientation: int, name: str) -> None:
    data = saved(name, exif=exif(orientation))
    with Image.open(io.BytesIO(data)) as opened:
        shown = np.array(ImageOps.exif_transpose(opened))
    picture = read(data)
    np.testing.assert_array_equal(picture.pixels, shown)
    again = rewritten(data, name)
    with Image.open(io.BytesIO(again)) as opened:
        assert opened.getexif().get(0x0112, 1) == 1
        assert opened.size == shown.shape[1::-1]
        inner = opened.getexif().get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == opened.size
        assert np.abs(np.array(opened).astype(int) - shown).max() <= (0 if name not in ("JPEG", "AVIF") else 12)
    np.testing.assert_array_equal(read(again).shape, shown.shape[:2])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bit_pictures_with_alpha(tmp_path: Path, orientation: int) -> None:
    array = np.random.default_rng(0).integers(0, 65536, (5, 7, 4), dtype=np.uint16)
    eight_bit = Image.fromarray((array >> 8).astype(np.uint8))
    eight_bit.getexif()[0x0112] = orientation
    shown = np.array(ImageOps.exif_transpose(eight_bit))
    plain = Picture.from_array(array)
    block = Picture(pixels=plain.pixels, alpha=plain.alpha, exif=exif(orientation).tobytes().removeprefix(b"Exif\0\0"))
    for suffix in (".tif", ".png"):
        write(block, tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").to_array() >> 8, shown)


def test_orientation_said_by_xmp_alone_counts_and_is_reset() -> None:
    picture = read(saved("JPEG", xmp=XMP))
    assert picture.shape == (40, 24)
    assert picture.xmp == XMP.replace(b'"6"', b'"1"')
    assert read(saved("JPEG", xmp=XMP, exif=exif(1))).shape == (24, 40)  # EXIF goes first
    sized = XMP.replace(b"dc:", b'tiff:ImageWidth="40" tiff:ImageLength="24" dc:')
    turned = read(saved("JPEG", xmp=sized)).xmp
    assert turned == sized.replace(b'"6"', b'"1"').replace(b'"40"', b'"?"').replace(b'"24"', b'"40"').replace(b'"?"', b'"24"')


def test_resolution_turns_with_the_picture() -> None:
    block = exif(6)
    block[0x011A], block[0x011B] = 200.0, 100.0
    assert read(saved("JPEG", exif=block)).dpi == (100, 200)
    assert facts(rewritten(saved("JPEG", exif=block), "JPEG"))["x"] == 100


# ---- what stays


@pytest.mark.parametrize("target", WITH_EXIF)
@pytest.mark.parametrize("source", WITH_EXIF)
def test_exif_icc_and_xmp_travel_between_all_formats(source: str, target: str) -> None:
    data = saved(source, exif=exif(8), icc_profile=SRGB, **({} if source in ("PNG", "TIFF") else {"xmp": XMP}))
    again = rewritten(data, target)
    expected = facts(data)
    assert expected["note"] == b"maker note"
    assert facts(again) == expected
    with Image.open(io.BytesIO(again)) as opened:
        assert opened.info["icc_profile"] == SRGB
        if source not in ("PNG", "TIFF"):
            assert opened.info["xmp"] == XMP.replace(b'"6"', b'"1"')
    picture = read(again)
    assert picture.dpi == pytest.approx((300, 300), rel=1e-3)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "TIFF", "BMP"])
def test_resolution_stays(name: str) -> None:
    data = rewritten(saved(name, dpi=(150, 75)), name)
    with Image.open(io.BytesIO(data)) as opened:
        assert tuple(map(float, opened.info["dpi"])) == pytest.approx((150, 75), rel=1e-3)


@pytest.mark.parametrize("name", ["WEBP", "AVIF"])
def test_resolution_travels_in_exif_where_the_format_has_no_place(name: str) -> None:
    assert read(rewritten(saved("PNG", dpi=(150, 75)), name)).dpi == pytest.approx((150, 75), rel=1e-4)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("value", "noted"),
    [(0.0, False), (-72.0, True), (np.nan, True), (np.inf, True), (1.1e10, True), (5.4e7, False), (123456.789, False), (1e-9, False)],
)
@pytest.mark.parametrize("channels", [3, 4])
def test_any_resolution_can_be_written(value: float, noted: bool, name: str, channels: int) -> None:
    picture = Picture.from_array(np.zeros((2, 3, channels if FORMATS[name].alpha else 3), np.uint8))
    draft = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write(dataclasses.replace(picture, dpi=(value, 300.0)), draft, format=name)
    assert ["are no resolution: left out" in str(warning.message) for warning in caught] == [True] * noted
    found = read(draft.getvalue()).dpi
    assert found is None if noted or value < 1 else name == "JPEG" or found == pytest.approx((value, 300), rel=1e-3)


@pytest.mark.parametrize("name", WITH_EXIF)
@pytest.mark.parametrize(("dots", "noted"), [((2**32 - 1, 1), True), ((0, 0), False), ((0, 1), False), ((1, 0), False)])
def test_resolutions_of_exif_that_are_none(dots: tuple[int, int], noted: bool, name: str, tmp_path: Path) -> None:
    block = Image.Exif()
    block[0x011A] = block[0x011B] = IFDRational(*dots)
    block[0x0128] = 3
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picture = read(saved("JPEG", exif=block))
        assert picture.dpi is None
        assert ["1.09092e+10 x 1.09092e+10 dots per inch" in str(warning.message) for warning in caught] == [True] * noted
        write(picture, tmp_path / "a", format=name)
        assert len(caught) == noted
    assert picture.exif is not None


@pytest.mark.parametrize("name", ["PNG", "JPEG", "TIFF"])
def test_iptc_and_photoshop_resources_stay(name: str) -> None:
    record = b"8BIM\x04\x04\0\0" + struct.pack(">L", len(IPTC)) + IPTC + bytes(len(IPTC) % 2)
    app13 = b"Photoshop 3.0\0" + THUMBNAIL + record + CAPTION
    data = saved("JPEG", extra=b"\xff\xed" + struct.pack(">H", len(app13) + 2) + app13)
    again = rewritten(data, name)
    for picture in (read(data), read(again)):
        assert picture.iptc == IPTC
        assert picture.photoshop == record + CAPTION
    if name != "PNG":
        with Image.open(io.BytesIO(again)) as opened:
            assert IptcImagePlugin.getiptcinfo(opened) == {(2, 5): b"Title", (2, 80): b"Author"}


def test_large_profiles_are_split_into_segments() -> None:
    iptc = b"\x1c\x02\x78\x84\0\0\0\x01\x86\xa0" + bytes(100000)
    draft = io.BytesIO()
    write(Picture(pixels=photo(), icc=bytes(200000), iptc=iptc), draft, format="JPEG")
    assert read(draft.getvalue()).icc == bytes(200000)
    assert read(draft.getvalue()).iptc == iptc


def test_png_chunks_stay() -> None:
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("Comment", "plain")
    notes.add_text("Author", "zipped", zip=True)
    notes.add_itxt("Title", "Ümlaut", lang="de")
    notes.add(b"gAMA", struct.pack(">L", 45455))
    notes.add(b"tIME", struct.pack(">HBBBBB", 2020, 1, 2, 3, 4, 5))
    notes.add(b"abCd", b"safe to copy")
    again = rewritten(saved("PNG", pnginfo=notes), "PNG")
    with Image.open(io.BytesIO(again)) as opened:
        opened.load()
        assert opened.text == {"Comment": "plain", "Author": "zipped", "Title": "Ümlaut"}
        assert opened.info["gamma"] == pytest.approx(0.45455)
    assert again.index(b"gAMA") < again.index(b"IDAT")
    assert b"safe to copy" in again
    notes.add(b"abCD", b"signs the pixels")
    with pytest.warns(ImageWarning, match="'abCD' describes the old pixels"):
        assert b"signs" not in rewritten(saved("PNG", pnginfo=notes), "PNG")


def coded(depth: int, colour: int, rows: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of this depth and colour type, of packed rows (H, bytes) uint8."""
    height, width = len(rows), rows.shape[1] * 8 // depth // {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    head = (b"IHDR", struct.pack(">LLBB3x", width, height, depth, colour))
    samples = (b"IDAT", zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes()))
    packed = [
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data)) for kind, data in (head, *chunks, samples)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed) + b"\0\0\0\0IEND\xaeB`\x82"


def chunks(data: bytes) -> dict[bytes, bytes]:
    found, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        found[kind], at = data[at + 8 : at + 8 + length], at + 12 + length
    return found


COLOURS = bytes(range(48))


@pytest.mark.parametrize(
    ("depth", "colour", "clear", "bits", "behind", "stays"),
    [
        (8, 2, b"", bytes([5, 6, 5]), bytes([0, 9] * 3), True),
        (16, 2, b"", bytes([12, 12, 12]), bytes([7, 9] * 3), True),
        (8, 0, b"", bytes([6]), bytes([0, 9]), True),
        (8, 6, b"", bytes([5, 6, 5, 8]), bytes([0, 9] * 3), True),
        (1, 0, b"", bytes([1]), bytes([0, 1]), True),  # until it is no longer black and white
        (4, 0, b"", bytes([3]), bytes([0, 9]), False),
        (8, 3, b"", bytes([5, 6, 5]), bytes([9]), True),
        (8, 3, bytes([0, 9]), bytes([5, 6, 5]), bytes([9]), True),
        (4, 3, b"", bytes([5, 6, 5]), bytes([9]), True),
        (8, 2, bytes([0, 9] * 3), bytes([5, 6, 5]), bytes([0, 9] * 3), False),
        (8, 0, bytes([0, 9]), bytes([6]), bytes([0, 9]), False),
    ],
)
@pytest.mark.parametrize("touched", [False, True])
def test_png_chunks_of_samples_stay_while_those_do(
    depth: int, colour: int, clear: bytes, bits: bytes, behind: bytes, stays: bool, touched: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = (np.arange(96) % (16 if colour == 3 else 256)).astype(np.uint8).reshape(4, 24)
    palette = [(b"PLTE", COLOURS)] if colour == 3 else []
    later = [*palette, *([(b"tRNS", clear)] if clear else []), (b"bKGD", behind)]
    data = coded(depth, colour, rows, (b"sBIT", bits), *later)
    picture = read(data)
    draft = io.BytesIO()
    write(picture.replace(pixels=np.full_like(picture.pixels, 77)) if touched else picture, draft, format="PNG")
    stays = stays and not (touched and (depth == 1 or colour == 3))  # those get 8 bits, or three samples
    found = chunks(draft.getvalue())
    assert (found.get(b"sBIT"), found.get(b"bKGD")) == ((bits, behind) if stays else (None, None))
    assert (found[b"IHDR"][9] == colour and (found[b"IHDR"][8] == depth or colour == 3)) is stays  # indices need no 8 bits
    import imagecodecs

    imagecodecs.png_decode(draft.getvalue())
    assert "sBIT" not in capfd.readouterr().err


def test_a_layer_of_a_png_has_no_chunks_of_three_samples() -> None:
    data = coded(8, 2, np.zeros((4, 24), np.uint8), (b"sBIT", bytes([5, 6, 5])))
    draft = io.BytesIO()
    write(masks.layer(read(data), np.eye(4, 8)), draft, format="PNG")
    assert b"sBIT" not in chunks(draft.getvalue())


def test_the_histogram_of_a_palette_counts_the_old_pixels() -> None:
    data = coded(8, 3, np.zeros((4, 24), np.uint8), (b"PLTE", COLOURS), (b"hIST", bytes(32)))
    with pytest.warns(ImageWarning, match="'hIST' describes the old pixels"):
        assert read(data).chunks == ()


def test_profiles_of_imagemagick_in_png_are_understood() -> None:
    from PIL.PngImagePlugin import PngInfo

    block = b"Exif\0\0" + exif(3).tobytes().removeprefix(b"Exif\0\0")
    notes = PngInfo()
    for kind, raw in (("exif", block), ("iptc", b"8BIM\x04\x04\0\0" + struct.pack(">L", len(IPTC)) + IPTC + b"\0")):
        notes.add_text(f"Raw profile type {kind}", f"\n{kind}\n{len(raw):8d}\n{raw.hex()}\n", zip=True)
    picture = read(saved("PNG", pnginfo=notes))
    np.testing.assert_array_equal(picture.pixels, photo()[::-1, ::-1])
    assert picture.iptc == IPTC
    assert not picture.chunks


# ---- what would be stale


def test_the_exif_thumbnail_goes_and_the_maker_note_keeps_its_place() -> None:
    block = exif(1).tobytes().removeprefix(b"Exif\0\0")
    order = "<" if block[:2] == b"II" else ">"
    entries = struct.unpack_from(order + "H", block, 8)[0]
    start = len(block) + len(block) % 2
    thumbnail = b"\xff\xd8 old pixels \xff\xd9"
    second = struct.pack(order + "HHHLLHHLLL", 2, 513, 4, 1, start + 30, 514, 4, 1, len(thumbnail), 0)
    whole = bytearray(block.ljust(start, b"\0") + second + thumbnail)
    struct.pack_into(order + "L", whole, 10 + 12 * entries, start)
    data = saved("JPEG", exif=b"Exif\0\0" + bytes(whole))
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.getexif().get_ifd(ExifTags.IFD.IFD1)[513] == start + 30
    picture = read(data)
    assert b"old pixels" not in picture.exif
    assert picture.exif.index(b"maker note") == whole.index(b"maker note")
    again = rewritten(data, "JPEG")
    with Image.open(io.BytesIO(again)) as opened:
        assert opened.getexif().get_ifd(ExifTags.IFD.IFD1) == {}
    assert facts(again) == facts(data)
    behind = read(saved("JPEG", exif=b"Exif\0\0" + bytes(whole) + b"more"))  # the thumbnail is not the last thing in the block
    assert b"old pixels" not in behind.exif
    assert behind.exif.endswith(b"more")


def test_damaged_exif_is_left_out_and_said() -> None:
    with pytest.warns(ImageWarning, match="EXIF block is damaged"):
        assert read(saved("WEBP", exif=b"Exif\0\0II*\0\xff\xff\0\0")).exif is None


def test_further_pictures_and_signatures_in_a_jpeg_are_said() -> None:
    draft = io.BytesIO()
    one, two = (Image.fromarray(photo()[::step]) for step in (1, 2))
    one.save(draft, "MPO", save_all=True, append_images=[two])
    with pytest.warns(ImageWarning, match="further pictures"):
        assert read(draft.getvalue()).shape == (24, 40)
    with pytest.warns(ImageWarning, match="content credentials"):
        read(saved("JPEG", extra=b"\xff\xeb\0\x0aJP\0\0\0\0\0\0"))


@pytest.mark.parametrize(
    ("picture", "name", "lost"),
    [
        (Picture(pixels=photo(), icc=SRGB, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0", xmp=XMP), "BMP", "EXIF, ICC profile, XMP"),
        (Picture(pixels=photo(), iptc=IPTC), "WEBP", "IPTC"),
        (Picture(pixels=photo(), chunks=((b"tEXt", b"Comment\0hello"),)), "JPEG", "PNG text"),
        (Picture(pixels=photo(), coding=JpegCoding(((1,) * 64,), segments=((0xFE, b"hello"),))), "PNG", "JPEG comments"),
        (Picture(pixels=photo(), xmp=bytes(70000)), "JPEG", "70000 bytes of XMP"),
    ],
)
def test_what_a_format_cannot_hold_is_said(picture: Picture, name: str, lost: str) -> None:
    draft = io.BytesIO()
    with pytest.warns(ImageWarning, match=f"{name} cannot hold .*{lost}"):
        write(picture, draft, format=name)
    np.testing.assert_allclose(read(draft.getvalue()).pixels.astype(int), photo(), atol=4)


# ---- JPEG coding


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 92])
def test_jpeg_keeps_tables_sampling_and_segments(sampling: int, quality: int) -> None:
    segment = b"\xff\xec\0\x07Ducky"
    data = saved("JPEG", quality=quality, subsampling=sampling, progressive=quality < 50, comment=b"hello", extra=segment)
    again = rewritten(data, "JPEG")
    with Image.open(io.BytesIO(data)) as one, Image.open(io.BytesIO(again)) as two:
        assert two.quantization == one.quantization
        assert get_sampling(two) == get_sampling(one) == sampling
        assert two.info.get("progressive") == one.info.get("progressive")
        assert two.info["comment"] == b"hello"
        assert ("APP12", b"Ducky") in two.applist
        drift = np.abs(np.array(one).astype(int) - np.array(two)).mean()
    assert drift < 1


@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_jpeg_on_its_side_is_rounded_no_more_than_upright(sampling: int) -> None:
    content = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 18, 3)).astype(np.uint8))
    drifts = []
    for orientation in range(1, 9):
        draft, again = io.BytesIO(), io.BytesIO()
        content.resize((288, 192), Image.Resampling.BICUBIC).save(draft, "JPEG", quality=75, subsampling=sampling, exif=exif(orientation))
        picture = read(draft.getvalue())
        write(picture, again, format="JPEG")
        drifts.append(np.abs(read(again.getvalue()).pixels.astype(int) - picture.pixels).mean())
    assert max(drifts) < (1.3 * drifts[0] + 0.05 if sampling != 1 else 0.75)  # 4:2:2 on its side cannot be written


def test_jpeg_whose_subsampling_cannot_lie_on_its_side_loses_it() -> None:
    content = saved("JPEG", subsampling=1, exif=exif(6), quality=60)
    assert read(content).coding.sampling == 3
    assert read(saved("JPEG", subsampling=1, exif=exif(3))).coding.sampling == 1
    with Image.open(io.BytesIO(content)) as one, Image.open(io.BytesIO(rewritten(content, "JPEG"))) as two:
        assert get_sampling(two) == 0
        luma, chroma = (np.reshape(one.quantization[number], (8, 8)).T.ravel() for number in (0, 1))
        assert two.quantization == {0: luma.tolist(), 1: (chroma // 4).tolist()}
    assert quality_of_tables(read(content).coding.tables) == 60


@pytest.mark.parametrize("factor", [cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411])
@pytest.mark.parametrize("orientation", [1, 6])
def test_jpeg_whose_subsampling_pillow_cannot_write(factor: int, orientation: int) -> None:
    content = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 18, 3)).astype(np.uint8)).resize((288, 192))
    _, coded = cv2.imencode(".jpg", np.array(content)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor])
    block = exif(orientation).tobytes()
    data = coded.tobytes()[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + coded.tobytes()[2:]
    is_tall = factor == cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picture = read(data)
    assert picture.shape == ((192, 288) if orientation == 1 else (288, 192))
    assert picture.coding.sampling == (-1 if not is_tall else 3 if orientation == 1 else 1)
    assert ["its chroma subsampling cannot be written" in str(warning.message) for warning in caught] == [True] * (not is_tall)
    again = io.BytesIO()
    write(picture, again, format="JPEG")
    assert np.abs(read(again.getvalue()).pixels.astype(int) - picture.pixels).mean() < (1 if is_tall else 1.5)


def test_jpeg_with_one_table_for_each_component_and_rgb_components() -> None:
    tables = [[step] * 64 for step in (3, 5, 7)]
    for options in ({"qtables": tables, "subsampling": 0}, {"keep_rgb": True}):
        data = saved("JPEG", **options)
        again = rewritten(data, "JPEG")
        with Image.open(io.BytesIO(data)) as one, Image.open(io.BytesIO(again)) as two:
            assert [(layer[0], two.quantization[layer[3]]) for layer in two.layer] == [(la[0], one.quantization[la[3]]) for la in one.layer]


def test_grey_jpeg_stays_grey() -> None:
    draft = io.BytesIO()
    Image.fromarray(photo()[:, :, 1]).save(draft, "JPEG", quality=80)
    with Image.open(io.BytesIO(draft.getvalue())) as one, Image.open(io.BytesIO(rewritten(draft.getvalue(), "JPEG"))) as two:
        assert two.mode == "L"
        assert two.quantization == one.quantization


# ---- colour


def profile(*tags: tuple[bytes, bytes], space: bytes = b"RGB ", pcs: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """An ICC profile (ICC.1:2022) with these tags."""
    body, table, at = b"", struct.pack(">L", len(tags)), 132 + 12 * len(tags)
    for name, data in tags:
        table += struct.pack(">4sLL", name, at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">L4sL4s4s4s12s4s", at + len(body), b"none", 0x02400000, kind, space, pcs, bytes(12), b"acsp")
    return head.ljust(68, b"\0") + struct.pack(">3L", 0xF6D6, 0x10000, 0xD32D) + bytes(48) + table + body


def curve(*points: int) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(f">L{len(points)}H", len(points), *points)


def parametric(kind: int, *values: float) -> bytes:
    return b"para\0\0\0\0" + struct.pack(f">HH{len(values)}l", kind, 0, *(round(value * 65536) for value in values))


@pytest.mark.parametrize(
    ("tone", "linear"),
    [
        (curve(), True),
        (curve(256), True),
        (curve(0, 32768, 65535), True),
        (parametric(0, 1.0), True),
        (parametric(3, 1, 1, 0, 1, 0.04), True),
        (parametric(1, 1, 1, 0), True),
        (curve(563), False),
        (curve(0, 8000, 65535), False),
        (parametric(0, 2.2), False),
        (parametric(2, 1, 1, 0, 0.1), False),
        (parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045), False),
        (b"????", False),
    ],
)
def test_is_linear_reads_the_tone_curves(tone: bytes, linear: bool) -> None:
    assert Picture(pixels=photo(), icc=profile(*((name, tone) for name in (b"rTRC", b"gTRC", b"bTRC")))).is_linear is linear
    assert Picture(pixels=photo(1), icc=profile((b"kTRC", tone), space=b"GRAY")).is_linear is linear


def test_is_linear_without_a_curve() -> None:
    for icc in (None, b"", b"cut off", SRGB, profile()):
        assert not Picture(pixels=photo(), icc=icc).is_linear
    mixed = profile((b"rTRC", curve()), (b"gTRC", curve(563)), (b"bTRC", curve()))
    assert not Picture(pixels=photo(), icc=mixed).is_linear


def cmyk_profile() -> bytes:
    """A printer profile: an 8-bit table with two points on each axis, to Lab: paper minus inks."""
    ramp = bytes(range(256))
    corners = []
    for c, m, y, k in np.ndindex(2, 2, 2, 2):
        light = 1 - min(1, 0.3 * c + 0.35 * m + 0.1 * y + 0.9 * k)
        corners += [round(255 * light), 128 - 30 * c + 60 * m, 128 - 40 * c + 80 * y]
    matrix = struct.pack(">9l", *(65536 * (i % 4 == 0) for i in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + bytes(min(255, v) for v in corners) + ramp * 3
    description = b"desc\0\0\0\0" + struct.pack(">L", 5) + b"cmyk\0" + bytes(78)
    return profile(
        (b"desc", description), (b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">3L", 0xF6D6, 0x10000, 0xD32D)),
        *((name, table) for name in (b"A2B0", b"A2B1")), space=b"CMYK", pcs=b"Lab ", kind=b"prtr",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_profile(name: str) -> None:
    planes = (*np.moveaxis(photo(), 2, 0), photo()[:, :, 0] // 3)
    inks = Image.merge("CMYK", [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes])
    draft = io.BytesIO()
    inks.save(draft, name, icc_profile=cmyk_profile(), **({"quality": 100} if name == "JPEG" else {}))
    with pytest.warns(ImageWarning, match="CMYK was converted to sRGB through its ICC profile"):
        picture = read(draft.getvalue())
    with Image.open(io.BytesIO(draft.getvalue())) as opened:
        expected = ImageCms.profileToProfile(
            opened, io.BytesIO(cmyk_profile()), ImageCms.createProfile("sRGB"), renderingIntent=1, outputMode="RGB", flags=0x2000
        )
    assert np.abs(picture.pixels.astype(int) - np.array(expected)).max() <= 2
    assert picture.icc is None
    again = rewritten_quietly(picture, name)
    with Image.open(io.BytesIO(again)) as opened:
        assert opened.mode == "RGB"


def rewritten_quietly(picture: Picture, name: str) -> bytes:
    draft = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(picture, draft, format=name)
    return draft.getvalue()


@pytest.mark.parametrize(("icc", "said"), [(None, "by formula"), (SRGB, "without its ICC profile")])
def test_cmyk_without_a_usable_profile(icc: bytes | None, said: str) -> None:
    draft = io.BytesIO()
    inks = Image.new("CMYK", (4, 4), (255, 0, 51, 0))
    inks.save(draft, "TIFF", **({} if icc is None else {"icc_profile": icc}))
    with pytest.warns(ImageWarning, match=said):
        picture = read(draft.getvalue())
    np.testing.assert_array_equal(picture.pixels[0, 0], [0, 255, 204])


def test_every_format_writes_what_it_says_it_holds() -> None:
    whole = Picture(
        pixels=photo(),
        icc=SRGB,
        exif=exif(1).tobytes().removeprefix(b"Exif\0\0"),
        xmp=XMP.replace(b'"6"', b'"1"'),
        iptc=IPTC,
        dpi=(300, 300),
    )
    for name, form in FORMATS.items():
        draft = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImageWarning)
            write(whole, draft, format=name)
        picture = read(draft.getvalue())
        for field in ("icc", "xmp", "iptc"):
            assert getattr(picture, field) == (getattr(whole, field) if field in form.holds else None), (name, field)
        assert (picture.exif is not None) is ("exif" in form.holds)
        assert picture.dpi == pytest.approx((300, 300), rel=1e-3)


def test_bombs_in_png_text_are_bounded() -> None:
    data = saved("PNG")
    chunk = b"iTXtXML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(20 << 20))
    bomb = data[:33] + struct.pack(">L", len(chunk) - 4) + chunk + struct.pack(">L", zlib.crc32(chunk)) + data[33:]
    with pytest.warns(ImageWarning, match="'iTXt' is damaged"):
        assert read(bomb).xmp is None
