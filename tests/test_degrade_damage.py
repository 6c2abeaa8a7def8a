"""Masks made visible."""

import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import torch

from restore.degrade import damage
from restore.degrade.damage import ROWS
from restore.draws import Draws

MARKED = [name for name, row in ROWS.items() if row.mask]
SEE_THROUGH = {"folds": 0.16}
"""Name -> how much of the light a see-through shading may take or give outside the truth."""


@pytest.fixture(scope="module")
def photograph():
    return torch.from_numpy(skimage.data.astronaut()[:256:2, 100:356:2].astype(np.float32) / 255).permute(2, 0, 1)[None]


@pytest.mark.parametrize("name", ROWS)
def test_worse_as_severity_rises(name, photograph):
    x = photograph.expand(4, -1, -1, -1)
    values = []
    for severity in (0, 0.25, 0.5, 0.75, 1):
        drawn = ROWS[name].draw(Draws(3, range(4)), tuple(x.shape), severity)
        values.append(((ROWS[name].function(x, **drawn) - x) ** 2).mean((1, 2, 3)))
    assert (torch.stack(values).diff(dim=0) >= -0.01 * values[-1]).all()  # where tears join, the band along their edges moves
    assert values[-1].mean() > 1.3 * values[0].mean()


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", ROWS)
def test_a_batch_is_its_samples(name, depth, photograph):
    x = torch.cat([photograph, photograph.flip(3)])[:, :depth, :90, :120]
    together = ROWS[name].function(x, **ROWS[name].draw(Draws(0, [7, 8]), tuple(x.shape)))
    alone = ROWS[name].function(x[1:], **ROWS[name].draw(Draws(0, [8]), (1, *x.shape[1:])))
    assert together.shape == x.shape
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", MARKED)
def test_the_truth_covers_what_is_seen(name, severity, photograph):
    x = torch.cat([photograph, 0.5 + 0 * photograph, 1 - photograph, photograph.flip(2)])
    drawn = ROWS[name].draw(Draws(11, range(4)), tuple(x.shape), severity)
    seen = ROWS[name].function(x, **drawn)
    outside = (drawn[ROWS[name].mask] == 0).expand_as(x)
    if name in SEE_THROUGH:
        ratio = (seen / x.clamp(min=1e-3))[outside & (x > 0.1)]
        assert float(ratio.log().abs().max()) < SEE_THROUGH[name]
    else:
        assert float((seen - x).abs()[outside].max()) < 2 / 255


@pytest.mark.parametrize("name", MARKED)
def test_the_truth_is_not_much_more_than_what_is_seen(name, photograph):
    x = torch.full_like(photograph, 0.5).expand(4, -1, -1, -1)
    drawn = ROWS[name].draw(Draws(11, range(4)), tuple(x.shape), 1.0)
    change = (ROWS[name].function(x, **drawn) - x).abs().amax(1, keepdim=True)
    assert float((change[drawn["mask"] == 1] > 5 / 255).float().mean()) > 0.8
    assert float((change[drawn["mask"] > 0] > 2 / 255).float().mean()) > 0.35


def test_all_but_stains_is_beyond_repair():
    assert set(ROWS) - set(MARKED) == {"stains"}


def test_a_margin_is_half_and_as_wide_as_asked():
    shape, severity = (2, 3, 40, 50), np.zeros(2)
    mask = damage.Mask("scratches")(Draws(0, [1, 2]), shape, severity)
    drawn = damage.Margin(damage.Mask("scratches"), 2)(Draws(0, [1, 2]), shape, severity)
    assert torch.equal(damage.core(drawn), mask)
    assert torch.equal(drawn > 0, damage.near(mask, 2) > 0)
    assert set(drawn.unique().tolist()) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize("name", MARKED)
def test_the_margin_itself_changes_nothing(name, photograph):
    drawn = ROWS[name].draw(Draws(0, [3]), tuple(photograph.shape), 0.7)
    bare = drawn | {"mask": damage.core(drawn["mask"])}
    assert torch.equal(ROWS[name].function(photograph, **drawn), ROWS[name].function(photograph, **bare))


def test_near_is_the_maximum_filter_of_scipy():
    mask = (np.random.default_rng(0).random((30, 40)) > 0.97).astype(np.float32)
    grown = damage.near(torch.from_numpy(mask)[None, None], 2)[0, 0].numpy()
    np.testing.assert_array_equal(grown, scipy.ndimage.maximum_filter(mask, 5, mode="constant"))


def test_no_mask_no_damage(photograph):
    shape = tuple(photograph.shape)
    for row in ROWS.values():
        drawn = row.draw(Draws(0, [0]), shape, 1.0) | {"mask": torch.zeros(1, 1, *shape[2:])}
        torch.testing.assert_close(row.function(photograph, **drawn), photograph, rtol=0, atol=1e-6)


def test_ink_covers_and_half_ink_covers_half(photograph):
    mask, zeros = torch.ones(1, 1, *photograph.shape[2:]), torch.zeros(1, 1, *photograph.shape[2:])
    colour, sigma = torch.tensor([[0.1, 0.2, 0.3]]), torch.tensor([0.5])
    ink = colour[..., None, None].expand_as(photograph)
    whole = damage.marks(photograph, mask, torch.ones(1), colour, sigma, torch.ones(1), zeros + 1)
    torch.testing.assert_close(whole, ink)
    half = damage.marks(photograph, mask, torch.tensor([0.5]), colour, sigma, torch.ones(1), zeros + 1)
    torch.testing.assert_close(half, (photograph + ink) / 2)


def test_stains_are_see_through(photograph):
    drawn = ROWS["stains"].draw(Draws(0, [1]), tuple(photograph.shape), 1.0)
    absorbed = damage.stains(torch.ones_like(photograph), **drawn)
    torch.testing.assert_close(damage.stains(photograph, **drawn), photograph * absorbed)
    assert absorbed.max() <= 1 + 1e-6
    assert (absorbed[:, 0] >= absorbed[:, 2] - 1e-6).all()


def test_the_rim_of_a_stain_is_darkest():
    mask, nothing = torch.zeros(1, 1, 101, 101), torch.zeros(1, 1, 101, 101)
    mask[..., 20:81, 20:81] = 1
    one = torch.ones(1)
    stain = damage.stains(torch.ones(1, 3, 101, 101), mask, one, 0.8 * one, torch.ones(1, 3), nothing, nothing)[0, 0, 50]
    assert abs(int(stain.argmin()) - 20) <= 2 or abs(int(stain.argmin()) - 80) <= 2
    np.testing.assert_allclose(float(stain[50]), np.exp(-0.2), rtol=1e-3)


def test_a_crease_has_a_light_and_a_dark_flank():
    x, mask = torch.full((1, 3, 64, 64), 0.5), torch.zeros(1, 1, 64, 64)
    mask[..., 31:33] = 1
    thin = torch.full((1, 1, 64, 64), -9.0)
    crease = damage.folds(x, mask, torch.ones(1), torch.ones(1, 3), torch.zeros(1), 0 * thin, thin)[0, 0, 32]
    assert crease[30] > 0.55
    assert crease[33] < 0.45


def test_behind_a_tear_is_the_lid(photograph):
    mask = torch.zeros(1, 1, *photograph.shape[2:])
    mask[..., 60:] = 1
    drawn = ROWS["tears"].draw(Draws(0, [0]), tuple(photograph.shape), 1.0)
    drawn |= {"mask": mask, "noise": torch.zeros(1, 2, *photograph.shape[2:]), "colour": torch.tensor([[0.2, 0.3, 0.4]])}
    torn = damage.missing(photograph, **drawn)
    torch.testing.assert_close(torn[..., 100], torch.tensor([0.2, 0.3, 0.4]).reshape(1, 3, 1).expand_as(torn[..., 100]), rtol=0, atol=0.01)
    assert torch.equal(torn[..., :59], photograph[..., :59])


def test_frayed_masks_are_ragged_pieces_of_the_mask():
    shape, severity = (3, 3, 128, 128), np.ones(3)
    chips = damage.Frayed(damage.Mask("blobs", 1, 3), 5, 1 / 30, 0.5, 1.1)(Draws(0, range(3)), shape, severity)
    whole = damage.Mask("blobs", 1, 3)(Draws(0, range(3)), shape, severity)
    assert set(chips.unique().tolist()) == {0.0, 1.0}
    assert (chips <= whole).all()
    assert chips.diff(dim=3).abs().sum() / chips.sum() > 1.5 * whole.diff(dim=3).abs().sum() / whole.sum()
