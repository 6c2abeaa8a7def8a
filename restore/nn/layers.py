"""Normalisations, activations and resizing, chosen by name."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "group": lambda channels: nn.GroupNorm(math.gcd(32, channels), channels),
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


class ChannelNorm(nn.Module):
    """Normalise each pixel over its channels (Ba, Kiros, Hinton 2016, "Layer Normalization"): (N, C, H, W) -> the same shape.

    What a pixel becomes does not depend on its neighbours, so tiles stay exact.

    >>> ChannelNorm(2)(torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1)).detach().round().flatten()
    tensor([-1.,  1.])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mean 0 and variance 1 over the channels of each pixel, scaled and shifted."""
        if not torch.jit.is_tracing():
            return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias).permute(0, 3, 1, 2)
        centred = x - x.mean(1, keepdim=True)  # for OpenVINO, which runs a network of these in half the time: nothing is transposed
        scale = self.weight[:, None, None] * torch.rsqrt(centred.square().mean(1, keepdim=True) + 1e-5)
        return centred * scale + self.bias[:, None, None]


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
    """torch's max pooling that can also stand at every place, dilated by any factor (see ``Backbone.dilate``).

    Attributes:
        every: How far apart its outputs, now at every place, stood as built; 1: not changed. The output then has the input's size
            or, where the layer as built left a rest, is shorter by that.

    >>> pool = MaxPool2d(2, 2)
    >>> pool.stride, pool.every = 1, 2
    >>> pool(torch.zeros(1, 1, 6, 5)).shape
    torch.Size([1, 1, 6, 4])
    """

    every = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        if self.every == 1 and pair(self.dilation) == (1, 1):
            return super().forward(x)
        x = F.pad(x, margins(self, x), value=-torch.inf)  # torch's own padding is at most half of the kernel as it was
        return F.max_pool2d(x, self.kernel_size, self.stride, 0, self.dilation)


class AvgPool2d(nn.AvgPool2d):
    """torch's average pooling, which can also stand at every place, dilated (see ``MaxPool2d``).

    Attributes:
        dilation: Steps between the pixels that are averaged.
        every: As for ``MaxPool2d``.

    >>> pool = AvgPool2d(2, 1)
    >>> pool.dilation = 2
    >>> pool(torch.arange(4.0).reshape(1, 1, 1, 4).expand(1, 1, 3, 4))[0, 0]
    tensor([[1., 2.]])
    """

    dilation: int | tuple[int, int] = 1
    every = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        if self.every == 1 and pair(self.dilation) == (1, 1):
            return super().forward(x)
        height, width = pair(self.kernel_size)
        kernel = x.new_full((x.shape[1], 1, height, width), 1 / (height * width))
        return F.conv2d(F.pad(x, margins(self, x)), kernel, None, self.stride, 0, self.dilation, x.shape[1])


def margins(pool: MaxPool2d | AvgPool2d, x: torch.Tensor) -> list[int]:
    """What is to be padded (left, right, top, bottom; cut where negative) so that ``pool`` keeps the size of ``x`` (see ``every``)."""
    sides: list[int] = []
    for n, kernel, dilation, padding in zip(x.shape[-2:], *(pair(v) for v in (pool.kernel_size, pool.dilation, pool.padding)), strict=True):
        after = padding
        if pool.every > 1:
            stride, before, rows = pool.every // dilation, padding // dilation, -(-n // dilation)  # of the layer as built
            count = (rows + 2 * before - kernel + (stride - 1 if pool.ceil_mode else 0)) // stride + 1
            count -= (count - 1) * stride >= rows + before  # torch drops a window that begins beyond the last pixel
            after = min(n, count * pool.every) - n - padding + (kernel - 1) * dilation
        sides = [padding, after, *sides]
    return sides


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    """A size as (vertical, horizontal).

    >>> pair(3), pair((1, 7))
    ((3, 3), (1, 7))
    """
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def resize_to(x: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
    """Resize ``x`` (N, C, H, W) bilinearly to the height and width of ``like`` (N, C', H', W').

    >>> resize_to(torch.zeros(1, 2, 3, 3), like=torch.zeros(1, 5, 7, 6)).shape
    torch.Size([1, 2, 7, 6])
    """
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)  # (N, C, H', W')
