"""`restore classify` and `restore explain`, on random networks."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import torchvision
from PIL import Image
from restore_cli import main
from skimage import data

from restore import backbones, explain, read, weights

FIGURES = ["features.png", "gradcam.png", "kernels.png", "maximisation.png"]


@pytest.fixture
def folder(tiny_classifier, monkeypatch):
    """A working folder with photographs, "tiny" among the shipped weights, a file of weights for ten classes."""
    folder = tiny_classifier.parent
    monkeypatch.chdir(folder)
    Image.fromarray(data.chelsea()[:200, :220]).save("cat.png")
    Image.fromarray(data.camera()[::2, ::2]).save("man.png")
    torch.manual_seed(1)
    torch.save(backbones.build("resnet8", num_classes=10).state_dict(), "mine.pth")
    return folder


@pytest.fixture
def call(capsys):
    def call(words):
        with pytest.raises(SystemExit) as stopped:
            main(words.split())
        captured = capsys.readouterr()
        return stopped.value.code, captured.out.splitlines(), captured.err.splitlines()

    return call


def expected(net, photo):
    with torch.inference_mode():
        return net(net.preprocess(read(photo)))[0].softmax(0)


def test_a_shipped_classifier_names_what_it_sees(folder, call):
    code, out, err = call("classify cat.png man.png --backbone tiny --top 2")
    assert (code, err) == (0, [])
    assert [out[0], out[3]] == ["cat.png", "man.png"]
    for photo, lines in (("cat.png", out[1:3]), ("man.png", out[4:])):
        shares = expected(weights.load("tiny"), photo)
        order = shares.argsort(descending=True)[:2].tolist()
        assert lines == [f"  {100 * shares[i]:5.1f} %  {['cat', 'dog', 'cow'][i]}" for i in order]


def test_a_picture_that_holds_a_nan_is_one_line_and_1(folder, call):
    pixels = np.full((40, 50, 3), 0.5, np.float32)
    pixels[20, 25, 1] = np.nan
    tifffile.imwrite("nan.tif", pixels, photometric="rgb")
    for words in ("classify nan.tif", "explain nan.tif -o out"):
        code, out, err = call(f"{words} --backbone tiny")
        assert (code, out, err[-1:]) == (1, [], ["nan.tif: the picture holds a NaN or an infinity; expected finite numbers"])
    assert not Path("out").exists()


def test_json_is_one_object_to_a_line(folder, call):
    code, out, _ = call("classify cat.png man.png --backbone tiny --json")
    assert code == 0
    first, second = map(json.loads, out)
    assert (first["photo"], second["photo"]) == ("cat.png", "man.png")
    shares = {entry["name"]: entry["probability"] for entry in first["classes"]}
    assert sorted(shares) == ["cat", "cow", "dog"]
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert shares["dog"] == pytest.approx(float(expected(weights.load("tiny"), "cat.png")[1]))


def test_imagenet_weights_have_imagenets_names(folder, call, monkeypatch):
    torch.manual_seed(0)
    state = backbones.build("resnet18").state_dict()
    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", lambda self, **options: state)
    torch.save(state, "imagenet.pth")
    net = weights.load("resnet18", "imagenet.pth")
    names = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    best = names[int(expected(net, "cat.png").argmax())]
    for choice in ("imagenet", "imagenet.pth"):
        code, out, err = call(f"classify cat.png --backbone resnet18 --weights {choice} --top 1")
        assert (code, len(out), err) == (0, 2, [])
        assert out[1].endswith(f" %  {best}")


def test_names_of_a_files_classes(folder, call):
    names = [f"{'abcdefghij'[i]} name" for i in range(10)]
    Path("names.txt").write_text("\n".join(names) + "\n")
    best = int(expected(weights.load("resnet8", "mine.pth"), "cat.png").argmax())
    code, out, _ = call("classify cat.png --backbone resnet8 --weights mine.pth --labels names.txt --top 1")
    assert (code, out[1].split(" %  ")[1]) == (0, names[best])
    code, out, _ = call("classify cat.png --backbone resnet8 --weights mine.pth --top 99")
    assert (code, len(out)) == (0, 11)
    assert out[1].endswith(f" %  class {best}")


def test_bad_photographs_are_one_line_each_and_1_and_the_rest_is_done(folder, call):
    Path("broken.png").write_bytes(Path("cat.png").read_bytes()[:200])
    Path("text.png").write_text("no picture")
    Image.new("CMYK", (40, 40), (10, 20, 30, 40)).save("cmyk.jpg")
    code, out, err = call("classify broken.png nowhere.png text.png cmyk.jpg cat.png --backbone tiny")
    assert code == 1
    assert [line for line in out if not line.startswith(" ")] == ["cmyk.jpg", "cat.png"]
    assert [line.split(": ")[0] for line in err] == ["broken.png", "nowhere.png", "text.png", "cmyk.jpg"]
    assert err[1] == "nowhere.png: no such file"
    assert err[3].startswith("cmyk.jpg: warning: ")
    assert err[3].count("cmyk.jpg") == 1


def test_standard_input(folder, call, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(Path("cat.png").read_bytes()))
    monkeypatch.setattr("sys.stdin", stream)
    piped = call("classify - --backbone tiny")
    assert piped == (0, ["-", *call("classify cat.png --backbone tiny")[1][1:]], [])
    stream.isatty = lambda: True
    for command, rest in (("classify", "--backbone NAME"), ("explain", "--backbone NAME -o DIR")):
        code, _, err = call(f"{command} - --backbone tiny -o out" if command == "explain" else "classify - --backbone tiny")
        assert (code, len(err)) == (2, 1)
        assert err[0].endswith(f"standard input is a terminal; expected a picture, as in: restore {command} - {rest} < photo.jpg")


WRONG = [
    ("cat.png", "Missing option '--backbone'"),
    ("cat.png --backbone magic", "no classifier is called 'magic'; expected --backbone to be one of tiny, "),
    ("cat.png --backbone denoise", "no classifier is called 'denoise'"),
    ("cat.png --backbone magic --weights imagenet", "no classifier is called 'magic'; expected --backbone to be one of neocognitron"),
    ("cat.png --backbone tiny --weights mine.pth", "'tiny' is a shipped classifier, with its own weights; expected no --weights"),
    ("cat.png --backbone resnet18", "'resnet18' comes without weights; expected --weights imagenet, or --weights FILE"),
    ("cat.png --backbone tiny --labels two.txt", "two.txt has 2 names; 'tiny' has 3 classes"),
]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        *((f"classify {words}", said) for words, said in WRONG),
        *((f"explain {words} -o out", said) for words, said in WRONG),
        ("classify --backbone tiny", "Missing argument 'PHOTOS'"),
        ("classify cat.png --backbone tiny --top 0", "--top"),
        ("explain cat.png --backbone tiny", "Missing option '--out'"),
        ("explain cat.png --backbone tiny -o man.png", "output man.png is a file; expected a folder"),
        ("explain cat.png --backbone tiny -o man.png/new", "output man.png is a file; expected a folder"),
        ("explain cat.png --backbone tiny -o out --target bird", "no class 'bird'; expected the name of a class, or a number from 0 to 2"),
        ("explain cat.png --backbone tiny -o out --target C", "no class 'C'; expected cat or cow, or a number from 0 to 2"),
        ("explain cat.png --backbone tiny -o out --target 3", "no class '3'"),
        ("explain cat.png --backbone tiny -o out --layer layer9", "no module is called 'layer9'; expected one of conv1"),
        ("explain cat.png --backbone tiny -o out --layer fc", "fc gives (3, 3); expected maps"),
        ("explain cat.png --backbone tiny -o out --on-exists skip", "--on-exists is 'skip'; expected one of fail, replace"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(folder, call, words, said):
    Path("two.txt").write_text("cat\ndog\n")
    before = sorted(Path().rglob("*"))
    code, out, err = call(words)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("restore: ")
    assert said in err[0]
    assert sorted(Path().rglob("*")) == before


def test_a_photograph_is_never_overwritten_by_a_figure_of_it(folder, call):
    Path("cat.png").rename("features.png")
    before = Path("features.png").read_bytes()
    code, _, err = call("explain features.png --backbone tiny -o . --on-exists replace")
    assert (code, err) == (2, ["restore: output features.png would overwrite a file that is read; expected another output"])
    assert [Path("features.png").read_bytes(), Path("kernels.png").exists()] == [before, False]


@pytest.mark.parametrize("words", ["classify cat.png", "explain cat.png -o out"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--backbone resnet8 --weights none.pth", "none.pth cannot be read: No such file or directory"),
        ("--backbone resnet18 --weights mine.pth", "mine.pth does not fit network 'resnet18': lacks "),
        ("--backbone resnet8 --weights imagenet", "torchvision publishes no ImageNet weights of 'resnet8'"),
        ("--backbone tiny --labels none.txt", "none.txt: No such file or directory"),
        ("--backbone tiny --labels cat.png", "cat.png is not UTF-8 text; expected names of classes, one to a line"),
    ],
)
def test_weights_that_cannot_be_used_are_one_line_and_1(folder, call, words, options, said):
    code, out, err = call(f"{words} {options}")
    assert (code, out, len(err)) == (1, [], 1)
    assert said in err[0]
    assert not Path("out").exists()


# restore explain


def test_explain_writes_four_figures(folder, call):
    code, out, err = call("explain cat.png --backbone resnet8 --weights mine.pth -o new/out --steps 1")
    assert (code, err) == (0, [])
    assert sorted(out) == [f"new/out/{name}" for name in FIGURES]
    assert sorted(path.name for path in Path("new/out").iterdir()) == FIGURES
    net = weights.load("resnet8", "mine.pth")
    x = net.preprocess(read("cat.png"))
    best = np.argsort(-explain.responses(net, x)[0])[:3].tolist()
    np.testing.assert_array_equal(read("new/out/features.png").pixels, explain.feature_figure(explain.feature_maps(net, x)))
    np.testing.assert_array_equal(read("new/out/kernels.png").pixels, explain.kernel_figure(explain.kernels(net)))
    names = [f"class {i}" for i in best]
    shares = expected(net, "cat.png")
    captions = ["as the network sees it", *(f"class {i}, {100 * shares[i]:.1f} %" for i in best)]
    cams = list(explain.grad_cam(net, x.expand(3, -1, -1, -1), target=best))
    np.testing.assert_array_equal(read("new/out/gradcam.png").pixels, explain.cam_figure(explain.seen(net, x), cams, captions))
    pictures = list(explain.maximise(net, best, steps=1))
    np.testing.assert_array_equal(read("new/out/maximisation.png").pixels, explain.picture_figure(pictures, names))


@pytest.mark.parametrize("target", ["dog", "DOG", "1"])
def test_a_class_and_a_layer_are_explained(folder, call, target, monkeypatch):
    asked = []
    for name in ("grad_cam", "maximise"):
        real = getattr(explain, name)

        def listen(*words, name=name, real=real, **options):
            asked.append((name, options))
            return real(*words, **options)

        monkeypatch.setattr(explain, name, listen)
    code, _, _ = call(f"explain cat.png --backbone tiny -o out --target {target} --layer layer3 --steps 1")
    assert code == 0
    assert asked == [("grad_cam", {"target": [1], "layer": "layer3"}), ("maximise", {"layer": "layer3", "steps": 1})]
    assert read("out/gradcam.png").pixels.shape[1] == 2 * 224 + 36  # the photograph and one class


def test_figures_that_exist_are_kept_unless_told(folder, call):
    Path("out").mkdir()
    Path("out/gradcam.png").write_bytes(b"mine")
    code, out, err = call("explain cat.png --backbone tiny -o out")
    assert (code, out) == (1, [])
    assert err == ["restore: out/gradcam.png exists; choose --on-exists replace, or another folder"]
    assert [path.name for path in Path("out").iterdir()] == ["gradcam.png"]
    assert Path("out/gradcam.png").read_bytes() == b"mine"
    code, _, err = call("explain cat.png --backbone resnet8 --weights mine.pth -o out --on-exists replace --steps 1")
    assert (code, err) == (0, [])
    assert read("out/gradcam.png").pixels.ndim == 3


def test_four_figures_are_replaced_or_none(folder, call, monkeypatch):
    for name in FIGURES:
        Path("out").mkdir(exist_ok=True)
        Path("out", name).write_bytes(b"mine")
    Path("out/kernels.png").unlink()
    Path("out/kernels.png").mkdir()
    words = "explain cat.png --backbone resnet8 --weights mine.pth -o out --on-exists replace --steps 1"
    with monkeypatch.context() as before_the_work:
        before_the_work.setattr("restore_cli.explain.draw", lambda *_, **__: pytest.fail("was called"))
        assert call(words) == (1, [], ["restore: out/kernels.png: is a folder: expected a file name"])
    monkeypatch.setattr("restore_cli.explain.check_folder", lambda *_: None)
    assert call(words) == (1, [], ["restore: out/kernels.png: is a folder: expected a file name"])
    assert [Path("out", name).read_bytes() for name in FIGURES if name != "kernels.png"] == [b"mine"] * 3
    assert len(list(Path("out").iterdir())) == 4


def test_a_photograph_that_cannot_be_read_leaves_nothing(folder, call):
    Path("text.png").write_text("no picture")
    code, out, err = call("explain text.png --backbone tiny -o out")
    assert (code, out, len(err)) == (1, [], 1)
    assert re.match(r"text.png: is not a picture", err[0])
    assert not Path("out").exists()


def test_a_folder_that_cannot_be_made_is_one_line_and_1(folder, call):
    code, _, err = call(f"explain cat.png --backbone resnet8 --weights mine.pth -o {'long' * 100} --steps 1")
    assert (code, len(err)) == (1, 1)
    assert err[0].endswith(": File name too long")
