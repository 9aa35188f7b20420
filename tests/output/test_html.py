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


def test_a_page_speaks_in_words_and_keeps_deviations_for_the_details(page: str) -> None:
    assert "daughter becomes a little more like mother every year." in page
    assert "deviations a year" not in page
    assert re.search(r"son and \S+: (mostly the|the whole face)", page)
    told, *details = re.split(r"<details>", page)
    assert all("standard deviations" in part for part in details)
    assert len(details) == 2
    assert "standard deviations" not in told


def test_cards_are_words_and_two_photos_each(page: str) -> None:
    cards = page.split('<article class="card"')[1:]
    assert len(cards) == 2
    for card in cards:
        card = card.split("</article>")[0]
        assert card.count("<img") == 2
        assert "With other photos: " in card
        assert re.search(r"of 100 strangers look less like|strangers look more like", card)


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
            places = "each => each.getBoundingClientRect()"
            cards = shown.evaluate(f"[...document.querySelectorAll('.card')].map({places})")
            assert cards[0]["bottom"] <= cards[1]["top"]  # one below the other
            widths = "each => [each.clientWidth, each.scrollWidth]"
            wide = f"[...document.querySelectorAll('.wide')].map({widths})"
            matrix, chart, *_ = shown.evaluate(wide)
            assert matrix[1] - 24 <= matrix[0] <= 390
            assert chart[0] <= 390 < 700 < chart[1]  # read by scrolling within its box
            broken = "[...document.images].filter(each => !each.naturalWidth).length"
            assert shown.evaluate(broken) == 0
            shown.keyboard.press("Tab")
            assert shown.evaluate("document.activeElement.textContent") == "Skip to the verdicts"
            shown.close()
        chromium.close()
