"""Opening pictures for reading, and writing them atomically."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from restore.image.base import ImageError

Source = str | os.PathLike[str] | bytes | BinaryIO
Target = str | os.PathLike[str] | BinaryIO


def name_of(place: object) -> str:
    """Return what an error message calls a path, a stream or bytes, on one line."""
    if isinstance(place, bytes | bytearray | memoryview):
        return f"<{len(place)} bytes>"
    name = os.fspath(place) if isinstance(place, str | os.PathLike) else getattr(place, "name", "<stream>")
    return "".join(letter if letter.isprintable() else "?" for letter in str(name))


def reason_of(error: BaseException) -> str:
    """Return what went wrong, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Open a path, bytes or a binary stream for reading from its start, seekable.

    Raises:
        ImageError: It does not exist, is a folder or cannot be read.
        TypeError: It is none of these.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        try:
            file = open(source, "rb")  # noqa: SIM115
        except FileNotFoundError:
            raise ImageError("no such file") from None
        except (IsADirectoryError, PermissionError) as error:
            raise ImageError("is a folder: expected a picture file" if os.path.isdir(source) else "permission denied") from error
        except (OSError, ValueError) as error:
            raise ImageError(f"cannot be read: {reason_of(error)}") from error
        with file:
            yield file if file.seekable() else io.BytesIO(file.read())
    elif hasattr(source, "read"):
        try:
            data = source.read()
        except OSError as error:
            raise ImageError(f"cannot be read: {reason_of(error)}") from error
        if not isinstance(data, bytes):
            raise TypeError(f"a stream that gives {type(data).__name__}: expected a binary stream")
        yield io.BytesIO(data)
    else:
        raise TypeError(f"cannot read a picture from {type(source).__name__}: expected a path, bytes or a binary stream")


def check_place(path: str | os.PathLike[str]) -> Path:
    """Return the file that writing to `path` replaces or makes, symbolic links followed.

    Raises:
        ImageError: Its folder is missing or not writable, or it is a folder, a device, or write-protected.
    """
    try:
        place = Path(os.path.realpath(path))
        mode = place.stat().st_mode if place.exists() else None
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be written: {reason_of(error)}") from error
    if mode is not None and not stat.S_ISREG(mode):
        raise ImageError("is a folder: expected a file name" if stat.S_ISDIR(mode) else "is not a regular file")
    if not place.parent.is_dir():
        raise ImageError(f"its folder does not exist: {name_of(place.parent)}")
    if not os.access(place.parent, os.W_OK) or (mode is not None and not os.access(place, os.W_OK)):
        raise ImageError("cannot be written: permission denied")
    return place


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, replace: bool = True) -> Iterator[BinaryIO]:
    """Open a new file beside `path` that takes its place, and its permissions, when the block ends; on any error `path` stays as it was.

    Raises:
        ImageError: `path` cannot be written (see `check_place`).
        FileExistsError: `path` exists when the block ends, and ``replace`` is false.
    """
    place = check_place(path)
    draft = place.parent / f".restore-{secrets.token_hex(8)}.tmp"
    try:
        with open(draft, "x+b") as file:
            yield file
            file.flush()
            if place.exists():
                with contextlib.suppress(PermissionError):  # some file systems have no permissions
                    os.chmod(draft, stat.S_IMODE(place.stat().st_mode))
            os.fsync(file.fileno())
        os.replace(draft, place) if replace else _take(draft, place)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    if os.name == "posix":
        folder = os.open(place.parent, os.O_RDONLY)
        with contextlib.suppress(OSError):
            os.fsync(folder)
        os.close(folder)


def _take(draft: Path, place: Path) -> None:
    """Move a draft to a place where nothing may be."""
    try:
        os.link(draft, place)  # at once, unlike a look before a move
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place)) from None
    except OSError as error:  # some file systems have no links
        if os.path.lexists(place):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place)) from error
        os.replace(draft, place)
    else:
        draft.unlink()
