"""The table of tasks: what the Restorer, the command line and the page offer.

>>> sorted(TASKS)
['deblur', 'dejpeg', 'denoise', 'filter', 'inpaint']
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from restore.tasks.deblur import deblur
from restore.tasks.dejpeg import dejpeg
from restore.tasks.denoise import denoise
from restore.tasks.filter import filter
from restore.tasks.inpaint import inpaint


@dataclass(frozen=True)
class Task:
    """A row of the table.

    Attributes:
        name: Its key in ``TASKS``.
        function: Arrays in, an array out, given a runtime.
        weight: The weight that it uses unless told otherwise.
        summary: One line for people.
        fast: A smaller weight; "": there is none.
        camera: A weight for what cameras and phones write, which differs from what is seen in tests; "": there is none.
        ensemble: What it removes looks alike turned and mirrored, so that quality "best" is the mean over those forms.
    """

    name: str
    function: Callable[..., np.ndarray]
    weight: str
    summary: str
    fast: str = ""
    camera: str = ""
    ensemble: bool = False


TASKS = {
    "inpaint": Task("inpaint", inpaint, "inpaint", "fill what a mask marks: scratches, text, stains, things"),
    "denoise": Task(
        "denoise",
        denoise,
        "denoise",
        "remove noise, of a level that is given or estimated",
        fast="denoise-fast",
        camera="denoise-camera",
        ensemble=True,
    ),
    "dejpeg": Task("dejpeg", dejpeg, "dejpeg", "remove what JPEG left: blocks, rings, blotches of colour", ensemble=True),
    "deblur": Task("deblur", deblur, "deblur", "sharpen what a lens out of focus or a shaking hand blurred", ensemble=True),
    "filter": Task("filter", filter, "filters", "imitate a slow filter, of a strength that is given"),
}

__all__ = ["TASKS", "Task", "deblur", "dejpeg", "denoise", "filter", "inpaint"]
