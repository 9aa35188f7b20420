"""Clips: which are opened, which frames are read, who is followed, and what is said of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.command import PATERNITY, run
from helpers.fakes import ColourEmbedder, CountingDetector
from helpers.made_up import noise
from helpers.make_clips import write_clip
from helpers.matchers import matcher
from helpers.places import REPOSITORY, SAMPLES

from facematch import FaceMatcher, read_photo
from facematch.errors import (
    MissingPhotoError,
    NoFaceError,
    NotAVideoError,
    OptionError,
    PhotoTooLargeError,
    TruncatedPhotoError,
    UnreadablePhotoError,
)
from facematch.output import as_json, rows, table
from facematch.output.clip import CLIP_COLUMNS
from facematch.pictures import draw
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import EngineNames, Gallery, Photo, Pixels, Skipped, Subject
from facematch.video.both import ClipRoles
from facematch.video.clip import Clip, ClipPerson, ParentScore, people_in_clip
from facematch.video.reader import ClipLimits, ClipReader, clock
from facematch.video.search import best_portraits
from facematch.video.tracking import (
    MOST_KEYFRAMES,
    MOST_TRACKS,
    Detection,
    Keyframe,
    Tracker,
    photos_worth,
)

CLIP = SAMPLES / "clip.mp4"
PARENTS = {name: [SAMPLES / f"{name}.png"] for name in ("father", "mother")}


@pytest.fixture(scope="module")
def found() -> Clip:
    return matcher.video(CLIP, PARENTS)


def face(name: str) -> Pixels:
    """A drawn face on its own, 192x240."""
    portrait = read_photo(SAMPLES / f"{name}.png").pixels
    return np.asarray(cv2.resize(portrait, (192, 240), interpolation=cv2.INTER_AREA), np.uint8)


def scene(*placed: tuple[Pixels, int]) -> Pixels:
    """Faces on a grey ground, each so far from the left."""
    frame = np.full((240, 640, 3), 120, np.uint8)
    for picture, left in placed:
        frame[:, left : left + 192] = picture
    return frame


def numbered(number: int) -> Pixels:
    """A frame that shows its number in eight bars."""
    bars = [255 * (number >> bit & 1) for bit in range(8)]
    return np.repeat(np.repeat(np.array(bars, np.uint8), 16)[np.newaxis, :, np.newaxis], 64, 0) + (
        np.zeros((1, 1, 3), np.uint8)
    )


def number_in(photo: Photo | None) -> int:
    assert photo is not None
    bars = photo.pixels[32, 8::16, 0]
    return sum(int(bar > 128) << bit for bit, bar in enumerate(bars))


# --- reading ---


def test_the_frame_asked_for_is_read_whichever_way_is_cheaper(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "numbered.mp4", map(numbered, range(240)))
    with ClipReader(path) as clip:
        assert (len(clip.index.times), clip.index.size) == (240, (128, 64))
        assert clip.index.rate == pytest.approx(10)
        assert clip.index.seconds == pytest.approx(24)
        assert len(clip.index.keyframes) > 2
        wanted = [0, 1, 5, 40, 41, 117, 118, 200, 239, 100, 0]
        assert [number_in(clip.read(number / 10)) for number in wanted] == wanted
        assert clip.read(24.5) is None


def test_no_more_is_decoded_than_needed(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "numbered.mp4", map(numbered, range(240)))
    with ClipReader(path) as clip:
        stops = clip.index.stops(apart=4, fewest=2, most=60)
        seen = [number_in(clip.read(stop)) for stop in stops]
        assert len(seen) == 6
        assert clip.decoded < 60


def test_a_clip_that_cannot_be_entered_in_the_middle_is_read_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "numbered.mp4", map(numbered, range(60)))
    with ClipReader(path) as clip:
        monkeypatch.setattr(clip, "_packets_from", lambda _: iter(()))
        assert [number_in(clip.read(at)) for at in (5.0, 5.5, 0.3)] == [50, 55, 3]


def test_searched_frames_are_spread_over_the_clip(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "numbered.mp4", map(numbered, range(100)))
    with ClipReader(path) as clip:
        stops = clip.index.stops(apart=2, fewest=3, most=60)
        parts = [int(stop // 2) for stop in stops]
        assert parts == [0, 1, 2, 3, 4]
        assert len(clip.index.stops(apart=0.1, fewest=3, most=7)) == 7
        assert len(clip.index.stops(apart=100, fewest=3, most=7)) == 3


def test_a_frame_is_labelled_with_its_time_and_is_upright_rgb() -> None:
    with ClipReader(CLIP) as clip:
        photo = clip.read(1.0)
    assert photo is not None
    assert photo.label == f"{CLIP} at 0:01.0"
    assert photo.pixels.shape == (480, 640, 3)
    red, _, blue = photo.pixels[20, 20]
    assert blue > red  # the sky of the backdrop


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00.0"), (12.34, "0:12.3"), (59.96, "1:00.0"), (3600, "60:00.0")]
)
def test_times_are_shown_as_players_show_them(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_clip_that_was_filmed_on_the_side_is_turned_upright(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "side.mp4", [scene((face("father"), 0))] * 3)
    data = path.read_bytes()
    identity, quarter = (
        b"".join(number.to_bytes(4, "big", signed=True) for number in matrix)
        for matrix in (
            (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30),
            (0, 65536, 0, -65536, 0, 0, 240 << 16, 0, 1 << 30),
        )
    )
    at = data.index(identity, data.index(b"tkhd"))
    path.write_bytes(data[:at] + quarter + data[at + len(identity) :])
    with ClipReader(path) as clip:
        photo = clip.read(0)
    assert photo is not None
    assert photo.pixels.shape == (640, 240, 3)


# --- what is refused ---


def _nothing(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("This is no clip.")


def _list(path: Path) -> None:
    path.write_text("#EXTM3U\nhttp://localhost/clip.ts\n")


def _concat(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")


def _photo(path: Path) -> None:
    path.write_bytes((SAMPLES / "group.jpg").read_bytes())


def _cut(path: Path) -> None:
    path.write_bytes(CLIP.read_bytes()[:60_000])


def _no_frame(path: Path) -> None:
    data = write_clip(path, [noise(64, 64)]).read_bytes()
    at = data.index(b"stsz") + 4  # the table of the samples' sizes: none
    path.write_bytes(data[: at + 4] + bytes(8) + data[at + 12 :])


def _damaged(path: Path) -> None:
    path.write_bytes(b"\x1a\x45\xdf\xa3" + noise(40, 40).tobytes())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (_nothing, NotAVideoError, r"clip\.mp4: is empty \(0 bytes\): copy or download it again"),
        (_text, NotAVideoError, r"clip\.mp4: is in no format facematch plays \(MP4, .*: save it"),
        (_list, NotAVideoError, r"clip\.mp4: is a list of clips, not a clip: name one of them"),
        (_concat, NotAVideoError, "is a list of clips"),
        (_photo, NotAVideoError, "is in no format facematch plays"),
        (_cut, TruncatedPhotoError, "ends before its index: copy or download it again"),
        (_no_frame, NotAVideoError, "holds no frame: record or download it again"),
        (_damaged, UnreadablePhotoError, "holds no video that can be opened: copy it again"),
        (Path.mkdir, MissingPhotoError, r"clip\.mp4: is a folder: name a clip in it"),
        (lambda _: None, MissingPhotoError, r"clip\.mp4: there is no such file: check the name"),
    ],
)
def test_what_is_no_clip_is_refused_with_what_to_do(
    tmp_path: Path, make: object, error: type[Exception], message: str
) -> None:
    path = tmp_path / "clip.mp4"
    make(path)  # type: ignore[operator]
    with pytest.raises(error, match=message):
        ClipReader(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UnreadablePhotoError, match="is not a regular file: copy the clip to one"):
        ClipReader(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("address", ["http://localhost/clip.mp4", "concat:a.mp4|b.mp4", "rtsp://x"])
def test_an_address_is_taken_for_a_file_that_is_not_there(address: str) -> None:
    with pytest.raises(MissingPhotoError, match="there is no such file"):
        ClipReader(address)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ClipLimits(max_bytes=1000), r"has 1\d\d,\d\d\d bytes, over the limit of 1,000: cut the"),
        (ClipLimits(max_pixels=1000), r"frames of 307,200 pixels \(640x480\), over the limit of"),
        (ClipLimits(max_seconds=2), "is 3 seconds long, over the limit of 2: cut the part out"),
        (ClipLimits(max_frames=20), "has more than 20 frames: cut the part out that matters"),
    ],
)
def test_a_clip_over_a_limit_is_refused_before_a_frame_is_decoded(
    limits: ClipLimits, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClipReader, "read", lambda *_: pytest.fail("a frame was decoded"))
    with pytest.raises(PhotoTooLargeError, match=message):
        matcher.video(CLIP, PARENTS, limits=limits)


def test_a_clip_that_ends_early_is_scored_as_far_as_it_goes(tmp_path: Path) -> None:
    frames = [scene((face("daughter"), 2 * at)) for at in range(40)]
    data = write_clip(
        tmp_path / "whole.avi", frames, codec="mjpeg", pix_fmt="yuvj420p"
    ).read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    clip = matcher.video(tmp_path / "cut.avi", PARENTS)
    assert len(clip.people) == 1
    assert clip.seconds < 3
    assert "the file ends before the clip does" in clip.warnings[-1]


def test_a_clip_without_a_face_says_what_to_do(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "noise.mp4", (noise(120, 160, seed) for seed in range(5)))
    with pytest.raises(NoFaceError, match=r"no face found in 5 frames \(160x120\): try min_face="):
        matcher.video(path, PARENTS)


def test_parents_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="dad: no photo was given"):
        matcher.video(CLIP, {"dad": []})
    with pytest.raises(NoFaceError, match=r"none\.png: there is no such file: check the name$"):
        matcher.video(CLIP, {"dad": ["none.png"]})
    some = matcher.video(CLIP, {"dad": ["none.png", SAMPLES / "father.png"]})
    assert some.skipped == (
        Skipped("none.png", "missing", "there is no such file: check the name"),
    )


# --- who is in it ---


def test_the_girl_who_crosses_the_picture_is_one_person(found: Clip) -> None:
    (person,) = found.people
    assert (person.name, person.detections, len(person.keyframes)) == ("person 1", 12, 8)
    assert person.first == pytest.approx(0, abs=0.3)
    assert person.last == pytest.approx(found.seconds, abs=0.3)
    assert [shot.seconds for shot in person.keyframes] == sorted(
        s.seconds for s in person.keyframes
    )
    assert [verdict.parent for verdict in person.verdicts] == ["father", "mother"]
    father, mother = person.verdicts
    assert mother.cosine > father.cosine > 0.5
    assert father.score is not None
    assert father.score > 90
    assert found.complete
    assert found.engine == EngineNames("mmod", "kin", "kin-1-resemblance")


def test_a_clip_scores_as_its_frames_do_as_photos(found: Clip) -> None:
    with ClipReader(CLIP) as clip:
        photos = [clip.read(shot.seconds) for shot in found.people[0].keyframes]
    frames = matcher.gallery([photo for photo in photos if photo is not None])
    child = frames.by_person(["girl"] * len(photos))
    (compared,) = matcher.match(matcher.gallery(PARENTS["mother"]), child)
    assert found.people[0].verdicts[1].cosine == pytest.approx(compared.cosines[0], abs=0.01)


def test_the_best_frames_are_held_one_at_a_time_and_no_more_are_read_than_asked_for() -> None:
    clip = ("both.mp4", (SAMPLES / "both.mp4").read_bytes(), ClipLimits())
    frames: list[weakref.ref[Pixels]] = []
    for portrait in best_portraits(matcher.engine, *clip, most=2):
        assert all(frame() is None for frame in frames)
        frames.append(weakref.ref(portrait.photo.pixels))
    assert len(frames) == 2
    assert len(list(best_portraits(matcher.engine, *clip, most=1))) == 1


def test_someone_who_leaves_and_comes_back_stays_one_person(tmp_path: Path) -> None:
    father, mother = face("father"), face("mother")
    frames = [scene((father, 0), (mother, 220))] * 20
    frames += [scene((father, 0))] * 20
    frames += [scene((father, 0), (mother, 440))] * 20
    clip = matcher.video(write_clip(tmp_path / "two.mp4", frames), PARENTS)
    assert [person.detections for person in clip.people] == [12, 8]
    his, hers = ([verdict.cosine for verdict in each.verdicts] for each in clip.people)
    assert his[0] > 0.95 > his[1]
    assert hers[1] > 0.95 > hers[0]
    assert clip.people[1].first < 1
    assert clip.people[1].last > 5


def test_two_faces_of_one_frame_are_two_people_however_alike(tmp_path: Path) -> None:
    twins = [scene((face("son"), 0), (face("son"), 400))] * 10
    clip = matcher.video(write_clip(tmp_path / "twins.mp4", twins), PARENTS)
    assert [person.detections for person in clip.people] == [10, 10]


def test_nobody_is_in_two_places_of_one_frame() -> None:
    tracker = Tracker("kin-1", interval=0.5)
    vectors = np.ones((2, 4), np.float32) / 2
    tracker.add([detection(0.0)], vectors[:1])
    tracker.add([detection(2.0), detection(2.0, left=400)], vectors)
    assert [person.detections for person in tracker.tracks()] == [2, 1]


def test_another_face_in_the_same_place_is_another_person(tmp_path: Path) -> None:
    frames = [scene((face("father"), 200))] * 20 + [scene((face("mother"), 200))] * 20
    clip = matcher.video(write_clip(tmp_path / "cut.mp4", frames), PARENTS)
    best = [max(each.verdicts, key=lambda v: v.cosine).parent for each in clip.people]
    assert sorted(best) == ["father", "mother"]


# --- a clip that shows both ---


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The father, who is seen more often, and his son."""
    father, son = face("father"), face("son")
    frames = [scene((father, 0), (son, 300))] * 20 + [scene((father, 0))] * 20
    return write_clip(tmp_path_factory.mktemp("both") / "both.mp4", frames)


def with_ages(monkeypatch: pytest.MonkeyPatch, *years: float) -> None:
    """Have the people of a clip look so old; drawn faces have no age."""
    ages = np.array(years), np.ones(len(years))
    monkeypatch.setattr(ResemblanceModel, "ages", lambda *_: ages)


def test_the_children_of_a_clip_are_compared_with_its_adults(
    both: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_ages(monkeypatch, 41, 8)
    clip = matcher.video(both, roles=ClipRoles())
    his, sons = clip.people
    assert his.verdicts == ()
    (verdict,) = sons.verdicts
    assert verdict.parent == "person 1"
    pair = matcher.score(SAMPLES / "father.png", SAMPLES / "son.png")
    assert verdict.cosine == pytest.approx(pair.cosine, abs=0.05)
    assert "they share its light and colours" in clip.warnings[-1]
    assert [row["person"] for row in rows(clip)] == ["person 2"]
    assert draw(clip).shape[1] == 1080


def test_names_say_who_is_who_in_a_clip(both: Path) -> None:
    clip = matcher.video(both, roles=ClipRoles({"dad": 1}, {"Tim": 2}))
    assert [person.name for person in clip.people] == ["dad", "Tim"]
    assert [verdict.parent for verdict in clip.people[1].verdicts] == ["dad"]
    with pytest.raises(OptionError, match="--names 3=dad: the clip shows 2 people"):
        matcher.video(both, roles=ClipRoles({"dad": 3}, {"Tim": 2}))


@pytest.mark.parametrize(("years", "kind"), [((41, 38), "adults"), ((4, 8), "children")])
def test_where_age_does_not_tell_who_is_who_names_are_asked_for(
    both: Path, monkeypatch: pytest.MonkeyPatch, years: tuple[float, float], kind: str
) -> None:
    with_ages(monkeypatch, *years)
    with pytest.raises(OptionError, match=f"looks like {kind}: say who is who with --label, then"):
        matcher.video(both, roles=ClipRoles())


def test_a_clip_of_one_person_needs_a_photo_of_a_parent() -> None:
    with pytest.raises(OptionError, match="one person only: name a photo of a parent with --par"):
        matcher.video(CLIP, roles=ClipRoles())


def test_a_clip_that_shows_both_is_labelled_then_named(both: Path, tmp_path: Path) -> None:
    picture = tmp_path / "numbered.png"
    labelled = run("video", both, "--label", "--save", picture, "--min-face", 60)
    assert labelled.stdout == f"{picture}: 2 people, numbered\n"
    assert labelled.stderr == "now say who they are: --names 1=dad,2=son\n"
    assert read_photo(picture).pixels.shape[1] == 1080
    named = run(
        "video", both, "--names", "1=dad,2=son", "--min-face", 60, "--format", "json"
    )  # fmt: skip
    people = json.loads(named.stdout)["people"]
    assert [(each["name"], len(each["verdicts"])) for each in people] == [("dad", 0), ("son", 1)]


# --- bounds ---


def made_up(*boxes: tuple[float, float, float, float]) -> FaceMatcher:
    return FaceMatcher(detector=CountingDetector(*boxes), embedder=ColourEmbedder())


@pytest.mark.parametrize(("frames", "most"), [(5, 5), (60, 12), (400, 20)])
def test_no_more_frames_are_searched_than_allowed(tmp_path: Path, frames: int, most: int) -> None:
    path = write_clip(tmp_path / "clip.mp4", (noise(64, 64, seed % 7) for seed in range(frames)))
    mine = made_up((10, 10, 50, 50))
    clip = mine.video(path, {"dad": [Photo("dad", noise(64, 64))]})
    assert clip.frames_searched == most
    parents, glances = 1, most
    assert mine.engine.detector.calls <= parents + most + glances  # type: ignore[attr-defined]
    assert clip.people[0].verdicts[0].score is None
    assert clip.warnings[-1] == "no resemblance model fits colour: only the cosine is known"


def test_small_faces_are_searched_in_every_fourth_frame_or_after_some(
    tmp_path: Path,
) -> None:
    frames = [noise(64, 240)] * 8
    path = write_clip(tmp_path / "clip.mp4", frames)
    for box, usual in (((10, 10, 40, 40), 20), ((10, 10, 26, 26), 12.8)):
        mine = made_up(box)
        mine.video(path, {"dad": [Photo("dad", noise(64, 64))]})
        asked = mine.engine.detector.min_faces[1:]  # type: ignore[attr-defined]
        whole_frames = [each for each in asked if each != pytest.approx(0.6 * (box[2] - box[0]))]
        expected = [None, usual, usual, usual] * 2
        assert whole_frames == [each and pytest.approx(each) for each in expected]


def keyframe(seconds: float, left: float = 0.0, *warnings: str) -> Keyframe:
    portrait = np.full((240, 240, 3), 90, np.uint8)
    return Keyframe("clip", seconds, (left, 0, left + 100, 100), 1.0, portrait, warnings)


def detection(seconds: float, left: float = 0.0, quality: float = 0.5) -> Detection:
    return Detection(keyframe(seconds, left), np.zeros((1, 1, 3), np.uint8), quality)


def test_memory_holds_the_best_few_of_so_many_people_however_long_the_clip() -> None:
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(128, 128)))[0].astype(np.float32)
    tracker = Tracker("kin-1", interval=0.5)
    for frame in range(200):
        people = np.array([127, *(np.arange(2) + (frame // 4) * 2 % 120)])  # one always there
        detections = [detection(float(frame), 300.0 * at, rng.uniform()) for at in range(3)]
        tracker.add(detections, directions[people])
    assert len(tracker._tracks) <= MOST_TRACKS
    assert max(len(each._kept) for each in tracker._tracks) <= MOST_KEYFRAMES
    assert tracker.dropped > 0


def test_the_best_keyframes_are_kept_and_not_two_of_one_moment() -> None:
    tracker = Tracker("kin-1", interval=0.5)
    vector = np.eye(1, 8, dtype=np.float32)
    for frame in range(40):
        tracker.add([detection(0.3 * frame, quality=frame / 40)], vector)
    (person,) = tracker.tracks()
    times = [each.seconds for each in person.keyframes]
    assert len(times) == MOST_KEYFRAMES
    assert len({time // 0.5 for time in times}) == MOST_KEYFRAMES
    assert times[0] > 5  # the later, the better they were
    assert person.span == (0, pytest.approx(11.7))


def test_faces_in_profile_are_tracked_by_place_alone() -> None:
    tracker = Tracker("kin-1", interval=0.1)
    vector = np.eye(1, 8, dtype=np.float32)
    profile = "the face is turned to the side: a frontal photo gives a surer score"
    for frame, left in enumerate((0, 20, 900)):
        bad = Detection(keyframe(frame, left, profile), np.zeros((1, 1, 3), np.uint8), 0.1)
        tracker.add([bad], vector)
    assert [person.detections for person in tracker.tracks()] == [2, 1]


# --- what is said ---


def test_stopping_gives_what_is_known_so_far() -> None:
    shares: list[float] = []

    def watch(share: float) -> bool:
        shares.append(share)
        return len(shares) <= 4

    clip = matcher.video(CLIP, PARENTS, on_progress=watch)
    assert not clip.complete
    assert clip.frames_searched == clip.people[0].detections == 4
    assert shares == pytest.approx([0, 1 / 12, 2 / 12, 3 / 12, 4 / 12])
    nothing = matcher.video(CLIP, PARENTS, on_progress=lambda _: False)
    assert nothing.people == ()
    assert list(rows(nothing)) == []
    assert draw(nothing).shape[1] == 1080


def test_control_c_prints_what_is_known_so_far() -> None:
    code = (
        "import signal, sys\n"
        "from facematch.video import search\n"
        "find = search._faces_in_frame\n"
        "def interrupted(engine, frame, number, smallest):\n"
        "    if number == 3: signal.raise_signal(signal.SIGINT)\n"
        "    return find(engine, frame, number, smallest)\n"
        "search._faces_in_frame = interrupted\n"
        "sys.argv = ['facematch', 'video', 'samples/clip.mp4', '--parent', 'samples/mother.png',"
        " '--format', 'json', '--min-face', '60']\n"
        "from facematch.cli import main\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    clip = json.loads(result.stdout)
    assert result.returncode == 130
    assert not clip["complete"]
    assert clip["frames_searched"] == clip["people"][0]["detections"] == 4
    assert "stopped after 4 frames: the rest was not searched" in result.stderr
    assert "Traceback" not in result.stderr


def a_clip() -> Clip:
    verdicts = (
        ParentScore("dad", 2, 0.51234567, 78.25, (60.1234, 85.5), 2.25, (2.0, 2.5)),
        ParentScore("[mum]", 1, 0.25),
    )
    shots = (
        keyframe(0.04, 10),
        keyframe(2.0, 12, "the face is blurred: a sharper photo gives a surer score"),
    )
    person = ClipPerson("person 1", 5, 0.04, 9.96, shots, 1.46, verdicts)
    return Clip("film.mp4", 10.04, 12, (person,), EngineNames("mmod", "kin", "kin-1-resemblance"))


def test_the_json_of_a_clip_is_as_it_was() -> None:
    verdict = {
        "parent": "dad", "photos": 2, "cosine": 0.512346, "score": 78.25,
        "score_interval": [60.123, 85.5], "likelihood_ratio": 2.25,
        "likelihood_ratio_interval": [2.0, 2.5], "support": "slight support for kinship",
    }  # fmt: skip
    unknown = dict.fromkeys(verdict) | {"parent": "[mum]", "photos": 1, "cosine": 0.25}
    blurred = "the face is blurred: a sharper photo gives a surer score"
    frames = [
        {"seconds": 0.04, "box": [10, 0, 110, 100], "confidence": 1.0, "warnings": []},
        {"seconds": 2.0, "box": [12, 0, 112, 100], "confidence": 1.0, "warnings": [blurred]},
    ]
    assert json.loads(as_json(a_clip())) == {
        "clip": "film.mp4", "seconds": 10.0, "frames_searched": 12, "complete": True,
        "people": [
            {
                "name": "person 1", "first": 0.0, "last": 10.0, "detections": 5, "worth": 1.5,
                "frames": frames, "verdicts": [verdict, unknown],
            }
        ],
        "engine": {
                "detector": "mmod", "embedder": "kin", "resemblance": "kin-1-resemblance",
                "cohort": None,
            },
        "warnings": [], "skipped": [],
    }  # fmt: skip


def test_a_row_is_one_person_against_one_parent() -> None:
    first, second = rows(a_clip())
    assert tuple(first) == tuple(second) == CLIP_COLUMNS
    assert (first["parent"], first["score_low"], first["score_high"]) == ("dad", 60.123, 85.5)
    assert (second["parent"], second["score"], second["support"]) == ("[mum]", None, None)


def test_the_table_says_how_sure_it_is() -> None:
    from rich.console import Console

    console = Console(width=140, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(table(a_clip()))
    text = console.export_text()
    for words in ("78 of 100 (60 to 86)", "2.2 (2 to 2.5): slight support", "[mum]", "0:10.0"):
        assert words in text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_shows_a_strip_for_each_person(theme: str) -> None:
    one = a_clip()
    picture = draw(one, theme)
    assert picture.shape[1:] == (1080, 3)
    assert picture.dtype == np.uint8
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    assert (picture == 90).all(axis=2).sum() > 2 * 200 * 200  # both portraits
    assert (picture[0, 0].mean() > 128) == (theme == "light")
    many = draw(replace(one, people=one.people * 20), theme)
    assert 3000 < len(many) < 4000
    long = replace(one.people[0], keyframes=one.people[0].keyframes * 20)
    assert len(draw(replace(one, people=(long,)), theme)) == len(picture)


def test_frames_of_one_clip_are_worth_less_than_as_many_photos() -> None:
    same = np.ones((8, 4), np.float32) / 2
    assert photos_worth(same, "kin-1") == pytest.approx(1)
    assert photos_worth(np.eye(8, dtype=np.float32), "kin-1") == pytest.approx(1.92)
    photos = np.linalg.cholesky(np.full((8, 8), 0.76) + 0.24 * np.eye(8)).astype(np.float32)
    assert photos_worth(photos, "kin-1") == pytest.approx(8, rel=1e-3)
    assert photos_worth(photos[:1], "kin-1") == photos_worth(photos, "colour") == 1


def test_the_interval_is_seeded_holds_the_score_and_is_not_made_up_from_few_frames() -> None:
    vectors = matcher.gallery([SAMPLES / f"{n}.png" for n in ("son", "daughter", "son-2")]).vectors
    subject = Subject("dad", (0, 0, 1, 1), 1.0, 1, 1)
    known = matcher.gallery(PARENTS["father"])
    parents = Gallery((subject,), known.vectors, "kin-1")

    def verdict(count: int, seed: int) -> ParentScore:
        tracker = Tracker("kin-1", interval=0.1)
        for frame in range(count):
            tracker.add([detection(frame)], vectors[frame : frame + 1])
        (person,) = people_in_clip(tracker.tracks(), parents, seed=seed)
        return person.verdicts[0]

    three = verdict(3, seed=1)
    assert three == verdict(3, seed=1)
    assert three.score_interval is not None
    assert three.score is not None
    low, high = three.score_interval
    assert low <= three.score <= high
    assert verdict(2, seed=1).score_interval is None


# --- the command ---


def test_a_clip_is_scored_from_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "mum"
    folder.mkdir()
    for name in ("mother", "mother-2"):
        (folder / f"{name}.png").write_bytes((SAMPLES / f"{name}.png").read_bytes())
    picture = tmp_path / "strip.png"
    result = run(
        "video", CLIP, "--parent", "samples/father.png", "--parent", folder,
        "--save", picture, "--min-face", 60,
    )  # fmt: skip
    assert result.returncode == 0
    for words in ("person 1", "father", "mum", "mini-me score", "likelihood ratio", PATERNITY):
        assert words in result.stdout
    assert result.stderr == f"{picture}\n"
    assert read_photo(picture).pixels.shape[1] == 1080


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_clip_is_scored_for_a_program(kind: str) -> None:
    parents = ("--parent", "samples/father.png", "--parent", "samples/mother.png")
    result = run("video", CLIP, *parents, "--format", kind, "--min-face", 60)
    assert result.returncode == 0
    assert result.stderr.startswith(PATERNITY)
    lines = result.stdout.splitlines()
    if kind == "json":
        verdicts = json.loads(result.stdout)["people"][0]["verdicts"]
        assert [verdict["parent"] for verdict in verdicts] == ["father", "mother"]
    else:
        assert lines[0] == ",".join(CLIP_COLUMNS)
        assert len(lines) == 3


def test_a_clip_that_cannot_be_opened_is_one_line_and_nothing_else(tmp_path: Path) -> None:
    _cut(tmp_path / "cut.mp4")
    result = run("video", tmp_path / "cut.mp4", "--parent", "samples/father.png")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "cut.mp4: holds no video, or ends before its index" in result.stderr
