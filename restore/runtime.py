"""A network ready to run: on its device, in its precision, arrays in and an array out."""

import numpy as np
import torch

from restore.networks.base import Network

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}
"""Name -> the type that matrix products and convolutions are computed in; None: that of the weights."""


class Runtime:
    """Runs one network on (H, W, C) float32 arrays.

    Calling it from several threads at once is safe.

    Args:
        network: The network; it is moved to the device and set to evaluation.
        device: "auto" (CUDA, else Metal, else the CPU), "cpu", "cuda", "cuda:1", "mps".
        precision: "fp32", or "bf16": two to three times faster where the processor has it, at a small loss.

    Raises:
        ValueError: The device is unknown or not there; the precision is unknown.

    Attributes:
        multiple_of: Height and width of the arrays must be multiples of this.
        min_size: Smallest height and width.
        halo: How far an output pixel sees, in pixels; None: the whole picture.
        device: Where it runs, e.g. "cpu".
    """

    def __init__(self, network: Network, *, device: str = "auto", precision: str = "fp32") -> None:
        self.device = pick_device(device)
        self._dtype = PRECISIONS[check_precision(precision)]
        self._network = network.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.multiple_of, self.min_size, self.halo = network.multiple_of, network.min_size, network.halo

    def __call__(self, image: np.ndarray, condition: np.ndarray | float | tuple[int, float]) -> np.ndarray:
        """Run the network.

        Args:
            image: (H, W, 3) float32, nominally in [0, 1]; H and W multiples of ``multiple_of``.
            condition: What the network takes beside the picture: a mask (H, W, 1) float32, 1 = repair; a noise level in
                [0, 1]; or the number of a filter in ``restore.networks.filtering.OPERATORS`` and its strength in [0, 1].

        Returns:
            (H, W, 3) float32, not clipped.
        """
        with torch.inference_mode(), torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self._dtype is not None):
            others = condition if isinstance(condition, tuple) else (condition,)
            given = [self._tensor(other) if isinstance(other, np.ndarray) else other for other in others]
            output = self._network(self._tensor(image), *given)  # (1, 3, H, W)
        return output[0].permute(1, 2, 0).float().cpu().numpy()

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        """(H, W, C) -> (1, C, H, W), channels last as it lies in memory."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device).permute(2, 0, 1)[None]


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


def check_precision(precision: str) -> str:
    """Give ``precision`` back if it is known.

    Raises:
        ValueError: It is not in ``PRECISIONS``.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is unknown; expected one of {', '.join(PRECISIONS)}")
    return precision
