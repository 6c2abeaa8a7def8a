"""Convolution as it is defined, in one, two and three dimensions.

What deep learning calls convolution is correlation: the kernel slides as it is. Convolution turns it by 180 degrees first.

>>> f, g = torch.tensor([0.0, 1, 2, -1, 3]), torch.tensor([1.0, 1, 0])
>>> convolve(f, g)
tensor([0., 1., 3., 1., 2., 3., 0.])
>>> correlate(f, g)
tensor([0., 0., 1., 3., 1., 2., 3.])

A 1x1 convolution is a matrix product over the channels, the same at every pixel:

>>> x, weight = torch.rand(1, 3, 4, 5), torch.rand(8, 3)
>>> bool(torch.allclose(F.conv2d(x, weight[:, :, None, None]), torch.einsum("kc,nchw->nkhw", weight, x)))
True
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len

MODES = ("valid", "same", "full")
METHODS = ("direct", "fft", "auto")
FFT_TAPS = {1: 200, 2: 36, 3: 64}
"""Axes of the kernel -> taps from which on the Fourier transform is faster: measured with 2^18, 512 x 512 and 64^3 values, one thread."""
FFT_DTYPES = (torch.float32, torch.float64)


def convolve(f: torch.Tensor, g: torch.Tensor, *, mode: str = "full", dilation: int = 1, method: str = "auto") -> torch.Tensor:
    """Convolution ``(f * g)[n] = sum over k of f[n - k] g[k]``, as ``scipy.signal.convolve`` gives it; differentiable.

    The direct sum costs a multiplication for each tap and pixel; the Fourier transform costs about the same for every kernel. For a
    plane of 512 x 512 (float32, one thread) the direct sum takes 0.8 ms with 3x3, 1.4 ms with 5x5, 2.2 ms with 7x7 and 22 ms with 25x25,
    the transform 1.8 ms with each: it wins from 6x6 on. Its error is relative to the largest value of the result, not to each value.

    Args:
        f: Signal (..., *size): its last g.ndim axes are convolved, those before are a batch. It is zero outside.
        g: Kernel of one, two or three dimensions.
        mode: Which values are returned, along an axis of n values with a kernel that spans k.
            "full": all n + k - 1 that can differ from zero. "valid": the n - k + 1 for which the kernel lies inside the signal.
            "same": n of "full", from place (k - 1) // 2 on, as in SciPy (but for its ``correlate2d``). Where k is even, torch's
            ``padding="same"``, and that ``correlate2d``, take those from place k // 2 on, one later.
        dilation: Steps between the taps, as if the kernel had dilation - 1 zeros between its values.
        method: "direct", "fft", or "auto": fft from ``FFT_TAPS`` taps on, if the dtype is in ``FFT_DTYPES``.

    Returns:
        (..., *size as ``mode`` says it).

    Raises:
        ValueError: Unknown mode or method; dtypes that differ or are not floating point, or with "fft" not in
            ``FFT_DTYPES``; a dilation below 1; a kernel that is empty, has more than three dimensions or more than the signal, or is
            larger than the signal in mode "valid".

    >>> block = torch.tensor([10.0, 10, 0, 0]).expand(3, 4)
    >>> convolve(block, torch.tensor([[1.0, 0, -1]]), mode="valid")
    tensor([[-10., -10.],
            [-10., -10.],
            [-10., -10.]])
    """
    return correlate(f, g.flip(tuple(range(g.ndim))), mode=mode, dilation=dilation, method=method)


def correlate(f: torch.Tensor, g: torch.Tensor, *, mode: str = "full", dilation: int = 1, method: str = "auto") -> torch.Tensor:
    """Correlation, ``sum over k of f[n + k] g[k]``: the kernel slides as it is. As ``scipy.signal.correlate`` gives it.

    Arguments, result and errors are those of ``convolve``.

    >>> correlate(torch.tensor([10.0, 10, 0, 0]), torch.tensor([1.0, 0, -1]), mode="valid")
    tensor([10., 10.])
    """
    check(f, g, mode=mode, dilation=dilation, method=method)
    size, span = f.shape[f.ndim - g.ndim :], [(k - 1) * dilation + 1 for k in g.shape]
    if mode == "valid" and any(k > n for n, k in zip(size, span, strict=True)):
        raise ValueError(f"kernel spans {tuple(span)}; expected no more than the signal's {tuple(size)} in mode 'valid'")
    before = {"full": [k - 1 for k in span], "same": [k // 2 for k in span], "valid": [0 for k in span]}[mode]
    after = {"full": [k - 1 for k in span], "same": [(k - 1) // 2 for k in span], "valid": [0 for k in span]}[mode]
    if method == "fft" or (method == "auto" and g.numel() >= FFT_TAPS[g.ndim] and f.dtype in FFT_DTYPES):
        return transformed(f, spread(g, dilation), before, after)
    zeros = [side for pair in zip(reversed(before), reversed(after), strict=True) for side in pair]  # last axis first
    padded = F.pad(f, zeros)
    batch, place = padded.shape[: f.ndim - g.ndim], padded.shape[f.ndim - g.ndim :]
    conv = (F.conv1d, F.conv2d, F.conv3d)[g.ndim - 1]
    result = conv(padded.reshape(-1, 1, *place), g[None, None], dilation=dilation)  # (batch, 1, *kept)
    return result.reshape(*batch, *result.shape[2:])


def transformed(f: torch.Tensor, g: torch.Tensor, before: Sequence[int], after: Sequence[int]) -> torch.Tensor:
    """Correlation of ``f``, with zeros ``before`` and ``after`` it, as a product of spectra."""
    axes = tuple(range(-g.ndim, 0))
    size = f.shape[f.ndim - g.ndim :]
    full = [next_fast_len(n + k - 1, real=True) for n, k in zip(size, g.shape, strict=True)]
    product = torch.fft.rfftn(f, full, axes) * torch.fft.rfftn(g.flip(axes), full, axes)
    kept = [slice(k - 1 - b, n + a) for n, k, b, a in zip(size, g.shape, before, after, strict=True)]
    places = (..., *kept)
    return torch.fft.irfftn(product, full, axes)[places]


def spread(g: torch.Tensor, dilation: int) -> torch.Tensor:
    """The kernel with ``dilation - 1`` zeros between its values.

    >>> spread(torch.tensor([1.0, 2, 3]), 2)
    tensor([1., 0., 2., 0., 3.])
    """
    wide = g.new_zeros([(k - 1) * dilation + 1 for k in g.shape])
    wide[(slice(None, None, dilation),) * g.ndim] = g
    return wide


def check(f: torch.Tensor, g: torch.Tensor, *, mode: str, dilation: int, method: str) -> None:
    """Raise the errors that ``convolve`` lists."""
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} is unknown; expected one of {', '.join(MODES)}")
    if method not in METHODS:
        raise ValueError(f"method {method!r} is unknown; expected one of {', '.join(METHODS)}")
    if not f.is_floating_point() or f.dtype != g.dtype:
        raise ValueError(f"signal is {f.dtype} and kernel {g.dtype}; expected one floating-point dtype")
    if method == "fft" and f.dtype not in FFT_DTYPES:
        raise ValueError(f"signal is {f.dtype}; expected float32 or float64 with method 'fft'")
    if dilation < 1:
        raise ValueError(f"dilation is {dilation}; expected 1 or more")
    if not 1 <= g.ndim <= min(3, f.ndim) or g.numel() == 0:
        raise ValueError(f"kernel has shape {tuple(g.shape)}; expected 1 to 3 axes, none empty, no more than the signal's {f.ndim}")
