"""Damage as pure functions of drawn parameters on tensors (N, C, H, W), and the table of it.

>>> import torch
>>> from restore.draws import Draws
>>> x = torch.rand(2, 3, 16, 24)
>>> drawn = DEGRADATIONS["gaussian_noise"].draw(Draws(0, range(2)), x.shape, severity=0.5)
>>> apply("gaussian_noise", x, drawn).shape
torch.Size([2, 3, 16, 24])
"""

from restore.degrade.arrays import NAMES, degrade
from restore.degrade.base import Degradation
from restore.degrade.composition import OLD_PHOTOGRAPH, compose, old_photograph
from restore.degrade.jpeg import jpeg
from restore.degrade.noise import gaussian_noise
from restore.degrade.sampling import quantize
from restore.degrade.table import DEGRADATIONS, apply

__all__ = [
    "DEGRADATIONS",
    "NAMES",
    "OLD_PHOTOGRAPH",
    "Degradation",
    "apply",
    "compose",
    "degrade",
    "gaussian_noise",
    "jpeg",
    "old_photograph",
    "quantize",
]
