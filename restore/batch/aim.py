"""Where everything goes: the folders are searched, and every clash is settled before anything is computed."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restore.batch.base import ON_EXISTS, BatchError, Job, Outcome, Plan, describe, names, settle, without_name
from restore.image import SUFFIXES
from restore.image.folders import Identity, Walk, identity

STREAM = "-"
"""Names standard input among the inputs, and standard output as the output."""


@dataclass(frozen=True)
class Beside:
    """What is written beside each output, such as a mask.

    Attributes:
        what: What errors call it.
        out: Where it goes: a file for a single input file, else a folder that mirrors the outputs.
        suffixes: What it may end in: as the output where that is one of these, else the first.
    """

    what: str
    out: str | os.PathLike[str]
    suffixes: tuple[str, ...]


def plan(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    on_exists: str = "fail",
    reads: Sequence[str | os.PathLike[str]] = (),
    beside: Beside | None = None,
) -> Plan:
    """Decide which picture is written where.

    Folders are searched all the way down, and mirrored; hidden files and folders are passed over, links to folders followed unless they
    lead back up. A file that is named is taken whatever its suffix.

    Args:
        inputs: Files and folders; or "-" alone, which is standard input.
        out: A file for a single input file, else a folder: an existing one, a name that ends in a separator, or one without a suffix.
            "-" is standard output, for a single input file.
        on_exists: A key of `ON_EXISTS`. An input is only ever overwritten by its own result, and only with "replace".
        reads: Files and folders that are read besides, such as masks: nothing overwrites them, and a search for photographs passes
            them over, as it does ``beside.out``.
        beside: What is written beside each output; it has the output's name, and ``on_exists`` is for it too, but that with "skip" it
            is replaced where the output is still to be written.

    Returns:
        The plan; nothing has been written.

    Raises:
        BatchError: Nothing to do, two inputs with one output, what would overwrite something that is read or written otherwise, an output
            that would be searched as an input, a file where a folder is needed, or no name for what goes beside a stream.

    >>> [str(job.target) for job in plan(["a.png", "b.jpg"], "repaired").jobs]
    ['repaired/a.png', 'repaired/b.jpg']
    """
    if on_exists not in ON_EXISTS:
        raise BatchError(f"on_exists is {on_exists!r}; expected one of {', '.join(ON_EXISTS)}")
    given = [os.fspath(path) for path in inputs]
    if not all(given) or not given:
        raise BatchError("no photograph is named; expected a file, a folder, or - for standard input")
    if beside and os.fspath(beside.out) == STREAM:
        raise BatchError(f"{beside.what} {STREAM} would be standard output; expected a file or a folder")
    target = os.fspath(out)
    single = len(given) == 1 and not os.path.isdir(given[0])
    if STREAM in given or target == STREAM:
        jobs, settled = [_stream(given, target)], list[Outcome]()
    else:
        found, settled = _search([Path(name) for name in given], Path(target), on_exists, [*reads, beside.out] if beside else reads)
        if not found and not settled:
            raise BatchError(f"no picture in {', '.join(given)}; expected files that end in {', '.join(sorted(SUFFIXES))}")
        jobs = _aim(found, target, single=single)
    photographs = {identity(job.source) for job in jobs if job.source} - {None}
    others = {identity(path) for path in _files(reads)} - {None}
    _protect(jobs, on_exists, photographs, others)
    jobs, settled = _settle(jobs, settled, on_exists)
    if beside:
        outputs = [path for path in (*(job.target for job in jobs), *(outcome.target for outcome in settled)) if path]
        taken: dict[object, str] = dict.fromkeys(photographs | others, "a file that is read")
        jobs = _aim_beside(jobs, beside, taken | dict.fromkeys(map(_key, outputs), "an output"), single=single)
        jobs, settled = _settle(jobs, settled, on_exists)
    return Plan(jobs, settled, on_exists)


def _stream(given: list[str], target: str) -> Job:
    """The one job that reads standard input or writes standard output."""
    if len(given) > 1 or (given != [STREAM] and os.path.isdir(given[0])):
        raise BatchError(f"- stands for one picture; got {', '.join(given)} and output {target}")
    if target != STREAM and _is_folder(target):
        raise BatchError(f"output {target} names a folder; expected a file or - for a picture from standard input")
    source, written = (None if text == STREAM else Path(text) for text in (given[0], target))
    if written:
        _check_suffix("output", written, SUFFIXES)
        check_folder("output", written.parent)
    return Job(source, written, Path(source.name) if source else Path(STREAM))


def _is_folder(target: str) -> bool:
    return os.path.isdir(target) or target.endswith(("/", os.sep)) or not (Path(target).suffix or os.path.lexists(target))


def _check_suffix(what: str, target: Path, suffixes: Sequence[str] | frozenset[str]) -> None:
    if target.suffix.lower() not in suffixes:
        raise BatchError(f"{what} {target} ends in {target.suffix!r}; expected one of {', '.join(sorted(suffixes))}")


def _takes_folder(what: str, target: str, *, single: bool, suffixes: Sequence[str] | frozenset[str]) -> bool:
    """Whether a place is a folder for what is written, or a file for that of a single photograph."""
    if single and not _is_folder(target):
        _check_suffix(what, Path(target), suffixes)
        check_folder(what, Path(target).parent)
        return False
    named_like_a_picture = Path(target).suffix.lower() in SUFFIXES and not target.endswith(("/", os.sep))
    if not os.path.isdir(target) and (os.path.lexists(target) or named_like_a_picture):
        raise BatchError(f"{what} {target} is a file, or named like one; expected a folder for more than one photograph")
    check_folder(what, Path(target))
    return True


def check_folder(what: str, folder: Path) -> None:
    """Check that a folder is there, or can be made as far as files do not stand in its way.

    Args:
        what: What it is for, for the message.
        folder: The folder.

    Raises:
        BatchError: It is a file, or within one.
    """
    there = next(place for place in (folder, *folder.parents) if os.path.lexists(place) or place == place.parent)
    if os.path.lexists(there) and not there.is_dir():
        raise BatchError(f"{what} {there} is a file; expected a folder")


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
    if not _takes_folder("output", target, single=single, suffixes=SUFFIXES):
        return [Job(found[0][0], Path(target), found[0][1])]
    jobs: dict[str, Job] = {}
    for path, name in found:
        job = Job(path, Path(target, name), name)
        other = jobs.setdefault(os.path.normcase(Path(target, name)), job)
        if other.source != path and (other.source is None or identity(other.source) != identity(path)):
            raise BatchError(f"{other.source} and {path} would both be written to {job.target}; expected different names")
    return list(jobs.values())


def _files(reads: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files among these, and the pictures in the folders."""
    paths = [Path(path) for path in reads]
    return [path for path in paths if not path.is_dir()] + [
        path for folder in paths if folder.is_dir() for path, _ in Walk(folder, SUFFIXES).pictures()
    ]


def _protect(jobs: list[Job], on_exists: str, photographs: set[Identity | None], others: set[Identity | None]) -> None:
    """Refuse outputs that would overwrite what is read."""
    for job in jobs:
        there = identity(job.target) if job.target and on_exists != "rename" else None
        own = job.source is not None and there == identity(job.source)
        if there in others:
            raise BatchError(f"output {job.target} would overwrite a file that is read; expected another output")
        if there in photographs and not (own and on_exists == "replace"):
            raise BatchError(f"output {job.target} would overwrite a photograph; expected another output, or on_exists replace for its own")


def _settle(jobs: list[Job], settled: list[Outcome], on_exists: str) -> tuple[list[Job], list[Outcome]]:
    """Deal with outputs that exist."""
    taken = names(jobs)
    made = [settle(job, on_exists, taken) for job in jobs]
    return [job for job in made if isinstance(job, Job)], settled + [outcome for outcome in made if isinstance(outcome, Outcome)]


def _aim_beside(jobs: list[Job], beside: Beside, taken: dict[object, str], *, single: bool) -> list[Job]:
    """Give what is written beside each output its place."""
    what, out = beside.what, os.fspath(beside.out)
    takes_folder = _takes_folder(what, out, single=single, suffixes=beside.suffixes)
    aimed = []
    for job in jobs:
        named = job.target or job.source
        if takes_folder and named is None:
            raise BatchError(f"{what} {out}: a picture from standard input to standard output has no name; expected a file")
        place = Path(out)
        if takes_folder and named:
            suffix = named.suffix if named.suffix.lower() in beside.suffixes else beside.suffixes[0]
            place = place / job.name.parent / f"{named.stem}{suffix}"
        if _key(place) in taken:
            raise BatchError(f"{what} {place} would overwrite {taken[_key(place)]}; expected another place, or different names")
        taken[_key(place)] = f"the {what} of {named or STREAM}"
        aimed.append(dataclasses.replace(job, beside=place))
    return aimed


def _key(path: Path) -> object:
    """What paths to one file share, whether it is there yet or not."""
    return identity(path) or os.path.normcase(os.path.realpath(path))
