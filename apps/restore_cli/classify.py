"""`restore classify`: what is in photographs, by name."""

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restore_cli.base import WrongCall, give_up, say, shown

if TYPE_CHECKING:
    from torch import Tensor

    from restore.backbones import Backbone

Encoder = Annotated[
    str, typer.Option("--backbone", metavar="NAME", help="A network that `restore backbones` lists, or a classifier of `restore models`.")
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights", metavar="imagenet|FILE", help="torchvision's, fetched once; or a .safetensors or .pth. Shipped ones need none."
    ),
]
Labels = Annotated[Path | None, typer.Option("--labels", metavar="FILE", help="Names of the classes, one to a line.", show_default=False)]


def classify(
    photos: Annotated[list[str], typer.Argument(metavar="PHOTOS", help="Files, or - for standard input.")],
    *,
    backbone: Encoder,
    weights: Weights = "",
    labels: Labels = None,
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="How many classes, the likeliest first.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each photograph, one to a line.")] = False,
) -> None:
    """Say what is in photographs: the likeliest classes.

    Each with its probability.
    """
    refuse_terminal(photos, "restore classify - --backbone NAME < photo.jpg")
    import torch

    net, names = open_classifier(backbone, weights, labels)
    failed = False
    for photo in photos:
        try:
            with torch.inference_mode():
                probabilities = net(open_photo(photo, net))[0].softmax(0)
        except Exception as error:  # one bad file does not stop the rest
            failed = True
            say(complaint(photo, error))
            continue
        values, classes = probabilities.topk(min(top, len(names)))
        found = [(names[i], value) for i, value in zip(classes.tolist(), values.tolist(), strict=True)]
        if as_json:
            print(json.dumps({"photo": photo, "classes": [{"name": name, "probability": value} for name, value in found]}))
        else:
            print("\n".join([shown(Path(photo)), *(f"  {100 * value:5.1f} %  {name}" for name, value in found)]))
    if failed:
        raise typer.Exit(1)


def refuse_terminal(photos: list[str], example: str) -> None:
    """Do not wait for a picture to be typed.

    Raises:
        WrongCall: A photograph is to come from standard input, which is a terminal.
    """
    if "-" in photos and sys.stdin.isatty():
        raise WrongCall(f"standard input is a terminal; expected a picture, as in: {example}")


def open_classifier(name: str, weights: str, labels: Path | None) -> "tuple[Backbone, tuple[str, ...]]":
    """Load the network of a command, and the names of its outputs.

    Raises:
        WrongCall: There is no such network, it needs weights or has its own, or there are more or fewer names than outputs.
        typer.Exit: The weights or the names cannot be used.
    """
    import torch

    from restore.backbones import BACKBONES, Backbone
    from restore.batch import describe
    from restore.weights import WeightsError, class_names, entries, load

    try:
        shipped = [entry.name for entry in entries().values() if entry.network in BACKBONES]
        if name not in BACKBONES and name in shipped and weights:
            raise WrongCall(f"{name!r} is a shipped classifier, with its own weights; expected no --weights")
        if name not in BACKBONES and name not in shipped:
            choice = list(BACKBONES) if weights else [*shipped, *BACKBONES]
            raise WrongCall(f"no classifier is called {name!r}; expected --backbone to be one of {', '.join(choice)}")
        if name not in shipped and not weights:
            raise WrongCall(f"{name!r} comes without weights; expected --weights imagenet, or --weights FILE")
        net = load(name, weights or None)
        names = tuple(labels.read_text("utf-8").splitlines()) if labels else class_names(name, weights or None)
    except UnicodeDecodeError:
        give_up(f"{labels} is not UTF-8 text; expected names of classes, one to a line")
    except (WeightsError, OSError) as error:
        give_up(describe(error))
    assert isinstance(net, Backbone)
    with torch.inference_mode():
        outputs = net(torch.zeros(1, len(net.mean), *net.input_size)).shape[1]
    if labels and len(names) != outputs:
        raise WrongCall(f"{labels} has {len(names)} names; {name!r} has {outputs} classes")
    if not names and name in BACKBONES and outputs == 1000:
        names = class_names(name, "imagenet")
    return net, names or tuple(f"class {i}" for i in range(outputs))


def open_photo(photo: str, net: "Backbone") -> "Tensor":
    """Read a photograph as a network wants it, (1, C, H, W), and say what reading warns of.

    Raises:
        ImageError: It cannot be read.
    """
    from restore.batch import without_name
    from restore.image import ImageWarning, read

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ImageWarning)
        picture = read(sys.stdin.buffer if photo == "-" else photo)
    for warning in caught:
        say(f"{shown(Path(photo))}: warning: {without_name(str(warning.message), None if photo == '-' else photo)}")
    return net.preprocess(picture)


def complaint(photo: str, error: Exception) -> str:
    """One line that says what went wrong with a photograph."""
    from restore.batch import describe, without_name

    return f"{shown(Path(photo))}: {without_name(describe(error), None if photo == '-' else photo)}"
