"""Figures: pictures in a labelled grid, numbers as colours. Arrays in, one array out; nothing appears on a screen.

>>> sheet([np.zeros((100, 100, 3), np.uint8)] * 3, ["a", "b", "c"], columns=2).shape
(288, 236, 3)
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from restore.levels import from_float

PAPER, INK = (250, 249, 246), (45, 45, 45)
GAP, LINE = 12, 32
"""Pixels around pictures, and the height of a caption."""

HEAT = np.array([(0, 0, 0), (80, 20, 120), (185, 55, 110), (250, 130, 50), (255, 235, 60)])
"""Colours of 0, 1/4, 1/2, 3/4 and 1 in ``heat``: dark to light, so that they read in grey too."""


def sheet(pictures: Sequence[np.ndarray], captions: Sequence[str] = (), *, columns: int | None = None) -> np.ndarray:
    """Put pictures into a grid, row by row, a caption below each.

    Args:
        pictures: Each (H, W, 3) uint8, shown pixel for pixel in the middle of a cell that holds the largest.
        captions: One line for each; the letters are as small as the longest needs, down to 9 pixels. None: no captions.
        columns: Pictures in a full row; None: all in one.

    Returns:
        The figure, (margins + rows * cell, margins + columns * cell, 3) uint8.

    Raises:
        ValueError: No picture, one that is not (H, W, 3) uint8, another number of captions, or no column.

    >>> sheet([np.zeros((50, 80, 3), np.uint8)] * 2).shape
    (74, 196, 3)
    """
    for picture in pictures:
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ValueError(f"a picture is {picture.shape} {picture.dtype}; expected (H, W, 3) uint8")
    if not pictures or len(captions) not in (0, len(pictures)):
        raise ValueError(f"{len(pictures)} pictures and {len(captions)} captions; expected one caption for each, or none")
    columns = len(pictures) if columns is None else min(columns, len(pictures))
    if columns < 1:
        raise ValueError(f"columns is {columns}; expected at least 1")
    rows, line = -(-len(pictures) // columns), LINE if captions else 0
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    page = Image.new("RGB", (GAP + columns * (width + GAP), rows * (GAP + height + line) + (0 if captions else GAP)), PAPER)
    pen, font = ImageDraw.Draw(page), _font(captions, width)
    for i, picture in enumerate(pictures):
        left, top = GAP + i % columns * (width + GAP), GAP + i // columns * (GAP + height + line)
        page.paste(Image.fromarray(picture), (left + (width - picture.shape[1]) // 2, top + (height - picture.shape[0]) // 2))
        if captions:
            pen.text((left + width / 2, top + height + line / 2), captions[i], fill=INK, font=font, anchor="mm")
    return np.asarray(page)


def _font(captions: Sequence[str], width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest font, 18 pixels at most, in which every caption is as narrow as its picture; 9 pixels at least."""
    for size in range(max(9, min(18, width // 14)), 9, -1):
        font = ImageFont.load_default(size=size)
        if max((font.getlength(caption) for caption in captions), default=0) <= width:
            return font
    return ImageFont.load_default(size=9)


def fit(picture: np.ndarray, side: int) -> np.ndarray:
    """Show a picture as large as ``side`` allows: pixels become squares of whole pixels, or are averaged where it is too large.

    Args:
        picture: (H, W, 3) uint8.
        side: Largest height and width.

    Returns:
        (h, w, 3) uint8, of the same shape up to rounding; the longer of h and w is ``side`` or, for squares to be whole, less.

    >>> fit(np.zeros((30, 20, 3), np.uint8), 100).shape, fit(np.zeros((300, 200, 3), np.uint8), 100).shape
    ((90, 60, 3), (100, 67, 3))
    """
    height, width = picture.shape[:2]
    longest = max(height, width)
    if longest <= side:
        return picture.repeat(side // longest, 0).repeat(side // longest, 1)
    size = (max(1, round(width * side / longest)), max(1, round(height * side / longest)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def grey(values: np.ndarray) -> np.ndarray:
    """Show numbers (H, W) as grey: the smallest black, the largest white, a constant black; (H, W, 3) uint8.

    >>> grey(np.array([[-1.0, 0.0, 1.0]]))[0, :, 0]
    array([  0, 128, 255], dtype=uint8)
    """
    low, high = values.min(), values.max()
    return from_float(np.repeat(((values - low) / (high - low or 1.0))[..., None], 3, axis=2), np.uint8)


def heat(values: np.ndarray) -> np.ndarray:
    """Show numbers (H, W) in [0, 1] as colours from black over purple and orange to yellow; (H, W, 3) uint8.

    >>> heat(np.array([[0.0, 1.0]]))[0].tolist()
    [[0, 0, 0], [255, 235, 60]]
    """
    stops = np.linspace(0, 1, len(HEAT))
    return from_float(np.stack([np.interp(values, stops, HEAT[:, i] / 255) for i in range(3)], axis=-1), np.uint8)
