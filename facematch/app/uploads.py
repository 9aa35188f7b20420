"""Files that a browser or a program sends: bounded in count, bytes and time, in memory only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from facematch.video.containers import HEAD_BYTES, is_clip

MOST_BYTES = 64 * 2**20  # of a photo
_FORM_BYTES = 2**16  # of a form, around its file
MOST_JSON = 2**18
_SECONDS = 120.0  # for all bytes of a request to arrive
_MOST_LETTERS = 100  # of a file's name


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form: the form's field, the file's name and its bytes."""

    field: str
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most files of a form, and the most bytes of a request."""

    files: int
    bytes: int


class _InMemoryParser(MultiPartParser):
    """Refuses a file that is larger than a photo, unless it begins as a clip does."""

    spool_max_size = 2**40  # a file on disk is never made

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._part_head, self._part_size = b"", 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        super().on_part_data(data, start, end)
        self._part_size += end - start
        missing = HEAD_BYTES - len(self._part_head)
        self._part_head += data[start : min(end, start + missing)]
        if self._part_size > MOST_BYTES and not is_clip(self._part_head):
            raise _too_large(MOST_BYTES)


async def read_files(request: Request, bounds: Bounds) -> list[Upload]:
    """The files of a multipart form. Raises HTTPException where they are too many or too large."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(400, "send the files as multipart/form-data")
    stream = _bounded(request, bounds.bytes)
    parser = _InMemoryParser(request.headers, stream, max_files=bounds.files, max_fields=8)
    try:
        async with asyncio.timeout(_SECONDS):
            form = await parser.parse()
            files = [(name, file) for name, file in form.multi_items() if not isinstance(file, str)]
            uploads = [await _read(name, file) for name, file in files]
            await form.close()
    except MultiPartException as error:
        status = 413 if "Too many" in error.message else 400
        raise HTTPException(status, error.message) from error
    except TimeoutError as error:
        raise HTTPException(408, "the files took too long to arrive") from error
    return uploads


def may_exceed_photo(request: Request) -> bool:
    """Whether the body of a request may be larger than a form with one photo."""
    declared = request.headers.get("content-length", "")
    return not declared.isdecimal() or int(declared[:20]) > MOST_BYTES + _FORM_BYTES


async def read_body(request: Request) -> bytes:
    """A small body. Raises HTTPException where it is too large."""
    try:
        async with asyncio.timeout(_SECONDS):
            return b"".join([chunk async for chunk in _bounded(request, MOST_JSON)])
    except TimeoutError as error:
        raise HTTPException(408, "the request took too long to arrive") from error


def plain_name(name: str) -> str:
    """A file's name without folders and unprintable characters, not too long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if letter.isprintable()).strip()
    return shown[-_MOST_LETTERS:] or "photo"


async def _read(field: str, file: UploadFile) -> Upload:
    return Upload(field, plain_name(file.filename or ""), await file.read())


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body of a request. Raises HTTPException as soon as it has too many bytes."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > most:
        raise _too_large(most)
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > most:
            raise _too_large(most)
        yield chunk


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"too large: at most {most / 2**20:.3g} MiB are taken")
