"""Results in a notebook, as a dict, as a data frame, and saved as a picture."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.made_up import noise, photos
from helpers.matchers import matcher, own
from helpers.places import SAMPLES

from facematch import Photo, output, read_photo
from facematch.errors import MissingExtraError, UnreadablePhotoError
from facematch.types import Skipped

FATHER, SON = SAMPLES / "father.png", SAMPLES / "son.png"
RESULTS = ("Match", "Family", "Card", "Timeline", "Explanation", "Clip", "Findings")


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """One result of each kind."""
    parents, child = {"dad": photos("father")}, {"son": SON}
    years = sorted((SAMPLES / "years").iterdir())[:2]
    pair = Photo.from_rgb(noise(90, 90), "a"), Photo.from_rgb(noise(90, 90, seed=1), "b")
    return {
        "Match": matcher.score(FATHER, SON),
        "Family": matcher.family(parents | {"mum": photos("mother")}, child),
        "Card": matcher.card(parents, child),
        "Timeline": matcher.timeline(parents, {"kid": years}),
        "Explanation": own().explain(*pair),
        "Clip": matcher.video(SAMPLES / "clip.mp4", {"mum": SAMPLES / "mother.png"}),
        "Findings": matcher.find(child, [FATHER, SAMPLES / "mother.png"]),
    }


@pytest.mark.parametrize("kind", RESULTS)
def test_a_notebook_shows_a_picture_and_sentences(results: dict[str, Any], kind: str) -> None:
    page = results[kind]._repr_html_()
    assert 'src="data:image/jpeg;base64,/9j/' in page
    for sentence in output.sentences(results[kind]):
        assert sentence in page.replace("&#x27;", "'")
    assert "This is no paternity test" in page
    assert re.sub(r"<(div|p|b|small)>|</\w+>|<img [^>]*>|&\w+;", "", page).count("<") == 0


@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_is_short_in_print_and_shows_no_array(results: dict[str, Any], kind: str) -> None:
    shown = repr(results[kind])
    assert shown.startswith(f"<{kind}: ")
    assert "array" not in shown.replace("array 90x90", "")
    assert len(shown) < 400 + 2 * len(str(SAMPLES))


@pytest.mark.parametrize("kind", RESULTS)
def test_a_dict_has_the_fields_of_the_json(results: dict[str, Any], kind: str) -> None:
    assert results[kind].to_dict() == json.loads(output.as_json(results[kind]))


@pytest.mark.parametrize("kind", RESULTS)
def test_a_picture_is_saved_in_a_theme(results: dict[str, Any], kind: str, tmp_path: Path) -> None:
    light = results[kind].save(tmp_path / "new" / "light.png")
    dark = results[kind].save(str(tmp_path / "dark.jpg"), theme="dark")
    assert light == tmp_path / "new" / "light.png"
    assert read_photo(light).pixels.mean() > read_photo(dark).pixels.mean()
    with pytest.raises(UnreadablePhotoError, match=r"end its name in \.png"):
        results[kind].save(tmp_path / "picture.pdf")


def test_a_frame_has_the_rows_of_the_csv(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))  # type: ignore[arg-type]
    for result in results.values():
        assert result.to_frame() == list(output.rows(result))


def test_a_frame_of_pandas_has_named_columns(results: dict[str, Any]) -> None:
    pytest.importorskip("pandas", reason="pandas comes with the extra [pandas]")
    frame = results["Family"].to_frame()
    assert list(frame["parent"]) == ["dad", "mum"]
    assert frame["score"].between(0, 100).all()


def test_without_pandas_the_extra_is_named(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"to_frame needs pandas: .*kin\[pandas\]"):
        results["Match"].to_frame()


def test_names_are_escaped_in_a_notebook(results: dict[str, Any]) -> None:
    match = results["Match"]
    named = replace(match, child=replace(match.child, photo='<script>"'), warnings=("<b>",) * 9)
    page = named._repr_html_()
    assert "<script" not in page
    assert "warning: &lt;b&gt;" in page
    assert "and 4 more warnings" in page


def test_a_match_without_its_faces_still_has_a_picture(results: dict[str, Any]) -> None:
    bare = replace(results["Match"], chips=None)
    assert bare == results["Match"]
    assert "base64" in bare._repr_html_()


def test_photos_and_galleries_print_without_their_arrays() -> None:
    photo = Photo.from_rgb(noise(90, 90), "noise")
    gallery = own().gallery([photo])
    for shown in (photo, own().find_faces(photo), gallery):
        assert "array(" not in repr(shown)
        assert "noise" in repr(shown)


def test_progress_is_told_each_photo_once() -> None:
    done: list[str] = []
    told = own(progress=done.append)
    some = [Photo.from_rgb(noise(90, 90, seed=seed), str(seed)) for seed in range(5)]
    told.gallery([*some[:2], b"none", *some[2:]])
    assert [label for label in done if label.isdigit()] == list("01234")
    assert len(done) == 6
    done.clear()
    assert sum(not isinstance(each, Skipped) for each in told.faces(some)) == 5
    assert done == list("01234")


def test_an_error_in_progress_stops_the_work() -> None:
    class StoppedError(Exception):
        pass

    def stop(photo: str) -> None:
        raise StoppedError(photo)

    told = own(progress=stop)
    with pytest.raises(StoppedError, match="first"):
        told.gallery([Photo.from_rgb(noise(90, 90), "first"), Photo.from_rgb(noise(90, 90), "b")])
