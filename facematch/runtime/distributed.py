"""Work on many photos, on this machine or on the machines of a Ray cluster.

Each batch of photos is one stateless Ray task, which takes one core. A worker process opens the
engine once and keeps it. When a process or a machine is lost, Ray runs its tasks again wherever a
core is free, and also those whose results are lost. Only the caller writes: it gets the result of
each batch once and in order, so nothing is lost or written twice.

Actors are not used, because an actor waits until its resources are free again. Ray Data is not
used, because it converts each result to Arrow blocks and back, and version 2.60 does not count the
blocks that it rebuilds.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from itertools import islice
from typing import Any, TypeVar

from facematch.errors import ClusterError, OptionError
from facematch.runtime.extras import installed_version, require
from facematch.runtime.threads import THREADS, cores

T = TypeVar("T")
R = TypeVar("R")

PHOTOS_PER_TASK = 32  # as many as are embedded at a time
# Tasks for each core that run, or are done and wait for the result of an earlier one. With 4, a
# third of 2,000 cores would wait for the slowest batches; with 8, a fourteenth
# (`benchmarks/plan_scale.py`).
TASKS_PER_CORE = 8
_CLUSTER_TIMEOUT = 5.0  # seconds for a cluster to answer
_TASK_TRIES = 10  # for a task whose process or machine is lost
# Ray reads these when it is imported. It then reports no usage and warns of no future changes.
_QUIET_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# Ray's own switch for desktops. With it, all its servers listen on this machine only.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_OBJECT_STORE = 2**28  # bytes of the local object store; results pass through it, photos do not


def distribute(
    work: Callable[[Iterable[T]], R],
    items: Iterable[T],
    *,
    on: str | None = None,
    size: int | None = None,
) -> Iterator[R]:
    """The results of `work` for batches of `size` items, in order.

    `size` None: one batch of all items in this process, batches of 32 on a cluster.

    `on`: None for this process, "ray" for this machine's cores, "ray:ADDRESS" for a running
    cluster. `work` and the items must be picklable. An iterator that `work` returns comes back from
    a cluster as a list. Items are taken as they are needed.

    Raises OptionError for another `on`, MissingExtraError without Ray, ClusterError where the
    cluster cannot be reached, runs another version of facematch or loses one batch again and again;
    and what `work` raises.
    """
    if on is None and size is None:
        yield work(items)
        return
    remaining = iter(items)
    batches = iter(lambda: list(islice(remaining, size or PHOTOS_PER_TASK)), [])
    if on is None:
        yield from map(work, batches)
        return
    ray = _connected_ray(on)
    task = ray.remote(num_cpus=1, max_retries=_TASK_TRIES)(_run_batch)
    packed: bytes = ray.cloudpickle.dumps(work)
    waiting: deque[Any] = deque()
    for batch in batches:
        waiting.append(task.remote(packed, batch, installed_version()))
        while len(waiting) >= TASKS_PER_CORE * max(int(ray.cluster_resources().get("CPU", 1)), 1):
            yield _batch_result(ray, waiting.popleft())
    while waiting:
        yield _batch_result(ray, waiting.popleft())


def check_place(on: str) -> str | None:
    """The address in "ray:ADDRESS"; None for "ray". Raises OptionError for anything else."""
    engine, _, address = on.partition(":")
    if engine != "ray" or on == "ray:":
        raise OptionError(f"--on {on}: ray, or ray:ADDRESS of a cluster, is needed")
    return address or None


@cache
def _connected_ray(on: str) -> Any:
    """The module `ray`, connected. A cluster that it starts here ends with this process."""
    address = check_place(on)
    if address is not None:
        _check_reachable(address)
    os.environ.update(_QUIET_RAY)
    if address is None:
        os.environ.update(_LOOPBACK)
    ray = require("ray", "Ray", "ray", "--on ray")
    options = {"log_to_driver": False, "logging_level": "ERROR"}
    if ray.is_initialized():
        return ray
    try:
        if address is not None:
            ray.init(address=address, **options)
        else:
            ray.init(
                address="local",
                num_cpus=cores(),
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE,
                _node_ip_address="127.0.0.1",
                **options,
            )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ClusterError(f"no Ray cluster at {address or 'this machine'} ({error})") from error
    return ray


def _check_reachable(address: str) -> None:
    """Raise ClusterError where nothing listens at HOST:PORT. Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        return  # "auto"
    try:
        socket.create_connection((host, int(port)), _CLUSTER_TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"nothing answers at {address} ({error}): `ray start --head` prints a cluster's address"
        ) from error


def _run_batch(work: bytes, batch: list[Any], wanted: str) -> Any:
    """A batch's result, in a worker."""
    here = installed_version()
    if here != wanted:
        raise ClusterError(f"a machine of the cluster has facematch {here}, yours is {wanted}")
    result = _unpickled_work(work)(batch)
    return list(result) if isinstance(result, Iterator) else result


@lru_cache(maxsize=1)
def _unpickled_work(work: bytes) -> Callable[[list[Any]], Any]:
    """The work with its networks, opened once in each process. One thread: a task has one core."""
    os.environ[THREADS] = "1"
    opened: Callable[[list[Any]], Any] = pickle.loads(work)  # noqa: S301 - from our own cluster
    return opened


def _batch_result(ray: Any, task: Any) -> Any:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ClusterError(
            f"a batch of photos was lost {_TASK_TRIES} times on the cluster: "
            f"run it without --on ray to see why ({type(error).__name__})"
        ) from error
