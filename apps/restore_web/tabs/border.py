"""The tab that continues a photograph beyond its edges."""

from typing import Any

import gradio as gr

from restore_web import steps
from restore_web.base import Work
from restore_web.steps import Fill, Progress
from restore_web.tabs.base import Step, carry_out

BORDER = (
    "Continues the photograph beyond its edges. A few per cent of its width pass for real; from a quarter on it is texture without things. "
    "Nothing needs to be painted."
)
SIDES = ("Left", "Top", "Right", "Bottom")


def lay_out(work: gr.State) -> Step:
    """Lay out the choice of the sides."""
    gr.Markdown(BORDER)
    with gr.Row(elem_id="sides"):
        sides = [gr.Number(0, label=f"{side} (pixels)", precision=0, minimum=0, min_width=120) for side in SIDES]
    return Step(gr.Button("Expand", variant="primary"), expand, [work, *sides])


def expand(
    work: Work | None,
    left: float | None,
    top: float | None,
    right: float | None,
    bottom: float | None,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it here
) -> tuple[Any, ...]:
    """Add pixels on all sides."""
    margins = (int(left or 0), int(top or 0), int(right or 0), int(bottom or 0))
    how = Fill(method=next(iter(steps.offered())))

    def take(photo: Work, move: Progress) -> Work:
        return steps.expand(photo, margins, how, restorer=steps.restorer(), progress=move)

    return carry_out(work, take, progress, "Expanding")
