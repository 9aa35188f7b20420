"""From a detector's name to an instance. A new detector needs one file and one line here."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from facematch.errors import UnknownBackendError
from facematch.types import Detector

DETECTORS = {
    "face-recognition": "facematch.detection.face_recognition:FaceRecognitionDetector",
    "mmod": "facematch.detection.mmod:MmodDetector",
    "whole": "facematch.detection.whole:aligned",
    "whole-tight": "facematch.detection.whole:tight",
    "yunet": "facematch.detection.yunet:YuNetDetector",
}


def load_detector(name: str) -> Detector:
    """The detector of that name. Its weights are read on first use.

    Raises UnknownBackendError that names the known ones.
    """
    if name not in DETECTORS:
        raise UnknownBackendError(f"no detector called {name!r}; there are: {', '.join(DETECTORS)}")
    module, attribute = DETECTORS[name].split(":")
    return cast("Detector", getattr(import_module(module), attribute)())
