"""Many photographs, one function: what is read, where it goes, and what came of it.

`plan` looks at the folders and settles every clash before anything is computed; `run` then carries the plan out file by file. One bad
file never stops the rest, and a file is written whole or not at all.
"""

import contextlib
import dataclasses
import io
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from restore.batch.aim import STREAM, Beside, check_folder, plan
from restore.batch.base import ON_EXISTS, BatchError, Job, Outcome, Plan, describe, names, obstacle, settle, without_name
from restore.image import DEFAULT_MAX_PIXELS, FORMATS, SUFFIXES, ImageWarning, Picture, check_target, drafted, read, write
from restore.image.folders import Walk

__all__ = [
    "ON_EXISTS",
    "STREAM",
    "BatchError",
    "Beside",
    "Function",
    "Job",
    "Outcome",
    "Partners",
    "Plan",
    "Progress",
    "Result",
    "check_folder",
    "describe",
    "plan",
    "run",
    "without_name",
]

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Result:
    """What was made of one picture, with another beside it: both are written, or none.

    Attributes:
        picture: To be written as the output.
        beside: To be written as `Job.beside`, such as a mask.
    """

    picture: Picture
    beside: Picture


Function = Callable[[Picture, Job, Progress], Picture | Result]


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
    taken = names(work.jobs)
    for job in work.jobs:
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ImageWarning)
            try:
                outcome = _carry_out(job, work.on_exists, taken, function, max_pixels, partial(progress or _ignore, job), caught)
            except Exception as error:
                outcome = Outcome(job.source, job.target, "failed", without_name(describe(error), job.source))
        notes = []
        for warning in caught:
            if issubclass(warning.category, ImageWarning):
                notes.append(without_name(str(warning.message), job.source))
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        yield dataclasses.replace(outcome, notes=tuple(notes), seconds=time.perf_counter() - started)


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


def _ignore(job: Job, fraction: float) -> None:
    pass


class _Stdin(io.BytesIO):
    name = "<stdin>"


def _carry_out(
    job: Job,
    on_exists: str,
    taken: set[str],
    function: Function,
    max_pixels: int,
    progress: Callable[[float], None],
    caught: list[warnings.WarningMessage],
) -> Outcome:
    """Read, work, write; what has come to exist meanwhile is dealt with before the work, and before the drafts take their places."""
    progress(0.0)
    ahead = settle(job, on_exists, taken)
    if isinstance(ahead, Outcome):
        return ahead
    job = ahead
    source = job.source or _Stdin(sys.stdin.buffer.read())
    picture = read(source, max_pixels=max_pixels)
    lost = len(caught)
    for place, fitting in ((job.target, picture), (job.beside, None)):
        if place:
            place.parent.mkdir(parents=True, exist_ok=True)
            check_target(place, fitting)
    made = function(picture, job, progress)
    result, beside = (made.picture, made.beside) if isinstance(made, Result) else (made, None)
    content: Picture | bytes = result
    if result is picture and (job.target is None or job.target.suffix.lower() in FORMATS[picture.format or ""].suffixes):
        del caught[:lost]  # a copy keeps what reading had to leave out
        content = source.read_bytes() if isinstance(source, Path) else source.getvalue()
    while not _write(content, beside, job, on_exists):
        after = settle(job, on_exists, taken)
        if isinstance(after, Outcome):
            return after
        job = after
    return Outcome(job.source, job.target, "done")


def _write(content: Picture | bytes, beside: Picture | None, job: Job, on_exists: str) -> bool:
    """Write the output and what is beside it, both or none; False: none, as there is a file that is not to be replaced."""
    try:
        with contextlib.ExitStack() as drafts:
            # the last in takes its place first: the output itself, which says that all is done, comes last
            if job.target:
                drafts.enter_context(drafted(content, job.target, replace=on_exists == "replace"))
            if beside and job.beside:
                drafts.enter_context(drafted(beside, job.beside, replace=on_exists in ("replace", "skip")))
            if obstacle(job, on_exists):
                raise FileExistsError
    except FileExistsError:
        return False
    if not job.target:
        _print(content)
    return True


def _print(content: Picture | bytes) -> None:
    """Write to standard output."""
    if isinstance(content, Picture):
        buffer = io.BytesIO()
        write(content, buffer)
        content = buffer.getvalue()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
