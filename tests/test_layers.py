"""The rules of the house: imports point down, modules and functions stay small, heavy packages stay at home."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    **dict.fromkeys(["levels", "draws", "jpeg_tables", "signals"], -1),
    **dict.fromkeys(["image", "tiling", "metrics", "nn", "filters", "patches"], 0),
    **dict.fromkeys(["backbones", "masks", "estimate", "exemplar", "grain", "figures", "deconvolution"], 1),
    **dict.fromkeys(["networks", "losses", "degrade", "data", "kinds", "heads"], 2),
    **dict.fromkeys(["weights", "runtime", "augment", "psf"], 3),
    **dict.fromkeys(["tasks", "training", "explain"], 4),
    **dict.fromkeys(["loaded", "compress"], 5),
    "restorer": 6,
    **dict.fromkeys(["batch", "functions"], 7),
    "restore": 8,
    "restore_web": 9,
    "restore_cli": 10,
}
"""Entry of ``restore/``, its front door, or app -> floor; the twin of the table in CONTRIBUTING.md."""
INSIDE = {key for key, floor in FLOORS.items() if floor < 8}
SIDEWAYS = {
    "nn": ["reach", "arithmetic", "convolution", "layers", "pooling", "filling", "blocks", "manual"],
    "filters": ["base", "kernels", "learned_kernel", "options", "array", "tensor"],
    "data": ["photographs", "crops", "labelled", "resident", "workers"],
    "degrade": [
        "base",
        "blur",
        "tone",
        "noise",
        "camera",
        "sampling",
        "jpeg",
        "codec",
        "surface",
        "damage",
        "table",
        "composition",
        "arrays",
    ],
    "masks": ["base", "lines", "cracks", "shapes", "marks", "lama", "files", "edit", "canvas", "draw", "bank"],
    "losses": ["base", "distance", "structural", "frequency", "variation", "perceptual", "adversarial", "segmentation", "classification"],
    "training": [
        "optim",
        "processes",
        "log",
        "denoise",
        "dejpeg",
        "deblur",
        "camera",
        "inpaint",
        "classify",
        "imitate",
        "repair",
        "segment",
        "config",
        "checkpoints",
        "recipes",
        "engine",
        "evaluation",
    ],
    "runtime": ["cache", "ensemble", "eager", "compiled"],
    "tasks": ["denoise", "deblur", "deconvolve", "crops", "fills", "inpaint"],
    "compress": ["export"],
    "estimate": ["base", "jpeg", "noise"],
    "restore_cli": [
        "base",
        "photos",
        "inpaint",
        "folder",
        "demo",
        "classify",
        "explain",
        "filters",
        "degrade",
        "models",
        "backbones",
        "train",
        "evaluate",
        "web",
    ],
    "restore_web": ["base", "steps", "look", "tabs", "page"],
}
"""Package -> its files, of which each may import those before it, where that is more than ``base``."""
HOMES = {
    "gradio": [f"apps/restore_web/{name}.py" for name in ("look", "page")]
    + [f"apps/restore_web/tabs/{name}.py" for name in ("base", "blur", "border", "damage", "filters", "jpeg", "noise")],
    "albumentations": ["restore/augment.py"],
    "lpips": [],
    "ray": [],
    "onnx": [],
    "onnxruntime": [],
    "openvino": ["restore/runtime/compiled.py"],
}
"""Heavy package -> the modules that may import it at their level; others do so inside a function, where it is needed."""
MANY_PARAMETERS = dict.fromkeys(
    ["inpaint.inpaint", "photos.denoise", "photos.dejpeg", "photos.deblur", "explain.explain", "filters.filter", "degrade.degrade"],
    "typer makes each option of a command a parameter",
) | dict.fromkeys(["restorer.inpaint", "functions.inpaint"], "each is an option of the command, and few need more than one")
BANNED = {"utils", "helpers", "common", "misc"}

LIBRARY = sorted((ROOT / "restore").rglob("*.py"))
APPS = sorted((ROOT / "apps").rglob("*.py"))
MODULES = LIBRARY + APPS


def name_of(path: Path) -> str:
    relative = path.relative_to(ROOT / "apps" if (ROOT / "apps") in path.parents else ROOT).with_suffix("")
    return ".".join(relative.parts).removesuffix(".__init__")


KNOWN = {name_of(path) for path in MODULES}


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Modules that are imported anywhere in ``tree``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if full in KNOWN else node.module), node


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def place(module: str) -> tuple[str, list[str]]:
    """The key of ``FLOORS`` that a module belongs to, and its place within.

    >>> place("restore.nn.blocks"), place("restore"), place("restore_cli.demo")
    (('nn', ['blocks']), ('restore', []), ('restore_cli', ['demo']))
    """
    first, *rest = module.split(".")
    return (rest[0], rest[1:]) if first == "restore" and rest else (first, rest)


def may_import(importer: str, imported: str) -> bool:
    (here, mine), (there, theirs) = place(importer), place(imported)
    if here != there:
        return FLOORS[there] < FLOORS[here]
    if mine in ([], ["__main__"]) or theirs[-1:] == ["base"]:  # the front door may import what is behind it
        return True
    order = SIDEWAYS.get(here, [])
    return mine[0] in order and theirs != [] and theirs[0] in order[: order.index(mine[0])]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    mine = name_of(path)
    for imported, node in imports(parse(path)):
        if imported.split(".")[0] in ("restore", "restore_cli", "restore_web") and imported != mine:
            assert may_import(mine, imported), f"{path.relative_to(ROOT)}:{node.lineno} imports {imported}, which is not below it"


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("restore.tiling", "restore.image", False),
        ("restore.masks", "restore.image", True),
        ("restore.image", "restore.masks", False),
        ("restore.runtime", "restore.networks.base", True),
        ("restore.runtime", "restore.weights", False),
        ("restore.tasks.denoise", "restore.tasks.inpaint", False),
        ("restore.tasks", "restore.tasks.inpaint", True),
        ("restore.nn.blocks", "restore.nn.layers", True),
        ("restore.nn.layers", "restore.nn.blocks", False),
        ("restore.backbones.resnet", "restore.backbones.base", True),
        ("restore.backbones.resnet", "restore.backbones", False),
        ("restore.restorer", "restore", False),
        ("restore", "restore.restorer", True),
        ("restore.restorer", "restore_cli", False),
        ("restore_cli.demo", "restore", True),
        ("restore_cli.web", "restore_web", True),
        ("restore_web.page", "restore_cli.base", False),
        ("restore_web.__main__", "restore_web", True),
        ("restore_cli.demo", "restore.batch", True),
        ("restore_cli.demo", "restore_cli.base", True),
        ("restore_cli.demo", "restore_cli", False),
        ("restore_cli", "restore_cli.demo", True),
    ],
)
def test_the_rule_itself(importer: str, imported: str, allowed: bool) -> None:
    assert may_import(importer, imported) == allowed


def test_every_entry_has_a_floor() -> None:
    entries = {path.stem for path in (ROOT / "restore").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert entries - {"__init__"} == INSIDE


def test_contributing_has_the_same_floors() -> None:
    rows = [line.split("|") for line in (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    written = {
        entry.strip().strip("`").removesuffix(".py").rstrip("/"): int(row[1])
        for row in rows
        if row[1].strip().lstrip("-").isdigit()
        for entry in row[2].split(",")
    }
    assert written == {key: FLOORS[key] for key in INSIDE}


def test_contributing_names_the_files_of_tasks_and_training() -> None:
    (row,) = (line for line in (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines() if line.startswith("| 4 |"))
    files = re.findall(r"`(\w+)\.py`", row.split("|")[3])
    assert files == SIDEWAYS["training"]
    for task in (ROOT / "restore" / "tasks").glob("*.py"):
        assert task.stem in ("__init__", "base", "crops", "fills") or task.stem in row


def test_no_relative_imports() -> None:
    found = [
        f"{path}:{node.lineno}" for path in MODULES for node in ast.walk(parse(path)) if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not found


@pytest.mark.parametrize("heavy", HOMES)
def test_heavy_packages_stay_at_home(heavy: str) -> None:
    for path in MODULES:
        outermost = [node for node in parse(path).body if isinstance(node, ast.Import | ast.ImportFrom | ast.Try)]
        names = {name.split(".")[0] for node in outermost for name, _ in imports(node)}
        assert heavy not in names or str(path.relative_to(ROOT)) in HOMES[heavy], f"{path} imports {heavy} at its level"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_budgets(path: Path) -> None:
    assert path.stem not in BANNED
    assert len(path.read_text("utf-8").splitlines()) <= 400
    for function in functions(parse(path)):
        where, arguments = f"{path.relative_to(ROOT)}:{function.lineno} {function.name}", function.args
        inner = [node for inside in functions(function) if inside is not function for node in ast.walk(inside)]
        statements = [node for node in ast.walk(function) if isinstance(node, ast.stmt) and node not in inner]
        assert len(statements) - 1 - (ast.get_docstring(function) is not None) <= 50, f"{where}: more than 50 statements"
        parameters = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs) if a.arg not in ("self", "cls")]
        assert len(parameters) <= 8 or MANY_PARAMETERS.get(f"{path.stem}.{function.name}"), f"{where}: more than 8 parameters"
        assert arguments.kwarg is None, f"{where}: **{arguments.kwarg and arguments.kwarg.arg}"


def test_the_median_module_is_short() -> None:
    assert statistics.median(len(path.read_text("utf-8").splitlines()) for path in LIBRARY) <= 160


def test_class_trees_are_flat() -> None:
    """A class of ours inherits from at most one other of ours, which inherits from none."""
    bases = {
        node.name: [ast.unparse(base).removeprefix("base.") for base in node.bases]
        for path in MODULES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ClassDef)
    }

    def depth(name: str) -> int:
        return 1 + max((depth(base) for base in bases.get(name, []) if base in bases), default=0)

    assert max(map(depth, bases)) <= 2


def test_every_module_has_its_test() -> None:
    tests = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert INSIDE - {"tasks"} <= tests
    assert {path.stem for path in (ROOT / "restore" / "tasks").glob("*.py")} - {"__init__", "base"} <= tests
