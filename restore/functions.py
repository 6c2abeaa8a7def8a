"""The functions of the front door: a ``Restorer``'s methods, on the default device."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from restore.kinds import Kind, Level, Masks, Progress
from restore.restorer import Restorer


@functools.cache
def _shared() -> Restorer:
    return Restorer()


def inpaint(  # noqa: PLR0913 - as the method
    image: Kind,
    mask: Masks,
    *,
    method: str = "learned",
    texture: bool = True,
    grain: bool = True,
    seed: int = 0,
    grow: float = 0,
    feather: float = 0,
    progress: Progress | None = None,
) -> Any:
    """Fill what a mask marks, on the default device; see ``Restorer.inpaint``."""
    return _shared().inpaint(
        image, mask, method=method, texture=texture, grain=grain, seed=seed, grow=grow, feather=feather, progress=progress
    )


def denoise(
    image: Kind,
    *,
    sigma: Level = None,
    noise: str = "auto",
    found: Callable[[float | None], None] | None = None,
    progress: Progress | None = None,
) -> Any:
    """Remove noise, on the default device; see ``Restorer.denoise``."""
    return _shared().denoise(image, sigma=sigma, noise=noise, found=found, progress=progress)


def dejpeg(
    image: Kind,
    *,
    jpeg_quality: int | str = "auto",
    found: Callable[[tuple[int, ...]], None] | None = None,
    progress: Progress | None = None,
) -> Any:
    """Remove what JPEG left, on the default device; see ``Restorer.dejpeg``."""
    return _shared().dejpeg(image, jpeg_quality=jpeg_quality, found=found, progress=progress)


def deblur(
    image: Kind,
    *,
    width: float | None = None,
    blur: str = "auto",
    kernel: np.ndarray | None = None,
    found: Callable[[np.ndarray | None], None] | None = None,
    progress: Progress | None = None,
) -> Any:
    """Sharpen what is blurred, on the default device; see ``Restorer.deblur``."""
    return _shared().deblur(image, width=width, blur=blur, kernel=kernel, found=found, progress=progress)
