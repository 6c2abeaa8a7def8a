"""Match the patches of a hole to patches of what is known, and let them vote for its pixels: the search behind ``restore.exemplar``.

Matches are found as by Barnes et al. 2009, "PatchMatch", but for all pixels at once: each tries what would continue its neighbours'
matches, then random places ever nearer to its own. Texture around a pixel is compared too (Newson et al. 2014, "Video Inpainting of
Complex Scenes").
"""

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

AT_ONCE = 1 << 14
"""So many patches are described at once, and voters found of so many pixels."""


class Level(NamedTuple):
    """A scale of the pyramid.

    image: (H, W, 5), RGB and the means of the gradients' sizes in y and x; holes, sources: (H, W) bool.
    """

    image: torch.Tensor
    holes: torch.Tensor
    sources: torch.Tensor


class Ballot(NamedTuple):
    """Which patches say what of which pixels: those of the holes, and those beside them, whose gradients reach into holes.

    pixels: (P,) long, flat; starts: (P,), where each pixel's votes begin; votes: (V,), the number of the pixel that each is for; voters:
    (V,), the numbers of the sites; shifts: (V,), from site to pixel, flat; apart: (V,) float32, the square of that distance. All but
    pixels are int32: in a large hole the votes are what takes the memory.
    """

    pixels: torch.Tensor
    starts: torch.Tensor
    votes: torch.Tensor
    voters: torch.Tensor
    shifts: torch.Tensor
    apart: torch.Tensor


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
        """What does not change from turn to turn: descriptions of the sources, and which pixel is in which patches."""
        level = self.level
        smooth = cv2.GaussianBlur(level.image[..., :3].numpy(), (0, 0), BLUR)
        self.guide = torch.from_numpy(smooth).permute(2, 0, 1) * GUIDE
        self.basis = self._components()
        self.described = self._described()
        self.ballot = self._ballot()
        distance = torch.from_numpy(cv2.distanceTransform(level.holes.numpy().astype(np.uint8), cv2.DIST_L2, 5)).flatten()
        self.trust = -FADE * distance[self._flat(self.sites)]  # a logarithm

    def _ballot(self) -> Ballot:
        pixels = grown(self.level.holes, 1).flatten().nonzero()[:, 0]
        lengths, voters, shifts, apart = map(torch.cat, zip(*map(self._voters, pixels.split(AT_ONCE)), strict=True))
        votes = torch.arange(len(pixels), dtype=torch.int32).repeat_interleave(lengths)
        return Ballot(pixels, (lengths.cumsum(0) - lengths).int(), votes, voters, shifts, apart)

    def _voters(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """How many patches show each of some pixels (n,); and pixel by pixel their sites, the ways from there, and the squares of these."""
        width = self.shape[1]
        places = torch.stack([pixels // width, pixels % width], 1)[..., None]
        cells = (places + RADIUS) // self.stride - torch.arange(2 * RADIUS // self.stride + 1)  # (n, 2, m): rows and columns of the grid
        steps = places - cells * self.stride
        within = (cells >= 0) & (steps.abs() <= RADIUS)
        last = torch.tensor(self.number.shape)[:, None] - 1
        y, x = (cells + 1).clamp_min(0).minimum(last).unbind(1)
        number = self.number[y[:, :, None], x[:, None, :]]  # (n, m, m)
        valid = (number >= 0) & within[:, 0, :, None] & within[:, 1, None, :]
        dy, dx = steps.int().unbind(1)
        shifts, apart = (dy * width)[:, :, None] + dx[:, None, :], (dy * dy)[:, :, None] + (dx * dx)[:, None, :]
        return valid.sum((1, 2)), number[valid].int(), shifts[valid], apart[valid].float()

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

    def _described(self) -> torch.Tensor:
        """(H * W, D): squared distances between rows say how unlike two places of the level are."""
        image = self.level.image
        padded = F.pad(planes(image[..., :3]), (RADIUS,) * 4, mode="replicate")
        parts = [F.conv2d(padded, self.basis)[0], image[..., 3:].permute(2, 0, 1) * TEXTURE, self.guide]
        return torch.cat(parts).flatten(1).T.contiguous()

    def _wanted(self, image: torch.Tensor) -> torch.Tensor:
        """The same of what ``image`` (H, W, 5) shows at the sites, (T, D)."""
        across = torch.arange(-RADIUS, RADIUS + 1)
        y, x = ((at[:, None] + across).clamp(0, side - 1) for at, side in zip(self.sites.T, self.shape, strict=True))
        colours, filters = image[..., :3].contiguous(), self.basis.permute(2, 3, 1, 0).flatten(0, 2)
        some = zip(y.split(AT_ONCE), x.split(AT_ONCE), strict=True)
        answers = torch.cat([colours[rows[:, :, None], columns[:, None, :]].flatten(1) @ filters for rows, columns in some])
        y, x = self.sites.T
        return torch.cat([answers, image[y, x, 3:] * TEXTURE, self.guide[:, y, x].T], 1)

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
        wanted, reused = self._wanted(image), self._reused()
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
        used = torch.bincount(self._flat(self.found), minlength=height * width).float().reshape(height, width)
        used = blurred(used, RADIUS).flatten()
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
        means = self._means(self.level.image, spread=0.5, among=1.0)
        return torch.where(self.level.holes[..., None], self._placed(means, image), image)

    def vote_sharply(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same, where each pixel listens to its best patch; and gradients, voted too: (H, W, 3) to the next row, to the next column."""
        down, right = differences(self.level.image[..., :3])
        means = self._means(torch.cat([self.level.image, down, right], 2), spread=0.25, among=0.1)
        result = torch.where(self.level.holes[..., None], self._placed(means[:, :5], image), image)
        own_down, own_right = differences(result[..., :3])
        return result, self._placed(means[:, 5:8], own_down), self._placed(means[:, 8:], own_right)

    def _placed(self, means: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """``image`` (H, W, K) with the ``means`` (P, K) of the pixels that are voted for."""
        result = image.clone(memory_format=torch.contiguous_format)
        result.flatten(0, 1)[self.ballot.pixels] = means
        return result

    def _means(self, values: torch.Tensor, *, spread: float, among: float) -> torch.Tensor:
        """Weighted means of what patches say.

        Args:
            values: (H, W, K), what is copied.
            spread: Deviation of the weight over a patch, in radii.
            among: How much worse than a pixel's best a patch may be and still count, in usual costs.

        Returns:
            The means (P, K) of the pixels that are voted for.
        """
        ballot, starts = self.ballot, self.ballot.starts.numpy()
        usual = among * float(np.quantile(self.cost.numpy(), 0.3)) + 1e-8
        score = (self.trust - self.cost / (2 * usual)).index_select(0, ballot.voters)
        highest = torch.from_numpy(np.maximum.reduceat(score.numpy(), starts))
        weight = score.sub_(highest.index_select(0, ballot.votes)).sub_(ballot.apart / (2 * (spread * RADIUS) ** 2)).exp_()
        places = self._flat(self.found).int().index_select(0, ballot.voters).add_(ballot.shifts)
        total = F.embedding_bag(places, values.flatten(0, 1), ballot.starts, mode="sum", per_sample_weights=weight)
        return total.div_(torch.from_numpy(np.add.reduceat(weight.numpy(), starts))[:, None])

    def misfit(self, image: torch.Tensor) -> torch.Tensor:
        """How unlike what was copied ``image`` is around each pixel, as a mean of squared distances between patches: (H, W)."""
        at = self._flat(self.sites)
        apart = (self.described[self._flat(self.found)] - self._wanted(image)).square_().sum(1)
        both = torch.zeros(self.shape[0] * self.shape[1], 2)
        both[at] = torch.stack([apart, torch.ones(len(at))], 1)
        total, count = blurred(both.reshape(*self.shape, 2), 2 * RADIUS).unbind(2)
        return total.clamp_min(0) / count.clamp_min(1e-6)

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
    return torch.from_numpy(cv2.dilate(where.numpy().astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)) > 0)


def blurred(x: torch.Tensor, radius: int) -> torch.Tensor:
    """Means of all within ``radius`` rows and columns, of (H, W) or (H, W, C); 0 lies beyond the edges."""
    side = 2 * radius + 1
    return torch.from_numpy(cv2.blur(x.numpy(), (side, side), borderType=cv2.BORDER_CONSTANT))


def planes(x: torch.Tensor) -> torch.Tensor:
    """(H, W, C) as (1, C, H, W)."""
    return x.permute(2, 0, 1)[None]


def pixels(x: torch.Tensor) -> torch.Tensor:
    """(1, C, H, W) as (H, W, C)."""
    return x[0].permute(1, 2, 0)
