"""The errors that `scripts/evaluate.py estimates` prints: on noise and files that are known."""

import doctest
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import skimage
import typer
from PIL import Image
from typer.testing import CliRunner

from restore.estimate import noise_level

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        spec = importlib.util.spec_from_file_location("estimates", SCRIPTS / "estimates.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def estimates(script, tmp_path):
    app = typer.Typer()
    app.command()(script.estimates)
    photo = skimage.data.astronaut()[:240, 100:360]
    for number in range(2):
        Image.fromarray(np.ascontiguousarray(photo[:, number:])).save(tmp_path / f"{number}.png")

    def run(*words):
        file = tmp_path / "out.json"
        result = CliRunner().invoke(app, ["--data", str(tmp_path), "--json", str(file), *words])
        return result, json.loads(file.read_text()) if file.exists() else None

    return run


def test_lines_hold_what_their_example_says(script):
    assert doctest.testmod(script).failed == 0


def test_noise_is_told_as_it_was_added(estimates):
    result, rows = estimates("--kinds", "float,clipped", "--sigma", "0,20", "--scale", "1")
    assert result.exit_code == 0, result.output
    shown = [(row["picture"], row["true"], row["told"]) for row in rows]
    modes = [f"{kind}, {mode}" for kind in ("float", "clipped") for mode in ("colour", "grey")]
    assert shown == [(mode, sigma, "2 of 2") for mode in modes for sigma in ("0", "20")]
    photos = [skimage.data.astronaut()[:240, 100 + number : 360] for number in range(2)]
    assert rows[0]["mean error"] == rows[0]["bias"] == pytest.approx(np.mean([noise_level(photo) for photo in photos]), abs=0.005)
    assert all(row["mean error"] < 1 and abs(row["worst"]) < 1.5 for row in rows if row["true"] == "20")
    assert result.stdout.splitlines()[0] == "| picture | true | told | exactly | mean error | bias | worst |"


def test_qualities_of_files_are_told(estimates):
    result, rows = estimates("--kinds", "jpeg", "--jpeg-quality", "40", "--scale", "0.8", "--limit", "1")
    assert result.exit_code == 0, result.output
    assert [(row["picture"], row["true"], row["told"], row["exactly"]) for row in rows] == [
        ("jpeg, colour", None, "0 of 1", None),
        ("jpeg, colour", "40", "1 of 1", 1),
        ("jpeg, grey", None, "0 of 1", None),
        ("jpeg, grey", "40", "1 of 1", 1),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kinds", "salt"], "'salt' is unknown, expected some of float, clipped, jpeg"),
        (["--sigma", "x"], "'x' is not a list of numbers"),
    ],
)
def test_wrong_calls_say_what_is_wrong(estimates, words, said):
    result, rows = estimates(*words)
    assert result.exit_code == 2
    assert rows is None
    assert said in " ".join(result.output.replace("│", " ").split())
