"""What a batch is made of: jobs, plans, outcomes, and what is done about outputs that exist."""

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from restore.image.files import name_of

ON_EXISTS = ("fail", "skip", "replace", "rename")
"""What to do about an output that exists: report it, leave it, overwrite it, or take the next free name."""


class BatchError(ValueError):
    """The inputs and the output do not go together; nothing was written."""


@dataclass(frozen=True)
class Job:
    """One picture to read and to write.

    Attributes:
        source: The file to read; None is standard input.
        target: The file to write; None is standard output.
        name: The source's path within the folder that was given; for a single file its name.
        beside: The file to write with the output, all or none; None where there is nothing such.
    """

    source: Path | None
    target: Path | None
    name: Path
    beside: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of one input.

    Attributes:
        source: The input; None is standard input.
        target: The output, where there is one to name.
        status: "done", "skipped" (the output existed) or "failed".
        reason: One line on why it failed.
        notes: What reading and writing warned of, one line each.
        seconds: How long it took.
    """

    source: Path | None
    target: Path | None
    status: Literal["done", "skipped", "failed"]
    reason: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    Attributes:
        jobs: To be carried out, in this order.
        settled: What needs no work: outputs that exist, folders that cannot be read.
        on_exists: One of `ON_EXISTS`, for what comes to exist before a job is carried out.
    """

    jobs: list[Job]
    settled: list[Outcome] = field(default_factory=list)
    on_exists: str = "fail"


def obstacle(job: Job, on_exists: str) -> Path | None:
    """The file that stands where a job is to write, and is not to be replaced.

    With "skip" only the output counts: what is beside one that is still to be written is left from an interrupted run.
    """
    places = {"replace": (), "skip": (job.target,)}.get(on_exists, (job.target, job.beside))
    return next((place for place in places if place and os.path.lexists(place)), None)


def settle(job: Job, on_exists: str, taken: set[str]) -> Job | Outcome:
    """Deal with what exists where a job is to write.

    Args:
        job: The job.
        on_exists: One of `ON_EXISTS`.
        taken: What else is going to be written: see `free`.

    Returns:
        The job, under other names with "rename", or its outcome.
    """
    found = obstacle(job, on_exists)
    if found is None:
        return job
    if on_exists == "skip":
        return Outcome(job.source, job.target, "skipped")
    if on_exists == "fail":
        return Outcome(job.source, job.target, "failed", f"{found} exists; choose on_exists skip, replace or rename")
    target, beside = (free(place, taken) if place and os.path.lexists(place) else place for place in (job.target, job.beside))
    return dataclasses.replace(job, target=target, beside=beside)


def names(jobs: Iterable[Job]) -> set[str]:
    """All that jobs are going to write, as `free` takes it."""
    return {os.path.normcase(place) for job in jobs for place in (job.target, job.beside) if place}


def free(target: Path, taken: set[str]) -> Path:
    """The first of name-1, name-2, ... that is free, for an output that exists.

    Args:
        target: That output.
        taken: What else is going to be written, by ``os.path.normcase``; the name is added.

    >>> free(Path("nowhere/a.png"), {"nowhere/a-1.png"}).name
    'a-2.png'
    """
    number = 1
    while True:
        candidate = target.with_name(f"{target.stem}-{number}{target.suffix}")
        if not os.path.lexists(candidate) and os.path.normcase(candidate) not in taken:
            taken.add(os.path.normcase(candidate))
            return candidate
        number += 1


def describe(error: Exception) -> str:
    """Say what went wrong in one line.

    >>> describe(FileNotFoundError(2, "No such file or directory", "a.png"))
    'a.png: No such file or directory'
    >>> describe(KeyError("x"))
    "KeyError: 'x'"
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{name_of(error.filename)}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    expected = isinstance(error, ValueError | OSError | MemoryError | RuntimeError)
    return text if expected and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def without_name(message: str, source: str | os.PathLike[str] | None) -> str:
    """Take the input's own name off the front of a message, for whoever shows both; in one line.

    Args:
        message: What reading or writing said.
        source: The input as it was read; None is standard input.

    >>> without_name("a.png: no such file", "a.png")
    'no such file'
    """
    name = "<stdin>" if source is None else name_of(source)
    return " ".join(message.split()).removeprefix(" ".join(f"{name}: ".split()) + " ")
