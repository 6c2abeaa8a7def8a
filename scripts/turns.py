"""Contenders timed in turn, so that what else a machine does meets all of them."""

import math
import time
from collections.abc import Callable, Sequence

import numpy as np


def take_turns(
    contenders: Sequence[Callable[[], object]],
    *,
    runs: int,
    clock: Callable[[], float] = time.perf_counter,
    budget: float = math.inf,
    always: int = 2,
) -> np.ndarray:
    """Seconds of each run, (runs, contenders): in turn, forwards and backwards; two rounds warm up.

    After the first ``always``, a contender that had ``budget`` seconds runs no more after two timed runs: NaN.
    """
    seconds = np.full((runs + 2, len(contenders)), np.nan)
    for i, row in enumerate(seconds):
        for side in range(len(contenders))[:: 1 if i % 2 == 0 else -1]:
            if side >= always and i > 3 and np.nansum(seconds[:, side]) > budget:
                continue
            started = clock()
            contenders[side]()
            row[side] = clock() - started
    return seconds[2:]


def compare(seconds: np.ndarray) -> tuple[float, float, float]:
    """Ratio of the medians of the two columns, and the quartiles of the ratios of the pairs."""
    ours, theirs = np.median(seconds, 0)
    low, high = np.quantile(seconds[:, 0] / seconds[:, 1], [0.25, 0.75])
    return float(ours / theirs), float(low), float(high)
