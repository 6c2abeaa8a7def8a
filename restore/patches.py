"""Match the patches of a hole to patches of what is known, and let them vote for its pixels: the search behind ``restore.exemplar``.

Matches are found as by Barnes et al. 2009, "PatchMatch", but for all pixels at once: each tries what would continue its neighbours'
matches, then random places ever nearer to its own. Texture around a pixel is compared too (Newson et al. 2014, "Video Inpainting of
Complex Scenes").
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F

RADIUS = 3
"""Patches are squares of 2 * RADIUS + 1 pixels."""
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


class Level(NamedTuple):
    """A scale of the pyramid.

    image: (H, W, 5), RGB and the means of the gradients' sizes in y and x; holes, sources: (H, W) bool.
    """

    image: torch.Tensor
    holes: torch.Tensor
    sources: torch.Tensor


class Matches:
    """The patches of a level that touch a hole, and the place that each is copied from.

    sites, found: (T, 2) long, y before x. Sites lie on a grid of ``stride`` pixels.
    """

    def __init__(self, level: Level, stride: int) -> None:
        self.level, self.stride = level, stride
        height, width = self.shape = level.holes.shape
        usable = grown(~level.sources, RADIUS + 1).logical_not_()  # a pixel more: the gradients of a patch reach there
        usable[:RADIUS] = usable[height - RADIUS - 1 :] = usable[:, :RADIUS] = usable[:, width - RADIUS - 1 :] = False
        self.usable, self.places = usable.flatten(), usable.nonzero()
        near = grown(level.holes, RADIUS)[None].float()
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
        axes = torch.linalg.eigh((patches.T @ patches).double())[1][:, -COMPONENTS:].float()  # float32 fails where a channel is empty
        return axes.T.reshape(-1, len(across), len(across), 3).permute(0, 3, 1, 2) * weight

    def _describe(self, image: torch.Tensor) -> torch.Tensor:
        """(D, H * W): squared distances between columns say how unlike two places are."""
        padded = F.pad(planes(image[..., :3]), (RADIUS,) * 4, mode="replicate")
        parts = [F.conv2d(padded, self.basis)[0], image[..., 3:].permute(2, 0, 1) * TEXTURE, self.guide]
        return torch.cat(parts).flatten(1)

    def _flat(self, places: torch.Tensor) -> torch.Tensor:
        return places[:, 0] * self.shape[1] + places[:, 1]

    def anywhere(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Random places (count, 2) that may be copied."""
        return self.places[torch.randint(len(self.places), (count,), generator=generator)]

    def start_from(self, coarse: "Matches", generator: torch.Generator) -> None:
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
        down, right = differences(self.level.image[..., :3])
        around = grown(self.level.holes, 1)
        means, has = self._means(torch.cat([self.level.image, down, right], 2), around, spread=0.25, among=0.1)
        result = torch.where((self.level.holes & has)[..., None], means[..., :5], image)
        own_down, own_right = differences(result[..., :3])
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

    def misfit(self, image: torch.Tensor) -> torch.Tensor:
        """How unlike what was copied ``image`` is around each pixel, as a mean of squared distances between patches: (H, W)."""
        at = self._flat(self.sites)
        apart = (self.described[self._flat(self.found)] - self._describe(image)[:, at].T).square_().sum(1)
        both = torch.zeros(2, self.shape[0] * self.shape[1])
        both[:, at] = torch.stack([apart, torch.ones(len(at))])
        total, count = F.avg_pool2d(both.reshape(2, *self.shape), 4 * RADIUS + 1, 1, 2 * RADIUS)
        return total / count.clamp_min(1e-6)

    def offsets(self) -> np.ndarray:
        """From each site of the grid to its place, (rows, columns, 2) int; 0 where there is no site."""
        result = torch.zeros(*self.number.shape, 2, dtype=torch.long)
        result[tuple((self.sites // self.stride + 1).T)] = self.found - self.sites
        return result[1:-1, 1:-1].repeat_interleave(self.stride, 0).repeat_interleave(self.stride, 1).numpy()


def differences(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """To the next row and to the next column, 0 at the last."""
    return torch.diff(x, dim=0, append=x[-1:]), torch.diff(x, dim=1, append=x[:, -1:])


def grown(where: torch.Tensor, radius: int) -> torch.Tensor:
    """All within ``radius`` rows and columns of what is marked in ``where`` (H, W)."""
    return F.max_pool2d(where[None].float(), 2 * radius + 1, 1, radius)[0] > 0


def planes(x: torch.Tensor) -> torch.Tensor:
    """(H, W, C) as (1, C, H, W)."""
    return x.permute(2, 0, 1)[None]


def pixels(x: torch.Tensor) -> torch.Tensor:
    """(1, C, H, W) as (H, W, C)."""
    return x[0].permute(1, 2, 0)
