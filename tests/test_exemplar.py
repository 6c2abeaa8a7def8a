"""Texture copied into holes: real repeats as oracles, where copies come from, corner cases."""

from contextlib import nullcontext

import cv2
import numpy as np
import pytest
import torch

from restore import exemplar
from restore.exemplar import complete, share
from restore.patches import Level, Matches

RNG = np.random.default_rng(0)


def square(shape: tuple[int, int], low: int, high: int) -> np.ndarray:
    holes = np.zeros(shape, bool)
    holes[low:high, low:high] = True
    return holes


HOLES = square((96, 120), 30, 66)


def with_hole(picture: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """The guess of a method that knows the mean and nothing else."""
    return np.where(holes[..., None], picture[~holes].mean(0), picture).astype(np.float32)


NOISE = RNG.random((96, 120, 3), np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pattern_goes_on(channels: int) -> None:
    tiles = np.tile(np.random.default_rng(0).random((8, 8, channels), np.float32), (12, 15, 1))
    blurred = cv2.GaussianBlur(tiles, (0, 0), 1).reshape(tiles.shape)
    guess = np.where(HOLES[..., None], blurred, tiles)
    filled = complete(guess, HOLES)
    assert np.abs(filled - tiles)[HOLES].mean() < 0.1 * np.abs(guess - tiles)[HOLES].mean()


@pytest.mark.parametrize("fails", [False, True])
def test_one_thread_and_then_as_many_as_before(monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
    used, search, before = [], exemplar._search, torch.get_num_threads()

    def watched(levels: list[Level], generator: torch.Generator) -> tuple[Matches, torch.Tensor] | None:
        used.append(torch.get_num_threads())
        if fails:
            raise RuntimeError("broken")
        return search(levels, generator)

    monkeypatch.setattr(exemplar, "_search", watched)
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="broken") if fails else nullcontext():
            complete(with_hole(NOISE, HOLES), HOLES)
        assert (used, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("limit", [exemplar.LIMIT, 4000])
def test_texture_is_as_strong_as_around(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(exemplar, "LIMIT", limit)
    filled = complete(with_hole(NOISE, HOLES), HOLES)
    assert filled[HOLES].std() > 0.7 * NOISE.std()
    np.testing.assert_array_equal(filled[~HOLES], NOISE[~HOLES])


def test_a_spot_that_is_gone_at_the_scale_of_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exemplar, "LIMIT", 1000)
    holes = square(NOISE.shape[:2], 41, 43)
    guess = with_hole(NOISE, holes)
    np.testing.assert_array_equal(complete(guess, holes), guess)


def test_a_ramp_keeps_its_slope_without_steps() -> None:
    ramp = np.repeat(np.linspace(0.2, 0.8, 120, dtype=np.float32)[None, :, None], 96, 0)
    filled = complete(ramp, HOLES)
    assert np.abs(filled - ramp).max() < 0.02
    assert np.abs(np.diff(filled, axis=1)).max() < 0.02


def test_copies_come_from_the_sources() -> None:
    two = np.where(np.arange(120)[None, :, None] < 60, NOISE * [0.5, 0, 0], NOISE * [0, 0.5, 0]).astype(np.float32)
    sources = np.zeros(HOLES.shape, bool)
    sources[:, 70:] = True
    guess = np.where(HOLES[..., None], two[:, 70:].mean((0, 1)), two)
    filled = complete(guess, HOLES, sources=sources)
    assert not filled[HOLES][:, 0].any()
    assert filled[HOLES][:, 1].std() > 0.7 * two[:, 70:, 1].std()


def test_stays_within_the_sources() -> None:
    filled = complete(np.where(HOLES[..., None], np.float32(3), NOISE), HOLES)
    assert filled[HOLES].max() <= NOISE[~HOLES].max()
    assert filled[HOLES].min() >= NOISE[~HOLES].min()


def test_the_guess_stays_where_no_patch_fits() -> None:
    red = (NOISE * [0.5, 0, 0]).astype(np.float32)
    red[2:4, 2:4] = [0, 1, 0]
    green = np.where(HOLES[..., None], np.float32([0, 0.8, 0]), red)
    assert np.abs(complete(green, HOLES) - green)[HOLES].mean() < 0.05
    guess = with_hole(red, HOLES)
    assert np.abs(complete(guess, HOLES) - guess)[HOLES][:, 0].mean() > 0.5 * red[:, :, 0].std()


def test_what_is_busier_than_the_guess_and_the_surroundings_hardly_shows() -> None:
    """Around the hole it is calm; only a lattice has the guess's brightness."""
    rng = np.random.default_rng(0)
    calm, lattice = 0.8 + 0.002 * rng.standard_normal((96, 120, 1)), 0.2 + 0.4 * rng.random((96, 40, 1))
    picture = np.repeat(np.concatenate([calm, lattice], 1), 3, 2).astype(np.float32)
    holes = np.zeros(picture.shape[:2], bool)
    holes[24:72, 40:88] = True
    filled = complete(np.where(holes[..., None], np.float32(0.4), picture), holes)
    assert 0.001 < filled[holes].std() < 0.015  # 0.04 if all of it stays


def test_same_seed_same_texture() -> None:
    guess = with_hole(NOISE, HOLES)
    before = guess.copy()
    first, again, other = (complete(guess, HOLES, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(guess, before)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other)[HOLES].mean() > 0.01


@pytest.mark.parametrize(
    ("shape", "holes"),
    [
        ((40, 40), np.zeros((40, 40), bool)),
        ((40, 40), np.ones((40, 40), bool)),
        ((40, 40), square((40, 40), 2, 38)),  # a rim too thin for a patch
        ((1, 1), np.ones((1, 1), bool)),
        ((1, 9), np.eye(1, 9, dtype=bool)),
        ((9, 1), np.eye(9, 1, dtype=bool)),
    ],
)
def test_nothing_to_copy_is_the_guess(shape: tuple[int, int], holes: np.ndarray) -> None:
    guess = RNG.random((*shape, 3), np.float32)
    filled = complete(guess, holes)
    np.testing.assert_array_equal(filled, guess)
    assert not np.shares_memory(filled, guess)


@pytest.mark.parametrize("shape", [(10, 10), (11, 64), (64, 11), (33, 47), (130, 97)])
def test_finite_and_of_its_shape(shape: tuple[int, int]) -> None:
    holes = np.zeros(shape, bool)
    holes[:, : shape[1] // 4] = holes[: shape[0] // 8] = holes[-2:, -2:] = holes[:, -1] = True  # touches all borders
    filled = complete(np.where(holes[..., None], np.float32(0), np.float32(0.25) + np.zeros((*shape, 1), np.float32)), holes)
    assert filled.shape == (*shape, 1)
    assert filled.dtype == np.float32
    assert np.isfinite(filled).all()
    np.testing.assert_allclose(filled[~holes], 0.25)
    if min(shape) > 11:
        np.testing.assert_allclose(filled[holes], 0.25, atol=1e-6)


def test_share_is_nothing_in_narrow_holes_and_all_deep_in_wide_ones() -> None:
    holes = np.zeros((300, 300), bool)
    holes[10:34] = holes[100:220, 100:220] = holes[250:253, 50:] = True
    given = share(holes)
    assert given.dtype == np.float32
    assert not given[:90].any()
    assert not given[230:].any()
    assert not given[~holes].any()
    assert (given[120:200, 120:200] == 1).all()
    assert (np.diff(given[99:160, 160]) >= 0).all()
