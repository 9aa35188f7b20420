"""Where files are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facematch.weights.download import fetch
from facematch.weights.files import state

REPOSITORY = Path(__file__).parent.parent.parent
SAMPLES = REPOSITORY / "samples"
SHARED = Path(os.environ.get("FACEMATCH_SHARED", REPOSITORY.parent / "shared"))


def shared_file(*parts: str) -> Path:
    """A file beside the project; skips the test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not in FACEMATCH_SHARED, the data beside the project")
    return path


def installed(weights: str, file: str) -> None:
    """Have a weight file that nobody ships; skips the test where it is absent."""
    if state(weights) != "ready":
        fetch(weights, source=shared_file("models", file))
