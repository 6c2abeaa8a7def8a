"""The page without a browser: what its buttons do, and how it is served."""

import errno
import os
import signal
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
from PIL import Image
from restore_cli import main
from restore_web import base, steps
from restore_web.steps import Fill
from samples import hole, jpeg
from skimage import data

from restore import estimate, weights
from restore.image import Picture
from restore.restorer import Restorer

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # each gr.Blocks leaves an event loop open


@pytest.mark.parametrize(("label", "weight"), [("JPEG", "dejpeg"), ("Deblur", "deblur")])
@pytest.mark.parametrize("there", [True, False])
def test_a_repair_is_a_tab_where_its_weight_is_there(
    there: bool, label: str, weight: str, page_module, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {name: entry for name, entry in weights.entries().items() if name != weight}
    monkeypatch.setattr(weights, "entries", lambda: others | ({weight: None} if there else {}))
    found = {item.label: item.visible for item in restore_web.build().blocks.values() if isinstance(item, page_module.gr.Tab)}
    assert (found[label], found["Noise"]) == (there, True)


def fill(tabs, work: base.Work | None, how: Fill = Fill(method="telea"), **marks: object) -> tuple:  # noqa: B008  frozen
    """Press Repair."""
    return tabs.damage.remove_damage(work, marks, how, lambda fraction, desc: None)


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
    shown = tabs.damage.remove_damage(work, {"editor": {"layers": [layer]}}, Fill(method="telea"), move)
    assert len(moved) == 1
    assert said == [tabs.base.STOPPED]
    assert len(shown) == len(fill(tabs, work, editor={"layers": [layer]}))  # which is not stopped
    assert all(item == page_module.gr.skip() for item in shown)
    page_module.halt(None)


def test_what_was_measured_is_shown_and_set(tabs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = jpeg(tmp_path / "a.jpg", 20)
    work = base.open_work(path)
    box, slider = tabs.jpeg.measure_jpeg(work, True, 30)
    assert (box.info, slider.value) == ("This photograph: JPEG quality 20", 20)
    assert tabs.jpeg.measure_jpeg(work, False, 30)[1] == tabs.base.gr.skip()
    box, slider = tabs.noise.measure_noise(work, True, 15)
    assert (box.info, slider.value) == ("This photograph: no noise was found", 0)
    noisy = np.clip(np.random.default_rng(0).normal(data.astronaut()[:200, 150:370], 20), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "noisy.png")
    box, slider = tabs.noise.measure_noise(base.open_work(tmp_path / "noisy.png"), True, 15)
    level = estimate.noise_level(noisy)
    assert box.info == f"This photograph: {level:.1f} on the scale of 8 bits"
    assert slider.value == round(level, 1)
    with monkeypatch.context() as phone:
        phone.setattr(estimate, "has_camera_noise", lambda pixels, **options: True)
        assert tabs.noise.measure_noise(work, True, 15)[0].info == "This photograph: noise of a camera or of film"
    Image.fromarray(data.astronaut()[:200, 150:370]).save(tmp_path / "a.png")
    assert tabs.jpeg.measure_jpeg(base.open_work(tmp_path / "a.png"), True, 30)[0].info == "This photograph: no traces of JPEG"
    tifffile.imwrite(tmp_path / "b.tif", np.full((40, 40), np.nan, np.float32))
    for measure in (tabs.jpeg.measure_jpeg, tabs.noise.measure_noise):
        for file in (None, tmp_path / "b.tif"):
            assert measure(base.open_work(file) if file else None, True, 15)[0].info == ""


@pytest.mark.parametrize("effort", steps.EFFORTS)
def test_the_quality_that_was_chosen_does_it(effort: str, tabs, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def restorer(quality: str) -> SimpleNamespace:
        def step(name: str) -> Callable[..., Picture]:
            return lambda picture, *masks, **options: asked.append((name, quality)) or picture

        return SimpleNamespace(**{name: step(name) for name in ("denoise", "dejpeg", "deblur")})

    monkeypatch.setattr(steps, "restorer", restorer)
    work = base.open_work(photo)
    tabs.noise.remove_noise(work, False, 5, "auto", effort)
    tabs.jpeg.remove_jpeg(work, False, 50, effort)
    tabs.blur.remove_blur(work, False, 2, "auto", effort)
    assert asked == [(name, effort) for name in ("denoise", "dejpeg", "deblur")]


def test_holes_have_no_quality_to_choose() -> None:
    assert list(steps.efforts("inpaint")) == ["default"]


def test_warnings_reach_the_page(page_module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "print.jpg")
    said: list[str] = []
    monkeypatch.setattr(page_module.gr, "Warning", said.append)
    page_module.open_photo(str(tmp_path / "print.jpg"), None)
    assert len(said) == 1
    assert said[0].startswith("print.jpg: ")
    assert "CMYK" in said[0]


@pytest.mark.parametrize("place", ["up/01ab", "my uploads/01ab"])
def test_what_writing_says_names_no_folder_of_the_server(
    place: str, page_module, tabs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / place / "old scan.tif"
    path.parent.mkdir(parents=True)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(path.parents[1]))
    Image.fromarray(data.astronaut()[:60, :80]).save(path, compression="jpeg")
    said: list[str] = []
    monkeypatch.setattr(page_module.gr, "Warning", said.append)
    fill(tabs, base.open_work(path), colour="#000000")
    assert said == ["old scan-restored.tif: its lossy compression inside TIFF became deflate, which keeps the pixels exactly"]
    weight = weights.folder() / "weights.toml"

    def refuse(work: base.Work, move: object) -> base.Work:
        raise weights.WeightsError(f"{weight} is not a TOML file; it is {path.parent / 'tmp0_x1' / 'a b.png'}")

    with pytest.raises(tabs.base.gr.Error) as caught:
        tabs.base.carry_out(base.open_work(path), refuse, lambda fraction, desc: None, "Repairing")
    assert caught.value.message == "weights.toml is not a TOML file; it is a b.png"


def test_a_full_disk_is_one_line(tabs, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(dir: Path) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(dir / "tmp0"))

    layer = np.zeros((300, 451, 4), np.uint8)
    layer[40:50, 60:80] = 255
    work = base.open_work(photo)
    monkeypatch.setattr(base.tempfile, "mkdtemp", full)
    with pytest.raises(tabs.base.gr.Error) as caught:
        fill(tabs, work, editor={"layers": [layer]})
    assert caught.value.message == "tmp0: No space left on device"


def test_a_photograph_that_was_put_away_is_one_line(page_module, tabs) -> None:
    for call in (
        lambda: page_module.go_on(None),
        lambda: fill(tabs, None),
        lambda: tabs.noise.remove_noise(None, True, 15, "auto", "default"),
        lambda: tabs.jpeg.remove_jpeg(None, True, 30, "default"),
        lambda: tabs.blur.remove_blur(None, True, 1, "auto", "default"),
        lambda: tabs.border.expand(None, 1, 1, 1, 1),
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
    monkeypatch.setattr(restore_web, "wait", lambda: None)
    restore_web.serve(port=7861, open_browser=False)
    assert not folders[0].exists()
    assert os.environ["no_proxy"] == "example.org,127.0.0.1,localhost"
    assert capsys.readouterr().out == "The page is at http://127.0.0.1:7861/ and ends with Ctrl-C.\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_leave_nothing_behind(name: str, page_module, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []
    ending = getattr(signal, name)
    before = signal.getsignal(ending)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "to be restored")
    monkeypatch.setattr(page_module, "launch", lambda *_, **__: folders.append(Path(os.environ["GRADIO_TEMP_DIR"])))
    monkeypatch.setattr(restore_web, "wait", lambda: os.kill(os.getpid(), ending))
    with pytest.raises(KeyboardInterrupt):
        restore_web.serve(port=7861, open_browser=False)
    with pytest.raises(SystemExit) as stopped:
        main(["web", "--no-browser"])
    assert stopped.value.code == 128 + ending
    assert not any(folder.exists() for folder in folders)
    assert signal.getsignal(ending) is before


def test_a_taken_port_is_one_line(page_module) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} on 127.0.0.1 is taken"):
            page_module.launch(page_module.build_page(), host="127.0.0.1", port=port, open_browser=False)


def test_an_address_of_another_computer_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["web", "--host", "192.0.2.1", "--no-browser"])
    said = "the page cannot be served: port 7860 on 192.0.2.1 is taken, or the address is not this computer's; expected another"
    assert (stopped.value.code, capfd.readouterr().err) == (1, f"restore: {said}\n")
