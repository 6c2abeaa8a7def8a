"""JPEG through Pillow: the coefficients are computed anew, with the file's own quantisation tables and subsampling."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import numpy as np

from restore.image.base import TALL, ImageError, JpegCoding, Note, Picture, check_size, from_cmyk

FINER = 4
"""Chroma whose subsampling cannot be written is kept whole, in steps so many times finer: else all of it would be rounded anew."""
_LONGEST = 65533  # bytes in one segment
_PHOTOSHOP = b"Photoshop 3.0\0"
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MARKERS = {"COM": 0xFE, **{f"APP{i}": 0xE0 + i for i in range(16)}}


def decode(file: BinaryIO, max_pixels: int, note: Note) -> Picture:
    """Read a JPEG; CMYK becomes sRGB.

    Raises:
        ImageError: It has too many pixels.
    """
    from PIL.JpegImagePlugin import JpegImageFile, get_sampling

    image = JpegImageFile(file)
    check_size(*image.size, max_pixels)
    image.load()
    info = image.info
    icc = info.get("icc_profile")
    array = np.array(image)
    if image.mode == "CMYK":
        array, icc = from_cmyk(array, icc, note), None
    segments, photoshop = _segments(image.applist, note)
    layers = [layer[3] for layer in image.layer[:3]]
    while len(layers) > 1 and layers[-1] == layers[-2]:
        layers.pop()
    factors = [tuple(layer[1:3]) for layer in image.layer]
    sampling = TALL if factors == [(1, 2), (1, 1), (1, 1)] else get_sampling(image) if len(factors) > 1 else 0
    if sampling < 0 and image.mode == "RGB":
        note("its chroma subsampling cannot be written: a JPEG of it will have none (4:4:4)")
    coding = JpegCoding(
        tables=tuple(tuple(image.quantization[layer]) for layer in layers),
        sampling=sampling,
        progressive=bool(info.get("progressive")),
        rgb=[layer[0] for layer in image.layer] == list(b"RGB"),
        segments=segments,
    )
    exif, xmp = info.get("exif"), info.get("xmp")
    dpi = info.get("dpi") if info.get("jfif_unit") in (1, 2) else None
    return Picture(
        pixels=array if array.ndim == 3 else array[:, :, None],
        format="JPEG",
        icc=icc,
        exif=exif,
        xmp=xmp,
        photoshop=photoshop,
        dpi=dpi if dpi and all(dpi) else None,
        lossless=False,
        coding=coding,
    )


def _segments(found: list[tuple[str, bytes]], note: Note) -> tuple[tuple[tuple[int, bytes], ...], bytes | None]:
    """Return the segments that are kept as they are, and the Photoshop resources."""
    kept, photoshop = [], b""
    for marker, data in found:
        if marker == "APP13" and data.startswith(_PHOTOSHOP):
            photoshop += data[len(_PHOTOSHOP) :]
        elif marker == "APP2" and data.startswith(b"MPF\0"):
            note("further pictures behind the main one (preview, depth or gain map) were left out: they show the old pixels")
        elif marker == "APP11" and data.startswith(b"JP"):
            note("content credentials (JUMBF) were left out: they sign the old pixels")
        elif not (
            marker in ("APP0", "APP14")
            or (marker == "APP1" and data.startswith((_EXIF, _XMP)))
            or (marker == "APP2" and data.startswith((b"ICC_PROFILE\0", b"urn:iso:std:iso:ts:21496")))
        ):
            kept.append((_MARKERS[marker], data))
    return tuple(kept), photoshop or None


def encode(picture: Picture, file: BinaryIO, note: Note) -> None:
    """Write a JPEG: with the tables of the JPEG that was read, else at quality 95 without chroma subsampling."""
    from PIL import Image

    coding = picture.coding if isinstance(picture.coding, JpegCoding) else None
    options: dict[str, Any] = {"quality": 95, "subsampling": 0}
    if coding is not None:
        whole = coding.sampling not in (0, 1, 2)
        if coding.tables:
            luma, *chroma = ([*table] for table in coding.tables)
            options = {"qtables": [luma, *([max(1, step // FINER) for step in table] if whole else table for table in chroma)]}
        options |= {"subsampling": 0 if whole else coding.sampling}
        options |= {"progressive": coding.progressive, "keep_rgb": coding.rgb}
    for name, data, head in (("exif", picture.exif, _EXIF), ("xmp", picture.xmp, _XMP)):
        if data is not None and len(head + data) > _LONGEST:
            note(f"JPEG cannot hold {len(data)} bytes of {name.upper()}: left out")
        elif data is not None:
            options[name] = head + data if name == "exif" else data
    if picture.icc is not None:
        options["icc_profile"] = picture.icc
    if picture.dpi is not None:
        options["dpi"] = tuple(min(dots, 65535) for dots in picture.dpi)
    resources = picture.resources() or b""
    room = _LONGEST - len(_PHOTOSHOP)
    segments = [(0xED, _PHOTOSHOP + resources[i : i + room]) for i in range(0, len(resources), room)]
    segments += coding.segments if coding is not None else ()
    options["extra"] = b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in segments)
    draft = io.BytesIO()  # Pillow sizes its buffer by the picture: a failure leaves nothing half written
    try:
        Image.fromarray(picture.to_array()).save(draft, "JPEG", **options)
    except OSError as error:
        raise ImageError(f"JPEG encoder: {error}") from error
    file.write(draft.getbuffer())
