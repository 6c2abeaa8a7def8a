"""The tab that takes out what JPEG left."""

from typing import Any

import gradio as gr

from restore_web import steps
from restore_web.base import Work
from restore_web.tabs.base import Step, bar, held, show_repaired, strength_inputs, told

JPEG = (
    "Takes out of the whole photograph what strong JPEG compression left: blocks, rings around edges, blotches of colour. "
    "Nothing needs to be painted. A JPEG is saved at quality 95."
)


def lay_out(work: gr.State) -> Step:
    """Lay out the choice of a quality."""
    gr.Markdown(JPEG)
    inputs = strength_inputs(steps.MEASURE_JPEG, label="Quality (1: strongest)", range=(1, 100, 30))
    return Step(gr.Button("Remove JPEG traces", variant="primary"), remove_jpeg, [work, *inputs])


def remove_jpeg(
    work: Work | None,
    automatic: bool,
    quality: float,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it here
) -> tuple[Any, ...]:
    """Take what JPEG left out of the whole photograph."""
    with told():
        given = None if automatic else round(quality)
        done = steps.remove_jpeg(held(work), restorer=steps.restorer(), jpeg_quality=given, progress=bar(progress, "Removing traces"))
        return show_repaired(done)
