"""Metadata after reading: the orientation is applied once, IPTC is found, thumbnails of the old pixels go."""

from __future__ import annotations

import dataclasses
import io
import re
import struct

import numpy as np

from restore.image.base import TALL, WIDE, Directory, ImageError, JpegCoding, Note, Picture, Tag, numbers, parse_directory

FINEST = (2**31 - 1) * 0.0254
"""Dots per inch that a file can say, at most: so many dots per metre has PNG room for."""
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|\s*>\s*))([1-8])")
_XMP_SIZE = re.compile(rb"((?:tiff:Image(Width|Length)|exif:Pixel([XY])Dimension)(?:\s*=\s*[\"']|\s*>\s*))\d+")


def settle(picture: Picture, note: Note) -> Picture:
    """Turn a picture as its EXIF (or else XMP) orientation says, reset the tag, drop thumbnails, fill in IPTC and resolution."""
    photoshop, iptc = split_resources(picture.photoshop or b"")
    exif, orientation, dpi = _exif(picture.exif, note)
    xmp = picture.xmp
    if xmp is not None:
        said = _XMP_ORIENTATION.search(xmp)
        orientation = orientation or (int(said[2]) if said else 0)
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
    dpi = possible(picture.dpi, note) or possible(dpi, note)
    coding = picture.coding
    if orientation >= 5:
        xmp = _sized_xmp(xmp, *picture.shape[::-1])
        dpi = dpi[::-1] if dpi else None
        coding = _on_its_side(coding) if isinstance(coding, JpegCoding) else coding
    return dataclasses.replace(
        picture,
        pixels=turn(picture.pixels, orientation),
        alpha=None if picture.alpha is None else turn(picture.alpha, orientation),
        exif=exif,
        xmp=xmp,
        iptc=picture.iptc or iptc,
        photoshop=photoshop,
        dpi=dpi,
        coding=coding,
    )


def _on_its_side(coding: JpegCoding) -> JpegCoding:
    """How to compress a picture on its side as it was compressed: with tables on their side, lest every block is rounded anew."""
    tables = tuple(tuple(np.reshape(table, (8, 8)).T.ravel().tolist()) for table in coding.tables)
    return dataclasses.replace(coding, tables=tables, sampling={WIDE: TALL, TALL: WIDE}.get(coding.sampling, coding.sampling))


def turn(array: np.ndarray, orientation: int) -> np.ndarray:
    """Bring stored rows and columns (H, W, ...) into the displayed order for an EXIF orientation 1 to 8 (0 as 1)."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def possible(dpi: tuple[float, float] | None, note: Note) -> tuple[float, float] | None:
    """Return a resolution that files can say, or None, with a note unless a 0 says that it is not known."""
    if dpi is None or all(0 < dots <= FINEST for dots in dpi):
        return dpi
    if 0 not in dpi:
        note(f"{dpi[0]:g} x {dpi[1]:g} dots per inch are no resolution: left out")
    return None


def split_resources(blocks: bytes) -> tuple[bytes | None, bytes | None]:
    """Return Photoshop image resources without thumbnails, and the IPTC records among them."""
    kept, iptc, at = b"", None, 0
    while at + 12 <= len(blocks) and blocks[at : at + 4] in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"):
        code = int.from_bytes(blocks[at + 4 : at + 6], "big")
        value = at + 6 + (blocks[at + 6] // 2 + 1) * 2 + 4
        size = int.from_bytes(blocks[value - 4 : value], "big")
        end = value + size + size % 2
        if code == 0x0404:
            iptc = blocks[value : value + size]
        if code not in (0x0409, 0x040C):  # thumbnails
            kept += blocks[at:end]
        at = end
    return kept or None, iptc


def _exif(exif: bytes | None, note: Note) -> tuple[bytes | None, int, tuple[float, float] | None]:
    """Return the EXIF block with orientation 1 and without thumbnail, the orientation it had (0: none said), and its dpi."""
    if not exif:
        return None, 0, None
    exif = exif.removeprefix(b"Exif\0\0")
    try:
        first = parse_directory(io.BytesIO(exif))
    except ImageError:
        note("the EXIF block is damaged and was left out")
        return None, 0, None
    block = bytearray(exif)
    said = numbers(first.tags.get(274))
    orientation = int(said[0]) if said and said[0] in range(1, 9) else 0
    if said:
        _patch(block, first, first.tags[274], 1)
    if orientation >= 5:
        inner = first.tags[34665].data if 34665 in first.tags else {}
        _swap(block, first.tags, 256, 257)
        _swap(block, first.tags, 282, 283)
        _swap(block, inner if isinstance(inner, dict) else {}, 40962, 40963)
    _drop_thumbnail(block, first)
    x, y, unit = (numbers(first.tags.get(code)) for code in (282, 283, 296))
    inches = {2: 1.0, 3: 2.54}.get(int(unit[0]) if unit else 2)
    dpi = (x[0] * inches, y[0] * inches) if x and y and inches else None
    return bytes(block), orientation, dpi


def resized(picture: Picture) -> Picture:
    """Return a picture whose EXIF and XMP say its size, where they say one."""
    height, width = picture.shape
    return dataclasses.replace(picture, exif=_sized_exif(picture.exif, height, width), xmp=_sized_xmp(picture.xmp, height, width))


def _sized_exif(exif: bytes | None, height: int, width: int) -> bytes | None:
    if not exif:
        return exif
    block, first = bytearray(exif), parse_directory(io.BytesIO(exif))
    inner = first.tags[34665].data if 34665 in first.tags else {}
    sized = [(first.tags, 256, width), (first.tags, 257, height)]
    if isinstance(inner, dict):
        sized += [(inner, 40962, width), (inner, 40963, height)]
    for tags, code, value in sized:
        if code in tags:
            _patch(block, first, tags[code], value)
    return bytes(block)


def _sized_xmp(xmp: bytes | None, height: int, width: int) -> bytes | None:
    if not xmp:
        return xmp
    return _XMP_SIZE.sub(lambda said: said[1] + str(width if said[2] == b"Width" or said[3] == b"X" else height).encode(), xmp)


def _patch(block: bytearray, directory: Directory, tag: Tag, value: int) -> None:
    code = {1: "B", 3: "H", 4: "L"}.get(tag.type)
    if code:
        struct.pack_into(directory.order + code, block, tag.at, value)


def _swap(block: bytearray, tags: dict[int, Tag], one: int, other: int) -> None:
    """Exchange the values of two tags of one type where they stand."""
    a, b = tags.get(one), tags.get(other)
    if a and b and a.type == b.type and len(a.data) == len(b.data):
        size = len(a.data)
        block[a.at : a.at + size], block[b.at : b.at + size] = block[b.at : b.at + size], block[a.at : a.at + size]


def _drop_thumbnail(block: bytearray, first: Directory) -> None:
    if not first.next:
        return
    struct.pack_into(first.order + "L", block, first.link, 0)
    try:
        second = parse_directory(io.BytesIO(block), first.next)
    except ImageError:
        return
    for place, length in ((513, 514), (273, 279)):
        for at, size in zip(numbers(second.tags.get(place)), numbers(second.tags.get(length)), strict=False):
            end = min(int(at + size), len(block))
            if end == len(block):
                del block[int(at) :]
            else:
                block[int(at) : end] = bytes(max(0, end - int(at)))
