"""The photograph on a page: opened, shown, painted on, saved. Knows nothing of gradio.

The uploaded file is the photograph. The browser gets an 8-bit proxy of it (a canvas has 8 bits, drops metadata, and runs out of memory on a
telephone), and what comes back from the browser is a mask.
"""

import io
import os
import re
import shutil
import tempfile
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms

from restore import masks, weights
from restore.image import FORMATS, ImageError, ImageWarning, Picture, from_float, read, to_float, to_srgb, write

PROXY_SIDE = 1600
"""Pixels on the long side of what the browser gets, at most."""
NEXT = "This is the result so far. Go on with any tab."


@dataclass(frozen=True, kw_only=True, eq=False)  # gradio hashes a session's state after each event: by identity, not by 100 megabytes
class Work:
    """One photograph on one open page.

    Attributes:
        path: The uploaded file, which stays as it came.
        picture: What the next step starts from, in the file's own depth.
        before: How the upload looked, (h, w, 3) uint8.
        result: What the last step made of `picture`; None before the first one, and once it was taken over.
        beside: What `result` is compared with: `before`, on a canvas as large as the result.
        file: `result` as a file in full quality.
        mask: What was filled, as a picture file, where it was a repair of damage.
        layer: The filled pixels alone, transparent elsewhere, as a picture file.
        said: One line on what was done last.
        stop: Set to end the running step where it next tells its progress.
    """

    path: Path
    picture: Picture
    before: np.ndarray
    result: Picture | None = None
    beside: np.ndarray | None = None
    file: Path | None = None
    mask: Path | None = None
    layer: Path | None = None
    said: str = ""
    stop: threading.Event = field(default_factory=threading.Event)


class Stopped(Exception):
    """Somebody pressed Stop."""


def open_work(path: str | Path) -> Work:
    """Read an uploaded file.

    Raises:
        ImageError: It is no picture that can be read.
    """
    picture = read(path)
    return Work(path=Path(path), picture=picture, before=proxy(picture), said=describe(picture))


def describe(picture: Picture) -> str:
    """Say size, depth and colour.

    >>> describe(Picture.from_array(np.zeros((4, 6, 3), np.uint16)))
    '6 x 4 pixels, 16 bits, colour'
    """
    depth = {"uint8": "8 bits", "uint16": "16 bits", "float32": "32-bit float"}[picture.dtype.name]
    parts = [f"{picture.width} x {picture.height} pixels", depth, "colour" if picture.pixels.shape[2] == 3 else "grey"]
    return ", ".join([*parts, "transparency"] if picture.alpha is not None else parts)


def proxy_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Give height and width of the proxy of a photograph.

    >>> proxy_shape((4000, 6000)), proxy_shape((3, 2))
    ((1067, 1600), (3, 2))
    """
    factor = min(1.0, PROXY_SIDE / max(shape))
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def proxy(picture: Picture) -> np.ndarray:
    """Make what a browser can show: (h, w, 3) uint8 sRGB, with transparency over white.

    >>> proxy(Picture.from_array(np.full((3200, 1600), 65535, np.uint16)))[0, 0]
    array([255, 255, 255], dtype=uint8)
    """
    height, width = proxy_shape(picture.shape)
    samples = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    samples = cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, -1)
    small = np.nan_to_num(to_float(samples))
    channels = picture.pixels.shape[2]
    colour = to_srgb(small[..., :channels]) if picture.is_linear else small[..., :channels]
    colour = _as_srgb(from_float(colour, np.uint8), None if picture.is_linear else picture.icc)
    if picture.alpha is None:
        return colour
    opacity = small[..., channels:]
    return from_float(to_float(colour) * opacity + (1 - opacity), np.uint8)


def _as_srgb(colour: np.ndarray, icc: bytes | None) -> np.ndarray:
    """Bring (h, w, 1 or 3) uint8 to (h, w, 3) sRGB; a profile that cannot be used is passed over."""
    image = Image.fromarray(colour[..., 0] if colour.shape[2] == 1 else colour)
    if icc:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            image = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError):
            pass
    return np.array(image.convert("RGB"))


def painted(layers: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Turn the editor's layers into a mask of the photograph.

    Args:
        layers: (h, w, 4) uint8, each the size of the proxy; a pixel is painted from alpha 1 on.
        shape: Height and width of the photograph.

    Returns:
        (H, W) bool, True where anything was painted.

    Raises:
        ValueError: A layer has another size than the proxy.

    >>> layer = np.zeros((2, 3, 4), np.uint8)
    >>> layer[0, 1, 3] = 255
    >>> painted([layer], (2, 3)).astype(int)
    array([[0, 1, 0],
           [0, 0, 0]])
    """
    mask = np.zeros(shape, bool)
    height, width = proxy_shape(shape)
    for layer in layers:
        if layer.shape[:2] != (height, width):
            raise ValueError(f"What was painted is {layer.shape[1]} x {layer.shape[0]}, not {width} x {height} pixels: press Start over.")
        alpha = np.ascontiguousarray(layer[..., 3])
        if alpha.any():
            mask |= cv2.resize(alpha, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT) > 0
    return mask


def without_folders(text: str) -> str:
    """Call the files of the server in a message by their names: those of the uploads, temporary ones, and those of the package.

    >>> without_folders(f"{tempfile.gettempdir()}/up/01ab/my scan.tif: not 3 / 4 of a picture")
    'my scan.tif: not 3 / 4 of a picture'
    """
    places = (os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir(), tempfile.gettempdir(), Path(weights.__file__).parents[1])
    roots = {call(place) for place in places for call in (os.path.abspath, os.path.realpath)}
    for root in sorted(roots, key=len, reverse=True):
        text = re.sub(re.escape(root) + r"[/\\](?:[^/\\\s]+[/\\])*", "", text)
    return text


def go_on(work: Work) -> Work:
    """Take the result as what the next step starts from."""
    forget(work)
    if work.result is None or work.beside is None:
        return work
    return Work(path=work.path, picture=work.result, before=work.beside, said=NEXT)


def forget(work: Work | None) -> None:
    """Delete the file of the last result."""
    if work is not None and work.file is not None:
        shutil.rmtree(work.file.parent, ignore_errors=True)


def finished(work: Work, result: Picture, said: str, *, mask: np.ndarray | None = None, beside: np.ndarray | None = None) -> Work:
    """Save a result in full quality: format, depth, profile, EXIF and transparency are those of the upload.

    Each result gets a folder of its own beside the upload, so that no browser answers a download with an earlier one.

    Args:
        work: What the step started from.
        result: What it made.
        said: One line on that.
        mask: (H, W), non-zero where it filled something; saved, and what was filled as a layer.
        beside: What the result is compared with instead of `work.before`.

    Raises:
        ImageError: The result cannot be saved; nothing of it is left then. A mask or a layer that cannot is left out, with a warning.
    """
    suffixes = FORMATS[result.format].suffixes if result.format else (work.path.suffix,)
    suffix = work.path.suffix if work.path.suffix.lower() in suffixes else suffixes[0]
    folder, stem = Path(tempfile.mkdtemp(dir=work.path.parent)), work.path.stem
    files = {"file": folder / f"{stem}-restored{suffix}"}
    try:
        write(result, files["file"])
        if mask is not None:
            files |= _write_fill(result, mask, folder / stem)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    forget(work)
    return Work(
        path=work.path,
        picture=work.picture,
        before=work.before,
        result=result,
        beside=work.before if beside is None else beside,
        file=files["file"],
        mask=files.get("mask"),
        layer=files.get("layer"),
        said=said,
    )


def _write_fill(result: Picture, mask: np.ndarray, start: Path) -> dict[str, Path]:
    """Save the mask, and what was filled as a layer, in files whose paths begin with `start`; give those that could be written."""
    files = {}
    suffixes = {"mask": ".png", "layer": ".tif" if result.dtype == np.float32 else ".png"}
    for kind, suffix in suffixes.items():
        path = start.with_name(f"{start.name}-{kind}{suffix}")
        try:
            drawn = masks.layer(result, mask) if kind == "layer" else Picture.from_array(np.where(mask, np.uint8(255), np.uint8(0)))
            write(drawn, path)
        except (ImageError, MemoryError) as error:
            warnings.warn(f"The result is saved, the {kind} is not: {error}", ImageWarning, stacklevel=3)
        else:
            files[kind] = path
    return files


def widened(before: np.ndarray, shape: tuple[int, int], margins: masks.Margins) -> np.ndarray:
    """Put a proxy (h, w, 3) on white, as large as the proxy of a photograph of `shape` that got `margins`.

    >>> widened(np.zeros((2, 2, 3), np.uint8), (2, 3), (1, 0, 0, 0))[..., 0]
    array([[255,   0,   0],
           [255,   0,   0]], dtype=uint8)
    """
    height, width = proxy_shape(shape)
    left, top, right, bottom = margins
    rows = [round(at * height / shape[0]) for at in (top, shape[0] - bottom)]
    columns = [round(at * width / shape[1]) for at in (left, shape[1] - right)]
    canvas = np.full((height, width, 3), 255, np.uint8)
    inner = canvas[slice(*rows), slice(*columns)]
    if inner.size:
        inner[:] = cv2.resize(before, inner.shape[1::-1], interpolation=cv2.INTER_AREA)
    return canvas
