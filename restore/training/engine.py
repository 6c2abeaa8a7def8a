"""The only training loop."""

import json
import math
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from restore import data
from restore.draws import Draws
from restore.training.base import Adversarial, Batch, Reading, SettingError, Source, TrainingError
from restore.training.checkpoints import (
    State,
    describe,
    export,
    keep_best,
    learning_rate,
    read_checkpoint,
    resume,
    rewind,
    save,
    schedule,
    start_from,
)
from restore.training.config import Config, build
from restore.training.log import Log, Pace, Progress, contact_sheet
from restore.training.optim import Player, build_optimizers
from restore.training.processes import Processes, together

__all__ = ["Progress", "SettingError", "TrainingError", "export", "read_checkpoint", "start_from", "train"]


def train(
    config: Config,
    *,
    source: Path,
    out: Path,
    say: Callable[[str], None] = print,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train a network, or go on with the run that ``out`` holds.

    One loop for restoration, adversarial inpainting, segmentation and classification: what they read, draw and minimise is their
    objective's. Everything drawn depends on the seed, the step and the sample alone, so that a run that was killed and resumed equals one
    that was not. One of several processes (``torchrun``) equals one of a single process, but for what is drawn within the network and its
    weights, dropout and noise, which each process draws for itself. ``out`` receives

    - ``config.json`` and ``log.jsonl``;
    - ``checkpoint.pt``, the last; ``plateau.pt``, the last at the full learning rate; ``best/``, those with the best scores;
    - ``pictures/``, what the network makes of four held-out photographs at each validation;
    - at the end ``weights.safetensors``, the averaged weights.

    A run whose learning rates were changed, by ``lr``, ``steps``, ``decay`` and so on, goes on from the newest of these checkpoints up to
    which they were the same; the best ones after it are removed. Ctrl-C or SIGTERM saves a checkpoint and returns.

    Args:
        config: The run.
        source: Where the pictures are: see ``data.load``; to classify, ``data.load_labelled``.
        out: Folder of the run.
        say: Receives one line at a time.
        progress: Called after each step.

    Returns:
        The checkpoint that was written last.

    Raises:
        TrainingError: The loss is not finite (what it came from is written to ``nan-batch.pt``), no checkpoint fits the configuration, or
            tensorboard is missing, or a checkpoint cannot be written.
        SettingError: A size of crops that the network does not take, no LPIPS trunk for a perceptual loss, a batch that cannot be shared
            out among the processes, or a run within the folder of its pictures.
        ValueError: No pictures, or options that the network does not take.
    """
    if source.resolve() in (out.resolve(), *out.resolve().parents):
        raise SettingError(f"the run {out} lies within {source}, and what it draws would be trained on; expected a folder elsewhere")
    if config.threads:
        torch.set_num_threads(config.threads)
    with together() as processes:
        for _, _, batch in config.stages:
            if batch % processes.count:
                raise SettingError(f"batch is {batch}; expected a multiple of {processes.count}, the number of processes")
        out.mkdir(parents=True, exist_ok=True)
        tell = say if processes.leads else lambda line: None
        state = prepare(config, processes.device)
        multiple = getattr(state.averaged, "multiple_of", 1)
        for _, crop, _ in config.stages:
            if crop % multiple:
                raise SettingError(f"crop is {crop}; expected a multiple of {multiple}, as the network {config.network!r} needs")
        resume(config, out, state, tell)
        processes.wait()
        if processes.leads:
            rewind(out / "best", state.step)
        reading = Reading(
            source=source,
            network=state.averaged,
            size=max(crop for _, crop, _ in config.stages),
            seed=config.seed,
            licence=config.licence,
            tier=config.tier,
            device=processes.device if config.data == "resident" else None,
            say=tell,
        )
        pictures, held_out = config.objective.read(reading)
        held_out = [move(batch, processes.device) for batch in held_out]
        run = Run(config, out, processes, state, pictures, held_out)
        count = sum(len(next(iter(batch.values()))) for batch in held_out)
        where = f"{processes.device} of {processes.count} processes" if processes.count > 1 else str(processes.device)
        tell(f"{len(pictures)} pictures to train on, {count} to validate with; step {state.step} of {config.steps}; {where}")
        return run.finish(tell, progress)


def prepare(config: Config, device: torch.device) -> State:
    """The networks and optimisers at step 0."""
    torch.manual_seed(config.seed)
    network, averaged = (
        build(config.network, config.options).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for _ in range(2)
    )
    averaged.eval().requires_grad_(False)
    averaged.load_state_dict(network.state_dict())
    player = Player(network, build_optimizers(network, config.optimizer, config.lr, config.weight_decay), config.lr)
    opponent = config.objective.opponent() if isinstance(config.objective, Adversarial) else None
    against = None
    if opponent is not None and isinstance(config.objective, Adversarial):
        opponent, lr = opponent.to(device, memory_format=torch.channels_last), config.objective.opponent_lr  # type: ignore[call-overload]
        against = Player(opponent, build_optimizers(opponent, "adamw", lr), lr)
    if config.compile:
        network.compile()
    return State(player, averaged, against)


@dataclass(frozen=True)
class Maker:
    """Makes the batches of a process on its device; the same for the same step, wherever it is called."""

    config: Config
    pictures: Source
    processes: Processes

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        crop, numbers = self.config.patch(step)
        numbers, device = self.processes.share(numbers), self.processes.device
        draws = Draws(self.config.seed, numbers, device, step=step)
        return self.config.objective.draw(move(self.pictures.draw(draws, numbers, crop), device), draws)


@dataclass
class Run:
    """A run in this process."""

    config: Config
    out: Path
    processes: Processes
    state: State
    pictures: Source
    held_out: list[Batch]

    def maker(self, processes: Processes) -> Maker:
        """Makes the batches of ``processes``: on their device, or on the CPU if workers do it."""
        if self.config.data == "workers":
            processes = replace(processes, device=torch.device("cpu"))
        return Maker(self.config, self.pictures, processes)

    def finish(self, say: Callable[[str], None], progress: Callable[[Progress], None] | None) -> Path:
        """Take the steps that are left; see ``train``."""
        config, state, leads = self.config, self.state, self.processes.leads
        pending, pace, plan = Pending(state.losses, self.fail), Pace(), schedule(config)
        images = sum(len(steps) * batch for steps, _, batch in config.stages)
        if leads:
            (self.out / "config.json").write_text(json.dumps(describe(config), indent=1) + "\n", encoding="utf-8")
        tensorboard = self.out / "tensorboard" if config.tensorboard and leads else None
        log = Log(self.out / "log.jsonl", say, step=state.step, tensorboard=tensorboard) if leads else None
        workers = config.workers if config.data == "workers" else 0
        batches = data.batches(self.maker(self.processes), range(state.step, config.steps), workers=workers)
        # to several processes, torchrun sends on the signal that the terminal has sent already
        with closing(batches), closing(log) if log else nullcontext(), stop_requests(patient=self.processes.count > 1) as stopped:
            while state.step < config.steps and not self.processes.any(stopped()):
                _, numbers = config.patch(state.step)
                if state.step == config.plateau:
                    pending.read()
                    self.save("plateau.pt")
                share = learning_rate(plan, state.step)
                pending.add(state.step, self.advance(move(next(batches), self.processes.device), share))
                state.step += 1
                average(state.averaged, state.player.network, min(config.ema, state.step / (state.step + 10)))
                pace.add(len(numbers))
                speed, left = pace.images_per_s, images - numbers.stop
                if log and state.step % config.log_every == 0:
                    log({"step": state.step, **pending.means(), "lr": config.lr * share, **rounded(speed, left)})
                    pace.rest()
                if progress:
                    progress(Progress(state.step, config.steps, speed, left / speed))
                if log and (state.step % config.validate_every == 0 or state.step == config.steps):
                    pending.read()
                    self.validate(log)
                    pace.rest()
                if state.step % config.save_every == 0:
                    pending.read()
                    self.save("checkpoint.pt")
        pending.read()
        self.save("checkpoint.pt")
        if state.step == config.steps and leads:
            export(self.out / "weights.safetensors", state.averaged)
        say(f"stopped at step {state.step} of {config.steps}; {self.out / 'checkpoint.pt'} is written")
        return self.out / "checkpoint.pt"

    def advance(self, batch: Batch, share: float) -> torch.Tensor:
        """One step: forward, backward, clip, update; returns loss and gradient's norm, of the network and then of its opponent."""
        config, state, processes = self.config, self.state, self.processes
        objective, network, opponent = config.objective, state.player.network, state.opponent
        seed = np.random.default_rng((config.seed, state.step, processes.rank))
        torch.manual_seed(int(seed.integers(2**63)))  # of dropout, and of noise on weights
        network.train()
        autocast = torch.autocast(processes.device.type, torch.bfloat16, enabled=config.precision == "bf16")
        if opponent is None or not isinstance(objective, Adversarial):
            with autocast:
                loss = objective.loss(network, batch)
            return state.player.learn(loss, share, config.clip, processes.average)
        opponent.network.train().requires_grad_(False)
        with autocast:
            loss, made = objective.contest(network, opponent.network, batch)
        ours = state.player.learn(loss, share, config.clip, processes.average)
        opponent.network.requires_grad_(True)
        with autocast:
            loss = objective.opponent_loss(opponent.network, made, state.step)
        return torch.cat([ours, opponent.learn(loss, share, config.clip, processes.average)])

    @torch.no_grad()
    def validate(self, log: Log) -> None:
        """Scores of the averaged weights on held-out pictures, in the run's precision; pictures; the best checkpoints."""
        config, averaged, step = self.config, self.state.averaged.eval(), self.state.step
        with torch.autocast(self.processes.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            scores = config.objective.validate(averaged, self.held_out)
            shown = range(0, len(self.held_out), max(1, len(self.held_out) // 4))[:4]
            rows = [row for row in (config.objective.show(averaged, self.held_out[i], i) for i in shown) if row]
        log({"step": step, **{key: round(value, 4) for key, value in scores.items()}})
        if rows:
            (self.out / "pictures").mkdir(exist_ok=True)
            Image.fromarray(contact_sheet(rows)).save(self.out / "pictures" / f"step-{step:06}.png")
        if config.keep and math.isfinite(scores[config.objective.score]):
            keep_best(self.out / "best", config, self.state, scores[config.objective.score])

    def save(self, name: str) -> None:
        """Write a checkpoint, in one process."""
        if self.processes.leads:
            save(self.out / name, self.config, self.state)

    def fail(self, step: int, values: list[float]) -> None:
        """Write the batch of a step, and stop.

        Raises:
            TrainingError: Always.
        """
        path, (_, numbers) = self.out / "nan-batch.pt", self.config.patch(step)
        if self.processes.leads:
            batch = move(self.maker(Processes(device=self.processes.device))(step), torch.device("cpu"))
            torch.save({"step": step, "seed": self.config.seed, "numbers": list(numbers), "batch": batch}, path)
        found = f"loss is {values[0]:g} and its gradient's norm {values[1]:g} at step {step}"
        if len(values) > 2:
            found += f" (the opponent's: {values[2]:g}, {values[3]:g})"
        samples = f"samples {numbers.start} to {numbers.stop - 1} of seed {self.config.seed}"
        raise TrainingError(f"{found}, on {samples}; expected finite numbers; the batch is in {path}")


class Pending:
    """Reads what a step gave one step later, so that a GPU computes while its numbers are fetched.

    Args:
        losses: Receives the losses of each step.
        fail: Called with a step and its numbers where they are not finite.
    """

    def __init__(self, losses: list[list[float]], fail: Callable[[int, list[float]], None]) -> None:
        self.losses, self.fail = losses, fail
        self.values: tuple[int, torch.Tensor, torch.cuda.Event | None] | None = None

    def add(self, step: int, values: torch.Tensor) -> None:
        """Take the numbers of a step: losses at even places, norms of gradients at odd ones."""
        event = torch.cuda.Event() if values.is_cuda else None
        values = values.to("cpu", non_blocking=True)
        if event:
            event.record()
        self.read()
        self.values = (step, values, event)

    def read(self) -> None:
        """Wait for the numbers of the last step."""
        if self.values is None:
            return
        (step, tensor, event), self.values = self.values, None
        if event:
            event.synchronize()
        values = tensor.tolist()
        if not all(math.isfinite(value) for value in values):
            self.fail(step, values)
        self.losses.append(values[::2])

    def means(self) -> dict[str, float]:
        """Mean losses since the last call, by name."""
        self.read()
        means = np.mean(self.losses, axis=0)
        self.losses.clear()
        return {name: float(mean) for name, mean in zip(("loss", "opponent_loss"), means, strict=False)}


def rounded(images_per_s: float, left: int) -> dict[str, float]:
    """The pace, and the seconds that ``left`` images take, for the log."""
    return {"images_per_s": round(images_per_s, 1), "eta_s": round(left / images_per_s)}


@torch.no_grad()
def average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of parameters and floating-point buffers (batch-norm statistics among them)."""
    sources, targets = network.state_dict(), averaged.state_dict()
    moving = [key for key, target in targets.items() if target.is_floating_point()]
    torch._foreach_lerp_([targets[key] for key in moving], [sources[key] for key in moving], 1 - decay)
    for key in targets.keys() - moving:
        targets[key].copy_(sources[key])


def move(batch: Any, device: torch.device) -> Any:
    """A tensor, or a batch of them, on a device."""
    return batch.to(device, non_blocking=True) if isinstance(batch, torch.Tensor) else {key: x.to(device) for key, x in batch.items()}


@contextmanager
def stop_requests(*, patient: bool = False) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request that the loop reads; the second ends the process as usual, unless it is patient."""
    requested: list[int] = []
    previous: dict[int, Any] = {}

    def request(number: int, frame: object) -> None:
        requested.append(number)
        for signum, handler in previous.items():
            if not patient:
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
