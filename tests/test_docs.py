"""README and docs say what the program does: its commands, options, limits and figures."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from helpers.places import REPOSITORY
from typer.main import get_command

from facematch import errors
from facematch.cli import app
from facematch.errors import PhotoError
from facematch.photos.limits import Limits

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
DOCS = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted((REPOSITORY / "docs").glob("*.md"))
}
LIMITS = next(text for text in DOCS.values() if re.search(r"^\| `max_pixels`", text, re.MULTILINE))
PAGES = [
    path
    for path in [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").glob("*.md"),
        *(REPOSITORY / "models").glob("*.md"),
        *(REPOSITORY / "samples").glob("*.md"),
        *(REPOSITORY / "benchmarks").glob("*.md"),
    ]
    if path.name != "CHANGELOG.md"
]
# Options of other programs that README and docs call.
FOREIGN = {"--no-deps", "--only-binary", "--quiet", "--version", "--help"}


def test_the_continuous_check_calls_the_command_of_the_readme() -> None:
    command = re.search(r"^ *(python3 -m venv .+ -m pytest)$", README, re.MULTILINE)
    assert command is not None
    assert f"\n{command[1]}\n" in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


def test_the_architecture_names_every_package() -> None:
    for folder in (REPOSITORY / "facematch").iterdir():
        if (folder / "__init__.py").exists():
            assert f"{folder.name}/" in DOCS["architecture.md"]


def test_the_figures_are_those_of_a_card_or_of_the_command_that_prints_them() -> None:
    told = "".join(
        path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "models").glob("*.md"))
    )
    told += DOCS.get("reproduce.md", "")
    for figure in re.findall(r"\| (0\.\d{3}) \|", README):
        assert figure in told


def test_every_package_it_rests_on_is_told_with_its_reason() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for name in extras for one in extras[name])]
    names = {re.split(r"[<>=;\[]", one)[0] for one in wanted} - {project["name"]}
    for_developers = {re.split(r"[<>=;\[]", one)[0] for one in extras["test"] + extras["dev"]}
    cells = {cell.strip() for cell in re.findall(r"[^|\n]+", DOCS["dependencies.md"])}
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


def commands(command: object, before: str) -> Iterator[tuple[str, object]]:
    """Every command with its name, groups left out."""
    if not hasattr(command, "list_commands"):
        yield before, command
        return
    for name in command.list_commands(None):
        _, inner, _ = command.resolve_command(None, [name])
        yield from commands(inner, f"{before} {name}")


def test_every_command_is_told() -> None:
    told = README + "".join(DOCS.values())
    for name, _ in commands(get_command(app), "facematch"):
        *_, group, last = name.split()
        assert name in told or (f"facematch {group}" in told and f"`{last}" in told), name


def test_every_option_that_a_command_is_shown_with_is_there() -> None:
    known = FOREIGN | {
        option
        for _, command in commands(get_command(app), "facematch")
        for parameter in command.params  # type: ignore[attr-defined]
        for option in [*parameter.opts, *parameter.secondary_opts]
    }
    for text in [README, *DOCS.values()]:
        for line in re.findall(r"facematch [a-z][^\n`]*", text):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line):
                assert option in known, line


def test_the_page_of_commands_is_what_their_help_says() -> None:
    made = runpy.run_path(str(REPOSITORY / "docs" / "make_cli.py"))["cli_page"]()
    assert made == DOCS["cli.md"], "run `python docs/make_cli.py`"


@pytest.mark.slow
def test_every_example_of_the_library_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(REPOSITORY / "samples", tmp_path / "samples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", DOCS["python.md"], re.DOTALL):
        # Only larger faces are searched for, which is faster.
        block = block.replace("FaceMatcher()", "FaceMatcher(min_face=100)")
        exec(compile(block, "docs/python.md", "exec"), names)


def test_every_cell_of_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((REPOSITORY / "samples" / "family.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    shutil.copytree(REPOSITORY / "samples", tmp_path / "samples")
    monkeypatch.chdir(tmp_path / "samples")
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            # Only larger faces are searched for, which is faster.
            source = "".join(cell["source"]).replace("FaceMatcher()", "FaceMatcher(min_face=60)")
            exec(compile(source, cell["id"], "exec"), names)
    assert (tmp_path / "family.png").exists()
    assert "<img" in names["family"]._repr_html_()  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_link_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), target
