"""Masks of damage: drawn from a random generator, read from files or from a painted colour, grown, checked against a picture.

A mask is an (H, W) array; non-zero means repair. Drawn and loaded ones are uint8, 0 or 255: the same bytes from the same generator, for
one version of OpenCV (its fonts changed from 4 to 5). Sizes are fractions of the picture's shorter side; what is in pixels says so. More
items of one kind, from an equal generator, cover the fewer ones.

>>> import numpy as np
>>> draw(["scratches", "text"], (64, 96), np.random.default_rng(0), area=(0.04, 0.06)).shape
(64, 96)
"""

from restore.masks.base import Count, Range, Shape
from restore.masks.canvas import Margins, expand, layer
from restore.masks.cracks import cracks, folds
from restore.masks.draw import BENCHMARKS, MASKS, benchmark, draw, known
from restore.masks.edit import blend, feather, from_colour, grow, is_colour, union
from restore.masks.files import check, load
from restore.masks.lines import film_scratches, polylines, scratches, strokes
from restore.masks.marks import dust, handwriting, text
from restore.masks.shapes import blobs, boxes, grid, outpainting, stains, tears

__all__ = [
    "BENCHMARKS",
    "MASKS",
    "Count",
    "Margins",
    "Range",
    "Shape",
    "benchmark",
    "blend",
    "blobs",
    "boxes",
    "check",
    "cracks",
    "draw",
    "dust",
    "expand",
    "feather",
    "film_scratches",
    "folds",
    "from_colour",
    "grid",
    "grow",
    "handwriting",
    "is_colour",
    "known",
    "layer",
    "load",
    "outpainting",
    "polylines",
    "scratches",
    "stains",
    "strokes",
    "tears",
    "text",
    "union",
]
