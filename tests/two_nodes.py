"""A run over a local Ray cluster of two nodes that loses a worker, then a node.

    python two_nodes.py PHOTOS NOTES OUT

PHOTOS is a folder of pictures; tasks note in NOTES which process and node has which batch. Writes
what the run found, and what one process finds, to the JSON file OUT: for test_cluster.py.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # listen on loopback only
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from conftest import ColourEmbedder

from facematch.cluster import spread
from facematch.pipeline import FaceMatcher
from facematch.types import Gallery


def seen(matcher: FaceMatcher, notes: Path, photos: Iterable[str]) -> Gallery:
    """A batch's faces, slowly, with a note of who works on it."""
    import ray

    batch = list(photos)
    node = ray.get_runtime_context().get_node_id()
    name = f"{time.time_ns()}-{os.getpid()}-{node}"
    (notes / name).write_text(batch[0])
    time.sleep(0.4)
    return matcher.gallery(batch)


def noted(notes: Path) -> list[tuple[int, str]]:
    """Processes and nodes, in the order they took batches."""
    names = sorted(path.name.split("-") for path in notes.iterdir())
    return [(int(process), node) for _, process, node in names]


def summary(gallery: Gallery) -> dict[str, object]:
    skipped = [(each.photo, each.code) for each in gallery.skipped]
    return {
        "photos": gallery.labels,
        "vectors": gallery.vectors.tobytes().hex(),
        "skipped": skipped,
    }


def main() -> None:
    from ray.cluster_utils import Cluster

    photos = sorted(str(path) for path in Path(sys.argv[1]).iterdir())
    notes = Path(sys.argv[2])
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    second = cluster.add_node(num_cpus=1)
    matcher = FaceMatcher(detector="whole-tight", embedder=ColourEmbedder())
    parts: list[Gallery] = []
    lost = {"worker": False, "node": False}
    for part in spread(partial(seen, matcher, notes), photos, on=f"ray:{cluster.address}"):
        parts.append(part)
        on_second = [process for process, node in noted(notes) if node == second.node_id]
        if not lost["worker"] and len(parts) >= 2:
            os.kill(noted(notes)[-1][0], signal.SIGKILL)
            lost["worker"] = True
        elif not lost["node"] and len(parts) >= 4 and on_second:
            cluster.remove_node(second, allow_graceful=False)
            lost["node"] = True
    found = Gallery.joined([matcher.gallery([]), *parts])
    taken = len(noted(notes))
    alone = matcher.gallery(photos)
    told = {
        "batches": len(parts),
        "taken": taken,
        "lost": lost,
        "found": summary(found),
        "alone": summary(alone),
    }
    Path(sys.argv[3]).write_text(json.dumps(told))


if __name__ == "__main__":
    main()
