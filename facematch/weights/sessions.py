"""Run ONNX graphs with onnxruntime: on the CPU, without messages on stderr."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from facematch.errors import WeightsError
from facematch.runtime.threads import most_threads
from facematch.weights.dlib_format import CONVERTER_VERSION, Network, read_network
from facematch.weights.files import converted

if TYPE_CHECKING:
    import onnxruntime


def dlib_session(name: str, graph: Callable[[Network], bytes]) -> onnxruntime.InferenceSession:
    """One of dlib's networks, ready to run. On first use `graph` converts it."""
    model = converted(
        name, lambda data: graph(read_network(data)), version=CONVERTER_VERSION, suffix=".onnx"
    )
    return session(model)


def session(model: bytes) -> onnxruntime.InferenceSession:
    """An ONNX graph, ready to run. Raises WeightsError where the bytes are none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only; warnings would go to stderr
    # 0: onnxruntime starts one thread a core and pins it to that core, which is fastest.
    options.intra_op_num_threads = most_threads() or 0
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class
        raise WeightsError(f"no ONNX graph that onnxruntime can run ({error})") from error
