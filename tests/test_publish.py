import dataclasses
import json
import runpy
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data as photographs

from restore import weights
from restore.training import engine
from restore.training.recipes import RECIPES

SCRIPT = Path(__file__).parents[1] / "scripts" / "publish.py"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A run of two steps, published twice under two names."""
    root = tmp_path_factory.mktemp("publish")
    (root / "photographs").mkdir()
    for name in ("astronaut", "coffee"):
        Image.fromarray(getattr(photographs, name)()).save(root / "photographs" / f"{name}.png")
    options = {"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1]}
    config = dataclasses.replace(RECIPES["denoise"](), options=options, steps=2, batch=2, threads=1)
    engine.train(config, source=root / "photographs", out=root / "run", say=lambda line: None)
    (root / "scores.json").write_text(json.dumps({"Kodak24 sigma 25, dB": 31.5}))
    publish = runpy.run_path(str(SCRIPT))["publish"]
    settings = {"task": "denoise", "recipe": "denoise", "source": root / "photographs", "trained": "no time at all", "out": root / "weights"}
    for name in ("first", "second"):
        publish(root / "run", name=name, scores=root / "scores.json", **settings)
    return root


def test_published_weights_load_and_equal_the_run(published):
    entries = weights.entries(published / "weights")
    assert list(entries) == ["first", "second"]
    assert entries["second"].scores == {"Kodak24 sigma 25, dB": 31.5}
    averaged = engine.read_checkpoint(published / "run" / "checkpoint.pt")["averaged"]
    for key, value in weights.load("first", place=published / "weights").state_dict().items():
        torch.testing.assert_close(value, averaged[key], rtol=1e-3, atol=1e-6)


def test_card_says_what_the_manifest_says(published):
    card = (published / "weights" / "first.md").read_text("utf-8")
    parts = ["# first", "recipe `denoise`", "no time at all", "2 photographs of one folder", "| Kodak24 sigma 25, dB | 31.5 |", "## Limits"]
    assert [part for part in parts if part not in card] == []


def test_limits_are_kept_when_published_again(published):
    path = published / "weights" / "second.md"
    path.write_text(path.read_text("utf-8").replace("(to be written)", "Not for faces."), encoding="utf-8")
    settings = {"task": "denoise", "recipe": "denoise", "source": published, "trained": "longer", "out": published / "weights"}
    runpy.run_path(str(SCRIPT))["publish"](published / "run", name="second", **settings)
    card = path.read_text("utf-8")
    assert "Not for faces." in card
    assert "longer" in card


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A classifier of two steps, published beside a denoiser's entry."""
    root = tmp_path_factory.mktemp("classifier")
    for name, value in (("dark", 0), ("bright", 255)):
        (root / "data" / name).mkdir(parents=True)
        for i in range(12):
            Image.new("L", (28, 28), value).save(root / "data" / name / f"{i}.png")
    config = dataclasses.replace(RECIPES["lenet5"](), options={"num_classes": 2}, steps=2, batch=2, threads=1)
    engine.train(config, source=root / "data", out=root / "run", say=lambda line: None)
    publish = runpy.run_path(str(SCRIPT))["publish"]
    settings = {"task": "classify", "recipe": "lenet5", "source": root / "data", "trained": "no time at all", "out": root / "weights"}
    publish(root / "run", name="shades", origin="Drawn by the test.", **settings)
    return root


def test_a_published_classifier_has_its_classes_and_equals_the_run(classifier):
    (entry,) = weights.entries(classifier / "weights").values()
    assert (entry.task, entry.classes, entry.options) == ("classify", ("bright", "dark"), {"num_classes": 2})
    network = weights.load("shades", place=classifier / "weights")
    averaged = engine.read_checkpoint(classifier / "run" / "checkpoint.pt")["averaged"]
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, averaged[key], rtol=1e-3, atol=1e-6)


def test_the_card_of_a_classifier_names_its_data(classifier):
    card = (classifier / "weights" / "shades.md").read_text("utf-8")
    what = "24 pictures of 28x28x1 in 2 classes, of which every tenth were held out to choose on."
    parts = [what, "Drawn by the test.", "in the order of the outputs: bright, dark.", "recipe `lenet5`"]
    assert [part for part in parts if part not in card] == []


def test_a_denoisers_entry_has_no_classes(published):
    assert "classes" not in (published / "weights" / "weights.toml").read_text("utf-8")
