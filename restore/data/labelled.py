"""Labelled pictures of one size: MNIST, CIFAR-10, folders of classes; each once in an epoch."""

import gzip
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from restore.data.crops import to_tensor
from restore.data.photographs import decode
from restore.draws import Draws
from restore.image import SUFFIXES

HELD_OUT = 5_000
"""How many pictures at the end of MNIST's and CIFAR's training splits are for validation."""

MNIST = {"train": "train", "test": "t10k"}
"""Split -> what its files' names begin with."""


@dataclass(frozen=True)
class Labelled:
    """Pictures of one size, each of one class.

    Attributes:
        pictures: (N, H, W, C) uint8, grey or RGB.
        labels: (N,) int64, 0 to ``len(names) - 1``.
        names: Names of the classes.

    Raises:
        ValueError: Not one label for each picture, or one without a name.
    """

    pictures: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.pictures) or not np.isin(self.labels, np.arange(len(self.names))).all():
            found = f"{len(self.pictures)} pictures and labels {self.labels[:3].tolist()}... ({len(self.labels)})"
            raise ValueError(f"{found}; expected one label for each, from 0 to {len(self.names) - 1}")

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.pictures)

    def part(self, which: slice | np.ndarray) -> "Labelled":
        """Some of the pictures, by a slice or a mask."""
        return Labelled(self.pictures[which], self.labels[which], self.names)


def load_labelled(root: Path, *, size: int = 32, channels: int = 3) -> tuple[Labelled, Labelled]:
    """Read the training split of a labelled set, apart for training and validation; the test split is not touched.

    Args:
        root: MNIST: a folder with its four ``.gz`` files. CIFAR: an ``.npz`` file (see ``read_packed``). Anything else: a folder with
            one folder of pictures for each class, or with such folders in ``train`` and ``test``.
        size: Height and width that the pictures of folders are brought to; MNIST and CIFAR keep theirs.
        channels: 1: grey; 3: RGB.

    Returns:
        Training and validation pictures. Validation gets the last 5,000 of MNIST and CIFAR, every tenth picture of folders.

    Raises:
        ValueError: Nothing to train on or to validate with, or a file cannot be read.
    """
    whole = read_labelled(root, "train", size=size, channels=channels)
    numbers = np.arange(len(whole))
    held_out = numbers >= len(whole) - HELD_OUT if is_packed(root) else numbers % 10 == 0
    if not 0 < held_out.sum() < len(whole):
        raise ValueError(f"{len(whole)} labelled pictures in {root}; expected some to train on and some to validate with")
    return whole.part(~held_out), whole.part(held_out)


def is_packed(root: Path) -> bool:
    """Whether ``root`` holds a set in one piece, in an order that its publisher drew."""
    return Path(root).suffix == ".npz" or (Path(root) / "train-images-idx3-ubyte.gz").exists()


def read_labelled(root: Path, split: str, *, size: int = 32, channels: int = 3) -> Labelled:
    """Read one whole split, ``"train"`` or ``"test"``, of a labelled set; arguments as for ``load_labelled``.

    Raises:
        ValueError: Another split or number of channels, a split that is not there, or a file that cannot be read.
    """
    if split not in MNIST:
        raise ValueError(f"split is {split!r}; expected 'train' or 'test'")
    if channels not in (1, 3):
        raise ValueError(f"a labelled picture has 1 or 3 channels; the network takes {channels}")
    root = Path(root)
    if root.suffix == ".npz":
        return read_packed(root, split, channels)
    if not is_packed(root):
        return read_folders(root, split, size, channels)
    pictures, labels = (read_idx(root / f"{MNIST[split]}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return Labelled(np.repeat(pictures[..., None], channels, -1), labels.astype(np.int64), tuple("0123456789"))  # (N, 28, 28, C)


def read_idx(path: Path) -> np.ndarray:
    """An array of bytes in MNIST's format: two zeros, 8 (unsigned bytes), the number of axes, each axis as 4 bytes, the values.

    Raises:
        ValueError: The file is not there, not whole, or something else.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    axes = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    shape = tuple(int(n) for n in np.frombuffer(content[4 : 4 + 4 * axes], ">u4")) if len(content) >= 4 + 4 * axes else ()
    if not axes or len(shape) != axes or len(content) - 4 - 4 * axes != np.prod(shape):
        raise ValueError(f"{path} is not an idx file of bytes, or not whole")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_packed(path: Path, split: str, channels: int) -> Labelled:
    """Pictures as files in one array: the i-th is ``bytes_SPLIT[off_SPLIT[i]:off_SPLIT[i + 1]]``, its class ``names[y_SPLIT[i]]``.

    Raises:
        ValueError: The file is not there or something else, or its pictures differ in size.
    """
    try:
        with np.load(path) as file:
            content, offsets, labels = (file[f"{key}_{split}"] for key in ("bytes", "off", "y"))
            names = tuple(str(name) for name in file["names"])
    except (OSError, KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:  # some of another kind of file
        raise ValueError(f"{path} cannot be read as packed pictures: {error}") from error
    files = (content[a:b].tobytes() for a, b in pairwise(offsets))
    pictures = [decode(file, f"{path}: picture {i}", channels) for i, file in enumerate(files)]
    if len({p.shape for p in pictures}) != 1:
        raise ValueError(f"{path} holds {len(pictures)} pictures; expected some, of one size")
    return Labelled(np.stack(pictures), labels.astype(np.int64), names)


def read_folders(root: Path, split: str, size: int, channels: int) -> Labelled:
    """Folders that carry the names of classes, in ``root/SPLIT`` or, where there are no splits, in ``root``.

    Raises:
        ValueError: No pictures, fewer than two classes, or no test split.
    """
    place = root / split
    if split == "train" and not place.is_dir():
        place = root
    if not place.is_dir():
        raise ValueError(f"{root} has no test split; expected a folder {place}")
    classes = [(folder, sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)) for folder in sorted(place.iterdir())]
    classes = [(folder, files) for folder, files in classes if files]
    if len(classes) < 2:
        raise ValueError(f"{place} holds {len(classes)} folders with pictures; expected one for each of two classes or more")
    pictures = [fit(decode(file.read_bytes(), str(file), channels), size) for _, files in classes for file in files]
    labels = np.repeat(np.arange(len(classes)), [len(files) for _, files in classes])
    return Labelled(np.stack(pictures), labels, tuple(folder.name for folder, _ in classes))


def fit(picture: np.ndarray, size: int) -> np.ndarray:
    """The centre of a picture (H, W, C) uint8, its shorter side brought to ``size``: (size, size, C)."""
    image = Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)
    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)).reshape(size, size, -1)


class Examples:
    """Labelled pictures in memory, each once in an epoch, in an order that depends on the seed and the epoch alone.

    Args:
        labelled: The pictures.
        size: Largest side of what is drawn in pixels; smaller pictures are padded to it, larger ones are cropped.
        shift: Largest displacement of the crop from the centre in pixels.
        padding: What lies beyond the border: ``"zeros"`` or ``"reflect"``.
        flip: Share of the pictures that are mirrored.
        seed: Of the order.
    """

    def __init__(self, labelled: Labelled, size: int, *, shift: int = 0, padding: str = "zeros", flip: float = 0.0, seed: int = 0) -> None:
        self.labels, self.shift, self.flip = labelled.labels, shift, flip
        sides = [max(0, -(-(size + 2 * shift - side) // 2)) for side in labelled.pictures.shape[1:3]]
        mode = {"zeros": "constant", "reflect": "reflect"}[padding]
        self.pictures = np.pad(labelled.pictures, ((0, 0), *((p, p) for p in sides), (0, 0)), mode)  # type: ignore[call-overload]
        self.order = lru_cache(maxsize=2)(lambda epoch: np.random.default_rng((seed, epoch)).permutation(len(self.labels)))

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.labels)

    def draw(self, draws: Draws, numbers: range, size: int) -> dict[str, torch.Tensor]:
        """The run's samples ``numbers``: ``x`` (N, C, size, size) float32 in [0, 1], channels last, and ``label`` (N,)."""
        spans = [(side - size, min(self.shift, (side - size) // 2)) for side in self.pictures.shape[1:3]]
        chosen = np.array([self.order(number // len(self))[number % len(self)] for number in numbers])
        starts = [free // 2 - shift + draws.integers(2 * shift + 1) for free, shift in spans]
        rows, columns = (start[:, None] + np.arange(size) for start in starts)  # (N, size)
        columns = np.where((draws.uniform() < self.flip)[:, None], columns[:, ::-1], columns)
        batch = self.pictures[chosen[:, None, None], rows[:, :, None], columns[:, None]]  # (N, size, size, C)
        return {"x": to_tensor(batch), "label": torch.from_numpy(self.labels[chosen])}
