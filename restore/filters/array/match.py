"""Find a patch in a picture: repeated dust, stamps, watermarks."""

import cv2
import numpy as np

from restore.filters.array.base import take
from restore.filters.base import BORDERS, check_border, check_count, check_number
from restore.levels import to_float

FLAT = 1e-4
"""Standard deviation, white = 1, below which a place has nothing to compare."""


def match(image: np.ndarray, *, patch: np.ndarray, centred: bool = True, border: str = "reflect") -> np.ndarray:
    """Normalised correlation: the cosine similarity of a patch to every place, 1 where it is found.

    Args:
        image: (H, W) or (H, W, C), uint8, uint16 or float32; RGB counts together, alpha not at all.
        patch: What to look for, (h, w) or (h, w, C), of the picture's type and channels, no larger than it.
        centred: Take the mean of each channel off first, so that brightness and contrast do not matter (OpenCV's TM_CCOEFF_NORMED);
            without it TM_CCORR_NORMED.
        border: A name in ``BORDERS``: what surrounds the picture where the patch reaches beyond it.

    Returns:
        (H, W), float32, -1 to 1, at the pixel on which the patch's middle (h // 2, w // 2) lies; 0 where picture or patch is flat.

    Raises:
        TypeError: Not arrays of one of those types, or of two different ones.
        ValueError: Other shapes, empty, NaN, a patch larger than the picture or of other channels, an unknown border.

    >>> image = np.array([[0, 0, 0, 0], [0, 0, 9, 4], [0, 0, 2, 7]], np.uint8)
    >>> match(image, patch=image[1:, 2:], border="constant").argmax(), image.ravel()[11]
    (np.int64(11), np.uint8(7))
    """
    check_border(border)
    pixels, _ = take(image)
    wanted, _ = take(patch)
    if pixels.dtype != wanted.dtype:
        raise TypeError(f"the patch is {wanted.dtype}; expected {pixels.dtype}, as the picture is")
    if pixels.shape[2:] != wanted.shape[2:] or wanted.shape[0] > pixels.shape[0] or wanted.shape[1] > pixels.shape[1]:
        raise ValueError(f"the patch has shape {patch.shape}; expected the picture's channels and at most its size, {image.shape}")
    height, width = wanted.shape[:2]
    around = height // 2, height - 1 - height // 2, width // 2, width - 1 - width // 2
    place, wanted = cv2.copyMakeBorder(to_float(pixels), *around, BORDERS[border]), to_float(wanted)
    method = cv2.TM_CCOEFF_NORMED if centred else cv2.TM_CCORR_NORMED
    similarity = cv2.matchTemplate(place, wanted, method)  # (H, W)
    energy = window_energy(place, (height, width), centred)
    own = window_energy(wanted, (height, width), centred)
    similarity[(energy <= FLAT**2) | (own.max() <= FLAT**2)] = 0
    return np.clip(similarity, -1, 1, out=similarity)


def window_energy(pixels: np.ndarray, window: tuple[int, int], centred: bool) -> np.ndarray:
    """Mean square, or ``centred`` variance, of the pixels in each window that lies inside, summed over channels."""
    height, width = window
    inside = slice(height // 2, pixels.shape[0] - (height - 1 - height // 2)), slice(width // 2, pixels.shape[1] - (width - 1 - width // 2))
    square = cv2.sqrBoxFilter(pixels, cv2.CV_64F, (width, height))[inside]
    if centred:
        square = square - cv2.boxFilter(pixels, cv2.CV_64F, (width, height))[inside] ** 2
    return square if square.ndim == 2 else square.sum(-1)


def peaks(similarity: np.ndarray, *, threshold: float = 0.8, distance: int = 5) -> np.ndarray:
    """List where a similarity peaks.

    Args:
        similarity: (H, W), from ``match``.
        threshold: Least similarity, -1 to 1.
        distance: Peaks nearer than this to a higher one, in rows and columns, do not count; pixels.

    Returns:
        (N, 2), rows and columns, highest peak first.

    Raises:
        ValueError: Not (H, W), or an argument out of its range.

    >>> peaks(np.array([[0, 0.9, 0, 0, 0, 1.0]]), distance=2)
    array([[0, 5],
           [0, 1]])
    """
    if similarity.ndim != 2 or similarity.size == 0:
        raise ValueError(f"a similarity has shape (H, W), neither of them 0; got {similarity.shape}")
    check_number("threshold", threshold, low=-1, high=1, inclusive=True)
    check_count("distance", distance)
    from skimage.feature import peak_local_max

    return peak_local_max(similarity, min_distance=int(distance), threshold_abs=threshold, exclude_border=False)
