"""What the tabs share: the step that each adds to the page, messages, progress, and inputs that several have."""

import html
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from restore.image import SUFFIXES, ImageError, ImageWarning
from restore.weights import WeightsError
from restore_web import base
from restore_web.base import Work

FILES = ["image", *sorted(SUFFIXES)]
"""What a file input takes, as browsers want it."""


class Step(NamedTuple):
    """What a tab does to the photograph.

    Attributes:
        button: Starts it.
        call: What the button calls; returns `show_repaired`.
        inputs: Its inputs.
        greet: Gives what `greeted` show once another photograph is open.
        greeted: Inputs that depend on the photograph.
    """

    button: gr.Button
    call: Callable[..., tuple[Any, ...]]
    inputs: Sequence[Block] | set[Block]
    greet: Callable[[Work | None], Any] | None = None
    greeted: Sequence[Block] = ()


@contextmanager
def told(*paths: str | None) -> Iterator[None]:
    """Show what the library warns of, and what it refuses, as one line on the page; `paths` are called by their names in it."""

    def plain(message: object) -> str:
        text = str(message)
        for path in filter(None, paths):
            text = text.replace(path, Path(path).name)
        return html.escape(text)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ImageWarning)
        try:
            yield
        except (ImageError, ValueError, MemoryError, WeightsError) as error:
            raise gr.Error(plain(error), print_exception=False) from error
    for warning in caught:
        gr.Warning(plain(warning.message))


def held(work: Work | None) -> Work:
    """Give the open photograph.

    Raises:
        ValueError: The page was left open for so long that it was put away.
    """
    if work is None:
        raise ValueError("The photograph is no longer open: choose it again.")
    return work


def bar(progress: gr.Progress, words: str) -> Callable[[float], None]:
    """Tie the library's progress to the page's bar."""
    return lambda fraction: progress(fraction, desc=words)


def show_repaired(work: Work) -> tuple[Any, ...]:
    """Show a result beside what came in."""
    assert work.result is not None
    pair = (work.before, base.proxy(work.result))
    return work, gr.Tabs(selected="compare"), pair, work.said, gr.Column(visible=True), str(work.file)


def strength_inputs(tick: str, *, label: str, range: tuple[float, float, float]) -> list[Component]:
    """Lay out a strength that is measured or set: from `range[0]` to `range[1]`, at first `range[2]`.

    Returns:
        The box and the slider.
    """
    automatic = gr.Checkbox(True, label=tick)
    strength = gr.Slider(*range, step=1, label=label, visible=False)
    automatic.change(lambda on: gr.Slider(visible=not on), automatic, strength, queue=False, api_visibility="private")
    return [automatic, strength]
