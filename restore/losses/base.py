"""What the losses share: their precision and their means."""

import torch


def precise(x: torch.Tensor) -> torch.Tensor:
    """``x`` in float32, or in float64 if it is that: what comes from autocast, and masks of integers, are raised.

    >>> precise(torch.zeros(1, dtype=torch.bfloat16)).dtype, precise(torch.zeros(1, dtype=torch.float64)).dtype
    (torch.float32, torch.float64)
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


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
    weight = expanded(weight, values)
    total = weight.flatten(1).sum(1).clamp_min(torch.finfo(weight.dtype).tiny)
    return ((values * weight).flatten(1).sum(1) / total).mean()


def expanded(weight: torch.Tensor, values: torch.Tensor, *, name: str = "weight") -> torch.Tensor:
    """``weight`` in the shape of ``values``, in ``precise``.

    Args:
        weight: As many axes, each of one value or as many.
        values: (N, ...).
        name: What the error calls it.

    Raises:
        ValueError: Its shape is another.

    >>> expanded(torch.ones(2, 1, 4, 4), torch.zeros(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """
    if weight.ndim != values.ndim or any(w not in (1, v) for w, v in zip(weight.shape, values.shape, strict=True)):
        raise ValueError(f"the {name} has shape {tuple(weight.shape)}; expected one that expands to {tuple(values.shape)}")
    return precise(weight).expand_as(values)
