"""Any face embedder in an ONNX file that takes chips aligned by five points.

A TOML beside the file, of the same name, says how it wants its chips:

    name = "mobilefacenet"
    size = 112                        # pixels, square
    frame = "arcface"                 # or template = [[x, y], ...], five points in pixels
    mean = [0.485, 0.456, 0.406]      # of values from 0 to 1, in the order of `colour`
    std = [0.229, 0.224, 0.225]
    colour = "RGB"                    # or "BGR"
    layout = "NCHW"                   # or "NHWC"; NCHW where left out
    sha256 = "b7120c…"                # of the ONNX file

`template` names the landmarks of `Face.landmarks`, in that order. `licence` and `source` may be
added for the reader.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from facematch.errors import EmbeddingError, WeightsError
from facematch.types import Chips, Frame, Vectors
from facematch.weights.catalogue import (
    models_folder,
    read_file,
    read_weights,
    weight_file,
    weights_path,
)
from facematch.weights.sessions import session

if TYPE_CHECKING:
    import onnxruntime

T = TypeVar("T")

_BATCH = 32  # chips a run
_MOST_BYTES = 2**30  # of the ONNX file
_MOST_TOML = 2**16
_SIDES = (16, 1024)
_EXAMPLE = "facematch/embedding/onnx_model.py has an example"
_WHICH_POINTS = (
    "must be the outer and inner corner of the right eye, of the left eye, and the base of the "
    "nose, the right eye being the one on the right of the chip"
)
_TWO_FILES = (
    "an ONNX embedder is two files, PATH.onnx and PATH.toml, which says how its chips are cut; "
    + _EXAMPLE
)

# Where the landmarks fall in a chip of 112 pixels that ArcFace's five points (eyes, tip of the
# nose, corners of the mouth) align: the medians over 47 faces seen from the front, among the
# photographs beside the project, whose ArcFace points YuNet located. MobileFaceNet's TAR at FAR 1 %
# over 1,024 pairs of Families In the Wild is then 0.81, as with chips cut at YuNet's points, 0.82,
# or with medians over 267 of those faces, 0.82, whose outer corners are 2 to 3 pixels further out.
_ARCFACE_SIZE = 112
_ARCFACE = ((80.46, 53.21), (66.76, 53.56), (32.44, 53.36), (45.76, 53.68), (56.67, 79.99))


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """What the TOML says."""

    name: str
    frame: Frame
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    is_bgr: bool
    channels_first: bool
    sha256: str

    @property
    def digest(self) -> str:
        """Eight digits that are others where any of this is, but for the name."""
        template, mean, std = (each.tolist() for each in (self.frame.template, self.mean, self.std))
        flags = self.is_bgr, self.channels_first
        said = json.dumps([self.frame.size, template, mean, std, flags, self.sha256])
        return hashlib.sha256(said.encode()).hexdigest()[:8]


class OnnxEmbedder:
    """Embeds chips with the network in an ONNX file. Only the TOML is read when it is built.

    The TOML lies beside the file where `recipe` does not name it. Raises WeightsError, which names
    the file and the key, for a TOML that is missing or wrong, or where the ONNX file is missing.
    """

    def __init__(self, path: Path, recipe: Path | None = None) -> None:
        self._path = path
        self._recipe = read_recipe(path.with_suffix(".toml") if recipe is None else recipe)
        if not path.is_file():  # now, rather than when the photos have been searched
            raise WeightsError(f"{path} is not there, though {path.stem}.toml is: {_TWO_FILES}")
        self.name = self._recipe.name

    @property
    def space(self) -> str:
        """The name and a digest: other weights or other chips, another space."""
        return f"{self.name}-{self._recipe.digest}"

    @property
    def frame(self) -> Frame:
        """As the TOML says."""
        return self._recipe.frame

    def embed(self, chips: Chips) -> Vectors:
        """One vector a chip. Shapes: (N, S, S, 3) uint8 RGB -> (N, D) float32. N may be 0.

        Raises EmbeddingError for chips of any other shape or type, or where the network takes or
        gives another; WeightsError where the file is not the one that the TOML names.
        """
        self.frame.check(chips)
        step = self._batch_size
        batches = [self._run(chips[at : at + step]) for at in range(0, len(chips), step)]
        if not batches:
            return self._run(np.zeros((1, *self.frame.shape), np.uint8))[:0]
        return np.concatenate(batches)

    def _run(self, chips: Chips) -> Vectors:
        recipe = self._recipe
        values = chips[..., ::-1] if recipe.is_bgr else chips
        # Planes first: along an axis of three numpy takes three steps at a time.
        inputs = np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)
        inputs -= 255 * recipe.mean[:, np.newaxis, np.newaxis]
        inputs /= 255 * recipe.std[:, np.newaxis, np.newaxis]
        if not recipe.channels_first:
            inputs = np.ascontiguousarray(inputs.transpose(0, 2, 3, 1))
        try:
            vectors = self._session.run(None, {self._session.get_inputs()[0].name: inputs})[0]
        except Exception as error:  # onnxruntime's errors share no base class
            why = " ".join(str(error).split())  # onnxruntime writes several lines
            raise EmbeddingError(f"{self._path} does not take such chips ({why})") from error
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or len(vectors) != len(chips):
            raise EmbeddingError(f"{self._path} gives {vectors.shape} for {len(chips)} chips")
        return vectors.astype(np.float32)

    @property
    def _batch_size(self) -> int:
        """The number of chips the graph is fixed to, if it is."""
        return 1 if self._session.get_inputs()[0].shape[:1] == [1] else _BATCH

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        model = read_file(self._path, _MOST_BYTES, advice=_TWO_FILES)
        if hashlib.sha256(model).hexdigest() != self._recipe.sha256:
            raise WeightsError(
                f"{self._path} is not the file that {self._path.with_suffix('.toml').name} names: "
                "its sha256 differs"
            )
        try:
            if not _has_external_data(model):
                return session(model)
        except WeightsError as error:  # it knows the bytes only, not whose they are
            raise WeightsError(f"{self._path}: {' '.join(str(error).split())}") from error
        raise WeightsError(
            f"{self._path} keeps weights in other files, which its sha256 does not cover: "
            "save it as one file, with onnx.save(onnx.load(path), one_file)"
        )


def mobilefacenet() -> OnnxEmbedder:
    """The MobileFaceNet that `facematch models fetch` installed. Raises WeightsError without it."""
    read_weights("mobilefacenet")  # where it is missing, this says how to install it
    path = weights_path(weight_file("mobilefacenet"))
    return OnnxEmbedder(path, models_folder() / "mobilefacenet.toml")


def read_recipe(path: Path) -> Recipe:
    """What a TOML says of the ONNX file beside it.

    Raises WeightsError naming the file and the key that is missing or wrong.
    """
    try:
        values = tomllib.loads(read_file(path, _MOST_TOML, advice=_TWO_FILES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is no TOML ({error})") from error
    size = _value(path, values, "size", int, "a number of pixels, such as 112")
    if not _SIDES[0] <= size <= _SIDES[1]:
        _refuse(path, "size", f"must lie from {_SIDES[0]} to {_SIDES[1]}")
    sha256 = _value(path, values, "sha256", str, "64 hexadecimal digits").lower()
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        _refuse(path, "sha256", "must be 64 hexadecimal digits")
    std = _numbers(path, values, "std", (3,))
    if (std <= 0).any():
        _refuse(path, "std", "must be above 0")
    name = _value(path, values, "name", str, "text")
    if not name.strip():
        _refuse(path, "name", "must be text")
    return Recipe(
        name=name,
        frame=Frame(size, _template(path, values, size)),
        mean=_numbers(path, values, "mean", (3,)),
        std=std,
        is_bgr=_choice(path, values, "colour", ("RGB", "BGR")) == "BGR",
        channels_first=_choice(path, {"layout": "NCHW"} | values, "layout", ("NCHW", "NHWC"))
        == "NCHW",
        sha256=sha256,
    )


def _has_external_data(model: bytes) -> bool:
    """Whether a graph refers to weights outside; onnxruntime looks for them in the folder it is in.

    Functions and graphs within nodes hold constants too, so every message is looked at.
    Raises WeightsError where the bytes are no ONNX graph.
    """
    if b"location" not in model:  # the key that every such reference has
        return False
    import onnx

    try:
        return _refers_outside(onnx.load_model_from_string(model))
    except Exception as error:  # protobuf's, which onnx has no name for
        raise WeightsError(f"no ONNX graph that onnx can read ({error})") from error


def _refers_outside(message: Any) -> bool:
    if message.DESCRIPTOR.name == "TensorProto":
        return bool(message.external_data)
    values = [value for field, value in message.ListFields() if field.message_type]
    return any(_refers_outside(part) for value in values for part in _parts(value))


def _parts(value: Any) -> Any:
    """The messages in a protobuf field, be it one or repeated."""
    return [value] if hasattr(value, "ListFields") else value


def _template(path: Path, values: dict[str, Any], size: int) -> NDArray[np.float32]:
    if "template" in values:
        template = _numbers(path, values, "template", (5, 2))
        if (template < 0).any() or (template > size).any():
            _refuse(path, "template", f"must lie inside the chip, from 0 to {size}")
        right_outer, right_inner, left_outer, left_inner, _ = template[:, 0]
        if not left_outer < left_inner < right_inner < right_outer:  # ArcFace's own five, often
            _refuse(path, "template", _WHICH_POINTS)
        return template
    _choice(path, values, "frame", ("arcface",))
    return np.array(_ARCFACE, np.float32) * np.float32(size / _ARCFACE_SIZE)


def _value(path: Path, values: dict[str, Any], key: str, kind: type[T], what: str) -> T:
    value = values.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        _refuse(path, key, f"must be {what}")
    return value


def _choice(path: Path, values: dict[str, Any], key: str, choices: tuple[str, ...]) -> str:
    if values.get(key) not in choices:
        _refuse(path, key, f"must be {' or '.join(repr(choice) for choice in choices)}")
    return str(values[key])


def _numbers(
    path: Path, values: dict[str, Any], key: str, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    wanted = " x ".join(str(side) for side in shape)
    try:
        numbers = np.array(values.get(key))
    except ValueError:  # rows of different lengths
        _refuse(path, key, f"must be {wanted} numbers")
    # numpy would make numbers of texts and of true.
    if numbers.shape != shape or numbers.dtype.kind not in "if" or not np.isfinite(numbers).all():
        _refuse(path, key, f"must be {wanted} numbers")
    return numbers.astype(np.float32)


def _refuse(path: Path, key: str, reason: str) -> NoReturn:
    raise WeightsError(f"{path}: `{key}` {reason}; {_EXAMPLE}")
