"""The same answers for programs: files in, JSON out, nothing kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from facematch import output
from facematch.analyses.ages import with_ages
from facematch.analyses.family import family
from facematch.analyses.pair import score
from facematch.app.desk import desk_of
from facematch.app.openapi import DESCRIPTION
from facematch.app.uploads import MOST_BYTES, Bounds, Upload, read_files
from facematch.engine import Engine
from facematch.enrolment.gallery import embed
from facematch.errors import OptionError
from facematch.output.faces import rounded_box
from facematch.output.json_text import json_object
from facematch.types import Photo

_Task = Callable[[Engine, Sequence[Upload]], str]

_TWO_PHOTOS = Bounds(files=2, bytes=2 * MOST_BYTES)
_ALBUM = Bounds(files=60, bytes=4 * MOST_BYTES)
_ONE_PHOTO = Bounds(files=1, bytes=MOST_BYTES)


async def describe(_: Request) -> Response:
    """The OpenAPI description."""
    return JSONResponse(DESCRIPTION)


async def score_photos(request: Request) -> Response:
    """As `facematch score --format json`."""
    return await _answer(request, _TWO_PHOTOS, _score)


async def compare_family(request: Request) -> Response:
    """As `facematch family --format json`."""
    return await _answer(request, _ALBUM, _family)


async def list_faces(request: Request) -> Response:
    """As `facematch faces --format json`."""
    return await _answer(request, _ONE_PHOTO, _faces)


async def embed_faces(request: Request) -> Response:
    """A vector for each face of a photo."""
    return await _answer(request, _ONE_PHOTO, _embed)


async def _answer(request: Request, bounds: Bounds, task: _Task) -> Response:
    desk = desk_of(request)
    async with desk.place_for(request):
        text = await desk.work(task, desk.engine, await read_files(request, bounds))
    return Response(text, media_type="application/json")


def _score(engine: Engine, uploads: Sequence[Upload]) -> str:
    parent, child = (_only(engine, uploads, field) for field in ("parent", "child"))
    return output.as_json(score(engine, parent, child))


def _family(engine: Engine, uploads: Sequence[Upload]) -> str:
    sides: dict[str, dict[str, list[Photo]]] = {"parent": {}, "child": {}}
    for upload in uploads:
        side, _, name = upload.field.partition(".")
        if side not in sides:
            raise HTTPException(400, f"no field {side[:20]!r}: there are parent and child")
        photos = sides[side].setdefault(name or PurePath(upload.name).stem, [])
        photos.append(engine.decode(upload.name, upload.data))
    if not sides["parent"] or not sides["child"]:
        raise OptionError("nobody to compare: send at least one parent and one child")
    return output.as_json(family(engine, sides["parent"], sides["child"]))


def _faces(engine: Engine, uploads: Sequence[Upload]) -> str:
    return output.as_json(with_ages(engine, engine.find_faces(_only(engine, uploads, "photo"))))


def _embed(engine: Engine, uploads: Sequence[Upload]) -> str:
    portrait = engine.find_faces(_only(engine, uploads, "photo"))
    faces = [
        {
            "face": subject.face,
            "box": rounded_box(subject.box),
            "confidence": round(subject.confidence, 4),
            "vector": [round(float(number), 6) for number in vector],
        }
        for subject, vector in zip(portrait.subjects(), embed(engine, [portrait]), strict=True)
    ]
    fields = {"photo": portrait.photo.label, "space": engine.embedder.space, "faces": faces}
    return json_object(fields)


def _only(engine: Engine, uploads: Sequence[Upload], field: str) -> Photo:
    """The photo in the one file of a field."""
    named = [upload for upload in uploads if upload.field == field]
    if len(named) != 1:
        raise HTTPException(400, f"send one file as {field!r}, not {len(named)}")
    return engine.decode(named[0].name, named[0].data)
