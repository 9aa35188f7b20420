"""What it costs to decode photos in processes of their own: `facematch match` with and without.

    python benchmarks/bench_isolation.py [--photos 40] [--runs 3] [--json]

The photos are those of bench_memory.py, JPEGs of 12 megapixels. Both ways take turns; the median of
the ratios of neighbouring runs is the result. Exits with 1 where the results differ by a byte, or
where isolation costs more than 5 %.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench_memory import draw
from machine import machine

BAR = 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ThreadPoolExecutor() as threads:
            list(threads.map(partial(draw, folder), range(options.photos)))
        matched(folder, "--isolate")  # weights are converted, files in the system's cache
        apart, here = [], []
        for turn in range(options.runs):
            ways = [("--isolate", apart), ("--no-isolate", here)]
            for way, seconds in ways[:: 1 if turn % 2 else -1]:
                seconds.append(matched(folder, way))
        tables = {(folder / f"{way}.csv").read_bytes() for way in ("--isolate", "--no-isolate")}
    if len(tables) > 1:
        sys.exit("the results differ: nothing was measured")
    ratio = statistics.median(one / other for one, other in zip(apart, here, strict=True))
    result = {
        "machine": machine(),
        "photos": options.photos,
        "seconds isolated": [round(each, 2) for each in apart],
        "seconds in one process": [round(each, 2) for each in here],
        "ratio": round(ratio, 3),
    }
    lines = "\n".join(f"{name}: {value}" for name, value in result.items())
    print(json.dumps(result) if options.json else lines)
    sys.exit(ratio > BAR)


def matched(folder: Path, way: str) -> float:
    arguments = [folder / "parents", folder / "children", way, "-o", folder / f"{way}.csv"]
    command = [sys.executable, "-m", "facematch", "match", *map(str, arguments)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
