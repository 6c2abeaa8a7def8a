import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import roi_pool

from restore.nn.layers import AvgPool2d, MaxPool2d
from restore.nn.pooling import POOLS, StochasticPool2d, adaptive_windows, pool_layer

PLANE = torch.arange(25.0).reshape(1, 1, 5, 5)
"""0 to 4 in the first row, 20 to 24 in the last."""


@pytest.mark.parametrize(
    ("kind", "kernel", "stride", "expected"),
    [
        ("max", 2, 2, [[6, 8], [16, 18]]),
        ("average", 2, 2, [[3, 5], [13, 15]]),
        ("max", 3, 2, [[12, 14], [22, 24]]),  # overlapping
        ("average", 3, 2, [[6, 8], [16, 18]]),
    ],
)
def test_by_hand(kind, kernel, stride, expected):
    assert pool_layer(kind, kernel, stride)(PLANE)[0, 0].tolist() == expected


def test_alexnet_pools_overlap():
    """3x3 windows, stride 2: 55 -> 27 -> 13 -> 6, the sizes in Krizhevsky et al. 2012."""
    sizes = [55]
    for _ in range(3):
        sizes.append(pool_layer("max", 3, 2)(torch.zeros(1, 1, sizes[-1], sizes[-1])).shape[-1])
    assert sizes == [55, 27, 13, 6]


def test_the_table():
    assert isinstance(pool_layer("max", 2, 2), MaxPool2d)
    assert isinstance(pool_layer("average", 2, 2), AvgPool2d)
    assert isinstance(pool_layer("stochastic", 2, 2), StochasticPool2d)
    x = torch.rand(2, 3, 11, 8)
    shapes = {tuple(pool_layer(kind, 3, 2)(x).shape) for kind in POOLS}
    assert shapes == {(2, 3, 5, 3)}
    with pytest.raises(ValueError, match="pooling 'median' is unknown; expected one of max, average, stochastic"):
        pool_layer("median", 2, 2)


@pytest.mark.parametrize(("height", "width", "bins"), [(8, 10, (2, 2)), (5, 7, (2, 2)), (13, 9, (6, 4)), (3, 4, (5, 7))])
def test_adaptive_windows_are_torchs_and_those_of_regions_of_interest(height, width, bins):
    x = torch.randn(1, 3, height, width)
    rows, columns = adaptive_windows(height, bins[0]), adaptive_windows(width, bins[1])
    values = torch.stack([torch.stack([x[..., t:b, l:r].amax((2, 3)) for l, r in columns], -1) for t, b in rows], -2)  # noqa: E741
    means = torch.stack([torch.stack([x[..., t:b, l:r].mean((2, 3)) for l, r in columns], -1) for t, b in rows], -2)  # noqa: E741
    assert torch.equal(F.adaptive_max_pool2d(x, bins), values)
    torch.testing.assert_close(F.adaptive_avg_pool2d(x, bins), means)
    region = torch.tensor([[0.0, 0, 0, width - 1, height - 1]])
    assert torch.equal(roi_pool(x, region, bins), values)


def test_adaptive_windows_of_8x10_in_2x2():
    x = torch.arange(80.0).reshape(1, 1, 8, 10)
    assert (adaptive_windows(8, 2), adaptive_windows(10, 2)) == ([(0, 4), (4, 8)], [(0, 5), (5, 10)])
    assert F.adaptive_max_pool2d(x, 2)[0, 0].tolist() == [[34, 39], [74, 79]]
    assert F.adaptive_avg_pool2d(x, 1).item() == 39.5  # global


@pytest.mark.parametrize(("size", "bins"), [(0, 2), (5, 0)])
def test_adaptive_windows_need_something(size, bins):
    with pytest.raises(ValueError, match=f"size is {size}, bins {bins}; expected 1 or more"):
        adaptive_windows(size, bins)


def test_stochastic_draws_with_the_probabilities_of_the_paper():
    """The paper's figure 1: activations 1.6 and 2.4 among zeros are drawn with 0.4 and 0.6."""
    window = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.6, 0.0], [0.0, 0.0, 2.4]])
    x = window.expand(100, 100, 3, 3)
    drawn = StochasticPool2d(3, generator=torch.Generator().manual_seed(0))(x)
    assert set(drawn.unique().tolist()) == set(torch.tensor([1.6, 2.4]).tolist())
    share = (drawn > 2).float().mean().item()
    assert abs(share - 0.6) < 4 * (0.6 * 0.4 / 10_000) ** 0.5
    torch.testing.assert_close(StochasticPool2d(3).eval()(x), torch.full((100, 100, 1, 1), 0.4 * 1.6 + 0.6 * 2.4))


def test_stochastic_mean_is_that_of_its_draws():
    x = torch.rand(1, 1, 7, 7).expand(2000, 5, 7, 7)
    layer = StochasticPool2d(3, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x).mean((0, 1)), layer.eval()(x)[0, 0], atol=0.015, rtol=0)


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (3, 1), (2, 3)])
def test_stochastic_mean_beside_average_pooling(kernel, stride):
    """sum of a^2 / sum of a, with torch's average pooling for the sums."""
    x = torch.rand(2, 3, 9, 8)
    oracle = F.avg_pool2d(x * x, kernel, stride) / F.avg_pool2d(x, kernel, stride)
    torch.testing.assert_close(StochasticPool2d(kernel, stride).eval()(x), oracle)


@pytest.mark.parametrize("training", [True, False])
def test_stochastic_of_windows_without_activation_is_zero(training):
    x = torch.cat([torch.zeros(1, 1, 2, 2), -torch.rand(1, 1, 2, 2)], dim=3).requires_grad_()
    values = StochasticPool2d(2).train(training)(x)
    values.sum().backward()
    assert values.tolist() == [[[[0, 0]]]]
    assert x.grad.isfinite().all()


def test_stochastic_draws_again_with_the_same_generator():
    x = torch.rand(4, 4, 6, 6)
    first, again, other = (StochasticPool2d(2, generator=torch.Generator().manual_seed(seed))(x) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_stochastic_gradient_goes_to_what_was_drawn():
    x = torch.rand(1, 1, 4, 4).requires_grad_()
    values = StochasticPool2d(2)(x)
    values.sum().backward()
    assert torch.equal(x.detach()[x.grad > 0].sort().values, values.detach().flatten().sort().values)
    assert x.grad.sum() == 4
    x = torch.rand(1, 1, 4, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(StochasticPool2d(2).eval(), (x,))


@pytest.mark.parametrize(("kernel", "stride"), [(0, 1), (2, 0)])
def test_stochastic_errors(kernel, stride):
    with pytest.raises(ValueError, match=f"kernel size is {kernel}, stride {stride}; expected 1 or more"):
        StochasticPool2d(kernel, stride)


def test_stochastic_needs_a_whole_window():
    with pytest.raises(ValueError, match="input is 2 x 5; expected at least the window's 3 x 3"):
        StochasticPool2d(3)(torch.zeros(1, 1, 2, 5))
