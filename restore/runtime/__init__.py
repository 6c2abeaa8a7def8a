"""A network ready to run: on its device, in its precision, arrays in and an array out."""

import importlib.util
import threading
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from restore.networks.base import Network
from restore.runtime.eager import PRECISIONS, Eager
from restore.runtime.ensemble import self_ensemble
from restore.tiling import is_out_of_memory

if TYPE_CHECKING:
    from restore.runtime.compiled import Compiled

RUNTIMES = ("auto", "torch", "openvino")
"""What runs a network; "auto": OpenVINO on the CPU where it is installed, else torch."""


class Runtime:
    """Runs one network on (H, W, C) float32 arrays.

    Calling it from several threads at once is safe.

    Args:
        network: The network; it is set to evaluation, and moved to the device.
        device: "auto" (CUDA, else Metal, else the CPU), "cpu", "cuda", "cuda:1", "mps".
        precision: "fp32", or "bf16": faster where the processor has it, at a small loss.
        runtime: A name in ``RUNTIMES``. OpenVINO compiles the network at its first call, keeps what it compiled in the folder that
            ``restore.runtime.cache`` names, and then uses as many threads as torch does (``torch.set_num_threads``). Where it cannot
            compile a network, "auto" warns and lets torch run it.
        ensemble: Each call gives the mean over the picture's eight turned and mirrored forms: see ``restore.runtime.ensemble``.

    Raises:
        ValueError: The device or the runtime is unknown, not there, or they do not go together; the precision is unknown.

    Attributes:
        multiple_of: Height and width of the arrays must be multiples of this.
        min_size: Smallest height and width.
        halo: How far an output pixel sees, in pixels; None: the whole picture.
        device: Where it runs, e.g. "cpu".
        engine: What runs it: "torch" or "openvino".
    """

    def __init__(
        self, network: Network, *, device: str = "auto", precision: str = "fp32", runtime: str = "auto", ensemble: bool = False
    ) -> None:
        self.engine, self.device = pick_engine(runtime, device)
        self._network, self._precision, self._may_fall_back = network.eval(), check_precision(precision), runtime == "auto"
        self._ensemble = ensemble
        self._run: Eager | Compiled | None = None
        self._lock = threading.Lock()
        self.multiple_of, self.min_size, self.halo = network.multiple_of, network.min_size, network.halo

    def __call__(self, image: np.ndarray, condition: np.ndarray | float | tuple[int, float]) -> np.ndarray:
        """Run the network.

        Args:
            image: (H, W, 3) float32, nominally in [0, 1]; H and W multiples of ``multiple_of``.
            condition: What the network takes beside the picture: a mask (H, W, 1) float32, 1 = repair; a noise level in
                [0, 1], one or a map (H, W, 1) float32; or the number of a filter in ``restore.networks.filtering.OPERATORS`` and its
                strength in [0, 1].

        Returns:
            (H, W, 3) float32, not clipped.
        """
        others = condition if isinstance(condition, tuple) else (condition,)
        run = self._ready(others)
        return self_ensemble(run, image, others) if self._ensemble else run(image, others)

    def _ready(self, others: tuple[np.ndarray | float, ...]) -> "Eager | Compiled":
        """What runs the network under conditions of this kind; compiled now if need be."""
        with self._lock:
            if self.engine == "openvino":
                try:
                    return self._compiled(others)
                except Exception as error:  # a compiler has many ways to fail
                    if not self._may_fall_back or is_out_of_memory(error):
                        raise
                    self.engine, self._run = "torch", None
                    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
                    warnings.warn(f"OpenVINO cannot run this network, torch runs it, more slowly ({reason})", RuntimeWarning, stacklevel=3)
            if self._run is None:
                self._run = Eager(self._network, self.device, self._precision)
            return self._run

    def _compiled(self, others: tuple[np.ndarray | float, ...]) -> "Compiled":
        from restore.runtime.compiled import Compiled

        if not isinstance(self._run, Compiled):
            self._run = Compiled(self._network, self._precision)
        self._run.prepare(others)
        return self._run


def pick_device(device: str) -> str:
    """The device that ``device`` means on this machine.

    Raises:
        ValueError: It is unknown or not there.

    >>> pick_device("cpu")
    'cpu'
    """
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there[:0] = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if device == "auto":
        return there[0]
    if device not in there:
        raise ValueError(f"device {device!r} is not there; expected auto or one of {', '.join(there)}")
    return device


def pick_engine(runtime: str, device: str) -> tuple[str, str]:
    """What runs a network, "torch" or "openvino", and on which device.

    Raises:
        ValueError: One is unknown or not there, or OpenVINO is to run on another device than the CPU.

    >>> pick_engine("torch", "cpu")
    ('torch', 'cpu')
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime {runtime!r} is unknown; expected one of {', '.join(RUNTIMES)}")
    device = pick_device("cpu" if (runtime, device) == ("openvino", "auto") else device)
    is_there = importlib.util.find_spec("openvino") is not None
    if runtime == "auto":
        return "openvino" if device == "cpu" and is_there else "torch", device
    if runtime == "openvino" and device != "cpu":
        raise ValueError(f"runtime 'openvino' runs on the device cpu, got {device!r}")
    if runtime == "openvino" and not is_there:
        raise ValueError("runtime 'openvino' is not installed; expected torch or auto, or first: pip install openvino")
    return runtime, device


def check_precision(precision: str) -> str:
    """Give ``precision`` back if it is known.

    Raises:
        ValueError: It is not in ``PRECISIONS``.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is unknown; expected one of {', '.join(PRECISIONS)}")
    return precision


def has_bf16(engine: str) -> bool:
    """Whether this processor multiplies bfloat16 numbers for ``engine`` faster than float32; known of OpenVINO alone."""
    if engine != "openvino":
        return False
    try:
        from restore.runtime.compiled import capabilities
    except Exception:  # a broken installation, of which a Runtime warns
        return False
    return "BF16" in capabilities()


__all__ = ["PRECISIONS", "RUNTIMES", "Runtime", "check_precision", "has_bf16", "pick_device", "pick_engine"]
