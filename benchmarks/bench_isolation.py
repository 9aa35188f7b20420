"""What it costs to decode photos in processes of their own: `facematch match` with and without.

    python benchmarks/bench_isolation.py [--photos 40] [--runs 3] [--json]

The photos are those of bench_memory.py, JPEGs of 12 megapixels. Both ways take turns; the median of
the ratios of neighbouring runs is the result, by the clock, and by the time that all processes
computed, which other programs disturb less. Exits with 1 where the results differ by a byte, or if
isolation takes over 5 % longer by the clock.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench_memory import draw
from machine import machine, processor_seconds
from measuring import parser, show

from facematch.engine import open_engine
from facematch.photos.listing import list_photos

BAR = 1.05


def main() -> None:
    wanted = parser(__doc__)
    wanted.add_argument("--photos", type=int, default=40)
    wanted.add_argument("--runs", type=int, default=3)
    options = wanted.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ThreadPoolExecutor() as threads:
            list(threads.map(partial(draw, folder), range(options.photos)))
        matched(folder, "--isolate")  # weights are converted, files in the system's cache
        apart, here = [], []
        for turn in range(options.runs):
            ways = [("--isolate", apart), ("--no-isolate", here)]
            for way, taken in ways[:: 1 if turn % 2 else -1]:
                taken.append(matched(folder, way))
        decoding = [1000 * decoded(folder, isolate) for isolate in (True, False)]
        tables = {(folder / f"{way}.csv").read_bytes() for way in ("--isolate", "--no-isolate")}
    if len(tables) > 1:
        sys.exit("the results differ: nothing was measured")
    ratio, computed = (
        statistics.median(one[at] / other[at] for one, other in zip(apart, here, strict=True))
        for at in (0, 1)
    )
    result = {
        "machine": machine(),
        "photos": options.photos,
        "seconds isolated, by the clock and computed": rounded(apart),
        "seconds in one process": rounded(here),
        "milliseconds computed to decode a photo": [round(each, 1) for each in decoding],
        "ratio by the clock": round(ratio, 3),
        "ratio of what was computed": round(computed, 3),
    }
    show(result, options.json)
    sys.exit(ratio > BAR)


def matched(folder: Path, way: str) -> tuple[float, float]:
    """Seconds by the clock, and those that the command and its workers computed."""
    arguments = [folder / "parents", folder / "children", way, "-o", folder / f"{way}.csv"]
    command = [sys.executable, "-m", "facematch", "match", *map(str, arguments)]
    start, before = time.perf_counter(), computed_by_children()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start, computed_by_children() - before


def decoded(folder: Path, isolate: bool) -> float:
    """Seconds computed for each photo that is decoded as `match` does, the start not counted."""
    engine = open_engine(isolate=isolate)
    photos = list_photos(folder)
    engine.read(photos[0])
    start = processor_seconds()
    for photo in photos * 3:
        engine.read(photo)
    return (processor_seconds() - start) / len(photos) / 3


def computed_by_children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def rounded(taken: list[tuple[float, float]]) -> list[tuple[float, ...]]:
    return [tuple(round(seconds, 1) for seconds in each) for each in taken]


if __name__ == "__main__":
    main()
