from __future__ import annotations

import os
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers.made_up import photos
from helpers.matchers import matcher
from helpers.places import SAMPLES

from facematch.photos.listing import list_photos

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def page() -> str:
    return matcher.report(
        {"mother": photos("mother"), EVIL: photos("father")},
        {"son": photos("son")[:1], "daughter": list_photos(SAMPLES / "years")},
        born={"daughter": date(2006, 6, 1)},
    )


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(page: str, tag: str) -> list[dict[str, str | None]]:
    parser = _Elements()
    parser.feed(page)
    return [attributes for name, attributes in parser.found if name == tag]


def test_a_page_loads_nothing_and_runs_nothing(page: str) -> None:
    assert elements(page, "script") == []
    assert elements(page, "link") == []
    assert all((each["src"] or "").startswith("data:image/jpeg") for each in elements(page, "img"))
    assert not re.search(r"https?://|url\(|@import", page)
    assert "default-src 'none'" in page


def test_names_are_escaped(page: str) -> None:
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_page_tells_all_and_what_it_means(page: str) -> None:
    for heading in ("verdict", "cards", "time", "meaning"):
        assert f'id="{heading}"' in page
        assert f'href="#{heading}"' in page
    assert "This is no paternity test" in page
    assert re.search(r"son: (more like |too close to call \()", page)
    assert "of 100 unrelated people" in page
    assert re.search(r"A score of \d+ is neutral: more speaks for kinship, less against it\.", page)


def test_a_page_is_read_by_a_screen_reader(page: str) -> None:
    assert elements(page, "html")[0]["lang"] == "en"
    assert all("alt" in each for each in elements(page, "img"))
    assert {each.get("scope") for each in elements(page, "th")} == {"col", "row"}
    assert len(elements(page, "main")) == len(elements(page, "h1")) == 1
    assert elements(page, "a")[0]["href"] == "#main"


def test_a_browser_shows_the_page(page: str, tmp_path: Path) -> None:
    playwright: Any = pytest.importorskip(
        "playwright.sync_api", reason="needs `pip install playwright` and a Chromium"
    )
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    with playwright.sync_playwright() as started:
        try:
            chromium = started.chromium.launch(
                executable_path=os.environ.get("FACEMATCH_CHROMIUM"), args=["--no-sandbox"]
            )
        except playwright.Error:
            pytest.skip("no Chromium: `playwright install chromium`, or name one in "
                        "FACEMATCH_CHROMIUM")  # fmt: skip
        for scheme, ground in (("light", "rgb(250, 248, 244)"), ("dark", "rgb(26, 27, 30)")):
            shown = chromium.new_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
            asked, said = [], []
            shown.on("request", lambda request, asked=asked: asked.append(request.url))
            shown.on("console", lambda message, said=said: said.append(message.text))
            shown.goto(path.as_uri())
            assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
            assert said == []
            colour = "getComputedStyle(document.body).backgroundColor"
            assert shown.evaluate(colour) == ground
            wide = "document.documentElement.scrollWidth"
            assert shown.evaluate(wide) <= 390  # a phone shows it without scrolling sideways
            broken = "[...document.images].filter(each => !each.naturalWidth).length"
            assert shown.evaluate(broken) == 0
            shown.keyboard.press("Tab")
            assert shown.evaluate("document.activeElement.textContent") == "Skip to the verdicts"
            shown.close()
        chromium.close()
