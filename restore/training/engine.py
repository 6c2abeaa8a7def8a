"""The only training loop."""

import dataclasses
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from restore.draws import Draws
from restore.networks import inpainting
from restore.training.config import Config, build
from restore.training.objectives import Batch, Source
from restore.training.optim import build_optimizers, rate


class TrainingError(RuntimeError):
    """A run cannot start or go on; the message is one line."""


def train(config: Config, *, source: Path, out: Path, say: Callable[[str], None] = print) -> Path:
    """Train a network, or go on with the run that ``out`` holds.

    One loop for restoration and classification: what they read, draw and minimise is their objective's. Everything drawn depends on the
    seed and the step alone, so that a run that was stopped and resumed equals one that was not. ``out`` receives ``config.json``,
    ``log.jsonl``, ``checkpoint.pt`` (the last), ``plateau.pt`` (the last at the full learning rate) and, at the end,
    ``weights.safetensors`` (the averaged weights). A run whose ``steps`` or ``decay`` were changed after its decay had begun goes on from
    ``plateau.pt``. Ctrl-C or SIGTERM saves a checkpoint and returns.

    Args:
        config: The run.
        source: Where the pictures are: see ``data.load``; to classify, ``data.load_labelled``.
        out: Folder of the run.
        say: Receives one line at a time.

    Returns:
        The checkpoint that was written last.

    Raises:
        TrainingError: The loss is not finite, or a checkpoint does not fit the configuration or has run further.
        ValueError: No pictures, options that the network does not take, or no LPIPS trunk for a perceptual loss.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)
    network = build(config.network, config.options).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = build(config.network, config.options).to(device).eval().requires_grad_(False)
    averaged.load_state_dict(network.state_dict())
    optimizers = build_optimizers(network, config.optimizer, config.lr, config.weight_decay)
    first = resume(config, out, network, averaged, optimizers, say)
    if first > config.steps:
        raise TrainingError(f"{out} has run {first} steps; expected steps to be at least that, got {config.steps}")
    pictures, held_out = config.objective.read(source, averaged, size=config.crop, licence=config.licence, seed=config.seed)
    held_out = [move(batch, device) for batch in held_out]
    count = sum(len(next(iter(batch.values()))) for batch in held_out)
    say(f"{len(pictures)} pictures to train on, {count} to validate with; step {first} of {config.steps}; {device}")
    (out / "config.json").write_text(json.dumps(describe(config), indent=1) + "\n", encoding="utf-8")

    log, step, started, losses = Log(out / "log.jsonl", say), first, time.monotonic(), []
    with stop_requests() as stopped:
        while step < config.steps and not stopped():
            share = learning_rate(config, step)
            if step == config.plateau:
                save(out / "plateau.pt", config, step, network, averaged, optimizers)
            losses.append(advance(config, step, share, pictures, network, optimizers, device))
            step += 1
            average(averaged, network, min(config.ema, step / (step + 10)))
            if step % config.log_every == 0:
                speed = len(losses) * config.batch / (time.monotonic() - started)
                eta = (config.steps - step) * config.batch / speed
                progress = {"images_per_s": round(speed, 1), "eta_s": round(eta)}
                log({"step": step, "loss": float(np.mean(losses)), "lr": config.lr * share, **progress})
                started, losses = time.monotonic(), []
            if step % config.validate_every == 0 or step == config.steps:
                log({"step": step, **validate(config, averaged, held_out)})
                started, losses = time.monotonic(), []
            if step % config.save_every == 0:
                save(out / "checkpoint.pt", config, step, network, averaged, optimizers)
    save(out / "checkpoint.pt", config, step, network, averaged, optimizers)
    if step == config.steps:
        export(out / "weights.safetensors", averaged)
    say(f"stopped at step {step} of {config.steps}; {out / 'checkpoint.pt'} is written")
    return out / "checkpoint.pt"


def advance(
    config: Config,
    step: int,
    share: float,
    pictures: Source,
    network: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    device: torch.device,
) -> float:
    """One step: draw, forward, backward, clip, update; returns the loss."""
    numbers = range(step * config.batch, (step + 1) * config.batch)
    draws = Draws(config.seed, numbers, step=step)
    batch = move(config.objective.draw(pictures.draw(draws, numbers, config.crop), draws), device)
    torch.manual_seed(int(draws.common().integers(2**63)))  # of dropout, and of noise on weights
    network.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        loss = config.objective.loss(network, batch)
    if not torch.isfinite(loss):
        raise TrainingError(f"loss is {float(loss.detach())} at step {step}, on the batch of seed {config.seed}; expected a finite number")
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = config.lr * share
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    for optimizer in optimizers:
        optimizer.step()
    return float(loss.detach())


@torch.no_grad()
def average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of parameters and floating-point buffers (batch-norm statistics among them)."""
    sources = network.state_dict()
    for key, target in averaged.state_dict().items():
        if target.is_floating_point():
            target.lerp_(sources[key], 1 - decay)
        else:
            target.copy_(sources[key])


@torch.no_grad()
def validate(config: Config, averaged: nn.Module, held_out: list[Batch]) -> dict[str, float]:
    """Scores of the averaged weights on held-out pictures, in the run's precision."""
    averaged.eval()
    device = next(averaged.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        return {key: round(value, 4) for key, value in config.objective.validate(averaged, held_out).items()}


def learning_rate(config: Config, step: int) -> float:
    """Share of the full learning rate at ``step``."""
    decay = config.steps - config.plateau
    return rate(step, steps=config.steps, warmup=config.warmup, decay=decay, milestones=config.milestones, gamma=config.gamma)


def move(batch: Batch, device: torch.device) -> Batch:
    """A batch on a device."""
    return {key: value.to(device) for key, value in batch.items()}


def resume(
    config: Config,
    out: Path,
    network: nn.Module,
    averaged: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    say: Callable[[str], None],
) -> int:
    """Load the run's checkpoint, or the weights that it starts from; returns the step to go on with."""
    path = out / "checkpoint.pt"
    if not path.exists():
        if config.start:
            start_from(Path(config.start), network)
            averaged.load_state_dict(network.state_dict())
        return 0
    state = read_checkpoint(path)
    if state["step"] > state["plateau"] and (state["steps"], state["plateau"]) != (config.steps, config.plateau):
        path = out / "plateau.pt"
        state = read_checkpoint(path)
    try:
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            decays = [group["weight_decay"] for group in optimizer.param_groups]
            groups = [{**group, "weight_decay": decay} for group, decay in zip(saved["param_groups"], decays, strict=False)]
            optimizer.load_state_dict({**saved, "param_groups": groups})  # the configuration's decay, not the checkpoint's
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"{path} does not fit this configuration: {str(error).splitlines()[0]}") from error
    say(f"resumed {path} at step {state['step']}")
    return int(state["step"])


def start_from(path: Path, network: nn.Module) -> None:
    """Load the parameters of a checkpoint or weight file; a denoiser's become an inpainting network's where the shapes allow."""
    if not path.is_file():
        raise TrainingError(f"no file {path} to start from; expected a checkpoint (.pt) or a weight (.safetensors)")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = {key: value.float() for key, value in load_file(path).items()}
    else:
        state = read_checkpoint(path)["averaged"]
    if isinstance(network, inpainting.Inpainting):
        state = inpainting.from_restoration(state)
    own = network.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    if len(fitting) < len(state):
        raise TrainingError(f"{path} does not fit: {len(state) - len(fitting)} of {len(state)} tensors have another name or shape")
    network.load_state_dict({**own, **fitting})


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint as ``save`` wrote it."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the broken part of the file led to
        raise TrainingError(f"{path} is not a checkpoint: {str(error).splitlines()[0]}") from error


def save(
    path: Path,
    config: Config,
    step: int,
    network: nn.Module,
    averaged: nn.Module,
    optimizers: list[torch.optim.Optimizer],
) -> None:
    """Write a checkpoint; the old one stays until the new one is complete."""
    state = {
        "step": step,
        "steps": config.steps,
        "plateau": config.plateau,
        "network": network.state_dict(),
        "averaged": averaged.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def export(path: Path, averaged: nn.Module) -> None:
    """Write the averaged weights as a safetensors file in half precision."""
    from safetensors.torch import save as serialise

    state = {key: value.half() if value.is_floating_point() else value for key, value in averaged.state_dict().items()}
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(serialise({key: value.contiguous() for key, value in state.items()}))
    os.replace(temporary, path)


def describe(config: Config) -> dict[str, Any]:
    """The configuration as JSON values."""
    return dataclasses.asdict(config)


class Log:
    """Appends JSON lines to a file and says each as a line of text."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path, self.say = path, say

    def __call__(self, record: dict[str, Any]) -> None:
        """Write one record."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self.say("  ".join(f"{key} {value:.5g}" if isinstance(value, float) else f"{key} {value}" for key, value in record.items()))


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request that the loop reads; the second ends the process as usual."""
    requested: list[int] = []
    previous: dict[int, Any] = {}

    def request(number: int, frame: object) -> None:
        requested.append(number)
        for signum, handler in previous.items():
            signal.signal(signum, handler)

    try:
        for signum in (int(signal.SIGINT), int(signal.SIGTERM)):
            previous[signum] = signal.signal(signum, request)
    except ValueError:  # not the main thread: signals go to whoever owns it
        pass
    try:
        yield lambda: bool(requested)
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
