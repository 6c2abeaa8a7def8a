"""Layers in a row that give a map at every scale."""

from itertools import pairwise

import torch
from torch import nn


class Pyramid(nn.Sequential):
    """Layers in a row, cut before each max pooling; called, they give the map at every cut and the last one.

    AlexNet, VGG and NiN are such rows. torchvision's name for theirs is ``features``, which is also a method of every ``Backbone``:
    as ``features``, this module is both, ``net.features(x)`` gives the maps and ``net.features[3]`` is a layer.

    >>> net = Pyramid(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1))
    >>> [tuple(m.shape) for m in net(torch.zeros(1, 3, 8, 8))]
    [(1, 8, 8, 8), (1, 16, 4, 4)]
    """

    def stages(self) -> list[list[nn.Module]]:
        """The layers between one cut and the next, in order; all but the first begin with a pooling."""
        layers = list(self)
        cuts = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        return [layers[start:end] for start, end in pairwise([0, *cuts, len(layers)])]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Maps of ``x`` (N, C, H, W), finest first."""
        maps = []
        for stage in self.stages():
            for layer in stage:
                x = layer(x)
            maps.append(x)
        return maps
