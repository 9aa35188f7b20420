"""onnxruntime, as facematch runs it: on the CPU, quietly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facematch.errors import WeightsError

if TYPE_CHECKING:
    import onnxruntime


def session(model: bytes) -> onnxruntime.InferenceSession:
    """An ONNX graph ready to run. Raises WeightsError where the bytes are no such graph."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: warnings would go to stderr
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class
        raise WeightsError(f"no ONNX graph that onnxruntime can run ({error})") from error
