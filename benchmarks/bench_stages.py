"""Each stage, and the whole path, against the package face_recognition and dlib, in one process.

    python benchmarks/bench_stages.py [--json]

Answers are compared before anything is timed. Needs `pip install dlib-bin "setuptools<81"` and
`pip install --no-deps face_recognition`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_similarity import product_rate
from machine import machine

from facematch.detectors.mmod import MmodDetector
from facematch.embedders.dlib_resnet import DlibResNetEmbedder
from facematch.embedders.kin import KinEmbedder
from facematch.extras import face_recognition_api
from facematch.photos import read_photo
from facematch.pipeline import FaceMatcher
from facematch.weights import KNOWN, weights_path

SAMPLES = Path(__file__).parent.parent / "samples"
PAIR = [str(SAMPLES / "father.png"), str(SAMPLES / "son.png")]
MULTIPLY_ADDS = 271e6  # of the ResNet, a face
RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    as_json = parser.parse_args().json
    show({"machine": machine()}, as_json)
    for stage in (embedding, tuned_embedding, detection, whole_path):
        show(stage(), as_json)


def embedding() -> dict[str, Any]:
    import dlib

    chips = FaceMatcher().find_faces(SAMPLES / "group.jpg").chips.repeat(8, axis=0)
    embedder = DlibResNetEmbedder()
    encoder = dlib.face_recognition_model_v1(str(weights_path(KNOWN["dlib-resnet"])))
    theirs = np.array(encoder.compute_face_descriptor(list(chips[::8])))
    check(np.abs(embedder.embed(chips[::8]) - theirs).max() <= 1e-5, "vectors")
    result = compared(
        f"embed {len(chips)} chips",
        {
            "facematch": lambda: embedder.embed(chips),
            "dlib": lambda: encoder.compute_face_descriptor(list(chips)),
        },
    )
    rate = 2 * MULTIPLY_ADDS * len(chips) / result["seconds"]["facematch"]
    result["share of numpy's own product rate"] = round(rate / product_rate(), 2)
    return result


def tuned_embedding() -> dict[str, Any]:
    """What the mirror images and the tuned tail cost."""
    chips = FaceMatcher().find_faces(SAMPLES / "group.jpg").chips.repeat(8, axis=0)
    tuned, untuned = KinEmbedder(), DlibResNetEmbedder()
    mirrored = np.ascontiguousarray(chips[::8, :, ::-1])
    check(np.abs(tuned.embed(chips[::8]) - tuned.embed(mirrored)).max() <= 1e-5, "mirror images")
    return compared(
        f"embed {len(chips)} chips for kinship",
        {"facematch": lambda: tuned.embed(chips), "untuned": lambda: untuned.embed(chips)},
    )


def detection() -> dict[str, Any]:
    import dlib

    group = read_photo(SAMPLES / "group.jpg").pixels
    pixels = np.asarray(cv2.resize(group, (720, 480), interpolation=cv2.INTER_AREA), np.uint8)
    detector = MmodDetector()
    cnn = dlib.cnn_face_detection_model_v1(str(weights_path(KNOWN["dlib-mmod"])))
    ours = sorted(face.box for face in detector.detect(pixels, min_face=80))
    rects = [face.rect for face in cnn(pixels)]
    theirs = sorted((box.left(), box.top(), box.right(), box.bottom()) for box in rects)
    check(len(ours) == len(theirs) and np.abs(np.subtract(ours, theirs)).max() <= 1, "boxes")
    return compared(
        "detect in 720x480 pixels, faces of 80 and more",
        {
            "facematch": lambda: detector.detect(pixels, min_face=80),
            "dlib": lambda: cnn(pixels),
        },
    )


def whole_path() -> dict[str, Any]:
    """Two files to one number; every engine searches for faces of 40 pixels and more."""
    api = face_recognition_api()
    matcher = FaceMatcher(min_face=40)
    untuned = FaceMatcher(min_face=40, embedder="dlib-resnet")

    def peer(model: str) -> float:
        vectors = []
        for path in PAIR:
            pixels = api.load_image_file(path)
            boxes = api.face_locations(pixels, number_of_times_to_upsample=1, model=model)
            vectors.append(api.face_encodings(pixels, boxes, model="small")[0])
        one, other = vectors
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    check(abs(untuned.score(*PAIR).cosine - peer("cnn")) < 0.01, "cosines")
    return compared(
        "two photos of 480x600 to a score",
        {
            "facematch": lambda: matcher.score(*PAIR),
            "facematch, dlib-resnet": lambda: untuned.score(*PAIR),
            "face_recognition, CNN": lambda: peer("cnn"),
            "face_recognition, HOG": lambda: peer("hog"),
        },
    )


def compared(what: str, runs: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Median seconds of each, run in turns, and how many times facematch's."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(RUNS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    ours = medians["facematch"]
    return {
        "what": what,
        "seconds": {name: round(median, 3) for name, median in medians.items()},
        "times facematch's": {name: round(median / ours, 1) for name, median in medians.items()},
    }


def check(right: bool, what: str) -> None:
    if not right:
        sys.exit(f"the {what} differ: nothing was timed")


def show(result: dict[str, Any], as_json: bool) -> None:
    print(
        json.dumps(result) if as_json else "\n".join(f"{k}: {v}" for k, v in result.items()) + "\n"
    )


if __name__ == "__main__":
    main()
