"""The program: its commands in the order of the help, and how it runs them."""

from __future__ import annotations

import inspect
import os
import sys
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from facematch.cli.memory import lacks_memory, memory_words
from facematch.cli.streams import check_columns, leave_stdout, open_streams
from facematch.errors import FacematchError, printable

# The commands by the panel of the help that shows them, in the order people need them: where each
# is in facematch.cli, and the first paragraph of its help, for which its module need not be read.
_COMMANDS_BY_PANEL = {
    "Ask who looks like whom": {
        "app": (
            "web:open_page",
            "Open a page on this machine: drop photos, tap who they are, read who looks like whom.",
        ),
        "score": (
            "score:score",
            "Score how much the child in one photo looks like the parent in another.",
        ),
        "family": (
            "family:family",
            "Say who looks like whom: each child against each parent, and how sure that is.",
        ),
        "card": (
            "family:card",
            "Make the picture that people post: both faces, the score, a line of meaning.",
        ),
        "explain": (
            "score:explain",
            "Show which parts of the face carry the likeness: each part is covered in turn.",
        ),
        "timeline": (
            "family:timeline",
            "Show how a child's likeness to each parent changes over time.",
        ),
        "video": (
            "video:video",
            "Score everyone in a clip against parents: the best frames of each person are "
            "averaged.",
        ),
        "faces": (
            "score:faces",
            "List the faces found in a photo, largest first, each with its estimated age.",
        ),
    },
    "Many photos": {
        "find": (
            "find:find",
            "Find who in an archive looks most like a child: every face, grouped by person.",
        ),
        "match": (
            "match:match",
            "Score every child against every parent, by the largest face of each photo.",
        ),
        "pairs": (
            "match:pairs",
            "Score the pairs of photos in a CSV, a row each; other columns are copied.",
        ),
        "report": (
            "family:report",
            "Write one HTML page with the verdicts, cards, charts and what they mean.",
        ),
    },
    "Files it keeps": {
        "index": (
            "index:index",
            "Keep every face of an archive in an index, for `find --db` and `match --db`.",
        ),
        "db": (
            "index:db",
            r"An index that `facematch index` made: show, check, compact it (extra \[archive]).",
        ),
        "cache": ("cache:cache", "A cache of faces that --cache made: show it, empty it."),
        "cohort": (
            "cohort:cohort",
            "Keep strangers of your own, of whom scores are percentiles, for --cohort.",
        ),
        "forget": (
            "cache:forget",
            "Take photos' faces out of a cache, of all engines; what was stored is overwritten.",
        ),
        "models": ("models:models", "The weight files: list them, check them, fetch one."),
    },
    "Measure and train": {
        "evaluate": (
            "evaluate:evaluate",
            "Measure an engine by a published protocol. Beside each figure stand the untuned "
            "cosine and colours alone, without any face model.",
        ),
        "train": ("train:train", r"Make the shipped models again from data (extra \[train])."),
    },
}


class _LazyCommands(TyperGroup):
    """Lists commands without reading their modules, and reads the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and _load_command(str(name)), rest


# typer.BadParameter is a click.UsageError, of the click that typer itself uses.
_UsageError: Any = typer.BadParameter.__base__


# How messages about words begin that a command cannot take.
_MISCALLED = (
    "Got unexpected extra",
    "Missing argument",
    "No such option: --parent ",
    "No such option: --child ",
)


class _Command(TyperCommand):
    """A command that says what to call where it is called in another way."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = list(args)  # click takes words out of `args`
        try:
            return super().parse_args(ctx, args)
        except _UsageError as error:
            if error.format_message().startswith(_MISCALLED):
                from facematch.cli.advice import refuse_words

                flags = [each for each in self.params if getattr(each, "is_flag", False)]
                names = [name for each in flags for name in (*each.opts, *each.secondary_opts)]
                refuse_words(str(self.name), words, names)
            raise


@cache
def _load_command(name: str) -> Any:
    """A command with its options, or a group with its commands, from its module."""
    panel = next(panel for panel, commands in _COMMANDS_BY_PANEL.items() if name in commands)
    place, _ = _COMMANDS_BY_PANEL[panel][name]
    module, attribute = place.split(":")
    command = getattr(import_module(f"facematch.cli.{module}"), attribute)
    program = typer.Typer(add_completion=False)
    if isinstance(command, typer.Typer):
        program.add_typer(command, name=name, rich_help_panel=panel)
    else:
        from facematch.cli.options import takes_options

        program.command(name, cls=_Command, rich_help_panel=panel)(takes_options(command))
    _unwrap_help(program)
    return get_group(program).commands[name]


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
        cls=_LazyCommands,
        callback=_program,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    for panel, commands in _COMMANDS_BY_PANEL.items():
        for name, (_, first_paragraph) in commands.items():
            program.command(name, help=first_paragraph, rich_help_panel=panel)(_listed)
    return program


def _listed() -> None:
    """Stands for a command in the list of all."""


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
        from facematch.cli.printing import with_flags

        typer.echo(f"facematch: {printable(with_flags(str(error)))}", err=True)
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
