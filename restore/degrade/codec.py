"""Files that lose something: JPEG, twice over, and WebP.

On arrays they are the real codecs; on tensors JPEG is arithmetic that equals them (``restore/degrade/jpeg.py``), WebP the codec again.
"""

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from restore.degrade.base import Degradation, Integer, Shape, Strength, numbers
from restore.degrade.jpeg import jpeg
from restore.draws import Draws

GRID = 8
"""Side of JPEG's blocks."""


def _recode(image: np.ndarray, kind: str, quality: float, subsampling: int = -1) -> np.ndarray:
    """Write (H, W, C) uint8 to a file in memory and read it again."""
    grey = image.shape[2] == 1
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if grey else image).save(file, kind, quality=round(min(max(quality, 1), 100)), subsampling=subsampling)
    with Image.open(file) as picture:
        return np.array(picture.convert("L" if grey else "RGB")).reshape(image.shape)


def jpeg_array(image: np.ndarray, quality: float, subsampling: float = 2) -> np.ndarray:
    """What ``jpeg`` does, through libjpeg-turbo as Pillow calls it.

    Args:
        image: (H, W, C) uint8, C = 1 or 3.
        quality: 1 to 100, rounded to whole numbers; what lies outside is clipped.
        subsampling: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.

    Returns:
        The same shape and type.

    >>> jpeg_array(np.full((3, 5, 1), 90, np.uint8), 10)[0, 0]
    array([88], dtype=uint8)
    """
    return _recode(image, "JPEG", quality, -1 if image.shape[2] == 1 else int(subsampling))


def _window(x: torch.Tensor, corner: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Cut from each picture its own window; beyond the picture its edge is repeated.

    Args:
        x: (N, C, H, W).
        corner: Row and column of the window's first pixel, (N, 2) int64.
        size: Height and width of the windows.
    """
    count, channels, height, width = x.shape
    top, left = corner.split(1, 1)  # (N, 1)
    rows = (top + torch.arange(size[0], device=x.device)).clamp(0, height - 1)
    columns = (left + torch.arange(size[1], device=x.device)).clamp(0, width - 1)
    places = (rows.unsqueeze(2) * width + columns.unsqueeze(1)).reshape(count, 1, -1)
    return x.flatten(2).gather(2, places.expand(-1, channels, -1)).view(count, channels, *size)


def double_jpeg(
    x: torch.Tensor, first: torch.Tensor, second: torch.Tensor, shift: torch.Tensor, *, subsampling: torch.Tensor | int = 2
) -> torch.Tensor:
    """What is left of a picture that was a JPEG file, was cropped and became one again: two grids of blocks.

    Before the first file the edges are repeated, by ``shift`` at the top and left, by the rest of 7 at the bottom and right; after it, what
    was added is cut off. The second file's grid starts at the picture's corner.

    Jiang, Zhang, Timofte, "Towards Flexible Blind JPEG Artifacts Removal", ICCV 2021.

    Args:
        x: As for ``jpeg``.
        first: Quality of the first file, (N,).
        second: Quality of the second file, (N,).
        shift: Rows and columns that the first grid stands before the corner, (N, 2), 0 to 7.
        subsampling: Of both files, as for ``jpeg``.

    Returns:
        As from ``jpeg``.

    >>> x = torch.rand(1, 3, 16, 24)
    >>> double_jpeg(x, torch.tensor([50]), torch.tensor([80]), torch.tensor([[3, 4]])).shape
    torch.Size([1, 3, 16, 24])
    """
    height, width = x.shape[-2:]
    corner = shift.long()
    once = jpeg(_window(x, -corner, (height + GRID - 1, width + GRID - 1)), first, subsampling=subsampling)
    return jpeg(_window(once, corner, (height, width)), second, subsampling=subsampling)


def double_jpeg_array(image: np.ndarray, first: float, second: float, shift: np.ndarray, subsampling: float = 2) -> np.ndarray:
    """What ``double_jpeg`` does, through libjpeg-turbo as Pillow calls it.

    Args:
        image: (H, W, C) uint8, C = 1 or 3.
        first: Quality of the first file.
        second: Quality of the second file.
        shift: Rows and columns that the first grid stands before the corner, (2,), 0 to 7.
        subsampling: Of both files, as for ``jpeg_array``.

    Returns:
        The same shape and type.

    >>> double_jpeg_array(np.full((3, 5, 1), 90, np.uint8), 10, 10, np.array([1, 7]))[0, 0]
    array([88], dtype=uint8)
    """
    height, width = image.shape[:2]
    top, left = (int(number) for number in shift)
    edges = ((top, GRID - 1 - top), (left, GRID - 1 - left), (0, 0))
    once = jpeg_array(np.pad(image, edges, mode="edge"), first, subsampling)
    return jpeg_array(np.ascontiguousarray(once[top : top + height, left : left + width]), second, subsampling)


def webp(x: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """What is left of pictures after libwebp, as Pillow calls it, has written and read them with loss.

    There is no form of it for a device: VP8 predicts each block from those before it, so the codec itself runs, picture by picture, on the
    host, and the pictures travel there and back. No gradient passes.

    Args:
        x: (N, C, H, W) float, C = 1 or 3, clipped to [0, 1] and rounded to 8 bits first; sides up to 16383.
        quality: (N,), 1 to 100, rounded to whole numbers; what lies outside is clipped.

    Returns:
        The shape and type of ``x``, on its device: multiples of 1 / 255.

    >>> webp(torch.rand(1, 3, 16, 24), torch.tensor([50])).shape
    torch.Size([1, 3, 16, 24])
    """
    images = x.detach().float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()  # (N, H, W, C)
    read = np.stack([webp_array(image, number) for image, number in zip(images, quality.tolist(), strict=True)])
    return torch.from_numpy(read).to(x.device).permute(0, 3, 1, 2).contiguous().float().div_(255).to(x.dtype)


def webp_array(image: np.ndarray, quality: float) -> np.ndarray:
    """What ``webp`` does to one picture.

    Args:
        image: (H, W, C) uint8, C = 1 or 3; sides up to 16383.
        quality: 1 to 100, rounded to whole numbers; what lies outside is clipped.

    Returns:
        The same shape and type.

    >>> webp_array(np.zeros((3, 5, 3), np.uint8), 50).shape
    (3, 5, 3)
    """
    return _recode(image, "WEBP", quality)


@dataclass(frozen=True)
class Quality:
    """(N,): ``start`` at severity 0, at 1 a number drawn evenly between ``low`` and ``high``, in between evenly between them."""

    start: float
    low: float
    high: float

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        return numbers(self.start + (draws.uniform(self.low, self.high) - self.start) * severity, draws)


@dataclass(frozen=True)
class Shift:
    """(N, 2): whole numbers from 0 to 7."""

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        return numbers(np.stack((draws.integers(GRID), draws.integers(GRID)), 1), draws)


SUBSAMPLING = Integer(0, 2)

ROWS = {
    "jpeg": Degradation("codec", jpeg, {"quality": Strength(95, 5), "subsampling": SUBSAMPLING}, array=jpeg_array),
    "double_jpeg": Degradation(
        "codec",
        double_jpeg,
        {"first": Quality(95, 5, 30), "second": Quality(95, 5, 30), "shift": Shift(), "subsampling": SUBSAMPLING},
        array=double_jpeg_array,
    ),
    "webp": Degradation("codec", webp, {"quality": Strength(95, 1)}, array=webp_array),
}
