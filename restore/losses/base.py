"""What the losses share: their precision and their means."""

import torch


def precise(x: torch.Tensor) -> torch.Tensor:
    """``x`` in float32, or in float64 if it is that: what comes from autocast, and masks of integers, are raised.

    >>> precise(torch.zeros(1, dtype=torch.bfloat16)).dtype, precise(torch.zeros(1, dtype=torch.float64)).dtype
    (torch.float32, torch.float64)
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def exact(x: torch.Tensor) -> torch.autocast:
    """Where convolutions and matrix products keep the precision of what they are given, even inside autocast.

    >>> with torch.autocast("cpu", torch.bfloat16), exact(torch.ones(1)):
    ...     (torch.ones(1, 1) @ torch.ones(1, 1)).dtype
    torch.float32
    """
    return torch.autocast(x.device.type, enabled=False)


def alike(prediction: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both in ``precise``.

    Raises:
        ValueError: Their shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"the prediction has shape {tuple(prediction.shape)}; expected the target's {tuple(target.shape)}")
    return precise(prediction), precise(target)


def mean(values: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Mean over the samples of the mean over each, so that the loss of a batch is the mean of the losses of its samples.

    Args:
        values: (N, ...).
        weight: How much each value counts in its sample, from 0; of a shape that expands to that of ``values``, as a mask (N, 1, H, W)
            does. A sample without any weight has mean 0. None: all alike.

    Raises:
        ValueError: The shape of ``weight`` does not expand to that of ``values``.

    >>> mean(torch.tensor([[1.0, 3.0], [5.0, 5.0]]), torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor(1.5000)
    """
    if weight is None:
        return values.mean()
    if weight.ndim != values.ndim or any(w not in (1, v) for w, v in zip(weight.shape, values.shape, strict=True)):
        raise ValueError(f"the weight has shape {tuple(weight.shape)}; expected one that expands to {tuple(values.shape)}")
    weight = precise(weight).expand_as(values)
    total = weight.flatten(1).sum(1).clamp_min(torch.finfo(weight.dtype).tiny)
    return ((values * weight).flatten(1).sum(1) / total).mean()
