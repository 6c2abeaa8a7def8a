"""How much a picture varies from pixel to pixel."""

import torch
import torch.nn.functional as F

from restore.losses.base import mean, precise


def total_variation(x: torch.Tensor, *, isotropic: bool = False, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Total variation (Rudin, Osher, Fatemi 1992, "Nonlinear total variation based noise removal algorithms"), its mean over the pixels.

    Differences are those to the next pixel, 0 at the last row and column.

    Args:
        x: (N, C, H, W).
        isotropic: The length of the gradient, as in the paper; otherwise the sum of its parts' magnitudes.
        weight: (N, 1, H, W), how much each pixel counts, as in ``l1``; None: all alike.

    Raises:
        ValueError: ``x`` has not four axes, or the shape of ``weight`` does not expand to its.

    >>> x = torch.tensor([[[[0.0, 4.0], [3.0, 3.0]]]])
    >>> total_variation(x), total_variation(x, isotropic=True)
    (tensor(2.), tensor(1.5000))
    """
    if x.ndim != 4:
        raise ValueError(f"the pictures have shape {tuple(x.shape)}; expected (N, C, H, W)")
    x = precise(x)
    across, down = F.pad(x.diff(dim=-1), (0, 1)), F.pad(x.diff(dim=-2), (0, 0, 0, 1))
    if isotropic:
        return mean(torch.linalg.vector_norm(torch.stack([across, down]), dim=0), weight)
    return mean(across.abs() + down.abs(), weight)
