import numpy as np
import pytest
import torch

from restore.draws import Draws, mix


def test_a_sample_does_not_depend_on_its_neighbours() -> None:
    whole, parts = Draws(3, range(8)), [Draws(3, range(3)), Draws(3, range(3, 8))]
    for _ in range(2):
        assert np.array_equal(whole.uniform(), np.concatenate([part.uniform() for part in parts]))
        assert torch.equal(whole.normal(2, 5), torch.cat([part.normal(2, 5) for part in parts]))
        one, other = whole.generators()[5].random(), [g for part in parts for g in part.generators()][5].random()
        assert one == other


def test_each_call_seed_and_number_is_another_draw() -> None:
    draws = Draws(0, range(1000))
    values = np.concatenate([draws.uniform(), draws.uniform(), Draws(1, range(1000)).uniform()])
    assert len(np.unique(values)) == 3000
    assert abs(np.corrcoef(values[:1000], values[1000:2000])[0, 1]) < 0.1
    assert abs(np.corrcoef(values[:1000], values[2000:])[0, 1]) < 0.1
    assert abs(np.corrcoef(values[:999], values[1:1000])[0, 1]) < 0.1


def test_uniform_and_integers_fill_their_range_evenly() -> None:
    draws = Draws(7, range(20_000))
    values = draws.uniform(2, 5)
    assert 2 <= values.min() < 2.01
    assert 4.99 < values.max() < 5
    counts = np.bincount(draws.integers(4), minlength=4)
    assert counts.shape == (4,)
    assert abs(counts - 5000).max() < 300  # five deviations


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_has_64_bits(seed: int) -> None:
    with pytest.raises(ValueError, match=rf"seed is {seed}; expected 0 to 2\*\*64 - 1"):
        Draws(seed, [0])
    assert Draws(2**64 - 1, [0]).uniform() != Draws(0, [0]).uniform()


def test_normal_is_standard() -> None:
    samples = Draws(7, range(50)).normal(1000)
    assert abs(float(samples.mean())) < 0.02
    assert abs(float(samples.std()) - 1) < 0.02


def test_mix_is_a_bijection_that_scrambles() -> None:
    mixed = mix(np.arange(1, 4097, dtype=np.uint64))
    assert len(np.unique(mixed)) == 4096
    bits = (mixed[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert abs(bits.mean(0) - 0.5).max() < 0.05


def test_common_is_the_same_for_all_parts_of_a_batch() -> None:
    one, other, next_step = Draws(3, range(3), step=4), Draws(3, range(3, 8), step=4), Draws(3, range(3), step=5)
    first = one.common().random()
    assert first == other.common().random()
    assert len({first, one.common().random(), next_step.common().random()}) == 3
