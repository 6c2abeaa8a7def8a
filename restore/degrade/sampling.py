"""Loss of samples and of levels."""

import torch


def quantize(x: torch.Tensor, levels: int = 255) -> torch.Tensor:
    """Clip to [0, 1] and round to ``levels`` steps, as an integer file stores it.

    >>> quantize(torch.tensor([-0.2, 0.5, 1.3]))
    tensor([0.0000, 0.5020, 1.0000])
    """
    return (x.clamp(0, 1) * levels).round() / levels
