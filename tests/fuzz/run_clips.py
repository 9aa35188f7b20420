"""Give damaged clips to the decoder: none may crash it, hold it up or fill the memory.

    python tests/fuzz/run_clips.py [--mutations 100000] [--minutes 600] [--seed 0]

Starts from small real clips of every container, made anew, and damages each at random. Each is
opened and searched as `facematch video` does, in a process that goes on to the next. Prints how
many of each outcome there were, and the slowest; exits with 1 where one crashed the decoder, hung,
computed for more than 5 seconds, raised what it should not, or where the process took over 1 GB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from make_corpus import mutations_of  # noqa: E402

from facematch.errors import CrashedPhotoError, PhotoError  # noqa: E402
from facematch.runtime.worker import Answer, Job, WorkerProcess, serve  # noqa: E402
from facematch.video.reader import ClipLimits, ClipReader  # noqa: E402

MOST_SECONDS = 5.0
HANGS = 60.0  # seconds by the clock
MOST_MEGABYTES = 1000
SMALL = ClipLimits(max_pixels=300_000)  # more would only be slower
_SEEDS = {  # the name of each, and the codec where it is not the usual one
    "sound.mp4": None, "sound.mov": None, "sound.mkv": None, "web.webm": None, "old.avi": None,
    "dvd.mpg": None, "disc.ts": None, "flash.flv": None, "windows.wmv": None, "film.m2v": None,
    "hevc.mp4": "libx265", "vp9.mkv": "libvpx-vp9", "av1.mp4": "libsvtav1",
}  # fmt: skip
_JOB = Job("run_clips", advice="", option="")


def real() -> Iterator[tuple[str, bytes]]:
    """Small clips of every container, with sound, a turn and pixels that are not square."""
    from helpers.make_clips import turned, write_clip

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (48, 64, 3), np.uint8)
    frames = [np.roll(noise // 4, 3 * number, axis=1) + 2 * number for number in range(20)]
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in _SEEDS.items():
            path, aspect = Path(folder, name), Fraction(64, 45)
            sound = 0.8 if name.startswith("sound") else 0.0
            write_clip(path, frames, rate=25, aspect=aspect, sound=sound, codec=codec, gop_size=8)
            if path.suffix == ".mp4":
                turned(path, (0, 1, -1, 0))
            yield name, path.read_bytes()


def mutations(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """So many real clips, each damaged at random."""
    return mutations_of(list(real()), count, seed)


def outcomes(files: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, str, float]]:
    """The name of each file, what became of it, and the seconds that were computed for it."""
    process = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip")
        for name, content in files:
            path.write_bytes(content)
            process = process or WorkerProcess(_JOB, {}, memory=10**9, seconds=HANGS)
            try:
                found = process.ask(str(path), {"path": str(path)}, dict)
            except PhotoError as error:
                found = {"outcome": error.code, "seconds": HANGS}
                if isinstance(error, CrashedPhotoError):
                    found["outcome"] = str(error)
                process = None
            yield name, found["outcome"], found["seconds"]
    if process is not None:
        process.end()


def work() -> None:
    serve(lambda _: _searched)


def _searched(request: dict[str, Any], data: bytes) -> Answer:
    """Read a few frames of a clip. What is no PhotoError ends the process."""
    start, outcome = time.process_time(), "read"
    try:
        with ClipReader(request["path"], limits=SMALL) as clip:
            for at in [*clip.index.stops(2.0, 4, 8), float(clip.index.times[0])]:
                if clip.read(at) is None:
                    outcome = "no frame"
    except PhotoError as error:
        outcome = error.code
    if most_memory() > MOST_MEGABYTES:
        outcome = "took too much memory"
    return {"outcome": outcome, "seconds": time.process_time() - start}, b""


def most_memory() -> float:
    """MB that this process has held at most; 0 where the system does not tell.

    Not `getrusage`: on Linux its maximum holds what the process held that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    (most,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(most.split()[1]) / 1e3


def is_bad(outcome: str, seconds: float) -> bool:
    usual = ("read", "no frame", "truncated", "unreadable", "too-large", "not-a-video")
    return outcome not in usual or seconds > MOST_SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files that do harm")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    counts, slowest, bad = Counter[str](), (0.0, ""), 0
    contents = dict[str, bytes]()

    def files() -> Iterator[tuple[str, bytes]]:
        for name, content in mutations(options.mutations, options.seed):
            if time.monotonic() > end:
                return
            contents.clear()
            contents[name] = content
            yield name, content

    for name, outcome, seconds in outcomes(files()):
        counts[outcome] += 1
        slowest = max(slowest, (seconds, name))
        if is_bad(outcome, seconds):
            bad += 1
            print(f"bad: {name}: {outcome} after {seconds:.1f} s", flush=True)
            if options.keep:
                options.keep.mkdir(exist_ok=True)
                options.keep.joinpath(name.replace(" ", "-")).write_bytes(contents[name])
    print(f"{sum(counts.values()):,} clips: {dict(counts)}")
    print(f"slowest: {slowest[0]:.2f} s, {slowest[1]}")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
