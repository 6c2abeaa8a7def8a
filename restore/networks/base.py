"""What every network says of its needs, and the parts that the networks share."""

from collections.abc import Sequence

from torch import nn

from restore.backbones.resnet import ResNet
from restore.nn.blocks import BlockFactory, GatedBlock, PlainBlock

BLOCKS: dict[str, tuple[BlockFactory, int]] = {
    "gated": (GatedBlock, GatedBlock.reach),
    "plain": (PlainBlock, PlainBlock.reach),
}
"""Name of a block without normalisation over pixels -> builder, and how many pixels around it sees."""
LONGEST = 8192
"""Side of the picture that a network is traced with, in pixels: a loop over scales is unrolled as often as that needs."""


class Network(nn.Module):
    """A network that maps pictures to pictures of the same size.

    Attributes:
        multiple_of: Height and width of its input must be multiples of this.
        min_size: Smallest height and width.
        halo: How far an output pixel sees, in pixels, rounded up to ``multiple_of``; None: the whole picture.
        takes_mask: Its second input is a mask (N, 1, H, W), 1 = repair. Of the others ``UNet`` takes pictures alone; the second input of
            the rest is a number or two: a noise level, or a filter and its strength.
    """

    multiple_of: int = 1
    min_size: int = 1
    halo: int | None = None
    takes_mask: bool = False


def start_as_identity(network: nn.Module, tail: nn.Conv2d) -> None:
    """Zero the last convolution of every residual branch and of ``tail``: untrained, the network returns its input."""
    for module in network.modules():
        if hasattr(module, "zero_init"):
            module.zero_init()  # type: ignore[operator]
    for parameter in tail.parameters():
        nn.init.zeros_(parameter)


def build_encoder(widths: Sequence[int], depths: Sequence[int], block: str) -> ResNet:
    """The encoder that restoration and inpainting share: stages at 1/2, 1/4, ... of so many blocks, on 4 channels.

    Raises:
        ValueError: ``block`` is not in ``BLOCKS``.
    """
    return ResNet(factory(block), depths, widths, stem="unshuffle", transition="conv", in_channels=4, num_classes=0)


def factory(block: str) -> BlockFactory:
    """The builder of the block called ``block``.

    Raises:
        ValueError: It is not in ``BLOCKS``.
    """
    if block not in BLOCKS:
        raise ValueError(f"block {block!r} is unknown; expected one of {', '.join(BLOCKS)}")
    return BLOCKS[block][0]
