"""The mean of the weights of training runs that began from the same weight, often better than each of them.

python scripts/average.py runs/mean runs/a runs/b
python scripts/average.py runs/mean runs/a=0.6 runs/b=0.4

Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time".
The folder that it writes is one that `publish.py`, `evaluate.py`, `rescore.py` and `restore train --set start=DIR` take as they take a
run's. Its settings are those of the first run, and `mean_of` says of which the mean was taken. Running statistics of batch normalisation
are averaged like weights, which they are not: have them collected anew by some steps of training.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from restore import networks, weights
from restore.backbones import Backbone
from restore.networks import Network
from restore.training import checkpoints
from restore.training.base import TrainingError


def mean(states: list[dict[str, torch.Tensor]], shares: list[float]) -> dict[str, torch.Tensor]:
    """Weighted mean of state dicts that hold the same; what counts in whole numbers is the first one's.

    >>> mean([{"a": torch.tensor([1.0]), "steps": torch.tensor(7)}, {"a": torch.tensor([5.0]), "steps": torch.tensor(9)}], [0.75, 0.25])
    {'a': tensor([2.]), 'steps': tensor(7)}
    """
    weighed = torch.tensor(shares, dtype=torch.double)
    averaged = {}
    for name, value in states[0].items():
        every = torch.stack([state[name].double() for state in states], -1)  # (..., runs)
        averaged[name] = (every @ weighed).to(value) if value.is_floating_point() else value
    return averaged


def share_of(text: str) -> tuple[Path, float]:
    """A run and what it counts, as they are written in a call.

    Raises:
        BadParameter: The share is no number above 0.

    >>> share_of("runs/a=0.6"), share_of("runs/a")
    ((PosixPath('runs/a'), 0.6), (PosixPath('runs/a'), 1.0))
    """
    name, equals, number = text.rpartition("=")
    if not equals or Path(text).exists():
        return Path(text), 1.0
    try:
        share = float(number)
    except ValueError:
        share = 0.0
    if not 0 < share < float("inf"):
        raise typer.BadParameter(f"{text!r} gives {name} a share of {number!r}; expected a number above 0", param_hint="RUNS")
    return Path(name), share


def read_run(run: Path) -> tuple[Network | Backbone, dict[str, Any]]:
    """The network of a run with its averaged weights, and the run's settings.

    Args:
        run: Its folder, one of its checkpoints, or the folder of a mean.

    Raises:
        BadParameter: There is no such run, or no config.json beside it.
    """
    place = run.resolve()  # so that no shipped weight is meant
    try:
        return weights.load(str(place)), json.loads(weights.config_of(weights.find(place)[1]).read_text("utf-8"))
    except (weights.WeightsError, OSError, ValueError) as error:
        raise typer.BadParameter(f"{run} is no run with its config.json: {error}", param_hint="RUN") from error


def main(
    out: Annotated[Path, typer.Argument(help="Folder to be written; it must not exist.")],
    runs: Annotated[list[str], typer.Argument(help="Folders of runs, or checkpoints, each with =SHARE or all alike.")],
) -> None:
    """Average the weights of runs."""
    if out.exists():
        raise typer.BadParameter(f"{out} exists; expected a name that is free", param_hint="OUT")
    places, shares = zip(*map(share_of, runs), strict=True)
    if len(places) < 2:
        raise typer.BadParameter("one run was given; expected two or more", param_hint="RUNS")
    states, config = [], dict[str, Any]()
    for place in places:
        network, said = read_run(place)
        config = config or said
        if any(config[key] != said[key] for key in ("network", "options", "task")):
            network_of = f"{said['network']} {said['options']}"
            raise typer.BadParameter(f"{place} has another network than {places[0]}: {network_of}", param_hint="RUNS")
        states.append(network.state_dict())
    parts = [share / sum(shares) for share in shares]
    network = networks.build_any(config["network"], config["options"])
    network.load_state_dict(mean(states, parts))
    config["mean_of"] = {str(place): round(part, 4) for place, part in zip(places, parts, strict=True)}
    try:
        out.mkdir(parents=True)
        (out / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
        checkpoints.export(out / "weights.safetensors", network)
    except (OSError, TrainingError) as error:
        raise typer.BadParameter(f"{out} cannot be written: {error}", param_hint="OUT") from error
    typer.echo(f"{out}: the mean of {', '.join(f'{part:.3g} {place}' for place, part in zip(places, parts, strict=True))}")


if __name__ == "__main__":
    typer.run(main)
