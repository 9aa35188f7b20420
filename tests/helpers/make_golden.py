"""Writes golden.npz: what each stage gives for the drawn family, to tell later what has changed.

    python tests/helpers/make_golden.py

Every stage is stored with its input, so that each can be run by itself.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch import FaceMatcher
from facematch.embedding.registry import load_embedder
from facematch.scoring.resemblance import model_for
from facematch.types import unit_rows

HERE = Path(__file__).parent
SAMPLES = HERE.parent.parent / "samples"
GOLDEN = HERE / "golden.npz"
PHOTOS = ("father.png", "son.png", "group.jpg")  # one face each, then four
LIBRARIES = ("numpy", "pillow", "opencv-python-headless", "onnxruntime", "onnx")
EMBEDDERS = ("kin", "dlib-resnet")


def versions() -> str:
    """Of the libraries that numbers come from."""
    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def stages() -> dict[str, NDArray[Any]]:
    """What each stage gives, by name."""
    portraits = list(FaceMatcher().faces(SAMPLES / name for name in PHOTOS))
    faces = [face for portrait in portraits for face in portrait.faces]  # type: ignore[union-attr]
    chips = np.concatenate([portrait.chips for portrait in portraits])  # type: ignore[union-attr]
    found = {
        "colours": np.array([portrait.photo.pixels.mean(axis=(0, 1)) for portrait in portraits]),  # type: ignore[union-attr]
        "boxes": np.array([face.box for face in faces]),
        "confidences": np.array([face.confidence for face in faces]),
        "landmarks": np.array([face.landmarks for face in faces]),
        "chips": chips,
    }
    for name in EMBEDDERS:
        vectors = load_embedder(name).embed(chips)
        model = model_for(load_embedder(name).space)
        assert model is not None
        scores, ratios = model.compare(unit_rows(vectors), unit_rows(vectors))
        found |= {f"{name} vectors": vectors, f"{name} scores": scores, f"{name} ratios": ratios}
    return found


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, made_with=np.array(json.dumps(versions())), **stages())
