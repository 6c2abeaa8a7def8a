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
    """Damage pictures, computed in float32 whatever their type and autocast say.

    Args:
        name: In ``DEGRADATIONS``.
        x: (N, C, H, W) float in [0, 1], C = 1 or 3; N may be 0.
        drawn: What ``DEGRADATIONS[name].draw`` gave.

    Returns:
        The shape and type of ``x``, neither clipped nor rounded unless a file would do so.

    Raises:
        ValueError: Neither 1 nor 3 channels.

    >>> apply("contrast_loss", torch.ones(1, 1, 1, 1), {"strength": torch.tensor([0.5]), "haze": torch.tensor([0.5])}).item()
    0.75
    """
    if x.shape[1] not in {1, 3}:
        raise ValueError(f"pictures have {x.shape[1]} channels; expected 1 or 3")
    if not len(x):
        return x.clone()
    with torch.autocast(x.device.type, enabled=False):
        return DEGRADATIONS[name].function(x.float(), **drawn).to(x.dtype)
