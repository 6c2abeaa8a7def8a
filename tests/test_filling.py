"""Holes closed from their borders: against a sparse direct solver."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.sparse.linalg import spsolve

from restore.nn.filling import screened_poisson


def exact(b: np.ndarray, holes: np.ndarray, screen: float) -> np.ndarray:
    """The same equation, written out for each pixel of the holes."""
    places = np.argwhere(holes)
    number = {(int(y), int(x)): i for i, (y, x) in enumerate(places)}
    matrix = np.eye(len(places)) * (4 + screen)
    for (y, x), i in number.items():
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            at = (min(max(y + dy, 0), holes.shape[0] - 1), min(max(x + dx, 0), holes.shape[1] - 1))
            if at in number:
                matrix[i, number[at]] -= 1
    x = np.zeros(b.shape)
    x[holes] = spsolve(csr_array(matrix), b[holes])
    return x


@pytest.mark.parametrize("screen", [0.0, 0.02, 1.0])
@pytest.mark.parametrize("size", [(40, 44), (31, 17)])
def test_equals_a_direct_solver(size: tuple[int, int], screen: float) -> None:
    rng = np.random.default_rng(0)
    holes = np.zeros(size, bool)
    holes[:20, 3:15] = holes[9, :] = holes[15:28, 10:] = True  # touches borders, has a line
    b = rng.normal(size=size)
    x = screened_poisson(torch.from_numpy(b)[None, None], torch.from_numpy(holes)[None, None], screen=screen, cycles=40)[0, 0].numpy()
    expected = exact(b, holes, screen)
    np.testing.assert_allclose(x, expected, atol=1e-5)
    three = screened_poisson(torch.from_numpy(b)[None, None], torch.from_numpy(holes)[None, None], screen=screen)[0, 0].numpy()
    assert np.abs(three - expected).mean() < 0.15 * np.abs(expected).mean()


def test_batch_equals_loop() -> None:
    b, holes = torch.randn(2, 3, 20, 24), torch.rand(2, 1, 20, 24) > 0.3
    together = screened_poisson(b, holes, screen=0.1)
    apart = [screened_poisson(b[i : i + 1], holes[i : i + 1], screen=0.1) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(apart))


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (7, 1)])
def test_tiny(size: tuple[int, int]) -> None:
    x = screened_poisson(torch.ones(1, 1, *size), torch.zeros(1, 1, *size), screen=0.1)
    assert torch.equal(x, torch.zeros(1, 1, *size))
