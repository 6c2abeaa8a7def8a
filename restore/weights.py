"""The weights that travel with the package: the manifest, their hashes, safe loading.

``weights.toml`` holds ``version = 1`` and one table for each weight; the table's name is the weight's name.

>>> entries()["denoise"].network
'restoration'
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restore.backbones import Backbone
    from restore.networks import Network

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VERSION = 1
"""The newest version of the manifest that this release reads."""


class WeightsError(RuntimeError):
    """A weight, or the manifest, cannot be used; the message is one line that says why."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the manifest says of one weight.

    Attributes:
        name: The name of its table.
        network: A key of ``restore.networks.NETWORKS`` or of ``restore.backbones.BACKBONES``.
        options: Options of the network's builder.
        task: The task it was trained for: a key of ``restore.tasks.TASKS``, or "classify".
        file: Its file beside the manifest, safetensors.
        sha256: The hash of the whole file, 64 hexadecimal digits.
        bytes: The file's size.
        licence: SPDX name of the licence of the weight.
        recipe: The recipe that trained it, a key of ``restore.training.recipes.RECIPES``.
        commit: The commit of this project that it was published at.
        trained: Hours and hardware, in words.
        scores: What was measured -> value, in the unit that the name says.
        classes: Names of a classifier's outputs, in their order.
    """

    name: str
    network: str
    options: Mapping[str, Any]
    task: str
    file: str
    sha256: str
    bytes: int
    licence: str
    recipe: str
    commit: str
    trained: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    classes: Sequence[str] = ()


_TYPES: dict[str, type] = {"options": dict, "scores": dict, "bytes": int, "classes": list}


def folder() -> Path:
    """The folder of the shipped weights: inside an installed package, or beside it in a checkout.

    Raises:
        WeightsError: Neither is there.
    """
    package = Path(__file__).parent
    for place in (package / "_weights", package.parent / "weights"):
        if (place / "weights.toml").is_file():
            return place
    raise WeightsError(f"no weights came with this installation: {package / '_weights' / 'weights.toml'} is not there")


def entries(place: Path | None = None) -> dict[str, Entry]:
    """Read the manifest; no weight is opened, and torch is not imported.

    Args:
        place: A folder with a ``weights.toml``; None: the shipped weights.

    Returns:
        Name -> entry, in the order of the manifest.

    Raises:
        WeightsError: The manifest is missing, broken, of a future version, or an entry lacks a field or has a wrong one.
    """
    path = (folder() if place is None else place) / "weights.toml"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # broken TOML, broken UTF-8
        raise WeightsError(f"{path} is not a TOML file: {error}") from error
    version = content.pop("version", None)
    if version != VERSION:
        hint = "; a newer release of restore reads it" if isinstance(version, int) and version > VERSION else ""
        raise WeightsError(f"{path} has version {version}, expected {VERSION}{hint}")
    return {name: _entry(name, table, path) for name, table in content.items()}


def load(name: str, place: Path | None = None) -> "Network | Backbone":
    """Build a network and give it its weights.

    The file is read once: what was hashed is what is loaded.

    Args:
        name: A name in ``entries()``.
        place: A folder with a ``weights.toml``; None: the shipped weights.

    Returns:
        The network, float32 on the CPU (the file may hold float16), in evaluation mode.

    Raises:
        WeightsError: The name is unknown, the file is missing, its hash is another, or it does not fit the network.
    """
    known, place = entries(place), folder() if place is None else place
    if name not in known:
        raise WeightsError(f"weight {name!r} is unknown; expected one of {', '.join(known) or 'none: the manifest is empty'}")
    entry = known[name]
    content = _read(entry, place / entry.file)

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    from restore import backbones, networks

    try:
        state = {key: value.float() if value.is_floating_point() else value for key, value in parse(content).items()}
        is_backbone = entry.network in backbones.BACKBONES
        network = (
            backbones.build(entry.network, options=entry.options) if is_backbone else networks.build(entry.network, dict(entry.options))
        )
        network.load_state_dict(state)
    except (SafetensorError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"weight {name!r} does not fit network {entry.network!r}: {reason}") from error
    assert all(p.dtype == torch.float32 for p in network.parameters())
    return network.eval()


def _read(entry: Entry, path: Path) -> bytes:
    """The content of a weight's file, checked against its size and hash."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"weight {entry.name!r}: {path} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256.lower():
        size = "" if len(content) == entry.bytes else f" ({len(content)} bytes instead of {entry.bytes})"
        raise WeightsError(f"weight {entry.name!r}: {path} has sha256 {digest}{size}, expected {entry.sha256}")
    return content


def _entry(name: str, table: object, path: Path) -> Entry:
    """An entry from its table, every field's presence and type checked."""
    if not isinstance(table, dict):
        raise WeightsError(f"{path}: {name!r} must be a table, got {table!r}")
    wanted = {f.name: f for f in fields(Entry) if f.name != "name"}
    for key, value in table.items():
        if key not in wanted:
            raise WeightsError(f"{path}: [{name}] has an unknown field {key!r}; expected {', '.join(wanted)}")
        if not isinstance(value, _TYPES.get(key, str)) or isinstance(value, bool):
            raise WeightsError(f"{path}: [{name}] {key} must be {_TYPES.get(key, str).__name__}, got {value!r}")
    for key, wish in wanted.items():
        if key not in table and wish.default is MISSING and wish.default_factory is MISSING:
            raise WeightsError(f"{path}: [{name}] lacks {key!r}")
    if Path(table["file"]).name != table["file"]:
        raise WeightsError(f"{path}: [{name}] file must be a name beside the manifest, got {table['file']!r}")
    classes = table.get("classes", [])
    if not all(isinstance(label, str) for label in classes):
        raise WeightsError(f"{path}: [{name}] classes must be names, got {classes!r}")
    return Entry(name=name, **{**table, "classes": tuple(classes)})
