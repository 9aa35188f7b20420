from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.data_sets import fiw, paint
from helpers.fakes import ColourEmbedder
from helpers.made_up import families_of_four
from helpers.places import shared_file
from PIL import Image

from facematch.engine import open_engine
from facematch.errors import FacematchError, ProtocolError
from facematch.evaluation.figures import Evaluation
from facematch.evaluation.fiw import read_fiw
from facematch.evaluation.kinfacew import FOLDERS, read_kinfacew
from facematch.evaluation.labelled_pairs import read_labelled_pairs
from facematch.evaluation.lfw import read_lfw
from facematch.evaluation.measure import evaluate
from facematch.evaluation.plots import draw
from facematch.evaluation.protocols import Protocol, refuse_fitted
from facematch.evaluation.report import colours_note, evaluation_as_json, evaluation_table
from facematch.evaluation.rfiw import read_rfiw
from facematch.evaluation.tskinface import read_tskinface
from facematch.scoring.resemblance import model_for
from facematch.training.cohort import cohort_model


def kinfacew(root: Path, each: int = 40) -> Path:
    """KinFaceW's layout; children have about their parents' colours."""
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    for relation, folder in FOLDERS.items():
        names = [[f"{relation}_{at:03}_{who}.jpg" for who in (1, 2)] for at in range(each)]
        for parent, child in names:
            colour = tuple(rng.uniform(40, 215, 3))
            paint(root / "images" / folder / parent, colour, rng)
            paint(
                root / "images" / folder / child, tuple(np.add(colour, rng.normal(0, 30, 3))), rng
            )
        rows = []
        for fold in range(5):
            part = list(range(fold * each // 5, (fold + 1) * each // 5))
            for at, other in zip(part, [*part[1:], part[0]], strict=True):
                rows.append([fold + 1, 1, names[at][0], names[at][1]])
                rows.append([fold + 1, 0, names[at][0], names[other][1]])
        (root / "meta_data").mkdir(exist_ok=True)
        savemat(root / "meta_data" / f"{relation}_pairs.mat", {"pairs": np.array(rows, object)})
    return root


def measured(protocol: Protocol, detector: str = "whole-tight") -> Evaluation:
    engine = open_engine(detector=detector, embedder=ColourEmbedder())
    return evaluate(protocol, engine, ColourEmbedder())


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.evaluation.metrics.RESAMPLES", 100)


def test_kinfacew_is_read_with_its_folds_and_measured(tmp_path: Path) -> None:
    protocol = read_kinfacew(kinfacew(tmp_path))
    assert len(protocol.trials) == 320
    assert {trial.fold for trial in protocol.trials} == {1, 2, 3, 4, 5}
    found = measured(protocol)
    assert (found.photos, found.failure_to_enrol, found.trials_lost) == (320, 0, 0)
    assert set(found.per_relation) == {"fs", "fd", "ms", "md"}
    low, high = found.figures.auc_interval or (0, 0)
    assert 0.75 < low < (found.figures.auc or 0) < high
    assert (found.colour_only.accuracy or 0) > 0.7
    assert found.other_photographs is None


def test_random_labels_are_found_to_be_random(tmp_path: Path) -> None:
    protocol = read_kinfacew(kinfacew(tmp_path))
    rng = np.random.default_rng(0)
    trials = [replace(trial, kin=bool(rng.random() < 0.5)) for trial in protocol.trials]
    found = measured(replace(protocol, trials=tuple(trials)))
    for figures in (found.figures, found.colour_only, found.untuned_cosine):
        low, high = figures.auc_interval or (1, 1)
        assert low < 0.5 < high
        assert abs((figures.accuracy or 0) - 0.5) < 0.1


def test_a_photo_in_two_folds_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("parent,child,kin,fold\na.jpg,b.jpg,1,0\na.jpg,c.jpg,0,1\n")
    with pytest.raises(ProtocolError, match=r"a\.jpg is in two folds"):
        read_labelled_pairs(table)


def test_families_that_fitted_the_engine_are_refused(tmp_path: Path) -> None:
    protocol = read_fiw(fiw(tmp_path), tmp_path / "relations.csv", None)
    with pytest.raises(ProtocolError, match="2 of 30 families, F0003 among them, fitted"):
        refuse_fitted(protocol, ["F0003", "F0004", "F9999"])
    model = model_for("dlib-resnet")
    assert model is not None
    shared = replace(protocol, families=frozenset(model.families.tolist()[:1]))
    with pytest.raises(ProtocolError, match="its figures would mean nothing"):
        evaluate(shared, open_engine(detector="whole", embedder="dlib-resnet"), ColourEmbedder())


def test_fiw_is_measured_with_and_without_pairs_from_one_photograph(tmp_path: Path) -> None:
    protocol = read_fiw(fiw(tmp_path), tmp_path / "relations.csv", None)
    kinds = {trial.relation for trial in protocol.trials}
    assert kinds == {"fd", "md", "sibs"}
    shared = [trial for trial in protocol.trials if trial.shares_photograph]
    assert shared
    assert all(trial.kin and "P00001" in trial.child for trial in shared)
    for trial in protocol.trials:
        families = {trial.parents[0].split("/")[0], trial.child.split("/")[0]}
        assert (len(families) == 1) == trial.kin
    found = measured(protocol, "whole")
    assert found.other_photographs is not None
    assert found.figures.kin == found.figures.strangers == 480
    assert found.other_photographs.kin == 480 - sum(trial.relation != "sibs" for trial in shared)
    assert found.all_relations.kin == 720


def test_fiw_is_read_from_its_archive_and_for_some_families_only(tmp_path: Path) -> None:
    folder = fiw(tmp_path / "fiw")
    with zipfile.ZipFile(tmp_path / "fiw.zip", "w") as archive:
        for path in sorted(folder.rglob("*.jpg")):
            archive.write(path, path.relative_to(folder).as_posix())
    (tmp_path / "some.txt").write_text("\n".join(f"F{at:04}" for at in range(1, 16)))
    some = (folder / "relations.csv", tmp_path / "some.txt")
    one, other = (read_fiw(root, *some) for root in (folder, tmp_path / "fiw.zip"))
    assert one.trials == other.trials
    assert one.families == {f"F{at:04}" for at in range(1, 16)}
    assert measured(one, "whole").figures.auc == measured(other, "whole").figures.auc
    (tmp_path / "some.txt").write_text("F0999")
    with pytest.raises(ProtocolError, match="none of these families has photos"):
        read_fiw(folder, *some)


def test_it_is_said_where_colours_alone_do_as_well(tmp_path: Path) -> None:
    found = measured(read_kinfacew(kinfacew(tmp_path, each=20)))
    ahead = replace(
        found,
        figures=replace(found.figures, auc=0.815),
        colour_only=replace(found.colour_only, auc=0.843),
    )
    note = colours_note(ahead)
    assert note is not None
    assert "a ROC AUC of 0.843 here, the engine 0.815" in note
    assert json.loads(evaluation_as_json(ahead))["note"] == note
    behind = replace(ahead, figures=replace(ahead.figures, auc=0.9))
    assert colours_note(behind) is None
    assert json.loads(evaluation_as_json(behind))["note"] is None


@pytest.mark.parametrize("before", ["", "./", "Validation/val-faces/"])
@pytest.mark.parametrize("root", ["", "Validation/val-faces"])
def test_lists_as_distributed_are_read(tmp_path: Path, before: str, root: str) -> None:
    fiw(tmp_path / "Validation/val-faces", families=4)

    def photo(family: int, member: int) -> str:
        return f"{before}F{family:04}/MID{member}/P00001_face1.jpg"

    lines = ["index,p1,p2,ptype,label"]
    lines += [f"{at},{photo(at, 1)},{photo(at, 3)},fd,1" for at in range(1, 5)]
    lines += [f"{at},{photo(at, 1)},{photo(at % 4 + 1, 3)},fd,0" for at in range(1, 5)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    protocol = read_rfiw(tmp_path / root, tmp_path / "pairs.csv")
    assert protocol.families == {"F0001", "F0002", "F0003", "F0004"}
    assert {trial.family for trial in protocol.trials} == protocol.families
    assert len({trial.fold for trial in protocol.trials}) == 4
    assert [trial.shares_photograph for trial in protocol.trials] == [True] * 4 + [False] * 4
    if before.startswith("Validation") or root:
        assert all((tmp_path / root / trial.child).is_file() for trial in protocol.trials)


def test_triples_need_neither_index_nor_type(tmp_path: Path) -> None:
    names = [f"val\\F0001\\MID{member}\\P00001_face1.jpg" for member in (1, 2, 3)]
    (tmp_path / "triples").write_text(f"{','.join(names)},fms,1\n7,{','.join(names)},0\n")
    one, other = read_rfiw(tmp_path, tmp_path / "triples", parents=2).trials
    assert one.parents == other.parents
    assert one.child == "val/F0001/MID3/P00001_face1.jpg"
    assert (one.relation, other.relation) == ("fms", "")
    assert (one.kin, other.kin) == (True, False)
    with pytest.raises(ProtocolError, match="with 2 photos, not 'val"):
        read_rfiw(tmp_path, tmp_path / "triples", parents=1)


def test_lists_of_pairs_and_triples_are_read(tmp_path: Path) -> None:
    photo = "F{}/MID{}/P00001_face0.jpg".format
    (tmp_path / "pairs").write_text(
        f"0 {photo('0001', 1)} {photo('0001', 2)} fd 1\n"
        f"1 {photo('0001', 1)} {photo('0002', 2)} fd 0\n"
    )
    protocol = read_rfiw(tmp_path, tmp_path / "pairs")
    assert [trial.kin for trial in protocol.trials] == [True, False]
    assert [trial.shares_photograph for trial in protocol.trials] == [True, False]
    assert protocol.families == {"F0001", "F0002"}
    (tmp_path / "triples").write_text(
        f"0 {photo('0001', 1)} {photo('0001', 2)} {photo('0001', 3)} fmd 1\n"
    )
    (trial,) = read_rfiw(tmp_path, tmp_path / "triples", parents=2).trials
    assert trial.parents == (photo("0001", 1), photo("0001", 2))
    with pytest.raises(ProtocolError, match="with 3 photos, not"):
        read_rfiw(tmp_path, tmp_path / "pairs", parents=2)


def test_both_parents_are_judged_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for family in range(40):
        father, mother = rng.uniform(40, 215, (2, 3))
        child = (father + mother) / 2 + rng.normal(0, 20, 3)
        for role, colour in (("F", father), ("M", mother), ("S" if family % 2 else "D", child)):
            paint(tmp_path / f"{family:04}-{role}.jpg", tuple(colour), rng)
    protocol = read_tskinface(tmp_path)
    assert len(protocol.trials) == 80
    assert all(len(trial.parents) == 2 for trial in protocol.trials)
    found = measured(protocol)
    assert (found.figures.auc or 0) > 0.6
    assert set(found.per_relation) == {"fms", "fmd"}
    with pytest.raises(ProtocolError, match="holds no family"):
        read_tskinface(tmp_path / "nothing")


def test_lfw_is_read_with_its_ten_folds(tmp_path: Path) -> None:
    rows = ["2\t2", "Ann\t1\t2", "Bob\t1\t3", "Ann\t1\tBob\t2", "Bob\t1\tCid\t1"]
    rows += ["Cid\t1\t2", "Dan\t1\t2", "Cid\t1\tDan\t2", "Dan\t1\tEve\t1"]
    (tmp_path / "pairs.txt").write_text("\n".join(rows))
    trials = read_lfw(tmp_path, tmp_path / "pairs.txt").trials
    assert [trial.kin for trial in trials] == [True, True, False, False] * 2
    assert [trial.fold for trial in trials] == [0] * 4 + [1] * 4
    assert trials[2].child == "Bob/Bob_0002.jpg"
    (tmp_path / "pairs.txt").write_text("\n".join(rows[:-1]))
    with pytest.raises(ProtocolError, match="7 pairs; its first line says 8"):
        read_lfw(tmp_path, tmp_path / "pairs.txt")


def test_photos_without_a_face_are_counted_and_left_out(tmp_path: Path) -> None:
    protocol = read_kinfacew(kinfacew(tmp_path, each=10))
    (tmp_path / protocol.trials[0].child).write_bytes(b"no picture")
    found = measured(protocol)
    assert found.failure_to_enrol == pytest.approx(1 / 80)
    assert found.trials_lost == 2


def test_strangers_are_told_by_the_groups_both_are_nearest_to(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    protocol, engine = (
        read_kinfacew(kinfacew(tmp_path, each=10)),
        open_engine(detector="whole-tight", embedder=ColourEmbedder()),
    )
    colours = rng.uniform(40, 215, (240, 1, 6)) * [1, 1, 1, 0, 0, 0] + [0, 0, 0, 12, 12, 12]
    people = colours + rng.normal(0, 9, (240, 4, 6))
    model = cohort_model(families_of_four(people.reshape(-1, 6)), "colour")
    found = evaluate(protocol, engine, ColourEmbedder(), model=model)
    assert [each.group for each in found.per_group] == [1, 2, 3]
    assert 0 < sum(each.kin for each in found.per_group) < found.figures.kin
    for each in found.per_group:
        assert 0 < each.strangers < 5000  # the drawn are of one family sometimes
        assert 0 < each.score_mean < 100
        assert (each.auc or 0) > 0.5
    as_json = json.loads(evaluation_as_json(found))["per_group"]
    assert [each["group"] for each in as_json] == [1, 2, 3]
    column = list(evaluation_table(found).columns[0].cells)
    assert "  within group 3" in column
    assert measured(protocol).per_group == ()  # no model, no groups


def test_charts_and_json_are_made(tmp_path: Path) -> None:
    found = measured(read_kinfacew(kinfacew(tmp_path, each=10)))
    scores = np.linspace(0, 100, len(found.curves.kin))
    curves = replace(found.curves, scores=scores, log_ratios=(scores - 50) / 20)
    drawn = draw(replace(found, curves=curves), tmp_path / "charts")
    assert [path.name for path in drawn] == ["roc.png", "reliability.png"]
    for path in drawn:
        with Image.open(path) as chart:
            assert chart.size[0] > 300
    fields = json.loads(evaluation_as_json(found))
    wanted = {
        "protocol", "pairs", "auc", "auc_interval", "accuracy", "per_relation", "colour_only",
        "untuned_cosine", "cllr", "cllr_min", "score_ks", "failure_to_enrol", "tar_at_far",
    }  # fmt: skip
    assert wanted <= fields.keys()
    assert fields["cllr"] is None
    assert fields["per_relation"]["fs"]["auc"] is not None


def test_the_command_prints_figures(tmp_path: Path) -> None:
    root = str(kinfacew(tmp_path, each=10))
    shown = run("evaluate", "kinfacew", "--root", root)
    assert shown.returncode == 0, shown.stderr
    assert "colours only" in shown.stdout
    as_json = run("evaluate", "kinfacew", "--root", root, "--format", "json", "--plots", tmp_path)
    assert json.loads(as_json.stdout)["pairs"] == 80
    assert (tmp_path / "roc.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["kinfacew"], 2, "Missing option '--root'"),
        (["kinfacew", "--root", "nowhere"], 1, "is no pairs file of KinFaceW"),
        (["rfiw", "--root", "."], 2, "Missing option '--pairs'"),
        (["kinfacew", "--root", ".", "--pairs", "x"], 2, "No such option: --pairs"),
        (["fiw", "--root", "nowhere.zip", "--relations", "x"], 1, "nowhere.zip cannot be read"),
        (["pairs"], 2, "Missing argument 'CSV'"),
        (["pairs", "README.md"], 1, "columns parent, child and kin"),
    ],
)
def test_what_is_missing_is_named(arguments: list[str], status: int, message: str) -> None:
    result = run("evaluate", *arguments)
    assert result.returncode == status
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_kinfacew_beside_the_project_is_read() -> None:
    root = shared_file("kinship", "KinFaceW-I")
    protocol = read_kinfacew(root)
    assert len(protocol.trials) == 1066
    assert sum(trial.kin for trial in protocol.trials) == 533
    assert all((root / photo).is_file() for photo in protocol.photos())


def test_a_list_that_is_missing_is_named(tmp_path: Path) -> None:
    for read in (read_lfw, read_rfiw):
        with pytest.raises(FacematchError, match=r"nothing\.txt cannot be read"):
            read(tmp_path, tmp_path / "nothing.txt")
