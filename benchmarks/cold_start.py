"""How long a person waits: `score`, `explain` with its picture, `--help`, each in a new process.

    python benchmarks/cold_start.py

Exits with 1 where the answer is wrong or a median is over its bar. Weights are converted first.
The last line says how long the two networks take to build, and how long graphs would take that
onnxruntime had saved optimised.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

from facematch.weights.files import cache_folder

SAMPLES = Path(__file__).parent.parent / "samples"
PAIR = [str(SAMPLES / "father.png"), str(SAMPLES / "son.png")]
RUNS = 11
BARS = {"score": 1.5, "explain": 2.0, "--help": 0.4}  # seconds, on two cores


def main() -> None:
    answer = json.loads(run("score", *PAIR, "--format", "json"))
    if answer["parent"]["faces_found"] != 1 or not 0.9 < answer["cosine"] <= 1:
        sys.exit(f"a wrong answer: {answer}")
    print(machine())
    late = False
    with tempfile.TemporaryDirectory() as folder:
        picture = str(Path(folder, "why.png"))
        for arguments in (["score", *PAIR], ["explain", *PAIR, "--save", picture], ["--help"]):
            seconds = [timed(*arguments) for _ in range(RUNS)]
            median, bar = statistics.median(seconds), BARS[arguments[0]]
            late |= median > bar
            print(
                f"facematch {arguments[0]:7} median {median:.2f} s, "
                f"{min(seconds):.2f} to {max(seconds):.2f} s over {RUNS} runs (bar: {bar} s)"
            )
    print(
        f"sessions: {built(optimised=False):.3f} s, "
        f"from graphs saved optimised {built(optimised=True):.3f} s"
    )
    sys.exit(late)


def built(*, optimised: bool) -> float:
    """Median seconds until the sessions of the default detector and embedder are there."""
    import onnxruntime

    folder = cache_folder() / "converted"
    graphs = [
        path.read_bytes()
        for kind in ("dlib-mmod", "kin-1")
        for path in folder.glob(f"{kind}-*.onnx")
    ]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if optimised:
        with tempfile.TemporaryDirectory() as name:
            saved = [Path(name, f"{number}.onnx") for number in range(len(graphs))]
            for graph, path in zip(graphs, saved, strict=True):
                options.optimized_model_filepath = str(path)
                onnxruntime.InferenceSession(graph, options)
            graphs = [path.read_bytes() for path in saved]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for graph in graphs:
            onnxruntime.InferenceSession(graph, options)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "facematch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def timed(*arguments: str) -> float:
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
