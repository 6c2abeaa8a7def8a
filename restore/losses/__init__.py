"""Losses: each maps a prediction and a target to one number to minimise, computed in float32 (or float64) whatever autocast says.

The loss of a batch is the mean of the losses of its samples.

>>> import torch
>>> photograph, repaired, hole = torch.ones(2, 3, 64, 64), torch.full((2, 3, 64, 64), 0.5), torch.ones(2, 1, 64, 64)
>>> hole_l1(repaired, photograph, hole)
tensor(0.5000)
"""

from restore.losses.adversarial import (
    ADVERSARIAL,
    Adversarial,
    feature_matching,
    hinge_discriminator,
    hinge_generator,
    nonsaturating_discriminator,
    nonsaturating_generator,
    r1,
    relativistic,
)
from restore.losses.classification import cross_entropy
from restore.losses.distance import DISTANCES, charbonnier, hole_l1, l1, mse
from restore.losses.frequency import focal_frequency, frequency_l1
from restore.losses.perceptual import Features, Perceptual, gram
from restore.losses.segmentation import bce_dice, dice, focal
from restore.losses.structural import ssim
from restore.losses.variation import total_variation

__all__ = [
    "ADVERSARIAL",
    "DISTANCES",
    "Adversarial",
    "Features",
    "Perceptual",
    "bce_dice",
    "charbonnier",
    "cross_entropy",
    "dice",
    "feature_matching",
    "focal",
    "focal_frequency",
    "frequency_l1",
    "gram",
    "hinge_discriminator",
    "hinge_generator",
    "hole_l1",
    "l1",
    "mse",
    "nonsaturating_discriminator",
    "nonsaturating_generator",
    "r1",
    "relativistic",
    "ssim",
    "total_variation",
]
