"""Running a network on arrays."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from restore import networks, runtime
from restore.runtime import Runtime

OPTIONS = {"widths": [8, 8], "down": [1, 1], "up": [1, 1]}
rng = np.random.default_rng(0)
IMAGE = rng.random((16, 24, 3), np.float32)


def network(name: str) -> networks.Network:
    torch.manual_seed(0)
    built = networks.build(name, OPTIONS).eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return built


@pytest.mark.parametrize(("name", "condition"), [("restoration", 0.1), ("inpainting", (rng.random((16, 24, 1)) < 0.2).astype(np.float32))])
def test_equals_the_network(name: str, condition: np.ndarray | float) -> None:
    built = network(name)
    x = torch.from_numpy(IMAGE.transpose(2, 0, 1)[None].copy())
    second = torch.from_numpy(condition.transpose(2, 0, 1)[None].copy()) if isinstance(condition, np.ndarray) else condition
    with torch.no_grad():
        expected = built(x, second)[0].permute(1, 2, 0).numpy()
    runner = Runtime(built, device="cpu")
    result = runner(IMAGE, condition)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert np.abs(result - IMAGE).max() > 0.01
    assert (runner.multiple_of, runner.min_size, runner.halo) == (built.multiple_of, built.min_size, built.halo)


def test_bf16_is_close_and_not_the_same() -> None:
    exact, fast = (Runtime(network("restoration"), device="cpu", precision=precision)(IMAGE, 0.1) for precision in ("fp32", "bf16"))
    assert fast.dtype == np.float32
    assert 0 < np.abs(fast - exact).max() < 0.02


def test_needs_no_contiguous_array() -> None:
    runner = Runtime(network("restoration"), device="cpu")
    np.testing.assert_array_equal(runner(IMAGE[:, ::-1], 0.1), runner(IMAGE[:, ::-1].copy(), 0.1))


def test_threads() -> None:
    runner = Runtime(network("restoration"), device="cpu")
    images = [rng.random((16, 16, 3), np.float32) for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda image: runner(image, 0.1), images))
    for image, result in zip(images, results, strict=True):
        np.testing.assert_allclose(result, runner(image, 0.1), atol=1e-6)


def test_auto_takes_the_best_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert runtime.pick_device("auto") == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert runtime.pick_device("auto") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert runtime.pick_device("auto") == "cuda"
    assert runtime.pick_device("cuda:1") == "cuda:1"
    assert runtime.pick_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="device 'cuda:2' is not there; expected auto or one of cuda, cuda:0, cuda:1, mps, cpu"):
        runtime.pick_device("cuda:2")


def test_unknown_device() -> None:
    with pytest.raises(ValueError, match="device 'tpu' is not there; expected auto or one of"):
        Runtime(network("restoration"), device="tpu")


def test_unknown_precision() -> None:
    with pytest.raises(ValueError, match="precision 'int3' is unknown; expected one of fp32, bf16"):
        Runtime(network("restoration"), device="cpu", precision="int3")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gpu_agrees_with_the_cpu(precision: str) -> None:
    expected = Runtime(network("restoration"), device="cpu")(IMAGE, 0.1)
    result = Runtime(network("restoration"), device="cuda", precision=precision)(IMAGE, 0.1)
    np.testing.assert_allclose(result, expected, atol=1e-3 if precision == "fp32" else 0.02)
