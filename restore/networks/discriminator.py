"""The other player of adversarial training: tells patches of photographs from patches that a network made."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from restore.nn.arithmetic import chain_field, output_size
from restore.nn.layers import norm_layer

KERNEL = 4
PADDING = 1
MOSTLY = 0.3
"""Share of a patch that is hole, above which a head on a map judges it."""


class PatchDiscriminator(nn.Module):
    """PatchGAN: one logit for each patch (Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks").

    4x4 convolutions, ``layers`` of stride 2, then two of stride 1; leaky ReLU of slope 0.2 between. With 3 layers a logit sees 70x70
    pixels, with 4, as in LaMa (Suvorov et al. 2022), 142x142. The statistics of a normalisation see the whole picture.

    Args:
        layers: Convolutions of stride 2.
        width: Channels of the first; each next has twice as many, at most eight times ``width``.
        channels: Of the pictures.
        takes_mask: A mask is a further channel of the input (Yu et al. 2019, "Free-Form Image Inpainting with Gated Convolution").
        norm: A name in ``restore.nn.layers.NORMS``, of all convolutions but the first and the last. With "batch" the samples of a batch
            are not judged apart from each other.
        spectral: Divide each kernel by its largest singular value (Miyato et al. 2018, "Spectral Normalization for Generative Adversarial
            Networks"): with the hinge loss and norm "none" the SN-PatchGAN of Yu et al.; without, R1 keeps it tame.

    Raises:
        ValueError: ``layers``, ``width`` or ``channels`` below 1, or an unknown norm.

    >>> logits, maps = PatchDiscriminator(3, 8)(torch.zeros(1, 3, 64, 80))
    >>> logits.shape, len(maps)
    (torch.Size([1, 1, 6, 8]), 4)
    """

    def __init__(
        self,
        layers: int = 4,
        width: int = 64,
        *,
        channels: int = 3,
        takes_mask: bool = False,
        norm: str = "instance",
        spectral: bool = False,
    ) -> None:
        super().__init__()
        if min(layers, width, channels) < 1:
            raise ValueError(f"{layers} layers, width {width}, {channels} channels; expected 1 or more of each")
        self.takes_mask = takes_mask
        self.strides = [2] * layers + [1, 1]
        widths = [channels + takes_mask, *(width * min(2**i, 8) for i in range(layers + 1))]
        self.stages = nn.ModuleList(
            nn.Sequential(
                convolution(widths[i], widths[i + 1], self.strides[i], bias=i == 0 or norm == "none", spectral=spectral),
                norm_layer("none" if i == 0 else norm, widths[i + 1]),
                nn.LeakyReLU(0.2, inplace=True),
            )
            for i in range(layers + 1)
        )
        self.head = convolution(widths[-1], 1, 1, bias=True, spectral=spectral)

    @property
    def field(self) -> int:
        """Pixels along each axis that a logit sees."""
        return chain_field((KERNEL, stride, 1) for stride in self.strides)

    @property
    def min_size(self) -> int:
        """The smallest height and width that have a patch."""
        return 3 * math.prod(self.strides)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches of pictures of that size.

        Raises:
            ValueError: A side is below ``min_size``.

        >>> PatchDiscriminator().grid(256, 256)
        (14, 14)
        """
        if min(height, width) < self.min_size:
            raise ValueError(f"the picture is {width}x{height}; expected at least {self.min_size}x{self.min_size}")
        for stride in self.strides:
            height, width = (output_size(size, KERNEL, stride=stride, padding=PADDING) for size in (height, width))
        return height, width

    def touched(self, mask: torch.Tensor, *, field: bool = False) -> torch.Tensor:
        """Patches that touch a hole: those of a repaired picture that count as fake.

        Args:
            mask: (N, 1, H, W), 1 = hole.
            field: Count every pixel that a logit sees (142x142 with 4 layers); otherwise a picture is shared out among its patches, each
                pixel belonging to one or two, as in LaMa: a sharper map, though patches beside a hole see a part of it too.

        Returns:
            (N, 1, *grid(H, W)), the largest value of the mask in each patch.

        Raises:
            ValueError: The picture is too small (see ``grid``).
        """
        grid = self.grid(*mask.shape[-2:])
        mask = mask.float()
        if not field:
            return F.adaptive_max_pool2d(mask, grid)
        before = (self.field - 1) * PADDING // (KERNEL - 1)  # of zeros that the first logit sees
        return F.max_pool2d(F.pad(mask, [before] * 4), self.field, math.prod(self.strides))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Judge pictures.

        Args:
            x: (N, channels, H, W) in [0, 1].
            mask: (N, 1, H, W), 1 = hole; given if, and only if, ``takes_mask``.

        Returns:
            Logits (N, 1, *grid(H, W)), high for what looks real, and the maps before them, finest first, for feature matching.

        Raises:
            ValueError: A mask too many or too few, or the picture is too small (see ``grid``).
        """
        if (mask is not None) != self.takes_mask:
            raise ValueError(f"{'a' if mask is not None else 'no'} mask was given; takes_mask is {self.takes_mask}")
        self.grid(*x.shape[-2:])
        if mask is not None:
            x = torch.cat([x, mask.to(x.dtype)], 1)  # (N, channels + 1, H, W)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return self.head(x), maps


def convolution(in_channels: int, out_channels: int, stride: int, *, bias: bool, spectral: bool) -> nn.Module:
    """A 4x4 convolution, (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride), less one pixel where the stride is 1."""
    conv = nn.Conv2d(in_channels, out_channels, KERNEL, stride, PADDING, bias=bias)
    return spectral_norm(conv) if spectral else conv


class FeatureDiscriminator(nn.Module):
    """One small head on each map that a frozen network makes of a picture, and one on the picture itself: logits for patches of all sizes.

    Sauer et al. 2021, "Projected GANs Converge Faster": features that were learned from photographs leave a head little to learn, so that
    hours on a CPU do what days on a GPU do from pixels alone (without their random mixing of channels and scales, which samples that are
    drawn from nothing need). All kernels are divided by their largest singular value.

    Args:
        channels: Of the maps, finest first.
        width: Most channels inside of a head.
        gain: What the logits are multiplied by: kernels so divided keep them near 0.

    >>> net = FeatureDiscriminator([8, 16], 8)
    >>> logits = net(torch.zeros(1, 3, 32, 48), [torch.zeros(1, 8, 16, 24), torch.zeros(1, 16, 8, 12)])
    >>> [tuple(x.shape) for x in logits]
    [(1, 1, 16, 24), (1, 1, 16, 24), (1, 1, 8, 12)]
    """

    def __init__(self, channels: Sequence[int], width: int = 96, *, gain: float = 5.0) -> None:
        super().__init__()
        self.gain = gain
        self.heads = nn.ModuleList(head(c, min(width, max(1, c // 2))) for c in channels)
        half = max(1, width // 3)
        self.picture = nn.Sequential(
            spectral_norm(nn.Conv2d(3, half, 3, padding=1)),
            nn.LeakyReLU(0.2),
            convolution(half, 2 * half, 2, bias=True, spectral=True),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * half, 2 * half, 3, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * half, 1, 3, padding=1)),
        )

    def forward(self, x: torch.Tensor, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Judge pictures.

        Args:
            x: (N, 3, H, W) in [0, 1].
            maps: (N, C_i, h_i, w_i) of them, whatever their scale: channels are divided by their root mean square, pixel by pixel.

        Returns:
            Logits, high for what looks real: (N, 1, H / 2, W / 2) of the picture and (N, 1, h_i, w_i) of each map.
        """
        flat = (F.normalize(m, eps=1e-6) * m.shape[1] ** 0.5 for m in maps)
        return [self.gain * x for x in (self.picture(4 * x - 2), *(judge(m) for judge, m in zip(self.heads, flat, strict=True)))]

    @staticmethod
    def touched(mask: torch.Tensor, logits: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Patches of which more than ``MOSTLY`` is hole, for each of the ``logits``.

        Args:
            mask: (N, 1, H, W), 1 = hole.
            logits: As ``forward`` returns them.

        Returns:
            For each a map (N, 1, h, w) of 0 and 1.

        >>> mask = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]] * 4]])
        >>> [x.tolist() for x in FeatureDiscriminator.touched(mask, [torch.zeros(1, 1, 1, 2)])]
        [[[[[1.0, 0.0]]]]]
        """
        return [(F.adaptive_avg_pool2d(mask.float(), (x.shape[-2], x.shape[-1])) > MOSTLY).float() for x in logits]


def head(channels: int, width: int) -> nn.Sequential:
    """(N, channels, h, w) -> logits (N, 1, h, w)."""
    return nn.Sequential(
        spectral_norm(nn.Conv2d(channels, width, 1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, 1, 3, padding=1)),
    )
