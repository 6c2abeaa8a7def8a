"""What the filters on tensors share: what they take, borders of any width, and correlation with any kernel."""

import numpy as np
import torch
import torch.nn.functional as F

from restore.filters.base import border_indices, check_border


def check(x: torch.Tensor) -> None:
    """Check a batch of pictures: (N, C, H, W), any floating-point type, any device, white = 1.

    Raises:
        TypeError: Not a tensor of such a type.
        ValueError: An empty batch, another shape, or NaN or infinity in it.
    """
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"pictures are a tensor (N, C, H, W); got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"pictures of type {x.dtype}; expected floating point, white = 1")
    if x.dim() != 4 or x.numel() == 0:
        raise ValueError(f"pictures have shape (N, C, H, W), none of them 0; got {tuple(x.shape)}")
    if not x.isfinite().all():
        raise ValueError("the pictures hold NaN or infinity; expected finite pixels")


def pad(x: torch.Tensor, down: int, right: int, border: str, *, outside: float = 0.0) -> torch.Tensor:
    """Surround pictures with ``down`` rows above and below and ``right`` columns left and right, however many; "constant": ``outside``.

    Raises:
        ValueError: Unknown border.

    >>> pad(torch.tensor([[[[1.0, 2, 3]]]]), 0, 4, "reflect").flatten().tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0]
    """
    check_border(border)
    if border == "constant":
        return F.pad(x, (right, right, down, down), value=outside)
    for axis, reach in ((2, down), (3, right)):
        places = border_indices(x.shape[axis], reach, reach, border)
        x = x.index_select(axis, torch.from_numpy(places).to(x.device)) if reach else x
    return x


def correlate(x: torch.Tensor, kernel: np.ndarray, *, border: str = "reflect") -> torch.Tensor:
    """Correlate every channel of every picture with a kernel (h, w) of odd sides.

    Raises:
        ValueError: Unknown border.
    """
    height, width = kernel.shape
    if x.dtype == torch.float16 and x.device.type == "cpu":  # oneDNN 3.13 never comes back from some of them where there is AVX512-FP16
        return correlate(x.float(), kernel, border=border).to(x.dtype)
    planes = pad(x, height // 2, width // 2, border).flatten(0, 1)[None]  # (1, N*C, H+, W+)
    if x.is_cuda and planes.shape[1] == 1:
        planes = planes.expand(-1, 2, -1, -1)  # one plane is no grouped convolution: cuDNN would take it and round it to TF32
    weight = torch.from_numpy(kernel.copy()).to(x).expand(planes.shape[1], 1, -1, -1)
    return F.conv2d(planes, weight, groups=len(weight))[0, : x.shape[0] * x.shape[1]].view_as(x)


def separable(x: torch.Tensor, line: np.ndarray, *, border: str = "reflect") -> torch.Tensor:
    """Correlate with the outer product of ``line`` (k,) and itself, one axis after the other."""
    return correlate(correlate(x, line[None, :], border=border), line[:, None], border=border)


def mean(x: torch.Tensor, size: int, border: str) -> torch.Tensor:
    """Mean over windows of (size, size), one axis after the other."""
    padded = pad(x, size // 2, size // 2, border)
    return F.avg_pool2d(F.avg_pool2d(padded, (1, size), 1), (size, 1), 1)
