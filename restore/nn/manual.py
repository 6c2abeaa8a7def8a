"""Back-propagation written out, to learn from: every layer once more, in NumPy, with its own forward and backward.

A layer computes ``y = f(x)``. Training asks how the loss ``L``, one number at the end of the network, changes with every number on the
way. A layer that is told ``dy = dL/dy``, of the shape of ``y``, can answer twice by the chain rule: ``dx = dL/dx``, which is ``dy`` to the
layer before, and ``dw = dL/dw`` for each parameter ``w`` of its own, which it keeps in ``gradients`` for the next ``step``.

So ``forward`` computes ``y`` and remembers what ``backward`` needs, which takes ``dy`` and returns ``dx``. The network calls them in order,
then in reverse order, and has every gradient for about twice the work of the output (Rumelhart, Hinton, Williams 1986).

>>> Network(lenet5()).forward(np.zeros((2, 1, 28, 28))).shape
(2, 10)
"""

# ruff: noqa: D102 (forward and backward are described once, in Layer)
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Spec = tuple[str, Mapping[str, Any]]  # name of a layer in LAYERS, arguments of its class


def check(right: bool, said: str) -> None:
    """Raise a ValueError with what was said, unless it is right."""
    if not right:
        raise ValueError(said)


class Layer:
    """What all layers share; by itself the identity, ``y = x`` and ``dx = dy``.

    Attributes:
        weight_shape: Outputs first; with a weight goes a bias for each output. Most layers have neither.
        parameters: Name -> array that is learned.
        gradients: Name -> ``dL/dw`` as the last ``backward`` found it, of the same shape.
        training: Whether dropout and batch normalisation behave as in training.

    Raises:
        ValueError: In any of them, an argument that cannot be or an input that does not fit; the message says what was expected.
    """

    def __init__(self, weight_shape: tuple[int, ...] = ()) -> None:
        self.weight_shape, self.training = weight_shape, True
        self.parameters: dict[str, np.ndarray] = {}
        self.gradients: dict[str, np.ndarray] = {}
        self.initialise(np.random.default_rng(0))

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw weights of variance 2 / inputs, so that signals keep their size (He et al. 2015, "Delving Deep into Rectifiers")."""
        self.rng, shape = rng, self.weight_shape
        if shape:
            self.parameters = {"weight": rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape), "bias": np.zeros(shape[0])}

    def forward(self, x: np.ndarray) -> np.ndarray:
        """``x -> y``, remembering what ``backward`` needs."""
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """``dL/dy -> dL/dx``, leaving ``dL/dw`` in ``gradients``."""
        return dy


class Linear(Layer):
    """``y_nk = sum_d w_kd x_nd + b_k``: (N, in_features) -> (N, out_features).

    - ``dx_nd = sum_k dy_nk w_kd``: back along the same connections
    - ``dw_kd = sum_n dy_nk x_nd``, ``db_k = sum_n dy_nk``
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__((out_features, in_features))

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.parameters["weight"].T + self.parameters["bias"]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.gradients = {"weight": dy.T @ self.x, "bias": dy.sum(0)}
        return dy @ self.parameters["weight"]


class Windows:
    """The H' x W' places of a k x k window over a picture with ``padding`` around it: ``H' = (H + 2 padding - k) // stride + 1``.

    Raises:
        ValueError: A kernel or stride below 1, a padding below 0; from ``unfold``: x has not four dimensions, or no window fits.

    >>> windows = Windows(2, stride=1, padding=0)
    >>> windows.unfold(np.arange(9.0).reshape(1, 1, 3, 3))[0, 0, :, :, 1, 1].tolist()
    [[4.0, 5.0], [7.0, 8.0]]
    >>> windows.fold(np.ones((1, 1, 2, 2, 2, 2)))[0, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """

    def __init__(self, kernel: int, *, stride: int | None, padding: int) -> None:
        self.kernel, self.stride, self.padding = kernel, kernel if stride is None else stride, padding
        said = f"kernel {kernel}, stride {self.stride}, padding {padding}: expected at least 1, 1, 0"
        check(min(kernel, self.stride) >= 1 and padding >= 0, said)

    def unfold(self, x: np.ndarray, *, outside: float = 0.0) -> np.ndarray:
        """What windows see ("im2col"): X (N, C, k, k, H', W'), ``X_ncijpq = x[n, c, p stride + i - padding, q stride + j - padding]``."""
        k, s, p = self.kernel, self.stride, self.padding
        fits = x.ndim == 4 and min(x.shape[2:]) + 2 * p >= k
        check(fits, f"the input is {x.shape}; expected (N, C, H, W) with room for {k} x {k}, padding {p} included")
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=outside) if p else x
        windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(2, 3))[:, :, ::s, ::s]  # (N, C, H', W', k, k)
        self.size, self.shape = x.shape[2:], (*x.shape[:2], k, k, *windows.shape[2:4])
        return windows.transpose(0, 1, 4, 5, 2, 3)

    def fold(self, windows: np.ndarray) -> np.ndarray:
        """Add each window of ``X`` back to where it came from ("col2im"): (N, C, H, W).

        The transpose of ``unfold`` as a linear map, hence its backward: a pixel that several windows saw collects from all of them.
        """
        (batch, channels, k, _, rows, columns), (height, width), s, p = self.shape, self.size, self.stride, self.padding
        windows, x = windows.reshape(self.shape), np.zeros((batch, channels, height + 2 * p, width + 2 * p), windows.dtype)
        for i in range(k):
            for j in range(k):
                x[:, :, i : i + s * rows : s, j : j + s * columns : s] += windows[:, :, i, j]
        return x[:, :, p : p + height, p : p + width]


class Convolution(Layer):
    """``y_nkpq = sum_cij w_kcij X_ncijpq + b_k`` with ``X = unfold(x)``: (N, in_channels, H, W) -> (N, out_channels, H', W').

    The kernel is not flipped, as in every framework. A linear layer that all windows share, so that gradients sum over windows too:

    - ``dX_ncijpq = sum_k w_kcij dy_nkpq``, then ``dx = fold(dX)``
    - ``dw_kcij = sum_npq dy_nkpq X_ncijpq``, ``db_k = sum_npq dy_nkpq``
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: int = 0) -> None:
        self.windows = Windows(kernel, stride=stride, padding=padding)
        super().__init__((out_channels, in_channels, kernel, kernel))

    def forward(self, x: np.ndarray) -> np.ndarray:
        windows = self.windows.unfold(x)
        rows, columns = windows.shape[4:]
        self.x = windows.reshape(len(x), -1, rows * columns)  # (N, C k k, H' W')
        weight = self.parameters["weight"].reshape(self.weight_shape[0], -1)  # (K, C k k)
        return (weight @ self.x + self.parameters["bias"][:, None]).reshape(len(x), -1, rows, columns)  # (N, K, H', W')

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dy = dy.reshape(*dy.shape[:2], -1)  # (N, K, H' W')
        dw = np.tensordot(dy, self.x, ((0, 2), (0, 2)))  # (K, C k k)
        self.gradients = {"weight": dw.reshape(self.weight_shape), "bias": dy.sum((0, 2))}
        return self.windows.fold(self.parameters["weight"].reshape(dw.shape).T @ dy)


class MeanPooling(Layer):
    """``y_ncpq = sum_ij X_ncijpq / k^2`` with ``X = unfold(x)``, padding included; ``dX_ncijpq = dy_ncpq / k^2``, ``dx = fold(dX)``."""

    def __init__(self, kernel: int, *, stride: int | None = None, padding: int = 0) -> None:
        super().__init__()
        self.windows = Windows(kernel, stride=stride, padding=padding)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.windows.unfold(x).mean((2, 3))  # (N, C, H', W')

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return self.windows.fold(np.broadcast_to(dy[:, :, None, None] / self.windows.kernel**2, self.windows.shape))


class MaxPooling(Layer):
    """``y_ncpq = max_ij X_ncijpq`` with ``X = unfold(x)``; ``dX_ncijpq = dy_ncpq`` where (i, j) won, else 0, and ``dx = fold(dX)``."""

    def __init__(self, kernel: int, *, stride: int | None = None, padding: int = 0) -> None:
        super().__init__()
        self.windows = Windows(kernel, stride=stride, padding=padding)
        check(padding <= kernel // 2, f"padding is {padding} for a window of {kernel}; expected at most half of it")

    def forward(self, x: np.ndarray) -> np.ndarray:
        windows = self.windows.unfold(x, outside=-np.inf).reshape(*x.shape[:2], -1, *self.windows.shape[4:])  # (N, C, k k, H', W')
        self.winner = windows.argmax(2, keepdims=True)  # (N, C, 1, H', W'), the first of equals
        return np.take_along_axis(windows, self.winner, 2)[:, :, 0]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        won = np.arange(self.windows.kernel**2)[:, None, None] == self.winner  # (N, C, k k, H', W')
        return self.windows.fold(dy[:, :, None] * won)


class ReLU(Layer):
    """``y = max(x, 0)``; ``dx = dy`` where x > 0, else 0."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.y = np.maximum(x, 0)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * (self.y > 0)


class Sigmoid(Layer):
    """``y = 1 / (1 + exp(-x)) = (1 + tanh(x/2)) / 2``; ``dx = dy y (1 - y)``: at most a quarter passes, so deep networks learn slowly."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.y = (1 + np.tanh(x / 2)) / 2
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * self.y * (1 - self.y)


class Tanh(Layer):
    """``y = tanh(x)``; ``dx = dy (1 - y^2)``: all passes at 0, nothing where it saturates."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * (1 - self.y**2)


class Flatten(Layer):
    """``y`` is ``x`` (N, C, H, W) as (N, C H W); ``dx`` is ``dy`` as (N, C, H, W)."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy.reshape(self.shape)


class LRN(Layer):
    """``y_c = x_c s_c^-b``, ``s_c = k + a sum x_c'^2`` over the ``size`` channels c' around c (Krizhevsky et al. 2012, section 3.3).

    A channel acts on its own y and, through s, on those of its neighbours: ``dx_c = dy_c s_c^-b - 2 a b x_c sum dy_c' x_c' s_c'^(-b-1)``.
    """

    def __init__(self, *, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: np.ndarray) -> np.ndarray:
        ones = np.ones((x.shape[1], x.shape[1]), x.dtype)
        self.around = np.tril(np.triu(ones, -(self.size // 2)), (self.size - 1) // 2)  # (C, C): 1 where c' is around c, a band
        self.x, self.s = x, self.k + self.alpha * np.einsum("cd,nd...->nc...", self.around, x**2)
        return x * self.s**-self.beta

    def backward(self, dy: np.ndarray) -> np.ndarray:
        others = np.einsum("cd,nc...->nd...", self.around, dy * self.x * self.s ** (-self.beta - 1))
        return dy * self.s**-self.beta - 2 * self.alpha * self.beta * self.x * others


class Dropout(Layer):
    """``y = x m``, ``dx = dy m``; m is 0 with probability p, else 1 / (1 - p), in evaluation 1, its mean (Srivastava et al. 2014)."""

    def __init__(self, p: float = 0.5) -> None:
        check(0 <= p < 1, f"p is {p}; expected 0 or more, below 1")
        super().__init__()
        self.p = p

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.m = ((self.rng.random(x.shape) >= self.p) / (1 - self.p)).astype(x.dtype) if self.training else np.ones_like(x)
        return x * self.m

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * self.m


class BatchNormalisation(Layer):
    """``y = g h + b`` with ``h = (x - m) / d`` and ``d = sqrt(v + eps)``, for each channel of (N, C) or (N, C, H, W) (Ioffe, Szegedy 2015).

    In training m and v are mean and variance over the channel's M values in the batch, so that each x acts on every y of its channel. In
    evaluation they are constants, which training moves by ``momentum`` towards m and the unbiased v M / (M - 1).

    - ``dg = sum dy h``, ``db = sum dy``, evaluation: ``dx = g/d dy``, training: ``dx = g/d (dy - mean(dy) - h mean(dy h))``
    """

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.parameters = {"weight": np.ones(channels), "bias": np.zeros(channels)}
        self.mean, self.variance, self.momentum, self.eps = np.zeros(channels), np.ones(channels), momentum, eps

    def forward(self, x: np.ndarray) -> np.ndarray:
        x = np.moveaxis(x, 1, -1)  # (N, C) or (N, H, W, C): one value for each channel meets the last axis
        axes, mean, variance = tuple(range(x.ndim - 1)), self.mean.astype(x.dtype), self.variance.astype(x.dtype)
        if self.training:
            mean, variance, count = x.mean(axes), x.var(axes), x.size // x.shape[-1]
            self.mean = self.mean + self.momentum * (mean - self.mean)
            self.variance = self.variance + self.momentum * (variance * count / max(count - 1, 1) - self.variance)
        self.d = np.sqrt(variance + self.eps)
        self.h = (x - mean) / self.d
        return np.moveaxis(self.parameters["weight"] * self.h + self.parameters["bias"], -1, 1)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dy, axes = np.moveaxis(dy, 1, -1), tuple(range(dy.ndim - 1))
        self.gradients = {"weight": (dy * self.h).sum(axes), "bias": dy.sum(axes)}
        if self.training:
            dy = dy - dy.mean(axes) - self.h * (dy * self.h).mean(axes)
        return np.moveaxis(self.parameters["weight"] / self.d * dy, -1, 1)


class Euclidean:
    """``L = sum_nk (x_nk - t_nk)^2 / 2N``; ``dx = (x - t) / N``. Predictions x and targets t have one shape, else a ValueError."""

    def forward(self, x: np.ndarray, t: np.ndarray) -> float:
        check(x.shape == t.shape, f"targets are {t.shape}; expected {x.shape}, as the predictions")
        self.difference = x - t
        return float((self.difference**2).sum()) / (2 * len(x))

    def backward(self) -> np.ndarray:
        return self.difference / len(self.difference)


class CrossEntropy:
    """``L = -sum_n log p_n,t_n / N`` with ``p_nk = exp(x_nk) / sum_j exp(x_nj)`` (softmax); ``dx_nk = (p_nk - [k = t_n]) / N``.

    x are logits (N, K), t classes (N,), integers from 0 to K - 1, else a ValueError. The gradient: again what was said less what is right.
    """

    def forward(self, x: np.ndarray, t: np.ndarray) -> float:
        check(t.shape == x.shape[:1] and t.dtype.kind in "iu", f"targets are {t.dtype} {t.shape}; expected integers {x.shape[:1]}")
        wrong = np.setdiff1d(t, np.arange(x.shape[1]))
        check(not wrong.size, f"targets have class {wrong[:1]}; expected 0 to {x.shape[1] - 1}")
        x = x - x.max(1, keepdims=True)  # changes no p, and exp cannot overflow
        log_p = x - np.log(np.exp(x).sum(1, keepdims=True))
        self.p, self.right = np.exp(log_p), (np.arange(len(x)), t)
        return -float(log_p[self.right].mean())

    def backward(self) -> np.ndarray:
        dx = self.p.copy()
        dx[self.right] -= 1
        return dx / len(dx)


LAYERS: dict[str, type[Layer]] = {
    "linear": Linear, "convolution": Convolution, "mean_pooling": MeanPooling, "max_pooling": MaxPooling, "flatten": Flatten,
    "relu": ReLU, "sigmoid": Sigmoid, "tanh": Tanh, "dropout": Dropout, "lrn": LRN, "batch_normalisation": BatchNormalisation,
}  # fmt: skip
LOSSES: dict[str, type[Euclidean] | type[CrossEntropy]] = {"euclidean": Euclidean, "cross_entropy": CrossEntropy}


class Network:
    """Layers one after the other, and a loss.

    Args:
        specs: Name in ``LAYERS`` and arguments for each, such as ``("max_pooling", {"kernel": 2})``.
        loss: Name in ``LOSSES``.
        seed: Of the first weights, of dropout and of the order of examples in ``train_epoch``.
        dtype: float64, or float32 for speed.

    Raises:
        ValueError: Unknown layer or loss; from ``step``: no ``backward`` came before; from ``train_epoch``: a batch below 1.
    """

    def __init__(self, specs: Sequence[Spec], *, loss: str = "cross_entropy", seed: int = 0, dtype: type = np.float64) -> None:
        for name, known in [(loss, set(LOSSES)), *((name, set(LAYERS)) for name, _ in specs)]:
            check(name in known, f"{name!r} is unknown; expected one of {', '.join(sorted(known))}")
        self.layers, self.loss = [LAYERS[name](**arguments) for name, arguments in specs], LOSSES[loss]()
        self.rng, self.dtype = np.random.default_rng(seed), dtype
        for layer in self.layers:
            layer.initialise(self.rng)
            layer.parameters = {name: w.astype(dtype) for name, w in layer.parameters.items()}
        self.velocities = [{name: np.zeros_like(w) for name, w in layer.parameters.items()} for layer in self.layers]

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """Every layer in order."""
        x = x.astype(self.dtype, copy=False)
        for layer in self.layers:
            layer.training = training
            x = layer.forward(x)
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Every layer in reverse order: ``dL/d output -> dL/d input``; each layer then holds its gradients."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def step(self, *, rate: float, momentum: float = 0.9, decay: float = 0.0) -> None:
        """Gradient descent with momentum and weight decay: ``v <- momentum v + dw + decay w``, ``w <- w - rate v``."""
        for layer, velocity in zip(self.layers, self.velocities, strict=True):
            check(layer.gradients.keys() == layer.parameters.keys(), "step has no gradients; expected a backward before it")
            for name, w in layer.parameters.items():
                velocity[name] = momentum * velocity[name] + layer.gradients[name] + decay * w
                layer.parameters[name] = w - rate * velocity[name]

    def train_epoch(self, x: np.ndarray, t: np.ndarray, *, rate: float, batch: int = 64, momentum: float = 0.9, decay: float = 0) -> float:
        """Show all examples once in random order, with a ``step`` after each batch; the mean loss on the way."""
        check(batch >= 1, f"batch is {batch}; expected 1 or more")
        losses = []
        for chosen in np.array_split(self.rng.permutation(len(x)), -(-len(x) // batch)):
            losses.append(self.loss.forward(self.forward(x[chosen], training=True), t[chosen]))
            self.backward(self.loss.backward())
            self.step(rate=rate, momentum=momentum, decay=decay)
        return float(np.mean(losses))


def lenet5(*, activation: str = "relu", pooling: str = "max_pooling") -> list[Spec]:
    """LeNet-5 for 28 x 28 digits (LeCun et al. 1998, figure 2), C3 seeing all maps; in 1998 with tanh and mean pooling."""
    active: Spec = (activation, {})
    pool: Spec = (pooling, {"kernel": 2})
    c1 = ("convolution", {"in_channels": 1, "out_channels": 6, "kernel": 5, "padding": 2})
    c3 = ("convolution", {"in_channels": 6, "out_channels": 16, "kernel": 5})
    c5 = ("convolution", {"in_channels": 16, "out_channels": 120, "kernel": 5})
    f6, output = ("linear", {"in_features": 120, "out_features": 84}), ("linear", {"in_features": 84, "out_features": 10})
    return [c1, active, pool, c3, active, pool, c5, active, ("flatten", {}), f6, active, output]
