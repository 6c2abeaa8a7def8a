import numpy as np
import pytest
import torch

from restore import masks
from restore.draws import Draws
from restore.masks.bank import PINNED, Bank

MIXED = ("strokes", "scratches", "tears", "stains", "boxes")


@pytest.fixture(scope="module")
def bank():
    return Bank(MIXED, (0.1, 0.35), 60, 40, seed=3)


def versions(mask, *, shifted):
    """All turned, mirrored and, if asked for, rolled versions of a mask, as bytes."""
    turned = [np.rot90(side, turn) for side in (mask, mask[:, ::-1]) for turn in range(4)]
    shifts = range(len(mask)) if shifted else [0]
    return {np.roll(one, (dy, dx), (0, 1)).tobytes() for one in turned for dy in shifts for dx in shifts}


@pytest.mark.parametrize("options", [{}, {"size": 24}, {"area": (0.15, 0.2)}], ids=str)
def test_a_sample_does_not_depend_on_its_neighbours(bank, options):
    whole = bank.draw(Draws(7, range(12)), **options)
    assert torch.equal(whole, bank.draw(Draws(7, range(12)), **options))
    for numbers in ([0, 1, 2], [11], [5, 3]):
        assert torch.equal(bank.draw(Draws(7, numbers), **options), whole[numbers])
    assert not torch.equal(whole, bank.draw(Draws(8, range(12)), **options))
    assert len({sample.numpy().tobytes() for sample in whole}) > 9


@pytest.mark.parametrize("size", [None, 40, 24, 1])
def test_draws_are_zeros_and_ones_of_the_size_asked_for(bank, size):
    mask = bank.draw(Draws(0, range(5)), size)
    assert mask.shape == (5, 1, size or 40, size or 40)
    assert mask.dtype == torch.float32
    assert ((mask == 0) | (mask == 1)).all()


@pytest.mark.parametrize("union", [0, 0.5, 1])
def test_the_area_is_kept(bank, union):
    area = bank.draw(Draws(1, range(300)), union=union).mean((1, 2, 3))
    assert area.min() >= 0.1
    assert area.max() <= 0.35
    cut = bank.draw(Draws(1, range(300)), 30, union=union).mean((1, 2, 3))
    assert ((cut >= 0.1) & (cut <= 0.35)).float().mean() > 0.98
    narrow = bank.draw(Draws(1, range(300)), union=union, area=(0.2, 0.3)).mean((1, 2, 3))
    assert ((narrow >= 0.2) & (narrow <= 0.3)).float().mean() > 0.95


def test_where_no_mask_fits_the_nearest_is_taken(bank):
    one, many = (bank.draw(Draws(1, range(100)), union=0, area=(0, 0), tries=tries).mean() for tries in (1, 8))
    assert bank.masks[::2].float().mean((1, 2)).min() <= many < 0.75 * one


def test_a_draw_is_a_turned_mirrored_and_shifted_mask():
    bank = Bank(["boxes", "strokes"], (0.1, 0.3), 1, 12, seed=1)
    known = versions(bank.masks[0].numpy(), shifted=True)
    drawn = {sample.numpy().astype(np.uint8).tobytes() for sample in bank.draw(Draws(0, range(3000)), union=0)[:, 0]}
    assert drawn <= known
    assert len(drawn) > 0.8 * len(known)


@pytest.mark.parametrize("kind", sorted(PINNED))
def test_kinds_of_the_border_are_not_shifted(kind):
    bank = Bank([kind], (0.1, 0.3), 2, 24, seed=2)
    known = versions(bank.masks[0].numpy(), shifted=False)
    assert {sample.numpy().astype(np.uint8).tobytes() for sample in bank.draw(Draws(0, range(200)), union=0)[:, 0]} == known


def test_a_cut_is_a_window_of_the_mask_laid_out_endlessly():
    bank = Bank(["blobs"], (0.1, 0.3), 2, 12, seed=4)
    endless = np.tile(bank.masks[0].numpy(), (2, 2))
    windows = {w.tobytes() for y in range(12) for x in range(12) for w in [endless[y : y + 7, x : x + 7]]}
    known = {v for w in windows for v in versions(np.frombuffer(w, np.uint8).reshape(7, 7), shifted=False)}
    drawn = bank.draw(Draws(0, range(300)), 7, union=0)[:, 0].numpy().astype(np.uint8)
    assert {sample.tobytes() for sample in drawn} <= known


def test_unions_take_the_place_of_masks_where_they_fit(bank):
    alone, united, half = (bank.draw(Draws(5, range(400)), union=union).flatten(1) for union in (0, 1, 0.5))
    replaced, kept = (united != alone).any(1), (half == alone).all(1)
    assert replaced.float().mean() > 0.6
    assert ((half == united).all(1) | kept).all()
    assert kept[replaced].float().mean() == pytest.approx(0.5, abs=0.1)


def test_a_union_is_made_of_the_two_smaller_masks():
    bank = Bank(["tears"], (0.1, 0.4), 2, 20, seed=0)
    small = [np.frombuffer(one, np.uint8).reshape(20, 20) for one in versions(bank.masks[1].numpy(), shifted=False)]
    unions = {(a | b).tobytes() for a in small for b in small} | versions(bank.masks[0].numpy(), shifted=False)
    drawn = {one.numpy().astype(np.uint8).tobytes() for one in bank.draw(Draws(0, range(200)), union=1)[:, 0]}
    assert drawn <= unions
    assert len(drawn) > 8


def test_masks_of_the_bank_have_their_area_and_do_not_depend_on_how_many_there_are(bank):
    for masks_, low, high in ((bank.masks[::2], 0.1, 0.35), (bank.masks[1::2], 0.05, 0.225)):
        area = masks_.float().mean((1, 2))
        assert area.min() >= low
        assert area.max() <= high
        assert area.max() - area.min() > 0.6 * (high - low)
    assert len(bank) == 60
    assert torch.equal(Bank(MIXED, (0.1, 0.35), 5, 40, seed=3).masks, bank.masks[:5])
    assert not torch.equal(Bank(MIXED, (0.1, 0.35), 5, 40, seed=4).masks, bank.masks[:5])


@pytest.mark.parametrize("kind", masks.MASKS)
def test_every_kind_makes_a_bank(kind):
    area = (0.45, 0.9) if kind == "grid" else (0.02, 0.3)
    drawn = Bank([kind], area, 4, 48, seed=0).draw(Draws(0, range(20))).mean((1, 2, 3))
    assert drawn.min() >= area[0]
    assert drawn.max() <= area[1]


def test_a_bank_holds_all_kinds(monkeypatch):
    drawn = []
    for kind in MIXED:
        monkeypatch.setitem(masks.MASKS, kind, lambda shape, *, rng, kind=kind: drawn.append(kind) or masks.strokes(shape, rng=rng))
    Bank(MIXED, (0.1, 0.35), 40, 16, seed=0)
    assert set(drawn) == set(MIXED)


def test_one_kind_needs_no_list():
    assert torch.equal(Bank("boxes", (0.1, 0.3), 3, 16).masks, Bank(["boxes"], (0.1, 0.3), 3, 16).masks)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["boxes"], (0.1, 0.2), 0, 16), "count of masks is 0; expected at least 1"),
        (([], (0.1, 0.2), 2, 16), r"kinds of masks \[\]; expected some of strokes"),
        ((["boxes", "stroke"], (0.1, 0.2), 2, 16), "kinds of masks .*'stroke'.*; expected some of strokes"),
        ((["grid"], (0.1, 0.2), 2, 16), "1000 draws of grid.* cover 0.000 of 16x16"),
    ],
)
def test_an_impossible_bank_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Bank(*arguments)


@pytest.mark.parametrize("size", [0, 41])
def test_a_size_beyond_the_bank_is_refused(bank, size):
    with pytest.raises(ValueError, match=f"masks of {size} pixels a side from a bank of 40; expected 1 to 40"):
        bank.draw(Draws(0, [0]), size)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_device_does_not_matter(bank):
    other = Bank(MIXED, (0.1, 0.35), 60, 40, seed=3, device="cuda")
    for size in (40, 24):
        drawn = other.draw(Draws(2, range(64), "cuda"), size)
        assert drawn.is_cuda
        assert torch.equal(drawn.cpu(), bank.draw(Draws(2, range(64)), size))
