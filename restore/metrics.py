"""How alike two pictures, or two masks, are: one number each.

Pictures are arrays (H, W) or (H, W, C). Integers are measured by the full range of their type, floats by 1; the two may have
different types. Values outside the range are measured as they are.
"""

import warnings
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import torch

LUMA = np.array([65.481, 128.553, 24.966]) / 255  # ITU-R BT.601, studio range
SCALES = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # of MS-SSIM, finest first
TRUNKS = {"squeeze": "SqueezeNet1_1_Weights", "alex": "AlexNet_Weights", "vgg": "VGG16_Weights"}  # in torchvision.models


class MetricUnavailable(RuntimeError):
    """What a metric needs is not on this machine."""


def _unit(picture: np.ndarray) -> np.ndarray:
    """Return (H, W, C) float64, the full range of the type being 0 to 1."""
    if picture.dtype.kind not in "uf" or picture.ndim not in (2, 3) or picture.size == 0:
        raise ValueError(f"expected a picture (H, W[, C]) of unsigned integers or floats, got {picture.dtype} of shape {picture.shape}")
    scale = np.iinfo(picture.dtype).max if picture.dtype.kind == "u" else 1
    return np.atleast_3d(picture).astype(np.float64) / scale


def _pair(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if a.shape != b.shape:
        raise ValueError(f"the pictures differ in shape: {a.shape} and {b.shape}")
    return _unit(a), _unit(b)


def _mean(values: np.ndarray, mask: np.ndarray | None) -> float:
    """Return the mean of (H, W, C), over the pixels where the mask (H, W) is not zero if there is one."""
    if mask is None:
        return float(values.mean())
    if mask.shape != values.shape[:2] or not mask.any():
        raise ValueError(f"expected a mask of shape {values.shape[:2]} that is not zero everywhere, got {mask.shape}")
    return float(values[mask != 0].mean())


def _luma(picture: np.ndarray) -> np.ndarray:
    """Return the luma (H, W, 1) of colour; grey as it is."""
    if picture.shape[2] not in (1, 3):
        raise ValueError(f"expected 1 or 3 channels, got {picture.shape[2]}")
    return picture if picture.shape[2] == 1 else picture @ LUMA[:, None] + 16 / 255


def _decibels(error: float) -> float:
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def psnr(a: np.ndarray, b: np.ndarray, *, mask: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio, its mean squared error taken over all channels together.

    Args:
        a: (H, W) or (H, W, C).
        b: the same shape.
        mask: (H, W); only where it is not zero. None for everywhere.

    Returns:
        Decibels; inf for equal pictures.

    Raises:
        ValueError: shapes that differ, types other than unsigned integers and floats, a mask of another size or of zeros.

    >>> round(psnr(np.zeros((4, 4), np.uint8), np.full((4, 4), 25, np.uint8)), 2)
    20.17
    """
    x, y = _pair(a, b)
    return _decibels(_mean((x - y) ** 2, mask))


def psnr_y(a: np.ndarray, b: np.ndarray, *, mask: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio of the luma of BT.601 (16 to 235 of 255, the peak being 255), as papers on JPEG give it.

    Args:
        a: (H, W, 3) RGB; grey pictures are measured as they are.
        b: the same shape.
        mask: (H, W); only where it is not zero. None for everywhere.

    Returns:
        Decibels; inf for equal pictures.

    Raises:
        ValueError: as `psnr`, or a number of channels other than 1 and 3.

    >>> psnr_y(np.zeros((4, 4, 3)), np.zeros((4, 4, 3)))
    inf
    """
    x, y = _pair(a, b)
    return _decibels(_mean((_luma(x) - _luma(y)) ** 2, mask))


def psnr_b(a: np.ndarray, b: np.ndarray, *, block: int = 8) -> float:
    """PSNR-B of the luma: the blocks that JPEG leaves count beside the error (Yim, Bovik, Quality Assessment of Deblocked Images, 2011).

    To the mean squared error is added by how much neighbours across the borders of blocks differ more, on the mean of the squares, than
    other neighbours, times log2(block) / log2(shorter side).

    Args:
        a: the photograph, (H, W, 3) RGB, or grey, which is measured as it is.
        b: what is judged, and searched for blocks; the same shape.
        block: the side of a block in pixels; the first begins at the upper left corner.

    Returns:
        Decibels; inf for equal pictures, if no borders stand out in them by chance.

    Raises:
        ValueError: as `psnr_y`, a block below 2, or pictures that are not longer than it each way.

    >>> halves = np.repeat([[0, 0, 0, 0, 51, 51, 51, 51]], 8, axis=0).astype(np.uint8)
    >>> round(psnr_b(halves, halves, block=4), 2)  # 0.2^2 at 16 of 32 places, times 2 / 3
    18.75
    """
    x, y = (_luma(picture) for picture in _pair(a, b))
    if block < 2 or min(x.shape[:2]) <= block:
        raise ValueError(f"expected a block of at least 2 pixels in a longer picture, got {block} in {x.shape[1]}x{x.shape[0]}")
    at_border, elsewhere = [], []
    for steps in (np.diff(y, axis=0), np.diff(y, axis=1).swapaxes(0, 1)):
        border = np.arange(1, len(steps) + 1) % block == 0
        at_border.append(steps[border].ravel())
        elsewhere.append(steps[~border].ravel())
    excess = float(np.mean(np.concatenate(at_border) ** 2) - np.mean(np.concatenate(elsewhere) ** 2))
    weight = np.log2(block) / np.log2(min(x.shape[:2]))
    return _decibels(float(np.mean((x - y) ** 2)) + weight * max(0.0, excess))


def _likeness(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return SSIM's two factors (H, W, C): luminance, and contrast times structure."""
    if min(x.shape[:2]) < 11:
        raise ValueError(f"expected pictures of at least 11x11 pixels, got {x.shape[1]}x{x.shape[0]}")
    kernel = cv2.getGaussianKernel(11, 1.5, cv2.CV_64F)

    def local(values: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(values, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT).reshape(values.shape)

    mean_x, mean_y = local(x), local(y)
    variance_x, variance_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    covariance = local(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    return (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1), (2 * covariance + c2) / (variance_x + variance_y + c2)


def _ssim(x: np.ndarray, y: np.ndarray, mask: np.ndarray | None) -> float:
    means = []
    for plane in range(x.shape[2]):  # one by one: a third of the memory
        luminance, structure = _likeness(x[..., plane, None], y[..., plane, None])
        means.append(_mean(luminance * structure if mask is not None else (luminance * structure)[5:-5, 5:-5], mask))
    return float(np.mean(means))


def ssim(a: np.ndarray, b: np.ndarray, *, mask: np.ndarray | None = None) -> float:
    """Structural similarity: windows of 11 pixels with Gaussian weights (deviation 1.5), per channel, then the mean.

    Equals scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)`: without a
    mask the mean leaves out the 5 pixels at the borders (Wang et al., Image Quality Assessment, 2004).

    Args:
        a: (H, W) or (H, W, C), at least 11 pixels each way.
        b: the same shape.
        mask: (H, W); the mean of the windows centred where it is not zero. None for everywhere.

    Returns:
        -1 to 1; 1 for equal pictures.

    Raises:
        ValueError: as `psnr`, or pictures under 11 pixels.

    >>> ssim(np.zeros((16, 16, 3)), np.zeros((16, 16, 3)))
    1.0
    """
    return _ssim(*_pair(a, b), mask)


def ssim_y(a: np.ndarray, b: np.ndarray, *, mask: np.ndarray | None = None) -> float:
    """`ssim` of the luma that `psnr_y` takes, as papers on JPEG and on super-resolution give it.

    Args:
        a: (H, W, 3) RGB, or grey, which is measured as it is; at least 11 pixels each way.
        b: the same shape.
        mask: (H, W), as for `ssim`.

    Returns:
        -1 to 1; 1 for equal pictures.

    Raises:
        ValueError: as `ssim`, or a number of channels other than 1 and 3.

    >>> ssim_y(np.zeros((16, 16, 3)), np.zeros((16, 16, 3)))
    1.0
    """
    x, y = _pair(a, b)
    return _ssim(_luma(x), _luma(y), mask)


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity at five scales (Wang, Simoncelli, Bovik, Multi-Scale Structural Similarity, 2003), per channel, then the mean.

    Each scale is the mean of 2x2 pixels of the one before; a last odd row or column is left out. The means of contrast times structure
    (of luminance, contrast and structure at the coarsest scale) over windows as those of `ssim`, to the powers 0.0448, 0.2856, 0.3001,
    0.2363 and 0.1333, are multiplied; a mean below 0 counts as 0.

    Args:
        a: (H, W) or (H, W, C), at least 176 pixels each way.
        b: the same shape.

    Returns:
        0 to 1; 1 for equal pictures.

    Raises:
        ValueError: as `psnr`, or pictures under 176 pixels.

    >>> ms_ssim(np.zeros((176, 176)), np.zeros((176, 176)))
    1.0
    """
    x, y = _pair(a, b)
    if min(x.shape[:2]) < 176:
        raise ValueError(f"expected pictures of at least 176x176 pixels, got {x.shape[1]}x{x.shape[0]}")
    return float(np.mean([_ms_ssim(x[..., plane, None], y[..., plane, None]) for plane in range(x.shape[2])]))


def _ms_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Return MS-SSIM of one plane (H, W, 1)."""
    means = []
    for scale in range(len(SCALES)):
        if scale:
            x, y = (_half(picture) for picture in (x, y))
        luminance, structure = _likeness(x, y)
        likeness = luminance * structure if scale == len(SCALES) - 1 else structure
        means.append(likeness[5:-5, 5:-5].mean())
    return float(np.prod(np.maximum(means, 0) ** SCALES))


def _half(picture: np.ndarray) -> np.ndarray:
    """Return the means of 2x2 pixels, (H // 2, W // 2, C)."""
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    even = picture[:height, :width]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


@lru_cache(maxsize=4)
def lpips_network(net: str, features: Path | None) -> "torch.nn.Module":
    """Build the network of LPIPS, without a look at the internet.

    Args:
        net: its trunk: "squeeze", "alex" or "vgg".
        features: safetensors file with the trunk's ImageNet weights, named as torchvision names them (`features.0.weight`); None to
            take them from torchvision's cache.

    Returns:
        lpips.LPIPS in evaluation mode, which takes two (N, 3, H, W) in [-1, 1].

    Raises:
        ValueError: an unknown trunk.
        MetricUnavailable: no weights for the trunk on this machine, or not those of this trunk.
    """
    if net not in TRUNKS:
        raise ValueError(f"unknown trunk {net!r}, expected one of {', '.join(TRUNKS)}")
    import lpips
    import torch
    import torchvision
    from safetensors.torch import load_file

    if features is None:
        url = getattr(torchvision.models, TRUNKS[net]).IMAGENET1K_V1.url
        cached = Path(torch.hub.get_dir(), "checkpoints", url.rsplit("/", 1)[1])
        if not cached.is_file():
            raise MetricUnavailable(f"LPIPS ({net}) needs ImageNet weights: no features file was given and {cached} does not exist")
    elif not features.is_file():
        raise MetricUnavailable(f"LPIPS ({net}) needs ImageNet weights: {features} does not exist")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision by a deprecated argument
        network = lpips.LPIPS(net=net, pnet_rand=features is not None, verbose=False)
    if features is not None:
        state = load_file(features)
        try:  # lpips cuts the trunk into slices, net.slice2.3.weight being features.3.weight
            network.net.load_state_dict({key: state["features." + key.split(".", 1)[1]] for key in network.net.state_dict()})
        except (KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise MetricUnavailable(f"{features} does not hold the features of LPIPS's trunk {net}: {reason}") from error
    return network.eval().requires_grad_(False)


def lpips(a: np.ndarray, b: np.ndarray, *, net: str = "squeeze", features: str | PathLike[str] | None = None) -> float:
    """Learned perceptual distance, version 0.1 (Zhang et al., The Unreasonable Effectiveness of Deep Features, 2018).

    Args:
        a: (H, W, 3) RGB, or grey, which is shown to the network as three equal channels; at least 32 pixels each way.
        b: the same shape.
        net: the trunk: "squeeze", "alex" or "vgg".
        features: safetensors file with the trunk's ImageNet weights (see `lpips_network`).

    Returns:
        0 for equal pictures, larger for less alike ones.

    Raises:
        ValueError: as `psnr`, a number of channels other than 1 and 3, or pictures under 32 pixels.
        MetricUnavailable: no weights on this machine; nothing is downloaded.
    """
    x, y = _pair(a, b)
    if x.shape[2] not in (1, 3) or min(x.shape[:2]) < 32:
        raise ValueError(f"expected 1 or 3 channels and at least 32x32 pixels, got shape {x.shape}")
    network = lpips_network(net, None if features is None else Path(features))
    import torch

    def tensor(picture: np.ndarray) -> torch.Tensor:
        planes = np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)).transpose(2, 0, 1), np.float32)
        return torch.from_numpy(planes)[None] * 2 - 1  # (1, 3, H, W) in [-1, 1]

    with torch.inference_mode():
        return float(network(tensor(x), tensor(y)))


def _masks(a: np.ndarray, b: np.ndarray) -> tuple[int, int]:
    """Return the number of pixels in both and in the two together, each counted by itself."""
    if a.shape != b.shape:
        raise ValueError(f"the masks differ in shape: {a.shape} and {b.shape}")
    return int(np.count_nonzero((a != 0) & (b != 0))), int(np.count_nonzero(a)) + int(np.count_nonzero(b))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks.

    Args:
        a: (H, W), not zero inside.
        b: the same shape.

    Returns:
        0 to 1; 1 for two empty masks.

    Raises:
        ValueError: shapes that differ.

    >>> iou(np.array([[1, 1, 0]]), np.array([[0, 1, 1]]))
    0.3333333333333333
    """
    both, total = _masks(a, b)
    return both / (total - both) if total else 1.0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice coefficient of two masks: twice the intersection over the sum of the areas.

    Args:
        a: (H, W), not zero inside.
        b: the same shape.

    Returns:
        0 to 1; 1 for two empty masks.

    Raises:
        ValueError: shapes that differ.

    >>> dice(np.array([[1, 1, 0]]), np.array([[0, 1, 1]]))
    0.5
    """
    both, total = _masks(a, b)
    return 2 * both / total if total else 1.0
