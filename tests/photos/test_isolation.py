from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.fakes import ColourEmbedder, CountingDetector
from helpers.make_photos import FORMATS, black_png, encode, exif, oriented, quadrants
from helpers.places import REPOSITORY, SAMPLES
from typer.testing import CliRunner

from facematch import matcher as pipeline
from facematch.cli import app
from facematch.errors import (
    CrashedPhotoError,
    FacematchError,
    MissingPhotoError,
    NotAnImageError,
    OptionError,
    PhotoError,
    PhotoTimeoutError,
    PhotoTooLargeError,
    TruncatedPhotoError,
)
from facematch.matcher import FaceMatcher
from facematch.photos.limits import Limits
from facematch.photos.reading import read_photo
from facematch.photos.worker import Decoders
from facematch.types import Photo, Skipped

posix = pytest.mark.skipif(os.name != "posix", reason="signals, and limits on memory, are POSIX")

# Stands for decoders that misbehave, by the name of the file.
_HOSTILE = """
import os, signal, sys, time
sys.path[:] = sys.argv[1:]
from facematch.errors import PhotoTooLargeError
from facematch.photos import worker as isolation
real = isolation.read_photo
def read_photo(path, **options):
    name = os.path.basename(path)
    if name == "segfault.jpg": os.kill(os.getpid(), signal.SIGSEGV)
    if name == "killed.jpg": os.kill(os.getpid(), signal.SIGKILL)
    if name == "quits.jpg": os._exit(3)
    if name == "hangs.jpg": time.sleep(600)
    if name == "chats.jpg": os.write(1, b"libjpeg says hello\\n")
    if name == "hungry.jpg":
        try: bytearray(options["limits"].max_memory + 2**31)
        except MemoryError: raise PhotoTooLargeError(path, "asks for too much")
    if name == "lies.jpg":
        photo = real(path, **options)
        return isolation.Photo(photo.label, photo.pixels.repeat(3, axis=0))
    return real(path, **options)
isolation.read_photo = read_photo
isolation.work()
"""
_LIMITS = Limits(max_pixels=500_000, max_seconds=3)


@pytest.fixture(scope="module")
def decoders() -> Decoders:
    return Decoders(Limits())


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Decoders:
    monkeypatch.setattr("facematch.runtime.worker._CODE", _HOSTILE)
    return Decoders(_LIMITS)


def same(one: Photo, other: Photo) -> bool:
    names = ("label", "path", "scale", "taken", "digest")
    return bool(np.array_equal(one.pixels, other.pixels)) and all(
        getattr(one, name) == getattr(other, name) for name in names
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_a_photo_is_the_same_wherever_it_is_decoded(
    tmp_path: Path, decoders: Decoders, format_: str
) -> None:
    path = tmp_path / "Zoë \n 子供.jpg"
    taken = exif(orientation=6, original="2020:01:02 03:04:05")
    options = {} if format_ in ("bmp", "gif", "tiff-lzw") else {"exif": taken}
    path.write_bytes(encode(quadrants(803, 601), format_, **options))
    for min_side in (None, 200):
        apart = decoders.read(path, min_side=min_side)
        assert same(apart, read_photo(path, min_side=min_side))
        assert apart.pixels.flags.writeable
        assert apart.pixels.flags.c_contiguous


def test_every_sample_is_the_same_wherever_it_is_decoded(decoders: Decoders) -> None:
    for path in [*SAMPLES.glob("*.png"), *SAMPLES.glob("*.jpg")]:
        assert same(decoders.read(path), read_photo(path))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, MissingPhotoError),
        (b"Dear Sir,", NotAnImageError),
        (oriented("jpeg", 1)[:800], TruncatedPhotoError),
        (black_png(20_000, 20_000), PhotoTooLargeError),
    ],
)
def test_an_error_is_the_same_wherever_it_is_raised(
    tmp_path: Path, decoders: Decoders, content: bytes | None, error: type[PhotoError]
) -> None:
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(error, match=r"a\.jpg: ") as here:
        read_photo(tmp_path / "a.jpg")
    with pytest.raises(error, match=r"a\.jpg: ") as apart:
        decoders.read(tmp_path / "a.jpg")
    assert str(apart.value) == str(here.value)
    assert (apart.value.photo, apart.value.reason) == (here.value.photo, here.value.reason)


def test_a_path_means_what_it_means_here(
    tmp_path: Path, decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoders.read(SAMPLES / "son.png")  # a worker stands somewhere else by now
    (tmp_path / "a.png").write_bytes(encode(quadrants(), "png"))
    monkeypatch.chdir(tmp_path)
    assert decoders.read("a.png").label == "a.png"
    with pytest.raises(MissingPhotoError, match=r"^b\.png: there is no such file"):
        decoders.read("b.png")


@posix
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("segfault.jpg", CrashedPhotoError, r"its decoder crashed \(SIGSEGV\)"),
        ("quits.jpg", CrashedPhotoError, r"its decoder crashed \(status 3\)"),
        ("lies.jpg", CrashedPhotoError, r"its decoder crashed \(it answers nonsense\)"),
        ("killed.jpg", PhotoTooLargeError, "most likely because memory ran out"),
        ("hungry.jpg", PhotoTooLargeError, "asks for too much"),
        ("hangs.jpg", PhotoTimeoutError, r"took more than 3 seconds"),
    ],
)
def test_a_decoder_that_misbehaves_costs_its_photo(
    tmp_path: Path, hostile: Decoders, name: str, error: type[PhotoError], message: str
) -> None:
    content = encode(quadrants(800, 600), "jpeg")
    for each in (name, "good.jpg"):
        (tmp_path / each).write_bytes(content)
    good = hostile.read(tmp_path / "good.jpg")
    with pytest.raises(error, match=rf"{name}: .*{message}"):
        hostile.read(tmp_path / name)
    assert same(hostile.read(tmp_path / "good.jpg"), good)


def test_what_a_decoder_prints_is_no_answer(tmp_path: Path, hostile: Decoders) -> None:
    (tmp_path / "chats.jpg").write_bytes(encode(quadrants(), "jpeg"))
    assert hostile.read(tmp_path / "chats.jpg").pixels.shape == (64, 96, 3)


@posix
def test_the_rest_of_a_folder_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.runtime.worker._CODE", _HOSTILE)
    names = ["1.jpg", "segfault.jpg", "2.jpg", "hangs.jpg", "killed.jpg", "3.jpg", "none.jpg"]
    for name in names[:-1]:
        (tmp_path / name).write_bytes(encode(quadrants(300, 200), "jpeg"))
    matcher = FaceMatcher(
        detector=CountingDetector((60, 20, 220, 180)),
        embedder=ColourEmbedder(),
        limits=_LIMITS,
        isolate=True,
    )
    found = list(matcher.faces([str(tmp_path / name) for name in names]))
    codes = [each.code if isinstance(each, Skipped) else "" for each in found]
    assert codes == ["", "crashed", "", "timeout", "too-large", "", "missing"]


def test_a_photo_in_time_is_not_blamed_for_a_clock_that_runs_out_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = []

    class Clock(threading.Timer):
        def start(self) -> None:
            clocks.append(self)
            super().start()

    monkeypatch.setattr(threading, "Timer", Clock)
    decoders = Decoders(Limits())
    for _ in range(3):
        decoders.read(SAMPLES / "found.jpg")
    assert len(clocks) == 4  # one for the start
    assert all(clock.finished.is_set() and not clock.is_alive() for clock in clocks)
    assert len(decoders._idle) == 1


def test_a_worker_is_used_again(decoders: Decoders) -> None:
    decoders.read(SAMPLES / "son.png")
    (first,) = decoders._idle
    decoders.read(SAMPLES / "father.png")
    assert decoders._idle == [first]


def test_a_worker_that_died_while_it_waited_costs_nothing(decoders: Decoders) -> None:
    decoders.read(SAMPLES / "son.png")
    decoders._idle[-1]._process.kill()
    decoders._idle[-1]._process.wait()
    assert decoders.read(SAMPLES / "son.png").pixels.size


def test_a_worker_imports_what_decodes_and_nothing_else() -> None:
    code = (
        "import sys, facematch.photos.worker\n"
        "heavy = {'cv2', 'onnx', 'onnxruntime', 'typer', 'rich', 'matplotlib', 'pillow_heif'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_nothing_is_imported_from_among_the_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('a stranger was imported')")
    (tmp_path / "a.png").write_bytes(encode(quadrants(), "png"))
    monkeypatch.chdir(tmp_path)
    assert Decoders(Limits()).read("a.png").pixels.size


@pytest.mark.parametrize("executable", ["no/such/python", "", sys.executable])
def test_where_no_worker_starts_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr("facematch.runtime.worker._CODE", "raise SystemExit(1)")
    with pytest.raises(OptionError, match=r"no process can be started .*--no-isolate, or isolate="):
        Decoders(Limits()).read(SAMPLES / "son.png")


@posix
@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 9)", ""])
def test_workers_end_with_the_program(ending: str) -> None:
    code = (
        "import os\n"
        "from facematch.photos.worker import Decoders\n"
        "from facematch.photos.limits import Limits\n"
        "decoders = Decoders(Limits())\n"
        "decoders.read('samples/son.png')\n"
        "print(decoders._idle[0]._process.pid, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + ending], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stderr == ""
    worker = int(done.stdout)
    for _ in range(600):
        if not is_running(worker):
            return
        time.sleep(0.05)
    pytest.fail("a worker is left over")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX")
def test_a_forked_program_has_workers_of_its_own() -> None:
    code = (
        "import os\n"
        "from facematch.photos.worker import Decoders\n"
        "from facematch.photos.limits import Limits\n"
        "decoders = Decoders(Limits())\n"
        "decoders.read('samples/son.png')\n"
        "mine = decoders._idle[0]._process.pid\n"
        "child = os.fork()\n"
        "photo = decoders.read('samples/son.png')\n"
        "is_mine = decoders._idle[0]._process.pid == mine\n"
        "if not child: os._exit(is_mine)\n"
        "assert is_mine and os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, timeout=60)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/status")  # nobody may be there to collect what has ended
    return not status.exists() or "State:\tZ" not in status.read_text()


@pytest.mark.parametrize(
    ("arguments", "isolates"),
    [
        (["score", "son.png", "father.png"], False),
        (["score", "son.png", "father.png", "--isolate"], True),
        (["match", "son.png", "father.png"], False),
        (["match", "years", "father.png"], True),
        (["match", "years", "father.png", "--no-isolate"], False),
        (["pairs", "pairs.csv"], True),
        (["find", "son.png", "--in", "years"], True),
        (["family", "--parent", "father.png", "--child", "kid=years"], True),
        (["family", "--parent", "father.png", "--child", "son.png"], False),
    ],
)
def test_folders_are_decoded_apart_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], isolates: bool
) -> None:
    (tmp_path / "years").mkdir()
    for name in ("son.png", "father.png", "years/son.png"):
        (tmp_path / name).touch()
    (tmp_path / "pairs.csv").write_text("parent,child\nfather.png,son.png\n")

    class AskedError(FacematchError):
        pass

    def matcher(**options: object) -> None:
        raise AskedError(str(options["isolate"]))

    monkeypatch.setattr(pipeline, "FaceMatcher", matcher)
    monkeypatch.chdir(tmp_path)
    asked = CliRunner().invoke(app, arguments).exception
    assert isinstance(asked, AskedError), asked
    assert str(asked) == str(isolates)


def test_limits_are_set_by_options(tmp_path: Path) -> None:
    pair = [str(SAMPLES / "father.png"), str(SAMPLES / "son.png")]
    for option, message in (
        ("--max-pixels", "over the limit of 9: "),
        ("--max-bytes", "bytes, over the limit of 9"),
        ("--max-memory", "of memory to decode, over the limit"),
    ):
        refused = CliRunner().invoke(app, ["score", *pair, option, "9"]).exception
        assert isinstance(refused, PhotoTooLargeError)
        assert message in str(refused)


@pytest.mark.parametrize("seconds", [1e9, float("inf")])
def test_a_photo_may_take_as_long_as_it_likes(seconds: float) -> None:
    decoders = Decoders(Limits(max_seconds=seconds))
    assert decoders.read(SAMPLES / "son.png").pixels.shape == (600, 480, 3)


def test_what_is_wrong_with_a_photo_can_be_told_by_another_process() -> None:
    error = pickle.loads(pickle.dumps(TruncatedPhotoError("a.jpg", "it ends")))
    assert (type(error), error.photo, error.reason) == (TruncatedPhotoError, "a.jpg", "it ends")
