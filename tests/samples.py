"""Small pictures and masks that the tests of the page share."""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data


def hole(shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[40:60, 50:90] = True
    return mask


def jpeg(path: Path, quality: int) -> Path:
    Image.fromarray(data.astronaut()[:200, 150:370]).save(path, quality=quality)
    return path
