"""Distances pixel by pixel, each a mean over the batch; with ``weight`` over a part of it, such as a hole."""

from collections.abc import Callable

import torch

from restore.losses.base import alike, mean

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


def hole_l1(prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean absolute error over the pixels of each sample's hole, then over the batch.

    Args:
        prediction: (N, C, H, W).
        target: (N, C, H, W).
        mask: (N, 1, H, W), 1 = hole. Without any hole the loss is 0.

    Raises:
        ValueError: As ``l1``.

    >>> hole_l1(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.eye(2)[None, None])
    tensor(1.)
    """
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
