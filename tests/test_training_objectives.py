"""What networks are asked to do: inpainting against an opponent, old photographs, damage."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from skimage import data as photographs

from restore import losses, metrics
from restore.draws import Draws
from restore.training import engine, inpaint
from restore.training.base import Photographs, SettingError, psnr
from restore.training.config import Config
from restore.training.denoise import Denoise
from restore.training.inpaint import Inpaint
from restore.training.recipes import RECIPES
from restore.training.repair import Repair, mix, once
from restore.training.segment import Segment

GAN = Inpaint(
    kinds=("boxes",), bank=10, adversarial=0.1, matching=0.2, r1=0.5, r1_every=3, opponent_lr=1e-3, opponent_layers=1, opponent_width=4
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(photographs, name)()).save(root / f"{name}.png")
    return root


def tiny(objective, **changes):
    u_net = {"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1]}
    network, options = {
        Inpaint: ("inpainting", {**u_net, "dilations": [1]}),
        Segment: ("unet", {"backbone": "resnet14", "encoder": {"widths": [8, 16, 32]}}),
        Repair: ("restoration", u_net),
    }[type(objective)]
    settings = {
        "steps": 8,
        "warmup": 2,
        "log_every": 2,
        "save_every": 3,
        "validate_every": 8,
        "batch": 4,
        "crop": 32,
        "lr": 1e-3,
        "threads": 1,
    }
    return Config(network=network, options=options, objective=objective, **{**settings, "lr": 1e-3, **changes})


def train(config, folder, out):
    engine.train(config, source=folder, out=out, say=lambda line: None)
    return engine.read_checkpoint(out / "checkpoint.pt")


def records(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


# an opponent


@pytest.fixture
def players():
    """A network that fills with its own pixel values, an opponent, and a batch with a hole."""
    torch.manual_seed(0)
    network = Shade()
    clean, mask = torch.rand(3, 3, 24, 24), torch.zeros(3, 1, 24, 24)
    mask[:, :, 2:9, 3:12] = 1
    return network, GAN.opponent(), {"clean": clean, "mask": mask}


class Shade(torch.nn.Module):
    """Fills with one colour."""

    def __init__(self):
        super().__init__()
        self.colour = torch.nn.Parameter(torch.tensor([0.2, 0.5, 0.7]))

    def forward(self, x, mask):
        return self.colour.reshape(1, 3, 1, 1).expand_as(x)


def test_the_opponents_opinion_is_in_the_loss(players):
    network, opponent, batch = players
    loss, made = GAN.contest(network, opponent, batch)
    repaired = torch.where(batch["mask"] > 0, network(batch["clean"], None), batch["clean"])
    assert torch.equal(made["repaired"], repaired)
    assert not made["repaired"].requires_grad
    logits, maps = opponent(repaired)
    touched = F.adaptive_max_pool2d(batch["mask"], logits.shape[-2:])
    said = ((F.softplus(-logits) * touched).sum((1, 2, 3)) / touched.sum((1, 2, 3))).mean()
    apart = torch.stack([(a - b).abs().mean() for a, b in zip(maps, opponent(batch["clean"])[1], strict=True)]).mean()
    plain = losses.hole_l1(network(batch["clean"], None), batch["clean"], batch["mask"])
    torch.testing.assert_close(GAN.loss(network, batch), plain)
    torch.testing.assert_close(loss, plain + 0.1 * said + 0.2 * apart)
    assert dataclasses.replace(GAN, adversarial=0.0, matching=0.0).opponent() is None


def test_the_gradients_penalty_comes_at_every_third_step_thrice_as_heavy(players):
    network, opponent, batch = players
    made = GAN.contest(network, opponent, batch)[1]
    at = [GAN.opponent_loss(opponent, made, step) for step in range(4)]
    assert torch.equal(at[1], at[2])
    assert torch.equal(at[0], at[3])
    pictures = batch["clean"].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(opponent(pictures)[0].sum(), pictures)
    torch.testing.assert_close(at[0] - at[1], 0.5 * 3 * gradient.square().sum((1, 2, 3)).mean())


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """LPIPS's trunk with random weights."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("trunk") / "random.safetensors"
    save_file({key: value for key, value in squeezenet1_1().state_dict().items() if key.startswith("features")}, path)
    return str(path)


def seeing(trunk, **changes):
    settings = {"kinds": ("boxes",), "bank": 10, "adversarial": 0.1, "opponent_sees": "features", "opponent_width": 4, "features": trunk}
    return Inpaint(**{**settings, **changes})


def test_an_opponent_of_features_compares_patches_of_the_same_scene(players, trunk):
    network, _, batch = players
    batch = {**{name: F.interpolate(x, scale_factor=3) for name, x in batch.items()}, "shift": torch.tensor([[2, 5]] * 3)}
    objective = seeing(trunk, perceptual=0.5, spared=2)
    opponent, lpips = objective.opponent().eval(), losses.Perceptual(Path(trunk))
    repaired = torch.where(batch["mask"] > 0, network(batch["clean"], None), batch["clean"])
    ours, theirs = (lpips.maps(x[..., 2:67, 5:70]) for x in (repaired, batch["clean"]))
    fakes, reals = opponent(repaired[..., 2:67, 5:70], ours[:4]), opponent(batch["clean"][..., 2:67, 5:70], theirs[:4])
    weights = opponent.touched(inpaint.inside(batch["mask"], 2)[..., 2:67, 5:70], fakes)
    assert all(0 < w.mean() < 0.5 for w in weights)
    loss, made = objective.contest(network, opponent, batch)
    said = sum((F.softplus(real - fake) * w).mean() for fake, real, w in zip(fakes, reals, weights, strict=True)) / 5
    torch.testing.assert_close(loss, objective.loss(network, batch) + 0.1 * said)
    told = sum((F.softplus(fake - real) * w).mean() for fake, real, w in zip(fakes, reals, weights, strict=True)) / 5
    torch.testing.assert_close(objective.opponent_loss(opponent, made, 0), told)
    loss.backward()
    assert network.colour.grad.abs().min() > 0
    assert not any(x.requires_grad for x in made.values())


def test_such_an_opponent_learns_to_tell_a_flat_fill_from_a_photograph(trunk):
    pictures = torch.from_numpy(photographs.astronaut()[:448, :448].astype("float32") / 255).permute(2, 0, 1)
    clean = pictures.reshape(3, 7, 64, 7, 64).permute(1, 3, 0, 2, 4).reshape(49, 3, 64, 64)
    objective = seeing(trunk)
    batch = objective.draw(clean, Draws(0, range(49)))
    torch.manual_seed(0)
    opponent = objective.opponent()
    _, made = objective.contest(Shade(), opponent, batch)
    patches = opponent.touched(inpaint.inside(made["mask seen"], 6), inpaint.verdict(opponent, made, "clean"))
    share = torch.stack([x.mean() for x in patches]).mean()
    optimizer, told = torch.optim.Adam(opponent.parameters(), 1e-2), []
    for step in range(15):
        loss = objective.opponent_loss(opponent, made, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        told.append(loss.item())
    assert told[0] == pytest.approx(0.6931 * share.item(), rel=0.3)  # it knows nothing
    assert told[-1] < 0.5 * told[0]


def test_features_are_needed_where_lpips_has_no_weight_too(folder, tmp_path):
    with pytest.raises(SettingError, match="objective.features is ''"):
        train(tiny(seeing("")), folder, tmp_path)


def test_lpips_looks_from_another_pixel_at_each_step_and_from_the_same_in_each_process(players, monkeypatch):
    network, _, batch = players
    seen, objective = [], dataclasses.replace(GAN, perceptual=0.5)
    lpips = SimpleNamespace(maps=lambda x: [x], distance=lambda x, y: seen.append((*x, *y)) or x[0].mean() - y[0].mean())
    monkeypatch.setattr(inpaint, "perceptual", lambda features, device: lpips)
    corner = []
    for step in range(20):
        halves = [objective.draw(batch["clean"], Draws(7, numbers, step=step)) for numbers in (range(3), range(3, 6))]
        assert torch.equal(halves[0]["shift"], halves[1]["shift"])
        torch.manual_seed(step)
        drawn = {**batch, "shift": halves[0]["shift"]}
        loss, made = objective.judge(network, drawn)
        (x, y), (top, left) = seen.pop(), drawn["shift"][0].tolist()
        assert torch.equal(x, made["repaired"][..., top : top + 17, left : left + 17])
        assert torch.equal(y, batch["clean"][..., top : top + 17, left : left + 17])
        torch.testing.assert_close(loss, GAN.loss(network, batch) + 0.5 * (x.mean() - y.mean()))
        corner.append((top, left))
    assert {axis for at in corner for axis in at} == set(range(8))


def test_things_of_other_sizes_fill_holes_too():
    """Stripes 8 pixels wide are narrower where a crop is shrunk, and masks fit what is left."""
    stripes = (torch.arange(80) // 8 % 2).float().expand(32, 3, 80, 80)
    objective = Inpaint(bank=20, shrink=(0.6, 1), shrunk=0.5)
    batch = objective.draw(stripes, Draws(3, range(32)))
    assert batch["clean"].shape[-2:] == batch["mask"].shape[-2:] == (48, 48)
    assert batch["clean"].min() >= 0
    assert batch["clean"].max() <= 1
    changes = [int((row.diff().abs() > 0.3).sum()) for row in batch["clean"][:, 0, 20]]
    assert 5 in changes  # a window of 48 pixels, as it is
    assert max(changes) >= 8  # one of 80 pixels in 48
    torch.testing.assert_close(dataclasses.replace(objective, shrunk=0.0).draw(stripes, Draws(3, range(32)))["clean"], stripes)


def test_patches_that_do_not_touch_the_hole_are_real(players):
    _, opponent, batch = players
    none = {**batch, "mask": torch.zeros_like(batch["mask"]), "repaired": batch["clean"]}
    logits = opponent(batch["clean"])[0]
    torch.testing.assert_close(GAN.opponent_loss(opponent, none, 1), 2 * F.softplus(-logits).mean())
    every = {**none, "mask": torch.ones_like(batch["mask"])}
    torch.testing.assert_close(GAN.opponent_loss(opponent, every, 1), F.softplus(-logits).mean() + F.softplus(logits).mean())


def test_a_run_with_an_opponent_resumes_bit_for_bit(folder, tmp_path, monkeypatch):
    config = tiny(GAN)
    whole = train(config, folder, tmp_path / "whole")
    assert all({"loss", "opponent_loss"} <= set(record) for record in records(tmp_path / "whole")[:-1])

    class Gone(BaseException):
        pass

    real = Inpaint.contest

    def contest(self, *arguments):
        if (tmp_path / "parts" / "checkpoint.pt").exists():
            raise Gone
        return real(self, *arguments)

    monkeypatch.setattr(Inpaint, "contest", contest)
    with pytest.raises(Gone):
        train(config, folder, tmp_path / "parts")
    monkeypatch.undo()
    parts = train(config, folder, tmp_path / "parts")
    torch.manual_seed(config.seed)
    for mine, other in ((whole, parts), (whole["opponent"], parts["opponent"])):
        assert all(torch.equal(value, other["network"][key]) for key, value in mine["network"].items())
    assert [r["opponent_loss"] for r in records(tmp_path / "parts")[:-1]] == [r["opponent_loss"] for r in records(tmp_path / "whole")[:-1]]


def test_each_player_learns_from_its_own_loss_alone(folder, tmp_path, monkeypatch):
    """With a loss that is 0 for the one, only the other's parameters move."""
    starts = {}
    real = engine.prepare

    def prepare(*arguments):
        state = real(*arguments)
        for name, player in (("network", state.player), ("opponent", state.opponent)):
            starts[name] = {key: value.detach().clone() for key, value in player.network.named_parameters()}
        return state

    monkeypatch.setattr(engine, "prepare", prepare)
    nothing = lambda self, opponent, made, step: 0 * opponent.head.weight.sum()  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(Inpaint, "opponent_loss", nothing)
        state = train(tiny(GAN, steps=3), folder, tmp_path / "a")
    assert all(torch.equal(value, state["opponent"]["network"][key]) for key, value in starts["opponent"].items())
    assert any(not torch.equal(value, state["network"][key]) for key, value in starts["network"].items())
    nothing = lambda self, network, opponent, batch: (0 * network.tail.weight.sum(), {**batch, "repaired": batch["clean"]})  # noqa: E731
    monkeypatch.setattr(Inpaint, "contest", nothing)
    state = train(tiny(GAN, steps=3, optimizer="sgd"), folder, tmp_path / "b")
    assert all(torch.equal(value, state["network"][key]) for key, value in starts["network"].items())
    assert any(not torch.equal(value, state["opponent"]["network"][key]) for key, value in starts["opponent"].items())


# any mixture


def test_old_photographs_can_be_trained_on(folder, tmp_path):
    train(tiny(Repair()), folder, tmp_path)
    assert records(tmp_path)[-1]["psnr_mixed"] > 10
    assert (tmp_path / "pictures" / "step-000008.png").exists()


def test_repair_learns_what_it_is_shown(folder, tmp_path):
    objective = Repair(names=("gaussian_noise", "jpeg"), probabilities=(1.0, 0.0), severity=(0.6, 0.6))
    train(tiny(objective, steps=60, lr=3e-3, log_every=15, validate_every=60, ema=0.9), folder, tmp_path)
    assert records(tmp_path)[-2]["loss"] < 0.85 * records(tmp_path)[0]["loss"]
    assert {"psnr_mixed", "psnr_gaussian_noise", "psnr_jpeg"} < set(records(tmp_path)[-1])


def test_a_mixture_follows_its_probabilities_and_severities():
    clean = torch.rand(40, 3, 32, 32) * 0.5 + 0.25
    numbers = range(40)
    _, x, mask = mix(clean, Draws(0, numbers), ["gaussian_noise"], [0.25], (0.5, 0.5))
    assert 4 <= int((x != clean).flatten(1).any(1).sum()) <= 16
    assert not mask.any()
    error = [float((mix(clean, Draws(0, numbers), ["gaussian_noise"], [1.0], (s, s))[1] - clean).square().mean()) for s in (0, 0.5, 1)]
    assert error[0] < error[1] < error[2]
    _, x, mask = mix(clean, Draws(0, numbers), ["gaussian_noise", "scratches"], [0.0, 1.0], (1.0, 1.0))
    assert mask.flatten(1).any(1).float().mean() > 0.9
    assert (((x - clean).abs().amax(1, keepdim=True) > 8 / 255) & (mask == 0)).sum() == 0


def test_once_is_the_same_for_the_same_number():
    clean = torch.rand(1, 3, 32, 32)
    assert torch.equal(once("gaussian_noise", clean, 3, 0.5), once("gaussian_noise", clean, 3, 0.5))
    assert not torch.equal(once("gaussian_noise", clean, 3, 0.5), once("gaussian_noise", clean, 4, 0.5))


# damage


def test_the_detector_learns_and_tells_where(folder, tmp_path):
    objective = Segment(names=("flakes",), probabilities=(1.0,), severity=(1.0, 1.0))
    train(tiny(objective, steps=45, lr=3e-3, log_every=15, validate_every=45, ema=0.9, crop=64), folder, tmp_path)
    last, losses_ = records(tmp_path)[-1], [r["loss"] for r in records(tmp_path) if "loss" in r]
    assert losses_[-1] < 0.8 * losses_[0]
    assert last["iou"] > 0.25  # with everything marked it would be 0.16


def test_scores_of_a_detector_against_metrics(folder, monkeypatch):
    objective = Segment(names=("flakes",), probabilities=(1.0,))
    batch = {"clean": torch.rand(1, 3, 64, 64) * 0.2 + 0.4}
    x, mask = objective.damaged(batch["clean"], 0)
    assert mask.any()
    guess = (x - batch["clean"]).abs().amax(1, keepdim=True) - 0.3  # marks what changed much, and not all that is damaged
    scores = objective.validate(lambda x: guess, [batch])
    assert scores["iou"] == pytest.approx(metrics.iou(guess[0, 0].numpy() > 0, mask[0, 0].numpy() > 0))
    found, wanted = guess > 0, mask > 0
    assert scores["precision"] == pytest.approx(float((found & wanted).sum() / found.sum()))
    assert scores["recall"] == pytest.approx(float((found & wanted).sum() / wanted.sum()))
    assert objective.validate(lambda x: guess, [batch]) == scores
    assert Segment(names=("flakes",), probabilities=(0.0,)).validate(lambda x: -guess.abs() - 1, [batch]) == dict.fromkeys(scores, 1.0)


def test_loss_of_a_detector_is_cross_entropy_without_focus_and_dice():
    logits, mask = torch.randn(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) < 0.3).float()
    loss = Segment(gamma=0, dice=0).loss(lambda x: logits, {"x": None, "mask": mask})
    torch.testing.assert_close(loss, F.binary_cross_entropy_with_logits(logits, mask))
    both = Segment(gamma=0, dice=2.0).loss(lambda x: logits, {"x": None, "mask": mask})
    torch.testing.assert_close(both, loss + 2 * losses.dice(logits, mask))


# what all have in common


@pytest.mark.parametrize("objective", [Denoise(), Inpaint(bank=20), Repair(), Segment()], ids=lambda o: type(o).__name__)
def test_processes_draw_their_part_of_the_batch(objective):
    """Otherwise a run of several processes would not be that of one."""
    clean = torch.rand(6, 3, 48, 48)
    whole = objective.draw(clean, Draws(7, range(12, 18), step=2))
    parts = [objective.draw(clean[i : i + 3], Draws(7, range(12 + i, 15 + i), step=2)) for i in (0, 3)]
    for key, value in whole.items():
        torch.testing.assert_close(value, torch.cat([part[key] for part in parts]), atol=1e-5, rtol=0)
        assert torch.equal(value, objective.draw(clean, Draws(7, range(12, 18), step=2))[key])


ON_PHOTOGRAPHS = {name: recipe().objective for name, recipe in RECIPES.items() if isinstance(recipe().objective, Photographs)}


@pytest.mark.parametrize("recipe", ON_PHOTOGRAPHS)
def test_scores_and_pictures_are_the_same_at_each_call(recipe):
    objective, batch = ON_PHOTOGRAPHS[recipe], {"clean": torch.rand(1, 3, 64, 64)}
    objective = dataclasses.replace(objective, features="") if isinstance(objective, Inpaint) else objective
    with torch.no_grad():
        scores, shown = objective.validate(identity, [batch, batch]), objective.show(identity, batch, 1)
        assert scores == objective.validate(identity, [batch, batch])
        assert all(torch.equal(x, objective.show(identity, batch, 1)[caption]) for caption, x in shown.items())
    assert objective.score in scores
    assert len(shown) == 3
    assert all(x.shape[:2] in ((1, 3), (1, 1)) and x.shape[2:] in ((64, 64), (32, 32)) for x in shown.values())  # some give up edges


def identity(x, *rest):
    return x if rest else x.mean(1, keepdim=True) - 0.5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Repair(names=("magic",)), "objective.names is 'magic'; expected some of gaussian_noise"),
        (
            lambda: Repair(names=("jpeg",), probabilities=(0.1, 0.2)),
            "objective.probabilities has 2 numbers; expected 1, or 1, one for each",
        ),
        (lambda: Repair(probabilities=(2.0,)), "objective.probabilities is 2; expected 0 to 1"),
        (lambda: Repair(severity=(0.5, 0.1)), "objective.severity is 0.5,0.1; expected 0 to 1"),
        (lambda: Repair(clipped=-1), "objective.clipped is -1; expected 0 to 1"),
        (lambda: Segment(names=("jpeg",)), "objective.names is 'jpeg'; expected one with a mask among them: .*scratches"),
        (lambda: Segment(gamma=-1), "objective.gamma is -1; expected 0 to 10"),
        (lambda: Segment(dice=-1), "objective.dice is -1"),
        (lambda: Inpaint(adversarial=-1), "objective.adversarial is -1"),
        (lambda: Inpaint(shrink=(0, 1)), "objective.shrink starts at 0; expected a number above 0"),
        (lambda: Inpaint(shrunk=2), "objective.shrunk is 2; expected 0 to 1"),
        (lambda: Inpaint(opponent_sees="ears"), "objective.opponent_sees is 'ears'; expected some of pixels, features"),
        (lambda: Inpaint(spared=-1), "objective.spared is -1; expected 0 or more"),
        (lambda: Inpaint(opponent_sees="features", matching=1), "objective.matching is above 0; expected 0 where"),
        (lambda: Inpaint(r1_every=0), "objective.r1_every is 0; expected a number above 0"),
        (lambda: Inpaint(opponent_layers=0), "objective.opponent_layers is 0; expected a number above 0"),
    ],
)
def test_bad_objectives(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_psnr_of_equal_pictures_is_finite():
    x = torch.rand(1, 3, 8, 8)
    assert psnr(x, x) == pytest.approx(100)
    assert psnr(x, x + 0.1) == pytest.approx(20, abs=1e-4)
