"""From an embedder's name to an instance. A new embedder needs one file and one line here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from facematch.errors import UnknownBackendError
from facematch.types import Embedder

EMBEDDERS = {
    "dlib-resnet": "facematch.embedding.dlib_resnet:DlibResNetEmbedder",
    "face-recognition": "facematch.embedding.face_recognition:FaceRecognitionEmbedder",
    "kin": "facematch.embedding.kin:KinEmbedder",
    "mobilefacenet": "facematch.embedding.onnx_model:mobilefacenet",
}


def load_embedder(name: str) -> Embedder:
    """The embedder of that name, or of that ONNX file with a TOML beside it.

    Names joined by + give a fused embedder. Raises UnknownBackendError that names the known ones,
    WeightsError for a file that is missing or wrong.
    """
    if name.endswith(".onnx"):
        from facematch.embedding.onnx_model import OnnxEmbedder

        return OnnxEmbedder(Path(name))
    if "+" in name:
        from facematch.embedding.fused import FusedEmbedder

        return FusedEmbedder([load_embedder(part) for part in name.split("+")])
    if name not in EMBEDDERS:
        known = ", ".join(EMBEDDERS)
        raise UnknownBackendError(
            f"no embedder called {name!r}; there are: {known} or a file, PATH.onnx"
        )
    module, attribute = EMBEDDERS[name].split(":")
    return cast("Embedder", getattr(import_module(module), attribute)())
