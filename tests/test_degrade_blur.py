import numpy as np
import pytest
import torch
from scipy import ndimage

from restore.degrade import blur
from restore.draws import Draws
from restore.filters import kernels as known


def picture(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random(shape, np.float32))


def full(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize(("border", "mode"), [("reflect", "mirror"), ("wrap", "wrap")])
@pytest.mark.parametrize("size", [1, 5, 35])
def test_each_picture_is_correlated_with_its_own_kernel(size, border, mode):
    x, kernels = picture(2, 3, 17, 33), picture(2, size, size)
    kernels = kernels / kernels.sum((1, 2), keepdim=True)
    expected = [[ndimage.correlate(c.astype(np.float64), k, mode=mode) for c in p] for p, k in zip(x.numpy(), kernels.numpy(), strict=True)]
    np.testing.assert_allclose(blur.blur(x, kernels, border=border).numpy(), expected, atol=1e-6)


def test_blur_has_a_gradient_and_keeps_double_precision():
    x, kernels = picture(1, 1, 4, 5).double().requires_grad_(), picture(1, 3, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(blur.blur, (x, kernels))


@pytest.mark.parametrize("shape", [(1, 3, 3), (2, 4, 4), (2, 3, 5), (3, 3)])
def test_blur_refuses_other_kernels(shape):
    with pytest.raises(ValueError, match=r"kernels have shape .*; expected \(2, k, k\), k odd"):
        blur.blur(torch.zeros(2, 3, 8, 8), torch.zeros(shape))


def test_round_gaussians_are_the_known_ones():
    for sigma in (0.4, 1.2, 2.0, 4.0):
        expected = known.gaussian(sigma)
        ours = blur.gaussian_kernels(full(sigma), full(sigma), full(30), len(expected))
        np.testing.assert_allclose(ours[0].numpy(), expected, atol=1e-6)


def test_long_gaussians_have_the_moments_that_were_asked_for():
    sigma_x, sigma_y, angle = 4.0, 1.5, 30.0
    kernel = blur.gaussian_kernels(full(sigma_x), full(sigma_y), full(angle), 41)[0].double().numpy()
    y, x = np.mgrid[20:-21:-1, -20:21]
    covariance = [[(kernel * a * b).sum() for a in (x, y)] for b in (x, y)]
    turn = np.array([[np.cos(np.radians(angle)), -np.sin(np.radians(angle))], [np.sin(np.radians(angle)), np.cos(np.radians(angle))]])
    np.testing.assert_allclose(covariance, turn @ np.diag([sigma_x**2, sigma_y**2]) @ turn.T, atol=0.01)


@pytest.mark.parametrize("radius", [0.6, 1.0, 3.0, 7.7])
def test_disks_are_the_known_ones(radius):
    expected = known.disk(radius)
    ours = blur.disk_kernels(full(radius), 17)[0].numpy()
    edge = (17 - len(expected)) // 2
    np.testing.assert_allclose(ours, np.pad(expected, edge), atol=0.02 * expected.max())


@pytest.mark.parametrize("angle", [0, 90, 35])
def test_a_straight_path_is_a_straight_motion(angle):
    length = 12.0
    along = torch.linspace(-length / 2, length / 2, 400)
    turn = np.radians(angle)
    path = torch.stack([along * np.cos(turn), -along * np.sin(turn)], 1)[None]
    ours = blur.motion_kernels(path, 15)[0].numpy()
    x = picture(1, 1, 40, 40).numpy()[0, 0]
    soft = ndimage.gaussian_filter(x, 1.5)
    expected = ndimage.correlate(soft, known.motion(length, angle), mode="mirror")
    found = ndimage.correlate(soft, ours, mode="mirror")
    assert np.abs(found - expected).max() < 0.15 * np.abs(soft - expected).max()


def test_kernels_of_all_kinds_sum_to_one():
    walks = blur.Walk()(Draws(0, range(4)), (4, 3, 8, 8), np.ones(4))
    made = [
        blur.gaussian_kernels(full(0.3, 1, 2, 4), full(0.3, 2, 1, 4), full(0, 20, 90, 170), 25),
        blur.disk_kernels(full(0.3, 1, 5, 8), 17),
        blur.motion_kernels(32 * walks, 35),
    ]
    for kernels in made:
        torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(4))
        assert kernels.min() >= 0


def test_walks_fit_their_kernel_and_do_not_shift_the_picture():
    walks = blur.Walk()(Draws(0, range(300)), (300, 3, 8, 8), np.ones(300))
    assert walks.shape == (300, 128, 2)
    torch.testing.assert_close(walks.mean(1), torch.zeros(300, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(walks.norm(dim=2).amax(1), torch.full((300,), 0.5))
    kernels = blur.motion_kernels(32 * walks, 35)
    place = torch.arange(35.0) - 17
    torch.testing.assert_close(kernels.sum(1) @ place, torch.zeros(300), atol=1e-4, rtol=0)
    torch.testing.assert_close(kernels.sum(2) @ place, torch.zeros(300), atol=1e-4, rtol=0)


def test_walks_go_on_for_a_while_and_turn_at_times():
    steps = blur.Walk()(Draws(0, range(300)), (300, 3, 8, 8), np.ones(300)).diff(dim=1)
    cosines = torch.nn.functional.cosine_similarity(steps[:, 1:], steps[:, :-1], dim=2)
    assert 0.7 < cosines.mean() < 0.98
    assert ((cosines < 0).float().mean(1) > 0).float().mean() > 0.3  # a share of the paths turns back somewhere
    wide = steps.norm(dim=2).sum(1)  # length over extent: 1 is a straight line
    assert wide.median() < 4
    assert wide.min() < 1.1


def test_more_inertia_makes_straighter_paths():
    turning, straight = (blur.Walk(least=least)(Draws(0, range(100)), (100, 3, 8, 8), np.ones(100)) for least in (0.5, 0.99))
    assert straight.diff(dim=1).norm(dim=2).sum(1).mean() < turning.diff(dim=1).norm(dim=2).sum(1).mean()


@pytest.mark.parametrize("name", blur.ROWS)
def test_a_constant_stays_whatever_the_blur(name):
    x = torch.full((3, 3, 17, 33), 0.7)
    drawn = blur.ROWS[name].draw(Draws(0, range(3)), tuple(x.shape), np.array([0, 0.5, 1]))
    torch.testing.assert_close(blur.ROWS[name].function(x, **drawn), x, atol=1e-5, rtol=0)


def test_the_benchmark_has_the_blurs_of_its_names():
    found = blur.benchmark_kernels()
    y, x = np.mgrid[-12:13, -12:13]
    for name, kernel in found.items():
        pixels = kernel.double().numpy()
        assert pixels.min() >= 0
        np.testing.assert_allclose([pixels.sum(), (pixels * x).sum(), (pixels * y).sum()], [1, 0, 0], atol=1e-5)
        kind, size = name.split("_")
        if kind == "gaussian":
            expected = known.gaussian(float(size))
            middle = pixels[12 - len(expected) // 2 :, 12 - len(expected) // 2 :][: len(expected), : len(expected)]
            np.testing.assert_allclose(middle, expected, atol=2e-4)
        else:
            furthest = np.hypot(x, y)[pixels > 0].max()
            half = float(size) / (1 if kind == "disk" else 2)
            assert half - 0.6 < furthest < half + 1.5
    assert len({kernel.numpy().tobytes() for kernel in found.values()}) == 8
    for name, kernel in blur.benchmark_kernels().items():
        assert torch.equal(kernel, found[name])
