"""Blur: a kernel for each picture, drawn by what caused it."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len

from restore.degrade.base import Degradation, Shape, Strength, Uniform, numbers
from restore.draws import Draws
from restore.filters.tensor.base import pad


def blur(x: torch.Tensor, kernels: torch.Tensor, *, border: str = "reflect") -> torch.Tensor:
    """Correlate each picture with a kernel of its own, by Fourier transforms: their cost hardly depends on the kernel's size.

    Args:
        x: Pictures (N, C, H, W), float.
        kernels: (N, k, k), k odd; the top left number meets the pixel above and to the left of the centre.
        border: A name in ``filters.BORDERS``.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError: ``kernels`` are not one for each picture, square and of odd side.

    >>> blur(torch.tensor([[[[0.0, 9, 0]]]]), torch.full((1, 3, 3), 1 / 9)).round(decimals=4)
    tensor([[[[6., 3., 6.]]]])
    """
    size = kernels.shape[-1]
    if kernels.shape != (len(x), size, size) or size % 2 == 0:
        raise ValueError(f"kernels have shape {tuple(kernels.shape)}; expected ({len(x)}, k, k), k odd")
    padded = pad(x, size // 2, size // 2, border)
    fast = [next_fast_len(side, real=True) for side in padded.shape[2:]]
    spectrum = torch.fft.rfft2(padded, s=fast) * torch.fft.rfft2(kernels.to(x.dtype), s=fast).conj()[:, None]
    return torch.fft.irfft2(spectrum, s=fast)[..., : x.shape[2], : x.shape[3]].contiguous()


def grid(size: int, like: torch.Tensor) -> torch.Tensor:
    """Whole numbers (size,) around 0, in the type and on the device of ``like``."""
    return torch.arange(size, dtype=like.dtype, device=like.device) - (size - 1) / 2


def gaussian_kernels(sigma_x: torch.Tensor, sigma_y: torch.Tensor, angle: torch.Tensor, size: int) -> torch.Tensor:
    """Gaussians with two axes, cut to ``size`` pixels a side.

    Args:
        sigma_x: Standard deviation along the first axis in pixels, (N,), above 0.
        sigma_y: Along the second axis.
        angle: Of the first axis, in degrees counter-clockwise from the horizontal.
        size: Odd; 6 sigma hold 99.7 % of it.

    Returns:
        (N, size, size), each summing to 1.

    >>> gaussian_kernels(torch.tensor([0.5]), torch.tensor([0.5]), torch.zeros(1), 3)[0, 1].round(decimals=3)
    tensor([0.0840, 0.6190, 0.0840])
    """
    x, turn = grid(size, sigma_x), torch.deg2rad(angle)[:, None, None]
    y = -x[:, None]
    along, across = x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin()  # (N, size, size)
    exponent = (along / sigma_x[:, None, None]) ** 2 + (across / sigma_y[:, None, None]) ** 2
    return torch.softmax(exponent.flatten(1) / -2, 1).unflatten(1, (size, size))


FINE = 4
"""Samples along each side of a pixel where a disk is drawn."""


def disk_kernels(radius: torch.Tensor, size: int) -> torch.Tensor:
    """Disks with an antialiased rim: what a round lens out of focus makes of a point.

    Args:
        radius: In pixels, (N,), above 0.
        size: Odd; 2 radius + 1 hold all of it.

    Returns:
        (N, size, size), each summing to 1.

    >>> disk_kernels(torch.tensor([1.0]), 3)[0, 1].round(decimals=3)
    tensor([0.1440, 0.3160, 0.1440])
    """
    x = grid(size * FINE, radius) / FINE
    distance = torch.hypot(x, x[:, None])
    covered = F.avg_pool2d((0.5 + (radius[:, None, None] - distance) * FINE).clamp(0, 1), FINE)  # (N, size, size)
    return covered / covered.sum((1, 2), keepdim=True)


def motion_kernels(path: torch.Tensor, size: int) -> torch.Tensor:
    """Paths of a point over the film during the exposure, equal times between their places, each place shared by the four pixels around it.

    Args:
        path: (N, K, 2), x to the right and y downwards in pixels from the kernel's centre; steps of at most a pixel leave no gaps.
        size: Odd; places outside are lost.

    Returns:
        (N, size, size), each summing to 1.

    >>> motion_kernels(torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]]), 3)[0]
    tensor([[0.0000, 0.0000, 0.0000],
            [0.2500, 0.5000, 0.2500],
            [0.0000, 0.0000, 0.0000]])
    """
    columns, rows = (1 - (path[..., None] - grid(size, path)).abs()).clamp(min=0).unbind(2)  # (N, K, size) each
    seen = rows.transpose(1, 2) @ columns  # (N, size, size)
    return seen / seen.sum((1, 2), keepdim=True)


@dataclass(frozen=True)
class Walk:
    """(N, steps, 2): the path of a shaking hand, its centroid at 0, its furthest place 1/2 from there.

    A velocity with inertia is kicked at random, seldom hard: a random walk as in Boracchi and Foi, "Modeling the performance of image
    restoration from motion blur", 2012, and Kupyn et al., "DeblurGAN", 2018, without their pull to the centre.

    Attributes:
        steps: How many places.
        least: Share of the velocity that lasts over a hundredth of the exposure, drawn evenly from here to 1.
    """

    steps: int = 128
    least: float = 0.9

    def __call__(self, draws: Draws, shape: Shape, severity: np.ndarray) -> torch.Tensor:
        """See ``Distribution``."""
        kicks = draws.normal(self.steps, 2) ** 3
        kept = numbers(draws.uniform(self.least, 1), draws)[:, None, None] ** (100 / self.steps)
        since = grid(self.steps, kicks)[:, None] - grid(self.steps, kicks)  # how long ago each kick was, (steps, steps)
        path = (torch.where(since >= 0, kept ** since.clamp(min=0), 0) @ kicks).cumsum(1)
        path = path - path.mean(1, keepdim=True)
        return path / (2 * path.norm(dim=2).amax(1)[:, None, None])


def benchmark_kernels() -> dict[str, torch.Tensor]:
    """The eight blurs that deblurring is measured with: two Gaussians, a disk, and five paths of a shaking hand.

    Returns:
        Name -> (25, 25) float32 that sums to 1, its centroid at the centre; the number in the name is the Gaussian's standard deviation,
        the disk's radius, or twice the way from a path's centroid to its furthest place, in pixels.

    >>> list(benchmark_kernels())
    ['gaussian_1.2', 'gaussian_2', 'disk_3', 'walk_8', 'walk_12', 'walk_16', 'walk_20', 'walk_24']
    """
    size, kinds = 25, {"gaussian": [1.2, 2.0], "disk": [3.0], "walk": [8.0, 12.0, 16.0, 20.0, 24.0]}
    sigma, radius, length = map(torch.tensor, kinds.values())
    path = length[:, None, None] * Walk()(Draws(0, range(5)), (5, 3, size, size), np.ones(5))
    made = [gaussian_kernels(sigma, sigma, torch.zeros(2), size), disk_kernels(radius, size), motion_kernels(path, size)]
    names = [f"{kind}_{number:g}" for kind, sizes in kinds.items() for number in sizes]
    return dict(zip(names, torch.cat(made), strict=True))


def gaussian_blur(x: torch.Tensor, sigma: torch.Tensor, ratio: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Blur with a Gaussian of ``sigma`` pixels along one axis, ``ratio`` times that across it.

    Args:
        x: Pictures (N, C, H, W).
        sigma: (N,), above 0 and at most 4; more is cut at 12 pixels.
        ratio: (N,), above 0.
        angle: Of the first axis, in degrees counter-clockwise from the horizontal, (N,).

    >>> gaussian_blur(torch.ones(1, 3, 8, 9), torch.ones(1), torch.ones(1), torch.zeros(1)).shape
    torch.Size([1, 3, 8, 9])
    """
    return blur(x, gaussian_kernels(sigma, sigma * ratio, angle, 25))


def defocus(x: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Blur as a round lens out of focus does, over a disk of ``radius`` pixels.

    Args:
        x: Pictures (N, C, H, W).
        radius: (N,), above 0 and at most 8.

    >>> defocus(torch.ones(1, 3, 8, 9), torch.tensor([3.0])).shape
    torch.Size([1, 3, 8, 9])
    """
    return blur(x, disk_kernels(radius, 17))


def motion_blur(x: torch.Tensor, length: torch.Tensor, path: torch.Tensor) -> torch.Tensor:
    """Blur along the path of a shaking hand.

    Args:
        x: Pictures (N, C, H, W).
        length: Pixels for one unit of the path, (N,); at most 32, for a path that stays within 1/2 from 0.
        path: (N, K, 2), x to the right, y downwards.

    >>> motion_blur(torch.ones(1, 3, 8, 9), torch.tensor([9.0]), torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]])).shape
    torch.Size([1, 3, 8, 9])
    """
    return blur(x, motion_kernels(length[:, None, None] * path, 35))


ROWS = {
    "gaussian_blur": Degradation("blur", gaussian_blur, {"sigma": Strength(0.4, 4), "ratio": Uniform(0.4, 1), "angle": Uniform(0, 180)}),
    "defocus": Degradation("blur", defocus, {"radius": Strength(0.6, 8)}),
    "motion_blur": Degradation("blur", motion_blur, {"length": Strength(1, 32), "path": Walk()}),
}
