"""What the README shows first: each pair is one photograph, damaged above what is made of it."""

import numpy as np
import pytest
import typer
from PIL import Image
from test_holes import load
from typer.testing import CliRunner

overview = load("overview")


class Echo:
    """Gives back what it gets, and keeps it."""

    def __init__(self, **options: str) -> None:
        self.seen: list[tuple[str, np.ndarray]] = []

    def __getattr__(self, task: str):
        def restore(given: np.ndarray, *more: np.ndarray) -> np.ndarray:
            self.seen.append((task, given))
            return given

        return restore


@pytest.mark.parametrize("caption", overview.COLUMNS)
def test_a_pair_is_one_place(caption):
    """Where nothing was painted, what was given is above what came back."""
    restorer = Echo()
    given, made = overview.COLUMNS[caption](restorer)
    assert given.shape == made.shape == (overview.HEIGHT, overview.WIDTH, 3)
    same = (given == made).all(2)
    assert same.all() if caption != "painted over" else 0.3 < same.mean() < 0.9
    [(_, photo)] = restorer.seen
    assert photo.dtype == np.uint8


def test_the_picture_has_two_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "Restorer", Echo)
    app = typer.Typer()
    app.command()(overview.main)
    ran = CliRunner().invoke(app, [str(tmp_path / "sheet.jpg")])
    assert ran.exit_code == 0, ran.output
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        width, height = sheet.size
    assert f"sheet.jpg: {width}x{height}" in ran.output
    assert width > 5 * overview.WIDTH
    assert height > 2 * overview.HEIGHT
    assert (tmp_path / "sheet.jpg").stat().st_size < overview.LIMIT
