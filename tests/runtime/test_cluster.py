from __future__ import annotations

import importlib.util
import json
import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.command import run, run_in_a_process
from helpers.fakes import ColourEmbedder
from helpers.made_up import noise
from helpers.places import REPOSITORY
from PIL import Image

from facematch import FaceMatcher
from facematch.archive.index import Index
from facematch.archive.indexing import engine_identity
from facematch.errors import ClusterError, EmbeddingError, MissingExtraError, OptionError
from facematch.runtime.distributed import check_place, distribute
from facematch.runtime.threads import cores
from facematch.types import Gallery

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is of the extra [ray]"
)


def pictures(folder: Path, count: int) -> list[str]:
    """Small pictures, the third of which is none."""
    folder.mkdir()
    for at in range(count):
        Image.fromarray(noise(64, 64, seed=at)).save(folder / f"{at:03}.png")
    (folder / "002.png").write_bytes(b"no picture")
    return sorted(str(path) for path in folder.iterdir())


def rows(where: Path) -> tuple[list[Any], list[Any]]:
    """All rows of an index in their order, those of photos that failed beside them."""
    index = Index(where)
    columns = [
        "photo", "digest", "bytes", "modified", "taken", "face", "faces_found", "box", "confidence",
        "landmarks", "warnings", "sharpness", "vector", "identity", "comparable",
    ]  # fmt: skip
    faces = [row for batch in index.rows(columns) for row in batch.to_pylist()]
    return faces, list(index.failed())


@pytest.mark.slow
@needs_ray
def test_a_lost_worker_and_a_lost_node_cost_no_photo_and_double_none(tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="lancedb is of the extra [archive]")
    pictures(tmp_path / "photos", 160)
    # Ray stays in processes of its own.
    script = REPOSITORY / "tests" / "helpers" / "two_nodes.py"
    command = [sys.executable, script, tmp_path / "photos", tmp_path]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "tests")},  # of workers too
    )
    assert result.returncode == 0, result.stderr[-2000:]
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["lost"].keys() == {"worker", "node"}
    assert told["lost"]["node"] > 0  # it had been at work
    assert told["looks"] > 159  # what was lost was looked at again
    assert told["faces"] == told["alone"] == 159
    assert told["again"] == 0
    assert told["same"]  # what `evaluate` sees
    assert rows(tmp_path / "spread") == rows(tmp_path / "alone")


@pytest.mark.slow
@needs_ray
def test_match_says_the_same_on_a_cluster_of_this_machines_cores(tmp_path: Path) -> None:
    photos = pictures(tmp_path / "photos", 70)
    quick = ("--format", "json", "--detector", "whole-tight", "--embedder", "dlib-resnet")
    alone = run("match", photos[0], tmp_path / "photos", *quick)
    # In a process of its own, so that no cluster stays connected here.
    spread_out = run_in_a_process("match", photos[0], tmp_path / "photos", *quick, "--on", "ray")
    assert spread_out.returncode == 0, spread_out.stderr
    assert spread_out.stdout == alone.stdout
    assert spread_out.stderr == alone.stderr  # Ray says nothing of its own


def test_work_at_hand_is_done_at_once() -> None:
    assert list(distribute(sum, [1, 2, 3])) == [6]
    assert list(distribute(sum, [1, 2, 3], size=2)) == [3, 3]


def test_another_place_is_refused() -> None:
    assert check_place("ray") is None
    assert check_place("ray:10.0.0.1:6379") == "10.0.0.1:6379"
    for wrong in ("spark", "ray:", "rayon"):
        with pytest.raises(OptionError, match="ray, or ray:ADDRESS of a cluster, is needed"):
            list(distribute(sum, [1], on=wrong))


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_named_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and listens to nobody
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"nothing answers at {place}"):
            list(distribute(sum, [1], on=f"ray:{place}"))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",
                 "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):  # fmt: skip
        monkeypatch.setenv(name, "0")
    with pytest.raises(MissingExtraError, match=r"--on ray needs Ray: .*facematch-kin\[ray\]"):
        list(distribute(sum, [1], on="ray"))


def test_a_cache_stays_on_one_machine(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="name no cache and no index"):
        FaceMatcher(cache=tmp_path / "cache").gallery([], on="ray")


def test_a_matcher_pickles_as_what_it_was_built_from(tmp_path: Path) -> None:
    matcher = FaceMatcher(detector="whole-tight", embedder="dlib-resnet", min_face=30)
    photos = pictures(tmp_path / "photos", 2)
    matcher.gallery(photos)  # which opens its networks
    other = pickle.loads(pickle.dumps(matcher))
    assert engine_identity(other.engine) == engine_identity(matcher.engine)
    assert other.engine.limits == matcher.engine.limits


def test_galleries_of_batches_join_to_one(tmp_path: Path) -> None:
    matcher = FaceMatcher(detector="whole-tight", embedder=ColourEmbedder())
    photos = pictures(tmp_path / "photos", 7)
    whole = matcher.gallery(photos)
    joined = Gallery.joined([matcher.gallery(part) for part in ([], photos[:3], photos[3:])])
    assert joined.subjects == whole.subjects
    assert joined.skipped == whole.skipped
    assert joined.warnings == whole.warnings
    assert np.array_equal(joined.vectors, whole.vectors)
    assert np.array_equal(joined.counts, whole.counts)
    with pytest.raises(EmbeddingError, match="different embedders"):
        Gallery.joined([whole, FaceMatcher(embedder="dlib-resnet").gallery([])])


def test_the_environment_bounds_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEMATCH_THREADS", raising=False)
    usual = cores()
    for wrong in ("", "0", "many", "100000"):
        monkeypatch.setenv("FACEMATCH_THREADS", wrong)
        assert cores() == usual
    monkeypatch.setenv("FACEMATCH_THREADS", "1")
    assert cores() == 1
