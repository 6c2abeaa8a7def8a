"""Optimisers and learning-rate schedules."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised (Jordan et al. 2024, "Muon"), scaled so that AdamW's learning rates carry over.

    A convolution's weight (out, in, k, k) is seen as a matrix (out, in * k * k). The factor ``0.2 * sqrt(max(rows, columns))``
    gives the step AdamW's root mean square (Liu et al. 2025, "Muon is Scalable for LLM Training").

    Args:
        params: Weights of two or more dimensions.
        lr: Learning rate.
        momentum: Nesterov momentum.
        weight_decay: Share of the weight that a step of learning rate 1 takes away, as AdamW's.

    Raises:
        ValueError: A parameter has fewer than two dimensions.
    """

    def __init__(self, params: list[nn.Parameter], lr: float = 2e-3, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim < 2:
                    raise ValueError(f"Muon takes weights of two or more dimensions; got shape {tuple(parameter.shape)}")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter.grad)
                buffer = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(buffer, group["momentum"]).flatten(1)  # (out, in * k * k)
                rows, columns = update.shape
                step = orthogonalize(update).reshape(parameter.shape)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(step, alpha=-group["lr"] * 0.2 * max(rows, columns) ** 0.5)


def orthogonalize(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Move the singular values of ``matrix`` (rows, columns) near 1 with Newton-Schulz iterations of order five.

    >>> values = torch.linalg.svdvals(orthogonalize(torch.randn(8, 20, generator=torch.Generator().manual_seed(0))))
    >>> bool((values - 1).abs().max() < 0.4)
    True
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = (wide / (wide.norm() + 1e-7)).to(torch.bfloat16)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.to(matrix.dtype)
    return x if wide is matrix else x.T


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], float], torch.optim.Optimizer]] = {
    "muon": lambda groups, lr: torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99)),  # of what is left to it
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99)),
    "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True),
    "rmsprop": lambda groups, lr: torch.optim.RMSprop(groups, lr=lr, alpha=0.9, momentum=0.9, eps=1e-3),
}
"""Name -> optimiser of groups of parameters. RMSProp's constants are those of Szegedy et al. 2016 (Inception v3), but for its epsilon."""


def build_optimizers(network: nn.Module, name: str, lr: float, weight_decay: float = 0.0) -> list[torch.optim.Optimizer]:
    """The optimisers of a network: with Muon, hidden convolutions go to it and the rest (first, last, grouped, norms, biases) to AdamW.

    Args:
        network: Its convolutions are registered in the order of the forward pass.
        name: A key of ``OPTIMIZERS``.
        lr: Learning rate of all.
        weight_decay: Of weights, not of biases and normalisations: apart from the gradient with Muon and AdamW (Loshchilov, Hutter 2019),
            part of it with SGD and RMSProp.

    Raises:
        ValueError: Unknown name.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer {name!r} is unknown; expected one of {', '.join(OPTIMIZERS)}")
    parameters = [p for p in network.parameters() if p.requires_grad]
    hidden: list[nn.Parameter] = []
    if name == "muon":
        kinds = (nn.Conv2d, nn.ConvTranspose2d)
        convolutions = [cast(nn.Parameter, m.weight) for m in network.modules() if isinstance(m, kinds) and m.groups == 1]
        hidden = [p for p in convolutions[1:-1] if p.requires_grad]
    taken = {id(p) for p in hidden}
    rest = [p for p in parameters if id(p) not in taken]
    groups = [{"params": rest, "weight_decay": 0.0}]
    if weight_decay:
        groups = [
            {"params": [p for p in rest if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
        ]
    first: list[torch.optim.Optimizer] = [Muon(hidden, lr=lr, weight_decay=weight_decay)] if hidden else []
    return [*first, OPTIMIZERS[name](groups, lr)]


@dataclass(frozen=True)
class Player:
    """A network and what trains it.

    Attributes:
        network: Its parameters are those of the optimisers.
        optimizers: See ``build_optimizers``.
        lr: Highest learning rate.
    """

    network: nn.Module
    optimizers: list[torch.optim.Optimizer]
    lr: float

    def learn(self, loss: torch.Tensor, share: float, clip: float, average: Callable[[Sequence[torch.Tensor]], None]) -> torch.Tensor:
        """Backward pass, clipping and update.

        Args:
            loss: One number.
            share: Share of the learning rate.
            clip: Largest norm of the gradient.
            average: Replaces gradients, statistics and the loss by their means over all processes.

        Returns:
            Loss and norm of the gradient before clipping, (2,), on the device.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = self.lr * share
        loss.backward()
        loss = loss.detach().float()
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        average([*gradients, *(b for b in self.network.buffers() if b.is_floating_point()), loss])
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), clip)
        for optimizer in self.optimizers:
            optimizer.step()
        return torch.stack([loss, norm])

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        optimizers = {type(optimizer).__name__: optimizer.state_dict() for optimizer in self.optimizers}
        return {"network": self.network.state_dict(), "optimizers": list(optimizers.values()), "kinds": list(optimizers)}

    def load(self, state: dict[str, Any]) -> None:
        """Take what ``state`` gave; the weight decay stays as it is.

        Raises:
            RuntimeError: Another network.
            ValueError: Other optimisers.
        """
        kinds = [type(optimizer).__name__ for optimizer in self.optimizers]
        if state.get("kinds", kinds) != kinds:
            raise ValueError(f"it was trained by {' and '.join(state['kinds'])}; expected {' and '.join(kinds)}")
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            decays = [group["weight_decay"] for group in optimizer.param_groups]
            groups = [{**group, "weight_decay": decay} for group, decay in zip(saved["param_groups"], decays, strict=False)]
            optimizer.load_state_dict({**saved, "param_groups": groups})


SCHEDULES: dict[str, Callable[[float], float]] = {
    "linear": lambda left: left,
    "cosine": lambda left: (1 - math.cos(math.pi * left)) / 2,
}
"""Name -> share of the learning rate when a share of the decay is left (cosine: Loshchilov, Hutter 2017, "SGDR")."""


def rate(
    step: int, *, steps: int, warmup: int, decay: int, schedule: str = "linear", milestones: Sequence[int] = (), gamma: float = 0.1
) -> float:
    """Share of the full learning rate at ``step``: linear warm-up, constant, then a decay over the last ``decay`` steps.

    From each of ``milestones`` on it is multiplied by ``gamma``: step decay.

    >>> [rate(s, steps=10, warmup=2, decay=4) for s in (0, 1, 5, 6, 8, 9)]
    [0.5, 1.0, 1.0, 1.0, 0.5, 0.25]
    >>> [round(rate(s, steps=4, warmup=0, decay=4, schedule="cosine"), 3) for s in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    >>> [rate(s, steps=10, warmup=0, decay=0, milestones=(4, 8), gamma=0.5) for s in (3, 4, 7, 8)]
    [1.0, 0.5, 0.5, 0.25]
    """
    drops = sum(step >= milestone for milestone in milestones)
    left = min(1.0, (steps - step) / max(1, decay))
    return gamma**drops * min(1.0, (step + 1) / max(1, warmup), SCHEDULES[schedule](left))
