"""The page: what its buttons do, and the whole of it in a headless browser."""

import gc
import importlib.util
import io
import os
import shutil
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import restore_web
import tifffile
from PIL import Image, ImageCms, ImageDraw
from restore_web import base
from skimage import data

from restore import estimate, weights
from restore.filters import FILTERS, classic
from restore.image import Picture, read, write
from restore.networks.filtering import OPERATORS
from restore.restorer import Restorer
from restore.tasks import TASKS

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


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # each gr.Blocks leaves an event loop open


@pytest.fixture(scope="module")
def page_module():
    """The module with gradio in it."""
    restore_web.build()
    yield sys.modules["restore_web.page"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A 16-bit TIFF with a profile, EXIF and alpha; its low bytes are not zero."""
    pixels = data.chelsea().astype(np.uint16) * 257
    pixels ^= np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint16)
    alpha = np.full(pixels.shape[:2], 60001, np.uint16)
    path = tmp_path / "cat.tif"
    with io.BytesIO() as camera:
        exif = Image.Exif()
        exif[0x010F] = "Camera"
        Image.new("RGB", (1, 1)).save(camera, "JPEG", exif=exif)
        metadata = read(camera.getvalue()).exif
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write(Picture(pixels=pixels, alpha=alpha, icc=profile, exif=metadata, dpi=(300, 300)), path)
    return path


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
    work = base.remove_damage(work, mask, restorer=Restorer(device="cpu"), method="telea")
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
    first = base.remove_damage(base.open_work(photo), hole((300, 451)), restorer=restorer, method="ns")
    second = base.remove_damage(first, hole((300, 451)), restorer=restorer, method="telea")
    assert not first.file.exists()
    assert second.file.exists()
    third = base.go_on(second)
    assert (third.picture, third.result, third.file) == (second.result, None, None)
    assert sorted(photo.parent.iterdir()) == [photo]
    assert third.said == base.NEXT
    assert base.go_on(third) is third


def test_nothing_painted_is_an_error(photo: Path) -> None:
    with pytest.raises(ValueError, match="Nothing is painted yet"):
        base.remove_damage(base.open_work(photo), np.zeros((300, 451), bool), restorer=Restorer(device="cpu"), method="telea")


@pytest.mark.parametrize(("name", "format", "saved"), [("a.JPG", "JPEG", "a-restored.JPG"), ("b.jpg", "PNG", "b-restored.png")])
def test_the_format_is_that_of_the_content(name: str, format: str, saved: str, tmp_path: Path) -> None:
    Image.fromarray(data.astronaut()[:80, :100]).save(tmp_path / name, format)
    work = base.remove_damage(base.open_work(tmp_path / name), hole((80, 100)), restorer=Restorer(device="cpu"), method="telea")
    assert work.file.name == saved
    assert read(work.file).format == format


@pytest.mark.parametrize("sigma", [None, 12.0])
def test_noise_is_measured_unless_it_is_given(sigma: float | None, photo: Path) -> None:
    work, asked = base.open_work(photo), []

    def denoise(picture: Picture, *, sigma: float, progress: object) -> Picture:
        asked.append(sigma)
        return picture

    work = base.remove_noise(work, restorer=SimpleNamespace(denoise=denoise), sigma=sigma)
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

    work = base.remove_jpeg(work, restorer=SimpleNamespace(dejpeg=dejpeg), jpeg_quality=quality)
    assert seen == [asked]
    assert work.said.startswith(f"Removed traces of JPEG, {said}")


def test_no_traces_of_jpeg_are_said(tmp_path: Path) -> None:
    Image.fromarray(data.astronaut()[:200, 150:370]).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="shows no traces of JPEG. Clean it all the same: take the tick off “As strong as needed”"):
        base.remove_jpeg(base.open_work(tmp_path / "a.png"), restorer=SimpleNamespace(), jpeg_quality=None)
    with pytest.raises(ValueError, match="is of JPEG quality 95: there is nothing to gain. Clean it all the same: take the tick off"):
        base.remove_jpeg(base.open_work(jpeg(tmp_path / "a.jpg", 95)), restorer=SimpleNamespace(), jpeg_quality=None)


@pytest.mark.parametrize("there", [True, False])
def test_traces_of_jpeg_are_a_tab_where_the_weight_is_there(there: bool, page_module, tiny_weights: Path) -> None:
    if not there:
        manifest = tiny_weights / "weights.toml"
        manifest.write_text(manifest.read_text("utf-8").replace("[dejpeg]", "[mine]"), "utf-8")
    tabs = {item.label: item.visible for item in restore_web.build().blocks.values() if isinstance(item, page_module.gr.Tab)}
    assert (tabs["JPEG"], tabs["Noise"]) == (there, True)


@pytest.mark.parametrize("there", [True, False])
def test_the_network_is_offered_first_where_its_weight_is_there(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "entries", lambda: {TASKS["inpaint"].weight: None} if there else {})
    assert list(base.offered()) == ["learned"] * there + ["telea", "ns", "biharmonic"]


# ---- What the buttons do


def test_a_bad_file_is_one_line_without_the_server_path(page_module, tmp_path: Path) -> None:
    path = tmp_path / "<b>note.png"
    path.write_text("no picture")
    with pytest.raises(page_module.gr.Error) as caught:
        page_module.open_photo(str(path), None)
    assert caught.value.message.startswith("&lt;b&gt;note.png: is not a picture")
    assert "\n" not in caught.value.message
    assert not caught.value.print_exception


def test_a_mask_file_joins_what_is_painted(page_module, photo: Path) -> None:
    work = base.open_work(photo)
    mask = np.zeros((300, 451), np.uint8)
    mask[200:210, 10:50] = 255
    Image.fromarray(mask).save(photo.parent / "mask.png")
    layer = np.zeros((300, 451, 4), np.uint8)
    layer[hole((300, 451)), 3] = 255
    shown = page_module.remove_damage(work, {"layers": [layer]}, str(photo.parent / "mask.png"), "telea")
    changed = (shown[0].result.pixels != work.picture.pixels).any(2)
    assert not changed[(mask == 0) & (layer[..., 3] == 0)].any()
    assert changed[(mask > 0) | (layer[..., 3] > 0)].mean() > 0.99


def test_a_mask_of_another_size_names_both(page_module, photo: Path) -> None:
    Image.new("L", (20, 10), 255).save(photo.parent / "mask.png")
    with pytest.raises(page_module.gr.Error) as caught:
        page_module.remove_damage(base.open_work(photo), None, str(photo.parent / "mask.png"), "telea")
    assert caught.value.message == "mask.png is 20x10 pixels, the photograph 451x300 (width x height)"


def test_warnings_reach_the_page(page_module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "print.jpg")
    said: list[str] = []
    monkeypatch.setattr(page_module.gr, "Warning", said.append)
    page_module.open_photo(str(tmp_path / "print.jpg"), None)
    assert len(said) == 1
    assert said[0].startswith("print.jpg: ")
    assert "CMYK" in said[0]


def test_a_photograph_that_was_put_away_is_one_line(page_module) -> None:
    for call in (
        lambda: page_module.go_on(None),
        lambda: page_module.remove_damage(None, None, None, "telea"),
        lambda: page_module.remove_noise(None, True, 15),
        lambda: page_module.remove_jpeg(None, True, 30),
        lambda: page_module.filter_all(None, "gaussian", filled(page_module, "gaussian"), print),
        lambda: page_module.open_photo(None, None),
    ):
        with pytest.raises(page_module.gr.Error, match=r"choose it again|No photograph"):
            call()


def test_closing_deletes_the_result(page_module, photo: Path) -> None:
    work = base.remove_damage(base.open_work(photo), hole((300, 451)), restorer=Restorer(device="cpu"), method="telea")
    assert page_module.close_photo(work)[0] is None
    assert sorted(photo.parent.iterdir()) == [photo]


def test_heavy_work_waits_in_one_line_and_no_button_is_an_open_endpoint(page_module) -> None:
    heavy = {"open_photo", "close_photo", "go_on", "remove_damage", "remove_noise", "remove_jpeg", "filter_photo"}
    events = [event for event in restore_web.build().fns.values() if event.fn is not None]
    assert heavy <= {event.fn.__name__ for event in events}
    assert {(event.concurrency_id, event.concurrency_limit) for event in events if event.fn.__name__ in heavy} == {("one at a time", 1)}
    assert {event.api_visibility for event in events} == {"private"}


# ---- The filters


def filled(page_module, name: str) -> dict[str, object]:
    """What stands in the inputs once a filter is chosen."""
    return {key: item.value for key, item in page_module.option_inputs(base.filters()[name]).items()}


def run(page_module, path: Path, name: str, **values: object) -> Picture:
    """Press the button, and read the file that is offered."""
    inputs = filled(page_module, name)
    assert values.keys() <= inputs.keys()
    work = base.open_work(path)
    return read(page_module.filter_all(work, name, inputs | values, print)[-1])


@pytest.mark.parametrize("row", classic(), ids=lambda row: row.name)
def test_the_inputs_of_a_filter_are_seen_and_hold_its_defaults(row, page_module) -> None:
    inputs = page_module.option_inputs(row)
    assert {name for name, item in inputs.items() if item.visible} == row.options.keys()
    for name, option in row.options.items():
        if option.default is not option.empty:
            value = base.taken(option, inputs[name].value)
            assert (value, type(value)) == (option.default, type(option.default))
    others = [page_module.option_inputs(other) for other in base.filters().values()]
    assert {tuple((name, type(item)) for name, item in each.items()) for each in others} == {
        tuple((name, type(item)) for name, item in inputs.items())
    }  # always the same ones, in the same order


@pytest.mark.parametrize(
    ("name", "values", "options"),
    [
        ("gaussian", {"sigma": 3, "border": "wrap"}, {"sigma": 3.0, "border": "wrap"}),
        ("median", {"size": 5.0}, {"size": 5}),
        ("bilateral", {"sigma_color": 40.5, "size": None}, {"sigma_color": 40.5}),
        ("erosion", {"shape": "disk"}, {"shape": "disk"}),
        ("custom", {"kernel": "1 2 1\n2 4 2\n1 2 1", "normalise": True}, {"kernel": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "normalise": True}),
        ("wiener", {"kernel": "disk", "size": 1.5}, {"kernel": "disk", "size": 1.5}),
    ],
)
def test_a_filtered_photograph_keeps_all_else(name: str, values: dict, options: dict, page_module, photo: Path) -> None:
    result, original = run(page_module, photo, name, **values), read(photo)
    np.testing.assert_array_equal(result.pixels, FILTERS[name].array(original.pixels, **options))
    np.testing.assert_array_equal(result.alpha, original.alpha)
    assert (result.dtype, result.icc, result.exif, result.dpi) == (original.dtype, original.icc, original.exif, original.dpi)
    assert result.format == original.format


def test_a_patch_is_found(page_module, photo: Path) -> None:
    original = read(photo)
    patch = photo.parent / "patch.png"
    Image.fromarray((original.pixels[100:111, 200:221] // 257).astype(np.uint8)).save(patch)
    found = run(page_module, photo, "match", patch=str(patch)).pixels
    assert np.unravel_index(found[..., 0].argmax(), found.shape[:2]) == (105, 210)


def test_what_was_done_is_said(photo: Path) -> None:
    values = {"sigma": 2.5, "border": "reflect"}
    work = base.filter_all(base.open_work(photo), base.filters()["gaussian"], values, restorer=Restorer(device="cpu"))
    assert work.said.startswith("Filtered in ")
    assert work.said.endswith(" s: gaussian (sigma 2.5, border reflect).")
    assert work.file.name == "cat-restored.tif"


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("gaussian", {"sigma": -3}, "sigma is -3; expected above 0"),
        ("gaussian", {"sigma": None}, "sigma is &#x27;&#x27;; expected a number"),
        ("median", {"size": 4}, "size is 4; expected an odd number of pixels, 1 or more"),
        ("median", {"size": 2.5}, "size is &#x27;2.5&#x27;; expected a whole number"),
        ("custom", {"kernel": ""}, "the kernel is empty; expected rows of numbers"),
        ("custom", {"kernel": "1 2; 3 x"}, "row 2 of the kernel holds &#x27;x&#x27;; expected numbers"),
        ("custom", {"kernel": "1 2; 3 4"}, "the kernel is 2x2; expected odd sides"),
        ("custom", {"kernel": "/etc/hostname"}, "row 1 of the kernel holds &#x27;/etc/hostname&#x27;; expected numbers"),
        ("wiener", {"kernel": "magic"}, "kernel is &#x27;magic&#x27;; expected one of gaussian, disk, motion"),
        ("match", {}, "No patch is chosen yet"),
    ],
)
def test_a_wrong_option_is_one_line(name: str, values: dict, said: str, page_module, photo: Path) -> None:
    with pytest.raises(page_module.gr.Error) as caught:
        run(page_module, photo, name, **values)
    assert caught.value.message.startswith(said)
    assert "\n" not in caught.value.message
    assert not caught.value.print_exception


def test_a_broken_patch_is_called_by_its_name(page_module, photo: Path) -> None:
    (photo.parent / "patch.png").write_text("no picture")
    with pytest.raises(page_module.gr.Error, match=r"^.patch.png: is not a picture"):
        run(page_module, photo, "match", patch=str(photo.parent / "patch.png"))


def test_learned_filters_come_with_their_weight(page_module, photo: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = Restorer(device="cpu")
    monkeypatch.setattr(page_module, "restorer", lambda: restorer)
    assert list(base.filters()) == [*FILTERS, *(f"learned-{name}" for name in OPERATORS)]
    inputs = page_module.option_inputs(base.filters()["learned-beauty"])
    assert {name: item.value for name, item in inputs.items() if item.visible} == {"learned": 0.5}
    result = run(page_module, photo, "learned-beauty", learned=0.9)
    np.testing.assert_array_equal(result.pixels, restorer.filter(read(photo).pixels, "beauty", strength=0.9))
    monkeypatch.setattr(weights, "entries", dict)
    assert list(base.filters()) == list(FILTERS)


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


# ---- In a browser


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
    monkeypatch.setattr(page_module, "restorer", lambda: restorer)
    path = jpeg(tmp_path / "cat.jpg", 20)
    visit = Visit(browser, request.getfixturevalue("served"), viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    visit.upload(path)
    visit.page.locator("#editor canvas").first.wait_for()
    visit.page.get_by_role("tab", name="JPEG").click()
    slider = visit.page.get_by_label("number input for Quality")
    assert not slider.is_visible()
    visit.page.get_by_label(base.MEASURE_JPEG).uncheck()
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
    visit.page.get_by_role("tab", name="Filters").click()
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
