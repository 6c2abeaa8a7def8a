"""Compiled networks on disk, so that a second start need not compile. Nothing here raises: what cannot be kept is made again."""

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn

KEPT = 24
"""Compiled networks that are kept, of some 10 megabytes each; the ones used longest ago go first."""
SUFFIX = ".compiled"
SOURCES = ("networks", "nn", "backbones")
"""Packages whose source text says what a network computes."""


def folder() -> Path | None:
    """Where compiled networks are kept: what ``RESTORE_CACHE`` names (empty: nowhere), else in the user's cache folder.

    That is ``XDG_CACHE_HOME`` or ``~/.cache``; on Windows ``LOCALAPPDATA``, on a Mac ``~/Library/Caches``.
    """
    if (own := os.environ.get("RESTORE_CACHE")) is not None:
        return Path(own) if own else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else os.path.expanduser("~/.cache")
    return Path(base) / "restore-photographs" if os.path.isabs(base) else None


def key(network: nn.Module, *facts: str) -> str | None:
    """Hash of all that a compiled network depends on: its layers, their source text, its weights, and ``facts``.

    None for a network with layers from elsewhere than torch and this package, whose source text may change unseen.
    """
    if {type(module).__module__.split(".")[0] for module in network.modules()} - {"torch", __name__.split(".")[0]}:
        return None
    digest = hashlib.sha256("\n".join([repr(network), *facts]).encode())
    package = Path(__file__).parent.parent
    for path in sorted(path for name in SOURCES for path in (package / name).glob("*.py")):
        digest.update(path.read_bytes())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load(name: str | None) -> bytes | None:
    """What was stored under a key; None if there is nothing, or it is damaged."""
    place = folder()
    if place is None or name is None:
        return None
    try:
        content = (place / f"{name}{SUFFIX}").read_bytes()
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a cache that may only be read
        os.utime(place / f"{name}{SUFFIX}")
    head, body = content[:32], content[32:]
    return body if hashlib.sha256(body).digest() == head else None  # OpenVINO would read damaged numbers as they are


def store(name: str | None, content: bytes) -> None:
    """Keep ``content`` under a key, and forget what is too much; nothing happens where that is not possible."""
    place = folder()
    if place is None or name is None:
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(SUFFIX, dir=place)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            os.replace(draft, place / f"{name}{SUFFIX}")  # whole or not at all, whoever else writes or reads it
        except OSError:
            os.unlink(draft)
            raise
        for old in sorted(place.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink()
    except OSError:
        pass
