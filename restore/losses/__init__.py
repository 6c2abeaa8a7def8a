"""Losses: each maps a prediction and a target (N, C, H, W) to one number."""

from pathlib import Path

import torch
from torch import nn

from restore.metrics import lpips_network


def charbonnier(prediction: torch.Tensor, target: torch.Tensor, *, eps: float = 1e-3) -> torch.Tensor:
    """Mean of ``sqrt(d^2 + eps^2)``, a smooth L1 (Charbonnier et al. 1994, "Two deterministic half-quadratic regularization algorithms").

    >>> charbonnier(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), eps=0.0)
    tensor(1.)
    """
    return ((prediction - target).square() + eps * eps).sqrt().mean()


def hole_l1(prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean absolute error over the pixels of the hole.

    Args:
        prediction: (N, C, H, W).
        target: (N, C, H, W).
        mask: (N, 1, H, W), 1 = hole. Without any hole the loss is 0.

    >>> hole_l1(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.eye(2)[None, None])
    tensor(1.)
    """
    error = ((prediction - target).abs() * mask).sum()
    return error / (mask.sum() * prediction.shape[1]).clamp_min(1)


class Perceptual(nn.Module):
    """LPIPS (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric") with a SqueezeNet trunk.

    Args:
        features: A safetensors file with the ImageNet weights of torchvision's ``squeezenet1_1().features``, which the lpips
            package does not carry.

    Raises:
        MetricUnavailable: ``features`` does not exist or holds something else.
    """

    def __init__(self, features: Path) -> None:
        super().__init__()
        self.lpips = lpips_network("squeeze", features)

    def forward(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean distance of pictures (N, 3, H, W) in [0, 1]."""
        return self.lpips(prediction * 2 - 1, target * 2 - 1).mean()
