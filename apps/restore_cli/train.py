"""`restore train`: run a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from restore_cli.base import WrongCall, give_up


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name that --list prints.", show_default=False)] = "",
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of photographs, or of tar shards of them; to classify, a folder for each class, MNIST's folder, or a .npz file.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run; one that holds a run goes on.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting, e.g. lr=1e-4; repeatable.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Print the recipes and exit.")] = False,
) -> None:
    """Train a network by a recipe, or go on with a run that was stopped."""
    from restore.training.recipes import RECIPES

    if listed:
        for name, function in RECIPES.items():
            print(f"{name.ljust(max(map(len, RECIPES)))}  {(function.__doc__ or '').strip().splitlines()[0]}")
        return
    if recipe not in RECIPES:
        raise WrongCall(
            f"recipe {recipe!r} is unknown; expected one of {', '.join(RECIPES)}" if recipe else "no recipe is named; see --list"
        )
    if data is None or out is None:
        raise WrongCall(f"no {'--data DIR' if data is None else '--out RUN'} is given; expected both --data DIR and --out RUN")
    if not data.is_dir() and not (data.suffix == ".npz" and data.is_file()):
        raise WrongCall(f"no folder {data}; expected --data to name a folder of pictures, or a .npz file")
    if out.exists() and not out.is_dir():
        raise WrongCall(f"output {out} is a file; expected a folder")
    from restore.training import engine
    from restore.training.config import override

    try:
        config = override(RECIPES[recipe](), settings or [])
    except ValueError as error:
        raise WrongCall(str(error)) from error
    try:
        engine.train(config, source=data, out=out)
    except (engine.TrainingError, ValueError, OSError) as error:
        give_up(" ".join(str(error).split()))
