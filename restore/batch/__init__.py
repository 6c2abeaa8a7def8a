"""Many photographs, one function: what is read, where it goes, and what came of it.

`plan` looks at the folders and settles every clash before anything is computed; `run` then carries the plan out file by file. One bad
file never stops the rest, and a file is written whole or not at all.
"""

import contextlib
import io
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from restore.image import DEFAULT_MAX_PIXELS, FORMATS, SUFFIXES, ImageWarning, Picture, check_target, drafted, put, read, write
from restore.image.files import name_of
from restore.image.folders import Walk, identity

STREAM = "-"
"""Names standard input among the inputs, and standard output as the output."""

ON_EXISTS = ("fail", "skip", "replace", "rename")
"""What to do about an output that exists: report it, leave it, overwrite it, or take the next free name."""

Progress = Callable[[float], None]


class BatchError(ValueError):
    """The inputs and the output do not go together; nothing was written."""


@dataclass(frozen=True)
class Job:
    """One picture to read and to write.

    Attributes:
        source: The file to read; None is standard input.
        target: The file to write; None is standard output.
        name: The source's path within the folder that was given; for a single file its name.
    """

    source: Path | None
    target: Path | None
    name: Path


@dataclass(frozen=True)
class Result:
    """What was made of one picture, with others beside it: all of them are written, or none.

    Attributes:
        picture: To be written as the output.
        beside: Place -> what goes there, such as a mask.
    """

    picture: Picture
    beside: Mapping[Path, Picture]


Function = Callable[[Picture, Job, Progress], Picture | Result]


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
    """

    jobs: list[Job]
    settled: list[Outcome] = field(default_factory=list)


def plan(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    on_exists: str = "fail",
    exclude: Sequence[str | os.PathLike[str]] = (),
) -> Plan:
    """Decide which picture is written where.

    Folders are searched all the way down, and mirrored; hidden files and folders are passed over, links to folders followed unless they
    lead back up. A file that is named is taken whatever its suffix.

    Args:
        inputs: Files and folders; or "-" alone, which is standard input.
        out: A file for a single input file, else a folder: an existing one, a name that ends in a separator, or one without a suffix.
            "-" is standard output, for a single input file.
        on_exists: A key of `ON_EXISTS`. An input is only ever overwritten by its own result, and only with "replace".
        exclude: Files and folders that are no photographs where a search meets them, such as the masks.

    Returns:
        The plan; nothing has been written.

    Raises:
        BatchError: Nothing to do, two inputs with one output, an output that would overwrite an input or be searched as one, or a file
            where a folder is needed.

    >>> [str(job.target) for job in plan(["a.png", "b.jpg"], "repaired").jobs]
    ['repaired/a.png', 'repaired/b.jpg']
    """
    if on_exists not in ON_EXISTS:
        raise BatchError(f"on_exists is {on_exists!r}; expected one of {', '.join(ON_EXISTS)}")
    names = [os.fspath(path) for path in inputs]
    if not all(names) or not names:
        raise BatchError("no photograph is named; expected a file, a folder, or - for standard input")
    target = os.fspath(out)
    if STREAM in names or target == STREAM:
        jobs, failed = [_stream(names, target)], list[Outcome]()
    else:
        found, failed = _search([Path(name) for name in names], Path(target), on_exists, exclude)
        if not found and not failed:
            raise BatchError(f"no picture in {', '.join(names)}; expected files that end in {', '.join(sorted(SUFFIXES))}")
        jobs = _aim(found, target, single=len(names) == 1 and not os.path.isdir(names[0]))
    jobs, settled = _settle(jobs, on_exists)
    return Plan(jobs, failed + settled)


def run(
    work: Plan,
    function: Function,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Callable[[Job, float], None] | None = None,
) -> Iterator[Outcome]:
    """Carry a plan out, one outcome at a time.

    Args:
        work: From `plan`.
        function: (picture, job, progress) -> picture, or a `Result`; it may call ``progress`` with the fraction done, 0 to 1. Where it
            gives back the very picture that it got, and the output has the format of the source, the file is copied byte for byte.
        max_pixels: Larger pictures fail.
        progress: Called with the job at hand and the fraction of it that is done.

    Yields:
        What was settled already, then what came of each job. Errors become outcomes; an interruption (Ctrl-C) is passed on.
    """
    yield from work.settled
    for job in work.jobs:
        started, reason = time.perf_counter(), ""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ImageWarning)
            try:
                _carry_out(job, function, max_pixels, progress or (lambda job, fraction: None), caught)
            except Exception as error:
                reason = without_name(describe(error), job.source)
        notes = []
        for warning in caught:
            if issubclass(warning.category, ImageWarning):
                notes.append(without_name(str(warning.message), job.source))
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        seconds = time.perf_counter() - started
        yield Outcome(job.source, job.target, "failed" if reason else "done", reason, tuple(notes), seconds)


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


class Partners:
    """The pictures of one folder, to be found by a photograph's relative name whatever their own suffix: its masks.

    Args:
        folder: Searched as `plan` searches.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._found: dict[Path, list[Path]] = {}
        for path, name in Walk(self.folder, SUFFIXES).pictures():
            self._found.setdefault(name.with_suffix(""), []).append(path)

    def find(self, name: Path) -> Path:
        """The picture that goes with a photograph.

        Args:
            name: `Job.name`.

        Raises:
            ValueError: There is none, or several of which none has the very same name.
        """
        paths = self._found.get(name.with_suffix(""), [])
        same = [path for path in paths if path.name == name.name]
        if len(same or paths) != 1:
            wanted = self.folder / name.with_suffix(".*")
            raise ValueError(f"several masks: {', '.join(map(str, paths))}; expected one {wanted}" if paths else f"no mask {wanted}")
        return (same or paths)[0]


def _stream(names: list[str], target: str) -> Job:
    """The one job that reads standard input or writes standard output."""
    if len(names) > 1 or (names != [STREAM] and os.path.isdir(names[0])):
        raise BatchError(f"- stands for one picture; got {', '.join(names)} and output {target}")
    if target != STREAM and _is_folder(target):
        raise BatchError(f"output {target} names a folder; expected a file or - for a picture from standard input")
    source, written = (None if text == STREAM else Path(text) for text in (names[0], target))
    if written:
        _check_suffix(written)
    return Job(source, written, Path(source.name) if source else Path(STREAM))


def _is_folder(target: str) -> bool:
    return os.path.isdir(target) or target.endswith(("/", os.sep)) or not (Path(target).suffix or os.path.lexists(target))


def _check_suffix(target: Path) -> None:
    if target.suffix.lower() not in SUFFIXES:
        raise BatchError(f"output {target} ends in {target.suffix!r}; expected one of {', '.join(sorted(SUFFIXES))}")


def _search(
    inputs: list[Path], out: Path, on_exists: str, exclude: Sequence[str | os.PathLike[str]]
) -> tuple[list[tuple[Path, Path]], list[Outcome]]:
    """Find (path, relative name) of every picture, and the folders that cannot be read."""
    failed: list[Outcome] = []
    found: list[tuple[Path, Path]] = []
    around = {identity(parent) for parent in [out, *out.absolute().parents, *out.resolve().parents]} - {None}
    for path in inputs:
        if not os.path.isdir(path):
            found.append((path, Path(path.name)))
            continue
        walk = Walk(path, SUFFIXES, exclude)
        found += walk.pictures()
        failed += [Outcome(folder, None, "failed", without_name(describe(error), folder)) for folder, error in walk.errors]
        same = identity(path) == identity(out)
        if walk.entered & around and not (same and on_exists == "replace"):
            expected = "another folder, or on_exists replace" if same else "a folder outside, or it would be searched too"
            raise BatchError(f"output {out} {'is' if same else 'lies in'} the input folder {path}; expected {expected}")
    return found, failed


def _aim(found: list[tuple[Path, Path]], target: str, *, single: bool) -> list[Job]:
    """Give every picture its output."""
    if single and not _is_folder(target):
        _check_suffix(Path(target))
        return [Job(found[0][0], Path(target), found[0][1])]
    named_like_a_picture = Path(target).suffix.lower() in SUFFIXES and not target.endswith(("/", os.sep))
    if not os.path.isdir(target) and (os.path.lexists(target) or named_like_a_picture):
        raise BatchError(f"output {target} is a file, or named like one; expected a folder for more than one photograph")
    jobs: dict[str, Job] = {}
    for path, name in found:
        job = Job(path, Path(target, name), name)
        other = jobs.setdefault(os.path.normcase(Path(target, name)), job)
        if other.source != path and (other.source is None or identity(other.source) != identity(path)):
            raise BatchError(f"{other.source} and {path} would both be written to {job.target}; expected different names")
    return list(jobs.values())


def _settle(jobs: list[Job], on_exists: str) -> tuple[list[Job], list[Outcome]]:
    """Deal with outputs that exist."""
    sources = {identity(job.source) for job in jobs if job.source} - {None}
    taken = {os.path.normcase(job.target) for job in jobs if job.target}
    kept: list[Job] = []
    settled: list[Outcome] = []
    for job in jobs:
        if job.target is None or not os.path.lexists(job.target):
            kept.append(job)
        elif on_exists == "rename":
            kept.append(Job(job.source, free(job.target, taken), job.name))
        else:
            there = identity(job.target)
            own = job.source is not None and there == identity(job.source)
            if there in sources and not (own and on_exists == "replace"):
                raise BatchError(
                    f"output {job.target} would overwrite a photograph; expected another output, or on_exists replace for its own"
                )
            if on_exists == "replace":
                kept.append(job)
            elif on_exists == "skip":
                settled.append(Outcome(job.source, job.target, "skipped"))
            else:
                settled.append(Outcome(job.source, job.target, "failed", f"{job.target} exists; choose on_exists skip, replace or rename"))
    return kept, settled


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


class _Stdin(io.BytesIO):
    name = "<stdin>"


def _carry_out(
    job: Job,
    function: Function,
    max_pixels: int,
    progress: Callable[[Job, float], None],
    caught: list[warnings.WarningMessage],
) -> None:
    progress(job, 0.0)
    source = job.source or _Stdin(sys.stdin.buffer.read())
    picture = read(source, max_pixels=max_pixels)
    lost = len(caught)
    if job.target:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        check_target(job.target, picture)
    made = function(picture, job, lambda fraction: progress(job, fraction))
    result, beside = (made.picture, made.beside) if isinstance(made, Result) else (made, {})
    is_copy = result is picture and (job.target is None or job.target.suffix.lower() in FORMATS[picture.format or ""].suffixes)
    with contextlib.ExitStack() as drafts:  # the last in takes its place first: the output itself, which says that all is done, comes last
        if job.target and not is_copy:
            drafts.enter_context(drafted(result, job.target))
        for place, other in beside.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            drafts.enter_context(drafted(other, place))
    if is_copy:
        del caught[:lost]  # a copy keeps what reading had to leave out
        content = source.read_bytes() if isinstance(source, Path) else source.getvalue()
        put(content, job.target) if job.target else _print(content)
    elif not job.target:
        buffer = io.BytesIO()
        write(result, buffer)
        _print(buffer.getbuffer())


def _print(content: bytes | memoryview) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
