"""Where weight files lie, and reading them. Every known file is checked against its sha256."""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from facematch.errors import WeightsError
from facematch.weights.catalogue import WeightFile, weight_file

_LOG = logging.getLogger(__name__)
_MOST_KEPT_BYTES = 512 * 2**20  # the largest kept file has 33 MB

CONVERTER_VERSION = 4  # increased whenever `onnx_graphs` or `shape_predictor` write another result

State = Literal["ready", "not installed", "damaged"]


def read_weights(name: str) -> bytes:
    """The bytes of a known weight file. Raises WeightsError where it is missing or another file."""
    weights = weight_file(name)
    path = weights_path(weights)
    try:
        data = path.read_bytes() if path.stat().st_size == weights.size else b""
    except FileNotFoundError as error:
        raise WeightsError(f"{weights.file} is not installed: {how_to_install(weights)}") from error
    except OSError as error:
        raise WeightsError(f"{weights.file} cannot be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        advice = how_to_install(weights)
        raise WeightsError(f"{weights.file} is damaged or another version: {advice}")
    return data


def read_file(path: Path, most: int, *, advice: str = "") -> bytes:
    """The bytes of any file, at most `most`.

    Raises WeightsError for a larger file, or where it cannot be read; that message ends in
    `advice`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        more = f": {advice}" if advice else ""
        raise WeightsError(f"{path} cannot be read ({error.strerror}){more}") from error
    if len(data) > most:
        raise WeightsError(f"{path} has more than {most:,} bytes")
    return data


def state(name: str) -> State:
    """Whether a known weight file is installed and right. Reads the whole file."""
    try:
        read_weights(name)
    except WeightsError:
        return "damaged" if weights_path(weight_file(name)).exists() else "not installed"
    return "ready"


def converted(name: str, convert: Callable[[bytes], bytes], *, version: int, suffix: str) -> bytes:
    """A known weight file as `convert` converts it. The result is kept in the user's cache."""
    source = f"{weight_file(name).sha256[:16]}-v{version}"
    return kept("converted", name, source, suffix, lambda: convert(read_weights(name)))


def kept(folder: str, name: str, source: str, suffix: str, make: Callable[[], bytes]) -> bytes:
    """What `make` gives, kept in a folder of the user's cache; `source` says what it is made from.

    The kept file's name holds the name, the source and the sha256 of the content. The content is
    checked on each use, and a damaged copy is made again. Two processes that make it at the same
    time write the same content. What was made from another source is deleted. Where the cache
    cannot be written, each process makes the content itself.
    """
    place = cache_folder() / folder
    stem = f"{name}-{source}-"
    for path in sorted(place.glob(f"{glob.escape(stem)}*{suffix}")):
        content = _read_kept(path, path.name[len(stem) : -len(suffix)])
        if content is not None:
            return content
    content = make()
    path = place / f"{stem}{_short_hash(content)}{suffix}"
    try:
        write_whole(path, content)
        for old in place.glob(f"{glob.escape(name)}-*"):
            if not old.name.startswith(stem):
                old.unlink(missing_ok=True)
    except OSError as error:
        _LOG.warning("%s cannot be written (%s): made again on every start", path, error.strerror)
    return content


def _read_kept(path: Path, short_hash: str) -> bytes | None:
    """The content of a kept file. A damaged file is deleted and gives None."""
    with suppress(OSError):
        if path.stat().st_size <= _MOST_KEPT_BYTES:
            content = path.read_bytes()
            if _short_hash(content) == short_hash:
                return content
        path.unlink()
    return None


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that other processes see the whole file or no file, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def cache_folder() -> Path:
    """The folder for facematch's files: FACEMATCH_CACHE, else in the user's cache. Not created."""
    chosen = os.environ.get("FACEMATCH_CACHE")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("facematch", appauthor=False)


def models_folder() -> Path:
    """The folder of the models that ship: in the package, or beside it in a clone."""
    package = Path(__file__).parents[1]
    shipped = package / "models"
    return shipped if shipped.is_dir() else package.parent / "models"


def weights_path(weights: WeightFile) -> Path:
    """The place of a weight file, installed or not."""
    if not weights.is_bundled:
        return cache_folder() / "fetched" / weights.file
    if weights.package is None:
        return models_folder() / weights.file
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        package = distribution(weights.package)
    except PackageNotFoundError:
        return Path(weights.package, weights.file)  # no such file, which `read_weights` reports
    return Path(str(package.locate_file(f"{weights.package}/models/{weights.file}")))


def how_to_install(weights: WeightFile) -> str:
    """What a user can do to install a weight file, for the end of a message."""
    if weights.package:
        return f"run `pip install --force-reinstall --no-deps {weights.package}==0.3.0`"
    terms = f"({weights.licence}, {weights.size / 1e6:.1f} MB)"
    if weights.is_user_supplied:
        return f"run `facematch models fetch {weights.name} --from FILE` with your copy {terms}"
    if weights.url is None:
        return "install facematch again"
    return f"run `facematch models fetch {weights.name}` {terms}"
