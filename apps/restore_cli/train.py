"""`restore train`: run a recipe."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restore_cli.base import WrongCall, check_out, check_weight, give_up

if TYPE_CHECKING:
    from restore.training.log import Progress


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name that --list prints.", show_default=False)] = "",
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of photographs, or of tar shards of them, a shard (.tar) or a list of either (.txt); "
            "to classify, a folder for each class, MNIST's folder, or a .npz file.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="RUN", help="Folder of the run, else runs/RECIPE; one that holds a run goes on."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting, e.g. lr=1e-4; repeatable.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Print the recipes and exit.")] = False,
) -> None:
    """Train a network by a recipe, or go on with a stopped run.

    Several processes: torchrun --nproc-per-node 2 -m restore_cli train RECIPE --data DIR.
    """
    from restore.training.recipes import RECIPES

    if listed:
        for name, function in RECIPES.items():
            print(f"{name.ljust(max(map(len, RECIPES)))}  {(function.__doc__ or '').strip().splitlines()[0]}")
        return
    if recipe not in RECIPES:
        raise WrongCall(
            f"recipe {recipe!r} is unknown; expected one of {', '.join(RECIPES)}" if recipe else "no recipe is named; see --list"
        )
    if data is None:
        raise WrongCall("no --data DIR is given; expected where the pictures are")
    if not data.is_dir() and not (data.suffix in (".npz", ".tar", ".txt") and data.is_file()):
        raise WrongCall(f"no folder {data}; expected --data to name a folder of pictures, or a .npz, .tar or .txt file")
    out = out or Path("runs") / recipe
    check_out(out)
    from restore.batch import describe
    from restore.training import engine
    from restore.training.config import override
    from restore.weights import WeightsError

    try:
        config = override(RECIPES[recipe](), settings or [])
    except ValueError as error:
        raise WrongCall(str(error)) from error
    try:
        if config.start and not Path(config.start).is_file() and not (out / "checkpoint.pt").exists():
            check_weight(config.start)
        with bar() as progress:
            engine.train(config, source=data, out=out, progress=progress)
    except engine.SettingError as error:
        raise WrongCall(str(error)) from error
    except (engine.TrainingError, WeightsError, ValueError, OSError) as error:
        give_up(describe(error))


@contextmanager
def bar() -> "Iterator[Callable[[Progress], None] | None]":
    """A bar with images/s and the time that is left, if standard error is a terminal and this is the process that speaks."""
    if not sys.stderr.isatty() or os.environ.get("RANK", "0") != "0":
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty(), redirect_stderr=False) as shown:
        task = shown.add_task("", total=None)

        def report(progress: "Progress") -> None:
            left = f"{progress.eta_s // 3600:.0f}:{progress.eta_s % 3600 // 60:02.0f}:{progress.eta_s % 60:02.0f}"
            text = f"{progress.images_per_s:.0f} images/s, {left} left after"
            shown.update(task, completed=progress.step, total=progress.steps, description=text)

        yield report
