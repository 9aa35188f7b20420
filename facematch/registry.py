"""From a back-end's name to an instance. A new back-end is one file and one line here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from facematch.errors import UnknownBackendError
from facematch.types import Detector, Embedder

DETECTORS = {
    "face-recognition": "facematch.detectors.face_recognition:FaceRecognitionDetector",
    "mmod": "facematch.detectors.mmod:MmodDetector",
    "whole": "facematch.detectors.whole:aligned",
    "whole-tight": "facematch.detectors.whole:tight",
    "yunet": "facematch.detectors.yunet:YuNetDetector",
}
EMBEDDERS = {
    "dlib-resnet": "facematch.embedders.dlib_resnet:DlibResNetEmbedder",
    "face-recognition": "facematch.embedders.face_recognition:FaceRecognitionEmbedder",
    "kin": "facematch.embedders.kin:KinEmbedder",
    "mobilefacenet": "facematch.embedders.onnx_model:mobilefacenet",
}


def load_detector(name: str) -> Detector:
    """The detector of that name; its weights are read on first use.

    Raises UnknownBackendError naming those there are.
    """
    return cast("Detector", _built("detector", name, DETECTORS))


def load_embedder(name: str) -> Embedder:
    """The embedder of that name, or of that ONNX file with a TOML beside it.

    Names joined by + are fused. Raises UnknownBackendError naming those there are, WeightsError for
    a file that is unfit or not there.
    """
    if name.endswith(".onnx"):
        from facematch.embedders.onnx_model import OnnxEmbedder

        return OnnxEmbedder(Path(name))
    if "+" in name:
        from facematch.embedders.fused import FusedEmbedder

        return FusedEmbedder([load_embedder(part) for part in name.split("+")])
    return cast("Embedder", _built("embedder", name, EMBEDDERS))


def _built(role: str, name: str, known: dict[str, str]) -> Any:
    if name not in known:
        hint = " or a file, PATH.onnx" if role == "embedder" else ""
        raise UnknownBackendError(f"no {role} called {name!r}; there are: {', '.join(known)}{hint}")
    module, attribute = known[name].split(":")
    return getattr(import_module(module), attribute)()
