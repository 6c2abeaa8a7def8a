"""Restoration networks: built by name, without weights."""

from collections.abc import Callable, Mapping
from typing import Any

from restore import backbones
from restore.networks import filtering, inpainting, restoration, unet
from restore.networks.base import Network

NETWORKS: dict[str, Callable[..., Network]] = {
    "restoration": restoration.build,
    "inpainting": inpainting.build,
    "filtering": filtering.build,
    "unet": unet.build,
}
"""Name -> builder that takes the options of the manifest."""


def build(name: str, options: Mapping[str, Any] | None = None) -> Network:
    """Build the network called ``name`` with random weights; no file is touched.

    Args:
        name: A key of ``NETWORKS``.
        options: Arguments of the builder, as the manifest writes them.

    Raises:
        ValueError: Unknown name, or options that the builder does not take.

    >>> build("restoration", {"widths": [8, 8, 8]}).halo
    64
    """
    if name not in NETWORKS:
        raise ValueError(f"network {name!r} is unknown; expected one of {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**(options or {}))
    except TypeError as error:
        raise ValueError(f"options {dict(options or {})} do not fit network {name!r}: {error}") from error


def build_any(name: str, options: Mapping[str, Any]) -> Network | backbones.Backbone:
    """Build the network or the backbone called ``name``, as a configuration and a manifest name it.

    Raises:
        ValueError: Unknown name or options.

    >>> build_any("resnet18", {"num_classes": 10}).fc
    Linear(in_features=512, out_features=10, bias=True)
    """
    return backbones.build(name, options=options) if name in backbones.BACKBONES else build(name, options)


__all__ = ["NETWORKS", "Network", "build", "build_any"]
