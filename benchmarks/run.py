"""All figures of speed in one table: each script is run, and what it prints is gathered.

    python benchmarks/run.py --quick|--all [--only cold_start bench_ray] [--json FILE]

Prints Markdown: the machine and its load, a table for each peer, then what has no peer and what
was left out, with the reason. `--json` writes the same to a file. `--quick` takes the smallest
sizes and runs each once: it shows that all works, and its figures are none to quote. `--all` takes
hours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psutil
from machine import machine

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("FACEMATCH_SHARED", "../shared"))
# Each script and its options for --quick; None where it is only for --all.
SCRIPTS: dict[str, str | None] = {
    "cold_start": "--runs 1",
    "bench_similarity": "--side 256 --parents 64 --children 2048",
    "bench_stages": "",
    "bench_index": "--rows 10000",
    "bench_memory": "--photos 4",
    "bench_parallel": "--photos 8 --processes 1 2",
    "bench_isolation": "--photos 4 --runs 1",
    "bench_verbs": None,
    "bench_video": None,
    "bench_app": None,
    "bench_ray": None,
    "plan_scale": None,
    "eval_photos": None,
    "eval_family": None,
    "eval_copies": None,
    "eval_find": None,
    "eval_explain": None,
    "eval_precision": None,
    "eval_unlike": None,
}
BUSY_LOAD = 0.25  # of a core each, before anything is run
BUSY_SHARE = 0.05  # of all cores, while it runs, by programs that are not ours
RATIO, SECONDS, LEFT_OUT = "times facematch's", "seconds", "left out"
NOT_FIGURES = {"what", "machine", RATIO, LEFT_OUT}


def main() -> None:
    options = arguments()
    names = options.only or [
        name for name, few in SCRIPTS.items() if options.all or few is not None
    ]
    load, began, before = os.getloadavg()[0], time.perf_counter(), used()
    lines = [line for name in names for line in results(name, quick=options.quick)]
    others = share_of_others(time.perf_counter() - began, before, used())
    cores = os.cpu_count() or 1
    table = {
        "machine": machine(),
        "day": date.today().isoformat(),
        "sizes": "the smallest, each run once" if options.quick else "those of the scripts",
        "load before": round(load, 1),
        "load after": round(os.getloadavg()[0], 1),
        "share of the cores that others took": round(others, 2),
        "busy": load > BUSY_LOAD * cores or others > BUSY_SHARE,
        "results": lines,
    }
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print("\n".join(markdown(table)))


def arguments() -> argparse.Namespace:
    wanted = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    size = wanted.add_mutually_exclusive_group(required=True)
    size.add_argument("--quick", action="store_true", help="smallest sizes, each run once")
    size.add_argument("--all", action="store_true", help="every script, with its own sizes")
    wanted.add_argument("--only", nargs="+", choices=SCRIPTS, metavar="SCRIPT")
    wanted.add_argument("--json", type=Path, metavar="FILE", help="write the table there as JSON")
    return wanted.parse_args()


def results(name: str, *, quick: bool) -> Iterator[dict[str, Any]]:
    """What a script prints as JSON lines, each with the script's name; or why it was left out."""
    if name.startswith("eval_") and not (SHARED / "kinship").is_dir():
        yield {"script": name, "what": name, LEFT_OUT: "its data are not in FACEMATCH_SHARED"}
        return
    print(f"{name} …", file=sys.stderr)
    few = (SCRIPTS[name] or "").split() if quick else []
    done = subprocess.run(
        [sys.executable, str(HERE / f"{name}.py"), "--json", *few],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | ({"FACEMATCH_BENCH_RUNS": "1"} if quick else {}),
    )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in told:
        if line.keys() - {"machine"}:
            yield {"script": name, "what": name} | line
    said = done.stderr.strip().splitlines()
    if done.returncode and said:  # without a word, a figure missed its bar
        yield {"script": name, "what": "it ended early", LEFT_OUT: said[-1]}


def markdown(table: dict[str, Any]) -> Iterator[str]:
    """The lines of the page."""
    yield f"{table['machine']}; {table['day']}; sizes: {table['sizes']}."
    loads = f"load {table['load before']} before, {table['load after']} after; others took "
    loads += f"{table['share of the cores that others took']:.0%} of the cores"
    yield f"**On a busy machine**: {loads}." if table["busy"] else f"On a quiet machine: {loads}."
    for peer, rows in by_peer(table["results"]).items():
        yield from (
            "",
            f"| {peer} | facematch, s | {peer}, s | times facematch's |",
            "|---|---|---|---|",
        )
        yield from (f"| {' | '.join(row)} |" for row in rows)
    yield from ("", "| without a peer | |", "|---|---|")
    for line in table["results"]:
        if RATIO not in line and LEFT_OUT not in line:
            yield f"| {line['what']} | {figures(line)} |"
    missing = [line for line in table["results"] if LEFT_OUT in line]
    if missing:
        yield from ("", "| left out | why |", "|---|---|")
        yield from (f"| {line['script']}: {line['what']} | {line[LEFT_OUT]} |" for line in missing)


def by_peer(lines: list[dict[str, Any]]) -> dict[str, list[list[str]]]:
    """Of each peer, a row for each thing compared: what, both times, and the ratio."""
    peers: dict[str, list[list[str]]] = {}
    for line in lines:
        for peer, ratio in line.get(RATIO, {}).items():
            if peer != "facematch":
                times = [line[SECONDS][name] for name in ("facematch", peer)]
                peers.setdefault(peer, []).append([line["what"], *map(str, times), str(ratio)])
    return peers


def figures(line: dict[str, Any]) -> str:
    """All figures of a result, in words."""
    told = {name: value for name, value in line.items() if name not in {*NOT_FIGURES, "script"}}
    return "; ".join(f"{name}: {words(value)}" for name, value in told.items()).replace("|", "\\|")


def words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(words, value))
    return str(value)


def used() -> tuple[float, float]:
    """Processor seconds: of the whole machine, and of what this script has run."""
    times, own = psutil.cpu_times(), os.times()
    idle = times.idle + getattr(times, "iowait", 0)
    ours = own.user + own.system + own.children_user + own.children_system
    return sum(times[:8]) - idle, ours  # the first eight do not overlap


def share_of_others(
    seconds: float, before: tuple[float, float], after: tuple[float, float]
) -> float:
    """The share of all cores that other programs took meanwhile, 0 to 1."""
    (machine_before, ours_before), (machine_after, ours_after) = before, after
    others = (machine_after - machine_before) - (ours_after - ours_before)
    return min(max(others / (seconds * (os.cpu_count() or 1)), 0), 1)


if __name__ == "__main__":
    main()
