"""The tab that fills what was painted."""

from typing import Any

import gradio as gr

from restore import masks
from restore_web import base, steps
from restore_web.base import Work
from restore_web.tabs.base import FILES, Step, bar, held, show_repaired, told

PAINT = (
    "Brush over scratches, stains or anything that should disappear; a little too wide is better than too narrow. "
    "Eraser and brush size are at the left edge of the photograph."
)


def lay_out(work: gr.State, editor: gr.ImageEditor) -> Step:
    """Lay out the choice of a method and of a mask file; what was painted comes from the editor."""
    gr.Markdown(PAINT)
    methods = [(words, name) for name, words in steps.offered().items()]
    method = gr.Dropdown(methods, value=methods[0][1], label="Method", elem_id="method")
    with gr.Accordion("Use a mask file", open=False):
        gr.Markdown("A picture of the same size, white where the photograph is damaged. It is added to what you paint.")
        mask_file = gr.File(show_label=False, label="Mask", file_types=FILES, height=110, elem_id="mask")
    repair = gr.Button("Repair", variant="primary", elem_id="repair")
    return Step(repair, remove_damage, [work, editor, mask_file, method], greet=lambda work: None, greeted=(mask_file,))


def remove_damage(
    work: Work | None,
    editor: dict[str, Any] | None,
    mask_file: str | None,
    method: str,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it here
) -> tuple[Any, ...]:
    """Fill what was painted, and what the mask file says."""
    with told(mask_file):
        work = held(work)
        mask = base.painted(editor["layers"] if editor else [], work.picture.shape)
        if mask_file:
            mask |= masks.load(mask_file, work.picture.shape) > 0
        return show_repaired(steps.remove_damage(work, mask, restorer=steps.restorer(), method=method, progress=bar(progress, "Repairing")))
