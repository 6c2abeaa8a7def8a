"""WebP, AVIF and BMP: 8-bit formats that Pillow reads as a whole."""

from __future__ import annotations

import dataclasses
import io
import struct
from typing import Any, BinaryIO

import numpy as np

from restore.image.base import ImageError, Note, Picture, Tag, build_exif, check_size, parse_directory, rational


def decode_webp(file: BinaryIO, max_pixels: int, note: Note) -> Picture:
    """Read a WebP of one frame.

    Raises:
        ImageError: It is damaged, animated or too large.
    """
    from PIL.WebPImagePlugin import WebPImageFile

    head = file.read(30)
    file.seek(0, io.SEEK_END)
    if file.tell() < 8 + int.from_bytes(head[4:8], "little"):
        raise ImageError("truncated WebP: the file ends early")
    if head[12:16] == b"VP8X":
        check_size(1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little"), max_pixels)
    file.seek(0)
    image = WebPImageFile(file)
    file.seek(0)
    return dataclasses.replace(_decode(image, max_pixels), format="WEBP", lossless=_is_lossless_webp(file))


def _is_lossless_webp(file: BinaryIO) -> bool:
    at = 12
    while True:
        file.seek(at)
        kind, size = struct.unpack("<4sL", file.read(8).ljust(8, b"\0"))
        if kind in (b"VP8L", b"VP8 ", b"\0\0\0\0"):
            return kind == b"VP8L"
        at += 8 + size + size % 2


def decode_avif(file: BinaryIO, max_pixels: int, note: Note) -> Picture:
    """Read an AVIF of one frame; 10 and 12 bits become 8, with a note.

    Raises:
        ImageError: It is damaged, animated or too large, or this Pillow has no AVIF.
    """
    from PIL import features
    from PIL.AvifImagePlugin import AvifImageFile

    if not features.check("avif"):
        raise ImageError("this build of Pillow reads no AVIF")
    head = file.read(1 << 16)
    if (sizes := head.find(b"ispe")) > 0 and len(head) >= sizes + 16:
        width, height = struct.unpack_from(">LL", head, sizes + 8)
        check_size(width, height, max_pixels)
    coding = head[head.find(b"av1C") + 6] if b"av1C" in head[:-4] else 0
    file.seek(0)
    picture = _decode(AvifImageFile(file), max_pixels)
    if coding & 0x40:
        note(f"{12 if coding & 0x20 else 10} bits per sample were read as 8")
    return dataclasses.replace(picture, format="AVIF", lossless=False)


def decode_bmp(file: BinaryIO, max_pixels: int, note: Note) -> Picture:
    """Read a BMP.

    Raises:
        ImageError: It is damaged or too large.
    """
    from PIL.BmpImagePlugin import BmpImageFile

    image = BmpImageFile(file)
    picture = _decode(image, max_pixels)
    return dataclasses.replace(picture, format="BMP", lossless=True)


def _decode(image: Any, max_pixels: int) -> Picture:
    check_size(image.width, image.height, max_pixels)
    if getattr(image, "n_frames", 1) > 1:
        raise ImageError(f"{image.n_frames} frames: only pictures of one frame can be restored")
    image.load()
    info = image.info
    palette = None
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        array = palette[np.minimum(np.asarray(image), len(palette) - 1)]
    else:
        array = np.array(image.convert("L") if image.mode == "1" else image)
    picture = Picture.from_array(array)
    return dataclasses.replace(
        picture,
        icc=info.get("icc_profile"),
        exif=info.get("exif"),
        xmp=info.get("xmp"),
        dpi=info.get("dpi"),
        palette=palette,
        bits=1 if image.mode == "1" else None,
    )


def encode_webp(picture: Picture, file: BinaryIO, note: Note) -> None:
    """Write a WebP: lossless unless the pixels come from a lossy file, then at quality 95."""
    options = {"quality": 95, "method": 4} if picture.lossless is False else {"lossless": True, "exact": True, "quality": 50}
    _encode(picture, file, "WEBP", {**options, **_metadata(picture, orientation=True)})


def encode_avif(picture: Picture, file: BinaryIO, note: Note) -> None:
    """Write an AVIF at quality 95 without chroma subsampling; AVIF is lossy here."""
    sampling = "4:0:0" if picture.pixels.shape[2] == 1 and picture.alpha is None else "4:4:4"
    _encode(picture, file, "AVIF", {"quality": 95, "subsampling": sampling, **_metadata(picture, orientation=False)})


def _metadata(picture: Picture, *, orientation: bool) -> dict[str, Any]:
    """Return Pillow's options; the resolution travels in EXIF, the orientation of AVIF does not."""
    exif = picture.exif
    tags = {} if exif is None else parse_directory(io.BytesIO(exif)).tags
    if picture.dpi is not None and 282 not in tags:
        x, y = map(rational, picture.dpi)
        tags = {**tags, 282: x, 283: y, 296: Tag(3, b"\2\0")}
        exif = build_exif(tags)
    if not orientation and 274 in tags:
        del tags[274]
        exif = build_exif(tags)
    options = {"exif": exif, "icc_profile": picture.icc, "xmp": picture.xmp}
    return {name: value for name, value in options.items() if value is not None}


def _encode(picture: Picture, file: BinaryIO, name: str, options: dict[str, Any]) -> None:
    from PIL import Image

    draft = io.BytesIO()
    Image.fromarray(picture.to_array()).save(draft, name, **options)
    file.write(draft.getbuffer())


def encode_bmp(picture: Picture, file: BinaryIO, note: Note) -> None:
    """Write a BMP of 1, 8 (grey or palette), 24 or, with alpha, 32 bits."""
    indices = picture.indices()
    options = {"dpi": picture.dpi or (0, 0)}  # without it Pillow says 96
    if picture.alpha is not None:
        _encode_bmp_alpha(picture, file)
    elif indices is not None and picture.palette is not None:
        from PIL import Image

        image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
        image.putpalette(picture.palette.tobytes())
        image.save(file, "BMP", **options)
    elif picture.is_bilevel:
        from PIL import Image

        Image.fromarray(picture.pixels[:, :, 0] > 0).save(file, "BMP", **options)
    else:
        _encode(picture, file, "BMP", options)


def _encode_bmp_alpha(picture: Picture, file: BinaryIO) -> None:
    """Write 32 bits with the BITMAPV4HEADER, which names the alpha mask (Pillow writes no mask, and readers drop the alpha)."""
    x, y = (round(dots / 0.0254) for dots in picture.dpi or (0, 0))
    masks = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000, 0x73524742)  # and "sRGB"
    size = picture.height * picture.width * 4
    file.write(struct.pack("<2sLHHL", b"BM", 122 + size, 0, 0, 122))
    file.write(struct.pack("<LllHHLLllLL", 108, picture.width, picture.height, 1, 32, 3, size, x, y, 0, 0))
    file.write(struct.pack("<5L", *masks) + bytes(48))
    colours = np.broadcast_to(picture.pixels[::-1, :, ::-1], (*picture.shape, 3))
    file.write(np.dstack((colours, picture.alpha[::-1] if picture.alpha is not None else 0)).tobytes())
