"""`restore filter` and `restore filters`: every kernel filter, classic or learned, on photographs."""

import inspect
import shlex
import time
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from restore_cli.base import (
    Arithmetic,
    Device,
    Exists,
    MaxPixels,
    OnExists,
    Out,
    Photos,
    Precision,
    Quiet,
    WrongCall,
    carry_out,
    give_up,
    make_plan,
    make_restorer,
)
from restore_cli.explain import Existing

if TYPE_CHECKING:
    import numpy as np

    from restore.image import Picture
    from restore.restorer import Restorer
    from restore_cli.base import Repair

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name that `restore filters` prints.")]
LEARNED = "learned-"
"""What the name of a learned filter begins with."""
SIDE = 640
"""Largest side of a picture in a grid, in pixels."""

app = typer.Typer()


@dataclass(frozen=True)
class Row:
    """A filter as the command line knows it.

    Attributes:
        name: What people type.
        group: What it is for.
        doc: Its documentation.
        options: Name -> parameter, whose annotation says what is taken.
        function: ``function(array, *, options)``; None: learned, a Restorer does it.
    """

    name: str
    group: str
    doc: str
    options: Mapping[str, inspect.Parameter]
    function: "Callable[..., np.ndarray] | None" = None

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.doc.strip().splitlines()[0]

    @property
    def takes(self) -> str:
        """Its options and their defaults, in one line."""
        return ", ".join(usage(option) for option in self.options.values()) or "no options"


def filter(
    name: Name,
    photos: Photos,
    *,
    out: Out = "",
    on_exists: Exists = OnExists.fail,
    device: Device = "auto",
    precision: Arithmetic = Precision.fp32,
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """Filter photographs. The filter's own options, such as --sigma 2, follow its name; `restore filters` lists them."""
    row = find(name)
    photos, options = parse(row, photos)
    if not photos:
        raise WrongCall("Missing argument 'PHOTOS'")
    work = make_plan(photos, out, on_exists=on_exists)

    def prepare() -> "Repair":
        restorer = make_restorer(device, precision, tasks=["filter"]) if row.function is None else None
        return lambda picture, job, progress: run(row, options, picture, restorer, progress)

    carry_out(work, prepare, max_pixels=max_pixels, quiet=quiet)


@app.callback(invoke_without_command=True)
def filters(context: typer.Context, *, markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False) -> None:
    """List the filters: what each is for, its options and their defaults."""
    if context.invoked_subcommand:
        return
    from restore.nn.arithmetic import table

    rows = classic() + learned()
    if markdown:
        cells = [[f"`{row.name}`", row.group, f"`{row.takes}`", row.summary] for row in rows]
        print(table([["name", "group", "options", "what it does"], *cells], align="llll", markdown=True))
        return
    for row in rows:
        print(f"{row.name} ({row.group}): {row.summary}\n    {row.takes}")


@app.command()
def show(name: Name) -> None:
    """Show one filter: its options, what they mean, and the paper."""
    row = find(name)
    print(f"{row.name}: {row.takes}\n\n{inspect.cleandoc(row.doc)}")


@app.command()
def compare(
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="A file.")],
    *,
    wanted: Annotated[
        str,
        typer.Option("--with", metavar="NAMES", help="Filters, separated by commas; options too, as in: 'gaussian --sigma 3,median'."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The grid.")],
    against: Annotated[
        str, typer.Option("--against", metavar="FILE", help="A reference of the same size: PSNR and SSIM are measured too.")
    ] = "",
    on_exists: Annotated[Existing, typer.Option("--on-exists", help="When the grid exists: report it, or replace it.")] = Existing.fail,
    device: Device = "auto",
    precision: Arithmetic = Precision.fp32,
) -> None:
    """Filter one photograph in several ways and put the results side by side, with seconds and, against a reference, PSNR and SSIM."""
    chosen = []
    for words in wanted.split(","):
        name, *rest = split(words) or [""]
        row = find(name)
        extra, options = parse(row, rest)
        if extra:
            raise WrongCall(f"--with has {extra[0]!r} after {name!r}; {row.name} takes {row.takes}")
        chosen.append((words.strip(), row, options))
    if out.exists() and on_exists is Existing.fail:
        give_up(f"{out} exists; choose --on-exists replace, or another name")
    from restore.batch import describe
    from restore.figures import sheet
    from restore.image import ImageError, Picture, check_target, read, write

    try:
        check_target(out)
    except ImageError as error:
        raise WrongCall(str(error)) from error
    restorer = make_restorer(device, precision, tasks=["filter"]) if any(row.function is None for _, row, _ in chosen) else None
    try:
        picture = read(photo)
        reference = read(against) if against else None
        pictures, captions = [picture], ["as it is" + scores(picture, reference)]
        for words, row, options in chosen:
            if row.function is None:
                run(row, options, picture, restorer)  # the first pass makes ready
            started = time.perf_counter()
            pictures.append(run(row, options, picture, restorer))
            captions.append(f"{words} · {time.perf_counter() - started:.3g} s{scores(pictures[-1], reference)}")
        columns = max(1, round(len(pictures) ** 0.5 + 0.49))
        write(Picture.from_array(sheet([thumbnail(result) for result in pictures], captions, columns=columns)), out)
    except (OSError, ValueError, MemoryError) as error:
        give_up(describe(error))
    print("\n".join([*captions, str(out)]))


def classic() -> list[Row]:
    """The filters of ``restore.filters``."""
    from restore.filters import FILTERS

    return [Row(name, entry.group, entry.array.__doc__ or "", options_of(entry.array), entry.array) for name, entry in FILTERS.items()]


def learned() -> list[Row]:
    """The filters that the network imitates."""
    from restore.networks.filtering import OPERATORS
    from restore.tasks import TASKS

    options = {"strength": options_of(TASKS["filter"].function)["strength"]}
    return [Row(LEARNED + name, "learned", f"Imitate {name} by a network; the strength is from 0 to 1.", options) for name in OPERATORS]


def options_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a function."""
    parameters = inspect.signature(function, eval_str=True).parameters
    return {name: option for name, option in parameters.items() if option.kind is option.KEYWORD_ONLY}


def find(name: str) -> Row:
    """The filter of a name; - and _ are the same.

    Raises:
        WrongCall: There is none.
    """
    import difflib

    for rows in (classic, learned):  # torch is imported only if it must be
        for row in rows():
            if row.name.replace("-", "_") == name.replace("-", "_"):
                return row
    near = difflib.get_close_matches(name, [row.name for row in classic() + learned()], 3)
    raise WrongCall(f"no filter is called {name!r}; expected {' or '.join(near) or 'a name'} that `restore filters` prints")


def split(words: str) -> list[str]:
    """Split a line into words, as a shell does.

    Raises:
        WrongCall: A quotation mark is alone.
    """
    try:
        return shlex.split(words)
    except ValueError as error:
        raise WrongCall(f"--with has {words!r}: {error}".lower()) from error


def usage(option: inspect.Parameter) -> str:
    """How an option is written on the command line.

    >>> usage(inspect.Parameter("sigma_color", inspect.Parameter.KEYWORD_ONLY, default=25.0, annotation=float))
    '--sigma-color 25.0'
    """
    name = option.name.replace("_", "-")
    if option.annotation is bool:
        return f"--{'no-' * bool(option.default)}{name}"
    if option.default is option.empty:
        return f"--{name} {name.upper()}"
    return f"--{name} {'none' if option.default is None else option.default}"


def parse(row: Row, words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Take a filter's options out of the command line's words.

    Returns:
        The words that are left, and the options by name.

    Raises:
        WrongCall: An option that the filter does not take, lacks, or takes otherwise.
    """
    rest, options, queue = [], {}, list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("--"):
            rest.append(word)
            continue
        flag, given, text = word.partition("=")
        name = flag[2:].replace("-", "_")
        option = row.options.get(name) or row.options.get(name.removeprefix("no_"))
        if option is None or (name not in row.options and option.annotation is not bool):
            raise WrongCall(f"no option {flag}; {row.name} takes {row.takes}")
        if option.annotation is bool and not given:
            options[option.name] = name == option.name
            continue
        if not given and not queue:
            raise WrongCall(f"{flag} requires a value; {row.name} takes {row.takes}")
        options[option.name] = read_value(flag, text if given else queue.pop(0), option.annotation, row)
    missing = [option for option in row.options.values() if option.default is option.empty and option.name not in options]
    if missing:
        raise WrongCall(f"{row.name} needs --{missing[0].name}; it takes {row.takes}")
    rehearse(row, options)
    return rest, options


def read_value(flag: str, text: str, annotation: Any, row: Row) -> Any:
    """Read the value of an option as its annotation says; an array is a kernel, or the pixels of a file for ``--patch``.

    Raises:
        WrongCall: It cannot be read so.
    """
    import numpy as np

    from restore.filters.kernels import read_kernel
    from restore.image import ImageError, read

    kinds = get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if type(None) in kinds and text == "none":
        return None
    try:
        for kind in (int, float):
            if kind in kinds:
                return kind(text)
        if annotation is np.ndarray:
            return read(text).to_array()
        return text if annotation is str or (str in kinds and text.isidentifier()) else read_kernel(text)
    except (ImageError, OSError) as error:
        from restore.batch import describe

        raise WrongCall(f"{flag}: {describe(error)}") from error
    except ValueError as error:
        if int in kinds or float in kinds:
            number = "a whole number" if int in kinds else "a number"
            raise WrongCall(f"{flag} is {text!r}; expected {number}; {row.name} takes {row.takes}") from error
        raise WrongCall(f"{flag}: {error}") from error


def rehearse(row: Row, options: dict[str, Any]) -> None:
    """Filter a black picture, so that a wrong option is found before the first photograph.

    Raises:
        WrongCall: The filter refuses an option.
    """
    import numpy as np

    if row.function is None:
        if not 0 <= options.get("strength", 0) <= 1:
            raise WrongCall(f"--strength is {options['strength']:g}; expected a number from 0 to 1")
        return
    try:
        row.function(options.get("patch", np.zeros((16, 16, 3), np.uint8)), **options)
    except (ValueError, TypeError) as error:
        raise WrongCall(" ".join(str(error).split())) from error


def run(
    row: Row, options: dict[str, Any], picture: "Picture", restorer: "Restorer | None", progress: "Callable[[float], None] | None" = None
) -> "Picture":
    """Filter a picture; a result of another type, such as a similarity, becomes the picture's, and grey goes into all channels."""
    import numpy as np

    from restore.image import from_float, to_float

    if row.function is None:
        assert restorer is not None
        return restorer.filter(picture, row.name.removeprefix(LEARNED), progress=progress, **options)
    if "patch" in options:
        options = {**options, "patch": from_float(to_float(options["patch"]), picture.dtype)}
    result = row.function(picture.pixels, **options)
    if result.dtype != picture.dtype:
        result = from_float(result, picture.dtype)
    whole = np.broadcast_to(result.reshape(*picture.shape, -1), picture.pixels.shape)
    return picture.replace(pixels=np.ascontiguousarray(whole))


def scores(picture: "Picture", reference: "Picture | None") -> str:
    """PSNR and SSIM against a reference, as a caption has them.

    Raises:
        ValueError: The two differ in size.
    """
    if reference is None:
        return ""
    import numpy as np

    from restore.metrics import psnr, ssim

    if picture.shape != reference.shape:
        sizes = [f"{width}x{height}" for height, width in (reference.shape, picture.shape)]
        raise ValueError(f"the reference is {sizes[0]} pixels, the photograph {sizes[1]} (width x height)")
    both = [np.broadcast_to(each.pixels, (*each.shape, 3)) for each in (picture, reference)]
    return f" · {psnr(*both):.2f} dB · {ssim(*both):.4f}"


def thumbnail(picture: "Picture") -> "np.ndarray":
    """A picture in a grid: (h, w, 3) uint8, pixel for pixel if it is small enough."""
    import numpy as np

    from restore.figures import fit
    from restore.image import from_float, to_float

    pixels = np.broadcast_to(from_float(to_float(picture.pixels), np.uint8), (*picture.shape, 3))
    return fit(pixels, SIDE) if max(picture.shape) > SIDE else pixels
