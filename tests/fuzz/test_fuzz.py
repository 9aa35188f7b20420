from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
import run_clips
from helpers.make_dat import convolution, integers, reals, small_detector, small_forest
from make_corpus import damaged, hostile, mutations
from run_corpus import Outcome, decoded
from weight_files import read_network_as_graphs, real_files

from facematch.errors import FacematchError, WeightsError
from facematch.weights.dlib_format import read_network
from facematch.weights.files import read_weights
from facematch.weights.shape_predictor import read_forest

linux = pytest.mark.skipif(sys.platform != "linux", reason="a process is watched through /proc")

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def cpu_seconds(call: Callable[[], object]) -> float:
    """What a call takes of a processor's time, whether it raises or not."""
    start = time.process_time()
    with suppress(FacematchError):
        call()
    return time.process_time() - start


def outcomes(files: list[tuple[str, bytes]]) -> list[Outcome]:
    found = list(decoded(files))
    assert len(found) == len(files)
    assert not [str(each) for each in found if each.is_bad]
    return found


@pytest.mark.slow
@linux
def test_nothing_made_by_hand_crashes_hangs_or_fills_the_memory() -> None:
    files = [
        each
        for at, each in enumerate(hostile())
        if at % 3 == 0 or not re.search(r" of \d+ bytes$", each[0])  # cut at that length
    ]
    found = {each.name: each.code for each in outcomes(files)}
    for name in (
        "png of 1,000,000 IDAT",
        "jpeg with 500 segments of EXIF",
        "jpeg of 30,000,000 bytes between segments",
        "progressive jpeg of 20,000 scans",
        "gif of 2,000,000 comments",
        "tiff whose entries share bytes",
        "tiff of a tile of 60000",
        "bmp of runs, 14,000 wide",
    ):
        assert found.get(name, "too-large") == "too-large"
    assert found["tiff whose next picture is itself"] == "read"


@pytest.mark.slow
@linux
def test_a_thousand_mutations_are_read_or_refused() -> None:
    found = outcomes(list(mutations(1000, seed=1)))
    codes = {each.code for each in found}
    usual = {"read", "truncated", "unreadable", "too-large", "not-an-image"}
    assert usual <= codes <= usual | {"unsupported", "raw"}


@pytest.mark.slow
@linux
def test_three_hundred_damaged_clips_are_read_or_refused() -> None:
    found = list(run_clips.outcomes(run_clips.mutations(300, seed=1)))
    assert not [each for each in found if run_clips.is_bad(*each[1:])]
    assert {"read", "truncated", "not-a-video"} <= {outcome for _, outcome, _ in found}


@pytest.mark.slow
@pytest.mark.parametrize(("read", "content"), list(real_files()))
def test_damaged_weight_files_are_refused_in_no_time(
    read: Callable[[bytes], object], content: bytes
) -> None:
    whole = max(cpu_seconds(lambda: read(content)) for _ in range(3))
    refused = []
    before, start = most_memory(), time.process_time()
    for number in range(400):
        try:
            read(damaged(content, random.Random(number)))
        except FacematchError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert "\n" not in "".join(refused)
    assert time.process_time() - start < 400 * 20 * max(whole, 1e-3)
    assert most_memory() - before < 300


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "read", "count"),
    [("dlib-mmod", read_network_as_graphs, 20), ("dlib-landmarks", read_forest, 1)],
)
def test_the_real_files_damaged_are_refused_in_no_time(
    name: str, read: Callable[[bytes], object], count: int
) -> None:
    content = read_weights(name)
    before, whole = most_memory(), cpu_seconds(lambda: read(content))
    for number in range(count):
        hurt = damaged(content, random.Random(number))
        # Reading takes milliseconds, which other work doubles now and then: a second is added.
        assert cpu_seconds(partial(read, hurt)) < 3 * whole + 1
    assert most_memory() - before < 1000


def most_memory() -> float:
    """MB that this process has held at most; 0 where the system does not tell."""
    if resource is None:
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


def test_a_shape_of_half_a_landmark_is_refused() -> None:
    content = small_forest()
    column = integers(-4, -1) + reals(0.2, 0.3, 0.7, 0.3)
    assert content.count(column) == 1
    odd = content.replace(column, integers(-5, -1) + reals(0.2, 0.3, 0.7, 0.3, 0.5))
    with pytest.raises(WeightsError, match="a shape predictor of unequal trees"):
        read_forest(odd)


def test_a_convolution_that_does_not_move_is_refused() -> None:
    content = small_detector()
    assert content.count(convolution(4, 3, 5, 2)) == 1
    still = content.replace(convolution(4, 3, 5, 2), convolution(4, 3, 5, 0))
    with pytest.raises(WeightsError, match="a sliding window with a stride of 0"):
        read_network(still)


def test_an_empty_tensor_of_endless_sides_is_refused() -> None:
    content = small_detector().replace(integers(1, 4, 3, 5, 5), integers(1, 0, 2**24, 2**24, 2**24))
    with pytest.raises(WeightsError, match="no dlib network"):
        read_network(content)
