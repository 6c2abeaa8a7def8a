"""Pictures from files and back, with all that the files say: `read`, `Picture`, `write`."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import BinaryIO, NamedTuple

import numpy as np

from restore.image import jpeg, png, simple, tiff
from restore.image.base import ImageError, ImageWarning, JpegCoding, Note, Picture, TiffCoding
from restore.image.files import Source, Target, check_place, name_of, opened, reason_of, replacing
from restore.image.settle import possible, settle
from restore.levels import from_float, full_scale, to_float, to_linear, to_srgb

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "FORMATS",
    "SUFFIXES",
    "ImageError",
    "ImageWarning",
    "JpegCoding",
    "Picture",
    "TiffCoding",
    "check_target",
    "drafted",
    "from_float",
    "full_scale",
    "put",
    "read",
    "to_float",
    "to_linear",
    "to_srgb",
    "write",
]

DEFAULT_MAX_PIXELS = 300_000_000


class Format(NamedTuple):
    """A file format: how to read and write it, and what it can hold."""

    suffixes: tuple[str, ...]
    decode: Callable[[BinaryIO, int, Note], Picture]
    encode: Callable[[Picture, BinaryIO, Note], None]
    dtypes: tuple[type[np.generic], ...]
    alpha: bool
    holds: frozenset[str]
    largest: int  # pixels on one side


_ALL = frozenset(("icc", "exif", "xmp", "iptc", "dpi"))
FORMATS: dict[str, Format] = {
    "PNG": Format((".png",), png.decode, png.encode, (np.uint8, np.uint16), True, _ALL | {"chunks"}, 2**31 - 1),
    "JPEG": Format((".jpg", ".jpeg", ".jpe", ".jfif"), jpeg.decode, jpeg.encode, (np.uint8,), False, _ALL, 65500),
    "WEBP": Format((".webp",), simple.decode_webp, simple.encode_webp, (np.uint8,), True, _ALL - {"iptc"}, 16383),
    "TIFF": Format((".tif", ".tiff"), tiff.decode, tiff.encode, (np.uint8, np.uint16, np.float32), True, _ALL, 2**31 - 1),
    "BMP": Format((".bmp", ".dib"), simple.decode_bmp, simple.encode_bmp, (np.uint8,), True, frozenset({"dpi"}), 2**31 - 1),
    "AVIF": Format((".avif",), simple.decode_avif, simple.encode_avif, (np.uint8,), True, _ALL - {"iptc"}, 65535),
}
_BY_SUFFIX = {suffix: name for name, form in FORMATS.items() for suffix in form.suffixes}
SUFFIXES = frozenset(_BY_SUFFIX)

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
}
_REFUSED = {
    b"GIF8": "GIF",
    b"8BPS": "Photoshop PSD",
    b"%PDF": "PDF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"v/1\x01": "OpenEXR",
    b"<svg": "SVG",
    b"FUJIFILMCCD-RAW": "raw camera data",
    b"IIRO": "raw camera data",
    b"IIRS": "raw camera data",
    b"IIU\0": "raw camera data",
    b"FOVb": "raw camera data",
    b"\0MRM": "raw camera data",
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"crx ": "raw camera data"}
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_NAMES = {"icc": "ICC profile", "exif": "EXIF", "xmp": "XMP", "iptc": "IPTC", "dpi": "resolution", "chunks": "PNG text and colour chunks"}


def read(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Read a picture, upright and in the file's own integers, with its metadata.

    The first bytes decide what it is, not its name. What cannot be kept is said in an `ImageWarning`.

    Args:
        source: Path, bytes, or binary stream.
        max_pixels: Most pixels (width x height) to decode.

    Raises:
        ImageError: It is missing, not a picture, damaged, too large, or holds what a Picture cannot (several pages, raw data);
            one line that begins with its name.
        TypeError: `source` is none of the above.
    """
    name = name_of(source)

    def note(text: str) -> None:
        warnings.warn(f"{name}: {text}", ImageWarning, stacklevel=4)

    try:
        with opened(source) as file:
            return _decode(file, max_pixels, note)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error


def _decode(file: BinaryIO, max_pixels: int, note: Note) -> Picture:
    try:
        head = file.read(64)
        file.seek(0)
        return settle(FORMATS[_kind(head)].decode(file, max_pixels, note), note)
    except (ImageError, ImageWarning):
        raise
    except MemoryError as error:
        raise ImageError("not enough memory to decode it") from error
    except Exception as error:  # decoders raise whatever a damaged file makes of them
        raise ImageError(f"damaged, or of a kind that cannot be decoded: {reason_of(error)}") from error


def _kind(head: bytes) -> str:
    """Return the name of the format that these first bytes begin."""
    if not head:
        raise ImageError("is empty")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:4] in (b"II*\0", b"MM\0*") and head[8:10] == b"CR":
        raise ImageError("raw camera data: develop it to a 16-bit TIFF first")
    known = next((name for start, name in (_STARTS | _REFUSED).items() if head.lstrip(b"\xef\xbb\xbf \n").startswith(start)), "")
    if head[4:8] == b"ftyp":
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = [head[8:12], *(head[i : i + 4] for i in range(16, size, 4))]
        known = next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "HEIC" if set(brands) & set(_HEIF) else "")
    if known in FORMATS:
        return known
    if known:
        hint = "develop it to a 16-bit TIFF first" if known.startswith("raw") else "convert it first"
        raise ImageError(f"{known} cannot be read: {hint}; expected {', '.join(FORMATS)}")
    raise ImageError(f"is not a picture, or of an unknown format: expected {', '.join(FORMATS)}")


def write(picture: Picture, target: Target, *, format: str | None = None) -> None:
    """Write a picture with its metadata; a path is replaced atomically and keeps its permissions.

    Lossless formats get the pixels bit for bit. JPEG uses the tables and subsampling of the JPEG that was read, else quality 95, 4:4:4.
    WebP is lossless unless the picture comes from a lossy file. A format without the picture's depth gets the nearest one; that, and
    metadata that it cannot hold, is said in an `ImageWarning`.

    Args:
        picture: What to write.
        target: Path, or binary stream.
        format: "PNG", "JPEG", ...; by default what the suffix of the path says, or else the picture's own.

    Raises:
        ImageError: The format is unknown or cannot hold the picture (alpha in JPEG), or the target cannot be written; nothing changed then.
        TypeError: `target` is none of the above.
    """
    if isinstance(target, str | os.PathLike):
        with drafted(picture, target, format=format):
            return
    if not hasattr(target, "write"):
        raise TypeError(f"cannot write a picture to {type(target).__name__}: expected a path or a binary stream")
    with _named(target) as note:
        kind = _kind_of_target("", picture, format)
        _check_fit(picture, kind)
        draft = io.BytesIO()
        _encode(picture, kind, draft, note)
        target.write(draft.getbuffer())


@contextlib.contextmanager
def drafted(content: Picture | bytes, target: str | os.PathLike[str], *, format: str | None = None, replace: bool = True) -> Iterator[None]:
    """Write a picture as `write` does, but let the file take its place only when the block ends; on any error in it nothing changes.

    Args:
        content: The picture, or the bytes of a file.
        target: Path.
        format: As for `write`.
        replace: Take the place of a file that exists by then.

    Raises:
        ImageError: As for `write`.
        FileExistsError: There is one, and ``replace`` is false.
    """
    with contextlib.ExitStack() as draft:
        with _named(target) as note:
            if isinstance(content, bytes):
                draft.enter_context(replacing(target, replace=replace)).write(content)
            else:
                kind = _kind_of_target(target, content, format)
                _check_fit(content, kind)
                _encode(content, kind, draft.enter_context(replacing(target, replace=replace)), note)
        yield
        with _named(target):
            draft.close()


def put(content: bytes, target: str | os.PathLike[str]) -> None:
    """Write bytes as a file that takes its place at once, as `write` does.

    Raises:
        ImageError: The place cannot be written; nothing changed then.
    """
    with drafted(content, target):
        return


@contextlib.contextmanager
def _named(target: Target) -> Iterator[Note]:
    """Give what says a note on a target, and put its name before each error."""
    name = name_of(target)
    try:
        yield lambda text: warnings.warn(f"{name}: {text}", ImageWarning, stacklevel=4)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except FileExistsError:
        raise
    except OSError as error:
        raise ImageError(f"{name}: cannot be written: {reason_of(error)}") from error


def check_target(path: str | os.PathLike[str], picture: Picture | None = None) -> None:
    """Check before the work that `write` will be able to write `path`, and this picture there.

    Raises:
        ImageError: The suffix is unknown, the place cannot be written, or the format cannot hold the picture.
    """
    try:
        kind = _kind_of_target(path, picture, None)
        if picture is not None:
            _check_fit(picture, kind)
        check_place(path)
    except ImageError as error:
        raise ImageError(f"{name_of(path)}: {error}") from error


def _kind_of_target(path: str | os.PathLike[str], picture: Picture | None, given: str | None) -> str:
    suffix = PurePath(path).suffix.lower()
    if given is not None:
        kind = given.upper() if given.upper() in FORMATS else _BY_SUFFIX.get(f".{given.lower()}", "")
        if not kind:
            raise ImageError(f"format {given!r} cannot be written: expected {', '.join(FORMATS)}")
        return kind
    if suffix:
        if suffix not in _BY_SUFFIX:
            raise ImageError(f"the suffix {suffix!r} names no format that can be written: expected {', '.join(sorted(SUFFIXES))}")
        return _BY_SUFFIX[suffix]
    if picture is None or picture.format not in FORMATS:
        raise ImageError(f"nothing says the format to write: expected a suffix or one of {', '.join(FORMATS)}")
    return picture.format


def _check_fit(picture: Picture, kind: str) -> None:
    form = FORMATS[kind]
    if picture.alpha is not None and not form.alpha:
        others = ", ".join(name for name, other in FORMATS.items() if other.alpha)
        raise ImageError(f"{kind} cannot hold an alpha channel: expected one of {others}")
    if max(picture.shape) > form.largest:
        raise ImageError(f"{kind} cannot hold {picture.width} x {picture.height} pixels: expected at most {form.largest} on a side")


def _encode(picture: Picture, kind: str, file: BinaryIO, note: Note) -> None:
    try:
        FORMATS[kind].encode(_fitted(picture, kind, note), file, note)
    except (ImageError, ImageWarning, OSError):
        raise
    except MemoryError as error:
        raise ImageError("not enough memory to encode it") from error
    except Exception as error:  # encoders raise whatever they like
        raise ImageError(f"cannot be encoded as {kind}: {reason_of(error)}") from error


def _fitted(picture: Picture, kind: str, note: Note) -> Picture:
    """Return the picture as the format can hold it, and say what had to go."""
    form = FORMATS[kind]
    lost = [_NAMES[field] for field in sorted(set(_NAMES) - form.holds) if _matters(picture, field)]
    segments = isinstance(picture.coding, JpegCoding) and picture.coding.segments
    if segments and kind != "JPEG":
        lost.append("JPEG comments and foreign segments")
    if lost:
        note(f"{kind} cannot hold {', '.join(lost)}: left out")
    if isinstance(picture.coding, TiffCoding) and picture.alpha is not None and kind != "TIFF":
        picture = _with_plain_alpha(picture, picture.coding, note)
    picture = dataclasses.replace(picture, dpi=possible(picture.dpi, note))
    if picture.dtype not in form.dtypes:
        dtype = np.dtype(form.dtypes[-1])
        note(f"{kind} cannot hold {picture.dtype} samples: written as {dtype}" + (", clipped to 0 ... 1" * (picture.dtype == np.float32)))
        alpha = None if picture.alpha is None else _rescaled(picture.alpha, dtype)
        picture = dataclasses.replace(picture, pixels=_rescaled(picture.pixels, dtype), alpha=alpha)
    return picture


def _rescaled(plane: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert a plane row by row, so that no float copy of it exists."""
    out = np.empty(plane.shape, dtype)
    for row, source in zip(out, plane, strict=True):
        row[...] = from_float(to_float(source), dtype)
    return out


def _matters(picture: Picture, field: str) -> bool:
    value = getattr(picture, field)
    if field != "chunks":
        return value is not None or (field == "iptc" and picture.photoshop is not None)
    kinds = {kind for kind, _ in value}
    colour = set() if b"sRGB" in kinds or picture.icc is not None else {b"gAMA", b"cHRM"}
    return bool(kinds & (colour | {b"tEXt", b"zTXt", b"iTXt", b"cICP"}))


def _with_plain_alpha(picture: Picture, coding: TiffCoding, note: Note) -> Picture:
    """Give a format other than TIFF what it means by alpha: not premultiplied."""
    alpha = picture.alpha
    if alpha is None or coding.extra == 2:
        return picture
    if coding.extra == 0:
        note("the extra sample of the TIFF has no stated meaning: written as alpha")
        return picture
    note("premultiplied alpha was divided out")
    opacity = to_float(alpha)[:, :, None]
    plain = np.divide(to_float(picture.pixels), opacity, out=np.zeros(picture.pixels.shape, np.float32), where=opacity > 0)
    return dataclasses.replace(picture, pixels=from_float(plain, picture.dtype))
