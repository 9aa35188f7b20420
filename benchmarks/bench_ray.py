"""What Ray costs on one machine: photos to vectors on its cores, against one process.

    python benchmarks/bench_ray.py [--photos 2048] [--side 320] [--min-face 80] [--json]

The photos are the drawn samples, scaled so that their long side has SIDE pixels, no two alike. With
the smallest face at a quarter of that a photo takes some 30 ms of a core, a twentieth of what
it takes by default: what Ray adds to each shows the more. Both
ways see the same photos in turns, a part at a time, after each has read its networks; what they
find must be the same. Seconds of processors are counted over all processes of each way, since a
machine that others share says little by the clock. Exits with 1 where Ray costs over 15 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import machine, processor_seconds
from PIL import Image

from facematch import FaceMatcher
from facematch.types import Gallery

SAMPLES = Path(__file__).parent.parent / "samples"
PART = 256  # photos a turn: batches of 32 that two or four cores share evenly
BAR = 0.15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=2048)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--min-face", type=float, default=80)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = [draw(Path(folder), at, options.side) for at in range(options.photos)]
        matcher = FaceMatcher(min_face=options.min_face)
        start = time.perf_counter()
        matcher.gallery(photos[:PART], on="ray")
        matcher.gallery(photos[:2])
        warm = time.perf_counter() - start
        turns = [
            turn(matcher, photos[at : at + PART]) for at in range(0, len(photos) - PART + 1, PART)
        ]
    alone, spread = np.array(turns).transpose(1, 0, 2)  # (turns, 2): by the clock, of processors
    by_clock, of_processors = np.median(spread / alone, axis=0) - 1
    result = {
        "machine": machine(),
        "photos": len(turns) * PART,
        "seconds to start, with the first part": round(warm, 1),
        "photos a second, one process": round(PART / np.median(alone[:, 0]), 2),
        "photos a second, Ray": round(PART / np.median(spread[:, 0]), 2),
        "photos a core-second, one process": round(PART / np.median(alone[:, 1]), 2),
        "photos a core-second, Ray": round(PART / np.median(spread[:, 1]), 2),
        "Ray costs, by the clock": f"{by_clock:+.0%}",
        "Ray costs, of processors": f"{of_processors:+.0%}",
    }
    lines = "\n".join(f"{name}: {value}" for name, value in result.items())
    print(json.dumps(result) if options.json else lines)
    if min(by_clock, of_processors) > BAR:
        sys.exit(1)


def turn(matcher: FaceMatcher, photos: list[str]) -> list[tuple[float, float]]:
    """Seconds by the clock and of processors, in one process and over Ray."""
    found, taken = [], []
    for on in (None, "ray"):
        start, used = time.perf_counter(), processor_seconds()
        found.append(matcher.gallery(photos, on=on))
        taken.append((time.perf_counter() - start, processor_seconds() - used))
    same(*found)
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
