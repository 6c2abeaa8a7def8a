"""The tab that fills what was painted, or marked in another way."""

import re
from typing import Any

import gradio as gr
import numpy as np
from gradio.blocks import Block

from restore import masks
from restore_web import base, steps
from restore_web.base import Work
from restore_web.steps import Fill, Progress
from restore_web.tabs.base import FILES, Step, carry_out

PAINT = (
    "Brush over scratches, stains or anything that should disappear; a little too wide is better than too narrow. "
    "Eraser and brush size are at the left edge of the photograph."
)
FILE = "A mask file: a picture of the same size, white where the photograph is damaged. It is added to what you paint."
WIDEST = 50  # pixels
LARGEST_SEED = 2**31 - 1


def lay_out(work: gr.State, editor: gr.ImageEditor) -> Step:
    """Lay out the choice of a method, of the mask and of the fill; what was painted comes from the editor."""
    gr.Markdown(PAINT)
    methods = [(words, name) for name, words in steps.offered().items()]
    method = gr.Dropdown(methods, value=methods[0][1], label="Method", elem_id="method")
    with gr.Accordion("Mask", open=False, elem_id="marks"):
        grow = gr.Slider(0, WIDEST, 0, step=1, label="Grow the mask (pixels)", info="Covers the edges that the brush missed.")
        feather = gr.Slider(0, WIDEST, 0, step=1, label="Soft edge (pixels)", info="The repair fades into the photograph there.")
        is_marked = gr.Checkbox(False, label="The damage is painted over in one colour", info="In the file, by another program.")
        colour = gr.ColorPicker("#ff0000", label="Colour", visible=False, elem_id="colour")
        gr.Markdown(FILE)
        mask_file = gr.File(show_label=False, label="Mask", file_types=FILES, height=130, elem_id="mask")
    with gr.Accordion("Texture and grain", open=False, visible=steps.can("inpaint")):
        texture = gr.Checkbox(True, label="Copy texture of the photograph", info="Into wide holes that the neural network filled.")
        grain = gr.Checkbox(True, label="Give the repair the grain of its surroundings")
        seed = gr.Number(0, label="Seed", info="Another number, another texture and grain.", precision=0, minimum=0, maximum=LARGEST_SEED)
    repair = gr.Button("Repair", variant="primary", elem_id="repair")
    is_marked.change(lambda on: gr.ColorPicker(visible=on), is_marked, colour, queue=False, api_visibility="private")

    def fill_photo(given: dict[Any, Any], progress: gr.Progress = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008  gradio finds it here
        how = Fill(
            method=given[method],
            texture=given[texture],
            grain=given[grain],
            seed=int(given[seed] or 0),
            grow=given[grow],
            feather=given[feather],
        )
        marks = {"editor": given[editor], "file": given[mask_file], "colour": given[colour] if given[is_marked] else None}
        return remove_damage(given[work], marks, how, progress)

    inputs: set[Block] = {work, editor, method, grow, feather, is_marked, colour, mask_file, texture, grain, seed}
    return Step(repair, fill_photo, inputs, greet=lambda work, file: None, greeted=[mask_file])


def remove_damage(
    work: Work | None,
    marks: dict[str, Any],
    how: Fill,
    progress: gr.Progress,
) -> tuple[Any, ...]:
    """Fill what was painted ("editor"), what the mask file says ("file"), and what has one colour ("colour")."""

    def take(photo: Work, move: Progress) -> Work:
        return steps.remove_damage(photo, marked(photo, marks), how, restorer=steps.restorer(), progress=move)

    return carry_out(work, take, progress, "Repairing")


def marked(photo: Work, marks: dict[str, Any]) -> np.ndarray:
    """Unite all that marks damage: (H, W) bool.

    Raises:
        ValueError: A mask has another size than the photograph, or the colour is none.
        ImageError: The mask file cannot be read.
    """
    shape = photo.picture.shape
    mask = base.painted(marks["editor"]["layers"] if marks.get("editor") else [], shape)
    if marks.get("file"):
        mask |= masks.load(marks["file"], shape) > 0
    if marks.get("colour"):
        mask |= masks.from_colour(photo.picture, hexadecimal(marks["colour"])) > 0
    return mask


def hexadecimal(colour: str) -> str:
    """Say a colour of a colour picker as # and six digits; what is none stays as it is.

    >>> hexadecimal("rgba(255, 127.6, 0, 1)"), hexadecimal("#ff0000")
    ('#ff8000', '#ff0000')
    """
    numbers = re.findall(r"[\d.]+", colour)[:3] if colour.startswith("rgb") else []
    return "#" + "".join(f"{min(255, round(float(number))):02x}" for number in numbers) if len(numbers) == 3 else colour
