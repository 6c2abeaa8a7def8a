"""Compositions of damage: order, masks, shares, draws."""

import numpy as np
import pytest
import skimage.data
import torch

from restore.degrade import DEGRADATIONS, composition, table
from restore.degrade.base import Degradation, Strength
from restore.degrade.composition import AGED, EXPOSED, OLD_PHOTOGRAPH, compose, old_photograph, truth
from restore.degrade.table import SPREADING
from restore.draws import Draws


@pytest.fixture(scope="module")
def photographs():
    x = torch.from_numpy(skimage.data.astronaut()[:192:2, 120:312:2].astype(np.float32) / 255).permute(2, 0, 1)
    return torch.stack([x, x.flip(2), x.flip(1)] * 3)


def test_steps_are_rows_of_the_table():
    assert {name for stage in OLD_PHOTOGRAPH for name in stage} <= set(DEGRADATIONS)
    assert all(0 < chance < 1 for stage in OLD_PHOTOGRAPH for chance in stage.values())
    assert set(DEGRADATIONS) >= SPREADING
    assert EXPOSED + AGED == OLD_PHOTOGRAPH


def test_every_kind_of_visible_damage_is_in_it():
    marked = {name for name, row in DEGRADATIONS.items() if row.mask}
    assert marked <= {name for stage in OLD_PHOTOGRAPH for name in stage}


def test_old_photographs_are_pictures_with_masks(photographs):
    before = photographs.clone()
    clean, damaged, mask = old_photograph(photographs, Draws(0, range(9)))
    assert clean.shape == damaged.shape == photographs.shape
    assert mask.shape == (9, 1, 96, 96)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert damaged.min() >= 0
    assert damaged.max() <= 1
    assert torch.equal(photographs, before)
    assert torch.equal(damaged, old_photograph(photographs, Draws(0, range(9)))[1])
    assert not torch.equal(damaged, old_photograph(photographs, Draws(1, range(9)))[1])


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16], ids=str)
def test_other_types_come_back(photographs, kind):
    results = old_photograph(photographs.to(kind), Draws(0, range(9)), severity=1.0)
    assert {result.dtype for result in results} == {kind}
    clean, damaged, mask = (result.float() for result in results)
    expected = old_photograph(photographs.to(kind).float(), Draws(0, range(9)), severity=1.0)
    for ours, theirs in zip((clean, damaged, mask), expected, strict=True):
        assert (ours - theirs).abs().mean() < 0.01
    assert torch.equal(old_photograph(photographs[:0].to(kind), Draws(0, []))[1], photographs[:0].to(kind))


def test_a_part_of_a_batch_is_damaged_as_in_the_whole(photographs):
    whole = old_photograph(photographs, Draws(4, range(20, 29), step=2))
    part = old_photograph(photographs[5:7], Draws(4, [25, 26], step=2))
    for all_of_it, some in zip(whole, part, strict=True):
        assert float(((all_of_it[5:7] - some).abs() > 1e-3).float().mean()) < 1e-3  # a file rounds either way where two are as near


def test_the_older_the_worse(photographs):
    worst = [old_photograph(photographs, Draws(3, range(9)), severity=severity) for severity in (0.1, 0.4, 0.7, 1.0)]
    errors = torch.stack([((damaged - clean) ** 2).mean() for clean, damaged, _ in worst])
    assert (errors.diff() > 0).all()
    areas = torch.stack([mask.mean() for _, _, mask in worst])
    assert areas[-1] > areas[0]


def test_shares_of_grey_and_of_whole_ones():
    x = torch.rand(1, 3, 32, 32).expand(120, -1, -1, -1).contiguous()
    clean, _, mask = old_photograph(x, Draws(0, range(120)), grey=0.3)
    grey = (clean[:, 0] == clean[:, 2]).flatten(1).all(1)
    assert 0.18 < float(grey.float().mean()) < 0.42
    assert torch.equal(clean[~grey], x[~grey])
    assert 0.1 < float((mask.amax((1, 2, 3)) == 0).float().mean()) < 0.4


def test_black_and_white_film_has_no_coloured_scratches(photographs, monkeypatch):
    monkeypatch.setattr(composition, "EXPOSED", ({"film_scratches": 1.0, "film_grain": 1.0, "halftone": 1.0},))
    monkeypatch.setattr(composition, "AGED", ())
    damaged = old_photograph(photographs, Draws(0, range(9)), grey=1.0)[1]
    assert torch.equal(damaged[:, 0], damaged[:, 1])
    assert torch.equal(damaged[:, 0], damaged[:, 2])


def test_stages_keep_their_order_and_steps_change_it(photographs, monkeypatch):
    happened: list[str] = []

    def row(name: str) -> Degradation:
        return Degradation("test", lambda x, by: happened.append(name) or x, {"by": Strength(0, 1)})

    rows = {name: row(name) for name in "abcd"}
    for module in (composition, table):
        monkeypatch.setattr(module, "DEGRADATIONS", rows)
    orders = set()
    for step in range(20):
        happened.clear()
        compose(photographs[:2], ({"a": 1.0, "b": 1.0}, {"c": 1.0, "d": 1.0}), Draws(0, [0, 1], step=step))
        orders.add("".join(happened))
    assert orders == {"abcd", "bacd", "abdc", "badc"}


def test_a_step_happens_to_its_share_and_leaves_the_others(photographs):
    x = photographs[:1].expand(200, -1, -1, -1)[:, :, :16, :16].contiguous()
    damaged, mask = compose(x, ({"cast": 0.3},), Draws(0, range(200)), severity=1.0)
    same = (damaged == x).flatten(1).all(1)
    assert 0.6 < float(same.float().mean()) < 0.8
    assert not mask.any()
    untouched, none = compose(x, ({"cast": 0.0},), Draws(0, range(200)))
    assert torch.equal(untouched, x)
    assert not none.any()


def test_outside_the_mask_nothing_but_shading_is_seen(photographs):
    steps = ({"scratches": 0.7, "cracks": 0.5, "handwriting": 0.5, "text": 0.5, "flakes": 0.3}, {"tears": 0.5, "dust": 0.8})
    damaged, mask = compose(photographs, steps, Draws(1, range(9)))
    assert 0.01 < float(mask.mean()) < 0.6
    # each damage may leave out what changes a pixel by less than 8 / 255
    assert float((damaged - photographs).abs()[(mask == 0).expand_as(damaged)].max()) < 2 * 8 / 255


@pytest.mark.parametrize("spreading", ["gaussian_blur", "rescale"])
def test_masks_spread_with_what_spreads_the_damage(spreading):
    x = torch.full((8, 3, 96, 96), 0.5)
    damaged, mask = compose(x, ({"scratches": 1.0}, {spreading: 1.0}), Draws(0, range(8)), severity=1.0)
    _, before = compose(x, ({"scratches": 1.0},), Draws(0, range(8)), severity=1.0)
    assert mask.sum() > before.sum()
    assert float((damaged - x).abs()[(mask == 0).expand_as(x)].max()) < 0.08


def test_a_mask_that_was_there_stays(photographs):
    given = torch.zeros(9, 1, 96, 96)
    given[:, :, 10:20, 10:20] = 1
    _, mask = compose(photographs, ({"dust": 0.5},), Draws(0, range(9)), mask=given)
    assert (mask >= given).all()
    assert mask.sum() > given.sum()


def test_see_through_damage_counts_where_it_is_seen():
    mask, before = torch.zeros(1, 1, 1, 9), torch.full((1, 3, 1, 9), 0.5)
    mask[..., 1:8], after = 0.5, before.clone()
    after[..., 4] += 0.1
    after[..., 6] += 0.01
    assert truth(mask, before, after).flatten().tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0]
    assert truth(mask, before, after, see_through=True).flatten().tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_unknown_steps_and_severities_are_refused(photographs):
    with pytest.raises(ValueError, match=r"^'wrinkles' is no degradation; expected some of gaussian_noise, .*"):
        compose(photographs, ({"wrinkles": 0.5},), Draws(0, range(9)))
    with pytest.raises(ValueError, match=r"^severity is 1.5; expected 0 to 1$"):
        old_photograph(photographs, Draws(0, range(9)), severity=1.5)


@pytest.mark.parametrize("shape", [(2, 1, 1, 1), (2, 3, 7, 3), (2, 3, 1, 40), (2, 1, 33, 20)])
def test_the_smallest_pictures_grow_old_too(shape):
    x = torch.rand(shape)
    for step in range(5):
        clean, damaged, mask = old_photograph(x, Draws(0, [0, 1], step=step))
        assert clean.shape == damaged.shape == x.shape
        assert damaged.isfinite().all()
        assert mask.shape == (2, 1, *shape[2:])
