"""Read dlib's .dat files; write its two networks as ONNX graphs, its forest as arrays.

dlib serializes an integer as one control byte (its low four bits count the bytes that follow, its
high bit is the sign) and little-endian bytes; a float as two such integers, mantissa and exponent
of 2; a tensor as version, four sizes and raw little-endian float32. A network is written from the
outside in up to its input layer, then layer by layer from the input on. Tags and skips leave no
trace there but a version number, so the layers come as a plain list, and the two graphs here are
rebuilt from its order (dlib/dnn/core.h, layers.h, loss.h; dlib/image_processing/shape_predictor.h).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.errors import WeightsError
from facematch.weights.arrays import read_arrays
from facematch.weights.head import Head, Projection

Array: TypeAlias = NDArray[np.float32]
Window: TypeAlias = tuple[int, int, int, int, int, int]

CONVERTER_VERSION = 3  # raised whenever the graphs written here change

_BLOCK = 16  # channels that onnxruntime computes together with AVX-512; 8 otherwise
_OPSET, _IR_VERSION = 17, 8  # both understood by every onnxruntime since 1.14

FROZEN = 10  # blocks of the embedder that a tail leaves as they are

# Sizes of any real dlib model stay far below these; a forged file must not cost a gigabyte.
_MAX_ITEMS = 1 << 16
_MAX_STRING = 64


@dataclass(frozen=True, slots=True)
class Layer:
    """One computational layer: its kind (`con`, `affine`, `relu`, `max_pool`, …) and its numbers.

    `weights` of a con are (filters, channels, rows, columns); of an fc (inputs, outputs). `scale`
    and `shift` belong to an affine, batch norm already folded into them. `window` is rows, columns,
    stride y, stride x, padding y, padding x of a con or a pooling; 0 rows means all of them.
    """

    kind: str
    weights: Array | None = None
    bias: Array | None = None
    scale: Array | None = None
    shift: Array | None = None
    window: Window = (0, 0, 1, 1, 0, 0)


@dataclass(frozen=True, slots=True)
class Network:
    """A network as read: input means (RGB), layers from the input on, the loss layer's options."""

    means: tuple[float, float, float]
    layers: tuple[Layer, ...]
    window: int = 0  # side of the detection window, MMOD only


@dataclass(frozen=True, slots=True)
class Forest:
    """A shape predictor: S stages of T complete trees with 2^d leaves, over K pixels.

    `initial_shape` (L, 2); `first`, `second`, `threshold` (S, T, 2^d - 1): go left where pixel
    `first` minus pixel `second` exceeds the threshold; `leaves` (S, T, 2^d, L, 2); `anchors` (S, K)
    and `deltas` (S, K, 2): pixel k lies at landmark `anchors[k]` plus `deltas[k]`.
    """

    initial_shape: Array
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    threshold: Array
    leaves: Array
    anchors: NDArray[np.int32]
    deltas: Array


class Reader:
    """A cursor over the bytes of a .dat file; everything it returns is bounded by their number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises WeightsError where the file ends before them."""
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise WeightsError(f"the file ends early, at byte {len(self._data)} of {end} or more")
        chunk = self._data[self._at : end]
        self._at = end
        return chunk

    def at_end(self) -> bool:
        """Whether every byte was taken."""
        return self._at == len(self._data)

    def integer(self) -> int:
        """A packed integer."""
        control = self.take(1)[0]
        size = control & 0x0F
        if control & 0x70 or not 1 <= size <= 8:
            raise WeightsError(f"no packed integer at byte {self._at - 1}")
        value = int.from_bytes(self.take(size), "little")
        return -value if control & 0x80 else value

    def real(self) -> float:
        """A packed float: mantissa times 2 to the exponent."""
        mantissa, exponent = self.integer(), self.integer()
        if not -2000 < exponent < 1000:  # dlib writes infinities and NaN as exponents from 32000
            raise WeightsError(f"a number that is not finite at byte {self._at}")
        return mantissa * 2.0**exponent

    def boolean(self) -> bool:
        """A boolean, written as the character 0 or 1."""
        char = self.take(1)
        if char not in (b"0", b"1"):
            raise WeightsError(f"no boolean at byte {self._at - 1}")
        return char == b"1"

    def count(self, limit: int = _MAX_ITEMS) -> int:
        """How many items follow; at most `limit`."""
        value = self.integer()
        if not 0 <= value <= limit:
            raise WeightsError(f"{value} items at byte {self._at}: at most {limit} make sense")
        return value

    def string(self) -> str:
        """A string of at most 64 bytes."""
        return self.take(self.count(_MAX_STRING)).decode("latin-1")

    def tensor(self) -> Array:
        """A tensor (samples, channels, rows, columns) of float32."""
        version = self.integer()
        if version != 2:
            raise WeightsError(f"tensor version {version}; only 2 is known")
        shape = tuple(self.count(1 << 24) for _ in range(4))
        return _f32(np.frombuffer(self.take(4 * math.prod(shape)), "<f4").reshape(shape))

    def matrix(self) -> Array:
        """A dense column matrix of packed floats, flat. dlib writes its sizes as negatives."""
        rows, columns = -self.integer(), -self.integer()
        if not (0 <= rows <= _MAX_ITEMS and columns == 1):
            raise WeightsError(f"a {rows} x {columns} matrix where a column was expected")
        return _f32(np.array([self.real() for _ in range(rows)]))


# Networks -----------------------------------------------------------------------------------------


# What numbers that are out of any proportion raise, below, where nothing checks them one by one.
_OUT_OF_PROPORTION = (ValueError, IndexError, OverflowError, ZeroDivisionError, MemoryError)


def read_network(data: bytes) -> Network:
    """Parse a face network: the ResNet embedder or the MMOD detector.

    Raises WeightsError where the bytes are not such a network.
    """
    try:
        return _read_network(Reader(data))
    except _OUT_OF_PROPORTION as error:
        raise WeightsError(f"no network of dlib's ({error})") from error


def _read_network(reader: Reader) -> Network:
    reader.integer()  # version of the loss layer
    window = _read_loss(reader)
    length = reader.integer()
    while length in (1, 2, 3):  # versions of the layers that enclose the input, not a name's length
        length = reader.integer()
    means = _read_input(reader, reader.take(length).decode("latin-1"))
    return Network(means, tuple(_read_layers(reader)), window)


def _read_loss(reader: Reader) -> int:
    """Window side of MMOD; 0 for the metric loss, which has none."""
    name = reader.string()
    if name.startswith("loss_metric_"):
        reader.real(), reader.real()  # margin and distance threshold: for training
        return 0
    if name != "loss_mmod_":
        raise WeightsError(f"unknown loss layer {name!r}")
    version = reader.integer()
    if version != 1:
        raise WeightsError(f"MMOD options version {version}; only 1 is known")
    width, height = reader.count(), reader.count()
    if width != height or width == 0:
        raise WeightsError(f"a {width}x{height} detection window; only squares are known")
    shares = [reader.real() for _ in range(4)]  # the last says how far two faces may overlap
    covered = reader.real()
    shares += [reader.real() for _ in range(2)]
    if covered != 1.0 or not all(0 <= value <= 1 for value in shares):
        raise WeightsError("MMOD overlap rules of an unknown kind")
    return width


def _read_input(reader: Reader, name: str) -> tuple[float, float, float]:
    if name not in ("input_rgb_image_sized", "input_rgb_image_pyramid"):
        raise WeightsError(f"unknown input layer {name!r}")
    means = (reader.real(), reader.real(), reader.real())
    if name == "input_rgb_image_sized":
        reader.integer(), reader.integer()  # rows and columns, 150 each
    return means


def _read_layers(reader: Reader) -> list[Layer]:
    """The layers from the input on, each followed by three flags and three stale tensors."""
    layers: list[Layer] = []
    while not reader.at_end():
        name = reader.string()
        if name not in _LAYERS:
            raise WeightsError(f"unknown layer {name!r}")
        layers.append(_LAYERS[name](reader))
        _ = [reader.boolean() for _ in range(3)], [reader.tensor() for _ in range(3)]
        if len(layers) == 1:
            reader.integer()  # sample expansion factor, written by the innermost layer only
    return layers


def _read_con(reader: Reader) -> Layer:
    params = reader.tensor()
    filters = reader.count()
    rows, columns, *strides_and_padding = (reader.count() for _ in range(6))
    weights = _alias(reader, params, 0)
    bias = _alias(reader, params, weights.size)
    _ = [reader.real() for _ in range(4)]  # learning rates and decays
    if weights.shape[0] != filters or weights.shape[2:] != (rows, columns) or bias.size != filters:
        raise WeightsError("a convolution whose sizes contradict each other")
    stride_y, stride_x, padding_y, padding_x = strides_and_padding
    window = _window((rows, columns, stride_y, stride_x, padding_y, padding_x))
    return Layer("con", weights=weights, bias=bias.ravel(), window=window)


def _read_affine(reader: Reader) -> Layer:
    params = reader.tensor()
    scale = _alias(reader, params, 0)
    shift = _alias(reader, params, scale.size)
    reader.integer()  # the mode: after a convolution, or after a fully connected layer
    return Layer("affine", scale=scale.ravel(), shift=shift.ravel())


def _read_batch_norm(reader: Reader) -> Layer:
    """Batch norm with its running statistics, as the affine it is once trained."""
    params = reader.tensor()
    gamma = _alias(reader, params, 0).ravel().astype(np.float64)
    beta = _alias(reader, params, gamma.size).ravel().astype(np.float64)
    reader.tensor(), reader.tensor()  # statistics of the last training batch
    mean = reader.tensor().ravel().astype(np.float64)
    variance = reader.tensor().ravel().astype(np.float64)
    reader.integer(), reader.integer()  # updates and their window
    _ = [reader.real() for _ in range(4)]  # learning rates and decays
    epsilon = reader.real()
    if not gamma.size == beta.size == mean.size == variance.size or np.any(variance + epsilon <= 0):
        raise WeightsError("a batch norm whose numbers contradict each other")
    scale = gamma / np.sqrt(variance + epsilon)
    return Layer("affine", scale=_f32(scale), shift=_f32(beta - scale * mean))


def _read_fc(reader: Reader) -> Layer:
    outputs, inputs = reader.count(), reader.count()
    params = reader.tensor()
    weights = _alias(reader, params, 0)
    _alias(reader, params, weights.size)  # the bias: empty
    reader.integer()  # bias mode
    _ = [reader.real() for _ in range(4)]  # learning rates and decays
    if weights.size != params.size or weights.size != inputs * outputs:
        raise WeightsError("a fully connected layer with a bias, or of contradictory sizes")
    return Layer("fc", weights=weights.reshape(inputs, outputs))


def _read_pool(reader: Reader, kind: str) -> Layer:
    rows, columns, stride_y, stride_x, padding_y, padding_x = (reader.count() for _ in range(6))
    window = _window((rows, columns, stride_y, stride_x, padding_y, padding_x))
    return Layer(kind, window=window)


def _window(window: Window) -> Window:
    rows, _, stride_y, stride_x, _, _ = window
    if rows and not (stride_y and stride_x):
        raise WeightsError("a window that does not move")
    return window


def _alias(reader: Reader, params: Array, offset: int) -> Array:
    """The part of `params` from `offset` on that an alias tensor (version and sizes) describes."""
    version = reader.integer()
    if version != 1:
        raise WeightsError(f"alias tensor version {version}; only 1 is known")
    shape = tuple(reader.count(1 << 24) for _ in range(4))
    size = math.prod(shape)
    if offset + size > params.size:
        raise WeightsError("a layer that claims more numbers than it has")
    return params.ravel()[offset : offset + size].reshape(shape)


_LAYERS: dict[str, Callable[[Reader], Layer]] = {
    "con_4": _read_con,
    "affine_": _read_affine,
    "bn_con2": _read_batch_norm,
    "fc_2": _read_fc,
    "max_pool_2": lambda reader: _read_pool(reader, "max_pool"),
    "avg_pool_2": lambda reader: _read_pool(reader, "avg_pool"),
    "relu_": lambda reader: Layer("relu"),
    "add_prev_": lambda reader: Layer("add_prev"),
}


# Shape predictors ---------------------------------------------------------------------------------


def read_forest(data: bytes) -> Forest:
    """Parse a shape predictor. Raises WeightsError where the bytes are no such thing."""
    try:
        forest = _read_forest(Reader(data))
    except _OUT_OF_PROPORTION as error:  # ragged, too: trees or stages of unequal size
        raise WeightsError(f"a shape predictor of uneven trees ({error})") from error
    check_forest(forest)
    return forest


def _read_forest(reader: Reader) -> Forest:
    version = reader.integer()
    if version != 1:
        raise WeightsError(f"shape predictor version {version}; only 1 is known")
    initial_shape = reader.matrix().reshape(-1, 2)
    stages = [[_read_tree(reader) for _ in range(reader.count())] for _ in range(reader.count())]
    anchors = [[reader.count() for _ in range(reader.count())] for _ in range(reader.count())]
    deltas = [
        [(reader.real(), reader.real()) for _ in range(reader.count())]
        for _ in range(reader.count())
    ]
    if not reader.at_end():
        raise WeightsError("bytes are left over behind the shape predictor")
    splits = np.array([[tree[0] for tree in stage] for stage in stages], np.float64)
    leaves = np.array([[tree[1] for tree in stage] for stage in stages], np.float32)
    return Forest(
        initial_shape=initial_shape,
        first=splits[..., 0].astype(np.int32),
        second=splits[..., 1].astype(np.int32),
        threshold=_f32(splits[..., 2]),
        leaves=leaves.reshape(*leaves.shape[:3], -1, 2),
        anchors=np.array(anchors, np.int32),
        deltas=_f32(np.array(deltas)),
    )


def check_forest(forest: Forest) -> None:
    """Raise WeightsError unless every array fits the others and every index its array."""
    arrays = {field.name: getattr(forest, field.name) for field in fields(forest)}
    if any(each.dtype.kind not in "if" for each in arrays.values()) or forest.first.ndim != 3:
        raise WeightsError("a shape predictor of something else than numbers")
    stages, trees, splits = forest.first.shape
    landmarks, pixels = forest.initial_shape.size // 2, forest.anchors.size // max(stages, 1)
    fits = (
        forest.second.shape == forest.threshold.shape == (stages, trees, splits)
        and forest.initial_shape.shape == (landmarks, 2)
        and forest.leaves.shape == (stages, trees, splits + 1, landmarks, 2)
        and forest.anchors.shape == (stages, pixels)
        and forest.deltas.shape == (stages, pixels, 2)
        and (splits + 1).bit_count() == 1
    )
    if not fits or stages * trees * landmarks * pixels == 0:
        raise WeightsError("a shape predictor whose sizes contradict each other")
    split_pixels = np.stack([forest.first, forest.second])
    if split_pixels.min() < 0 or split_pixels.max() >= pixels:
        raise WeightsError("a shape predictor that splits on a pixel it does not have")
    if forest.anchors.min() < 0 or forest.anchors.max() >= landmarks:
        raise WeightsError("a shape predictor anchored to a landmark it does not have")


def forest_archive(forest: Forest) -> bytes:
    """The forest as an .npz, which opens forty times faster than the .dat."""
    archive = io.BytesIO()
    np.savez(archive, **{field.name: getattr(forest, field.name) for field in fields(forest)})
    return archive.getvalue()


def open_forest(archive: bytes) -> Forest:
    """The forest in such an .npz. Raises WeightsError where it is none."""
    try:
        forest = Forest(**read_arrays(archive))
    except (ValueError, TypeError) as error:
        raise WeightsError(f"no archive of a shape predictor ({error})") from error
    check_forest(forest)
    return forest


def _read_tree(reader: Reader) -> tuple[list[tuple[int, int, float]], list[Array]]:
    splits = [(reader.count(), reader.count(), reader.real()) for _ in range(reader.count())]
    return splits, [reader.matrix() for _ in range(reader.count())]


# Graphs -------------------------------------------------------------------------------------------


def resnet_graph(network: Network) -> bytes:
    """The embedder as ONNX: `chips` (N, 150, 150, 3) uint8 -> `vectors` (N, 128) float32."""
    graph = _Graph("chips", "N", 150)
    _apply_blocks(graph, _folded(network))
    return graph.finish("vectors", ["N", graph.at.channels])


def trunk_graph(network: Network, blocks: int) -> bytes:
    """The embedder's first blocks as ONNX: `chips` (N, 150, 150, 3) uint8 -> `maps` float32."""
    graph = _Graph("chips", "N", 150)
    _apply_blocks(graph, _first_blocks(_folded(network), blocks))
    return graph.finish(
        "maps", ["N", graph.at.channels, graph.at.side or "S", graph.at.side or "S"]
    )


def tail_layers(network: Network) -> tuple[list[Layer], Array]:
    """The convolutions of blocks 11 to 14, two of each, and the last layer's weights (256, 128)."""
    layers = _folded(network)
    frozen = len(_convolutions(_first_blocks(layers, FROZEN)))
    last = layers[-1].weights
    if layers[-1].kind != "fc" or last is None:
        raise WeightsError("an embedder that does not end in a fully connected layer")
    return _convolutions(layers)[frozen:], last


def tuned_graph(network: Network, head: Head) -> bytes:
    """The embedder with a tuned tail as ONNX: `chips` (N, 150, 150, 3) uint8 -> `vectors` (N, K).

    Raises WeightsError where the tail does not fit the network.
    """
    layers = _folded(network)
    places = [index for index, layer in enumerate(layers) if layer.kind == "con"][
        -len(head.weights) :
    ]
    for index, weights, bias in zip(places, head.weights, head.biases, strict=True):
        before = layers[index].weights
        if before is None or before.shape != weights.shape or bias.shape != weights.shape[:1]:
            raise WeightsError("a tuned convolution that does not fit its place")
        layers[index] = replace(layers[index], weights=weights, bias=bias)
    graph = _Graph("chips", "N", 150)
    body = _first_blocks(layers, FROZEN + 3)
    _apply_blocks(graph, body)
    middle = graph.at
    first = graph.viewed(head.views[0])
    graph.at = middle
    _apply_blocks(graph, layers[len(body) : -1])  # all but the last layer
    second = graph.viewed(head.views[1])
    graph.join(first, second)
    return graph.finish("vectors", ["N", graph.at.channels])


def _apply_blocks(graph: _Graph, layers: Sequence[Layer]) -> None:
    """Append layers of residual blocks.

    A block adds its input, pooled where the block halves it, to its output. Where the two differ
    the smaller is padded with zeros: in channels, and in the last row and column.
    """
    skip = graph.at
    previous = ""
    for layer in layers:
        if layer.kind == "add_prev":
            graph.add(skip)
        elif layer.kind == "avg_pool" and layer.window[0]:  # of the block's input, not its output
            skip, graph.at = graph.at, skip
            graph.apply(layer)
        else:
            graph.apply(layer)
        if layer.kind == "max_pool" or previous == "add_prev":  # a block begins here
            skip = graph.at
        previous = layer.kind


def _first_blocks(layers: list[Layer], blocks: int) -> list[Layer]:
    """The layers up to the end of that block, its activation included."""
    sums = [at for at, layer in enumerate(layers) if layer.kind == "add_prev"]
    if len(sums) < max(blocks, 1):
        raise WeightsError(f"a network of {len(sums)} residual blocks; {blocks} are needed")
    return layers[: sums[blocks - 1] + 2] if blocks else []


def _convolutions(layers: Sequence[Layer]) -> list[Layer]:
    return [layer for layer in layers if layer.kind == "con"]


def mmod_graph(network: Network) -> bytes:
    """The face detector as ONNX. Shapes: `pixels` (1, H, W, 3) uint8 -> `scores` (1, 1, h, w)."""
    layers = _folded(network)
    for layer in layers:
        if layer.kind not in ("con", "relu"):
            raise WeightsError(f"a {layer.kind} layer where MMOD has none")
    graph = _Graph("pixels", 1, None)
    for layer in [*_with_whole_blocks(layers[:-1]), *_by_rows(layers[-1])]:
        graph.apply(layer)
    return graph.finish("scores", [1, 1, "h", "w"])


def _with_whole_blocks(layers: list[Layer]) -> list[Layer]:
    """The same layers with filters of zeros added, up to a multiple of 16 in each convolution.

    onnxruntime keeps channels in blocks of 16 or 8; for other numbers its code is slower.
    """
    blocked, added = [], 0
    for layer in layers:
        if layer.kind == "con":
            weights, bias = _numbers(layer)
            more = -len(bias) % _BLOCK
            weights = np.pad(weights, ((0, more), (0, added), (0, 0), (0, 0)))
            layer = replace(layer, weights=_f32(weights), bias=_f32(np.pad(bias, (0, more))))
            added = more
        blocked.append(layer)
    return blocked


def _by_rows(con: Layer) -> list[Layer]:
    """A convolution of one filter as two: each row of it as a filter of its own, then their sum.

    One filter alone would leave onnxruntime's blocks of 16 empty but for one.
    """
    weights, bias = _numbers(con)
    filters, channels, rows, columns = weights.shape
    _, _, stride_y, stride_x, pad_y, pad_x = con.window
    if filters != 1 or rows > _BLOCK or (stride_y, stride_x) != (1, 1):
        raise WeightsError(f"a last convolution of {filters} filters; MMOD's has one")
    across = np.zeros((_BLOCK, channels + -channels % _BLOCK, 1, columns))
    across[:rows, :channels, 0] = weights[0].transpose(1, 0, 2)
    down = np.zeros((1, _BLOCK, rows, 1))
    down[0, np.arange(rows), np.arange(rows), 0] = 1
    return [
        Layer(
            "con", _f32(across), np.zeros(_BLOCK, np.float32), window=(1, columns, 1, 1, 0, pad_x)
        ),
        Layer("con", _f32(down), _f32(bias), window=(rows, 1, 1, 1, pad_y, 0)),
    ]


def _folded(network: Network) -> list[Layer]:
    """The layers with each affine, the input's means and its division by 256 put into a con."""
    layers: list[Layer] = []
    for layer in network.layers:
        if layer.kind == "affine":
            if not layers or layers[-1].kind != "con":
                raise WeightsError("an affine layer that does not follow a convolution")
            layers[-1] = _with_affine(layers[-1], layer)
        else:
            layers.append(layer)
    if not layers or layers[0].kind != "con" or any(layers[0].window[4:]):
        raise WeightsError("a network that does not begin with an unpadded convolution")
    layers[0] = _with_means(layers[0], network.means)
    return layers


def _with_affine(con: Layer, affine: Layer) -> Layer:
    weights, bias = _numbers(con)
    scale, shift = affine.scale, affine.shift
    if scale is None or shift is None or scale.shape != bias.shape or shift.shape != bias.shape:
        raise WeightsError("an affine layer that does not fit its convolution")
    return replace(
        con, weights=_f32(weights * scale[:, None, None, None]), bias=_f32(bias * scale + shift)
    )


def _with_means(con: Layer, means: tuple[float, float, float]) -> Layer:
    # dlib feeds (pixel - mean) / 256; this one takes pixels as they are.
    weights, bias = _numbers(con)
    if weights.shape[1] != 3:
        raise WeightsError(f"a first convolution over {weights.shape[1]} channels; pixels have 3")
    weights = weights / 256
    return replace(
        con, weights=_f32(weights), bias=_f32(bias - np.einsum("fcij,c->f", weights, means))
    )


def _numbers(con: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if con.weights is None or con.bias is None:
        raise WeightsError("a convolution without numbers")
    return con.weights.astype(np.float64), con.bias.astype(np.float64)


def _f32(values: NDArray[np.floating[Any]]) -> Array:
    """Numbers in single precision. Raises WeightsError where they are none, or do not fit."""
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise WeightsError("numbers that are not finite")
    return numbers


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A value that flows through a graph; `side` is its rows and columns where they are known."""

    name: str
    channels: int
    side: int | None


class _Graph:
    """An ONNX graph under construction; `at` is its latest tensor."""

    def __init__(self, source: str, count: int | str, side: int | None) -> None:
        from onnx import TensorProto, helper

        shape = [count, side or "height", side or "width", 3]
        self._inputs = [helper.make_tensor_value_info(source, TensorProto.UINT8, shape)]
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self.at = _Tensor(source, 3, side)
        # Pixels stay as they lie, R, G and B in turn along a row three times as long: the first
        # convolution then takes steps of three, and nothing needs to be transposed.
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
                if layer.weights.shape[0] != self.at.channels:
                    raise WeightsError("a fully connected layer that does not fit what it is given")
                self._node("Flatten", axis=1)
                self._node("MatMul", self._constant(layer.weights))
                self.at = _Tensor(self.at.name, layer.weights.shape[1], None)
            case _:
                raise WeightsError(f"a {layer.kind} layer where there should be none")

    def add(self, other: _Tensor) -> None:
        """Add `other`, padding whichever is smaller with zeros at the end of each axis."""
        one, channels = self.at, max(self.at.channels, other.channels)
        if one.side is None or other.side is None:
            raise WeightsError("a sum of tensors whose sizes are not known")
        side = max(one.side, other.side)
        padded = self._pad(other, channels, side)
        self.at = self._pad(one, channels, side)
        self._node("Add", padded.name)

    def viewed(self, view: Projection) -> _Tensor:
        """Append a linear view of the latest tensor; gives its vectors."""
        self._node("Flatten", axis=1)
        self._node("MatMul", self._constant(view.basis))
        self._node("Sub", self._constant(view.shift))
        self._node("LpNormalization", axis=1, p=2)
        self._node("Sub", self._constant(view.mean))
        self._node("MatMul", self._constant(view.map))
        self._node("LpNormalization", axis=1, p=2)
        self.at = _Tensor(self.at.name, view.map.shape[1], None)
        return self.at

    def join(self, first: _Tensor, second: _Tensor) -> None:
        """Lay the vectors of two tensors end to end."""
        self.at = first
        self._node("Concat", second.name, axis=1)
        self.at = _Tensor(self.at.name, first.channels + second.channels, None)

    def finish(self, result: str, shape: Sequence[int | str]) -> bytes:
        """The whole model, its latest tensor named `result`. Raises WeightsError if it is wrong."""
        from onnx import TensorProto, checker, helper

        self._node("Identity")
        self._nodes[-1].output[0] = result
        output = helper.make_tensor_value_info(result, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self._nodes, "facematch", self._inputs, [output], self._constants)
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
        try:
            checker.check_model(model)
        except checker.ValidationError as error:
            raise WeightsError(f"the layers make no valid graph ({error})") from error
        return bytes(model.SerializeToString())

    def _convolve(self, layer: Layer) -> None:
        weights, bias = _numbers(layer)
        if weights.shape[1] != self.at.channels:
            raise WeightsError("a convolution that does not fit what it is given")
        rows, columns, stride_y, stride_x, pad_y, pad_x = layer.window
        if self._interleaved:
            weights = weights.transpose(0, 2, 3, 1).reshape(len(bias), 1, rows, 3 * columns)
            columns, stride_x, self._interleaved = 3 * columns, 3 * stride_x, False
        inputs = self._constant(_f32(weights)), self._constant(_f32(bias))
        strides, pads = [stride_y, stride_x], [pad_y, pad_x, pad_y, pad_x]
        self._node("Conv", *inputs, kernel_shape=[rows, columns], strides=strides, pads=pads)
        self.at = _Tensor(self.at.name, len(bias), _shrunk(self.at.side, layer.window))

    def _pool(self, layer: Layer) -> None:
        rows, columns, stride_y, stride_x, pad_y, pad_x = layer.window
        if rows == 0:
            self._node("GlobalAveragePool")
            self.at = replace(self.at, side=1)
            return
        if pad_y or pad_x:
            raise WeightsError("a padded pooling; dlib's rule for it is not written here")
        kind = "MaxPool" if layer.kind == "max_pool" else "AveragePool"
        self._node(kind, kernel_shape=[rows, columns], strides=[stride_y, stride_x])
        self.at = replace(self.at, side=_shrunk(self.at.side, layer.window))

    def _pad(self, tensor: _Tensor, channels: int, side: int) -> _Tensor:
        if tensor.side is None or (tensor.channels, tensor.side) == (channels, side):
            return tensor
        more = side - tensor.side
        ends = np.array([0, 0, 0, 0, 0, channels - tensor.channels, more, more], np.int64)
        self.at = tensor
        self._node("Pad", self._constant(ends))
        return _Tensor(self.at.name, channels, side)

    def _node(self, kind: str, *more_inputs: str, **attributes: Any) -> None:
        from onnx import helper

        output = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(kind, [self.at.name, *more_inputs], [output], **attributes)
        )
        self.at = replace(self.at, name=output)

    def _constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _shrunk(side: int | None, window: Window) -> int | None:
    """The rows left of `side` rows by a sliding window; dlib and ONNX both round down."""
    if side is None:
        return None
    rows, _, stride, _, pad, _ = window
    return (side + 2 * pad - rows) // stride + 1
