"""Runs that are killed, resumed, changed, shared among processes, watched."""

import dataclasses
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from restore_cli import main
from restore_cli.train import bar
from skimage import data as photographs

from restore.draws import Draws
from restore.training import engine
from restore.training.base import Reading
from restore.training.checkpoints import State, keep_best, schedule, shared_steps
from restore.training.config import override
from restore.training.denoise import Denoise
from restore.training.log import Log, Pace, Progress
from restore.training.optim import Player, rate
from restore.training.processes import Processes, together
from restore.training.recipes import RECIPES

ROOT = Path(__file__).parents[1]
OPTIONS = {"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1]}
SMALL = {"options": OPTIONS, "threads": 1, "crop": 32, "batch": 4, "lr": 1e-3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(photographs, name)()).save(root / f"{name}.png")
    return root


def tiny(**changes):
    settings = {**SMALL, "steps": 12, "decay": 0.25, "warmup": 2, "log_every": 4, "save_every": 5, "validate_every": 12, **changes}
    return dataclasses.replace(RECIPES["denoise"](), **settings)


def train(config, folder, out, **more):
    engine.train(config, source=folder, out=out, say=lambda line: None, **more)
    return engine.read_checkpoint(out / "checkpoint.pt")


def records(out):
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("images_per_s", "eta_s")} for line in lines]


def assert_equal_states(a, b, **tolerance):
    assert a["step"] == b["step"]
    for part in ("network", "averaged"):
        for key, value in a[part].items():
            torch.testing.assert_close(value, b[part][key], **{"rtol": 0, "atol": 0, **tolerance})


def start(*arguments, start_new_session=False):
    """A Python process that finds this checkout."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'apps'}", "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, *arguments], env=environment, start_new_session=start_new_session, **pipes)


def settings(config):
    """Options of ``restore train denoise`` that make its recipe ``config``."""
    recipe = RECIPES["denoise"]()
    for name, value in dataclasses.asdict(config).items():
        if value != getattr(recipe, name) and name not in ("options", "objective"):
            yield from ("--set", f"{name}={value}")
    for name, value in config.options.items():
        yield from ("--set", f"options.{name}={value if isinstance(value, str) else ','.join(map(str, value))}")


def test_killed_at_a_random_moment_and_resumed_equals_uninterrupted(folder, tmp_path):
    config = tiny(steps=70, save_every=7, log_every=4, validate_every=35)
    whole = train(config, folder, tmp_path / "whole")
    with start("-m", "restore_cli", "train", "denoise", "--data", folder, "--out", tmp_path / "parts", *settings(config)) as process:
        log, lines = tmp_path / "parts" / "log.jsonl", random.randrange(2, 14)
        while process.poll() is None and (not log.exists() or log.read_text().count("loss") < lines):
            time.sleep(0.005)
        time.sleep(random.random() / 50)
        process.kill()
    assert process.returncode == -9, process.stdout
    assert 7 <= engine.read_checkpoint(tmp_path / "parts" / "checkpoint.pt")["step"] < 70
    assert_equal_states(whole, train(config, folder, tmp_path / "parts"))
    assert records(tmp_path / "parts") == records(tmp_path / "whole")
    pictures = [Path("pictures") / f"step-{step:06}.png" for step in (35, 70)]
    assert all((tmp_path / "parts" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes() for path in pictures)
    best = [sorted(p.name for p in (tmp_path / run / "best").iterdir()) for run in ("parts", "whole")]
    assert best[0] == best[1]


def test_two_processes_equal_one_with_the_double_batch(folder, tmp_path):
    """SGD, as the others make much of the rounding of gradients near 0."""
    config = tiny(steps=6, batch=8, optimizer="sgd", lr=0.05, precision="fp32", log_every=2, validate_every=3)
    one = train(config, folder, tmp_path / "one")
    command = ("train", "denoise", "--data", folder, "--out", tmp_path / "two", *settings(config))
    with start("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "restore_cli", *command) as process:
        output = process.stdout.read()
    assert process.returncode == 0, output
    assert_equal_states(one, engine.read_checkpoint(tmp_path / "two" / "checkpoint.pt"), atol=1e-5)
    for ours, theirs in zip(records(tmp_path / "one"), records(tmp_path / "two"), strict=True):
        assert theirs == pytest.approx(ours, abs=1e-5 if "loss" in ours else 1e-2)
    assert len((tmp_path / "two" / "log.jsonl").read_text().splitlines()) == 5


@pytest.mark.slow
def test_ctrl_c_stops_all_processes_at_one_step(folder, tmp_path):
    """A terminal sends it to torchrun and to its processes, and torchrun sends another signal to those."""
    config = tiny(steps=100_000, log_every=1)
    command = ("train", "denoise", "--data", folder, "--out", tmp_path, *settings(config))
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "restore_cli")
    with start(*launch, *command, start_new_session=True) as process:
        while not (tmp_path / "log.jsonl").exists() and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        output = process.stdout.read()
    step = engine.read_checkpoint(tmp_path / "checkpoint.pt")["step"]
    assert f"stopped at step {step} of 100000" in output
    assert records(tmp_path)[-1]["step"] in (step, step - 1)


def test_processes_share_what_one_would_have(monkeypatch):
    shares = [list(Processes(rank, 3).share(range(12, 24))) for rank in range(3)]
    assert [number for share in shares for number in share] == list(range(12, 24))
    assert Processes().any(True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match="this is process 2 on a machine with 1 GPUs; expected one process for each GPU"), together():
        pass


def test_a_batch_must_be_shared_out(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *args, **options: None)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: None)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    with pytest.raises(ValueError, match="batch is 4; expected a multiple of 3, the number of processes"):
        train(tiny(), folder, tmp_path)


def poison(monkeypatch, step):
    """Let the first sample of a step be endless."""
    real = Denoise.draw

    def draw(self, clean, draws):
        batch = real(self, clean, draws)
        if draws._batch[1] == step:
            batch["noisy"][0, 0, 0, 0] = float("inf")
        return batch

    monkeypatch.setattr(Denoise, "draw", draw)


def test_a_batch_that_ends_a_run_is_named_and_kept(folder, tmp_path, monkeypatch):
    poison(monkeypatch, 7)
    message = "loss is nan and its gradient's norm nan at step 7, on samples 28 to 31 of seed 0; .*nan-batch.pt"
    with pytest.raises(engine.TrainingError, match=message):
        train(tiny(), folder, tmp_path)
    kept = torch.load(tmp_path / "nan-batch.pt", weights_only=True)
    assert (kept["step"], kept["seed"], kept["numbers"]) == (7, 0, [28, 29, 30, 31])
    assert kept["batch"]["noisy"].isinf().sum() == 1
    monkeypatch.undo()
    before = engine.read_checkpoint(tmp_path / "checkpoint.pt")
    assert before["step"] == 5
    assert all(value.isfinite().all() for value in before["network"].values())
    assert_equal_states(train(tiny(), folder, tmp_path / "whole"), train(tiny(), folder, tmp_path))


def test_a_gradient_that_is_not_finite_stops_too(folder, tmp_path, monkeypatch):
    real = Denoise.loss

    def steep(self, network, batch):
        loss = real(self, network, batch)
        return loss + (loss - loss.detach()) ** 0.5 if batch["level"].max() > 0.2 else loss  # the root's slope at 0 has no end

    monkeypatch.setattr(Denoise, "loss", steep)
    with pytest.raises(engine.TrainingError, match=r"loss is 0\.\d+ and its gradient's norm (nan|inf) at step \d+"):
        train(tiny(steps=40), folder, tmp_path)


class FullDisk(io.RawIOBase):
    def writable(self):
        return True

    def write(self, content):
        raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_the_last_checkpoint_and_no_draft(folder, tmp_path, monkeypatch):
    train(tiny(steps=5, decay=0.0), folder, tmp_path)
    before, real = (tmp_path / "checkpoint.pt").read_bytes(), torch.save

    def save(content, path):
        path.write_bytes(b"begun")
        real(content, FullDisk())

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(engine.TrainingError, match=r"checkpoint\.pt cannot be written; expected room for it on the disk"):
        train(tiny(steps=12, decay=0.0), folder, tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("optimizer", ["sgd", "muon", "rmsprop"])
def test_a_run_keeps_its_optimizer(folder, tmp_path, optimizer):
    train(tiny(steps=5, decay=0.0, optimizer="adamw"), folder, tmp_path)
    with pytest.raises(engine.TrainingError, match="does not fit this configuration: it was trained by AdamW; expected"):
        train(tiny(decay=0.0, optimizer=optimizer), folder, tmp_path)


@pytest.mark.parametrize("changes", [{"crop": 36}, {"patches": ((6, 36, 4),)}])
def test_crops_are_of_a_size_that_the_network_takes(folder, tmp_path, changes):
    with pytest.raises(ValueError, match="crop is 36; expected a multiple of 8, as the network 'restoration' needs"):
        train(tiny(**changes), folder, tmp_path)


@pytest.mark.parametrize("paths", ["resident", "workers"])
def test_photographs_too_small_to_validate_with_are_left_out(folder, tmp_path, paths):
    pictures, said = tmp_path / "pictures", []
    pictures.mkdir()
    for name in ("a", "b", "c"):
        Image.open(folder / "coffee.png").crop((0, 0, 15, 40) if name == "a" else (0, 0, 16, 40)).save(pictures / f"{name}.png")
    device = torch.device("cpu") if paths == "resident" else None
    reading = Reading(source=pictures, network=torch.nn.Identity(), size=8, device=device, say=said.append)
    crops, batches = Denoise().read(reading)
    assert (len(crops), [batch["clean"].shape for batch in batches]) == (1, [(1, 3, 32, 16)])
    assert said == [f"1 photographs with a side below 16 pixels are left out, {pictures / 'a.png'} the first"]


def test_a_run_does_not_lie_within_its_pictures(folder):
    with pytest.raises(ValueError, match="the run .* lies within .*; expected a folder elsewhere"):
        train(tiny(), folder, folder / "run")


# schedules and how a run goes on


def test_cosine_is_that_of_torch():
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    for step in range(20):
        assert rate(step, steps=20, warmup=0, decay=20, schedule="cosine") == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_a_longer_or_shorter_run_goes_on_from_the_newest_checkpoint_with_the_same_past(folder, tmp_path):
    """After a whole run of 12 steps, of which the last 3 were the decay: to 16 steps and to 10 from 9, to 4 not at all."""
    run = tmp_path / "run"
    train(tiny(validate_every=4), folder, run)
    kept = sorted(p.name.split("-psnr")[0] for p in (run / "best").iterdir())
    assert kept == ["step-000004", "step-000008", "step-000012"]
    told = []
    engine.train(tiny(steps=10, decay=0.2, validate_every=4), source=folder, out=run, say=told.append)
    assert "resumed" in told[0]
    assert told[0].endswith("at step 9")
    assert_equal_states(train(tiny(steps=10, decay=0.2), folder, tmp_path / "ten"), engine.read_checkpoint(run / "checkpoint.pt"))
    assert [r["step"] for r in records(run) if "loss" in r] == [4, 8]
    longer = tiny(steps=16, decay=0.5, schedule="cosine")
    assert_equal_states(train(longer, folder, tmp_path / "sixteen"), train(longer, folder, run))
    message = "has run 16 steps, those from 3 on with learning rates that this configuration has not; expected a checkpoint at step 3 or"
    with pytest.raises(engine.TrainingError, match=message):
        train(tiny(steps=4, decay=0.5), folder, run)


def test_the_best_of_a_branch_that_was_given_up_are_removed(folder, tmp_path, monkeypatch):
    scores = iter([30.0, 40.0, 10.0, 20.0])
    monkeypatch.setattr(Denoise, "validate", lambda self, network, batches: {"psnr_25": next(scores)})
    train(tiny(validate_every=6), folder, tmp_path)
    train(tiny(steps=20, decay=0.1, validate_every=15), folder, tmp_path)  # goes on from step 9
    names = sorted(p.name for p in (tmp_path / "best").iterdir())
    assert names == [f"step-{step:06}-psnr_25={score}.0000.pt" for step, score in ((6, 30), (15, 10), (20, 20))]


DROPS = {"steps": 36_000, "decay": 0.0, "milestones": (18_000, 27_000)}


@pytest.mark.parametrize(
    ("before", "changes", "common"),
    [
        ({}, {}, 18_000),
        ({}, DROPS, 9_000),
        ({"milestones": (18_000, 27_000)}, DROPS, 18_000),
        ({}, {"gamma": 0.5}, 9_000),
        ({}, {"warmup": 100}, 0),
        ({}, {"lr": 0.05}, 0),
        ({}, {"steps": 12_000}, 12_000),
    ],
)
def test_a_past_is_the_same_while_the_learning_rates_are(before, changes, common):
    recipe = RECIPES["densenet-cifar10"]()
    content = {"step": 18_000, **schedule(dataclasses.replace(recipe, **before))}
    assert shared_steps(content, dataclasses.replace(recipe, **changes)) == common


def test_a_checkpoint_that_says_less_of_its_past_goes_on():
    content = {"step": 9_000, "steps": 18_000, "plateau": 18_000}
    assert shared_steps(content, RECIPES["densenet-cifar10"]()) == 9_000


def test_patches_grow(folder, tmp_path, monkeypatch):
    config = override(tiny(objective=Denoise()), ["patches=0:16:8,4:32:4,9:48:2"])
    assert config.patches == ((0, 16, 8), (4, 32, 4), (9, 48, 2))
    assert [config.patch(step) for step in (0, 3, 4, 9, 11)] == [
        (16, range(8)),
        (16, range(24, 32)),
        (32, range(32, 36)),
        (48, range(52, 54)),
        (48, range(56, 58)),
    ]
    assert override(config, ["patches="]).stages == [(range(12), 32, 4)]
    with pytest.raises(ValueError, match="step 12 is not in this run; expected 0 to 11"):
        config.patch(12)
    shapes, real = [], Denoise.loss

    def loss(self, network, batch):
        shapes.append(tuple(batch["clean"].shape))
        return real(self, network, batch)

    monkeypatch.setattr(Denoise, "loss", loss)
    train(config, folder, tmp_path)
    assert shapes == [(8, 3, 16, 16)] * 4 + [(4, 3, 32, 32)] * 5 + [(2, 3, 48, 48)] * 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("patches=0:16", "setting patches is '0:16'; expected STEP:CROP:BATCH, more of them after commas"),
        ("patches=5:16:4,5:32:4", "patches is 5:16:4,5:32:4; expected STEP:CROP:BATCH, each step after the one before"),
        ("patches=0:0:4", "patches is 0:0:4; expected STEP:CROP:BATCH"),
        ("schedule=step", "schedule is 'step'; expected one of linear, cosine"),
        ("compile=maybe", "setting compile is 'maybe'; expected bool like False"),
        ("data=tape", "data is 'tape'; expected one of resident, workers"),
        ("tier=best", "tier is 'best'; expected a number, or 'any'"),
        ("keep=-1", "keep is -1; expected 0 or more"),
    ],
)
def test_bad_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        override(tiny(), [setting])


def test_workers_crop_photographs_only():
    message = "data is 'workers', which crop photographs; expected 'resident' with Classify"
    with pytest.raises(ValueError, match=message):
        override(RECIPES["lenet5"](), ["data=workers"])


def test_classifiers_are_not_compiled():
    with pytest.raises(ValueError, match="compile is True; expected one of False"):
        override(RECIPES["lenet5"](), ["compile=true"])


# what a run leaves behind and says


def test_the_best_are_kept_by_their_score(tmp_path):
    network = torch.nn.Linear(1, 1)
    config = tiny(keep=2)
    for step, score in enumerate([20.0, -1.5, 30.0, 25.0, 10.0]):
        state = State(Player(network, [], 1.0), network, step=step)
        keep_best(tmp_path / "best", config, state, score)
    names = sorted(p.name for p in (tmp_path / "best").iterdir())
    assert names == ["step-000002-psnr_25=30.0000.pt", "step-000003-psnr_25=25.0000.pt"]
    assert engine.read_checkpoint(tmp_path / "best" / names[1])["step"] == 3


def test_validation_draws_what_the_network_makes(folder, tmp_path):
    train(tiny(steps=1, validate_every=1, keep=0), folder, tmp_path)
    sheet = np.asarray(Image.open(tmp_path / "pictures" / "step-000001.png"))
    assert sheet.shape[1] == 12 + 3 * (256 + 12)  # three pictures of 256 pixels in a row, and the gaps between them
    clean = photographs.astronaut()[128:384, 128:384]
    windows = [sheet[y : y + 256, 12 + 2 * 268 : 268 + 2 * 268] for y in (12,)]
    assert any(np.array_equal(window, clean) for window in windows)
    assert not (tmp_path / "best").exists()


def test_progress_is_told_after_each_step(folder, tmp_path):
    seen = []
    train(tiny(), folder, tmp_path, progress=seen.append)
    assert [(p.step, p.steps) for p in seen] == [(step, 12) for step in range(1, 13)]
    assert all(p.images_per_s > 0 for p in seen)
    assert seen[-1].eta_s == 0


def test_pace(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace()
    pace.add(30)
    now[0] += 2
    assert pace.images_per_s == 15
    pace.rest()
    now[0] += 1
    assert pace.images_per_s == 0


def test_a_log_is_rewound(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"step": 2, "loss')
    Log(path, print, step=2)({"step": 3, "loss": 0.5})
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3, "loss": 0.5}\n'


def test_tensorboard_that_is_missing(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    message = r"tensorboard=True and the package tensorboard is missing; expected it \(pip install 'restore-photographs\[train\]'\)"
    with pytest.raises(engine.TrainingError, match=message):
        train(tiny(tensorboard=True), folder, tmp_path)


def test_tensorboard(folder, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(override(tiny(), ["tensorboard=True"]), folder, tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    ours = [(r["step"], r["loss"]) for r in records(tmp_path) if "loss" in r]
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(step, pytest.approx(loss)) for step, loss in ours]
    assert {"psnr_25", "lr", "images_per_s"} <= set(events.Tags()["scalars"])


def test_a_run_that_fails_closes_its_log(folder, tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(Log, "close", lambda log: closed.append(log.path))
    poison(monkeypatch, 3)
    with pytest.raises(engine.TrainingError, match="loss is nan"):
        train(tiny(), folder, tmp_path)
    assert closed == [tmp_path / "log.jsonl"]


# the command


def test_a_run_of_the_command_is_put_under_its_recipe(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["train", "denoise", "--data", str(folder), *settings(tiny(steps=2, log_every=1))])
    assert not stopped.value.code
    assert [r["step"] for r in records(tmp_path / "runs" / "denoise")] == [1, 2, 2]
    assert "step 2 of 2" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_a_bar(monkeypatch):
    with bar() as report:
        assert report is None
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with bar() as report:
        report(Progress(step=30, steps=1000, images_per_s=12.4, eta_s=3725.0))
    seen = sys.stderr.getvalue()
    assert "30/1000" in seen
    assert "12 images/s, 1:02:05 left after" in seen
    monkeypatch.setenv("RANK", "1")
    with bar() as report:
        assert report is None


# where pictures come from


def test_workers_make_the_same_run(folder, tmp_path):
    resident = train(tiny(), folder, tmp_path / "resident")
    for workers in (0, 1):
        assert_equal_states(resident, train(tiny(data="workers", workers=workers), folder, tmp_path / str(workers)))


def test_reading_takes_what_the_configuration_says(folder, tmp_path):
    (tmp_path / "manifest.tsv").write_text(
        "file\tlicence\ttier\n" + "".join(f"{p.name}\tCC0\t{i}\n" for i, p in enumerate(sorted(folder.glob("*.png"))))
    )
    for path in folder.glob("*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for tier, count in (("any", 3), ("2", 2), ("1", 1)):
        pictures, held_out = Reading(source=tmp_path, network=torch.nn.Identity(), size=32, tier=tier).photographs(5)
        assert (len(pictures), len(held_out)) == (count, 1)
    crops, _ = Reading(source=folder, network=torch.nn.Identity(), size=32, device=None).photographs(5)
    resident, _ = Reading(source=folder, network=torch.nn.Identity(), size=32).photographs(5)
    assert torch.equal(*(source.draw(Draws(0, range(4)), range(4), 16) for source in (crops, resident)))


def test_a_compiled_network_keeps_its_keys(folder, tmp_path, monkeypatch):
    real, compiled = torch.nn.Module.compile, []

    def compile_(self, *args):
        compiled.append(self)
        real(self, backend="eager")

    monkeypatch.setattr(torch.nn.Module, "compile", compile_)
    plain = train(tiny(steps=2, precision="fp32"), folder, tmp_path / "plain")
    assert compiled == []
    state = train(override(tiny(steps=2, precision="fp32"), ["compile=True"]), folder, tmp_path / "compiled")
    assert len(compiled) == 1
    assert state["network"].keys() == plain["network"].keys()
    assert_equal_states(plain, state, atol=1e-5)


@pytest.mark.slow
def test_a_network_compiled_by_inductor_learns_the_same(folder, tmp_path):
    plain, state = (train(tiny(steps=3, precision="fp32", optimizer="sgd", compile=c), folder, tmp_path / str(c)) for c in (False, True))
    assert_equal_states(plain, state, atol=1e-4)
