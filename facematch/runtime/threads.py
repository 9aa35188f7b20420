"""How many threads to use."""

from __future__ import annotations

import os

THREADS = "FACEMATCH_THREADS"  # environment variable: the most threads; default: one a core


def cores() -> int:
    """The number of cores this process may use, which can be fewer than the machine has."""
    return min(_available_cores(), most_threads() or _available_cores())


def most_threads() -> int | None:
    """How many threads FACEMATCH_THREADS allows; None where it is no number above 0."""
    text = os.environ.get(THREADS, "")
    return int(text) if text.isdecimal() and int(text) else None


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
