"""Photographs that are decoded when they are drawn, and worker processes that make batches ahead of the step that needs them."""

import atexit
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from restore.data.photographs import Photograph

T = TypeVar("T")


class OnDemand:
    """Photographs as a sequence of arrays (H, W, 3) uint8, of which only those used last stay decoded.

    Args:
        photographs: What ``find`` found.
        keep: Bytes of pixels that stay decoded, in each process.

    Attributes:
        sizes: Rows and columns of the photographs, for ``Crops``.
    """

    def __init__(self, photographs: Sequence[Photograph], keep: int = 2**28) -> None:
        self.photographs, self.keep = photographs, keep
        self.sizes = [(p.height, p.width) for p in photographs]
        self.kept: dict[int, np.ndarray] = {}  # in the order of their last use

    def __len__(self) -> int:
        """How many photographs."""
        return len(self.photographs)

    def __getitem__(self, number: int) -> np.ndarray:
        """Decode a photograph, or find it still decoded.

        Raises:
            ValueError: It cannot be decoded.
        """
        picture = self.kept.pop(number, None)
        if picture is None:
            picture = self.photographs[number].decode()
        self.kept[number] = picture
        while len(self.kept) > 1 and sum(p.nbytes for p in self.kept.values()) > self.keep:
            del self.kept[next(iter(self.kept))]
        return picture


def batches(make: Callable[[int], T], steps: Iterable[int], *, workers: int) -> Generator[T, None, None]:
    """Make the batch of each step, in the order of the steps, ``workers`` processes working ahead.

    The batches are the same for any number of workers if ``make`` depends on the step alone. Each process works with one thread. Closing
    the iterator, or letting go of it, ends them.

    Args:
        make: Makes the batch of a step. With workers it is pickled, and what it imports is imported in each process.
        steps: Which batches.
        workers: Processes beside this one; 0: each batch is made when it is asked for, in this process.

    Yields:
        What ``make`` returns.

    Raises:
        ValueError: A batch cannot be made (one line, with what ``make`` raised), or ``workers`` is below 0.
        RuntimeError: A process was ended from outside.

    >>> list(batches(abs, range(-2, 1), workers=0))
    [2, 1, 0]
    """
    if workers < 0:
        raise ValueError(f"workers is {workers}; expected 0 or more")
    table, died = Steps(make), ""
    made = iter(load_ahead(table, steps, workers) if workers else map(table.__getitem__, steps))
    while not died:
        try:
            batch = next(made)
        except StopIteration:
            return
        except RuntimeError as error:  # of the DataLoader: what `make` raised comes as a Failure
            died = str(error).splitlines()[0]
            continue
        if isinstance(batch, Failure):
            del made  # ends the processes, although the error keeps this frame
            raise ValueError(batch.message) from RuntimeError(batch.trace)
        yield batch
    del made
    raise RuntimeError(f"a worker process was ended: {died}")


def load_ahead(table: "Steps[T]", steps: Iterable[int], workers: int) -> "DataLoader[Any]":
    """Workers for the rows of a table."""
    return DataLoader(
        table,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        worker_init_fn=settle,
        multiprocessing_context=multiprocessing.get_context("spawn"),  # safe beside threads and CUDA, and the same on each system
        generator=torch.Generator(),  # else it draws from torch's own
    )


def settle(worker: int) -> None:
    """Let a worker keep to one thread, as torch's already does, and leave Ctrl-C to the process that it works for.

    A worker that is let go may still have a thread in torch, on its way to hand over a batch that nobody will take. Python ends such a
    thread by force while it finalizes, which aborts the process, so a worker ends at once instead.
    """
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit.register(os._exit, 0)


@dataclass(frozen=True)
class Failure:
    """Why a batch could not be made: one line, and the traceback."""

    message: str
    trace: str


class Steps(Dataset[Any], Generic[T]):
    """A table whose row ``step`` is ``make(step)``, or why it could not be made."""

    def __init__(self, make: Callable[[int], T]) -> None:
        self.make = make

    def __getitem__(self, step: int) -> T | Failure:
        """Make the batch of a step."""
        try:
            return self.make(step)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            return Failure(f"the batch of step {step} cannot be made: {reason}", traceback.format_exc())
