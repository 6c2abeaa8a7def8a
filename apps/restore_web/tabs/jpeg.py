"""The tab that takes out what JPEG left."""

from typing import Any

import gradio as gr

from restore.estimate import jpeg_history
from restore.tasks.dejpeg import history_in_words
from restore_web import steps
from restore_web.base import Work
from restore_web.steps import Progress
from restore_web.tabs.base import Step, carry_out, effort_input, measured, strength_inputs

JPEG = (
    "Takes out of the whole photograph what strong JPEG compression left: blocks, rings around edges, blotches of colour. "
    "Nothing needs to be painted. A JPEG is saved at quality 95."
)


def lay_out(work: gr.State) -> Step:
    """Lay out the choice of a quality."""
    gr.Markdown(JPEG)
    inputs = strength_inputs(steps.MEASURE_JPEG, label="JPEG quality (1: strongest)", range=(1, 100, 30), step=1)
    effort = effort_input("dejpeg")
    return Step(gr.Button("Remove JPEG traces", variant="primary"), remove_jpeg, [work, *inputs, effort], measure_jpeg, inputs)


def measure_jpeg(work: Work | None, automatic: bool, quality: float) -> tuple[Any, ...]:
    """Say of which JPEG quality the photograph is."""
    try:
        found = jpeg_history(work.picture) if work else None
    except ValueError:
        found = None
    if found is None:
        return measured("", quality, automatic=automatic)
    words = f"JPEG quality {history_in_words(found)}" if found else "no traces of JPEG"
    return measured(f"This photograph: {words}", min(found, default=quality), automatic=automatic)


def remove_jpeg(
    work: Work | None,
    automatic: bool,
    quality: float,
    effort: str,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it here
) -> tuple[Any, ...]:
    """Take what JPEG left out of the whole photograph."""
    given, restorer = None if automatic else round(quality), steps.restorer(effort)

    def take(photo: Work, move: Progress) -> Work:
        return steps.remove_jpeg(photo, restorer=restorer, jpeg_quality=given, progress=move)

    return carry_out(work, take, progress, "Removing traces")
