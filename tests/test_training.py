import dataclasses
import json
import re
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from restore_cli import main
from skimage import data as photographs

from restore import backbones, data, losses, masks, networks
from restore.draws import Draws
from restore.networks.inpainting import Inpainting
from restore.training import engine
from restore.training.classify import Classify, chunks
from restore.training.config import Config, build, defaults, override, written
from restore.training.denoise import Denoise
from restore.training.inpaint import Inpaint
from restore.training.optim import Muon, Player, build_optimizers, orthogonalize, rate
from restore.training.recipes import RECIPES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(photographs, name)()).save(root / f"{name}.png")
    return root


def tiny(**changes):
    small = {
        "options": {"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1], "block": "gated"},
        "decay": 0.25,
        "threads": 1,
        "crop": 32,
        "batch": 4,
        "lr": 1e-3,
    }
    settings = {**small, "steps": 12, "warmup": 2, "log_every": 4, "save_every": 5, "validate_every": 12, **changes}
    return dataclasses.replace(RECIPES["denoise"](), **settings)


def train(config, folder, out):
    engine.train(config, source=folder, out=out, say=lambda line: None)
    return engine.read_checkpoint(out / "checkpoint.pt")


def assert_equal_states(a, b):
    assert a["step"] == b["step"]
    for part in ("network", "averaged"):
        assert all(torch.equal(a[part][key], b[part][key]) for key in a[part])


def test_denoiser_learns_and_the_run_leaves_its_files(folder, tmp_path):
    config = tiny(steps=120, lr=3e-3, log_every=20, validate_every=120, objective=Denoise(sigma=(25.0, 25.0)), ema=0.9)
    train(config, folder, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    training = [r["loss"] for r in records if "loss" in r]
    assert training[-1] < 0.85 * training[0]
    assert records[-1]["psnr_25"] > 22.5  # the noisy input has 20.2
    files = ["checkpoint.pt", "config.json", "log.jsonl", "plateau.pt", "weights.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*files, "best", "pictures"])


class Interrupted(BaseException):
    pass


@contextmanager
def before(step, act):
    """Call ``act`` before the engine makes the batch of ``step``."""
    real = engine.Maker.__call__

    def make(self, now):
        if now == step:
            act()
        return real(self, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.Maker, "__call__", make)
        yield


def interrupt(config, folder, out, *, step):
    """Train until ``step``, as if the machine had gone away between two checkpoints."""

    def stop():
        raise Interrupted

    with before(step, stop), pytest.raises(Interrupted):
        train(config, folder, out)


def test_stopped_and_resumed_equals_uninterrupted(folder, tmp_path):
    whole = train(tiny(), folder, tmp_path / "whole")
    interrupt(tiny(), folder, tmp_path / "parts", step=7)
    assert engine.read_checkpoint(tmp_path / "parts" / "checkpoint.pt")["step"] == 5
    assert_equal_states(whole, train(tiny(), folder, tmp_path / "parts"))


def test_a_signal_saves_and_returns(folder, tmp_path):
    with before(3, lambda: signal.raise_signal(signal.SIGTERM)):
        assert train(tiny(), folder, tmp_path)["step"] == 4
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_plateau_can_go_on_after_a_decay(folder, tmp_path):
    train(tiny(steps=8, decay=0.5), folder, tmp_path / "run")
    longer = train(tiny(steps=12, decay=0.25), folder, tmp_path / "run")
    assert_equal_states(train(tiny(steps=12, decay=0.25), folder, tmp_path / "once"), longer)


def test_inpainting_starts_from_the_denoiser_and_learns(folder, tmp_path):
    train(tiny(), folder, tmp_path / "denoise")
    options = {"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1], "dilations": [1, 2]}
    start = str(tmp_path / "denoise" / "weights.safetensors")
    objective = Inpaint(kinds=("strokes", "boxes"), bank=20)
    config = tiny(network="inpainting", options=options, objective=objective, start=start, validate_every=12)
    state = train(config, folder, tmp_path / "inpaint")
    loaded = engine.read_checkpoint(tmp_path / "denoise" / "checkpoint.pt")["averaged"]
    key = "encoder.layer1.0.conv1.weight"
    assert (state["network"][key] - loaded[key]).abs().mean() < 0.2 * loaded[key].abs().mean()
    assert isinstance(networks.build("inpainting", options), Inpainting)
    last = json.loads((tmp_path / "inpaint" / "log.jsonl").read_text().splitlines()[-1])
    assert {"psnr_thin", "psnr_medium", "psnr_large"} < set(last)


def test_masks_are_redrawn_for_each_step_but_not_for_each_run():
    objective = Inpaint(bank=50)
    clean = torch.rand(8, 3, 64, 64)
    first, again, other = (objective.draw(clean, Draws(seed, range(8)))["mask"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    areas = first.mean((1, 2, 3))
    assert 0.10 <= areas.min() <= areas.max() <= 0.35


def test_some_crops_come_again_with_less_noise_than_is_told():
    objective = Denoise(sigma=(50.0, 50.0), clipped=0.0, overtold=0.25)
    batch = objective.draw(torch.full((64, 3, 16, 16), 0.5), Draws(0, range(64)))
    count = int(batch["again"].sum())
    assert 8 <= count <= 24
    assert (len(batch["clean"]), len(batch["noisy"])) == (64, 64 + count)
    noise = (batch["noisy"] - 0.5).flatten(1).std(1) * 255
    assert (batch["level"] == 50 / 255).all()
    assert float(noise[:64].min()) > 45
    assert float(noise[64:].min()) < 10
    assert float(noise[64:].max()) < 52
    known = torch.rand(64, 3, 16, 16)
    again = torch.rand(count, 3, 16, 16, requires_grad=True)
    loss = objective.loss(lambda noisy, level: torch.cat([known, again]), {**batch, "clean": known})
    expected = losses.charbonnier(known, known) + losses.charbonnier(again, known[batch["again"]]) * count / 64
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert (again.grad != 0).any()


def test_noise_objective_clips_its_share():
    batch = Denoise(sigma=(50.0, 50.0), clipped=0.5).draw(torch.rand(64, 3, 16, 16), Draws(0, range(64)))
    clipped = [bool(torch.equal((n * 255).round() / 255, n) and 0 <= n.min() and n.max() <= 1) for n in batch["noisy"]]
    assert 16 <= sum(clipped) <= 48


def test_noise_objective_shrinks_its_share():
    """A checkerboard is grey then."""
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * torch.ones(60, 3, 1, 1)
    clean = Denoise(shrink=(0.5, 0.5), shrunk=0.5).draw(board, Draws(0, range(60)))["clean"]
    assert clean.shape == (60, 3, 16, 16)
    assert 15 <= sum(bool((crop - 0.5).abs().max() < 0.01) for crop in clean[:, :, 2:-2, 2:-2]) <= 45
    with pytest.raises(ValueError, match="objective.shrink starts at 0; expected a number above 0"):
        Denoise(shrink=(0.0, 0.5))


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_build_and_name_masks_that_exist(recipe):
    config = RECIPES[recipe]()
    with torch.device("meta"):
        build(config.network, config.options)
    assert set(getattr(config.objective, "kinds", ())) <= set(masks.MASKS)
    assert f"restore train {recipe} " in RECIPES[recipe].__doc__


def test_override_reads_each_type():
    settings = ["lr=1e-4", "steps=7", "optimizer=adamw", "options.widths=8,16,24", "objective.sigma=5,10", "objective.clipped=0"]
    config = override(RECIPES["denoise"](), settings)
    assert (config.lr, config.steps, config.optimizer, config.options["widths"]) == (1e-4, 7, "adamw", [8, 16, 24])
    assert (config.objective.sigma, config.objective.clipped) == ((5.0, 10.0), 0.0)


@pytest.mark.parametrize(
    ("recipe", "setting", "option", "value"),
    [
        ("denoise", "options.widths=[64, 96, 160]", "widths", [64, 96, 160]),
        ("denoise", "options.up=1,1,1", "up", [1, 1, 1]),
        ("inpaint", "options.trunk=64", "trunk", 64),
        ("damage", "options.norm=group", "norm", "group"),
        ("damage", 'options.encoder={"widths": [8, 16]}', "encoder", {"widths": [8, 16]}),
        ("filters", "options.width=32", "width", 32),
        ("lenet5", "options.pooling=average", "pooling", "average"),
        ("resnet-cifar10", "options.output_stride=8", "output_stride", 8),
    ],
)
def test_override_reads_options_as_their_builder_takes_them(recipe, setting, option, value):
    config = RECIPES[recipe]()
    assert override(config, [setting]).options == {**config.options, option: value}


def test_options_are_those_of_the_network_that_is_set_beside_them():
    config = override(RECIPES["resnet-cifar10"](), ["options.dropout=0.3", "network=vgg11_cifar"])
    assert (config.network, config.options["dropout"]) == ("vgg11_cifar", 0.3)
    with pytest.raises(ValueError, match="setting 'options.dropout' is unknown; expected one of options.in_channels, options.num_classes"):
        override(RECIPES["resnet-cifar10"](), ["options.dropout=0.3"])
    with pytest.raises(ValueError, match="setting options.encoder is 'wide'; expected a JSON object$"):
        override(RECIPES["damage"](), ["options.encoder=wide"])


@pytest.mark.parametrize("network", [*networks.NETWORKS, *backbones.BACKBONES])
def test_all_options_can_be_set(network):
    config = dataclasses.replace(RECIPES["lenet5" if network in backbones.BACKBONES else "denoise"](), network=network, options={})
    said = {key: value for key, value in defaults(network).items() if value is not None}
    assert said
    settings = [f"options.{key}={written(value)}" for key, value in said.items()]
    assert override(config, settings).options == {key: list(value) if isinstance(value, tuple) else value for key, value in said.items()}


@pytest.mark.parametrize("recipe", RECIPES)
def test_settings_can_be_read_as_they_are_written(recipe):
    config = dataclasses.replace(RECIPES[recipe](), patches=((0, 64, 8), (9, 128, 2)), milestones=(3, 5))
    settings = {key: value for key, value in dataclasses.asdict(config).items() if key not in ("options", "objective")}
    settings |= {f"objective.{key}": value for key, value in dataclasses.asdict(config.objective).items()}
    settings |= {f"options.{key}": value for key, value in config.options.items()}
    assert override(config, [f"{key}={written(value)}" for key, value in settings.items()]) == config


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("lr", "setting 'lr' has no '='; expected key=value"),
        ("speed=1", "setting 'speed' is unknown; expected one of network"),
        ("objective.speed=1", "setting 'objective.speed' is unknown; expected one of objective.sigma"),
        ("options.width=1", "setting 'options.width' is unknown; expected one of options.widths"),
        ("steps=many", "setting steps is 'many'; expected int like 31000"),
        ("options=1", "setting 'options' is unknown"),
        ("steps=0", "steps is 0; expected a number above 0"),
        ("decay=2", "decay is 2.0; expected 0 to 1"),
        ("ema=1", "ema is 1.0; expected 0 to below 1"),
        ("lr=inf", "lr is inf; expected a number above 0"),
        ("seed=-1", "seed is -1; expected 0 or more"),
        ("network=gan", "network is 'gan'; expected one of restoration, inpainting"),
        ("objective.sigma=5", "objective.sigma is 5; expected 0 to 255, the lower before the higher"),
        ("objective.sigma=50,10", "objective.sigma is 50,10; expected 0 to 255"),
        ("objective.clipped=7", "objective.clipped is 7; expected 0 to 1"),
        ("gamma=0", "gamma is 0.0; expected above 0, up to 1"),
        ("weight_decay=-1", "weight_decay is -1.0; expected 0 or more"),
        ("milestones=soon", "setting milestones is 'soon'; expected values with commas between$"),
        ("objective.sigma=low", "setting objective.sigma is 'low'; expected values with commas between like 0,75$"),
        ("options.widths=wide", "setting options.widths is 'wide'; expected values with commas between like 64,128,256$"),
        ("optimizer=lion", "optimizer is 'lion'; expected one of muon, adamw, sgd, rmsprop"),
        ("precision=fp8", "precision is 'fp8'; expected one of bf16, fp32"),
    ],
)
def test_bad_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        override(RECIPES["denoise"](), [setting])


def test_errors_of_a_run_are_one_line(folder, tmp_path):
    with pytest.raises(engine.TrainingError, match=r"nothing to start from: weight .*none\.pt' is unknown; expected one of denoise"):
        train(tiny(start=str(tmp_path / "none.pt")), folder, tmp_path / "a")
    train(tiny(steps=1), folder, tmp_path / "b")
    with pytest.raises(engine.TrainingError, match=r"does not fit this configuration: Error.* Missing key") as error:
        train(tiny(options={"widths": [4, 8, 8]}), folder, tmp_path / "b")
    assert "\n" not in str(error.value)
    (tmp_path / "b" / "checkpoint.pt").write_bytes(b"nothing")
    with pytest.raises(engine.TrainingError, match="is no file of tensors"):
        train(tiny(), folder, tmp_path / "b")
    torch.save({"network": {}}, tmp_path / "b" / "checkpoint.pt")
    with pytest.raises(engine.TrainingError, match="is not a checkpoint: it holds no averaged weights"):
        train(tiny(), folder, tmp_path / "b")
    start = str(tmp_path / "b" / "weights.safetensors")
    with pytest.raises(engine.TrainingError, match=r"does not fit: it lacks .* and \d+ more; has .* instead of "):
        train(tiny(start=start, options={"widths": [4, 8, 8]}), folder, tmp_path / "c")


SHALLOW = {"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1]}


@pytest.mark.parametrize(
    ("network", "options", "content", "message"),
    [
        ("restoration", SHALLOW, b"nothing", "nothing to start from: .* is no safetensors file"),
        ("restoration", SHALLOW, ("lenet5", {}), "does not fit: it lacks .*; has the unknown "),
        ("restoration", {**SHALLOW, "down": [2, 1, 1]}, ("restoration", SHALLOW), r"lacks encoder.layer1.1.norm1.weight, .* and \d+ more"),
        ("inpainting", {**SHALLOW, "dilations": [1]}, ("lenet5", {}), "does not fit: it lacks .*; has the unknown "),
        ("inpainting", {**SHALLOW, "up": [1, 2, 1]}, ("restoration", SHALLOW), "does not fit: it lacks decoder"),
        ("inpainting", {"dilations": [1]}, ("inpainting", {"dilations": [1, 2]}), "does not fit: it has the unknown trunk.1"),
    ],
)
def test_what_a_run_cannot_start_from(tmp_path, network, options, content, message):
    path = tmp_path / "weights.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        engine.export(path, build(*content))
    with pytest.raises(engine.TrainingError, match=message):
        engine.start_from(path, build(network, options))


STARTS = {name: re.search(r"start=([a-z][a-z-]*)``", recipe.__doc__) for name, recipe in RECIPES.items()}


@pytest.mark.parametrize("recipe", [name for name, found in STARTS.items() if found])
def test_recipes_can_start_from_the_weights_that_they_name(recipe):
    config = RECIPES[recipe]()
    engine.start_from(Path(STARTS[recipe][1]), build(config.network, config.options))


@pytest.mark.parametrize("trunk", [0, 16])
def test_a_longer_trunk_starts_as_the_shorter_one(tmp_path, trunk):
    options = {**SHALLOW, "trunk": trunk, "finish": 4}
    short, long = (build("inpainting", {**options, "dilations": dilations}).eval() for dilations in ([1, 2], [1, 2, 4, 8]))
    with torch.no_grad():
        for parameter in short.parameters():
            parameter.normal_(std=0.2)
    engine.export(tmp_path / "weights.safetensors", short.half().float())
    engine.start_from(tmp_path / "weights.safetensors", long)
    x, mask = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    mask[..., 8:20, 8:20] = 1
    with torch.no_grad():
        torch.testing.assert_close(long(x, mask), short(x, mask), rtol=0, atol=0)


@pytest.mark.parametrize("finish", [0, 4])
def test_what_a_denoiser_lacks_of_an_inpainting_network_stays_as_it_was_built(tmp_path, finish):
    path, network = tmp_path / "weights.safetensors", build("inpainting", {**SHALLOW, "dilations": [1], "finish": finish})
    engine.export(path, build("restoration", SHALLOW))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    engine.start_from(path, network)
    changed = {key.partition(".")[0] for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert {"encoder", "decoder"} <= changed
    assert changed.isdisjoint({"trunk", "finish"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"area": (0.5, 0.1)}, "objective.area is 0.5,0.1; expected 0 to 1"),
        ({"perceptual": -1.0}, "objective.perceptual is -1; expected 0 to"),
        ({"bank": 0}, "objective.bank is 0; expected a number above 0"),
        ({"kinds": ("boxes", "stars")}, "objective.kinds is 'boxes,stars'; expected some of strokes"),
    ],
)
def test_bad_holes(changes, message):
    with pytest.raises(ValueError, match=message):
        Inpaint(**changes)


@pytest.mark.gpu
@pytest.mark.parametrize("recipe", ["denoise", "inpaint-thin"])
def test_training_on_a_gpu(folder, tmp_path, recipe):
    config = RECIPES[recipe]()
    options = {**config.options, "widths": [8, 8, 8]}
    train(dataclasses.replace(config, options=options, steps=2, validate_every=1), folder, tmp_path)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


def test_a_run_is_not_cut_short_afterwards(folder, tmp_path):
    train(tiny(steps=4, decay=0.0), folder, tmp_path)
    message = "has run 4 steps, those from 2 on with learning rates that this configuration has not; expected a checkpoint at step 2 or "
    with pytest.raises(engine.TrainingError, match=message):
        train(tiny(steps=2, decay=0.0), folder, tmp_path)


def test_the_perceptual_loss_asks_for_its_trunk(folder, tmp_path):
    options = {"widths": [8, 8, 8], "dilations": [1]}
    config = tiny(network="inpainting", options=options, objective=Inpaint(kinds=("boxes",), bank=2, perceptual=0.1))
    with pytest.raises(ValueError, match="objective.features is ''; expected the file of LPIPS's trunk, or objective.perceptual=0"):
        train(config, folder, tmp_path)


def test_a_loss_that_is_not_finite_names_the_step(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Denoise, "loss", lambda self, network, batch: next(network.parameters()).sum() * float("nan"))
    with pytest.raises(
        engine.TrainingError, match="loss is nan and its gradient's norm nan at step 0, on samples 0 to 3 of seed 0; expected finite"
    ):
        train(tiny(), folder, tmp_path)


def test_training_outside_the_main_thread(folder, tmp_path):
    thread = threading.Thread(target=train, args=(tiny(steps=2), folder, tmp_path))
    thread.start()
    thread.join()
    assert (tmp_path / "weights.safetensors").exists()


def test_orthogonalize_against_the_polar_factor():
    matrix = torch.randn(16, 40, generator=torch.Generator().manual_seed(0))
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    ours = orthogonalize(matrix)
    cosine = (ours * (u @ vh)).sum() / (ours.norm() * (u @ vh).norm())
    assert cosine > 0.97
    torch.testing.assert_close(orthogonalize(matrix.T), ours.T)


def test_muon_takes_the_hidden_convolutions_only():
    network = networks.build("inpainting", tiny().options | {"dilations": [1], "block": "plain"})
    muon, adamw = build_optimizers(network, "muon", 1e-3)
    hidden = {id(p) for group in muon.param_groups for p in group["params"]}
    named = dict(network.named_parameters())
    assert {key for key, p in named.items() if id(p) not in hidden and p.ndim == 4} == {"encoder.conv1.1.weight", "tail.weight"}
    assert len(hidden) + sum(len(group["params"]) for group in adamw.param_groups) == len(named)
    gated = networks.build("restoration", tiny().options | {"block": "gated"})
    matrices = {id(p) for group in build_optimizers(gated, "muon", 1e-3)[0].param_groups for p in group["params"]}
    assert not any(id(m.weight) in matrices for m in gated.modules() if getattr(m, "groups", 1) > 1)  # filters, one for each channel
    with pytest.raises(ValueError, match="Muon takes weights of two or more dimensions"):
        Muon([torch.nn.Parameter(torch.zeros(3))])
    with pytest.raises(ValueError, match="optimizer 'lion' is unknown"):
        build_optimizers(network, "lion", 1e-3)


def test_average_is_an_exponential_mean():
    a, b = torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2)
    torch.nn.init.constant_(b.weight, 3.0)
    b.running_mean.fill_(2.0)
    b.num_batches_tracked.fill_(7)
    engine.average(a, b, 0.75)
    assert a.weight.tolist() == [1.5, 1.5]
    assert a.running_mean.tolist() == [0.5, 0.5]
    assert int(a.num_batches_tracked) == 7


def test_rate_without_decay_or_warmup_is_constant():
    assert [rate(s, steps=5, warmup=0, decay=0) for s in range(5)] == [1.0] * 5


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny().lr = 1.0
    assert isinstance(tiny(), Config)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder for each of ten digits, thirty pictures of 28x28 in each."""
    root, rng = tmp_path_factory.mktemp("digits"), np.random.default_rng(0)
    for digit in range(10):
        (root / str(digit)).mkdir()
        for i in range(30):
            picture = np.zeros((28, 28), np.uint8)
            place = (4 + int(rng.integers(6)), 21 + int(rng.integers(4)))
            cv2.putText(picture, str(digit), place, cv2.FONT_HERSHEY_SIMPLEX, 0.7 + 0.2 * rng.random(), 255, 2)
            Image.fromarray(picture).save(root / str(digit) / f"{i:02}.png")
    return root


def classifier(**changes):
    small = {"options": {"num_classes": 10}, "threads": 1, "crop": 28, "batch": 32, "lr": 0.01, "clip": 10.0, "ema": 0.5}
    settings = {**small, "optimizer": "sgd", "precision": "fp32", "steps": 12, "warmup": 2, "log_every": 4, "save_every": 5, **changes}
    return Config(network="lenet5", objective=settings.pop("objective", Classify(shift=1)), **settings)


def records(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_classifier_learns(digits, tmp_path):
    train(classifier(steps=50, lr=2e-3, optimizer="adamw", milestones=(40,), gamma=0.5, decay=0), digits, tmp_path)
    assert records(tmp_path)[-1]["accuracy"] > 60  # chance is 10
    rates = {r["step"]: r["lr"] for r in records(tmp_path) if "lr" in r}
    assert (rates[40], rates[44]) == (2e-3, 1e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adamw", "muon"])
def test_a_classifier_resumes_bit_for_bit(digits, tmp_path, optimizer):
    """With all that is random: order, shifts, mirroring, dropout, noise on pictures and on weights."""
    objective = Classify(shift=2, flip=0.5, noise=10, weight_noise=0.01, smoothing=0.1)
    options = {"num_classes": 10, "dropout": 0.5}
    config = classifier(optimizer=optimizer, lr=1e-3, objective=objective, options=options, weight_decay=0.01)
    whole = train(config, digits, tmp_path / "whole")

    interrupt(config, digits, tmp_path / "parts", step=8)
    torch.rand(3)  # torch's generator is elsewhere by now
    assert_equal_states(whole, train(config, digits, tmp_path / "parts"))


class Line(torch.nn.Module):
    """Two classes of two inputs: logits W x, auxiliary logits -W x; and a bias that no penalty may touch."""

    mean = (0.0,)

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 3.0]]))
        self.bias = torch.nn.Parameter(torch.tensor([5.0, 5.0]))

    def normalise(self, x):
        return x.flatten(1)

    def forward_aux(self, x):
        logits = x @ self.weight.T + self.bias
        return logits, [-logits]


BATCH = {"x": torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]]]), "label": torch.tensor([0, 1])}
"""Logits of ``Line``: (6, 5.5) of class 0 and (3, 8) of class 1."""


def cross_entropy(targets, sign=1):
    logits = sign * np.array([[6.0, 5.5], [3.0, 8.0]])
    return float(-(np.array(targets) * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1).mean())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"auxiliary": 0}, cross_entropy([[1, 0], [0, 1]])),
        ({"auxiliary": 0, "smoothing": 0.2}, cross_entropy([[0.9, 0.1], [0.1, 0.9]])),
        ({}, cross_entropy([[1, 0], [0, 1]]) + 0.3 * cross_entropy([[1, 0], [0, 1]], -1)),
        ({"auxiliary": 0, "l1": 0.1}, cross_entropy([[1, 0], [0, 1]]) + 0.1 * (1 + 2 + 0.5 + 3)),
        ({"auxiliary": 0, "l2": 0.1}, cross_entropy([[1, 0], [0, 1]]) + 0.05 * (1 + 4 + 0.25 + 9)),
    ],
)
def test_loss_of_a_classifier_by_hand(settings, expected):
    assert Classify(**settings).loss(Line(), BATCH).item() == pytest.approx(expected, abs=1e-6)


def test_noise_on_weights_is_in_the_forward_pass_alone():
    network, plain, objective = Line(), Line(), Classify(auxiliary=0, weight_noise=0.5)
    torch.manual_seed(3)
    noise = torch.randn(2, 2)
    torch.manual_seed(3)
    loss = objective.loss(network, BATCH)
    loss.backward()
    assert torch.equal(network.weight, plain.weight)
    with torch.no_grad():
        plain.weight.add_(0.5 * noise)
    expected = Classify(auxiliary=0).loss(plain, BATCH)
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(network.weight.grad, plain.weight.grad)


def test_noise_on_pictures_has_its_strength():
    drawn = {"x": torch.full((4, 1, 64, 64), 0.5), "label": torch.arange(4)}
    assert Classify().draw(drawn, Draws(0, range(4))) is drawn
    noisy = Classify(noise=25.5).draw(drawn, Draws(0, range(4)))
    assert float((noisy["x"] - 0.5).std()) == pytest.approx(0.1, rel=0.02)
    assert torch.equal(noisy["label"], drawn["label"])
    assert torch.equal(drawn["x"], torch.full((4, 1, 64, 64), 0.5))


def test_validation_counts_what_is_right():
    class Known(torch.nn.Module):
        def normalise(self, x):
            return x

        def forward(self, x):
            return x[:, 0, 0]

    pictures = np.zeros((700, 2, 2, 1), np.uint8)
    pictures[:, 0, 0] = 255  # the first logit is 1, the second 0
    labels = np.repeat([0, 1], [525, 175])
    scores = Classify().validate(Known(), chunks(data.Labelled(pictures, labels, ("a", "b")), 2))
    assert scores["accuracy"] == pytest.approx(75)
    assert scores["cross_entropy"] == pytest.approx(np.log(1 + np.e) - 0.75, abs=1e-6)


def test_validation_pictures_are_the_centres():
    pictures = np.arange(2 * 6 * 5, dtype=np.uint8).reshape(2, 6, 5, 1)
    labelled = data.Labelled(pictures, np.array([0, 1]), ("a", "b"))
    smaller, larger = (torch.cat([b["x"] for b in chunks(labelled, size, count=1)])[:, 0] * 255 for size in (4, 8))
    assert np.array_equal(smaller.round().int(), pictures[:, 1:5, 0:4, 0])
    assert np.array_equal(larger.round().int(), np.pad(pictures[..., 0], ((0, 0), (1, 1), (1, 2))))


def test_weight_decay_of_sgd_is_the_gradient_of_the_l2_penalty():
    networks_ = Line(), Line()
    for network, decay, l2 in zip(networks_, (0.1, 0.0), (0.0, 0.1), strict=True):
        (optimizer,) = build_optimizers(network, "sgd", 0.1, decay)
        for _ in range(3):
            optimizer.zero_grad()
            Classify(l2=l2).loss(network, BATCH).backward()
            optimizer.step()
    torch.testing.assert_close(networks_[0].weight, networks_[1].weight)
    torch.testing.assert_close(networks_[0].bias, networks_[1].bias)
    assert not torch.allclose(networks_[0].weight, Line().weight, atol=0.05)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_decoupled_weight_decay_shrinks_weights_alone(name):
    network = build("lenet5", {})
    torch.nn.init.ones_(network.c3[0].bias)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for optimizer in build_optimizers(network, name, 0.1, 0.5):
        optimizer.step()
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, before[key] * (0.95 if key.endswith("weight") else 1))


def test_a_checkpoint_from_before_weight_decay_loads_and_the_decay_is_the_configurations(folder, tmp_path):
    whole = train(tiny(), folder, tmp_path / "whole")
    interrupt(tiny(), folder, tmp_path / "old", step=7)
    state = engine.read_checkpoint(tmp_path / "old" / "checkpoint.pt")
    assert state["optimizers"][0]["param_groups"][0].pop("weight_decay") == 0
    torch.save(state, tmp_path / "old" / "checkpoint.pt")
    assert_equal_states(whole, train(tiny(), folder, tmp_path / "old"))

    config = tiny(weight_decay=0.5)
    network = build(config.network, config.options)
    optimizers = build_optimizers(network, "muon", 1e-3, 0.5)
    Player(network, optimizers, 1e-3).load(Player(network, build_optimizers(network, "muon", 1e-3, 0.1), 1e-3).state())
    assert [[g["weight_decay"] for g in o.param_groups] for o in optimizers] == [[0.5], [0.5, 0.0]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"padding": "edge"}, "objective.padding is 'edge'; expected 'zeros' or 'reflect'"),
        ({"shift": -1}, "objective.shift is -1; expected 0 to 64"),
        ({"smoothing": 2}, "objective.smoothing is 2; expected 0 to 1"),
        ({"noise": 300}, "objective.noise is 300; expected 0 to 255"),
    ],
)
def test_bad_settings_of_a_classifier(settings, message):
    with pytest.raises(ValueError, match=message):
        Classify(**settings)


def test_what_a_classifier_cannot_be(digits, tmp_path):
    with pytest.raises(ValueError, match="network is 'restoration'; expected one of .*lenet5"):
        dataclasses.replace(classifier(), network="restoration")
    with pytest.raises(ValueError, match="network is 'lenet5'; expected one of restoration, inpainting"):
        dataclasses.replace(classifier(), objective=Denoise())
    with pytest.raises(ValueError, match="the network has 7 outputs; expected one for each of 10 classes"):
        train(classifier(options={"num_classes": 7}), digits, tmp_path)
    with pytest.raises(ValueError, match="backbone 'lenet5' takes no 'depth'"):
        train(classifier(options={"depth": 7}), digits, tmp_path)


def test_the_command_takes_packed_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("restore.data.labelled.HELD_OUT", 4)
    files = [cv2.imencode(".png", np.full((32, 32, 3), 25 * i, np.uint8))[1].tobytes() for i in range(10)]
    offsets = np.cumsum([0, *map(len, files)])
    names = np.array([f"grey {i}" for i in range(10)])
    np.savez(
        tmp_path / "set.npz", bytes_train=np.frombuffer(b"".join(files), np.uint8), off_train=offsets, y_train=np.arange(10), names=names
    )
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    small = [argument for setting in ("steps=1", "batch=2", "options.widths=4,4,4", "threads=1") for argument in ("--set", setting)]
    for name, code in (("set", 0), ("broken", 1), ("none", 2)):
        command = ["train", "resnet-cifar10", "--data", str(tmp_path / f"{name}.npz"), "--out", str(tmp_path / "run"), *small]
        with pytest.raises(SystemExit) as stopped:
            main(command)
        assert (stopped.value.code or 0) == code
    assert records(tmp_path / "run")[-1]["step"] == 1


def test_override_reads_empty_tuples_by_their_type():
    assert override(classifier(), ["milestones=10,20", "objective.shift=3"]).milestones == (10, 20)
