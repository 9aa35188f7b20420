"""Commands for the weight files: list them, check them, fetch one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.printing import print_table

if TYPE_CHECKING:
    from rich.table import Table

    from facematch.weights.catalogue import WeightFile

models = typer.Typer(
    help="The weight files: list them, check them, fetch one.", no_args_is_help=True
)


@models.command("list")
def list_models() -> None:
    """List the weight files facematch knows, and whether each is installed and undamaged."""
    from facematch.weights.catalogue import KNOWN, RESEMBLANCE
    from facematch.weights.files import state

    every = KNOWN | RESEMBLANCE
    print_table(_weights_table([(weights, state(name)) for name, weights in every.items()]))


@models.command("check")
def check_models() -> None:
    """Check every installed weight file against its sha256; fails if one is damaged."""
    from facematch.errors import WeightsError
    from facematch.weights.catalogue import KNOWN, RESEMBLANCE
    from facematch.weights.files import read_weights, state

    bad = []
    for name, weights in (KNOWN | RESEMBLANCE).items():
        found = state(name)
        typer.echo(f"{name}: {found}")
        if found == "damaged" or (found == "not installed" and weights.is_bundled):
            bad.append(name)
    for name in bad:
        try:
            read_weights(name)
        except WeightsError as error:
            typer.echo(f"facematch: {error}", err=True)
    if bad:
        raise typer.Exit(1)


@models.command("fetch")
def fetch_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in `models list`.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Take this file instead of the network."),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="FACEMATCH_MIRROR",
            help="The https address of a folder that has the file too; its sha256 is checked.",
        ),
    ] = None,
) -> None:
    """Install a weight file: the only command that uses the network.

    By https only, and through the proxy that HTTPS_PROXY names, if it is set.
    """
    from facematch.weights.download import fetch

    typer.echo(fetch(name, source=source, mirror=mirror))


def _weights_table(files: Sequence[tuple[WeightFile, str]]) -> Table:
    """A line for each weight file with its state."""
    from rich.table import Table

    lines = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "state", "size", "licence", "for"):
        lines.add_column(column, no_wrap=column in ("state", "size"), overflow="fold")
    for weights, state in files:
        size = f"{weights.size / 1e6:.1f} MB"
        lines.add_row(weights.name, state, size, weights.licence, weights.purpose)
    return lines
