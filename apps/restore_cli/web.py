"""`restore web`: the page."""

from typing import Annotated

import typer

from restore_cli.base import give_up


def web(
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to bind; the default is this computer only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, metavar="N", help="TCP port.")] = 7860,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
) -> None:
    """Serve the page: upload, paint, repair, compare, download.

    Ctrl-C ends it.
    """
    import restore_web

    from restore.weights import WeightsError

    try:
        restore_web.serve(host=host, port=port, open_browser=not no_browser)
    except OSError as error:
        give_up(f"the page cannot be served: {error}")
    except WeightsError as error:
        give_up(str(error))
