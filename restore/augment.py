"""Damage and masks as albumentations; the only home of that package.

What is beyond repair by anything but inpainting is marked in the target ``damage``, (H, W) or (H, W, 1), non-zero there. Pass zeros to
begin with, and name it in ``additional_targets``, so that crops and flips move it with the picture:

>>> image, zeros = np.full((64, 96, 3), 120, np.uint8), np.zeros((64, 96), np.uint8)
>>> steps = [A.HorizontalFlip(), Degrade("scratches", p=0.5), Degrade("jpeg", severity=(0.2, 0.6), p=1)]
>>> result = A.Compose(steps, additional_targets={"damage": "mask"}, seed=0)(image=image, damage=zeros)
>>> result["image"].shape, result["damage"].shape
((64, 96, 3), (64, 96))

Degradations move no pixel, so masks, keypoints and boxes stay as they are. Images are (H, W), or (H, W, C) with C = 1 grey, 2 grey + alpha,
3 RGB, 4 RGB + alpha; uint8, uint16 or float32 in [0, 1]; alpha stays. Numbers come from albumentations: ``A.Compose(..., seed=0)`` decides.
``A.save`` and ``A.load`` work once this module is imported, and so does ``A.ReplayCompose``: it replays ``damage`` as it was.

Workers of a ``DataLoader`` begin as copies of one process, and draw the same numbers: give it ``worker_init_fn=seed_worker``.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset, get_worker_info

from restore import masks
from restore.degrade.arrays import Ranges, degrade, find, marks
from restore.image import Picture
from restore.levels import from_float, full_scale

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask a package index for its newest version
import albumentations as A

Range = tuple[float, float]


def seed_worker(number: int) -> None:
    """Give a worker of a ``DataLoader`` numbers of its own, other ones in each epoch: its ``worker_init_fn``.

    The loader's ``generator``, or ``torch.manual_seed``, then decides, and no longer the ``seed`` of ``A.Compose``.

    Args:
        number: Of the worker, as the loader counts them.

    Raises:
        ValueError: Outside of a worker, or no attribute of the dataset (or of a dataset in it) is a transform.
    """
    worker = get_worker_info()
    found = list(transforms(worker.dataset)) if worker else []
    if worker is None or not found:
        raise ValueError(f"worker {number} finds no transform; expected one in an attribute of the dataset, in a worker of a DataLoader")
    for transform in found:
        transform.set_random_seed(worker.seed)


def transforms(dataset: Dataset[Any]) -> Iterator[Any]:
    """What albumentations has in the attributes of a dataset, and of the datasets in it."""
    for value in vars(dataset).values():
        if isinstance(value, A.BaseCompose | A.BasicTransform):
            yield value
        elif isinstance(value, Dataset):
            yield from transforms(value)


def fraction(name: str, number: float) -> float:
    """A number from 0 to 1.

    Raises:
        ValueError: It is none.
    """
    if not 0 <= number <= 1:
        raise ValueError(f"{name} is {number}; expected a number from 0 to 1")
    return number


def span(name: str, pair: Sequence[float]) -> Range:
    """Two numbers from 0 to 1, the smaller one first.

    Raises:
        ValueError: They are anything else.
    """
    if np.shape(pair) != (2,) or not 0 <= pair[0] <= pair[1] <= 1:
        raise ValueError(f"{name} is {pair}; expected two numbers from 0 to 1, the smaller one first")
    return pair[0], pair[1]


def unite(mask: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """A mask (H, W) or (H, W, 1), white (255, True, ...) also where ``marked`` (H, W) is True.

    Raises:
        ValueError: The two differ in size, or the mask has several channels.
        TypeError: The mask is none of bool, uint8, uint16 and float32.

    >>> unite(np.array([[7, 0, 0]], np.uint8), np.array([[False, False, True]]))
    array([[  7,   0, 255]], dtype=uint8)
    """
    if mask.shape not in (marked.shape, (*marked.shape, 1)):
        raise ValueError(f"damage is of shape {mask.shape}; expected {marked.shape}, as the picture")
    white = mask.dtype.type(True if mask.dtype == bool else full_scale(mask.dtype))
    return np.where(marked.reshape(mask.shape), white, mask)


class Degrade(A.ImageOnlyTransform):
    """One row of ``DEGRADATIONS``, or ``"old_photograph"``, of which four in ten turn grey.

    Several images of one call (``additional_targets``, ``images``, ``volume``) get the same damage. Where the target ``damage`` is passed,
    what the row marks is united with it.

    Args:
        name: In ``degrade.NAMES``.
        severity: Range, 0 to 1, that it is drawn from evenly; ``(s, s)`` is always s.
        ranges: Parameter -> (low, high) instead of those of the table, and within them: ``{"quality": (60, 40)}``.
        p: Share of the pictures that it happens to.

    Raises:
        ValueError: A name or range that is not in the table, a severity or p outside 0 to 1; when called, a target ``damage`` of another
            size, or without ``image``.

    >>> Degrade("gaussian_noise", (0.5, 0.5), p=1)(image=np.zeros((4, 6), np.float32))["image"].shape
    (4, 6)
    """

    def __init__(self, name: str, severity: Range = (0.0, 1.0), *, ranges: Ranges | None = None, p: float = 0.5) -> None:
        super().__init__(p=fraction("p", p))
        find(name, ranges)
        self.name, self.severity = name, span("severity", severity)
        self.ranges = None if ranges is None else {key: list(pair) for key, pair in ranges.items()}

    @property
    def targets(self) -> dict[str, Callable[..., Any]]:
        """Target -> what is done to it."""
        return {**super().targets, "damage": self.apply_to_damage}

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw: ``seed`` and ``severity``; and what is then beyond repair, if that is asked for."""
        drawn = {"seed": int(self.random_generator.integers(2**62)), "severity": self.py_random.uniform(*self.severity)}
        mask, image = data.get("damage"), data.get("image")
        if mask is None:
            return drawn
        if image is None:
            raise ValueError("damage is marked for one picture; expected image, too")
        given = unite(mask, np.zeros(image.shape[:2], bool)).reshape(image.shape[:2])
        if not marks(self.name):
            return {**drawn, "marked": given != 0}
        _, marked = degrade(image, self.name, drawn["seed"], drawn["severity"], ranges=self.ranges, mask=given)
        return {**drawn, "marked": marked}

    def apply(
        self, img: np.ndarray, *, seed: int, severity: float, shape: tuple[int, ...] = (), marked: np.ndarray | None = None
    ) -> np.ndarray:
        """Damage a picture, as drawn."""
        return degrade(img, self.name, seed, severity, ranges=self.ranges)[0]

    def apply_to_damage(
        self, mask: np.ndarray, *, marked: np.ndarray, seed: int = 0, severity: float = 0.0, shape: tuple[int, ...] = ()
    ) -> np.ndarray:
        """Mark what is beyond repair."""
        return unite(mask, marked)


class DrawMask(A.ImageOnlyTransform):
    """Draws what is to be filled into the target ``damage``; the picture stays as it is, or is blank there.

    Args:
        kinds: A name in ``masks.MASKS``, or several, of which each draw takes one.
        area: Least and largest part of the picture to cover, 0 to 1.
        fill: Grey, 0 black to 1 white whatever the type, that the picture gets there; None leaves it.
        p: Share of the pictures that get one.

    Raises:
        ValueError: An unknown kind, a range, grey or p outside 0 to 1; when called, a target ``damage`` of another size or, without a fill,
            none, or an area that no draw could meet.

    >>> step = DrawMask(["strokes", "boxes"], area=(0.1, 0.2), p=1)
    >>> drawn = step(image=np.zeros((64, 64, 3), np.uint8), damage=np.zeros((64, 64), np.uint8))["damage"]
    >>> bool(0.1 <= (drawn > 0).mean() <= 0.2)
    True
    """

    def __init__(self, kinds: str | Sequence[str], area: Range = (0.05, 0.3), *, fill: float | None = None, p: float = 1.0) -> None:
        super().__init__(p=fraction("p", p))
        names = masks.known(kinds)
        self.kinds, self.area, self.fill = names, span("area", area), None if fill is None else fraction("fill", fill)

    @property
    def targets(self) -> dict[str, Callable[..., Any]]:
        """Target -> what is done to it."""
        return {**super().targets, "damage": self.apply_to_damage}

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw the mask: ``hole``, (H, W) bool."""
        if data.get("damage") is None and self.fill is None:
            raise ValueError("a mask is drawn into damage, and that is not passed; expected zeros (H, W), or a fill")
        return {"hole": masks.draw(self.kinds, params["shape"][:2], self.random_generator, self.area) > 0}

    def apply(self, img: np.ndarray, *, hole: np.ndarray, fill: float | None, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Blank a picture in the hole; alpha stays."""
        if fill is None:
            return img
        picture = Picture.from_array(img)
        grey = from_float(np.full(1, fill, np.float64), img.dtype)
        return picture.replace(pixels=np.where(hole[..., None], grey, picture.pixels)).to_array().reshape(img.shape)

    def apply_to_damage(self, mask: np.ndarray, *, hole: np.ndarray, fill: float | None = None, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Mark the hole."""
        return unite(mask, hole)
