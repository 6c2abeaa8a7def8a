"""Losses: each maps a prediction and a target (N, C, H, W) to one number."""

from pathlib import Path

import torch
from torch import nn


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
        FileNotFoundError: ``features`` does not exist.
    """

    def __init__(self, features: Path) -> None:
        super().__init__()
        if not Path(features).is_file():
            raise FileNotFoundError(f"no SqueezeNet features at {features}; expected a safetensors file")
        self.lpips = build_lpips(Path(features)).requires_grad_(False)

    def forward(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean distance of pictures (N, 3, H, W) in [0, 1]."""
        return self.lpips(prediction * 2 - 1, target * 2 - 1).mean()


def build_lpips(features: Path) -> nn.Module:
    """The lpips package's network on a SqueezeNet trunk read from ``features``; in evaluation mode."""
    import warnings

    import lpips
    from safetensors.torch import load_file

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision's deprecated ``pretrained=``
        network = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    load_trunk(network.net, load_file(features))
    return network.eval()


def load_trunk(trunk: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load ``features.N.*`` or ``N.*`` keys into lpips' slices, whose keys are ``sliceK.N.*``; every key must be met."""
    state = {key.removeprefix("features."): value for key, value in state.items()}
    trunk.load_state_dict({key: state[key.split(".", 1)[1]] for key in trunk.state_dict()})
