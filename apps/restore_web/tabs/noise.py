"""The tab that takes out noise."""

from typing import Any

import gradio as gr

from restore.tasks.denoise import MAX_SIGMA
from restore_web import steps
from restore_web.base import Work
from restore_web.tabs.base import Step, bar, held, show_repaired, strength_inputs, told

NOISE = "Takes grain and sensor noise out of the whole photograph. Nothing needs to be painted."


def lay_out(work: gr.State) -> Step:
    """Lay out the choice of a level."""
    gr.Markdown(NOISE)
    inputs = strength_inputs("Measure the noise", label="Noise level", range=(1, MAX_SIGMA, 15))
    return Step(gr.Button("Remove noise", variant="primary"), remove_noise, [work, *inputs])


def remove_noise(
    work: Work | None,
    automatic: bool,
    sigma: float,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it here
) -> tuple[Any, ...]:
    """Take the noise out of the whole photograph."""
    with told():
        level = None if automatic else sigma
        done = steps.remove_noise(held(work), restorer=steps.restorer(), sigma=level, progress=bar(progress, "Removing noise"))
        return show_repaired(done)
