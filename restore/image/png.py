"""PNG: samples through libpng (imagecodecs), chunks by hand, so that every depth and every note in the file survives."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from restore.image.base import ImageError, Note, Picture, PngCoding, check_size

_MAGIC = b"\x89PNG\r\n\x1a\n"
_COLOUR = (b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI")  # these stand before the palette
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_KEPT = (*_COLOUR, *_TEXT, b"bKGD", b"sPLT", b"tIME", b"pHYs")
_OF_SAMPLES = (b"sBIT", b"bKGD")  # these say something in samples of the file's own kind
_LARGEST = 16 << 20  # bytes that one compressed chunk may expand to
_XMP = b"XML:com.adobe.xmp"


def decode(file: BinaryIO, max_pixels: int, note: Note) -> Picture:
    """Read a PNG; 2 and 4 bit grey becomes 8 bit.

    Raises:
        ImageError: It is damaged, animated or too large.
    """
    import imagecodecs

    data = file.read()
    chunks, core = _chunks(data)
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise ImageError("damaged PNG: it does not begin with its header")
    width, height, depth, colour = struct.unpack_from(">LLBB", chunks[0][1])
    check_size(width, height, max_pixels)
    found: dict[bytes, bytes] = dict(chunks)
    if struct.unpack(">L", found.get(b"acTL", b"\0\0\0\1")[:4])[0] > 1:
        raise ImageError("animated PNG: only pictures of one frame can be restored")
    del data
    array = imagecodecs.png_decode(core)
    picture = Picture.from_array(array.reshape(height, width, -1))
    fields = _metadata(chunks[1:], note)
    if colour == 3 and b"PLTE" in found:
        fields["palette"] = _palette(found[b"PLTE"], found.get(b"tRNS") if picture.alpha is not None else None)
    bits = 1 if depth == 1 and colour == 0 else None
    fields |= {"bits": bits, "coding": _coding(depth, colour)}
    return Picture(pixels=picture.pixels, alpha=picture.alpha, format="PNG", lossless=True, **fields)


def _chunks(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return (kind, data) of all chunks but the pixel data, and a PNG of nothing but the pixels: libpng reads and prints no more."""
    view, chunks, core, at = memoryview(data), [], [memoryview(_MAGIC)], len(_MAGIC)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if kind not in (b"IDAT", b"IEND"):
            chunks.append((kind, data[at + 8 : end - 4]))
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            core.append(view[at:end])
        if kind == b"IEND":
            return chunks, b"".join(core)
        at = end
    raise ImageError("truncated PNG: the file ends before its end mark")


def _coding(depth: int, colour: int) -> PngCoding:
    return PngCoding(8 if colour == 3 else depth, colour)


def _metadata(chunks: list[tuple[bytes, bytes]], note: Note) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    rest = []
    for kind, data in chunks:
        try:
            if kind == b"eXIf":
                fields["exif"] = data
            elif kind == b"iCCP":
                fields["icc"] = _inflate(data.split(b"\0", 1)[1][1:])
            elif kind == b"pHYs" and len(data) == 9 and data[8] == 1:
                x, y = struct.unpack_from(">LL", data)
                fields["dpi"] = (x * 0.0254, y * 0.0254) if x and y else None
            elif kind in _TEXT and _from_text(kind, data, fields):
                pass
            elif kind in _KEPT or (kind[0] & 32 and kind[3] & 32):  # ancillary and safe to copy
                rest.append((kind, data))
            elif kind not in (b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT"):
                note(f"the PNG chunk {kind.decode('latin-1')!r} describes the old pixels and was left out")
        except (zlib.error, IndexError, ValueError):  # noqa: PERF203
            note(f"the PNG chunk {kind.decode('latin-1')!r} is damaged and was left out")
    return {**fields, "chunks": tuple(rest)}


def _from_text(kind: bytes, data: bytes, fields: dict[str, Any]) -> bool:
    """Take XMP, and the EXIF and IPTC that ImageMagick writes in hexadecimal, out of a text chunk."""
    key, _, value = data.partition(b"\0")
    if key == _XMP and kind == b"iTXt":
        text = value[2:].split(b"\0", 2)[2]
        fields["xmp"] = _inflate(text) if value[0] else text
        return True
    profile = key.removeprefix(b"Raw profile type ").lower()
    if profile == key or kind == b"iTXt" or profile not in (b"exif", b"app1", b"iptc", b"8bim", b"xmp"):
        return False
    raw = bytes.fromhex((_inflate(value[1:]) if kind == b"zTXt" else value).split(b"\n", 3)[3].decode("ascii"))
    if profile in (b"exif", b"app1") and raw.startswith(b"Exif\0\0"):
        fields.setdefault("exif", raw[6:])
    elif profile in (b"iptc", b"8bim"):
        fields["photoshop" if raw.startswith(b"8BIM") else "iptc"] = raw
    elif profile == b"xmp":
        fields.setdefault("xmp", raw)
    else:
        return False
    return True


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    inflated = stream.decompress(data, _LARGEST)
    if not stream.eof:
        raise ValueError("not complete, or larger than any profile")
    return inflated


def _palette(colours: bytes, alpha: bytes | None) -> np.ndarray:
    palette = np.frombuffer(colours[: len(colours) // 3 * 3], np.uint8).reshape(-1, 3)
    if alpha is None:
        return palette
    opacity = np.full(len(palette), 255, np.uint8)
    opacity[: len(alpha)] = np.frombuffer(alpha, np.uint8)[: len(palette)]
    return np.column_stack((palette, opacity))


def encode(picture: Picture, file: BinaryIO, note: Note) -> None:
    """Write a PNG of 8 or 16 bits; palette and 1 bit where the picture came so and still fits."""
    import imagecodecs
    from PIL import Image

    indices = picture.indices()
    if picture.is_bilevel or indices is not None:
        draft = io.BytesIO()
        if indices is not None and picture.palette is not None:
            image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
            image.putpalette(picture.palette[:, :3].tobytes())
            options = {"transparency": picture.palette[:, 3].tobytes()} if picture.palette.shape[1] == 4 else {}
            image.save(draft, "PNG", **options)
        else:
            Image.fromarray(picture.pixels[:, :, 0] > 0).save(draft, "PNG")
        data: Any = draft.getbuffer()
    else:
        array = picture.to_array()
        room = array.nbytes + array.nbytes // 256 + len(array) + 4096  # rows that do not shrink, each behind a byte that names its filter
        data = memoryview(imagecodecs.png_encode(array, level=2, out=room))
    before, behind = _metadata_chunks(picture, _coding(data[24], data[25]))
    at = bytes(data[: 1 << 16]).index(b"IDAT") - 4
    file.write(data[:33])
    file.write(before)
    file.write(data[33:at])
    file.write(behind)
    file.write(data[at:])


def _metadata_chunks(picture: Picture, coding: PngCoding) -> tuple[bytes, bytes]:
    """Return the chunks that stand right behind the header, and those that stand before the pixel data."""
    chunks = []
    if picture.icc is not None:
        chunks.append((b"iCCP", b"icc\0\0" + zlib.compress(picture.icc)))
    chunks += [(kind, data) for kind, data in picture.chunks if kind not in _OF_SAMPLES or picture.coding == coding]
    if picture.dpi is not None:
        chunks.append((b"pHYs", struct.pack(">LLB", *(round(dots / 0.0254) for dots in picture.dpi), 1)))
    if picture.exif is not None:
        chunks.append((b"eXIf", picture.exif))
    if picture.xmp is not None:
        chunks.append((b"iTXt", _XMP + b"\0\0\0\0\0" + picture.xmp))
    if (raw := picture.resources()) is not None:
        digits = raw.hex()
        lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
        chunks.append((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(f"\niptc\n{len(raw):8d}\n{lines}\n".encode())))
    packed = [(kind, struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))) for kind, data in chunks]
    before = b"".join(chunk for kind, chunk in packed if kind in _COLOUR)
    return before, b"".join(chunk for kind, chunk in packed if kind not in _COLOUR)
