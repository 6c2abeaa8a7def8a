"""Take the picture of the page that the README shows: a photograph with scratches is uploaded, painted, repaired and compared.

python scripts/screenshot.py -o docs/web.png

Needs chromium and playwright (extra `dev`). With `--all DIR`, each state of the page is kept there, at desktop and telephone width.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCRATCHES = [  # (x, y) in the photograph
    [(4, 95), (120, 118), (260, 104), (400, 131), (508, 112)],
    [(4, 262), (90, 247), (215, 266), (330, 238), (508, 270)],
    [(30, 440), (170, 402), (300, 415), (470, 360)],
]


def damaged() -> np.ndarray:
    """Scratch a photograph: (512, 512, 3) uint8."""
    photo = data.astronaut()
    for points in SCRATCHES:
        cv2.polylines(photo, [np.array(points)], False, (236, 230, 220), 3, cv2.LINE_AA)
    return photo


class Page:
    """The open page."""

    def __init__(self, page, keep: Path | None, name: str) -> None:
        self.page, self.keep, self.name, self.count = page, keep, name, 0
        page.set_default_timeout(180_000)

    def shot(self, path: Path | None = None) -> None:
        """Keep what the page shows."""
        if path or self.keep:
            self.page.screenshot(path=path or self.keep / f"{self.name}{self.count}.png")
            self.count += 1

    def upload(self, path: Path) -> None:
        """Choose a file, and wait until the editor has drawn it."""
        self.page.locator("#photo input[type=file]").set_input_files(path)
        self.page.locator("#editor canvas").first.wait_for()
        self.page.wait_for_timeout(10_000)

    def brush(self, points: list[tuple[int, int]], size: int) -> None:
        """Draw a stroke through points of a square photograph of `size` pixels, which lies in the middle of the canvas."""
        box = self.page.locator("#editor canvas").first.bounding_box()
        zoom = float(self.page.locator("#editor").get_by_text("%").first.inner_text().strip().rstrip("%")) / 100
        left, top = box["x"] + (box["width"] - size * zoom) / 2, box["y"] + (box["height"] - size * zoom) / 2
        places = [(left + x * zoom, top + y * zoom) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=2)
        self.page.mouse.up()

    def repair(self, method: str | None) -> None:
        """Press Repair, with another method than the default if one is named, and wait for the result."""
        if method:
            self.page.locator("#method input").click()
            self.page.get_by_role("option", name=method).click()
        self.page.locator("#repair").click()
        self.page.wait_for_timeout(1000)
        self.shot()
        self.page.locator("#said", has_text="Repaired").wait_for()
        self.page.locator("#slider img").first.wait_for()
        self.page.wait_for_timeout(3000)


def visit(page: Page, url: str, photo: Path, method: str | None) -> None:
    """Go through all states of the page up to the result."""
    page.page.goto(url)
    page.page.locator("#photo input[type=file]").wait_for(state="attached")
    page.page.wait_for_timeout(2000)
    page.shot()
    page.upload(photo)
    page.shot()
    for points in SCRATCHES:
        page.brush(points, 512)
    page.page.wait_for_timeout(2000)
    page.shot()
    page.repair(method)
    page.page.mouse.move(2, 2)
    page.shot()


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, help="PNG to write")
    parser.add_argument("--all", type=Path, help="folder for every state")
    parser.add_argument("--method", help="method of inpainting, as the page calls it")
    parser.add_argument("--photo", type=Path, help="another photograph, 512 x 512, for --all")
    options = parser.parse_args()
    if options.out and not options.out.parent.is_dir():
        parser.error(f"{options.out.parent} is no folder")
    from playwright.sync_api import sync_playwright

    os.environ["no_proxy"] = "127.0.0.1,localhost"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        os.environ["GRADIO_TEMP_DIR"] = folder
        import restore_web
        from restore_web.page import launch

        photo = options.photo or Path(folder) / "astronaut.png"
        if not options.photo:
            Image.fromarray(damaged()).save(photo)
        page = restore_web.build()
        url = launch(page, host="127.0.0.1", port=None, open_browser=False)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        sizes = {"desktop": {"viewport": {"width": 1240, "height": 880}}}
        if options.all:
            options.all.mkdir(parents=True, exist_ok=True)
            sizes["dark"] = sizes["desktop"] | {"color_scheme": "dark"}
            sizes["telephone"] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
        for name, context in sizes.items():
            view = Page(browser.new_context(**context).new_page(), options.all, name)
            visit(view, url, photo, options.method)
            if options.out and name == "desktop":
                view.shot(options.out)
                Image.open(options.out).convert("RGB").quantize(256).save(options.out, optimize=True)
                print(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB")
        browser.close()
        page.close(verbose=False)


if __name__ == "__main__":
    sys.exit(main())
