"""Patches matched to patches: a shifted copy is found, votes give it back, what does not fit is told."""

import cv2
import numpy as np
import pytest
import torch

from restore.patches import FADE, RADIUS, Level, Matches, grown

HOLES = torch.zeros(64, 96, dtype=torch.bool)
HOLES[20:44, 10:34] = True
SHIFT = torch.tensor([0, 48])


def copied() -> torch.Tensor:
    """(64, 96, 5): noise whose right half is its left half again."""
    half = torch.from_numpy(np.random.default_rng(0).random((64, 48, 5), np.float32))
    return torch.cat([half, half], 1)


def level(image: torch.Tensor) -> Level:
    return Level(image=image, holes=HOLES, sources=~HOLES)


@pytest.mark.parametrize("stride", [1, 3])
def test_a_copy_is_found(stride: int) -> None:
    image = copied()
    matches, generator = Matches(level(image), stride), torch.Generator().manual_seed(0)
    matches.found = matches.anywhere(len(matches.sites), generator)
    for _ in range(4):
        matches.improve(image, generator, passes=4)
    right = (matches.found - matches.sites == SHIFT).all(1)
    assert right.float().mean() > 0.9


@pytest.mark.parametrize("stride", [1, 3])
def test_patches_of_a_copy_vote_for_it(stride: int) -> None:
    image = copied()
    matches = Matches(level(image), stride)
    matches.found = matches.sites + SHIFT
    emptied = torch.where(HOLES[..., None], 0, image)
    for filled in (matches.vote(emptied), matches.vote_sharply(emptied)[0]):
        torch.testing.assert_close(filled, image)
    assert float(matches.misfit(image).max()) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize(("spread", "among"), [(0.5, 1.0), (0.25, 0.1)])
def test_votes_are_the_weighted_means_of_all_patches_around(stride: int, spread: float, among: float) -> None:
    rng = np.random.default_rng(0)
    holes = torch.zeros(32, 41, dtype=torch.bool)
    holes[0:9, 25:] = holes[20:, 3:8] = True
    image = torch.from_numpy(rng.random((32, 41, 5), np.float32))
    matches = Matches(Level(image=image, holes=holes, sources=~holes), stride)
    matches.found = matches.anywhere(len(matches.sites), torch.Generator().manual_seed(0))
    matches.cost = torch.from_numpy(rng.random(len(matches.sites), np.float32))
    fitting = among * float(np.quantile(matches.cost, 0.3)) + 1e-8
    distance = cv2.distanceTransform(holes.numpy().astype(np.uint8), cv2.DIST_L2, 5)
    means = torch.zeros(32, 41, 5).double()
    for pixel in grown(holes, 1).nonzero():
        steps = pixel - matches.sites
        voters = (steps.abs() <= RADIUS).all(1).nonzero()[:, 0]
        cost, y, x = matches.cost[voters].double(), *matches.sites[voters].T
        apart = steps[voters].square().sum(1) / (2 * (spread * RADIUS) ** 2)
        weight = torch.exp((cost.min() - cost) / (2 * fitting) - apart - FADE * torch.from_numpy(distance)[y, x])
        y, x = (matches.found[voters] + steps[voters]).T
        means[tuple(pixel)] = (weight[:, None] * image[y, x]).sum(0) / weight.sum()
    there = grown(holes, 1)
    found = matches._means(image, spread=spread, among=among)
    torch.testing.assert_close(found, means[there].float(), rtol=1e-4, atol=1e-5)


def test_misfit_is_where_the_copy_is_wrong() -> None:
    image = copied()
    matches = Matches(level(image), 1)
    matches.found = matches.sites + SHIFT
    wrong = image.clone()
    wrong[30, 20] += 1
    misfit = matches.misfit(wrong)
    assert misfit.shape == HOLES.shape
    apart = torch.maximum((torch.arange(64)[:, None] - 30).abs(), (torch.arange(96) - 20).abs())
    assert (misfit[apart <= RADIUS] > 0.01).all()
    assert misfit[apart > 4 * RADIUS].max() < 1e-3


def test_offsets_are_those_of_the_sites() -> None:
    matches = Matches(level(copied()), 3)
    matches.found = matches.sites + SHIFT
    offsets = matches.offsets()[:64, :96]
    assert (offsets[HOLES.numpy()] == SHIFT.numpy()).all()
    assert not offsets[~grown(HOLES, 2 * RADIUS).numpy()].any()


def test_nothing_to_copy() -> None:
    assert not len(Matches(Level(image=copied(), holes=HOLES, sources=torch.zeros_like(HOLES)), 1).places)


def test_grown_reaches_its_radius() -> None:
    where = torch.zeros(9, 11, dtype=torch.bool)
    where[4, 5] = True
    expected = torch.zeros_like(where)
    expected[2:7, 3:8] = True
    assert torch.equal(grown(where, 2), expected)
