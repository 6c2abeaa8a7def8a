import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import signal

from restore.nn import convolution
from restore.nn.convolution import FFT_TAPS, METHODS, MODES, convolve, correlate

SIGNAL = torch.tensor([0.0, 1, 2, -1, 3], dtype=torch.float64)
KERNEL = torch.tensor([1.0, 1, 0], dtype=torch.float64)
SHAPES = [
    ((9,), (3,)),
    ((9,), (4,)),
    ((3,), (5,)),  # larger than the signal
    ((9, 7), (3, 3)),
    ((8, 11), (2, 4)),
    ((8, 11), (5, 2)),
    ((9, 7), (1, 1)),
    ((2, 3), (4, 4)),
    ((5, 6, 7), (3, 2, 3)),
    ((5, 6, 7), (2, 4, 1)),
]


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("mode", "convolved", "correlated"),
    [
        ("valid", [3, 1, 2], [1, 3, 1]),
        ("same", [1, 3, 1, 2, 3], [0, 1, 3, 1, 2]),
        ("full", [0, 1, 3, 1, 2, 3, 0], [0, 0, 1, 3, 1, 2, 3]),
    ],
)
def test_by_hand(mode, convolved, correlated, method):
    for function, expected in ((convolve, convolved), (correlate, correlated)):
        values = function(SIGNAL, KERNEL, mode=mode, method=method)
        torch.testing.assert_close(values, torch.tensor(expected, dtype=torch.float64))
        assert np.allclose(values, getattr(signal, function.__name__)(SIGNAL, KERNEL, mode))


@pytest.mark.parametrize("method", METHODS)
def test_by_hand_on_a_plane(method):
    """The signal and the kernel times a column: rows as in one dimension, times [1, 3, 2] = [1, 2] * [1, 1]."""
    f, g = torch.outer(torch.tensor([1.0, 2]).double(), SIGNAL), torch.outer(torch.ones(2).double(), KERNEL)
    expected = torch.tensor([[0.0, 1, 3, 1, 2, 3, 0], [0, 3, 9, 3, 6, 9, 0], [0, 2, 6, 2, 4, 6, 0]]).double()
    torch.testing.assert_close(convolve(f, g, method=method), expected)
    torch.testing.assert_close(convolve(f, g, mode="same", method=method), expected[:2, 1:6])
    torch.testing.assert_close(convolve(f, g, mode="valid", method=method), expected[1:2, 2:5])


@pytest.mark.parametrize("method", METHODS)
def test_a_block_of_tens_beside_zeros(method):
    """Five columns of tens, five of zeros: the correlation answers at the edge, the convolution with the other sign."""
    block = torch.tensor([[10.0, 10, 10, 10, 10, 0, 0, 0, 0, 0]] * 5)
    edge = torch.tensor([[1.0, 0, -1]])
    valid = torch.tensor([[0.0, 0, 0, 10, 10, 0, 0, 0]] * 5)
    same = torch.tensor([[-10.0, 0, 0, 0, 10, 10, 0, 0, 0, 0]] * 5)
    full = torch.tensor([[-10.0, -10, 0, 0, 0, 10, 10, 0, 0, 0, 0, 0]] * 5)
    for mode, expected in (("valid", valid), ("same", same), ("full", full)):
        torch.testing.assert_close(correlate(block, edge, mode=mode, method=method), expected)
        torch.testing.assert_close(convolve(block, edge, mode=mode, method=method), -expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("size", "kernel"), SHAPES)
def test_equals_scipy(size, kernel, mode, method):
    f, g = random(*size), random(*kernel)
    if mode == "valid" and any(k > n for k, n in zip(kernel, size, strict=True)):
        with pytest.raises(ValueError, match="in mode 'valid'"):
            convolve(f, g, mode=mode, method=method)
        return
    values = convolve(f, g, mode=mode, method=method)
    for oracle in (signal.convolve, signal.fftconvolve, *([signal.convolve2d] if len(size) == 2 else [])):
        np.testing.assert_allclose(values, oracle(f, g, mode), atol=1e-12)
    values = correlate(f, g, mode=mode, method=method)
    np.testing.assert_allclose(values, signal.correlate(f, g, mode), atol=1e-12)
    if len(size) == 2 and (mode != "same" or all(k % 2 for k in kernel)):  # with even kernels SciPy's two disagree
        np.testing.assert_allclose(values, signal.correlate2d(f, g, mode), atol=1e-12)


@pytest.mark.parametrize("kernel", [3, 4, 5, 6])
def test_same_beside_torch(kernel):
    """Equal with odd kernels; with even ones torch's values are ours from one place later."""
    f, g = random(12), random(kernel)
    theirs = F.conv1d(f[None, None], g[None, None], padding="same") if kernel % 2 else F.conv1d(*pad_as_torch(f, g))
    ours = correlate(f, g, mode="same")
    if kernel % 2:
        torch.testing.assert_close(ours, theirs[0, 0])
    else:
        torch.testing.assert_close(ours[1:], theirs[0, 0, :-1])
        assert not torch.allclose(ours, theirs[0, 0])


def pad_as_torch(f, g):
    """What torch's padding="same" does to an even kernel: the odd zero comes after (torch warns when it does so itself)."""
    before = (len(g) - 1) // 2
    return F.pad(f, (before, len(g) - 1 - before))[None, None], g[None, None]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_torch_pads_an_even_kernel_as_we_say():
    f, g = random(12), random(4)
    torch.testing.assert_close(F.conv1d(f[None, None], g[None, None], padding="same"), F.conv1d(*pad_as_torch(f, g)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dilation", [2, 3])
def test_dilation_is_a_kernel_with_holes(dilation, mode, method):
    f, g = random(13, 14), random(3, 4)
    holes = torch.zeros(2 * dilation + 1, 3 * dilation + 1, dtype=torch.float64)
    for i in range(3):
        for j in range(4):
            holes[i * dilation, j * dilation] = g[i, j]
    for function in (convolve, correlate):
        values = function(f, g, mode=mode, dilation=dilation, method=method)
        torch.testing.assert_close(values, function(f, holes, mode=mode))
        np.testing.assert_allclose(values, getattr(signal, function.__name__)(f, holes, mode), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_axes_before_the_kernel_are_a_batch(method):
    f, g = random(2, 3, 7, 8), random(3, 3)
    values = convolve(f, g, mode="same", method=method)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(values[i, j], convolve(f[i, j], g, mode="same"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize(("size", "kernel"), [((7,), (3,)), ((5, 6), (2, 3)), ((4, 3, 4), (2, 2, 2))])
def test_gradients(size, kernel, mode, method):
    f, g = random(*size).requires_grad_(), random(*kernel).requires_grad_()
    assert torch.autograd.gradcheck(lambda f, g: convolve(f, g, mode=mode, dilation=2 if len(size) < 3 else 1, method=method), (f, g))


def test_a_1x1_convolution_is_a_matrix_product():
    x, layer = torch.randn(2, 3, 4, 5), torch.nn.Conv2d(3, 8, 1)
    pixels = x.permute(0, 2, 3, 1).reshape(-1, 3)  # (N*H*W, C)
    product = pixels @ layer.weight.reshape(8, 3).T + layer.bias
    torch.testing.assert_close(layer(x), product.reshape(2, 4, 5, 8).permute(0, 3, 1, 2))


def test_convolution_commutes_and_correlation_does_not():
    f, g = random(6), random(4)
    torch.testing.assert_close(convolve(f, g), convolve(g, f))
    torch.testing.assert_close(correlate(f, g), correlate(g, f).flip(0))


@pytest.mark.parametrize("axes", FFT_TAPS)
def test_auto_chooses_by_the_taps(axes, monkeypatch):
    taken = []
    monkeypatch.setattr(convolution, "transformed", lambda *_: taken.append(1))
    taps = FFT_TAPS[axes]
    for kernel, times in ((taps - 1, 0), (taps, 1)):
        convolve(random(*[1] * (axes - 1), 300), random(*[1] * (axes - 1), kernel))
        assert len(taken) == times


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("axes", FFT_TAPS)
def test_auto_is_direct_where_the_dtype_has_no_transform(axes, dtype):
    f, g = random(*[12] * axes).to(dtype), random(*[8] * (axes - 1), FFT_TAPS[axes]).to(dtype)
    y = convolve(f, g)
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), convolve(f.double(), g.double(), method="direct"), rtol=0.02, atol=0.02 * float(y.abs().max()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mode": "reflect"}, "mode 'reflect' is unknown; expected one of valid, same, full"),
        ({"method": "winograd"}, "method 'winograd' is unknown; expected one of direct, fft, auto"),
        (
            {"f": SIGNAL.half(), "g": KERNEL.half(), "method": "fft"},
            "signal is torch.float16; expected float32 or float64 with method 'fft'",
        ),
        ({"dilation": 0}, "dilation is 0; expected 1 or more"),
        ({"f": torch.zeros(5)}, "signal is torch.float32 and kernel torch.float64; expected one floating-point dtype"),
        ({"f": torch.arange(5), "g": torch.arange(3)}, "signal is torch.int64 and kernel torch.int64"),
        ({"g": KERNEL[None]}, r"kernel has shape \(1, 3\); expected 1 to 3 axes, none empty, no more than the signal's 1"),
        ({"g": KERNEL[:0]}, r"kernel has shape \(0,\)"),
        ({"f": random(2, 2, 2, 2), "g": random(2, 2, 2, 2)}, r"kernel has shape \(2, 2, 2, 2\)"),
        ({"mode": "valid", "dilation": 3}, r"kernel spans \(7,\); expected no more than the signal's \(5,\) in mode 'valid'"),
    ],
)
@pytest.mark.parametrize("function", [convolve, correlate])
def test_errors(function, arguments, said):
    with pytest.raises(ValueError, match=said):
        function(**{"f": SIGNAL, "g": KERNEL, **arguments})


@pytest.mark.slow
def test_the_transform_is_faster_for_large_kernels():
    """25x25 on 512x512, far above the crossover; the docstring's figures are these, printed."""
    plane = torch.randn(512, 512)
    seconds = {}
    for kernel in (3, 5, 7, 9, 15, 25, 31):
        for method in ("direct", "fft"):
            g = torch.randn(kernel, kernel)
            runs = []
            for _ in range(5):
                start = time.perf_counter()
                convolve(plane, g, mode="same", method=method)
                runs.append(time.perf_counter() - start)
            seconds[kernel, method] = min(runs)
        print(f"{kernel}x{kernel}: direct {seconds[kernel, 'direct'] * 1e3:.1f} ms, fft {seconds[kernel, 'fft'] * 1e3:.1f} ms")
    assert seconds[25, "fft"] < seconds[25, "direct"]
