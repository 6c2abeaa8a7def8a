import runpy
from pathlib import Path

import pytest
from typer.testing import CliRunner

SCRIPT = Path(__file__).parents[1] / "scripts" / "benchmark.py"


@pytest.mark.slow
def test_large_proves_that_all_else_is_identical():
    result = CliRunner().invoke(runpy.run_path(str(SCRIPT))["app"], ["large", "--megapixels", "0.5", "--method", "telea"])
    assert result.exit_code == 0, result.output
    assert "samples outside the mask identical: True; changed inside: 100.0%" in result.output
    assert "kept: icc, exif, xmp, iptc, dpi, format, coding; lost: nothing" in result.output
