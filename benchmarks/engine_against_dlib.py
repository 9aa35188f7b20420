"""The default engine against dlib itself, stage by stage, in turns in one process.

    python benchmarks/engine_against_dlib.py

Both search the same pixels for faces of 80 pixels and more, and embed the same chips. The answers
are compared before anything is timed. Needs dlib (`pip install dlib-bin`).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dlib
import numpy as np
from machine import machine

from facematch.detectors.mmod import MmodDetector
from facematch.embedders.dlib_resnet import DlibResNetEmbedder
from facematch.photos import read_photo
from facematch.pipeline import FaceMatcher
from facematch.weights import KNOWN, weights_path

SAMPLES = Path(__file__).parent.parent / "samples"
RUNS = 5


def main() -> None:
    pixels = read_photo(SAMPLES / "group.jpg").pixels
    chips = FaceMatcher().find_faces(SAMPLES / "group.jpg").chips.repeat(4, axis=0)
    detector, embedder = MmodDetector(), DlibResNetEmbedder()
    files = {name: str(weights_path(KNOWN[name])) for name in ("dlib-mmod", "dlib-resnet")}
    cnn = dlib.cnn_face_detection_model_v1(files["dlib-mmod"])
    encoder = dlib.face_recognition_model_v1(files["dlib-resnet"])

    ours = sorted(face.box for face in detector.detect(pixels, min_face=80))
    rects = [face.rect for face in cnn(pixels)]
    theirs = sorted((box.left(), box.top(), box.right(), box.bottom()) for box in rects)
    check(len(ours) == len(theirs) and np.abs(np.subtract(ours, theirs)).max() <= 1, "boxes")
    vectors = np.array(encoder.compute_face_descriptor(list(chips)))
    check(np.abs(embedder.embed(chips) - vectors).max() <= 1e-5, "vectors")

    print(machine())
    compare(
        "detect, 1200x800 pixels",
        lambda: detector.detect(pixels, min_face=80),
        lambda: cnn(pixels),
    )
    compare(
        f"embed, {len(chips)} chips",
        lambda: embedder.embed(chips),
        lambda: encoder.compute_face_descriptor(list(chips)),
    )


def check(right: bool, what: str) -> None:
    if not right:
        sys.exit(f"the {what} differ from dlib's: nothing was timed")


def compare(stage: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        for stage_of, taken in zip((ours, theirs), seconds, strict=True):
            start = time.perf_counter()
            stage_of()
            taken.append(time.perf_counter() - start)
    one, other = (statistics.median(taken) for taken in seconds)
    print(
        f"{stage}: facematch {one * 1e3:.0f} ms, dlib {other * 1e3:.0f} ms: {other / one:.0f} times"
    )


if __name__ == "__main__":
    main()
