"""Install a weight file: from its address, or from a copy. Only this module uses the network."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facematch.errors import WeightsError
from facematch.weights.catalogue import WeightFile, weight_file
from facematch.weights.files import how_to_install, read_file, weights_path, write_whole

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

_LARGEST_COPY = 64 * 2**20  # bytes; the largest weight file has 22 MB
_SILENCE_SECONDS = 30  # after which a download fails


def fetch(name: str, *, source: Path | None = None, mirror: str | None = None) -> Path:
    """Install a weight file from its address, or from the file `source`. Gives its new place.

    `mirror`, or else FACEMATCH_MIRROR, is the address of a folder to download it from instead. Only
    https is used, through the proxy of HTTPS_PROXY if that is set. Raises WeightsError where the
    file cannot be downloaded or is not the known one. Nothing is installed then.
    """
    weights = weight_file(name)
    if weights.is_bundled:
        source_name = f"the package {weights.package}" if weights.package else "facematch itself"
        raise WeightsError(f"{name} comes with {source_name}: {how_to_install(weights)}")
    origin = source or _address(weights, mirror)
    if isinstance(origin, Path):
        data = read_file(origin, _LARGEST_COPY)
    else:
        data = _download(weights, origin)
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise WeightsError(f"{origin} is not the {weights.file} that facematch knows (sha256)")
    path = weights_path(weights)
    try:
        write_whole(path, data)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written ({error.strerror})") from error
    return path


def _address(weights: WeightFile, mirror: str | None) -> str:
    """The address to download a file from. Raises WeightsError unless it is an https address."""
    mirror = mirror or os.environ.get("FACEMATCH_MIRROR")
    address = f"{mirror.rstrip('/')}/{weights.file}" if mirror else weights.url
    if address is None:
        advice = how_to_install(weights)
        raise WeightsError(f"{weights.name} has no address to download it from: {advice}")
    if not address.startswith("https://"):
        raise WeightsError(f"{address} is no https address: weights are fetched by https only")
    return address


def _download(weights: WeightFile, url: str) -> bytes:
    from http.client import HTTPException

    most = weights.size + 1  # one byte too many is enough to see that it is another file
    try:
        with _https_opener().open(url, timeout=_SILENCE_SECONDS) as answer:
            return bytes(answer.read(most))
    # URLError, timeouts and broken connections are OSErrors; ValueError: an address without a host.
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(f"{url} cannot be fetched ({error})") from error


def _https_opener() -> OpenerDirector:
    """An opener that uses https only, also after a redirection."""
    from urllib import request

    class HttpsOnly(request.HTTPRedirectHandler):
        def redirect_request(self, *given: Any) -> request.Request | None:
            address = given[-1]
            if not address.startswith("https://"):
                raise OSError(f"it redirects to {address}, which is no https address")
            return super().redirect_request(*given)

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),  # the proxy that the environment names
        request.HTTPSHandler(),
        HttpsOnly(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener
