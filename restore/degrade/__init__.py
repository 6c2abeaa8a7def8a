"""Damage as pure functions of drawn parameters on tensors (N, C, H, W), and the table of it.

>>> from restore.draws import Draws
>>> x = torch.rand(2, 3, 16, 24)
>>> drawn = DEGRADATIONS["gaussian_noise"].draw(Draws(0, range(2)), x.shape, severity=0.5)
>>> apply("gaussian_noise", x, drawn).shape
torch.Size([2, 3, 16, 24])
"""

from collections.abc import Mapping

import torch

from restore.degrade import blur, codec, damage, noise, sampling, surface, tone
from restore.degrade.base import Degradation
from restore.degrade.composition import OLD_PHOTOGRAPH, compose, old_photograph
from restore.degrade.jpeg import jpeg
from restore.degrade.noise import gaussian_noise
from restore.degrade.sampling import quantize

__all__ = ["DEGRADATIONS", "OLD_PHOTOGRAPH", "Degradation", "apply", "compose", "gaussian_noise", "jpeg", "old_photograph", "quantize"]

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


def apply(name: str, x: torch.Tensor, drawn: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Damage pictures (N, C, H, W) with parameters that ``DEGRADATIONS[name].draw`` gave; autocast is off, whoever calls."""
    with torch.autocast(x.device.type, enabled=False):
        return DEGRADATIONS[name].function(x, **drawn)
