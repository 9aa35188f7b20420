"""Too little memory: told in one line, before the work where that can be known."""

from __future__ import annotations

import sys

from facematch.errors import MemoryLimitError

# Below these limits libraries crash or fail while they are loaded. Measured on two cores with
# `ulimit -v`: the engine failed at 0.95 GB and worked at 1.0, an index failed at 3.0 and worked
# at 3.5.
ENGINE_BYTES = 1_000_000_000
INDEX_BYTES = 3_500_000_000

_MOST_LETTERS = 100  # of a library's message
# What libraries say that have no memory, or no room for another thread's stack.
_SIGNS = (
    "failed to map segment",
    "cannot allocate memory",
    "failed to allocate",
    "insufficient memory",
    "bad_alloc",
    "bfcarena",  # where onnxruntime allocates
    "can't start new thread",
    "can't spawn worker thread",
    "pthread_create failed",
)


def check_address_space(needed: int) -> None:
    """Raise MemoryLimitError where the system lets the program have fewer addresses than needed."""
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise MemoryLimitError(
            f"the system lets this program use {limit / 1e6:,.0f} MB of addresses and it needs "
            f"{needed / 1e6:,.0f} MB: raise the limit, with `ulimit -v` in a shell"
        )


def lacks_memory(error: BaseException) -> bool:
    """Whether an error, or the one that caused it, says that there is too little memory."""
    cause = error.__cause__
    return (
        isinstance(error, MemoryError)
        or any(sign in str(error).lower() for sign in _SIGNS)
        or (cause is not None and lacks_memory(cause))
    )


def memory_words(error: BaseException) -> str:
    """The line for an error that `lacks_memory`."""
    lines = str(error).splitlines()
    why = f" ({lines[0][:_MOST_LETTERS]})" if lines else ""
    return (
        f"there is too little memory{why}: end other programs, scale the photos down, or raise the "
        "limit with `ulimit -v`"
    )
