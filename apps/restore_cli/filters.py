"""`restore filter` and `restore filters`: every kernel filter, classic or learned, on photographs."""

import functools
import inspect
import os
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from restore_cli.base import (
    Arithmetic,
    Device,
    Engine,
    Exists,
    MaxPixels,
    OnExists,
    Out,
    Photos,
    Precision,
    Quiet,
    RunBy,
    WrongCall,
    carry_out,
    give_up,
    make_plan,
    make_restorer,
    unknown,
)
from restore_cli.explain import Existing
from restore_cli.folder import spare

if TYPE_CHECKING:
    import numpy as np

    from restore.filters.options import Row
    from restore.image import Picture
    from restore.restorer import Restorer
    from restore_cli.base import Repair

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name that `restore filters` prints.")]
SIDE = 640
"""Largest side of a picture in a grid, in pixels."""

app = typer.Typer(rich_markup_mode=None)


class Filtering(TyperCommand):
    """Leaves options that it does not know, those of the filter, among the photographs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let what follows -- be files, whatever their names begin with."""
        end = args.index("--") + 1 if "--" in args else len(args)
        files = [os.path.join(".", word) if word.startswith("-") and word != "-" else word for word in args[end:]]
        return super().parse_args(ctx, args[:end] + files)


def filter(  # noqa: PLR0913 - one parameter for each option
    name: Name,
    photos: Photos,
    *,
    out: Out = "",
    on_exists: Exists = OnExists.fail,
    device: Device = "auto",
    precision: Arithmetic = Precision.auto,
    runtime: RunBy = Engine.auto,
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """Filter photographs. The filter's own options, such as --sigma 2, follow its name; `restore filters` lists them."""
    row = find(name)
    photos, options, files = parse(row, photos)
    if not photos:
        raise WrongCall("Missing argument 'PHOTOS'")
    work = make_plan(photos, out, on_exists=on_exists, reads=files)

    def prepare() -> "Repair":
        restorer = make_restorer(device, precision, runtime, tasks={"filter": ""}) if row.function is None else None
        return lambda picture, job, progress: run(row, options, picture, restorer, progress)

    carry_out(work, prepare, max_pixels=max_pixels, quiet=quiet)


@app.callback(invoke_without_command=True)
def filters(context: typer.Context, *, markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False) -> None:
    """List the filters: what each is for, options and defaults."""
    if context.invoked_subcommand:
        return
    from restore.nn.arithmetic import table

    rows = list(every())
    if markdown:
        cells = [[f"`{row.name}`", row.group, f"`{takes(row)}`", row.summary] for row in rows]
        print(table([["name", "group", "options", "what it does"], *cells], align="llll", markdown=True))
        return
    for row in rows:
        print(f"{row.name} ({row.group}): {row.summary}\n    {takes(row)}")


@app.command()
def show(name: Name) -> None:
    """Show one filter: its options, what they mean, and the paper."""
    row = find(name)
    print(f"{row.name}: {takes(row)}\n\n{inspect.cleandoc(row.doc)}")


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
    precision: Arithmetic = Precision.auto,
    runtime: RunBy = Engine.auto,
) -> None:
    """Filter one photograph in several ways, side by side.

    With seconds and, against a reference, PSNR and SSIM.
    """
    chosen, reads = [], [photo, against]
    for words in wanted.split(","):
        name, *rest = split(words) or [""]
        row = find(name)
        extra, options, files = parse(row, rest)
        reads += files
        if extra:
            raise WrongCall(f"--with has {extra[0]!r} after {name!r}; {row.name} takes {takes(row)}")
        chosen.append((words.strip(), row, options))
    spare(reads, [out])
    if out.exists() and on_exists is Existing.fail:
        give_up(f"{out} exists; choose --on-exists replace, or another name")
    from restore.batch import describe
    from restore.figures import sheet
    from restore.image import ImageError, Picture, check_target, read, write

    try:
        check_target(out)
    except ImageError as error:
        raise WrongCall(str(error)) from error
    restorer = (
        make_restorer(device, precision, runtime, tasks={"filter": ""}) if any(row.function is None for _, row, _ in chosen) else None
    )
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


def every() -> Iterator["Row"]:
    """All filters; torch is imported only when the learned ones come."""
    from restore.filters import classic

    yield from classic()
    from restore.tasks.filter import learned

    yield from learned()


def find(name: str) -> "Row":
    """The filter of a name; - and _ are the same.

    Raises:
        WrongCall: There is none.
    """
    for row in every():
        if row.name.replace("-", "_") == name.replace("-", "_"):
            return row
    raise unknown("filter", name, [row.name for row in every()])


def split(words: str) -> list[str]:
    """Split a line into words, as a shell does.

    Raises:
        WrongCall: A quotation mark is alone.
    """
    try:
        return shlex.split(words)
    except ValueError as error:
        raise WrongCall(f"--with has {words!r}: {str(error).lower()}") from error


def takes(row: "Row") -> str:
    """The options of a filter and their defaults, in one line."""
    return ", ".join(usage(option) for option in row.options.values()) or "no options"


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


def parse(row: "Row", words: list[str]) -> tuple[list[str], dict[str, Any], list[str]]:
    """Take a filter's options out of the command line's words.

    Returns:
        The words that are left, the options by name, and the files that hold some of them.

    Raises:
        WrongCall: An option that the filter does not take, lacks, or takes otherwise.
    """
    rest, options, files, queue = [], {}, [], list(words)
    while queue:
        word = queue.pop(0)
        if word == "-" or not word.startswith("-"):
            rest.append(word)
            continue
        flag, given, text = word.partition("=")
        name = flag[2:].replace("-", "_") if flag.startswith("--") else ""
        option = row.options.get(name) or row.options.get(name.removeprefix("no_"))
        if option is None or (name not in row.options and option.annotation is not bool):
            raise WrongCall(f"no option {flag}; {row.name} takes {takes(row)}")
        if option.annotation is bool and not given:
            options[option.name] = name == option.name
            continue
        if not given and not queue:
            raise WrongCall(f"{flag} requires a value; {row.name} takes {takes(row)}")
        text = text if given else queue.pop(0)
        options[option.name] = read_option(flag, text, option, row)
        files += [text] if os.path.isfile(text) else []
    missing = [option for option in row.options.values() if option.default is option.empty and option.name not in options]
    if missing:
        raise WrongCall(f"{row.name} needs --{missing[0].name}; it takes {takes(row)}")
    rehearse(row, options)
    return rest, options, files


def read_option(flag: str, text: str, option: inspect.Parameter, row: "Row") -> Any:
    """Read the value of an option; a kernel may be a file, and ``--patch`` is one: a picture.

    Raises:
        WrongCall: It cannot be read so.
    """
    import numpy as np

    from restore.filters.kernels import read_kernel
    from restore.filters.options import kinds_of, read_value
    from restore.image import ImageError, read

    try:
        return read(text).to_array() if option.annotation is np.ndarray else read_value(option, text, kernel=read_kernel)
    except (ImageError, OSError) as error:
        from restore.batch import describe

        raise WrongCall(f"{flag}: {describe(error)}") from error
    except ValueError as error:
        if int in kinds_of(option) or float in kinds_of(option):
            raise WrongCall(f"--{error}; {row.name} takes {takes(row)}") from error
        raise WrongCall(f"{flag}: {error}") from error


def rehearse(row: "Row", options: dict[str, Any]) -> None:
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
    row: "Row", options: dict[str, Any], picture: "Picture", restorer: "Restorer | None", progress: "Callable[[float], None] | None" = None
) -> "Picture":
    """Filter a picture."""
    from restore.filters.options import apply

    if row.function is None:
        from restore.tasks.filter import LEARNED

        assert restorer is not None
        return restorer.filter(picture, row.name.removeprefix(LEARNED), progress=progress, **options)
    function = functools.partial(apply, row.function, options=options)
    if picture.alpha is None:  # a filter by itself needs no torch
        return picture.replace(pixels=function(picture.pixels))
    from restore.tasks.base import apply_to_seen

    return apply_to_seen(picture, function)


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
