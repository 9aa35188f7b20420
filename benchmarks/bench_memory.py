"""Memory and time of a gallery of many 12-megapixel photos, along the way.

    python benchmarks/bench_memory.py [--photos 200] [--json]

The photos are drawn faces enlarged to 4000x3000, no two alike, in a temporary folder. Exits with 1
where a face is missed or memory passes 1.5 GB.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from machine import machine
from PIL import Image

from facematch.photos import read_photo
from facematch.pipeline import FaceMatcher

SAMPLES = Path(__file__).parent.parent / "samples"
LIMIT = 1500  # MB
STEPS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [draw(Path(folder), number) for number in range(options.photos)]
        seen: list[tuple[int, float]] = []
        start = time.perf_counter()
        gallery = FaceMatcher().gallery(watched(paths, seen))
        seconds = time.perf_counter() - start
    if len(gallery.subjects) != options.photos:
        sys.exit(f"{len(gallery.skipped)} photos without a face: nothing was measured")
    result = {
        "machine": machine(),
        "photos": options.photos,
        "photos a second": round(options.photos / seconds, 2),
        "MB after so many photos": {taken: round(memory) for taken, memory in seen},
    }
    lines = "\n".join(f"{name}: {value}" for name, value in result.items())
    print(json.dumps(result) if options.json else lines)
    sys.exit(max(memory for _, memory in seen) > LIMIT)


def draw(folder: Path, number: int) -> Path:
    """A portrait somewhere in a picture of 12 megapixels, a little darker or lighter each time."""
    rng = np.random.default_rng(number)
    face = read_photo(SAMPLES / ("father.png" if number % 2 else "mother.png")).pixels
    shade = np.clip(face * rng.uniform(0.8, 1.1), 0, 255).astype(np.uint8)
    portrait = Image.fromarray(shade).resize((1200, 1500))
    picture = Image.new("RGB", (4000, 3000), tuple(rng.integers(60, 200, 3).tolist()))
    picture.paste(portrait, (int(rng.integers(0, 2800)), int(rng.integers(0, 1500))))
    path = folder / f"{number}.jpg"
    picture.save(path, quality=85)
    return path


def watched(paths: list[Path], seen: list[tuple[int, float]]) -> Iterator[Path]:
    """The paths, noting the memory held a few times along the way."""
    process = psutil.Process()
    for number, path in enumerate(paths):
        if number and number % max(len(paths) // STEPS, 1) == 0:
            seen.append((number, process.memory_info().rss / 2**20))
        yield path


if __name__ == "__main__":
    main()
