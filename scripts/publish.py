"""Turn a training run into a weight that can be handed on: file in half precision, entry in the manifest, card with scores and pictures.

python scripts/publish.py run RUN --name denoise --recipe denoise --data DIR --trained "2 h on one core" --scores scores.json
python scripts/publish.py run RUN --name lenet5-mnist --recipe lenet5 --data DIR --trained "2 min on one core" --origin "MNIST."
python scripts/publish.py run runs/denoise --name mine --recipe denoise --data mine --trained "4 min on two cores" --out published
python scripts/publish.py run RUN --name small --recipe denoise --data DIR --trained "1 h" --summary "A denoiser for old telephones."
python scripts/publish.py card denoise

The last writes the card of a published weight anew, from the manifest; what the old one says of data and limits is kept.
"""

import hashlib
import json
import os
import re
import shlex
import subprocess
import tempfile
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from average import read_run
from gallery import SHEETS, SIDE, photograph, with_difference
from PIL import Image

from restore import Restorer, data, figures, weights
from restore.backbones import Backbone
from restore.data.photographs import read_manifest
from restore.image.files import replacing
from restore.training import config as configuration
from restore.training import engine, evaluation
from restore.training.base import Photographs
from restore.training.checkpoints import describe
from restore.training.log import contact_sheet
from restore.training.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 150_000
"""Bytes of the pictures of a card."""
HOUSEKEEPING = [
    "task",
    "options",
    "objective",
    "data",
    "workers",
    "log_every",
    "save_every",
    "validate_every",
    "keep",
    "tensorboard",
    "threads",
    "compile",
]
"""Settings of a run that its card does not repeat."""
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Out = Annotated[Path, typer.Option(help="Folder of the weights.")]


@app.command("run")
def publish(
    run: Annotated[Path, typer.Argument(help="Folder of the run or of the mean of some (`average.py`), or a checkpoint.")],
    name: Annotated[str, typer.Option(help="Name of the weight.")],
    recipe: Annotated[str, typer.Option(help="Recipe that trained it.")],
    source: Annotated[Path, typer.Option("--data", help="What it was trained on.")],
    trained: Annotated[str, typer.Option(help="Hours and hardware, in words.")],
    *,
    scores: Annotated[
        Path | None, typer.Option(help="JSON file: what was measured -> value, or what `restore evaluate --json` writes.")
    ] = None,
    origin: Annotated[str, typer.Option(help="Where the data comes from and its licence, for the card.")] = "",
    licence: Annotated[str, typer.Option(help="SPDX name of the weight's licence.")] = "Apache-2.0",
    summary: Annotated[str, typer.Option(help="What the weight is, in a sentence, for the card.", show_default="the recipe's")] = "",
    out: Out = ROOT / "weights",
) -> None:
    """Publish the averaged weights of a run."""
    network, config = read_run(run)
    task = RECIPES[recipe]().objective.task if recipe in RECIPES else None
    if task is None or task != config.get("task", task):
        raise typer.BadParameter(f"{recipe!r} did not train this run", param_hint="--recipe")
    measured = read_scores(scores) if scores else {}
    labelled = None
    if isinstance(network, Backbone):
        labelled = data.read_labelled(source, "train", size=config["crop"], channels=len(network.mean))
    described = describe_labelled(labelled, source) if labelled else describe_data(source, config)
    path, manifest = out / f"{name}.safetensors", out / "weights.toml"
    entry = weights.Entry(
        name=name,
        network=config["network"],
        options=config["options"],
        task=task,
        file=path.name,
        sha256="not known yet",
        bytes=0,
        licence=licence,
        recipe=recipe,
        commit=commit(),
        trained="; ".join(filter(None, [trained, settings(config, recipe), mixture(config)])),
        scores=measured,
        classes=labelled.names if labelled else (),
        summary=summary,
    )
    known = weights.entries(out) if manifest.exists() else {}
    render({**known, name: entry})
    out.mkdir(parents=True, exist_ok=True)  # from here on files change: all that may be wrong with a call was read before
    engine.export(path, network)
    content = path.read_bytes()
    entry = replace(entry, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    with replacing(manifest) as file:
        file.write(render({**known, name: entry}).encode("utf-8"))
    write_card(entry, out, "\n\n".join(filter(None, [described, origin])))
    typer.echo(f"{path.name}: {len(content):,} bytes, sha256 {entry.sha256}")


@app.command()
def card(name: Annotated[str, typer.Argument(help="Name of a published weight.")], *, out: Out = ROOT / "weights") -> None:
    """Write the card of a published weight anew, pictures too."""
    known = weights.entries(out)
    if name not in known:
        raise typer.BadParameter(f"{name!r} is unknown, expected one of {', '.join(known)}", param_hint="NAME")
    write_card(known[name], out)


def read_scores(path: Path) -> dict[str, float]:
    """What was measured -> value, as the file says it or, of ``restore evaluate --json``, with the name of the folder before it."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {error}", param_hint="--scores") from error
    if "scores" not in content:
        return content
    where = f"{content['pictures']} pictures of {content['data']}"
    return {f"{where}: {what}": round(value, 3) for what, value in content["scores"].items()}


def settings(config: dict[str, Any], recipe: str) -> str:
    """What a run was told otherwise than its recipe says, apart from housekeeping, as ``restore train`` takes it."""
    usual, told = (flatten(what, config["network"]) for what in (describe(RECIPES[recipe]()), config))
    words = [f"--set {shlex.quote(f'{key}={Path(text).name}')}" for key, text in told.items() if text != usual.get(key, text)]
    return f"with {' '.join(words)}" if words else ""


def mixture(config: dict[str, Any]) -> str:
    """Of which runs ``average.py`` took the mean, if it did.

    >>> mixture({"mean_of": {"runs/a": 0.6, "runs/b": 0.4}})
    'those settings are of the first of the runs of which this is the mean: 0.6 a, 0.4 b'
    """
    words = [f"{share:g} {Path(run).name}" for run, share in config.get("mean_of", {}).items()]
    return f"those settings are of the first of the runs of which this is the mean: {', '.join(words)}" if words else ""


def flatten(config: dict[str, Any], network: str) -> dict[str, str]:
    """The settings of a run that change its result, and all options of ``network``, as ``override`` calls and reads them."""
    parts = {"options": {**configuration.defaults(network), **config["options"]}, "objective": config["objective"]}
    nested = {f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()}
    plain = {key: value for key, value in config.items() if key not in HOUSEKEEPING}
    return {key: configuration.written(value) for key, value in {**plain, **nested}.items()}


def commit() -> str:
    """The commit that is checked out, and "-dirty" if files differ from it; "unknown" outside a checkout."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


def render(entries: dict[str, weights.Entry]) -> str:
    """The manifest as TOML, which was read back.

    Raises:
        BadParameter: It would not be read as these entries.
    """
    lines = [f"version = {weights.VERSION}"]
    for name, entry in entries.items():
        lines += ["", f"[{name}]"]
        for key, value in asdict(entry).items():
            if key == "options":
                lines.append("options = { " + ", ".join(f"{k} = {quoted(v)}" for k, v in value.items()) + " }")
            elif key not in ("name", "scores") and value not in ((), ""):
                lines.append(f"{key} = {quoted(value)}")
        if entry.scores:
            lines += ["", f"[{name}.scores]", *(f"{quoted(key)} = {value}" for key, value in entry.scores.items())]
    text = "\n".join(lines) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        try:
            (Path(folder) / "weights.toml").write_text(text, "utf-8")
            if (read := list(weights.entries(Path(folder)))) != list(entries):
                raise ValueError(f"it would hold {', '.join(read)}; expected {', '.join(entries)}")
        except (weights.WeightsError, ValueError) as error:
            why = str(error).replace(f"{folder}{os.sep}", "")
            raise typer.BadParameter(f"nothing could read the manifest any more: {why}") from error
    return text


def quoted(value: Any) -> str:
    """A JSON string, number or array, which is a TOML one where DEL is escaped, and where what is beyond 16 bits is not."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_card(entry: weights.Entry, out: Path, described: str = "") -> None:
    """Write the card and its pictures; what stands under "Limits" in an older one is kept and, if nothing is given, "Data"."""
    path, kept = out / f"{entry.name}.md", {"Data": "(to be written)", "Limits": "(to be written)"}
    if path.exists():
        sections = re.split(r"^## (\w+)\n\n", path.read_text("utf-8"), flags=re.MULTILINE)
        kept |= dict(zip(sections[1::2], map(str.strip, sections[2::2]), strict=True))
    options = ", ".join(f"{key} {value}" for key, value in entry.options.items())
    network = f"`{entry.network}` ({options})" if options else f"`{entry.network}`"
    scores = "\n".join(["| what | value |", "|---|---|", *(f"| {key} | {value} |" for key, value in entry.scores.items())])
    sections = [
        f"# {entry.name}",
        entry.summary or first_line(RECIPES[entry.recipe].__doc__),
        f"- Network: {network}, {entry.bytes / 1e6:.1f} MB in half precision\n"
        f"- Training: recipe `{entry.recipe}`, {entry.trained}; published at commit {entry.commit}\n"
        f"- Licence of the weight: {entry.licence}",
        f"## Data\n\n{described or kept['Data']}",
        f"## Scores\n\n{scores if entry.scores else '(none)'}",
    ]
    if picture := draw(entry, out):
        sections.append(f"## Pictures\n\n![What it does to photographs]({Path(os.path.relpath(picture, out)).as_posix()})")
    path.write_text("\n\n".join([*sections, f"## Limits\n\n{kept['Limits']}"]) + "\n", encoding="utf-8")


def draw(entry: weights.Entry, out: Path) -> Path | None:
    """Draw what a weight does to photographs of scikit-image: for the wheel's sake in ``docs/weights``; elsewhere beside the card."""
    if entry.task == "classify":
        return None
    if rows_of := SHEETS.get(entry.recipe) or SHEETS.get(entry.task):
        rows = rows_of(Restorer(device="cpu", precision="fp32", weights={entry.task: out / entry.file}))
        shown = [(caption, picture) for row in rows for caption, picture in with_difference(row).items()]
        page = figures.sheet([picture for _, picture in shown], [caption for caption, _ in shown], columns=len(shown) // len(rows))
    else:
        page = as_validated(entry, out)
    folder = ROOT / "docs" / "weights" if out.resolve() == ROOT / "weights" else out
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{entry.name}.jpg"
    for quality in range(90, 30, -5):
        Image.fromarray(page).save(path, quality=quality, optimize=True)
        if path.stat().st_size < LIMIT:
            break
    return path


@torch.inference_mode()
def as_validated(entry: weights.Entry, out: Path) -> np.ndarray:
    """What training shows at a validation, for three photographs."""
    path = out / entry.file
    objective, network = evaluation.understand(entry, path), weights.load(str(path))
    assert isinstance(objective, Photographs)
    given = [photograph("astronaut", 10, 120), photograph("chelsea", 40, 120), photograph("coffee", 60, 180)]
    batches = [batch for picture in given for batch in objective.questions(picture, SIDE)]
    return contact_sheet([objective.show(network, batch, number) for number, batch in enumerate(batches)])


def describe_labelled(labelled: data.Labelled, source: Path) -> str:
    """Which labelled pictures were trained on."""
    held_out = f"the last {data.HELD_OUT:,}" if data.is_packed(source) else "every tenth"
    size = "x".join(str(n) for n in labelled.pictures.shape[1:])
    what = f"{len(labelled):,} pictures of {size} in {len(labelled.names)} classes, of which {held_out} were held out to choose on."
    classes = f"Classes, in the order of the outputs: {', '.join(labelled.names)}."
    return f"{what}\n\n{classes}"


def describe_data(source: Path, config: dict[str, Any]) -> str:
    """Which photographs a run has read, by the licence that their publishers state."""
    licence, tier = config["licence"], config.get("tier", "any")
    size = max([config["crop"], *(crop for _, crop, _ in config.get("patches", []))])
    training, held_out = data.find(source, licence=licence, tier=tier, min_side=size, say=lambda line: None)
    manifest = (source if source.is_dir() else source.parent) / "manifest.tsv"
    if not manifest.exists():
        return f"{len(training) + len(held_out)} photographs of one folder, {len(held_out)} of them held out to choose on."
    rows = read_manifest(manifest)
    used = [rows[Path(photo.name.rpartition(": ")[2]).name] for photo in training]
    which = "those whose licence is stated and open" if licence == "open" else "of any licence"
    which += f", of tier {tier} at most" if tier != "any" else ""
    counts = Counter((row["licence"], row.get("tier", ""), row.get("source", "")) for row in used)
    table = [f"| {' | '.join(key)} | {count} |" for key, count in counts.most_common()]
    head = [f"{len(used)} photographs, {which}; chosen on {len(held_out)} that were held out.", ""]
    return "\n".join([*head, "| licence as stated | tier | source | photographs |", "|---|---|---|---|", *table])


def first_line(docstring: str | None) -> str:
    """The summary of a docstring."""
    return (docstring or "").strip().splitlines()[0]


if __name__ == "__main__":
    app()
