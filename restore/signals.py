"""Signals that end a process, taken for Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""A request to end, and the end of the terminal."""


@contextmanager
def ended_by_signals() -> Iterator[list[int]]:
    """Take the signals that end a process, or its terminal, for Ctrl-C, so that nothing is left behind.

    The first of them raises KeyboardInterrupt; others do not disturb the tidying up. One that is ignored, as ``nohup`` has it, stays so.
    Within itself it changes nothing more, and yields the same.
    Outside the main thread, to which signals belong, nothing is changed.

    Yields:
        The number of the signal that came, once it has.
    """
    for handler in map(signal.getsignal, ENDINGS):
        if isinstance(handler, _End):
            yield handler.received
            return
    end, before = _End(), {}
    if threading.current_thread() is threading.main_thread():
        before = {ending: signal.signal(ending, end) for ending in ENDINGS if signal.getsignal(ending) is not signal.SIG_IGN}
    try:
        yield end.received
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


class _End:
    """A handler that raises KeyboardInterrupt at the first signal."""

    def __init__(self) -> None:
        self.received: list[int] = []

    def __call__(self, number: int, frame: object) -> None:
        if not self.received:
            self.received.append(number)
            raise KeyboardInterrupt
