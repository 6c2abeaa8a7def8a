"""What a card says, measured in one go."""

import json

import numpy as np
import pytest
import skimage
import typer
from PIL import Image
from test_holes import load
from typer.testing import CliRunner

from restore import Restorer
from restore.loaded import BF16_LOSS


@pytest.fixture(scope="module")
def rescore():
    return load("rescore")


@pytest.fixture
def app(rescore):
    app = typer.Typer()
    app.command()(rescore.main)
    return app


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.fromarray(skimage.data.astronaut()[100:180, 100:170]).save(folder / "a.png")
    return folder


def test_scores_come_as_the_card_names_them_beside_what_bf16_costs(app, untrained, folder, tmp_path):
    file = tmp_path / "scores.json"
    places = ["--kodak", str(folder), "--held-out", str(folder), "--count", "1", "--json", str(file)]
    result = CliRunner().invoke(app, ["denoise", "--weight", untrained, *places])
    assert result.exit_code == 0, result.output
    scores = json.loads(file.read_text())
    assert scores["Kodak24, sigma 15, float: PSNR, dB"] == pytest.approx(24.75, abs=0.3)  # the input's own
    assert scores["Kodak24, sigma 50, clipped to 8 bits: PSNR, dB"] == pytest.approx(14.9, abs=0.8)
    assert scores[BF16_LOSS] == pytest.approx(0, abs=0.02)
    assert "python scripts/evaluate.py denoise --noise float,clipped --weight" in result.output


def test_an_unknown_task_is_one_line(app):
    result = CliRunner().invoke(app, ["upscale", "--weight", "denoise"])
    assert result.exit_code == 2
    said = " ".join(result.output.replace("│", " ").split())
    assert "'upscale' is unknown, expected one of denoise, dejpeg, deblur, inpaint" in said


@pytest.mark.parametrize("task", ["dejpeg", "deblur", "inpaint"])
def test_a_case_is_better_restored_than_it_came(rescore, task):
    clean = np.ascontiguousarray(skimage.data.astronaut()[100:228, 100:228])

    class Same:
        """Gives back what came."""

        def __getattr__(self, name):
            return lambda picture, *_, **__: picture

    restored, came = (rescore.CASES[task](restorer, clean, 0) for restorer in (Restorer(device="cpu", runtime="torch"), Same()))
    assert restored > came + 0.3


def test_what_a_precision_costs_is_what_its_results_lose(rescore, monkeypatch):
    worth = {"fp32": 31.0, "bf16": 30.5}
    monkeypatch.setitem(rescore.CASES, "denoise", lambda restorer, clean, number: worth[restorer.precision] + number)
    assert rescore.loss_in_bf16("denoise", "denoise", iter([np.zeros((8, 8, 3), np.uint8)] * 3)) == pytest.approx(0.5)


def test_rows_are_named(rescore):
    assert rescore.of_classic5([{"quality": 10, "psnr": 29.544}]) == {"Classic5, quality 10, blind: PSNR, dB": 29.54}
    assert list(rescore.of_double([{"quality": 10, "gained psnr": 1.4}])) == [
        "Kodak24, luma, files of quality 10 and 50, grids 4 x 4 apart, blind: gain in PSNR, dB"
    ]
    holes = rescore.of_holes([{"masks": "thin", "psnr": 26.77, "ssim": 0.85831, "lpips": None, "ms_ssim": 0.99661}])
    assert holes == {
        "Kodak24, thin masks: PSNR in the hole, dB": 26.77,
        "Kodak24, thin masks: SSIM in the hole": 0.8583,
        "Kodak24, thin masks: MS-SSIM": 0.9966,
    }
