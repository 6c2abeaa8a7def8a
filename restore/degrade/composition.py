"""Old photographs: drawn damage, one after another in an order that could have happened, and the mask of what is beyond repair.

>>> clean, damaged, mask = old_photograph(torch.rand(2, 3, 64, 64), Draws(0, range(2)))
>>> damaged.shape, mask.shape
(torch.Size([2, 3, 64, 64]), torch.Size([2, 1, 64, 64]))
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from restore.degrade.base import numbers
from restore.degrade.damage import near
from restore.degrade.table import DEGRADATIONS, SPREADING, apply
from restore.degrade.tone import luma, monochrome
from restore.draws import Draws

EXPOSED: tuple[Mapping[str, float], ...] = (
    {"defocus": 0.08, "motion_blur": 0.05, "gaussian_blur": 0.12, "film_grain": 0.25, "vignette": 0.15},  # camera, enlarger
    {"halftone": 0.05, "film_scratches": 0.12},  # press, projector
)
AGED: tuple[Mapping[str, float], ...] = (
    {"fading": 0.35, "yellowing": 0.35, "sepia": 0.15, "contrast_loss": 0.3, "cast": 0.12},  # decades
    {"paper_texture": 0.12, "linen_texture": 0.03, "silk_texture": 0.04, "foxing": 0.1, "stains": 0.2},  # paper, damp
    {"scratches": 0.3, "cracks": 0.2, "folds": 0.25, "flakes": 0.08, "handwriting": 0.06, "text": 0.06},  # hands
    {"tears": 0.15, "dust": 0.3},
    {"uneven_light": 0.1, "gaussian_noise": 0.15, "poisson_gaussian": 0.1, "correlated_noise": 0.05, "rescale": 0.12},  # scanner
    {"jpeg": 0.45, "banding": 0.03},  # file
)
OLD_PHOTOGRAPH = EXPOSED + AGED
"""Stages in the order in which they happen to a photograph: name -> share of the pictures that it happens to."""


def truth(mask: torch.Tensor, before: torch.Tensor, after: torch.Tensor, *, see_through: bool = False) -> torch.Tensor:
    """Where damage is beyond repair: its mask, margin included, as (N, 1, H, W) of 0 and 1.

    Args:
        mask: As drawn, (N, 1, H, W).
        before: Pictures (N, C, H, W) without the damage.
        after: With it.
        see_through: Leave out what is more than a pixel from any change by 8 / 255: faint damage, and white damage on white.
    """
    if see_through:
        mask = mask * near(((after - before).abs().amax(1, keepdim=True) > 8 / 255).to(mask.dtype), 1)
    return (mask > 0).to(before.dtype)


def mark(name: str, mask: torch.Tensor, drawn: Mapping[str, torch.Tensor], before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """What is beyond repair once a degradation has happened: what was before, spread by blur, and what it marks itself.

    Args:
        name: In ``DEGRADATIONS``.
        mask: Before it, (N, 1, H, W), 0 or 1.
        drawn: Its parameters.
        before: Pictures (N, C, H, W) without it.
        after: With it.

    Returns:
        (N, 1, H, W), 0 or 1.
    """
    row = DEGRADATIONS[name]
    if row.mask:
        return torch.maximum(mask, truth(drawn[row.mask], before, after, see_through="opacity" in drawn))
    if name in SPREADING:
        return torch.maximum(mask, (apply(name, mask, drawn) > 0.15).to(mask.dtype))
    return mask


def compose(
    x: torch.Tensor,
    steps: Sequence[Mapping[str, float]],
    draws: Draws,
    *,
    severity: float | np.ndarray | None = None,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Damage pictures stage by stage, each picture by its own choice; the order within a stage is drawn once for the batch.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        steps: Stages in their order: name in ``DEGRADATIONS`` -> probability.
        draws: Where the numbers come from, one set for each picture.
        severity: Of the worst damage of a picture, 0 to 1, for all or (N,); None draws it evenly. Each damage has an even share of it.
        mask: What is beyond repair already, (N, 1, H, W), 0 or 1.

    Returns:
        Damaged pictures (N, C, H, W), clipped to [0, 1]; where only inpainting helps, (N, 1, H, W), 1 there, else 0.

    Raises:
        ValueError: A step that is not in the table, or a severity outside 0 to 1.
    """
    unknown = [name for stage in steps for name in stage if name not in DEGRADATIONS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no degradation; expected some of {', '.join(DEGRADATIONS)}")
    worst = draws.uniform()
    worst = worst if severity is None else np.broadcast_to(np.asarray(severity, np.float64), worst.shape)
    if not ((worst >= 0) & (worst <= 1)).all():
        raise ValueError(f"severity is {severity}; expected 0 to 1")
    mask, order = torch.zeros_like(x[:, :1]) if mask is None else mask, draws.common()
    for stage in steps:
        names = list(stage)
        for name in [names[i] for i in order.permutation(len(names))]:
            chosen, share, seeds = draws.uniform() < stage[name], draws.uniform(), draws.seeds()
            if not chosen.any():
                continue
            row, which = DEGRADATIONS[name], torch.from_numpy(np.flatnonzero(chosen)).to(x.device)
            part, marked = x[which], mask[which]
            shape = (len(part), x.shape[1], x.shape[2], x.shape[3])
            drawn = row.draw(Draws(0, seeds[chosen].tolist(), draws.device), shape, (worst * share)[chosen])
            result = apply(name, part, drawn).clamp(0, 1).to(x.dtype)
            x, mask = x.index_copy(0, which, result), mask.index_copy(0, which, mark(name, marked, drawn, part, result))
    return x, mask


def old_photograph(
    x: torch.Tensor, draws: Draws, *, severity: float | np.ndarray | None = None, grey: float = 0.4
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Make old photographs of new ones.

    Args:
        x: Pictures (N, C, H, W) in [0, 1].
        draws: Where the numbers come from, one set for each picture.
        severity: As for ``compose``.
        grey: Share of the pictures on black-and-white film.

    Returns:
        What a restorer should come to: ``x``, some of it grey, (N, C, H, W); the old photographs (N, C, H, W); where only inpainting
        helps, (N, 1, H, W), 1 there, else 0.
    """
    chosen = torch.from_numpy(draws.uniform() < grey).to(x.device).reshape(-1, 1, 1, 1)
    red, blue = (numbers(draws.uniform(low, high), draws).to(x.device) for low, high in ((0.0, 0.35), (0.1, 0.5)))
    worst = draws.uniform() if severity is None else severity
    clean = torch.where(chosen, monochrome(x, red, blue), x)
    exposed, mask = compose(clean, EXPOSED, draws, severity=worst)
    exposed = torch.where(chosen, luma(exposed).expand_as(exposed), exposed)  # silver has no colour, nor have its grain and scratches
    return clean, *compose(exposed, AGED, draws, severity=worst, mask=mask)
