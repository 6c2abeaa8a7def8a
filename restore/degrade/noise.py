"""Noise."""

import torch

from restore.degrade.base import Degradation, Normal, Strength, column


def gaussian_noise(x: torch.Tensor, sigma: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Add white Gaussian noise: ``x + sigma / 255 * noise``, neither clipped nor rounded.

    Args:
        x: Pictures (N, C, H, W), float in [0, 1].
        sigma: Standard deviations in 8-bit units, (N,), or (N, 1, H, W) where they vary over the picture.
        noise: Standard normal samples of the shape of ``x``.

    >>> gaussian_noise(torch.zeros(1, 1, 1, 2), torch.tensor([25.5]), torch.tensor([[[[1.0, -1.0]]]]))
    tensor([[[[ 0.1000, -0.1000]]]])
    """
    return x + (sigma if sigma.ndim == 4 else column(sigma)) / 255 * noise


ROWS = {
    "gaussian_noise": Degradation("noise", gaussian_noise, {"sigma": Strength(2, 75), "noise": Normal()}),
}
