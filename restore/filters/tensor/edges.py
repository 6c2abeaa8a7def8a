"""Gradients. Input, output and errors as in ``linear``; where the gradient is 0, so is the derivative of its length."""

import numpy as np
import torch

from restore.filters import kernels
from restore.filters.tensor.base import check, correlate


def gradient(x: torch.Tensor, kernel: np.ndarray, across: np.ndarray, border: str) -> torch.Tensor:
    """Length of the gradient whose two components the kernels give."""
    check(x)
    components = [correlate(x, kernel, border=border), correlate(x, across, border=border)]
    return torch.linalg.vector_norm(torch.stack(components, -1), dim=-1)


def sobel(x: torch.Tensor, *, border: str = "reflect") -> torch.Tensor:
    """Length of the gradient by the Sobel kernels (Sobel, Feldman 1968), not normalised: a step of 1 gives 4.

    >>> sobel(torch.tensor([[0.0, 0, 1, 1]] * 3)[None, None])[0, 0, 1]
    tensor([0., 4., 4., 0.])
    """
    return gradient(x, kernels.SOBEL, kernels.SOBEL.T, border)


def scharr(x: torch.Tensor, *, border: str = "reflect") -> torch.Tensor:
    """Length of the gradient by the Scharr kernels (Scharr 2000), not normalised: a step of 1 gives 16."""
    return gradient(x, kernels.SCHARR, kernels.SCHARR.T, border)


def prewitt(x: torch.Tensor, *, border: str = "reflect") -> torch.Tensor:
    """Length of the gradient by the Prewitt kernels (Prewitt 1970), not normalised: a step of 1 gives 3."""
    return gradient(x, kernels.PREWITT, kernels.PREWITT.T, border)


def roberts(x: torch.Tensor, *, border: str = "reflect") -> torch.Tensor:
    """Length of the diagonal differences of 2x2 pixels (Roberts 1963), the pixel at their top left."""
    return gradient(x, kernels.ROBERTS, np.array([[0, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64), border)
