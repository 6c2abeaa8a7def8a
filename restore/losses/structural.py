"""Structural similarity as a loss."""

import math

import torch

from restore.losses.base import alike, expanded, mean

RADIUS, SIGMA = 5, 1.5
BELL = [math.exp(-0.5 * (i / SIGMA) ** 2) for i in range(-RADIUS, RADIUS + 1)]


def ssim(prediction: torch.Tensor, target: torch.Tensor, *, weight: torch.Tensor | None = None) -> torch.Tensor:
    """1 - SSIM (Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity").

    Gaussian windows of 11x11 that lie within the picture, per channel: SSIM is that of ``restore.metrics.ssim`` and of scikit-image.

    Args:
        prediction: (N, C, H, W), white = 1; at least 11 pixels each way.
        target: The same shape.
        weight: (N, 1, H, W), how much the window around each pixel counts, as in ``l1``; None: all alike.

    Raises:
        ValueError: The shapes differ, that of ``weight`` does not expand to them, or the pictures are under 11 pixels.

    >>> x = torch.rand(1, 3, 16, 16)
    >>> float(ssim(x, x))
    0.0
    """
    x, y = alike(prediction, target)
    if min(x.shape[-2:]) < 2 * RADIUS + 1:
        raise ValueError(f"the pictures are {x.shape[-1]}x{x.shape[-2]}; expected at least {2 * RADIUS + 1} pixels each way")
    mean_x, mean_y = local(x), local(y)
    variance_x, variance_y = local(x * x) - mean_x.square(), local(y * y) - mean_y.square()
    covariance = local(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    if weight is not None:
        weight = expanded(weight, x)[..., RADIUS:-RADIUS, RADIUS:-RADIUS]
    return mean(1 - luminance * structure, weight)


def local(values: torch.Tensor) -> torch.Tensor:
    """Means under the Gaussian window, (N, C, H, W) -> (N, C, H - 10, W - 10).

    Sums of shifted pictures: as fast as convolutions, which GPUs would round to TF32, too coarse for differences of squares.

    >>> local(torch.ones(1, 1, 11, 12)).shape
    torch.Size([1, 1, 1, 2])
    """
    for axis in (-1, -2):
        inside = values.shape[axis] - 2 * RADIUS
        shifted = (weight / sum(BELL) * values.narrow(axis, i, inside) for i, weight in enumerate(BELL))
        values = sum(shifted, start=values.new_zeros(()))
    return values
