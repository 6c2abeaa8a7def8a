"""What fills a crop: a network, or one of three classical methods."""

from collections.abc import Callable

import cv2
import numpy as np

from restore.runtime import Runtime
from restore.tiling import crop_to, pad_to

RADIUS = 3
"""Neighbourhood of the classical methods of OpenCV, in pixels."""
TONE = 2 / 255
"""Where the colours around a hole are nearer than this to one line, as in grey and toned pictures, the fill has colours of that line."""
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(window (h, w, C) float32, its holes (h, w) bool) -> the window with its holes filled."""


def _learned(runtime: Runtime) -> Fill:
    def fill(x: np.ndarray, holes: np.ndarray) -> np.ndarray:
        grey = x.shape[2] == 1
        both = np.concatenate([np.repeat(x, 3, 2) if grey else x, holes[..., None].astype(np.float32)], 2)  # (h, w, 4)
        padded = pad_to(both, runtime.multiple_of, min_size=runtime.min_size)
        y = crop_to(runtime(padded[..., :3], padded[..., 3:]), holes.shape)
        y = y.mean(2, keepdims=True) if grey else _toned(y, x[~holes])
        return limited(y, x)

    return fill


def limited(filled: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Keep a fill within [0, 1], or the range of what is known where that exceeds it."""
    return filled.clip(known.min(initial=0), known.max(initial=1))


def _toned(filled: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Move the colours of a fill (h, w, 3) onto the line on which those that are known (K, 3) lie, if they lie on one."""
    known = known[np.isfinite(known).all(1)]
    if not len(known):
        return filled
    spread = np.cov(known.T.astype(np.float64), bias=True) + (TONE / 4) ** 2  # where all are one colour, the line is that of brightness
    values, vectors = np.linalg.eigh(spread)
    if values[:2].sum() > TONE**2:
        return filled
    mean, line = known.mean(0), vectors[:, 2].astype(np.float32)
    return mean + ((filled - mean) @ line)[..., None] * line


def _opencv(flag: int) -> Fill:
    """A method of OpenCV: on channels, as it takes more than 8 bits only so; on a scale of 65535, as its Telea adds steps of about 1.

    The edge is repeated twice: OpenCV leaves some of the outermost pixels unfilled, and reads beyond pictures one pixel wide.
    """

    def fill(x: np.ndarray, holes: np.ndarray) -> np.ndarray:
        mask = np.pad(holes, 2, "edge").astype(np.uint8)
        channels = (np.pad(channel, 2, "edge") * np.float32(65535) for channel in np.moveaxis(x, 2, 0))
        filled = np.stack([cv2.inpaint(channel, mask, RADIUS, flag)[2:-2, 2:-2] for channel in channels], 2)
        return _within(filled / np.float32(65535), x, holes)

    return fill


def _biharmonic(x: np.ndarray, holes: np.ndarray) -> np.ndarray:
    from skimage.restoration import inpaint_biharmonic

    return _within(inpaint_biharmonic(x, holes, channel_axis=2), x, holes)


def _within(filled: np.ndarray, x: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Keep what was filled within the range of what is known, channel by channel: extrapolation overshoots in corners."""
    known = x[~holes]  # (K, C)
    return np.clip(filled, known.min(0), known.max(0)).astype(np.float32)


METHODS: dict[str, Fill | None] = {
    "learned": None,
    "telea": _opencv(cv2.INPAINT_TELEA),
    "ns": _opencv(cv2.INPAINT_NS),
    "biharmonic": _biharmonic,
}
"""Name -> how a crop is filled; "learned" needs a runtime."""


def choose(method: str, runtime: Runtime | None) -> Fill:
    """The method of that name; "learned" is the network's.

    Raises:
        ValueError: The method is unknown, or "learned" has no runtime.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r} is unknown; expected one of {', '.join(METHODS)}")
    fill = METHODS[method]
    if fill is None:
        if runtime is None:
            raise ValueError("method 'learned' needs a runtime with an inpainting network, got None")
        fill = _learned(runtime)
    return fill
