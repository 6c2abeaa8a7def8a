"""What the page does to a photograph, without the page."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from restore_web import base, steps
from restore_web.steps import Fill
from samples import hole, jpeg
from scipy import ndimage
from skimage import data

from restore import image, psf, weights
from restore.image import ImageError, ImageWarning, Picture, read
from restore.restorer import Restorer
from restore.tasks import TASKS
from restore.tasks.denoise import NOISES

SHAKE = np.eye(7, dtype=np.float32) / 7
LENS = psf.disk(2)


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


@pytest.mark.parametrize(
    ("sigma", "noise", "level", "said"),
    [
        (12.0, "camera", None, "noise of level 12.0 in "),
        (None, "camera", None, "noise of a camera or of film in "),
        (None, "auto", None, "noise of a camera or of film in "),
        (None, "auto", 9.96, "noise of level 10.0 (measured) in "),
    ],
)
def test_noise_is_looked_for_unless_it_is_given(sigma: float | None, noise: str, level: float | None, said: str, photo: Path) -> None:
    heard: list[object] = []

    class Listening:
        def denoise(self, picture: Picture, *, sigma: float | None, noise: str, found, progress: object) -> Picture:
            heard.append((sigma, noise))
            if sigma is None:
                found(level)
            return picture

    work = steps.remove_noise(base.open_work(photo), restorer=Listening(), sigma=sigma, noise=noise)
    assert heard == [(sigma, noise)]
    assert work.said.startswith(f"Removed {said}")


def test_no_noise_is_said(photo: Path) -> None:
    def denoise(picture: Picture, *, found, **options: object) -> Picture:
        found(0.0)
        return picture

    with pytest.raises(
        ValueError, match="No noise was found in the photograph. Clean it all the same: take the tick off “Measure the noise”"
    ):
        steps.remove_noise(base.open_work(photo), restorer=SimpleNamespace(denoise=denoise), sigma=None, noise="auto")


@pytest.mark.parametrize(("quality", "asked", "said"), [(None, "auto", "quality 20 (measured), in "), (7, 7, "quality 7, in ")])
def test_traces_of_jpeg_are_measured_unless_they_are_given(quality: int | None, asked: object, said: str, tmp_path: Path) -> None:
    work, seen = base.open_work(jpeg(tmp_path / "a.jpg", 20)), []

    def dejpeg(picture: Picture, *, jpeg_quality: object, found, progress: object) -> Picture:
        seen.append(jpeg_quality)
        if jpeg_quality == "auto":
            found((20,))
        return picture

    work = steps.remove_jpeg(work, restorer=SimpleNamespace(dejpeg=dejpeg), jpeg_quality=quality)
    assert seen == [asked]
    assert work.said.startswith(f"Removed traces of JPEG, {said}")


def test_no_traces_of_jpeg_are_said(tmp_path: Path, tiny_weights: Path) -> None:
    ours = Restorer(device="cpu")
    Image.fromarray(data.astronaut()[:200, 150:370]).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="shows no traces of JPEG. Clean it all the same: take the tick off “As strong as needed”"):
        steps.remove_jpeg(base.open_work(tmp_path / "a.png"), restorer=ours, jpeg_quality=None)
    with pytest.raises(ValueError, match="is of JPEG quality 95: there is nothing to gain. Clean it all the same: take the tick off"):
        steps.remove_jpeg(base.open_work(jpeg(tmp_path / "a.jpg", 95)), restorer=ours, jpeg_quality=None)


@pytest.mark.parametrize("there", [True, False])
def test_the_network_is_offered_first_where_its_weight_is_there(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "entries", lambda: {TASKS["inpaint"].weight: None} if there else {})
    assert list(steps.offered()) == ["learned"] * there + ["telea", "ns", "biharmonic"]


@pytest.mark.parametrize(
    ("width", "blur", "kernel", "asked", "said"),
    [
        (None, "auto", None, "auto", "Sharpened in "),
        (1.5, "lens", SHAKE, "any", "Sharpened, blur of 1.5 pixels, in "),
        (None, "any", SHAKE, "any", "Sharpened in "),
        (None, "lens", LENS, "lens", "The lens was out of focus by 8 pixels: undone in "),
        (None, "auto", SHAKE, "auto", "The camera shook by 8 pixels: undone in "),
        (None, "shake", SHAKE, "shake", "The camera shook by 8 pixels: undone in "),
    ],
)
def test_blur_is_found_unless_it_is_given(width, blur, kernel, asked, said, photo: Path) -> None:
    heard: list[object] = []

    class Listening:
        def deblur(self, picture: Picture, *, width, blur, found, progress) -> Picture:
            heard.append((width, blur))
            if blur != "any":
                found(kernel)
            progress(1.0)
            return picture

    moved: list[float] = []
    work = steps.remove_blur(base.open_work(photo), restorer=Listening(), width=width, blur=blur, progress=moved.append)
    assert (heard, moved) == ([(width, asked)], [1])
    assert work.said.startswith(said)


def test_a_quality_is_offered_where_it_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "denoise", dataclasses.replace(TASKS["denoise"], fast="quick", ensemble=True))
    monkeypatch.setitem(TASKS, "inpaint", dataclasses.replace(TASKS["inpaint"], fast="", ensemble=False))
    monkeypatch.setattr(weights, "entries", lambda: {"quick": None})
    assert list(steps.efforts("denoise")) == ["fast", "default", "best"]
    assert list(steps.efforts("inpaint")) == ["default"]
    monkeypatch.setattr(weights, "entries", dict)
    assert list(steps.efforts("denoise")) == ["default", "best"]


def test_kinds_of_noise_are_offered_where_they_can_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "denoise", dataclasses.replace(TASKS["denoise"], camera="phone"))
    assert list(steps.noises()) == ["auto"]
    monkeypatch.setattr(weights, "entries", lambda: {"phone": None})
    assert tuple(sorted(steps.noises())) == tuple(sorted(NOISES))


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


@pytest.mark.parametrize("kind", ["mask", "layer"])
def test_a_result_is_there_without_what_cannot_be_saved_beside_it(kind: str, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(picture: Picture, path: Path) -> None:
        if kind in path.name:
            raise ImageError(f"{path}: no space left on device")
        image.write(picture, path)

    monkeypatch.setattr(base, "write", write)
    with pytest.warns(ImageWarning, match=f"The result is saved, the {kind} is not: .*cat-{kind}.png: no space left on device"):
        work = base.finished(base.open_work(photo), read(photo), "Done.", mask=hole((300, 451)))
    assert work.file.is_file()
    assert [work.mask is None, work.layer is None] == [kind == "mask", kind == "layer"]
    assert len(list(work.file.parent.iterdir())) == 2


@pytest.mark.parametrize("error", [ImageError("no space left on device"), KeyboardInterrupt()])
def test_a_result_that_cannot_be_saved_leaves_nothing_behind(error: BaseException, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = base.finished(base.open_work(photo), read(photo), "Done.")

    def write(picture: Picture, path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(base, "write", write)
    with pytest.raises(type(error)):
        base.finished(work, read(photo), "Done.", mask=hole((300, 451)))
    assert sorted(photo.parent.iterdir()) == sorted([photo, work.file.parent])
    assert work.file.is_file()


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
