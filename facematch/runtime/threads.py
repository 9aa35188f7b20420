"""How many threads there is work for."""

from __future__ import annotations

import os

THREADS = "FACEMATCH_THREADS"  # the environment's most threads, by default one a core


def cores() -> int:
    """The cores this process may use, which can be fewer than the machine has."""
    return min(_cores(), most_threads() or _cores())


def most_threads() -> int | None:
    """How many threads FACEMATCH_THREADS allows; None where it says nothing sensible."""
    text = os.environ.get(THREADS, "")
    return int(text) if text.isdecimal() and int(text) else None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
