"""Normalisations, activations and resizing, chosen by name."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "group": lambda channels: nn.GroupNorm(min(32, channels), channels),
    "lrn": lambda channels: local_response_norm(),
    "none": lambda channels: nn.Identity(),
}
"""Name of a normalisation -> constructor that takes the number of channels; "layer" is over channels, height and width."""

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


def local_response_norm(*, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> nn.LocalResponseNorm:
    """``b = a / (k + alpha * sum a^2)^beta`` over ``size`` neighbouring channels (Krizhevsky et al. 2012, section 3.3, its constants).

    torch divides its alpha by ``size``, the paper does not: the layer is built with ``alpha * size``.

    >>> x = torch.ones(1, 5, 1, 1)
    >>> bool(torch.isclose(local_response_norm()(x)[0, 2, 0, 0], torch.tensor((2 + 5e-4) ** -0.75)))
    True
    """
    return nn.LocalResponseNorm(size, alpha=alpha * size, beta=beta, k=k)


class MaxPool2d(nn.MaxPool2d):
    """torch's max pooling that can also stand at every place without changing the size (see ``Backbone.dilate``).

    Attributes:
        keep_size: Repeat the last row and column as far as the window needs them, so that stride 1 gives the input's size.

    >>> pool = MaxPool2d(2, 2)
    >>> pool.stride, pool.keep_size = 1, True
    >>> pool(torch.zeros(1, 1, 5, 5)).shape
    torch.Size([1, 1, 5, 5])
    """

    keep_size = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return super().forward(extend(x, self) if self.keep_size else x)


class AvgPool2d(nn.AvgPool2d):
    """torch's average pooling, which can also be dilated and stand at every place (see ``MaxPool2d``).

    Attributes:
        dilation: Steps between the pixels that are averaged.
        keep_size: As for ``MaxPool2d``.

    >>> pool = AvgPool2d(2, 1)
    >>> pool.dilation = 2
    >>> pool(torch.arange(4.0).reshape(1, 1, 1, 4).expand(1, 1, 3, 4))[0, 0]
    tensor([[1., 2.]])
    """

    dilation: int | tuple[int, int] = 1
    keep_size = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        x = extend(x, self) if self.keep_size else x
        if self.dilation in (1, (1, 1)):
            return super().forward(x)
        height, width = (self.kernel_size,) * 2 if isinstance(self.kernel_size, int) else self.kernel_size
        kernel = x.new_full((x.shape[1], 1, height, width), 1 / (height * width))
        return F.conv2d(x, kernel, None, self.stride, self.padding, self.dilation, x.shape[1])


def extend(x: torch.Tensor, pool: "MaxPool2d | AvgPool2d") -> torch.Tensor:
    """Repeat the last row and column of ``x`` (N, C, H, W) until ``pool`` at stride 1 gives H x W."""
    sizes = [value if isinstance(value, tuple) else (value, value) for value in (pool.kernel_size, pool.dilation, pool.padding)]
    down, right = ((k - 1) * d - 2 * p for k, d, p in zip(*sizes, strict=True))
    return F.pad(x, (0, right, 0, down), mode="replicate") if down > 0 or right > 0 else x


def resize_to(x: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
    """Resize ``x`` (N, C, H, W) bilinearly to the height and width of ``like`` (N, C', H', W').

    >>> resize_to(torch.zeros(1, 2, 3, 3), like=torch.zeros(1, 5, 7, 6)).shape
    torch.Size([1, 2, 7, 6])
    """
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)  # (N, C, H', W')
