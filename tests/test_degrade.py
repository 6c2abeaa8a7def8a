import numpy as np
import torch

from restore import degrade


def test_noise_has_the_level_that_was_asked_for():
    x = torch.full((2, 3, 200, 200), 0.5)
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(x.shape, np.float32))
    noisy = degrade.gaussian_noise(x, torch.tensor([5.0, 75.0]), noise)
    levels = (noisy - x).std((1, 2, 3)) * 255
    torch.testing.assert_close(levels, torch.tensor([5.0, 75.0]), rtol=0.01, atol=0)
    assert noisy.max() > 1


def test_quantize_equals_a_round_trip_through_uint8():
    x = torch.linspace(-0.5, 1.5, 2001)
    stored = np.round(np.clip(x.numpy(), 0, 1) * 255).astype(np.uint8)
    torch.testing.assert_close(degrade.quantize(x), torch.from_numpy(stored.astype(np.float32) / 255))
