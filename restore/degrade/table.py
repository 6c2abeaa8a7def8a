"""The table of degradations."""

from collections.abc import Mapping

import torch

from restore.degrade import blur, codec, damage, noise, sampling, surface, tone
from restore.degrade.base import Degradation

DEGRADATIONS: dict[str, Degradation] = {
    **noise.ROWS,
    **blur.ROWS,
    **sampling.ROWS,
    **codec.ROWS,
    **tone.ROWS,
    **surface.ROWS,
    **damage.ROWS,
}
"""Name -> degradation; ``augment.Degrade``, the command line and the tests read it."""

SPREADING = {"gaussian_blur", "defocus", "motion_blur", "rescale", "pixelate"}
"""What carries the traces of damage to pixels beside it, and so does the same to its mask."""


def apply(name: str, x: torch.Tensor, drawn: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Damage pictures (N, C, H, W) with parameters that ``DEGRADATIONS[name].draw`` gave; autocast is off, whoever calls."""
    with torch.autocast(x.device.type, enabled=False):
        return DEGRADATIONS[name].function(x, **drawn)
