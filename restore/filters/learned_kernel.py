"""One convolution, learned: the kernel between two pictures, found by gradient descent.

>>> x = np.ones((6, 8), np.float32)
>>> x[:, 2:6] = 0
>>> y = x[:, :-1] - x[:, 1:]
>>> LearnedKernel((1, 2)).fit([x], [y]).kernel.round(2) + 0
array([[ 1., -1.]])
"""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from restore.filters.base import check_number
from restore.levels import to_float

STRIP = 64
"""Rows of a picture whose windows are held at a time."""


class LearnedKernel:
    """A kernel that correlates an input into its target.

    The loss is the mean square of what is left. Its gradient with respect to the kernel w is 2 (A w - b): A holds the mean products of
    the pixels of a window with one another, b those with the target. In photographs neighbours are alike, so that A is nearly singular
    and the loss a narrow valley: plain gradient descent finds the mean of the kernel at once, and its differences after thousands of
    steps. So the gradient is first taken to coordinates in which the pixels are not correlated (multiplied by the inverse of A), where
    the valley is round; in directions that the pictures do not show the kernel stays 0.

    Attributes:
        kernel: (h, w) float64, zeros before ``fit``.
        history: The kernel before each step and after the last, (steps + 1, h, w).
        losses: Its losses, white = 1, (steps + 1,).
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        """Start with zeros.

        Args:
            size: Of the kernel: (h, w), or one number for both; even sides are fine.

        Raises:
            ValueError: A side is below 1.
        """
        height, width = (size, size) if isinstance(size, int) else size
        if height < 1 or width < 1:
            raise ValueError(f"size is {size}; expected 1 or more on each side")
        self.kernel = np.zeros((height, width))
        self.history, self.losses = self.kernel[None], np.full(1, np.nan)

    def fit(
        self, inputs: Sequence[np.ndarray], targets: Sequence[np.ndarray], *, steps: int = 200, lr: float = 0.1, decorrelate: bool = True
    ) -> "LearnedKernel":
        """Learn the kernel from pairs of pictures, from zeros.

        Args:
            inputs: Pictures (H, W) or (H, W, C), uint8, uint16 or float32; each channel is an example by itself.
            targets: What the kernel makes of each: where it lies inside the picture, (H - h + 1, W - w + 1) or with C; or everywhere,
                (H, W) or with C, of a kernel of odd sides, of which the border is not looked at.
            steps: Steps of gradient descent, each over all pixels.
            lr: Length of a step, 0 to 1: what is left of the error is multiplied by 1 - lr in a step; without ``decorrelate`` only its
                strongest direction is.
            decorrelate: Whether the gradient is decorrelated.

        Returns:
            Itself.

        Raises:
            ValueError: No pair, another number of targets, a picture smaller than the kernel, a target of another shape, NaN or
                infinity, or ``steps`` or ``lr`` out of range.
            TypeError: Pixels of another type.
        """
        check_number("steps", steps, low=1, inclusive=True)
        check_number("lr", lr, high=1)
        products, toward, power = self._moments(inputs, targets)
        largest = max(np.linalg.eigvalsh(products)[-1], 1e-12)
        metric = np.linalg.pinv(products, rcond=1e-10, hermitian=True) if decorrelate else np.eye(len(products)) / largest
        kernel, kernels, losses = np.zeros(len(products)), [], []
        for step in range(int(steps) + 1):
            half = products @ kernel - toward  # half the gradient
            kernels.append(kernel)
            losses.append(max(power + kernel @ (half - toward), 0.0))
            kernel = kernel - lr * metric @ half if step < steps else kernel
        self.history, self.losses = np.reshape(kernels, (-1, *self.kernel.shape)), np.array(losses)
        self.kernel = self.history[-1]
        return self

    def _moments(self, inputs: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean products of a window's pixels, (hw, hw), of them and the target, (hw,), and of the target with itself."""
        if len(inputs) != len(targets) or len(inputs) == 0:
            raise ValueError(f"{len(inputs)} inputs and {len(targets)} targets; expected as many of each, 1 or more")
        total = np.zeros((self.kernel.size + 1,) * 2)
        count = 0
        for picture, target in zip(inputs, targets, strict=True):
            for plane, wanted in self._planes(picture, target):
                windows = sliding_window_view(plane, self.kernel.shape)  # (H', W', h, w)
                for top in range(0, len(windows), STRIP):
                    strip = windows[top : top + STRIP]
                    rows = np.column_stack([strip.reshape(-1, self.kernel.size), wanted[top : top + STRIP].ravel()])
                    total += rows.T @ rows
                count += wanted.size
        total /= count
        return total[:-1, :-1], total[:-1, -1], float(total[-1, -1])

    def _planes(self, picture: np.ndarray, target: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """The channels of a checked pair, float64: (H, W) and (H - h + 1, W - w + 1)."""
        (height, width), shape = self.kernel.shape, picture.shape
        if len(shape) not in (2, 3) or min(shape) < 1 or shape[0] < height or shape[1] < width:
            raise ValueError(f"a picture has shape {shape}; expected (H, W) or (H, W, C), no smaller than the kernel's {height}x{width}")
        inside = (shape[0] - height + 1, shape[1] - width + 1, *shape[2:])
        whole = shape if height % 2 and width % 2 else inside
        if target.shape not in (inside, whole):
            raise ValueError(f"a target has shape {target.shape}; expected {' or '.join(str(s) for s in dict.fromkeys((inside, whole)))}")
        if target.shape != inside:
            target = target[height // 2 :, width // 2 :][: inside[0], : inside[1]]
        x, y = to_float(picture).astype(np.float64), to_float(target).astype(np.float64)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ValueError("a picture holds NaN or infinity; expected finite pixels")
        x, y = x.reshape(*x.shape[:2], -1), y.reshape(*y.shape[:2], -1)
        return [(x[..., i], y[..., i]) for i in range(x.shape[2])]
