"""A run on disk: its last state, its best ones, how it goes on from them, and the weights that come of it."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from restore import weights
from restore.networks import inpainting
from restore.training.base import TrainingError
from restore.training.config import Config
from restore.training.optim import Player, rate


@dataclass
class State:
    """What changes while a run goes on.

    Attributes:
        player: The network and its optimisers.
        averaged: The network with averaged weights.
        opponent: What it is trained against, if anything.
        step: Steps that are done.
        losses: Of the steps since the last line of the log.
    """

    player: Player
    averaged: nn.Module
    opponent: Player | None = None
    step: int = 0
    losses: list[list[float]] = field(default_factory=list)


def save(path: Path, config: Config, state: State) -> None:
    """Write a checkpoint; the old one stays until the new one is complete.

    Raises:
        TrainingError: It cannot be written: the disk is full, say.
    """
    content = {
        "step": state.step,
        **schedule(config),
        "losses": state.losses,
        "averaged": state.averaged.state_dict(),
        **state.player.state(),
        "opponent": state.opponent.state() if state.opponent else None,
    }
    with replacing(path) as draft:
        torch.save(content, draft)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what takes the place of ``path`` when the block ends; on an error ``path`` stays as it was.

    Raises:
        TrainingError: It cannot be written.
    """
    draft = path.with_suffix(".tmp")  # one name, so that what a killed process left is written over
    try:
        yield draft
        os.replace(draft, path)
    except (OSError, RuntimeError) as error:  # of a full disk torch says that a position is unexpected
        draft.unlink(missing_ok=True)
        raise TrainingError(f"{path} cannot be written; expected room for it on the disk ({' '.join(str(error).split())})") from error


def schedule(config: Config) -> dict[str, Any]:
    """What the learning rate of each step follows from, as checkpoints hold it."""
    return {name: getattr(config, name) for name in ("lr", "steps", "plateau", "schedule", "warmup", "milestones", "gamma")}


def learning_rate(plan: dict[str, Any], step: int) -> float:
    """Share of the full learning rate at a step, of what ``schedule`` returned."""
    shape = {name: plan[name] for name in ("steps", "schedule", "warmup", "milestones", "gamma")}
    return rate(step, decay=plan["steps"] - plan["plateau"], **shape)


def keep_best(folder: Path, config: Config, state: State, score: float) -> None:
    """Write a checkpoint named by step and score, if it is among the best ``config.keep`` of a folder; remove the worst beyond those."""
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{state.step:06}-{config.objective.score}={score:.4f}.pt"
    scores = {other: float(other.stem.rpartition("=")[2]) for other in sorted(folder.glob("step-*=*.pt"))}
    best = sorted({**scores, path: score}, key={**scores, path: score}.__getitem__, reverse=True)
    if path in best[: config.keep]:
        save(path, config, state)
    for other in best[config.keep :]:
        other.unlink(missing_ok=True)


def rewind(folder: Path, step: int) -> None:
    """Remove the best checkpoints of later steps: they are of a branch that was given up, or will be written again."""
    for path in folder.glob("step-*=*.pt"):
        if int(path.stem.split("-")[1]) > step:
            path.unlink()


def resume(config: Config, out: Path, state: State, say: Callable[[str], None]) -> None:
    """Load the newest state of a run that the configuration can go on from, or the weights that it starts from.

    Raises:
        TrainingError: There are states, and none fits; or a file is broken.
    """
    if not (out / "checkpoint.pt").exists():
        if config.start:
            start_from(Path(config.start), state.player.network)
            state.averaged.load_state_dict(state.player.network.state_dict())
        return
    path = newest(config, out)
    content = read_checkpoint(path)
    try:
        state.player.load(content)
        state.averaged.load_state_dict(content["averaged"])
        if state.opponent and content.get("opponent"):
            state.opponent.load(content["opponent"])
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"{path} does not fit this configuration: {' '.join(str(error).split())[:300]}") from error
    state.step, state.losses = content["step"], content.get("losses", [])
    say(f"resumed {path} at step {state.step}")


def newest(config: Config, out: Path) -> Path:
    """The checkpoint with the most steps among those whose learning rates, so far, were those of the configuration.

    Raises:
        TrainingError: There is none.
    """
    last = out / "checkpoint.pt"
    content = read_checkpoint(last, mmap=True)
    done, common = content["step"], shared_steps(content, config)
    if common == done:
        return last
    kept = {path: read_checkpoint(path, mmap=True) for path in (out / "plateau.pt", *sorted((out / "best").glob("*.pt"))) if path.exists()}
    steps = {path: content["step"] for path, content in kept.items() if shared_steps(content, config) == content["step"]}
    if not steps:
        wanted = f"expected a checkpoint at step {common} or before, or another folder"
        found = f"{out} has run {done} steps, those from {common} on with learning rates that this configuration has not"
        raise TrainingError(f"{found}; {wanted}")
    return max(steps, key=steps.__getitem__)


def shared_steps(content: dict[str, Any], config: Config) -> int:
    """How many steps of a checkpoint, from the first on, had the configuration's learning rates; what an older one does not say was so."""
    ours, count = schedule(config), min(content["step"], config.steps)
    theirs = {**ours, "schedule": "linear", **{name: content[name] for name in ours.keys() & content.keys()}}
    if theirs == ours:
        return count
    rates = ((plan["lr"] * learning_rate(plan, step) for plan in (theirs, ours)) for step in range(count))
    return next((step for step, (then, now) in enumerate(rates) if then != now), count)


def read_checkpoint(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    """A checkpoint as ``save`` wrote it; with ``mmap`` its tensors stay on disk until they are used.

    Raises:
        TrainingError: The file is something else.
    """
    try:
        content = weights.unpickle(path, mmap=mmap)
    except weights.WeightsError as error:
        raise TrainingError(str(error)) from error
    if not isinstance(content, dict) or "averaged" not in content:
        raise TrainingError(f"{path} is not a checkpoint: it holds no averaged weights")
    return content


def start_from(path: Path, network: nn.Module) -> None:
    """Load the parameters of a checkpoint or weight: a file, or what ``weights.find`` takes.

    A denoiser's become an inpainting network's where the shapes allow; the trunk and the finish that it lacks stay as they were built. So
    do those of an inpainting network with fewer blocks in its trunk: the others start as their shortcuts.

    Raises:
        TrainingError: The file is not there, broken, or of another network.
    """
    try:
        path = path if path.is_file() else weights.find(path)[1]
        state = {key: value.float() if value.is_floating_point() else value for key, value in weights.read(path).items()}
    except weights.WeightsError as error:
        raise TrainingError(f"nothing to start from: {error}") from error
    own, spared = network.state_dict(), tuple[str, ...]()
    if isinstance(network, inpainting.Inpainting):
        state = inpainting.from_restoration(state, network)
        spared = tuple(part for part in ("trunk.", "finish.") if not any(key.startswith(part) for key in state))
        spared = spared if "trunk." in spared else (*spared, *inpainting.lengthen(network.trunk, state))
    if wrong := weights.faults(state, {key: value for key, value in own.items() if not key.startswith(spared)}):
        raise TrainingError(f"{path} does not fit: it {wrong}")
    network.load_state_dict({**own, **state})


def export(path: Path, averaged: nn.Module) -> None:
    """Write the averaged weights as a safetensors file in half precision.

    Raises:
        TrainingError: It cannot be written.
    """
    from safetensors.torch import save as serialise

    state = {key: value.half() if value.is_floating_point() else value for key, value in averaged.state_dict().items()}
    with replacing(path) as draft:
        draft.write_bytes(serialise({key: value.contiguous() for key, value in state.items()}))


def describe(config: Config) -> dict[str, Any]:
    """The configuration as JSON values, and the task that its networks are for."""
    return {"task": config.objective.task, **dataclasses.asdict(config)}
