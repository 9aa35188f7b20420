"""Read dlib's .dat files: the format's numbers, and its networks.

dlib writes an integer as one control byte and little-endian bytes. The low four bits of the control
byte count the bytes, and its high bit is the sign. A float is two such integers: mantissa and
exponent of 2. A tensor is a version, four sizes and raw little-endian float32.

A network is written from its loss layer down to its input layer, and then layer by layer from the
input up. Of tags and skips only a version number is written, so the layers come as a plain list
(dlib/dnn/core.h, layers.h, loss.h). `onnx_graphs` finds the residual blocks in that list.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.errors import WeightsError

Array: TypeAlias = NDArray[np.float32]
Window: TypeAlias = tuple[int, int, int, int, int, int]

# Every real dlib model stays far below these. Without them a forged file could cost a gigabyte.
MOST_ITEMS = 1 << 16
_LONGEST_STRING = 64  # bytes

# What reading raises where a damaged file has wild numbers that nothing checks one by one.
DAMAGED_NUMBERS = (ValueError, IndexError, OverflowError, ZeroDivisionError, MemoryError)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its kind (`con`, `affine`, `relu`, `max_pool` and so on) and its numbers.

    Shapes of `weights`: of a con (filters, channels, rows, columns), of an fc (inputs, outputs).
    `scale` and `shift` belong to an affine layer; a batch norm is read as one. `window` of a con or
    a pooling is rows, columns, stride y, stride x, padding y, padding x; 0 rows: the whole input.
    """

    kind: str
    weights: Array | None = None
    bias: Array | None = None
    scale: Array | None = None
    shift: Array | None = None
    window: Window = (0, 0, 1, 1, 0, 0)


@dataclass(frozen=True, slots=True)
class Network:
    """A network as read: input means (RGB), layers from input to output, the detection window."""

    means: tuple[float, float, float]
    layers: tuple[Layer, ...]
    window: int = 0  # side of the detection window; MMOD only


class Reader:
    """A cursor over the bytes of a .dat file. Nothing it returns is larger than the file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises WeightsError where the file ends before."""
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise WeightsError(f"the file ends early, at byte {len(self._data)} of {end} or more")
        chunk = self._data[self._at : end]
        self._at = end
        return chunk

    def at_end(self) -> bool:
        """Whether all bytes are taken."""
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

    def count(self, limit: int = MOST_ITEMS) -> int:
        """The number of items that follow, at most `limit`."""
        value = self.integer()
        if not 0 <= value <= limit:
            raise WeightsError(f"{value} items at byte {self._at}: at most {limit} make sense")
        return value

    def string(self) -> str:
        """A string of at most 64 bytes."""
        return self.take(self.count(_LONGEST_STRING)).decode("latin-1")

    def tensor(self) -> Array:
        """A tensor (samples, channels, rows, columns) of float32."""
        version = self.integer()
        if version != 2:
            raise WeightsError(f"tensor version {version}; only 2 is known")
        shape = tuple(self.count(1 << 24) for _ in range(4))
        return float32_numbers(np.frombuffer(self.take(4 * math.prod(shape)), "<f4").reshape(shape))

    def matrix(self) -> Array:
        """A dense column of packed floats. dlib writes its sizes as negatives. Shape: (rows,)."""
        rows, columns = -self.integer(), -self.integer()
        if not (0 <= rows <= MOST_ITEMS and columns == 1):
            raise WeightsError(f"a {rows} x {columns} matrix where a column was expected")
        return float32_numbers(np.array([self.real() for _ in range(rows)]))


def float32_numbers(values: NDArray[np.floating[Any]]) -> Array:
    """The numbers as float32. Raises WeightsError where one is not finite, or too large."""
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise WeightsError("numbers that are not finite")
    return numbers


def read_network(data: bytes) -> Network:
    """Parse a face network: the ResNet embedder or the MMOD detector.

    Raises WeightsError where the bytes are not such a network.
    """
    try:
        return _read_network(Reader(data))
    except DAMAGED_NUMBERS as error:
        raise WeightsError(f"no dlib network ({error})") from error


def _read_network(reader: Reader) -> Network:
    reader.integer()  # version of the loss layer
    window = _read_loss(reader)
    length = reader.integer()
    # 1 to 3 are the versions of the layers around the input, not the length of a name.
    while length in (1, 2, 3):
        length = reader.integer()
    means = _read_input(reader, reader.take(length).decode("latin-1"))
    return Network(means, tuple(_read_layers(reader)), window)


def _read_loss(reader: Reader) -> int:
    """The side of MMOD's detection window; 0 for the metric loss, which has no window."""
    name = reader.string()
    if name.startswith("loss_metric_"):
        reader.real(), reader.real()  # margin and distance threshold, for training only
        return 0
    if name != "loss_mmod_":
        raise WeightsError(f"unknown loss layer {name!r}")
    version = reader.integer()
    if version != 1:
        raise WeightsError(f"MMOD options version {version}; only 1 is known")
    width, height = reader.count(), reader.count()
    if width != height or width == 0:
        raise WeightsError(f"a {width}x{height} detection window; only squares are known")
    shares = [reader.real() for _ in range(4)]  # the last is how much two faces may overlap
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
    """The layers from input to output. Three flags and three unused tensors follow each."""
    layers: list[Layer] = []
    while not reader.at_end():
        name = reader.string()
        if name not in _LAYER_READERS:
            raise WeightsError(f"unknown layer {name!r}")
        layers.append(_LAYER_READERS[name](reader))
        _ = [reader.boolean() for _ in range(3)], [reader.tensor() for _ in range(3)]
        if len(layers) == 1:
            reader.integer()  # sample expansion factor, which only the innermost layer has
    return layers


def _read_con(reader: Reader) -> Layer:
    params = reader.tensor()
    filters = reader.count()
    rows, columns, *strides_and_padding = (reader.count() for _ in range(6))
    weights = _alias_tensor(reader, params, 0)
    bias = _alias_tensor(reader, params, weights.size)
    _ = [reader.real() for _ in range(4)]  # learning rates and decays
    if weights.shape[0] != filters or weights.shape[2:] != (rows, columns) or bias.size != filters:
        raise WeightsError("a convolution whose sizes contradict each other")
    stride_y, stride_x, padding_y, padding_x = strides_and_padding
    window = _checked_window((rows, columns, stride_y, stride_x, padding_y, padding_x))
    return Layer("con", weights=weights, bias=bias.ravel(), window=window)


def _read_affine(reader: Reader) -> Layer:
    params = reader.tensor()
    scale = _alias_tensor(reader, params, 0)
    shift = _alias_tensor(reader, params, scale.size)
    reader.integer()  # the mode: after a convolution, or after a fully connected layer
    return Layer("affine", scale=scale.ravel(), shift=shift.ravel())


def _read_batch_norm(reader: Reader) -> Layer:
    """A batch norm, as the affine layer that its running statistics make of it."""
    params = reader.tensor()
    gamma = _alias_tensor(reader, params, 0).ravel().astype(np.float64)
    beta = _alias_tensor(reader, params, gamma.size).ravel().astype(np.float64)
    reader.tensor(), reader.tensor()  # statistics of the last training batch
    mean = reader.tensor().ravel().astype(np.float64)
    variance = reader.tensor().ravel().astype(np.float64)
    reader.integer(), reader.integer()  # updates and their window
    _ = [reader.real() for _ in range(4)]  # learning rates and decays
    epsilon = reader.real()
    if not gamma.size == beta.size == mean.size == variance.size or np.any(variance + epsilon <= 0):
        raise WeightsError("a batch norm whose numbers contradict each other")
    scale = gamma / np.sqrt(variance + epsilon)
    return Layer("affine", scale=float32_numbers(scale), shift=float32_numbers(beta - scale * mean))


def _read_fc(reader: Reader) -> Layer:
    outputs, inputs = reader.count(), reader.count()
    params = reader.tensor()
    weights = _alias_tensor(reader, params, 0)
    _alias_tensor(reader, params, weights.size)  # the bias: empty
    reader.integer()  # bias mode
    _ = [reader.real() for _ in range(4)]  # learning rates and decays
    if weights.size != params.size or weights.size != inputs * outputs:
        raise WeightsError("a fully connected layer with a bias, or of contradictory sizes")
    return Layer("fc", weights=weights.reshape(inputs, outputs))


def _read_pool(reader: Reader, kind: str) -> Layer:
    rows, columns, stride_y, stride_x, padding_y, padding_x = (reader.count() for _ in range(6))
    window = _checked_window((rows, columns, stride_y, stride_x, padding_y, padding_x))
    return Layer(kind, window=window)


def _checked_window(window: Window) -> Window:
    rows, _, stride_y, stride_x, _, _ = window
    if rows and not (stride_y and stride_x):
        raise WeightsError("a sliding window with a stride of 0")
    return window


def _alias_tensor(reader: Reader, params: Array, offset: int) -> Array:
    """The part of `params`, from `offset` on, whose sizes an alias tensor gives."""
    version = reader.integer()
    if version != 1:
        raise WeightsError(f"alias tensor version {version}; only 1 is known")
    shape = tuple(reader.count(1 << 24) for _ in range(4))
    size = math.prod(shape)
    if offset + size > params.size:
        raise WeightsError("a layer that claims more numbers than it has")
    return params.ravel()[offset : offset + size].reshape(shape)


_LAYER_READERS: dict[str, Callable[[Reader], Layer]] = {
    "con_4": _read_con,
    "affine_": _read_affine,
    "bn_con2": _read_batch_norm,
    "fc_2": _read_fc,
    "max_pool_2": lambda reader: _read_pool(reader, "max_pool"),
    "avg_pool_2": lambda reader: _read_pool(reader, "avg_pool"),
    "relu_": lambda reader: Layer("relu"),
    "add_prev_": lambda reader: Layer("add_prev"),
}
