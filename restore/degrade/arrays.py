"""Degradations on arrays, one picture at a time.

>>> degrade(np.full((32, 48, 3), 90, np.uint8), "jpeg", 0, 0.5)[0].shape
(32, 48, 3)
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from restore import masks
from restore.degrade.base import Degradation, Integer
from restore.degrade.composition import mark, old_photograph
from restore.degrade.table import DEGRADATIONS, SPREADING, apply
from restore.draws import Draws
from restore.image import Picture
from restore.levels import from_float, to_float

OLD = "old_photograph"
NAMES = (*DEGRADATIONS, OLD)
"""What ``degrade`` and ``augment.Degrade`` take: the table, and the composition of it."""

Ranges = Mapping[str, Sequence[float]]


def find(name: str, ranges: Ranges | None = None) -> Degradation | None:
    """The row of a degradation; None is that of an old photograph, which has none.

    Args:
        name: In ``NAMES``.
        ranges: Parameter -> two numbers in the place of ``low`` and ``high`` of its distribution, and within them.

    Raises:
        ValueError: A name that is not in the table, a parameter that is not drawn from a range, a number outside of it, or one that is
            not whole where only those are drawn.

    >>> find("jpeg", {"quality": (60, 40)}).parameters["quality"]
    Strength(low=60, high=40, log=False)
    """
    if name not in NAMES:
        raise ValueError(f"{name!r} is no degradation; expected one of {', '.join(NAMES)}")
    row = DEGRADATIONS.get(name)
    parameters: dict[str, Any] = dict(row.parameters) if row else {}
    limits = {key: sorted((each.low, each.high)) for key, each in parameters.items() if hasattr(each, "low") and hasattr(each, "high")}
    for key, pair in (ranges or {}).items():
        if key not in limits:
            raise ValueError(f"{name} draws no {key!r} from a range; expected {' or '.join(limits) or 'none'}")
        least, most = limits[key]
        if np.shape(pair) != (2,) or not all(least <= number <= most for number in pair):
            raise ValueError(f"range of {key} of {name} is {pair}; expected two numbers within {least:g} and {most:g}")
        if isinstance(parameters[key], Integer) and not (pair[0] <= pair[1] and all(number % 1 == 0 for number in pair)):
            raise ValueError(f"range of {key} of {name} is {pair}; expected whole numbers, the smaller first")
        parameters[key] = dataclasses.replace(parameters[key], low=pair[0], high=pair[1])
    return row and dataclasses.replace(row, parameters=parameters)


def marks(name: str) -> bool:
    """Whether a degradation marks what is beyond repair, or spreads the marks that are there.

    >>> marks("scratches"), marks("gaussian_blur"), marks("jpeg")
    (True, True, False)
    """
    return name == OLD or name in SPREADING or bool(DEGRADATIONS[name].mask)


@torch.inference_mode()
def degrade(
    image: np.ndarray,
    name: str,
    seed: int,
    severity: float,
    *,
    ranges: Ranges | None = None,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Damage one picture. Where there is a real codec, uint8 pictures go through it.

    Args:
        image: (H, W), or (H, W, C) with C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha; uint8, uint16 or float32 in [0, 1]; alpha stays.
        name: In ``NAMES``.
        seed: The same one gives the same bytes; on another processor, or with another number of threads, the last digit of uint16 and
            float32 may differ.
        severity: 0 barely seen, 1 the worst that archives hold.
        ranges: As for ``find``.
        mask: What is beyond repair already, (H, W), non-zero there; blur spreads it.

    Returns:
        The picture, of the same shape and type, clipped to its range; where only inpainting helps, (H, W) bool.

    Raises:
        ImageError: An array of another shape or type.
        ValueError: A name or range that is not in the table, a severity outside 0 to 1, a seed that ``Draws`` does not take, or a mask of
            another size.

    >>> image, marked = degrade(np.full((32, 48), 90, np.uint8), "scratches", 0, 1.0)
    >>> image.shape, bool((image[~marked] == 90).all()), bool(marked.any())
    ((32, 48), True, True)
    """
    row, picture, draws = find(name, ranges), Picture.from_array(image), Draws(seed, [0])
    x = tensor(picture.pixels).clamp_(0, 1)
    given = torch.zeros_like(x[:, :1]) if mask is None else torch.from_numpy(masks.check(mask, image.shape[:2])).to(x.dtype)[None, None]
    if row is None:
        _, after, found = old_photograph(x, draws, severity=severity)
        marked = torch.maximum(given, found)
    else:
        drawn = row.draw(draws, (1, x.shape[1], x.shape[2], x.shape[3]), severity)
        if row.array and image.dtype == np.uint8:
            numbers = {key: value[0].numpy() if value.ndim > 1 else value.item() for key, value in drawn.items()}
            after = tensor(row.array(picture.pixels, **numbers))
        else:
            after = apply(name, x, drawn).clamp(0, 1)
        marked = mark(name, given, drawn, x, after)
    pixels = from_float(np.ascontiguousarray(after[0].permute(1, 2, 0).numpy()), picture.dtype)
    return picture.replace(pixels=pixels).to_array().reshape(image.shape), marked[0, 0].numpy() > 0


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """A copy of (H, W, C) as (1, C, H, W) float32, white at 1.

    >>> tensor(np.full((2, 3, 1), 255, np.uint8)).shape
    torch.Size([1, 1, 2, 3])
    """
    return torch.from_numpy(np.array(to_float(pixels).transpose(2, 0, 1)[None], order="C"))
