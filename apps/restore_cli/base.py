"""What the commands share: their options, the wrong call, and how a batch is shown."""

import difflib
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from restore.batch import Job, Outcome, Plan, Progress, Result
    from restore.image import Picture
    from restore.restorer import Restorer

    Repair = Callable[[Picture, Job, Progress], Picture | Result]


class OnExists(Enum):
    """What to do about an output that exists."""

    fail = "fail"
    skip = "skip"
    replace = "replace"
    rename = "rename"


class Precision(Enum):
    """Arithmetic of the networks."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class Engine(Enum):
    """What runs the networks."""

    auto = "auto"
    torch = "torch"
    openvino = "openvino"


class Quality(Enum):
    """How much time a repair may take."""

    fast = "fast"
    default = "default"
    best = "best"


def read_quality(text: str) -> Quality:
    """Read what `--quality` says.

    Raises:
        WrongCall: It names none of the three; a number most likely means the quality of a JPEG file.
    """
    try:
        return Quality(text)
    except ValueError:
        hint = f"; a JPEG file's own quality is dejpeg's --jpeg-quality {text}" if text.isdecimal() or text == "auto" else ""
        raise WrongCall(f"--quality is {text!r}; expected fast, default or best{hint}") from None


Photos = Annotated[list[str], typer.Argument(metavar="PHOTOS", help="Files, folders (searched all the way down), or - for standard input.")]
Out = Annotated[
    str,
    typer.Option("--out", "-o", metavar="OUT", help="A file for one photograph, else a folder; - is standard output, the default for -."),
]
Exists = Annotated[OnExists, typer.Option("--on-exists", help="When an output exists: report it, skip the photograph, replace, or rename.")]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")]
Arithmetic = Annotated[
    Precision, typer.Option("--precision", help="bf16 is faster where the processor has it; auto takes it where it costs under 0.02 dB.")
]
RunBy = Annotated[
    Engine, typer.Option("--runtime", help="What runs the networks; auto is openvino on the processor, torch on graphics cards.")
]
Weight = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="WEIGHT",
        help="One that `restore models` lists, the folder of a training run, or a file of either.",
        show_default="the shipped",
    ),
]
Effort = Annotated[
    Quality,
    typer.Option(
        "--quality",
        parser=read_quality,
        metavar="fast|default|best",
        help="fast: a smaller network where there is one, no search for a blur whose cause is not named. "
        "best: the mean over eight turned and mirrored copies, "
        "+ 0.03 to 0.18 dB, 8 times as long (not where the cause of a blur is found).",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option("--max-pixels", min=1, metavar="N", help="Refuse larger pictures, in pixels.", show_default="that of restore.read"),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


class WrongCall(typer.BadParameter):
    """The call cannot mean anything: exit code 2 and this one line."""

    def format_message(self) -> str:
        """The message alone."""
        return self.message


def unknown(kind: str, name: str, names: Sequence[str]) -> WrongCall:
    """The error of a name that is none of those that `restore KINDs` lists.

    >>> print(unknown("filter", "gausian", ["gaussian", "median"]).message)
    no filter is called 'gausian'; did you mean gaussian? `restore filters` lists all
    """
    near = difflib.get_close_matches(name, names, 3)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    return WrongCall(f"no {kind} is called {name!r}; {guess}`restore {kind}s` lists all")


def read_strength(option: str, text: str, lowest: float, highest: float) -> float | None:
    """Read a strength; None is "auto".

    Raises:
        WrongCall: It is no number from ``lowest`` to ``highest``.
    """
    if text == "auto":
        return None
    try:
        strength = float(text)
    except ValueError:
        strength = float("nan")
    if not lowest <= strength <= highest:
        raise WrongCall(f"{option} is {text!r}; expected auto, or a number from {lowest:g} to {highest:g}")
    return strength


def say(line: str) -> None:
    """Print one line on standard error."""
    print(line, file=sys.stderr, flush=True)


def give_up(reason: str) -> NoReturn:
    """Print why on standard error and exit with 1."""
    say(f"restore: {reason}")
    raise typer.Exit(1)


def shown(path: Path | None) -> str:
    """A path as one printable line; None is a standard stream."""
    text = "-" if path is None else str(path)
    return text if text.isprintable() else ascii(text)


def spelt(message: str) -> str:
    """A message of the library with its parameters as the command line's options.

    >>> spelt("a.png exists; choose on_exists skip, replace or rename")
    'a.png exists; choose --on-exists skip, replace or rename'
    """
    return re.sub(r"\bon_exists (?=skip|replace)", "--on-exists ", message).replace("(max_pixels)", "(--max-pixels)")


def make_plan(
    photos: list[str], out: str, *, on_exists: OnExists, reads: Sequence[str] = (), beside: tuple[str, str, tuple[str, ...]] = ("", "", ())
) -> "Plan":
    """Plan a batch from the command line's words.

    Args:
        photos: What is repaired.
        out: Where it goes.
        on_exists: What is done about outputs that exist.
        reads: Files and folders that are read besides.
        beside: What is written beside each output, where it goes and what it may end in: see ``batch.Beside``. Nowhere: nothing is.

    Raises:
        WrongCall: The words do not go together, or a standard stream is a terminal.
    """
    from restore.batch import STREAM, BatchError, Beside, plan

    target = out or (STREAM if photos == [STREAM] else "")
    if not target:
        raise WrongCall("no output is named; expected -o FILE or -o FOLDER")
    try:
        work = plan(photos, target, on_exists=on_exists.value, reads=reads, beside=Beside(*beside) if beside[1] else None)
    except BatchError as error:
        raise WrongCall(spelt(str(error))) from error
    if any(job.source is None for job in work.jobs) and sys.stdin.isatty():
        raise WrongCall("standard input is a terminal; expected a picture, as in: restore denoise - < photo.jpg > clean.jpg")
    if any(job.target is None for job in work.jobs) and sys.stdout.isatty():
        raise WrongCall("standard output is a terminal; expected -o FILE, or a redirection: > clean.jpg")
    return work


def check_out(folder: Path) -> None:
    """Check that what a command writes has room for a folder.

    Raises:
        WrongCall: The folder is a file, or within one.
    """
    from restore.batch import BatchError, check_folder

    try:
        check_folder("output", folder)
    except BatchError as error:
        raise WrongCall(str(error)) from error


def check_weight(weight: str, task: str = "") -> None:
    """Refuse a weight that cannot be meant, before it is loaded.

    Args:
        weight: As ``weights.find`` takes it.
        task: What it is needed for; "": anything.

    Raises:
        WrongCall: There is none of that name, or it is for another task.
        WeightsError: The manifest cannot be read, or nothing says what the weight is.
    """
    from restore.weights import WeightsError, entries, find

    known = entries()
    try:
        entry, _ = find(weight)
    except WeightsError as error:
        if weight in known or os.path.exists(weight):
            raise
        raise WrongCall(str(error)) from error
    if task and entry.task != task:
        raise WrongCall(f"weight {weight!r} is for the task {entry.task!r}, not {task!r}")


def make_restorer(
    device: str,
    precision: Precision,
    runtime: Engine,
    *,
    tasks: Mapping[str, str],
    quality: Quality = Quality.default,
    camera: bool = False,
) -> "Restorer":
    """Make the Restorer of a command and load the networks that it will need.

    Args:
        device: As for Restorer.
        precision: As for Restorer.
        runtime: As for Restorer.
        tasks: What it will do -> a weight for it; "": the default.
        quality: As for Restorer.
        camera: The networks are those for what cameras write.

    Raises:
        WrongCall: The device or the runtime is unknown or not there, or they do not go together; no weight is named, and none is shipped;
            or the one that is named is unknown, or for another task.
        typer.Exit: A weight cannot be used.
    """
    from restore.restorer import Restorer
    from restore.tasks import TASKS
    from restore.weights import WeightsError, entries

    try:
        weights = {task: weight for task, weight in tasks.items() if weight}
        restorer = Restorer(device=device, precision=precision.value, runtime=runtime.value, weights=weights, quality=quality.value)
    except ValueError as error:
        raise WrongCall(str(error)) from error
    try:
        known = entries()
        for task, weight in tasks.items():
            if not weight and (TASKS[task].camera if camera else restorer.weights[task]) not in known:
                kind = " (camera)" if camera else ""
                raise WrongCall(f"no weight for {task!r}{kind} is there; expected --weights, or a release that has one")
            if weight:
                check_weight(weight, task)
            restorer.runtime(task, camera=camera)
    except WeightsError as error:
        give_up(str(error))
    return restorer


def carry_out(
    work: "Plan",
    prepare: "Callable[[], Repair]",
    *,
    max_pixels: int | None,
    quiet: bool,
    remarks: Mapping[Path | None, str] = MappingProxyType({}),
) -> None:
    """Run a batch and show it: a bar with the time left on a terminal, a line for each photograph elsewhere, errors always.

    Args:
        work: What to do.
        prepare: Makes the function that repairs one photograph; called only if there is one to repair.
        max_pixels: Larger pictures fail; None leaves it to the library.
        quiet: Nothing but errors.
        remarks: Source -> what the repair found out about it, in one line; filled while it runs.

    Raises:
        typer.Exit: With 1, if a photograph failed.
    """
    from restore.batch import run
    from restore.image import DEFAULT_MAX_PIXELS

    started, tally = time.perf_counter(), Counter[str]()
    repair = prepare() if work.jobs else _nothing
    with Display(work, quiet=quiet, remarks=remarks) as display:
        for outcome in run(work, repair, max_pixels=max_pixels or DEFAULT_MAX_PIXELS, progress=display.advance):
            tally[outcome.status] += 1
            display.show(outcome)
    if not quiet and sum(tally.values()) > 1:
        say(f"{', '.join(f'{number} {status}' for status, number in tally.items())} in {time.perf_counter() - started:.1f} s")
    if tally["failed"]:
        raise typer.Exit(1)


def _nothing(picture: "Picture", job: "Job", progress: "Progress") -> "Picture":
    return picture


class Display:
    """A bar on a terminal, lines elsewhere; all of it on standard error, which leaves standard output to pictures."""

    def __init__(self, work: "Plan", *, quiet: bool, remarks: Mapping[Path | None, str]) -> None:
        self._remarks = remarks
        self._quiet, self._finished, self._bar = quiet, -len(work.settled), None
        if sys.stderr.isatty() and not quiet and work.jobs:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
            console = Console(stderr=True)
            name = TextColumn("{task.description}", markup=False)
            self._bar = Progress(*columns, name, console=console, transient=True, speed_estimate_period=600)
            self._task = self._bar.add_task("", total=len(work.jobs))

    def __enter__(self) -> "Display":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, job: "Job", fraction: float) -> None:
        """Show how far the photograph at hand is, 0 to 1."""
        if self._bar:
            self._bar.update(self._task, completed=self._finished + fraction, description=shown(job.source)[-40:])

    def show(self, outcome: "Outcome") -> None:
        """Show what came of a photograph."""
        name = shown(outcome.source)
        for note in outcome.notes:
            self._line(f"{name}: warning: {note}")
        if outcome.source in self._remarks:
            self._line(f"{name}: {self._remarks[outcome.source]}")
        if outcome.status == "failed":
            self._line(f"{name}: {spelt(outcome.reason)}", error=True)
        elif outcome.status == "skipped":
            self._line(f"{name}: {shown(outcome.target)} exists, skipped")
        elif outcome.target and not self._bar:
            self._line(f"{name} -> {shown(outcome.target)} ({outcome.seconds:.1f} s)")
        self._finished += 1

    def _line(self, text: str, *, error: bool = False) -> None:
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True, style="red" if error else None)
        elif error or not self._quiet:
            say(text)
