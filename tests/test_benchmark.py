import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

SCRIPT = Path(__file__).parents[1] / "scripts" / "benchmark.py"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


@pytest.mark.slow
def test_large_proves_that_all_else_is_identical(script):
    result = CliRunner().invoke(script["app"], ["large", "--megapixels", "0.5", "--method", "telea"])
    assert result.exit_code == 0, result.output
    assert "samples outside the mask identical: True; changed inside: 100.0%" in result.output
    assert "kept: icc, exif, xmp, iptc, dpi, format, coding; lost: nothing" in result.output


def test_backbones_prints_a_row_for_each_network_and_pass(script):
    threads = torch.get_num_threads()
    result = CliRunner().invoke(
        script["app"], ["backbones", "squeezenet1_1", "resnet18", "--size", "32", "--runs", "2", "--batch", "2", "--cpu"]
    )
    torch.set_num_threads(threads)
    assert result.exit_code == 0, result.output
    title, unit, _, *rows = result.output.splitlines()
    assert title.startswith("2 x 3 x 32 x 32, 1 threads, 2 runs")
    assert "processor time" in unit
    assert [row.split()[:2] for row in rows] == [[n, p] for n in ("squeezenet1_1", "resnet18") for p in ("forward", "forward+backward")]
    for row in rows:
        ours, theirs, ratio, low, _, high = map(str, row.split()[2:])
        assert float(ratio) == pytest.approx(float(ours) / float(theirs), rel=0.1)
        assert 0 < float(low) <= float(high)


def test_backbones_takes_only_what_torchvision_has(script):
    result = CliRunner().invoke(script["app"], ["backbones", "lenet5"])
    assert result.exit_code == 2
    assert "'lenet5' is not a network of both" in result.output


def test_runs_alternate_and_change_who_is_first(script):
    order = []
    clock = iter(range(100))  # 5 ticks in ours, and 1 for each reading
    seconds = script["take_turns"](
        lambda: order.append("ours") or [next(clock) for _ in range(5)], lambda: order.append("theirs"), runs=3, clock=lambda: next(clock)
    )
    assert seconds.tolist() == [[6, 1]] * 3
    assert order == ["ours", "theirs", "theirs", "ours"] * 2 + ["ours", "theirs"]


def test_ratio_is_that_of_the_medians_and_its_spread_that_of_the_pairs(script):
    seconds = np.array([[1.0, 2.0], [3.0, 2.0], [2.0, 1.0], [4.0, 2.0], [3.0, 4.0]])
    assert script["compare"](seconds) == (1.5, 0.75, 2.0)
