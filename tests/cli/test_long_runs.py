"""Runs of many photos: cut short, gone on with, stopped, and met by what goes wrong at night."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.command import run
from helpers.places import SAMPLES
from PIL import Image

from facematch.cli import stopping
from facematch.cli.stopping import Tally, stoppable
from facematch.errors import printable

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits as POSIX has them")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parent, children, one of them broken, and a table of pairs."""
    root = tmp_path_factory.mktemp("many")
    for name in ("parents", "children"):
        (root / name).mkdir()
    shutil.copy(SAMPLES / "father.png", root / "parents")
    son = Image.open(SAMPLES / "son.png").convert("RGB")
    for number in range(90):
        son.resize((160 + number, 170)).save(root / "children" / f"{number:02}.png")
    (root / "children" / "40.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    lines = [f"parents/father.png,children/{number:02}.png" for number in range(90)]
    (root / "pairs.csv").write_text("\n".join(["parent,child", *lines]))
    return root


WHOLE = ("--detector", "whole", "--embedder", "dlib-resnet")


COMMANDS = {"match": ("match", "parents", "children"), "pairs": ("pairs", "pairs.csv")}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "facematch", *map(str, arguments)]


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> dict[str, bytes]:
    """What the commands write where nothing goes wrong."""
    for verb, arguments in COMMANDS.items():
        run(*arguments, *WHOLE, "-o", f"whole-{verb}.csv", "--cache", "whole.db", cwd=folder)
    return {verb: (folder / f"whole-{verb}.csv").read_bytes() for verb in COMMANDS}


@pytest.mark.slow
@posix
@pytest.mark.parametrize("verb", ["match", "pairs"])
def test_a_killed_run_goes_on_to_the_same_bytes(
    folder: Path, tmp_path: Path, undisturbed: dict[str, bytes], verb: str
) -> None:
    out, whole = tmp_path / "out.csv", undisturbed[verb]
    lines = whole.count(b"\n")
    assert lines == 91
    again = (*COMMANDS[verb], *WHOLE, "-o", out, "--cache", tmp_path / "c.db", "--resume")
    least = 0
    while least < lines - 40:  # every 32 photos make lines
        with subprocess.Popen(command(*again), cwd=folder, stderr=subprocess.DEVNULL) as running:
            while running.poll() is None and _lines(out) <= least:
                time.sleep(0.002)
            time.sleep(random.uniform(0, 0.05))
            running.kill()
        least = _lines(out)
        assert whole.startswith(out.read_bytes())
    result = run(*again, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert out.read_bytes() == whole


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--resume",), "name both with -o FILE and --cache FILE"),
        (("--resume", "-o", "x.csv"), "name both with -o FILE and --cache FILE"),
        (
            ("--resume", "-o", "x.csv", "--cache", "c.db", "--format", "table"),
            "--resume is for csv, json, jsonl, not for table",
        ),
    ],
)
def test_resuming_says_what_it_needs(arguments: tuple[str, ...], words: str) -> None:
    result = run("match", "samples", "samples", *arguments)
    assert result.returncode == 1
    assert words in result.stderr


def _listens() -> None:
    """A shell's background jobs, these tests perhaps, are deaf to it, and so are their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@posix
def test_ctrl_c_ends_a_run_within_a_second_in_one_line(folder: Path, tmp_path: Path) -> None:
    out, cache = tmp_path / "out.csv", tmp_path / "c.db"
    arguments = (*COMMANDS["match"], *WHOLE, "-o", out, "--cache", cache, "--resume")
    endless = (  # the second 32 children are never done
        "import time; from facematch.embedding.dlib_resnet import DlibResNetEmbedder as Embedder\n"
        "embed, batches = Embedder.embed, []\n"
        "def slow(self, chips):\n"
        "    batches.append(len(chips)); len(batches) < 3 or time.sleep(3600)\n"
        "    return embed(self, chips)\n"
        "Embedder.embed = slow; from facematch.cli import main; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", endless, *map(str, arguments)],
        cwd=folder, stderr=subprocess.PIPE, text=True, preexec_fn=_listens,
    ) as running:  # fmt: skip
        while _lines(out) < 33:
            assert running.poll() is None
            time.sleep(0.005)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=300)
    assert stopping.SECONDS_TO_END < 1
    assert running.returncode == 130
    assert said == f"facematch: stopped: 33 of 91 photos are done; {cache} keeps them, " + (
        "--resume goes on\n"
    )


@pytest.mark.slow
@posix
def test_ctrl_c_ends_what_does_not_listen() -> None:
    # One long call into C, as a network makes it: no handler of Python's runs meanwhile.
    code = (
        "import hashlib, sys; from facematch.cli.stopping import Tally, stoppable\n"
        "with stoppable([Tally()], None):\n"
        "    print('ready', flush=True); hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=_listens,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        running.stdout.readline()
        time.sleep(0.5)  # until it is in C, for half an hour
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=300)
    assert running.returncode == 130
    assert said == ("facematch: stopped: 0 of 0 photos are done; nothing is kept without --cache\n")


def test_a_run_that_ends_leaves_ctrl_c_as_it_was() -> None:
    before = signal.set_wakeup_fd(-1)
    with stoppable([Tally()], None):
        pass
    assert signal.set_wakeup_fd(before) == -1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line(folder: Path) -> None:
    result = run("pairs", "pairs.csv", *WHOLE, "-o", "/dev/full", "--format", "csv", cwd=folder)
    assert result.returncode == 1
    assert result.stderr == (
        "facematch: /dev/full cannot be written (No space left on device): make room, or name "
        "another file\n"
    )


@pytest.mark.slow
@posix
@pytest.mark.parametrize("room", [1000, 40_000])  # too little for the cache, for the results
def test_a_run_goes_on_when_there_is_room_again(
    folder: Path, tmp_path: Path, undisturbed: dict[str, bytes], room: int
) -> None:
    out, cache = tmp_path / "out.csv", tmp_path / "c.db"
    arguments = (*COMMANDS["pairs"], *WHOLE, "-o", out, "--cache", cache, "--resume")
    cramped = (
        "import resource; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY)); "
        "from facematch.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", cramped, *map(str, arguments)],
        capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "cannot be" in result.stderr
    assert run(*arguments, cwd=folder).returncode == 0
    assert out.read_bytes() == undisturbed["pairs"]


NAMES = ["line\nbreak.png", 'say "hi", he said.png', "🙂 家族.png", "=1+1.png", "\x1b[31mred.png"]


@posix
def test_names_of_any_kind_come_out_as_they_went_in(tmp_path: Path) -> None:
    names = [*NAMES, os.fsdecode(b"byte \xff.png")]
    for name in names:
        shutil.copy(SAMPLES / "son.png", tmp_path / name)
    where = ("match", ".", NAMES[0], *WHOLE, "-o")
    for kind in ("csv", "json", "jsonl"):
        assert run(*where, f"out.{kind}", cwd=tmp_path).returncode == 0
    rows = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [row["parent"]["photo"] for row in rows] == sorted(names)
    lines = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        cells = [row["parent"] for row in csv.DictReader(file)]
    expected = [name.replace("\udcff", "\\udcff").replace("=1", "'=1") for name in sorted(names)]
    assert cells == expected
    shown = run("match", ".", NAMES[0], *WHOLE, cwd=tmp_path)
    assert "\x1b[31m" not in shown.stdout
    assert r"line\nbreak.png" in shown.stdout


@posix
def test_an_error_is_one_line_whatever_the_name() -> None:
    result = run("score", "no\nsuch\x1b.png", SAMPLES / "son.png")
    assert result.stderr == "facematch: no\\nsuch\\x1b.png: there is no such file: check the name\n"
    assert printable("é 家 🙂\udcff\t") == "é 家 🙂\\udcff\\t"
