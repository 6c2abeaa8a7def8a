"""The web page of `restore`: upload, paint, repair, compare, download.

Importing it is cheap; `build` and `serve` import gradio and the networks.
"""

import os
import tempfile
import time
from typing import TYPE_CHECKING

from restore.signals import ended_by_signals

if TYPE_CHECKING:
    import gradio as gr

__all__ = ["build", "serve"]

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # gradio reads it when it is imported, and calls home without it


def build() -> "gr.Blocks":
    """Lay out the page. Nothing is served yet.

    Raises:
        WeightsError: The manifest of the weights cannot be read.
    """
    from restore_web.page import build_page

    return build_page()


def serve(*, host: str = "127.0.0.1", port: int = 7860, open_browser: bool = True) -> None:
    """Serve the page until it is interrupted, and delete then what was uploaded to it.

    Args:
        host: Address to bind: "127.0.0.1" for this computer only, "0.0.0.0" for all that can reach it.
        port: TCP port.
        open_browser: Open the page in the default browser.

    Raises:
        KeyboardInterrupt: Always in the end, by Ctrl-C or a signal that ends the process.
        OSError: The address cannot be bound.
        WeightsError: The manifest of the weights cannot be read.
    """
    from restore_web.page import launch

    no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = ",".join(filter(None, [no_proxy, "127.0.0.1", "localhost"]))  # gradio asks its own address whether it is up
    with tempfile.TemporaryDirectory(prefix="restore-web-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        page = build()
        with ended_by_signals():
            print(f"The page is at {launch(page, host=host, port=port, open_browser=open_browser)} and ends with Ctrl-C.", flush=True)
            try:
                wait()
            finally:
                page.close(verbose=False)


def wait() -> None:
    """Do nothing until there is a signal."""
    while True:
        time.sleep(1)
