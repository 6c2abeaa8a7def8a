"""What the buttons do, without the page: each step takes the open photograph and gives it with a result."""

import functools
import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from restore import masks, weights
from restore.filters import classic
from restore.filters.options import Row, apply, read_value
from restore.image import read
from restore.psf import in_words
from restore.restorer import Restorer
from restore.tasks import TASKS
from restore.tasks.base import apply_to_seen
from restore.tasks.dejpeg import history_in_words, quality_for
from restore.tasks.filter import LEARNED, learned
from restore_web.base import Work, finished, widened

METHODS = {
    "learned": "Neural network",
    "telea": "Telea: fast, for thin scratches",
    "ns": "Navier-Stokes: fast, for thin scratches",
    "biharmonic": "Biharmonic: for smooth areas, slow",
}
"""Method of inpainting -> what the page calls it, the best first."""
MEASURE_JPEG = "As strong as needed"
"""What the page calls quality "auto"."""
NOISES = {"auto": "As the photograph shows", "camera": "Of a camera, phone or film", "white": "White: even grain"}
"""Kind of noise -> what the page calls it."""
BLURS = {"auto": "As the photograph shows", "shake": "The camera shook", "lens": "Out of focus", "any": "Any: quick, by a network alone"}
"""Cause of a blur -> what the page calls it."""
EFFORTS = {"fast": "Fast", "default": "Default", "best": "Best (8 times slower)"}
"""Quality of a Restorer -> what the page calls it."""

Progress = Callable[[float], None]


@functools.cache
def restorer(quality: str = "default") -> Restorer:
    """Give the one Restorer of this process for a quality, so that a network is loaded once for all open pages."""
    return Restorer(quality=quality)


def can(task: str) -> bool:
    """Tell whether this installation has a weight for a task."""
    return TASKS[task].weight in weights.entries()


def efforts(task: str) -> dict[str, str]:
    """Give the qualities that differ for a task in this installation: quality -> what the page calls it."""
    there = {"fast": TASKS[task].fast in weights.entries(), "default": True, "best": TASKS[task].ensemble}
    return {name: words for name, words in EFFORTS.items() if there[name]}


def noises() -> dict[str, str]:
    """Give the kinds of noise that this installation tells apart: kind -> what the page calls it."""
    return NOISES if TASKS["denoise"].camera in weights.entries() else {"auto": NOISES["auto"]}


def offered() -> dict[str, str]:
    """Give the methods of inpainting that this installation has, the default first: method -> what the page calls it."""
    return {name: words for name, words in METHODS.items() if name != "learned" or can("inpaint")}


def filters() -> dict[str, Row]:
    """Give the filters that this installation has: name -> row."""
    return {row.name: row for row in [*classic(), *(learned() if can("filter") else [])]}


@dataclass(frozen=True, kw_only=True)
class Fill:
    """How holes are filled.

    Attributes:
        method: One of `METHODS`.
        texture: Wide holes get texture of the photograph.
        grain: The fill gets the grain of its surroundings.
        seed: Same seed, same texture and grain.
        grow: Pixels that the mask grows by.
        feather: Pixels of its soft edge.
    """

    method: str
    texture: bool = True
    grain: bool = True
    seed: int = 0
    grow: float = 0
    feather: float = 0


def remove_damage(work: Work, mask: np.ndarray, how: Fill, *, restorer: Restorer, progress: Progress | None = None) -> Work:
    """Fill what a mask (H, W) covers, and save the result, the mask as it was grown, and what was filled.

    Raises:
        ValueError: The mask is empty, or covers everything.
        ImageError: The result cannot be saved.
        WeightsError: The network's weight cannot be used.
    """
    if not mask.any():
        raise ValueError("Nothing is painted yet. Brush over the damage, then press Repair.")
    start = time.perf_counter()
    mask = masks.grow(mask, how.grow) > 0
    result = restorer.inpaint(
        work.picture,
        mask,
        method=how.method,
        texture=how.texture,
        grain=how.grain,
        seed=how.seed,
        feather=how.feather,
        progress=progress,
    )
    seconds = time.perf_counter() - start
    covered = masks.feather(mask, how.feather) > 0 if how.feather else mask
    said = f"Repaired {mask.mean():.1%} of the photograph in {seconds:.1f} s. Method: {METHODS[how.method].partition(':')[0]}."
    return finished(work, result, said, mask=covered)


def expand(work: Work, margins: masks.Margins, how: Fill, *, restorer: Restorer, progress: Progress | None = None) -> Work:
    """Continue a photograph beyond its edges by so many pixels at the left, the top, the right, the bottom, and save the result.

    Raises:
        ValueError: All margins are 0, or one is negative or wider than the photograph.
        ImageError: The result cannot be saved.
        WeightsError: The network's weight cannot be used.
    """
    if not any(margins):
        raise ValueError("No side is to grow yet: give some pixels, then press Expand.")
    start = time.perf_counter()
    result = restorer.expand(
        work.picture, margins, method=how.method, texture=how.texture, grain=how.grain, seed=how.seed, progress=progress
    )
    seconds = time.perf_counter() - start
    said = f"Expanded to {result.width} x {result.height} pixels in {seconds:.1f} s. Method: {METHODS[how.method].partition(':')[0]}."
    return finished(work, result, said, beside=widened(work.before, result.shape, margins))


def remove_noise(work: Work, *, restorer: Restorer, sigma: float | None, noise: str, progress: Progress | None = None) -> Work:
    """Remove noise of level `sigma` in 8-bit units, or as the picture shows where it is None, and save the result.

    Raises:
        ValueError: `sigma` is out of its range, or is None and there is no noise, or `noise` is none of `NOISES`.
        ImageError: The result cannot be saved.
        WeightsError: The network's weight cannot be used.
    """
    start, found = time.perf_counter(), list[float | None]()
    result = restorer.denoise(work.picture, sigma=sigma, noise=noise, found=found.append, progress=progress)
    if found == [0]:
        raise ValueError("No noise was found in the photograph. Clean it all the same: take the tick off “Measure the noise”.")
    [level] = found or [sigma]
    removed = "noise of a camera or of film" if level is None else f"noise of level {level:.1f}{' (measured)' if found else ''}"
    return finished(work, result, f"Removed {removed} in {time.perf_counter() - start:.1f} s.")


def remove_jpeg(work: Work, *, restorer: Restorer, jpeg_quality: int | None, progress: Progress | None = None) -> Work:
    """Remove what JPEG left at a quality from 1 to 100, or as strongly as the picture needs where it is None, and save the result.

    Raises:
        ValueError: `jpeg_quality` is out of its range, or is None and there are no traces of JPEG, or so fine ones that nothing is to gain.
        ImageError: The result cannot be saved.
        WeightsError: The network's weight cannot be used.
    """
    start, found = time.perf_counter(), list[tuple[int, ...]]()
    asked = "auto" if jpeg_quality is None else jpeg_quality
    result = restorer.dejpeg(work.picture, jpeg_quality=asked, found=found.append, progress=progress)
    if found and quality_for(found[0]) is None:
        why = f"is of JPEG quality {found[0][0]}: there is nothing to gain" if found[0] else "shows no traces of JPEG"
        raise ValueError(f"The photograph {why}. Clean it all the same: take the tick off “{MEASURE_JPEG}”.")
    seconds = time.perf_counter() - start
    quality = f"{history_in_words(found[0])} (measured)" if found else asked
    return finished(work, result, f"Removed traces of JPEG, quality {quality}, in {seconds:.1f} s.")


def remove_blur(work: Work, *, restorer: Restorer, width: float | None, blur: str = "auto", progress: Progress | None = None) -> Work:
    """Sharpen a photograph whose blur has a width in pixels, or one that nobody knows where it is None, and save the result.

    Raises:
        ValueError: `width` is out of its range, or `blur` is none of `BLURS`.
        ImageError: The result cannot be saved.
        WeightsError: The network's weight cannot be used.
    """
    start = time.perf_counter()
    done = f"Sharpened{'' if width is None else f', blur of {width:g} pixels,'}"

    def tell(kernel: np.ndarray | None) -> None:
        nonlocal done
        if kernel is not None:
            done = f"{in_words(kernel).capitalize()}: undone"

    result = restorer.deblur(work.picture, width=width, blur="any" if width is not None else blur, found=tell, progress=progress)
    return finished(work, result, f"{done} in {time.perf_counter() - start:.1f} s.")


def filter_all(work: Work, row: Row, values: Mapping[str, Any], *, restorer: Restorer, progress: Progress | None = None) -> Work:
    """Filter the whole photograph, and save the result.

    Args:
        work: The open photograph.
        row: The filter.
        values: What stands in the page's inputs: name of an option -> a number, None, a tick, words, or the path of a picture.
        restorer: Does the learned filters.
        progress: Called with the fraction done, by those.

    Raises:
        ValueError: An option is not what the filter takes.
        ImageError: A picture cannot be read, or the result cannot be saved.
        WeightsError: The network's weight cannot be used.
    """
    options = {name: taken(option, values[name]) for name, option in row.options.items()}
    start = time.perf_counter()
    if row.function is None:
        result = restorer.filter(work.picture, row.name.removeprefix(LEARNED), progress=progress, **options)
    else:
        result = apply_to_seen(work.picture, functools.partial(apply, row.function, options=options))
    seconds = time.perf_counter() - start
    used = ", ".join(f"{spoken(name)} {value}" for name, value in options.items() if isinstance(value, int | float | str))
    return finished(work, result, f"Filtered in {seconds:.1f} s: {spoken(row.name)}{used and f' ({used})'}.")


def taken(option: inspect.Parameter, value: Any) -> Any:
    """Turn what stands in an input of the page into the value of an option.

    Raises:
        ValueError: It is none.
        ImageError: It is the path of a file that cannot be read.

    >>> taken(inspect.Parameter("size", inspect.Parameter.KEYWORD_ONLY, annotation=int), 3.0)
    3
    """
    if option.annotation is bool:
        return bool(value)
    if option.annotation is np.ndarray:
        if value is None:
            raise ValueError(f"No {option.name} is chosen yet: choose a picture of what to look for.")
        return read(value).to_array()
    return read_value(option, "" if value is None else str(value).strip().removesuffix(".0"))


def spoken(name: str) -> str:
    """Say a name as people do.

    >>> spoken("learned-non_local_means")
    'learned: non local means'
    """
    return name.replace("-", ": ").replace("_", " ")
