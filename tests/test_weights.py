"""The manifest, the hashes, and the weights that are shipped."""

import hashlib
import os
import re
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file, save

import restore
from restore import backbones, networks, weights
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
    assert list(entries) == ["denoise", "inpaint", "filters", "dejpeg", "deblur"]
    assert entries["denoise"].options == {"widths": [8, 8], "down": [1, 1], "up": [1, 1]}
    assert entries["denoise"].scores == {}
    assert entries["denoise"].classes == ()
    assert restore.list_weights() == entries


def test_load_gives_the_files_numbers(tiny_weights: Path) -> None:
    network = weights.load("denoise", place=tiny_weights)
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
        weights.load("denoise", place=tiny_weights)


def test_cut_off(tiny_weights: Path) -> None:
    path = tiny_weights / "denoise.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"1000 bytes instead of \d+"):
        weights.load("denoise", place=tiny_weights)


def test_missing_file(tiny_weights: Path) -> None:
    (tiny_weights / "denoise.safetensors").unlink()
    with pytest.raises(WeightsError, match="denoise.safetensors cannot be read: No such file"):
        weights.load("denoise", place=tiny_weights)


def test_unknown_name(tiny_weights: Path) -> None:
    with pytest.raises(WeightsError, match="weight 'colour' is unknown; expected one of denoise, inpaint, filters"):
        weights.load("colour", place=tiny_weights)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no safetensors", "weight 'denoise' is no safetensors file: ."),
        (save({"a": torch.zeros(1)}), r"weight 'denoise' does not fit network 'restoration': lacks .*; has the unknown a$"),
    ],
)
def test_file_that_does_not_fit(tiny_weights: Path, content: bytes, message: str) -> None:
    old = hashlib.sha256((tiny_weights / "denoise.safetensors").read_bytes()).hexdigest()
    (tiny_weights / "denoise.safetensors").write_bytes(content)
    change(tiny_weights, old, hashlib.sha256(content).hexdigest())
    with pytest.raises(WeightsError, match=message) as raised:
        weights.load("denoise", place=tiny_weights)
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


@pytest.mark.parametrize("task", TASKS.values())
def test_every_task_has_its_weight(task) -> None:
    assert SHIPPED[task.weight].task == task.name


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weight(name: str) -> None:
    entry, network = SHIPPED[name], weights.load(name)
    assert (weights.folder() / entry.file).stat().st_size == entry.bytes
    assert (weights.folder() / f"{name}.md").is_file()
    if isinstance(network, backbones.Backbone):
        assert entry.task == "classify"
        assert network(network.preprocess(np.zeros((40, 40, 3), np.uint8))).shape == (1, len(entry.classes))
        return
    assert network.takes_mask == (entry.task == "inpaint")
    side = networks.build(entry.network, dict(entry.options)).multiple_of * 2
    conditions = {"inpaint": np.ones((side, side, 1), np.float32), "denoise": 0.1, "filter": (1, 0.5)}
    condition = conditions.get(entry.task, 0.0)
    assert Runtime(network, device="cpu")(np.full((side, side, 3), 0.5, np.float32), condition).shape == (side, side, 3)


# backbones, with torchvision's weights or a file


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch):
    """Publish random weights of a network where torchvision has its own: instead of being fetched, they are returned.

    As in torchvision's files of the time, DenseNet's keys have a dot before their number, and nothing counts batches.
    """

    def publish(name: str) -> dict:
        torch.manual_seed(0)
        options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}  # theirs is slow
        net = torchvision.models.get_model(name, weights=None, **options)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        state = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value for key, value in net.state_dict().items()}
        state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
        monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", lambda self, **options: {**asked.append(options), **state})
        return state

    asked = Asked()
    publish.asked = asked
    return publish


class Asked(list):
    def append(self, options):
        super().append(options)
        return {}


def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (300, 280, 3), np.uint8)


FIRST = [family.TORCHVISION[0] for family in backbones.FAMILIES if family.TORCHVISION]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in ("vgg11", "alexnet") else name for name in FIRST])
def test_imagenet_weights_give_torchvisions_logits(name: str, published) -> None:
    published(name)
    theirs = torchvision.models.get_model(name, weights="IMAGENET1K_V1").eval()
    ours = restore.load(name, "imagenet")
    assert not ours.training
    x = torch.randn(1, 3, *ours.input_size)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))
    preset = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].transforms()
    assert (list(ours.input_size), [ours.resize_size]) == (preset.crop_size * 2, preset.resize_size)
    expected = preset(torch.from_numpy(photo()).permute(2, 0, 1))
    assert (ours.preprocess(photo())[0] - expected).abs().max() < 0.02  # torchvision rounds to 8 bits after it resizes


def test_what_torchvision_is_asked_for(published) -> None:
    published("resnet18")
    restore.load("resnet18", "imagenet")
    assert published.asked == [{"progress": sys.stderr.isatty(), "check_hash": True, "map_location": "cpu", "weights_only": True}]


def test_without_a_network_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", lambda *_, **__: (_ for _ in ()).throw(URLError("no route\nto host")))
    url = r"https://\S+/resnet18-\w+.pth"
    message = f"^weights 'imagenet' of 'resnet18' cannot be fetched from {url}: .*no route to host.*; expected a network, or a file$"
    with pytest.raises(WeightsError, match=message):
        restore.load("resnet18", "imagenet")
    assert not list(tmp_path.rglob("*.pth"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
def test_a_file(suffix: str, tmp_path: Path) -> None:
    state = backbones.build("resnet18").state_dict()
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    path = tmp_path / f"mine.{suffix}"
    path.write_bytes(save(half)) if suffix == "safetensors" else torch.save(half, path)
    network = restore.load("resnet18", path)
    assert not network.training
    for key, value in network.state_dict().items():
        assert torch.equal(value, half[key].to(value.dtype))
        assert value.dtype == state[key].dtype


def test_a_file_with_another_number_of_classes(tmp_path: Path) -> None:
    state = backbones.build("resnet18", num_classes=3).state_dict()
    torch.save(state, tmp_path / "mine.pth")
    network = restore.load("resnet18", tmp_path / "mine.pth").state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.items())
    assert restore.load("resnet18", tmp_path / "mine.pth", num_classes=5).state_dict()["fc.bias"].shape == (5,)


def test_a_file_for_grey_pictures(tmp_path: Path) -> None:
    state = backbones.build("resnet18").state_dict()
    torch.save(state, tmp_path / "mine.pth")
    network = restore.load("resnet18", tmp_path / "mine.pth", in_channels=1)
    assert network(network.preprocess(photo()[..., :1])).shape == (1, 1000)
    assert torch.equal(network.state_dict()["conv1.weight"], state["conv1.weight"].sum(1, keepdim=True))


def test_another_classifier_is_random_and_all_else_is_loaded(published) -> None:
    state = published("resnet18")
    first, second = (restore.load("resnet18", "imagenet", num_classes=7).state_dict() for _ in range(2))
    assert first["fc.weight"].shape == (7, 512)
    assert not torch.equal(first["fc.weight"], second["fc.weight"])
    assert all(torch.equal(first[key], value) for key, value in state.items() if not key.startswith("fc."))
    same = restore.load("resnet18", "imagenet", num_classes=1000).state_dict()
    assert torch.equal(same["fc.weight"], state["fc.weight"])
    none = restore.load("resnet18", "imagenet", num_classes=0).state_dict()
    assert [key for key in state if key not in none] == ["fc.weight", "fc.bias"]


@pytest.mark.parametrize("channels", [1, 4])
def test_another_input_is_adapted(published, channels: int) -> None:
    state = published("resnet18")
    network = restore.load("resnet18", "imagenet", in_channels=channels).state_dict()
    assert torch.equal(network["conv1.weight"], backbones.adapt_input(state["conv1.weight"], channels))
    assert all(torch.equal(network[key], value) for key, value in state.items() if key != "conv1.weight")


def test_auxiliary_classifiers_of_the_file_are_left_out_if_asked(published) -> None:
    state = published("googlenet")
    network = restore.load("googlenet", "imagenet", options={"aux_logits": False}).state_dict()
    assert {key.split(".")[0] for key in state if key not in network} == {"aux1", "aux2"}


def test_grey_input_of_a_network_that_wants_another_range(published) -> None:
    published("googlenet")
    rgb, grey = restore.load("googlenet", "imagenet"), restore.load("googlenet", "imagenet", in_channels=1)
    picture = photo()[..., :1]
    with torch.inference_mode():
        torch.testing.assert_close(grey(grey.preprocess(picture)), rgb(rgb.preprocess(picture)), rtol=1e-4, atol=1e-4)


def test_an_output_stride_and_options(published) -> None:
    published("resnet18")
    assert restore.load("resnet18", "imagenet", output_stride=8).reductions == [2, 4, 8, 8, 8]
    with pytest.raises(WeightsError, match=r"^weights 'imagenet' of 'resnet18' does not fit network 'resnet18': .*takes no 'depth'"):
        restore.load("resnet18", "imagenet", options={"depth": 3})


def test_shipped_classifiers_have_another_number_of_classes_if_asked(tiny_classifier: Path) -> None:
    assert weights.load("tiny", place=tiny_classifier, num_classes=4)(torch.zeros(1, 3, 64, 64)).shape == (1, 4)
    with pytest.raises(WeightsError, match="weight 'denoise' does not fit network 'restoration': options .*'in_channels'"):
        weights.load("denoise", place=tiny_classifier, in_channels=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight": None}, "lacks fc.weight$"),
        (
            {"fc.weight": None, "fc.bias": None, "conv1.weight": None, "bn1.bias": None},
            "lacks conv1.weight, bn1.bias, fc.weight and 1 more$",
        ),
        ({"head.weight": torch.zeros(1)}, "has the unknown head.weight$"),
        ({"bn1.bias": torch.zeros(10)}, r"has bn1.bias \(10,\) instead of \(64,\)$"),
        ({"fc.weight": torch.zeros(10, 9)}, r"has fc.weight \(10, 9\) instead of .*"),
        ({"fc.bias": None, "bias": torch.zeros(1)}, "lacks fc.bias; has the unknown bias$"),
        ({"fc.weight": torch.tensor(1.0)}, r"has fc.weight \(\) instead of \(1000, 512\)$"),
        ({"fc.bias": torch.tensor(1.0)}, r"has fc.bias \(\) instead of \(1000,\)$"),
    ],
)
def test_a_state_dict_that_does_not_fit(tmp_path: Path, change: dict, message: str) -> None:
    state = {**backbones.build("resnet18").state_dict(), **change}
    torch.save({key: value for key, value in state.items() if value is not None}, tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match=f"mine.pth does not fit network 'resnet18': {message}"):
        restore.load("resnet18", tmp_path / "mine.pth")


@pytest.mark.parametrize("first", [torch.tensor(1.0), torch.zeros(64), torch.zeros(64, 0, 7, 7)])
def test_a_first_layer_that_cannot_be_adapted(tmp_path: Path, first: torch.Tensor) -> None:
    torch.save({**backbones.build("resnet18").state_dict(), "conv1.weight": first}, tmp_path / "mine.pth")
    for channels in (1, 2):
        message = re.escape(f"has conv1.weight {tuple(first.shape)} instead of (64, {channels}, 7, 7)")
        with pytest.raises(WeightsError, match=message):
            restore.load("resnet18", tmp_path / "mine.pth", in_channels=channels)


@pytest.mark.parametrize("given", [{"in_channels": 0}, {"num_classes": -1}])
def test_numbers_that_no_network_has(tmp_path: Path, given: dict) -> None:
    with pytest.raises(WeightsError, match="mine.pth does not fit network 'resnet18': .*; expected at least"):
        restore.load("resnet18", tmp_path / "mine.pth", **given)


class Harm:
    """What a pickle can do when it is loaded without care."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.pth", None, "no.pth cannot be read: No such file"),
        ("a.bin", b"", "a.bin ends in '.bin'; expected a file that ends in .safetensors, .pth or .pt, or 'imagenet'"),
        ("a.pth", b"", "a.pth is no file of tensors: ."),
        ("a.pth", b"no file of torch", "a.pth is no file of tensors: ."),
        ("a.safetensors", b"no safetensors", "a.safetensors is no safetensors file: ."),
        ("a.pth", [1], "a.pth holds list; expected a state dict: names and tensors"),
        ("a.pth", {"model": {"fc.bias": torch.zeros(1)}, "epoch": 3}, "a.pth holds a dict of model, epoch; expected a state dict"),
        ("a.pth", Harm(), "a.pth is no file of tensors: ."),
        ("a.pth", {1: torch.zeros(1)}, "a.pth holds a dict of 1; expected a state dict"),
    ],
)
def test_a_file_that_is_no_state_dict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        Path(name).write_bytes(content)
    elif content is not None:
        torch.save(content, name)
    for network in ("resnet18", "densenet121"):
        with pytest.raises(WeightsError, match=f"^{message}") as raised:
            restore.load(network, name)
        assert str(raised.value).isprintable()
        assert "weights_only" not in str(raised.value)  # torch's advice to load it without care
    assert not Path("harm").exists()


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("resnet18", None, r"backbone 'resnet18' comes without weights; expected weights=\"imagenet\", or a file"),
        ("resnet999", "imagenet", "backbone 'resnet999' is unknown; expected one of .*resnet18"),
        ("denoise", "imagenet", "backbone 'denoise' is unknown"),
        ("lenet5", "imagenet", "torchvision publishes no ImageNet weights of 'lenet5'; expected a file"),
    ],
)
def test_names_and_weights_that_do_not_go_together(name: str, given: str | None, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        restore.load(name, given)


def test_class_names(tiny_classifier: Path) -> None:
    names = weights.class_names("resnet18", "imagenet")
    assert (len(names), names[0], names[281], names[999]) == (1000, "tench", "tabby", "toilet tissue")
    assert weights.class_names("tiny", place=tiny_classifier) == ("cat", "dog", "cow")
    for name, given in (("denoise", None), ("resnet18", None), ("resnet18", "mine.pth"), ("lenet5", "imagenet"), ("nothing", "imagenet")):
        assert weights.class_names(name, given, place=tiny_classifier) == ()
