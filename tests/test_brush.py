"""What filling holes costs: `scripts/benchmark.py brush`."""

import importlib.util
import itertools
from pathlib import Path

import cv2
import pytest
import torch
import typer
from typer.testing import CliRunner

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        spec = importlib.util.spec_from_file_location("brush", SCRIPTS / "brush.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


def run(script, *words):
    app, threads, of_opencv = typer.Typer(), torch.get_num_threads(), cv2.getNumThreads()
    app.command()(script.brush)
    result = CliRunner().invoke(app, list(words))
    torch.set_num_threads(threads)
    cv2.setNumThreads(of_opencv)
    return result


def test_lama_has_its_size(script):
    widths = (64, 128, 256, 512)
    down = sum(9 * a * b + 2 * b for a, b in itertools.pairwise(widths))
    up = sum(9 * a * b + 2 * a for a, b in itertools.pairwise(widths))
    head, tail = 4 * 64 * 49 + 128, 64 * 3 * 49 + 3
    with torch.device("meta"):
        lama = script.LaMa()
    assert sum(p.numel() for p in lama.parameters()) == head + down + 9 * 2 * (9 * 512 * 512 + 2 * 512) + up + tail
    small = script.LaMa(width=4, blocks=1).eval()
    x, mask = torch.rand(1, 3, 32, 48), torch.zeros(1, 1, 32, 48)
    mask[..., 4:9, 4:9] = 1
    assert small(x, mask).shape == (1, 3, 32, 48)
    assert torch.equal(small(x, mask), small(x * (1 - mask), mask))


def test_a_row_for_each_way_and_its_ratio(script, monkeypatch):
    monkeypatch.setattr(script, "LaMa", lambda lama=script.LaMa: lama(width=8, blocks=1))
    monkeypatch.setattr(script, "has_bf16", lambda engine: False)
    result = run(script, "--size", "64", "--masks", "thin,medium", "--runs", "2", "--threads", "1", "--cpu")
    assert result.exit_code == 0, result.output
    title, _, head, _, *rows = result.output.splitlines()
    assert title.startswith("64 x 64, 1 threads, medians of 2 runs in turn by processor time")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, *rows)]
    names = [
        "the network, torch, fp32",
        "the network, OpenVINO, fp32",
        "restore inpaint, texture and all, fp32",
        "telea",
        "ns",
        "biharmonic",
    ]
    assert cells[0] == ["masks", "filled by", "seconds", "of LaMa's shape"]
    assert [row[:2] for row in cells[1:]] == [[kind, name] for kind in ("thin", "medium") for name in (*names, script.UNIT)]
    assert all(float(row[2]) >= 0 for row in cells[1:])
    assert cells[-1][3] == "1.000"


@pytest.mark.parametrize(("words", "said"), [(["--size", "100"], "100 is no multiple of 64"), (["--masks", "thick"], "'thick' is unknown")])
def test_wrong_calls_say_what_is_wrong(script, words, said):
    result = run(script, *words)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
