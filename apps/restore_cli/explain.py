"""`restore explain`: what a network sees in a photograph, as figures."""

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restore_cli.base import WrongCall, check_out, give_up, say
from restore_cli.classify import Encoder, Labels, Weights, complaint, open_classifier, open_photo, refuse_terminal
from restore_cli.folder import check_folder, spare, write_all

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from restore.backbones import Backbone

FILES = ("features.png", "kernels.png", "gradcam.png", "maximisation.png")
CLASSES = 3
"""How many of the likeliest classes are explained if none is named."""


class Existing(Enum):
    """What to do about figures that exist."""

    fail = "fail"
    replace = "replace"


def explain(  # noqa: PLR0913 - one parameter for each option
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="A file, or - for standard input.")],
    *,
    backbone: Encoder,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the four figures.")],
    weights: Weights = "",
    labels: Labels = None,
    target: Annotated[
        str, typer.Option("--target", metavar="CLASS", help="Name or number of the class to explain.", show_default="the likeliest three")
    ] = "",
    layer: Annotated[
        str,
        typer.Option("--layer", metavar="NAME", help="Explain by this layer, e.g. layer3: its units, its places.", show_default="the last"),
    ] = "",
    steps: Annotated[int, typer.Option("--steps", min=1, metavar="N", help="Steps towards what excites most; each costs a pass.")] = 128,
    on_exists: Annotated[Existing, typer.Option("--on-exists", help="When a figure exists: report it, or replace it.")] = Existing.fail,
) -> None:
    """Draw what a network sees in a photograph.

    Feature maps, first kernels, what speaks for a class (Grad-CAM), and what excites it most.
    """
    refuse_terminal([photo], "restore explain - --backbone NAME -o DIR < photo.jpg")
    check_out(out)
    spare([photo, weights, labels or ""], [out / name for name in FILES])
    there = [out / name for name in FILES if os.path.lexists(out / name)]
    if there and on_exists is Existing.fail:
        give_up(f"{there[0]} exists; choose --on-exists replace, or another folder")
    check_folder(out, FILES)
    net, names = open_classifier(backbone, weights, labels)
    chosen = find_class(target, names) if target else None
    try:
        x = open_photo(photo, net)
    except Exception as error:
        say(complaint(photo, error))
        raise typer.Exit(1) from error
    try:
        figures = draw(net, x, names, target=chosen, layer=layer or None, steps=steps)
    except ValueError as error:
        raise WrongCall(str(error)) from error
    write_all(out, dict(zip(FILES, figures, strict=True)), replace=on_exists is Existing.replace)
    for name in FILES:
        print(out / name)


def find_class(wanted: str, names: tuple[str, ...]) -> int:
    """The number of a class that is given by number or by name.

    Raises:
        WrongCall: There is none.

    >>> find_class("tabby", ("tench", "tabby")), find_class("0", ("tench", "tabby"))
    (1, 0)
    """
    folded = [name.casefold() for name in names]
    if wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    near = [name for name in names if wanted.casefold() in name.casefold()][:5]
    raise WrongCall(f"no class {wanted!r}; expected {' or '.join(near) or 'the name of a class'}, or a number from 0 to {len(names) - 1}")


def draw(
    net: "Backbone", x: "Tensor", names: tuple[str, ...], *, target: int | None, layer: str | None, steps: int
) -> "tuple[np.ndarray, ...]":
    """The four figures, in the order of ``FILES``; each (H, W, 3) uint8.

    Raises:
        ValueError: The layer is not there, has no places, or the network has no convolution.
    """
    import numpy as np

    from restore import explain as see

    logits = see.responses(net, x)[0]
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    classes = [target] if target is not None else logits.argsort()[::-1][:CLASSES].tolist()
    captions = [f"{names[i]}, {100 * shares[i]:.1f} %" for i in classes]
    cams = see.grad_cam(net, x.expand(len(classes), -1, -1, -1), target=classes, layer=layer)
    if layer is None:
        units, titles = classes, [names[i] for i in classes]
    else:
        units = see.responses(net, x, layer=layer)[0].argsort()[::-1][:CLASSES].tolist()
        titles = [f"{layer}, unit {i}" for i in units]
    return (
        see.feature_figure(see.feature_maps(net, x)),
        see.kernel_figure(see.kernels(net)),
        see.cam_figure(see.seen(net, x), list(cams), ["as the network sees it", *captions]),
        see.picture_figure(list(see.maximise(net, units, layer=layer, steps=steps)), titles),
    )
