"""Distances pixel by pixel, each a mean over the batch; with ``weight`` over a part of it, such as a hole."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from restore.losses.base import alike, mean, precise

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def l1(prediction: torch.Tensor, target: torch.Tensor, *, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Mean absolute error.

    Args:
        prediction: (N, ...), of any range.
        target: The same shape.
        weight: How much each value counts, from 0: a mask (N, 1, H, W), say. The mean is taken over each sample, then over the batch; a
            sample without any weight has error 0. None: all alike.

    Raises:
        ValueError: The shapes differ, or that of ``weight`` does not expand to them.

    >>> l1(torch.tensor([[1.0, 4.0]]), torch.zeros(1, 2))
    tensor(2.5000)
    """
    prediction, target = alike(prediction, target)
    return mean((prediction - target).abs(), weight)


def mse(prediction: torch.Tensor, target: torch.Tensor, *, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared error; arguments and errors are those of ``l1``.

    >>> mse(torch.tensor([[1.0, 4.0]]), torch.zeros(1, 2))
    tensor(8.5000)
    """
    prediction, target = alike(prediction, target)
    return mean((prediction - target).square(), weight)


def charbonnier(prediction: torch.Tensor, target: torch.Tensor, *, eps: float = 1e-3, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Mean of ``sqrt(d^2 + eps^2)``, a smooth L1 (Charbonnier et al. 1994, "Two deterministic half-quadratic regularization algorithms").

    Args:
        prediction: As for ``l1``.
        target: As for ``l1``.
        eps: Its value where the two are equal, and about the error below which it is quadratic; in the unit of the pixels.
        weight: As for ``l1``.

    Raises:
        ValueError: As ``l1``; or ``eps`` is not above 0, without which there is no gradient where the two are equal.

    >>> charbonnier(torch.full((1, 1), 3.0), torch.zeros(1, 1), eps=4.0)
    tensor(5.)
    """
    if not eps > 0:
        raise ValueError(f"eps is {eps}; expected a number above 0")
    prediction, target = alike(prediction, target)
    return mean(((prediction - target).square() + eps * eps).sqrt(), weight)


def hole_l1(prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, *, deep: float = 1.0, window: int = 33) -> torch.Tensor:
    """Mean absolute error over the pixels of each sample's hole, then over the batch; far inside of large holes it may count less.

    What is there is anybody's guess, and the best guess for this loss is grey (Yu et al. 2018, "Generative Image Inpainting with
    Contextual Attention", section 3.2, which discounts by the distance to what is known).

    Args:
        prediction: (N, C, H, W).
        target: (N, C, H, W).
        mask: (N, 1, H, W), 1 = hole. Without any hole the loss is 0.
        deep: What a pixel counts that sees nothing but hole, 0 to 1; from there it grows with the known share of what it sees, to 1.
        window: Height and width of what a pixel sees, odd.

    Raises:
        ValueError: As ``l1``; or ``deep`` is not in its range.

    >>> hole_l1(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.eye(2)[None, None])
    tensor(1.)
    >>> hole_l1(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2), deep=0.25)
    tensor(0.2500)
    """
    if not 0 <= deep <= 1:
        raise ValueError(f"deep is {deep}; expected 0 to 1")
    if deep < 1:
        prediction, target = alike(prediction, target)
        share = precise(mask)
        for kernel in ((1, window), (window, 1)):
            share = F.avg_pool2d(share, kernel, 1, (kernel[0] // 2, kernel[1] // 2), count_include_pad=False)
        weight = 1 - (1 - deep) * share
        prediction, target = weight * prediction, weight * target
    return l1(prediction, target, weight=mask)


DISTANCES: dict[str, Distance] = {"l1": l1, "mse": mse}
"""Name -> mean distance of two tensors of one shape, as losses of feature maps take it."""


def distance(kind: str) -> Distance:
    """The distance called ``kind``.

    Raises:
        ValueError: The name is not in ``DISTANCES``.

    >>> distance("mse")(torch.ones(1, 2), torch.zeros(1, 2))
    tensor(1.)
    """
    if kind not in DISTANCES:
        raise ValueError(f"distance {kind!r} is unknown; expected one of {', '.join(DISTANCES)}")
    return DISTANCES[kind]
