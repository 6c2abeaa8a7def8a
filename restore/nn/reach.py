"""What each value of each map of a network depends on: the receptive field, followed through whatever the network does.

Araujo, Norris, Sim 2019, "Computing receptive fields of convolutional neural networks", give the formulas for chains and branches.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

aten = torch.ops.aten

Field = tuple[int | None, int | None]
"""Rows and columns of the input that a value depends on; None: all of them."""


@dataclass(frozen=True)
class Reach:
    """What a map's values depend on along one axis: value i on the pixels from ``first + i * jump`` to ``last + i * jump``."""

    first: Any = 0
    last: Any = 0
    jump: int | Fraction = 1

    @property
    def field(self) -> int | None:
        """Number of those pixels; None: the whole axis."""
        return None if math.isinf(self.last) else math.floor(self.last - self.first) + 1

    def window(self, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> "Reach":
        """Of a layer whose value i takes ``kernel`` values of this map, from ``i * stride - padding`` on.

        >>> Reach().window(3, stride=2, padding=1).window(3, padding=1)
        Reach(first=-3, last=3, jump=2)
        """
        last = (kernel - 1) * dilation - padding
        return Reach(self.first - padding * self.jump, self.last + last * self.jump, self.jump * stride)

    def finer(self, factor: int | Fraction) -> "Reach":
        """Of a map of which ``factor`` values stand where one stood."""
        return Reach(self.first, self.last, Fraction(self.jump) / factor)


WHOLE = Reach(-math.inf, math.inf)


def union(reaches: list[Reach]) -> Reach:
    """Of a value that is made from those at its place in several maps."""
    return Reach(min(r.first for r in reaches), max(r.last for r in reaches), max(r.jump for r in reaches))


class ReachMode(TorchDispatchMode):
    """While it is active, follows the receptive field of everything that is made from ``x``.

    Exact for convolution, pooling, padding, slicing and whatever works pixel by pixel; of branches it is the union. Where a map is
    enlarged by interpolation, transposed convolution or pixel shuffle, and where adaptive windows differ in size, it is a bound: the
    field at the place where it is largest, at times a little more. Whatever else changes the size (a global mean, a linear layer) sees
    the whole input. The statistics of normalisations are not followed.

    Args:
        x: The input (N, C, H, W).

    >>> x = torch.zeros(1, 3, 32, 32)
    >>> with torch.no_grad(), ReachMode(x) as mode:
    ...     y = torch.nn.Conv2d(3, 8, 5, stride=2)(x)
    >>> mode.field(y)
    (5, 5)
    """

    def __init__(self, x: torch.Tensor) -> None:
        super().__init__()
        self.reaches = WeakTensorKeyDictionary()
        self.reaches[x] = (Reach(), Reach())

    def field(self, y: torch.Tensor) -> Field:
        """Receptive field of the values of ``y``."""
        rows, columns = self.reaches.get(y, (WHOLE, WHOLE))
        return rows.field, columns.field

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do what is asked and note what it made."""
        result = func(*args, **(kwargs or {}))
        sources = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor) and t in self.reaches]
        if sources:
            rule = RULES.get(func.overloadpacket)
            names = [argument.name for argument in func._schema.arguments]
            given = {a.name: a.default_value for a in func._schema.arguments} | dict(zip(names, args, strict=False)) | (kwargs or {})
            for y in tree_leaves(result):
                if isinstance(y, torch.Tensor):
                    self.reaches[y] = tuple(self.follow(sources, y, axis, rule, given) for axis in (0, 1))
        return result

    def follow(self, sources: list[torch.Tensor], y: torch.Tensor, axis: int, rule: "Rule | None", given: Mapping[str, Any]) -> Reach:
        """Along one axis: by the rule of the operation, or as the sources where it keeps the size."""
        if y.ndim < 3:
            return WHOLE
        size = y.shape[axis - 2]
        if rule:
            return rule(self.reaches[sources[0]][axis], axis, given, sources[0].shape[axis - 2], size)
        return union([self.reaches[t][axis] if t.ndim > 2 and t.shape[axis - 2] == size else WHOLE for t in sources])


Rule = Callable[[Reach, int, Mapping[str, Any], int, int], Reach]
"""Reach of an operation's input, axis (0 or 1 of the last two), its arguments, sizes of input and output -> reach of the output."""


def at(values: Any, axis: int) -> int:
    """The entry of an operation's argument for one of the last two axes."""
    return values if isinstance(values, int) else values[-2:][axis] if len(values) > 1 else values[0]


def convolution(reach: Reach, axis: int, given: Mapping[str, Any], size: int, result: int) -> Reach:
    """Convolution, transposed or not."""
    kernel = given["weight"].shape[axis - 2]
    stride, padding, dilation = (at(given[name], axis) for name in ("stride", "padding", "dilation"))
    if given["transposed"]:
        return reach.finer(stride).window(kernel, padding=(kernel - 1) * dilation - padding, dilation=dilation)
    return reach.window(kernel, stride=stride, padding=padding, dilation=dilation)


def pooling(reach: Reach, axis: int, given: Mapping[str, Any], size: int, result: int) -> Reach:
    """Maximum or mean of windows."""
    kernel, stride = at(given["kernel_size"], axis), at(given["stride"] or given["kernel_size"], axis)
    return reach.window(kernel, stride=stride, padding=at(given["padding"], axis), dilation=at(given.get("dilation", 1), axis))


def adaptive(reach: Reach, axis: int, given: Mapping[str, Any], size: int, result: int) -> Reach:
    """A given number of windows."""
    if result == 1 < size:
        return WHOLE
    if size % result == 0:
        return reach.window(size // result, stride=size // result)
    step, slack = Fraction(size, result), Fraction(result - 1, result)
    return Reach(reach.first - slack * reach.jump, reach.last + (step + slack - 1) * reach.jump, reach.jump * step)


def padding(reach: Reach, axis: int, given: Mapping[str, Any], size: int, result: int) -> Reach:
    """Values before and after, listed from the last axis on."""
    sides = given["pad"] if "pad" in given else given["padding"]
    return reach.window(1, padding=sides[2 - 2 * axis] if len(sides) > 2 - 2 * axis else 0)


def slicing(reach: Reach, axis: int, given: Mapping[str, Any], size: int, result: int) -> Reach:
    """Every so many values from one on."""
    if given["dim"] % given["self"].ndim != given["self"].ndim + axis - 2:
        return reach
    start, _, step = slice(given["start"], given["end"], given["step"]).indices(size)
    return reach.window(1, stride=step, padding=-start)


def resizing(reach: Reach, axis: int, given: Mapping[str, Any], size: int, result: int) -> Reach:
    """Nearest and bilinear interpolation: the values next to the place, within one value, or within one of the result if that is more."""
    if size == result:
        return reach
    ratio = Fraction(result, size)
    fine = reach.finer(ratio)
    middle, radius = (1 - ratio) / 2, max(ratio, Fraction(1))  # in steps of the result
    return (
        WHOLE
        if given.get("align_corners")
        else Reach(fine.first + (middle - radius) * fine.jump, fine.last + (middle + radius) * fine.jump, fine.jump)
    )


def shuffling(reach: Reach, axis: int, given: Mapping[str, Any], size: int, result: int) -> Reach:
    """Channels become pixels, or pixels channels."""
    if result < size:
        return reach.window(size // result, stride=size // result)
    factor = result // size
    return reach.finer(factor).window(factor, padding=factor - 1)


RULES: dict[Any, Rule] = {
    aten.convolution: convolution,
    **dict.fromkeys([aten.max_pool2d_with_indices, aten.avg_pool2d, aten.avg_pool3d], pooling),
    **dict.fromkeys([aten._adaptive_avg_pool2d, aten.adaptive_max_pool2d], adaptive),
    **dict.fromkeys([aten.constant_pad_nd, aten.reflection_pad2d, aten.replication_pad2d], padding),
    aten.slice: slicing,
    **dict.fromkeys([aten.upsample_nearest2d, aten.upsample_bilinear2d, aten._upsample_bilinear2d_aa], resizing),
    **dict.fromkeys([aten.pixel_shuffle, aten.pixel_unshuffle], shuffling),
}
"""Operations that take neighbours or change the size -> how they change the field."""
