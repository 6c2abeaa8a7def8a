"""The generator behind the brush: fills holes."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones.base import Backbone
from restore.networks.base import Network, build_encoder, factory, start_as_identity
from restore.nn.blocks import Bottleneck, UpDecoder
from restore.nn.filling import push_pull


class Inpainting(Network):
    """Encoder, dilated trunk with 1x1 bottlenecks and batch norm, decoder; the hole enters filled and the residual is predicted.

    Dilated bottlenecks after Yu, Koltun 2016, "Multi-Scale Context Aggregation by Dilated Convolutions"; that a dilated trunk
    serves inpainting almost as well as Fourier convolutions: Suvorov et al. 2022, "LaMa", table 3.

    Args:
        encoder: A backbone on 4 channels (RGB and the mask) whose finest map is at half the input's size.
        trunk: Works on the encoder's coarsest map.
        decoder: Maps the encoder's maps to one at their finest size.
        finish: Channels of two last 3x3 convolutions at full size, which see across the squares of 2x2 pixels that the tail writes one by
            one; deep in holes their pattern is averaged away. 0: none of it.
    """

    takes_mask = True

    def __init__(self, encoder: Backbone, trunk: nn.Module, decoder: nn.Module, *, finish: int = 0) -> None:
        super().__init__()
        self.encoder, self.trunk, self.decoder = encoder, trunk, decoder
        self.tail = nn.Conv2d(encoder.channels[0], 12, 3, padding=1)
        self.multiple_of = self.min_size = encoder.reductions[-1]
        start_as_identity(self, self.tail)
        self.finish = build_finish(finish) if finish else None

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Fill holes.

        Args:
            x: Pictures (N, 3, H, W), float in [0, 1]; H and W multiples of ``multiple_of``. What lies in the hole is ignored.
            mask: Holes (N, 1, H, W), 1 = repair.

        Returns:
            Pictures (N, 3, H, W), not clipped; only their hole pixels are meant to be used.
        """
        x, mask = push_pull(x, mask), mask.to(x.dtype)
        *fine, coarse = self.encoder.features(torch.cat([x, mask], 1))
        decoded = self.decoder([*fine, self.trunk(coarse)])
        residual = F.pixel_shuffle(self.tail(decoded), 2)  # (N, 3, H, W)
        if self.finish is None:
            return x + residual
        y = x + even(residual, mask)
        return y + self.finish(torch.cat([y, x, mask], 1))


def even(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Take out of ``x`` (N, C, H, W) what alternates from pixel to pixel where most of 9x9 pixels are hole, and leave the rest as it is.

    >>> x = torch.arange(16).reshape(4, 4).remainder(2).float().expand(1, 1, 4, 4)
    >>> even(x, torch.ones(1, 1, 4, 4))[0, 0, 1]
    tensor([0.2500, 0.5000, 0.5000, 0.7500])
    """
    deep = (2 * F.avg_pool2d(mask, 9, 1, 4, count_include_pad=False) - 1).clamp_min(0)
    framed = torch.cat([x[..., :1, :], x, x[..., -1:, :]], 2)  # as F.pad with "replicate", whose gradient torch cannot compile
    framed = torch.cat([framed[..., :1], framed, framed[..., -1:]], 3)
    smooth = F.avg_pool2d(F.avg_pool2d(framed, 2, 1), 2, 1)  # 1/4, 1/2, 1/4 both ways
    return x + deep * (smooth - x)


class Widened(nn.Module):
    """Modules that work on more channels than there are, by 1x1 convolutions to them and back, and a shortcut around it all.

    Args:
        channels: Channels of the input and of the output.
        width: Channels inside.
        inside: What works on those.
    """

    def __init__(self, channels: int, width: int, inside: nn.Module) -> None:
        super().__init__()
        self.widen, self.inside, self.narrow = nn.Conv2d(channels, width, 1), inside, nn.Conv2d(width, channels, 1)

    def zero_init(self) -> None:
        """Make it start as its shortcut."""
        for parameter in self.narrow.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the residual: (N, channels, H, W) -> the same shape."""
        return x + self.narrow(self.inside(self.widen(x)))


def build_trunk(channels: int, dilations: Sequence[int], width: int = 0) -> nn.Module:
    """Residual bottlenecks of ``width`` channels (0: of ``channels``) with batch norm, one for each dilation."""
    inner = (width or channels) // Bottleneck.expansion
    blocks = nn.Sequential(*(Bottleneck(inner * Bottleneck.expansion, inner, dilation=d, post_activation=False) for d in dilations))
    return Widened(channels, width, blocks) if width else blocks


def build_finish(width: int) -> nn.Sequential:
    """What was predicted, what was there and the mask, 7 channels, to a correction of 3; zero at first."""
    last = nn.Conv2d(width, 3, 3, padding=1)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(nn.Conv2d(7, width, 3, padding=1), nn.ReLU(inplace=True), last)


def from_restoration(state: dict[str, torch.Tensor], network: Inpainting) -> dict[str, torch.Tensor]:
    """A denoiser's parameters as those of an inpainting network of the same widths and depths.

    The weights of the fourth input channel, a noise level there and a mask here, are zeroed: the network starts as the denoiser of clean
    pictures. Transposed convolutions become, where ``network`` has smooth steps up, the mean of their four taps: it starts almost as that.
    Other parameters, an inpainting network's among them, stay as they are.
    """
    state = dict(state)
    for key, own in network.decoder.ups.named_parameters(prefix="decoder.ups"):  # type: ignore[union-attr]
        if key in state and own.ndim == state[key].ndim == 4 and state[key].shape[-2:] != own.shape[-2:]:
            state[key] = state[key].mean((2, 3), keepdim=True).transpose(0, 1).contiguous()  # (in, out, 2, 2) -> (out, in, 1, 1)
    stem = "encoder.conv1.1.weight"
    if stem in state and not any(key.startswith("trunk.") for key in state):
        state[stem] = state[stem].clone()  # (width, 16, 3, 3): each colour's four pixels, then the map's
        state[stem][:, 12:] = 0
    return state


def lengthen(trunk: nn.Module, state: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """Make the blocks of a trunk that a shorter one's parameters lack start as their shortcuts: the network begins as that one.

    Args:
        trunk: What ``build_trunk`` returns; written to.
        state: Name -> parameter of an inpainting network, ``trunk.`` before its trunk's.

    Returns:
        What the names of those blocks' parameters begin with.

    >>> short, long = (build_trunk(8, dilations) for dilations in [(1,), (1, 2)])
    >>> lengthen(long, {f"trunk.{name}": value for name, value in short.state_dict().items()})
    ('trunk.1.',)
    """
    added = []
    for name, block in trunk.named_modules(prefix="trunk"):
        if isinstance(block, Bottleneck) and not any(key.startswith(f"{name}.") for key in state):
            block.zero_init()
            added.append(f"{name}.")
    return tuple(added)


def build(
    *,
    widths: Sequence[int] = (64, 128, 256),
    down: Sequence[int] = (2, 2, 2),
    up: Sequence[int] = (2, 2, 2),
    dilations: Sequence[int] = (1, 2, 4, 8, 1, 2, 4, 8),
    block: str = "gated",
    encoder: str = "",
    trunk: int = 0,
    finish: int = 0,
) -> Inpainting:
    """Build the network with random weights.

    Args:
        widths: Channels at 1/2, 1/4, 1/8 of the size.
        down: Blocks of the encoder at each scale.
        up: Blocks of the decoder at each scale.
        dilations: One bottleneck of the trunk for each.
        block: A name in ``networks.base.BLOCKS``, for encoder and decoder.
        encoder: Another one for the encoder, such as ``"plain"``, VGG's; empty: ``block``.
        trunk: Channels of the trunk; 0: those of the encoder's coarsest map.
        finish: Channels of two last convolutions at full size, before which the decoder's steps up interpolate: large holes stay free of
            the grid that transposed convolutions and pixel-shuffle draw. 0: neither.

    Raises:
        ValueError: Unknown block.

    >>> net = build(widths=(8, 8, 8), trunk=16, finish=4)
    >>> net(torch.zeros(1, 3, 16, 24), torch.ones(1, 1, 16, 24)).shape
    torch.Size([1, 3, 16, 24])
    """
    built = build_encoder(widths, down, encoder or block)
    decoder = UpDecoder(built.channels, depths=up, block=factory(block), smooth=finish > 0)
    return Inpainting(built, build_trunk(built.channels[-1], dilations, trunk), decoder, finish=finish)
