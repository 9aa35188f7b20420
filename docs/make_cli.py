"""Write docs/cli.md from the help of the commands themselves.

    python docs/make_cli.py

A test compares the file with what `cli_page` gives, so the page cannot differ from `--help`.
It reads the parameters as Typer 0.28 describes them.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from typer.main import get_command

from facematch.cli import app

PAGE = Path(__file__).parent / "cli.md"
# The words that stand for a value of each of Typer's types, where a command names none.
_WORDS = {
    "str": "TEXT",
    "int": "N",
    "int range": "N",
    "float": "NUMBER",
    "float range": "NUMBER",
    "path": "PATH",
}
OWN_PANELS = ("Options", "Arguments")  # of parameters for which the help names no panel
# Options of the help itself: every command has the first, the program the others.
LEFT_OUT = {"--help", "--install-completion", "--show-completion"}
HEAD = """\
# The commands

Made from the commands' own help by [make_cli.py](make_cli.py): change the help, then run
`python docs/make_cli.py`. `facematch COMMAND --help` shows the same.
"""


def cli_page() -> str:
    """The whole page: what commands there are, a section for each, and the options they share."""
    commands = list(all_commands(get_command(app), ["facematch"]))
    shared = shared_tables([each.command for each in commands])
    lines = [HEAD, *overview(commands)]
    for each in commands:
        lines += section(each, shared)
    lines += ["## Options that many commands share", ""]
    for panel, table in shared.items():
        lines += [f"### {panel} options", "", *table, ""]
    return "\n".join(lines).rstrip() + "\n"


@dataclass(frozen=True)
class Command:
    """A command of the program: its words, click's object, and the panel it stands in."""

    words: list[str]
    command: Any
    panel: str


def all_commands(command: Any, words: list[str], panel: str = "") -> Iterator[Command]:
    """A command; of a group the commands in it, in the order of the help."""
    if not hasattr(command, "list_commands"):
        yield Command(words, command, panel)
        return
    for name in command.list_commands(None):
        _, inner, _ = command.resolve_command(None, [name])
        if not inner.hidden:
            # A command in a group stands where the group does.
            within = panel if len(words) > 1 else str(inner.rich_help_panel or "")
            yield from all_commands(inner, [*words, name], within)


def overview(commands: list[Command]) -> Iterator[str]:
    """A table of commands for each panel, with links and the first sentence of the help."""
    panels: dict[str, list[Command]] = {}
    for each in commands:
        panels.setdefault(each.panel, []).append(each)
    for panel, inside in panels.items():
        yield from (f"| {panel or 'command'} | what it does |", "|---|---|")
        for each in inside:
            words = " ".join(each.words)
            first = paragraphs(each.command.help or "")[0]
            yield f"| [`{words}`](#{words.replace(' ', '-')}) | {cell(first)} |"
        yield ""


def section(each: Command, shared: dict[str, list[str]]) -> Iterator[str]:
    """A command: its usage, its help, and a table of parameters for each panel of the help."""
    yield from (f"## {' '.join(each.words)}", "", f"    {usage_of(each)}", "")
    for paragraph in paragraphs(each.command.help or ""):
        yield from (paragraph, "")
    links = []
    for panel, table in tables_of(each.command).items():
        if table == shared.get(panel):
            links.append(f"[{panel}](#{panel.lower().replace(' ', '-')}-options)")
        else:
            yield from (*table, "")
    if links:
        yield from (f"Shared options: {', '.join(links)}.", "")


def shared_tables(commands: list[Any]) -> dict[str, list[str]]:
    """Of each panel that reads the same in three commands or more: its table."""
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for command in commands:
        tables = tables_of(command)
        counts.update(
            (panel, tuple(table)) for panel, table in tables.items() if panel not in OWN_PANELS
        )
    shared: dict[str, list[str]] = {}
    for (panel, table), count in counts.most_common():
        if count > 2:
            shared.setdefault(panel, list(table))
    return shared


def tables_of(command: Any) -> dict[str, list[str]]:
    """A table of a command's parameters for each panel of its help, by the panel's name."""
    tables: dict[str, list[str]] = {}
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or LEFT_OUT & set(parameter.opts):
            continue
        panel = panel_of(parameter)
        table = tables.setdefault(panel, [f"| {panel} | |", "|---|---|"])
        table.append(f"| {names_of(parameter)} | {cell(meaning_of(parameter))} |")
    return tables


def panel_of(parameter: Any) -> str:
    """The panel of the help that a parameter stands in."""
    panel = getattr(parameter, "rich_help_panel", None)
    return str(panel or OWN_PANELS[parameter.param_type_name == "argument"])


def usage_of(each: Command) -> str:
    """How a command is called: `facematch match [OPTIONS] PARENTS [CHILDREN]`."""
    words = [*each.words, "[OPTIONS]"]
    for parameter in each.command.params:
        if parameter.param_type_name == "argument":
            word = metavar_of(parameter)
            if parameter.nargs == -1 and not word.endswith("…"):
                word += "…"
            words.append(word if parameter.required or word.startswith("[") else f"[{word}]")
    return " ".join(words)


def names_of(parameter: Any) -> str:
    """How a parameter is given: `--top N`, `PHOTO`."""
    if parameter.param_type_name == "argument":
        return code(metavar_of(parameter))
    names = " / ".join([*parameter.opts, *parameter.secondary_opts])
    if getattr(parameter, "is_flag", False) or choices_of(parameter):
        return code(names)
    return code(f"{names} {metavar_of(parameter)}")


def metavar_of(parameter: Any) -> str:
    """The word that stands for a value; the kind of value where the command names none."""
    if parameter.metavar or parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    return _WORDS.get(parameter.type.name, "VALUE")


def meaning_of(parameter: Any) -> str:
    """The help of a parameter, its choices, and its default where the help shows it."""
    said = " ".join(paragraphs(getattr(parameter, "help", None) or ""))
    if choices := choices_of(parameter):
        said += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    default = parameter.default
    if isinstance(default, Enum):
        default = default.value
    is_shown = getattr(parameter, "show_default", True) and not isinstance(default, bool)
    if is_shown and isinstance(default, str | int | float) and default != "":
        said += f" Default: `{default}`."
    if parameter.required and parameter.param_type_name == "option":
        said += " Required."
    return said.strip()


def choices_of(parameter: Any) -> list[str]:
    """The words that a parameter may be; none where it may be anything."""
    return [str(choice) for choice in getattr(parameter.type, "choices", None) or ()]


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a help text, each as one line, without what escapes terminal markup."""
    text = inspect.cleandoc(text).split("\f")[0].replace("\b\n", "").replace("\\[", "[")
    found = [re.sub(r"\s+", " ", each).strip() for each in text.split("\n\n") if each.strip()]
    return found or [""]


def cell(text: str) -> str:
    """Text for a table, where a bar ends the cell."""
    return text.replace("|", "\\|")


def code(text: str) -> str:
    """Text as code in a table."""
    return f"`{cell(text)}`"


if __name__ == "__main__":
    PAGE.write_text(cli_page(), encoding="utf-8", newline="\n")
