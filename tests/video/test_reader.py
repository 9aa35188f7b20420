"""Clips of every container and codec: shape, turn, time, and what is refused."""

from __future__ import annotations

import io
import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.command import run
from helpers.make_clips import (
    trimmed,
    turned,
    without_first_packets,
    write_clip,
    write_sound,
)
from PIL import Image
from typer.testing import CliRunner

from facematch.cli.program import app
from facematch.errors import (
    CrashedPhotoError,
    MissingPhotoError,
    NotAVideoError,
    PhotoTimeoutError,
    TruncatedPhotoError,
)
from facematch.types import Photo, Pixels
from facematch.video import frames
from facematch.video.reader import ClipLimits, ClipReader
from facematch.video.worker import IsolatedClip

CORNERS = ((220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 220, 30))  # see corners_of
SHARED = Path(os.environ.get("FACEMATCH_SHARED", "../shared"))


def painted(width: int = 128, height: int = 96) -> Pixels:
    """Red and green above, blue and yellow below."""
    frame = np.zeros((height, width, 3), np.uint8)
    for number, colour in enumerate(CORNERS):
        row, column = divmod(number, 2)
        top, left = row * height // 2, column * width // 2
        frame[top : top + height // 2, left : left + width // 2] = colour
    return frame


def corners_of(photo: Photo | None) -> str:
    """The letters of the colours at top left, top right, bottom left and bottom right."""
    assert photo is not None
    height, width = photo.pixels.shape[:2]
    found = ""
    for row, column in ((1, 1), (1, 3), (3, 1), (3, 3)):
        colour = photo.pixels[row * height // 4, column * width // 4].astype(int)
        found += "rgby"[int(np.abs(np.array(CORNERS) - colour).sum(axis=1).argmin())]
    return found


def numbered(number: int) -> Pixels:
    """A grey frame with its number in eight bars above."""
    frame = np.full((64, 128, 3), 90, np.uint8)
    for bit in range(8):
        frame[:32, 16 * bit : 16 * bit + 16] = 255 * (number >> bit & 1)
    return frame


def number_in(photo: Photo | None) -> int:
    assert photo is not None
    width = photo.pixels.shape[1]
    bars = photo.pixels[16, (np.arange(8) * width // 8 + width // 16), 0]
    return sum(int(bar > 128) << bit for bit, bar in enumerate(bars))


# --- shape and turn ---


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((1, 0, 0, 1), "rgby"),
        ((0, 1, -1, 0), "bryg"),  # a quarter clockwise, as most phones write it
        ((-1, 0, 0, -1), "ybgr"),
        ((0, -1, 1, 0), "gyrb"),
        ((-1, 0, 0, 1), "gryb"),  # mirrored, as some front cameras write it
        ((1, 0, 0, -1), "byrg"),
        ((0, 1, 1, 0), "rbgy"),
        ((0, -1, -1, 0), "ygbr"),
    ],
)
def test_a_clip_is_turned_and_mirrored_as_its_matrix_says(
    tmp_path: Path, matrix: tuple[int, int, int, int], corners: str
) -> None:
    path = turned(write_clip(tmp_path / "phone.mp4", [painted()] * 3), matrix)
    with ClipReader(path) as clip:
        photo = clip.read(0)
    assert corners_of(photo) == corners
    assert photo is not None
    assert photo.pixels.shape[:2] == ((128, 96) if matrix[0] == 0 else (96, 128))
    assert photo.pixels.flags["C_CONTIGUOUS"]


def test_a_clip_is_turned_where_a_frame_holds_data_of_an_unknown_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unknown:
        """A frame of a spatial film: PyAV has no name for what it says of the eye."""

        def __init__(self, frame: av.VideoFrame) -> None:
            self.frame = frame

        def __getattr__(self, name: str) -> object:
            if name == "side_data":
                raise ValueError("30 is not a valid Type")
            return getattr(self.frame, name)

    turn = frames._turn
    monkeypatch.setattr(frames, "_turn", lambda frame: turn(Unknown(frame)))
    for matrix in ((0, 1, -1, 0), (0, -1, 1, 0), (-1, 0, 0, -1), (1, 0, 0, 1)):
        path = turned(write_clip(tmp_path / "phone.mp4", [painted()]), matrix)
        with ClipReader(path) as clip:
            corners = {(0, 1): "bryg", (0, -1): "gyrb", (-1, 0): "ybgr", (1, 0): "rgby"}
            assert corners_of(clip.read(0)) == corners[matrix[:2]]


@pytest.mark.parametrize("name", ["dvd.mpg", "sar.mp4", "sar.mkv", "sar.avi", "sar.ts", "sar.mov"])
@pytest.mark.parametrize(
    ("aspect", "shape"),
    [
        (Fraction(64, 45), (144, 256)),  # DVD in 16:9
        (Fraction(2), (144, 360)),
        (Fraction(8, 9), (162, 180)),  # NTSC in 4:3
        (Fraction(1), (144, 180)),
    ],
)
def test_pixels_that_are_not_square_become_square(
    tmp_path: Path, name: str, aspect: Fraction, shape: tuple[int, int]
) -> None:
    if name == "dvd.mpg" and aspect != Fraction(64, 45):
        pytest.skip("MPEG-2 states the shape of the picture: 4:3 or 16:9")
    path = write_clip(tmp_path / name, [painted(180, 144)] * 3, rate=25, aspect=aspect)
    with ClipReader(path) as clip:
        photo = clip.read(clip.index.times[0])
        assert clip.index.size == (shape[1], shape[0])
    assert photo is not None
    assert photo.pixels.shape == (*shape, 3)
    assert corners_of(photo) == "rgby"


def test_a_shape_of_pixels_that_nobody_films_is_passed_over(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "odd.mkv", [painted()] * 3, aspect=Fraction(200, 1))
    with ClipReader(path) as clip:
        assert clip.index.size == (128, 96)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("hevc.mp4", "libx265", "yuv420p10le"),
        ("av1.mp4", "libsvtav1", "yuv420p10le"),
        ("vp9.webm", "libvpx-vp9", "yuv420p"),
        ("vp8.webm", "libvpx", "yuv420p"),
        ("full.mp4", "libx264", "yuvj420p"),
        ("high.mkv", "libx264", "yuv444p10le"),
        ("prores.mov", "prores_ks", "yuv422p10le"),
        ("motion.mov", "mjpeg", "yuvj420p"),
        ("film.wmv", "wmv2", "yuv420p"),
        ("film.flv", "flv", "yuv420p"),
        ("dv.avi", "ffv1", "yuv420p"),
    ],
)
def test_codecs_of_phones_and_cameras_are_decoded(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    path = write_clip(tmp_path / name, [painted()] * 5, codec=codec, pix_fmt=pix_fmt, rate=25)
    with ClipReader(path) as clip:
        photo = clip.read(clip.index.times[3])
    assert corners_of(photo) == "rgby"
    assert photo is not None
    shown = photo.pixels[24, 32].astype(int)
    assert np.abs(shown - CORNERS[0]).max() < 25


# --- time ---


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.ts", "late.mpg", "late.flv"])
def test_a_clock_that_starts_late_is_set_to_the_start(tmp_path: Path, name: str) -> None:
    times = [5000 + number / 25 for number in range(50)]
    path = write_clip(tmp_path / name, map(numbered, range(50)), rate=25, times=times)
    with ClipReader(path) as clip:
        assert clip.index.seconds == pytest.approx(2, abs=0.05)
        assert clip.index.times[0] == pytest.approx(0, abs=0.05)
        for number in (0, 30, 49, 10):
            # After a jump, the times of a program stream may be off by a frame.
            off = int(path.suffix == ".mpg")
            assert number_in(clip.read(clip.index.times[number])) == pytest.approx(number, abs=off)


def test_a_film_that_begins_after_its_sound_has_the_times_of_a_player(tmp_path: Path) -> None:
    times = [1.5 + number / 10 for number in range(20)]
    path = write_clip(tmp_path / "late.mkv", map(numbered, range(20)), times=times, sound=3.5)
    with ClipReader(path) as clip:
        assert clip.index.times[0] == pytest.approx(1.5, abs=0.05)
        assert clip.index.seconds == pytest.approx(2, abs=0.05)
        photo = clip.read(2.5)
    assert number_in(photo) == 10
    assert photo is not None
    assert photo.label.endswith(" at 0:02.5")


def test_an_edit_list_hides_what_it_leaves_out(tmp_path: Path) -> None:
    path = tmp_path / "edited.mp4"
    write_clip(path, map(numbered, range(60)), gop_size=24, max_b_frames=2)
    with ClipReader(trimmed(path, 1.0, 3.0)) as clip:
        assert clip.index.seconds == pytest.approx(3, abs=0.11)
        seen = [number_in(clip.read(at)) for at in clip.index.times[[0, 1, 20, 3]]]
        assert seen == [10, 11, 30, 13]
        assert clip.index.times[0] == pytest.approx(0, abs=0.11)
        assert not clip.index.ends_early


@pytest.mark.parametrize("name", ["cut.ts", "cut.mkv", "cut.mpg", "cut.avi"])
def test_frames_before_the_first_keyframe_are_passed_over(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 60, (64, 128, 3), np.uint8)
    path = write_clip(
        tmp_path / f"whole{name[3:]}",
        (np.maximum(numbered(number), ground) for number in range(60)),
        rate=25,
        gop_size=20,
    )
    with ClipReader(without_first_packets(path, 5)) as clip:
        assert number_in(clip.read(clip.index.times[0])) == 20
        assert len(clip.index.times) == 40
        assert number_in(clip.read(clip.index.times[30])) == 50


@pytest.mark.parametrize("name", ["vfr.mkv", "vfr.mp4"])
def test_each_frame_has_its_own_time_whatever_lies_between(tmp_path: Path, name: str) -> None:
    gaps = np.random.default_rng(0).choice([0.02, 0.1, 0.5], 60)
    times = np.concatenate([[0], np.cumsum(gaps)]).tolist()
    path = write_clip(tmp_path / name, map(numbered, range(61)), times=times)
    with ClipReader(path) as clip:
        assert clip.index.times == pytest.approx(times, abs=2e-3)
        assert [number_in(clip.read(times[n] - 1e-3)) for n in (7, 40, 41, 3)] == [7, 40, 41, 3]
        stops = clip.index.stops(apart=1, fewest=2, most=60)
        assert len(set(stops)) == len(stops)
        assert set(stops) <= set(clip.index.times.tolist())


def test_a_frame_that_stands_for_long_is_searched_once(tmp_path: Path) -> None:
    times = [0, 0.1, 0.2, 9.0]
    path = write_clip(tmp_path / "slides.mkv", map(numbered, range(4)), times=times)
    with ClipReader(path) as clip:
        assert clip.index.stops(apart=2, fewest=12, most=60) == pytest.approx([0, 9])


def test_a_clip_of_one_frame_is_read(tmp_path: Path) -> None:
    with ClipReader(write_clip(tmp_path / "one.mp4", [numbered(7)])) as clip:
        assert clip.index.stops(apart=2, fewest=12, most=60) == [0]
        assert number_in(clip.read(0)) == 7
        assert clip.read(1) is None


# --- which files ---


@pytest.mark.parametrize("atom", ["skip", "free", "wide", "pnot", "uuid", "udta"])
def test_films_of_old_cameras_begin_with_other_atoms(tmp_path: Path, atom: str) -> None:
    path = write_clip(tmp_path / "old.mp4", map(numbered, range(5)))
    data = path.read_bytes()
    begins = (32).to_bytes(4, "big") + atom.encode() + bytes(24)
    # The offsets of the frames are those of the file without the new atom.
    for start, readable in ((data[:4] + atom.encode() + data[8:], 5), (begins + data, 0)):
        (tmp_path / "old.mov").write_bytes(start)
        with ClipReader(tmp_path / "old.mov") as clip:
            assert len(clip.index.times) == 5
            seen = [clip.read(at) for at in clip.index.times]
            assert [number_in(photo) for photo in seen[:readable]] == list(range(readable))


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(painted(64, 64)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize("name", ["song.m4a", "song.mp3", "song.flac", "song.wav", "song.mp4"])
@pytest.mark.parametrize("has_cover", [False, True])
def test_sound_is_no_clip_even_with_a_cover(tmp_path: Path, name: str, has_cover: bool) -> None:
    if has_cover and name.endswith("wav"):
        pytest.skip("WAV holds no picture")
    path = write_sound(tmp_path / name, jpeg() if has_cover else None)
    with pytest.raises(NotAVideoError, match=r"holds no video"):
        ClipReader(path)


@pytest.mark.parametrize("name", ["whole.mkv", "whole.ts", "whole.avi", "whole.mpg", "whole.flv"])
def test_a_clip_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 60, (64, 128, 3), np.uint8)
    frames = (np.maximum(numbered(number), ground) for number in range(200))
    path = write_clip(tmp_path / name, frames, rate=25)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with ClipReader(path) as clip:
        assert 50 < len(clip.index.times) < 150
        number = len(clip.index.times) - 5
        # After a jump, the times of a program stream may be off by a frame.
        assert abs(number_in(clip.read(clip.index.times[number])) - number) <= (
            path.suffix == ".mpg"
        )
        # The other two do not say how long they are.
        assert clip.index.ends_early == (path.suffix in (".mkv", ".avi", ".flv"))


def test_a_clip_with_its_index_first_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "fast.mp4", map(numbered, range(100)), container={"movflags": "faststart"}
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with ClipReader(path) as clip:
        assert clip.index.ends_early
        assert 20 < len(clip.index.times) < 95
        assert number_in(clip.read(1.0)) == 10


def test_a_clip_whose_index_comes_last_and_is_missing_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "cut.mp4", map(numbered, range(100)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(TruncatedPhotoError, match="ends before its index"):
        ClipReader(path)


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "hurt.mkv", map(numbered, range(100)))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(data)
    with ClipReader(path) as clip:
        assert number_in(clip.read(clip.index.times[-1])) == 99
        assert number_in(clip.read(clip.index.times[0])) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
@pytest.mark.parametrize("place", [b"b\xe9.mp4", b"lat\xe9/base.mp4"])
@pytest.mark.parametrize("kind", ["table", "json", "csv"])
def test_a_name_that_is_not_utf_8_is_read(tmp_path: Path, place: bytes, kind: str) -> None:
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), place)))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(Path("samples/clip.mp4").read_bytes())
    result = run(
        "video", path, "--parent", "samples/father.png", "--format", kind, "--min-face", 60,
        "--save", tmp_path / "strip.png",
    )  # fmt: skip
    assert result.returncode == 0
    assert "person 1" in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not SHARED.is_dir(), reason="the astronaut is in shared/photos")
def test_the_astronaut_of_a_widescreen_dvd_is_herself(tmp_path: Path) -> None:
    from helpers.matchers import matcher

    astronaut = SHARED / "photos" / "astronaut.png"
    with Image.open(astronaut) as image:
        wide = Image.new("RGB", (1024, 576))
        wide.paste(image.convert("RGB").resize((576, 576)), (224, 0))
    squeezed = np.asarray(wide.resize((720, 576)))
    path = write_clip(tmp_path / "dvd.mpg", [squeezed] * 25, rate=25, aspect=Fraction(64, 45))
    found = matcher.video(path, {"herself": [astronaut]})
    assert found.people[0].verdicts[0].cosine > 0.98


# --- in a process of its own ---

_HOSTILE = """
import os, signal, sys, time
sys.path[:] = sys.argv[1:]
from facematch.video import reader, worker
read = reader.ClipReader.read
def hostile(clip, at):
    name = os.path.basename(clip.label)
    if at > 0.2 and name == "segfault.mp4": os.kill(os.getpid(), signal.SIGSEGV)
    if at > 0.2 and name == "hangs.mp4": time.sleep(600)
    return read(clip, at)
reader.ClipReader.read = hostile
worker.work()
"""


def test_a_clip_is_the_same_wherever_it_is_decoded(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "Zoë 子供.mp4", map(numbered, range(40)))
    with ClipReader(path) as here, IsolatedClip(path, limits=ClipLimits()) as apart:
        assert apart.index.times.tolist() == here.index.times.tolist()
        assert apart.index.keyframes.tolist() == here.index.keyframes.tolist()
        for name in ("rate", "seconds", "size", "ends_early"):
            assert getattr(apart.index, name) == getattr(here.index, name)
        for at in (0, 3.1, 1.0):
            one, other = here.read(at), apart.read(at)
            assert one is not None
            assert other is not None
            assert np.array_equal(one.pixels, other.pixels)
            assert (one.label, one.path) == (other.label, other.path)
            assert here.position == apart.position
        assert apart.read(99) is None
    assert not apart._process.is_running()


def test_a_clip_in_memory_is_the_same_as_its_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", map(numbered, range(40)))
    data = path.read_bytes()
    with (
        ClipReader(path) as file,
        ClipReader("a.mp4", data=data) as here,
        IsolatedClip("a.mp4", data=data, limits=ClipLimits()) as apart,
    ):
        for at in (0, 3.1, 1.0):
            frames = [clip.read(at) for clip in (file, here, apart)]
            pixels = [frame.pixels for frame in frames if frame is not None]
            assert len(pixels) == 3
            assert np.array_equal(pixels[0], pixels[1])
            assert np.array_equal(pixels[0], pixels[2])
        assert here.label == apart.label == "a.mp4"
    with pytest.raises(NotAVideoError, match=r"a\.mp4: is empty"):
        ClipReader("a.mp4", data=b"")
    with pytest.raises(NotAVideoError, match=r"a\.mp4: is empty"):
        IsolatedClip("a.mp4", data=b"", limits=ClipLimits())


def test_a_clip_that_is_refused_is_refused_by_the_process_too(tmp_path: Path) -> None:
    with pytest.raises(MissingPhotoError, match=r"none\.mp4: there is no such file"):
        IsolatedClip(tmp_path / "none.mp4", limits=ClipLimits())


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("segfault.mp4", CrashedPhotoError, r"decoder crashed \(SIGSEGV\): save it again as H.264"),
        ("hangs.mp4", PhotoTimeoutError, "took more than 3 seconds .*, or raise max_wait"),
    ],
)
def test_a_decoder_that_misbehaves_ends_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    error: type[Exception],
    message: str,
) -> None:
    path = write_clip(tmp_path / name, map(numbered, range(10)))
    monkeypatch.setattr("facematch.runtime.worker._CODE", _HOSTILE)
    clip = IsolatedClip(path, limits=ClipLimits(max_wait=3))
    assert number_in(clip.read(0)) == 0
    with pytest.raises(error, match=message):
        clip.read(0.5)
    clip.close()


def test_the_command_decodes_a_clip_in_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = []
    monkeypatch.setattr(
        "facematch.video.search.IsolatedClip",
        lambda path, **more: opened.append(path) or ClipReader(path, **more),
    )
    arguments = ["video", "samples/clip.mp4", "--parent", "samples/father.png", "--min-face", "60"]
    for more, count in (([], 1), (["--no-isolate"], 1)):
        CliRunner().invoke(app, arguments + more)
        assert len(opened) == count
