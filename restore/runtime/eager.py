"""Networks as torch runs them, layer by layer, on any device."""

import numpy as np
import torch

from restore.networks.base import Network

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}
"""Name -> the type that matrix products and convolutions are computed in; None: that of the weights."""


class Eager:
    """A network on a device.

    Args:
        network: The network; it is moved to the device.
        device: A device of torch.
        precision: A name in ``PRECISIONS``.
    """

    def __init__(self, network: Network, device: str, precision: str) -> None:
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device, self._dtype = torch.device(device), PRECISIONS[precision]

    def __call__(self, image: np.ndarray, others: tuple[np.ndarray | float, ...]) -> np.ndarray:
        """Run it: a picture (H, W, 3) float32 and numbers or maps (H, W, 1) float32 -> (H, W, 3) float32."""
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._dtype is not None):
            given = [self._tensor(other) if isinstance(other, np.ndarray) else other for other in others]
            output = self._network(self._tensor(image), *given)  # (1, 3, H, W)
        return output[0].permute(1, 2, 0).float().cpu().numpy()

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        """(H, W, C) -> (1, C, H, W), channels last as it lies in memory."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device).permute(2, 0, 1)[None]
