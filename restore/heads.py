"""One encoder, several heads: what a picture shows, where, and of what depth, from one pass over it.

>>> import torch
>>> from restore import backbones
>>> encoder = backbones.build("resnet18", num_classes=0)
>>> heads = {
...     "class": ClassificationHead(encoder.channels, 10),
...     "segmentation": SegmentationHead(encoder.channels, 4),
...     "depth": DenseHead(encoder.channels, 1),
...     "boxes": DetectionHead(encoder.channels, encoder.reductions, 3),
... }
>>> outputs = MultiHead(encoder, heads)(torch.rand(2, 3, 65, 97))
>>> outputs["class"].shape, outputs["segmentation"].shape, outputs["depth"].shape, outputs["boxes"].heat.shape
(torch.Size([2, 10]), torch.Size([2, 4, 65, 97]), torch.Size([2, 1, 65, 97]), torch.Size([2, 3, 17, 25]))
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from restore.backbones import Backbone
from restore.nn.layers import activation_layer, norm_layer, resize_to


class MultiHead(nn.Module):
    """A backbone that runs once and the heads that share its maps.

    A head is any module with ``forward(maps, picture)`` and ``loss(output, target)``.

    Args:
        backbone: The encoder; it normalises the pictures itself.
        heads: Name -> head, built for the channels of this backbone.

    Raises:
        ValueError: A name that a module cannot have.
    """

    def __init__(self, backbone: Backbone, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name in heads:
            if not name or "." in name or hasattr(nn.ModuleDict(), name):
                raise ValueError(f"a head is called {name!r}; expected a name without dots that is no attribute of a module")
        self.backbone, self.heads = backbone, nn.ModuleDict(heads)

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        """Pictures (N, C, H, W) in [0, 1] -> name of each head -> its output."""
        maps = self.backbone.features(self.backbone.normalise(x))
        return {name: head(maps, x) for name, head in self.heads.items()}

    def losses(self, outputs: Mapping[str, Any], targets: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """The loss of each head that has a target: name -> one number; heads without one are left out.

        Raises:
            ValueError: A target belongs to no head.
        """
        for name in targets:
            if name not in outputs:
                raise ValueError(f"the target {name!r} has no head; expected some of {', '.join(outputs)}")
        return {name: self.heads[name].loss(outputs[name], target) for name, target in targets.items()}  # type: ignore[operator]


def check(channels: Sequence[int], outputs: int = 1) -> None:
    """Refuse a head that sees or gives nothing.

    Raises:
        ValueError: ``channels`` is empty, or ``outputs`` below 1.
    """
    if not channels:
        raise ValueError("no channels; expected those of one map or more")
    if outputs < 1:
        raise ValueError(f"{outputs} outputs; expected at least 1")


class ClassificationHead(nn.Module):
    """Global average pooling of the coarsest map and a linear classifier (Lin, Chen, Yan 2013, "Network In Network").

    Args:
        channels: Of each map, finest first, as ``Backbone.channels`` lists them.
        classes: Outputs.

    Raises:
        ValueError: No channels, or no classes.
    """

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        check(channels, classes)
        self.linear = nn.Linear(channels[-1], classes)

    def forward(self, maps: Sequence[torch.Tensor], picture: torch.Tensor) -> torch.Tensor:
        """Maps (N, C_i, H_i, W_i), finest first -> logits (N, classes)."""
        return self.linear(maps[-1].mean((2, 3)))

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of logits (N, classes) and labels (N,)."""
        return F.cross_entropy(output, target)


def conv3x3(in_channels: int, width: int, norm: str) -> nn.Sequential:
    """3x3 convolution, normalisation, ReLU: (N, in_channels, H, W) -> (N, width, H, W)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, padding=1, bias=norm == "none"), norm_layer(norm, width), activation_layer("relu")
    )


class Decoder(nn.Module):
    """From the coarsest map to the finest, adding each on the way (Lin et al. 2017, "Feature Pyramid Networks for Object Detection").

    Sizes need not halve: what comes from below is resized to the map that it meets.

    Args:
        channels: Of each map, finest first.
        width: Channels of the output.
        norm: A name in ``restore.nn.layers.NORMS``.

    Raises:
        ValueError: No channels.

    >>> Decoder([8, 16, 32], 4)([torch.zeros(1, 8, 27, 31), torch.zeros(1, 16, 13, 15), torch.zeros(1, 32, 6, 7)]).shape
    torch.Size([1, 4, 27, 31])
    """

    def __init__(self, channels: Sequence[int], width: int = 64, *, norm: str = "layer") -> None:
        super().__init__()
        check(channels)
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(conv3x3(width, width, norm) for _ in channels)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps (N, C_i, H_i, W_i), finest first -> (N, width, H_0, W_0)."""
        x = self.smooth[-1](self.lateral[-1](maps[-1]))
        for i in reversed(range(len(maps) - 1)):
            x = self.smooth[i](resize_to(x, like=maps[i]) + self.lateral[i](maps[i]))  # (N, width, H_i, W_i)
        return x


class DenseHead(nn.Module):
    """Values for every pixel, such as depth: decoder, 1x1 convolution, resized to the picture.

    Args:
        channels: Of each map, finest first.
        outputs: Values per pixel.
        width: Channels of the decoder.
        norm: A name in ``restore.nn.layers.NORMS``.

    Raises:
        ValueError: No channels, or no outputs.
    """

    def __init__(self, channels: Sequence[int], outputs: int, *, width: int = 64, norm: str = "layer") -> None:
        super().__init__()
        check(channels, outputs)
        self.decoder, self.output = Decoder(channels, width, norm=norm), nn.Conv2d(width, outputs, 1)

    def forward(self, maps: Sequence[torch.Tensor], picture: torch.Tensor) -> torch.Tensor:
        """Maps and their picture (N, C, H, W) -> (N, outputs, H, W)."""
        return resize_to(self.output(self.decoder(maps)), like=picture)

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean absolute difference to ``target`` (N, outputs, H, W) where that is known, that is, not NaN; 0 if it is nowhere."""
        known = ~target.isnan()
        return (output[known] - target[known]).abs().sum() / known.sum().clamp_min(1)


class SegmentationHead(DenseHead):
    """The class of every pixel: ``DenseHead`` whose outputs are logits."""

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of logits (N, classes, H, W) and labels (N, H, W), of which 255 means unknown; 0 if all are.

        Raises:
            ValueError: Another label is none of the classes.
        """
        known, classes = target != 255, output.shape[1]
        wrong = target[known & ((target < 0) | (target >= classes))]
        if len(wrong):
            raise ValueError(f"the label {int(wrong[0])}; expected 0 to {classes - 1}, or 255 where unknown")
        return F.cross_entropy(output, target, ignore_index=255, reduction="sum") / known.sum().clamp_min(1)


class Maps(NamedTuple):
    """What ``DetectionHead`` predicts for each cell of its grid.

    Attributes:
        heat: (N, classes, h, w), logits that a box of this class has its centre here.
        size: (N, 2, h, w), its width and height in cells.
        offset: (N, 2, h, w), of its centre from the corner of the cell, right and down, in cells.
    """

    heat: torch.Tensor
    size: torch.Tensor
    offset: torch.Tensor


class DetectionHead(nn.Module):
    """Objects as points: a heat map of centres, with the box's size and offset at each (Zhou, Wang, Krähenbühl 2019, "Objects as Points").

    No anchors, and no suppression but a 3x3 maximum.

    Args:
        channels: Of each map, finest first.
        reductions: Of each map, as ``Backbone.reductions`` lists them.
        classes: Kinds of objects.
        stride: Side of a cell in pixels. Maps that are finer are not used.
        width: Channels of the decoder.
        norm: A name in ``restore.nn.layers.NORMS``.

    Raises:
        ValueError: ``channels`` and ``reductions`` differ in length or are empty, or ``classes`` or ``stride`` is below 1.
    """

    def __init__(
        self,
        channels: Sequence[int],
        reductions: Sequence[int],
        classes: int,
        *,
        stride: int = 4,
        width: int = 64,
        norm: str = "layer",
    ) -> None:
        super().__init__()
        if len(channels) != len(reductions):
            raise ValueError(f"{len(reductions)} reductions came with {len(channels)} channels; expected one for each map")
        check(channels, classes)
        if stride < 1:
            raise ValueError(f"stride is {stride}; expected at least 1")
        self.stride, self.skip = stride, min(sum(r < stride for r in reductions), len(channels) - 1)
        self.decoder = Decoder(channels[self.skip :], width, norm=norm)
        self.heat, self.size, self.offset = (
            nn.Sequential(conv3x3(width, width, "none"), nn.Conv2d(width, outputs, 1)) for outputs in (classes, 2, 2)
        )
        nn.init.constant_(self.heat.get_parameter("1.bias"), -math.log(9))  # every cell starts at 1/10, for most cells are no centre

    def forward(self, maps: Sequence[torch.Tensor], picture: torch.Tensor) -> Maps:
        """Maps and their picture (N, C, H, W) -> one cell for every ``stride`` pixels, rounded up."""
        grid = [math.ceil(side / self.stride) for side in picture.shape[-2:]]
        x = resize_to(self.decoder(maps[self.skip :]), like=picture.new_empty(1, 1, *grid))  # (N, width, h, w)
        return Maps(self.heat(x), self.size(x), self.offset(x))

    def encode(self, boxes: Sequence[torch.Tensor], like: Maps) -> tuple[Maps, torch.Tensor]:
        """What ``forward`` should have given: maps of the shapes of ``like``, and where a centre is (N, 1, h, w).

        The heat is a probability here: 1 in the cell of a centre, around it a Gaussian that ends, at three deviations, half a cell beyond
        the box's ``reach``; the larger one where two meet. Of two centres in one cell the last gives size and offset.

        Args:
            boxes: For each picture (M, 5): x0, y0, x1, y1 in pixels, class.
            like: What ``forward`` gave.

        Raises:
            ValueError: Boxes are of another shape, or one is empty, has its centre outside of the picture or an unknown class.
        """
        shapes = [tuple(picture.shape) for picture in boxes]
        if [shape[1:] for shape in shapes] != [(5,)] * len(like.heat):
            raise ValueError(f"boxes are {shapes}; expected (M, 5) for each of {len(like.heat)} pictures")
        heat, size, offset = (torch.zeros_like(values, dtype=torch.float32) for values in like)
        centres = torch.zeros_like(heat[:, :1])
        classes, rows, columns = heat.shape[1:]
        y, x = torch.arange(rows, device=heat.device)[:, None], torch.arange(columns, device=heat.device)
        for n, picture in enumerate(boxes):
            for box in picture.tolist():
                x0, y0, x1, y1 = (value / self.stride for value in box[:4])
                centre_x, centre_y, label = (x0 + x1) / 2, (y0 + y1) / 2, box[4]
                if not (x0 < x1 and y0 < y1 and 0 <= centre_x < columns and 0 <= centre_y < rows and label in range(classes)):
                    limits = f"x0 < x1, y0 < y1, its centre in {columns * self.stride} x {rows * self.stride}, a class below {classes}"
                    raise ValueError(f"the box is {box}; expected {limits}")
                column, row = int(centre_x), int(centre_y)
                deviation = (2 * reach(x1 - x0, y1 - y0) + 1) / 6
                around = torch.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * deviation**2))  # (h, w)
                heat[n, int(label)] = torch.maximum(heat[n, int(label)], around)
                size[n, :, row, column] = heat.new_tensor([x1 - x0, y1 - y0])
                offset[n, :, row, column] = heat.new_tensor([centre_x - column, centre_y - row])
                centres[n, 0, row, column] = 1
        return Maps(heat, size, offset), centres

    def loss(self, output: Maps, target: Sequence[torch.Tensor]) -> torch.Tensor:
        """Focal loss of the heat, plus a tenth of the sizes' and all of the offsets' L1 loss at the centres, per box.

        Args:
            output: What ``forward`` gave.
            target: For each picture (M, 5), as for ``encode``; M may be 0.
        """
        wanted, centres = self.encode(target, output)
        size, offset = (((got - want).abs() * centres).sum() for got, want in ((output.size, wanted.size), (output.offset, wanted.offset)))
        return (focal(output.heat, wanted.heat) + 0.1 * size + offset) / centres.sum().clamp_min(1)

    def decode(self, output: Maps, *, top: int = 100) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The ``top`` best boxes of each picture, best first; of neighbouring cells only the warmest counts.

        Returns:
            Boxes (N, top, 4) as x0, y0, x1, y1 in pixels, which may reach out of the picture; scores (N, top) in [0, 1]; classes (N, top).
            ``top`` is less where the grid has fewer places.

        Raises:
            ValueError: ``top`` is negative.
        """
        if top < 0:
            raise ValueError(f"top is {top}; expected at least 0")
        (rows, columns), score = output.heat.shape[-2:], output.heat.sigmoid()
        score = score * (score == F.max_pool2d(score, 3, 1, 1))
        scores, places = score.flatten(1).topk(min(top, score[0].numel()))  # (N, top)
        cells, classes = places % (rows * columns), places // (rows * columns)
        size, offset = (values.flatten(2).gather(2, cells[:, None].expand(-1, 2, -1)) for values in (output.size, output.offset))
        centre = torch.stack([cells % columns, cells // columns], 1) + offset  # (N, 2, top)
        boxes = torch.cat([centre - size / 2, centre + size / 2], 1) * self.stride  # (N, 4, top)
        return boxes.transpose(1, 2), scores, classes


def reach(width: float, height: float, *, overlap: float = 0.7) -> float:
    """How far a box may be shifted both right and down and still overlap with itself by ``overlap`` (intersection over union).

    The smaller r of ``(width - r) (height - r) = 2 overlap / (1 + overlap) width height``.

    >>> r = reach(10, 20)
    >>> both = (10 - r) * (20 - r)
    >>> round(both / (2 * 10 * 20 - both), 6)
    0.7
    """
    rest = 1 - 2 * overlap / (1 + overlap)
    return (width + height - math.sqrt((width + height) ** 2 - 4 * width * height * rest)) / 2


def focal(heat: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Focal loss of logits for a heat map (Lin et al. 2017; Law, Deng 2018, "CornerNet", equation 1), summed.

    ``-(1 - p)^2 log p`` where 1 is wanted; ``-(1 - wanted)^4 p^2 log(1 - p)`` elsewhere, so that cells near a centre are blamed less.

    >>> focal(torch.zeros(2), torch.tensor([1.0, 0.0])) / math.log(2)
    tensor(0.5000)
    """
    p = heat.sigmoid()
    hit, miss = (1 - p) ** 2 * F.logsigmoid(heat), (1 - wanted) ** 4 * p**2 * F.logsigmoid(-heat)
    return -torch.where(wanted == 1, hit, miss).sum()
