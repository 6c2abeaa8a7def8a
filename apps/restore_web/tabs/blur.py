"""The tab that sharpens."""

from typing import Any

import gradio as gr

from restore_web import steps
from restore_web.base import Work
from restore_web.steps import Progress
from restore_web.tabs.base import Step, carry_out, effort_input, strength_inputs

BLUR = "Sharpens what a lens out of focus or a shaken camera blurred, all over the photograph. Nothing needs to be painted."
WIDTH = "Half the radius of the spot that a lens out of focus makes of a point; a fifth of the way that the camera moved."
CAUSE = "The path of a camera that shook, or the spot of a lens out of focus, is found and undone, which takes some seconds."
NARROWEST, WIDEST = 0.3, 4.0  # pixels


def lay_out(work: gr.State) -> Step:
    """Lay out the choice of a width."""
    gr.Markdown(BLUR)
    inputs = strength_inputs(
        "As strong as needed", label="Width of the blur in pixels", range=(NARROWEST, WIDEST, 1.5), step=0.1, info=WIDTH
    )
    blur = gr.Dropdown([(words, name) for name, words in steps.BLURS.items()], value="auto", label="Cause", info=CAUSE)
    automatic, _ = inputs
    automatic.change(lambda on: gr.Dropdown(visible=on), automatic, blur, queue=False, api_visibility="private")
    effort = effort_input("deblur")
    return Step(gr.Button("Sharpen", variant="primary"), remove_blur, [work, *inputs, blur, effort])


def remove_blur(
    work: Work | None,
    automatic: bool,
    width: float,
    blur: str,
    effort: str,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it here
) -> tuple[Any, ...]:
    """Sharpen the whole photograph."""
    given, restorer = None if automatic else width, steps.restorer(effort)

    def take(photo: Work, move: Progress) -> Work:
        return steps.remove_blur(photo, restorer=restorer, width=given, blur=blur, progress=move)

    return carry_out(work, take, progress, "Sharpening")
