"""How far the filters on arrays are from those on tensors and from SciPy, at every border: two tables, in Markdown.

python scripts/agreement.py: the second part of docs/filters.md
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch
from scipy import ndimage
from skimage import data

from restore.filters import FILTERS, kernels
from restore.filters.base import BORDERS
from restore.levels import from_float, to_float

SCIPY = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "constant": "constant", "wrap": "wrap"}
"""Our name of a border -> SciPy's."""
NUMPY = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "constant": "constant", "wrap": "wrap"}
OPTIONS = {"gabor": {"wavelength": 4.0, "count": 4}, "custom": {"kernel": [[1, 2, 3], [4, 5, 6], [7, 8, 10]], "normalise": True}}
"""Name -> options that are not the defaults."""

TEXT = """## Arrays, tensors and SciPy agree

Printed by `python scripts/agreement.py`: the largest difference over an RGB photograph of 64 x 96 pixels, each filter with its defaults
(`gabor`: 4 directions of wavelength 4; `custom`: a 3x3 kernel). In a cell, the first number is that between the filter on arrays and its
twin on tensors, the second that between the filter on arrays and SciPy in float64 (`bilateral`: OpenCV called on a picture that NumPy
has padded).
"""


def oracles(x: np.ndarray, border: str) -> dict[str, Callable[[], np.ndarray]]:
    """What SciPy makes of a picture (H, W, 3) float64 by each filter's defaults and ``OPTIONS``."""
    mode = SCIPY[border]
    mean = partial(ndimage.uniform_filter, mode=mode)
    blur = partial(ndimage.gaussian_filter, x, mode=mode, truncate=3, axes=(0, 1))

    def correlate(kernel: np.ndarray) -> np.ndarray:
        return ndimage.correlate(x, kernel[..., None], mode=mode)

    def length(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.hypot(correlate(one), correlate(other))

    def gradient(derivative: Callable[..., np.ndarray]) -> np.ndarray:
        planes = [np.hypot(derivative(x[..., i], 0, mode=mode), derivative(x[..., i], 1, mode=mode)) for i in range(3)]
        return np.stack(planes, -1)

    def erode(values: np.ndarray, size: int = 3) -> np.ndarray:
        return ndimage.grey_erosion(values, (size, size, 1), mode=mode, cval=np.inf)

    def dilate(values: np.ndarray, size: int = 3) -> np.ndarray:
        return ndimage.grey_dilation(values, (size, size, 1), mode=mode, cval=-np.inf)

    def guided() -> np.ndarray:
        window = (17, 17, 1)
        middle = mean(x, window)
        variance = mean(x * x, window) - middle**2
        share = variance / (variance + (25 / 255) ** 2)
        return mean(share, window) * x + mean((1 - share) * middle, window)

    def bilateral() -> np.ndarray:
        padded = np.pad(x.astype(np.float32), ((4, 4), (4, 4), (0, 0)), mode=NUMPY[border])
        return cv2.bilateralFilter(padded, 9, 25 / 255, 3)[4:-4, 4:-4]

    roberts = np.array([[0, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)
    return {
        "box": lambda: mean(x, (5, 5, 1)),
        "gaussian": lambda: blur(2.0),
        "motion": lambda: correlate(kernels.motion(9)),
        "disk": lambda: correlate(kernels.disk(3)),
        "unsharp": lambda: 2 * x - blur(2.0),
        "high_boost": lambda: 1.5 * x - 0.5 * mean(x, (3, 3, 1)),
        "sharpen": lambda: correlate(kernels.SHARPEN),
        "median": lambda: ndimage.median_filter(x, (3, 3, 1), mode=mode),
        "bilateral": bilateral,
        "guided": guided,
        "laplacian": lambda: correlate(kernels.LAPLACIAN),
        "sobel": lambda: gradient(ndimage.sobel),
        "scharr": lambda: length(kernels.SCHARR, kernels.SCHARR.T),
        "prewitt": lambda: gradient(ndimage.prewitt),
        "roberts": lambda: length(kernels.ROBERTS, roberts),
        "difference_of_gaussians": lambda: blur(1.0) - blur(1.6),
        "laplacian_of_gaussian": lambda: correlate(kernels.log(2.0)),
        "gabor": lambda: np.max([np.abs(correlate(kernels.gabor(4.0, 45.0 * i))) for i in range(4)], 0),
        "emboss": lambda: correlate(kernels.EMBOSS),
        "erosion": lambda: erode(x),
        "dilation": lambda: dilate(x),
        "opening": lambda: dilate(erode(x)),
        "closing": lambda: erode(dilate(x)),
        "top_hat": lambda: x - dilate(erode(x, 9), 9),
        "black_hat": lambda: erode(dilate(x, 9), 9) - x,
        "custom": lambda: correlate(np.divide(OPTIONS["custom"]["kernel"], 46)),
    }


def differences(dtype: type) -> dict[str, dict[str, tuple[float, float]]]:
    """Filter -> border -> largest difference to the twin on tensors, and to SciPy: of float32 as it is, of integers in levels."""
    picture = from_float(to_float(data.astronaut()[20:84, 180:276]), dtype)
    unit = to_float(picture).astype(np.float64)
    x = torch.from_numpy(to_float(picture)).permute(2, 0, 1)[None]  # (1, 3, H, W)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for border in BORDERS:
        scipy = oracles(unit, border)
        for name, row in FILTERS.items():
            if row.tensor is None:
                continue
            options = OPTIONS.get(name, {})
            ours = row.array(picture, border=border, **options).astype(np.float64)
            twin = row.tensor(x, border=border, **options)[0].permute(1, 2, 0).numpy()
            both = (float(np.abs(ours - from_float(other, dtype)).max()) for other in (twin, scipy[name]()))
            found.setdefault(name, {})[border] = tuple(both)  # type: ignore[assignment]
    return found


def table(dtype: type) -> str:
    """The differences in Markdown, a row for each filter."""
    form = "{:.0e}" if dtype == np.float32 else "{:.0f}"
    lines = [f"| filter | {' | '.join(BORDERS)} |", "|---" * (1 + len(BORDERS)) + "|"]
    for name, row in differences(dtype).items():
        cells = (", ".join("0" if value == 0 else form.format(value) for value in pair) for pair in row.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(TEXT)
    print(f"float32, white = 1:\n\n{table(np.float32)}\n")
    print("uint8, in levels; the tensor's and SciPy's result are clipped to black and white and rounded once:\n")
    print(table(np.uint8))
