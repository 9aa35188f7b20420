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
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.command import run
from helpers.fakes import ColourEmbedder, CountingDetector
from helpers.made_up import noise
from helpers.places import SAMPLES
from PIL import Image

from facematch import FaceMatcher
from facematch.cli import stopping
from facematch.cli.stopping import Tally, stoppable
from facematch.enrolment.cache import FaceCache, StoredFace
from facematch.errors import TableError, UnreadablePhotoError, printable
from facematch.output import as_json
from facematch.output.comparison import Row, comparison_rows
from facematch.output.pairs import pair_photos, pair_rows
from facematch.output.resume import Continued
from facematch.output.writing import write_rows
from facematch.photos.listing import list_photos
from facematch.types import Face, Gallery, Photo

ROWS = [
    {"parent": "a.jpg", "child": "line\nbreak.jpg", "score": 12.5},
    {"parent": 'say "b".jpg', "child": "🙂.jpg", "score": None},
    {"parent": "c\udcff.jpg", "child": "=1", "score": 0.1},
]
COLUMNS = ["parent", "child", "score"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits as POSIX has them")


def own() -> FaceMatcher:
    return FaceMatcher(detector=CountingDetector((10, 10, 60, 60)), embedder=ColourEmbedder())


def taken(count: int, log: list[int]) -> Iterator[Photo]:
    """Photos that note when they are asked for."""
    for number in range(count):
        log.append(number)
        yield Photo(f"{number}", noise(90, 90, number))


# --- rows as they come ---


def test_children_are_written_before_the_last_of_them_is_read() -> None:
    mine, log = own(), list[int]()
    parents = mine.gallery([Photo("p", noise(90, 90))])
    rows = comparison_rows(parents, mine.galleries(taken(100, log)), mine.match)
    assert next(rows)["child"] == "0"
    assert len(log) < 40
    assert [row["child"] for row in rows] == [str(number) for number in range(1, 100)]


def test_a_pair_is_written_as_soon_as_both_photos_are_known() -> None:
    mine, log = own(), list[int]()
    wanted = [{"parent": str(at), "child": str(at + 1), "score": None} for at in range(0, 100, 2)]
    wanted.insert(1, {"parent": "0", "child": "99", "score": None})  # waits for the last
    photos = {photo.label: photo for photo in taken(100, log)}
    log.clear()
    looked = mine.galleries(photos[name] for name in _noted(pair_photos(wanted), log))
    rows = pair_rows(looked, wanted, mine.match_pairs)
    assert (next(rows)["parent"], len(log) < 40) == ("0", True)
    rest = [(row["parent"], row["child"]) for row in rows]
    assert rest == [(row["parent"], row["child"]) for row in wanted[1:]]


def _noted(names: list[str], log: list[int]) -> Iterator[str]:
    for name in names:
        log.append(int(name))
        yield name


def test_a_photo_is_let_go_of_behind_its_last_pair() -> None:
    mine, held = own(), list[int]()
    wanted = [{"parent": f"{at}", "child": f"{at + 1}"} for at in range(0, 200, 2)]
    photos = {str(number): Photo(str(number), noise(90, 90, number)) for number in range(200)}

    def parts() -> Iterator[Gallery]:
        for part in mine.galleries(photos[name] for name in pair_photos(wanted)):
            yield part
            held.append(len(rows.gi_frame.f_locals["embedded"]))  # type: ignore[attr-defined]

    rows = pair_rows(parts(), wanted, mine.match_pairs)
    assert len(list(rows)) == 100
    assert max(held) <= 1


def test_parts_of_a_gallery_make_up_the_whole() -> None:
    mine = own()
    photos = [*taken(70, [])]
    parts = list(mine.galleries(photos))
    whole, made = mine.gallery(photos), Gallery.joined(parts)
    assert [len(part.subjects) for part in parts] == [32, 32, 6]
    assert (made.labels, made.warnings) == (whole.labels, whole.warnings)
    assert (made.vectors == whole.vectors).all()


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_each_row_is_in_the_file_before_the_next_is_asked_for(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"

    def rows() -> Iterator[Row]:
        for number, row in enumerate(ROWS):
            if number:
                assert out.read_text("utf-8").count(".jpg") >= number
            yield row

    write_rows(rows(), COLUMNS, kind, out)


# --- going on ---


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_a_file_cut_anywhere_is_gone_on_with_to_the_same_bytes(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    write_rows(ROWS, COLUMNS, kind, out)
    whole = out.read_bytes()
    for end in range(len(whole) + 1):
        for behind in (b"", b"\0" * 9):  # what a power cut may leave
            out.write_bytes(whole[:end] + behind)
            write_rows(ROWS, COLUMNS, kind, out, resume=True)
            assert out.read_bytes() == whole


def test_a_long_run_of_zeros_is_cut_off(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"parent,child,score\n" + b"\0" * 200_000)
    write_rows(ROWS, COLUMNS, "csv", out, resume=True)
    assert out.read_bytes().count(b"\n") == 5


@pytest.mark.parametrize(
    ("stands", "why"),
    [("parent,kid\n", "line 1 is another"), ("parent,child,score\nb", "line 2 is another")],
)
def test_another_runs_file_is_refused_and_left_as_it_is(
    tmp_path: Path, stands: str, why: str
) -> None:
    out = tmp_path / "out.csv"
    out.write_text(stands)
    with pytest.raises(TableError, match=why):
        write_rows(ROWS, COLUMNS, "csv", out, resume=True)
    assert out.read_text() == stands


def test_a_file_with_more_than_the_run_writes_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    write_rows(ROWS, COLUMNS, "csv", out)
    with pytest.raises(TableError, match="there are more lines in it"):
        write_rows(ROWS[:2], COLUMNS, "csv", out, resume=True)


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


def test_what_a_run_kept_is_not_looked_at_again(tmp_path: Path) -> None:
    mine = own()
    for number in range(40):
        Image.fromarray(noise(90, 90, number)).save(tmp_path / f"{number}.png")
    parts = mine.galleries(list_photos(tmp_path), cache=tmp_path / "faces.db")
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    seen = mine.detector.calls  # type: ignore[attr-defined]
    mine.gallery(list_photos(tmp_path), cache=tmp_path / "faces.db")
    assert mine.detector.calls == seen + 8  # type: ignore[attr-defined]


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


# --- every face of a photo, for find and evaluate ---


def test_where_faces_are_is_kept_to_the_last_bit(tmp_path: Path) -> None:
    faces = [Face((0.1, 1 / 3, 60.7, 1e-9), 1.07), Face((1, 2, 3, 4), -0.1)]
    cache = FaceCache(tmp_path / "faces.db", "engine")
    for name, some in (("two", faces), ("none", [])):
        cache.put(name, StoredFace.of_faces(some))
        found = cache.get(name)
        assert found is not None
        kept = [(face.box, face.confidence) for face in found.faces()]
        assert kept == [(face.box, face.confidence) for face in some]
    cache.close()


def test_an_archive_is_searched_once_for_faces(tmp_path: Path) -> None:
    archive = [SAMPLES / "group.jpg", SAMPLES / "father.png", SAMPLES / "no such.png"]
    child, cache = {"son": [SAMPLES / "son.png"]}, tmp_path / "faces.db"
    first = FaceMatcher(min_face=60).find(child, archive, cache=cache)
    blind = CountingDetector((0, 0, 400, 400))
    blind.name = "mmod"  # the cache takes it for the same
    again = FaceMatcher(min_face=60, detector=blind).faces(archive, cache=cache)
    assert sum(len(each.faces) for each in again if hasattr(each, "faces")) == 5
    assert blind.calls == 0
    second = FaceMatcher(min_face=60).find(child, archive, cache=cache)
    assert as_json(second) == as_json(first)


# --- Ctrl-C ---


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
    assert stopping._PATIENCE < 1  # second
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


# --- what goes wrong ---


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


def test_a_place_that_cannot_be_written_is_said_before_any_photo_is_read(tmp_path: Path) -> None:
    def photos() -> Iterator[Row]:
        raise AssertionError("a photo was read")
        yield {}

    with pytest.raises(TableError, match="cannot be written"):
        write_rows(photos(), COLUMNS, "csv", tmp_path / "none" / "out.csv")
    with pytest.raises(TableError, match="cannot be written"):
        write_rows(photos(), COLUMNS, "csv", tmp_path, resume=True)


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.jpg").touch()
    scan = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UnreadablePhotoError, match=r"shut: .* this folder be read \(Permission"):
        list_photos(tmp_path)


@posix
def test_links_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").touch()
    (tmp_path / "in" / "round").symlink_to(tmp_path)
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    assert list_photos(tmp_path) == [str(tmp_path / "in" / "a.jpg"), str(tmp_path / "self.jpg")]
    (skipped,) = own().gallery([tmp_path / "self.jpg"]).skipped
    assert skipped.code == "unreadable"


def test_photos_that_vanish_or_change_are_what_they_are_when_read(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(noise(90, 90, number)).save(tmp_path / f"{number}.png")

    def changing() -> Iterator[str]:
        for path in list_photos(tmp_path):
            if path.endswith("1.png"):
                Path(path).unlink()
            if path.endswith("2.png"):
                Image.fromarray(noise(90, 90, 7)).save(path)
            yield path

    gallery = own().gallery(changing(), cache=tmp_path / "faces.db")
    assert [each.code for each in gallery.skipped] == ["missing"]
    expected = own().gallery([Photo("x", noise(90, 90, 0)), Photo("y", noise(90, 90, 7))])
    assert (gallery.vectors == expected.vectors).all()
    assert own().gallery([tmp_path / "2.png"], cache=tmp_path / "faces.db").vectors.shape == (1, 6)


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
    assert [row["parent"] for row in rows] == sorted(names)
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


def test_what_is_written_goes_on_in_the_very_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("one\ntw")
    with Continued(path) as file:
        assert file.write("one\n") == 4
        file.write("two é\n")
        assert path.read_text("utf-8") == "one\ntwo é\n"
