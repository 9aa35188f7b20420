"""An index made over a local Ray cluster of two nodes that loses a worker, then a node.

    PYTHONPATH=tests python tests/helpers/two_nodes.py PHOTOS FOLDER

PHOTOS is a folder of pictures. Two indexes are made in FOLDER: `spread`, over the cluster, and
`alone`, in one process; some of the photos are enrolled for an evaluation both ways.
FOLDER/told.json says what was lost: for test_cluster.py.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # listen on loopback only
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["FACEMATCH_THREADS"] = "1"

import numpy as np

from facematch.archive.records import IndexedPhoto
from facematch.detection.whole import tight
from facematch.evaluation.enrolled import Enrolled, enrol
from facematch.evaluation.protocols import Listed, Search
from facematch.matcher import FaceMatcher
from facematch.photos.listing import list_photos
from facematch.types import Face, Pixels
from helpers.fakes import ColourEmbedder


class NotingDetector:
    """Takes the whole picture for a face, slowly, and notes its process and node."""

    name = "noting"

    def __init__(self, notes: Path) -> None:
        self.notes = notes

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        import ray

        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
        (self.notes / f"{time.time_ns()}-{os.getpid()}-{node}").touch()
        time.sleep(0.02)
        return tight().detect(pixels, min_face=min_face)


def noted(notes: Path) -> list[tuple[int, str]]:
    """Process and node of each look at a photo, in their order."""
    names = sorted(path.name.split("-") for path in notes.iterdir())
    return [(int(process), node) for _, process, node in names]


def losing(
    notes: Path, node: str, remove: Callable[[], None], lost: dict[str, int],
    seen: Iterable[IndexedPhoto], _: int,
) -> Iterator[IndexedPhoto]:  # fmt: skip
    """The photos as they are seen; on the way a worker dies, then a node at work."""
    for count, photo in enumerate(seen):
        at_work = noted(notes)[-1]
        if "worker" not in lost and count >= 32:
            os.kill(at_work[0], signal.SIGKILL)
            lost["worker"] = at_work[0]
        elif "worker" in lost and "node" not in lost and count >= 64:
            lost["node"] = sum(at == node for _, at in noted(notes))
            remove()
        yield photo


def same(one: Enrolled, other: Enrolled) -> bool:
    arrays = ("vectors", "untuned", "colours")
    return one.row == other.row and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


def main() -> None:
    from ray.cluster_utils import Cluster

    photos, folder = list_photos(Path(sys.argv[1])), Path(sys.argv[2])
    notes = folder / "notes"
    notes.mkdir()
    matcher = FaceMatcher(detector=NotingDetector(notes), embedder=ColourEmbedder())
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1)
    lost: dict[str, int] = {}
    remove = partial(cluster.remove_node, second, allow_graceful=False)
    watch = partial(losing, notes, second.node_id, remove, lost)
    place = f"ray:{cluster.address}"
    told = matcher.index_photos(
        photos, matcher.open_index(folder / "spread", make=True), on_progress=watch, on=place
    )
    looks = len(noted(notes))
    again = matcher.index_photos(photos, matcher.open_index(folder / "spread", make=True), on=place)
    alone = matcher.index_photos(photos, matcher.open_index(folder / "alone", make=True))
    listed = tuple(Listed("F0001", (photo,)) for photo in photos[:40])
    search = Search("search", Path(), (), listed, frozenset())
    enrolled = [enrol(search, matcher.engine, ColourEmbedder(), on=on) for on in (None, place)]
    counts = {"looks": looks, "faces": told.faces, "again": again.searched, "alone": alone.faces}
    (folder / "told.json").write_text(json.dumps({**counts, "lost": lost, "same": same(*enrolled)}))


if __name__ == "__main__":
    main()
