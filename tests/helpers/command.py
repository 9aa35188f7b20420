"""The command line, as tests call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from helpers.places import REPOSITORY

PATERNITY = "This is no paternity test"


def run(*arguments: object, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, its output decoded."""
    return subprocess.run(
        [sys.executable, "-m", "facematch", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "100", "NO_COLOR": "1"},
        cwd=cwd,
        check=False,
    )
