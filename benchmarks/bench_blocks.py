"""All cosines of many against many over Ray: the best, counts and a histogram come back.

    python benchmarks/bench_blocks.py [--count 100000] [--on ray] [--json]

100,000 x 100,000 are 10^10 pairs. Answers are checked against numpy first, on a slice that begins
within one block and ends in the next. The peer is the same work without Ray, in one process.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import machine, processor_seconds
from measuring import parser

from facematch.scoring.blocks import Wanted, summarise

DIMENSIONS, K, THRESHOLDS, BINS = 128, 10, (0.2, 0.3, 0.4), 2000
CHECKED = 3000


def main() -> None:
    wanted = parser(__doc__)
    wanted.add_argument("--count", type=int, default=100_000)
    wanted.add_argument("--on", default="ray")
    wanted.add_argument("--folder", type=Path, help="for the vectors; all machines must see it")
    options = wanted.parse_args()
    say(machine() if not options.json else json.dumps({"machine": machine()}))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        check(Path(folder), options.on)
        files = [
            bootstrap_means(Path(folder), name, options.count) for name in ("parents", "children")
        ]
        for what, wanted in {
            "the 10 best": Wanted(k=K),
            "the 10 best, counts, histogram": Wanted(K, THRESHOLDS, BINS),
        }.items():
            for on in (None, options.on):
                start, used = time.perf_counter(), processor_seconds()
                summarise(*files, wanted, on=on)
                seconds, used = time.perf_counter() - start, processor_seconds() - used
                found = {
                    "wanted": what,
                    "on": on or "one process",
                    "seconds": round(seconds, 1),
                    "pairs a second": f"{options.count**2 / seconds:.3g}",
                    "pairs a core-second": f"{options.count**2 / used:.3g}",
                }
                say(json.dumps(found) if options.json else str(found))


def check(folder: Path, on: str) -> None:
    """Stop unless a small run gives what numpy gives."""
    files = [bootstrap_means(folder, f"some-{name}", CHECKED) for name in ("parents", "children")]
    found = summarise(*files, Wanted(K, THRESHOLDS, BINS), on=on, step=1100)
    parents, children = (np.load(file).astype(np.float64) for file in files)
    cosines = unit(parents) @ unit(children).T
    best = np.sort(cosines, axis=1)[:, : -K - 1 : -1]
    np.testing.assert_allclose(found.cosines, best, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(cosines, found.indices, 1), best, atol=1e-6)
    # A cosine at a threshold may round to either side.
    near = [int((np.abs(cosines - limit) < 1e-6).sum()) for limit in THRESHOLDS]
    above = np.array([int((cosines > limit).sum()) for limit in THRESHOLDS])
    np.testing.assert_array_less(np.abs(above - found.above), np.array(near) + 1)
    np.testing.assert_equal(found.histogram.sum(), CHECKED**2)
    say(f"checked against numpy: {CHECKED:,} x {CHECKED:,}")


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def bootstrap_means(folder: Path, name: str, count: int) -> Path:
    """A file of vectors at random."""
    path = folder / f"{name}.npy"
    rng = np.random.default_rng(len(name))
    np.save(path, rng.standard_normal((count, DIMENSIONS), np.float32))
    return path


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
