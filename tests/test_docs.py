from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from subprocess import run
from sys import executable

from helpers.places import REPOSITORY
from typer.main import get_command

from facematch import errors
from facematch.cli import app
from facematch.errors import PhotoError
from facematch.photos.limits import Limits

LIMITS = (REPOSITORY / "docs" / "limits.md").read_text(encoding="utf-8")
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


def test_every_package_it_rests_on_is_told_with_its_reason() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for name in extras for one in extras[name])]
    names = {re.split(r"[<>=;\[]", one)[0] for one in wanted} - {"facematch"}
    for_developers = {re.split(r"[<>=;\[]", one)[0] for one in extras["test"] + extras["dev"]}
    told = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    cells = {cell.strip() for cell in re.findall(r"[^|\n]+", told)}
    cells |= {word for cell in cells for word in cell.split(", ")}
    assert names - for_developers <= cells


def test_every_reason_code_is_explained() -> None:
    codes = {kind.code for kind in PhotoError.__subclasses__()}
    explained = re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", LIMITS, re.MULTILINE)
    others = {"copy", "name", "option"}  # of photos that could be read
    assert set(explained) - others == codes
    assert len(explained) == len(codes) + len(others)
    for code in codes:
        assert f'"{code}"' in str(errors.__doc__)


def test_every_limit_is_listed_with_its_option() -> None:
    listed = re.findall(r"^\| `(max_[a-z]+)`.*\|(.*)\|$", LIMITS, re.MULTILINE)
    assert {name for name, _ in listed} == {each.name for each in fields(Limits)}
    for name, option in listed:
        if option.strip():
            assert option.strip(" `") in (f"--{name.replace('_', '-')}", "--timeout")


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
        ["video"], ["family"], ["timeline"], ["card"], ["find"], ["forget"], ["index"],
        ["models", "fetch"],
    ):  # fmt: skip
        helps += run(
            [executable, "-m", "facematch", *command, "--help"],
            capture_output=True, text=True, check=True, encoding="utf-8", cwd=REPOSITORY,
        ).stdout  # fmt: skip
    assert shown <= set(re.findall(r"--[a-z][a-z-]+", helps))
