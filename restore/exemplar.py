"""Texture for wide holes, copied from the picture itself: patches are matched from coarse to fine and vote for what is in the hole.

The scheme is that of Wexler, Shechtman, Irani 2007, "Space-Time Completion of Video": a fill whose every patch is like some patch of
what is known is found by turns: match all patches, then let each pixel be the mean of what the matched patches say of it. Matches are
found as by Barnes et al. 2009, "PatchMatch", but for all pixels at once; texture around a pixel is compared too (Newson et al. 2014,
"Video Inpainting of Complex Scenes"); seams are taken out by gradients (Perez et al. 2003, "Poisson Image Editing").

All constants were chosen on photographs that no network was trained on, by LPIPS and by eye.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from restore.nn.filling import push_pull, screened_poisson

RADIUS = 3
"""Patches are squares of 2 * RADIUS + 1 pixels."""
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
COMPONENTS = 24
"""A patch of 147 numbers is compared by so many of its principal components."""
TEXTURE = 10.0
"""Weight of the mean gradients around a pixel against its patch."""
GUIDE = 1.5
"""Weight of the blurred guess against the patch."""
BLUR = 5.0
"""Standard deviation of that blur, in pixels of the level."""
NEAR = 0.1
"""Cost of a match as far away as the level is wide, in squared difference of samples: what is near is alike."""
REUSE = 0.001
"""Cost of a place that is copied twice as often as it should, in the same unit: without it one patch fills the hole."""
COHERENCE = 0.1
"""A match found at random must be better by this share than the one that continues a neighbour's."""
FADE = 0.1
"""Votes count less by this share for each pixel between their patch and what is known."""
SCREEN = 0.02
"""Weight of the copied samples against their gradients: a lost step pulls at the colour of some 7 pixels around, not at all of the hole."""
COARSE, TRUST = 4.0, 0.5
"""Standard deviation of a blur in pixels, and the share of the guess in what it leaves: a network is right about colours more often than
patches are. On photographs with holes of 30 % that gained 0.3 dB in the holes at a slightly lower LPIPS."""
RIM = (4.0, 12.0)
"""Width of the rim that keeps the guess, least and most, in pixels: a network is at its best there, and in all of a narrow hole."""
AROUND = 32
"""A hole's width is the largest so far from a pixel."""


class _Level(NamedTuple):
    """A scale of the pyramid.

    image: (H, W, 5), RGB and the means of the gradients' sizes in y and x; holes, sources: (H, W) bool.
    """

    image: torch.Tensor
    holes: torch.Tensor
    sources: torch.Tensor


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
    generator = torch.Generator().manual_seed(seed)
    levels, scale = _pyramid(guess, holes, sources)
    matches: _Matches | None = None
    filled = levels[-1].image
    for number, level in reversed([*enumerate(levels)]):
        finer = _Matches(level, STRIDE if number < 2 else 1)
        if not len(finer.places):
            continue
        if matches is None:
            finer.found, filled = finer.anywhere(len(finer.sites), generator), level.image
        else:
            finer.start_from(matches, generator)
            larger = F.interpolate(_planes(filled), scale_factor=2, mode="bilinear")
            filled = finer.vote(torch.where(level.holes[..., None], _pixels(larger), level.image))
        matches = finer
        for turn in range(rounds := ROUNDS[min(len(levels) - 1 - number, len(ROUNDS) - 1)]):
            matches.improve(filled, generator, passes=4 if filled is level.image else 1)
            filled = matches.vote(filled) if turn < rounds - 1 or number else _heal(*matches.vote_sharply(filled), level.holes)
    if matches is None or filled.shape != levels[0].image.shape:
        return guess.copy()
    height, width = holes.shape
    result = filled[..., :3].numpy()
    if scale > 1:
        result = _refine(result, guess, sources, matches.offsets(), scale)
    known = guess[sources]
    result = _steadied(result[:height, :width], guess, holes, COARSE * scale)
    result = np.clip(result, known.min(0), known.max(0))
    return np.where(holes[..., None], result.mean(2, keepdims=True) if guess.shape[2] == 1 else result, guess)


def share(holes: np.ndarray) -> np.ndarray:
    """How much of the copied texture the pixels of a hole should take; the rest is the guess.

    Nothing where the hole is narrow (up to some 26 pixels), and in a rim beside what is known, which is the thinner the wider the hole is.

    Args:
        holes: (H, W) bool, with some known pixel.

    Returns:
        (H, W) float32, 0 to 1.

    >>> holes = np.zeros((100, 100), bool); holes[10:30, :] = holes[40:, :] = True
    >>> share(holes)[[20, 41, 70], 50].tolist()
    [0.0, 0.0, 1.0]
    """
    distance = cv2.distanceTransform(holes.astype(np.uint8), cv2.DIST_L2, 5)
    width = cv2.dilate(distance, np.ones((2 * AROUND + 1, 2 * AROUND + 1), np.uint8))
    least, most = RIM
    rim = np.maximum(least, 1.5 * most - 0.4 * width)
    return np.clip((distance - rim) / least, 0, 1).astype(np.float32)


def _pyramid(guess: np.ndarray, holes: np.ndarray, sources: np.ndarray) -> tuple[list[_Level], int]:
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
        levels.append(_Level(torch.from_numpy(x), torch.from_numpy(known[..., 0] < 0.5), torch.from_numpy(known[..., 1] == 1)))
    return levels, 2**least


def _halved(x: np.ndarray) -> np.ndarray:
    return cv2.resize(x, (x.shape[1] // 2, x.shape[0] // 2), interpolation=cv2.INTER_AREA)


def _gradients(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean sizes of the gradients around each pixel: measured where it is known, continued smoothly into holes, (H, W, 2)."""
    grey = x.mean(2)
    sizes = np.abs(np.stack([np.diff(grey, axis=0, append=grey[-1:]), np.diff(grey, axis=1, append=grey[:, -1:])], 2))
    weight = cv2.erode(known.astype(np.float32), np.ones((3, 3), np.uint8), borderValue=1)
    window = (11, 11)
    total, amount = cv2.blur(sizes * weight[..., None], window), cv2.blur(weight, window)
    means = _planes(torch.from_numpy(total / np.maximum(amount, 1e-6)[..., None]))
    return _pixels(push_pull(means, torch.from_numpy(amount < 1e-3)[None, None])).numpy()


class _Matches:
    """The patches of a level that touch a hole, and the place that each is copied from.

    sites, found: (T, 2) long, y before x. Sites lie on a grid of ``stride`` pixels.
    """

    def __init__(self, level: _Level, stride: int) -> None:
        self.level, self.stride = level, stride
        height, width = self.shape = level.holes.shape
        usable = _grown(~level.sources, RADIUS + 1).logical_not_()  # a pixel more: the gradients of a patch reach there
        usable[:RADIUS] = usable[height - RADIUS - 1 :] = usable[:, :RADIUS] = usable[:, width - RADIUS - 1 :] = False
        self.usable, self.places = usable.flatten(), usable.nonzero()
        near = _grown(level.holes, RADIUS)[None].float()
        self.sites = F.max_pool2d(near, stride, stride, ceil_mode=True)[0].nonzero() * stride
        self.number = torch.full((-(-height // stride) + 2, -(-width // stride) + 2), -1)  # of the site, with a frame of none
        self.number[tuple((self.sites // stride + 1).T)] = torch.arange(len(self.sites))
        self.found, self.cost = self.sites, torch.zeros(len(self.sites))
        if len(self.places):
            self._prepare()

    def _prepare(self) -> None:
        """What does not change from turn to turn: descriptions of the sources, trust in sites, which pixel is in which patch."""
        level = self.level
        blurred = cv2.GaussianBlur(level.image[..., :3].numpy(), (0, 0), BLUR)
        self.guide = torch.from_numpy(blurred).permute(2, 0, 1) * GUIDE
        self.basis = self._components()
        self.described = self._describe(level.image).T.contiguous()  # (H * W, D)
        distance = torch.from_numpy(cv2.distanceTransform(level.holes.numpy().astype(np.uint8), cv2.DIST_L2, 5)).flatten()
        self.trust = torch.exp(-FADE * distance[self._flat(self.sites)].clamp_max(max(self.shape)))

    def _components(self) -> torch.Tensor:
        """Filters (COMPONENTS, 3, size, size) whose answers' distance is about that of patches, the centre counting most."""
        across = torch.arange(-RADIUS, RADIUS + 1)
        centre = torch.exp(-across.square() / (2 * (0.7 * RADIUS) ** 2))
        weight = (centre[:, None] * centre).sqrt()
        weight = weight / weight.norm()
        corners = self.places[torch.linspace(0, len(self.places) - 1, min(4096, len(self.places))).long()]
        at = self._flat(corners)[:, None] + (across[:, None] * self.shape[1] + across).flatten()
        patches = self.level.image[..., :3].reshape(-1, 3)[at] * weight.flatten()[:, None]  # (n, size ** 2, 3)
        patches = patches.flatten(1)
        axes = torch.linalg.eigh(patches.T @ patches)[1][:, -COMPONENTS:]
        return axes.T.reshape(-1, len(across), len(across), 3).permute(0, 3, 1, 2) * weight

    def _describe(self, image: torch.Tensor) -> torch.Tensor:
        """(D, H * W): squared distances between columns say how unlike two places are."""
        padded = F.pad(_planes(image[..., :3]), (RADIUS,) * 4, mode="replicate")
        parts = [F.conv2d(padded, self.basis)[0], image[..., 3:].permute(2, 0, 1) * TEXTURE, self.guide]
        return torch.cat(parts).flatten(1)

    def _flat(self, places: torch.Tensor) -> torch.Tensor:
        return places[:, 0] * self.shape[1] + places[:, 1]

    def anywhere(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Random places (count, 2) that may be copied."""
        return self.places[torch.randint(len(self.places), (count,), generator=generator)]

    def start_from(self, coarse: "_Matches", generator: torch.Generator) -> None:
        """Continue the matches of the level before, of half the size."""
        number = coarse.number[tuple((self.sites // (2 * coarse.stride) + 1).T)]
        found = self.sites + 2 * (coarse.found - coarse.sites)[number]
        bad = ~(self._inside(found) & (number >= 0))
        bad |= ~self.usable[torch.where(bad, 0, self._flat(found))]
        found[bad] = self.anywhere(int(bad.sum()), generator)
        self.found, self.cost = found, bad.float()

    def _inside(self, places: torch.Tensor) -> torch.Tensor:
        y, x = places.T
        return (y >= 0) & (y < self.shape[0]) & (x >= 0) & (x < self.shape[1])

    def improve(self, image: torch.Tensor, generator: torch.Generator, *, passes: int) -> None:
        """Find better places for what ``image`` shows: those that continue a neighbour's, and random ones ever nearer."""
        wanted, reused = self._describe(image)[:, self._flat(self.sites)].T.contiguous(), self._reused()
        self.cost = self._price(self.found, self._flat(self.found), wanted, reused)
        for _ in range(passes):
            for step in (4, 2, 1):
                for direction in ((0, step), (step, 0), (0, -step), (-step, 0)):
                    beside = (self.sites // self.stride + 1 + torch.tensor(direction)).clamp_min(0)
                    beside = torch.minimum(beside, torch.tensor(self.number.shape) - 1)
                    number = self.number[tuple(beside.T)]
                    number = torch.where(number < 0, torch.arange(len(number)), number)
                    self._try((self.found - self.sites)[number] + self.sites, wanted, reused, 1.0)
            radius = float(max(self.shape))
            while radius >= 1:
                jump = (torch.rand(len(self.sites), 2, generator=generator) * 2 - 1) * radius
                self._try(self.found + jump.round().long(), wanted, reused, 1 - COHERENCE)
                radius /= 2

    def _reused(self) -> torch.Tensor:
        """Cost (H * W,) of places that are copied more often than others."""
        height, width = self.shape
        used = torch.zeros(height * width).index_add_(0, self._flat(self.found), torch.ones(len(self.found)))
        used = F.avg_pool2d(used.reshape(1, 1, height, width), 2 * RADIUS + 1, 1, RADIUS).flatten()
        return REUSE * (used * len(self.places) / len(self.sites) - 1).clamp_min(0)

    def _price(self, places: torch.Tensor, at: torch.Tensor, wanted: torch.Tensor, reused: torch.Tensor) -> torch.Tensor:
        far = (places - self.sites).float().square_().sum(1) / (self.shape[0] * self.shape[1])
        return (self.described[at] - wanted).square_().sum(1) + reused[at] + NEAR * far

    def _try(self, places: torch.Tensor, wanted: torch.Tensor, reused: torch.Tensor, gain: float) -> None:
        """Take those of ``places`` that are better than what was found."""
        allowed = self._inside(places)
        at = torch.where(allowed, self._flat(places), 0)
        allowed &= self.usable[at]
        cost = self._price(places, at, wanted, reused)
        better = allowed & (cost < self.cost * gain)
        self.found = torch.where(better[:, None], places, self.found)
        self.cost = torch.where(better, cost, self.cost)

    def vote(self, image: torch.Tensor) -> torch.Tensor:
        """``image`` with its holes as the matched patches say."""
        means, has = self._means(self.level.image, self.level.holes, spread=0.5, among=1.0)
        return torch.where((self.level.holes & has)[..., None], means, image)

    def vote_sharply(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same, where each pixel listens to its best patch; and gradients, voted too: (H, W, 3) to the next row, to the next column."""
        down, right = _differences(self.level.image[..., :3])
        around = _grown(self.level.holes, 1)
        means, has = self._means(torch.cat([self.level.image, down, right], 2), around, spread=0.25, among=0.1)
        result = torch.where((self.level.holes & has)[..., None], means[..., :5], image)
        own_down, own_right = _differences(result[..., :3])
        there = (around & has)[..., None]
        return result, torch.where(there, means[..., 5:8], own_down), torch.where(there, means[..., 8:], own_right)

    def _means(self, values: torch.Tensor, where: torch.Tensor, *, spread: float, among: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Weighted means of what patches say.

        Args:
            values: (H, W, K), what is copied.
            where: (H, W) bool, where it is needed.
            spread: Deviation of the weight over a patch, in radii.
            among: How much worse than a pixel's best a patch may be and still count, in usual costs.

        Returns:
            The means (H, W, K), and where there are any (H, W).
        """
        height, width = self.shape
        needed, flat = where.flatten(), values.reshape(height * width, -1)
        votes = []
        for dy in range(-RADIUS, RADIUS + 1):
            for dx in range(-RADIUS, RADIUS + 1):
                shift = torch.tensor([dy, dx])
                target = self.sites + shift
                inside = self._inside(target)
                at = torch.where(inside, self._flat(target), 0)
                rows = (inside & needed[at]).nonzero()[:, 0]
                near = math.exp(-(dy * dy + dx * dx) / (2 * (spread * RADIUS) ** 2))
                votes.append((at[rows], self._flat(self.found[rows] + shift), self.cost[rows], self.trust[rows] * near))
        best = torch.full((height * width,), math.inf)
        for at, _, cost, _ in votes:
            best.scatter_reduce_(0, at, cost, "amin")
        usual = among * float(np.quantile(self.cost.numpy(), 0.3)) + 1e-8
        total, weights = torch.zeros(height * width, flat.shape[1]), torch.zeros(height * width)
        for at, place, cost, trust in votes:
            weight = torch.exp((best[at] - cost) / (2 * usual)) * trust
            total.index_add_(0, at, flat[place] * weight[:, None])
            weights.index_add_(0, at, weight)
        has = weights > 0
        means = total / torch.where(has, weights, 1)[:, None]
        return means.reshape(height, width, -1), has.reshape(height, width)

    def offsets(self) -> np.ndarray:
        """From each site of the grid to its place, (rows, columns, 2) int; 0 where there is no site."""
        result = torch.zeros(*self.number.shape, 2, dtype=torch.long)
        result[tuple((self.sites // self.stride + 1).T)] = self.found - self.sites
        return result[1:-1, 1:-1].repeat_interleave(self.stride, 0).repeat_interleave(self.stride, 1).numpy()


def _heal(image: torch.Tensor, down: torch.Tensor, right: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
    """Change ``image`` in the holes so that its gradients are those given: steps between patches become slopes."""
    own_down, own_right = _differences(image[..., :3])
    excess = torch.zeros_like(own_down)
    lack_down, lack_right = (down - own_down)[:-1], (right - own_right)[:, :-1]
    excess[1:] += lack_down
    excess[:-1] -= lack_down
    excess[:, 1:] += lack_right
    excess[:, :-1] -= lack_right
    change = screened_poisson(_planes(excess), holes[None, None], screen=SCREEN)
    return torch.cat([image[..., :3] + _pixels(change), image[..., 3:]], 2)


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


def _differences(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """To the next row and to the next column, 0 at the last."""
    return torch.diff(x, dim=0, append=x[-1:]), torch.diff(x, dim=1, append=x[:, -1:])


def _grown(where: torch.Tensor, radius: int) -> torch.Tensor:
    return F.max_pool2d(where[None].float(), 2 * radius + 1, 1, radius)[0] > 0


def _planes(x: torch.Tensor) -> torch.Tensor:
    return x.permute(2, 0, 1)[None]


def _pixels(x: torch.Tensor) -> torch.Tensor:
    return x[0].permute(1, 2, 0)
