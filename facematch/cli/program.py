"""The program: its commands in the order of the help, and how it runs them."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from facematch.cli.cache import cache, forget
from facematch.cli.cohort import cohort
from facematch.cli.evaluate import evaluate
from facematch.cli.family import card, family, report, timeline
from facematch.cli.find import find
from facematch.cli.index import db, index
from facematch.cli.match import match, pairs
from facematch.cli.memory import lacks_memory, memory_words
from facematch.cli.models import models
from facematch.cli.options import takes_options
from facematch.cli.score import explain, faces, score
from facematch.cli.streams import check_columns, leave_stdout, open_streams
from facematch.cli.train import train
from facematch.cli.video import video
from facematch.cli.web import open_page
from facematch.errors import FacematchError, printable

# The commands by the panel of the help that shows them, in the order people need them.
_COMMANDS_BY_PANEL: dict[str, dict[str, Callable[..., None] | typer.Typer]] = {
    "Ask who looks like whom": {
        "app": open_page,
        "score": score,
        "family": family,
        "card": card,
        "explain": explain,
        "timeline": timeline,
        "video": video,
        "faces": faces,
    },
    "Many photos": {"find": find, "match": match, "pairs": pairs, "report": report},
    "Files it keeps": {
        "index": index,
        "db": db,
        "cache": cache,
        "cohort": cohort,
        "forget": forget,
        "models": models,
    },
    "Measure and train": {"evaluate": evaluate, "train": train},
}
_COMMAND_ORDER = [name for commands in _COMMANDS_BY_PANEL.values() for name in commands]


class _CommandsInOrder(TyperGroup):
    """Lists commands in our order: typer lists all groups after all commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=_COMMAND_ORDER.index)


def _print_version(wanted: bool) -> None:
    if wanted:
        from facematch.runtime.extras import installed_version

        typer.echo(f"facematch {installed_version()}")
        raise typer.Exit


def _program(
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass


def _build_app() -> typer.Typer:
    program = typer.Typer(
        name="facematch",
        help="Who does this child look like? Scores how much a child looks like a parent, from "
        "photos.",
        cls=_CommandsInOrder,
        callback=_program,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    for panel, commands in _COMMANDS_BY_PANEL.items():
        for name, command in commands.items():
            if isinstance(command, typer.Typer):
                program.add_typer(command, name=name, rich_help_panel=panel)
            else:
                program.command(name, rich_help_panel=panel)(takes_options(command))
    _unwrap_help(program)
    return program


def _unwrap_help(program: typer.Typer) -> None:
    """Let the help break lines where the terminal does, not where the source does."""
    for command in program.registered_commands:
        paragraphs = inspect.cleandoc(command.callback.__doc__ or "").split("\n\n")
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for group in program.registered_groups:
        if group.typer_instance is not None:
            _unwrap_help(group.typer_instance)


app = _build_app()


def main() -> None:
    """Run the command line; a FacematchError becomes one line on stderr and exit status 1."""
    open_streams()
    check_columns()
    _quiet_libraries()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except FacematchError as error:
        typer.echo(f"facematch: {printable(str(error))}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        leave_stdout()
        sys.exit(1)
    except BaseException as error:  # LanceDB's panics are no Exceptions
        if isinstance(error, SystemExit) or not lacks_memory(error):
            raise
        typer.echo(f"facematch: {printable(memory_words(error))}", err=True)
        sys.exit(1)


def _quiet_libraries() -> None:
    """Keep decoders' own messages off stderr: a PhotoError says what matters."""
    import logging
    import warnings

    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # read when OpenCV is first imported
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
