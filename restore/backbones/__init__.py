"""Classic convolutional encoders: built by name, without weights; feature maps at every scale.

>>> import torch
>>> [tuple(f.shape) for f in build("resnet18").features(torch.zeros(1, 3, 64, 64))]
[(1, 64, 16, 16), (1, 128, 8, 8), (1, 256, 4, 4), (1, 512, 2, 2)]
"""

from restore.backbones import resnet
from restore.backbones.base import Backbone

BACKBONES = {
    **dict.fromkeys(resnet.VARIANTS, resnet.build),
}
"""Name -> builder ``builder(name, in_channels=..., num_classes=..., output_stride=...)``."""


def build(name: str, *, in_channels: int = 3, num_classes: int = 1000, output_stride: int | None = None) -> Backbone:
    """Build the encoder called ``name`` with random weights; no file or network is touched.

    Args:
        name: A key of ``BACKBONES``.
        in_channels: Channels of the input.
        num_classes: Outputs of the classifier; 0 builds none.
        output_stride: Largest reduction (32, 16 or 8); dilation replaces stride beyond it. None: the paper's.

    Raises:
        ValueError: Unknown name, or an output stride the network cannot have.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r} is unknown; expected one of {', '.join(BACKBONES)}")
    return BACKBONES[name](name, in_channels=in_channels, num_classes=num_classes, output_stride=output_stride)


__all__ = ["BACKBONES", "Backbone", "build"]
