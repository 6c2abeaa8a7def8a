"""Distances of what networks trained to name things see in two pictures."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones.base import Backbone
from restore.losses.base import alike, precise
from restore.losses.distance import distance as distance_called
from restore.metrics import lpips_network


class Perceptual(nn.Module):
    """LPIPS (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric") with a SqueezeNet trunk.

    Its value is that of the ``lpips`` package; its gradient is finite where a feature vector is zero, too.

    Args:
        features: A safetensors file with the ImageNet weights of torchvision's ``squeezenet1_1().features``, which the lpips
            package does not carry.

    Raises:
        MetricUnavailable: ``features`` does not exist or holds something else.
    """

    CHANNELS = (64, 128, 256, 384, 384, 512, 512)
    """Channels of the trunk's maps, finest first: two at 1/2 and 1/4 of the size, the third at 1/8, four at 1/16."""

    def __init__(self, features: Path) -> None:
        super().__init__()
        lpips: Any = deepcopy(lpips_network("squeeze", features))  # what moves to a device is this one
        self.scale, self.trunk, self.lins = lpips.scaling_layer, lpips.net, nn.ModuleList(lpips.lins)

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What the trunk sees in pictures (N, 3, H, W) in [0, 1]: maps (N, C_i, h_i, w_i) of ``CHANNELS``, finest first."""
        x = precise(x)
        with exact(x):
            return [*self.trunk(self.scale(x * 2 - 1))]

    def distance(self, ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Mean distance of pictures of which these are the ``maps``."""
        with exact(ours[0]):
            squares = [(F.normalize(a, eps=1e-10) - F.normalize(b, eps=1e-10)).square() for a, b in zip(ours, theirs, strict=True)]
            return torch.stack([lin(square).mean() for lin, square in zip(self.lins, squares, strict=True)]).sum()

    def forward(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean distance of pictures (N, 3, H, W) in [0, 1].

        Raises:
            ValueError: The shapes differ.
        """
        prediction, target = alike(prediction, target)
        return self.distance(self.maps(prediction), self.maps(target))


class Features(nn.Module):
    """Distance of the feature maps of any encoder, and of their Gram matrices.

    The maps are compared as in Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution" (LaMa: the
    squared error of a dilated network's maps, which see far); the Gram matrices, what goes with what but not where, as in Gatys et al.
    2016, "Image Style Transfer Using Convolutional Neural Networks".

    Args:
        backbone: With weights that were learned. It is frozen, set to evaluation and held, so give a copy of one that still learns.
        content: Map, counted from 0, the finest -> weight of its distance; with neither this nor ``style``, all maps, each by 1.
        style: Map -> weight of the distance of its Gram matrices.
        distance: A name in ``DISTANCES``.

    Raises:
        ValueError: A map that the backbone does not have, or an unknown distance.

    >>> from restore import backbones
    >>> loss = Features(backbones.build("resnet18", num_classes=0), content={0: 1.0, 2: 0.5}, distance="mse")
    >>> x = torch.rand(1, 3, 64, 64)
    >>> float(loss(x, x))
    0.0
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        content: Mapping[int, float] | None = None,
        style: Mapping[int, float] | None = None,
        distance: str = "l1",
    ) -> None:
        super().__init__()
        count = len(backbone.channels)
        self.content = dict.fromkeys(range(count), 1.0) if content is None and style is None else dict(content or {})
        self.style = dict(style or {})
        for number in (*self.content, *self.style):
            if number not in range(count):
                raise ValueError(f"the backbone has no map {number!r}; expected some of 0 to {count - 1}")
        self.distance = distance_called(distance)
        self.backbone = backbone.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Features":
        """Change nothing: the backbone stays in evaluation, so that its statistics stay as they were learned."""
        return self

    def forward(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Weighted sum of the distances.

        Args:
            prediction: (N, C, H, W) in [0, 1], with the channels of the backbone.
            target: The same shape; no gradient goes there.

        Raises:
            ValueError: The shapes differ.
        """
        prediction, target = alike(prediction, target)
        with exact(prediction):
            ours = self.backbone.features(self.backbone.normalise(prediction))
            with torch.no_grad():
                theirs = self.backbone.features(self.backbone.normalise(target))
            terms = [weight * self.distance(ours[i], theirs[i]) for i, weight in self.content.items()]
            terms += [weight * self.distance(gram(ours[i]), gram(theirs[i])) for i, weight in self.style.items()]
            return torch.stack(terms).sum()


def gram(maps: torch.Tensor) -> torch.Tensor:
    """Gram matrices of feature maps over their pixels, divided by the number of values (Johnson et al. 2016, equation 3).

    Args:
        maps: (N, C, H, W).

    Returns:
        (N, C, C), float32 or float64.

    >>> gram(torch.tensor([[[[1.0, 1.0]], [[0.0, 2.0]]]]))
    tensor([[[0.5000, 0.5000],
             [0.5000, 1.0000]]])
    """
    flat = precise(maps).flatten(2)  # (N, C, H * W)
    with exact(flat):
        return flat @ flat.mT / flat[0].numel()


def exact(x: torch.Tensor) -> torch.autocast:
    """Where convolutions and matrix products keep the precision of what they are given, even inside autocast.

    >>> with torch.autocast("cpu", torch.bfloat16), exact(torch.ones(1)):
    ...     (torch.ones(1, 1) @ torch.ones(1, 1)).dtype
    torch.float32
    """
    return torch.autocast(x.device.type, enabled=False)
