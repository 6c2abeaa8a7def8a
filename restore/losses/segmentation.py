"""Losses of masks: logits (N, K, H, W), one for each pixel and kind of damage, against targets of 0 and 1. K is 1 for one mask."""

import torch
import torch.nn.functional as F

from restore.losses.base import alike


def dice(logits: torch.Tensor, target: torch.Tensor, *, smooth: float = 1.0) -> torch.Tensor:
    """1 - the Dice coefficient of probabilities p and target t, ``(2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth)``.

    The sums run over the pixels of each mask, then the mean over masks is taken: small damage counts as much as large (Milletari et al.
    2016, "V-Net"; without squares as in Sudre et al. 2017, "Generalised Dice Overlap").

    Args:
        logits: (N, K, H, W).
        target: The same shape, 0 to 1.
        smooth: In pixels, above 0: an empty mask found empty has loss 0, and there is a gradient for it.

    Raises:
        ValueError: The shapes differ, or ``smooth`` is not above 0.

    >>> dice(torch.tensor([[[[50.0, -50.0]]]]), torch.tensor([[[[1.0, 1.0]]]]))  # 1 - (2 + 1) / (3 + 1)
    tensor(0.2500)
    """
    if not smooth > 0:
        raise ValueError(f"smooth is {smooth}; expected a number above 0")
    logits, target = alike(logits, target)
    p = logits.sigmoid()
    both, total = (p * target).sum((-2, -1)), (p + target).sum((-2, -1))  # (N, K)
    return (1 - (2 * both + smooth) / (total + smooth)).mean()


def focal(logits: torch.Tensor, target: torch.Tensor, *, gamma: float = 2.0, alpha: float | None = 0.25) -> torch.Tensor:
    """Cross-entropy in which pixels that are already right count little: ``-alpha_t (1 - p_t)^gamma log(p_t)``.

    Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 5; the mean over all pixels.

    Args:
        logits: (N, K, H, W).
        target: The same shape, 0 to 1; values between are a mixture of both losses.
        gamma: From 0, which is the cross-entropy.
        alpha: Weight of the ones, 1 - ``alpha`` being that of the zeros; None: 1 for both.

    Raises:
        ValueError: The shapes differ, ``gamma`` is below 0 or ``alpha`` not within 0 and 1.

    >>> focal(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), alpha=None)  # log(2) / 4
    tensor(0.1733)
    """
    if not gamma >= 0 or (alpha is not None and not 0 <= alpha <= 1):
        raise ValueError(f"gamma is {gamma} and alpha {alpha}; expected gamma from 0, and alpha from 0 to 1 or None")
    logits, target = alike(logits, target)
    log_p, log_q = F.logsigmoid(logits), F.logsigmoid(-logits)
    of_one, of_zero = -(gamma * log_q).exp() * log_p, -(gamma * log_p).exp() * log_q
    one, zero = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    return (one * target * of_one + zero * (1 - target) * of_zero).mean()


def bce_dice(logits: torch.Tensor, target: torch.Tensor, *, dice_weight: float = 0.5) -> torch.Tensor:
    """Binary cross-entropy, which judges each pixel, and ``dice``, which judges each mask, weighed against each other.

    Args:
        logits: (N, K, H, W).
        target: The same shape, 0 to 1.
        dice_weight: Share of ``dice``, 0 to 1.

    Raises:
        ValueError: The shapes differ, or ``dice_weight`` is not within 0 and 1.

    >>> bce_dice(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))  # log(2) / 2 + (1 - 5 / 7) / 2
    tensor(0.4894)
    """
    if not 0 <= dice_weight <= 1:
        raise ValueError(f"dice_weight is {dice_weight}; expected 0 to 1")
    logits, target = alike(logits, target)
    entropy = F.binary_cross_entropy_with_logits(logits, target)
    return (1 - dice_weight) * entropy + dice_weight * dice(logits, target)
