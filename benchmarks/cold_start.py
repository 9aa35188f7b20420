"""How long a person waits: `score`, `explain` with its picture, `--help`, each in a new process.

    python benchmarks/cold_start.py [--runs 11] [--json]

Then the parts of a `score`, each measured in new processes too. Exits with 1 where the answer is
wrong or a median is over its bar. Weights are converted first. Beside the time by the clock stands
that of the processor, which others on the machine change less.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine
from measuring import parser, show

SAMPLES = Path(__file__).parent.parent / "samples"
PAIR = [str(SAMPLES / "father.png"), str(SAMPLES / "son.png")]
COHORT = ["--cohort", str(SAMPLES / "strangers.npz")]
BARS = {"score": 1.0, "explain": 2.0, "--help": 0.15}  # seconds, on two cores that others leave

# Prints milliseconds by the clock and of the processor, of each part of `facematch score`.
PARTS = """
import json, sys, time

marks = [(0.0, 0.0, "")]
began = time.perf_counter(), time.process_time()

def mark(name):
    marks.append((time.perf_counter() - began[0], time.process_time() - began[1], name))

from facematch.cli.program import _load_command
command = _load_command("score")
mark("import and build the command line")
command.make_context("score", sys.argv[1:])
mark("parse the arguments")
import numpy
mark("import numpy")
from facematch.matcher import FaceMatcher
mark("import facematch.matcher")
import cv2
mark("import cv2")
import onnxruntime
mark("import onnxruntime")
import facematch.output.match, rich.console, rich.table
mark("import what prints")
engine = FaceMatcher().engine
photos = [engine.read(path) for path in sys.argv[1:]]
mark("read two photos")
engine.detector._session
mark("session of the detector")
found = [engine.detector.detect_largest(photo.pixels) for photo in photos]
mark("detect")
faces = [engine.portrait(photo, boxes) for photo, boxes in zip(photos, found)]
mark("landmarks and chips")
engine.embedder._session
mark("session of the embedder")
chips = numpy.concatenate([face.chips for face in faces])
engine.embedder.embed(chips)
mark("embed")
engine.resemblance
mark("resemblance model")
engine.identity_embedder._session
mark("session of the second network, for a score of 90 or more")
engine.identity_embedder.embed(chips)
mark("embed with it")
print(json.dumps({name: [1000 * (wall - wall_before), 1000 * (used - used_before)]
    for (wall_before, used_before, _), (wall, used, name) in zip(marks, marks[1:])}))
"""


def main() -> None:
    wanted = parser(__doc__)
    wanted.add_argument("--runs", type=int, default=11)
    options = wanted.parse_args()
    answer = json.loads(run("score", *PAIR, "--format", "json"))
    if answer["parent"]["faces_found"] != 1 or not 0.9 < answer["cosine"] <= 1:
        sys.exit(f"a wrong answer: {answer}")
    show({"machine": machine()}, options.json)
    late = False
    with tempfile.TemporaryDirectory() as folder:
        picture = str(Path(folder, "why.png"))
        for arguments in (
            ["score", *PAIR],
            ["score", *PAIR, *COHORT],
            ["explain", *PAIR, "--save", picture],
            ["--help"],
        ):
            result = waited(arguments, options.runs)
            late |= result["seconds"] > result["bar"]
            show(result, options.json)
    show(parts(options.runs), options.json)
    sys.exit(late)


def waited(arguments: list[str], runs: int) -> dict[str, Any]:
    """Median seconds of a command by the clock and of the processor."""
    taken = [timed(*arguments) for _ in range(runs)]
    words = [word for word in arguments if word == arguments[0] or word.startswith("--")]
    return {
        "what": f"facematch {' '.join(words)}, cold",
        "seconds": round(statistics.median(wall for wall, _ in taken), 2),
        "fewest and most": [round(end(wall for wall, _ in taken), 2) for end in (min, max)],
        "seconds of processor": round(statistics.median(used for _, used in taken), 2),
        "bar": BARS[arguments[0]],
    }


def parts(runs: int) -> dict[str, Any]:
    """Median milliseconds of each part of a `score`, by the clock and of the processor."""
    command = [sys.executable, "-c", PARTS, *PAIR]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # as the command sets it
    told = [
        json.loads(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
        for _ in range(runs)
    ]
    return {"what": "parts of facematch score, ms by the clock and of the processor"} | {
        name: [round(statistics.median(each[name][at] for each in told)) for at in (0, 1)]
        for name in told[0]
    }


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "facematch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def timed(*arguments: str) -> tuple[float, float]:
    start, before = time.perf_counter(), os.times()
    run(*arguments)
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - start, used - before.children_user - before.children_system


if __name__ == "__main__":
    main()
