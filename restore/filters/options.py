"""The options of a filter as data, so that each program that offers the filters reads them from one place."""

import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from restore.filters.kernels import parse_kernel
from restore.levels import from_float, to_float


@dataclass(frozen=True)
class Row:
    """A filter as the programs know it.

    Attributes:
        name: What people call it.
        group: What it is for.
        doc: Its documentation.
        options: Name -> parameter, whose annotation says what is taken.
        function: ``function(array, *, options)``; None: learned, a Restorer does it.
    """

    name: str
    group: str
    doc: str
    options: Mapping[str, inspect.Parameter]
    function: Callable[..., np.ndarray] | None = None

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.doc.strip().splitlines()[0]

    @property
    def hints(self) -> dict[str, str]:
        """What its documentation says of each option: name -> words."""
        arguments = re.search(r"^Args:\n((?: .*\n?)+)", inspect.cleandoc(self.doc), re.MULTILINE)
        found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", arguments[1] if arguments else "", re.MULTILINE)
        return {name: " ".join(words.split()) for name, words in found}


def options_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a function.

    >>> def blur(image, *, size: int = 3): ...
    >>> options_of(blur)["size"].default
    3
    """
    parameters = inspect.signature(function, eval_str=True).parameters
    return {name: option for name, option in parameters.items() if option.kind is option.KEYWORD_ONLY}


def kinds_of(option: inspect.Parameter) -> tuple[Any, ...]:
    """The types that an option takes.

    >>> kinds_of(inspect.Parameter("size", inspect.Parameter.KEYWORD_ONLY, annotation=int | None))
    (<class 'int'>, <class 'NoneType'>)
    """
    return get_args(option.annotation) if isinstance(option.annotation, types.UnionType) else (option.annotation,)


def read_value(option: inspect.Parameter, text: str, *, kernel: Callable[[str], np.ndarray] = parse_kernel) -> Any:
    """Read the value of an option that is a number, a name or a kernel, as its annotation says.

    Args:
        option: The option.
        text: What was typed; "none" or nothing is None where that is taken.
        kernel: Reads a kernel; that of default reads no file.

    Raises:
        ValueError: It cannot be read so.

    >>> read_value(inspect.Parameter("size", inspect.Parameter.KEYWORD_ONLY, annotation=int | None), "5")
    5
    """
    kinds = kinds_of(option)
    if type(None) in kinds and text in ("none", ""):
        return None
    for kind, words in ((int, "a whole number"), (float, "a number")):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                raise ValueError(f"{option.name} is {text!r}; expected {words}") from None
    return text if option.annotation is str or (str in kinds and text.isidentifier()) else kernel(text)


def apply(function: Callable[..., np.ndarray], pixels: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Filter an array, and make the result its like: a similarity becomes grey values, and grey goes into all channels.

    Args:
        function: A filter on arrays.
        pixels: (H, W, C), uint8, uint16 or float32.
        options: Of the filter; a ``patch`` of any of these types becomes that of ``pixels``.

    Returns:
        (H, W, C) of the type of ``pixels``.

    Raises:
        ValueError: As the filter says.

    >>> apply(lambda image: image[..., 0] / np.float32(255), np.full((4, 6, 3), 7, np.uint8), {}).shape
    (4, 6, 3)
    """
    if "patch" in options:
        options = {**options, "patch": from_float(to_float(options["patch"]), pixels.dtype)}
    result = function(pixels, **options)
    if result.dtype != pixels.dtype:
        result = from_float(result, pixels.dtype)
    return np.broadcast_to(result.reshape(*pixels.shape[:2], -1), pixels.shape).copy()  # with strides that encoders take, also of one pixel
