"""Texture for wide holes, copied from the picture itself: patches are matched from coarse to fine and vote for what is in the hole.

The scheme is that of Wexler, Shechtman, Irani 2007, "Space-Time Completion of Video": a fill whose every patch is like some patch of
what is known is found by turns: match all patches, then let each pixel be the mean of what the matched patches say of it
(``restore.patches``). Seams are taken out by gradients (Perez et al. 2003, "Poisson Image Editing"), and where no patch fits the guess
stays.

All constants were chosen on photographs that no network was trained on, by LPIPS and by eye.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from restore.nn.filling import push_pull, screened_poisson
from restore.patches import Level, Matches, differences, pixels, planes

STRIDE = 3
"""Distance of the patches that are matched in the two finest levels, in pixels: with all of them a fill is slower, and blurred."""
COARSEST = 32
"""Levels are added until the widest hole is at most so many pixels wide: with more of them less is left of the guess's structure."""
SMALLEST = 32
"""No level has a side under this, in pixels."""
LIMIT = 1 << 20
"""Matches are looked for in levels of at most so many pixels; finer ones get the detail at the places that were found."""
ROUNDS = (6, 4, 2)
"""How often patches are matched and vote, coarsest level first; finer levels as the last."""
SCREEN = 0.02
"""Weight of the copied samples against their gradients: a lost step pulls at the colour of some 7 pixels around, not at all of the hole."""
COARSE, TRUST = 4.0, 0.7
"""Standard deviation of a blur in pixels, and the share of the guess in what it leaves: a network is right about colours more often than
patches are. On photographs with holes of 30 % that gained 0.2 dB in the holes at a slightly lower LPIPS."""
DOUBT = 0.08
"""Where patches are as unlike what they were copied from as this, in squared difference of samples, half of the guess stays. On photographs
with holes of 30 % that gained 0.1 dB in the holes at a slightly lower LPIPS; less of it gains more and leaves wide holes smooth."""
RIM, SLOPE = 36.0, 0.4
"""Width of the rim that keeps the guess, in pixels, and how much of it goes for each pixel of half the hole's width: 24 are left in a hole
60 pixels wide, 17 in wide ones. A network is at its best there, and in all of a narrow hole; a rim of 8 in wide holes cost 0.05 dB and
1.8 % of LPIPS on photographs with holes of 30 %."""
CALM = 2.0
"""Where texture has more than so many times the gradients of the guess, and of what surrounds the hole, less of it stays: beside a lattice
it breaks into splinters. That halves them, at the same scores on photographs with holes of 30 % (17.49 dB, LPIPS .0970 after .0968)."""
RISE = 4.0
"""Width of the band behind the rim in which the guess turns to texture, in pixels."""
NEAR = (11, 11)
"""Rows and columns of the window in which gradients are averaged."""
AROUND = 32
"""Half a hole's width is the largest distance from what is known, so far around a pixel."""


def complete(guess: np.ndarray, holes: np.ndarray, *, sources: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Replace a smooth fill by texture of the picture, where the fill says what is roughly there.

    Args:
        guess: (H, W, 1) or (H, W, 3) float32, nominally in [0, 1], finite: a picture whose holes are filled, by a network for instance.
        holes: (H, W) bool, what is replaced.
        sources: (H, W) bool, what may be copied; all but the holes by default.
        seed: Same seed, same texture.

    Returns:
        An array like ``guess``, equal to it outside the holes, within the sources' range in them; equal to it everywhere if no source
        is large enough to be copied.

    >>> stripes = np.tile(np.float32([0, 0, 1, 1]), (64, 16))[..., None]
    >>> holes = np.zeros((64, 64), bool); holes[20:44, 20:44] = True
    >>> fill = complete(np.where(holes[..., None], np.float32(0.5), stripes), holes)
    >>> bool(np.abs(fill - stripes).mean() < 0.01)
    True
    """
    sources = ~holes if sources is None else sources & ~holes
    if not holes.any() or not sources.any():
        return guess.copy()
    with _one_thread():
        levels, scale = _pyramid(guess, holes, sources)
        found = _search(levels, torch.Generator().manual_seed(seed))
        if found is None:
            return guess.copy()
        matches, filled = found
        fit = (1 / (1 + (matches.misfit(filled) / DOUBT).square())).numpy() * _calmness(filled, levels[0])
    height, width = holes.shape
    result = filled[..., :3].numpy()
    if scale > 1:
        result = _refine(result, guess, sources, matches.offsets(), scale)
        fit = cv2.resize(fit, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    known = guess[sources]
    result = _steadied(result[:height, :width], guess, holes, COARSE * scale)
    result = np.clip(guess + fit[:height, :width, None] * (result - guess), known.min(0), known.max(0))
    return np.where(holes[..., None], result.mean(2, keepdims=True) if guess.shape[2] == 1 else result, guess)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute with one thread.

    A search is thousands of short operations, and threads that wait for each other between them, busily, stop when others want the cores:
    beside one other process two threads took 11 to 23 seconds for what one does in 0.7. On cores of their own they gained a tenth, in the
    largest holes a third.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _search(levels: list[Level], generator: torch.Generator) -> tuple[Matches, torch.Tensor] | None:
    """Match patches and let them vote, from the coarsest level to the finest.

    Returns:
        The matches of the finest level, and its image filled by them; None where nothing there is large enough to be copied.
    """
    last: tuple[Matches, torch.Tensor] | None = None
    for number, level in reversed([*enumerate(levels)]):
        matches, is_finest = Matches(level, STRIDE if number < 2 else 1), number == 0
        if not (len(matches.places) and len(matches.sites)):
            continue
        if last is None:
            matches.found, filled = matches.anywhere(len(matches.sites), generator), level.image
        else:
            coarser, filled = last
            matches.start_from(coarser, generator)
            larger = F.interpolate(planes(filled), scale_factor=2, mode="bilinear")
            filled = matches.vote(torch.where(level.holes[..., None], pixels(larger), level.image))
        rounds = ROUNDS[min(len(levels) - 1 - number, len(ROUNDS) - 1)]
        for turn in range(rounds):
            matches.improve(filled, generator, passes=4 if last is None and turn == 0 else 1)
            is_last = is_finest and turn == rounds - 1
            filled = _heal(*matches.vote_sharply(filled), level.holes) if is_last else matches.vote(filled)
        last = matches, filled
    return last if last and last[0].level is levels[0] else None


def share(holes: np.ndarray) -> np.ndarray:
    """How much of the copied texture the pixels of a hole should take; the rest is the guess.

    Nothing where the hole is narrow (up to some 50 pixels), and in a rim beside what is known (``RIM``).

    Args:
        holes: (H, W) bool, with some known pixel.

    Returns:
        (H, W) float32, 0 to 1.

    >>> holes = np.zeros((100, 100), bool); holes[10:30, :] = holes[40:, :] = True
    >>> share(holes)[[20, 41, 70], 50].tolist()
    [0.0, 0.0, 1.0]
    """
    distance = cv2.distanceTransform(holes.astype(np.uint8), cv2.DIST_L2, 5)
    half = cv2.dilate(distance, np.ones((2 * AROUND + 1, 2 * AROUND + 1), np.uint8))
    return np.clip((distance - (RIM - SLOPE * half)) / RISE, 0, 1).astype(np.float32)


def _pyramid(guess: np.ndarray, holes: np.ndarray, sources: np.ndarray) -> tuple[list[Level], int]:
    """Levels that are searched, finest first, and how many pixels of the picture one of the finest is wide."""
    thick = 2 * float(cv2.distanceTransform(np.pad(holes, 1).astype(np.uint8), cv2.DIST_L2, 5).max())
    least = max(0, math.ceil(math.log2(max(1.0, holes.size / LIMIT)) / 2))
    count = least + 1
    while thick > COARSEST * 2 ** (count - 1) and min(holes.shape) >= SMALLEST * 2**count:
        count += 1
    across = 2 ** (count - 1)
    sides = [(0, -side % across) for side in holes.shape]
    x = np.pad(np.broadcast_to(guess, (*holes.shape, 3)), [*sides, (0, 0)], "edge")
    known = np.stack([np.pad(~holes, sides, constant_values=True), np.pad(sources, sides)], 2).astype(np.float32)
    for _ in range(least):
        x, known = _halved(x), _halved(known)
    x = np.concatenate([x, _gradients(x, known[..., 1] == 1)], 2)
    levels = []
    for i in range(least, count):
        if i > least:
            x, known = _halved(x), _halved(known)
        levels.append(Level(torch.from_numpy(x), torch.from_numpy(known[..., 0] < 0.5), torch.from_numpy(known[..., 1] == 1)))
    return levels, 2**least


def _halved(x: np.ndarray) -> np.ndarray:
    return cv2.resize(x, (x.shape[1] // 2, x.shape[0] // 2), interpolation=cv2.INTER_AREA)


def _gradients(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean sizes of the gradients around each pixel: measured where it is known, continued smoothly into holes, (H, W, 2)."""
    weight = cv2.erode(known.astype(np.float32), np.ones((3, 3), np.uint8), borderValue=1)
    total, amount = cv2.blur(_steps(x) * weight[..., None], NEAR), cv2.blur(weight, NEAR)
    means = planes(torch.from_numpy(total / np.maximum(amount, 1e-6)[..., None]))
    return pixels(push_pull(means, torch.from_numpy(amount < 1e-3)[None, None])).numpy()


def _steps(x: np.ndarray) -> np.ndarray:
    """Sizes of the steps in brightness to the pixel below and to the right, (H, W, 2)."""
    grey = x.mean(2)
    return np.abs(np.stack([np.diff(grey, axis=0, append=grey[-1:]), np.diff(grey, axis=1, append=grey[:, -1:])], 2))


def _calmness(filled: torch.Tensor, level: Level) -> np.ndarray:
    """How much may stay of what is busier than the guess, and than what surrounds the hole, (H, W), 0 to 1."""
    there, own = (cv2.blur(_steps(image[..., :3].numpy()), NEAR).sum(2) for image in (filled, level.image))
    expected = np.maximum(level.image[..., 3:].numpy().sum(2), own)
    kept: np.ndarray = np.clip((CALM * expected + 1e-6) / (there + 1e-6), 0, 1) ** 2
    return kept


def _heal(image: torch.Tensor, down: torch.Tensor, right: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
    """Change ``image`` in the holes so that its gradients are those given: steps between patches become slopes."""
    own_down, own_right = differences(image[..., :3])
    excess = torch.zeros_like(own_down)
    lack_down, lack_right = (down - own_down)[:-1], (right - own_right)[:, :-1]
    excess[1:] += lack_down
    excess[:-1] -= lack_down
    excess[:, 1:] += lack_right
    excess[:, :-1] -= lack_right
    change = screened_poisson(planes(excess), holes[None, None], screen=SCREEN)
    return torch.cat([image[..., :3] + pixels(change), image[..., 3:]], 2)


def _refine(coarse: np.ndarray, guess: np.ndarray, sources: np.ndarray, offsets: np.ndarray, scale: int) -> np.ndarray:
    """A fill ``scale`` times as large: the coarse one, and the detail that the picture has at the places it was copied from."""
    height, width = sources.shape
    result = cv2.resize(coarse, (scale * coarse.shape[1], scale * coarse.shape[0]), interpolation=cv2.INTER_LINEAR)[:height, :width]
    smooth = cv2.blur(cv2.blur(np.ascontiguousarray(guess), (scale, scale)), (scale, scale)).reshape(guess.shape)
    inner = cv2.erode(sources.astype(np.uint8), np.ones((2 * scale + 1, 2 * scale + 1), np.uint8)) > 0
    columns = np.arange(width)
    for row in range(height):
        offset = scale * offsets[row // scale, columns // scale]
        y, x = np.clip(row + offset[:, 0], 0, height - 1), np.clip(columns + offset[:, 1], 0, width - 1)
        result[row] += np.where(inner[y, x, None], guess[y, x] - smooth[y, x], 0)
    return result


def _steadied(result: np.ndarray, guess: np.ndarray, holes: np.ndarray, sigma: float) -> np.ndarray:
    """``result`` with its coarse structure drawn to that of ``guess``, as they are in the holes."""
    weights = holes.astype(np.float32)
    apart = np.dstack([(guess - result) * weights[..., None], weights])
    apart = cv2.GaussianBlur(apart, (0, 0), sigma)
    return result + TRUST * apart[..., :-1] / np.maximum(apart[..., -1:], 1e-3)
