"""Repair damaged photographs with convolutional networks.

>>> import numpy as np, restore
>>> photo = np.full((32, 32, 3), 128, np.uint8)
>>> mask = np.zeros((32, 32), np.uint8); mask[8:12, 8:12] = 1
>>> restore.inpaint(photo, mask, method="ns").shape
(32, 32, 3)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restore.functions import deblur, dejpeg, denoise, inpaint
    from restore.image import ImageError, ImageWarning, Picture, read, write
    from restore.restorer import Restorer
    from restore.weights import WeightsError, load
    from restore.weights import entries as list_weights

__version__ = "0.1.0"

_HOMES = {
    "read": ("restore.image", "read"),
    "write": ("restore.image", "write"),
    "Picture": ("restore.image", "Picture"),
    "ImageError": ("restore.image", "ImageError"),
    "ImageWarning": ("restore.image", "ImageWarning"),
    "Restorer": ("restore.restorer", "Restorer"),
    "inpaint": ("restore.functions", "inpaint"),
    "denoise": ("restore.functions", "denoise"),
    "dejpeg": ("restore.functions", "dejpeg"),
    "deblur": ("restore.functions", "deblur"),
    "load": ("restore.weights", "load"),
    "list_weights": ("restore.weights", "entries"),
    "WeightsError": ("restore.weights", "WeightsError"),
}
"""Public name -> module and name there; imported at the first use (PEP 562), so that ``import restore`` is light."""

_MODULES = ("backbones", "compress", "degrade", "explain", "figures", "heads", "image", "masks", "metrics", "networks", "weights")
"""Modules that need no ``import`` of their own."""

__all__ = [
    "ImageError",
    "ImageWarning",
    "Picture",
    "Restorer",
    "WeightsError",
    "deblur",
    "dejpeg",
    "denoise",
    "inpaint",
    "list_weights",
    "load",
    "read",
    "write",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"restore.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = globals()[name] = getattr(importlib.import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
