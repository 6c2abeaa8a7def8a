"""What all kernel filters share: the borders and the checks of their arguments."""

import math
from collections.abc import Sequence
from numbers import Integral

import cv2
import numpy as np

BORDERS = {
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
    "replicate": cv2.BORDER_REPLICATE,
    "constant": cv2.BORDER_CONSTANT,
    "wrap": cv2.BORDER_WRAP,
}
"""Name of a border -> OpenCV's number. Beyond the last pixel d of ``a b c d``: reflect ``c b a``, symmetric ``d c b``,
replicate ``d d d``, constant ``0 0 0``, wrap ``a b c``. SciPy calls them mirror, reflect, nearest, constant, wrap."""


LARGEST = 1001
"""Longest side of a window, in pixels."""


def check_border(border: str) -> None:
    """Check the name of a border.

    Raises:
        ValueError: It is not in ``BORDERS``.
    """
    if border not in BORDERS:
        raise ValueError(f"border is {border!r}; expected one of {', '.join(BORDERS)}")


def check_number(name: str, value: float, *, low: float = 0.0, high: float = math.inf, inclusive: bool = False) -> None:
    """Check that a number lies above ``low`` (or, ``inclusive``, at it or above) and not above ``high``.

    Raises:
        ValueError: It does not, or is no number.
    """
    if not (low < value <= high or (inclusive and value == low)) or value == math.inf:
        wanted = f"{'' if inclusive else 'above '}{low:g}" + (
            " or more" if inclusive and high == math.inf else "" if high == math.inf else f" to {high:g}"
        )
        raise ValueError(f"{name} is {value:g}; expected {wanted}")


def check_reach(name: str, value: float, most: float) -> None:
    """Check that a filter reaches no further than makes sense: kernels, and the time they take, grow with it.

    Raises:
        ValueError: ``value`` is above ``most`` pixels.
    """
    if value > most:
        raise ValueError(f"{name} is {value:g}; expected at most {most:g} pixels")


def check_count(name: str, value: int, *, low: int = 1, high: int = 10_000) -> None:
    """Check that a number of pixels, steps or directions is whole, and from ``low`` to ``high``.

    Raises:
        ValueError: It is not.
    """
    if not low <= value < math.inf or value != int(value):
        raise ValueError(f"{name} is {value:g}; expected a whole number, {low} or more")
    if value > high:
        raise ValueError(f"{name} is {value:g}; expected at most {high}")


def check_size(name: str, size: int) -> None:
    """Check that the side of a window is odd, so that it has a centre.

    Raises:
        ValueError: It is even, below 1, or no integer.
    """
    if not isinstance(size, Integral) or size < 1 or size % 2 == 0:
        raise ValueError(f"{name} is {size}; expected an odd number of pixels, 1 or more")
    check_reach(name, size, LARGEST)


def border_indices(size: int, before: int, after: int, border: str) -> np.ndarray:
    """Which pixel of a row of ``size`` stands at -before ... size + after - 1; -1 where that is the constant 0.

    Any number of pixels may be asked for: the row is reflected or repeated as often as it takes.

    >>> border_indices(4, 2, 3, "reflect").tolist(), border_indices(4, 2, 3, "wrap").tolist()
    ([2, 1, 0, 1, 2, 3, 2, 1, 0], [2, 3, 0, 1, 2, 3, 0, 1, 2])
    """
    places = np.arange(-before, size + after)
    if border == "constant":
        return np.where((places < 0) | (places >= size), -1, places)
    if border == "replicate":
        return np.clip(places, 0, size - 1)
    if border == "wrap":
        return places % size
    if border == "symmetric":
        places = places % (2 * size)
        return np.where(places < size, places, 2 * size - 1 - places)
    period = max(1, 2 * size - 2)
    places = places % period
    return np.where(places < size, places, period - places)


def as_kernel(kernel: np.ndarray | Sequence[Sequence[float]], *, odd: bool = True) -> np.ndarray:
    """A kernel (h, w) as float64.

    Raises:
        ValueError: It is not a rectangle of finite numbers, or a side is even and ``odd`` is asked for.
    """
    try:
        array = np.asarray(kernel, np.float64)
    except (TypeError, ValueError):
        raise ValueError("the kernel is not a rectangle of numbers; expected rows of equal length") from None
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"the kernel has shape {array.shape}; expected (h, w), neither of them 0")
    if not np.isfinite(array).all():
        raise ValueError("the kernel holds NaN or infinity; expected finite numbers")
    if odd and not (array.shape[0] % 2 and array.shape[1] % 2):
        raise ValueError(f"the kernel is {array.shape[0]}x{array.shape[1]}; expected odd sides, so that it has a centre")
    return array
