"""The command that opens the page in a browser."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from facematch.cli.options import ScoringOptions

_EXTRA = "facematch app"


def open_page(
    engine: ScoringOptions,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0: any free one.")
    ] = 8765,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the browser; print the address only.")
    ] = False,
    lan: Annotated[
        bool,
        typer.Option(
            "--lan",
            help="Answer a phone in the same network too: prints an address that opens the page "
            "once, and a QR code of it. What is sent over the network is not encrypted.",
        ),
    ] = False,
) -> None:
    """Open a page on this machine: drop photos, tap who they are, read who looks like whom.

    The page works without network and keeps nothing on disk. Ctrl-C ends it and forgets
    everything. This is no paternity test.
    """
    from facematch.runtime.extras import require

    for module in ("starlette", "uvicorn", "python_multipart", "segno"):
        require(module, module.replace("_", "-"), "app", _EXTRA)
    from facematch.app.server import Listening, listen, serve

    places: list[Listening] = []

    def print_phone_address(token: str) -> None:
        _print_phone_address(places[0].lan_address(token))

    listening = listen(port, on_new_token=print_phone_address if lan else None)
    places.append(listening)
    typer.echo(f"{listening.address}  (Ctrl-C ends it and forgets everything)", err=True)
    if listening.access.token is not None:
        print_phone_address(listening.access.token.value)
    if not no_open:
        _open_browser(listening.address)
    with suppress(KeyboardInterrupt):  # that is how it is ended
        serve(engine.matcher(many=True).engine, listening)


def _open_browser(address: str) -> None:
    """Open the browser as soon as the server answers: the socket listens already."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _print_phone_address(address: str) -> None:
    import io

    import segno

    code = io.StringIO()
    segno.make(address, error="m").terminal(code, compact=True)
    typer.echo(code.getvalue(), err=True)
    typer.echo(f"on your phone, once: {address}", err=True)
