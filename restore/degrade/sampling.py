"""Loss of samples and of levels."""

import torch

from restore.degrade.base import Degradation, Even, Integer, Strength, column

KINDS = ("area", "bilinear", "bicubic", "nearest")
"""How pictures are resampled; a drawn parameter is the place in this list."""


def quantize(x: torch.Tensor, levels: int = 255) -> torch.Tensor:
    """Clip to [0, 1] and round to ``levels`` steps, as an integer file stores it.

    >>> quantize(torch.tensor([-0.2, 0.5, 1.3]))
    tensor([0.0000, 0.5020, 1.0000])
    """
    return (x.clamp(0, 1) * levels).round() / levels


def resampling(source: torch.Tensor, target: torch.Tensor, kind: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Matrices that resample lines of ``source`` pixels to ``target`` pixels, antialiased where these are fewer.

    "area" is the mean over what a new pixel covers; "bilinear" and "bicubic" (Keys 1981, a = -1/2) widen when they shrink, as in
    Pillow; "nearest" takes the pixel under the new one's centre.

    Args:
        source: How many pixels each line has, (N,), float.
        target: How many it gets, (N,), float.
        kind: The place in ``KINDS``, (N,).
        shape: Rows and columns, no fewer than the largest of ``target`` and ``source``.

    Returns:
        (N, *shape): rows that sum to 1, zeros outside (target, source).

    >>> resampling(torch.tensor([4.0]), torch.tensor([2.0]), torch.zeros(1), (2, 4))[0]
    tensor([[0.5000, 0.5000, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.5000, 0.5000]])
    """
    source, target = source[:, None, None], target[:, None, None]
    row = torch.arange(shape[0], device=source.device)[:, None]
    place = torch.arange(shape[1], device=source.device)
    scale = source / target
    centre = (row + 0.5) * source / target  # (N, rows, 1); exact where it is whole
    distance = (place + 0.5 - centre).abs()
    near = distance / scale.clamp(min=1)
    inner, outer = (1.5 * near - 2.5) * near**2 + 1, ((2.5 - 0.5 * near) * near - 4) * near + 2
    kinds = torch.stack(
        [
            ((1 + scale) / 2 - distance).clamp(min=0).minimum(scale.clamp(max=1)),
            (1 - near).clamp(min=0),
            torch.where(near < 1, inner, torch.where(near < 2, outer, 0)),
            (centre.floor() == place).float(),
        ]
    )  # (4, N, rows, columns)
    weights = kinds[kind.long(), torch.arange(len(kind), device=kind.device)] * (place < source)
    return torch.where(row < target, weights / weights.sum(2, keepdim=True), 0)


def rescale(x: torch.Tensor, factor: torch.Tensor, down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Shrink pictures and enlarge them again.

    Each axis of each picture is multiplied by one matrix: the time grows with the third power of the side.

    Args:
        x: Pictures (N, C, H, W).
        factor: Of the shrinking, (N,), above 0 and at most 1; sides are rounded to whole pixels, at least one.
        down: How to shrink, (N,), a place in ``KINDS``.
        up: How to enlarge, (N,).

    Returns:
        (N, C, H, W).

    >>> x = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
    >>> rescale(x, torch.tensor([0.5]), torch.tensor([0]), torch.tensor([3]))
    tensor([[[[0.5000, 0.5000, 2.5000, 2.5000]]]])
    """

    def there_and_back(side: int) -> torch.Tensor:
        full = torch.full_like(factor, side)
        small = (side * factor).round().clamp(min=1)
        return (resampling(small, full, up, (side, side)) @ resampling(full, small, down, (side, side)))[:, None]  # (N, 1, side, side)

    return there_and_back(x.shape[2]) @ x @ there_and_back(x.shape[3]).mT


def pixelate(x: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    """Make cells of one colour each, about ``cell`` pixels a side: a thumbnail that was enlarged.

    Args:
        x: Pictures (N, C, H, W).
        cell: (N,), 1 or more.

    >>> pixelate(torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]]), torch.tensor([2.0]))
    tensor([[[[0.5000, 0.5000, 2.5000, 2.5000]]]])
    """
    area, nearest = (torch.full_like(cell, KINDS.index(kind)) for kind in ("area", "nearest"))
    return rescale(x, 1 / cell, area, nearest)


def banding(x: torch.Tensor, levels: torch.Tensor, dither: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Leave few levels, as a small palette does; clipped to [0, 1].

    Args:
        x: Pictures (N, C, H, W).
        levels: How many a channel has, (N,), 2 or more; rounded to whole numbers.
        dither: 0: flat bands; 1: noise of one level's width breaks them (Roberts 1962), (N,).
        where: Samples evenly in [0, 1] of the shape of ``x``.

    >>> banding(torch.tensor([[[[0.2, 0.3, 1.2]]]]), torch.tensor([3]), torch.tensor([0.0]), torch.zeros(1, 1, 1, 3))
    tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """
    steps = column(levels).round() - 1
    return (x.clamp(0, 1) * steps + column(dither) * (where - 0.5)).round().clamp(min=0).minimum(steps) / steps


ROWS = {
    "rescale": Degradation("sampling", rescale, {"factor": Strength(0.95, 0.25), "down": Integer(0, 2), "up": Integer(1, 3)}),
    "pixelate": Degradation("sampling", pixelate, {"cell": Strength(1.2, 6)}),
    "banding": Degradation("sampling", banding, {"levels": Strength(48, 8, log=True), "dither": Integer(0, 1), "where": Even()}),
}
