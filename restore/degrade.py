"""Degradations: pure functions of drawn parameters on tensors (N, C, H, W)."""

import torch


def gaussian_noise(x: torch.Tensor, sigma: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Add white Gaussian noise: ``x + sigma / 255 * noise``, neither clipped nor rounded.

    Args:
        x: Pictures (N, C, H, W), float in [0, 1].
        sigma: Standard deviations (N,) in 8-bit units.
        noise: Standard normal samples of the shape of ``x``.

    >>> gaussian_noise(torch.zeros(1, 1, 1, 2), torch.tensor([25.5]), torch.tensor([[[[1.0, -1.0]]]]))
    tensor([[[[ 0.1000, -0.1000]]]])
    """
    return x + (sigma / 255).reshape(-1, 1, 1, 1) * noise


def quantize(x: torch.Tensor, levels: int = 255) -> torch.Tensor:
    """Clip to [0, 1] and round to ``levels`` steps, as an integer file stores it.

    >>> quantize(torch.tensor([-0.2, 0.5, 1.3]))
    tensor([0.0000, 0.5020, 1.0000])
    """
    return (x.clamp(0, 1) * levels).round() / levels
