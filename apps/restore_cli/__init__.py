"""The command line of `restore`.

Every heavy import (torch, OpenCV, Gradio) lives inside the command that needs it, so that `restore --help` answers at once.
"""

import contextlib
import inspect
import os
import signal
import sys
from collections.abc import Sequence
from enum import Enum
from types import NoneType
from typing import Annotated, Any, get_args

import typer

from restore.signals import ended_by_signals
from restore_cli import backbones, classify, degrade, demo, evaluate, explain, filters, inpaint, models, photos, train, web
from restore_cli.base import WrongCall, say

__all__ = ["app", "main"]

UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
"""click's UsageError; newer typers carry a click of their own, and name it nowhere in public."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=lambda on: _version(on=on))
    ] = False,
) -> None:
    """Repair damaged photographs: inpainting, denoising, removal of JPEG's traces, deblurring, and the training of them."""


def _version(*, on: bool) -> None:
    if on:
        from importlib.metadata import PackageNotFoundError, version

        import restore

        try:
            print(f"restore {version('restore-photographs')}")
        except PackageNotFoundError:
            print(f"restore {restore.__version__}")
        raise typer.Exit


for command in (
    demo.demo,
    inpaint.inpaint,
    photos.denoise,
    photos.dejpeg,
    photos.deblur,
    classify.classify,
    explain.explain,
    models.models,
    train.train,
    web.web,
):
    app.command()(command)
app.command(cls=filters.Filtering, context_settings={"ignore_unknown_options": True})(filters.filter)
app.add_typer(filters.app, name="filters")
app.command()(degrade.degrade)
app.command()(degrade.degradations)
app.add_typer(backbones.app, name="backbones")
app.command()(evaluate.evaluate)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit.

    Args:
        arguments: The words after `restore`; None takes them from the process.

    Raises:
        SystemExit: Always. 0: all done; 1: something could not be read, restored or written; 2: a wrong call; 130: interrupted, and 128
            more than a signal that ended it.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    with ended_by_signals() as received:
        try:
            code = app(words or ["--help"], prog_name="restore", standalone_mode=False) or (0 if words else 2)
        except UsageError as error:
            say(f"restore: {' '.join(refusal(error, words).split())}")
            code = error.exit_code
        except (KeyboardInterrupt, typer.Abort):
            code = 130
        except OSError as error:
            if received:  # the terminal that is gone, to a bar that is to be cleared
                code = 130
            elif error.filename is None:
                raise
            else:  # a file that cannot even be looked for: a name too long, a folder that is somebody else's
                from restore.batch import describe

                say(f"restore: {describe(error)}")
                code = 1
        if received:
            code = 128 + received[0]
            with contextlib.suppress(OSError):
                say(f"restore: ended by {signal.Signals(received[0]).name}")
        elif code == 130:
            say("restore: interrupted")
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read standard output has gone; Python would complain once more while it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1
    sys.exit(code)


def refusal(error: Any, words: Sequence[str]) -> str:
    """Say of a call that typer refuses what came and what was expected.

    Args:
        error: A `UsageError`.
        words: The call.
    """
    option = error.param.opts[0] if getattr(error, "param", None) and error.ctx else ""
    given = [words[i + 1] for i, word in enumerate(words[:-1]) if word == option]
    given += [word.removeprefix(f"{option}=") for word in words if word.startswith(f"{option}=")]
    if isinstance(error, WrongCall) or not option or not given:
        return str(error.format_message())
    declared = get_args(inspect.signature(error.ctx.command.callback).parameters[error.param.name].annotation)
    expected = wanted(*declared[:2]) if len(declared) > 1 else ""
    number = given[-1].lstrip("-").replace(".", "", 1).isdecimal()
    return f"{option} is {given[-1] if number else repr(given[-1])}; expected {expected}" if expected else str(error.format_message())


def wanted(kind: Any, option: Any) -> str:
    """Say what an option takes, of the type and with the limits that its function declares; "" of other types.

    >>> wanted(int | None, typer.Option(min=1)), wanted(float, typer.Option(min=0, max=255))
    ('a whole number of 1 or more', 'a number from 0 to 255')
    """
    kind = next((one for one in get_args(kind) if one is not NoneType), kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(str(choice.value) for choice in kind)}"
    if kind not in (int, float):
        return ""
    span = "" if option.min is None else f" of {option.min} or more" if option.max is None else f" from {option.min} to {option.max}"
    return ("a whole number" if kind is int else "a number") + span
