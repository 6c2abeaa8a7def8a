"""The page without a browser: what its buttons do, and how it is served."""

import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import restore_web
import tifffile
from PIL import Image, ImageCms
from restore_web import base, steps
from restore_web.steps import Fill
from scipy import ndimage
from skimage import data

from restore import estimate, weights
from restore.image import Picture, read
from restore.restorer import Restorer
from restore.tasks import TASKS

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # each gr.Blocks leaves an event loop open


def hole(shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[40:60, 50:90] = True
    return mask


# ---- What the page does


def test_a_work_keeps_the_file_and_shows_a_proxy(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PROXY_SIDE", 100)
    work = base.open_work(photo)
    np.testing.assert_array_equal(work.picture.to_array(), tifffile.imread(photo))
    assert work.before.shape == (67, 100, 3)
    assert work.before.dtype == np.uint8
    assert work.said == "451 x 300 pixels, 16 bits, colour, transparency"


def test_a_proxy_is_what_a_viewer_shows() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for array in (levels, levels.astype(np.uint16) * 257, ramp):
        np.testing.assert_array_equal(base.proxy(Picture.from_array(array)), np.dstack([levels] * 3))


def test_a_proxy_of_floats_survives_what_no_screen_shows() -> None:
    array = np.array([[np.nan, -1.0, 0.5, 7.0]], np.float32)
    np.testing.assert_array_equal(base.proxy(Picture.from_array(array))[0, :, 0], [0, 0, 128, 255])


def test_a_proxy_lays_transparency_over_white() -> None:
    array = np.zeros((1, 3, 4), np.uint8)
    array[0, :, 3] = 0, 51, 255
    np.testing.assert_array_equal(base.proxy(Picture.from_array(array))[0, :, 0], [255, 204, 0])


def test_a_proxy_goes_through_the_profile_and_past_a_broken_one() -> None:
    pixels = data.astronaut()[:64, :64]
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()  # a profile, but none that RGB samples can have
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")  # red light where green is meant
    for icc in (b"no profile", lab, srgb):
        shown = base.proxy(Picture(pixels=pixels, icc=icc)).astype(int)
        assert np.abs(shown - pixels).max() <= 1
    reddish = np.zeros((4, 4, 3), np.uint8)
    reddish[..., 0] = 255
    assert base.proxy(Picture(pixels=reddish, icc=swapped))[0, 0].argmax() == 1


@pytest.mark.parametrize(("shape", "side"), [((40, 60), 30), ((60, 41), 30), ((7, 5), 30), ((1, 90), 30)])
def test_paint_covers_the_pixels_that_its_proxy_pixels_stand_for(
    shape: tuple[int, int], side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "PROXY_SIDE", side)
    height, width = base.proxy_shape(shape)
    layers = np.zeros((2, height, width, 4), np.uint8)
    layers[0, height // 2, :, 3] = 1
    layers[1, :, 0, 3] = 255
    seen = (layers[..., 3] > 0).any(0)
    rows = ((np.arange(shape[0]) + 0.5) * height / shape[0]).astype(int)  # the centre of each pixel, in the proxy
    columns = ((np.arange(shape[1]) + 0.5) * width / shape[1]).astype(int)
    np.testing.assert_array_equal(base.painted(list(layers), shape), seen[rows][:, columns])


def test_paint_of_another_size_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"is 800 x 800, not 30 x 20 pixels"):
        base.painted([np.zeros((800, 800, 4), np.uint8)], (20, 30))


def test_a_repair_is_saved_in_full_quality(photo: Path) -> None:
    work = base.open_work(photo)
    mask = hole(work.picture.shape)
    work = steps.remove_damage(work, mask, Fill(method="telea"), restorer=Restorer(device="cpu"))
    assert work.file is not None
    assert work.file.name == "cat-restored.tif"
    assert work.said.startswith(f"Repaired {800 / 451 / 300:.1%} of the photograph in ")
    assert work.said.endswith(" s. Method: Telea.")
    saved, original = read(work.file), read(photo)
    np.testing.assert_array_equal(saved.pixels[~mask], original.pixels[~mask])
    assert (saved.pixels[mask] != original.pixels[mask]).any(1).mean() > 0.99
    np.testing.assert_array_equal(saved.alpha, original.alpha)
    assert (saved.icc, saved.exif, saved.dpi) == (original.icc, original.exif, original.dpi)


def test_results_are_forgotten_when_the_next_one_comes(photo: Path) -> None:
    restorer = Restorer(device="cpu")
    first = steps.remove_damage(base.open_work(photo), hole((300, 451)), Fill(method="ns"), restorer=restorer)
    second = steps.remove_damage(first, hole((300, 451)), Fill(method="telea"), restorer=restorer)
    assert not first.file.exists()
    assert second.file.exists()
    third = base.go_on(second)
    assert (third.picture, third.result, third.file) == (second.result, None, None)
    assert sorted(photo.parent.iterdir()) == [photo]
    assert third.said == base.NEXT
    assert base.go_on(third) is third


def test_nothing_painted_is_an_error(photo: Path) -> None:
    with pytest.raises(ValueError, match="Nothing is painted yet"):
        steps.remove_damage(base.open_work(photo), np.zeros((300, 451), bool), Fill(method="telea"), restorer=Restorer(device="cpu"))


@pytest.mark.parametrize(("name", "format", "saved"), [("a.JPG", "JPEG", "a-restored.JPG"), ("b.jpg", "PNG", "b-restored.png")])
def test_the_format_is_that_of_the_content(name: str, format: str, saved: str, tmp_path: Path) -> None:
    Image.fromarray(data.astronaut()[:80, :100]).save(tmp_path / name, format)
    work = steps.remove_damage(base.open_work(tmp_path / name), hole((80, 100)), Fill(method="telea"), restorer=Restorer(device="cpu"))
    assert work.file.name == saved
    assert read(work.file).format == format


@pytest.mark.parametrize("sigma", [None, 12.0])
def test_noise_is_measured_unless_it_is_given(sigma: float | None, photo: Path) -> None:
    work, asked = base.open_work(photo), []

    def denoise(picture: Picture, *, sigma: float, progress: object) -> Picture:
        asked.append(sigma)
        return picture

    work = steps.remove_noise(work, restorer=SimpleNamespace(denoise=denoise), sigma=sigma)
    level = estimate.noise_level(work.picture.pixels) if sigma is None else sigma
    assert asked == [level]
    assert work.said.startswith(f"Removed noise of level {level:.1f}{' (measured)' if sigma is None else ''} in ")


def jpeg(path: Path, quality: int) -> Path:
    Image.fromarray(data.astronaut()[:200, 150:370]).save(path, quality=quality)
    return path


@pytest.mark.parametrize(("quality", "asked", "said"), [(None, "auto", "quality 20 (measured), in "), (7, 7, "quality 7, in ")])
def test_traces_of_jpeg_are_measured_unless_they_are_given(quality: int | None, asked: object, said: str, tmp_path: Path) -> None:
    work, seen = base.open_work(jpeg(tmp_path / "a.jpg", 20)), []

    def dejpeg(picture: Picture, *, jpeg_quality: object, progress: object) -> Picture:
        seen.append(jpeg_quality)
        return picture

    work = steps.remove_jpeg(work, restorer=SimpleNamespace(dejpeg=dejpeg), jpeg_quality=quality)
    assert seen == [asked]
    assert work.said.startswith(f"Removed traces of JPEG, {said}")


def test_no_traces_of_jpeg_are_said(tmp_path: Path) -> None:
    Image.fromarray(data.astronaut()[:200, 150:370]).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="shows no traces of JPEG. Clean it all the same: take the tick off “As strong as needed”"):
        steps.remove_jpeg(base.open_work(tmp_path / "a.png"), restorer=SimpleNamespace(), jpeg_quality=None)
    with pytest.raises(ValueError, match="is of JPEG quality 95: there is nothing to gain. Clean it all the same: take the tick off"):
        steps.remove_jpeg(base.open_work(jpeg(tmp_path / "a.jpg", 95)), restorer=SimpleNamespace(), jpeg_quality=None)


@pytest.mark.parametrize(("label", "weight"), [("JPEG", "dejpeg"), ("Deblur", "deblur")])
@pytest.mark.parametrize("there", [True, False])
def test_a_repair_is_a_tab_where_its_weight_is_there(
    there: bool, label: str, weight: str, page_module, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {name: entry for name, entry in weights.entries().items() if name != weight}
    monkeypatch.setattr(weights, "entries", lambda: others | ({weight: None} if there else {}))
    found = {item.label: item.visible for item in restore_web.build().blocks.values() if isinstance(item, page_module.gr.Tab)}
    assert (found[label], found["Noise"]) == (there, True)


@pytest.mark.parametrize("there", [True, False])
def test_the_network_is_offered_first_where_its_weight_is_there(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "entries", lambda: {TASKS["inpaint"].weight: None} if there else {})
    assert list(steps.offered()) == ["learned"] * there + ["telea", "ns", "biharmonic"]


@pytest.mark.parametrize(("width", "said"), [(None, "Sharpened in "), (1.5, "Sharpened, blur of 1.5 pixels, in ")])
def test_blur_is_unknown_unless_it_is_given(width: float | None, said: str, photo: Path) -> None:
    asked = []

    def deblur(picture: Picture, *, width: float | None, progress: object) -> Picture:
        asked.append(width)
        return picture

    work = steps.remove_blur(base.open_work(photo), restorer=SimpleNamespace(deblur=deblur), width=width)
    assert asked == [width]
    assert work.said.startswith(said)


def test_a_quality_is_offered_where_it_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "denoise", dataclasses.replace(TASKS["denoise"], fast="quick", ensemble=True))
    monkeypatch.setitem(TASKS, "inpaint", dataclasses.replace(TASKS["inpaint"], fast="", ensemble=False))
    monkeypatch.setattr(weights, "entries", lambda: {"quick": None})
    assert list(steps.efforts("denoise")) == ["fast", "default", "best"]
    assert list(steps.efforts("inpaint")) == ["default"]
    monkeypatch.setattr(weights, "entries", dict)
    assert list(steps.efforts("denoise")) == ["default", "best"]


def test_each_quality_has_one_restorer() -> None:
    assert [steps.restorer(quality).quality for quality in steps.EFFORTS] == list(steps.EFFORTS)
    assert steps.restorer("best") is steps.restorer("best")


@pytest.mark.parametrize(("grow", "feather"), [(0, 0), (3, 0), (2, 4)])
def test_a_repair_comes_with_its_mask_and_as_a_layer(grow: int, feather: int, photo: Path) -> None:
    mask, how = hole((300, 451)), Fill(method="telea", grow=grow, feather=feather)
    work = steps.remove_damage(base.open_work(photo), mask, how, restorer=Restorer(device="cpu"))
    assert (work.mask.name, work.layer.name) == ("cat-mask.png", "cat-layer.png")
    covered = ndimage.distance_transform_edt(ndimage.distance_transform_edt(~mask) > grow) < (feather + 1 if feather else 1)
    np.testing.assert_array_equal(np.asarray(Image.open(work.mask)) == 255, covered)
    layer, original = read(work.layer), read(photo)
    np.testing.assert_array_equal(layer.alpha, covered * np.uint16(65535))
    np.testing.assert_array_equal(np.where(covered[..., None], layer.pixels, original.pixels), read(work.file).pixels)


def test_the_layer_of_floats_holds_floats(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", data.astronaut()[:40, :60] / np.float32(255), photometric="rgb")
    mask = np.eye(40, 60, dtype=bool)
    work = steps.remove_damage(base.open_work(tmp_path / "a.tif"), mask, Fill(method="telea"), restorer=Restorer(device="cpu"))
    np.testing.assert_array_equal(read(work.layer).pixels[mask], work.result.pixels[mask])


def test_a_larger_canvas(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PROXY_SIDE", 200)
    work = steps.expand(base.open_work(photo), (10, 20, 30, 0), Fill(method="telea"), restorer=Restorer(device="cpu"))
    assert work.said.startswith("Expanded to 491 x 320 pixels in ")
    np.testing.assert_array_equal(read(work.file).pixels[20:, 10:461], read(photo).pixels)
    assert work.mask is None
    shown = base.proxy(work.result)
    assert work.beside.shape == shown.shape
    height, width = (round(side * 200 / 491) for side in (20, 10))
    assert (work.beside[: height - 1] == 255).all()
    assert (work.beside[:, : width - 1] == 255).all()
    inside = np.s_[height + 2 : -2, width + 2 : -15]
    assert np.abs(work.beside[inside].astype(int) - shown[inside]).mean() < 6  # the photograph lies where it is in the result
    assert base.go_on(work).before is work.beside


def test_no_margin_is_an_error(photo: Path) -> None:
    with pytest.raises(ValueError, match="No side is to grow yet"):
        steps.expand(base.open_work(photo), (0, 0, 0, 0), Fill(method="telea"), restorer=Restorer(device="cpu"))


# ---- What the buttons do


def fill(tabs, work: base.Work | None, how: Fill = Fill(method="telea"), **marks: object) -> tuple:  # noqa: B008  frozen
    """Press Repair."""
    return tabs.damage.remove_damage(work, marks, how, "default", lambda fraction, desc: None)


def test_a_bad_file_is_one_line_without_the_server_path(page_module, tmp_path: Path) -> None:
    path = tmp_path / "<b>note.png"
    path.write_text("no picture")
    with pytest.raises(page_module.gr.Error) as caught:
        page_module.open_photo(str(path), None)
    assert caught.value.message.startswith("&lt;b&gt;note.png: is not a picture")
    assert "\n" not in caught.value.message
    assert not caught.value.print_exception


def test_a_mask_file_joins_what_is_painted(tabs, photo: Path) -> None:
    work = base.open_work(photo)
    mask = np.zeros((300, 451), np.uint8)
    mask[200:210, 10:50] = 255
    Image.fromarray(mask).save(photo.parent / "mask.png")
    layer = np.zeros((300, 451, 4), np.uint8)
    layer[hole((300, 451)), 3] = 255
    shown = fill(tabs, work, editor={"layers": [layer]}, file=str(photo.parent / "mask.png"))
    changed = (shown[0].result.pixels != work.picture.pixels).any(2)
    assert not changed[(mask == 0) & (layer[..., 3] == 0)].any()
    assert changed[(mask > 0) | (layer[..., 3] > 0)].mean() > 0.99


def test_a_mask_of_another_size_names_both(tabs, photo: Path) -> None:
    Image.new("L", (20, 10), 255).save(photo.parent / "mask.png")
    with pytest.raises(tabs.base.gr.Error) as caught:
        fill(tabs, base.open_work(photo), file=str(photo.parent / "mask.png"))
    assert caught.value.message == "mask.png is 20x10 pixels, the photograph 451x300 (width x height)"


def test_a_painted_colour_marks_damage(tabs, tmp_path: Path) -> None:
    pixels = data.astronaut()[:60, :80].copy()
    pixels[20:24, 10:50] = 0, 200, 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    work = base.open_work(tmp_path / "a.png")
    changed = (fill(tabs, work, colour="rgba(0, 199.9, 255, 1)")[0].result.pixels != pixels).any(2)
    assert changed[20:24, 10:50].all()
    near = np.zeros((60, 80), bool)
    near[17:27, 7:53] = True
    assert not changed[~near].any()
    with pytest.raises(tabs.base.gr.Error, match="the colour is &#x27;red&#x27;; expected #"):
        fill(tabs, work, colour="red")


def test_stop_leaves_the_photograph_as_it_was(page_module, tabs, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(page_module.gr, "Info", said.append)
    work, moved = base.open_work(photo), []

    def move(fraction: float, desc: str) -> None:
        moved.append(fraction)
        page_module.halt(work)

    layer = np.zeros((300, 451, 4), np.uint8)
    layer[[30, 250], 40:60, 3] = 255
    shown = tabs.damage.remove_damage(work, {"editor": {"layers": [layer]}}, Fill(method="telea"), "default", move)
    assert len(moved) == 1
    assert said == [tabs.base.STOPPED]
    assert len(shown) == len(fill(tabs, work, editor={"layers": [layer]}))  # which is not stopped
    assert all(item == page_module.gr.skip() for item in shown)
    page_module.halt(None)


def test_what_was_measured_is_shown_and_set(tabs, tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.jpg", 20)
    work = base.open_work(path)
    box, slider = tabs.jpeg.measure_jpeg(work)
    assert (box.value, box.info, slider.value) == (True, "This photograph: JPEG quality 20", 20)
    box, slider = tabs.noise.measure_noise(work)
    level = estimate.noise_level(work.picture.pixels)
    assert (box.value, box.info) == (True, f"This photograph: {level:.1f} on the scale of 8 bits")
    assert slider.value == round(level, 1)
    Image.fromarray(data.astronaut()[:200, 150:370]).save(tmp_path / "a.png")
    assert tabs.jpeg.measure_jpeg(base.open_work(tmp_path / "a.png"))[0].info == "This photograph: no traces of JPEG"
    tifffile.imwrite(tmp_path / "b.tif", np.full((40, 40), np.nan, np.float32))
    for measure, file in ((tabs.jpeg.measure_jpeg, None), (tabs.noise.measure_noise, None), (tabs.noise.measure_noise, tmp_path / "b.tif")):
        assert measure(base.open_work(file) if file else None)[0].info == ""


@pytest.mark.parametrize("effort", steps.EFFORTS)
def test_the_quality_that_was_chosen_does_it(effort: str, tabs, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def restorer(quality: str) -> SimpleNamespace:
        def step(name: str) -> Callable[..., Picture]:
            return lambda picture, *masks, **options: asked.append((name, quality)) or picture

        return SimpleNamespace(**{name: step(name) for name in ("denoise", "dejpeg", "deblur", "expand")})

    monkeypatch.setattr(steps, "restorer", restorer)
    work = base.open_work(photo)
    tabs.noise.remove_noise(work, False, 5, effort)
    tabs.jpeg.remove_jpeg(work, False, 50, effort)
    tabs.blur.remove_blur(work, False, 2, effort)
    tabs.border.expand(work, 0, 0, 5, 0, effort)
    assert asked == [(name, effort) for name in ("denoise", "dejpeg", "deblur", "expand")]


def test_warnings_reach_the_page(page_module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "print.jpg")
    said: list[str] = []
    monkeypatch.setattr(page_module.gr, "Warning", said.append)
    page_module.open_photo(str(tmp_path / "print.jpg"), None)
    assert len(said) == 1
    assert said[0].startswith("print.jpg: ")
    assert "CMYK" in said[0]


def test_a_photograph_that_was_put_away_is_one_line(page_module, tabs) -> None:
    for call in (
        lambda: page_module.go_on(None),
        lambda: fill(tabs, None),
        lambda: tabs.noise.remove_noise(None, True, 15, "default"),
        lambda: tabs.jpeg.remove_jpeg(None, True, 30, "default"),
        lambda: tabs.blur.remove_blur(None, True, 1, "default"),
        lambda: tabs.border.expand(None, 1, 1, 1, 1, "default"),
        lambda: tabs.filters.filter_all(None, "gaussian", {"patch": None}, print),
        lambda: page_module.open_photo(None, None),
    ):
        with pytest.raises(tabs.base.gr.Error, match=r"choose it again|No photograph"):
            call()


def test_closing_deletes_the_result(page_module, photo: Path) -> None:
    work = steps.remove_damage(base.open_work(photo), hole((300, 451)), Fill(method="telea"), restorer=Restorer(device="cpu"))
    assert page_module.close_photo(work)[0] is None
    assert sorted(photo.parent.iterdir()) == [photo]


def test_heavy_work_waits_in_one_line_and_no_button_is_an_open_endpoint(page_module) -> None:
    heavy = {"open_photo", "close_photo", "go_on", "fill_photo", "remove_noise", "remove_jpeg", "remove_blur", "expand", "filter_photo"}
    events = [event for event in restore_web.build().fns.values() if event.fn is not None]
    assert heavy <= {event.fn.__name__ for event in events}
    assert {(event.concurrency_id, event.concurrency_limit) for event in events if event.fn.__name__ in heavy} == {("one at a time", 1)}
    assert {event.api_visibility for event in events} == {"private"}


# ---- Serving


def test_building_imports_no_albumentations_and_asks_no_other_host() -> None:
    script = """
import sys
asked = []
sys.addaudithook(lambda event, args: asked.append((event, args)) if event in ("socket.getaddrinfo", "socket.connect") else None)
import restore_web
assert "gradio" not in sys.modules and "torch" not in sys.modules
restore_web.build()
assert "gradio" in sys.modules and "albumentations" not in sys.modules
assert not asked, asked
"""
    environment = {key: value for key, value in os.environ.items() if key != "GRADIO_ANALYTICS_ENABLED"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_serving_leaves_nothing_behind(page_module, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folders: list[Path] = []

    def launch(page: object, *, host: str, port: int, open_browser: bool) -> str:
        folders.append(Path(os.environ["GRADIO_TEMP_DIR"]))
        (folders[0] / "upload.png").touch()
        assert (host, port, open_browser) == ("127.0.0.1", 7861, False)
        return "http://127.0.0.1:7861/"

    monkeypatch.setenv("GRADIO_TEMP_DIR", "to be restored")
    monkeypatch.setenv("no_proxy", "example.org")
    monkeypatch.setattr(page_module, "launch", launch)
    monkeypatch.setattr(page_module.gr.Blocks, "block_thread", lambda self: None)
    restore_web.serve(port=7861, open_browser=False)
    assert not folders[0].exists()
    assert os.environ["no_proxy"] == "example.org,127.0.0.1,localhost"
    assert capsys.readouterr().out == "The page is at http://127.0.0.1:7861/ and ends with Ctrl-C.\n"


def test_a_taken_port_is_one_line(page_module) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} on 127.0.0.1 is taken"):
            page_module.launch(page_module.build_page(), host="127.0.0.1", port=port, open_browser=False)
