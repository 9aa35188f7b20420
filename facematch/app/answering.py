"""Handlers of the page's second half: the result, its pictures and its files."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from facematch.app import words
from facematch.app.desk import as_png, desk_of, session_of
from facematch.app.dropping import rendered
from facematch.app.results import Result, Tapped, as_fields, compare, explain
from facematch.app.sessions import FaceKey, Session
from facematch.app.uploads import read_body
from facematch.errors import OptionError
from facematch.output.explanation import why_sentence
from facematch.output.html import as_html
from facematch.output.json_text import json_object
from facematch.output.timeline import trend_lines
from facematch.pictures import draw
from facematch.pictures.canvas import THEMES
from facematch.pictures.card import CARD_STYLES
from facematch.scoring.wording import (
    NO_PATERNITY_TEST,
    card_meaning,
    interval_words,
    neutral_words,
    ratio_meaning,
    shown_score,
)

_MOST_LETTERS = 40  # of a name


async def show_result(request: Request) -> Response:
    """Compare the people who were tapped, and show the answer as a part of the page."""
    session, desk = session_of(request), desk_of(request)
    generation = session.generation
    people = _tapped(session, await read_body(request))
    result = await desk.work(compare, desk.engine, people)
    session.check_generation(generation)
    number = session.add_result(result)
    return HTMLResponse(
        rendered(
            "result",
            number=number,
            result=result,
            family=result.report.family,
            names=_names(result),
            sentences=words.sentences(result),
            no_paternity_test=NO_PATERNITY_TEST,
            card_styles=CARD_STYLES,
            **_WORDS,
        )
    )


async def show_why(request: Request) -> Response:
    """Which parts of the faces carry the likeness, as a part of the page."""
    result = await _explained(request)
    pairs = [(card.parent.name, card.child.name) for card in result.report.cards]
    lines = list(map(why_sentence, result.explanations or (), pairs))
    number = request.path_params["result"]
    return HTMLResponse(rendered("why", number=number, lines=lines, names=_names(result)))


async def show_picture(request: Request) -> Response:
    """A card, a timeline or a heat map as a PNG."""
    kind, index = request.path_params["kind"], request.path_params["index"]
    result = await _explained(request) if kind == "why" else _result(request)
    drawn = {
        "card": result.report.cards,
        "timeline": result.report.timelines,
        "why": result.explanations or (),
    }.get(kind, ())
    if index >= len(drawn):
        raise HTTPException(404, "there is no such picture")
    asked = request.query_params
    theme, style = asked.get("theme", "light"), asked.get("style", "pair")
    if theme not in THEMES or style not in CARD_STYLES:
        raise HTTPException(404, "there is no such theme or style")
    options = {"style": style} if kind == "card" else {}
    picture = await desk_of(request).work(partial(draw, drawn[index], theme, **options))
    headers = _attached(f"{kind}-{index + 1}.png") if "save" in asked else {}
    return Response(as_png(picture), media_type="image/png", headers=headers)


async def save_report(request: Request) -> Response:
    """The whole report as an HTML file."""
    result = await _explained(request)
    whole = replace(result.report, explanations=result.explanations or ())
    page = await desk_of(request).work(as_html, whole)
    return Response(page, media_type="text/html", headers=_attached("facematch.html"))


async def save_data(request: Request) -> Response:
    """Everything as a JSON file."""
    text = json_object(as_fields(await _explained(request)))
    return Response(text, media_type="application/json", headers=_attached("facematch.json"))


def _names(result: Result) -> list[str]:
    return [*result.report.family.parents, *result.report.family.children]


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _result(request: Request) -> Result:
    result = session_of(request).results.get(request.path_params["result"])
    if result is None:
        raise HTTPException(404, "that result is gone: compare again")
    return result


async def _explained(request: Request) -> Result:
    """The result, its explanations made."""
    result, desk = _result(request), desk_of(request)
    await desk.work(explain, desk.engine, result)
    return result


def _tapped(session: Session, body: bytes) -> list[Tapped]:
    """The people of a request. Raises OptionError for anything that the page does not send."""
    try:
        people = json.loads(body)["people"]
        asked = [_one_tapped(session, each) for each in people]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OptionError("the request names no people") from error
    keys = [key for _, faces in asked for key in faces]
    if len(set(keys)) < len(keys):
        raise OptionError("one face belongs to two people: correct one of them")
    return [person for person, _ in asked]


def _one_tapped(session: Session, fields: dict[str, Any]) -> tuple[Tapped, list[FaceKey]]:
    name = "".join(letter for letter in str(fields["name"]) if letter.isprintable()).strip()
    keys = [FaceKey.parse(str(key)) for key in fields["faces"]]
    if not name or not keys:
        raise OptionError("somebody has no name or no face")
    born = fields.get("born") or None
    person = Tapped(
        name=name[:_MOST_LETTERS],
        is_parent=fields["role"] == "parent",
        faces=tuple(session.face(key) for key in keys),
        born=None if born is None else date.fromisoformat(born),
        clips=frozenset(clip for key in keys if (clip := session.photos[key.photo].clip)),
    )
    return person, keys


_WORDS = {
    function.__name__: function
    for function in (
        card_meaning, interval_words, neutral_words, ratio_meaning, shown_score,
        words.same_age_sentences, words.sibling_sentences, trend_lines,
    )
}  # fmt: skip
