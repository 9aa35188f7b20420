from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.made_up import noise
from helpers.places import SAMPLES, SHARED, shared_file

from facematch.detection.mmod import MmodDetector
from facematch.detection.yunet import YuNetDetector, _without_duplicates
from facematch.errors import OptionError, WeightsError
from facematch.photos.reading import read_photo
from facematch.types import Box

PHOTOS = sorted(path for path in (SHARED / "photos").rglob("*") if path.suffix in {".jpg", ".png"})


@pytest.fixture(scope="module")
def detector() -> YuNetDetector:
    return YuNetDetector(shared_file("models", "face_detection_yunet_2023mar.onnx"))


def middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


@pytest.mark.slow
def test_it_finds_every_face_of_the_photographs_that_mmod_finds(detector: YuNetDetector) -> None:
    shared_file("photos")
    mmod, found, missed = MmodDetector(), 0, 0
    for path in PHOTOS[::4]:
        pixels = read_photo(path).pixels
        least = 0.07 * max(pixels.shape)
        ours = [middle(face.box) for face in detector.detect(pixels, min_face=least)]
        for face in mmod.detect(pixels, min_face=least):
            x, y = middle(face.box)
            side = face.box[2] - face.box[0]
            near = any(np.hypot(x - one, y - other) < side / 2 for one, other in ours)
            found, missed = found + near, missed + (not near)
    assert found > 10
    assert missed == 0


def test_a_face_that_fills_a_large_photo_is_found_among_small_ones(
    detector: YuNetDetector,
) -> None:
    import cv2

    face = read_photo(SAMPLES / "mother.png").pixels[150:420, 90:350]
    large = np.asarray(cv2.resize(face, (2600, 2700)), np.uint8)
    large[:120, :120] = cv2.resize(face, (120, 120), interpolation=cv2.INTER_AREA)
    faces = detector.detect(large, min_face=60)
    sides = sorted(face.box[2] - face.box[0] for face in faces)
    assert len(sides) == 2
    assert sides[0] < 130
    assert sides[1] > 1500


def test_a_smaller_least_face_finds_smaller_faces(detector: YuNetDetector) -> None:
    import cv2

    photo = np.full((1500, 2000, 3), 128, np.uint8)
    face = read_photo(SAMPLES / "son.png").pixels[130:430, 90:390]
    photo[700:740, 900:940] = cv2.resize(face, (40, 40), interpolation=cv2.INTER_AREA)
    assert detector.detect(photo) == []
    assert len(detector.detect(photo, min_face=25)) == 1


def test_a_box_inside_a_surer_one_is_no_face_of_its_own() -> None:
    whole, cheek, beside = (0, 0, 100, 100, 0.95), (45, 45, 50, 50, 0.7), (70, 0, 100, 100, 0.8)
    np.testing.assert_array_equal(
        _without_duplicates(np.array([cheek, whole, beside])), [whole, beside]
    )


def test_two_faces_that_overlap_a_little_are_both_kept_whichever_is_surer() -> None:
    boxes = (80, 0, 40, 40), (0, 0, 100, 100)  # half of the small one lies inside the large one
    for first, second in (boxes, boxes[::-1]):
        surer, other = (*first, 0.9), (*second, 0.8)
        np.testing.assert_array_equal(_without_duplicates(np.array([other, surer])), [surer, other])


def test_a_close_up_is_one_face_however_large(detector: YuNetDetector) -> None:
    import cv2

    face = read_photo(SAMPLES / "mother.png").pixels[150:420, 90:350]
    large = np.asarray(cv2.resize(face, (4300, 4500), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert len(detector.detect(large, min_face=60)) == 1


def test_a_strip_of_a_few_rows_or_columns_has_no_faces(detector: YuNetDetector) -> None:
    for shape in ((2, 640), (3, 640), (16, 640), (640, 2)):  # OpenCV 4.10 found some, of NaN
        assert detector.detect(noise(*shape), min_face=20) == []


def test_too_small_a_least_face_is_refused(detector: YuNetDetector) -> None:
    with pytest.raises(OptionError, match="try min_face=4 or more"):
        detector.detect(np.zeros((1000, 1000, 3), np.uint8), min_face=1)


def test_a_network_that_is_no_yunet_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "relu.onnx")
    with pytest.raises(WeightsError, match=r"relu\.onnx is no YuNet that OpenCV can run"):
        YuNetDetector(tmp_path / "relu.onnx").detect(noise(90, 90))


def test_opencv_is_as_talkative_after_the_weights_are_read_as_before(
    detector: YuNetDetector, tmp_path: Path
) -> None:
    import cv2

    log = getattr(cv2.utils, "logging", cv2)  # where OpenCV 5, and where OpenCV 4 keeps it
    before = log.getLogLevel()
    assert detector.detect(noise(90, 90)) == []
    assert log.getLogLevel() == before
    with pytest.raises(WeightsError, match="cannot be read"):
        YuNetDetector(tmp_path).detect(noise(90, 90))
    assert log.getLogLevel() == before


def test_opencv_4_which_has_no_module_for_logging_is_silenced_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import cv2

    levels: list[int] = []
    monkeypatch.delattr(cv2.utils, "logging", raising=False)
    monkeypatch.setattr(cv2, "getLogLevel", lambda: 3, raising=False)
    monkeypatch.setattr(cv2, "setLogLevel", levels.append, raising=False)
    path = shared_file("models", "face_detection_yunet_2023mar.onnx")
    assert YuNetDetector(path).detect(noise(90, 90)) == []
    assert levels == [0, 3]


def test_it_is_not_there_until_it_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="run `facematch models fetch yunet`"):
        YuNetDetector().detect(noise(90, 90))


def test_a_file_that_is_missing_or_no_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.onnx cannot be read"):
        YuNetDetector(tmp_path / "none.onnx").detect(noise(90, 90))
    (tmp_path / "wrong.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"wrong\.onnx is no YuNet that OpenCV can run"):
        YuNetDetector(tmp_path / "wrong.onnx").detect(noise(90, 90))
