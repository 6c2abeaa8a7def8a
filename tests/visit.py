"""The page in a headless browser: open it, upload, paint, repair, download."""

import importlib.util
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 180_000  # milliseconds: without a graphics card the editor draws about one frame a second on a busy core
with_browser = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None, reason="needs chromium and playwright to drive the page"
)


def is_drawn(shot: np.ndarray) -> bool:
    """Whether the middle of a canvas shows more than one colour."""
    height, width = shot.shape[:2]
    return shot[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20].std() > 5


class Visit:
    """One open page, and what it did that it should not do."""

    def __init__(self, browser, url: str, **context: object) -> None:
        self.page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(PATIENCE)
        self.wrong: list[str] = []
        self.page.on("request", lambda request: request.url.startswith((url, "data:", "blob:")) or self.wrong.append(request.url))
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.goto(url)

    def upload(self, path: Path) -> None:
        self.page.locator("#photo input[type=file]").set_input_files(path)

    def choose(self, tab: str) -> None:
        """Choose what is done to the photograph; a tab that has no room is in a menu."""
        self.page.locator("#steps [role=tab]").first.wait_for()
        if not self.page.locator("#steps").get_by_role("tab", name=tab, exact=True).is_visible():
            self.page.locator("#steps .overflow-menu > button").click()
            self.page.locator("#steps .overflow-dropdown button", has_text=tab).click()
        else:
            self.page.locator("#steps").get_by_role("tab", name=tab, exact=True).click()

    def canvas(self) -> np.ndarray:
        """What the editor shows, (h, w, 3)."""
        shot = self.page.locator("#editor canvas").first.screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)

    def wait_until(self, drawn: Callable[[np.ndarray], bool]) -> np.ndarray:
        """Wait for the canvas to show something three times in a row: it is drawn some time after it is there, and nothing else tells."""
        self.page.locator("#editor canvas").first.wait_for()
        times = 0
        for _ in range(120):
            shot = self.canvas()
            times = times + 1 if drawn(shot) else 0
            if times == 3:
                return shot
            self.page.wait_for_timeout(500)
        raise AssertionError("the editor does not show what it should")

    def brush(self, points: list[tuple[float, float]], size: tuple[int, int]) -> None:
        """Draw a stroke through points (x, y) of the proxy, which lies in the middle of the canvas."""
        box = self.page.locator("#editor canvas").first.bounding_box()
        zoom = float(self.page.locator("#editor").get_by_text("%").first.inner_text().strip().rstrip("%")) / 100
        left, top = box["x"] + (box["width"] - size[0] * zoom) / 2, box["y"] + (box["height"] - size[1] * zoom) / 2
        (x, y), *others = [(left + x * zoom, top + y * zoom) for x, y in points]
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for x, y in others:
            self.page.mouse.move(x, y, steps=2)
        self.page.mouse.up()

    def repair(self) -> Path:
        """Press Repair, and download the result."""
        self.page.get_by_role("button", name="Repair", exact=True).click()
        self.page.locator("#said", has_text="Repaired").wait_for()
        self.page.locator("#slider img").first.wait_for()
        with self.page.expect_download() as download:
            self.page.locator("#download").click()
        assert download.value.suggested_filename == "cat-restored.tif"
        return download.value.path()
