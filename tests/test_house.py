"""The size of the house: how many files, methods, lines and words a newcomer meets."""

from __future__ import annotations

import ast
import re
from collections import Counter

from helpers.places import REPOSITORY

FILES = sorted((REPOSITORY / "facematch").rglob("*.py"))
TREES = {
    path.relative_to(REPOSITORY).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in FILES
}
FUNCTIONS = [
    (f"{name}:{node.name}", node)
    for name, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]
# The field has standard words for what these were used for.
BANNED = r"\b(away|unsaid|looked|settle|sighted|glimpse|glimpses)\b"


def test_seven_files_lie_at_the_root_of_the_package() -> None:
    assert len(list((REPOSITORY / "facematch").glob("*.py"))) <= 7


def test_the_facade_is_small_and_inherits_nothing() -> None:
    (facade,) = (
        node
        for node in ast.walk(TREES["facematch/matcher.py"])
        if isinstance(node, ast.ClassDef) and node.name == "FaceMatcher"
    )
    methods = [node.name for node in facade.body if isinstance(node, ast.FunctionDef)]
    assert facade.bases == []
    assert len([name for name in methods if not name.startswith("_")]) <= 20


def test_no_class_is_put_together_from_mixins() -> None:
    classes = {
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert not classes & {"Verbs", "Clips", "Indexing"}


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in FUNCTIONS}
    assert {name: length for name, length in lengths.items() if length > 60} == {}


def test_few_functions_take_more_than_six_parameters() -> None:
    def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        names = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        return len([each for each in names if each.arg not in ("self", "cls")])

    wide = [name for name, node in FUNCTIONS if parameters(node) > 6]
    assert len(wide) <= len(FUNCTIONS) / 100, wide


def test_a_private_name_says_which() -> None:
    names = Counter(name for tree in TREES.values() for name in private_names(tree))
    assert [name for name, count in names.items() if count > 3] == []


def private_names(tree: ast.Module) -> set[str]:
    """Names at the level of a module that start with one underscore."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {each.id for each in targets if isinstance(each, ast.Name)}
    return {name for name in names if re.match(r"_[A-Za-z]", name)}


def test_the_words_are_those_of_the_field() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}: {line.strip()}"
        for path in (REPOSITORY / "facematch").rglob("*")
        if path.suffix in {".py", ".j2", ".html", ".css", ".js"}
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(BANNED, line, re.IGNORECASE)
    ]
    assert found == []


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len((REPOSITORY / "README.md").read_bytes()) <= 6144
