from __future__ import annotations

import re
from subprocess import run
from sys import executable

from conftest import REPOSITORY
from typer.main import get_command

from facematch.cli import app

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_continuous_check_calls_the_command_of_the_readme() -> None:
    command = re.search(r"## Test\n\n    (.+)\n", README)
    assert command is not None
    assert f"\n{command[1]}\n" in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


def test_the_map_names_every_file() -> None:
    for path in (REPOSITORY / "facematch").rglob("*.py"):
        if path.name != "__init__.py":
            assert f"`{path.name}`" in README


def test_the_figures_are_those_of_the_card() -> None:
    card = (REPOSITORY / "models" / "kin-1.md").read_text(encoding="utf-8")
    rows = [line for line in README.splitlines() if re.search(r"\| 0\.\d{3} \|", line)]
    assert len(rows) == 5
    for row in rows:
        assert row in card


def test_every_command_is_in_the_readme() -> None:
    def names(command: object, before: str) -> list[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return [before]
        return [name for key, each in inner.items() for name in names(each, f"{before} {key}")]

    for name in names(get_command(app), "facematch"):
        *_, group, last = name.split()
        assert name in README or (f"facematch {group}" in README and f"`{last}" in README)


def test_every_option_it_shows_is_there() -> None:
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {
        "--no-deps",
        "--photos",
        "--minutes",
    }  # pip's; benchmarks'
    helps = ""
    for command in (
        ["score"], ["match"], ["faces"], ["evaluate"], ["train", "resemblance"],
        ["video"], ["family"], ["timeline"], ["card"], ["find"], ["forget"],
    ):  # fmt: skip
        helps += run(
            [executable, "-m", "facematch", *command, "--help"],
            capture_output=True, text=True, check=True, encoding="utf-8", cwd=REPOSITORY,
        ).stdout  # fmt: skip
    assert shown <= set(re.findall(r"--[a-z][a-z-]+", helps))
