from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.command import PATERNITY, run, run_in_a_process
from helpers.made_up import noise
from helpers.places import REPOSITORY, SAMPLES
from PIL import Image

import facematch
from facematch import read_photo


@pytest.mark.parametrize("call", [run, run_in_a_process])
def test_a_pair_is_scored_for_a_person(
    call: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    result = call("score", "samples/father.png", "samples/son.png", "--min-face", 60)
    assert result.returncode == 0
    assert result.stderr == ""
    for word in ("samples/father.png", "mini-me score", "likelihood ratio", "cosine", PATERNITY):
        assert word in result.stdout


def test_a_pair_is_scored_for_a_program() -> None:
    result = run("score", "samples/group.jpg", "samples/son.png", "--format", "json")
    match = json.loads(result.stdout)
    assert match["parent"]["faces_found"] == 4
    assert match["engine"]["detector"] == "mmod"
    assert "4 faces, the largest was taken" in match["warnings"][0]
    assert result.stdout.count("\n") == 1
    assert PATERNITY in result.stderr


def test_a_prior_gives_a_posterior_and_without_one_there_is_none() -> None:
    pair = (
        "score", "samples/father.png", "samples/son.png", "--embedder", "dlib-resnet",
        "--format", "json",
    )  # fmt: skip
    plain, asked = (json.loads(run(*pair, *more).stdout) for more in ((), ("--prior", "0.5")))
    assert "posterior" not in plain
    ratio = plain["likelihood_ratio"]
    assert asked["posterior"] == pytest.approx(ratio / (1 + ratio), abs=1e-3)
    low, high = plain["likelihood_ratio_interval"]
    assert low <= ratio <= high
    assert "kinship" in plain["support"] or plain["support"] == "no support either way"
    assert "chance of kinship" in run(*pair[:5], "--prior", "0.1").stdout


def test_a_score_is_a_row_of_csv() -> None:
    pair = ("score", "samples/father.png", "samples/son.png", "--min-face", 60, "--format")
    [row] = csv.DictReader(run(*pair, "csv", "--prior", "0.5").stdout.splitlines())
    told = json.loads(run(*pair, "json").stdout)
    assert float(row["score"]) == told["score"]
    assert (row["parent"], row["prior"]) == ("samples/father.png", "0.5")
    assert "posterior" in row
    assert "prior" not in run(*pair, "csv").stdout


def test_one_photo_saved_twice_is_warned_of(tmp_path: Path) -> None:
    with Image.open(SAMPLES / "group.jpg") as group:
        group.resize((900, 600)).save(tmp_path / "again.jpg", quality=60)
    result = run("score", "samples/group.jpg", tmp_path / "again.jpg", "--child-face", "4")
    assert "both faces come from one photograph" in " ".join(result.stdout.split())


def test_the_faces_of_a_photo_are_listed_and_saved(tmp_path: Path) -> None:
    result = run("faces", "samples/group.jpg", "--save", tmp_path / "out", "--format", "json")
    faces = json.loads(result.stdout)["faces"]
    chips = sorted((tmp_path / "out").glob("group-face-*.png"))
    assert [face["face"] for face in faces] == [1, 2, 3, 4]
    assert all(0 < face["age"]["years"] < 80 and face["age"]["error"] > 0 for face in faces)
    assert len(chips) == 4
    portrait = facematch.FaceMatcher().find_faces(SAMPLES / "group.jpg")
    np.testing.assert_array_equal(read_photo(chips[0]).pixels, portrait.chips[0])
    assert read_photo(tmp_path / "out" / "group-found.png").pixels.shape == (800, 1200, 3)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["score", "none.png", "samples/son.png"], 1, "none.png: there is no such file"),
        (["score", "samples", "samples/son.png"], 1, "samples: is a folder"),
        (["score", "README.md", "samples/son.png"], 1, "README.md: is in no format"),
        (["score", "samples/father.png"], 1, "one photo is given: name a second one"),
        (["score", "a", "b", "--detector", "x"], 1, "no detector called 'x'; there are:"),
        (["score", "a", "b", "--embedder", "x"], 1, "no embedder called 'x'; there are:"),
        (["score", "a", "b", "--parent-face", "0"], 2, "--parent-face"),
        (["score", "a", "b", "--format", "xml"], 2, "--format"),
        (["score", "a", "b", "--prior", "1"], 1, "a share above 0 and below 1 is needed"),
        (["models", "fetch", "x"], 1, "no weights called 'x'; there are:"),
        (["models", "fetch", "dlib-mmod"], 1, "comes with the package"),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_status(
    arguments: list[str], status: int, message: str
) -> None:
    result = run(*arguments)
    assert result.returncode == status
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert status == 2 or result.stderr.count("\n") == 1


def test_a_process_ends_with_a_line_and_an_exit_status() -> None:
    failed, misused = run_in_a_process("score", "none.png", "none.png"), run_in_a_process("score")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert failed.stderr.startswith("facematch: none.png: there is no such file")
    assert (misused.returncode, misused.stdout) == (2, "")
    assert "Missing argument" in misused.stderr


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "facematch", "models", "list"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 1


def test_a_photo_without_a_face_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    photo = tmp_path / "noise.png"
    Image.fromarray(noise(300, 400)).save(photo)
    for arguments in (["faces", photo], ["score", photo, "samples/son.png"]):
        result = run(*arguments)
        assert result.returncode == 1
        assert (
            "no face found (400x300): try --min-face 10, crop closer, or turn it upright"
            in result.stderr
        )


def test_names_in_any_script_are_read_and_printed(tmp_path: Path) -> None:
    folder = tmp_path / "família — 家族"
    folder.mkdir()
    for name in ("father", "son"):
        (folder / f"{name} é.png").write_bytes((SAMPLES / f"{name}.png").read_bytes())
    pair = (folder / "father é.png", folder / "son é.png")
    result = run_in_a_process("score", *pair, "--format", "json", "--min-face", 60)
    assert json.loads(result.stdout)["parent"]["photo"].endswith("家族/father é.png")


def test_the_weights_are_listed_and_checked() -> None:
    listed, checked = run("models", "list"), run("models", "check")
    assert listed.returncode == checked.returncode == 0
    for name in ("dlib-landmarks", "dlib-mmod", "dlib-resnet", "yunet"):
        assert name in listed.stdout
        assert name in checked.stdout
    assert "dlib-mmod: ready" in checked.stdout


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == "facematch 0.1.0\n"


@pytest.mark.parametrize(
    "command", [[], ["score"], ["faces"], ["models"], ["models", "fetch"], ["train"], ["video"]]
)
def test_every_command_explains_itself(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.returncode == 0
    assert "Usage: " in result.stdout


def test_every_public_name_is_there_and_sorted() -> None:
    assert facematch.__all__ == sorted(facematch.__all__) == sorted(facematch._HOMES)
    for name in facematch.__all__:
        assert getattr(facematch, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        facematch.nope  # noqa: B018 - it is the access that raises


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import facematch", ["cv2", "av", "onnxruntime", "PIL", "sklearn", "numpy"]),
        (
            "import facematch.cli",
            ["cv2", "av", "onnxruntime", "PIL", "sklearn", "numpy", "rich.table"],
        ),
        (
            "from facematch import FaceMatcher as M; "
            "M().score('samples/father.png', 'samples/son.png')",
            ["av", "sklearn", "scipy", "matplotlib", "onnx", "rich", "typer", "urllib.request"],
        ),
    ],
)
def test_imports_are_only_those_needed(code: str, absent: list[str]) -> None:
    check = f"{code}; import sys; print([m for m in {absent!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert result.stdout == "[]\n"


def test_a_folder_is_left_as_it_was(tmp_path: Path) -> None:
    run("score", SAMPLES / "father.png", SAMPLES / "son.png", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


PARENTS = ("--parent", "samples/father.png", "--parent", "mum=samples/mother.png")


def test_a_family_is_told_and_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "family.png"
    result = run("family", *PARENTS, "--child", "samples/son.png", "--save", picture)
    assert result.returncode == 0
    assert "son: too close to call (" in result.stdout  # drawn, one photo each
    assert PATERNITY in result.stdout
    with Image.open(picture) as drawn:
        assert drawn.width > 500
    rows = run("family", *PARENTS, "--child", "samples/son.png", "--format", "csv")
    assert rows.stdout.startswith("parent,child,cosine,score,likelihood_ratio,support,share,score_")
    assert rows.stdout.count("\n") == 3
    assert PATERNITY in rows.stderr


def test_a_group_photograph_is_numbered_then_named(tmp_path: Path) -> None:
    picture = tmp_path / "numbered.png"
    group = ("family", "--photo", "samples/group.jpg")
    labelled = run(*group, "--label", "--save", picture)
    assert labelled.stdout == f"{picture}: 4 faces, numbered\n"
    assert "--names 1=mum" in labelled.stderr
    told = run(*group, "--names", "1=dad,3=mum,2=son,4=daughter", "--format", "json")
    verdicts = {each["child"]: each["most_like"] for each in json.loads(told.stdout)["verdicts"]}
    assert verdicts == {"son": None, "daughter": "mum"}
    assert "one photograph shows" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("family",), "nobody to compare: name a photo or a folder with --parent"),
        (("family", *PARENTS), "nobody to compare: name a photo or a folder with --child"),
        (
            ("family", *PARENTS[:2], *PARENTS[:2], "--child", "samples/son.png"),
            "two are called 'father' in --parent: name them apart, NAME=PATH",
        ),
        (("family", "--photo", "samples/group.jpg", "--names", "dad"), "write it like 1=mum,2=dad"),
        (("family", "--photo", "samples/group.jpg", "--names", "1=ann,2=bob"), "no parent or no"),
        (
            ("family", "--photo", "samples/group.jpg", "--names", "1=mum,9=kid"),
            "there is no face 9: 4 faces found",
        ),
        (("card", "samples/none.png", "samples/son.png", "--save", "x.png"), "no such file"),
        (("timeline", *PARENTS, "--child", "samples/son.png"), "no photo of son tells when"),
        (
            ("timeline", *PARENTS, "--child", "samples/son.png", "--born", "son=May"),
            "--born son=May: 'May' is no date: write it like 2018-05-16",
        ),
        (("find", "samples/son.png", "--in", "facematch"), "holds no photo"),
        (
            ("card", "samples/father.png", "samples/son.png", "--save", "samples/son.png"),
            "samples/son.png is one of the files given: name another place to write to",
        ),
        (("family", "--parent", "dad=", "--child", "samples/son.png"), "no path is given behind"),
        (("family", "--photo", "samples/group.jpg", "--names", "1=dad,1=kid"), "has two names"),
        (("card", "none.png", "none.png", "--save", "card.bmp"), "end its name in .png or .jpg"),
    ],
)
def test_what_a_verb_cannot_do_is_said_in_a_line(arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.returncode == 1
    assert words in result.stderr
    assert result.stderr.count("\n") <= 2
    assert "Traceback" not in result.stderr


def test_a_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    result = run("report", *PARENTS, "--child", "samples/son.png", "-o", page)
    assert result.stdout == f"{page}\n"
    assert "<h1>Who does son look like?</h1>" in page.read_text(encoding="utf-8")
    refused = run("report", *PARENTS, "--child", "samples/son.png", "-o", tmp_path)
    assert "cannot be written" in refused.stderr
