"""One FaceMatcher in each of some processes, shared by some threads, on good and bad files.

Every vector must be the same as in a quiet run, and every bad file must give the same reason. No
process may make no progress for two minutes, and memory must not grow after the warm-up.

    python benchmarks/soak.py --minutes 10
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
from machine import machine
from PIL import Image

SAMPLES = Path(__file__).parent.parent / "samples"
WARM_UP = 0.5  # of the time: memory steps up when more threads than ever meet in a network
STANDSTILL = 120  # seconds
MOST_GROWTH = 1.05  # how much larger memory may be at the end

Answer = bytes | str  # a vector, or why there is none


@dataclass(frozen=True)
class Report:
    """What a process tells every few seconds."""

    process: int
    seconds: float
    photos: int
    rss: int
    wrong: list[str]


def make_files(folder: Path) -> list[str]:
    """Photos in many formats, and files that are none."""
    for name in ("father", "mother", "son", "daughter", "father-2", "mother-2"):
        photo = Image.open(SAMPLES / f"{name}.png").convert("RGB")
        for ending, side in ((".jpg", 500), (".png", 300), (".webp", 400), (".tiff", 260)):
            photo.resize((side, side)).save(folder / f"{name}{ending}")
    Image.open(SAMPLES / "group.jpg").convert("L").resize((600, 400)).save(folder / "group.jpg")
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    Image.new("RGB", (1, 1)).save(folder / "one.png")
    whole = (folder / "father.jpg").read_bytes()
    for share in (2, 10, 50, 90):
        (folder / f"cut-{share}.jpg").write_bytes(whole[: len(whole) * share // 100])
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no picture")
    (folder / "folder.jpg").mkdir()
    return [*sorted(map(str, folder.iterdir())), str(folder / "missing.jpg")]


def answers(matcher: Any, photos: list[str]) -> dict[str, Answer]:
    gallery = matcher.gallery(photos)
    found: dict[str, Answer] = {each.photo: each.reason for each in gallery.skipped}
    return found | dict(
        zip(gallery.labels, (row.tobytes() for row in gallery.vectors), strict=True)
    )


def work(
    number: int, threads: int, end: float, expected: Mapping[str, Answer], folder: Path, told: Any
) -> None:
    from facematch import FaceMatcher

    matcher = FaceMatcher(min_face=100)
    cached = FaceMatcher(min_face=100, cache=folder / "faces.db")
    start, done, wrong = time.time(), [0] * threads, []

    def keep_asking(thread: int) -> None:
        rng = random.Random(1000 * number + thread)  # noqa: S311 - no secret
        while time.time() < end:
            some = rng.sample(sorted(expected), 5)
            chosen = cached if rng.random() < 0.25 else matcher
            for photo, answer in answers(chosen, some).items():
                if answer != expected[photo]:
                    wrong.append(f"{photo}: {answer[:60]!r}")
            done[thread] += len(some)

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(keep_asking, thread) for thread in range(threads)]
        while not all(each.done() for each in running):
            time.sleep(2)
            told.put(Report(number, time.time() - start, sum(done), rss(), wrong[:5]))
        for each in running:
            each.result()


def rss() -> int:
    """Bytes of memory this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def watch(told: Any, processes: list[Any]) -> dict[int, list[Report]]:
    """Every report; stops where a process fails, is wrong, or makes no progress."""
    reports: dict[int, list[Report]] = {number: [] for number in range(len(processes))}
    moved = dict.fromkeys(reports, time.time())
    while any(each.is_alive() for each in processes):
        try:
            report = told.get(timeout=1)
        except Empty:
            continue
        seen = reports[report.process]
        if not seen or seen[-1].photos < report.photos:
            moved[report.process] = time.time()
        seen.append(report)
        if report.wrong or time.time() - moved[report.process] > STANDSTILL:
            raise SystemExit(f"process {report.process}: {report.wrong or 'makes no progress'}")
    if any(each.exitcode for each in processes):
        raise SystemExit(f"exit status {[each.exitcode for each in processes]}")
    return reports


def growth(reports: list[Report], minutes: float) -> tuple[float, float]:
    """MB just behind the warm-up and at the end, medians of a tenth of the time each."""
    whole = 60 * minutes

    def median(start: float) -> float:
        part = [each.rss for each in reports if start <= each.seconds / whole < start + 0.1]
        return statistics.median(part) / 1e6

    return median(WARM_UP), median(0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--processes", type=int, default=4)
    chosen = parser.parse_args()
    print(machine())
    from facematch import FaceMatcher

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        expected = answers(FaceMatcher(min_face=100), make_files(folder / "photos"))
        bad = sum(isinstance(answer, str) for answer in expected.values())
        print(f"{len(expected)} files, {bad} of them not usable")
        spawn = multiprocessing.get_context("spawn")
        told, end = spawn.Queue(), time.time() + 60 * chosen.minutes
        processes = [
            spawn.Process(
                target=work, args=(each, chosen.threads, end, expected, folder, told), daemon=True
            )
            for each in range(chosen.processes)
        ]
        for each in processes:
            each.start()
        reports = watch(told, processes)
    flat = True
    for number, some in reports.items():
        before, after = growth(some, chosen.minutes)
        flat = flat and after <= MOST_GROWTH * before
        print(f"process {number}: {some[-1].photos:,} photos, {before:.0f} MB, then {after:.0f} MB")
    print(
        "the same numbers throughout, every process made progress;",
        "memory is flat" if flat else "LEAK",
    )
    raise SystemExit(not flat)


if __name__ == "__main__":
    main()
