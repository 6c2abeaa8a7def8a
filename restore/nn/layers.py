"""Normalisations, activations and resizing, chosen by name."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "group": lambda channels: nn.GroupNorm(min(32, channels), channels),
    "none": lambda channels: nn.Identity(),
}
"""Name of a normalisation -> constructor that takes the number of channels."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.1, inplace=True),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "none": nn.Identity,
}
"""Name of an activation -> constructor without arguments."""


def norm_layer(kind: str, channels: int) -> nn.Module:
    """Build the normalisation called ``kind`` for ``channels`` channels.

    Raises:
        ValueError: The name is not in ``NORMS``.

    >>> norm_layer("batch", 8)(torch.zeros(2, 8, 4, 4)).shape
    torch.Size([2, 8, 4, 4])
    """
    if kind not in NORMS:
        raise ValueError(f"norm {kind!r} is unknown; expected one of {', '.join(NORMS)}")
    return NORMS[kind](channels)


def activation_layer(kind: str) -> nn.Module:
    """Build the activation called ``kind``.

    Raises:
        ValueError: The name is not in ``ACTIVATIONS``.

    >>> activation_layer("relu")(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if kind not in ACTIVATIONS:
        raise ValueError(f"activation {kind!r} is unknown; expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[kind]()


def resize_to(x: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
    """Resize ``x`` (N, C, H, W) bilinearly to the height and width of ``like`` (N, C', H', W').

    >>> resize_to(torch.zeros(1, 2, 3, 3), like=torch.zeros(1, 5, 7, 6)).shape
    torch.Size([1, 2, 7, 6])
    """
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)  # (N, C, H', W')
