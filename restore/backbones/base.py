"""What every encoder of the family promises, and what they share: freezing, dilation, preprocessing."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from restore.image import Picture, to_float
from restore.levels import LUMA
from restore.nn.layers import AvgPool2d, MaxPool2d, pair

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2470, 0.2435, 0.2616)

LONGEST = 4
"""Longer side over shorter of what ``preprocess`` resizes; the crop sees about 1, so the rest of a longer picture is cut off before."""


class Family(Protocol):
    """What a file of this package holds beside its classes.

    Attributes:
        PAPER: Authors, year, title.
        VARIANTS: Names of its networks -> what tells them apart.
        TORCHVISION: Those names whose keys and outputs are torchvision's.
        build: ``build(name, *, in_channels=..., num_classes=..., ...)``: its keywords are the options that the paper allows.
    """

    PAPER: str
    build: Any

    @property
    def VARIANTS(self) -> Mapping[str, Any]:
        """Its networks."""

    @property
    def TORCHVISION(self) -> Sequence[str]:
        """Those that torchvision has."""


class Backbone(nn.Module):
    """A convolutional classifier whose intermediate maps are its product.

    A subclass sets ``channels`` and ``reductions`` and writes ``stages`` and ``classify``; everything else follows.

    Attributes:
        channels: Channels of each map that ``features`` returns, finest first.
        reductions: Nominal size of the input over that of each map; sizes are rounded as the layers round them.
        input_size: Height and width that it was trained at.
        resize_size: Shorter side that ``preprocess`` resizes to before it cuts the centre of ``input_size``.
        mean: Mean of each input channel that ``forward`` expects to be subtracted, in [0, 1].
        std: Standard deviation that it expects to be divided by.
    """

    channels: list[int]
    reductions: list[int]
    input_size: tuple[int, int] = (224, 224)
    resize_size: int = 256
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def stages(self) -> list[list[nn.Module]]:
        """For each map, the modules that lead to it from the map before (the first: from the input), in order."""
        raise NotImplementedError

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes) from the coarsest map; without a classifier that map pooled, or the last hidden layer, (N, C)."""
        raise NotImplementedError

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps of ``x`` (N, in_channels, H, W), finest first: (N, channels[i], ~H/reductions[i], ~W/reductions[i])."""
        maps = []
        for stage in self.stages():
            for module in stage:
                x = module(x)
            maps.append(x)
        return maps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class logits (N, num_classes) of normalised pictures (N, in_channels, H, W), in training and in evaluation alike."""
        return self.classify(self.features(x)[-1])

    def forward_aux(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits as ``forward`` gives them, and those of the auxiliary classifiers, first to last; none in most families."""
        return self(x), []

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        """Pictures (N, in_channels, H, W) in [0, 1] as ``forward`` wants them: mean and standard deviation of the training data."""
        mean, std = (torch.tensor(value, dtype=x.dtype, device=x.device).reshape(-1, 1, 1) for value in (self.mean, self.std))
        return (x - mean) / std

    def preprocess(self, picture: Picture | np.ndarray) -> torch.Tensor:
        """Resize the shorter side (bilinear, antialiased), cut the centre, normalise: torchvision's evaluation preset.

        Of a picture longer than ``LONGEST`` to 1 only the centre is resized: what all of it would give, to half a pixel.

        Args:
            picture: A Picture or an array as ``Picture.from_array`` takes it. Grey becomes RGB, or RGB grey (ITU-R 601 weights), as
                the network's channels want it; alpha is ignored.

        Returns:
            (1, in_channels, *input_size), float32.

        Raises:
            ValueError: The network takes neither one channel nor three; a float picture holds a NaN or an infinity.
        """
        if not isinstance(picture, Picture):
            picture = Picture.from_array(picture)
        short = min(picture.pixels.shape[:2])
        down, right = (max(0, side - LONGEST * short) // 2 for side in picture.pixels.shape[:2])
        height, width = picture.pixels.shape[0] - 2 * down, picture.pixels.shape[1] - 2 * right
        pixels = picture.pixels[down : down + height, right : right + width]
        x = torch.from_numpy(np.ascontiguousarray(to_float(pixels))).permute(2, 0, 1)[None]  # (1, C, H, W)
        if not x.isfinite().all():
            raise ValueError("the picture holds a NaN or an infinity; expected finite numbers")
        wanted = len(self.mean)
        if wanted not in (1, 3):
            raise ValueError(f"a picture has 1 or 3 channels; this network takes {wanted}")
        if x.shape[1] < wanted:
            x = x.expand(-1, 3, -1, -1)
        elif x.shape[1] > wanted:
            x = (x * x.new_tensor(LUMA).reshape(-1, 1, 1)).sum(1, keepdim=True)
        size = (self.resize_size * height // short, self.resize_size * width // short)
        if size != (height, width):
            x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
        rows, columns = self.input_size
        top, left = round((size[0] - rows) / 2), round((size[1] - columns) / 2)
        return self.normalise(x[..., top : top + rows, left : left + columns])

    def fit_cifar(self) -> None:
        """Take pictures of 32x32 with CIFAR-10's mean and standard deviation."""
        self.input_size, self.resize_size, self.mean, self.std = (32, 32), 32, CIFAR_MEAN, CIFAR_STD

    def freeze(self, until: str | None = None) -> "Backbone":
        """Stop training everything before ``until``; frozen normalisations keep their statistics in ``train()`` too.

        What an earlier call froze learns again first, so ``until`` the first module unfreezes all.

        Args:
            until: Name of the first module that goes on learning, as ``named_modules`` has it ("layer4", "features.17"); None freezes
                all but the classifier.

        Returns:
            The network itself.

        Raises:
            ValueError: No module has that name.
        """
        modules = dict(self.named_modules())
        if until is None:
            before = [m for stage in self.stages() for m in stage]
        elif until in modules and until:
            names = list(modules)
            parents = {until.rsplit(".", i)[0] for i in range(until.count(".") + 1)} | {""}
            before = [modules[name] for name in names[: names.index(until)] if name not in parents]
        else:
            raise ValueError(f"no module is called {until!r}; expected one of {', '.join(n for n in modules if n.count('.') < 2 and n)}")
        for parameter in getattr(self, "_stopped", []):
            parameter.requires_grad_(True)
        self._frozen = before
        self._stopped = [parameter for module in before for parameter in module.parameters() if parameter.requires_grad]
        for parameter in self._stopped:
            parameter.requires_grad_(False)
        return self.train(self.training)

    def train(self, mode: bool = True) -> "Backbone":
        """Set training or evaluation mode; what ``freeze`` froze stays in evaluation mode."""
        super().train(mode)
        for module in getattr(self, "_frozen", []):
            module.eval()
        return self

    def dilate(self, output_stride: int | None) -> None:
        """Let no map be coarser than 1/``output_stride``: beyond it dilation replaces stride (Chen et al. 2017, "DeepLab").

        The new maps, taken at every k-th place, are those of the network as it was.

        Args:
            output_stride: A member of ``reductions``; None changes nothing.

        Raises:
            ValueError: The network does not pass through it.
        """
        if output_stride is None:
            return
        if output_stride not in self.reductions:
            raise ValueError(f"output_stride {output_stride} is not reached; expected one of {sorted(set(self.reductions))}")
        factor = 1
        for stage, reduction in zip(self.stages(), self.reductions, strict=True):
            factor = dilate(stage, factor, keep=reduction > output_stride)
        self.reductions = [min(r, output_stride) for r in self.reductions]


def dilate(modules: Sequence[nn.Module], factor: int, *, keep: bool) -> int:
    """Dilate the kernels of ``modules``, one after the other, by ``factor``; with ``keep``, strides become dilation of what follows.

    A module whose branches run side by side and change the size says so by a method ``branches()`` that lists them.

    Returns:
        The factor for whatever comes next.
    """
    for module in modules:
        if hasattr(module, "branches"):
            factor = max([dilate(branch, factor, keep=keep) for branch in module.branches()])  # type: ignore[operator]
        elif isinstance(module, nn.Conv2d | MaxPool2d | AvgPool2d):
            factor = dilate_kernel(module, factor, keep=keep)
        else:
            factor = dilate(list(module.children()), factor, keep=keep)
    return factor


def dilate_kernel(module: nn.Conv2d | MaxPool2d | AvgPool2d, factor: int, *, keep: bool) -> int:
    """Dilate one kernel and, with ``keep``, let it stand at every place; the factor for what follows."""
    stride = pair(module.stride)[0]
    if factor > 1:
        sizes = zip(pair(module.dilation), pair(module.kernel_size), strict=True)
        module.dilation = tuple(d if k == 1 else d * factor for d, k in sizes)  # 1 has nothing to dilate, and a path of its own in torch
        module.padding = tuple(p * factor for p in pair(module.padding))  # type: ignore[arg-type]
    if not keep or stride == 1:
        return factor
    module.stride = (1, 1)
    if not isinstance(module, nn.Conv2d):
        module.every = factor * stride
    return factor * stride


class HalfRange(nn.Module):
    """Pictures normalised by ImageNet's mean and deviation, (N, 3, H, W), to [-1, 1], as the weights ported from TensorFlow want them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same values by mean 0.5 and deviation 0.5."""
        scale = x.new_tensor([s / 0.5 for s in IMAGENET_STD]).reshape(-1, 1, 1)
        shift = x.new_tensor([(m - 0.5) / 0.5 for m in IMAGENET_MEAN]).reshape(-1, 1, 1)
        return x * scale + shift


def adapt_input(weight: torch.Tensor, in_channels: int) -> torch.Tensor:
    """The first convolution of a network trained on RGB, (K, 3, h, w), for another number of channels.

    One channel: the sum over RGB, so that a grey picture gives what it would as RGB. Others: RGB in turn, scaled so that the
    responses keep their size.

    >>> adapt_input(torch.ones(8, 3, 7, 7), 4)[0, :, 0, 0]
    tensor([0.7500, 0.7500, 0.7500, 0.7500])
    """
    given = weight.shape[1]
    if in_channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, [i % given for i in range(in_channels)]] * (given / in_channels)


def adapt_statistics(values: tuple[float, ...], in_channels: int) -> tuple[float, ...]:
    """Mean or deviation of RGB for another number of channels: their average for one, RGB in turn for others.

    >>> adapt_statistics((0.25, 0.5, 0.75), 1), adapt_statistics((0.25, 0.5, 0.75), 4)
    ((0.5,), (0.25, 0.5, 0.75, 0.25))
    """
    if in_channels == 1:
        return (sum(values) / len(values),)
    return tuple(values[i % len(values)] for i in range(in_channels))
