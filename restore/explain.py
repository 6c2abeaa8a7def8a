"""What a network sees: feature maps, first-layer kernels, activation maximisation, Grad-CAM.

Each of the four returns numbers, and has a function beside it that draws them. The network runs in evaluation mode and is left
as it was: its parameters, their gradients, its mode.

>>> from restore import backbones
>>> net = backbones.build("resnet18", num_classes=10)
>>> [maps.shape for maps in feature_maps(net, torch.zeros(1, 3, 64, 64))][-2:]
[(256, 4, 4), (512, 2, 2)]
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones import Backbone
from restore.figures import PAPER, fit, grey, heat, sheet
from restore.levels import from_float

TILE = 112
"""Largest side of a feature map in a figure."""

SIDE = 224
"""Smaller pictures are enlarged to this in a figure."""

RATE = 0.02
"""Learning rate of activation maximisation."""


def feature_maps(net: Backbone, x: torch.Tensor) -> list[np.ndarray]:
    """What each scale of the network gives for one picture.

    Args:
        net: Any encoder.
        x: (1, C, H, W), as ``net.preprocess`` makes it.

    Returns:
        Finest first: (channels[i], ~H/reductions[i], ~W/reductions[i]) float32.

    Raises:
        ValueError: There is not one picture.
    """
    _check_one(x)
    with _undisturbed(net), torch.no_grad():
        return [maps[0].float().cpu().numpy() for maps in net.features(x)]


def feature_figure(maps: Sequence[np.ndarray], *, columns: int = 8) -> np.ndarray:
    """Draw a row for each scale: the maps that vary most, each from its smallest value (black) to its largest (white).

    Args:
        maps: From ``feature_maps``; scales of one pixel are left out.
        columns: Maps in a row.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: Every scale is one pixel.
    """
    shown = [scale for scale in maps if scale[0].size > 1]
    if not shown:
        raise ValueError(f"{len(maps)} scales of one pixel; expected maps that are larger")
    pictures, captions = [], []
    for scale in shown:
        chosen = np.argsort(-scale.std((1, 2)), kind="stable")[:columns]
        empty = columns - len(chosen)
        pictures += [fit(grey(scale[i]), TILE) for i in chosen] + [np.full((1, 1, 3), PAPER, np.uint8)] * empty
        captions += [f"{i} of {len(scale)}, {scale.shape[2]}x{scale.shape[1]}" for i in chosen] + [""] * empty
    return sheet(pictures, captions, columns=columns)


def responses(net: Backbone, x: torch.Tensor, *, layer: str | None = None) -> np.ndarray:
    """How strongly each unit answers to pictures.

    Args:
        net: Any encoder.
        x: (N, C, H, W), as ``net.preprocess`` makes it.
        layer: Name of a module, as ``named_modules`` has it: the means of its channels over all places; None: the logits.

    Returns:
        (N, K) float32.

    Raises:
        ValueError: The layer is not there, or gives no single tensor.
    """
    with _undisturbed(net), torch.no_grad():
        found, logits = _forward(net, x, layer)
        return _means(logits if layer is None else found[-1]).float().cpu().numpy()


def kernels(net: nn.Module) -> np.ndarray:
    """The kernels of the first convolution, (K, C, h, w) float32.

    Raises:
        ValueError: The network has no 2-D convolution.

    >>> from restore import backbones
    >>> kernels(backbones.build("resnet18")).shape
    (64, 3, 7, 7)
    """
    first = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None:
        raise ValueError(f"{type(net).__name__} has no convolution; expected a network with one")
    return first.weight.detach().float().cpu().numpy().copy()


def kernel_figure(weights: np.ndarray, *, columns: int = 16) -> np.ndarray:
    """Draw kernels: mid-grey is 0, black and white are the largest weight of each; as colours where they see RGB, else their sum.

    Args:
        weights: (K, C, h, w), from ``kernels``.
        columns: Kernels in a row.

    Returns:
        (H, W, 3) uint8.
    """
    shown = weights if weights.shape[1] == 3 else weights.sum(1, keepdims=True).repeat(3, 1)
    largest = np.abs(shown).max((1, 2, 3), keepdims=True)
    shown = 0.5 + shown / np.where(largest > 0, 2 * largest, 1)
    return sheet([fit(from_float(kernel.transpose(1, 2, 0), np.uint8), TILE // 2) for kernel in shown], columns=columns)


def grad_cam(net: Backbone, x: torch.Tensor, *, target: int | Sequence[int] | None = None, layer: str | None = None) -> np.ndarray:
    """Where in a picture a class is seen (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks").

    The maps of a layer are added up, each weighted by the mean gradient of the class's logit with respect to it; what is below 0
    speaks against the class and is left out. The sum is stretched over the picture, a little off where convolutions do not pad.

    Args:
        net: Any encoder with a classifier.
        x: (N, C, H, W), as ``net.preprocess`` makes it.
        target: The class, or one for each picture; None: the one with the largest logit.
        layer: Name of the module whose maps are added up, as ``named_modules`` has it; None: the coarsest of ``features`` that is
            larger than one pixel.

    Returns:
        (N, H, W) float32 in [0, 1]: 1 where a picture speaks most for the class; all 0 where nothing does.

    Raises:
        ValueError: A class or a layer that is not there, another number of classes than of pictures, or maps without places.
    """
    classes = None if target is None else torch.as_tensor(target, device=x.device).reshape(-1)
    if classes is not None and len(classes) not in (1, len(x)):
        raise ValueError(f"{len(classes)} classes for {len(x)} pictures; expected one, or one each")
    with _undisturbed(net):
        found, logits = _forward(net, x.detach().clone().requires_grad_(), layer)
        maps = next((m for m in reversed(found) if m.dim() == 4 and m.shape[2] * m.shape[3] > 1), None)
        if maps is None:
            raise ValueError(f"{layer or 'the network'} gives {tuple(found[-1].shape)}; expected maps (N, K, h, w) of more than one pixel")
        chosen = logits.argmax(1) if classes is None else classes.expand(len(x))
        _check(chosen.tolist(), logits.shape[1], "class")
        (slope,) = torch.autograd.grad(logits.gather(1, chosen[:, None]).sum(), maps)  # (N, K, h, w)
    cam = F.relu((slope.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True))  # (N, 1, h, w)
    cam = F.interpolate(cam, x.shape[-2:], mode="bilinear", align_corners=False)[:, 0]  # (N, H, W)
    largest = cam.amax((1, 2), keepdim=True)
    return (cam / torch.where(largest > 0, largest, 1)).float().cpu().numpy()


def cam_figure(picture: np.ndarray, cams: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """Draw a picture, and beside it what ``grad_cam`` says, as colours over the picture in grey.

    Args:
        picture: (H, W, C) float in [0, 1], what the network saw; see ``seen``.
        cams: Each (H, W) in [0, 1].
        captions: One line for the picture and one for each of ``cams``.

    Returns:
        (h, w, 3) uint8.
    """
    light = picture.mean(2, keepdims=True)
    overlays = [0.35 * light + 0.65 / 255 * heat(cam) for cam in cams]
    return picture_figure([picture, *overlays], captions)


def picture_figure(pictures: Sequence[np.ndarray], captions: Sequence[str] = (), *, columns: int | None = None) -> np.ndarray:
    """Draw pictures such as those of ``maximise``: each (H, W, C) float in [0, 1], grey unless C is 3; (h, w, 3) uint8."""
    tiles = [p if p.shape[2] == 3 else p.mean(2, keepdims=True).repeat(3, 2) for p in pictures]
    return sheet([fit(from_float(tile, np.uint8), max(SIDE, *tile.shape[:2])) for tile in tiles], captions, columns=columns)


def seen(net: Backbone, x: torch.Tensor) -> np.ndarray:
    """The picture that a network sees, (H, W, C) float32 in [0, 1], of (1, C, H, W) as ``net.preprocess`` makes it.

    Raises:
        ValueError: There is not one picture.
    """
    _check_one(x)
    mean, std = (x.new_tensor(value).reshape(-1, 1, 1) for value in (net.mean, net.std))
    return (x[0] * std + mean).clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()


def maximise(
    net: Backbone,
    units: Sequence[int],
    *,
    layer: str | None = None,
    size: tuple[int, int] | None = None,
    steps: int = 128,
    jitter: int | None = None,
    decay: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """Pictures that excite units (Erhan et al. 2009; Olah, Mordvintsev, Schubert 2017, "Feature Visualization").

    Gradient ascent with three restraints, without which the most exciting picture is noise: it climbs on the picture's spectrum,
    where coarse waves learn faster than fine ones; before each step the picture is shifted by a few pixels; and what excites
    nothing fades to grey.

    Args:
        net: Any encoder.
        units: Classes; with ``layer``, channels of its output, of which the mean over all places is taken.
        layer: Name of a module, as ``named_modules`` has it; None: the logits.
        size: Height and width of the pictures; None: ``net.input_size``.
        steps: Steps of the ascent.
        jitter: Largest shift, in pixels; None: a 28th of the shorter side.
        decay: How fast pictures fade, the weight decay of AdamW.
        seed: Seeds the first pictures and the shifts.

    Returns:
        (len(units), H, W, C) float32 in [0, 1].

    Raises:
        ValueError: No unit, one or a layer that is not there, or negative steps or jitter.
    """
    if len(units) == 0:
        raise ValueError("no units; expected one or more")
    height, width = size or net.input_size
    jitter = min(height, width) // 28 if jitter is None else jitter
    for name, value in (("steps", steps), ("jitter", jitter)):
        if value < 0:
            raise ValueError(f"{name} is {value}; expected at least 0")
    draw, device = torch.Generator().manual_seed(seed), next(net.parameters()).device
    with _undisturbed(net):
        start = 0.1 * torch.randn(len(units), len(net.mean), height, width // 2 + 1, 2, generator=draw)
        spectrum, chosen = start.to(device).requires_grad_(), torch.tensor(units, device=device)[:, None]
        ascent = torch.optim.AdamW([spectrum], RATE, weight_decay=decay)
        _check(units, responses(net, net.normalise(_picture(spectrum[:1], width)), layer=layer).shape[1], "unit")
        for _ in range(steps):
            shift = torch.randint(-jitter, jitter + 1, (2,), generator=draw).tolist()
            found, logits = _forward(net, net.normalise(_picture(spectrum, width).roll(shift, (2, 3))), layer)
            outputs = _means(logits if layer is None else found[-1])  # (U, K)
            spectrum.grad = torch.autograd.grad(-outputs.gather(1, chosen).sum(), spectrum)[0]
            ascent.step()
        return _picture(spectrum, width).detach().permute(0, 2, 3, 1).cpu().numpy()


def _picture(spectrum: torch.Tensor, width: int) -> torch.Tensor:
    """Pictures (N, C, H, W) in [0, 1] from their waves (N, C, H, W // 2 + 1, 2).

    As in photographs, a wave counts by a power of its length, and brightness varies more than colour.
    """
    height = spectrum.shape[2]
    down, right = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    frequency = (down.square() + right.square()).sqrt().clamp(min=1 / max(height, width)).to(spectrum)  # cycles per pixel
    waves = torch.view_as_complex(spectrum) * 0.2 * frequency**-1.5
    x = torch.fft.irfft2(waves, (height, width), norm="ortho")
    return torch.sigmoid(x + 2 * x.mean(1, keepdim=True))


def _means(maps: torch.Tensor) -> torch.Tensor:
    """The mean of each unit over all places: (N, K, ...) -> (N, K)."""
    return maps.reshape(*maps.shape[:2], -1).mean(2)


def _check(wanted: Sequence[int], number: int, what: str) -> None:
    """Raise where a class or a unit is none of ``number``."""
    for i in wanted:
        if not 0 <= i < number:
            raise ValueError(f"{what} {i} is not there; expected 0 to {number - 1}")


def _check_one(x: torch.Tensor) -> None:
    """Raise where (N, C, H, W) is not one picture."""
    if len(x) != 1:
        raise ValueError(f"{len(x)} pictures; expected one")


def _forward(net: Backbone, x: torch.Tensor, layer: str | None) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What ``layer`` gives, or every scale where it is None; and the logits (N, num_classes) that follow from it."""
    if layer is None:
        maps = net.features(x)
        return maps, net.classify(maps[-1])
    modules = dict(net.named_modules())
    if layer not in modules or not layer:
        raise ValueError(f"no module is called {layer!r}; expected one of {', '.join(n for n in modules if n.count('.') < 2 and n)}")
    caught: list[torch.Tensor] = []

    def catch(module: nn.Module, inputs: object, output: object) -> torch.Tensor:
        if not isinstance(output, torch.Tensor):
            raise ValueError(f"{layer!r} gives a {type(output).__name__}; expected a layer that gives one tensor")
        caught.append(output)
        return output.clone()  # what follows may work in place

    handle = modules[layer].register_forward_hook(catch)
    try:
        logits = net(x)
    finally:
        handle.remove()
    if not caught:
        raise ValueError(f"{layer!r} is not passed through on the way to the logits")
    return caught, logits


@contextlib.contextmanager
def _undisturbed(net: nn.Module) -> Iterator[None]:
    """Gradients on, evaluation mode inside; outside, every module is in the mode that it was in."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
