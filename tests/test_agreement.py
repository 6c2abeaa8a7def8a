"""The table of differences that ``scripts/agreement.py`` prints: it is complete, and what it shows is small."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from restore.filters import FILTERS
from restore.filters.base import BORDERS

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "agreement.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("agreement", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_float32(script):
    found = script.differences(np.float32)
    assert set(found) == {name for name, row in FILTERS.items() if row.tensor}
    assert all(list(row) == list(BORDERS) for row in found.values())
    assert {name: row for name, row in found.items() if np.max(list(row.values())) > 1e-5} == {}


def test_uint8(script):
    found = script.differences(np.uint8)
    assert {name: row for name, row in found.items() if np.max(list(row.values())) > 1} == {}


def test_the_page_is_in_markdown(script):
    lines = script.table(np.uint8).splitlines()
    assert lines[0] == "| filter | reflect | symmetric | replicate | constant | wrap |"
    assert lines[2] == "| box | 0, 0 | 0, 0 | 0, 0 | 0, 0 | 0, 0 |"
    assert {line.count("|") for line in lines} == {7}
