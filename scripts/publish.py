"""Turn a training run into a shipped weight: file in half precision, entry in the manifest, card.

python scripts/publish.py RUN --name denoise --task denoise --recipe denoise --data DIR --trained "2 h on one core" --scores scores.json
python scripts/publish.py RUN --name lenet5-mnist --task classify --recipe lenet5 --data DIR --trained "2 min on one core" --origin "MNIST."
"""

import csv
import hashlib
import json
import re
import subprocess
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from restore import data, weights
from restore.backbones import Backbone
from restore.image import SUFFIXES
from restore.image.files import replacing
from restore.training import config as configuration
from restore.training import engine
from restore.training.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[1]


def publish(
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    name: Annotated[str, typer.Option(help="Name of the weight.")],
    task: Annotated[str, typer.Option(help="Task it serves.")],
    recipe: Annotated[str, typer.Option(help="Recipe that trained it.")],
    source: Annotated[Path, typer.Option("--data", help="What it was trained on.")],
    trained: Annotated[str, typer.Option(help="Hours and hardware, in words.")],
    *,
    scores: Annotated[Path | None, typer.Option(help="JSON file: what was measured -> value.")] = None,
    origin: Annotated[str, typer.Option(help="Where labelled data comes from and its licence, for the card of a classifier.")] = "",
    out: Annotated[Path, typer.Option(help="Folder of the weights.")] = ROOT / "weights",
) -> None:
    """Publish the averaged weights of a run."""
    config = json.loads((run / "config.json").read_text("utf-8"))
    network = configuration.build(config["network"], config["options"])
    network.load_state_dict(engine.read_checkpoint(run / "checkpoint.pt")["averaged"])
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.safetensors"
    engine.export(path, network)
    content = path.read_bytes()
    labelled = None
    if isinstance(network, Backbone):
        labelled = data.read_labelled(source, "train", size=config["crop"], channels=len(network.mean))
    entry = weights.Entry(
        name=name,
        network=config["network"],
        options=config["options"],
        task=task,
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        licence="Apache-2.0",
        recipe=recipe,
        commit=commit(),
        trained=trained,
        scores=json.loads(scores.read_text("utf-8")) if scores else {},
        classes=labelled.names if labelled else (),
    )
    manifest = out / "weights.toml"
    known = weights.entries(out) if manifest.exists() else {}
    with replacing(manifest) as file:
        file.write(render({**known, name: entry}).encode("utf-8"))
    described = describe_labelled(labelled, source, origin) if labelled else describe_data(source, config["licence"])
    write_card(out / f"{name}.md", entry, described)
    typer.echo(f"{path.name}: {len(content):,} bytes, sha256 {entry.sha256}")


def commit() -> str:
    """The commit that is checked out; "unknown" outside a checkout."""
    try:
        run = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


def render(entries: dict[str, weights.Entry]) -> str:
    """The manifest as TOML; a JSON string, number or array is a TOML one."""
    lines = [f"version = {weights.VERSION}"]
    for name, entry in entries.items():
        lines += ["", f"[{name}]"]
        for key, value in asdict(entry).items():
            if key == "options":
                lines.append("options = { " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + " }")
            elif key not in ("name", "scores") and value != ():
                lines.append(f"{key} = {json.dumps(value)}")
        if entry.scores:
            lines += ["", f"[{name}.scores]", *(f"{json.dumps(key)} = {value}" for key, value in entry.scores.items())]
    return "\n".join(lines) + "\n"


def write_card(path: Path, entry: weights.Entry, described: str) -> None:
    """Write the card; what stands under "Limits" in an older one is kept."""
    limits = "(to be written)"
    if path.exists() and (kept := re.search(r"## Limits\n\n(.*)", path.read_text("utf-8"), re.DOTALL)):
        limits = kept[1].strip()
    options = ", ".join(f"{key} {value}" for key, value in entry.options.items())
    sections = [
        f"# {entry.name}",
        first_line(RECIPES[entry.recipe].__doc__),
        f"- Network: `{entry.network}` ({options}), {entry.bytes / 1e6:.1f} MB in half precision\n"
        f"- Training: recipe `{entry.recipe}`, {entry.trained}; published at commit {entry.commit}\n"
        f"- Licence of the weight: {entry.licence}",
        f"## Data\n\n{described}",
        "## Scores\n\n" + "\n".join(["| what | value |", "|---|---|", *(f"| {key} | {value} |" for key, value in entry.scores.items())]),
        f"## Limits\n\n{limits}",
    ]
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def describe_labelled(labelled: data.Labelled, source: Path, origin: str) -> str:
    """Which labelled pictures were trained on."""
    held_out = f"the last {data.HELD_OUT:,}" if data.is_packed(source) else "every tenth"
    size = "x".join(str(n) for n in labelled.pictures.shape[1:])
    what = f"{len(labelled):,} pictures of {size} in {len(labelled.names)} classes, of which {held_out} were held out to choose on."
    classes = f"Classes, in the order of the outputs: {', '.join(labelled.names)}."
    return "\n\n".join(filter(None, [what, origin, classes]))


def describe_data(source: Path, licence: str) -> str:
    """Which photographs were trained on, by the licence that their publishers state."""
    manifest = source / "manifest.tsv"
    if not manifest.exists():
        return f"{sum(1 for p in source.rglob('*') if p.suffix.lower() in SUFFIXES)} photographs of one folder."
    allowed = data.open_files(manifest)
    with manifest.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = [r for r in csv.DictReader(file, delimiter="\t") if r["shard"] != "train-006"]
    used = [row for row in rows if licence == "any" or row["file"] in allowed]
    counts = Counter((row["licence"], row["source"]) for row in used)
    table = [f"| {kind} | {origin} | {count} |" for (kind, origin), count in counts.most_common()]
    which = "those whose licence is stated and open" if licence == "open" else "of any licence"
    head = [f"{len(used)} photographs, {which}; chosen on a shard that was held out.", "", "| licence as stated | source | photographs |"]
    return "\n".join([*head, "|---|---|---|", *table])


def first_line(docstring: str | None) -> str:
    """The summary of a docstring."""
    return (docstring or "").strip().splitlines()[0]


if __name__ == "__main__":
    typer.run(publish)
