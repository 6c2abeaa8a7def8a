"""Sheets of fills, and what is measured of inpainting by `scripts/evaluate.py inpaint`."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import skimage
import typer
from PIL import Image
from typer.testing import CliRunner

from restore import figures, masks, metrics

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def load(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@pytest.fixture(scope="module")
def holes():
    return load("holes")


def test_a_cut_shows_the_hole_and_its_border(holes):
    mask = np.zeros((300, 200), np.uint8)
    mask[40:100, 30:130] = 1
    picture = np.arange(300 * 200 * 3).reshape(300, 200, 3).astype(np.uint8)
    shown, of_mask = holes.cut([picture, mask[..., None].repeat(3, 2)], mask, side=80)
    assert shown.shape == (80, 80, 3)
    assert of_mask.mean() == pytest.approx(0.5, abs=0.01)
    assert (np.lib.stride_tricks.sliding_window_view(picture, (80, 80, 3))[:, :, 0] == shown).all((2, 3, 4)).any()
    assert holes.cut([picture], mask, side=250)[0].shape == (250, 200, 3)


def test_the_best_stand_on_the_left_and_the_worst_on_the_right(holes, tmp_path):
    fills = [holes.Fill(f"thin {i}", float(i), (np.full((40, 40, 3), 20 * i, np.uint8),) * 2) for i in range(8)]
    for by, order in (("psnr", range(7, -1, -1)), ("lpips", range(8))):
        holes.write_sheet(tmp_path / "sheet.png", fills, ["holes", "truth"], by)
        sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
        rows, step = [figures.GAP + 20 + i * (40 + figures.GAP + figures.LINE) for i in range(4)], 40 + figures.GAP
        seen = [[int(sheet[row, figures.GAP + 20 + column * step, 0]) // 20 for column in (0, 2)] for row in rows]
        assert seen == list(map(list, zip(order[:4], order[4:], strict=True)))


def test_examples_have_holes_within_them(holes):
    for words in holes.EXAMPLES:
        picture, mask = holes.example(*words)
        assert picture.shape[:2] == mask.shape
        assert 0.01 < (mask > 0).mean() < 0.3


def test_who_learned_from_lpips(holes, tmp_path):
    assert holes.trained_on_lpips("inpaint")
    for weight, expected in ((0.0, False), (0.3, True)):
        described = {"network": "inpainting", "options": {}, "task": "inpaint", "objective": {"perceptual": weight}}
        (tmp_path / "config.json").write_text(json.dumps(described))
        (tmp_path / "weights.safetensors").touch()
        assert holes.trained_on_lpips(str(tmp_path)) is holes.trained_on_lpips(str(tmp_path / "weights.safetensors")) is expected


@pytest.fixture
def evaluate(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, picture in enumerate((skimage.data.astronaut()[:180, 100:280], skimage.data.chelsea()[60:240, 100:280])):
        Image.fromarray(picture).save(folder / f"{i}.png")

    def run(*words):
        before = ["--features", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
        after = ["--data", str(folder), "--json", str(tmp_path / "scores.json")]
        result = CliRunner().invoke(load("evaluate").app, [*before, "inpaint", *words, *after])
        return result, json.loads((tmp_path / "scores.json").read_text()) if result.exit_code == 0 else None

    return run


def test_sets_by_area_are_measured_and_shown(evaluate, tmp_path):
    result, rows = evaluate("--method", "telea,ns", "--masks", "1-5,10-20", "--sheet", str(tmp_path / "sheet.png"))
    assert result.exit_code == 0, result.output
    assert [(row["masks"], row["method"]) for row in rows] == [(kind, name) for kind in ("1-5", "10-20") for name in ("telea", "ns")]
    clean = skimage.data.chelsea()[60:240, 100:280]
    for row in rows:
        low, high = masks.BENCHMARKS[row["masks"]][1]
        assert low <= row["area"] <= high
        filled = np.asarray(Image.open(tmp_path / "out" / f"{row['method']}-{row['masks']}-01.png"))
        assert row["pictures"]["ms_ssim"][1] == pytest.approx(metrics.ms_ssim(clean, filled))
        assert row["learned from LPIPS"] == "no"
    head = result.stdout.splitlines()[0]
    assert head == "| method | masks | learned from LPIPS | area | psnr | ssim | lpips | ms_ssim | seconds |"
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[:2] == (2 * (180 + figures.GAP + figures.LINE), figures.GAP + 8 * (180 + figures.GAP))  # two rows of two fills


def test_a_wrong_rank_is_refused(evaluate):
    result, _ = evaluate("--method", "ns", "--by", "ssim")
    assert result.exit_code == 2
    assert "'ssim' is unknown, expected some of psnr, lpips" in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize("place", ["nowhere/sheet.png", "pictures"])
def test_a_sheet_that_cannot_be_written_is_refused_before_anything_is_measured(place, evaluate, tmp_path):
    result, _ = evaluate("--method", "telea", "--sheet", str(tmp_path / place))
    assert result.exit_code == 2
    assert re.search("is (no|a) folder", " ".join(result.stderr.replace("│", " ").split()))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["blurs", "holes", "overview", "sheet"])
def test_a_picture_that_cannot_be_written_is_refused_before_it_is_drawn(name, tmp_path):
    app = typer.Typer()
    app.command()(load(name).main)
    result = CliRunner().invoke(app, [str(tmp_path / "nowhere" / "a.jpg")])
    assert result.exit_code == 2
    assert "is no folder" in " ".join(result.stderr.replace("│", " ").split())
