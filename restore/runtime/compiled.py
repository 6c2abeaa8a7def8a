"""Networks compiled by OpenVINO, for the CPU; the one module that imports it.

OpenVINO reports its imports and conversions to its makers, through a package that it does without where that is missing: it is hidden
here while OpenVINO is imported. And the converter is called below ``openvino.convert_model``, which would report if another package had
imported OpenVINO first.
"""

import functools
import io
import sys
import threading
import warnings
from typing import Any

import numpy as np
import torch

from restore.networks.base import LONGEST, Network
from restore.runtime import cache

_reporter = sys.modules.get("openvino_telemetry")
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
try:
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
finally:
    del sys.modules["openvino_telemetry"]
    if _reporter is not None:
        sys.modules["openvino_telemetry"] = _reporter

PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
"""Name -> what OpenVINO calls it; its own default is the fastest, which is not the most exact."""

Signature = tuple[tuple[str, tuple[int, ...]], ...]


class Compiled:
    """A network compiled for this computer's CPU, once for each kind of conditions: numbers, maps.

    Height and width stay open, so that no size of a tile is compiled for itself. Each call has a request of its own, which calls from
    several threads need; OpenVINO carries them out one after the other, on as many threads as torch had at the compilation.

    Args:
        network: The network, on the CPU, in evaluation mode.
        precision: A name in ``PRECISIONS``.
    """

    def __init__(self, network: Network, precision: str) -> None:
        self._network, self._precision = network, precision
        self._models: dict[Signature, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, image: np.ndarray, others: tuple[np.ndarray | float, ...]) -> np.ndarray:
        """Run it: a picture (H, W, 3) float32 and numbers or maps (H, W, 1) float32 -> (H, W, 3) float32.

        Raises:
            MemoryError: There is not enough.
        """
        model, inputs = self.prepare(others), [_input(value) for value in (image, *others)]
        try:
            output = model.create_infer_request().infer(inputs, share_inputs=True)[0]  # (1, 3, H, W)
        except RuntimeError as error:
            self._models.pop(_signature(others), None)  # what failed once fails for ever
            if "alloc" in str(error):
                raise MemoryError(f"OpenVINO has no memory for {image.shape[1]}x{image.shape[0]} pixels") from error
            raise
        if output.shape[2:] != image.shape[:2]:  # on one thread OpenVINO loses its own errors
            self._models.pop(_signature(others), None)
            raise MemoryError(f"OpenVINO gave no result for {image.shape[1]}x{image.shape[0]} pixels; most likely it had no memory")
        return np.ascontiguousarray(output[0].transpose(1, 2, 0))

    def prepare(self, others: tuple[np.ndarray | float, ...]) -> Any:
        """The compiled network for conditions like ``others``: one that is there, one from the cache, or a new one."""
        signature = _signature(others)
        with self._lock:
            if signature not in self._models:
                self._models[signature] = self._compile(signature)
            return self._models[signature]

    def _compile(self, signature: Signature) -> Any:
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": PRECISIONS[self._precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # processes side by side would be tied to the same cores
        }
        processor = core().get_property("CPU", "FULL_DEVICE_NAME")
        key = cache.key(self._network, self._precision, str(signature), openvino.__version__, processor, *capabilities())
        stored = cache.load(key)
        if stored is not None:
            try:
                return core().import_model(io.BytesIO(stored), "CPU", options)
            except RuntimeError:  # of another build of OpenVINO, perhaps; it is compiled and stored anew
                pass
        model, stream = core().compile_model(convert(self._network, signature), "CPU", options), io.BytesIO()
        model.export_model(stream)
        cache.store(key, stream.getvalue())
        return model


def convert(network: Network, signature: Signature) -> Any:
    """Trace a network into a model of OpenVINO whose height and width are open.

    Args:
        network: The network, on the CPU, in evaluation mode.
        signature: Of each condition its dtype, and its channels if it is a map.
    """
    size = (LONGEST, network.multiple_of)
    others = [torch.ones(1, *maps, *size) if maps else torch.zeros(1, dtype=getattr(torch, dtype)) for dtype, maps in signature]
    inputs = [torch.zeros(1, 3, *size), *others]
    front = FrontEndManager().load_by_framework("pytorch")
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the tracer: what depends on sizes is right for LONGEST, and so for all
        decoder = TorchScriptPythonDecoder(network, example_input=tuple(inputs), trace_kwargs={"check_trace": False})
    graph = front.load(decoder)
    for place, example in zip(graph.get_inputs(), inputs, strict=True):
        graph.set_partial_shape(place, openvino.PartialShape([*example.shape[:2], *[-1] * (example.ndim - 2)]))
    return front.convert(graph)


@functools.cache
def core() -> Any:
    """OpenVINO's front door, one for the process."""
    return openvino.Core()


def capabilities() -> list[str]:
    """What the CPU can do, e.g. "FP32", "BF16"."""
    return core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _signature(others: tuple[np.ndarray | float, ...]) -> Signature:
    return tuple((value.dtype.name, value.shape[1:2]) for value in map(_input, others))


def _input(value: np.ndarray | float) -> np.ndarray:
    """(H, W, C) -> (1, C, H, W) in one piece; a number -> (1,), int64 if it is whole by type, else float32."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value.transpose(2, 0, 1))[None]
    return np.array([value], np.int64 if isinstance(value, int | np.integer) else np.float32)
