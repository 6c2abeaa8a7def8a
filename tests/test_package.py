"""The wheel: what is in it, and that it finds its weights; what the documents name is there."""

import functools
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMED = sorted(
    {
        (document.name, *found)
        for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "weights").glob("*.md"))
        for found in re.findall(r"\brestore((?:\.[A-Za-z_]\w*)+)(\(?)", document.read_text("utf-8"))
    }
)
"""What the documents name of the package: document, chain of attributes, and a bracket where it is called."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=300,
    )
    (path,) = folder.glob("*.whl")
    return path


def test_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"restore", "restore_cli", "restore_web"}
    assert "restore/py.typed" in names
    shipped = {f"restore/_weights/{path.name}" for path in (ROOT / "weights").iterdir()}
    assert shipped == {name for name in names if name.startswith("restore/_weights/")}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "restore").rglob("*.py")}
    assert modules <= set(names)


def test_finds_its_weights(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = """
import pathlib, restore, restore.weights
here = pathlib.Path.cwd()
assert pathlib.Path(restore.__file__).is_relative_to(here), restore.__file__
assert restore.weights.folder() == here / "restore" / "_weights"
for name in restore.list_weights():
    restore.load(name)
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=300)


def test_finds_its_weights_in_a_checkout() -> None:
    from restore import weights

    assert weights.folder() in (ROOT / "weights", Path(weights.__file__).parent / "_weights")


def test_version_is_one() -> None:
    import restore

    assert f'version = "{restore.__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "restore = restore_cli:main" in archive.read(name).decode()
    assert all(point.value == "restore_cli:main" for point in entry_points(group="console_scripts", name="restore"))


def test_modules_need_no_import_of_their_own() -> None:
    import restore

    assert "resnet50" in restore.backbones.BACKBONES
    assert set(restore._MODULES) <= set(dir(restore))
    with pytest.raises(AttributeError, match="module 'restore' has no attribute 'nothing'"):
        restore.nothing  # noqa: B018


@pytest.mark.parametrize(("document", "chain", "call"), NAMED)
def test_what_the_documents_name_is_there(document: str, chain: str, call: str) -> None:
    """What is called needs no import but that of the package, whatever the tests before have imported."""
    import restore

    first, *rest = chain[1:].split(".")
    assert first in {*restore._HOMES, *restore._MODULES} or (not call and importlib.util.find_spec(f"restore.{first}"))

    def step(found: object, name: str) -> object:
        return getattr(found, name) if hasattr(found, name) else importlib.import_module(f"{found.__name__}.{name}")

    functools.reduce(step, rest, getattr(restore, first) if first in restore._HOMES else importlib.import_module(f"restore.{first}"))
