"""Memory and time of `facematch match` over many 12-megapixel photos, along the way.

    python benchmarks/bench_memory.py [--photos 200] [--json]

Half of the photos are parents and half children, all against all. They are drawn faces enlarged to
4000x3000, no two alike, in a temporary folder. The command runs in a process of its own, which is
measured with whatever it starts. Exits with 1 where a face is missed or memory passes 1.5 GB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from machine import machine
from measuring import parser, show
from PIL import Image

from facematch.photos.reading import read_photo

SAMPLES = Path(__file__).parent.parent / "samples"
LIMIT = 1500  # MB
EVERY = 0.05  # seconds between two looks at the memory
PARTS = 10  # of the time, whose peaks are shown


def main() -> None:
    wanted = parser(__doc__)
    wanted.add_argument("--photos", type=int, default=200)
    options = wanted.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ThreadPoolExecutor() as threads:
            list(threads.map(partial(draw, folder), range(options.photos)))
        command = ["match", folder / "parents", folder / "children", "-o", folder / "out.csv"]
        seen = watched([sys.executable, "-m", "facematch", *map(str, command)])
        with (folder / "out.csv").open(encoding="utf-8") as lines:
            scored = sum(line.endswith(",\n") for line in lines)  # without a reason why not
    pairs = (options.photos // 2) * ((options.photos + 1) // 2)
    if scored != pairs:
        sys.exit(f"{scored} of {pairs} pairs have a score: nothing was measured")
    seconds = seen[-1][0]
    result = {
        "machine": machine(),
        "photos": options.photos,
        "pairs": pairs,
        "photos a second": round(options.photos / seconds, 2),
        "most MB": round(max(memory for _, memory in seen)),
        "most MB in each tenth of the time": peaks(seen),
    }
    show(result, options.json)
    sys.exit(result["most MB"] > LIMIT)


def draw(folder: Path, number: int) -> None:
    """A portrait somewhere in a picture of 12 megapixels, a little darker or lighter each time."""
    rng = np.random.default_rng(number)
    face = read_photo(SAMPLES / ("father.png" if number % 4 < 2 else "mother.png")).pixels
    shade = np.clip(face * rng.uniform(0.8, 1.1), 0, 255).astype(np.uint8)
    portrait = Image.fromarray(shade).resize((1200, 1500))
    picture = Image.new("RGB", (4000, 3000), tuple(rng.integers(60, 200, 3).tolist()))
    picture.paste(portrait, (int(rng.integers(0, 2800)), int(rng.integers(0, 1500))))
    path = folder / ("children" if number % 2 else "parents") / f"{number}.jpg"
    path.parent.mkdir(exist_ok=True)
    picture.save(path, quality=85)


def watched(command: list[str]) -> list[tuple[float, float]]:
    """Run a command; the memory held, in MB, by it and all it starts, after so many seconds."""
    seen = []
    start = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as started:
        process = psutil.Process(started.pid)
        while started.poll() is None:
            seen.append((time.perf_counter() - start, held(process) / 2**20))
            time.sleep(EVERY)
    if started.returncode:
        sys.exit(f"facematch match fails with {started.returncode}: nothing was measured")
    return seen


def held(process: psutil.Process) -> int:
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:  # it has just ended
            continue
    return total


def peaks(seen: list[tuple[float, float]]) -> list[int]:
    """The most memory in each tenth of the time."""
    part = seen[-1][0] / PARTS
    tenths = [min(int(second / part), PARTS - 1) for second, _ in seen]
    return [
        round(max((memory for at, (_, memory) in zip(tenths, seen, strict=True) if at == tenth)))
        for tenth in range(PARTS)
    ]


if __name__ == "__main__":
    main()
