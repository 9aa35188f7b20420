"""How long a person waits: `facematch score` and `facematch --help`, each in a new process.

    python benchmarks/cold_start.py

Exits with 1 where the answer is wrong or a median is over its bar. Weights are converted first.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import machine

SAMPLES = Path(__file__).parent.parent / "samples"
PAIR = [str(SAMPLES / "father.png"), str(SAMPLES / "son.png")]
RUNS = 11
BARS = {"score": 1.5, "--help": 0.4}  # seconds, on two cores


def main() -> None:
    answer = json.loads(run("score", *PAIR, "--format", "json"))
    if answer["parent"]["faces_found"] != 1 or not 0.9 < answer["cosine"] <= 1:
        sys.exit(f"a wrong answer: {answer}")
    print(machine())
    late = False
    for arguments in (["score", *PAIR], ["--help"]):
        seconds = [timed(*arguments) for _ in range(RUNS)]
        median, bar = statistics.median(seconds), BARS[arguments[0]]
        late |= median > bar
        print(
            f"facematch {arguments[0]:7} median {median:.2f} s, "
            f"{min(seconds):.2f} to {max(seconds):.2f} s over {RUNS} runs (bar: {bar} s)"
        )
    sys.exit(late)


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "facematch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def timed(*arguments: str) -> float:
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
