"""Losses of classes, of which one is right."""

import torch
import torch.nn.functional as F

from restore.losses.base import precise


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, *, smoothing: float = 0.0, gamma: float = 0.0) -> torch.Tensor:
    """Cross-entropy with label smoothing and, with ``gamma``, the focus on what is still wrong.

    Args:
        logits: (N, K), or (N, K, H, W) for a class at each pixel.
        labels: (N,) or (N, H, W), integers from 0 to K - 1.
        smoothing: Share of the target that all classes have alike, 0 to 1 (Szegedy et al. 2016, "Rethinking the Inception Architecture
            for Computer Vision", section 7), as torch's ``label_smoothing``.
        gamma: The loss is multiplied by ``(1 - p)^gamma``, p being the probability of the label (Lin et al. 2017, "Focal Loss for Dense
            Object Detection"); from 0.

    Raises:
        ValueError: ``smoothing`` is not within 0 and 1, or ``gamma`` below 0.

    >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2])), cross_entropy(torch.zeros(1, 4), torch.tensor([2]), gamma=1.0)
    (tensor(1.3863), tensor(1.0397))
    """
    if not 0 <= smoothing <= 1 or not gamma >= 0:
        raise ValueError(f"smoothing is {smoothing} and gamma {gamma}; expected smoothing from 0 to 1 and gamma from 0")
    logits = precise(logits)
    loss = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)  # (N,) or (N, H, W)
    if gamma:
        others = logits.scatter(1, labels.unsqueeze(1), -torch.inf).logsumexp(1)
        loss = loss * (gamma * (others - logits.logsumexp(1))).exp()
    return loss.mean()
