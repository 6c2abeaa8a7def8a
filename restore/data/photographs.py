"""Photographs in folders, tar shards and lists of files: found, chosen by a manifest, decoded."""

import csv
import tarfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import numpy as np
from PIL import ExifTags, Image

from restore.image import SUFFIXES, ImageError, ImageWarning, read
from restore.levels import from_float, to_float

Say = Callable[[str], None]
Item = TypeVar("Item")

CLOSED = ("none stated", "non-commercial")
"""What the ``licence`` column of a manifest begins with where a photograph's licence is not stated or not open."""

ANY = ("any", "any")
"""The licence and tier that take all."""


@dataclass(frozen=True)
class Photograph:
    """Where a photograph lies, and its size: a file, or a range of bytes in a shard.

    Attributes:
        path: The file or shard.
        name: What messages call it.
        start: Its first byte in ``path``.
        length: How many bytes.
        height: Rows, upright.
        width: Columns, upright.
    """

    path: Path
    name: str
    start: int
    length: int
    height: int
    width: int

    def decode(self) -> np.ndarray:
        """Its pixels, (height, width, 3) uint8 RGB.

        Raises:
            ValueError: It cannot be read, or has another size than its header said when it was found.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self.start)
                pixels = decode(file.read(self.length), self.name)
        except OSError as error:
            raise ValueError(f"{self.name} cannot be read: {error.strerror}") from error
        if pixels.shape[:2] != (self.height, self.width):
            found = f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
            raise ValueError(f"{self.name} is {found}; expected {self.width} x {self.height}, as when it was found")
        return pixels


def load(
    root: Path, *, validation: str = "train-006", licence: str = "open", tier: int | str = "any", min_side: int = 64, say: Say = print
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Find photographs as ``find`` does, and decode them all; one that turns out to be damaged is left out, and ``say`` told.

    Returns:
        Training and validation photographs, each (H, W, 3) uint8 RGB.

    Raises:
        ValueError: As ``find``.
    """
    training, held_out = survey(root, validation=validation, licence=licence, tier=tier, min_side=min_side, say=say)
    return split(decode_all(training, say), None if held_out is None else decode_all(held_out, say), f"{root}, {min_side} pixels or larger")


def find(
    root: Path, *, validation: str = "train-006", licence: str = "open", tier: int | str = "any", min_side: int = 64, say: Say = print
) -> tuple[list[Photograph], list[Photograph]]:
    """Find photographs, apart for training and validation, and read their headers.

    A ``manifest.tsv`` beside them (columns ``file``, ``licence``, ``tier`` and more, with tabs between) decides by licence and tier which
    are taken. Shards need one unless ``licence`` and ``tier`` are both ``"any"``; folders and lists without one are taken whole: they are
    the user's own.

    Args:
        root: A folder with shards (``.tar``, not compressed); or a folder of pictures, searched recursively; or one shard; or a list
            (``.txt``): a picture or shard on each line, relative to the list's folder, and remarks on lines that begin with ``#``.
        validation: Name of the shard kept for validation, of any licence. Where it is not among them, every tenth photograph is kept,
            beginning with the first.
        licence: ``"open"``: only photographs whose licence is stated and open; ``"any"``: all.
        tier: ``"any"``, or the highest tier that is taken, also for validation: 1 leaves out what was compressed hard before.
        min_side: Photographs with a shorter side are left out: padded, they would teach mirrored borders.
        say: Told, in a line each, which files cannot be read, and how many are too small or without a row in the manifest.

    Returns:
        Training and validation photographs.

    Raises:
        ValueError: None is left for one of the two, ``root`` is not there, a shard is damaged or has no manifest, the manifest has not the
            columns, or an unknown ``licence`` or ``tier``.
    """
    training, held_out = survey(root, validation=validation, licence=licence, tier=tier, min_side=min_side, say=say)
    return split(training, held_out, f"{root}, {min_side} pixels or larger")


def split(training: list[Item], held_out: list[Item] | None, where: str) -> tuple[list[Item], list[Item]]:
    """Hold out every tenth, at least one, where there is no validation shard.

    Raises:
        ValueError: Nothing is left for one of the two.

    >>> split(list("abcdefghijkl"), None, "")[1]
    ['a', 'k']
    """
    if held_out is None:
        training, held_out = [item for i, item in enumerate(training) if i % 10], training[::10]
    if not training or not held_out:
        found = f"{len(training)} photographs to train on and {len(held_out)} to validate with"
        raise ValueError(f"{found} in {where}; expected some of each")
    return training, held_out


def survey(
    root: Path, *, validation: str, licence: str, tier: int | str, min_side: int, say: Say
) -> tuple[list[Photograph], list[Photograph] | None]:
    """Photographs to train on and those of the validation shard, None if there is no such shard; arguments and errors as for ``find``."""
    check_choice(licence, tier)
    root = Path(root)
    sources = list_sources(root)
    manifest = (root if root.is_dir() else root.parent) / "manifest.tsv"
    if not manifest.is_file() and (licence, tier) != ANY:
        if any(map(is_shard, sources)):
            raise ValueError(f"no {manifest} beside the shards; expected one, or licence 'any' and tier 'any'")
        licence, tier = ANY
    rows = read_manifest(manifest, ("file", "licence", "tier")[: 2 + (tier != "any")]) if (licence, tier) != ANY else {}
    parts: dict[bool, list[Photograph]] = {False: [], True: []}
    unknown: list[str] = []
    small: list[Photograph] = []
    for path in sources:
        held = is_shard(path) and path.stem == validation
        choice = ("any" if held else licence, tier)
        for name, start, length, file in contents(path):
            if choice != ANY and name not in rows:
                unknown.append(name)
            elif choice == ANY or is_wanted(rows[name], *choice):
                label = f"{path}: {name}" if is_shard(path) else str(path)
                for height, width in attempt(partial(measure, file, label), say):
                    photograph = Photograph(path, label, start, length, height, width)
                    (parts[held] if min(height, width) >= min_side else small).append(photograph)
    if unknown:
        say(f"{len(unknown)} photographs without a row in {manifest} are left out, {unknown[0]} the first")
    if small:
        say(f"{len(small)} photographs with a side below {min_side} pixels are left out, {small[0].name} the first")
    return parts[False], parts[True] if any(is_shard(path) and path.stem == validation for path in sources) else None


def list_sources(root: Path) -> list[Path]:
    """The shards and picture files that ``root`` stands for, as ``find`` explains it.

    Raises:
        ValueError: ``root``, or what a list names, is not there.
    """
    if root.is_dir():
        pictures = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        return sorted(root.glob("*.tar")) or sorted(pictures)
    sources = [root]
    if root.suffix == ".txt" and root.is_file():
        lines = (line.strip() for line in root.read_text(encoding="utf-8-sig").splitlines())
        sources = list(dict.fromkeys(root.parent / line for line in lines if line and not line.startswith("#")))
    missing = [path for path in sources if not path.is_file()]
    if missing:
        raise ValueError(f"no file {missing[0]}; expected a folder of pictures or shards, a shard (.tar), or a list of files (.txt)")
    return sources


def is_shard(path: Path) -> bool:
    """Whether a file is a tar shard, by its name."""
    return path.suffix == ".tar"


def contents(path: Path) -> Iterator[tuple[str, int, int, BinaryIO]]:
    """Name, first byte and length of each picture of a shard in its order, or of the one picture file, and the open picture.

    Raises:
        ValueError: A shard is damaged, or a file cannot be opened.
    """
    try:
        if not is_shard(path):
            with path.open("rb") as file:
                yield path.name, 0, path.stat().st_size, file
            return
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                name = Path(member.name).name
                if member.isfile() and Path(name).suffix.lower() in SUFFIXES:
                    yield name, member.offset_data, member.size, cast(BinaryIO, tar.extractfile(member))
    except tarfile.TarError as error:
        raise ValueError(f"{path} is not a whole tar file: {error}; expected one, not compressed") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


def measure(file: BinaryIO, name: str) -> tuple[int, int]:
    """Rows and columns of a picture, upright, from its header; where only decoding tells them, it is decoded.

    Raises:
        ValueError: It cannot be read; the message names it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(file)
            turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1) >= 5  # PNG's own decodes the whole file
            return image.size if turned else image.size[::-1]
    except Exception:  # Pillow raises whatever a damaged or unknown file makes of it
        file.seek(0)
        height, width, _ = decode(file.read(), name).shape
        return height, width


def read_manifest(path: Path, columns: Iterable[str] = ("file", "licence")) -> dict[str, dict[str, str]]:
    """The rows of a manifest by the name of their file.

    Raises:
        ValueError: One of the ``columns`` is not there, or a tier is no number.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        missing = [column for column in columns if row.get(column) is None]
        if missing:
            where = f"{path} has no {missing[0]} for {row.get('file')}"
            raise ValueError(f"{where}; expected the columns {', '.join(columns)}, with tabs between")
        if "tier" in columns and not row["tier"].isdecimal():
            raise ValueError(f"{path} has the tier {row['tier']!r} for {row['file']}; expected a number")
    return {row["file"]: row for row in rows}


def check_choice(licence: str, tier: int | str) -> None:
    """Check what photographs are chosen by.

    Raises:
        ValueError: Another licence than ``"open"`` and ``"any"``, or a tier that is neither ``"any"`` nor a number.
    """
    if licence not in ("open", "any"):
        raise ValueError(f"licence {licence!r} is unknown; expected 'open' or 'any'")
    if tier != "any" and not str(tier).isdecimal():
        raise ValueError(f"tier {tier!r} is unknown; expected 'any' or the highest number that is taken")


def is_wanted(row: Mapping[str, str], licence: str, tier: int | str) -> bool:
    """Whether a photograph with this row of a manifest is chosen.

    >>> is_wanted({"licence": "MIT", "tier": "2"}, "open", "any"), is_wanted({"licence": "MIT", "tier": "2"}, "open", 1)
    (True, False)
    """
    return (licence == "any" or not row["licence"].startswith(CLOSED)) and (tier == "any" or int(row["tier"]) <= int(tier))


def open_files(manifest: Path) -> set[str]:
    """Names of the photographs whose licence is stated and open."""
    return {name for name, row in read_manifest(manifest).items() if is_wanted(row, "open", "any")}


def decode_all(photographs: Iterable[Photograph], say: Say) -> list[np.ndarray]:
    """The pixels of photographs; damaged ones are left out, and ``say`` told."""
    return [pixels for photograph in photographs for pixels in attempt(photograph.decode, say)]


def attempt(read_one: Callable[[], Item], say: Say) -> list[Item]:
    """What ``read_one`` returns, in a list; if it cannot, an empty list, and ``say`` told why."""
    try:
        return [read_one()]
    except ValueError as error:
        say(f"{error}; left out")
        return []


def decode(content: bytes, name: str, channels: int = 3) -> np.ndarray:
    """A picture file of any kind that ``restore.read`` takes as (H, W, 3) uint8 RGB, or grey (H, W, 1), upright, without its alpha.

    Raises:
        ValueError: It cannot be decoded; the message names it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImageWarning)  # about what a file cannot keep when it is written again
            pixels = read(content).pixels
    except ImageError as error:
        raise ValueError(f"{name} cannot be read as a picture: {error.__cause__ or error}") from error
    if pixels.dtype != np.uint8:
        pixels = from_float(to_float(pixels), np.uint8)
    if channels == 1 and pixels.shape[2] == 3:
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    return np.repeat(pixels, channels // pixels.shape[2], axis=2) if channels > pixels.shape[2] else pixels
