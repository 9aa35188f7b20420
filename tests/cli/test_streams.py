"""Streams that are closed or full, terminals of any width, and too little memory."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest
from helpers.command import run
from helpers.places import REPOSITORY, SAMPLES

from facematch.cli import main
from facematch.cli.memory import check_address_space, lacks_memory
from facematch.errors import MemoryLimitError, MissingExtraError

posix = pytest.mark.skipif(os.name != "posix", reason="streams of Windows differ")
with_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")

COMMANDS = [
    "--version",
    "--help",
    "score --help",
    "models list",
    "models check",
    "score father.png son.png",
    "score father.png son.png --format json",
    "explain father.png son.png",
    "faces father.png",
    "faces father.png --format json",
    "match father.png son.png",
    "match father.png son.png --format csv",
    "match father.png son.png --format jsonl",
    "family --parent father.png --child son.png",
    "timeline --parent father.png --child 2015-01-01.png",
    "timeline --parent father.png --child 2015-01-01.png --format csv",
    "find son.png --in father.png",
    "report --parent father.png --child son.png -o page.html",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two photos, one of them dated too, and a table of pairs; the current folder."""
    for source, name in (("father", "father"), ("son", "son"), ("son-2", "2015-01-01")):
        (tmp_path / f"{name}.png").write_bytes((SAMPLES / f"{source}.png").read_bytes())
    (tmp_path / "pairs.csv").write_text("parent,child\nfather.png,son.png\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def status_with(
    patch: pytest.MonkeyPatch, command: str, out: TextIO | None, err: TextIO | None
) -> int | str | None:
    """The exit status of a command, called in this process with these streams as its own."""
    for name, stream in (("stdout", out), ("stderr", err)):
        patch.setattr(sys, name, stream)
        patch.setattr(sys, f"__{name}__", stream)
    patch.setenv("COLUMNS", "100")
    patch.setattr(sys, "argv", ["facematch", *shlex.split(command)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@posix
@with_dev_full
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_stdout_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    log = folder / "err.txt"
    with (
        open("/dev/full", "w") as out,
        log.open("w") as err,
        monkeypatch.context() as patch,
    ):
        status = status_with(patch, command, out, err)
        sys.stderr.flush()
    told = [line for line in log.read_text().splitlines() if line.startswith("facematch:")]
    assert status == 1
    assert told == [
        "facematch: stdout cannot be written (No space left on device): make room, or write to "
        "another place"
    ]


@posix
@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_closed_streams_are_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    with monkeypatch.context() as patch:
        assert status_with(patch, command, None, None) == 0


@posix
@with_dev_full
def test_a_full_stderr_changes_nothing_but_the_talk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as err, monkeypatch.context() as patch:
        command = "match father.png son.png -o scores.csv"
        assert status_with(patch, command, None, err) == 0
    assert (folder / "scores.csv").read_text().count("\n") == 2
    with open("/dev/full", "w") as err, monkeypatch.context() as patch:
        assert status_with(patch, "score none.png son.png", None, err) == 1


@posix
@with_dev_full
def test_pictures_are_saved_whatever_stdout_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (
        "card father.png son.png --save card.png",
        "faces father.png --save faces",
    ):
        with open("/dev/full", "w") as out, monkeypatch.context() as patch:
            assert status_with(patch, command, out, None) == 1
    assert (folder / "card.png").exists()
    assert (folder / "faces" / "father-found.png").exists()


@posix
@pytest.mark.parametrize("redirects", ["2>&-", "<&- >&- 2>&-", ">&-"])
def test_a_process_without_streams_writes_its_file(folder: Path, redirects: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m facematch pairs pairs.csv -o scores.csv"
    done = subprocess.run(f"{command} {redirects}", shell=True, check=False, cwd=folder)
    header, row = (folder / "scores.csv").read_text().splitlines()
    assert done.returncode == 0
    assert header.startswith("parent,child,cosine")
    assert row.startswith("father.png,son.png,0.")


@posix
@with_dev_full
def test_a_process_with_a_full_stdout_ends_with_a_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "facematch", "models", "list"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=REPOSITORY,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "facematch: stdout cannot be written (No space left on device): make room, or write to "
        "another place"
    ]


@pytest.mark.parametrize("columns", ["0", "-1", "x", "", "1", "39", "9" * 9, "9" * 30])
def test_any_width_of_a_terminal_is_survived(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setattr("helpers.command.ENVIRONMENT", {"COLUMNS": columns, "NO_COLOR": "1"})
    for command in (["models", "list"], ["score", "--help"]):
        result = run(*command)
        widest = max(len(line) for line in result.stdout.splitlines())
        assert result.returncode == 0
        assert 20 <= widest <= 1000


def test_a_limit_on_addresses_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (500_000_000, resource.RLIM_INFINITY))
    with pytest.raises(MemoryLimitError, match=r"use 500 MB of addresses and it needs 501 MB"):
        check_address_space(501_000_000)
    check_address_space(499_000_000)
    result = run("score", "samples/father.png", "samples/son.png")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    check_address_space(10**18)


def test_what_libraries_say_that_have_no_memory_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread\nand more")

    monkeypatch.setattr("facematch.matcher.FaceMatcher.score", no_memory)
    result = run("score", "samples/father.png", "samples/son.png")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "facematch: there is too little memory (can't start new thread): end other programs, scale "
        "the photos down, or raise the limit with `ulimit -v`\n"
    )


def test_only_a_lack_of_memory_counts_as_one() -> None:
    error = MissingExtraError("x")
    error.__cause__ = MemoryError()
    assert lacks_memory(error)
    assert not lacks_memory(KeyError("memory"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits addresses so")
@pytest.mark.parametrize("kilobytes", [200_000, 600_000])
def test_a_process_with_few_addresses_ends_with_a_line(kilobytes: int) -> None:
    command = (
        f"ulimit -v {kilobytes}; exec {shlex.quote(sys.executable)} -m facematch score "
        "samples/father.png samples/son.png"
    )
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("facematch: the system lets this program use")
    assert done.stderr.count("\n") == 1
