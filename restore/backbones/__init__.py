"""Classic convolutional encoders: built by name, without weights; feature maps at every scale.

>>> import torch
>>> [tuple(f.shape) for f in build("resnet18").features(torch.zeros(1, 3, 64, 64))]
[(1, 64, 32, 32), (1, 64, 16, 16), (1, 128, 8, 8), (1, 256, 4, 4), (1, 512, 2, 2)]
"""

import inspect
from collections.abc import Mapping
from typing import Any

from restore.backbones import alexnet, densenet, googlenet, inception, lenet, mlp, neocognitron, nin, resnet, squeezenet, vgg
from restore.backbones.base import Backbone, Family, adapt_input, adapt_statistics

FAMILIES: tuple[Family, ...] = (neocognitron, mlp, lenet, alexnet, nin, vgg, googlenet, inception, resnet, squeezenet, densenet)
"""One file per family, in the order of their papers."""

BACKBONES: dict[str, Family] = {name: family for family in FAMILIES for name in family.VARIANTS}
"""Name of a network -> the file that builds it."""


def build(
    name: str,
    *,
    in_channels: int | None = None,
    num_classes: int | None = None,
    output_stride: int | None = None,
    norm: str | None = None,
    activation: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Backbone:
    """Build the encoder called ``name`` with random weights; no file or network is touched.

    What is None is as in the paper (or, where torchvision has the network, as there).

    Args:
        name: A key of ``BACKBONES``.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifier; 0 builds none.
        output_stride: Largest reduction (32, 16 or 8); dilation replaces stride beyond it.
        norm: A name in ``restore.nn.layers.NORMS``.
        activation: A name in ``restore.nn.layers.ACTIVATIONS``.
        options: Other arguments of the family's own ``build``, such as ``{"stride_on": "1x1"}`` of ``resnet.build``.

    Raises:
        ValueError: Unknown name, an option that the family does not take, or a value that it cannot have.

    >>> import torch
    >>> build("resnet18", num_classes=10)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 10])
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r} is unknown; expected one of {', '.join(BACKBONES)}")
    builder = BACKBONES[name].build
    swaps = {"in_channels": in_channels, "num_classes": num_classes, "output_stride": output_stride, "norm": norm, "activation": activation}
    given = {**(options or {}), **{key: value for key, value in swaps.items() if value is not None}}
    known = [key for key in inspect.signature(builder).parameters if key != "name"]
    for key in given:
        if key not in known:
            raise ValueError(f"backbone {name!r} takes no {key!r}; it takes {', '.join(known)}")
    for key, least in (("in_channels", 1), ("num_classes", 0)):
        if given.get(key) is not None and given[key] < least:
            raise ValueError(f"backbone {name!r} with {key}={given[key]}; expected at least {least}")
    net: Backbone = builder(name, **given)
    channels = given.get("in_channels")
    if channels is not None and channels != len(net.mean):
        net.mean, net.std = adapt_statistics(net.mean, channels), adapt_statistics(net.std, channels)
    return net


def list() -> tuple[str, ...]:
    """The names that ``build`` takes.

    >>> "resnet50" in list()
    True
    """
    return tuple(BACKBONES)


__all__ = ["BACKBONES", "FAMILIES", "Backbone", "adapt_input", "build", "list"]
