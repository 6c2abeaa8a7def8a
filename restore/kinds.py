"""Which kinds of picture the library takes, and the way back: what came in as one kind goes out as the same.

>>> import numpy as np
>>> pictures, repack = unpack(np.zeros((4, 6), np.uint8))
>>> pictures[0].shape, repack(pictures).shape
((4, 6), (4, 6))
"""

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, cast

import numpy as np
from PIL import Image, ImageOps

from restore import masks
from restore.image import ImageError, JpegCoding, Picture, read

if TYPE_CHECKING:
    import torch

Kind: TypeAlias = "str | os.PathLike[str] | Picture | Image.Image | np.ndarray | torch.Tensor"
"""A path, a Picture, a PIL image, an array (H, W) or (H, W, C), or a tensor (C, H, W) or (N, C, H, W)."""
Masks: TypeAlias = "Kind | Sequence[Kind]"
"""A mask, or several of which each counts."""
Level: TypeAlias = "float | np.ndarray | torch.Tensor | None"
"""A number for the whole picture, an array or tensor (H, W) of them, or nothing."""
Pictures = Sequence[Picture]
Progress: TypeAlias = Callable[[float], None]
"""Called with the fraction done, 0 to 1."""

PIL_MODES = {"L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "I;16": "I;16", "F": "F", "1": "L", "P": "RGB"}
"""Mode of a PIL image -> mode of the result. P becomes RGBA where it has transparency."""


def unpack(image: Kind) -> tuple[list[Picture], Callable[[Pictures], Any]]:
    """Open a picture of any kind.

    Args:
        image: A path; a Picture; a PIL image of a mode in ``PIL_MODES`` (turned upright as its EXIF says, and so is the result);
            an array (H, W) or (H, W, C), uint8, uint16 or float32, C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha; a tensor (C, H, W) or
            (N, C, H, W) of the same types or float16 or bfloat16. Floats are nominally in [0, 1].

    Returns:
        The pictures (N of a tensor (N, C, H, W), else one), and a function that makes the same kind of as many pictures, all of one size:
        a Picture for a path; a tensor on the same device and of the same type. Arrays and tensors are new ones, also where nothing changed.

    Raises:
        TypeError: The object is no picture.
        ImageError: It is a picture of a form that is not taken.
    """
    if isinstance(image, str | os.PathLike):
        return [read(image)], _only
    if isinstance(image, Picture):
        return [image], _only
    if isinstance(image, Image.Image):
        return _unpack_pil(image)
    if isinstance(image, np.ndarray):
        return [Picture.from_array(image)], lambda pictures: _repack_array(_only(pictures), image)
    if _is_tensor(image):
        return _unpack_tensor(image)
    raise TypeError(f"an image is a path, a PIL image, an array, a tensor or a Picture, got {type(image).__name__}")


def unpack_masks(mask: Masks, shapes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """Open the mask or masks of pictures.

    Args:
        mask: For all pictures, one path, Picture or PIL image (above half of its range = repair), array (H, W) or (H, W, 1) or tensor
            (H, W) or (1, H, W) (non-zero = repair); or for each its own, a tensor (N, 1, H, W). A list of such masks means all of them.
        shapes: (H, W) of each picture.

    Returns:
        For each picture (H, W) bool, True = repair.

    Raises:
        TypeError: The object is no mask.
        ValueError: The mask has another size, or another number than the pictures, or the list is empty.
        ImageError: A file cannot be read.
    """
    if isinstance(mask, list | tuple):
        if not mask:
            raise ValueError("the list of masks is empty; expected at least one")
        several = [unpack_masks(one, shapes) for one in mask]
        return [np.logical_or.reduce(together) for together in zip(*several, strict=True)]
    if _is_tensor(mask):
        array = (mask.float() if mask.is_floating_point() else mask).detach().cpu().numpy()
        if array.ndim == 4 and array.shape[1] == 1:
            if len(array) not in (1, len(shapes)):
                raise ValueError(f"{len(array)} masks came for {len(shapes)} pictures; expected one for each, or one for all")
            return [masks.check(array[i % len(array), 0], shape) for i, shape in enumerate(shapes)]
        mask = array[0] if array.ndim == 3 and len(array) == 1 else array
    if isinstance(mask, np.ndarray):
        return [masks.check(mask, shape) for shape in shapes]
    if isinstance(mask, str | os.PathLike):
        return [masks.load(mask, shape) > 0 for shape in shapes]
    if isinstance(mask, Image.Image | Picture):
        (picture,), _ = unpack(mask)
        return [masks.load(picture, shape) > 0 for shape in shapes]
    raise TypeError(f"a mask is a path, a PIL image, an array, a tensor or a Picture, got {type(mask).__name__}")


def unpack_level(level: Level) -> float | np.ndarray | None:
    """A level whose map, if it is one, is an array."""
    return level.detach().float().cpu().numpy() if _is_tensor(level) else cast("float | np.ndarray | None", level)


def only(image: Kind, what: str) -> Picture:
    """The one picture of ``image``, in which ``what`` is looked for.

    Raises:
        ValueError: It is more than one; else as ``unpack``.
    """
    pictures, _ = unpack(image)
    if len(pictures) > 1:
        raise ValueError(f"{what} is found in one picture, got {len(pictures)}")
    return pictures[0]


def shares(progress: Progress | None, number: int) -> list[Progress | None]:
    """The progress of each of ``number`` pictures, as its share of the whole."""
    if progress is None:
        return [None] * number
    return [lambda done, i=i: progress((i + done) / number) for i in range(number)]  # type: ignore[misc]


def halves(progress: Progress | None, first: float) -> tuple[Progress | None, Progress | None]:
    """The progress of two steps, of which the first one takes the share ``first`` of the whole."""
    if progress is None:
        return None, None
    return lambda done: progress(first * done), lambda done: progress(first + (1 - first) * done)


def untouched(picture: Picture, progress: Progress | None) -> Picture:
    """A picture that nothing is done to, which takes no time."""
    if progress:
        progress(1.0)
    return picture


def each(image: Kind, restore: Callable[[Picture, Progress | None], Picture], progress: Progress | None) -> Any:
    """What ``restore`` makes of all pictures of ``image``, as the same kind."""
    pictures, repack = unpack(image)
    return repack([restore(picture, share) for picture, share in zip(pictures, shares(progress, len(pictures)), strict=True)])


def _only(pictures: Pictures) -> Picture:
    (picture,) = pictures
    return picture


def _repack_array(picture: Picture, image: np.ndarray) -> np.ndarray:
    """The samples of a picture, shaped as those of ``image`` that it was made from, and never the same memory."""
    array = picture.to_array().reshape(*picture.shape, *image.shape[2:])
    return array.copy() if np.may_share_memory(array, image) else array


def _unpack_pil(image: Image.Image) -> tuple[list[Picture], Callable[[Pictures], Any]]:
    mode = PIL_MODES.get(image.mode)
    if mode is None:
        raise ImageError(f"a PIL image of mode {image.mode} is not taken; convert it to one of {', '.join(PIL_MODES)}")
    tables = getattr(image, "quantization", {})  # of a JPEG file, which exif_transpose forgets
    coding = JpegCoding(tuple(tuple(table) for _, table in sorted(tables.items()))) if tables else None
    image = ImageOps.exif_transpose(image)
    info = dict(image.info)
    if image.mode in ("1", "L", "P", "RGB") and image.has_transparency_data:
        mode = "LA" if image.mode in ("1", "L") else "RGBA"
        info.pop("transparency", None)
    picture = Picture.from_array(np.asarray(image if image.mode == mode else image.convert(mode)))
    picture = dataclasses.replace(picture, icc=info.get("icc_profile"), coding=coding)

    def repack(pictures: Pictures) -> Image.Image:
        result = Image.fromarray(_only(pictures).to_array())
        result.info = info
        return result

    return [picture], repack


def _is_tensor(value: object) -> "TypeGuard[torch.Tensor]":
    torch = sys.modules.get("torch")  # a tensor cannot come from a program that has not imported torch
    return torch is not None and isinstance(value, torch.Tensor)


def _unpack_tensor(image: "torch.Tensor") -> tuple[list[Picture], Callable[[Pictures], Any]]:
    import torch

    device, dtype, ndim = image.device, image.dtype, image.ndim
    if dtype not in (torch.uint8, torch.uint16, torch.float32, torch.float16, torch.bfloat16):
        raise ImageError(f"a tensor of {dtype} is not taken; expected torch.uint8, uint16, float32, float16 or bfloat16")
    if ndim not in (3, 4) or image.numel() == 0:
        raise ImageError(f"a tensor of shape {tuple(image.shape)} is no picture; expected (C, H, W) or (N, C, H, W), none of them 0")
    array = (image.float() if dtype.is_floating_point else image).detach().cpu().numpy()
    batch = array if ndim == 4 else array[None]  # (N, C, H, W)

    def repack(pictures: Pictures) -> torch.Tensor:
        arrays = [np.atleast_3d(picture.to_array()).transpose(2, 0, 1) for picture in pictures]
        result = torch.from_numpy(np.stack(arrays))  # (N, C, H, W)
        return (result if ndim == 4 else result[0]).to(device=device, dtype=dtype)

    return [Picture.from_array(np.ascontiguousarray(picture.transpose(1, 2, 0))) for picture in batch], repack
