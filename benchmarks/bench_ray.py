"""What Ray costs on one machine: photos to vectors on its cores, against one process.

    python benchmarks/bench_ray.py [--photos 2048] [--side 320] [--min-face 80] [--json]

The photos are the drawn samples, scaled so that their long side has SIDE pixels, no two alike. With
the smallest face at a quarter of that a photo takes some 50 ms of a core, a fourteenth of what it
takes by default: what Ray adds to each shows the more. All ways see the same photos in turns, a
part at a time, after each has read its networks; what they find must be the same. Seconds of
processors are counted over all processes of each way, since a machine that others share says little
by the clock; one thread is the measure of them, since more threads of one network wait for one
another. Exits with 1 where Ray costs over 15 % of either.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from machine import machine, processor_seconds
from measuring import parser, show
from PIL import Image

from facematch import FaceMatcher
from facematch.runtime.threads import THREADS
from facematch.types import Gallery

SAMPLES = Path(__file__).parent.parent / "samples"
PART = 256  # photos a turn: batches of 32 that two or four cores share evenly
BAR = 0.15
WAYS = ("one process", "one process, one thread", "Ray")


def main() -> None:
    wanted = parser(__doc__)
    wanted.add_argument("--photos", type=int, default=2048)
    wanted.add_argument("--side", type=int, default=320)
    wanted.add_argument("--min-face", type=float, default=80)
    options = wanted.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = [draw(Path(folder), at, options.side) for at in range(options.photos)]
        turns = measured(photos, options.min_face)
    clock, used = np.median(turns, axis=0).T  # (3,) each
    many, one, ray = np.array(turns).transpose(1, 0, 2)  # (turns, 2)
    by_clock = float(np.median(ray[:, 0] / many[:, 0])) - 1
    of_processors = float(np.median(ray[:, 1] / one[:, 1])) - 1
    result = {
        "machine": machine(),
        "photos": len(turns) * PART,
        **{f"photos a second, {way}": rate(each) for way, each in zip(WAYS, clock, strict=True)},
        **{
            f"photos a core-second, {way}": rate(each) for way, each in zip(WAYS, used, strict=True)
        },
        "Ray costs, by the clock, above one process": f"{by_clock:+.0%}",
        "Ray costs, of processors, above one thread": f"{of_processors:+.0%}",
    }
    show(result, options.json)
    if max(by_clock, of_processors) > BAR:
        sys.exit(1)


def rate(seconds: float) -> float:
    return round(PART / seconds, 2)


def measured(photos: list[str], min_face: float) -> list[list[tuple[float, float]]]:
    """Of each turn the seconds by the clock and of processors, (3, 2): each way's."""
    many, one = (FaceMatcher(min_face=min_face) for _ in range(2))
    many.gallery(photos[:PART], on="ray")
    many.gallery(photos[:2])
    ways = (
        lambda photos: many.gallery(photos),
        lambda photos: on_one_thread(one, photos),
        lambda photos: many.gallery(photos, on="ray"),
    )
    on_one_thread(one, photos[:2])
    starts = range(0, len(photos) - PART + 1, PART)
    return [turn(ways, photos[at : at + PART]) for at in starts]


def on_one_thread(matcher: FaceMatcher, photos: list[str]) -> Gallery:
    os.environ[THREADS] = "1"
    try:
        return matcher.gallery(photos)
    finally:
        del os.environ[THREADS]


def turn(
    ways: Iterable[Callable[[list[str]], Gallery]], photos: list[str]
) -> list[tuple[float, float]]:
    """Seconds by the clock and of processors, each way."""
    found, taken = [], []
    for gallery in ways:
        start, used = time.perf_counter(), processor_seconds()
        found.append(gallery(photos))
        taken.append((time.perf_counter() - start, processor_seconds() - used))
    same(found[0], found[1])
    same(found[0], found[2])
    print(
        *(f"{clock:.1f} s, {used:.1f} core-s" for clock, used in taken), sep="; ", file=sys.stderr
    )
    return taken


def same(one: Gallery, other: Gallery) -> None:
    """Stop unless both hold the same faces."""
    if one.subjects != other.subjects or not np.allclose(one.vectors, other.vectors, atol=1e-5):
        sys.exit("Ray found something else: nothing was measured")


def draw(folder: Path, at: int, side: int) -> str:
    """A drawn face, brighter or darker than the others."""
    people = sorted(SAMPLES.glob("*.png"))
    with Image.open(people[at % len(people)]) as picture:
        scale = side / max(picture.size)
        picture = picture.convert("RGB").resize([round(each * scale) for each in picture.size])
        pixels = np.asarray(picture, np.int16)
    rng = np.random.default_rng(at)
    pixels = np.clip(pixels + rng.integers(-20, 21) + rng.normal(0, 2, pixels.shape), 0, 255)
    path = folder / f"{at:05}.jpg"
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=92)
    return str(path)


if __name__ == "__main__":
    main()
