"""The page and its JSON answers, asked without a browser."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.command import run
from helpers.matchers import matcher
from helpers.places import SAMPLES

pytest.importorskip("starlette", reason="needs the extra [app]")
from starlette.requests import Request
from starlette.testclient import TestClient

from facematch import FaceMatcher
from facematch.analyses.pair import YOUNG_CHILDREN, Pair
from facematch.app import answering, dropping, results, searching, server, sessions, uploads, words
from facematch.app.desk import desk_of
from facematch.app.security import Access, OneTimeToken
from facematch.app.server import make_app
from facematch.detection.boxes import overlap
from facematch.engine import Engine, open_engine
from facematch.errors import NoFaceError, OptionError
from facematch.photos.limits import Limits
from facematch.types import UNLIKE_PHOTOGRAPHS, Match, Vectors
from facematch.video.both import ONE_LIGHT

HOSTS = frozenset({"127.0.0.1:8765", "localhost:8765", "10.0.0.7:8765"})
PAGE = "http://127.0.0.1:8765"
PHONE = ("10.0.0.9", 5000)


def client(
    engine: Engine = matcher.engine,
    *,
    token: OneTimeToken | None = None,
    base: str = PAGE,
    address: tuple[str, int] = ("127.0.0.1", 5000),
) -> TestClient:
    app = make_app(engine, Access(HOSTS, 8765, token))
    return TestClient(app, base_url=base, client=address)


@pytest.fixture
def page() -> Iterator[TestClient]:
    """A browser on this machine that has opened the page."""
    with client() as browser:
        assert browser.get("/").status_code == 200
        yield browser


def photo(name: str) -> tuple[str, bytes]:
    return name, (SAMPLES / name).read_bytes()


def drop(browser: TestClient, name: str) -> dict[str, Any]:
    answer = browser.post("/photos", files={"photo": photo(name)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def tapped(role: str, name: str, *faces: str, born: str = "") -> dict[str, Any]:
    return {"role": role, "name": name, "faces": list(faces), "born": born}


def compared(browser: TestClient, *people: Mapping[str, Any]) -> str:
    answer = browser.post("/results", json={"people": people})
    assert answer.status_code == 200, answer.text
    return answer.text


def groups_of(browser: TestClient) -> list[str]:
    """The faces of each person that the page shows, as "1-0 3-0"."""
    return re.findall(r'data-faces="([^"]+)"', browser.get("/people").text)


def forget_after(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch, module: ModuleType, task: str
) -> None:
    """The button "Forget everything" is pressed when a task is done, before it is answered."""
    whole = getattr(module, task)

    def forgetting(*given: Any) -> Any:
        found = whole(*given)
        assert browser.post("/forget").status_code == 200
        return found

    monkeypatch.setattr(module, task, forgetting)


# --- who may ask ---


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "10.0.0.8:8765", ""])
def test_another_host_is_refused(host: str) -> None:
    with client() as browser:
        assert browser.get("/", headers={"host": host}).status_code == 403
        assert browser.post("/api/score", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:8765", "http://localhost:8765"]
)
def test_another_origin_is_refused(page: TestClient, origin: str) -> None:
    answer = page.post("/photos", files={"photo": photo("son.png")}, headers={"origin": origin})
    assert answer.status_code == 403
    assert page.get("/people", headers={"origin": origin}).status_code == 403


def test_a_page_elsewhere_may_link_to_the_page_and_no_more(page: TestClient) -> None:
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert page.get("/", headers=elsewhere).status_code == 200
    assert page.get("/people", headers=elsewhere).status_code == 403
    assert page.post("/forget", headers=elsewhere).status_code == 403


def test_every_answer_binds_the_browser() -> None:
    with client() as browser:
        for answer in (
            browser.get("/"),
            browser.get("/static/app.js"),
            browser.get("/nothing"),
            browser.get("/", headers={"host": "evil.example"}),
        ):
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in answer.headers


def test_the_cookie_is_random_and_hidden_from_scripts() -> None:
    keys = set()
    for _ in range(2):
        with client() as browser:
            cookie = browser.get("/").headers["set-cookie"]
            assert "HttpOnly" in cookie
            assert "samesite=strict" in cookie.lower()
            keys.add(browser.cookies["facematch_8765"])
    assert len(keys) == 2
    assert min(map(len, keys)) >= 32


def test_another_machine_is_refused_without_lan() -> None:
    with client(base="http://10.0.0.7:8765", address=PHONE) as phone:
        assert phone.get("/").status_code == 403
        assert phone.get("/api").status_code == 403


def test_a_phone_needs_the_token_and_the_token_opens_one_session() -> None:
    printed: list[str] = []
    token = OneTimeToken(printed.append)
    first = token.value
    app = make_app(matcher.engine, Access(HOSTS, 8765, token))
    ways = {"base_url": "http://10.0.0.7:8765", "client": PHONE}
    with TestClient(app, **ways) as phone, TestClient(app, **ways) as other:  # type: ignore[arg-type]
        assert phone.get("/").status_code == 403
        assert phone.get("/?token=wrong").status_code == 403
        assert phone.post("/api/faces").status_code == 403
        assert phone.head(f"/?token={first}").status_code == 403
        assert phone.get(f"/?token={first}").status_code == 200
        assert phone.get("/people").status_code == 200
        assert other.get(f"/?token={first}").status_code == 403
        assert printed == [token.value]
        assert other.get(f"/?token={token.value}").status_code == 200


def test_a_session_sees_no_face_of_another(page: TestClient) -> None:
    drop(page, "son.png")
    assert page.get("/faces/1-0.jpg").status_code == 200
    own = page.cookies["facematch_8765"]
    page.cookies.clear()
    page.get("/")
    assert page.cookies["facematch_8765"] != own
    assert page.get("/faces/1-0.jpg").status_code == 422


def test_nothing_is_told_before_the_page_was_opened() -> None:
    with client() as browser:
        assert browser.post("/photos", files={"photo": photo("son.png")}).status_code == 403
        assert browser.get("/people").status_code == 403


# --- what is taken ---


def test_a_request_that_is_too_large_is_refused(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"photo": ("large.jpg", b"\0" * (uploads.MOST_BYTES + 1))}
    answer = page.post("/api/faces", files=large)
    assert answer.status_code == 413
    assert "at most 64 MiB" in answer.json()["error"]["message"]
    monkeypatch.setattr(dropping, "_ONE_FILE", uploads.Bounds(files=1, bytes=2**20))
    assert page.post("/photos", files={"photo": ("a.mp4", b"\0" * 2**20)}).status_code == 413


def test_a_clip_may_be_larger_than_a_photo(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 50_000)
    answer = page.post("/photos", files={"photo": photo("father.png")})
    assert answer.status_code == 413
    assert "too large" in answer.json()["error"]["message"]
    assert drop(page, "both.mp4")["problem"] == ""


def test_a_request_that_is_larger_than_a_photo_is_received_alone(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []

    async def received(request: Request, bounds: uploads.Bounds) -> list[uploads.Upload]:
        desk = desk_of(request)
        assert desk.receiving_large.total_tokens == 1
        held.append(int(desk.receiving_large.borrowed_tokens))
        return await uploads.read_files(request, bounds)

    monkeypatch.setattr(dropping, "read_files", received)
    drop(page, "son.png")
    monkeypatch.setattr(uploads, "MOST_BYTES", 30_000)
    drop(page, "both.mp4")
    drop(page, "clip.mp4")
    assert held == [0, 1, 1]


def test_a_body_without_its_length_is_cut_off(page: TestClient) -> None:
    body = (b"x" * 2**16 for _ in range(6))
    assert page.post("/results", content=body).status_code == 413


def test_too_many_files_are_refused(page: TestClient) -> None:
    files = [("photo", photo("son.png"))] * 2
    assert page.post("/photos", files=files).status_code == 413
    assert page.post("/api/score", files=[("parent", photo("son.png"))] * 3).status_code == 413


def test_too_many_photos_of_a_session_are_refused(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_PHOTOS", 1)
    drop(page, "son.png")
    answer = page.post("/photos", files={"photo": photo("son.png")})
    assert answer.status_code == 422
    assert "there are 1 photos already" in answer.json()["error"]["message"]


def test_the_people_of_a_clip_are_kept_all_or_none(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_PHOTOS", 2)
    drop(page, "son.png")
    answer = page.post("/photos", files={"photo": photo("both.mp4")})
    assert answer.status_code == 422
    assert "there are 1 photos already, and 2 more" in answer.json()["error"]["message"]
    assert len(groups_of(page)) == 1


@pytest.mark.parametrize("name", ["son.png", "both.mp4"])
def test_a_file_that_is_there_already_is_not_taken_again(page: TestClient, name: str) -> None:
    first = drop(page, name)
    again = page.post("/photos", files={"photo": (f"copy of {name}", photo(name)[1])})
    assert again.status_code == 422
    assert "there already" in again.json()["error"]["message"]
    assert len(groups_of(page)) == first["faces"]
    page.post("/forget")
    assert drop(page, name)["faces"] == first["faces"]


def test_a_file_that_is_searched_twice_at_once_is_kept_once() -> None:
    session = sessions.Session("key")
    found = searching.search_file(matcher.engine, *photo("son.png"), "digest")
    session.add_photos(found)
    with pytest.raises(OptionError, match="there already"):
        session.add_photos(found)
    assert len(session.photos) == 1


def test_a_file_that_took_too_long_may_be_dropped_again(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(_: Engine, label: str, data: bytes) -> searching.FoundPhoto:
        return searching._unusable(label, "timeout")

    monkeypatch.setattr(searching, "search_bytes", slowly)
    assert "took too long" in drop(page, "son.png")["problem"]
    monkeypatch.undo()
    assert drop(page, "son.png")["faces"] == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no picture that the program opens"),
        (b"GIF89a", "copy it again"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture that the program opens"),
        ((SAMPLES / "son.png").read_bytes()[:5000], "copy it again"),
    ],
)
def test_a_wrong_file_is_told_in_words(page: TestClient, content: bytes, words: str) -> None:
    answer = page.post("/photos", files={"photo": ("holiday.jpg", content)})
    assert answer.status_code == 200
    assert answer.json()["faces"] == 0
    assert words in answer.json()["problem"]
    assert "--" not in answer.json()["problem"]
    assert "holiday.jpg" in page.get("/people").text


def test_a_form_that_is_none_is_refused(page: TestClient) -> None:
    assert page.post("/photos", content=b"x").status_code == 400
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert page.post("/photos", content=b"nonsense", headers=broken).status_code == 400
    assert page.post("/photos", files={"note": (None, "words")}).status_code == 400


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"people": [3]}', b"[" * 10_000])
def test_people_that_are_none_are_refused(page: TestClient, body: bytes) -> None:
    answer = page.post("/results", content=body)
    assert answer.status_code == 422
    assert "names no people" in answer.json()["error"]["message"]


def test_a_name_is_shown_without_folders_and_control_characters() -> None:
    assert uploads.plain_name("C:\\photos\\mum.jpg") == "mum.jpg"
    assert uploads.plain_name("../../etc/passwd") == "passwd"
    assert uploads.plain_name("a\u202egpj.exe") == "agpj.exe"
    assert uploads.plain_name("") == "photo"
    assert len(uploads.plain_name("a" * 1000 + ".jpg")) == 100


# --- what the page tells ---


def test_photos_become_people_and_an_answer(page: TestClient) -> None:
    for name in ("father.png", "mother.png", "son.png", "daughter.png"):
        assert drop(page, name)["faces"] == 1
    people = page.get("/people").text
    assert "/faces/1-0.jpg" in people
    assert "mother.png" in people
    shown = compared(
        page,
        tapped("parent", "dad", "1-0"),
        tapped("parent", "mum", "2-0"),
        tapped("child", "Ann", "3-0"),
        tapped("child", "أحمد", "4-0"),
    )
    assert shown.index("\u2068Ann\u2069 looks") < shown.index("look like one person")
    assert shown.index("look like one person") < shown.index("To share")
    assert "no paternity test" in shown
    assert "أحمد" in shown
    assert "Siblings" in shown
    number = shown.split("/results/")[1].split("/")[0]
    for style in ("pair", "split"):
        card = page.get(f"/results/{number}/card-0.png?style={style}&theme=dark&save")
        assert card.content.startswith(b"\x89PNG")
        assert "attachment" in card.headers["content-disposition"]
    assert "mostly the" in page.get(f"/results/{number}/why").text
    report = page.get(f"/results/{number}/report.html")
    assert "What carries the likeness" in report.text
    data = page.get(f"/results/{number}/data.json").json()
    assert [each["child"] for each in data["family"]["verdicts"]] == ["Ann", "أحمد"]
    assert len(data["explanations"]) == 2
    assert page.get(f"/results/{number}/card-9.png").status_code == 404


def test_faces_that_are_not_one_person_are_taken_apart(page: TestClient) -> None:
    for name in ("father.png", "son.png"):
        drop(page, name)
    assert page.get("/people").text.count("<fieldset") == 1  # drawn faces look like one person
    assert page.post("/people/apart", content="1-0 2-0").json() == {"apart": 2}
    assert page.get("/people").text.count("<fieldset") == 2
    assert page.post("/people/apart", content="1-0 7-0").status_code == 422


def test_dates_show_the_years_and_the_same_age(page: TestClient) -> None:
    content = (SAMPLES / "father-child.png").read_bytes()
    page.post("/photos", files={"photo": ("1980-06-01.png", content)})
    for year in (2011, 2016):
        drop(page, f"years/{year}-06-01.jpg")
    shown = compared(
        page,
        tapped("parent", "dad", "1-0", born="1975-06-01"),
        tapped("child", "Ann", "2-0", "3-0", born="2006-06-01"),
    )
    assert "\u2068Ann\u2069 at 5 years, \u2068dad\u2069 at 5 years" in shown
    assert "Over the years" in shown


def test_photos_of_phones_are_dropped(page: TestClient) -> None:
    import pillow_heif
    from PIL import Image

    file = io.BytesIO()
    with Image.open(SAMPLES / "father.png") as picture:
        pillow_heif.from_pillow(picture.convert("RGB")).save(file)
    answer = page.post("/photos", files={"photo": ("IMG_1234.HEIC", file.getvalue())}).json()
    assert (answer["faces"], answer["problem"]) == (1, "")
    assert page.get("/faces/1-0.jpg").headers["content-type"] == "image/jpeg"


def test_a_clip_shows_each_person_once_and_joins_nobody(page: TestClient) -> None:
    found = drop(page, "both.mp4")
    assert (found["name"], found["faces"], found["problem"]) == ("both.mp4", 2, "")
    assert sorted(groups_of(page)) == [f"{number}-0" for number in found["photos"]]
    assert re.search(r"both\.mp4 at 0:0\d\.\d", page.get("/people").text)


def test_a_clip_of_both_says_that_they_share_its_light(page: TestClient) -> None:
    dad, son = (f"{number}-0" for number in drop(page, "both.mp4")["photos"])
    assert ONE_LIGHT in compared(page, tapped("parent", "dad", dad), tapped("child", "tom", son))
    other = (SAMPLES / "both.mp4").read_bytes() + b"\0\0\0\x08free"
    answer = page.post("/photos", files={"photo": ("both.mp4", other)}).json()
    dad_elsewhere = f"{answer['photos'][0]}-0"  # another clip with the same name, as phones give
    apart = compared(page, tapped("parent", "dad", dad_elsewhere), tapped("child", "tom", son))
    assert ONE_LIGHT not in apart
    photo_of_dad = f"{drop(page, 'father-2.png')['photos'][0]}-0"
    apart = compared(page, tapped("parent", "dad", photo_of_dad), tapped("child", "tom", son))
    assert ONE_LIGHT not in apart


def test_a_frame_of_a_clip_can_be_turned(page: TestClient) -> None:
    first, second = drop(page, "both.mp4")["photos"]
    for _ in range(4):
        assert page.post(f"/photos/{first}/turn").json()["faces"] == 1
    assert sorted(groups_of(page)) == [f"{first}-0", f"{second}-0"]


def test_a_turned_frame_shows_the_same_person_even_where_no_face_is_found() -> None:
    for found in searching.search_file(matcher.engine, *photo("both.mp4"), "digest"):
        turned = found
        for _ in range(4):
            turned = searching.turn_photo(matcher.engine, turned)
        assert found.portrait is not None
        assert turned.portrait is not None
        assert overlap(turned.portrait.faces[0].box, found.portrait.faces[0].box) > 0.6
    assert found.portrait is not None
    dark = replace(found.portrait.photo, pixels=np.zeros_like(found.portrait.photo.pixels))
    turned = found = replace(found, portrait=replace(found.portrait, photo=dark))
    for _ in range(4):
        turned = searching.turn_photo(matcher.engine, turned)
    assert turned.portrait is not None
    assert found.portrait is not None
    (face,) = turned.portrait.faces
    assert face.box == pytest.approx(found.portrait.faces[0].box)


def test_a_clip_that_cannot_be_used_is_told_in_words(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (SAMPLES / "both.mp4").read_bytes()
    cut = page.post("/photos", files={"photo": ("cut.mp4", whole[:4000])}).json()
    assert "copy it again" in cut["problem"]

    def nobody(engine: Engine, label: str, *_: Any, **__: Any) -> None:
        raise NoFaceError(label, "no face found")

    monkeypatch.setattr(searching, "best_portraits", nobody)
    assert "choose a clip that shows faces larger" in drop(page, "both.mp4")["problem"]


def test_names_are_escaped(page: TestClient) -> None:
    drop(page, "father.png")
    drop(page, "son.png")
    name = "<img src=x onerror=alert(1)>"
    shown = compared(page, tapped("parent", name, "1-0"), tapped("child", "kid", "2-0"))
    assert "<img src=x" not in shown
    assert "&lt;img src=x" in shown


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ([tapped("parent", "dad", "1-0")], "at least one parent and one child"),
        ([tapped("parent", "a", "1-0"), tapped("child", "b", "1-0")], "belongs to two people"),
        ([tapped("parent", "a", "1-0"), tapped("child", "b", "9-0")], "that face is gone"),
        ([tapped("parent", "a", "1-0"), tapped("child", "b", "../1")], "names no face"),
        ([tapped("parent", "", "1-0")], "no name or no face"),
    ],
)
def test_what_cannot_be_compared_is_told(
    page: TestClient, people: list[dict[str, Any]], words: str
) -> None:
    drop(page, "father.png")
    answer = page.post("/results", json={"people": people})
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]


def test_a_photo_upside_down_has_a_face_and_can_be_turned(page: TestClient, tmp_path: Path) -> None:
    from PIL import Image

    flipped = tmp_path / "flipped.png"
    Image.open(SAMPLES / "son.png").transpose(Image.Transpose.ROTATE_180).save(flipped)
    found = page.post("/photos", files={"photo": ("flipped.png", flipped.read_bytes())}).json()
    assert found["faces"] == 1
    assert page.post(f"/photos/{found['photos'][0]}/turn").status_code == 200
    assert page.post("/photos/99/turn").status_code == 404


def test_everything_is_forgotten_by_the_button(page: TestClient) -> None:
    drop(page, "son.png")
    assert page.post("/forget").json() == {"forgotten": True}
    assert page.get("/faces/1-0.jpg").status_code == 422
    assert "No face was found" in page.get("/people").text


@pytest.mark.parametrize("name", ["son.png", "both.mp4"])
def test_what_is_found_after_the_button_was_pressed_is_not_kept(
    page: TestClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    forget_after(page, monkeypatch, dropping, "search_file")
    answer = page.post("/photos", files={"photo": photo(name)})
    assert answer.status_code == 422
    assert "forgotten meanwhile" in answer.json()["error"]["message"]
    assert page.get("/faces/1-0.jpg").status_code == 422
    assert "No face was found" in page.get("/people").text


def test_a_photo_that_was_turned_meanwhile_is_forgotten_too(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(page, "son.png")
    forget_after(page, monkeypatch, dropping, "turn_photo")
    assert page.post("/photos/1/turn").status_code == 422
    assert "No face was found" in page.get("/people").text


def test_a_result_that_was_made_meanwhile_is_forgotten_too(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("father.png", "son.png"):
        drop(page, name)
    forget_after(page, monkeypatch, answering, "compare")
    people = [tapped("parent", "dad", "1-0"), tapped("child", "Ann", "2-0")]
    assert page.post("/results", json={"people": people}).status_code == 422
    assert page.get("/results/3/card-0.png").status_code == 404


def test_sessions_that_nobody_uses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = sessions.Sessions()
    old = kept.open()
    monkeypatch.setattr(sessions.time, "monotonic", lambda: old.used + 3601)
    assert kept.get(old.key) is None
    monkeypatch.undo()
    opened = [kept.open() for _ in range(20)]
    assert sum(kept.get(each.key) is not None for each in opened) == 6


def test_a_photo_that_takes_too_long_is_told_and_the_next_one_goes_on() -> None:
    engine = open_engine(min_face=60, isolate=True, limits=Limits(max_seconds=0.001))
    with client(engine) as browser:
        browser.get("/")
        assert "took too long" in drop(browser, "son.png")["problem"]
        assert drop(browser, "father.png")["faces"] == 0


def test_the_command_says_where_the_page_is(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[server.Listening] = []
    opened: list[str] = []

    def keep(engine: Engine, listening: server.Listening) -> None:
        served.append(listening)
        assert engine.decoders is not None
        if listening.access.token is not None:
            listening.access.token.redeem(listening.access.token.value)
        listening.socket.close()

    monkeypatch.setattr(server, "serve", keep)
    monkeypatch.setattr(server, "network_address", lambda: "10.0.0.7")
    monkeypatch.setattr("webbrowser.open", opened.append)
    told = run("app", "--port", "0", "--no-open")
    assert told.returncode == 0
    assert told.stdout == ""
    assert served[0].address in told.stderr
    assert served[0].access.token is None
    assert "token" not in told.stderr
    assert opened == []
    told = run("app", "--port", "0", "--lan", "--no-open")
    tokens = re.findall(r"http://10.0.0.7:\d+/\?token=(\S+)", told.stderr)
    assert len(set(tokens)) == 2  # one to begin with, one after it was used
    assert f"10.0.0.7:{served[1].access.port}" in served[1].access.hosts


def test_a_port_that_is_taken_is_told() -> None:
    taken = server.listen(0)
    with pytest.raises(OptionError, match="cannot be used"):
        server.listen(taken.access.port)
    taken.socket.close()


def test_two_photos_of_young_children_are_told_before_the_card(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare_pair = results.compare_pair

    def of_children(engine: Engine, pair: Pair, vectors: Vectors) -> Match:
        return replace(compare_pair(engine, pair, vectors), warnings=(YOUNG_CHILDREN, "other"))

    monkeypatch.setattr(results, "compare_pair", of_children)
    for name in ("father.png", "son.png"):
        drop(page, name)
    shown = compared(page, tapped("parent", "dad", "1-0"), tapped("child", "Ann", "2-0"))
    assert shown.count("both faces look like young children") == 1
    assert shown.index("young children") < shown.index("other") < shown.index("To share")


def test_drawings_are_told_in_words_before_the_card(page: TestClient) -> None:
    for name in ("father.png", "son.png"):
        drop(page, name)
    shown = compared(page, tapped("parent", "dad", "1-0"), tapped("child", "Ann", "2-0"))
    told = "father.png and son.png look like no photograph of a face"
    assert shown.count(told) == 1
    assert shown.index(told) < shown.index("To share")
    assert UNLIKE_PHOTOGRAPHS not in shown


def test_many_drawings_are_counted() -> None:
    (caution,) = words._unlike_caution(["a.png", "b.png", "c.png", "d.png", "e.png"])
    assert caution.startswith("a.png, b.png, c.png and 2 more look like")
    assert words._unlike_caution(["a.png"])[0].startswith("a.png looks like")
    assert words._unlike_caution([]) == []


def test_a_name_is_isolated_whole_and_wherever_it_stands() -> None:
    line = words.isolated("Ann looks like Annabel; 3 of أحمد, 2 of Ann", ["Ann", "Annabel", "أحمد"])
    plain = line.replace("\u2068", "[").replace("\u2069", "]")
    assert plain == "[Ann] looks like [Annabel]; 3 of [أحمد], 2 of [Ann]"


# --- JSON answers ---


def test_the_api_gives_what_the_command_line_gives() -> None:
    pair = {"parent": photo("father.png"), "child": photo("son.png")}
    people = {"parent.dad": photo("father.png"), "child.kid": photo("son.png")}
    with client(FaceMatcher().engine) as api:
        scored = api.post("/api/score", files=pair)
        family = api.post("/api/family", files=people)
        faces = api.post("/api/faces", files={"photo": photo("group.jpg")})
    told = run("score", "father.png", "son.png", "--format", "json", cwd=SAMPLES)
    assert scored.json() == json.loads(told.stdout)
    told = run(
        "family", "--parent", "dad=father.png", "--child", "kid=son.png", "--format", "json",
        cwd=SAMPLES,
    )  # fmt: skip
    assert family.json() == json.loads(told.stdout)
    told = run("faces", "group.jpg", "--format", "json", cwd=SAMPLES)
    assert faces.json() == json.loads(told.stdout)


def test_the_api_gives_vectors() -> None:
    with client() as api:
        found = api.post("/api/embed", files={"photo": photo("son.png")}).json()
    assert found["space"] == matcher.engine.embedder.space
    assert len(found["faces"][0]["vector"]) >= 128


def test_the_api_says_what_is_wrong() -> None:
    with client() as api:
        assert api.post("/api/score", files={"parent": photo("son.png")}).status_code == 400
        broken = {"parent": ("a.jpg", b"nonsense"), "child": photo("son.png")}
        answer = api.post("/api/score", files=broken)
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "not-an-image"
        assert answer.json()["error"]["photo"] == "a.jpg"
        assert api.post("/api/family", files={"uncle": photo("son.png")}).status_code == 400
        assert api.post("/api/family", files={"parent": photo("son.png")}).status_code == 422
        assert api.get("/api/score").status_code == 405


def test_the_api_is_described() -> None:
    with client() as api:
        described = api.get("/api").json()
    assert described["openapi"].startswith("3.")
    assert sorted(described["paths"]) == [
        "/api/embed", "/api/faces", "/api/family", "/api/score",
    ]  # fmt: skip


def test_photos_are_decoded_in_isolated_workers(tmp_path: Path) -> None:
    engine = FaceMatcher(isolate=True, min_face=60).engine
    with client(engine) as api:
        found = api.post("/api/faces", files={"photo": photo("son.png")})
        api.get("/")
        assert drop(api, "both.mp4")["faces"] == 2
    assert found.json()["faces_found"] == 1
    whole = matcher.engine.read(SAMPLES / "son.png")
    decoded = engine.decode("son.png", (SAMPLES / "son.png").read_bytes())
    assert (decoded.pixels == whole.pixels).all()
    assert decoded.digest == whole.digest
