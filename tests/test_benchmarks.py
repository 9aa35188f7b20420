"""The table of all benchmarks: that it is made, and what it says."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.places import REPOSITORY

pytest.importorskip("psutil", reason="benchmarks need psutil: pip install psutil")

BENCHMARKS = REPOSITORY / "benchmarks"
TABLE: dict[str, Any] = {
    "machine": "A processor, 2 cores",
    "day": "2026-01-31",
    "sizes": "those of the scripts",
    "load before": 0.1,
    "load after": 1.9,
    "share of the cores that others took": 0.01,
    "busy": False,
    "results": [
        {
            "script": "bench_one",
            "what": "ten best",
            "seconds": {"facematch": 2.0, "faiss": 3.0, "usearch": 8.0},
            "times facematch's": {"facematch": 1.0, "faiss": 1.5, "usearch": 4.0},
        },
        {"script": "bench_two", "what": "a clip", "times real time": 7.6, "seconds": [1, 2]},
        {"script": "bench_two", "what": "deepface", "left out": "not installed"},
    ],
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script `run.py` as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("run")


def test_each_peer_has_a_table_and_what_was_left_out_a_reason(run: Any) -> None:
    page = "\n".join(run.markdown(TABLE))
    assert "| faiss | facematch, s | faiss, s | times facematch's |" in page
    assert "| ten best | 2.0 | 8.0 | 4.0 |" in page
    assert "| a clip | times real time: 7.6; seconds: 1, 2 |" in page
    assert "| bench_two: deepface | not installed |" in page


def test_a_run_on_a_busy_machine_is_marked(run: Any) -> None:
    assert "On a quiet machine: load 0.1 before" in "\n".join(run.markdown(TABLE))
    busy = TABLE | {"busy": True, "load before": 12.5}
    assert "**On a busy machine**: load 12.5 before" in "\n".join(run.markdown(busy))


def test_the_processor_seconds_of_others_are_told_from_our_own(run: Any) -> None:
    cores = os.cpu_count() or 1
    assert run.share_of_others(10.0, (0.0, 0.0), (5.0 * cores, 0.0)) == pytest.approx(0.5)
    assert run.share_of_others(10.0, (0.0, 0.0), (5.0, 5.0)) == 0


def test_every_script_of_the_table_is_there(run: Any) -> None:
    assert all((BENCHMARKS / f"{name}.py").is_file() for name in run.SCRIPTS)
    measured = {path.stem for path in BENCHMARKS.glob("*.py") if path.stem.startswith("bench_")}
    assert measured <= run.SCRIPTS.keys()


def test_the_smallest_sizes_run_and_make_a_page_and_a_file(tmp_path: Path) -> None:
    said, table = gathered(tmp_path, "--only", "bench_similarity")
    assert "| full matrix, 256 x 256 x 128 |" in said
    assert any(line["what"] == "top 10 of 64 x 2048 x 128" for line in table["results"])
    assert {line["script"] for line in table["results"]} == {"bench_similarity"}


@pytest.mark.slow
def test_every_script_of_the_smallest_sizes_runs(tmp_path: Path) -> None:
    _, table = gathered(tmp_path)
    ended = [line for line in table["results"] if line["what"] == "it ended early"]
    absent = [line for line in ended if "No module named" not in line["left out"]]
    assert not absent


def gathered(folder: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """What `run.py --quick` prints, and the JSON that it writes."""
    file = folder / "table.json"
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "run.py"), "--quick", "--json", str(file), *options],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    return done.stdout, json.loads(file.read_text(encoding="utf-8"))
