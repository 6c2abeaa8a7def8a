"""Distances of the spectra of two pictures: what is lost in blur counts as much as what is lost in tone."""

import torch

from restore.losses.base import alike


def frequency_l1(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of the two-dimensional Fourier transforms, over their real and imaginary parts.

    Cho et al. 2021, "Rethinking Coarse-to-Fine Approach in Single Image Deblurring" (MIMO-UNet), equation 7. The transform is orthonormal,
    so that white noise costs the same in a picture of any size.

    Args:
        prediction: (N, C, H, W).
        target: The same shape.

    Raises:
        ValueError: The shapes differ.

    >>> frequency_l1(torch.full((1, 1, 2, 2), 0.5), torch.zeros(1, 1, 2, 2))  # one coefficient of four, 1 + 0i
    tensor(0.1250)
    """
    return torch.view_as_real(difference(prediction, target)).abs().mean()


def focal_frequency(prediction: torch.Tensor, target: torch.Tensor, *, alpha: float = 1.0) -> torch.Tensor:
    """Squared error of the Fourier transforms, each frequency weighed by how wrong it still is.

    Jiang et al. 2021, "Focal Frequency Loss for Image Reconstruction and Synthesis", equation 8: the weight of a frequency is its error
    to the power ``alpha``, divided by the largest of its channel; no gradient goes through it. The transform is orthonormal.

    Args:
        prediction: (N, C, H, W).
        target: The same shape.
        alpha: 0: all frequencies alike, which is the squared error of the pixels; from 0.

    Raises:
        ValueError: The shapes differ, or ``alpha`` is below 0.

    >>> focal_frequency(torch.full((1, 1, 2, 2), 0.5), torch.zeros(1, 1, 2, 2))
    tensor(0.2500)
    """
    if not alpha >= 0:
        raise ValueError(f"alpha is {alpha}; expected a number from 0")
    square = torch.view_as_real(difference(prediction, target)).square().sum(-1)  # (N, C, H, W)
    weight = square.detach() ** (alpha / 2)
    return (weight / weight.amax((-2, -1), keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny) * square).mean()


def difference(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The orthonormal transform of the difference, (N, C, H, W) complex."""
    prediction, target = alike(prediction, target)
    return torch.fft.fft2(prediction - target, norm="ortho")
