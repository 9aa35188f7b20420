"""Run ONNX graphs with onnxruntime: on the CPU, without messages on stderr."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from facematch.errors import WeightsError
from facematch.runtime.threads import cpu_features, most_threads, threads_taken
from facematch.weights.catalogue import weight_file
from facematch.weights.files import CONVERTER_VERSION, converted, kept

if TYPE_CHECKING:
    import onnxruntime

_OPENING = threading.Lock()
_LOG = logging.getLogger(__name__)


class Network:
    """A known weight file that several threads may run at once, each with threads of its own.

    A session has its number of threads from the start, so there is one for each number. The file is
    read when the first session is wanted.
    """

    def __init__(self, name: str, convert: Callable[[bytes], bytes]) -> None:
        self._name, self._convert = name, convert
        self._sessions: dict[int | None, onnxruntime.InferenceSession] = {}

    @property
    def session(self) -> onnxruntime.InferenceSession:
        """The session with as many threads as the calling thread may take."""
        threads = threads_taken()
        with _OPENING:
            if threads not in self._sessions:
                self._sessions[threads] = converted_session(self._name, self._convert)
            return self._sessions[threads]


def converted_session(name: str, convert: Callable[[bytes], bytes]) -> onnxruntime.InferenceSession:
    """A known weight file as an ONNX graph, ready to run. On first use `convert` converts it.

    The graph is kept as onnxruntime optimised it, which saves a cold start half of the time that a
    session takes. Such a graph holds for one version of onnxruntime and for CPUs with the same
    vector instructions. For others it is optimised anew; where those are unknown, each time.
    """
    import onnxruntime

    def graph() -> bytes:
        return converted(name, convert, version=CONVERTER_VERSION, suffix=".onnx")

    features = cpu_features()
    if features is None:
        return session(graph())
    machine = hashlib.sha256(features.encode()).hexdigest()[:16]
    source = f"{weight_file(name).sha256[:16]}-v{CONVERTER_VERSION}-{onnxruntime.__version__}"
    try:
        optimised = kept(
            "optimised", f"{name}-{machine}", source, ".onnx", lambda: _optimised(graph())
        )
    except WeightsError:
        raise
    except Exception as error:  # no temporary folder, say; onnxruntime's errors share no base class
        _LOG.warning("%s is not kept optimised (%s)", name, error)
        return session(graph())
    return session(optimised, is_optimised=True)


def session(model: bytes, *, is_optimised: bool = False) -> onnxruntime.InferenceSession:
    """An ONNX graph, ready to run. Raises WeightsError where the bytes are none."""
    import onnxruntime

    options = _options()
    if is_optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class
        raise WeightsError(f"no ONNX graph that onnxruntime can run ({error})") from error


def _optimised(model: bytes) -> bytes:
    """The graph as onnxruntime optimises it for this machine."""
    import onnxruntime

    options = _options()
    options.log_severity_level = 4  # it warns that the graph holds for this machine only
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "optimised.onnx")
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return path.read_bytes()


def _options() -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only; warnings would go to stderr
    # 0: onnxruntime starts one thread a core and pins it to that core, which is fastest.
    options.intra_op_num_threads = threads_taken() or most_threads() or 0
    return options
