import runpy
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from restore.filters import FILTERS

SCRIPT = Path(__file__).parents[1] / "scripts" / "benchmark.py"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)  # as `python scripts/benchmark.py` does: the script imports its neighbours
        yield runpy.run_path(str(SCRIPT))


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
        [lambda: order.append("ours") or [next(clock) for _ in range(5)], lambda: order.append("theirs")], runs=3, clock=lambda: next(clock)
    )
    assert seconds.tolist() == [[6, 1]] * 3
    assert order == ["ours", "theirs", "theirs", "ours"] * 2 + ["ours", "theirs"]


def test_ratio_is_that_of_the_medians_and_its_spread_that_of_the_pairs(script):
    seconds = np.array([[1.0, 2.0], [3.0, 2.0], [2.0, 1.0], [4.0, 2.0], [3.0, 4.0]])
    assert script["compare"](seconds) == (1.5, 0.75, 2.0)


def test_a_slow_rival_runs_less_often_and_the_first_two_do_not(script):
    ticks, counts = iter(range(1000)), [0, 0, 0]

    def run(side):
        counts[side] += 1

    seconds = script["take_turns"]([lambda i=i: run(i) for i in range(3)], runs=5, clock=lambda: next(ticks), budget=1)
    assert counts == [7, 7, 4]
    assert np.isnan(seconds).sum(0).tolist() == [0, 0, 3]


def test_every_filter_has_its_race_and_every_call_works(script):
    assert set(script["RACES"]) == set(FILTERS)
    forms = [script["kinds_of"](np.random.default_rng(0).integers(0, 256, (48, 56, 3), np.uint8))]
    libraries = [name for name in script["LIBRARIES"] if name != "kornia" or script["kornia"]]
    for name in script["RACES"]:
        cells = script["race"](name, libraries, forms, runs=2, clock=time.perf_counter)
        assert [bool(cell) for cell in cells[1:]] == [library in script["RACES"][name][1] for library in libraries]
        assert all(float(cell) > 0 for cell in cells if cell)


NOT_EQUAL = {"match": "ours has the size of the picture, 0 where it is flat"}


def test_opencv_is_called_for_the_same_result(script):
    image = np.random.default_rng(0).integers(0, 256, (48, 56, 3), np.uint8)
    for name, (options, calls) in script["RACES"].items():
        if "OpenCV" in calls and name not in NOT_EQUAL:
            theirs = eval(calls["OpenCV"], {**script, "image": image})
            assert np.abs(FILTERS[name].array(image, **options).astype(int) - theirs).max() <= 1, name


def test_filters_prints_a_row_for_each(script):
    result = CliRunner().invoke(
        script["app"], ["filters", "sobel", "box", "--megapixels", "0.1", "--runs", "2", "--libraries", "SciPy,OpenCV", "--threads", "1"]
    )
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("387 x 258 uint8 RGB; 1 threads; median of 2 runs, wall clock; ratios ours / theirs")
    assert lines[3:5] == ["| filter | ours, ms | OpenCV | SciPy |", "|---|---|---|---|"]
    assert [line.split(" | ")[0] for line in lines[5:]] == ["| sobel", "| box"]


def test_filters_lists_what_it_calls(script):
    result = CliRunner().invoke(script["app"], ["filters", "sharpen", "--calls"])
    assert "| sharpen | OpenCV | `cv2.filter2D(image, -1, kernels.SHARPEN)` |" in result.output.splitlines()


@pytest.mark.parametrize(("words", "said"), [(["blur"], "'blur' is unknown"), (["--libraries", "GIMP"], "'GIMP' is unknown")])
def test_filters_takes_only_what_there_is(script, words, said):
    result = CliRunner().invoke(script["app"], ["filters", *words])
    assert result.exit_code == 2
    assert said in result.output


def test_input_prints_a_row_for_each_way_and_size(script, tmp_path):
    for i in range(4):
        Image.fromarray(np.full((40, 50, 3), i, np.uint8)).save(tmp_path / f"{i}.png")
    threads = torch.get_num_threads()
    options = ["--size", "16", "--size", "40", "--batch", "2", "--steps", "2", "--runs", "2", "--workers", "0"]
    result = CliRunner().invoke(script["app"], ["input", "--data", str(tmp_path), *options])
    torch.set_num_threads(threads)
    assert result.exit_code == 0, result.output
    title, unit, *rows = result.output.splitlines()
    assert title == "3 photographs, 0 MiB decoded; batches of 2, one thread each"
    assert unit.startswith("crops a second, median of 2 turns of 2 batches (quartiles)")
    cells = [[part.strip() for part in row.split("  ") if part.strip()] for row in rows]
    expected = [[side, way] for side in ("16", "40") for way in ("in memory", "resident, cpu", "decoded, 0 workers")]
    assert [row[:2] for row in cells if row[1] != "resident, cuda"] == expected
    assert all(float(row[2].replace(",", "")) > 0 for row in cells)
