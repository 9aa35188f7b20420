"""Handlers of the page's first half: dropped photos, their faces, forgetting them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from anyio.to_thread import run_sync
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from facematch.app.desk import desk_of, session_of
from facematch.app.searching import MOST_CLIP_BYTES, FoundPhoto, digest_of, search_file, turn_photo
from facematch.app.sessions import MOST_PHOTOS, FaceKey, Session
from facematch.app.uploads import MOST_BYTES, Bounds, read_body, read_files
from facematch.app.words import isolated, unusable_words
from facematch.detection.portraits import portraits
from facematch.pictures.canvas import as_jpeg
from facematch.scoring.wording import NO_PATERNITY_TEST

_ONE_FILE = Bounds(files=1, bytes=MOST_CLIP_BYTES + 2**20)
_STATIC = {"app.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"}
_FACE_SIDE = 240  # pixels
_ROLES = {
    "mum": "Mum",
    "dad": "Dad",
    "child": "Child",
    "child-2": "2nd child",
    "child-3": "3rd child",
}


async def show_page(request: Request) -> Response:
    """The page itself. It opens a session."""
    answer = HTMLResponse(
        rendered(
            "page",
            roles=_ROLES,
            no_paternity_test=NO_PATERNITY_TEST,
            most_photos=MOST_PHOTOS,
            most_bytes=MOST_BYTES,
            most_clip_bytes=MOST_CLIP_BYTES,
        )
    )
    name, key = request.app.state.cookie, session_of(request).key
    answer.set_cookie(name, key, httponly=True, samesite="strict")
    return answer


async def static_file(request: Request) -> Response:
    """The stylesheet or the script."""
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404, "there is no such file")
    content = files("facematch.app").joinpath("static", name).read_bytes()
    return Response(content, media_type=_STATIC[name])


async def drop_photo(request: Request) -> Response:
    """Take one photo or clip; says how many faces it shows."""
    session, desk = session_of(request), desk_of(request)
    generation = session.generation
    session.check_room()
    async with desk.place_for(request):
        uploads = await read_files(request, _ONE_FILE)
        if not uploads:
            raise HTTPException(400, "there is no file in the form")
        name, data = uploads[0].name, uploads[0].data
        digest = await run_sync(digest_of, data)
        session.check_new(digest)
        found = await desk.work(search_file, desk.engine, name, data, digest)
    session.check_generation(generation)
    return _file_answer(name, session.add_photos(found))


async def turn(request: Request) -> Response:
    """Turn a photo by a quarter and search it again."""
    session, desk = session_of(request), desk_of(request)
    number, generation = request.path_params["photo"], session.generation
    if number not in session.photos:
        raise HTTPException(404, "that photo is gone: drop it again")
    found = await desk.work(turn_photo, desk.engine, session.photos[number])
    session.check_generation(generation)
    session.photos[number] = found
    return _file_answer(found.label, {number: found})


async def show_people(request: Request) -> Response:
    """All faces, grouped by person, as a part of the page."""
    session, desk = session_of(request), desk_of(request)
    groups = await desk.work(session.people)
    return HTMLResponse(
        rendered(
            "people",
            groups=groups,
            photos=session.photos,
            roles=_ROLES,
            unusable=_unusable(session),
            unusable_words=unusable_words,
        )
    )


async def take_apart(request: Request) -> Response:
    """Faces that were grouped are not one person: each stands alone from now on."""
    session = session_of(request)
    keys = [FaceKey.parse(word) for word in (await read_body(request)).decode("latin-1").split()]
    for key in keys:
        session.face(key)  # raises where there is none
    session.apart.update(keys)
    return JSONResponse({"apart": len(keys)})


async def show_face(request: Request) -> Response:
    """A face, upright."""
    key = FaceKey.parse(request.path_params["face"])
    portrait, index = session_of(request).face(key)
    pixels = portraits(portrait.photo.pixels, [portrait.faces[index]], _FACE_SIDE)[0]
    return Response(as_jpeg(pixels), media_type="image/jpeg")


async def forget(request: Request) -> Response:
    """Forget everything of this session."""
    session_of(request).forget()
    return JSONResponse({"forgotten": True})


def rendered(template: str, **names: Any) -> str:
    """A template of `pages/` with these names, each escaped."""
    return _environment().get_template(f"{template}.html.j2").render(**names)


@cache
def _environment() -> Environment:
    loader = PackageLoader("facematch.app", "pages")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["isolated"] = isolated
    return environment


def _file_answer(name: str, found: Mapping[int, FoundPhoto]) -> Response:
    """What was found in a file: a clip gives several photos."""
    return JSONResponse({
        "photos": list(found),
        "name": name,
        "faces": sum(len(photo.identities) for photo in found.values()),
        "problem": next((unusable_words(photo.code) for photo in found.values()), ""),
    })  # fmt: skip


def _unusable(session: Session) -> dict[int, FoundPhoto]:
    return {number: photo for number, photo in session.photos.items() if photo.code}
