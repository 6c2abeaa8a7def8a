"""What the tabs share: the step that each adds to the page, messages, progress, and inputs that several have."""

import html
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import gradio as gr
from gradio.blocks import Block

from restore.batch import describe
from restore.image import SUFFIXES, ImageError, ImageWarning
from restore.weights import WeightsError
from restore_web import base, steps
from restore_web.base import Work
from restore_web.steps import Progress

FILES = ["image", *sorted(SUFFIXES)]
"""What a file input takes, as browsers want it."""
STOPPED = "Stopped. The photograph is as it was."
SHOWN = 8
"""Components that `show_repaired` changes."""


class Step(NamedTuple):
    """What a tab does to the photograph.

    Attributes:
        button: Starts it.
        call: What the button calls; returns `show_repaired`.
        inputs: Its inputs.
        greet: Takes the photograph that was just opened and what `greeted` show, and gives what they show then.
        greeted: Inputs that depend on the photograph.
    """

    button: gr.Button
    call: Callable[..., tuple[Any, ...]]
    inputs: Sequence[Block] | set[Block]
    greet: Callable[..., Any] | None = None
    greeted: Sequence[Block] = ()


@contextmanager
def told() -> Iterator[None]:
    """Show what the library warns of, and what it refuses, as one line on the page, which calls files by their names."""

    def plain(message: str) -> str:
        return html.escape(base.without_folders(message))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ImageWarning)
        try:
            yield
        except (ImageError, ValueError, MemoryError, OSError, WeightsError) as error:
            raise gr.Error(plain(describe(error)), print_exception=False) from error
    for warning in caught:
        gr.Warning(plain(str(warning.message)))


def held(work: Work | None) -> Work:
    """Give the open photograph.

    Raises:
        ValueError: The page was left open for so long that it was put away.
    """
    if work is None:
        raise ValueError("The photograph is no longer open: choose it again.")
    return work


def carry_out(work: Work | None, take: Callable[[Work, Progress], Work], progress: gr.Progress, words: str) -> tuple[Any, ...]:
    """Take a step, with the page's bar for its progress, until it is done or somebody presses Stop.

    Args:
        work: The open photograph.
        take: The step: gives the photograph with a result.
        progress: The page's bar.
        words: What stands beside it.
    """
    with told():
        photo = held(work)

        def move(fraction: float) -> None:
            if photo.stop.is_set():
                raise base.Stopped
            progress(fraction, desc=words)

        try:
            return show_repaired(take(photo, move))
        except base.Stopped:
            gr.Info(STOPPED)
            return tuple(gr.skip() for _ in range(SHOWN))
        finally:
            photo.stop.clear()


def show_repaired(work: Work) -> tuple[Any, ...]:
    """Show a result beside what came in."""
    assert work.result is not None
    pair = (work.beside, base.proxy(work.result))
    others = [gr.DownloadButton(value=file and str(file), visible=file is not None) for file in (work.mask, work.layer)]
    return work, gr.Tabs(selected="compare"), pair, work.said, gr.Column(visible=True), str(work.file), *others


def strength_inputs(
    tick: str, *, label: str, range: tuple[float, float, float], step: float, info: str | None = None
) -> tuple[gr.Checkbox, gr.Slider]:
    """Lay out a strength that is measured or set: from `range[0]` to `range[1]`, at first `range[2]`.

    Returns:
        The box and the slider.
    """
    automatic = gr.Checkbox(True, label=tick)
    strength = gr.Slider(*range, step=step, label=label, info=info, visible=False)
    automatic.change(lambda on: gr.Slider(visible=not on), automatic, strength, queue=False, api_visibility="private")
    return automatic, strength


def measured(found: str, value: float, *, automatic: bool) -> tuple[gr.Checkbox, Any]:
    """Show in `strength_inputs` what was measured: in words, and where the slider starts, unless it is in use already."""
    return gr.Checkbox(info=found), gr.Slider(value=value) if automatic else gr.skip()


def effort_input(task: str) -> gr.Radio:
    """Lay out the choice of a quality, seen where there is one."""
    choices = [(words, name) for name, words in steps.efforts(task).items()]
    return gr.Radio(choices, value="default", label="Quality", visible=len(choices) > 1)
