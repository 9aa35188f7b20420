"""Build an ONNX graph from the layers of a dlib network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import WeightsError
from facematch.weights.dlib_format import Layer, Window, float32_numbers
from facematch.weights.head import Projection

_OPSET, _IR_VERSION = 17, 8  # every onnxruntime since 1.14 understands both


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value in a graph. `side` is its number of rows and of columns; None: not known."""

    name: str
    channels: int
    side: int | None


class GraphBuilder:
    """An ONNX graph under construction. `latest` is the tensor that the next node takes."""

    def __init__(self, source: str, count: int | str, side: int | None) -> None:
        from onnx import TensorProto, helper

        shape = [count, side or "height", side or "width", 3]
        self._inputs = [helper.make_tensor_value_info(source, TensorProto.UINT8, shape)]
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self.latest = Tensor(source, 3, side)
        # Pixels stay in their order: R, G, B, R, G, B along a row of three times the length. The
        # first convolution then moves by three, and nothing needs to be transposed.
        self._node("Cast", to=TensorProto.FLOAT)
        self._node("Reshape", self._constant(np.array([0, 0, 3 * side if side else -1])))
        self._node("Unsqueeze", self._constant(np.array([1])))
        self._interleaved = True

    def apply(self, layer: Layer) -> None:
        """Append one layer."""
        match layer.kind:
            case "relu":
                self._node("Relu")
            case "con":
                self._convolve(layer)
            case "max_pool" | "avg_pool":
                self._pool(layer)
            case "fc" if layer.weights is not None:
                if layer.weights.shape[0] != self.latest.channels:
                    raise WeightsError("a fully connected layer that does not fit its input")
                self._node("Flatten", axis=1)
                self._node("MatMul", self._constant(layer.weights))
                self.latest = Tensor(self.latest.name, layer.weights.shape[1], None)
            case _:
                raise WeightsError(f"a {layer.kind} layer where none is expected")

    def add(self, other: Tensor) -> None:
        """Add `other`. The smaller tensor is padded with zeros at the end of each axis."""
        one, channels = self.latest, max(self.latest.channels, other.channels)
        if one.side is None or other.side is None:
            raise WeightsError("a sum of tensors of unknown sizes")
        side = max(one.side, other.side)
        padded = self._pad(other, channels, side)
        self.latest = self._pad(one, channels, side)
        self._node("Add", padded.name)

    def project(self, projection: Projection) -> Tensor:
        """Append a projection of the latest tensor. Gives the projected vectors."""
        self._node("Flatten", axis=1)
        self._node("MatMul", self._constant(projection.basis))
        self._node("Sub", self._constant(projection.shift))
        self._node("LpNormalization", axis=1, p=2)
        self._node("Sub", self._constant(projection.mean))
        self._node("MatMul", self._constant(projection.map))
        self._node("LpNormalization", axis=1, p=2)
        self.latest = Tensor(self.latest.name, projection.map.shape[1], None)
        return self.latest

    def join(self, first: Tensor, second: Tensor) -> None:
        """Concatenate the vectors of two tensors."""
        self.latest = first
        self._node("Concat", second.name, axis=1)
        self.latest = Tensor(self.latest.name, first.channels + second.channels, None)

    def statistics(self) -> Tensor:
        """Mean and logarithm of the standard deviation of each channel of the latest tensor.

        Shape: (N, 2 C). The latest tensor stays what it is.
        """
        maps = self.latest
        self._node("ReduceMean", axes=[2, 3], keepdims=0)
        mean = self.latest
        self._node("Mul", mean.name)
        squared = self.latest
        self.latest = maps
        self._node("Mul", maps.name)
        self._node("ReduceMean", axes=[2, 3], keepdims=0)
        self._node("Sub", squared.name)
        self._node("Relu")  # a variance of 0 may be rounded below it
        self._node("Sqrt")
        self._node("Add", self._constant(np.array([1e-3], np.float32)))
        self._node("Log")
        deviation, self.latest = self.latest, mean
        self._node("Concat", deviation.name, axis=1)
        both, self.latest = self.latest, maps
        return Tensor(both.name, 2 * maps.channels, None)

    def finish(
        self, result: str, shape: Sequence[int | str], also: Mapping[str, Tensor] | None = None
    ) -> bytes:
        """The model with its latest tensor named `result`, and vectors by the names in `also`.

        Raises WeightsError if it is invalid.
        """
        from onnx import TensorProto, checker, helper

        outputs = []
        wanted = {result: (self.latest, shape)}
        wanted |= {name: (tensor, ["N", tensor.channels]) for name, tensor in (also or {}).items()}
        for name, (tensor, sides) in wanted.items():
            self.latest = tensor
            self._node("Identity")
            self._nodes[-1].output[0] = name
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, sides))
        graph = helper.make_graph(self._nodes, "facematch", self._inputs, outputs, self._constants)
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
        try:
            checker.check_model(model)
        except checker.ValidationError as error:
            raise WeightsError(f"the layers make no valid graph ({error})") from error
        return bytes(model.SerializeToString())

    def _convolve(self, layer: Layer) -> None:
        weights, bias = convolution_numbers(layer)
        if weights.shape[1] != self.latest.channels:
            raise WeightsError("a convolution that does not fit its input")
        rows, columns, stride_y, stride_x, pad_y, pad_x = layer.window
        if self._interleaved:
            weights = weights.transpose(0, 2, 3, 1).reshape(len(bias), 1, rows, 3 * columns)
            columns, stride_x, self._interleaved = 3 * columns, 3 * stride_x, False
        inputs = self._constant(float32_numbers(weights)), self._constant(float32_numbers(bias))
        strides, pads = [stride_y, stride_x], [pad_y, pad_x, pad_y, pad_x]
        self._node("Conv", *inputs, kernel_shape=[rows, columns], strides=strides, pads=pads)
        self.latest = Tensor(
            self.latest.name, len(bias), _side_after(self.latest.side, layer.window)
        )

    def _pool(self, layer: Layer) -> None:
        rows, columns, stride_y, stride_x, pad_y, pad_x = layer.window
        if rows == 0:
            self._node("GlobalAveragePool")
            self.latest = replace(self.latest, side=1)
            return
        if pad_y or pad_x:
            raise WeightsError("a padded pooling, which facematch cannot convert")
        kind = "MaxPool" if layer.kind == "max_pool" else "AveragePool"
        self._node(kind, kernel_shape=[rows, columns], strides=[stride_y, stride_x])
        self.latest = replace(self.latest, side=_side_after(self.latest.side, layer.window))

    def _pad(self, tensor: Tensor, channels: int, side: int) -> Tensor:
        if tensor.side is None or (tensor.channels, tensor.side) == (channels, side):
            return tensor
        more = side - tensor.side
        ends = np.array([0, 0, 0, 0, 0, channels - tensor.channels, more, more], np.int64)
        self.latest = tensor
        self._node("Pad", self._constant(ends))
        return Tensor(self.latest.name, channels, side)

    def _node(self, kind: str, *more_inputs: str, **attributes: Any) -> None:
        from onnx import helper

        output = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(kind, [self.latest.name, *more_inputs], [output], **attributes)
        )
        self.latest = replace(self.latest, name=output)

    def _constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _side_after(side: int | None, window: Window) -> int | None:
    """The number of rows after a sliding window. dlib and ONNX both round down."""
    if side is None:
        return None
    rows, _, stride, _, pad, _ = window
    return (side + 2 * pad - rows) // stride + 1


def convolution_numbers(con: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights and the bias of a convolution in float64."""
    if con.weights is None or con.bias is None:
        raise WeightsError("a convolution without numbers")
    return con.weights.astype(np.float64), con.bias.astype(np.float64)
