"""What the scripts share: their options, how runs are timed in turns, and how results are shown."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facematch.evaluation.fiw_faces import ARCHIVE, family_of, list_faces
from facematch.weights.files import models_folder

RUNS = 5
REST = 0.2  # seconds: a BLAS keeps its threads spinning for a while, in the way of the next


def parser(doc: str) -> argparse.ArgumentParser:
    """With `--json`; a script adds its own."""
    options = argparse.ArgumentParser(description=doc.splitlines()[0])
    options.add_argument("--json", action="store_true", help="print JSON lines")
    return options


def kin_parser(doc: str) -> argparse.ArgumentParser:
    """The same with `--data`, where Families In the Wild lies."""
    options = parser(doc)
    shared = os.environ.get("FACEMATCH_SHARED", "../shared")
    options.add_argument("--data", type=Path, default=Path(shared, "kinship"))
    return options


def held_back() -> set[str]:
    """The families that no model saw."""
    return set((models_folder() / "held-back.txt").read_text().split())


def fitted(data: Path) -> set[str]:
    """The families that models may have seen."""
    return {family_of(name) for name in list_faces(data / ARCHIVE)} - held_back()


def compared(what: str, runs: dict[str, Callable[[], Any]], times: int = RUNS) -> dict[str, Any]:
    """Median seconds of each, run in turns with a rest between, and how many times facematch's.

    FACEMATCH_BENCH_RUNS is the most runs of each: with 1 all is run, and nothing is measured well.
    """
    times = min(times, int(os.environ.get("FACEMATCH_BENCH_RUNS", times)))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(times):
        for name, run in runs.items():
            time.sleep(REST)
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    ours = medians["facematch"]
    return {
        "what": what,
        "seconds": {name: round(median, 4) for name, median in medians.items()},
        "times facematch's": {name: round(median / ours, 2) for name, median in medians.items()},
    }


def show(result: dict[str, Any], as_json: bool) -> None:
    """A line of JSON, or a line for each value and a blank one."""
    lines = (f"{name}: {value}" for name, value in result.items())
    print(json.dumps(result) if as_json else "\n".join(lines) + "\n", flush=True)
