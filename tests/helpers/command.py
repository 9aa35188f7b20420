"""The command line, as tests call it."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from facematch.cli import main
from helpers.places import REPOSITORY

PATERNITY = "This is no paternity test"
ENVIRONMENT = {"PYTHONIOENCODING": "utf-8", "COLUMNS": "100", "NO_COLOR": "1"}


def run(*arguments: object, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """The command line called in this process, which saves the start of another."""
    words = [str(each) for each in arguments]
    out, err = _stream(), _stream()
    log_level = logging.getLogger("PIL").level
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for name, value in (os.environ | ENVIRONMENT).items():
            patch.setenv(name, value)
        for name in ("OPENCV_LOG_LEVEL", "OPENCV_FFMPEG_LOGLEVEL"):  # what main() sets
            patch.setenv(name, os.environ.get(name, "-8" if "FFMPEG" in name else "SILENT"))
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["facematch", *words])
        try:
            with redirect_stdout(out), redirect_stderr(err):
                status = _status()
        finally:
            logging.getLogger("PIL").setLevel(log_level)
    return subprocess.CompletedProcess(words, status, _text(out), _text(err))


def run_in_a_process(
    *arguments: object, cwd: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, its output decoded."""
    return subprocess.run(
        [sys.executable, "-m", "facematch", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | ENVIRONMENT,
        cwd=cwd,
        check=False,
    )


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8").replace(os.linesep, "\n")  # type: ignore[attr-defined]


def _status() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
