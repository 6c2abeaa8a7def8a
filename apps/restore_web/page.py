"""The page: what stands where, and which button calls what. The only home of gradio."""

import functools
import html
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component

from restore import masks
from restore.filters.array.deblur import BLURS
from restore.filters.base import BORDERS
from restore.filters.kernels import SHAPES
from restore.filters.options import Row, kinds_of
from restore.image import SUFFIXES, ImageError, ImageWarning
from restore.restorer import Restorer
from restore.tasks.filter import LEARNED
from restore.weights import WeightsError
from restore_web import base
from restore_web.base import Work

HEADER = """<h1>Restore a photograph</h1>
<p>Paint over the damage, press Repair, compare, download. Nothing leaves the computer that runs this page.</p>"""
PAINT = (
    "Brush over scratches, stains or anything that should disappear; a little too wide is better than too narrow. "
    "Eraser and brush size are at the left edge of the photograph."
)
NOISE = "Takes grain and sensor noise out of the whole photograph. Nothing needs to be painted."
JPEG = (
    "Takes out of the whole photograph what strong JPEG compression left: blocks, rings around edges, blotches of colour. "
    "Nothing needs to be painted. A JPEG is saved at quality 95."
)
FILTER = "Changes the whole photograph. Nothing needs to be painted."
ROWS = "Rows of numbers on lines of their own, or in one line: 1 0 -1; 2 0 -2; 1 0 -1."
LARGEST = 360  # number that is taken: the degrees of a turn; windows of more pixels than that take minutes
ORDER = (np.ndarray, float, int, bool, str)  # of the inputs, by what they hold
CHOICES = {"border": list(BORDERS), "shape": list(SHAPES)}  # what an option that is a word may be
BRUSH = ("#ff3b30", 0.6)  # colour and opacity: the damage stays visible under the paint
DAY = 24 * 60 * 60  # seconds
LARGEST_FILE = "1gb"
FILES = ["image", *sorted(SUFFIXES)]

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
CSS = """
.gradio-container {max-width: 1240px !important; width: 100%; margin: 0 auto !important}
#header h1 {font-size: 1.6rem; font-weight: 650; margin: 0 0 .2rem}
#header p {margin: 0; opacity: .75}
#photo table {margin: 0; padding: 2px 44px 2px 4px}
#photo tr {margin: 0; padding: 4px; background: none}
#photo .icon-button-wrapper {top: calc(50% - 14px); right: 12px; border: none; box-shadow: none; transform: scale(1.3)}
#options .form > * {flex: 1 1 150px; min-width: 150px !important}
#options .form > :has(textarea), #options .form > :has([type="checkbox"]) {flex-basis: 100%}
#editor button[aria-label="Clear canvas"], #editor button[aria-label="Color"] {display: none}
"""
TO_RESULT = """() => setTimeout(() => {
    const views = document.querySelector("#views");
    if (views.getBoundingClientRect().top < 0) views.scrollIntoView({behavior: "smooth"});
}, 300)"""
WORDS = gr.I18n(en={"upload_text.drop_file": "Drop a photograph here", "upload_text.click_to_upload": "Click to choose one"})


@functools.cache
def restorer() -> Restorer:
    """Give the one Restorer of this process, so that a network is loaded once for all open pages."""
    return Restorer()


@contextmanager
def told(*paths: str | None) -> Iterator[None]:
    """Show what the library warns of, and what it refuses, as one line on the page; `paths` are called by their names in it."""

    def plain(message: object) -> str:
        text = str(message)
        for path in filter(None, paths):
            text = text.replace(path, Path(path).name)
        return html.escape(text)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ImageWarning)
        try:
            yield
        except (ImageError, ValueError, MemoryError, WeightsError) as error:
            raise gr.Error(plain(error), print_exception=False) from error
    for warning in caught:
        gr.Warning(plain(warning.message))


def held(work: Work | None) -> Work:
    """Give the open photograph.

    Raises:
        ValueError: The page was left open for so long that it was put away.
    """
    if work is None:
        raise ValueError("The photograph is no longer open: choose it again.")
    return work


def open_photo(path: str | None, work: Work | None) -> tuple[Any, ...]:
    """Open an upload, or start over from it."""
    base.forget(work)
    with told(path):
        if path is None:
            raise ValueError("No photograph was chosen.")
        return show_opened(base.open_work(path))


def close_photo(work: Work | None) -> tuple[Any, ...]:
    """Put the photograph away."""
    base.forget(work)
    return None, gr.Row(visible=False), gr.skip(), None, None, None, "", gr.Column(visible=False), None


def go_on(work: Work | None) -> tuple[Any, ...]:
    """Paint on the result from now on."""
    with told():
        return show_opened(base.go_on(held(work)))


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
        return show_repaired(base.remove_damage(work, mask, restorer=restorer(), method=method, progress=bar(progress, "Repairing")))


def remove_noise(
    work: Work | None,
    automatic: bool,
    sigma: float,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it here
) -> tuple[Any, ...]:
    """Take the noise out of the whole photograph."""
    with told():
        level = None if automatic else sigma
        return show_repaired(base.remove_noise(held(work), restorer=restorer(), sigma=level, progress=bar(progress, "Removing noise")))


def remove_jpeg(
    work: Work | None,
    automatic: bool,
    quality: float,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  gradio finds it here
) -> tuple[Any, ...]:
    """Take what JPEG left out of the whole photograph."""
    with told():
        given = None if automatic else round(quality)
        done = base.remove_jpeg(held(work), restorer=restorer(), jpeg_quality=given, progress=bar(progress, "Removing traces"))
        return show_repaired(done)


def filter_all(work: Work | None, name: str, values: dict[str, Any], progress: Callable[[float], None]) -> tuple[Any, ...]:
    """Filter the whole photograph; the values are those of `option_inputs`."""
    with told(values["patch"]):
        row = base.filters()[name]
        if row.function is None:
            values = {"strength": values["learned"]}
        return show_repaired(base.filter_all(held(work), row, values, restorer=restorer(), progress=progress))


def bar(progress: gr.Progress, words: str) -> Callable[[float], None]:
    """Tie the library's progress to the page's bar."""
    return lambda fraction: progress(fraction, desc=words)


def show_opened(work: Work) -> tuple[Any, ...]:
    """Show a photograph that waits for its repair."""
    background = base.proxy(work.picture)
    height, width = background.shape[:2]
    fit = f"min(70svh, 640px, {740 * height // width + 90}px, {100 * height // width}vw + 90px)"  # no empty canvas on a telephone
    editor = gr.ImageEditor(
        {"background": background, "layers": [], "composite": None},
        height=fit,
        brush=brush(max(4, max(height, width) // 80)),
    )
    return work, gr.Row(visible=True), gr.Tabs(selected="paint"), editor, None, None, work.said, gr.Column(visible=False), None


def show_repaired(work: Work) -> tuple[Any, ...]:
    """Show a result beside what came in."""
    assert work.result is not None
    pair = (work.before, base.proxy(work.result))
    return work, gr.Tabs(selected="compare"), pair, work.said, gr.Column(visible=True), str(work.file)


def brush(radius: int) -> gr.Brush:
    """Make the brush, of a radius in proxy pixels."""
    return gr.Brush(default_size=radius, colors=[BRUSH], default_color=BRUSH, color_mode="fixed")


def option_inputs(row: Row) -> dict[str, Component]:
    """Make an input for each option of any filter, of which those of one are seen: name -> input; "learned": a network's strength."""
    options = {name: option for other in base.filters().values() if other.function for name, option in other.options.items()}
    order = sorted(options.values(), key=lambda option: next(i for i, kind in enumerate(ORDER) if kind in kinds_of(option)))
    learned = gr.Slider(0, 1, 0.5, step=0.05, label="strength", visible=row.function is None)
    return {"learned": learned} | {option.name: option_input(option, row) for option in order}


def option_input(option: inspect.Parameter, row: Row) -> Component:
    """Make the input of an option: seen and at its default where the filter has it."""
    visible = row.function is not None and option.name in row.options
    default = row.options[option.name].default if visible else None
    label, hint, kinds = base.spoken(option.name), row.hints.get(option.name), kinds_of(option)
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


def strength_tab(words: str, *, tick: str, label: str, range: tuple[float, float, float], button: str) -> tuple[gr.Button, list[Component]]:
    """Lay out a repair of the whole photograph, whose strength is measured or set: from `range[0]` to `range[1]`, at first `range[2]`.

    Returns:
        The button, and the inputs of what it calls beside the photograph: the box and the slider.
    """
    gr.Markdown(words)
    automatic = gr.Checkbox(True, label=tick)
    strength = gr.Slider(*range, step=1, label=label, visible=False)
    automatic.change(lambda on: gr.Slider(visible=not on), automatic, strength, queue=False, api_visibility="private")
    return gr.Button(button, variant="primary"), [automatic, strength]


def filter_tab(work: gr.State) -> tuple[gr.Button, Callable[..., tuple[Any, ...]], set[Any]]:
    """Lay out the choice of a filter and of its options.

    Returns:
        The button, what it calls, and the inputs of that.
    """
    rows = base.filters()
    first = next(iter(rows.values()))
    gr.Markdown(FILTER)
    choices = [(f"{row.group}: {base.spoken(name.removeprefix(LEARNED))}", name) for name, row in rows.items()]
    name = gr.Dropdown(choices, value=first.name, label="Filter", elem_id="filter")
    summary = gr.Markdown(first.summary, elem_id="summary")
    with gr.Row(elem_id="options"):
        inputs = option_inputs(first)

    def choose(name: str) -> list[Any]:
        row = base.filters()[name]
        return [row.summary, *option_inputs(row).values()]

    def filter_photo(given: dict[Any, Any], progress: gr.Progress = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008  gradio finds it here
        return filter_all(given[work], given[name], {key: given[item] for key, item in inputs.items()}, bar(progress, "Filtering"))

    name.change(choose, name, [summary, *inputs.values()], queue=False, show_progress="hidden", api_visibility="private")
    return gr.Button("Apply filter", variant="primary", elem_id="run-filter"), filter_photo, {work, name, *inputs.values()}


def build_page() -> gr.Blocks:
    """Lay out the page and wire its buttons."""
    with gr.Blocks(title="Restore a photograph", analytics_enabled=False, delete_cache=(DAY // 24, DAY), fill_width=True) as page:
        work = gr.State(None, time_to_live=DAY, delete_callback=base.forget)
        gr.HTML(HEADER, elem_id="header")
        photo = gr.File(show_label=False, label="Photograph", file_types=FILES, height=220, elem_id="photo")
        with gr.Row(visible=False) as workspace:
            with gr.Column(scale=7, min_width=320), gr.Tabs(selected="paint", elem_id="views") as views:
                with gr.Tab("Photograph", id="paint"):
                    editor = gr.ImageEditor(
                        type="numpy",
                        format="png",
                        show_label=False,
                        sources=(),
                        transforms=(),
                        layers=False,
                        buttons=[],
                        brush=brush(8),
                        height=480,
                        elem_id="editor",
                    )
                with gr.Tab("Before and after", id="compare"):
                    slider = gr.ImageSlider(
                        type="numpy",
                        format="png",
                        show_label=False,
                        interactive=False,
                        buttons=["fullscreen"],
                        max_height=640,
                        elem_id="slider",
                    )
            with gr.Column(scale=4, min_width=320):
                with gr.Tabs():
                    with gr.Tab("Damage"):
                        gr.Markdown(PAINT)
                        methods = [(words, name) for name, words in base.offered().items()]
                        method = gr.Dropdown(methods, value=methods[0][1], label="Method", elem_id="method")
                        with gr.Accordion("Use a mask file", open=False):
                            gr.Markdown("A picture of the same size, white where the photograph is damaged. It is added to what you paint.")
                            mask_file = gr.File(show_label=False, label="Mask", file_types=FILES, height=110, elem_id="mask")
                        repair = gr.Button("Repair", variant="primary", elem_id="repair")
                    with gr.Tab("Noise"):
                        denoise, noise_inputs = strength_tab(
                            NOISE, tick="Measure the noise", label="Noise level", range=(1, base.MAX_SIGMA, 15), button="Remove noise"
                        )
                    with gr.Tab("JPEG", visible=base.cleans_jpeg()):
                        dejpeg, jpeg_inputs = strength_tab(
                            JPEG, tick=base.MEASURE_JPEG, label="Quality (1: strongest)", range=(1, 100, 30), button="Remove JPEG traces"
                        )
                    with gr.Tab("Filters"):
                        run_filter, filter_photo, filter_inputs = filter_tab(work)
                said = gr.Markdown(elem_id="said", min_height=72, container=True)
                with gr.Column(visible=False, elem_id="after") as after:
                    download = gr.DownloadButton("Download in full quality", variant="primary", elem_id="download")
                    proceed = gr.Button("Continue from this result", elem_id="continue")
                again = gr.Button("Start over", size="sm", elem_id="again")

        # The editor uploads its pictures each time that a status reaches it: no progress is shown on it.
        opened = [work, workspace, views, editor, mask_file, slider, said, after, download]
        repaired = [work, views, slider, said, after, download]
        one: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "one at a time", "api_visibility": "private"}
        photo.upload(open_photo, [photo, work], opened, show_progress_on=photo, **one).failure(
            lambda: None, None, photo, api_visibility="private"
        )
        photo.clear(close_photo, work, opened, show_progress="hidden", **one)
        again.click(open_photo, [photo, work], opened, show_progress_on=said, **one)
        proceed.click(go_on, work, opened, show_progress_on=said, **one)
        steps: list[tuple[gr.Button, Callable[..., Any], Any]] = [
            (repair, remove_damage, [work, editor, mask_file, method]),
            (denoise, remove_noise, [work, *noise_inputs]),
            (dejpeg, remove_jpeg, [work, *jpeg_inputs]),
            (run_filter, filter_photo, filter_inputs),
        ]
        for button, handler, inputs in steps:
            button.click(handler, inputs, repaired, show_progress_on=said, **one).success(None, js=TO_RESULT)
    return page


def theme() -> gr.themes.Base:
    """Give the colours and the system's own fonts, so that the page fetches none."""
    return gr.themes.Soft(primary_hue="teal", neutral_hue="stone", font=FONT, font_mono=("ui-monospace", "monospace")).set(
        background_fill_primary="*neutral_50",  # Soft's own, which set() would take away
        color_accent="*primary_600",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_600",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0",
        checkbox_border_color="*neutral_400",
    )


def launch(page: gr.Blocks, *, host: str, port: int | None, open_browser: bool) -> str:
    """Start to serve a page, in a thread of its own.

    Args:
        page: What `build_page` made.
        host: Address to bind.
        port: TCP port; None for the first free one from 7860 on.
        open_browser: Open it in the default browser.

    Returns:
        Its address.

    Raises:
        OSError: The address cannot be bound.
    """
    try:
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            inbrowser=open_browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            footer_links=[],
            run_history=False,
            max_file_size=LARGEST_FILE,
            theme=theme(),
            css=CSS,
            i18n=WORDS,
        )
    except OSError as error:
        raise OSError(f"port {port} on {host} is taken, or is not this computer's; choose another") from error
    return url
