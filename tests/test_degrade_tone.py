"""Tones and surfaces of old pictures."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import torch

from restore.degrade import surface, tone
from restore.draws import Draws

ROWS = tone.ROWS | surface.ROWS


@pytest.fixture(scope="module")
def photograph():
    return torch.from_numpy(skimage.data.astronaut()[:192:2, 100:292:2].astype(np.float32) / 255).permute(2, 0, 1)[None]


def psnr(x, y):
    return -10 * torch.log10(((x - y) ** 2).mean((1, 2, 3)))


@pytest.mark.parametrize("name", ROWS)
def test_worse_as_severity_rises(name, photograph):
    x = photograph.expand(4, -1, -1, -1)
    values = []
    for severity in (0, 0.25, 0.5, 0.75, 1):
        drawn = ROWS[name].draw(Draws(3, range(4)), tuple(x.shape), severity)
        values.append(psnr(ROWS[name].function(x, **drawn), x))
    assert (torch.stack(values).diff(dim=0) < 0).all()
    assert (values[0] > 28).all()
    assert (values[-1] < 31).all()


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", ROWS)
def test_a_batch_is_its_samples(name, depth, photograph):
    x = torch.cat([photograph, photograph.flip(3)])[:, :depth, :64, :80]
    together = ROWS[name].function(x, **ROWS[name].draw(Draws(0, [7, 8]), tuple(x.shape)))
    alone = ROWS[name].function(x[1:], **ROWS[name].draw(Draws(0, [8]), (1, *x.shape[1:])))
    assert together.shape == x.shape
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-5)


def test_clouds_are_smooth_and_of_unit_deviation():
    field = tone.Clouds(2, 3)(Draws(0, range(40)), (40, 3, 96, 128), np.zeros(40))
    assert field.shape == (40, 1, 96, 128)
    assert abs(float(field.mean())) < 0.15
    assert 0.8 < float(field.std()) < 1.2
    assert float(field.diff(dim=3).abs().max()) < 0.5


def test_monochrome_is_the_grey_of_opencv(photograph):
    grey = tone.monochrome(photograph, torch.tensor([0.299]), torch.tensor([0.114]))
    expected = cv2.cvtColor(photograph[0].permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY)
    np.testing.assert_allclose(grey[0].numpy(), np.broadcast_to(expected, (3, 96, 96)), atol=1e-6)
    torch.testing.assert_close(tone.luma(photograph)[0, 0], torch.from_numpy(expected))


def test_fading_scales_densities(photograph):
    zero = torch.zeros(1)
    torch.testing.assert_close(tone.fading(photograph, torch.zeros(1, 3), zero), photograph, rtol=0, atol=1e-5)
    white = tone.fading(photograph, torch.ones(1, 3), zero)
    torch.testing.assert_close(white, torch.ones_like(white))
    black = tone.fading(torch.zeros(1, 3, 1, 1), torch.tensor([[0.5, 0.25, 0.0]]), zero).flatten()
    light = [(10 ** (-2.4 * left) - 10**-2.4) / (1 - 10**-2.4) for left in (0.5, 0.75, 1.0)]
    np.testing.assert_allclose(black.numpy(), np.array(light) ** (1 / 2.2), atol=1e-5)
    paper = tone.fading(torch.ones(1, 3, 1, 1), torch.zeros(1, 3), torch.tensor([0.1])).flatten()
    assert paper[0] > paper[1] > paper[2]


def test_the_leading_dye_loses_most():
    losses = tone.Dyes(0.1, 0.8)(Draws(0, range(200)), (200, 3, 8, 8), np.ones(200))
    torch.testing.assert_close(losses.amax(1), torch.full((200,), 0.8))
    assert losses.min() >= 0.8 * 0.3
    assert 0.4 < float((losses.argmax(1) == 0).float().mean()) < 0.6


def test_yellowing_of_white():
    white, field = torch.ones(1, 3, 2, 2), torch.zeros(1, 1, 2, 2)
    yellow = tone.yellowing(white, torch.tensor([0.5]), torch.tensor([0.4]), field)[0, :, 0, 0]
    np.testing.assert_allclose(yellow.numpy(), np.exp([-0.5 * 0.16, -0.5 * 0.4, -0.5]), rtol=1e-6)


def test_sepia_forgets_colours_and_is_brown(photograph):
    warmth, all_of_it = torch.tensor([0.4]), torch.ones(1)
    toned = tone.sepia(photograph, all_of_it, warmth)
    torch.testing.assert_close(toned, tone.sepia(tone.luma(photograph).expand(1, 3, -1, -1), all_of_it, warmth))
    middle = (tone.luma(photograph) > 0.2) & (tone.luma(photograph) < 0.8)
    red, green, blue = (toned[:, i : i + 1][middle] for i in range(3))
    assert (red > green).all()
    assert (green > blue).all()
    torch.testing.assert_close(tone.sepia(photograph, 0 * all_of_it, warmth), photograph)


def test_vignette_is_the_fourth_power_of_the_cosine():
    across, down = 0.4, 0.55
    seen = tone.vignette(torch.ones(1, 1, 6, 8), torch.tensor([0.9]), torch.tensor([across]), torch.tensor([down]))[0, 0]
    rows, columns = np.mgrid[:6, :8] + 0.5
    radius = np.hypot(columns - across * 8, rows - down * 6) / 5
    np.testing.assert_allclose(seen.numpy(), (np.cos(np.arctan(0.9 * radius)) ** 4) ** (1 / 2.2), rtol=1e-5)


def test_casts_keep_the_mean_of_the_logarithms():
    gains = tone.Cast(0.1, 0.4)(Draws(0, range(50)), (50, 3, 8, 8), np.ones(50))
    np.testing.assert_allclose(gains.sum(1).numpy(), 0, atol=1e-6)
    lengths = gains.norm(dim=1)
    assert lengths.max() <= 0.4 + 1e-6
    assert lengths.min() >= 0.6 * 0.4 - 1e-6


def test_uneven_light_never_brightens(photograph):
    field = tone.Clouds(1, 2)(Draws(0, [0]), (1, 3, 96, 96), np.zeros(1))
    assert (tone.uneven_light(photograph, torch.tensor([0.3]), field) <= photograph).all()


def test_soften_is_the_gaussian_of_scipy():
    x = torch.from_numpy(np.random.default_rng(0).random((2, 3, 20, 24), np.float32))
    soft = surface.soften(x, torch.tensor([0.8, 1.7]), 6)
    for i, sigma in enumerate((0.8, 1.7)):
        expected = scipy.ndimage.gaussian_filter(x[i].numpy(), (0, sigma, sigma), mode="nearest", radius=(0, 6, 6))
        np.testing.assert_allclose(soft[i].numpy(), expected, atol=1e-6)


def test_slope_is_the_gradient_of_numpy():
    height = np.random.default_rng(0).random((9, 11)).astype(np.float32)
    down, across = np.gradient(height)
    rise = surface.slope(torch.from_numpy(height)[None, None], torch.tensor([0.7]))[0, 0].numpy()
    expected = np.cos(0.7) * across + np.sin(0.7) * down
    np.testing.assert_allclose(rise[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-6)


@pytest.mark.parametrize("level", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("depth", [1, 3])
def test_halftone_keeps_the_tone(level, depth):
    x = torch.full((1, depth, 120, 120), level)
    dots = surface.halftone(x, torch.ones(1), torch.tensor([5.0]), torch.tensor([0.3]))
    assert float(dots.std()) > 0.15
    np.testing.assert_allclose(float(dots.mean()), level, atol=0.035)
    none = surface.halftone(x, torch.zeros(1), torch.tensor([5.0]), torch.tensor([0.3]))
    torch.testing.assert_close(none, x, rtol=0, atol=1e-5)


def test_the_screen_is_evenly_spread():
    wave = np.cos(2 * np.pi * (np.arange(400) + 0.5) / 400)
    s = np.sort(((wave[:, None] + wave) / 2).ravel())
    share = (np.arange(s.size) + 0.5) / s.size
    np.testing.assert_allclose(0.5 + surface.SCREEN[0] * s + surface.SCREEN[1] * s**3 + surface.SCREEN[2] * s**5, share, atol=0.021)


@pytest.mark.parametrize(("name", "period"), [("silk_texture", 8.0), ("halftone", 8.0)])
def test_the_period_is_the_one_asked_for(name, period):
    grey = torch.full((1, 1, 96, 96), 0.5)
    drawn = ROWS[name].draw(Draws(0, [0]), (1, 1, 96, 96), 1.0) | {"period": torch.tensor([period]), "angle": torch.zeros(1)}
    pattern = ROWS[name].function(grey, **drawn)[0, 0].numpy()
    spectrum = np.abs(np.fft.fft2(pattern - pattern.mean()))
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    frequency = np.hypot(np.fft.fftfreq(96)[row], np.fft.fftfreq(96)[column])
    assert abs(frequency - 1 / period) < 0.01


def test_foxing_only_absorbs_and_blue_most():
    white = torch.ones(1, 3, 96, 96)
    spots = surface.foxing(white, **surface.ROWS["foxing"].draw(Draws(0, [1]), (1, 3, 96, 96), 1.0))[0]
    assert spots.max() <= 1
    assert (spots[0] >= spots[1]).all()
    assert (spots[1] >= spots[2]).all()
    assert 0.001 < float((spots[2] < 0.5).float().mean()) < 0.2
