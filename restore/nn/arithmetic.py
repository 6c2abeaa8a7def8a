"""The arithmetic of convolutional networks: sizes, parameters, multiply-accumulates (MACs), receptive fields.

The formulas answer for one layer; ``summary`` lets a network run on tensors without values and answers for all of it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain

import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from restore.nn.reach import Field, ReachMode


def output_size(size: int, kernel: int, *, stride: int = 1, padding: int | str = "valid", dilation: int = 1, ceil: bool = False) -> int:
    """Values along one axis that a convolution or pooling gives: ``floor((size + 2 * padding - span) / stride) + 1``.

    ``span = (kernel - 1) * dilation + 1`` is what the dilated kernel covers.

    Args:
        size: Values along the axis.
        kernel: Taps of the kernel along it.
        stride: Steps between its places.
        padding: Values added at each end; or "valid": none; "full": span - 1; "same": span - 1 in all, so that stride 1 keeps the size
            and stride s gives ``ceil(size / s)``.
        dilation: Steps between its taps.
        ceil: Round up, as pooling may: the last window may go beyond the axis, but not begin in the padding after it, as in torch.

    Raises:
        ValueError: Unknown padding, a number that cannot be, or a kernel larger than the padded axis.

    >>> output_size(224, 7, stride=2, padding=3), output_size(5, 3, padding="full"), output_size(55, 3, stride=2)
    (112, 7, 27)
    """
    check([size, kernel, stride, dilation], f"size {size}, kernel {kernel}, stride {stride}, dilation {dilation}")
    span = (kernel - 1) * dilation + 1
    added = {"valid": 0, "same": span - 1, "full": 2 * (span - 1)}.get(padding) if isinstance(padding, str) else 2 * padding
    if added is None or added < 0:
        raise ValueError(f"padding is {padding!r}; expected valid, same, full, or an integer from 0")
    beyond = stride - 1 if ceil else 0
    room = size + added + beyond - span
    if room < 0:
        raise ValueError(f"kernel spans {span}; expected no more than the padded size {size + added}{f' + {beyond}' if ceil else ''}")
    result = room // stride + 1
    return result - (ceil and (result - 1) * stride >= size + added // 2)


def conv_parameters(kernel: int | Sequence[int], in_channels: int, out_channels: int, *, groups: int = 1, bias: bool = True) -> int:
    """Parameters of a convolution: ``(F * F * D + 1) * K`` for K kernels of F x F over D channels.

    Args:
        kernel: F, for F x F; or its sides, (7,) or (1, 7) or (3, 3, 3).
        in_channels: D.
        out_channels: K.
        groups: Each kernel sees D / groups channels.
        bias: Without it no 1 is added.

    Raises:
        ValueError: A number below 1, or groups that do not divide the channels.

    >>> conv_parameters(11, 3, 96), conv_parameters(3, 64, 64, bias=False)
    (34944, 36864)
    """
    return (taps(kernel, in_channels, out_channels, groups) + bias) * out_channels


def dense_parameters(in_features: int, out_features: int, *, bias: bool = True) -> int:
    """Parameters of a fully connected layer: ``(in + 1) * out``.

    Raises:
        ValueError: A number below 1.

    >>> dense_parameters(4096, 1000)
    4097000
    """
    return dense_macs(in_features, out_features) + bias * out_features


def conv_macs(kernel: int | Sequence[int], in_channels: int, out_channels: int, size: Sequence[int], *, groups: int = 1) -> int:
    """Multiply-accumulates of a convolution whose output is ``size`` (H', W'): ``F * F * D * K * H' * W'``; the bias is not counted.

    The other arguments and the errors are those of ``conv_parameters``.

    >>> conv_macs(7, 3, 64, (112, 112))
    118013952
    """
    check(size, f"size {tuple(size)}")
    return taps(kernel, in_channels, out_channels, groups) * out_channels * math.prod(size)


def dense_macs(in_features: int, out_features: int) -> int:
    """Multiply-accumulates of a fully connected layer: ``in * out``; the bias is not counted.

    Raises:
        ValueError: A number below 1.

    >>> dense_macs(4096, 1000)
    4096000
    """
    check([in_features, out_features], f"in_features {in_features}, out_features {out_features}")
    return in_features * out_features


def taps(kernel: int | Sequence[int], in_channels: int, out_channels: int, groups: int) -> int:
    """Weights of one kernel, ``F * F * D / groups``."""
    sides = [kernel, kernel] if isinstance(kernel, int) else kernel
    check([*sides, in_channels, out_channels], f"kernel {kernel}, in_channels {in_channels}, out_channels {out_channels}")
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(f"groups is {groups}; expected a divisor of {in_channels} and {out_channels} channels")
    return math.prod(sides) * in_channels // groups


def check(numbers: Sequence[int], what: str) -> None:
    """Raise a ValueError that says ``what`` came, if one of the numbers is below 1."""
    if min(numbers) < 1:
        raise ValueError(f"{what}: expected 1 or more of each")


def chain_field(layers: Iterable[tuple[int, int, int]]) -> int:
    """Receptive field of layers that follow each other: pixels along one axis that a value at the end depends on.

    Each layer widens it by ``(kernel - 1) * dilation`` times the product of the strides before it.

    Args:
        layers: (kernel, stride, dilation) of each, first to last.

    Raises:
        ValueError: A number below 1.

    >>> chain_field([(3, 1, 1), (3, 1, 1), (3, 1, 1)])  # three 3x3 see what one 7x7 sees
    7
    """
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        check([kernel, stride, dilation], f"kernel {kernel}, stride {stride}, dilation {dilation}")
        field, jump = field + (kernel - 1) * dilation * jump, jump * stride
    return field


@dataclass(frozen=True)
class Row:
    """A layer or block of a network.

    Attributes:
        name: As ``named_modules`` has it.
        kind: Name of its class.
        output: Shape of what it gives without the batch, (C, H, W) or (C,); None: it did not run, as auxiliary classifiers in evaluation.
        parameters: Their number.
        macs: Multiply-accumulates of its convolutions and matrix products, of all its calls; biases, pooling and normalisation count as 0.
        field: Receptive field of its output, (rows, columns) in pixels of the input; None in the place of one: the whole input.
    """

    name: str
    kind: str
    output: tuple[int, ...] | None
    parameters: int
    macs: int
    field: Field | None

    def cells(self) -> list[str]:
        """What a table shows of it."""
        output = "not run" if self.output is None else "x".join(map(str, self.output))
        return [self.name, self.kind, output, f"{self.parameters:,}", f"{self.macs:,}", shown(self.field)]


@dataclass(frozen=True)
class Summary:
    """A network as the tables of the papers show it; ``str`` gives text.

    Attributes:
        rows: Its layers and blocks; those that have no parameters and change neither size nor field are left out.
        parameters: Their number, in all.
        macs: Multiply-accumulates of one picture, in all.
        field: Largest receptive field of a map that does not see the whole input, (rows, columns); None: every map does.
    """

    rows: tuple[Row, ...]
    parameters: int
    macs: int
    field: Field

    def __str__(self) -> str:
        return self.render()

    def render(self, *, markdown: bool = False) -> str:
        """The table, as text or as Markdown."""
        total = ["total", "", "", f"{self.parameters:,}", f"{self.macs:,}", shown(self.field)]
        head = ["layer", "kind", "output", "parameters", "MACs", "field"]
        return table([head, *(row.cells() for row in self.rows), total], align="lllrrr", markdown=markdown)


def summary(model: nn.Module, size: int | tuple[int, int], *, in_channels: int = 3, layers: bool = False) -> Summary:
    """Sizes, parameters, MACs and receptive fields of any network, in evaluation, for one picture.

    It runs on torch's "meta" device: nothing is computed and no map takes memory; the model, wherever it is, stays as it is.

    Args:
        model: Takes one tensor (N, in_channels, H, W).
        size: Side of the picture, or (height, width).
        in_channels: Its channels.
        layers: Show each layer; otherwise blocks are one row each: only plain ``nn.Sequential`` is opened, and what gives several maps.

    Raises:
        ValueError: A size or ``in_channels`` below 1, or a size that the network cannot take.

    >>> print(summary(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)), 8))
    layer  kind     output  parameters   MACs  field
    0      Conv2d   8x4x4          224  3,456      3
    2      Flatten  128              0      0    all
    3      Linear   10           1,290  1,280    all
    total                        1,514  4,736      3
    """
    height, width = (size, size) if isinstance(size, int) else size
    check([in_channels, height, width], f"in_channels {in_channels}, height {height}, width {width}")
    empty = {id(value): torch.empty_like(value, device="meta") for value in chain(model.parameters(), model.buffers())}
    twin = deepcopy(model, empty).eval()  # a copy, but of its tensors
    dtype = next((value.dtype for value in empty.values() if value.is_floating_point()), torch.get_default_dtype())
    x = torch.empty(1, in_channels, height, width, dtype=dtype, device="meta")
    calls: dict[nn.Module, Call] = {}
    flops, reach = FlopCounterMode(display=False), ReachMode(x)
    for module in twin.modules():
        watch(module, calls, flops, reach)
        if isinstance(module, nn.BatchNorm2d):  # changes neither size nor field, but is slow on the meta device
            module.forward = nn.Identity().forward  # type: ignore[method-assign]
    try:
        with torch.no_grad(), flops, reach:
            twin(x)
    except RuntimeError as error:
        raise ValueError(f"the network cannot take {in_channels} x {height} x {width}: {str(error).splitlines()[0]}") from error
    rows = tuple(row for row in (row_of(name, module, calls) for name, module in units(twin, calls, layers=layers)) if row)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Summary(rows, parameters, flops.get_total_flops() // 2, largest(row.field for row in rows if row.field))


@dataclass
class Call:
    """What was seen of a module while the network ran; of several calls the last, but the MACs of all.

    Attributes:
        shape: Of the first map that it gave.
        field: Of that map.
        macs: Multiply-accumulates.
        changes: Size or field are others than those of its input.
        maps: How many maps it gave.
    """

    shape: tuple[int, ...] = ()
    field: Field = (None, None)
    macs: int = 0
    changes: bool = False
    maps: int = 1


def watch(module: nn.Module, calls: dict[nn.Module, Call], flops: FlopCounterMode, reach: ReachMode) -> None:
    """Note each call of ``module`` in ``calls``."""

    def before(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        calls.setdefault(module, Call()).macs -= flops.get_total_flops() // 2

    def after(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        call, x, y = calls[module], tree_leaves(inputs)[0], tree_leaves(output)[0]
        call.macs += flops.get_total_flops() // 2
        call.shape, call.field, call.maps = tuple(y.shape[1:]), reach.field(y), len(tree_leaves(output))
        call.changes |= (x.shape, reach.field(x)) != (y.shape, call.field)

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)


def units(module: nn.Module, calls: dict[nn.Module, Call], *, layers: bool, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Names and modules of the rows: what is opened shows its children instead of itself."""
    children = dict(module.named_children())
    bypassed = module not in calls and any(inner in calls for inner in module.modules())  # only its parts ran
    several = module in calls and calls[module].maps > 1
    if children and (not name or layers or type(module) is nn.Sequential or bypassed or several):
        for key, child in children.items():
            yield from units(child, calls, layers=layers, name=f"{name}.{key}".lstrip("."))
    else:
        yield name, module


def row_of(name: str, module: nn.Module, calls: dict[nn.Module, Call]) -> Row | None:
    """The row of a module; None where there is nothing to say of it."""
    call, parameters = calls.get(module), sum(parameter.numel() for parameter in module.parameters())
    if not parameters and not (call and (call.changes or call.macs)):
        return None
    kind = type(module).__name__
    return Row(name, kind, call.shape, parameters, call.macs, call.field) if call else Row(name, kind, None, parameters, 0, None)


def largest(fields: Iterable[Field]) -> Field:
    """Along each axis the largest field that is not the whole input.

    >>> largest([(3, 3), (5, None), (None, None)])
    (5, 3)
    """
    rows, columns = ([side for side in sides if side is not None] for sides in zip(*fields, strict=True))
    return max(rows, default=None), max(columns, default=None)


def shown(field: Field | None) -> str:
    """A field in a table: its side, or both sides where they differ.

    >>> shown((427, 427)), shown((3, 7)), shown((None, None))
    ('427', '3x7', 'all')
    """
    if field is None:
        return ""
    rows, columns = ("all" if side is None else str(side) for side in field)
    return rows if rows == columns else f"{rows}x{columns}"


def table(cells: Sequence[Sequence[str]], *, align: str, markdown: bool = False) -> str:
    """Rows of cells, the first the head, as text or as Markdown; ``align`` has an "l" or "r" for each column.

    >>> print(table([["name", "pixels"], ["a", "7"]], align="lr", markdown=True))
    | name | pixels |
    |:-----|-------:|
    | a    |      7 |
    """
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = [str.ljust if side == "l" else str.rjust for side in align]
    lines = [[fit(cell, width) for fit, cell, width in zip(sides, row, widths, strict=True)] for row in cells]
    if not markdown:
        return "\n".join("  ".join(line).rstrip() for line in lines)
    rule = [f":{'-' * (w + 1)}" if side == "l" else f"{'-' * (w + 1)}:" for side, w in zip(align, widths, strict=True)]
    head, *body = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, f"|{'|'.join(rule)}|", *body])
