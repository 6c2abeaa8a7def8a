"""What JPEG restorers learn from: files against Pillow's, shrunken crops against Pillow's, scores against files."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photographs

from restore import data, metrics
from restore.degrade.codec import double_jpeg_array
from restore.degrade.tone import luma
from restore.draws import Draws
from restore.networks.restoration import build
from restore.training import dejpeg, engine
from restore.training.base import Reading, shrink
from restore.training.config import Config
from restore.training.dejpeg import CASES, Dejpeg, code

WHOLE = {"shrink": (1.0, 1.0), "shrunk": 0.0, "untouched": 0.0}


def crops(count, side):
    picture = photographs.astronaut()
    return data.to_tensor(np.stack([picture[8 * i : 8 * i + side, 130 : 130 + side] for i in range(count)]))


def to_array(x):
    return (x * 255).round().byte().permute(1, 2, 0).numpy()


def through_file(array, **how):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", **how)
    return np.asarray(Image.open(file))


def test_crops_become_the_files_that_pillow_writes():
    batch = Dejpeg(**WHOLE, twice=0.0, grey=0.0, told=1.0).draw(crops(24, 32), Draws(0, range(24)))
    assert torch.equal((batch["clean"] * 255).round(), (crops(24, 32) * 255).round())
    found = []
    for clean, coded, level in zip(batch["clean"], batch["coded"], batch["level"], strict=True):
        files = [through_file(to_array(clean), quality=round(101 - 100 * float(level)), subsampling=mode) for mode in range(3)]
        found.append([np.array_equal(file, to_array(coded)) for file in files])
    assert np.all(np.any(found, 1))
    assert np.argmax(np.mean(found, 0)) == 2  # most are 4:2:0
    assert len(set(batch["level"].tolist())) > 12


def test_grey_crops_become_grey_files():
    batch = Dejpeg(**WHOLE, twice=0.0, grey=1.0, told=1.0).draw(crops(6, 32), Draws(0, range(6)))
    for number, (clean, coded, level) in enumerate(zip(batch["clean"], batch["coded"], batch["level"], strict=True)):
        wanted = Image.fromarray(to_array(crops(6, 32)[number])).convert("L")
        assert np.abs(to_array(clean) - np.asarray(wanted)[..., None].astype(int)).max() <= 1  # Pillow rounds its constants
        file = through_file(to_array(clean)[..., 0], quality=round(101 - 100 * float(level)))
        assert np.array_equal(to_array(coded), np.repeat(file[..., None], 3, 2))


def test_crops_that_are_no_files_come_as_they_are_and_untold():
    batch = Dejpeg(shrunk=1.0, untouched=1.0, told=1.0).draw(crops(6, 32), Draws(0, range(6)))
    assert torch.equal(batch["coded"], batch["clean"])
    assert not batch["level"].any()


def test_two_files_have_grids_apart_and_the_level_of_the_worse(monkeypatch):
    seen = {}
    real = dejpeg.double_jpeg

    def spy(x, first, second, shift, *, subsampling):
        seen.update(first=first, second=second, shift=shift)
        return real(x, first, second, shift, subsampling=subsampling)

    monkeypatch.setattr(dejpeg, "double_jpeg", spy)
    batch = Dejpeg(**WHOLE, twice=1.0, told=1.0).draw(torch.rand(300, 3, 16, 16), Draws(0, range(300)))
    torch.testing.assert_close(batch["level"], ((101 - torch.minimum(seen["first"], seen["second"])) / 100).float())
    assert seen["shift"].min() == 0
    assert seen["shift"].max() == 7
    assert (seen["shift"].sum(1) > 0).all()
    second = seen["second"]
    assert torch.equal(second, second.round())
    assert 0.6 < ((second >= 40) & (second <= 95)).double().mean() < 0.8  # 1/2; 20 of 56 of 3/8 more, 56 % of 1/8
    qualities = seen["first"]
    assert torch.equal(qualities, qualities.round())
    assert 1 <= qualities.min() < 5
    assert 95 < qualities.max() <= 100
    assert 0.8 < ((qualities >= 5) & (qualities <= 60)).double().mean() < 0.95  # 3/4, and 56 % of the last quarter


def test_shares():
    batch = Dejpeg(**WHOLE, grey=0.3, told=0.4).draw(torch.rand(1000, 3, 16, 16), Draws(3, range(1000)))
    assert 0.35 < (batch["level"] > 0).float().mean() < 0.45
    assert 0.25 < (batch["clean"].amax(1) == batch["clean"].amin(1)).flatten(1).all(1).float().mean() < 0.35


def test_crops_are_shrunk_as_pillow_shrinks():
    clean = Dejpeg(shrink=(0.5, 0.5), shrunk=1.0, grey=0.0).draw(crops(24, 64), Draws(0, range(24)))["clean"]
    assert clean.shape == (24, 3, 32, 32)
    kinds = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
    apart = np.empty((24, 3))
    for i, crop in enumerate(crops(24, 64)):
        for j, kind in enumerate(kinds):
            apart[i, j] = np.abs(to_array(clean[i]) - np.asarray(Image.fromarray(to_array(crop)).resize((32, 32), kind)).astype(int)).max()
    assert apart.min(1).max() <= 2  # Pillow rounds twice
    assert set(apart.argmin(1)) == {0, 1, 2}


def test_the_others_keep_their_pixels():
    clean = Dejpeg(shrunk=0.5, grey=0.0).draw(crops(40, 64), Draws(0, range(40)))["clean"]
    kept = ((clean - crops(40, 64)[..., :32, :32]).abs() < 1e-6).flatten(1).all(1)
    assert 10 <= kept.sum() <= 30


def test_a_part_of_the_batch_is_the_same_alone():
    clean = crops(6, 64)
    whole = Dejpeg().draw(clean, Draws(7, range(12, 18)))
    parts = [Dejpeg().draw(clean[i : i + 3], Draws(7, range(12 + i, 15 + i))) for i in (0, 3)]
    for key, value in whole.items():
        assert torch.equal(value, torch.cat([part[key] for part in parts]))


@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_files(name):
    case, picture = CASES[name], photographs.chelsea()[:96, :128]
    grey = to_array(luma(data.to_tensor(picture[None]))[0])[..., :1]
    wanted = grey if case.grey else picture
    if case.again:
        coded = double_jpeg_array(wanted, case.quality, case.again, np.array([4, 4]))
    else:
        coded = through_file(wanted[..., 0] if case.grey else wanted, quality=case.quality).reshape(wanted.shape)
    told = []

    def network(x, level):
        told.append(level)
        return x

    scores = Dejpeg().validate(network, [{"clean": data.to_tensor(picture[None])}])
    assert scores[f"psnr_{name}"] == pytest.approx(metrics.psnr(wanted, coded), abs=1e-3)
    assert scores["gain"] == pytest.approx(0, abs=1e-4)
    assert told == pytest.approx([0.91 if "told" in other else 0 for other in CASES])


def test_the_gain_is_the_mean_over_the_files():
    clean = data.to_tensor(photographs.chelsea()[None, :64, :64])
    answers = {float(code(clean, case)[1].sum()): code(clean, case) for case in CASES.values()}

    def halfway(x, level):
        wanted, coded = answers[float(x.sum())]
        return coded + 0.5 * (wanted - coded)

    assert Dejpeg().validate(halfway, [{"clean": clean}])["gain"] == pytest.approx(20 * np.log10(2), abs=0.15)  # rounded to 8 bits


def test_a_perfect_network_has_no_loss():
    batch = Dejpeg().draw(crops(4, 64), Draws(0, range(4)))
    levels = []

    def oracle(x, level):
        levels.append(level)
        return batch["clean"] if x is batch["coded"] else x

    assert Dejpeg().loss(oracle, batch).item() == pytest.approx(1e-3)
    assert levels[0] is batch["level"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(photographs, name)()).save(root / f"{name}.png")
    return root


def test_what_is_held_out_is_shrunk(folder):
    reading = Reading(source=folder, network=torch.nn.Identity(), size=64, say=lambda line: None)
    crops, (batch,) = Dejpeg().read(reading)
    assert len(crops) == 3
    (photograph,) = reading.photographs(1)[1]
    height, width = (min(256, round(0.6 * side)) // 16 * 16 for side in photograph.shape[:2])
    assert batch["clean"].shape == (1, 3, height, width)
    small = shrink(photograph, 0.6)
    assert small.shape == (*(round(0.6 * side) for side in photograph.shape[:2]), 3)
    assert abs(small.mean() - photograph.mean()) < 0.5


def test_a_run(folder, tmp_path):
    config = Config(
        network="restoration",
        options={"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1]},
        objective=Dejpeg(),
        steps=60,
        warmup=5,
        batch=8,
        crop=64,
        lr=3e-3,
        ema=0.9,
        log_every=20,
        validate_every=60,
        threads=1,
    )
    engine.train(config, source=folder, out=tmp_path, say=lambda line: None)
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {f"psnr_{name}" for name in CASES} | {"gain"} < set(records[-1])
    assert records[-1]["gain"] > 0  # at the start it is 0
    assert (tmp_path / "pictures" / "step-000060.png").exists()
    assert build(**config.options).load_state_dict(engine.read_checkpoint(tmp_path / "checkpoint.pt")["averaged"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shrink": (0.8, 0.5)}, "objective.shrink is 0.8,0.5; expected 0 to 1, the lower before the higher"),
        ({"shrink": (0.0, 0.5)}, "objective.shrink starts at 0; expected a number above 0"),
        ({"quality": (5, 101)}, "objective.quality is 5,101; expected 0 to 100"),
        ({"quality": (0.5, 60)}, "objective.quality starts at 0.5; expected 1 or more"),
        *[({name: 1.5}, f"objective.{name} is 1.5; expected 0 to 1") for name in ("shrunk", "twice", "grey", "told")],
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Dejpeg(**settings)
