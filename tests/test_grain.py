"""Grain of fills: as strong, as coarse and as colourful as what was put into the picture; nothing where there is none."""

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from restore import grain
from restore.degrade.noise import film_grain
from restore.image import from_float, to_linear
from restore.tasks import inpaint
from restore.tasks.inpaint import Finish

HOLES = np.zeros((200, 220), bool)
HOLES[60:130, 50:120] = HOLES[150:160, 20:200] = True
GRAIN = Finish(texture=False)


class Mean:
    """A runtime that fills everything with the mean of what is known."""

    multiple_of, min_size, halo = 8, 8, None

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.broadcast_to(image[mask[..., 0] == 0].mean(0), image.shape).astype(np.float32)


def flat(level: float, channels: int = 3) -> np.ndarray:
    return np.full((*HOLES.shape, channels), level, np.float32)


def white(sigma: float, channels: int = 3, level: float = 0.5) -> np.ndarray:
    return flat(level, channels) + np.random.default_rng(0).normal(0, sigma / 255, (*HOLES.shape, channels)).astype(np.float32)


def film(clean: np.ndarray, sigma: float, width: float, colour: float) -> np.ndarray:
    x = torch.from_numpy(clean).permute(2, 0, 1)[None]
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return film_grain(x, *(torch.tensor([number]) for number in (sigma, width, colour)), noise)[0].permute(1, 2, 0).numpy()


def beside(x: np.ndarray) -> float:
    """Correlation of neighbours in a row."""
    return float(np.corrcoef(x[:, 1:].ravel(), x[:, :-1].ravel())[0, 1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_fill_in_a_noisy_flat_picture_is_as_noisy(channels: int, dtype: type) -> None:
    picture = from_float(white(10, channels), dtype)
    result = inpaint(picture, HOLES, Mean(), finish=GRAIN)
    np.testing.assert_array_equal(result[~HOLES], picture[~HOLES])
    scale = 1 if dtype == np.float32 else np.iinfo(dtype).max
    assert 255 / scale * result[HOLES].std() == pytest.approx(10, rel=0.15)
    assert 255 / scale * result[150:160, 20:200].std() == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize("picture", [flat(0.5), white(1, 3), np.tile(np.linspace(0, 1, 220, dtype=np.float32)[None, :, None], (200, 1, 3))])
def test_a_clean_picture_is_untouched(picture: np.ndarray) -> None:
    np.testing.assert_array_equal(inpaint(picture, HOLES, Mean(), finish=GRAIN), inpaint(picture, HOLES, Mean(), finish=None))


def page(paper: int, ink: int) -> np.ndarray:
    """Lines of writing above an empty half, in which the holes are."""
    picture = np.full((400, 220, 3), paper, np.uint8)
    for line in range(20, 150, 18):
        cv2.putText(picture, "the quick brown fox jumps", (6, line), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (ink,) * 3, 1, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255), (245, 25), (252, 0)])
def test_writing_is_no_grain(paper: int, ink: int) -> None:
    picture, holes = page(paper, ink), np.zeros((400, 220), bool)
    holes[200:350, 40:160] = True
    np.testing.assert_array_equal(inpaint(picture, holes, Mean(), finish=GRAIN), inpaint(picture, holes, Mean(), finish=None))


@pytest.mark.parametrize("name", ["chelsea", "coffee", "astronaut", "brick"])
def test_texture_is_no_grain(name: str) -> None:
    picture = getattr(data, name)()[:300, :300]
    picture = picture if picture.ndim == 3 else picture[..., None]
    holes = np.zeros((300, 300), bool)
    holes[100:110, 20:280] = True
    np.testing.assert_array_equal(inpaint(picture, holes, Mean(), finish=GRAIN), inpaint(picture, holes, Mean(), finish=None))


def test_black_and_white_that_noise_was_cut_from_get_none() -> None:
    steps = flat(0.5)
    steps[:, :80], steps[:, 150:] = -0.3, 1.3
    picture = from_float(np.clip(steps + white(10, level=0), 0, 1), np.uint8)
    found = grain.measure(picture, HOLES)
    assert found.strength(np.array([0.0, 1.0])).max() == 0
    assert found.sigma == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize("width", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("colour", [0.0, 1.0])
def test_grain_is_as_coarse_and_as_colourful(width: float, colour: float) -> None:
    picture = film(flat(0.5), 10, width, colour)
    fill = inpaint(picture, HOLES, Mean(), finish=GRAIN)[60:130, 50:120]
    around = picture[:, 125:]
    assert 255 * fill.std() == pytest.approx(10, rel=0.15)
    assert beside(fill[..., 0]) == pytest.approx(beside(around[..., 0]), abs=0.08)
    among = [np.corrcoef(part[..., 0].ravel(), part[..., 1].ravel())[0, 1] for part in (fill, around)]
    assert among[0] == pytest.approx(among[1], abs=0.2)


def test_grain_follows_the_brightness() -> None:
    steps = flat(0.12)
    steps[:, 110:] = 0.5
    picture = film(steps, 12, 0.5, 1.0)
    found = grain.measure(picture, np.zeros(HOLES.shape, bool))
    dark, middle = (found.sigma * float(np.interp(level, found.levels, found.gains)) for level in (0.12, 0.5))
    assert dark == pytest.approx(12 * 2 * np.sqrt(0.12 * 0.88), rel=0.15)
    assert middle == pytest.approx(12, rel=0.15)


def test_grain_of_a_linear_picture_is_that_of_its_encoded_samples() -> None:
    encoded = white(8)
    result = inpaint(to_linear(encoded), HOLES, Mean(), linear=True, finish=GRAIN)
    near, expected = result[60:130, 50:120].std(), to_linear(encoded)[~HOLES].std()
    assert near == pytest.approx(expected, rel=0.2)


def test_what_has_grain_already_gets_none() -> None:
    picture = white(10)
    found = grain.measure(picture, HOLES)
    result = grain.match(picture, HOLES, found, np.random.default_rng(1))
    added = 255 * (result - picture)[HOLES].std()
    assert added < 5
    assert 255 * result[HOLES].std() == pytest.approx(10, rel=0.15)


def test_copied_texture_carries_its_grain_alone() -> None:
    picture = white(12)
    result = inpaint(picture, HOLES, Mean())
    assert 255 * result[75:115, 65:105].std() == pytest.approx(12, rel=0.2)


def test_photographs_and_the_same_seed() -> None:
    clean = data.astronaut()[:200, 100:320].astype(np.float32) / 255
    picture = film(clean, 10, 0.8, 0.5)
    first, again, other = (inpaint(picture, HOLES, Mean(), finish=Finish(texture=False, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    changed = (first != other).any(2)
    assert changed[HOLES].mean() > 0.95
    assert not changed[~HOLES].any()
    assert 5 < grain.measure(picture, HOLES).sigma < 13


@pytest.mark.parametrize("shape", [(10, 300), (20, 20)])
def test_too_little_to_look_at(shape: tuple[int, int]) -> None:
    assert grain.measure(np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)) is None


def test_what_is_not_finite_is_not_looked_at() -> None:
    picture = white(10)
    picture[::50, ::50] = np.nan
    assert grain.measure(picture, HOLES).sigma == pytest.approx(10, rel=0.1)


def test_what_is_not_finite_takes_no_grain_from_a_fill() -> None:
    fill, found = np.where(HOLES[..., None], flat(0.5), white(10)), grain.measure(white(10), HOLES)
    whole = grain.match(fill, HOLES, found, np.random.default_rng(1))
    fill[40, 40] = np.nan
    np.testing.assert_array_equal(grain.match(fill, HOLES, found, np.random.default_rng(1))[HOLES], whole[HOLES])


def test_weaker_surroundings_have_the_say() -> None:
    strong, weak = (grain.measure(white(sigma), HOLES) for sigma in (10, 4))
    assert strong.at_most(weak).sigma == pytest.approx(4, rel=0.1)
    assert weak.at_most(strong).sigma == pytest.approx(4, rel=0.1)
    assert strong.at_most(None) is strong
