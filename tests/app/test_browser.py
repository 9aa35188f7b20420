"""The page in a real browser: Debian's chromium, driven by playwright."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.places import SAMPLES

pytest.importorskip("starlette", reason="needs the extra [app]")
pytest.importorskip("playwright", reason="needs playwright: it is in the extra [test]")
from facematch.app import searching

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = os.environ.get("FACEMATCH_AXE", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium: `apt-get install chromium`"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
FAMILY = [
    str(SAMPLES / name)
    for name in ("father.png", "mother.png", "mother-2.png", "son.png", "daughter.png")
]
PATIENCE = 120_000  # milliseconds: far above what a busy machine takes


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server in a thread of its own."""
    import uvicorn
    from helpers.matchers import matcher

    from facematch.app.server import listen, make_app

    listening = listen(0)
    config = uvicorn.Config(
        make_app(matcher.engine, listening.access), log_level="warning", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening.socket],))
    thread.start()
    yield listening.address
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page on a phone's screen. No error of its script, and no request elsewhere, is let by."""
    context = browser.new_context(viewport={"width": 360, "height": 780}, accept_downloads=True)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda line: problems.append(line.text) if "Policy" in line.text else None)
    tab.on(
        "request",
        lambda asked: None if asked.url.startswith(address) else problems.append(asked.url),
    )
    tab.set_default_timeout(PATIENCE)
    tab.goto(address)
    yield tab
    context.close()
    assert problems == []


def drop(page: Any, *paths: str) -> None:
    page.set_input_files("#files", list(paths))
    page.wait_for_function(
        "() => /files are done$/.test(document.getElementById('progress').textContent)",
    )
    page.wait_for_selector("#people-section")


def tap(page: Any, photo: str, role: str) -> None:
    person = page.locator(".person", has=page.locator(f"img[alt$='in {photo}']"))
    person.get_by_role("button", name=role, exact=True).click()


def take_apart(page: Any) -> None:
    """To the program all drawn faces look like one person."""
    for _ in range(page.locator("[data-apart]").count()):
        person = page.locator(".person", has=page.locator("[data-apart]")).first
        count = page.locator(".person").count()
        person.locator("summary").click()
        person.locator("[data-apart]").click()
        page.wait_for_function(f"() => document.querySelectorAll('.person').length > {count}")


def compare(page: Any) -> None:
    page.get_by_role("button", name="Compare").click()
    page.wait_for_selector("#why ul")


def compared_family(page: Any) -> None:
    drop(page, *FAMILY)
    take_apart(page)
    for photo, role in (
        ("father.png", "Dad"),
        ("mother.png", "Mum"),
        ("son.png", "Child"),
        ("daughter.png", "2nd child"),
    ):
        tap(page, photo, role)
    page.fill("#name-child", "أحمد")
    page.fill("#name-child-2", "Ann")
    compare(page)


def is_wider_than_the_screen(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_a_family_is_dropped_tapped_and_answered(page: Any, tmp_path: Path) -> None:
    compared_family(page)
    assert "looks" in page.locator(".sentence p").first.text_content()
    assert "look like one person" in page.locator(".sentence").text_content()
    assert "mostly the" in page.locator("#why").text_content()
    assert page.evaluate("document.activeElement.id") == "result-heading"
    assert not is_wider_than_the_screen(page)
    cards = page.locator(".card img")
    assert cards.count() == 2
    assert cards.first.evaluate("async image => (await image.decode(), image.naturalWidth)") == 1080
    page.select_option("#theme", "dark")
    page.select_option("#style", "split")
    for link, start in (
        ("Save this card: أحمد", b"\x89PNG"),
        ("The whole report (HTML)", b"<!doctype html>"),
        ("All numbers (JSON)", b'{"family"'),
    ):
        with page.expect_download() as saved:
            page.get_by_role("link", name=link).click()
        saved.value.save_as(tmp_path / "saved")
        assert (tmp_path / "saved").read_bytes().startswith(start)
    assert len(json.loads((tmp_path / "saved").read_text("utf-8"))["family"]["pairs"]) == 4


def test_a_wrong_face_is_corrected(page: Any) -> None:
    drop(page, FAMILY[0], FAMILY[3], str(SAMPLES / "group.jpg"))
    page.locator("summary").first.click()
    face = page.locator("select[data-face]").first
    face.select_option("dad")
    assert page.locator(".name:not([hidden])").count() == 1
    face.select_option("")
    assert page.locator(".name:not([hidden])").count() == 0
    page.get_by_role("button", name="Compare").click()
    page.wait_for_function(
        "() => /at least one parent/.test(document.getElementById('compare-note').textContent)"
    )


def test_wrong_files_are_told_and_the_others_go_on(page: Any, tmp_path: Path) -> None:
    for name, content in (("words.jpg", b"words"), ("cut.png", Path(FAMILY[0]).read_bytes()[:900])):
        (tmp_path / name).write_bytes(content)
    drop(page, str(tmp_path / "words.jpg"), str(tmp_path / "cut.png"), FAMILY[0])
    told = page.locator("#problems").text_content()
    assert "words.jpg: this is no picture" in told
    assert "cut.png: the file ends" in told
    assert page.locator(".person").count() == 1


def test_faces_of_photos_are_shown_while_a_clip_is_searched(
    page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, find = threading.Event(), searching.best_portraits

    def slowly(*given: Any, most: int) -> Any:
        go_on.wait(PATIENCE / 1000)
        return find(*given, most=most)

    monkeypatch.setattr(searching, "best_portraits", slowly)
    try:
        page.set_input_files("#files", [str(SAMPLES / "both.mp4"), FAMILY[1]])
        page.wait_for_selector(".person")
        assert page.locator(".person").count() == 1
        assert "1 of 2 files" in page.locator("#progress").text_content()
        tap(page, "mother.png", "Mum")
    finally:
        go_on.set()
    page.wait_for_function("() => document.querySelectorAll('select[data-face]').length == 3")
    assert page.locator("button[aria-pressed=true]").text_content() == "Mum"


def test_a_slow_decoder_is_told_and_the_others_go_on(
    page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, search = threading.Event(), searching.search_bytes

    def slowly(engine: Any, label: str, data: bytes) -> Any:
        if label != "slow.png":
            return search(engine, label, data)
        go_on.wait(PATIENCE / 1000)
        return searching._unusable(label, "timeout")

    monkeypatch.setattr(searching, "search_bytes", slowly)
    (tmp_path / "slow.png").write_bytes(Path(FAMILY[0]).read_bytes())
    try:
        page.set_input_files("#files", [str(tmp_path / "slow.png"), FAMILY[1], FAMILY[3]])
        page.wait_for_function(
            "() => /2 of 3 files/.test(document.getElementById('progress').textContent)",
        )
    finally:
        go_on.set()
    page.wait_for_selector("#people-section")
    assert "slow.png: it took too long" in page.locator("#problems").text_content()
    assert page.locator("select[data-face]").count() == 2


def test_charts_are_dark_in_the_dark(page: Any) -> None:
    page.emulate_media(color_scheme="dark")
    compared_family(page)
    page.locator("#why summary").click()
    chart = page.locator("#why img").first
    shown = chart.evaluate("async image => (await image.decode(), image.currentSrc)")
    assert shown.endswith("?theme=dark")


def test_two_tabs_share_their_photos_and_one_forgets_them(page: Any, address: str) -> None:
    drop(page, FAMILY[0])
    other = page.context.new_page()
    other.goto(address)
    drop(other, FAMILY[3])
    assert other.locator("select[data-face]").count() == 2
    page.get_by_role("button", name="Forget everything").click()
    page.wait_for_selector("#people-section", state="hidden")
    drop(other, FAMILY[1])
    assert other.locator(".person").count() == 1


def test_the_keyboard_is_enough(page: Any) -> None:
    drop(page, FAMILY[0], FAMILY[3])
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    page.locator("[data-apart]").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.person').length == 2")
    for photo, role in (("father.png", "Dad"), ("son.png", "Child")):
        person = page.locator(".person", has=page.locator(f"img[alt$='in {photo}']"))
        person.get_by_role("button", name=role, exact=True).focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Compare").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#why ul")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE, reason="FACEMATCH_AXE names axe.min.js of npm's axe-core, 4.10 say")
def test_axe_finds_nothing(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    compared_family(page)
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
