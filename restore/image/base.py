"""Picture, its errors, and what several file formats share: tag directories (EXIF, TIFF) and CMYK."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, NamedTuple

import numpy as np

Note = Callable[[str], None]  # receives what a file format could not keep, in one line


class ImageError(ValueError):
    """A picture cannot be read, held or written; the message is one line."""


class ImageWarning(UserWarning):
    """A picture was read or written, and something about it had to change."""


WIDE, TALL = 1, 3
"""Kinds of chroma subsampling of which one is the other on its side: see ``JpegCoding``."""


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG was compressed, to compress it the same way again.

    `tables` are the quantisation tables of the components, the last one for all that follow, or none: quality 95; `sampling` is Pillow's
    0 (4:4:4), 1 (4:2:2), 2 (4:2:0), and beside it 3 (4:4:0: 4:2:2 on its side) and -1 (another one), which Pillow cannot write: all chroma
    is kept then; `segments` are foreign (marker, data) segments, kept as they are.
    """

    tables: tuple[tuple[int, ...], ...] = ()
    sampling: int = 0
    progressive: bool = False
    rgb: bool = False
    segments: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True)
class PngCoding:
    """What the samples of a PNG are: bits (8 of palettes, whatever their indices have), and the colour type of its header."""

    depth: int
    colour: int


@dataclass(frozen=True)
class TiffCoding:
    """How the samples lie in a TIFF, in the numbers of the TIFF 6.0 tags; `extra` is the kind of the extra sample (0, 1 or 2)."""

    compression: int = 8
    predictor: int = 2
    rows: int | None = None
    tile: tuple[int, int] | None = None
    big: bool = False
    white_is_zero: bool = False
    extra: int = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """The pixels of one file in its own integers, upright, with everything else that the file says.

    Attributes:
        pixels: (H, W, C), C = 1 (grey) or 3 (RGB), uint8, uint16 or float32 (white at 1.0).
        alpha: (H, W) of the same type, or None.
        format: Name of the file format, for example "PNG", or None.
        icc: ICC profile.
        exif: EXIF block from its byte-order mark on: orientation 1, no thumbnail.
        xmp: XMP packet.
        iptc: IPTC-IIM records.
        photoshop: Photoshop image resources without thumbnails.
        dpi: Horizontal and vertical dots per inch.
        palette: (N, 3) or (N, 4) uint8 colours that the file indexes; used again when the pixels still fit.
        bits: 1 for a bilevel file, written so again when the pixels are still black and white.
        lossless: Whether the file kept its samples exactly (PNG, BMP, most TIFF, some WebP); None for arrays.
        coding: What the format needs to be written as it was.
        chunks: Further PNG chunks, (kind, data).

    Raises:
        ImageError: Shape or type of the pixels or of alpha is none of the above, or a side is zero.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    format: str | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    photoshop: bytes | None = None
    dpi: tuple[float, float] | None = None
    palette: np.ndarray | None = None
    bits: int | None = None
    lossless: bool | None = None
    coding: JpegCoding | PngCoding | TiffCoding | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()

    def __post_init__(self) -> None:
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if dtype not in (np.uint8, np.uint16, np.float32):
            raise ImageError(f"pixels of type {dtype}: expected uint8, uint16 or float32")
        if len(shape) != 3 or shape[2] not in (1, 3):
            raise ImageError(f"pixels of shape {shape}: expected (height, width, 1 or 3)")
        if 0 in shape:
            raise ImageError(f"picture of {shape[1]} x {shape[0]} pixels: expected at least 1 x 1")
        if self.alpha is not None and (self.alpha.shape != shape[:2] or self.alpha.dtype != dtype):
            raise ImageError(f"alpha is {self.alpha.dtype} {self.alpha.shape}: expected {dtype} {shape[:2]} as the pixels")

    @classmethod
    def from_array(cls, array: np.ndarray) -> Picture:
        """Make a picture of an array (H, W) or (H, W, C): C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.

        Raises:
            ImageError: The array is not of such a shape, is empty, or is none of uint8, uint16 and float32.

        >>> Picture.from_array(np.zeros((4, 6, 4), np.uint8)).pixels.shape
        (4, 6, 3)
        """
        array = np.asarray(array)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
            raise ImageError(f"array of shape {array.shape}: expected (height, width) or (height, width, 1 to 4)")
        if array.ndim == 2:
            return cls(pixels=array[:, :, None])
        if array.shape[2] in (1, 3):
            return cls(pixels=array)
        return cls(pixels=np.ascontiguousarray(array[:, :, :-1]), alpha=np.ascontiguousarray(array[:, :, -1]))

    def to_array(self) -> np.ndarray:
        """Return (H, W) for grey, (H, W, 2) for grey and alpha, (H, W, 3) for RGB, (H, W, 4) for RGB and alpha.

        >>> Picture.from_array(np.zeros((4, 6, 1), np.uint8)).to_array().shape
        (4, 6)
        """
        if self.alpha is not None:
            return np.dstack((self.pixels, self.alpha))
        return self.pixels[:, :, 0] if self.pixels.shape[2] == 1 else self.pixels

    def replace(self, *, pixels: np.ndarray | None = None, alpha: np.ndarray | None = None) -> Picture:
        """Return the same picture with new samples of the same shape and type.

        Raises:
            ImageError: Shape or type differ, or there was no alpha.
        """
        for name, new, old in (("pixels", pixels, self.pixels), ("alpha", alpha, self.alpha)):
            if new is not None and (old is None or new.shape != old.shape or new.dtype != old.dtype):
                expected = "none" if old is None else f"{old.dtype} {old.shape}"
                raise ImageError(f"new {name}: {new.dtype} {new.shape}, expected {expected}")
        return dataclasses.replace(self, pixels=self.pixels if pixels is None else pixels, alpha=self.alpha if alpha is None else alpha)

    @property
    def height(self) -> int:
        """Rows."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.pixels.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return self.pixels.dtype

    @property
    def is_linear(self) -> bool:
        """Whether the samples are proportional to light: every tone curve of the ICC profile is the identity."""
        return self.icc is not None and linear_profile(self.icc)

    @property
    def seen(self) -> np.ndarray | None:
        """(H, W) bool, all that is not fully transparent; None: all of it."""
        return None if self.alpha is None else self.alpha > 0

    @property
    def is_bilevel(self) -> bool:
        """Whether the file had 1 bit per pixel and the pixels are still black or white."""
        if self.bits != 1 or self.alpha is not None or self.pixels.shape[2] != 1 or self.dtype != np.uint8:
            return False
        return bool(np.isin(self.pixels, (0, 255)).all())

    def resources(self) -> bytes | None:
        """Return the Photoshop image resources with the IPTC records among them."""
        if self.iptc is None:
            return self.photoshop
        record = struct.pack(">4sHHL", b"8BIM", 0x0404, 0, len(self.iptc)) + self.iptc + bytes(len(self.iptc) % 2)
        known = self.photoshop or b""
        return known if record in known else known + record

    def indices(self) -> np.ndarray | None:
        """Return the (H, W) uint8 palette indices, or None where a pixel has no colour of the palette."""
        if self.palette is None or self.dtype != np.uint8 or (self.alpha is not None) != (self.palette.shape[1] == 4):
            return None
        planes = [*np.moveaxis(np.broadcast_to(self.pixels, (*self.shape, 3)), 2, 0), *([] if self.alpha is None else [self.alpha])]
        packed = np.zeros(self.shape, np.uint32)
        keys = np.zeros(len(self.palette), np.uint32)
        for plane, column in zip(planes, self.palette.T, strict=True):
            packed = packed << 8 | plane
            keys = keys << 8 | column
        keys, first = np.unique(keys, return_index=True)
        found = np.searchsorted(keys, packed).clip(max=len(keys) - 1)
        return first.astype(np.uint8)[found] if np.array_equal(keys[found], packed) else None


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture without pixels or with too many of them, before they are decoded.

    Raises:
        ImageError: A side is zero or there are more than `max_pixels` pixels.
    """
    if width < 1 or height < 1:
        raise ImageError(f"a picture of {width} x {height} pixels: expected at least 1 x 1")
    if width * height > max_pixels:
        raise ImageError(f"{width} x {height} pixels are more than the limit of {max_pixels} (max_pixels)")


def linear_profile(icc: bytes) -> bool:
    """Return whether all tone curves of an ICC profile (ICC.1:2022, curv and para) are the identity; False where it has none."""
    try:
        count = struct.unpack_from(">L", icc, 128)[0]
        entries = [struct.unpack_from(">4sLL", icc, 132 + 12 * i) for i in range(min(count, 100))]
        curves = [icc[at : at + size] for name, at, size in entries if name in (b"rTRC", b"gTRC", b"bTRC", b"kTRC")]
        return bool(curves) and all(_is_identity(curve) for curve in curves)
    except struct.error:
        return False


def _is_identity(curve: bytes) -> bool:
    if curve[:4] == b"curv":
        count = struct.unpack_from(">L", curve, 8)[0]
        points = np.frombuffer(curve, ">u2", offset=12)[:count]
        if count < 2:
            return count == 0 or points.tolist() == [256]
        return len(points) == count and bool(np.abs(points - np.linspace(0, 65535, count)).max() < 33)
    if curve[:4] != b"para":
        return False
    kind = struct.unpack_from(">H", curve, 8)[0]
    g, *rest = (np.frombuffer(curve, ">i4", offset=12) / 65536).tolist()
    a, b, c, d, e, f = ([*rest, 0, 0, 0, 0, 0, 0] if kind else [1, 0, 0, 0, 0, 0])[:6]
    if kind in (1, 2):  # (a x + b)^g + c above -b / a, c below
        c, d, e, f = 0, -b / a if a else 0, c, c
    x = np.linspace(0, 1, 257)
    y = np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)
    return bool(np.abs(y - x).max() < 5e-4)


def from_cmyk(samples: np.ndarray, icc: bytes | None, note: Note) -> np.ndarray:
    """Convert (H, W, 4) uint8 or uint16 ink amounts to sRGB of the same depth, through the ICC profile where it works."""
    import imagecodecs

    if icc is not None:
        try:
            srgb = imagecodecs.cms_profile("srgb")
            converted = imagecodecs.cms_transform(
                samples, icc, srgb, colorspace="cmyk", outcolorspace="rgb", outdtype=samples.dtype, intent=1, flags=0x2000
            )
            note("CMYK was converted to sRGB through its ICC profile")
            return converted
        except Exception as error:
            note(f"CMYK was converted to RGB without its ICC profile ({' '.join(str(error).split())})")
    else:
        note("CMYK was converted to RGB by formula: it has no ICC profile")
    full = np.iinfo(samples.dtype).max
    paper = full - samples[:, :, 3:].astype(np.uint32)
    return ((full - samples[:, :, :3]) * paper // full).astype(samples.dtype)


class Tag(NamedTuple):
    """One entry of a tag directory: type number, value in little-endian bytes or a directory, place of the value in the file."""

    type: int
    data: bytes | dict[int, Tag]
    at: int = 0


class Directory(NamedTuple):
    """The first tag directory of a TIFF or EXIF block; `link` is the place of the offset of the next one."""

    tags: dict[int, Tag]
    order: str
    big: bool
    link: int
    next: int


_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_POINTERS = (34665, 34853, 40965)  # EXIF, GPS, interoperability
_OPAQUE = (700, 33723, 34377, 34675)  # bytes whatever their type says: XMP, IPTC, Photoshop, ICC


def numbers(tag: Tag | None) -> list[float]:
    """Return the values of a numeric tag; rationals are divided, an absent tag has none.

    >>> numbers(Tag(5, struct.pack("<LL", 300, 2)))
    [150.0]
    """
    code = "" if tag is None else {1: "B", 3: "H", 4: "L", 5: "L", 8: "h", 9: "l", 13: "L", 16: "Q", 18: "Q"}.get(tag.type, "")
    if tag is None or not code or isinstance(tag.data, dict):
        return []
    values = list(struct.unpack(f"<{len(tag.data) // struct.calcsize('<' + code)}{code}", tag.data))
    return [a / b if b else 0.0 for a, b in zip(values[::2], values[1::2], strict=False)] if tag.type == 5 else values


def rational(value: float) -> Tag:
    """Return a tag that says a number from 0 to 2**31, as nearly as a denominator of at most 10,000 and 32 bits can."""
    ratio = Fraction(value).limit_denominator(min(10_000, int((2**32 - 1) // (value + 1))))
    return Tag(5, struct.pack("<LL", ratio.numerator, ratio.denominator))


def parse_directory(file: BinaryIO, start: int | None = None) -> Directory:
    """Read the directory at `start` (default: the first one) of a TIFF, BigTIFF or EXIF block; unreadable entries are left out.

    Raises:
        ImageError: There is no directory.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    try:
        big = struct.unpack_from(order + "H", head, 2)[0] == 43
        if start is None:
            start = struct.unpack_from(order + ("Q" if big else "L"), head, 8 if big else 4)[0]
        tags, link, following = _parse(file, start, order, big)
    except (struct.error, OverflowError):
        raise ImageError("the tag directory is damaged or cut off") from None
    return Directory(tags, order, big, link, following)


def _parse(file: BinaryIO, start: int, order: str, big: bool, depth: int = 0) -> tuple[dict[int, Tag], int, int]:
    file.seek(start)
    count = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))[0]
    entry, word, pointer = (20, 8, "Q") if big else (12, 4, "L")
    first = start + (8 if big else 2)
    if count > 65535:
        raise struct.error("too many entries")
    table = file.read(entry * count + word)
    tags: dict[int, Tag] = {}
    for i in range(count):
        code, kind, number = struct.unpack_from(order + "HH" + pointer, table, entry * i)
        size = _SIZES.get(kind, 0) * number
        at = first + entry * i + 4 + word
        if size > word:
            at = struct.unpack_from(order + pointer, table, entry * i + 4 + word)[0]
        file.seek(at)
        data = file.read(size) if size < 1 << 31 else b""
        if not size or len(data) < size:
            continue
        if order == ">" and code not in _OPAQUE:
            unit = 4 if kind in (5, 10) else _SIZES[kind]
            data = np.frombuffer(data, f"V{unit}").view(np.uint8).reshape(-1, unit)[:, ::-1].tobytes()
        tags[code] = Tag(kind, data, at)
        if code in _POINTERS and depth < 2:
            target = int(numbers(tags[code])[0]) if numbers(tags[code]) else 0
            try:
                tags[code] = Tag(kind, _parse(file, target, order, big, depth + 1)[0], at)
            except (struct.error, OverflowError):
                del tags[code]
    return tags, first + entry * count, struct.unpack_from(order + pointer, table, entry * count)[0]


def build_directory(tags: dict[int, Tag], start: int, *, big: bool = False) -> bytes:
    """Lay out a little-endian tag directory that will stand at byte `start`, with its values and directories behind it."""
    pointer, word = ("<Q", 8) if big else ("<L", 4)
    values = bytearray()
    table = struct.pack("<Q" if big else "<H", len(tags))
    behind = start + len(table) + (20 if big else 12) * len(tags) + word
    for code, tag in sorted(tags.items()):
        kind, data = tag.type, tag.data
        if isinstance(data, dict):
            place = behind + len(values)
            values += build_directory(data, place, big=big)
            kind, data = (16, struct.pack("<Q", place)) if big else (4, struct.pack("<L", place))
        if kind > 13 and not big:
            kind, data = 4, np.frombuffer(data, "<u8").astype("<u4").tobytes()
        table += struct.pack("<HH" + pointer[1], code, kind, len(data) // _SIZES[kind])
        if len(data) > word:
            table += struct.pack(pointer, behind + len(values))
            values += data + bytes(len(data) % 2)
        else:
            table += data.ljust(word, b"\0")
    return table + bytes(word) + bytes(values)


def build_exif(tags: dict[int, Tag]) -> bytes:
    """Lay out an EXIF block with these tags in its first directory."""
    return b"II*\0" + struct.pack("<L", 8) + build_directory(tags, 8)
