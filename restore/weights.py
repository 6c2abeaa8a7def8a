"""The weights that travel with the package, and one's own: the manifest, hashes, safe loading.

``weights.toml`` holds ``version = 1`` and one table for each weight; the table's name is the weight's name.

>>> entries()["denoise"].network
'restoration'
"""

import contextlib
import hashlib
import inspect
import json
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

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
        summary: What it is, in a sentence; empty: what its recipe says.
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
    summary: str = ""


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
    path = (place or folder()) / "weights.toml"
    try:
        content = tomllib.loads(_read(path).decode("utf-8"))
    except ValueError as error:  # broken TOML, broken UTF-8
        raise WeightsError(f"{path} is not a TOML file: {error}") from error
    if (version := content.pop("version", None)) != VERSION:
        hint = "; a newer release of restore reads it" if isinstance(version, int) and version > VERSION else ""
        raise WeightsError(f"{path} has version {version}, expected {VERSION}{hint}")
    return {name: _entry(name, table, path) for name, table in content.items()}


def find(weight: str | os.PathLike[str], place: Path | None = None) -> tuple[Entry, Path]:
    """What a weight is, and its file.

    Args:
        weight: A name in ``entries()``; a file that the manifest beside it names; or a training run: a checkpoint of it, its
            ``weights.safetensors``, or its folder, which stands for the last checkpoint if there is one.
        place: A folder with a ``weights.toml``; None: the shipped weights.

    Returns:
        Its entry and the file; a run has no hash, size, licence, recipe and commit.

    Raises:
        WeightsError: There is no such weight, or its ``config.json`` does not say what network it is.
    """
    known, path = entries(place), Path(weight)
    if entry := known.get(str(weight)):
        return entry, (place or folder()) / entry.file
    if not path.exists():
        names = ", ".join(known) or "none (the manifest is empty)"
        raise WeightsError(f"weight {str(weight)!r} is unknown; expected one of {names}, or the folder of a training run")
    if path.is_dir():
        path = path / ("checkpoint.pt" if (path / "checkpoint.pt").exists() else "weights.safetensors")
    published = entries(path.parent).values() if (path.parent / "weights.toml").exists() else ()
    if entry := next((entry for entry in published if entry.file == path.name), None):
        return entry, path
    try:
        said = {key: json.loads(config_of(path).read_text("utf-8"))[key] for key in ("network", "options", "task")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} has no config.json of a run beside it that says network, options and task: {error}") from error
    return Entry(name=str(weight), file=path.name, sha256="", bytes=0, licence="", recipe="", commit="", **said), path


def config_of(path: Path) -> Path:
    """The ``config.json`` of the training run that a file lies in, or whose best ones it is among."""
    return path.parents[path.parent.name == "best"] / "config.json"


def load(
    name: str,
    weights: str | os.PathLike[str] | None = None,
    *,
    place: Path | None = None,
    in_channels: int | None = None,
    num_classes: int | None = None,
    output_stride: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> "Network | Backbone":
    """Build a network and give it its weights.

    Args:
        name: As ``find`` takes it; a published file is hashed and then loaded, from one reading. Or, with ``weights``, a backbone.
        weights: ``"imagenet"``: what torchvision publishes (IMAGENET1K_V1), fetched once and kept by torchvision's own code; or a file
            with a state dict, ``.safetensors``, or ``.pth`` and ``.pt``, of which nothing but tensors is read.
        place: A folder with a ``weights.toml``; None: the shipped weights.
        in_channels: Channels of the input of a backbone; the first convolution is adapted by ``restore.backbones.adapt_input``.
        num_classes: Outputs of a backbone's classifier; None: as many as the file has. Where those are others, the last layer stays
            random. 0: no last layer.
        output_stride: Largest reduction of a backbone, see ``restore.backbones.build``.
        options: Other arguments of the network's builder; those of an entry stand where nothing is given.

    Returns:
        The network, float32 on the CPU (the file may hold float16), in evaluation mode.

    Raises:
        WeightsError: The name is unknown, or the file missing, no state dict, of another hash, not to be fetched or of another network.
    """
    from restore import backbones

    if weights is not None and name not in backbones.BACKBONES:
        raise WeightsError(f"backbone {name!r} is unknown; expected one of {', '.join(backbones.BACKBONES)}")
    if weights is None and name in backbones.BACKBONES and name not in entries(place):
        raise WeightsError(f'backbone {name!r} comes without weights; expected weights="imagenet", or a file (.safetensors or .pth)')
    swaps = {"in_channels": in_channels, "num_classes": num_classes, "output_stride": output_stride}
    given = {**(options or {}), **{key: value for key, value in swaps.items() if value is not None}}
    if weights is None:
        title, (entry, path) = f"weight {name!r}", find(name, place)
        reader = (lambda: _parse(_read(path, entry), title)) if entry.sha256 else (lambda: read(path))
        return _filled(title, entry.network, reader, default=entry.options, given=given)
    if weights == "imagenet":
        if name not in backbones.BACKBONES[name].TORCHVISION:
            raise WeightsError(f"torchvision publishes no ImageNet weights of {name!r}; expected a file (.safetensors or .pth)")
        takes = inspect.signature(backbones.BACKBONES[name].build).parameters
        default = {"transform_input": True} if "transform_input" in takes and given.get("in_channels", 3) == 3 else {}
        network = _filled(f"weights 'imagenet' of {name!r}", name, lambda: _fetch(name), default=default, given=given)
        if "transform_input" in takes and not default:  # what the transform would have done, to other channels than RGB
            network.mean = network.std = (0.5,) * given["in_channels"]
        return network
    file = Path(weights)
    return _filled(str(file), name, lambda: read(file), default={}, given=given)


def class_names(name: str, weights: str | os.PathLike[str] | None = None, *, place: Path | None = None) -> tuple[str, ...]:
    """What the outputs of ``load(name, weights)`` are called, without loading it; empty where nothing tells.

    A shipped classifier's names stand in the manifest. ImageNet's come with torchvision, in its order of the 1000 classes.

    >>> class_names("resnet50", "imagenet")[:2]
    ('tench', 'goldfish')
    """
    if weights is None:
        known = entries(place)
        return tuple(known[name].classes) if name in known else ()
    from torchvision.models import get_model_weights

    from restore import backbones

    if weights != "imagenet" or name not in backbones.BACKBONES or name not in backbones.BACKBONES[name].TORCHVISION:
        return ()
    return tuple(get_model_weights(name)["IMAGENET1K_V1"].meta["categories"])


def _filled(
    title: str, name: str, reader: "Callable[[], dict[str, Tensor]]", *, default: Mapping[str, Any], given: Mapping[str, Any]
) -> "Network | Backbone":
    """The network called ``name``, built first, then filled with what ``reader`` returns."""
    from restore import backbones, networks

    is_backbone, options = name in backbones.BACKBONES, {**default, **given}
    try:
        network = networks.build_any(name, options)
    except ValueError as error:
        raise WeightsError(f"{title} does not fit network {name!r}: {error}") from error
    state, ours = reader(), network.state_dict()
    if is_backbone:
        state = getattr(backbones.BACKBONES[name], "remap", dict)(state)
        if "num_classes" not in options and (classes := _classes(state, ours, name, options)):
            return _filled(title, name, lambda: state, default={**default, "num_classes": classes}, given=given)
        state = _adapted(state, ours, name, options=options, given=given)
    if wrong := faults(state, ours):
        raise WeightsError(f"{title} does not fit network {name!r}: {wrong}")
    network.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    return network.eval()


def _dependent(ours: "dict[str, Tensor]", name: str, options: Mapping[str, Any]) -> list[str]:
    """Tensors that a backbone with ``options`` has in another shape than ``ours``, or that ours lacks."""
    import torch

    from restore import backbones

    with torch.device("meta"):
        other = backbones.build(name, options=options).state_dict()
    return [key for key, value in other.items() if key not in ours or ours[key].shape != value.shape]


def _classes(state: "dict[str, Tensor]", ours: "dict[str, Tensor]", name: str, options: Mapping[str, Any]) -> int:
    """Outputs of a state dict's classifier where they are not as many as ours; 0 where they are, or nothing tells."""
    others = {k for k, value in state.items() if k in ours and value.shape != ours[k].shape and value.dim() == ours[k].dim() > 0}
    head = others and others.intersection(_dependent(ours, name, {**options, "num_classes": 1}))
    return max((state[key].shape[0] for key in head), default=0)


def _adapted(
    state: "dict[str, Tensor]", ours: "dict[str, Tensor]", name: str, *, options: Mapping[str, Any], given: Mapping[str, Any]
) -> "dict[str, Tensor]":
    """A backbone's state dict, made to fit where another input or classifier is asked for; what else differs is left to ``faults``."""
    from restore.backbones import adapt_input

    state = dict(state)
    first = next((key for key, value in ours.items() if value.dim() == 4), "")  # (K, C, h, w)
    shape = state[first].shape if first in state else ()
    if "in_channels" in given and len(shape) == 4 and shape[1] not in (0, ours[first].shape[1]):
        state[first] = adapt_input(state[first], given["in_channels"])
    if "aux_logits" in given:
        for key in _dependent(ours, name, {**options, "aux_logits": True}):
            state.pop(key, None)
    if "num_classes" in given:
        for key in _dependent(ours, name, {**options, "num_classes": abs(given["num_classes"] - 1) or 2}):
            if key not in ours:
                state.pop(key, None)
            elif key in state and state[key].shape != ours[key].shape:
                state[key] = ours[key]  # random, as built
    return state


def faults(state: "dict[str, Tensor]", wanted: "dict[str, Tensor]") -> str:
    """How a state dict differs from the wanted one in names and shapes; empty where it does not.

    The counters of batch normalisation may be missing: files older than they are lack them, and PyTorch fills them in.
    """
    lacking = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    others = [key for key, value in state.items() if key in wanted and value.shape != wanted[key].shape]
    shapes = [f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}" for key in others]
    groups = {"lacks": lacking, "has the unknown": [key for key in state if key not in wanted], "has": shapes}
    said = {verb: ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "") for verb, keys in groups.items()}
    return "; ".join(f"{verb} {what}" for verb, what in said.items() if what)


def _fetch(name: str) -> "dict[str, Tensor]":
    """The state dict that torchvision publishes."""
    from torchvision.models import get_model_weights

    published = get_model_weights(name)["IMAGENET1K_V1"]
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where PyTorch says what it downloads
            return dict(published.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, map_location="cpu", weights_only=True))
    except Exception as error:  # a network and a file have many ways to fail
        failed = f"weights 'imagenet' of {name!r} cannot be fetched from {published.url}: {_one_line(error)}"
        raise WeightsError(f"{failed}; expected a network, or a file") from error


def read(path: Path) -> "dict[str, Tensor]":
    """The state dict in a file that need not be in a manifest; in a checkpoint of ``restore.training`` its averaged weights.

    Raises:
        WeightsError: It is not there, broken, or holds something else.
    """
    import torch

    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise WeightsError(f"{path} ends in {path.suffix!r}; expected a file that ends in .safetensors, .pth or .pt, or 'imagenet'")
    if path.suffix == ".safetensors":
        return _parse(_read(path), str(path))
    held = unpickle(path)
    state = held.get("averaged", held) if isinstance(held, dict) else held
    if not isinstance(state, dict) or not all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()):
        found = f"a dict of {', '.join(map(str, list(state)[:3]))}" if isinstance(state, dict) else type(state).__name__
        raise WeightsError(f"{path} holds {found}; expected a state dict: names and tensors")
    return state


def unpickle(path: Path, *, mmap: bool = False) -> Any:
    """What ``torch.save`` wrote: tensors, numbers, text and containers of them; with ``mmap`` tensors stay on disk until they are used.

    Raises:
        WeightsError: The file is not there, broken, or holds something else.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # a broken pickle raises whatever it likes, UnpicklingError with advice to read it without care
        why = "it is broken, or holds objects, which could run code" if isinstance(error, pickle.UnpicklingError) else _one_line(error)
        raise WeightsError(f"{path} is no file of tensors: {why}") from error


def _parse(content: bytes, title: str) -> "dict[str, Tensor]":
    """The tensors of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        raise WeightsError(f"{title} is no safetensors file: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _read(path: Path, entry: Entry | None = None) -> bytes:
    """The content of a file; a weight's is checked against its size and hash."""
    title = f"weight {entry.name!r}: {path}" if entry else str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{title} cannot be read: {error.strerror}") from error
    if entry and (digest := hashlib.sha256(content).hexdigest()) != entry.sha256.lower():
        size = "" if len(content) == entry.bytes else f" ({len(content)} bytes instead of {entry.bytes})"
        raise WeightsError(f"{title} has sha256 {digest}{size}, expected {entry.sha256}")
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
