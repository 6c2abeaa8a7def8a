"""The object that people hold: it opens pictures of any kind, keeps the networks it loaded, and gives the same kind back."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from restore import estimate, kinds, masks, weights
from restore.image import JpegCoding, Picture
from restore.kinds import Kind, Level, Masks, Progress
from restore.loaded import Loaded
from restore.runtime import Runtime
from restore.tasks import TASKS
from restore.tasks.base import apply_to_seen, continued
from restore.tasks.deconvolve import check_blur, deconvolve, find_kernel, search_share
from restore.tasks.dejpeg import quality_for
from restore.tasks.denoise import MAX_SIGMA, check_noise, check_sigma
from restore.tasks.inpaint import Finish

FAINT = 15.0
"""Noise under this level, in 8-bit units, is removed in fp32 where the precision is "auto": the loss of denoisers is larger there."""
FAINTEST = 0.5
"""Noise that is estimated under this level counts as none in pictures of 8 bits: to round to those makes more than half of it."""


class Restorer(Loaded):
    """Restores pictures, with networks that are loaded at their first use and kept.

    Calling it from several threads at once is safe.

    Args:
        device: "auto" (CUDA, else Metal, else the CPU), "cpu", "cuda", "cuda:1", "mps".
        precision: "fp32", "bf16", or "auto": bf16 where OpenVINO runs on a processor that has it and the weight's manifest says that it
            costs less than 0.02 dB, else fp32; noise fainter than ``FAINT`` is removed in fp32.
        runtime: What runs the networks: "torch", "openvino", or "auto": OpenVINO on the CPU where it is installed, else torch; see
            ``restore.runtime.Runtime``.
        tile: Largest side in pixels of what a network gets at once; it shrinks by itself when memory runs out.
        weights: Task -> a weight for it instead of its default: a name in ``restore.list_weights()``, or one of your own, such as the
            folder of a training run: see ``restore.weights.find``.
        quality: "fast": the task's small weight instead of its default, where one is shipped, and no search for a blur whose cause nobody
            names. "best": the mean over a picture's eight turned and mirrored forms, in eight times the time, for the tasks whose
            ``ensemble`` is set; the others do what they always do. A weight that ``weights`` names is taken whatever the quality.

    Raises:
        ValueError: A device, precision, runtime, tile, quality or task is unknown, not there or out of range.

    >>> import numpy as np
    >>> restorer = Restorer(device="cpu")
    >>> picture, mask = np.full((8, 8), 7, np.uint8), np.eye(8, dtype=bool)
    >>> int(restorer.inpaint(picture, mask, method="telea").max())
    7
    """

    def inpaint(  # noqa: PLR0913 - all that people choose about a fill
        self,
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
        """Fill what a mask marks; everything else, and alpha, stays bit for bit as it was.

        Args:
            image: A path, a Picture, a PIL image, an array (H, W) or (H, W, C), or a tensor (C, H, W) or (N, C, H, W);
                see ``restore.kinds.unpack``.
            mask: The same size, in displayed orientation. Arrays and tensors: non-zero = repair; files, PIL images and Pictures:
                above half of their range. A list of masks means all of them. ``restore.masks.from_colour`` makes one of painted strokes.
            method: "learned", "telea", "ns" or "biharmonic".
            texture: What "learned" fills into wide holes gets texture that is copied from the picture (``restore.exemplar``).
            grain: What "learned" fills gets noise like that of its surroundings, where these have any (``restore.grain``).
            seed: Same seed, same texture and grain; from 0 to 2 ** 63 - 1.
            grow: Pixels that the mask grows by on all sides, 0 to 10000.
            feather: Width of a soft edge outside the grown mask, in pixels, 0 to 10000: the fill fades into the photograph there.
            progress: Called with the fraction done, 0 to 1.

        Returns:
            The same kind as ``image``; a Picture for a path.

        Raises:
            TypeError: ``image`` or ``mask`` is no picture.
            ValueError: The mask has another size or covers, with its soft edge, all of the picture; another argument is out of range.
            ImageError: A file cannot be read, or a picture has a form that is not taken (also a ValueError).
            WeightsError: The network's weight cannot be used.
            MemoryError: The smallest crop does not fit.
        """
        pictures, repack = kinds.unpack(image)
        holes = kinds.unpack_masks(mask, [picture.shape for picture in pictures])
        function = self._filler(method, Finish(texture, grain, seed))

        def fill(picture: Picture, hole: np.ndarray, share: Progress | None) -> Picture:
            hole = masks.grow(hole, grow) if grow else hole
            if not feather:
                return function(picture, hole, share)
            weights = masks.feather(hole, feather)
            if (weights > 0).all() and not np.all(hole):
                raise ValueError(f"the mask with its soft edge of {feather:g} pixels covers the whole picture; expected a smaller feather")
            filled = function(picture, weights > 0, share)
            return picture.replace(pixels=masks.blend(picture.pixels, filled.pixels, weights))

        return repack([fill(*each) for each in zip(pictures, holes, kinds.shares(progress, len(pictures)), strict=True)])

    def expand(
        self,
        image: Kind,
        margins: masks.Margins,
        *,
        method: str = "learned",
        texture: bool = True,
        grain: bool = True,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Any:
        """Continue a picture beyond its edges; what was there stays bit for bit as it was.

        Args:
            image: As for ``inpaint``. A transparent picture gets an opaque border.
            margins: Pixels to be added at the left, the top, the right, the bottom. From a quarter of the picture on it lacks things.
            method: As for ``inpaint``.
            texture: As for ``inpaint``.
            grain: As for ``inpaint``.
            seed: As for ``inpaint``.
            progress: As for ``inpaint``.

        Returns:
            The same kind as ``image``, larger; a Picture for a path.

        Raises:
            TypeError: ``image`` is no picture.
            ValueError: A margin is negative, no whole number or wider than the picture, or the method or ``seed`` is none of these.
            ImageError: A file cannot be read, or a picture has a form that is not taken (also a ValueError).
            WeightsError: The network's weight cannot be used.
            MemoryError: The smallest crop does not fit.
        """
        pictures, repack = kinds.unpack(image)
        function = self._filler(method, Finish(texture, grain, seed))
        larger = [masks.expand(picture, margins) for picture in pictures]
        return repack([function(*each, share) for each, share in zip(larger, kinds.shares(progress, len(pictures)), strict=True)])

    def _filler(self, method: str, finish: Finish) -> Callable[[Picture, np.ndarray, Progress | None], Picture]:
        """What fills holes: (a picture, its mask, progress) -> the picture filled."""
        runtime = self.runtime("inpaint") if method == "learned" else None
        function = functools.partial(TASKS["inpaint"].function, runtime=runtime, method=method, tile=self.tile, finish=finish)

        def fill(picture: Picture, hole: np.ndarray, share: Progress | None) -> Picture:
            hidden = None if picture.seen is None else ~picture.seen
            return picture.replace(pixels=function(picture.pixels, hole, linear=picture.is_linear, hidden=hidden, progress=share))

        return fill

    def denoise(
        self,
        image: Kind,
        *,
        sigma: Level = None,
        noise: str = "auto",
        found: Callable[[float | None], None] | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """Remove noise; alpha stays as it was.

        Args:
            image: As for ``inpaint``.
            sigma: Standard deviation of the noise in 8-bit units, 0 to 75, whatever the depth; an array or tensor (H, W) of it, for all
                pictures, where it varies; None: estimated, picture by picture.
            noise: "white": alike in all frequencies, as in tests and in pictures that were computed; "camera": formed by a camera or phone,
                by film, or by a JPEG file; "auto": as each picture shows (``restore.estimate.has_camera_noise``), and "white" where
                ``weights`` names one, or none for cameras is there. A weight that ``weights`` names must be of the kind that is asked for.
            found: Called with what ``find_noise`` returns for each picture, before it is cleaned, where ``sigma`` is None.
            progress: Called with the fraction done, 0 to 1.

        Returns:
            The same kind as ``image``; a Picture for a path. Floats are neither clipped nor quantised.

        Raises:
            TypeError: ``image`` is no picture.
            ValueError: ``sigma`` is out of its range or of another size, or ``noise`` is unknown.
            ImageError: A file cannot be read, or a picture has a form that is not taken (also a ValueError).
            WeightsError: The network's weight is not there, or cannot be used.
            MemoryError: The smallest tile does not fit.
        """
        check_noise(noise)
        level = kinds.unpack_level(sigma)

        def clean(picture: Picture, share: Progress | None) -> Picture:
            sigma = check_sigma(level, picture.shape)
            if sigma is not None and not np.any(sigma):
                return kinds.untouched(picture, share)
            camera = self._is_camera(picture, noise)
            if sigma is None:
                sigma = None if camera else _level(picture)
                if found:
                    found(sigma)
                if sigma == 0:
                    return kinds.untouched(picture, share)
            exact = sigma is not None and bool(np.min(sigma) < FAINT)
            function = functools.partial(TASKS["denoise"].function, sigma=sigma, camera=camera, where=picture.seen)
            return self._restored(picture, function, self.runtime("denoise", camera=camera, exact=exact), share)

        return kinds.each(image, clean, progress)

    def find_noise(self, image: Kind, *, noise: str = "auto") -> float | None:
        """Find what noise a picture has; ``denoise`` removes it.

        Args:
            image: As for ``denoise``; one picture.
            noise: As for ``denoise``.

        Returns:
            The level of white noise in 8-bit units, 0 to 75, that ``denoise`` takes where none is told; 0: there is none. None for the
            noise of a camera, whose strength its network sees for itself.

        Raises:
            TypeError: ``image`` is no picture.
            ValueError: It is more than one, or holds a NaN or an infinity, or ``noise`` is unknown.
            ImageError: A file cannot be read, or a picture has a form that is not taken (also a ValueError).
        """
        check_noise(noise)
        picture = kinds.only(image, "noise")
        return None if self._is_camera(picture, noise) else _level(picture)

    def _is_camera(self, picture: Picture, noise: str) -> bool:
        """Tell whether the network for cameras is the one for a picture."""
        may_tell = TASKS["denoise"].camera in weights.entries() and "denoise" not in self._named
        is_asked = noise == "auto" and may_tell
        return noise == "camera" or (is_asked and estimate.has_camera_noise(picture.pixels, linear=picture.is_linear, where=picture.seen))

    def dejpeg(
        self,
        image: Kind,
        *,
        jpeg_quality: int | str = "auto",
        found: Callable[[tuple[int, ...]], None] | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """Remove what JPEG left: blocks, rings, blotches of colour; alpha stays as it was.

        A Picture of a JPEG file is written at quality 95 without chroma subsampling afterwards: its own tables would damage it anew.

        Args:
            image: As for ``inpaint``.
            jpeg_quality: From 1 (strongest) to 100 on libjpeg's scale; "blind": as strongly as the network thinks; or "auto": as each
                picture's history asks (``restore.estimate.jpeg_history``, ``tasks.dejpeg.quality_for``), and one without traces of JPEG, or
                of qualities above ``tasks.dejpeg.FINEST``, comes back bit for bit.
            found: Called with each picture's history, before it is cleaned, where ``jpeg_quality`` is "auto".
            progress: Called with the fraction done, 0 to 1.

        Returns:
            The same kind as ``image``; a Picture for a path. Floats are neither clipped nor quantised.

        Raises:
            TypeError: ``image`` is no picture.
            ValueError: ``jpeg_quality`` is out of its range.
            ImageError: A file cannot be read, or a picture has a form that is not taken (also a ValueError).
            WeightsError: The network's weight is not there, or cannot be used.
            MemoryError: The smallest tile does not fit.
        """
        if jpeg_quality is None:
            raise ValueError("jpeg_quality is None; expected 1 to 100, 'blind' or 'auto'")
        runtime = self.runtime("dejpeg")

        def clean(picture: Picture, share: Progress | None) -> Picture:
            told: int | str | None = jpeg_quality
            if jpeg_quality == "auto":
                history = estimate.jpeg_history(picture)
                told = quality_for(history)
                if found:
                    found(history)
            if told is None:
                return kinds.untouched(picture, share)
            function, coding = functools.partial(TASKS["dejpeg"].function, jpeg_quality=told), picture.coding
            if isinstance(coding, JpegCoding):
                coding = dataclasses.replace(coding, tables=(), sampling=0)
            return dataclasses.replace(self._restored(picture, function, runtime, share), coding=coding)

        return kinds.each(image, clean, progress)

    def deblur(
        self,
        image: Kind,
        *,
        width: float | None = None,
        blur: str = "auto",
        kernel: np.ndarray | None = None,
        found: Callable[[np.ndarray | None], None] | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """Sharpen what a lens out of focus or a shaking hand blurred; alpha stays as it was.

        Args:
            image: As for ``inpaint``.
            width: Standard deviation of the blur's kernel in pixels, sqrt((var_x + var_y) / 2), 0.3 to 4: of a Gaussian its sigma, of a
                disk half its radius, of a straight motion its length / sqrt(24). The network is told, and nothing is looked for; None: as
                each picture looks.
            blur: What made it, which is found (``find_kernel``) and undone with the denoiser: "lens": the spot of a lens out of focus;
                "shake": the path of the camera; "auto": either. Where that is not sure to help, and for "any", a network sharpens.
            kernel: What the sharp picture was correlated with, (h, w) of odd sides, where that is known: undone with the denoiser.
            found: Called with what ``find_kernel`` returns for each picture that it looks at, before the picture is sharpened.
            progress: Called with the fraction done, 0 to 1.

        Returns:
            The same kind as ``image``; a Picture for a path. Floats are neither clipped to [0, 1] nor quantised.

        Raises:
            TypeError: ``image`` is no picture.
            ValueError: ``width`` is out of its range, ``blur`` is unknown, ``kernel`` is none, or they do not go together.
            ImageError: A file cannot be read, or a picture has a form that is not taken (also a ValueError).
            WeightsError: The network's weight is not there, or cannot be used.
            MemoryError: The smallest tile does not fit.
        """
        search = self.searches(blur) and kernel is None and width is None
        if (width is not None) + (kernel is not None) + (blur == "shake") > 1:
            raise ValueError("width, kernel and blur 'shake' are three ways to say what blurred the picture; expected one of them")

        def sharpen(picture: Picture, share: Progress | None) -> Picture:
            path, rest = kernel, share
            if search:
                first, rest = kinds.halves(share, search_share(picture.pixels))
                path = self.find_kernel(picture, blur=blur, progress=first)
                if found:
                    found(path)
            if path is None:
                return self._restored(picture, functools.partial(TASKS["deblur"].function, width=width), self.runtime("deblur"), rest)
            function = functools.partial(deconvolve, kernel=path, where=picture.seen)
            return self._restored(picture, function, self.runtime("denoise", exact=True, once=True), rest)

        return kinds.each(image, sharpen, progress)

    def find_kernel(self, image: Kind, *, blur: str = "auto", progress: Progress | None = None) -> np.ndarray | None:
        """Find what blurred a picture, a lens or the path of a camera; ``deblur`` undoes it.

        Args:
            image: As for ``deblur``; one picture.
            blur: As for ``deblur``; "auto" and "lens" take a kernel only where undoing it is sure to help, "auto" none at quality "fast".
            progress: As for ``deblur``.

        Returns:
            What the sharp picture was correlated with, (k, k) float32, its sum 1; None where none is found, and below 240 pixels a side.

        Raises:
            TypeError: ``image`` is no picture.
            ValueError: It is more than one, or ``blur`` is unknown.
            ImageError: A file cannot be read, or a picture has a form that is not taken (also a ValueError).
            WeightsError: A network's weight is not there, or cannot be used.
        """
        picture = kinds.only(image, "a kernel")
        if not self.searches(blur):
            kinds.untouched(picture, progress)
            return None
        runtimes = [self.runtime(task, once=True) for task in (["denoise"] if blur == "shake" else ["denoise", "deblur"])]
        seen = picture.seen
        return find_kernel(continued(picture.pixels, seen), *runtimes, blur=blur, linear=picture.is_linear, where=seen, progress=progress)

    def searches(self, blur: str) -> bool:
        """Tell whether ``find_kernel`` looks for one: where a cause is named, and for "auto" where there is time and a denoiser."""
        check_blur(blur)
        is_there = "denoise" in self._named or self.weights["denoise"] in weights.entries()
        return blur in ("lens", "shake") or (blur == "auto" and self.quality != "fast" and is_there)

    def filter(self, image: Kind, name: str, *, strength: float = 0.5, progress: Progress | None = None) -> Any:
        """Imitate a slow filter of ``restore.filters`` with one network; alpha stays as it was.

        Args:
            image: As for ``inpaint``.
            name: "bilateral", "non_local_means", "total_variation", "beauty", "smooth_l0" or "local_laplacian".
            strength: From 0 to 1, in the range that ``restore.networks.filtering.OPERATORS`` names.
            progress: Called with the fraction done, 0 to 1.

        Returns:
            The same kind as ``image``; a Picture for a path. Floats are neither clipped nor quantised.

        Raises:
            TypeError: ``image`` is no picture.
            ValueError: ``name`` is unknown, or ``strength`` is out of its range.
            ImageError: A file cannot be read, or a picture has a form that is not taken (also a ValueError).
            WeightsError: The network's weight cannot be used.
            MemoryError: The smallest tile does not fit.
        """
        function = functools.partial(TASKS["filter"].function, name=name, strength=strength)
        return kinds.each(image, lambda picture, share: self._restored(picture, function, self.runtime("filter"), share), progress)

    def _restored(self, picture: Picture, function: Callable[..., np.ndarray], runtime: Runtime, share: Progress | None) -> Picture:
        """A picture, restored by a task's function with its network."""
        function = functools.partial(function, runtime=runtime, linear=picture.is_linear, tile=self.tile, progress=share)
        return apply_to_seen(picture, function)


def _level(picture: Picture) -> float:
    """The level of a picture's white noise, in 8-bit units, as far as networks know it."""
    level = min(estimate.noise_level(picture.pixels, linear=picture.is_linear, where=picture.seen), MAX_SIGMA)
    return 0.0 if picture.pixels.dtype == np.uint8 and level < FAINTEST else level
