"""Any face embedder in an ONNX file that takes chips aligned by five points.

A TOML file of the same name beside it describes the chips:

    name = "mobilefacenet"
    size = 112                        # pixels, square
    frame = "arcface"                 # or template = [[x, y], ...], five points in pixels
    mean = [0.485, 0.456, 0.406]      # of values from 0 to 1, in the order of `colour`
    std = [0.229, 0.224, 0.225]
    colour = "RGB"                    # or "BGR"
    layout = "NCHW"                   # or "NHWC"; NCHW where left out
    sha256 = "b7120c…"                # of the ONNX file

`template` has the points of `Face.landmarks`, in that order. `licence` and `source` may be added
for people who read the file.
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
from facematch.weights.catalogue import weight_file
from facematch.weights.files import models_folder, read_file, read_weights, weights_path
from facematch.weights.sessions import session

if TYPE_CHECKING:
    import onnxruntime

T = TypeVar("T")

_ONNX_BATCH = 32  # chips a run
_LARGEST_ONNX_FILE = 2**30  # bytes
_LARGEST_RECIPE = 2**16  # bytes
_CHIP_SIDES = (16, 1024)  # pixels
_RECIPE_EXAMPLE = "facematch/embedding/onnx_model.py has an example"
_WHICH_POINTS = (
    "must be the outer and inner corner of the right eye, of the left eye, and the base of the "
    "nose, the right eye being the one on the right of the chip"
)
_TWO_FILES = (
    "an ONNX embedder is two files, PATH.onnx and PATH.toml, which describes its chips; "
    + _RECIPE_EXAMPLE
)

# The landmarks in a chip of 112 pixels that is aligned by ArcFace's five points (eyes, tip of the
# nose, corners of the mouth). Medians over 47 frontal faces, whose ArcFace points YuNet located.
# MobileFaceNet's TAR at FAR 1 %, over 1,024 pairs of Families In the Wild: 0.81 with these, 0.82
# with chips aligned by YuNet's points, 0.82 with medians over 267 faces, whose outer corners of the
# eyes lie 2 to 3 pixels further out.
_ARCFACE_SIZE = 112
_ARCFACE_TEMPLATE = ((80.46, 53.21), (66.76, 53.56), (32.44, 53.36), (45.76, 53.68), (56.67, 79.99))


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """The content of the TOML file."""

    name: str
    frame: Frame
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    is_bgr: bool
    channels_first: bool
    sha256: str

    @property
    def digest(self) -> str:
        """Eight digits that change whenever anything but the name changes."""
        arrays = self.frame.template, self.mean, self.std
        template, mean, std = (array.tolist() for array in arrays)
        flags = self.is_bgr, self.channels_first
        content = json.dumps([self.frame.size, template, mean, std, flags, self.sha256])
        return hashlib.sha256(content.encode()).hexdigest()[:8]


class OnnxEmbedder:
    """Embeds chips with the network in an ONNX file. Only the TOML file is read at construction.

    `recipe` is the path of the TOML file; None: beside the ONNX file. Raises WeightsError
    where one of both files is missing or the TOML file is wrong; it names the file and the key.
    """

    def __init__(self, path: Path, recipe: Path | None = None) -> None:
        self._path = path
        self._recipe = read_recipe(path.with_suffix(".toml") if recipe is None else recipe)
        if not path.is_file():  # checked now, before photos are searched for faces
            raise WeightsError(f"{path} is missing, but {path.stem}.toml is there: {_TWO_FILES}")
        self.name = self._recipe.name

    @property
    def space(self) -> str:
        """The name and a digest, so that other weights or other chips give another space."""
        return f"{self.name}-{self._recipe.digest}"

    @property
    def frame(self) -> Frame:
        """The frame that the TOML file describes."""
        return self._recipe.frame

    def embed(self, chips: Chips) -> Vectors:
        """One vector a chip. Shapes: (N, S, S, 3) uint8 RGB -> (N, D) float32. N may be 0.

        Raises EmbeddingError for chips of any other shape or type, or where the network takes or
        gives another; WeightsError where the ONNX file is not the one that the TOML file names.
        """
        self.frame.check(chips)
        step = self._batch_size
        batches = [self._run(chips[i : i + step]) for i in range(0, len(chips), step)]
        if not batches:
            return self._run(np.zeros((1, *self.frame.shape), np.uint8))[:0]
        return np.concatenate(batches)

    def _run(self, chips: Chips) -> Vectors:
        recipe = self._recipe
        values = chips[..., ::-1] if recipe.is_bgr else chips
        # Channels first, because numpy is slow along a last axis of three.
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
        """The number of chips a run: 1 for a graph that takes one chip only."""
        return 1 if self._session.get_inputs()[0].shape[:1] == [1] else _ONNX_BATCH

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        model = read_file(self._path, _LARGEST_ONNX_FILE, advice=_TWO_FILES)
        if hashlib.sha256(model).hexdigest() != self._recipe.sha256:
            raise WeightsError(
                f"{self._path} is not the file that {self._path.with_suffix('.toml').name} names: "
                "its sha256 differs"
            )
        try:
            if not _has_external_data(model):
                return session(model)
        except WeightsError as error:  # the message lacks the name of the file
            raise WeightsError(f"{self._path}: {' '.join(str(error).split())}") from error
        raise WeightsError(
            f"{self._path} keeps weights in other files, which its sha256 does not cover: "
            "save it as one file, with onnx.save(onnx.load(path), one_file)"
        )


def mobilefacenet() -> OnnxEmbedder:
    """The MobileFaceNet that `facematch models fetch` installed. Raises WeightsError without it."""
    read_weights("mobilefacenet")  # raises an error that says how to install it
    path = weights_path(weight_file("mobilefacenet"))
    return OnnxEmbedder(path, models_folder() / "mobilefacenet.toml")


def read_recipe(path: Path) -> Recipe:
    """Read the TOML file of an ONNX embedder.

    Raises WeightsError that names the file and the key that is missing or wrong.
    """
    try:
        values = tomllib.loads(read_file(path, _LARGEST_RECIPE, advice=_TWO_FILES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is no TOML ({error})") from error
    size = _recipe_value(path, values, "size", int, "a number of pixels, such as 112")
    if not _CHIP_SIDES[0] <= size <= _CHIP_SIDES[1]:
        _refuse_key(path, "size", f"must lie from {_CHIP_SIDES[0]} to {_CHIP_SIDES[1]}")
    sha256 = _recipe_value(path, values, "sha256", str, "64 hexadecimal digits").lower()
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        _refuse_key(path, "sha256", "must be 64 hexadecimal digits")
    std = _recipe_numbers(path, values, "std", (3,))
    if (std <= 0).any():
        _refuse_key(path, "std", "must be above 0")
    name = _recipe_value(path, values, "name", str, "text")
    if not name.strip():
        _refuse_key(path, "name", "must be text")
    return Recipe(
        name=name,
        frame=Frame(size, _recipe_template(path, values, size)),
        mean=_recipe_numbers(path, values, "mean", (3,)),
        std=std,
        is_bgr=_recipe_choice(path, values, "colour", ("RGB", "BGR")) == "BGR",
        channels_first=_recipe_choice(path, {"layout": "NCHW"} | values, "layout", ("NCHW", "NHWC"))
        == "NCHW",
        sha256=sha256,
    )


def _has_external_data(model: bytes) -> bool:
    """Whether a graph refers to weights in other files, which onnxruntime would open.

    Functions and graphs inside nodes hold constants too, so every message is checked. Raises
    WeightsError where the bytes are no ONNX graph.
    """
    if b"location" not in model:  # every such reference has this key
        return False
    import onnx

    try:
        return _refers_outside(onnx.load_model_from_string(model))
    except Exception as error:  # protobuf's errors, for which onnx has no class
        raise WeightsError(f"no ONNX graph that onnx can read ({error})") from error


def _refers_outside(message: Any) -> bool:
    if message.DESCRIPTOR.name == "TensorProto":
        return bool(message.external_data)
    values = [value for field, value in message.ListFields() if field.message_type]
    return any(_refers_outside(part) for value in values for part in _as_messages(value))


def _as_messages(value: Any) -> Any:
    """The messages in a protobuf field, which is one message or a list of them."""
    return [value] if hasattr(value, "ListFields") else value


def _recipe_template(path: Path, values: dict[str, Any], size: int) -> NDArray[np.float32]:
    if "template" in values:
        template = _recipe_numbers(path, values, "template", (5, 2))
        if (template < 0).any() or (template > size).any():
            _refuse_key(path, "template", f"must lie inside the chip, from 0 to {size}")
        right_outer, right_inner, left_outer, left_inner, _ = template[:, 0]
        # Often these are ArcFace's own five points.
        if not left_outer < left_inner < right_inner < right_outer:
            _refuse_key(path, "template", _WHICH_POINTS)
        return template
    _recipe_choice(path, values, "frame", ("arcface",))
    return np.array(_ARCFACE_TEMPLATE, np.float32) * np.float32(size / _ARCFACE_SIZE)


def _recipe_value(path: Path, values: dict[str, Any], key: str, kind: type[T], what: str) -> T:
    value = values.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        _refuse_key(path, key, f"must be {what}")
    return value


def _recipe_choice(path: Path, values: dict[str, Any], key: str, choices: tuple[str, ...]) -> str:
    if values.get(key) not in choices:
        _refuse_key(path, key, f"must be {' or '.join(repr(choice) for choice in choices)}")
    return str(values[key])


def _recipe_numbers(
    path: Path, values: dict[str, Any], key: str, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    wanted = " x ".join(str(side) for side in shape)
    try:
        numbers = np.array(values.get(key))
    except ValueError:  # rows of different lengths
        _refuse_key(path, key, f"must be {wanted} numbers")
    # numpy would also convert texts and true to numbers.
    if numbers.shape != shape or numbers.dtype.kind not in "if" or not np.isfinite(numbers).all():
        _refuse_key(path, key, f"must be {wanted} numbers")
    return numbers.astype(np.float32)


def _refuse_key(path: Path, key: str, reason: str) -> NoReturn:
    raise WeightsError(f"{path}: `{key}` {reason}; {_RECIPE_EXAMPLE}")
