"""Remove what JPEG compression left: blocks, rings and blotches of colour."""

from collections.abc import Callable, Sequence
from numbers import Integral

import numpy as np

from restore.jpeg_tables import level
from restore.runtime import Runtime
from restore.tasks.base import run

BLIND = "blind"
"""The quality of a picture whose damage the network is to see for itself."""
FINEST = 90
"""Files of a higher quality are left alone where nobody asks for more: on held-out photographs the network gained 0.9 dB at 90 and 0.2 at
95, and writing the result as a file of 95 takes more than half of that."""


def dejpeg(
    pixels: np.ndarray,
    runtime: Runtime,
    *,
    jpeg_quality: int | str = BLIND,
    tile: int = 512,
    linear: bool = False,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Remove the traces of JPEG, tile by tile; memory is input + output in their own depth + one tile.

    One network for all qualities, blind or told how strong to be, as in Jiang, Zhang, Timofte 2021, "Towards Flexible Blind JPEG Artifacts
    Removal".

    Args:
        pixels: (H, W, 1) or (H, W, 3), uint8, uint16, or float32 nominally in [0, 1] (it may exceed that). Grey goes in as three equal
            channels, and three equal channels stay equal.
        runtime: A network that removes traces of JPEG; its level is 0 where the quality is unknown, else (101 - jpeg_quality) / 100.
        jpeg_quality: "blind", or from 1 (strongest) to 100 on libjpeg's scale.
        tile: Largest side of what the network gets at once, in pixels, without the halo.
        linear: The samples are proportional to light; the network gets them sRGB-encoded.
        progress: Called with the fraction done, 0 to 1.

    Returns:
        An array like ``pixels``; float32 is neither clipped nor quantised.

    Raises:
        ValueError: ``jpeg_quality`` is out of its range; a float picture holds a NaN or an infinity.
    """
    return run(pixels, runtime, level_of(jpeg_quality), tile=tile, linear=linear, progress=progress)


def level_of(jpeg_quality: int | str) -> float:
    """What the network is told.

    Raises:
        ValueError: ``jpeg_quality`` is neither "blind" nor a whole number from 1 to 100.

    >>> level_of("blind"), level_of(100), level_of(1)
    (0.0, 0.01, 1.0)
    """
    if jpeg_quality == BLIND:
        return 0.0
    if isinstance(jpeg_quality, bool) or not (isinstance(jpeg_quality, Integral) and 1 <= jpeg_quality <= 100):
        raise ValueError(f"jpeg_quality must be 'auto', 'blind' or a whole number from 1 to 100, got {jpeg_quality!r}")
    return level(int(jpeg_quality))


def quality_for(history: Sequence[int]) -> int | str | None:
    """What to tell the network of a picture of which ``restore.estimate.jpeg_history`` is known.

    Of one file the network sees the quality as well as it can be told; under a second file it does not.

    Returns:
        The quality of an earlier, stronger file; "blind" where there was but one; None: nothing is to be gained.

    >>> quality_for((40,)), quality_for((95, 20)), quality_for((95,)), quality_for(())
    ('blind', 20, None, None)
    """
    if min(history, default=100) > FINEST:
        return None
    return BLIND if len(history) == 1 else min(history)


def history_in_words(history: Sequence[int]) -> str:
    """Say the qualities of files, the last first.

    >>> history_in_words((95, 20)), history_in_words((40,))
    ('95 after 20', '40')
    """
    return " after ".join(map(str, history))
