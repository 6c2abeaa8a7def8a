"""Self-ensemble: eight whole runs are its oracle."""

import numpy as np
import pytest
import torch

from restore import networks
from restore.runtime import Runtime
from restore.runtime.ensemble import self_ensemble
from restore.tasks import dejpeg, denoise

rng = np.random.default_rng(0)
FORMS = [(axes, *flips) for axes in ((0, 1, 2), (1, 0, 2)) for flips in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
"""Transposed or not, then each axis backwards or not: the eight forms in another way than by turns."""


def form(array: np.ndarray, axes: tuple[int, int, int], down: int, across: int) -> np.ndarray:
    return array.transpose(axes)[::down, ::across]


def back(array: np.ndarray, axes: tuple[int, int, int], down: int, across: int) -> np.ndarray:
    return array[::down, ::across].transpose(axes)


@pytest.fixture(scope="module")
def network() -> networks.Network:
    torch.manual_seed(0)
    built = networks.build("restoration", {"widths": [8, 8], "down": [1, 1], "up": [1, 1]})
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return built


@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize("is_map", [False, True])
def test_equals_the_mean_of_eight_runs(engine: str, is_map: bool, network: networks.Network) -> None:
    image = rng.random((16, 24, 3), np.float32)
    level = rng.random((16, 24, 1), np.float32) if is_map else 0.1
    once, mean = (Runtime(network, device="cpu", runtime=engine, ensemble=ensemble) for ensemble in (False, True))
    assert (mean.halo, mean.multiple_of, mean.min_size) == (once.halo, once.multiple_of, once.min_size)
    runs = [back(once(form(image, *how), form(level, *how) if is_map else level), *how) for how in FORMS]
    assert max(np.abs(run - runs[0]).max() for run in runs) > 0.01  # this network knows up from down
    result = mean(image, level)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, np.mean(runs, axis=0), atol=1e-6)


@pytest.mark.parametrize(
    "task", [lambda x, run, tile: denoise(x, run, sigma=20, tile=tile), lambda x, run, tile: dejpeg(x, run, tile=tile)]
)
def test_tiles_equal_the_mean_of_eight_whole_pictures(task, network: networks.Network) -> None:
    image = rng.random((160, 208, 3), np.float32)  # multiples of what the network needs: nothing is filled up at the edges
    once, mean = (Runtime(network, device="cpu", runtime="torch", ensemble=ensemble) for ensemble in (False, True))
    runs = [back(task(np.ascontiguousarray(form(image, *how)), once, 512), *how) for how in FORMS]
    np.testing.assert_allclose(task(image, mean, 64), np.mean(runs, axis=0), atol=2e-6)


def test_what_does_not_know_up_from_down_stays_as_it_is() -> None:
    image = rng.random((6, 4, 3), np.float32)
    np.testing.assert_allclose(self_ensemble(lambda x, others: x * others[0], image, (0.5,)), image / 2, rtol=1e-6)
