"""How long a clip takes against how long it is: 30 seconds of 1080p with one face.

    python benchmarks/bench_video.py [--clip FILE] [--runs 3] [--json]

The clip is made in a temporary folder: a drawn face moves and grows over a moving ground, in H.264
with a keyframe a second, as phones write it; --clip times a clip of your own. Exits with 1 where
the answer is wrong, or the median is under 5 times real time. Networks are loaded before the clock
starts. Beside the time stands that of the processor, which others on the machine change less.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np
from machine import machine
from measuring import parser, show

from facematch.matcher import FaceMatcher
from facematch.output import as_json
from facematch.photos.reading import read_photo
from facematch.video.clip import Clip
from facematch.video.reader import ClipReader

SAMPLES = Path(__file__).parent.parent / "samples"
PARENTS = {name: [SAMPLES / f"{name}.png"] for name in ("father", "mother")}
SECONDS, RATE, WIDTH, HEIGHT = 30, 30, 1920, 1080
BAR = 5  # times real time, on two cores


def main() -> None:
    wanted = parser(__doc__)
    wanted.add_argument("--clip", type=Path, help="a clip of your own")
    wanted.add_argument("--runs", type=int, default=3)
    options = wanted.parse_args()
    matcher = FaceMatcher()
    with tempfile.TemporaryDirectory() as folder:
        path = options.clip or draw(Path(folder, "clip.mp4"))
        found = matcher.video(path, PARENTS)
        if options.clip is None:
            check(found)
        all_frames = timed(lambda: read_through(path))[0]
        runs = [timed(lambda: matcher.video(path, PARENTS)) for _ in range(options.runs)]
    median = statistics.median(seconds for seconds, _ in runs)
    result = {
        "machine": machine(),
        "seconds of clip": round(found.seconds, 1),
        "people": len(found.people),
        "frames searched": found.frames_searched,
        "seconds": [round(seconds, 2) for seconds, _ in runs],
        "seconds of processor": [round(seconds, 2) for _, seconds in runs],
        "seconds to decode every frame": round(all_frames, 2),
        "times real time": round(found.seconds / median, 1),
    }
    show(result, options.json)
    sys.exit(found.seconds / median < BAR)


def check(found: Clip) -> None:
    """Exit unless the one person is found, followed to the end and most like her mother."""
    if len(found.people) != 1:
        sys.exit(f"{len(found.people)} people in a clip of one: nothing was measured")
    (girl,) = found.people
    father, mother = (verdict.cosine for verdict in girl.verdicts)
    if girl.detections < 12 or girl.last < SECONDS - 3 or not mother > father:
        sys.exit(f"a wrong answer: {as_json(found)}")


def draw(path: Path) -> Path:
    """The daughter moving to and fro, nearer and farther, 160 to 400 pixels wide."""
    rng = np.random.default_rng(0)
    face = read_photo(SAMPLES / "daughter.png").pixels
    ground = cv2.GaussianBlur(rng.integers(0, 256, (1200, 2100, 3), np.uint8), (0, 0), 4)
    ground = cv2.normalize(ground, None, 40, 200, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    clip = av.open(str(path), "w")
    film = clip.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
    film.width, film.height, film.pix_fmt, film.gop_size = WIDTH, HEIGHT, "yuv420p", RATE
    for at in range(SECONDS * RATE):
        turn = 2 * np.pi * at / (SECONDS * RATE)
        left, top = round(80 + 80 * np.sin(5 * turn)), round(60 + 60 * np.cos(3 * turn))
        frame = ground[top : top + HEIGHT, left : left + WIDTH].copy()
        scale = 1.3 + 0.5 * np.sin(4 * turn)
        shown = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        high, wide = shown.shape[:2]
        x = round((WIDTH - wide) * (0.5 + 0.45 * np.sin(3 * turn)))
        y = HEIGHT - high
        frame[max(y, 0) :, x : x + wide] = shown[max(-y, 0) :]
        clip.mux(film.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
    clip.mux(film.encode())
    clip.close()
    return path


def read_through(path: Path) -> None:
    with ClipReader(path) as clip:
        while clip.read(clip.position + 1 / clip.index.rate) is not None:
            pass


def timed(task: object) -> tuple[float, float]:
    """Seconds, and seconds of all cores together."""
    start, busy = time.perf_counter(), time.process_time()
    task()  # type: ignore[operator]
    return time.perf_counter() - start, time.process_time() - busy


if __name__ == "__main__":
    main()
