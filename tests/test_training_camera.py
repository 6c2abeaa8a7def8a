"""What denoisers for cameras learn from: pairs against their parts, levels against the noise, files against Pillow's."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photographs

from restore import data
from restore.draws import Draws
from restore.training import engine
from restore.training.base import psnr
from restore.training.camera import CASES, Case, DenoiseCamera, reading_noise, take
from restore.training.config import Config

NOTHING = dict.fromkeys(("shrunk", "smooth", "sharp", "coded", "white", "film", "untouched", "grey", "toned", "told"), 0.0)
WHOLE = {**NOTHING, "shrink": (1.0, 1.0)}


def crops(count, side):
    picture = photographs.astronaut()
    return data.to_tensor(np.stack([picture[8 * i : 8 * i + side, 130 : 130 + side] for i in range(count)]))


def draw(count=8, side=64, **settings):
    return DenoiseCamera(**{**WHOLE, **settings}).draw(crops(count, side), Draws(0, range(count)))


def test_only_noise_is_added_and_told():
    batch = draw(told=1.0)
    torch.testing.assert_close(batch["clean"], crops(8, 64))
    assert torch.equal(batch["noisy"], (batch["noisy"] * 255).round() / 255)
    torch.testing.assert_close(batch["level"], (batch["noisy"] - batch["clean"]).square().mean((1, 2, 3)).sqrt())
    assert len(set(batch["level"].tolist())) == 8
    assert not draw()["level"].any()


def test_untouched_crops_are_clean():
    batch = draw(untouched=1.0, told=1.0)
    assert (batch["noisy"] - batch["clean"]).abs().max() <= 0.5001 / 255
    assert batch["level"].max() < 0.5 / 255


def test_white_noise_is_white_and_runs_to_50():
    noise = DenoiseCamera(**{**WHOLE, "white": 1.0}).draw(torch.full((64, 3, 32, 32), 0.5), Draws(0, range(64)))["noisy"] - 0.5
    levels = 255 * noise.std((1, 2, 3))
    assert 2 > levels.min()
    assert 45 < levels.max() < 52
    shared = (noise[..., 1:] * noise[..., :-1]).mean((1, 2, 3)) / noise.square().mean((1, 2, 3))
    assert shared[levels > 5].abs().max() < 0.1


def test_film_has_grain_of_the_widths_asked_for():
    flat = torch.full((64, 3, 32, 32), 0.5)
    shared = {}
    for width in (0.3, 1.5):
        settings = {**WHOLE, "film": 1.0, "grain": (20.0, 20.0), "width": (width, width)}
        noise = DenoiseCamera(**settings).draw(flat, Draws(0, range(64)))["noisy"] - 0.5
        assert 255 * noise.std() == pytest.approx(20, rel=0.05)
        shared[width] = ((noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()).item()
        grey = (noise.amax(1) == noise.amin(1)).flatten(1).all(1).float().mean()
        assert 0.3 < grey < 0.7
    assert shared[0.3] < 0.1
    assert shared[1.5] > 0.8


def test_toned_crops_have_noise_of_their_tone():
    """Black and white photographs on warm paper: one number says a pixel's colour, with and without noise."""
    batch = draw(toned=1.0)
    for key in ("clean", "noisy"):
        for picture in batch[key].flatten(2):
            bright = picture[:, picture[1] > 0.1]  # below that, one step of green is many of red
            assert bright[:, bright[1].argsort()].diff(dim=1).min() > -3.01 / 255
    assert (batch["clean"].amax(1) - batch["clean"].amin(1)).max() > 0.1


def test_grey_crops_have_grey_noise():
    batch = draw(grey=1.0)
    for key in ("clean", "noisy"):
        assert torch.equal(batch[key].amax(1), batch[key].amin(1))
    assert (batch["noisy"] != batch["clean"]).any()


def test_files_are_those_that_pillow_writes():
    before, after = draw(), draw(coded=1.0, quality=(80.0, 80.0))
    assert torch.equal(before["clean"], after["clean"])
    for plain, coded in zip(before["noisy"], after["noisy"], strict=True):
        files = []
        for subsampling in (0, 2):
            file = io.BytesIO()
            Image.fromarray((plain * 255).round().byte().permute(1, 2, 0).numpy()).save(file, "JPEG", quality=80, subsampling=subsampling)
            files.append(np.array_equal(np.asarray(Image.open(file)), (coded * 255).round().byte().permute(1, 2, 0).numpy()))
        assert any(files)


def test_shrinking_takes_the_noise_along():
    """As much noise at first, less of it after four pixels have become one."""
    torch.manual_seed(0)
    flat = torch.full((32, 3, 64, 64), 0.5)
    settings = {**NOTHING, "shot": (10.0, 10.0), "shrink": (0.5, 0.5)}
    small, same = (DenoiseCamera(**{**settings, "shrunk": share}).draw(flat, Draws(0, range(32))) for share in (1.0, 0.0))
    assert small["clean"].shape == same["clean"].shape == (32, 3, 32, 32)
    assert (small["noisy"] - 0.5).std() < 0.8 * (same["noisy"] - 0.5).std()


def test_sharpening_happens_to_both():
    plain, sharp = draw(), draw(sharp=1.0)
    slope = [batch["clean"].diff(dim=3).abs().mean() for batch in (plain, sharp)]
    assert slope[1] > 1.05 * slope[0]
    assert (sharp["noisy"] - sharp["clean"]).std() > 1.05 * (plain["noisy"] - plain["clean"]).std()


def test_smoothing_happens_to_the_noise_alone():
    plain, smooth = draw(), draw(smooth=1.0)
    assert torch.equal(plain["clean"], smooth["clean"])
    assert (smooth["noisy"] - smooth["clean"]).std() < 0.9 * (plain["noisy"] - plain["clean"]).std()


def test_a_part_of_the_batch_is_the_same_alone():
    whole = DenoiseCamera().draw(crops(6, 64), Draws(7, range(12, 18)))
    parts = [DenoiseCamera().draw(crops(6, 64)[i : i + 3], Draws(7, range(12 + i, 15 + i))) for i in (0, 3)]
    torch.testing.assert_close(whole["noisy"], torch.cat([part["noisy"] for part in parts]), atol=1.01 / 255, rtol=0)
    torch.testing.assert_close(whole["level"], torch.cat([part["level"] for part in parts]))


def test_reading_noise_is_that_of_the_paper():
    shot = 0.01  # Brooks et al.: log read = 2.18 log shot + 1.2, both variances
    assert reading_noise(np.array([255 * np.sqrt(shot)]))[0] == pytest.approx(255 * np.sqrt(np.exp(2.18 * np.log(shot) + 1.2)))


def test_cases():
    clean = crops(1, 64)
    levels = {name: take(clean, case, 3)[1] * 255 for name, case in CASES.items()}
    assert levels["clean"] == 0 < levels["low"] < levels["medium"] < levels["high"] == levels["high_told"]
    assert torch.equal(take(clean, CASES["high"], 3)[0], take(clean, CASES["high"], 3)[0])
    assert not torch.equal(take(clean, CASES["high"], 3)[0], take(clean, CASES["high"], 4)[0])
    film = take(clean, CASES["film"], 3)[0] - clean
    assert (film[..., 1:] * film[..., :-1]).mean() > 0.5 * film.square().mean()
    noisy, level = take(clean, Case(12, 0), 3)
    assert float((noisy - clean).square().mean().sqrt()) == pytest.approx(level)


def test_scores():
    clean, told = crops(1, 64), []

    def network(x, level):
        told.append(level)
        return x

    scores = DenoiseCamera().validate(network, [{"clean": clean}])
    assert scores["gain"] == pytest.approx(0, abs=1e-4)
    assert scores["psnr_high"] == pytest.approx(psnr(take(clean, CASES["high"], 0)[0], clean), abs=1e-4)
    assert scores["psnr_clean"] == 100
    assert [level > 0 for level in told] == [case.told for case in CASES.values()]


def test_a_run(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(photographs, name)()).save(folder / f"{name}.png")
    config = Config(
        network="restoration",
        options={"widths": [8, 8], "down": [1, 1], "up": [1, 1]},
        objective=DenoiseCamera(),
        steps=40,
        warmup=5,
        batch=8,
        crop=64,
        lr=3e-3,
        ema=0.9,
        log_every=20,
        validate_every=40,
        threads=1,
    )
    engine.train(config, source=folder, out=tmp_path / "run", say=lambda line: None)
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert {f"psnr_{name}" for name in CASES} | {"gain"} < set(records[-1])
    assert records[-1]["gain"] > 0  # at the start it is 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shot": (10.0, 5.0)}, "objective.shot is 10,5; expected 0 to 255, the lower before the higher"),
        ({"shot": (0.0, 5.0)}, "objective.shot starts at 0; expected a number above 0"),
        ({"contrast": (0.0, 1.0)}, "objective.contrast starts at 0; expected a number above 0"),
        ({"shrink": (0.0, 1.0)}, "objective.shrink starts at 0; expected a number above 0"),
        ({"grain": (0.0, 5.0)}, "objective.grain starts at 0; expected a number above 0"),
        ({"width": (0.5, 3.0)}, "objective.width is 0.5,3; expected 0 to 2, the lower before the higher"),
        ({"quality": (70.0, 101.0)}, "objective.quality is 70,101; expected 0 to 100"),
        *[({name: 1.5}, f"objective.{name} is 1.5; expected 0 to 1") for name in NOTHING],
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        DenoiseCamera(**settings)
