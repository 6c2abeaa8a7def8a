"""The tab that takes out noise."""

from typing import Any

import gradio as gr

from restore.tasks.denoise import MAX_SIGMA
from restore_web import steps
from restore_web.base import Work
from restore_web.steps import Progress
from restore_web.tabs.base import Step, carry_out, effort_input, measured, strength_inputs

NOISE = "Takes grain and sensor noise out of the whole photograph. Nothing needs to be painted."


def lay_out(work: gr.State) -> Step:
    """Lay out the choice of a level."""
    gr.Markdown(NOISE)
    inputs = strength_inputs("Measure the noise", label="Noise level", range=(0, MAX_SIGMA, 15), step=0.1)
    kinds = [(words, name) for name, words in steps.noises().items()]
    noise = gr.Dropdown(kinds, value="auto", label="Kind of noise", visible=len(kinds) > 1)
    effort = effort_input("denoise")
    return Step(gr.Button("Remove noise", variant="primary"), remove_noise, [work, *inputs, noise, effort], measure_noise, inputs)


def measure_noise(work: Work | None, automatic: bool, sigma: float) -> tuple[Any, ...]:
    """Say how noisy the photograph is, or that its noise is a camera's."""
    if work is None:
        return measured("", sigma, automatic=automatic)
    try:
        restorer = steps.restorer("default")
        found = restorer.find_noise(work.picture)
        level = restorer.find_noise(work.picture, noise="white") if found is None else found
    except ValueError:
        return measured("", sigma, automatic=automatic)
    words = "noise of a camera or of film" if found is None else f"{found:.1f} on the scale of 8 bits" if found else "no noise was found"
    return measured(f"This photograph: {words}", round(level or 0.0, 1), automatic=automatic)


def remove_noise(
    work: Work | None,
    automatic: bool,
    sigma: float,
    noise: str,
    effort: str,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it here
) -> tuple[Any, ...]:
    """Take the noise out of the whole photograph."""
    level, restorer = None if automatic else sigma, steps.restorer(effort)

    def take(photo: Work, move: Progress) -> Work:
        return steps.remove_noise(photo, restorer=restorer, sigma=level, noise=noise, progress=move)

    return carry_out(work, take, progress, "Removing noise")
