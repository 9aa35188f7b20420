from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn import written, written_words
from helpers.fakes import ColourEmbedder
from helpers.made_up import MODEL, crowd, noise, photos, somebody
from helpers.matchers import matcher
from helpers.places import SAMPLES
from PIL import Image

from facematch import FaceMatcher
from facematch.analyses.family import Family, Verdict, compare_family
from facematch.errors import NoFaceError, OptionError, ResemblanceError
from facematch.output import as_json
from facematch.output.family import advice_words, verdict_words
from facematch.pictures import draw
from facematch.pictures.canvas import LIGHT
from facematch.scoring.intervals import PHOTO_SPREAD
from facematch.scoring.people import (
    PARENTS_APART,
    RESAMPLES,
    between_parents,
    bootstrap_means,
    bootstrap_z_scores,
    of_couple,
    reliability,
)
from facematch.scoring.wording import shown_score


@pytest.fixture(scope="module")
def drawn_family() -> Family:
    parents = {who: photos(who) for who in ("father", "mother")}
    return matcher.family(parents, {who: photos(who) for who in ("son", "daughter")})


def test_a_drawn_child_is_more_like_the_parent_who_gave_most(drawn_family: Family) -> None:
    record = json.loads((SAMPLES / "family.json").read_text(encoding="utf-8"))["shares"]
    for child, given in record.items():
        cosines = {parent: drawn_family.of(parent, child).cosine for parent in given}
        assert max(cosines, key=cosines.__getitem__) == max(given, key=given.get)
    (daughter,) = (each for each in drawn_family.verdicts if each.child == "daughter")
    assert daughter.most_like == "mother"
    assert daughter.share > 0.8


def test_a_family_is_told_to_a_program(drawn_family: Family) -> None:
    told = json.loads(as_json(drawn_family))
    assert list(told) == [
        "parents", "children", "pairs", "verdicts", "siblings", "neutral_score", "engine",
        "warnings", "skipped",
    ]  # fmt: skip
    assert told["parents"] == [
        {"name": "father", "photos": 2}, {"name": "mother", "photos": 2},
    ]  # fmt: skip
    assert list(told["pairs"][0]) == [
        "parent", "child", "cosine", "score", "score_interval", "likelihood_ratio",
        "likelihood_ratio_interval", "support", "share",
    ]  # fmt: skip
    for verdict in told["verdicts"]:
        assert sum(verdict["shares"].values()) == pytest.approx(1, abs=0.002)  # rounded
    for pair in told["pairs"]:
        low, high = pair["score_interval"]
        assert 0 <= low <= high <= 100
    assert [(each["one"], each["other"]) for each in told["siblings"]] == [("son", "daughter")]
    assert told["engine"]["embedder"] == "kin"


def test_the_same_photos_give_the_same_family(drawn_family: Family) -> None:
    again = matcher.family(
        {who: photos(who) for who in ("father", "mother")},
        {who: photos(who) for who in ("son", "daughter")},
    )
    assert as_json(again) == as_json(drawn_family)


def test_a_photo_that_is_no_use_is_left_out_and_said(tmp_path: Path) -> None:
    Image.fromarray(noise(80, 80)).save(tmp_path / "noise.png")
    (tmp_path / "text.jpg").write_text("no photo")
    child = [str(tmp_path / "noise.png"), *photos("son"), str(tmp_path / "text.jpg")]
    found = matcher.family({"father": photos("father")}, {"son": child})
    assert [each.code for each in found.skipped] == ["no-face", "not-an-image"]
    assert found.photos["son"] == 2
    assert found.verdicts == ()  # of one parent there is nothing to choose
    assert found.of("father", "son").share is None
    with pytest.raises(NoFaceError, match=r"noise\.png: no face found .*; no usable photo is left"):
        matcher.family({"father": child[:1]}, {"son": photos("son")})


def test_one_photo_needs_no_list() -> None:
    dad, son = (str(SAMPLES / f"{who}.png") for who in ("father", "son"))
    alone = matcher.family({"dad": dad}, {"son": Path(son)})  # type: ignore[dict-item]
    assert as_json(alone) == as_json(matcher.family({"dad": [dad]}, {"son": [son]}))


def test_two_people_of_one_name_are_refused() -> None:
    with pytest.raises(OptionError, match="two people are called 'kid'"):
        matcher.family({"kid": photos("father")}, {"kid": photos("son")})


def test_verdicts_need_a_resemblance_model() -> None:
    other = FaceMatcher(min_face=60, embedder=ColourEmbedder())
    with pytest.raises(ResemblanceError, match="no resemblance model fits colour"):
        other.family({"father": photos("father")}, {"son": photos("son")})


def test_one_photograph_of_all_is_warned_of() -> None:
    parents, children = {"0": 1, "2": 3}, {"1": 2, "3": 4}
    found = matcher.family_in_photo(SAMPLES / "group.jpg", parents, children)
    assert found.warnings[0] == (
        "one photograph shows 0 and 2 and 1 and 3: its light and colours make them alike"
    )
    assert found.verdicts[0].most_like in (None, "0")  # one photo each: near too close to call
    assert found.verdicts[1].most_like == "2"


def test_parents_alike_are_too_close_to_call() -> None:
    assert MODEL is not None
    one, child = crowd(2)
    twins = [somebody("mum", one[np.newaxis]), somebody("dad", one[np.newaxis])]
    found = compare_family(matcher.engine, twins, [somebody("kid", child[np.newaxis])])
    assert found.verdicts[0].most_like is None
    verdict = found.verdicts[0]
    assert "too close to call" in verdict_words(verdict)
    assert 0.4 < verdict.share < 0.6
    assert verdict.more_photos is not None
    assert set(verdict.more_photos) <= {"mum", "dad", "kid"}
    assert "more photos" in advice_words(verdict)


def test_a_verdict_says_what_would_decide_it() -> None:
    clear = Verdict("kid", "mum", "mum", 0.9, None)
    assert advice_words(clear) == ""
    close = replace(clear, most_like=None, share=0.6, more_photos={"mum": 1, "kid": 3})
    assert (
        advice_words(close) == "3 more photos of kid, 1 of mum: then half of such cases are clear"
    )
    assert "alike" in advice_words(replace(close, more_photos={}))


def test_a_clear_verdict_needs_no_photos(drawn_family: Family) -> None:
    assert all(verdict.more_photos is None for verdict in drawn_family.verdicts)
    assert all(each["advice"] is None for each in json.loads(as_json(drawn_family))["verdicts"])


def test_more_photos_make_a_verdict_surer() -> None:
    assert MODEL is not None
    rng = np.random.default_rng(3)
    mum, dad = crowd(2, seed=4)
    kid = 0.53 * mum + 0.47 * dad
    shares = []
    for count in (1, 12):
        people = [
            somebody(name, vector + rng.normal(0, 0.01, (count, vector.size)))
            for name, vector in (("mum", mum), ("dad", dad), ("kid", kid))
        ]
        found = compare_family(matcher.engine, people[:2], people[2:])
        shares.append(found.of("mum", "kid").share or 0)
    assert 0.5 < shares[0] < shares[1]


def test_no_verdict_claims_every_draw() -> None:
    verdict = Verdict("kid", "mum", "mum", 1.0, None)
    assert verdict_words(verdict) == "kid: more like mum in 99 of 100 resamples"


def test_the_noise_of_single_photos_is_as_wide_as_photos_differ() -> None:
    assert MODEL is not None
    rng = np.random.default_rng(0)
    one, other = (somebody(name, crowd(1, seed)).gallery for seed, name in enumerate("ab"))
    z = bootstrap_z_scores(
        MODEL, (bootstrap_means(one, rng), bootstrap_means(other, rng)), (1, 1), rng
    )
    assert len(z) == RESAMPLES
    assert z.std() == pytest.approx(PHOTO_SPREAD, rel=0.15)


def test_what_photos_say_little_of_is_drawn_towards_no_difference() -> None:
    rng = np.random.default_rng(0)
    sure = np.array([[1.0], [0.0]]) + rng.normal(0, 0.01, (2, 4000))
    unsure = np.array([[1.0], [0.0]]) + rng.normal(0, 1, (2, 4000))
    assert reliability(sure) > 0.99
    assert reliability(unsure) == pytest.approx(PARENTS_APART / (PARENTS_APART + 2), rel=0.1)
    apart = [np.diff(between_parents(z).mean(axis=1))[0] for z in (sure, unsure)]
    assert apart[0] == pytest.approx(-1, abs=0.02)
    assert apart[1] == pytest.approx(-reliability(unsure), abs=0.05)


def test_a_couple_of_strangers_scores_as_evenly_as_one() -> None:
    assert MODEL is not None
    middle = np.interp(50, MODEL.scores, MODEL.distances)
    both = of_couple(MODEL, np.full((2, 1), middle))
    assert MODEL.calibrate(both)[0][0] == pytest.approx(50, abs=0.1)
    assert of_couple(MODEL, np.full((2, 1), middle + 1))[0] > middle + 1


def test_a_family_is_drawn_in_light_and_dark(drawn_family: Family) -> None:
    light, dark = (draw(drawn_family, theme) for theme in ("light", "dark"))
    assert light.shape == dark.shape
    assert light[2, 2].mean() > 200 > 60 > dark[2, 2].mean()
    assert light.std() > 30


def test_a_familys_picture_says_what_its_numbers_are_and_the_verdict_as_large(
    drawn_family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = dict(written(monkeypatch, drawn_family))
    assert "Who do son and daughter look like?" in lines
    assert "Mini-me score: of 100 strangers, how many look less like the child" in lines
    score = shown_score(drawn_family.of("father", "son").score)
    verdict = next(size for words, size in lines.items() if words.startswith("son: "))
    assert verdict == lines[score] > 50
    (one,) = matcher.family({"father": photos("father")}, {"son": photos("son")}).likenesses
    assert one.score > 99
    alone = replace(
        drawn_family, parents=("father",), children=("son",), likenesses=(one,), verdicts=()
    )
    assert "over 99 of 100 strangers look less like son" in written_words(monkeypatch, alone)


def test_the_picture_of_one_child_is_centred(drawn_family: Family) -> None:
    alone = replace(drawn_family, children=("son",), verdicts=())
    alone = replace(alone, parents=("father",))
    middle = draw(alone)[300:-180] != LIGHT.ground
    columns = np.flatnonzero(middle.any(axis=(0, 2)))
    assert columns[0] == pytest.approx(1080 - 1 - columns[-1], abs=8)


def test_the_portrait_is_of_a_photo_nothing_is_warned_of() -> None:
    person = somebody("kid", crowd(2))
    portraits = np.stack([np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 9, np.uint8)])
    warned = replace(person.gallery, warnings=(("the face is small",), ()))
    assert replace(person, portraits=portraits, gallery=warned).portrait.max() == 9


def test_a_copy_of_a_photo_says_nothing_more(tmp_path: Path) -> None:
    copies = [tmp_path / f"copy {at}.png" for at in range(3)]
    for copy in copies:
        copy.write_bytes((SAMPLES / "son.png").read_bytes())
    parents = {who: photos(who)[:1] for who in ("father", "mother")}
    once, often = (matcher.family(parents, {"son": some}) for some in ([copies[0]], copies))
    assert once.verdicts[0].share == often.verdicts[0].share
    assert [each.code for each in often.skipped] == ["copy", "copy"]
    assert "is the same file as" in often.skipped[0].reason


def test_one_face_for_two_people_is_warned_of() -> None:
    group = [str(SAMPLES / "group.jpg")]
    warnings = matcher.family({"mum": group}, {"kid": group}).warnings
    assert f"mum and kid are the same face in {group[0]}" in warnings
    assert any("4 faces, the largest was taken" in each for each in warnings)


def test_siblings_are_alike_whoever_is_named_first() -> None:
    parents = {"father": photos("father")[:1]}
    son, daughter = photos("son")[:1], photos("daughter")[:1]
    one = matcher.family(parents, {"son": son, "daughter": daughter}).siblings[0]
    other = matcher.family(parents, {"daughter": daughter, "son": son}).siblings[0]
    assert one.likelihood_ratio == pytest.approx(other.likelihood_ratio)
    assert one.score == pytest.approx(other.score)
