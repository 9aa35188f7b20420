from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.data_sets import fiw
from helpers.fakes import ColourEmbedder
from PIL import Image

from facematch.engine import open_engine
from facematch.errors import ProtocolError
from facematch.evaluation.metrics import average_precision, chance_precision, mean_interval
from facematch.evaluation.protocols import Listed, Search
from facematch.evaluation.report import retrieval_as_json, retrieval_table
from facematch.evaluation.retrieval import Retrieval, evaluate_search
from facematch.evaluation.rfiw import read_search
from facematch.scoring.resemblance import model_for


def write(path: Path, columns: str, *rows: str) -> Path:
    path.write_text("\n".join([columns, *rows]))
    return path


def shades(root: Path, first: str = "F0001", second: str = "F0002") -> tuple[Path, Path]:
    """Probes and faces of one hue each: to whom a face is nearer is plain."""
    greens = {
        f"{first}/MID1/P00001_face0.jpg": 0, f"{first}/MID1/P00002_face0.jpg": 4,  # the first probe
        f"{first}/MID2/P00003_face0.jpg": 20, f"{second}/MID2/P00004_face0.jpg": 60,
        f"{first}/MID3/P00001_face1.jpg": 100, f"{second}/MID3/P00005_face0.jpg": 140,
        f"{second}/MID1/P00006_face0.jpg": 110,  # the second
    }  # fmt: skip
    for name, green in greens.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (112, 112), (200, green, 0)).save(root / name, quality=95)
    probes = write(
        root / "probe_list.csv",
        ",ref,fid",
        *(f"{at},{family}/MID1,{family}" for at, family in enumerate((first, second))),
    )
    faces = [name for name in greens if "MID1" not in name]
    rows = [f"{at},{name[:5]},{name[:10]},1,{name}" for at, name in enumerate(faces)]
    return probes, write(root / "gallery_list.csv", ",fid,mid,labels,ref", *rows)


def searched(search: Search, detector: str = "whole") -> Retrieval:
    engine = open_engine(detector=detector, embedder=ColourEmbedder())
    return evaluate_search(search, engine, ColourEmbedder())


def families(root: Path) -> Search:
    """Children of thirty families sought among their parents."""
    fiw(root)
    photos = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
    people: dict[str, list[str]] = {}
    for photo in photos:
        people.setdefault(photo.rsplit("/", 1)[0], []).append(photo)
    probes = [Listed(who[:5], tuple(of)) for who, of in people.items() if who.endswith("MID3")]
    gallery = [Listed(photo[:5], (photo,)) for photo in photos if "MID3" not in photo]
    return Search("search", root, tuple(probes), tuple(gallery), frozenset())


def test_relatives_are_ranked_as_counted_by_hand(tmp_path: Path) -> None:
    found = searched(read_search(tmp_path, *shades(tmp_path)))
    # Of the first probe relatives come first and third, of the second (nearest a stranger) second
    # and third: (1 + 2/3) / 2 and (1/2 + 2/3) / 2.
    for figures in (found.figures, found.untuned_cosine, found.colour_only):
        assert figures.mean_average_precision == pytest.approx((5 / 6 + 7 / 12) / 2)
        assert figures.rank_at == {"1": 0.5, "5": 1.0, "10": 1.0, "20": 1.0}
        assert figures.rank_intervals["1"] == (0.0, 1.0)
    assert (found.gallery, found.photos, found.probes_lost) == (4, 7, 0)
    assert found.chance["rank_at_1"] == pytest.approx(0.5)
    # One relative of the first probe was cut from a photograph that shows the probe.
    assert found.other_photographs is not None
    assert found.other_photographs.mean_average_precision == pytest.approx((1 + 7 / 12) / 2)


def test_a_probe_is_not_found_in_its_own_faces(tmp_path: Path) -> None:
    search = read_search(tmp_path, *shades(tmp_path))
    own = tuple(Listed("F0001", (photo,)) for photo in search.probes[0].photos)
    with_own = replace(search, gallery=(*search.gallery, *own))
    first = replace(with_own, probes=search.probes[:1])
    assert searched(first).figures.mean_average_precision == pytest.approx(5 / 6)


def test_relatives_are_found_and_labels_at_random_are_found_to_be_random(tmp_path: Path) -> None:
    search = families(tmp_path)
    found = searched(search)
    assert found.figures.map_interval[0] > 3 * found.chance["mean_average_precision"]
    order = np.random.default_rng(0).permutation(len(search.gallery)).tolist()
    renamed = [
        replace(face, family=search.gallery[at].family)
        for face, at in zip(search.gallery, order, strict=True)
    ]
    guessed = searched(replace(search, gallery=tuple(renamed)))
    for figures in (guessed.figures, guessed.untuned_cosine, guessed.colour_only):
        low, high = figures.map_interval
        assert low < guessed.chance["mean_average_precision"] < high
        low, high = figures.rank_intervals["10"]
        assert low < guessed.chance["rank_at_10"] < high


def test_probes_without_a_relative_are_counted_and_left_out(tmp_path: Path) -> None:
    search = read_search(tmp_path, *shades(tmp_path))
    strangers = tuple(each for each in search.gallery if each.family == "F0001")
    found = searched(replace(search, gallery=strangers))
    assert (found.figures.probes, found.probes_lost) == (1, 1)
    with pytest.raises(ProtocolError, match="no probe has a relative's face"):
        searched(replace(search, probes=search.probes[1:], gallery=strangers))


def test_people_who_fitted_the_engine_are_refused(tmp_path: Path) -> None:
    search = read_search(tmp_path, *shades(tmp_path))
    model = model_for("dlib-resnet")
    assert model is not None
    fitted = replace(search, families=frozenset(model.families.tolist()[:1]))
    engine = open_engine(detector="whole", embedder="dlib-resnet")
    with pytest.raises(ProtocolError, match="its figures would mean nothing"):
        evaluate_search(fitted, engine, ColourEmbedder())


def test_chance_is_what_shuffled_orders_give() -> None:
    rng = np.random.default_rng(0)
    drawn = [
        average_precision(rng.choice(np.arange(1, 41), 3, replace=False)) for _ in range(20_000)
    ]
    assert np.mean(drawn) == pytest.approx(chance_precision(3, 40), abs=0.003)
    assert chance_precision(1, 1) == 1


def test_intervals_hold_families_together() -> None:
    rng = np.random.default_rng(0)
    values = rng.random(20).repeat(5)
    together = mean_interval(values, np.arange(20).repeat(5).astype(str), rng)
    apart = mean_interval(values, np.arange(100).astype(str), rng)
    assert together[1] - together[0] > 1.5 * (apart[1] - apart[0])


def test_lists_that_are_none_are_named(tmp_path: Path) -> None:
    probes, gallery = shades(tmp_path)
    with pytest.raises(ProtocolError, match=r"other\.csv: columns fid and ref are needed"):
        read_search(tmp_path, write(tmp_path / "other.csv", "a,b", "1,2"), gallery)
    with pytest.raises(ProtocolError, match=r"other\.csv lists nobody"):
        read_search(tmp_path, probes, write(tmp_path / "other.csv", "fid,ref"))
    nobody = write(tmp_path / "other.csv", "fid,original", "F0009,F0009/MID1")
    with pytest.raises(ProtocolError, match="shows no photo of a probe of family F0009"):
        read_search(tmp_path, nobody, gallery)


def test_a_search_is_shown_as_a_table_and_as_json(tmp_path: Path) -> None:
    found = searched(read_search(tmp_path, *shades(tmp_path)))
    names = list(retrieval_table(found).columns[0].cells)
    assert names == ["this engine", "  not from one photograph", "untuned cosine", "colours only",
                     "chance"]  # fmt: skip
    fields = json.loads(retrieval_as_json(found))
    assert fields["mean_average_precision"] == pytest.approx(0.7083)
    assert fields["rank_at"]["5"] == 1
    assert fields["colour_only"]["probes"] == 2


def test_the_command_searches(tmp_path: Path) -> None:
    probes, gallery = shades(tmp_path, "F9001", "F9002")
    lists = ("--probes", probes, "--gallery", gallery)
    shown = run("evaluate", "search", "--root", tmp_path, *lists)
    assert shown.returncode == 0, shown.stderr
    assert "2 probes in 4 faces" in shown.stdout
    without = run("evaluate", "search", "--root", tmp_path, "--probes", probes)
    assert "Missing option '--gallery'" in " ".join(without.stderr.split())
