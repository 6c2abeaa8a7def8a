"""`restore backbones`: the encoders, and one of them layer by layer."""

import re
from collections.abc import Iterator
from typing import Annotated

import typer

from restore_cli.base import WrongCall

Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def backbones(context: typer.Context, *, markdown: Markdown = False) -> None:
    """List the encoders that can be built, and what they cost.

    Parameters, multiply-accumulates and receptive field at their input size.
    """
    if context.invoked_subcommand:
        return
    from restore.backbones import FAMILIES
    from restore.nn.arithmetic import table

    if markdown:
        print(table(list(rows()), align="llrrrl", markdown=True))
        return
    longest = max(len(name) for family in FAMILIES for name in family.VARIANTS)
    for name, size, parameters, macs, field, paper in rows():  # each as it comes: all take seconds
        print(f"{name:{longest}}  {size:9}  {parameters:>11}  {macs:>9}  {field:>5}  {paper}", flush=True)


def rows() -> Iterator[list[str]]:
    """The head and a row for each encoder, which has to be built for it."""
    import torch

    from restore.backbones import FAMILIES, build
    from restore.nn.arithmetic import shown, summary

    yield ["name", "input", "parameters", "GMACs", "field", "paper"]
    for family in FAMILIES:
        for name in family.VARIANTS:
            with torch.device("meta"):
                net = build(name)
            whole = summary(net, net.input_size, in_channels=len(net.mean))
            size = "x".join(map(str, (len(net.mean), *net.input_size)))
            yield [name, size, f"{whole.parameters:,}", f"{whole.macs / 1e9:.4g}", shown(whole.field), family.PAPER]


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that `restore backbones` prints.")],
    *,
    size: Annotated[str, typer.Option("--size", metavar="N|HxW", help="Input, 224 or 224x320.", show_default="the network's own")] = "",
    output_stride: Annotated[
        int | None, typer.Option("--output-stride", metavar="N", help="Largest reduction; dilation replaces stride beyond it.")
    ] = None,
    num_classes: Annotated[
        int | None, typer.Option("--num-classes", min=0, metavar="N", help="Outputs of the classifier; 0: none.")
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Each layer, also of the blocks.")] = False,
    markdown: Markdown = False,
) -> None:
    """Show one encoder, layer by layer.

    Size, parameters, multiply-accumulates and receptive field of each layer and block.
    """
    if size and not re.fullmatch(r"[1-9]\d{0,4}(x[1-9]\d{0,4})?", size):
        raise WrongCall(f"--size is {size!r}; expected a side or height x width in pixels, as 224 or 224x320")
    import torch

    from restore.backbones import build
    from restore.nn.arithmetic import summary

    try:
        with torch.device("meta"):
            net = build(name, num_classes=num_classes, output_stride=output_stride)
        height, _, width = size.partition("x")
        whole = summary(net, (int(height), int(width or height)) if size else net.input_size, in_channels=len(net.mean), layers=layers)
    except ValueError as error:
        raise WrongCall(" ".join(str(error).split())) from error
    print(whole.render(markdown=markdown))
