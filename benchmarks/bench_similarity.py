"""The cosine core against numpy's own product, scikit-learn, faiss and usearch, in one process.

    python benchmarks/bench_similarity.py [--side 8192] [--parents 10000] [--children 200000]
        [--json] [--draw FILE.png]

Each answer is checked before it is timed. Peers that are not installed are left out and said so:
`pip install scikit-learn faiss-cpu usearch matplotlib`.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from measuring import compared, parser, show
from numpy.typing import NDArray

from facematch.scoring.cosine import cosine_matrix, top_k
from facematch.types import unit_rows

Rows = NDArray[np.float32]
Run = Callable[[], Any]
DIMENSIONS, K = (128, 512), 10
RUNS = 7
PEERS = {"sklearn": "scikit-learn", "faiss": "faiss-cpu", "usearch": "usearch"}
rng = np.random.default_rng(0)


def main() -> None:
    wanted = parser(__doc__)
    wanted.add_argument("--side", type=int, default=8192, help="rows and columns of full matrices")
    wanted.add_argument("--parents", type=int, default=10_000)
    wanted.add_argument("--children", type=int, default=200_000)
    wanted.add_argument("--draw", type=Path, help="draw time and memory against size")
    options = wanted.parse_args()
    show({"machine": machine()}, options.json)
    for module, package in PEERS.items():
        if not find_spec(module):
            why = f"not installed: pip install {package}"
            show({"what": f"cosines by {package}", "left out": why}, options.json)
    for dimensions in DIMENSIONS:
        show(full_matrix(dimensions, options.side), options.json)
        show(steps(dimensions, options.side), options.json)
    show(best_of_many(options.parents, options.children), options.json)
    if options.draw:
        draw(options.draw)


def full_matrix(dimensions: int, side: int) -> dict[str, Any]:
    parents, children = vectors(side, dimensions), vectors(side, dimensions)
    exact = unit64(parents[:500]) @ unit64(children).T
    check(np.abs(cosine_matrix(parents[:500], children) - exact).max() < 1e-6, "cosine_matrix")
    runs: dict[str, Run] = {
        "facematch": lambda: cosine_matrix(parents, children),
        "numpy a @ b.T, nothing else": lambda: parents @ children.T,
    }
    if find_spec("sklearn"):
        from sklearn.metrics.pairwise import cosine_similarity

        runs["scikit-learn cosine_similarity"] = lambda: cosine_similarity(parents, children)
    return compared(f"full matrix, {side} x {side} x {dimensions}", runs, RUNS)


def steps(dimensions: int, side: int) -> dict[str, Any]:
    """What each step of half the full matrix costs one core, whatever else the machine does.

    A product into memory that was written before spares the kernel's part in fresh memory.
    """
    from threadpoolctl import threadpool_limits

    parents, children = vectors(side // 2, dimensions), vectors(side, dimensions)
    scores = np.ones((side // 2, side), np.float32)
    runs: dict[str, Run] = {
        "product into fresh memory": lambda: parents @ children.T,
        "product into used memory": lambda: np.matmul(parents, children.T, out=scores),
        "clip": lambda: np.clip(scores, -1, 1, out=scores),
        "unit rows": lambda: (unit_rows(parents), unit_rows(children)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    with threadpool_limits(1, user_api="blas"):
        for _ in range(RUNS):
            for name, run in runs.items():
                start = time.thread_time()
                run()
                seconds[name].append(time.thread_time() - start)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    first = medians["product into fresh memory"]
    return {
        "what": f"steps of {side // 2} x {side} x {dimensions} on one core",
        "CPU seconds": {name: round(median, 4) for name, median in medians.items()},
        "times the product": {name: round(median / first, 2) for name, median in medians.items()},
    }


def best_of_many(rows: int, columns: int) -> dict[str, Any]:
    parents, children = unit_rows(vectors(rows, 128)), unit_rows(vectors(columns, 128))
    expected = np.argsort(-(unit64(parents[:50]) @ unit64(children).T), axis=1)[:, :K]
    check((top_k(parents[:50], children, K)[0] == expected).mean() > 0.999, "top_k")
    runs: dict[str, Run] = {"facematch": lambda: top_k(parents, children, K)}
    if find_spec("faiss"):
        import faiss

        index = faiss.IndexFlatIP(128)
        index.add(children)
        runs["faiss IndexFlatIP"] = lambda: index.search(parents, K)
    if find_spec("usearch"):
        from usearch.index import MetricKind, search

        few = parents[: rows // 10]  # a tenth, which already takes it long enough
        runs["usearch exact, a tenth of it"] = lambda: search(
            children, few, K, MetricKind.IP, exact=True
        )
    result = compared(f"top {K} of {rows} x {columns} x 128", runs, 3)
    result["extra memory, MB"] = round(extra_memory(runs["facematch"]) / 2**20)
    return result


def extra_memory(run: Run) -> int:
    """The most memory held above what was held before, sampled every 5 ms."""
    import psutil

    process, peak, stop = psutil.Process(), 0, threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.005):
            peak = max(peak, process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    stop.set()
    watcher.join()
    return peak


def draw(path: Path) -> None:
    """Seconds and extra memory of top_k against the number of children, and the limit."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sizes = [2**power for power in range(12, 19)]
    parents = vectors(2000, 128)
    rate = product_rate()
    seconds, memory = [], []
    for size in sizes:
        children = vectors(size, 128)
        run: Run = lambda children=children: top_k(parents, children, K)  # noqa: E731
        run()
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
        memory.append(extra_memory(run) / 2**20)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    left.loglog(sizes, seconds, "o-", label="top_k, k = 10")
    limit = [2 * 2000 * size * 128 / rate for size in sizes]
    left.loglog(sizes, limit, "k--", label=f"the product alone, {rate / 1e9:.0f} GFLOP/s")
    left.set(xlabel="children", ylabel="seconds", title="2,000 parents, 128 dimensions")
    left.legend()
    right.semilogx(sizes, memory, "o-")
    right.set(xlabel="children", ylabel="extra memory, MB", ylim=(0, None), title="held at most")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def product_rate() -> float:
    """Floating-point operations a second of numpy's own product, at its best of five."""
    one, other = vectors(4096, 1024), vectors(4096, 1024)
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        one @ other.T
        taken.append(time.perf_counter() - start)
    return 2 * 4096 * 4096 * 1024 / min(taken)


def vectors(count: int, dimensions: int) -> Rows:
    return rng.standard_normal((count, dimensions), np.float32)


def unit64(rows: Rows) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


def check(right: bool, what: str) -> None:
    if not right:
        sys.exit(f"{what} gives a wrong answer: nothing was timed")


if __name__ == "__main__":
    main()
