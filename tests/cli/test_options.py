"""Options that many commands share reach them as objects."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from helpers.command import run
from typer.main import get_command
from typer.testing import CliRunner

from facematch.cli import app
from facematch.cli.options import EngineOptions, LimitOptions, TableOptions, takes_options


@dataclass(frozen=True, slots=True)
class Inner:
    size: Annotated[int, typer.Option(help="How large.")] = 1


@dataclass(frozen=True, slots=True)
class Outer:
    inner: Inner
    name: Annotated[str, typer.Option("--called", help="The name.")]
    dark: Annotated[bool, typer.Option("--dark")] = False


def called(*words: str) -> tuple[int, list[object]]:
    """The exit status of a command with such options, and what it was called with."""
    program, seen = typer.Typer(), list[object]()

    @program.command()
    @takes_options
    def command(photo: Path, outer: Outer, count: int = 3) -> None:
        """What it does."""
        seen.extend([photo, outer, count])

    result = CliRunner().invoke(program, list(words))
    return result.exit_code, seen


def test_options_come_as_the_object_they_belong_to() -> None:
    assert called("a.jpg", "--called", "x", "--size", "5") == (
        0,
        [Path("a.jpg"), Outer(Inner(5), "x"), 3],
    )
    assert called("a.jpg", "--called", "x", "--dark", "--count", "4") == (
        0,
        [Path("a.jpg"), Outer(Inner(1), "x", True), 4],
    )


def test_a_field_without_a_default_is_a_required_option() -> None:
    assert called("a.jpg") == (2, [])


def test_the_flat_command_keeps_name_and_help() -> None:
    @takes_options
    def command(limits: LimitOptions) -> None:
        """What it does."""

    names = [field.name for field in fields(LimitOptions)]
    assert (command.__name__, command.__doc__) == ("command", "What it does.")
    assert list(inspect.signature(command).parameters) == names


def test_many_photos_are_isolated_unless_told_otherwise() -> None:
    def isolates(many: bool, **limits: object) -> bool:
        options = EngineOptions(limits=LimitOptions(**limits))  # type: ignore[arg-type]
        return options.matcher(many=many).engine.decoders is not None

    assert (isolates(False), isolates(True)) == (False, True)
    assert isolates(False, timeout=3.0)
    assert isolates(False, isolate=True)
    assert not isolates(True, isolate=False)
    assert not isolates(True, isolate=False, timeout=3.0)


def test_the_ending_of_a_file_names_its_format() -> None:
    assert TableOptions().kind == "table"
    assert TableOptions(out=Path("x.JSONL")).kind == "jsonl"
    assert TableOptions(out=Path("x.parquet")).kind == "parquet"


def test_known_faces_come_from_one_place() -> None:
    for command in (("match", "samples", "samples"), ("pairs", "pairs.csv")):
        result = run(*command, "--cache", "faces.db", "--db", "index")
        assert result.returncode == 1
        assert "from --cache or from --db: name one of them" in result.stderr


def test_the_help_has_the_commands_in_the_order_people_need_them() -> None:
    order = (
        "score family card explain timeline video faces find match pairs report index db cache "
        "forget models evaluate train"
    )
    page = run("--help").stdout
    assert [word for word in _first_words(page) if word in order.split()] == order.split()
    for panel in ("Ask who looks like whom", "Many photos", "Files it keeps", "Measure and train"):
        assert panel in page


def _first_words(page: str) -> list[str]:
    # A row of a command begins with its name; the lines that continue its help are indented.
    return [line[2:].split(" ")[0] for line in page.splitlines() if line.startswith("│ ")]


@pytest.mark.parametrize(
    ("words", "completed"),
    [("sc", "score"), ("match --pe", "--people"), ("db ve", "verify")],
)
def test_a_shell_completes_commands_and_options(words: str, completed: str) -> None:
    shell = {
        "_FACEMATCH_COMPLETE": "complete_bash",
        "COMP_WORDS": f"facematch {words}",
        "COMP_CWORD": str(len(words.split())),
    }
    result = CliRunner().invoke(app, [], env=shell, prog_name="facematch")
    assert result.stdout.split() == [completed]


def test_help_breaks_lines_where_the_terminal_does() -> None:
    _, family, _ = get_command(app).resolve_command(None, ["family"])  # type: ignore[attr-defined]
    assert "--names says who they are. mum, mom, mother," in " ".join(family.help.split("\n\n"))


def test_the_list_of_commands_says_what_each_command_says_first() -> None:
    program: Any = get_command(app)
    for name, listed in program.commands.items():
        _, command, _ = program.resolve_command(None, [name])
        assert listed.help == command.help.split("\n\n")[0], name
        assert listed.rich_help_panel == command.rich_help_panel, name


@pytest.mark.parametrize("command", ["", "card", "match", "models", "db compact", "video"])
def test_the_help_shows_flags_without_a_type(command: str) -> None:
    told = run(*command.split(), "--help").stdout
    assert "--help" in told
    assert "bool" not in told.lower()


def test_messages_of_the_library_name_options() -> None:
    from facematch.cli.printing import rows_with_flags, with_flags

    assert with_flags("try min_face=20, or give a table with `dates`") == (
        "try --min-face 20, or give a table with --dates"
    )
    rows = [{"reason": "try min_face=20", "photo": "min_face.jpg"}, {"score": 5}]
    assert list(rows_with_flags(rows)) == [
        {"reason": "try --min-face 20", "photo": "min_face.jpg"}, {"score": 5},
    ]  # fmt: skip
