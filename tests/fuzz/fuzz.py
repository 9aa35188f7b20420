"""Look for photos, or weight files, that raise what they should not, with atheris.

    pip install ".[fuzz]"
    python tests/fuzz/fuzz.py photos -max_total_time=60
    python tests/fuzz/fuzz.py weights -max_total_time=60

Starts from real encodings, made anew in a temporary folder. Ends with a trace and a file named
crash-… for whatever is no PhotoError or WeightsError, works for over 5 seconds or takes over 1 GB.
Options after the target are libFuzzer's.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

with atheris.instrument_imports(include=["facematch", "PIL"]):
    from facematch.errors import FacematchError, PhotoError
    from facematch.photos.formats import READER_BY_FORMAT, reader_class
    from facematch.photos.limits import Limits
    from facematch.photos.reading import read_photo

    for kind in READER_BY_FORMAT:  # imported now, so that atheris instruments them
        reader_class(kind)
    from weight_files import READERS, real_files

FOLDER = Path(tempfile.mkdtemp(prefix="facematch-fuzz-"))
SMALL = Limits(max_pixels=300_000)  # more would only be slower


def photo(data: bytes) -> None:
    path = FOLDER / "photo"
    path.write_bytes(data)
    with suppress(PhotoError):
        read_photo(path, min_side=32 if len(data) % 2 else None, limits=SMALL)


def weights(data: bytes) -> None:
    read = READERS[data[0] % len(READERS)] if data else READERS[0]
    with suppress(FacematchError):
        read(data[1:])


def seeds(target: str) -> list[bytes]:
    if target == "photos":
        from make_corpus import real

        return [content for _, content in real()]
    return [bytes([READERS.index(read)]) + content for read, content in real_files()]


def main() -> None:
    target, *options = sys.argv[1:] or ["photos"]
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for number, content in enumerate(seeds(target)):
        (corpus / str(number)).write_bytes(content)
    limits = ["-timeout=5", "-rss_limit_mb=1000", "-max_len=65536"]
    arguments = [sys.argv[0], *limits, *options, str(corpus)]
    atheris.Setup(arguments, {"photos": photo, "weights": weights}[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
