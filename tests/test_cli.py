import io
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from restore_cli import app, base, demo, inpaint, main, photos
from skimage import data
from typer.testing import CliRunner

from restore.estimate import quality_of_tables
from restore.image import SUFFIXES, drafted, read
from restore.tasks.deblur import MAX_WIDTH, MIN_WIDTH
from restore.tasks.denoise import MAX_SIGMA
from restore.tasks.fills import METHODS
from restore.weights import WeightsError, entries

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with photographs and masks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "apps")]))
    picture("a.png")
    picture("in/a.png")
    picture("in/sub/b.JPG")
    mask("masks/a.png")
    mask("masks/sub/b.tif")
    return tmp_path


def picture(path, size=(40, 60)):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(data.chelsea()[: size[0], : size[1]]).save(path)


def mask(path, size=(40, 60)):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    holes = np.zeros(size, np.uint8)
    holes[size[0] // 2 - 2 : size[0] // 2 + 2, 5:-5] = 255
    Image.fromarray(holes).save(path)


def command(words):
    return [sys.executable, "-m", "restore_cli", *words.split()]


@pytest.fixture
def call(capsysbinary):
    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        captured = capsysbinary.readouterr()
        return stopped.value.code, captured.out, captured.err.decode().splitlines()

    return call


class Plain:
    """Stands in for a Restorer whose weights take time to load: the picture, turned negative."""

    def denoise(self, picture, *, sigma, noise, found, progress):
        if sigma is None:
            found(None)
        progress(1.0)
        return picture.replace(pixels=255 - picture.pixels)


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(photos, "make_restorer", lambda device, precision, runtime, *, tasks, quality, camera: Plain())


def test_help_answers_at_once_and_imports_nothing_heavy(folder):
    heavy = [
        "torch",
        "torchvision",
        "numpy",
        "scipy",
        "cv2",
        "PIL",
        "skimage",
        "gradio",
        "albumentations",
        "lpips",
        "tifffile",
        "safetensors",
    ]
    script = f"""
import sys
from restore_cli import main
try:
    main(["--help"])
finally:
    print("heavy:", [name for name in {heavy} if name in sys.modules])"""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert done.stdout.splitlines()[-1] == "heavy: []"
    commands = ("demo", "inpaint", "denoise", "dejpeg", "deblur", "classify", "explain", "models", "train", "web")
    assert all(name in done.stdout for name in commands)
    assert min(seconds) < 0.5


def test_help_of_every_command():
    runner = CliRunner()
    for registered in app.registered_commands:
        name = registered.callback.__name__
        result = runner.invoke(app, [name, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert result.exit_code == 0
        assert registered.callback.__doc__.splitlines()[0].rstrip(".") in " ".join(result.output.split())
        assert not re.search(r"<bool>|range", result.output)


@pytest.mark.parametrize("words", [[], ["filters"], ["backbones"]])
def test_the_list_of_commands_is_not_cut(words):
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"})
    assert "..." not in result.output.partition("Commands:")[2]
    assert words or "the training of them." in result.output


def test_version(call):
    code, out, err = call("--version")
    assert code == 0
    assert re.fullmatch(rb"restore \d+\.\d+\.\d+\n", out)
    assert not err


def test_the_choices_are_those_of_the_library():
    assert [method.value for method in inpaint.Method] == list(METHODS)
    assert photos.MAX_SIGMA == MAX_SIGMA
    assert (photos.MIN_WIDTH, photos.MAX_WIDTH) == (MIN_WIDTH, MAX_WIDTH)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("repair", "No such command 'repair'"),
        ("denoise", "Missing argument 'PHOTOS'"),
        ("denoise a.png", "no output is named; expected -o FILE or -o FOLDER"),
        ("denoise a.png -o b.png --strong", "No such option: --strong"),
        ("denoise a.png -o b.png --sigma", "Option '--sigma' requires an argument"),
        ("denoise a.png -o b.png --sigma strong", "--sigma is 'strong'; expected auto, or a number from 0 to 75"),
        ("denoise a.png -o b.png --sigma -3", "--sigma is '-3'"),
        ("denoise a.png -o b.png --sigma nan", "--sigma is 'nan'"),
        ("denoise a.png -o b.png --sigma 76", "--sigma is '76'"),
        ("denoise a.png -o b.png --noise pink", "--noise is 'pink'; expected one of auto, white, camera"),
        ("denoise a.png -o b.png --on-exists ask", "--on-exists is 'ask'; expected one of fail, skip, replace, rename"),
        ("denoise a.png -o b.png --max-pixels 0", "--max-pixels is 0; expected a whole number of 1 or more"),
        ("denoise a.png -o b.png --max-pixels=-1e3", "--max-pixels is '-1e3'; expected a whole number of 1 or more"),
        ("denoise a.png -o b.png --precision fp8", "--precision is 'fp8'; expected one of auto, fp32, bf16"),
        ("denoise a.png -o b.png --runtime abacus", "--runtime is 'abacus'; expected one of auto, torch, openvino"),
        ("denoise a.png -o b.png --device abacus", "device 'abacus' is not there; expected auto or one of"),
        ("denoise a.png -o b.gif", "output b.gif ends in '.gif'; expected one of .avif"),
        ("denoise a.png -o a.png", "would overwrite a photograph; expected another output, or --on-exists replace for its own"),
        ("denoise in -o in", "output in is the input folder in; expected another folder, or --on-exists replace"),
        ("denoise a.png in -o b.png", "output b.png is a file"),
        ("denoise in -o in/out", "output in/out lies in the input folder in"),
        ("denoise a.png in -o out", "a.png and in/a.png would both be written to out/a.png"),
        ("denoise a.png - -o out", "- stands for one picture"),
        ("deblur a.png -o b.png --width wide", "--width is 'wide'; expected auto, or a number from 0.3 to 4"),
        ("deblur a.png -o b.png --width 0", "--width is '0'"),
        ("deblur a.png -o b.png --width 4.1", "--width is '4.1'"),
        ("deblur a.png -o b.png --width nan", "--width is 'nan'"),
        (
            "deblur a.png -o b.png --width 2 --blur shake",
            "--width 2 and --blur shake exclude each other: the path of a shake is found, not told",
        ),
        ("deblur a.png -o b.png --blur soft", "--blur is 'soft'; expected one of auto, lens, shake, any"),
        ("deblur a.png", "no output is named; expected -o FILE or -o FOLDER"),
        ("dejpeg a.png", "no output is named; expected -o FILE or -o FOLDER"),
        ("dejpeg a.png -o b.png --jpeg-quality strong", "--jpeg-quality is 'strong'; expected auto, or a whole number from 1 to 100"),
        ("dejpeg a.png -o b.png --jpeg-quality 0", "--jpeg-quality is '0'"),
        ("dejpeg a.png -o b.png --jpeg-quality 101", "--jpeg-quality is '101'"),
        ("dejpeg a.png -o b.png --jpeg-quality 7.5", "--jpeg-quality is '7.5'"),
        ("dejpeg a.png -o b.png --jpeg-quality -1", "--jpeg-quality is '-1'"),
        (
            "dejpeg a.png -o b.png --quality 40",
            "--quality is '40'; expected fast, default or best; a JPEG file's own quality is dejpeg's --jpeg-quality 40",
        ),
        ("denoise a.png -o b.png --quality good", "--quality is 'good'; expected fast, default or best"),
        ("inpaint a.png -o b.png", "nothing says what to fill; expected --mask, --expand, or both"),
        ("inpaint a.png -o b.png --mask none.png", "no mask none.png; expected a file, a folder of masks"),
        ("inpaint a.png -o b.png --mask masks/a.png --method magic", "--method is 'magic'; expected one of learned, telea, ns, biharmonic"),
        ("inpaint - --mask masks", "mask masks is a folder; expected a file"),
        ("demo -o a.png", "output a.png is a file; expected a folder"),
        ("demo -o a.png/new/deep", "output a.png is a file; expected a folder"),
        ("train", "no recipe is named; see --list"),
        ("train magic", "recipe 'magic' is unknown; expected one of denoise"),
        ("train denoise --out run", "no --data DIR is given"),
        ("train denoise --data none --out run", "no folder none"),
        ("train denoise --data in --out a.png", "output a.png is a file"),
        ("train denoise --data in --out run --set lr", "setting 'lr' has no '='"),
        ("train denoise --data in --out run --set speed=1", "setting 'speed' is unknown"),
        ("train denoise --data in --out run --set start=nope", "weight 'nope' is unknown; expected one of denoise"),
        ("train denoise --data in --out run --set lr=-1", "lr is -1.0; expected a number above 0"),
        ("web --port 0", "--port is 0; expected a whole number from 1 to 65535"),
        ("web --port http", "--port is 'http'; expected a whole number from 1 to 65535"),
        ("evaluate denoise --data in --crop 10", "--crop is 10; expected a whole number of 64 or more"),
        ("inpaint a.png -o b.png --mask masks/a.png --method ns --weights x", "--weights is for --method learned; ns has none"),
        ("inpaint a.png -o b.png --mask masks/a.png --method ns --seed 0", "--seed is for --method learned; ns has none"),
        ("inpaint a.png -o b.png --mask masks/a.png --method telea --no-texture", "--no-texture is for --method learned; telea has none"),
        ("inpaint a.png -o b.png --mask masks/a.png --method telea --no-grain", "--no-grain is for --method learned; telea has none"),
        ("inpaint a.png -o b.png --mask masks/a.png --quality best", "No such option: --quality"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(folder, call, words, said):
    if words == "denoise a.png in -o b.png":
        Path("b.png").touch()
    before = sorted(Path().rglob("*"))
    code, out, err = call(*words.split())
    assert (code, out, len(err)) == (2, b"", 1)
    assert err[0].startswith("restore: ")
    assert said in err[0]
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        "demo -o {long}",
        "inpaint a.png --mask {long} -o b.png",
        "denoise a.png -o b.png --weights {long}",
        "denoise a.png -o {long}.png",
        "evaluate denoise --data {long}",
        "train denoise --data {long} --out run",
        "explain a.png --backbone lenet5 -o {long}",
    ],
)
def test_a_name_that_is_too_long_is_one_line(folder, call, words):
    before = sorted(path.name for path in folder.rglob("*"))
    code, out, err = call(*words.format(long="long" * 100).split())
    assert (code, out, len(err)) == (1, b"", 1), err
    assert "file name too long" in err[0].lower()
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_no_words_print_the_help_and_2(call):
    code, out, err = call()
    assert code == 2
    assert b"Usage: restore" in out
    assert not err


@pytest.mark.parametrize("words", ["denoise a.png", "denoise a.png -o b.png --sigma -3", "inpaint a.png -o b.png", "nothing"])
def test_the_app_alone_exits_with_2_too(folder, words):
    assert CliRunner().invoke(app, words.split()).exit_code == 2


def test_a_folder_is_repaired_with_a_folder_of_masks(folder, call):
    code, out, err = call("inpaint", "in", "--mask", "masks", "-o", "out", "--method", "telea")
    assert (code, out) == (0, b"")
    assert [line.split(" (")[0] for line in err[:2]] == ["in/a.png -> out/a.png", "in/sub/b.JPG -> out/sub/b.JPG"]
    assert err[2].startswith("2 done in ")
    before, after = read("in/a.png").pixels, read("out/a.png").pixels
    holes = read("masks/a.png").pixels[..., 0] > 0
    np.testing.assert_array_equal(before[~holes], after[~holes])
    assert (before[holes] != after[holes]).any()


@pytest.mark.parametrize("method", ["telea", "ns", "biharmonic"])
def test_one_mask_serves_all_and_the_method_is_the_one_asked_for(folder, call, method):
    from restore.tasks import inpaint

    picture("in/sub/c.png")
    code, _, _ = call("inpaint", "in/a.png", "in/sub/c.png", "--mask", "masks/a.png", "-o", "out", "--method", method, "-q")
    assert code == 0
    expected = inpaint(read("in/a.png").pixels, read("masks/a.png").pixels, method=method)
    for name in ("out/a.png", "out/c.png"):
        np.testing.assert_array_equal(read(name).pixels, expected)


def test_texture_and_its_seed_reach_the_network(folder, call, tiny_weights):
    import restore

    photo = np.random.default_rng(0).integers(0, 256, (96, 120, 3), np.uint8)
    holes = np.zeros((96, 120, 1), np.uint8)
    holes[20:70, 40:95] = 255
    Image.fromarray(photo).save("in/wide.png")
    Image.fromarray(holes[..., 0]).save("wide.png")
    for words, options in ((["--no-texture"], {"texture": False}), (["--no-grain"], {"grain": False}), (["--seed", "3"], {"seed": 3})):
        code, _, _ = call("inpaint", "in/wide.png", "--mask", "wide.png", "-o", "out.png", "--on-exists", "replace", "-q", *words)
        assert code == 0
        expected = restore.Restorer().inpaint(photo, holes[..., 0], **options)
        np.testing.assert_array_equal(read("out.png").pixels, expected)


def test_bad_files_are_one_line_each_and_1_and_the_rest_is_done(folder, call):
    Path("in/broken.png").write_bytes(Path("in/a.png").read_bytes()[:200])
    picture("in/unmasked.png")
    picture("in/other.png", size=(30, 50))
    mask("masks/other.png")
    mask("masks/broken.png")
    code, out, err = call("inpaint", "in", "nowhere.png", "--mask", "masks", "-o", "out", "--method", "ns", "--quiet")
    assert (code, out) == (1, b"")
    assert err[0].startswith("in/broken.png: truncated PNG")
    assert err[1:] == [
        "in/other.png: masks/other.png is 60x40 pixels, the photograph 50x30 (width x height)",
        "in/unmasked.png: no mask masks/unmasked.*",
        "nowhere.png: no such file",
    ]
    assert sorted(path.name for path in Path("out").rglob("*.*")) == ["a.png", "b.JPG"]


def test_masks_among_the_photographs_are_no_photographs(folder, call):
    mask("in/masks/a.png")
    mask("in/masks/sub/b.png")
    assert call("inpaint", "in", "--mask", "in/masks", "-o", "out", "--method", "ns", "-q") == (0, b"", [])
    assert sorted(path.name for path in Path("out").rglob("*.*")) == ["a.png", "b.JPG"]


def test_denoise_hands_its_options_on(folder, call, monkeypatch):
    seen = []

    class Listening(Plain):
        level = None

        def denoise(self, picture, *, sigma, noise, found, progress):
            seen.append((sigma, noise))
            if sigma is None:
                found(self.level)
            return super().denoise(picture, sigma=0.0, noise=noise, found=found, progress=progress)

    def make(*words, tasks, quality, camera):
        seen.append((*words, tasks, quality.value, camera))
        return Listening()

    monkeypatch.setattr(photos, "make_restorer", make)
    assert call("denoise", "a.png", "-o", "b.png", "--sigma", "12.5", "--device", "cpu", "--precision", "bf16", "-q") == (0, b"", [])
    assert call("denoise", "a.png", "-o", "c.png", "--noise", "camera", "-q") == (0, b"", [])
    assert seen[:2] == [("cpu", base.Precision.bf16, base.Engine.auto, {"denoise": ""}, "default", False), (12.5, "auto")]
    assert seen[2:] == [("auto", base.Precision.auto, base.Engine.auto, {"denoise": ""}, "default", True), (None, "camera")]
    np.testing.assert_array_equal(read("b.png").pixels, 255 - read("a.png").pixels)
    for level, said in (
        (None, "noise of a camera or of film"),
        (12.34, "white noise of level 12.3"),
        (0.0, "no noise was found; written as it was"),
    ):
        Listening.level = level
        code, _, lines = call("denoise", "a.png", "-o", "d.png", "--on-exists", "replace")
        assert (code, lines[0]) == (0, f"a.png: {said}")
        assert seen[-1] == (None, "auto")


def test_dejpeg_hands_its_options_on(folder, call, monkeypatch):
    seen = []

    class Listening:
        def dejpeg(self, picture, *, jpeg_quality, found, progress):
            seen.append(jpeg_quality)
            progress(1.0)
            return picture

    monkeypatch.setattr(photos, "make_restorer", lambda *words, tasks, quality: seen.append((*words, tasks, quality.value)) or Listening())
    words = ("dejpeg", "in/sub/b.JPG", "--device", "cpu", "--precision", "bf16", "--runtime", "torch", "--weights", "mine", "-q")
    assert call(*words, "-o", "b.jpg", "--jpeg-quality", "12", "--quality", "best") == (0, b"", [])
    assert call("dejpeg", "in/sub/b.JPG", "-o", "c.jpg", "-q") == (0, b"", [])
    assert seen[:2] == [("cpu", base.Precision.bf16, base.Engine.torch, {"dejpeg": "mine"}, "best"), 12]
    assert seen[2:] == [("auto", base.Precision.auto, base.Engine.auto, {"dejpeg": ""}, "default"), "auto"]


def test_deblur_hands_its_options_on(folder, call, monkeypatch):
    seen = []

    class Listening:
        def deblur(self, picture, *, width, blur, found, progress):
            seen.append((width, blur))
            if width is None and blur != "any":
                found(np.eye(5) if blur == "shake" else None)
            progress(1.0)
            return picture

    monkeypatch.setattr(photos, "make_restorer", lambda *words, **options: seen.append((*words, options)) or Listening())
    words = ("deblur", "a.png", "--device", "cpu", "--precision", "bf16", "--runtime", "torch", "--weights", "mine", "--quality", "best")
    assert call(*words, "-o", "b.png", "--width", "1.5", "-q") == (0, b"", [])
    assert call("deblur", "a.png", "-o", "c.png", "-q") == (0, b"", [])
    code, _, said = call("deblur", "a.png", "-o", "d.png", "--blur", "lens")
    assert (code, said[0]) == (0, "a.png: under 240 pixels a side no lens can be found; a network sharpened it")
    Image.new("RGB", (240, 300)).save("large.png")
    code, _, said = call("deblur", "large.png", "-o", "f.png", "--blur", "lens")
    assert (code, said[0]) == (0, "large.png: no lens was found that is sure to be undone; a network sharpened it")
    code, _, said = call("deblur", "a.png", "-o", "e.png", "--blur", "shake")
    assert (code, said[0]) == (0, "a.png: the camera shook by 6 pixels")
    told = {"tasks": {"deblur": "mine"}, "quality": base.Quality.best}
    assert seen[:2] == [("cpu", base.Precision.bf16, base.Engine.torch, told), (1.5, "auto")]
    blind = {"tasks": {"deblur": ""}, "quality": base.Quality.default}
    assert seen[2:5] == [("auto", base.Precision.auto, base.Engine.auto, blind), (None, "auto"), seen[2]]
    assert seen[5] == seen[7] == (None, "lens")
    assert seen[8][-1]["tasks"] == {"deblur": "", "denoise": ""}
    assert seen[9:] == [(None, "shake")]


def test_deblur_repairs_with_its_network(folder, call, tiny_weights):
    import restore

    for words, width in (([], None), (["--width", "2"], 2.0)):
        assert call("deblur", "a.png", "-o", "out.png", "--on-exists", "replace", *words)[0] == 0
        np.testing.assert_array_equal(read("out.png").pixels, restore.Restorer().deblur(read("a.png"), width=width).pixels)


def test_dejpeg_says_the_quality_and_leaves_what_has_no_traces(folder, call, tiny_weights):
    photo = Image.fromarray(data.astronaut()[:200, 150:370])
    photo.save("in/a.png")
    photo.save("in/fine.jpg", quality=95)
    photo.save("in/strong.jpg", quality=20)
    Image.open("in/strong.jpg").save("in/decoded.png")
    Path("in/sub/b.JPG").unlink()
    code, out, err = call("dejpeg", "in", "-o", "out")
    assert (code, out) == (0, b"")
    assert err[:1] == ["in/a.png: no traces of JPEG were found; written as it was"]
    assert [line.split(" (")[0] for line in err[1:-1]] == [
        "in/a.png -> out/a.png",
        "in/decoded.png: JPEG quality 20",
        "in/decoded.png -> out/decoded.png",
        "in/fine.jpg: JPEG quality 95 leaves nothing to gain; written as it was",
        "in/fine.jpg -> out/fine.jpg",
        "in/strong.jpg: JPEG quality 20",
        "in/strong.jpg -> out/strong.jpg",
    ]
    for name in ("a.png", "fine.jpg"):
        assert Path("out", name).read_bytes() == Path("in", name).read_bytes()
    blind = read("out/decoded.png").pixels
    assert (blind != read("in/decoded.png").pixels).any()
    assert quality_of_tables(read("out/strong.jpg").coding.tables) == 95
    assert call("dejpeg", "in/decoded.png", "-o", "told.png", "--jpeg-quality", "20")[0] == 0
    assert (read("told.png").pixels != blind).any()


@pytest.mark.parametrize(
    ("weight", "said"),
    [("nope", "weight 'nope' is unknown; expected one of "), ("inpaint", "weight 'inpaint' is for the task 'inpaint', not 'denoise'")],
)
def test_a_weight_that_cannot_be_meant_is_one_line_and_2(folder, call, tiny_weights, weight, said):
    code, _, err = call("denoise", "a.png", "-o", "new/b.png", "--weights", weight)
    assert (code, len(err)) == (2, 1)
    assert err[0].startswith(f"restore: {said}")
    assert not Path("new").exists()


@pytest.mark.parametrize("task", ["denoise", "dejpeg", "deblur"])
def test_a_weight_that_is_not_shipped_is_one_line_and_2(folder, call, tiny_weights, task):
    manifest = tiny_weights / "weights.toml"
    manifest.write_text(manifest.read_text("utf-8").replace(f"[{task}]", "[mine]"), "utf-8")
    said = f"restore: no weight for {task!r} is there; expected --weights, or a release that has one"
    assert call(task, "in/sub/b.JPG", "-o", "b.png") == (2, b"", [said])
    assert not Path("b.png").exists()
    assert call(task, "in/sub/b.JPG", "-o", "b.png", "--weights", "mine")[0] == 0


def test_no_weight_for_cameras_is_one_line_and_2(folder, call, tiny_weights):
    said = "restore: no weight for 'denoise' (camera) is there; expected --weights, or a release that has one"
    assert call("denoise", "in/sub/b.JPG", "-o", "b.png", "--noise", "camera") == (2, b"", [said])
    assert not Path("b.png").exists()


def test_on_exists(folder, call, plain):
    assert call("denoise", "in", "-o", "out", "-q") == (0, b"", [])
    first = Path("out/a.png").read_bytes()
    code, _, err = call("denoise", "in", "-o", "out")
    assert code == 1
    assert err[0] == "in/a.png: out/a.png exists; choose --on-exists skip, replace or rename"
    os.unlink("out/sub/b.JPG")
    code, _, err = call("denoise", "in", "-o", "out", "--on-exists", "skip")
    assert code == 0
    assert err[0] == "in/a.png: out/a.png exists, skipped"
    assert err[1] == "in/sub/b.JPG: noise of a camera or of film"
    assert err[2].startswith("in/sub/b.JPG -> out/sub/b.JPG")
    assert err[3].startswith("1 skipped, 1 done in ")
    assert call("denoise", "in", "-o", "out", "--on-exists", "rename", "-q") == (0, b"", [])
    assert Path("out/a-1.png").read_bytes() == first
    assert call("denoise", "out/a.png", "-o", "out/a.png", "--on-exists", "replace", "-q") == (0, b"", [])
    np.testing.assert_array_equal(read("out/a.png").pixels, read("in/a.png").pixels)


def test_nothing_left_to_do_loads_nothing(folder, call, monkeypatch):
    picture("out/a.png")
    monkeypatch.setattr(photos, "make_restorer", lambda *words, tasks, quality: pytest.fail("was called"))
    code, _, _ = call("denoise", "in/a.png", "-o", "out", "--on-exists", "skip")
    assert code == 0


def test_the_pixel_limit(folder, call, plain):
    code, _, err = call("denoise", "a.png", "-o", "b.png", "--max-pixels", "2399")
    assert code == 1
    assert err[0].endswith("are more than the limit of 2399 (--max-pixels)")
    assert call("denoise", "a.png", "-o", "b.png", "--max-pixels", "2400", "-q") == (0, b"", [])


def test_a_warning_names_its_photograph_once(folder, call, plain):
    Image.new("CMYK", (4, 4), (10, 20, 30, 40)).save("c.jpg")
    _, _, err = call("denoise", "c.jpg", "-o", "d.png")
    assert err[0].startswith("c.jpg: warning: ")
    assert err[0].count("c.jpg") == 1


def test_a_name_with_a_line_break_stays_on_one_line(folder, call, plain):
    Path("two\nlines.png").write_bytes(b"")
    code, _, err = call("denoise", "two\nlines.png", "-o", "b.png")
    assert (code, err) == (1, [r"'two\nlines.png': is empty"])


@pytest.mark.parametrize("name", [b"\xff.png", b"two\n lines.png", b" two  blanks.png"])
def test_a_name_stands_once_before_what_went_wrong(folder, call, tiny_classifier, name):
    photo = os.fsdecode(name)
    said = f"{base.shown(Path(photo))}: no such file"
    assert call("inpaint", photo, "--mask", "masks/a.png", "--method", "ns", "-o", "out") == (1, b"", [said])
    assert call("classify", photo, "--backbone", "tiny") == (1, b"", [said])


def test_a_weight_that_cannot_be_used_is_one_line_and_1(folder, call, monkeypatch):
    from restore import weights

    def refuse(name):
        raise weights.WeightsError(f"weight {name!r} has another hash")

    monkeypatch.setattr(weights, "load", refuse)
    assert call("denoise", "a.png", "-o", "b.png") == (1, b"", ["restore: weight 'denoise' has another hash"])


# standard streams


class Bytes(io.BytesIO):
    name = "<stdin>"


def stdin(monkeypatch, content, *, terminal=False):
    stream = io.TextIOWrapper(Bytes(content))
    stream.isatty = lambda: terminal
    monkeypatch.setattr("sys.stdin", stream)


@pytest.mark.parametrize("words", [["-"], ["-", "-o", "-"]])
def test_standard_input_to_standard_output(folder, call, plain, monkeypatch, words):
    stdin(monkeypatch, Path("a.png").read_bytes())
    code, out, err = call("denoise", *words)
    assert (code, err) == (0, ["-: noise of a camera or of film"])
    np.testing.assert_array_equal(read(out).pixels, 255 - read("a.png").pixels)


def test_a_file_to_standard_output_and_standard_input_to_a_file(folder, call, plain, monkeypatch):
    code, out, _ = call("denoise", "in/sub/b.JPG", "-o", "-")
    assert code == 0
    assert out[:3] == b"\xff\xd8\xff"
    stdin(monkeypatch, Path("a.png").read_bytes())
    assert call("denoise", "-", "-o", "new/b.tif", "-q") == (0, b"", [])
    np.testing.assert_array_equal(read("new/b.tif").pixels, 255 - read("a.png").pixels)


def test_standard_input_that_is_no_picture(folder, call, plain, monkeypatch):
    stdin(monkeypatch, b"")
    assert call("denoise", "-") == (1, b"", ["-: is empty"])


def test_streams_that_are_terminals_are_refused(folder, call, plain, monkeypatch):
    stdin(monkeypatch, b"", terminal=True)
    code, _, err = call("denoise", "-")
    assert (code, len(err)) == (2, 1)
    assert "standard input is a terminal" in err[0]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, _, err = call("denoise", "a.png", "-o", "-")
    assert (code, len(err)) == (2, 1)
    assert "standard output is a terminal" in err[0]


def test_a_reader_that_leaves_is_one_line_and_1(folder):
    picture("big.png", size=(200, 300))  # more than a pipe holds
    mask("big_mask.png", size=(200, 300))
    process = subprocess.Popen(
        command("inpaint big.png --mask big_mask.png --method ns -o -"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 1
    assert error == "big.png: Broken pipe\n"


# real processes


def test_a_real_process(folder):
    done = subprocess.run(command("inpaint in --mask masks -o out --method ns"), capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 3
    assert Path("out/sub/b.JPG").is_file()


def test_a_terminal_gets_a_bar(folder):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    Path("in/broken.png").write_bytes(b"no picture")
    process = subprocess.Popen(command("inpaint in --mask masks/a.png -o out --method ns"), stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the other end was closed
        pass
    os.close(ours)
    text = shown.decode()
    assert process.wait() == 1
    assert "3/3" in text
    assert "left" in text
    assert "in/broken.png: is not a picture" in text
    assert "2 done, 1 failed in " in text or "1 failed" in text
    assert "->" not in text


def test_an_interruption_is_one_line_and_130_and_leaves_no_half_file(folder):
    for number in range(40):
        picture(f"many/{number:02}.png", size=(300, 400))
    mask("many_mask.png", size=(300, 400))
    words = command("inpaint many --mask many_mask.png -o out --method biharmonic")
    ours = signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests run in the background of a shell
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, ours)
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    lines = process.stderr.read().splitlines()
    process.stderr.close()
    assert process.wait() == 130
    assert first.startswith("many/00.png -> out/00.png")
    assert lines[-1] == "restore: interrupted"
    assert all("->" in line for line in lines[:-1])
    written = sorted(os.listdir("out"))
    assert written == [f"{number:02}.png" for number in range(len(lines))]
    for name in written:
        assert read(Path("out", name)).shape == (300, 400)


@pytest.mark.parametrize(
    ("name", "code", "said"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "ended by SIGTERM"), ("SIGHUP", 129, "ended by SIGHUP")]
)
def test_a_signal_while_a_file_is_written_is_one_line_and_leaves_no_draft(folder, name, code, said):
    script = f"""
import os, signal, sys
from restore_cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
os.fsync = lambda file: (print(*os.listdir("out")), signal.raise_signal(signal.{name}))
main(["inpaint", "a.png", "--mask", "masks/a.png", "--method", "ns", "-o", "out"])"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert re.fullmatch(r"\.restore-\w+\.tmp\n", done.stdout)
    assert (done.returncode, done.stderr) == (code, f"restore: {said}\n")
    assert os.listdir("out") == []


# the other commands


def test_models_lists_every_weight(call):
    code, out, err = call("models")
    assert (code, err) == (0, [])
    blocks = [block.splitlines() for block in out.decode().split("\n\n")]
    assert [block[0].split(",")[0] for block in blocks] == [f"{e.name}: {e.task}" for e in entries().values()]
    for block, entry in zip(blocks, entries().values(), strict=True):
        assert [line.split()[-1] for line in block[1:]] == [f"{value:g}" for value in entry.scores.values()]
        assert max(map(len, block)) < 100


def test_train_lists_recipes_and_runs_one(folder, call):
    from restore.training.recipes import RECIPES

    code, out, _ = call("train", "--list")
    assert code == 0
    assert [line.split()[0] for line in out.decode().splitlines()] == list(RECIPES)
    code, _, err = call("train", "denoise", "--data", "masks/sub", "--out", "run", "--set", "steps=1")
    assert (code, len(err)) == (1, 1)
    assert "photograph" in err[0]
    for settings, said in (
        ("steps=1 crop=36", "crop is 36; expected a multiple of 8, as the network 'restoration' needs"),
        ("steps=1 objective.features=", "objective.features is ''; expected the file of LPIPS's trunk, or objective.perceptual=0"),
    ):
        recipe = "inpaint" if "features" in settings else "denoise"
        words = [word for setting in settings.split() for word in ("--set", setting)]
        assert call("train", recipe, "--data", "masks/sub", "--out", "run", *words) == (2, b"", [f"restore: {said}"])
    assert call("train", "denoise", "--data", "in", "--out", "a.png/x") == (2, b"", ["restore: output a.png is a file; expected a folder"])


def test_web_hands_its_options_on_and_reports_a_taken_port(call, monkeypatch):
    import restore_web

    seen = []

    def serve(*, host, port, open_browser):
        seen.append((host, port, open_browser))
        if port == 81:
            raise OSError("Cannot find empty port in range: 81-81")
        if port == 82:
            raise WeightsError("no weights came with this installation")

    monkeypatch.setattr(restore_web, "serve", serve)
    assert call("web") == (0, b"", [])
    assert call("web", "--host", "0.0.0.0", "--port", "80", "--no-browser") == (0, b"", [])
    code, _, err = call("web", "--port", "81")
    assert (code, len(err)) == (1, 1)
    assert "cannot be served" in err[0]
    code, _, err = call("web", "--port", "82")
    assert (code, err) == (1, ["restore: no weights came with this installation"])
    assert seen[:2] == [("127.0.0.1", 7860, True), ("0.0.0.0", 80, False)]


# the demo


def test_demo_leaves_other_pictures_alone(folder, call):
    mask("mask.png")
    before = Path("mask.png").read_bytes()
    code, _, err = call("demo", "-o", ".")
    assert (code, err) == (2, ["restore: mask.png is there without the rest of a demo; expected a new folder, or that of an earlier demo"])
    assert Path("mask.png").read_bytes() == before


def test_a_mask_that_marks_most_is_said(folder, call):
    marks = np.full((40, 60), 255, np.uint8)
    marks[:10] = 0
    Image.fromarray(marks).save("inverted.png")
    code, _, err = call("inpaint", "a.png", "--mask", "inverted.png", "-o", "out.png", "--method", "telea")
    assert code == 0
    assert "a.png: warning: the mask marks 75% of the photograph; white is what is to be filled" in err


def test_a_mask_that_marks_nothing_is_said(folder, call):
    Image.fromarray(np.zeros((40, 60), np.uint8)).save("black.png")
    code, _, err = call("inpaint", "a.png", "--mask", "black.png", "-o", "out.png", "--method", "telea")
    assert code == 0
    assert any("the mask marks nothing; the photograph is written as it was" in line for line in err)
    words = ("--mask", "black.png", "--layer", "layer.png", "--method", "telea", "-q")
    assert call("inpaint", "in/sub/b.JPG", "-o", "out.jpg", *words) == (0, b"", [])
    assert Path("out.jpg").read_bytes() == Path("in/sub/b.JPG").read_bytes()
    assert not read("layer.png").alpha.any()


def test_the_same_damage_every_time():
    photo = data.astronaut()
    damaged, holes = demo.damage(photo)
    again, same = demo.damage(photo)
    np.testing.assert_array_equal(damaged, again)
    np.testing.assert_array_equal(holes, same)
    assert set(np.unique(holes)) == {0, 255}
    assert 0.03 < (holes > 0).mean() < 0.1
    noise = damaged[holes == 0].astype(float) - photo[holes == 0]
    assert noise[(photo[holes == 0] > 70) & (photo[holes == 0] < 185)].std() == pytest.approx(demo.SIGMA, rel=0.02)


def test_demo(folder, call):
    code, out, err = call("demo", "-o", "new/demo", "--device", "cpu")
    lines = out.decode().splitlines()
    assert (code, err) == (0, [])
    assert lines[:4] == [f"new/demo/{name}.png" for name in ("damaged", "mask", "repaired", "comparison")]
    before, after, gained, seconds = map(float, re.findall(r"(\d+\.\d+)", lines[4]))
    assert gained == pytest.approx(after - before, abs=0.011)
    assert gained >= 6
    assert seconds > 0
    mse = ((read("new/demo/repaired.png").pixels.astype(float) - data.astronaut()) ** 2).mean()
    assert after == pytest.approx(10 * np.log10(255**2 / mse), abs=0.006)
    assert call("demo", "-o", "new/demo", "--device", "cpu")[0] == 0


def test_an_interrupted_demo_leaves_nothing(folder, call, monkeypatch):
    plain = SimpleNamespace(device="cpu", inpaint=lambda pixels, mask: pixels, denoise=lambda pixels: pixels)
    monkeypatch.setattr(demo, "make_restorer", lambda *words, **options: plain)
    written = []

    def stop(picture, target, **options):
        written.append(target)
        if len(written) == 3:
            raise KeyboardInterrupt
        return drafted(picture, target, **options)

    with monkeypatch.context() as interrupted:
        interrupted.setattr("restore.image.drafted", stop)
        assert call("demo", "-o", "new") == (130, b"", ["restore: interrupted"])
    assert os.listdir("new") == []
    assert call("demo", "-o", "new")[0] == 0
    assert sorted(os.listdir("new")) == sorted(demo.FILES)


def test_a_demo_that_cannot_be_written_is_told_before_the_work(folder, call, monkeypatch):
    monkeypatch.setattr(demo, "make_restorer", lambda *words, **options: pytest.fail("was called"))
    for name in demo.FILES:
        Path("new", name).mkdir(parents=True)
    assert call("demo", "-o", "new") == (1, b"", ["restore: new/damaged.png: is a folder: expected a file name"])
    assert call("demo", "-o", "a.png/new/er") == (2, b"", ["restore: output a.png is a file; expected a folder"])


def test_a_demo_leaves_what_came_to_exist(folder, call, monkeypatch):
    def late(pixels):
        Path("new").mkdir()
        Path("new/mask.png").write_bytes(b"of somebody else")
        return pixels

    plain = SimpleNamespace(device="cpu", inpaint=lambda pixels, mask: pixels, denoise=late)
    monkeypatch.setattr(demo, "make_restorer", lambda *words, **options: plain)
    assert call("demo", "-o", "new") == (1, b"", ["restore: new/mask.png: File exists"])
    assert [path.read_bytes() for path in Path("new").iterdir()] == [b"of somebody else"]


def test_denoise_with_the_shipped_weight(folder, call):
    clean = data.chelsea()[100:228, 100:260]
    noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)).save("noisy.png")
    assert call("denoise", "noisy.png", "-o", "known.png", "--sigma", "25", "-q") == (0, b"", [])
    assert call("denoise", "noisy.png", "-o", "blind.png", "-q") == (0, b"", [])
    errors = [((read(name).pixels.astype(float) - clean) ** 2).mean() for name in ("noisy.png", "known.png", "blind.png")]
    assert errors[1] < errors[0] / 6
    assert errors[2] < errors[0] / 5


def test_the_suffixes_that_are_searched_are_known():
    assert {".png", ".jpg", ".tif", ".webp"} <= SUFFIXES
    assert base.shown(None) == "-"
