"""The prices of `scripts/benchmark.py price`: counts by hand, and a table whose ratios are those of its seconds."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from restore import networks
from restore.nn.arithmetic import summary
from restore.training import engine

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        spec = importlib.util.spec_from_file_location("price", SCRIPTS / "price.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def app(script):
    app = script.typer.Typer()
    app.command()(script.price)
    yield app
    torch.set_num_threads(1)


def test_shapes_are_those_of_the_papers(script):
    ffdnet, drunet = (summary(script.Told(network), 256) for network in (script.FFDNet(), script.DRUNet()))
    assert ffdnet.parameters == (9 * 13 + 1) * 96 + 10 * (9 * 96 + 1) * 96 + (9 * 96 + 1) * 12
    assert ffdnet.macs == 128**2 * 9 * (13 * 96 + 10 * 96 * 96 + 96 * 12)
    levels = [(256, 64), (128, 128), (64, 256), (32, 512)]
    residual = sum((4 if width == 512 else 8) * 2 * 9 * width**2 for _, width in levels)
    steps = sum(2 * 4 * fine * 2 * fine for _, fine in levels[:3])
    assert drunet.parameters == 9 * 4 * 64 + residual + steps + 9 * 64 * 3
    macs = sum((4 if width == 512 else 8) * 2 * 9 * width**2 * side**2 for side, width in levels)
    macs += 256**2 * 9 * 64 * 7 + sum((side // 2) ** 2 * 4 * width * 2 * width * 2 for side, width in levels[:3])
    assert drunet.macs == macs
    assert round(drunet.parameters / 1e6, 1) == 32.6
    assert round(drunet.macs / 1e9) == 139


def test_shapes_take_and_give_pictures(script):
    x = torch.rand(2, 3, 16, 32)
    for network in (script.FFDNet(), script.DRUNet((8, 16, 16, 8), 1)):
        assert network(x, 0.1).shape == x.shape


def test_a_row_for_each_way_and_ratios_of_the_seconds(app, tmp_path):
    options = {"widths": [8, 8], "down": [1, 1], "up": [1, 1]}
    (tmp_path / "config.json").write_text(json.dumps({"network": "restoration", "options": options, "task": "denoise"}))
    engine.export(tmp_path / "weights.safetensors", networks.build("restoration", options))
    result = CliRunner().invoke(app, ["--weight", str(tmp_path), "--size", "64", "--runs", "2", "--threads", "1", "--budget", "0"])
    assert result.exit_code == 0, result.output
    title, _, _, _, *rows = result.stdout.splitlines()
    assert title.startswith("64 x 64, 1 threads, medians of 2 runs in turn")
    cells = [[cell.strip() for cell in row.strip("| ").split("|")] for row in rows]
    ours = [row for row in cells if row[0] == str(tmp_path)]
    assert {row[3] for row in ours} >= {"OpenVINO, fp32", "torch, fp32", "torch, bf16, channels last"}
    assert [row[0] for row in cells[len(ours) :]] == ["shape of FFDNet"] * 2 + ["shape of DRUNet"] * 2
    unit = next(row for row in cells if row[:1] + row[3:4] == ["shape of FFDNet", "torch, fp32"])
    assert unit[5] == "1.000"
    for row in cells:
        assert float(row[5]) * float(unit[4]) == pytest.approx(float(row[4]), abs=0.0006 + 0.0006 * float(row[5]))


def test_a_size_that_drunet_cannot_take(app):
    result = CliRunner().invoke(app, ["--size", "100"])
    assert result.exit_code == 2
    assert "100 is no multiple of 64" in result.output
