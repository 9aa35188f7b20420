"""Measured constants, what 10^7, 10^9 and 10^11 faces take by them, where a cluster stops paying.

    python benchmarks/plan_scale.py [--faces 1.5] [--detector mmod] [--json]

--faces: faces a photo. Constants are core-seconds of this machine, one thread. The simulation is of
what `facematch.runtime.distributed.distribute` does: batches of 32 in order, up to 8 a core running
or waiting, one caller who takes them one after another; batches that take longer than others,
machines that are lost with their work. It is checked against two cases whose answer is known.
"""

from __future__ import annotations

import heapq
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(FACEMATCH_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
from bench_ray import draw
from machine import machine
from measuring import parser, show

from facematch.archive.indexing import search_photos
from facematch.archive.records import IndexedPhoto
from facematch.matcher import FaceMatcher
from facematch.runtime.distributed import PHOTOS_PER_TASK, TASKS_PER_CORE
from facematch.scoring.cosine import top_k

PHOTOS, SIDE = 8, 4000  # drawn samples of 12 megapixels
WRITTEN = 4096  # photos written, 64 at a time, as `facematch index` does
SCANNED, QUERIES, DIMENSIONS = 200_000, 1000, 192
SPREAD = 0.5  # of the logarithm of a batch's time: one in forty takes 2.4 times the mean and more
LOST = 1 / 1000  # of machines an hour
NOTICED = 30.0  # seconds until Ray knows that a machine is lost
CORES_A_MACHINE = 32
ROUNDS = 60  # batches a core simulated
BYTES = {"float32": 768, "float16": 384, "int8": 196}  # eval_precision.py
WEEK = 7 * 24  # hours


def main() -> None:
    wanted = parser(__doc__)
    wanted.add_argument("--faces", type=float, default=1.5)
    wanted.add_argument("--detector", default="mmod")
    options = wanted.parse_args()
    check()
    matcher = FaceMatcher(detector=options.detector)
    stages = of_stages(matcher)
    photo = stages["read"] + stages["detect"] + options.faces * stages["embed a face"]
    rates = {
        "photos a core-second": 1 / photo,
        "photos written a second": written(matcher),
        "faces scanned a core-second, one query": scanned(1),
        f"cosines a core-second, {QUERIES:,} queries": scanned(QUERIES),
    }
    show({"machine": machine()}, as_json=options.json)
    show({f"{name}, core-s": f"{each:.3f}" for name, each in stages.items()}, as_json=options.json)
    show({name: f"{each:.3g}" for name, each in rates.items()}, as_json=options.json)
    for faces in (10**7, 10**9, 10**11):
        show(plan(faces, options.faces, *rates.values()), as_json=options.json)
    for cores in (2, 64, 512, 2048, 4096, 8192, 16384):
        simulate(cores, photo, rates["photos written a second"], as_json=options.json)


def of_stages(matcher: FaceMatcher) -> dict[str, float]:
    """Core-seconds a photo of 12 megapixels to read and to search, and a face to embed."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [draw(Path(folder), at, SIDE) for at in range(PHOTOS)]
        matcher.gallery(paths[:1])  # reads the networks
        start = time.process_time()
        photos = [matcher.engine.read(path) for path in paths]
        are_read = time.process_time()
        portraits = [matcher.find_faces(photo) for photo in photos]
        found = time.process_time()
        vectors = matcher.embed(portraits)
        end = time.process_time()
    if not len(vectors):
        sys.exit("no face was found: nothing was measured")
    each = ((are_read - start) / PHOTOS, (found - are_read) / PHOTOS, (end - found) / len(vectors))
    return dict(zip(("read", "detect", "embed a face"), each, strict=True))


def written(matcher: FaceMatcher) -> float:
    """Photos of one face that one process writes into an index in a second of its core."""
    with tempfile.TemporaryDirectory() as folder:
        path = draw(Path(folder), 0, 640)
        (found,) = search_photos(matcher.engine, [path])
        index = matcher.open_index(Path(folder) / "db", make=True)
        photos = [
            IndexedPhoto(f"{path}{at}", f"{at:064x}", at, at, faces=found.faces)
            for at in range(WRITTEN)
        ]
        start = time.process_time()
        for at in range(0, WRITTEN, 64):
            index.add(photos[at : at + 64])
        taken = time.process_time() - start
        if index.count() != WRITTEN * len(found.faces):
            sys.exit("not all was written: nothing was measured")
    return WRITTEN / taken


def scanned(queries: int) -> float:
    """Cosines a core-second, with the ten best of each query."""
    rng = np.random.default_rng(0)
    faces = rng.standard_normal((SCANNED, DIMENSIONS), np.float32)
    start = time.process_time()
    top_k(faces[:queries], faces, 10)
    return queries * SCANNED / (time.process_time() - start)


def plan(
    faces: int, a_photo: float, photos_a_second: float, kept: float, alone: float, many: float
) -> dict[str, str]:
    """Arithmetic: to embed all in a week, to keep them, to compare one, and all with all."""
    photos = faces / a_photo
    hours = photos / photos_a_second / 3600
    return {
        "faces": f"{faces:.0e}",
        "core-hours to embed": f"{hours:,.0f}",
        "cores for a week": f"{hours / WEEK:,.0f}",
        "hours for one process to write": f"{photos / kept / 3600:,.1f}",
        **{name: size(faces * each) for name, each in BYTES.items()},
        "core-seconds for one exact search": f"{faces / alone:,.0f}",
        "core-hours for all against all": f"{faces**2 / 2 / many / 3600:,.0f}",
    }


def simulate(cores: int, photo: float, kept: float, *, as_json: bool) -> None:
    rng = np.random.default_rng(0)
    at_work = efficiency(cores, PHOTOS_PER_TASK * photo, PHOTOS_PER_TASK / kept, rng)
    ideal = efficiency(cores, PHOTOS_PER_TASK * photo, 0, np.random.default_rng(0), lost=0)
    found = {"cores": cores, "of cores at work": f"{at_work:.0%}"}
    show({**found, "without loss, nothing to write": f"{ideal:.0%}"}, as_json=as_json)


def efficiency(
    cores: int,
    mean: float,
    taken: float,
    rng: np.random.Generator,
    *,
    spread: float = SPREAD,
    lost: float = LOST,
) -> float:
    """The share of the cores' time spent on batches that count.

    A batch takes `mean` seconds on average, the caller `taken` seconds with its result.
    """
    window = TASKS_PER_CORE * cores
    seconds = mean * np.exp(rng.normal(-(spread**2) / 2, spread, ROUNDS * cores))
    fails = rng.random(len(seconds)) < seconds * lost / 3600
    extra = np.where(fails, rng.random(len(seconds)) * seconds + NOTICED, 0)
    free = [0.0] * cores
    done = np.zeros(len(seconds))  # when the caller is done with each
    caller = 0.0
    for at, (work, again) in enumerate(zip(seconds.tolist(), extra.tolist(), strict=True)):
        start = max(heapq.heappop(free), float(done[at - window]) if at >= window else 0.0)
        finish = start + again + work
        heapq.heappush(free, finish)
        caller = max(caller, finish) + taken
        done[at] = caller
    return float(seconds.sum() / (cores * caller))


def check() -> None:
    """Stop unless the simulation says what arithmetic says where that suffices."""
    rng = np.random.default_rng(0)
    even = efficiency(16, 1, 0, rng, spread=0, lost=0)
    # A caller who needs as long as all cores together half keeps half of them at work.
    slow = efficiency(16, 1, 2 / 16, rng, spread=0, lost=0)
    if abs(even - 1) > 1e-9 or abs(slow - 0.5) > 0.02:
        sys.exit(f"the simulation errs: {even:.3f} and not 1, {slow:.3f} and not 0.5")


def size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count < 1e12 else f"{count / 1e12:,.1f} TB"


if __name__ == "__main__":
    main()
