"""The manifest, the hashes, and the weights that are shipped."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

import restore
from restore import networks, weights
from restore.runtime import Runtime
from restore.tasks import TASKS
from restore.weights import WeightsError

SHIPPED = weights.entries()


def change(folder: Path, old: str, new: str) -> None:
    manifest = folder / "weights.toml"
    text = manifest.read_text("utf-8")
    assert old in text
    manifest.write_text(text.replace(old, new, 1), "utf-8")


def test_entries(tiny_weights: Path) -> None:
    entries = weights.entries(tiny_weights)
    assert list(entries) == ["denoise", "inpaint"]
    assert entries["denoise"].options == {"widths": [8, 8], "down": [1, 1], "up": [1, 1]}
    assert entries["denoise"].scores == {}
    assert entries["denoise"].classes == ()
    assert restore.list_weights() == entries


def test_load_gives_the_files_numbers(tiny_weights: Path) -> None:
    network = weights.load("denoise", tiny_weights)
    stored = load_file(tiny_weights / "denoise.safetensors")
    assert not network.training
    assert set(stored) == set(network.state_dict())
    for key, value in network.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64)
        assert torch.equal(value, stored[key].to(value.dtype))


def test_wrong_hash(tiny_weights: Path) -> None:
    path = tiny_weights / "denoise.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"denoise.*has sha256 {hashlib.sha256(content).hexdigest()}, expected \w{{64}}$"):
        weights.load("denoise", tiny_weights)


def test_cut_off(tiny_weights: Path) -> None:
    path = tiny_weights / "denoise.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"1000 bytes instead of \d+"):
        weights.load("denoise", tiny_weights)


def test_missing_file(tiny_weights: Path) -> None:
    (tiny_weights / "denoise.safetensors").unlink()
    with pytest.raises(WeightsError, match="denoise.safetensors cannot be read: No such file"):
        weights.load("denoise", tiny_weights)


def test_unknown_name(tiny_weights: Path) -> None:
    with pytest.raises(WeightsError, match="weight 'colour' is unknown; expected one of denoise, inpaint"):
        weights.load("colour", tiny_weights)


@pytest.mark.parametrize("content", [b"no safetensors", save({"a": torch.zeros(1)})])
def test_file_that_does_not_fit(tiny_weights: Path, content: bytes) -> None:
    old = hashlib.sha256((tiny_weights / "denoise.safetensors").read_bytes()).hexdigest()
    (tiny_weights / "denoise.safetensors").write_bytes(content)
    change(tiny_weights, old, hashlib.sha256(content).hexdigest())
    with pytest.raises(WeightsError, match="weight 'denoise' does not fit network 'restoration': .") as raised:
        weights.load("denoise", tiny_weights)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1", "version = 2", "has version 2, expected 1; a newer release of restore reads it"),
        ("version = 1", "version = 0", "has version 0, expected 1$"),
        ("version = 1", "", "has version None, expected 1$"),
        ("version = 1", "version = ", "is not a TOML file: Invalid value"),
        ("version = 1", "version = 1\nname = 3", "'name' must be a table, got 3"),
        ('recipe = "none"\n', "", r"\[denoise\] lacks 'recipe'"),
        ('recipe = "none"', "recipe = 3", r"\[denoise\] recipe must be str, got 3"),
        ('recipe = "none"', 'cook = "none"', r"\[denoise\] has an unknown field 'cook'; expected network, options"),
        ("bytes = ", 'classes = "cat"\nbytes = ', r"\[denoise\] classes must be list, got 'cat'"),
        ("bytes = ", "classes = [1]\nbytes = ", r"\[denoise\] classes must be names, got \[1\]"),
        ("bytes = ", "bytes = true #", r"\[denoise\] bytes must be int, got True"),
        ('file = "', 'file = "../', "file must be a name beside the manifest, got '../denoise.safetensors'"),
    ],
)
def test_broken_manifest(tiny_weights: Path, old: str, new: str, message: str) -> None:
    change(tiny_weights, old, new)
    with pytest.raises(WeightsError, match=message) as raised:
        weights.entries(tiny_weights)
    assert "\n" not in str(raised.value)


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"weights.toml cannot be read: No such file"):
        weights.entries(tmp_path)


def test_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "restore" / "weights.py"))
    with pytest.raises(WeightsError, match="no weights came with this installation"):
        weights.folder()


def test_wheel_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "restore" / "weights.py"))
    for place in (tmp_path / "weights", tmp_path / "restore" / "_weights"):
        place.mkdir(parents=True)
        (place / "weights.toml").write_text("version = 1", "utf-8")
        assert weights.folder() == place


def test_shipped_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in weights.folder().iterdir()) < 40e6


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_every_task_has_its_weight(task) -> None:
    assert SHIPPED[task.weight].task == task.name


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weight(name: str) -> None:
    entry, network = SHIPPED[name], weights.load(name)
    assert entry.task in TASKS
    assert network.takes_mask == TASKS[entry.task].takes_mask
    assert (weights.folder() / entry.file).stat().st_size == entry.bytes
    assert (weights.folder() / f"{name}.md").is_file()
    side = networks.build(entry.network, dict(entry.options)).multiple_of * 2
    condition = np.ones((side, side, 1), np.float32) if network.takes_mask else 0.1
    assert Runtime(network, device="cpu")(np.full((side, side, 3), 0.5, np.float32), condition).shape == (side, side, 3)
