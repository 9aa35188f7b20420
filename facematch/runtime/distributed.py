"""Work on many photos, on this machine or over the machines of a Ray cluster.

Photos go out in batches to stateless Ray tasks, one a core; each process of a worker opens the
engine once and keeps it. Tasks and no actors, and Ray Data not at all: a task whose process or
machine is lost is run again by Ray wherever a core is free, and so are results that went with it,
while an actor waits for room of its own; Ray Data would turn every result into Arrow blocks and
back, and 2.60 rebuilds lost blocks outside its own accounting. Only the caller, who gets each
batch's result once and in order, writes anything: nothing is lost or written twice.
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

_BATCH = 32  # photos a task: as many as are embedded at a time
# Tasks a core that are under way, or done and waiting for one before them: with 4 a third of 2,000
# cores would wait for the slowest batches, with 8 a fourteenth (`benchmarks/plan_scale.py`).
_WAITING = 8
_PATIENCE = 5.0  # seconds for a cluster to answer
_TRIES = 10  # of a task whose process or machine is lost
# Read when Ray is imported: nothing is reported, and what is to come is not warned of.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# Ray's own switch for desktops; with it all of its servers listen to this machine only.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_STORE = 2**28  # bytes of the local object store: results pass through it, photos do not


def distribute(
    work: Callable[[Iterable[T]], R],
    items: Iterable[T],
    *,
    on: str | None = None,
    size: int | None = None,
) -> Iterator[R]:
    """What `work` makes of the items, `size` at a time and in order.

    By default all at once here, and 32 at a time on a cluster.

    `on` is None for this process, "ray" for this machine's cores, "ray:ADDRESS" for a cluster that
    runs already. `work` and the items must pickle; an iterator that `work` gives comes back from a
    cluster as a list. Items are taken as they are needed.

    Raises OptionError for another `on`, MissingExtraError without Ray, ClusterError where the
    cluster cannot be reached, runs another facematch or loses one batch again and again; and what
    `work` raises.
    """
    if on is None and size is None:
        yield work(items)
        return
    rest = iter(items)
    batches = iter(lambda: list(islice(rest, size or _BATCH)), [])
    if on is None:
        yield from map(work, batches)
        return
    ray = _connected(on)
    task = ray.remote(num_cpus=1, max_retries=_TRIES)(_run)
    packed: bytes = ray.cloudpickle.dumps(work)
    waiting: deque[Any] = deque()
    for batch in batches:
        waiting.append(task.remote(packed, batch, installed_version()))
        while len(waiting) >= _WAITING * max(int(ray.cluster_resources().get("CPU", 1)), 1):
            yield _result(ray, waiting.popleft())
    while waiting:
        yield _result(ray, waiting.popleft())


def check_place(on: str) -> str | None:
    """The address in "ray:ADDRESS", None in "ray". Raises OptionError for anything else."""
    engine, _, address = on.partition(":")
    if engine != "ray" or on == "ray:":
        raise OptionError(f"--on {on}: ray, or ray:ADDRESS of a cluster, is needed")
    return address or None


@cache
def _connected(on: str) -> Any:
    """The module `ray`, connected; this machine's own cluster ends with this process."""
    address = check_place(on)
    if address is not None:
        _reach(address)
    os.environ.update(_QUIET)
    if address is None:
        os.environ.update(_LOOPBACK)
    ray = require("ray", "Ray", "ray", "--on ray")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if ray.is_initialized():
        return ray
    try:
        if address is not None:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local",
                num_cpus=cores(),
                include_dashboard=False,
                object_store_memory=_STORE,
                _node_ip_address="127.0.0.1",
                **quiet,
            )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ClusterError(f"no Ray cluster at {address or 'this machine'} ({error})") from error
    return ray


def _reach(address: str) -> None:
    """Raise ClusterError where nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        return  # "auto"
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"nobody answers at {address} ({error}): `ray start --head` prints a cluster's address"
        ) from error


def _run(work: bytes, batch: list[Any], wanted: str) -> Any:
    """A batch's result, in a worker."""
    here = installed_version()
    if here != wanted:
        raise ClusterError(f"a machine of the cluster has facematch {here}, yours is {wanted}")
    result = _opened(work)(batch)
    return list(result) if isinstance(result, Iterator) else result


@lru_cache(maxsize=1)
def _opened(work: bytes) -> Callable[[list[Any]], Any]:
    """The work with its networks, opened once a process, with one thread: a task has one core."""
    os.environ[THREADS] = "1"
    opened: Callable[[list[Any]], Any] = pickle.loads(work)  # noqa: S301 - of our own cluster
    return opened


def _result(ray: Any, task: Any) -> Any:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ClusterError(
            f"a batch of photos was lost {_TRIES} times on the cluster: run it without --on ray to "
            f"see why ({type(error).__name__})"
        ) from error
