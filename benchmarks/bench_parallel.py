"""How much faster more cores process photos, and what each photo adds to memory.

    python benchmarks/bench_parallel.py [--photos 200] [--processes 1 2 4 8 16] [--json]

The photos are those of bench_memory.py, of 12 megapixels. One core and all of them take turns, each
in processes of their own, as FACEMATCH_THREADS says; the seconds of the processor say what sharing
costs, also where others take cores away. Then memory: the most of a run of a tenth of the photos
and of one of all. Then `--on ray`: tasks of a fixed time, which they sleep, on so many processes,
so that only what Ray adds is measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench_memory import draw
from machine import machine
from measuring import parser, show

from facematch.runtime.threads import THREADS, cores

TURNS = 3
TASK_SECONDS, TASKS_A_PROCESS = 0.5, 16  # a tenth of what 32 photos take; that shows Ray's part

# Prints seconds by the clock and of the processor, and the most MB held.
RUN = """
import json, resource, sys, time
from facematch import FaceMatcher

matcher, photos = FaceMatcher(), sys.argv[1:]
matcher.gallery(photos[:2])
began, used = time.perf_counter(), time.process_time()
found = matcher.gallery(photos)
assert len(found.subjects) == len(photos)
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([time.perf_counter() - began, time.process_time() - used, most]))
"""
RAY = """
import json, sys, time
from facematch.runtime import distributed

processes, tasks, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
distributed.cores = lambda: processes

def sleep(batch):
    time.sleep(seconds)
    return batch

list(distributed.distribute(sleep, range(processes), on="ray", size=1))  # starts the processes
began = time.perf_counter()
done = list(distributed.distribute(sleep, range(tasks), on="ray", size=1))
assert [number for batch in done for number in batch] == list(range(tasks))
print(json.dumps(time.perf_counter() - began))
"""


def main() -> None:
    wanted = parser(__doc__)
    wanted.add_argument("--photos", type=int, default=200)
    wanted.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    options = wanted.parse_args()
    show({"machine": machine()}, options.json)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ThreadPoolExecutor() as threads:
            list(threads.map(partial(draw, folder), range(options.photos)))
        photos = sorted(map(str, folder.rglob("*.jpg")))
        few = photos[: max(len(photos) // 10, 4)]
        show(speed(few), options.json)
        show(memory(few, photos), options.json)
    for processes in options.processes:
        show(on_ray(processes), options.json)


def speed(photos: list[str]) -> dict[str, Any]:
    """One core against all, in turns."""
    turns = min(TURNS, int(os.environ.get("FACEMATCH_BENCH_RUNS", TURNS)))
    runs = [[gathered(photos, threads) for threads in (1, cores())] for _ in range(turns)]
    clock, used = (
        [statistics.median(turn[way][at] for turn in runs) for way in (0, 1)] for at in (0, 1)
    )
    return {
        "what": f"{len(photos)} photos of 12 megapixels to vectors",
        "cores": cores(),
        "seconds on one core, on all": [round(each, 2) for each in clock],
        "times as fast by the clock": round(clock[0] / clock[1], 2),
        "seconds of the processor on one core, on all": [round(each, 2) for each in used],
        "times as fast where nobody waits": round(cores() * used[0] / used[1], 2),
    }


def memory(few: list[str], photos: list[str]) -> dict[str, Any]:
    most = [gathered(some, cores())[2] for some in (few, photos)]
    return {
        "what": f"most MB with {len(few)} photos, with {len(photos)}",
        "MB": [round(each) for each in most],
    }


def gathered(photos: list[str], threads: int) -> list[float]:
    """What RUN prints: seconds, seconds of the processor, MB."""
    return list(told(RUN, *photos, **{THREADS: str(threads)}))


def on_ray(processes: int) -> dict[str, Any]:
    """Tasks that sleep, so many for each process: near 1 where Ray adds nothing."""
    tasks = TASKS_A_PROCESS * processes
    seconds = told(RAY, str(processes), str(tasks), str(TASK_SECONDS))
    ideal = TASK_SECONDS * TASKS_A_PROCESS
    return {
        "what": f"--on ray, {processes} processes, {tasks} tasks of {TASK_SECONDS} s",
        "seconds": round(seconds, 2),
        "share of linear": round(ideal / seconds, 2),
    }


def told(code: str, *arguments: str, **environment: str) -> Any:
    """The JSON that a Python program prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | environment,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
