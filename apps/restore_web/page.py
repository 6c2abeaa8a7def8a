"""The page: what stands where, and which button calls what."""

import socket
from typing import Any

import gradio as gr

from restore_web import base, look, steps
from restore_web.base import Work
from restore_web.tabs import blur, border, damage, filters, jpeg, noise
from restore_web.tabs.base import FILES, Step, held, told

HEADER = """<h1>Restore a photograph</h1>
<p>Paint over the damage, press Repair, compare, download. Nothing leaves the computer that runs this page.</p>"""
BRUSH = ("#ff3b30", 0.6)  # colour and opacity: the damage stays visible under the paint
DAY = 24 * 60 * 60  # seconds
LARGEST_FILE = "1gb"


def open_photo(path: str | None, work: Work | None) -> tuple[Any, ...]:
    """Open an upload, or start over from it."""
    base.forget(work)
    with told():
        if path is None:
            raise ValueError("No photograph was chosen.")
        return show_opened(base.open_work(path))


def close_photo(work: Work | None) -> tuple[Any, ...]:
    """Put the photograph away."""
    base.forget(work)
    return None, gr.Row(visible=False), gr.skip(), None, None, "", gr.Column(visible=False), None


def go_on(work: Work | None) -> tuple[Any, ...]:
    """Paint on the result from now on."""
    with told():
        return show_opened(base.go_on(held(work)))


def halt(work: Work | None) -> None:
    """End the running step where it next tells its progress."""
    if work is not None:
        work.stop.set()


def show_opened(work: Work) -> tuple[Any, ...]:
    """Show a photograph that waits for its repair."""
    background = base.proxy(work.picture)
    height, width = background.shape[:2]
    ratio = height / width  # the canvas leaves 30 pixels around the photograph: none of it is empty, on a telephone either
    fit = f"max(200px, min(70svh, 640px, {678 * ratio + 60:.0f}px, (100vw - 125px) * {ratio:.3f} + 60px))"
    editor = gr.ImageEditor(
        {"background": background, "layers": [], "composite": None},
        height=fit,
        brush=brush(max(4, max(height, width) // 80)),
    )
    return work, gr.Row(visible=True), gr.Tabs(selected="paint"), editor, None, work.said, gr.Column(visible=False), None


def brush(radius: int) -> gr.Brush:
    """Make the brush, of a radius in proxy pixels."""
    return gr.Brush(default_size=radius, colors=[BRUSH], default_color=BRUSH, color_mode="fixed")


def lay_out_views() -> tuple[gr.Tabs, gr.ImageEditor, gr.ImageSlider]:
    """Lay out the photograph: to be painted on, and before and after."""
    with gr.Tabs(selected="paint", elem_id="views") as views:
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
    return views, editor, slider


def lay_out_tabs(work: gr.State, editor: gr.ImageEditor) -> list[Step]:
    """Lay out what can be done to the photograph."""
    with gr.Tabs(elem_id="steps"):
        with gr.Tab("Damage"):
            fill = damage.lay_out(work, editor)
        with gr.Tab("Noise"):
            denoise = noise.lay_out(work)
        with gr.Tab("JPEG", visible=steps.can("dejpeg")):
            dejpeg = jpeg.lay_out(work)
        with gr.Tab("Deblur", visible=steps.can("deblur")):
            deblur = blur.lay_out(work)
        with gr.Tab("Expand"):
            expand = border.lay_out(work)
        with gr.Tab("Filters"):
            filter = filters.lay_out(work)
    return [fill, denoise, dejpeg, deblur, expand, filter]


def build_page() -> gr.Blocks:
    """Lay out the page and wire its buttons."""
    with gr.Blocks(title="Restore a photograph", analytics_enabled=False, delete_cache=(DAY // 24, DAY), fill_width=True) as page:
        work = gr.State(None, time_to_live=DAY, delete_callback=base.forget)
        gr.HTML(HEADER, elem_id="header")
        photo = gr.File(show_label=False, label="Photograph", file_types=FILES, height=220, elem_id="photo")
        with gr.Row(visible=False) as workspace:
            with gr.Column(scale=7, min_width=320):
                views, editor, slider = lay_out_views()
            with gr.Column(scale=4, min_width=320):
                todo = lay_out_tabs(work, editor)
                said = gr.Markdown(elem_id="said", min_height=72, container=True)
                with gr.Column(visible=False, elem_id="after") as after:
                    download = gr.DownloadButton("Download in full quality", variant="primary", elem_id="download")
                    with gr.Row(elem_id="others"):
                        mask = gr.DownloadButton("Download the mask", size="sm", visible=False, elem_id="download-mask")
                        layer = gr.DownloadButton("Download as a layer", size="sm", visible=False, elem_id="download-layer")
                    proceed = gr.Button("Continue from this result", elem_id="continue")
                with gr.Row():  # each has its place: who presses Stop twice must not start over
                    again = gr.Button("Start over", size="sm", elem_id="again")
                    stop = gr.Button("Stop", variant="stop", size="sm", elem_id="stop")

        # The editor uploads its pictures each time that a status reaches it: no progress is shown on it.
        opened = [work, workspace, views, editor, slider, said, after, download]
        repaired = [work, views, slider, said, after, download, mask, layer]
        one: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "one at a time", "api_visibility": "private"}
        upload = photo.upload(open_photo, [photo, work], opened, show_progress_on=photo, **one)
        upload.failure(lambda: None, None, photo, api_visibility="private")
        openings = (
            upload,
            photo.clear(close_photo, work, opened, show_progress="hidden", **one),
            again.click(open_photo, [photo, work], opened, show_progress_on=said, **one),
            proceed.click(go_on, work, opened, show_progress_on=said, **one),
        )
        stop.click(halt, work, queue=False, api_visibility="private")
        for step in todo:
            step.button.click(step.call, step.inputs, repaired, show_progress_on=said, **one).success(None, js=look.TO_RESULT)
            for opening in openings if step.greet else ():
                opening.success(step.greet, [work, *step.greeted], [*step.greeted], show_progress="hidden", **one)
    return page


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
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port or 0), family=family).close()  # uvicorn would complain in words of its own
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
            theme=look.theme(),
            css=look.CSS,
            i18n=look.WORDS,
        )
    except OSError as error:
        raise OSError(f"port {port} on {host} is taken, or the address is not this computer's; expected another") from error
    return url
