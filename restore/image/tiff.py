"""TIFF and BigTIFF: samples through tifffile, tags by hand, so that compression, EXIF directories and private tags survive."""

from __future__ import annotations

import io
import logging
import math
import re
import struct
from typing import Any, BinaryIO

import numpy as np

from restore.image.base import (
    Directory,
    ImageError,
    Note,
    Picture,
    Tag,
    TiffCoding,
    build_directory,
    build_exif,
    check_size,
    from_cmyk,
    numbers,
    parse_directory,
    rational,
)

# Tags that say how the samples lie, not what the picture is: written anew each time.
_LAYOUT = {*range(254, 260), 262, 266, 273, *range(277, 282), 284, *range(288, 294), 317, 320, *range(322, 326), 330, *range(332, 343), 347}
_LAYOUT |= {*range(512, 522), *range(529, 533), 37724, 50784}
_BLOBS = {700: 1, 33723: 7, 34377: 1, 34675: 7}  # XMP, IPTC, Photoshop, ICC: tag and type
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}  # photometric interpretation -> samples without extra ones
_EXACT = (1, 5, 8, 32946, 32773, 34925, 50000)  # compressions that are written: none, LZW, deflate, PackBits, LZMA, Zstandard
_FAX = {2: "tiff_ccitt", 3: "group3", 4: "group4"}
_AT_ONCE = 4 << 20  # bytes of strips or tiles in memory beside the picture

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it logs of damaged files is said in one line by read()


def decode(file: BinaryIO, max_pixels: int, note: Note) -> Picture:
    """Read a TIFF of one page.

    Raises:
        ImageError: It is damaged, too large, raw camera data, or of several pages or of samples that a Picture cannot hold.
    """
    import tifffile

    first = parse_directory(file)
    tags = first.tags
    width, height = (int(numbers(tags.get(code))[0]) if numbers(tags.get(code)) else 0 for code in (256, 257))
    _check_kind(first)
    check_size(width, height, max_pixels)
    _check_pages(file, first, note)
    file.seek(0)
    with tifffile.TiffFile(file) as tif:
        page: Any = tif.pages[0]
        _check_samples(page)
        _check_complete(file, page)
        samples = page.asarray(squeeze=False, buffersize=_AT_ONCE)
    samples = samples[:, 0, :, :, 0].transpose(1, 2, 0) if samples.shape[0] > 1 else samples[0, 0]
    if samples.dtype.kind in "uf" and not samples.dtype.isnative:
        samples = samples.byteswap(inplace=True).view(samples.dtype.newbyteorder("="))
    blobs = {code: tag.data for code in _BLOBS if (tag := tags.get(code)) is not None and isinstance(tag.data, bytes)}
    if 37724 in tags:
        note("Photoshop layers were left out: they show the old pixels")
    icc = blobs.get(34675)
    if page.photometric == 5:
        samples, icc = np.dstack((from_cmyk(samples[:, :, :4], icc, note), samples[:, :, 4:])), None
    pixels, alpha, palette = _planes(page, samples)
    descriptive = {code: tag for code, tag in tags.items() if code not in _LAYOUT and code not in _BLOBS}
    return Picture(
        pixels=pixels,
        alpha=alpha,
        palette=palette,
        bits=1 if page.bitspersample == 1 and page.photometric < 2 else None,
        format="TIFF",
        icc=icc,
        exif=build_exif(descriptive) if descriptive else None,
        xmp=blobs.get(700),
        iptc=blobs.get(33723),
        photoshop=blobs.get(34377),
        lossless=page.compression in _EXACT or page.compression in _FAX,
        coding=_coding(first, page),
    )


def _check_kind(first: Directory) -> None:
    """Refuse camera raw files, which are TIFF in structure."""
    photometric = numbers(first.tags.get(262))
    if 50706 in first.tags or (photometric and photometric[0] in (32803, 34892)):
        raise ImageError("raw camera data (DNG or alike): develop it to a 16-bit TIFF first")
    if (numbers(first.tags.get(254)) or [0])[0] % 2 and 330 in first.tags:
        raise ImageError("raw camera data behind a preview: develop it to a 16-bit TIFF first")


def _check_pages(file: BinaryIO, first: Directory, note: Note) -> None:
    """Refuse further pages; reduced copies of the first are only reported."""
    description = first.tags.get(270, Tag(2, b"")).data
    hidden = re.match(rb"ImageJ=.*?images=(\d+)", description, re.DOTALL) if isinstance(description, bytes) else None
    pages, copies, at, seen = 1, 0, first.next, set[int]()
    inner = [int(offset) for offset in numbers(first.tags.get(330))]
    while (at or inner) and at not in seen:
        page = parse_directory(file, at or inner.pop())
        seen.add(at or -len(inner) - 1)
        kind = int((numbers(page.tags.get(254)) or [0])[0])
        copies, pages = copies + (kind & 1), pages + 1 - (kind & 1)
        at = page.next if at else 0
    pages = max(pages, int(hidden[1]) if hidden else 1)
    if pages > 1:
        raise ImageError(f"{pages} pages: only pictures of one page can be restored")
    if copies:
        note("reduced copies of the picture were left out: they show the old pixels")


def _check_samples(page: Any) -> None:
    colours = _COLOURS.get(page.photometric)
    if colours is None or (page.photometric == 6 and page.compression not in (6, 7)):
        raise ImageError(f"TIFF with {getattr(page.photometric, 'name', page.photometric)} samples: expected grey, palette, RGB or CMYK")
    if page.imagedepth > 1:
        raise ImageError(f"TIFF volume of {page.imagedepth} slices: only pictures of one page can be restored")
    extra = page.samplesperpixel - colours
    if extra < 0 or extra > 1:
        raise ImageError(f"TIFF with {page.samplesperpixel} samples per pixel: expected {colours}, and at most one extra sample (alpha)")
    kind, bits = page.sampleformat, page.bitspersample
    small = bits in (1, 2, 4) and page.photometric in (0, 1, 3) and not extra
    allowed = (kind in (1, 4) and (bits in (8, 16) or small)) or (kind == 3 and bits == 32 and page.photometric in (1, 2))
    if not allowed or (page.photometric == 3 and bits == 16):
        names = {1: "unsigned", 2: "signed", 3: "float"}
        raise ImageError(f"TIFF with {bits}-bit {names.get(kind, kind)} samples: expected 1, 8 or 16 bits unsigned, or 32-bit float")


def _check_complete(file: BinaryIO, page: Any) -> None:
    size = file.seek(0, io.SEEK_END)
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if not ends or max(ends) > size:
        raise ImageError("truncated TIFF: the file ends before its pixels")
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    across, down = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, page.rowsperstrip)
    needed = planes * math.ceil(page.imagewidth / max(1, across)) * math.ceil(page.imagelength / max(1, min(down, page.imagelength)))
    if 0 in page.databytecounts or (len(ends) < needed and not page.is_contiguous):
        raise ImageError("TIFF without all of its strips or tiles")


def _planes(page: Any, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Split stored samples (H, W, S) into pixels, alpha and palette."""
    colours = 3 if page.photometric == 5 else _COLOURS[page.photometric]
    alpha = np.ascontiguousarray(samples[:, :, colours]) if samples.shape[2] > colours else None
    if page.photometric == 3:
        palette = (np.asarray(page.colormap).T >> 8).astype(np.uint8)
        return palette[samples[:, :, 0].astype(np.uint8)], alpha, palette
    if page.bitspersample in (1, 2, 4):
        samples = samples.astype(np.uint8)
        samples *= 255 // (2**page.bitspersample - 1)
    pixels = np.ascontiguousarray(samples[:, :, :colours])
    return np.invert(pixels, out=pixels) if page.photometric == 0 else pixels, alpha, None


def _coding(first: Directory, page: Any) -> TiffCoding:
    return TiffCoding(
        compression=int(page.compression),
        predictor=int(page.predictor),
        rows=None if page.is_tiled else int(page.rowsperstrip),
        tile=(int(page.tilelength), int(page.tilewidth)) if page.is_tiled else None,
        big=first.big,
        white_is_zero=page.photometric == 0,
        extra=int(page.extrasamples[0]) if page.extrasamples else 0,
    )


def encode(picture: Picture, file: BinaryIO, note: Note) -> None:
    """Write a TIFF with the compression of the TIFF that was read, else deflate; lossy compressions become deflate."""
    coding = picture.coding if isinstance(picture.coding, TiffCoding) else TiffCoding()
    if coding.compression in _FAX and picture.is_bilevel:
        _write_fax(picture, coding, file)
    else:
        _write_samples(picture, coding, file, note)
    first = parse_directory(file)
    tags = {code: tag for code, tag in first.tags.items() if code in _LAYOUT} | _tags(picture)
    if coding.white_is_zero and picture.pixels.shape[2] == 1:
        tags[262] = Tag(3, b"\0\0")
    start = file.seek(0, io.SEEK_END)
    start += file.write(bytes(start % 2))
    file.write(build_directory(tags, start, big=first.big))
    file.seek(8 if first.big else 4)
    file.write(struct.pack("<Q" if first.big else "<L", start))


def _write_fax(picture: Picture, coding: TiffCoding, file: BinaryIO) -> None:
    from PIL import Image

    draft = io.BytesIO()
    white = picture.pixels[:, :, 0] > 0
    Image.fromarray(~white if coding.white_is_zero else white).save(draft, "TIFF", compression=_FAX[coding.compression])
    file.write(draft.getbuffer())


def _write_samples(picture: Picture, coding: TiffCoding, file: BinaryIO, note: Note) -> None:
    import tifffile

    options: dict[str, Any] = {"photometric": "minisblack" if picture.pixels.shape[2] == 1 else "rgb"}
    indices = picture.indices() if picture.palette is not None and picture.palette.shape[1] == 3 else None
    samples = picture.to_array()
    if picture.is_bilevel:
        samples = samples > 0
    elif indices is not None and picture.palette is not None:
        colours = np.zeros((3, 256), np.uint16)
        colours[:, : len(picture.palette)] = picture.palette.T.astype(np.uint16) * 257
        samples, options = indices, {"photometric": "palette", "colormap": colours}
    elif picture.alpha is not None:
        options |= {"extrasamples": [coding.extra], "planarconfig": "contig"}
    if coding.white_is_zero and options["photometric"] == "minisblack":
        samples = samples.copy()
        np.invert(samples[..., :1] if samples.ndim == 3 else samples, out=samples[..., :1] if samples.ndim == 3 else samples)
    compression, predictor = coding.compression, coding.predictor
    if compression not in _EXACT:
        if compression not in _FAX:
            note("its lossy compression inside TIFF became deflate, which keeps the pixels exactly")
        compression, predictor = 8, 1
    if compression == 1 or samples.dtype == bool or options["photometric"] == "palette":
        predictor = 1
    elif predictor != 1:
        predictor = 3 if samples.dtype == np.float32 else 2
    if coding.tile is not None:
        options["tile"] = coding.tile
    elif coding.rows is not None and coding.rows < picture.height and coding.rows * samples[0].nbytes <= _AT_ONCE:
        options["rowsperstrip"] = coding.rows
    big = coding.big or samples.nbytes > 2**32 - 2**26
    with tifffile.TiffWriter(file, bigtiff=big, byteorder="<") as tif:
        tif.write(samples, **options, compression=compression, predictor=predictor, metadata=None, software=False, buffersize=_AT_ONCE)


def _tags(picture: Picture) -> dict[int, Tag]:
    """Return the tags that describe the picture: those of its EXIF block, ICC, XMP, IPTC and resolution."""
    tags: dict[int, Tag] = {}
    if picture.exif is not None:
        block = parse_directory(io.BytesIO(picture.exif)).tags
        tags = {code: tag for code, tag in block.items() if code not in _LAYOUT}
    blobs = {700: picture.xmp, 33723: picture.iptc, 34377: picture.photoshop, 34675: picture.icc}
    tags |= {code: Tag(_BLOBS[code], data) for code, data in blobs.items() if data}
    if picture.dpi is not None:
        unit = {2: 1.0, 3: 2.54}.get(int((numbers(tags.get(296)) or [2])[0]), 0.0)
        known = [value * unit for code in (282, 283) for value in numbers(tags.get(code))[:1]]
        if len(known) < 2 or not np.allclose(known, picture.dpi, rtol=1e-3):
            for code, dots in zip((282, 283), picture.dpi, strict=True):
                tags[code] = rational(dots)
            tags[296] = Tag(3, b"\2\0")
    return tags
