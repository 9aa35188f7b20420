"""How many threads to use."""

from __future__ import annotations

import os
import threading
from pathlib import Path

_VECTOR_FLAGS = ("sse", "ssse", "avx", "fma", "f16c", "amx", "asimd", "sve", "sme", "i8mm", "bf16")
_HERE = threading.local()
CPU_INFO = Path("/proc/cpuinfo")
THREADS = "FACEMATCH_THREADS"  # environment variable: the most threads; default: one a core


def cores() -> int:
    """The number of cores this process may use, which can be fewer than the machine has."""
    return min(_available_cores(), most_threads() or _available_cores())


def most_threads() -> int | None:
    """How many threads FACEMATCH_THREADS allows; None where it is no number above 0."""
    text = os.environ.get(THREADS, "")
    return int(text) if text.isdecimal() and int(text) else None


def take_threads(count: int) -> None:
    """Let networks that this thread runs take so many threads: others work beside it."""
    _HERE.network_threads = count


def threads_taken() -> int | None:
    """How many threads a network takes that this thread runs; None: as many as it would alone."""
    return getattr(_HERE, "network_threads", None)


def cpu_features() -> str | None:
    """The vector instructions of the CPU, as Linux tells them; None elsewhere."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    # x86 and ARM. A kernel's update may add flags of other kinds.
    told = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    vectors = [flag for flag in told.split() if flag.startswith(_VECTOR_FLAGS)]
    return " ".join(sorted(vectors)) or None


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
