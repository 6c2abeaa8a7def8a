"""What every network says of its needs."""

from torch import nn


class Network(nn.Module):
    """A network that maps pictures to pictures of the same size.

    Attributes:
        multiple_of: Height and width of its input must be multiples of this.
        min_size: Smallest height and width.
        halo: How far an output pixel sees, in pixels, rounded up to ``multiple_of``; None: the whole picture.
        takes_mask: Its second input is a mask (N, 1, H, W), 1 = repair; otherwise a noise level.
    """

    multiple_of: int = 1
    min_size: int = 1
    halo: int | None = None
    takes_mask: bool = False
