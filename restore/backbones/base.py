"""What every encoder of the family promises."""

import torch
from torch import nn


class Backbone(nn.Module):
    """A convolutional classifier whose intermediate maps are its product.

    Attributes:
        channels: Channels of each map that ``features`` returns, finest first.
        reductions: Nominal size of the input over that of each map; sizes are rounded as the layers round them.
    """

    channels: list[int]
    reductions: list[int]

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps of ``x`` (N, in_channels, H, W), finest first: (N, channels[i], ~H/reductions[i], ~W/reductions[i])."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class logits (N, num_classes) of ``x`` (N, in_channels, H, W)."""
        raise NotImplementedError
