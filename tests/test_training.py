import dataclasses
import json
import signal
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photographs

from restore import masks, networks
from restore.networks.inpainting import Inpainting
from restore.training import engine
from restore.training.config import Config, override
from restore.training.objectives import Denoise, Inpaint
from restore.training.optim import Muon, build_optimizers, orthogonalize, rate
from restore.training.recipes import RECIPES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(photographs, name)()).save(root / f"{name}.png")
    return root


def tiny(**changes):
    small = {"options": {"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1]}, "threads": 1, "crop": 32, "batch": 4, "lr": 1e-3}
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
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.pt", "config.json", "log.jsonl", "plateau.pt", "weights.safetensors"]


def test_stopped_and_resumed_equals_uninterrupted(folder, tmp_path, monkeypatch):
    whole = train(tiny(), folder, tmp_path / "whole")

    real, calls = engine.advance, []

    def broken(*args):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt  # as if the machine had gone away between two checkpoints
        return real(*args)

    monkeypatch.setattr(engine, "advance", broken)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), folder, tmp_path / "parts")
    monkeypatch.setattr(engine, "advance", real)
    assert engine.read_checkpoint(tmp_path / "parts" / "checkpoint.pt")["step"] == 5
    assert_equal_states(whole, train(tiny(), folder, tmp_path / "parts"))


def test_a_signal_saves_and_returns(folder, tmp_path, monkeypatch):
    real = engine.advance

    def interrupted(config, step, *rest):
        if step == 3:
            signal.raise_signal(signal.SIGTERM)
        return real(config, step, *rest)

    monkeypatch.setattr(engine, "advance", interrupted)
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
    first, again, other = (objective.draw(clean, np.random.default_rng(seed))["mask"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    areas = first.mean((1, 2, 3))
    assert 0.10 <= areas.min() <= areas.max() <= 0.35


def test_noise_objective_clips_its_share():
    batch = Denoise(sigma=(50.0, 50.0), clipped=0.5).draw(torch.rand(64, 3, 16, 16), np.random.default_rng(0))
    clipped = [bool(torch.equal((n * 255).round() / 255, n) and 0 <= n.min() and n.max() <= 1) for n in batch["noisy"]]
    assert 16 <= sum(clipped) <= 48


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_build_and_name_masks_that_exist(recipe):
    config = RECIPES[recipe]()
    networks.build(config.network, config.options)
    assert set(getattr(config.objective, "kinds", ())) <= set(masks.MASKS)
    assert f"restore train {recipe} " in RECIPES[recipe].__doc__


def test_override_reads_each_type():
    settings = ["lr=1e-4", "steps=7", "optimizer=adamw", "options.widths=8,16,24", "objective.sigma=5,10", "objective.clipped=0"]
    config = override(RECIPES["denoise"](), settings)
    assert (config.lr, config.steps, config.optimizer, config.options["widths"]) == (1e-4, 7, "adamw", [8, 16, 24])
    assert (config.objective.sigma, config.objective.clipped) == ((5.0, 10.0), 0.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("lr", "setting 'lr' has no '='; expected key=value"),
        ("speed=1", "setting 'speed' is unknown; expected one of network"),
        ("objective.speed=1", "setting 'objective.speed' is unknown; expected one of objective.sigma"),
        ("options.width=1", "setting 'options.width' is unknown; expected one of options.widths"),
        ("steps=many", "setting steps is 'many'; expected int like 30000"),
        ("options=1", "setting 'options' is unknown"),
        ("steps=0", "steps is 0; expected a number above 0"),
        ("decay=2", "decay is 2.0; expected 0 to 1"),
        ("ema=1", "ema is 1.0; expected 0 to below 1"),
        ("lr=inf", "lr is inf; expected a number above 0"),
        ("seed=-1", "seed is -1; expected 0 or more"),
        ("network=unet", "network is 'unet'; expected one of restoration, inpainting"),
        ("objective.sigma=5", "objective.sigma is 5; expected 0 to 255, the lower before the higher"),
        ("objective.sigma=50,10", "objective.sigma is 50,10; expected 0 to 255"),
        ("objective.clipped=7", "objective.clipped is 7; expected 0 to 1"),
        ("precision=fp8", "precision is 'fp8'; expected one of bf16, fp32"),
    ],
)
def test_bad_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        override(RECIPES["denoise"](), [setting])


def test_errors_of_a_run_are_one_line(folder, tmp_path):
    with pytest.raises(engine.TrainingError, match=r"no file .*none\.pt to start from; expected a checkpoint"):
        train(tiny(start=str(tmp_path / "none.pt")), folder, tmp_path / "a")
    train(tiny(steps=1), folder, tmp_path / "b")
    with pytest.raises(engine.TrainingError, match="does not fit this configuration"):
        train(tiny(options={"widths": [4, 8, 8]}), folder, tmp_path / "b")
    (tmp_path / "b" / "checkpoint.pt").write_bytes(b"nothing")
    with pytest.raises(engine.TrainingError, match="is not a checkpoint"):
        train(tiny(), folder, tmp_path / "b")
    with pytest.raises(engine.TrainingError, match="tensors have another name or shape"):
        train(tiny(start=str(tmp_path / "b" / "weights.safetensors"), options={"widths": [4, 8, 8]}), folder, tmp_path / "c")


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
    with pytest.raises(engine.TrainingError, match="has run 4 steps; expected steps to be at least that, got 2"):
        train(tiny(steps=2, decay=0.0), folder, tmp_path)


def test_the_perceptual_loss_asks_for_its_trunk(folder, tmp_path):
    options = {"widths": [8, 8, 8], "dilations": [1]}
    config = tiny(network="inpainting", options=options, objective=Inpaint(kinds=("boxes",), bank=2, perceptual=0.1))
    with pytest.raises(ValueError, match="objective.features is ''; expected the file of LPIPS's trunk, or objective.perceptual=0"):
        train(config, folder, tmp_path)


def test_a_loss_that_is_not_finite_names_the_step(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Denoise, "loss", lambda self, network, batch: next(network.parameters()).sum() * float("nan"))
    with pytest.raises(engine.TrainingError, match="loss is nan at step 0"):
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
    network = networks.build("inpainting", tiny().options | {"dilations": [1]})
    muon, adamw = build_optimizers(network, "muon", 1e-3)
    hidden = {id(p) for group in muon.param_groups for p in group["params"]}
    named = dict(network.named_parameters())
    assert {key for key, p in named.items() if id(p) not in hidden and p.ndim == 4} == {"encoder.conv1.1.weight", "tail.weight"}
    assert len(hidden) + sum(len(group["params"]) for group in adamw.param_groups) == len(named)
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
