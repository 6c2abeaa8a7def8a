"""The whole page in a headless browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from restore_web import base, steps
from samples import jpeg
from visit import CHROMIUM, FLAGS, Visit, is_drawn, with_browser

from restore import estimate
from restore.filters import FILTERS
from restore.image import Picture, read
from restore.restorer import Restorer

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # each gr.Blocks leaves an event loop open


@pytest.fixture
def served(page_module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setattr(base, "PROXY_SIDE", 300)
    page = page_module.build_page()
    yield page_module.launch(page, host="127.0.0.1", port=None, open_browser=False)
    page.close(verbose=False)


@pytest.fixture
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@with_browser
def test_paint_repair_continue_download(served: str, browser, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks: list[np.ndarray] = []
    inpaint = Restorer.inpaint

    def watched(self: Restorer, image: Picture, mask: np.ndarray, **options: object) -> Picture:
        masks.append(mask)
        return inpaint(self, image, mask, **options)

    monkeypatch.setattr(Restorer, "inpaint", watched)
    visit = Visit(browser, served, viewport={"width": 800, "height": 600})
    visit.upload(photo)
    clean = visit.wait_until(is_drawn)
    visit.page.locator("#method input").click()
    visit.page.get_by_role("option", name="Telea").click()
    visit.brush([(60, 50), (200, 50), (220, 150)], (300, 200))
    paint = np.abs(visit.canvas() - clean).mean()
    first = read(visit.repair())

    original = read(photo)
    canvas = Image.new("L", (300, 200))
    ImageDraw.Draw(canvas).line([(60, 50), (200, 50), (220, 150)], 255, 8, "curve")
    expected = np.asarray(canvas.resize((451, 300))) > 127
    assert (masks[0] & expected).sum() / (masks[0] | expected).sum() > 0.7  # the stroke lies where it was painted
    changed = (first.pixels != original.pixels).any(2)
    assert not changed[~masks[0]].any()
    assert changed[masks[0]].mean() > 0.99
    np.testing.assert_array_equal(first.alpha, original.alpha)
    assert (first.dtype, first.icc, first.exif, first.dpi) == (original.dtype, original.icc, original.exif, original.dpi)

    visit.page.locator("#continue").click()
    visit.page.locator("#said", has_text=base.NEXT).wait_for()
    visit.wait_until(lambda shot: shot.shape == clean.shape and np.abs(shot - clean).mean() < paint / 2)  # no paint left
    visit.brush([(40, 170), (120, 180)], (300, 200))
    second = read(visit.repair())
    assert not (masks[1] & masks[0]).any()
    changed = (second.pixels != first.pixels).any(2)
    assert not changed[~masks[1]].any()
    assert changed[masks[1]].mean() > 0.99
    assert not visit.wrong


@with_browser
def test_a_telephone_fits_and_a_bad_file_is_refused(served: str, browser, photo: Path, tmp_path: Path) -> None:
    visit = Visit(browser, served, viewport={"width": 360, "height": 640}, is_mobile=True, has_touch=True)
    (tmp_path / "bad.jpg").write_text("no picture")
    visit.upload(tmp_path / "bad.jpg")
    toast = visit.page.get_by_test_id("toast-body")
    toast.wait_for()
    assert "bad.jpg: is not a picture, or of an unknown format" in toast.inner_text()
    assert str(tmp_path) not in toast.inner_text()
    assert "Traceback" not in visit.page.content()
    visit.page.get_by_text("Click to choose one").first.wait_for()
    visit.upload(photo)
    visit.wait_until(is_drawn)
    for selector in ("#editor canvas", "#editor", "#repair"):
        box = visit.page.locator(selector).first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not visit.wrong


@with_browser
def test_traces_of_jpeg_are_removed(page_module, tiny_weights: Path, browser, request, tmp_path: Path, monkeypatch) -> None:
    restorer = Restorer(device="cpu", runtime="torch")
    monkeypatch.setattr(steps, "restorer", lambda quality: restorer)
    path = jpeg(tmp_path / "cat.jpg", 20)
    visit = Visit(browser, request.getfixturevalue("served"), viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    visit.upload(path)
    visit.page.locator("#editor canvas").first.wait_for()
    visit.choose("JPEG")
    slider = visit.page.get_by_label("number input for JPEG quality")
    assert not slider.is_visible()
    visit.page.get_by_label(steps.MEASURE_JPEG).uncheck()
    slider.wait_for()
    slider.fill("12")
    visit.page.get_by_role("button", name="Remove JPEG traces").click()
    visit.page.locator("#said", has_text="Removed traces of JPEG, quality 12, in").wait_for()
    visit.page.locator("#slider img").first.wait_for()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    with visit.page.expect_download() as download:
        visit.page.locator("#download").click()
    written, expected = read(download.value.path()), restorer.dejpeg(read(path), jpeg_quality=12)
    assert estimate.jpeg_quality(written) == 95
    assert np.abs(written.pixels.astype(int) - expected.pixels).mean() < 4
    assert not visit.wrong


@with_browser
def test_a_filter_is_chosen_refused_and_applied(served: str, browser, photo: Path) -> None:
    visit = Visit(browser, served, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    visit.upload(photo)
    visit.page.locator("#editor canvas").first.wait_for()
    visit.choose("Filters")
    for name in ("custom", "opening"):
        visit.page.locator("#filter input").click()
        visit.page.locator("#filter input").fill(name)
        visit.page.get_by_role("option", name=name).click()
        visit.page.locator("#summary", has_text=FILTERS[name].summary).wait_for()
    size, options = visit.page.locator("#options").get_by_label("size"), visit.page.locator("#options")
    assert (size.input_value(), options.get_by_label("shape").input_value(), options.locator("textarea").count()) == ("3", "square", 0)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    size.fill("4")
    visit.page.locator("#run-filter").click()
    visit.page.get_by_test_id("toast-body").get_by_text("size is 4; expected an odd number of pixels, 1 or more").wait_for()
    size.fill("7")
    visit.page.locator("#run-filter").click()
    visit.page.locator("#said", has_text="opening (size 7, shape square, border reflect)").wait_for()
    visit.page.locator("#slider img").first.wait_for()
    with visit.page.expect_download() as download:
        visit.page.locator("#download").click()
    assert download.value.suggested_filename == "cat-restored.tif"
    np.testing.assert_array_equal(read(download.value.path()).pixels, FILTERS["opening"].array(read(photo).pixels, size=7))
    assert not visit.wrong
