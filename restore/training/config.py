"""A run as a frozen dataclass, and how its fields are overridden from the command line."""

import dataclasses
import inspect
import json
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from restore import backbones, networks
from restore.training.base import Objective, Photographs
from restore.training.classify import Classify
from restore.training.optim import OPTIMIZERS, SCHEDULES

build = networks.build_any
TRIPLES = tuple[tuple[int, int, int], ...]
WANTED = {tuple: "values with commas between", Sequence: "values with commas between", Mapping: "a JSON object"}
"""What settings of a kind look like, where its name does not say it."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that a run depends on, apart from the photographs.

    Attributes:
        network: A key of ``networks.NETWORKS``; to classify, of ``backbones.BACKBONES``.
        options: Arguments of its builder.
        objective: What the network is asked to do.
        steps: Steps of the whole run.
        decay: The share of the steps, at their end, that lowers the learning rate to zero.
        schedule: How: ``"linear"`` or ``"cosine"`` (which has ``decay=1`` in the papers).
        warmup: The first so many steps raise it.
        milestones: Steps from which on it is multiplied by ``gamma``, each time.
        gamma: See there.
        batch: Crops, or labelled pictures, in a step, of all processes together.
        crop: Side of one in pixels.
        patches: Triples of a step and the crop and batch from there on, as in ``patches=0:64:16,15000:96:8``.
        lr: Highest learning rate.
        optimizer: ``"muon"``, ``"adamw"``, ``"sgd"`` (momentum 0.9, Nesterov) or ``"rmsprop"``.
        weight_decay: Of the weights (see ``optim.build_optimizers``).
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights, which are the ones validated and exported.
        precision: ``"bf16"`` (autocast) or ``"fp32"``.
        compile: Whether torch compiles the network.
        data: ``"resident"``: photographs are decoded once and stay in the device's memory, where they are cropped and damaged too;
            ``"workers"``: they are decoded, cropped and damaged by processes that work ahead.
        workers: How many processes that is.
        licence: Which photographs of a manifest: ``"open"`` or ``"any"``.
        tier: Highest tier of a manifest that is taken: a number, or ``"any"``.
        start: What the run's parameters start from: a shipped weight's name, a checkpoint or weight file, or another run's folder; empty:
            random.
        seed: Of everything that is drawn, but for the masks of ``Inpaint.bank``: which ones are picked, it decides.
        log_every: Steps between two lines of the log.
        save_every: Steps between two checkpoints.
        validate_every: Steps between two validations.
        keep: How many checkpoints are kept of those with the best scores.
        tensorboard: Whether the log goes to TensorBoard too.
        threads: Threads of torch on the CPU; 0 leaves torch's choice.

    Raises:
        ValueError: A number is out of its range.
    """

    network: str
    objective: Objective
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = 20_000
    decay: float = 0.25
    schedule: str = "linear"
    warmup: int = 200
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    batch: int = 16
    crop: int = 64
    patches: TRIPLES = ()
    lr: float = 2e-3
    optimizer: str = "muon"
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    precision: str = "bf16"
    compile: bool = False
    data: str = "resident"
    workers: int = 2
    licence: str = "open"
    tier: str = "any"
    start: str = ""
    seed: int = 0
    log_every: int = 100
    save_every: int = 500
    validate_every: int = 2_000
    keep: int = 3
    tensorboard: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "crop", "log_every", "save_every", "validate_every", "lr", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number above 0")
        for name in ("warmup", "seed", "threads", "weight_decay", "keep", "workers"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 or more")
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay is {self.decay}; expected 0 to 1, a share of the steps")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}; expected 0 to below 1")
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}; expected above 0, up to 1")
        starts = [-1, *(start for start, _, _ in self.patches)]
        if any(a >= b for a, b in pairwise(starts)) or any(min(crop, batch) < 1 for _, crop, batch in self.patches):
            wanted = "STEP:CROP:BATCH, each step after the one before, crop and batch above 0"
            raise ValueError(f"patches is {written(self.patches)}; expected {wanted}")
        table: Mapping[str, Any] = backbones.BACKBONES if isinstance(self.objective, Classify) else networks.NETWORKS
        known: dict[str, Collection[Any]] = {
            "compile": (False,) if table is backbones.BACKBONES else (False, True),  # Classify calls parts of its network
            "network": table,
            "precision": ("bf16", "fp32"),
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "data": ("resident", "workers"),
            "licence": ("open", "any"),
        }
        for name, choices in known.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(map(str, choices))}")
        if self.tier != "any" and not self.tier.isdecimal():
            raise ValueError(f"tier is {self.tier!r}; expected a number, or 'any'")
        if self.data == "workers" and not isinstance(self.objective, Photographs):
            raise ValueError(f"data is 'workers', which crop photographs; expected 'resident' with {type(self.objective).__name__}")

    @property
    def plateau(self) -> int:
        """The step at which the learning rate begins to fall."""
        return self.steps - round(self.steps * self.decay)

    @property
    def stages(self) -> list[tuple[range, int, int]]:
        """Steps, crop and batch of each stage of the run that has a step."""
        patches = ((0, self.crop, self.batch), *self.patches)
        ends = [*(start for start, _, _ in self.patches), self.steps]
        stages = [(range(start, min(end, self.steps)), crop, batch) for (start, crop, batch), end in zip(patches, ends, strict=True)]
        return [stage for stage in stages if stage[0]]

    def patch(self, step: int) -> tuple[int, range]:
        """Side of the crops of a step, and its samples' numbers, counted from the start of the run."""
        first = 0
        for steps, crop, batch in self.stages:
            if step in steps:
                first += (step - steps.start) * batch
                return crop, range(first, first + batch)
            first += len(steps) * batch
        raise ValueError(f"step {step} is not in this run; expected 0 to {self.steps - 1}")


def override(config: Config, settings: Sequence[str]) -> Config:
    """Replace fields by ``key=value`` settings; ``objective.key=value`` reaches into the objective, ``options.key`` into the options.

    Values are read as the field's type, or as that of the builder's argument: numbers, text, numbers and names with commas between for
    sequences (brackets around them may be left out), a JSON object for a mapping.

    Raises:
        ValueError: No ``=``, an unknown key, or a value of the wrong type.

    >>> from restore.training.recipes import RECIPES
    >>> config = override(RECIPES["denoise"](), ["lr=1e-4", "objective.sigma=0,50"])
    >>> config.lr, config.objective.sigma
    (0.0001, (0.0, 50.0))
    """
    changes: dict[str, Any] = {"objective": config.objective}
    options: dict[str, str] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"setting {setting!r} has no '='; expected key=value")
        head, _, rest = key.partition(".")
        if head == "options" and rest:
            options[rest] = text
        elif head == "objective" and rest:
            objective = changes["objective"]
            changes["objective"] = dataclasses.replace(objective, **parse_field(objective, rest, text, prefix="objective."))
        else:
            changes.update(parse_field(config, key, text))
    config = dataclasses.replace(config, **changes)
    return dataclasses.replace(config, options={**config.options, **parse_options(config, options)}) if options else config


def builder(network: str) -> Callable[..., Any]:
    """What builds a network or a backbone; its keyword arguments are the options."""
    return backbones.BACKBONES[network].build if network in backbones.BACKBONES else networks.NETWORKS[network]


def defaults(network: str) -> dict[str, Any]:
    """Option of a network -> what it is where nothing is said.

    >>> defaults("restoration")["block"]
    'gated'
    """
    return {key: p.default for key, p in inspect.signature(builder(network)).parameters.items() if key != "name"}


def parse_options(config: Config, texts: Mapping[str, str]) -> dict[str, Any]:
    """Option -> its text read as the type of the builder's argument."""
    kinds, current = typing.get_type_hints(builder(config.network)), {**defaults(config.network), **config.options}
    for key in texts:
        if key not in current:
            raise ValueError(f"setting {'options.' + key!r} is unknown; expected one of {', '.join('options.' + k for k in current)}")
    return {key: parse(f"options.{key}", text, kinds[key], current[key]) for key, text in texts.items()}


def parse_field(instance: Any, key: str, text: str, *, prefix: str = "") -> dict[str, Any]:
    """``{key: value}`` with ``text`` read as the type of the dataclass's field ``key``."""
    kinds = typing.get_type_hints(type(instance))
    known = [f.name for f in dataclasses.fields(instance) if f.name not in ("objective", "options")]
    if key not in known:
        raise ValueError(f"setting {prefix + key!r} is unknown; expected one of {', '.join(prefix + k for k in known)}")
    return {key: parse(prefix + key, text, kinds[key], getattr(instance, key))}


def parse(key: str, text: str, kind: Any, current: Any) -> Any:
    """Read ``text`` as a value of ``kind``: str, int, float, bool, a mapping, a tuple or sequence of one of those, or triples.

    Raises:
        ValueError: It is none; the message shows ``current``.
    """
    if typing.get_origin(kind) in (typing.Union, types.UnionType):  # with None
        kind = typing.get_args(kind)[0]
    origin = typing.get_origin(kind) or kind
    try:
        if kind == TRIPLES:
            triples = [tuple(int(number) for number in part.split(":")) for part in text.split(",") if text]
            if any(len(triple) != 3 for triple in triples):
                raise ValueError
            return tuple(triples)
        if origin in (tuple, Sequence):
            item, parts = typing.get_args(kind)[0], text.strip("[]() ").split(",")
            return (tuple if origin is tuple else list)(item(part.strip()) for part in parts if part)
        if origin is Mapping:
            return dict(json.loads(text))
        if origin is bool:
            return {"true": True, "false": False}[text.lower()]
        return origin(text)
    except (ValueError, TypeError, KeyError):
        wanted = WANTED.get(origin, getattr(origin, "__name__", origin))
        example = f" like {written(current)}" if current not in (None, (), []) else ""
        wanted = "STEP:CROP:BATCH, more of them after commas" if kind == TRIPLES else f"{wanted}{example}"
        raise ValueError(f"setting {key} is {text!r}; expected {wanted}") from None


def written(value: Any) -> str:
    """A value as ``override`` reads it.

    >>> written([64, 96]), written(((6600, 256, 2),)), written((0.0, 0.5)), written({"widths": [8]})
    ('64,96', '6600:256:2', '0,0.5', '{"widths": [8]}')
    """
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return ",".join(":".join(map(written, part)) if isinstance(part, list | tuple) else written(part) for part in value)
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
