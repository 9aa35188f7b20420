"""What a command imports when it starts: every module costs time."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from helpers.places import REPOSITORY

from facematch import FaceMatcher

# Prints what a command printed, then the names of all modules that it imported and how many threads
# each BLAS has.
IMPORTED = """
import json, sys
from threadpoolctl import threadpool_info
from facematch.cli import main
try:
    main()
except SystemExit:
    pass
print()
blas = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
print(json.dumps([sorted(sys.modules), blas]))
"""
PAIR = ("samples/father.png", "samples/son.png")
HEAVY = {"numpy", "PIL", "cv2", "onnxruntime", "pydantic"}
OF_OTHERS = {
    "lancedb", "matplotlib", "onnx", "pandas", "pyarrow", "ray", "scipy", "sklearn", "sqlite3",
}  # fmt: skip
# What single photos need of our own command line.
OF_SCORE = {"advice", "folders", "memory", "options", "printing", "program", "score", "streams"}


def imported(*arguments: str) -> tuple[set[str], list[int]]:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    modules, threads = json.loads(done.stdout.splitlines()[-1])
    return set(modules), threads


def own_commands(modules: set[str]) -> set[str]:
    return {name.split(".")[2] for name in modules if name.startswith("facematch.cli.")}


def test_the_help_imports_no_command_and_nothing_heavy() -> None:
    modules, _ = imported("--help")
    assert not modules & (HEAVY | OF_OTHERS)
    assert own_commands(modules) == {"memory", "program", "streams"}


def test_a_score_imports_only_what_it_needs() -> None:
    FaceMatcher().score(*(REPOSITORY / name for name in PAIR))  # converts weights where none are
    modules, threads = imported("score", *PAIR, "--format", "json")
    assert not modules & (OF_OTHERS | {"rich"})
    assert own_commands(modules) == OF_SCORE
    converters = {"facematch.weights.onnx_graphs", "facematch.weights.head"}
    many_photos = {"facematch.enrolment.gallery", "facematch.scoring.matching"}
    assert not modules & (converters | many_photos)
    assert set(threads) <= {1}, "numpy was imported before its threads were set"


def test_a_score_with_a_cohort_imports_no_other_command() -> None:
    FaceMatcher().score(*(REPOSITORY / name for name in PAIR))
    modules, _ = imported("score", *PAIR, "--cohort", "samples/strangers.npz", "--format", "json")
    assert not modules & (OF_OTHERS | {"rich"})
    assert own_commands(modules) == OF_SCORE
