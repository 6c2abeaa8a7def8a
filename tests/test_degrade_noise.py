import numpy as np
import pytest
import torch
from scipy import stats
from skimage import color

from restore.degrade import noise
from restore.degrade.base import Field
from restore.degrade.blur import gaussian_kernels
from restore.draws import Draws

COLOURED = (2, 3, 200, 200)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, np.float32))


def full(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def test_noise_has_the_level_that_was_asked_for():
    x = torch.full(COLOURED, 0.5)
    noisy = noise.gaussian_noise(x, full(5, 75), normal(*COLOURED))
    torch.testing.assert_close((noisy - x).std((1, 2, 3)) * 255, full(5, 75), rtol=0.01, atol=0)
    assert noisy.max() > 1


def test_a_map_of_levels_is_a_level_for_each_pixel():
    x, samples = torch.zeros(2, 3, 4, 5), normal(2, 3, 4, 5)
    level = torch.tensor([[[10.0, 0, 20, 30, 40]]]).expand(2, 1, 4, 5)
    noisy = noise.gaussian_noise(x, level, samples)
    torch.testing.assert_close(noisy[..., 3], samples[..., 3] * 30 / 255)
    assert (noisy[..., 1] == 0).all()


def test_the_uneven_level_is_smooth_and_within_its_bounds():
    levels = noise.Uneven(10, 10)(Draws(0, range(6)), (6, 3, 64, 80), np.ones(6))
    assert levels.shape == (6, 1, 64, 80)
    assert levels.min() >= 5
    assert levels.max() <= 20
    assert (levels.amax((1, 2, 3)) > 1.5 * levels.amin((1, 2, 3))).all()
    assert levels.diff(dim=3).abs().max() < 2


def test_a_field_passes_through_what_was_drawn_at_its_corners():
    field = Field(cells=4, channels=2)(Draws(3, range(2)), (2, 3, 31, 50), np.ones(2))
    drawn = Draws(3, range(2)).normal(2, 4, 4)
    torch.testing.assert_close(field[..., ::10, :][..., [0, -1]], drawn[..., [0, -1]], atol=1e-5, rtol=0)


def test_the_noise_of_a_sensor_has_the_variance_of_photons_that_are_counted():
    shot, read = 40.0, 6.0
    photons = (255 / shot) ** 2  # at white
    for light in (0.0, 0.2, 0.9):
        x = torch.full((1, 1, 300, 300), light)
        ours = noise.poisson_gaussian(x, full(shot), full(read), normal(1, 1, 300, 300)).numpy()
        rng = np.random.default_rng(1)
        real = rng.poisson(photons * light, 90000) / photons + rng.normal(0, read / 255, 90000)
        assert abs(ours.mean() - real.mean()) < 0.002
        assert ours.std() == pytest.approx(real.std(), rel=0.015)


def test_correlated_noise_keeps_its_level_and_has_the_covariance_of_kernel_and_mixing():
    n = torch.ones(2)
    mixing = torch.nn.functional.normalize(torch.tensor([[1.0, 1, 0], [0, 1, 0], [0, 1, 2]]), dim=1).expand(2, 3, 3)
    drawn = normal(2, 3, 400, 400)
    y = noise.correlated_noise(torch.zeros(2, 3, 400, 400), 25.5 * n, full(1.5, 0.5), 0.5 * n, 0 * n, mixing, drawn)
    torch.testing.assert_close(y.std((2, 3)), torch.full((2, 3), 0.1), rtol=0.03, atol=0)
    found = np.corrcoef(y[0].flatten(1).numpy())
    np.testing.assert_allclose(found, (mixing[0] @ mixing[0].T).numpy(), atol=0.03)
    right, below = ((y[0] * y[0].roll(1, axis)).mean() / y[0].var() for axis in (2, 1))
    assert right == pytest.approx(np.exp(-1 / (4 * 1.5**2)), abs=0.02)  # a Gaussian with itself: sqrt(2) sigma
    assert below == pytest.approx(np.exp(-1 / (4 * 0.75**2)), abs=0.02)
    rim = y[0, :, [0, 0, -1, -1]].std()
    assert rim == pytest.approx(0.1, rel=0.15)


def test_channels_are_mixed_by_rows_of_length_one():
    drawn = noise.Mixing()(Draws(0, range(50)), (50, 3, 8, 8), np.ones(50))
    torch.testing.assert_close(drawn.norm(dim=2), torch.ones(50, 3))
    assert drawn.min() >= 0
    assert (noise.Mixing()(Draws(0, range(5)), (5, 1, 8, 8), np.ones(5)) == 1).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", [0.0, 0.4, 1.0])
def test_grain_is_strongest_in_mid_tones(channels, colour):
    shape = (3, channels, 250, 250)
    x = full(0.1, 0.5, 0.9).reshape(3, 1, 1, 1).expand(shape)
    y = noise.film_grain(x, full(20, 20, 20), full(0.8, 0.8, 0.8), full(colour, colour, colour), normal(*shape))
    torch.testing.assert_close((y - x).std((1, 2, 3)) * 255, full(12, 20, 12), rtol=0.05, atol=0)


def test_grain_of_black_and_white_film_is_grey():
    x = torch.full((1, 3, 16, 16), 0.5)
    grey, coloured = (noise.film_grain(x, full(20), full(0.8), full(colour), normal(1, 3, 16, 16)) for colour in (0, 1))
    torch.testing.assert_close(grey[:, 0], grey[:, 2], atol=1e-6, rtol=0)
    assert (coloured[:, 0] - coloured[:, 2]).abs().max() > 0.05


def test_salt_and_pepper_come_in_the_shares_that_were_asked_for():
    x = torch.full((2, 3, 300, 300), 0.5)
    where = torch.special.ndtr(normal(2, 1, 300, 300))
    y = noise.salt_and_pepper(x, full(0.05, 0.2), full(0.3, 0.8), where)
    torch.testing.assert_close((y == 1).float().mean((1, 2, 3)), full(0.015, 0.16), atol=0.003, rtol=0)
    torch.testing.assert_close((y == 0).float().mean((1, 2, 3)), full(0.035, 0.04), atol=0.003, rtol=0)
    assert ((y == 0.5) | (y == 1) | (y == 0)).all()
    more = noise.salt_and_pepper(x, full(0.1, 0.4), full(0.3, 0.8), where)
    assert (more[y != 0.5] == y[y != 0.5]).all()  # a higher amount only adds


def test_the_even_samples_are_even():
    samples = noise.ROWS["salt_and_pepper"].parameters["where"](Draws(0, [0]), (1, 3, 100, 100), np.ones(1))
    assert samples.shape == (1, 1, 100, 100)
    assert stats.kstest(samples.numpy().ravel(), "uniform").pvalue > 0.01


def test_speckle_grows_with_the_light():
    x = full(0.0, 0.5, 1.0).reshape(3, 1, 1, 1).expand(3, 3, 200, 200)
    y = noise.speckle(x, full(51, 51, 51), normal(3, 3, 200, 200))
    torch.testing.assert_close((y - x).std((1, 2, 3)), full(0, 0.1, 0.2), rtol=0.02, atol=0)


def test_the_srgb_curve_is_that_of_scikit_image():
    x = torch.linspace(0, 1, 256)
    grey = np.repeat(x.numpy()[None, :, None], 3, 2)
    light = (color.rgb2xyz(grey) / color.rgb2xyz(np.ones((1, 1, 3))))[0, :, 1]
    np.testing.assert_allclose(noise.decode_srgb(x).numpy(), light, atol=1e-6)
    torch.testing.assert_close(noise.encode_srgb(noise.decode_srgb(x)), x, atol=1e-6, rtol=0)


def test_each_pixel_of_the_sensor_sees_one_colour_and_green_twice_as_many():
    patterns = noise.bayer(torch.arange(4.0), 6, 8)
    assert (patterns.sum(1) == 1).all()
    assert (patterns.mean((2, 3)) == full(0.25, 0.5, 0.25)).all()
    assert patterns[:, 0, :2, :2].flatten(1).argmax(1).tolist() == [0, 1, 2, 3]


def test_demosaicking_is_exact_on_a_plane_away_from_the_border():
    row, column = torch.meshgrid(torch.arange(10.0), torch.arange(12.0), indexing="ij")
    plane = torch.stack([0.1 + row, 2 * column, row - column])[None]
    filled = noise.demosaic(plane * noise.bayer(full(2), 10, 12))
    torch.testing.assert_close(filled[..., 1:-1, 1:-1], plane[..., 1:-1, 1:-1])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_camera_without_noise_returns_the_picture(channels):
    x = torch.rand(2, channels, 12, 14)
    drawn = noise.ROWS["camera_noise"].draw(Draws(0, range(2)), tuple(x.shape), 0.0)
    drawn["noise"] = torch.zeros_like(drawn["noise"])
    torch.testing.assert_close(noise.camera_noise(x, **drawn), x, atol=1e-5, rtol=0)


def test_the_noise_of_a_camera_is_coloured_and_reaches_its_neighbours():
    x = torch.full((1, 3, 200, 200), 0.5)
    drawn = noise.ROWS["camera_noise"].draw(Draws(0, [0]), tuple(x.shape), 0.7)
    rest = (noise.camera_noise(x, **drawn) - x)[0]
    assert rest[0].std() > rest[1].std()  # red is amplified more than green
    assert (rest * rest.roll(1, 2)).mean() / rest.var() > 0.2


def test_the_shot_noise_of_a_camera_is_what_the_sensor_counts():
    """With no gain, no crosstalk and a grey of 1 only green's own pixels keep the sensor's level."""
    x = torch.ones(1, 3, 300, 300)
    samples, one = normal(1, 1, 300, 300), torch.ones(1)
    y = noise.camera_noise(x, 5 * one, 1e-3 * one, torch.ones(1, 3), torch.eye(3)[None], 0 * one, one, samples)
    light = noise.decode_srgb(y) - 1
    green = light[0, 1][noise.bayer(0 * one, 300, 300)[0, 1] == 1]
    assert green.std() * 255 == pytest.approx(5, rel=0.02)


def test_the_drawn_colour_filters_can_be_inverted():
    mixes = noise.Crosstalk()(Draws(0, range(200)), (200, 3, 8, 8), np.ones(200))
    torch.testing.assert_close(mixes.sum(2), torch.ones(200, 3))
    assert torch.linalg.cond(mixes).max() < 10
    gains = noise.Gains()(Draws(0, range(200)), (200, 3, 8, 8), np.ones(200))
    assert (gains >= full(1.9, 1, 1.5)).all()
    assert (gains <= full(2.4, 1, 1.9)).all()


def test_grains_keep_the_variance_of_what_they_are_made_of():
    kernels = gaussian_kernels(full(1.1), full(1.1), full(0), 13)
    made = noise.grains(normal(1, 1, 300, 300), kernels)
    assert made.std() == pytest.approx(1, rel=0.03)
    assert made[..., 0, :].std() == pytest.approx(1, rel=0.15)
