"""Kernel filters under one name each: on arrays (``array``) and, where gradients, batches or a GPU make sense, on tensors (``tensor``).

>>> import numpy as np
>>> FILTERS["gaussian"].array(np.eye(3, dtype=np.float32), sigma=1.0).shape
(3, 3)
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from restore.filters.array import deblur, detail, edges, linear, match, morphology, smoothing, tone
from restore.filters.options import Row, options_of


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A row of the table.

    Attributes:
        array: ``array(image, *, options)`` on (H, W) or (H, W, C), uint8, uint16 or float32; its keywords are the filter's options.
        group: What the filter is for.
    """

    array: Callable
    group: str

    @property
    def tensor(self) -> Callable | None:
        """``tensor(x, *, options)`` on (N, C, H, W), the function of the same name in the file of the same name; None: there is none."""
        file = self.array.__module__.replace(".array.", ".tensor.")
        return getattr(import_module(file), self.array.__name__, None) if find_spec(file) else None

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return (self.array.__doc__ or "").strip().splitlines()[0]


def rows(group: str, *functions: Callable) -> dict[str, Filter]:
    """One row for each function, under its name."""
    return {function.__name__: Filter(array=function, group=group) for function in functions}


FILTERS: dict[str, Filter] = {
    **rows("blur", linear.box, linear.gaussian, linear.motion, linear.disk),
    **rows("sharpen", linear.unsharp, linear.high_boost, linear.sharpen, detail.local_laplacian),
    **rows("smooth, keep edges", smoothing.median, smoothing.bilateral, smoothing.guided, smoothing.non_local_means),
    **rows("smooth, keep edges", smoothing.anisotropic, smoothing.total_variation, smoothing.beauty, detail.smooth_l0),
    **rows("edges", linear.laplacian, edges.sobel, edges.scharr, edges.prewitt, edges.roberts, edges.canny),
    **rows("texture", linear.difference_of_gaussians, linear.laplacian_of_gaussian, linear.gabor, linear.emboss),
    **rows("shapes", morphology.erosion, morphology.dilation, morphology.opening, morphology.closing),
    **rows("shapes", morphology.top_hat, morphology.black_hat),
    **rows("tone", tone.brightness, tone.contrast, tone.gamma, tone.clahe),
    **rows("deblur", deblur.wiener, deblur.richardson_lucy),
    **rows("any", linear.custom, match.match),
}
"""Name -> row; the command line, the page, the documents and the tests read it."""


def classic() -> list[Row]:
    """The table with each filter's documentation and options, as programs show it.

    >>> next(row for row in classic() if row.name == "gaussian").options["sigma"].default
    2.0
    """
    return [Row(name, entry.group, entry.array.__doc__ or "", options_of(entry.array), entry.array) for name, entry in FILTERS.items()]
