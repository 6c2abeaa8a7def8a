"""The kernels themselves, as float64 arrays; smoothing kernels sum to 1, derivatives to 0.

A kernel is correlated with a picture: its top left number meets the pixel above and to the left of the centre.
"""

import math
import os
from pathlib import Path

import numpy as np

from restore.filters.base import as_kernel, check_number, check_reach, check_size

SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float64)
"""Identity plus the four-neighbour Laplacian."""
LAPLACIAN = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float64)
"""Eight-neighbour Laplacian; positive on a bright spot."""
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float64)
"""Light from the top left; sums to 1, so that flat areas keep their grey."""
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float64)
"""Horizontal derivative; its transpose is the vertical one (Sobel, Feldman 1968)."""
SCHARR = np.array([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]], np.float64)
"""As Sobel, closer to equal response in all directions (Scharr 2000)."""
PREWITT = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], np.float64)
"""As Sobel with equal weights (Prewitt 1970)."""
ROBERTS = np.array([[0, 0, 0], [0, 1, 0], [0, 0, -1]], np.float64)
"""One diagonal difference (Roberts 1963), padded to a centre; its mirror image is the other."""


def gaussian_1d(sigma: float) -> np.ndarray:
    """A Gaussian of standard deviation ``sigma`` in pixels, cut at 3 sigma, shape (2 round(3 sigma) + 1,).

    Raises:
        ValueError: ``sigma`` is not above 0.

    >>> gaussian_1d(0.4).round(3)
    array([0.04 , 0.919, 0.04 ])
    """
    check_number("sigma", sigma)
    check_reach("sigma", sigma, 150)
    radius = int(3 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return weights / weights.sum()


def gaussian(sigma: float) -> np.ndarray:
    """The outer product of two ``gaussian_1d``."""
    line = gaussian_1d(sigma)
    return np.outer(line, line)


def box(size: int) -> np.ndarray:
    """Equal weights over (size, size).

    Raises:
        ValueError: ``size`` is even or below 1.
    """
    check_size("size", size)
    return np.full((size, size), 1 / size**2)


def disk(radius: float) -> np.ndarray:
    """The blur of a round lens out of focus: equal weights over a disk, its rim antialiased; radius in pixels.

    Raises:
        ValueError: ``radius`` is not above 0.

    >>> disk(1.0).round(3)[1]
    array([0.145, 0.315, 0.145])
    """
    check_number("radius", radius)
    check_reach("radius", radius, 100)
    if radius <= 0.5:  # within one pixel
        return np.ones((1, 1))
    x, y = fine_grid(math.ceil(radius - 0.5))
    return coverage(x**2 + y**2 <= radius**2)


def motion(length: float, angle: float = 0.0) -> np.ndarray:
    """The blur of a straight movement: equal weights over a bar, ``length`` pixels long and one wide, its rim antialiased.

    Args:
        length: In pixels.
        angle: In degrees counter-clockwise from the horizontal.

    Raises:
        ValueError: ``length`` is below 1.

    >>> motion(4).round(3)[2]
    array([0.125, 0.25 , 0.25 , 0.25 , 0.125])
    """
    check_number("length", length, low=1.0, inclusive=True)
    check_reach("length", length, 200)
    check_number("angle", angle, low=-math.inf)
    x, y = fine_grid(math.ceil((math.hypot(length, 1) - 1) / 2))
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    weights = coverage((np.abs(x * cos + y * sin) <= length / 2) & (np.abs(y * cos - x * sin) <= 0.5))
    rows, columns = (np.flatnonzero(weights.any(axis)) for axis in (1, 0))
    edge = min(rows[0], columns[0])
    return weights[edge : len(weights) - edge, edge : len(weights) - edge]


FINE = 16
"""Samples along each side of a pixel where a shape is drawn."""


def fine_grid(reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (x to the right, y upwards) of ``FINE`` samples a pixel over (2 reach + 1) pixels a side, 0 in the middle."""
    steps = (np.arange((2 * reach + 1) * FINE) + 0.5) / FINE - reach - 0.5
    return steps[None, :], -steps[:, None]


def coverage(inside: np.ndarray) -> np.ndarray:
    """The share of each pixel that a shape drawn on ``fine_grid`` covers, summing to 1."""
    size = len(inside) // FINE
    weights = inside.reshape(size, FINE, size, FINE).mean((1, 3))
    return weights / weights.sum()


def log(sigma: float) -> np.ndarray:
    """Laplacian of Gaussian (Marr, Hildreth 1980), positive on a bright spot, cut at 4 sigma and shifted to sum to 0.

    Raises:
        ValueError: ``sigma`` is not above 0.
    """
    check_number("sigma", sigma)
    check_reach("sigma", sigma, 100)
    radius = int(4 * sigma + 0.5)
    places = np.arange(-radius, radius + 1)
    square = (places[:, None] ** 2 + places**2) / (2 * sigma**2)
    weights = (1 - square) * np.exp(-square) / (math.pi * sigma**4)
    return weights - weights.mean()


def gabor(wavelength: float, angle: float, *, sigma: float | None = None, aspect: float = 0.5, phase: float = 0.0) -> np.ndarray:
    """A cosine under a Gaussian (Gabor 1946; Daugman 1985), of zero mean, its absolute values summing to 1.

    Args:
        wavelength: Of the cosine, in pixels.
        angle: Direction in which the cosine runs, in degrees counter-clockwise from the horizontal.
        sigma: Of the Gaussian along that direction, in pixels; None: 0.56 wavelengths, one octave.
        aspect: Sigma over that across the direction.
        phase: Of the cosine, in degrees; 90: odd.

    Raises:
        ValueError: ``wavelength``, ``sigma`` or ``aspect`` is not above 0.
    """
    sigma = 0.56 * wavelength if sigma is None else sigma
    for name, value in (("wavelength", wavelength), ("sigma", sigma), ("aspect", aspect)):
        check_number(name, value)
    check_reach("wavelength", wavelength, 200)
    check_reach("sigma", max(sigma, sigma / aspect), 200)
    radius = int(3 * max(sigma, sigma / aspect) + 0.5)
    y, x = np.mgrid[radius : -radius - 1 : -1, -radius : radius + 1]
    turn = math.radians(angle)
    along, across = x * math.cos(turn) + y * math.sin(turn), -x * math.sin(turn) + y * math.cos(turn)
    envelope = np.exp(-(along**2 + (aspect * across) ** 2) / (2 * sigma**2))
    weights = envelope * np.cos(2 * math.pi * along / wavelength + math.radians(phase))
    weights -= envelope * weights.sum() / envelope.sum()
    total = np.abs(weights).sum()
    return weights / total if total else weights  # no wave fits into one pixel


SHAPES = ("square", "disk", "cross")
"""Shapes of a footprint."""


def footprint(size: int, shape: str = "square") -> np.ndarray:
    """What morphology looks at, (size, size) uint8 of 0 and 1: a square, the pixels whose centre lies in a disk, or a cross.

    Raises:
        ValueError: ``size`` is even or below 1, or an unknown ``shape``.

    >>> footprint(3, "cross")
    array([[0, 1, 0],
           [1, 1, 1],
           [0, 1, 0]], dtype=uint8)
    """
    check_size("size", size)
    if shape not in SHAPES:
        raise ValueError(f"shape is {shape!r}; expected one of {', '.join(SHAPES)}")
    x = np.abs(np.arange(size) - size // 2)
    y = x[:, None]
    inside = {"square": x + y >= 0, "disk": x**2 + y**2 <= (size / 2) ** 2, "cross": x * y == 0}[shape]
    return inside.astype(np.uint8)


def read_kernel(text: str | os.PathLike[str]) -> np.ndarray:
    """Read a kernel from a typed line, ``"1 0 -1; 2 0 -2; 1 0 -1"``, or from a text or CSV file.

    Args:
        text: The numbers, as ``parse_kernel`` takes them, or the path of a file that holds them.

    Returns:
        (h, w), float64.

    Raises:
        ValueError: No numbers, a word that is no number, rows of different length, NaN or infinity.
        OSError: A ``PathLike`` cannot be read.

    >>> read_kernel("1 0 -1; 2 0 -2")
    array([[ 1.,  0., -1.],
           [ 2.,  0., -2.]])
    """
    if not isinstance(text, str) or (len(text) < 4096 and os.path.isfile(text)):
        text = Path(text).read_text(encoding="utf-8-sig", errors="replace")
    try:
        return parse_kernel(text)
    except ValueError as error:
        hint = ", or the path of a file that holds them" if str(error).endswith("numbers") else ""
        raise ValueError(f"{error}{hint}") from None


def parse_kernel(text: str) -> np.ndarray:
    """Read a kernel from its numbers.

    Args:
        text: Rows on lines of their own, or all on one line with ``;`` between rows; blanks, tabs, commas (and ``;`` where rows have
            lines) between numbers; what follows ``#`` is a remark.

    Returns:
        (h, w), float64.

    Raises:
        ValueError: No numbers, a word that is no number, rows of different length, NaN or infinity.

    >>> parse_kernel("1, 2, 1 # blur")
    array([[1., 2., 1.]])
    """
    lines = [line for line in (line.partition("#")[0].strip() for line in text.splitlines()) if line]
    split = lines[0].split(";") if len(lines) == 1 else lines
    rows = [words for words in (line.replace(",", " ").replace(";", " ").split() for line in split) if words]
    if not rows:
        raise ValueError("the kernel is empty; expected rows of numbers")
    for number, words in enumerate(rows, 1):
        if len(words) != len(rows[0]):
            raise ValueError(f"row {number} of the kernel has {len(words)} numbers, row 1 {len(rows[0])}; expected rows of equal length")
    return as_kernel([[as_number(word, number) for word in words] for number, words in enumerate(rows, 1)], odd=False)


def as_number(word: str, row: int) -> float:
    """A word of a row of a kernel as a number."""
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"row {row} of the kernel holds {word!r}; expected numbers") from None
