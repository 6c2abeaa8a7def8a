"""Random numbers for a batch, apart from what is done with them.

What a sample gets depends on the seed, its own number and how often was drawn before, never on its neighbours: a batch that is split among
processes, drawn by workers or drawn again after a stop is the same batch.
"""

from collections.abc import Sequence

import numpy as np
import torch

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(values: np.ndarray) -> np.ndarray:
    """Scramble 64-bit numbers: the finaliser of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").

    Args:
        values: (N,) uint64.

    Returns:
        (N,) uint64; a bijection in which each input bit flips about half of the output's.

    >>> bool((mix(np.arange(3, dtype=np.uint64)) != np.arange(3)).sum() >= 2)
    True
    """
    z = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Draws:
    """Draws numbers for the samples ``numbers`` of the run ``seed``.

    Each call of a method draws anew; the same calls in the same order give the same numbers, on the same kind of device.

    Args:
        seed: Of the run, 0 to 2**64 - 1.
        numbers: The samples, counted from the start of the run.
        device: Where ``normal`` draws.
        step: Of the run; what ``common`` depends on.

    Attributes:
        device: As given.

    Raises:
        ValueError: A seed below 0 or above 2**64 - 1.

    >>> Draws(0, [5, 6]).uniform().shape
    (2,)
    >>> bool(Draws(0, [5, 6]).uniform()[1] == Draws(0, [6]).uniform()[0])
    True
    """

    def __init__(self, seed: int, numbers: Sequence[int], device: str | torch.device = "cpu", *, step: int = 0) -> None:
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed is {seed}; expected 0 to 2**64 - 1")
        self._batch = (seed, step)
        origin = mix(np.array([seed], np.uint64) * GOLDEN + GOLDEN)
        self._seeds = mix(origin + (np.asarray(numbers, np.uint64) + np.uint64(1)) * GOLDEN)  # (N,)
        self._calls = 0
        self.device = torch.device(device)

    def __len__(self) -> int:
        """How many samples."""
        return len(self._seeds)

    def seeds(self) -> np.ndarray:
        """A seed for each sample: (N,) uint64."""
        self._calls += 1
        return mix(self._seeds + np.array([self._calls], np.uint64) * GOLDEN)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """A number in [low, high) for each sample: (N,) float64."""
        return low + (high - low) * (self.seeds() >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(self, count: int) -> np.ndarray:
        """An integer in [0, count) for each sample: (N,) int64."""
        return (self.uniform() * count).astype(np.int64)

    def generators(self) -> list[np.random.Generator]:
        """A generator for each sample, where the number of draws depends on what is drawn."""
        return [np.random.default_rng(int(seed)) for seed in self.seeds()]

    def common(self) -> np.random.Generator:
        """One generator for the whole batch, the same in each process that has a part of it."""
        self._calls += 1
        return np.random.default_rng((*self._batch, self._calls))

    def normal(self, *shape: int) -> torch.Tensor:
        """Standard normal samples (N, *shape), float32, on the device."""
        out = torch.empty(len(self), *shape, device=self.device)
        generator = torch.Generator(self.device)
        for sample, seed in zip(out, self.seeds(), strict=True):
            generator.manual_seed(int(seed >> np.uint64(1)))
            sample.normal_(generator=generator)
        return out
