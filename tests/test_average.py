"""The mean of runs' weights: what it holds, what takes it, what cannot be averaged."""

import dataclasses
import json
import runpy
from pathlib import Path

import pytest
import torch
import typer
from PIL import Image
from skimage import data as photographs
from test_holes import load
from typer.testing import CliRunner

from restore import weights
from restore.training import engine
from restore.training.config import override
from restore.training.recipes import RECIPES

OPTIONS = {"widths": [8, 8], "down": [1, 1], "up": [1, 1]}


@pytest.fixture(scope="module")
def average():
    app = typer.Typer()
    app.command()(load("average").main)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of two steps from one weight, and one of a wider network."""
    root = tmp_path_factory.mktemp("runs")
    (root / "photographs").mkdir()
    for name in ("astronaut", "coffee"):
        Image.fromarray(getattr(photographs, name)()).save(root / "photographs" / f"{name}.png")
    config = dataclasses.replace(RECIPES["denoise"](), options=OPTIONS, steps=2, batch=2, crop=64, threads=1)
    for name, told in {"a": ["seed=1"], "b": ["seed=2"], "wide": ["options.widths=8,16"]}.items():
        engine.train(override(config, told), source=root / "photographs", out=root / name, say=lambda line: None)
    return root


def test_each_weight_is_between_those_of_the_runs_as_the_shares_say(average, runs, tmp_path):
    result = average(tmp_path / "mean", f"{runs / 'a'}=3", runs / "b")
    assert result.exit_code == 0, result.output
    ours, a, b = (weights.load(str(place)).state_dict() for place in (tmp_path / "mean", runs / "a", runs / "b"))
    assert any(not torch.equal(a[name], b[name]) for name in a)
    for name, value in ours.items():
        torch.testing.assert_close(value, 0.75 * a[name] + 0.25 * b[name], rtol=1e-3, atol=1e-6, msg=name)


def test_the_settings_are_the_first_runs_and_say_what_was_averaged(average, runs, tmp_path):
    average(tmp_path / "mean", runs / "b", runs / "a")
    config, first = (json.loads((place / "config.json").read_text("utf-8")) for place in (tmp_path / "mean", runs / "b"))
    assert config.pop("mean_of") == {str(runs / "b"): 0.5, str(runs / "a"): 0.5}
    assert config == first


def test_a_mean_is_published_with_what_it_is_of(average, runs, tmp_path):
    average(tmp_path / "mean", f"{runs / 'a'}=0.6", f"{runs / 'b'}=0.4")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "scripts")
        publish = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "publish.py"))["publish"]
    words = {"name": "ours", "recipe": "denoise", "trained": "no time", "source": runs / "photographs"}
    publish(tmp_path / "mean", out=tmp_path / "weights", **words)
    (entry,) = weights.entries(tmp_path / "weights").values()
    assert entry.trained.startswith("no time; with --set steps=2 ")
    assert entry.trained.endswith("; those settings are of the first of the runs of which this is the mean: 0.6 a, 0.4 b")
    published, ours = weights.load("ours", place=tmp_path / "weights"), weights.load(str(tmp_path / "mean"))
    assert all(torch.equal(value, ours.state_dict()[name]) for name, value in published.state_dict().items())


def test_training_starts_from_a_mean(average, runs, tmp_path):
    average(tmp_path / "mean", runs / "a", runs / "b")
    config = dataclasses.replace(RECIPES["denoise"](), options=OPTIONS, steps=1, batch=1, crop=64, threads=1, lr=1e-12, warmup=1, ema=0.0)
    config = override(config, [f"start={tmp_path / 'mean'}"])
    engine.train(config, source=runs / "photographs", out=tmp_path / "on", say=lambda line: None)
    ours, on = (dict(weights.load(str(tmp_path / name)).named_parameters()) for name in ("mean", "on"))
    for name, value in on.items():
        torch.testing.assert_close(value, ours[name], rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (["{out}", "{a}"], "one run was given; expected two or more"),
        (["{a}", "{a}", "{b}"], "exists; expected a name that is free"),
        (["{out}", "{a}=0", "{b}"], "a share of '0'; expected a number above 0"),
        (["{out}", "{a}=half", "{b}"], "a share of 'half'; expected a number above 0"),
        (["{out}", "{a}=nan", "{b}"], "a share of 'nan'; expected a number above 0"),
        (["{out}", "{a}", "nowhere"], "nowhere"),
        (["{a}/config.json/mean", "{a}", "{b}"], "cannot be written"),
        (["{out}", "{a}", "denoise"], "denoise"),
        (["{out}", "{a}", "{wide}"], "has another network than"),
    ],
)
def test_what_cannot_be_averaged_is_said_and_nothing_written(average, runs, tmp_path, told, said):
    places = {name: runs / name for name in ("a", "b", "wide")} | {"out": tmp_path / "mean"}
    result = average(*(word.format(**places) for word in told))
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "mean").exists()
