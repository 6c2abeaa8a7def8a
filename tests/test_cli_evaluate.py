import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from restore_cli import main
from skimage import data as photographs
from skimage.metrics import peak_signal_noise_ratio

from restore import Restorer, networks, weights
from restore.draws import Draws
from restore.training import engine, evaluation
from restore.training.camera import DenoiseCamera
from restore.training.config import override
from restore.training.recipes import RECIPES

TINY = {"widths": [8, 8], "down": [1, 1], "up": [1, 1]}
QUICK = {"options": TINY, "steps": 2, "batch": 2, "crop": 32, "threads": 1, "precision": "fp32"}


def train(recipe, source, out, settings=(), **changes):
    config = dataclasses.replace(RECIPES[recipe](), **{**QUICK, **changes})
    engine.train(override(config, settings), source=source, out=out, say=lambda line: None)
    return out


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Photographs, and a run on them."""
    root = tmp_path_factory.mktemp("evaluate")
    (root / "own").mkdir()
    for i, name in enumerate(("astronaut", "coffee", "chelsea")):
        Image.fromarray(getattr(photographs, name)()[100:180, 100 : 196 + i]).save(root / "own" / f"{name}.png")
    train("denoise", root / "own", root / "run")
    return root


@pytest.fixture
def call(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err.splitlines()

    return call


def test_the_numbers_are_scikit_images(root, call):
    """Against the run's weights, told sigma, on the centres of all photographs, in the order of their names, one noise for each number."""
    (root / "scores.json").write_text("an older one, and a longer one" * 99)
    code, out, err = call("evaluate", root / "run", "--data", root / "own", "--crop", 64, "--json", root / "scores.json")
    assert (code, err) == (0, [])
    network = networks.build("restoration", TINY)
    network.load_state_dict(torch.load(root / "run" / "checkpoint.pt", weights_only=True)["averaged"])
    expected = []
    for number, path in enumerate(sorted((root / "own").iterdir())):
        picture = np.asarray(Image.open(path))
        left = (picture.shape[1] - 64) // 2
        clean = np.ascontiguousarray(picture[8:72, left : left + 64])
        noise = Draws(25, [number]).normal(3, 64, 64)
        with torch.no_grad():
            restored = network(torch.from_numpy(clean / np.float32(255)).permute(2, 0, 1)[None] + 25 / 255 * noise, 25 / 255)
        restored = (restored[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255).round().astype(np.uint8)
        expected.append(peak_signal_noise_ratio(clean, restored, data_range=255))
    content = json.loads((root / "scores.json").read_text("utf-8"))
    assert (content["data"], content["pictures"]) == ("own", 3)
    assert list(content["scores"]) == ["psnr_15", "psnr_25", "psnr_50", "psnr_50_8bit", "gain"]
    assert content["scores"]["psnr_25"] == pytest.approx(np.mean(expected), abs=2e-3)
    assert out.splitlines()[0].endswith("gain over the noisy pictures. 3 pictures.")
    assert f"  psnr_25       {content['scores']['psnr_25']:.3f}" in out.splitlines()
    assert call("evaluate", root / "run", "--data", root / "own", "--crop", 64)[1] == out


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("inpaint", {"settings": ["objective.perceptual=0", "objective.bank=4"], "options": {**TINY, "dilations": [1]}}),
        ("filters", {"settings": ["objective.bank=2", "objective.operators=bilateral"], "options": {"width": 8, "dilations": [1]}}),
        ("repair", {"settings": ["objective.names=film_grain", "objective.probabilities=1"]}),
        ("damage", {"settings": ["objective.names=scratches"], "options": {"backbone": "resnet18"}, "crop": 64}),
    ],
)
def test_every_objective_is_measured_as_its_run_was_told(root, recipe, changes, tmp_path):
    run = train(recipe, root / "own", tmp_path / "run", **changes)
    report = evaluation.evaluate(str(run), root / "own", crop=64, limit=2)
    last = json.loads((run / "log.jsonl").read_text("utf-8").splitlines()[-1])
    assert report.pictures == 2
    assert list(report.scores) == list(last)[1:]
    assert all(np.isfinite(value) for value in report.scores.values())


def test_a_shipped_weight_and_a_limit(root):
    all_three, first = (evaluation.evaluate("denoise", root / "own", crop=64, limit=limit) for limit in (None, 1))
    assert (all_three.pictures, first.pictures) == (3, 1)
    assert 25 < first.scores["psnr_25"] < first.scores["psnr_15"] < 45


@pytest.fixture(scope="module")
def shades(tmp_path_factory):
    """Two classes that a mean tells apart, a test split, and a run."""
    root = tmp_path_factory.mktemp("shades")
    for split, count in (("train", 12), ("test", 3)):
        for name, value in (("dark", 0), ("bright", 255)):
            (root / "data" / split / name).mkdir(parents=True)
            for i in range(count):
                Image.new("L", (28, 28), value).save(root / "data" / split / name / f"{i}.png")
    train("lenet5", root / "data", root / "run", options={"num_classes": 2}, crop=28)
    return root


def test_a_classifier_is_measured_on_the_test_split(shades, call):
    report = evaluation.evaluate(str(shades / "run"), shades / "data")
    network = weights.load(str(shades / "run"))
    x = torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1).expand(2, 1, 28, 28)  # bright is the first class
    with torch.no_grad():
        right = (network(network.normalise(x)).argmax(1) == torch.tensor([0, 1])).float().mean()
    assert report.pictures == 6
    assert report.scores["accuracy"] == pytest.approx(100 * float(right))
    code, out, err = call("evaluate", "lenet5-mnist", "--data", shades / "data")
    assert (code, out) == (1, "")
    assert err == [f"restore: {shades / 'data'} has 2 classes; expected 10, one for each output of the network"]


def test_wrong_calls(root, call, tmp_path):
    (tmp_path / "empty").mkdir()
    own, nowhere = root / "own", tmp_path / "nowhere"
    for words, code, line in (
        (("denoise", "--data", nowhere), 2, f"no folder {nowhere}; expected --data to name"),
        (("denoise", "--data", own, "--json", nowhere / "a.json"), 2, f"--json {nowhere / 'a.json'}: its folder does not exist: {nowhere}"),
        (("denoise", "--data", own, "--json", tmp_path), 2, f"--json {tmp_path}: is a folder: expected a file name"),
        (("denoise", "--data", own, "--device", "tpu"), 2, "device 'tpu' is not there"),
        (("noise", "--data", own), 2, "weight 'noise' is unknown; expected one of denoise, inpaint"),
        (("denoise", "--data", tmp_path / "empty"), 1, f"no photographs in {tmp_path / 'empty'}, 64 pixels or larger"),
        ((own, "--data", own), 1, f"{own / 'weights.safetensors'} has no config.json of a run beside it"),
    ):
        found, out, err = call("evaluate", *words)
        assert (found, out, len(err)) == (code, "", 1)
        assert err[0].startswith(f"restore: {line}")


def test_a_damaged_photograph_is_named_and_left_out(root, call, tmp_path):
    for path in (root / "own").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "astronaut.png"
    path.write_bytes(path.read_bytes()[:5000])
    code, out, err = call("evaluate", root / "run", "--data", tmp_path)
    assert code == 0
    assert "2 pictures." in out
    assert [line for line in err if not line.startswith(f"{path} cannot be read as a picture")] == []
    assert len(err) == 1


def test_what_a_run_does_not_say(root, tmp_path):
    config = json.loads((root / "run" / "config.json").read_text("utf-8"))
    (tmp_path / "checkpoint.pt").write_bytes((root / "run" / "checkpoint.pt").read_bytes())
    for changes, message in (
        ({"task": "colour"}, "is of task 'colour'; expected one of denoise, dejpeg, deblur, inpaint, filter, classify, repair, segment"),
        ({"objective": {"level": 3}}, "config.json is not of this release: .*'level'"),
    ):
        (tmp_path / "config.json").write_text(json.dumps({**config, **changes}), "utf-8")
        with pytest.raises(weights.WeightsError, match=message):
            evaluation.evaluate(str(tmp_path), root / "own")
    (tmp_path / "config.json").write_text(json.dumps({**config, "objective": {"shot": [2.0, 20.0]}}), "utf-8")
    assert evaluation.understand(*weights.find(str(tmp_path))) == DenoiseCamera(shot=(2.0, 20.0))  # one of two objectives of its task
    (tmp_path / "config.json").write_text(json.dumps({key: value for key, value in config.items() if key != "task"}), "utf-8")
    with pytest.raises(weights.WeightsError, match="has no config.json of a run beside it that says network, options and task: 'task'"):
        evaluation.evaluate(str(tmp_path), root / "own")
    old = dataclasses.replace(weights.entries()["denoise"], name="old", recipe="lost")
    with pytest.raises(weights.WeightsError, match="weight 'old' is of recipe 'lost'; expected one of denoise, "):
        evaluation.understand(old, tmp_path)


def test_a_run_restores(root, call):
    """Its folder, a file of it, and a best checkpoint; on the command line and in Python."""
    picture = np.asarray(Image.open(root / "own" / "coffee.png"))
    best = next((root / "run" / "best").iterdir())
    for run in (root / "run", root / "run" / "checkpoint.pt", best):
        restored = Restorer(device="cpu", weights={"denoise": run}).denoise(picture, sigma=25)
        assert restored.shape == picture.shape
        assert not np.array_equal(restored, Restorer(device="cpu").denoise(picture, sigma=25))
    words = ("--sigma", 25, "--device", "cpu", "--precision", "fp32", "-q")
    assert call("denoise", root / "own" / "coffee.png", "-o", root / "clean.png", "--weights", root / "run", *words)[0] == 0
    np.testing.assert_array_equal(np.asarray(Image.open(root / "clean.png")), restored)
    code, _, err = call("inpaint", root / "own", "-o", root / "out", "--expand", 8, "--weights", root / "run")
    assert (code, err) == (2, [f"restore: weight '{root / 'run'}' is for the task 'denoise', not 'inpaint'"])


def test_a_run_starts_from_a_weight_by_name_and_from_a_run(root, tmp_path):
    shipped = weights.entries()["denoise"]
    train("denoise", root / "own", tmp_path / "a", start="denoise", options=dict(shipped.options), lr=1e-9)
    ours, theirs = weights.load(str(tmp_path / "a")).state_dict(), weights.load("denoise").state_dict()
    assert all(torch.allclose(value, theirs[key], atol=1e-5) for key, value in ours.items())
    train("denoise", root / "own", tmp_path / "b", start=str(root / "run"), lr=1e-9)
    ours, theirs = weights.load(str(tmp_path / "b")).state_dict(), weights.load(str(root / "run")).state_dict()
    assert all(torch.allclose(value, theirs[key], atol=1e-5) for key, value in ours.items())


def test_numbers_that_cannot_be_written_leave_the_old_ones(root, call, tmp_path, monkeypatch):
    file = tmp_path / "scores.json"
    file.write_text("old")

    def refuse(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    code, _, err = call("evaluate", root / "run", "--data", root / "own", "--crop", 64, "--json", file)
    assert (code, err) == (1, [f"restore: {file}: cannot be written: no space left on device"])
    assert [path.read_text("utf-8") for path in tmp_path.iterdir()] == ["old"]
