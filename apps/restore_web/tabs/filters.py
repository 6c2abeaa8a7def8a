"""The tab of the filters: inputs for the options of each, of which those of the chosen one are seen."""

import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component

from restore.filters.array.deblur import BLURS
from restore.filters.base import BORDERS
from restore.filters.kernels import SHAPES
from restore.filters.options import Row, kinds_of
from restore.tasks.filter import LEARNED
from restore_web import steps
from restore_web.base import Work
from restore_web.tabs.base import FILES, Step, carry_out

FILTER = "Changes the whole photograph. Nothing needs to be painted."
ROWS = "Rows of numbers on lines of their own, or in one line: 1 0 -1; 2 0 -2; 1 0 -1."
LARGEST = 360  # number that is taken: the degrees of a turn; windows of more pixels than that take minutes
ORDER = (np.ndarray, float, int, bool, str)  # of the inputs, by what they hold
CHOICES = {"border": list(BORDERS), "shape": list(SHAPES)}  # what an option that is a word may be


def lay_out(work: gr.State) -> Step:
    """Lay out the choice of a filter and of its options."""
    rows = steps.filters()
    first = next(iter(rows.values()))
    gr.Markdown(FILTER)
    choices = [(f"{row.group}: {steps.spoken(name.removeprefix(LEARNED))}", name) for name, row in rows.items()]
    name = gr.Dropdown(choices, value=first.name, label="Filter", elem_id="filter")
    summary = gr.Markdown(first.summary, elem_id="summary")
    with gr.Row(elem_id="options"):
        inputs = option_inputs(first)

    def choose(name: str) -> list[Any]:
        row = steps.filters()[name]
        return [row.summary, *option_inputs(row).values()]

    def filter_photo(given: dict[Any, Any], progress: gr.Progress = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008  gradio finds it here
        return filter_all(given[work], given[name], {key: given[item] for key, item in inputs.items()}, progress)

    name.change(choose, name, [summary, *inputs.values()], queue=False, show_progress="hidden", api_visibility="private")
    button = gr.Button("Apply filter", variant="primary", elem_id="run-filter")
    return Step(button, filter_photo, {work, name, *inputs.values()})


def filter_all(work: Work | None, name: str, values: dict[str, Any], progress: gr.Progress) -> tuple[Any, ...]:
    """Filter the whole photograph; the values are those of `option_inputs`."""
    row = steps.filters()[name]
    options = {"strength": values["learned"]} if row.function is None else values

    def filter_photo(photo: Work, move: Callable[[float], None]) -> Work:
        return steps.filter_all(photo, row, options, restorer=steps.restorer(), progress=move)

    return carry_out(work, filter_photo, progress, "Filtering")


def option_inputs(row: Row) -> dict[str, Component]:
    """Make an input for each option of any filter, of which those of one are seen: name -> input; "learned": a network's strength."""
    options = {name: option for other in steps.filters().values() if other.function for name, option in other.options.items()}
    order = sorted(options.values(), key=lambda option: next(i for i, kind in enumerate(ORDER) if kind in kinds_of(option)))
    learned = gr.Slider(0, 1, 0.5, step=0.05, label="strength", visible=row.function is None)
    return {"learned": learned} | {option.name: option_input(option, row) for option in order}


def option_input(option: inspect.Parameter, row: Row) -> Component:
    """Make the input of an option: seen and at its default where the filter has it."""
    visible = row.function is not None and option.name in row.options
    default = row.options[option.name].default if visible else None
    label, hint, kinds = steps.spoken(option.name), row.hints.get(option.name), kinds_of(option)
    if option.annotation is np.ndarray:
        return gr.File(label=label, file_types=FILES, height=140, visible=visible)
    if np.ndarray in kinds:
        hint = ROWS + (f" Or the name of a blur: {', '.join(BLURS)}." if isinstance(default, str) else "")
        return gr.Textbox(default if isinstance(default, str) else "", label=label, info=hint, lines=3, visible=visible)
    if int in kinds or float in kinds:
        return gr.Number(default, label=label, info=hint, minimum=-LARGEST, maximum=LARGEST, visible=visible)
    if bool in kinds:
        return gr.Checkbox(bool(default), label=label, info=hint, visible=visible)
    return gr.Dropdown(CHOICES[option.name], value=default, label=label, visible=visible)
