"""Each stage, and the whole path, against dlib, OpenCV, insightface and deepface, in one process.

    python benchmarks/bench_stages.py [--json]

Answers are compared before anything is timed. benchmarks/README.md says how peers are installed;
one that is not is left out and said so. FACEMATCH_SHARED, by default ../shared, names the folder
whose models/ holds the ONNX files of YuNet and MobileFaceNet; without them OpenCV, insightface and
deepface are left out.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_similarity import product_rate
from machine import machine
from measuring import compared, parser, show
from numpy.typing import NDArray

from facematch.detection.mmod import MmodDetector
from facematch.detection.yunet import YuNetDetector
from facematch.embedding.dlib_resnet import DlibResNetEmbedder
from facematch.embedding.kin import KinEmbedder
from facematch.embedding.onnx_model import OnnxEmbedder
from facematch.errors import MissingExtraError
from facematch.matcher import FaceMatcher
from facematch.photos.reading import read_photo
from facematch.runtime.extras import face_recognition_api
from facematch.weights.catalogue import KNOWN
from facematch.weights.files import weights_path

SAMPLES = Path(__file__).parent.parent / "samples"
SHARED = Path(os.environ.get("FACEMATCH_SHARED", "../shared"))
PAIR = [str(SAMPLES / "father.png"), str(SAMPLES / "son.png")]
MULTIPLY_ADDS = 271e6  # of the ResNet, a face
RUNS_OF_MILLISECONDS = 31
SEEN_BY_YUNET = 20  # pixels: `min_face` for which facematch shows YuNet the photo unscaled
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])  # MobileFaceNet's
HALVES = ([0.5] * 3, [0.5] * 3)  # what insightface takes every such network to want


class AbsentError(Exception):
    """A peer, or a file it needs, is not here."""


def main() -> None:
    as_json = parser(__doc__).parse_args().json
    show({"machine": machine()}, as_json)
    for stage in (
        embedding,
        tuned_embedding,
        embedding_of_an_onnx_file,
        detection,
        detection_by_yunet,
        whole_path,
        the_same_functions,
        whole_path_by_opencv,
        whole_path_by_deepface,
    ):
        try:
            show(stage(), as_json)
        except (ImportError, MissingExtraError, AbsentError) as error:
            show({"what": stage.__name__.replace("_", " "), "left out": str(error)}, as_json)


def embedding() -> dict[str, Any]:
    import dlib

    chips = FaceMatcher().find_faces(SAMPLES / "group.jpg").chips.repeat(8, axis=0)
    embedder = DlibResNetEmbedder()
    encoder = dlib.face_recognition_model_v1(str(weights_path(KNOWN["dlib-resnet"])))
    theirs = np.array(encoder.compute_face_descriptor(list(chips[::8])))
    check(np.abs(embedder.embed(chips[::8]) - theirs).max() <= 1e-5, "vectors")
    result = compared(
        f"embed {len(chips)} chips",
        {
            "facematch": lambda: embedder.embed(chips),
            "dlib": lambda: encoder.compute_face_descriptor(list(chips)),
        },
    )
    rate = 2 * MULTIPLY_ADDS * len(chips) / result["seconds"]["facematch"]
    result["share of numpy's own product rate"] = round(rate / product_rate(), 2)
    return result


def tuned_embedding() -> dict[str, Any]:
    """What the mirror images and the tuned tail cost."""
    chips = FaceMatcher().find_faces(SAMPLES / "group.jpg").chips.repeat(8, axis=0)
    tuned, untuned = KinEmbedder(), DlibResNetEmbedder()
    mirrored = np.ascontiguousarray(chips[::8, :, ::-1])
    check(np.abs(tuned.embed(chips[::8]) - tuned.embed(mirrored)).max() <= 1e-5, "mirror images")
    return compared(
        f"embed {len(chips)} chips for kinship",
        {"facematch": lambda: tuned.embed(chips), "untuned": lambda: untuned.embed(chips)},
    )


def embedding_of_an_onnx_file() -> dict[str, Any]:
    """Ours and ArcFaceONNX of insightface on one file, with its mean and deviation."""
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    file = shared_model("MobileFaceNet.onnx")
    with tempfile.TemporaryDirectory() as folder:
        embedder = onnx_embedder(file, Path(folder), *HALVES)
        chips = FaceMatcher(embedder=embedder).find_faces(SAMPLES / "group.jpg").chips
    peer = ArcFaceONNX(str(file))
    chips = chips.repeat(8, axis=0)
    upside = [np.ascontiguousarray(chip[..., ::-1]) for chip in chips]  # it takes BGR

    def theirs() -> NDArray[np.float32]:
        return np.concatenate([peer.get_feat(chip) for chip in upside])  # the file takes one

    check(np.abs(embedder.embed(chips) - theirs()).max() <= 1e-4, "vectors of MobileFaceNet")
    return compared(
        f"embed {len(chips)} chips with MobileFaceNet.onnx",
        {"facematch": lambda: embedder.embed(chips), "insightface ArcFaceONNX": theirs},
        RUNS_OF_MILLISECONDS,
    )


def detection() -> dict[str, Any]:
    import dlib

    group = read_photo(SAMPLES / "group.jpg").pixels
    pixels = np.asarray(cv2.resize(group, (720, 480), interpolation=cv2.INTER_AREA), np.uint8)
    detector = MmodDetector()
    cnn = dlib.cnn_face_detection_model_v1(str(weights_path(KNOWN["dlib-mmod"])))
    ours = sorted(face.box for face in detector.detect(pixels, min_face=80))
    rects = [face.rect for face in cnn(pixels)]
    theirs = sorted((box.left(), box.top(), box.right(), box.bottom()) for box in rects)
    check(len(ours) == len(theirs) and np.abs(np.subtract(ours, theirs)).max() <= 1, "boxes")
    return compared(
        "detect in 720x480 pixels, faces of 80 and more",
        {
            "facematch": lambda: detector.detect(pixels, min_face=80),
            "dlib": lambda: cnn(pixels),
        },
    )


def detection_by_yunet() -> dict[str, Any]:
    """OpenCV's own class and ours on one file, the photo unscaled; ours looks for close-ups too."""
    file = shared_model("face_detection_yunet_2023mar.onnx")
    group = read_photo(SAMPLES / "group.jpg").pixels
    pixels = np.asarray(cv2.resize(group, (720, 480), interpolation=cv2.INTER_AREA), np.uint8)
    detector = YuNetDetector(file)
    network = yunet(file)
    network.setInputSize((720, 480))
    bgr = np.ascontiguousarray(pixels[..., ::-1])
    ours = sorted(
        (*centre(*face.box), face.confidence)
        for face in detector.detect(pixels, min_face=SEEN_BY_YUNET)
    )
    _, found = network.detect(bgr)
    theirs = sorted((*centre(*row[:2], *(row[:2] + row[2:4])), row[14]) for row in found)
    # Ours are squares like MMOD's, a little to the left; the pass for close-ups may be surer.
    z = np.abs(np.subtract(ours, theirs)) if len(ours) == len(theirs) == 4 else np.inf
    check(bool(np.all(z < [10, 10, 0.01])), "faces of YuNet")
    return compared(
        "detect in 720x480 pixels with YuNet",
        {
            "facematch": lambda: detector.detect(pixels, min_face=SEEN_BY_YUNET),
            "OpenCV FaceDetectorYN": lambda: network.detect(bgr),
        },
        RUNS_OF_MILLISECONDS,
    )


def whole_path() -> dict[str, Any]:
    """Two files to one number; every engine searches for faces of 40 pixels and more."""
    api = face_recognition_api()
    matcher = FaceMatcher(min_face=40)
    untuned = FaceMatcher(min_face=40, embedder="dlib-resnet")

    def peer(model: str) -> float:
        vectors = []
        for path in PAIR:
            pixels = api.load_image_file(path)
            boxes = api.face_locations(pixels, number_of_times_to_upsample=1, model=model)
            vectors.append(api.face_encodings(pixels, boxes, model="small")[0])
        return cosine(*vectors)

    check(abs(untuned.score(*PAIR).cosine - peer("cnn")) < 0.01, "cosines")
    return compared(
        "two photos of 480x600 to a score",
        {
            "facematch": lambda: matcher.score(*PAIR),
            "facematch, dlib-resnet": lambda: untuned.score(*PAIR),
            "face_recognition, CNN": lambda: peer("cnn"),
            "face_recognition, HOG": lambda: peer("hog"),
        },
    )


def the_same_functions() -> dict[str, Any]:
    """A file to encodings by the functions of face_recognition: its own, and ours."""
    import facematch.compat.face_recognition as compat

    api = face_recognition_api()

    def encodings(functions: Any, model: str) -> list[NDArray[np.float64]]:
        pixels = functions.load_image_file(PAIR[0])
        boxes = functions.face_locations(pixels, model=model)
        return list(functions.face_encodings(pixels, boxes))

    (ours,), (theirs,) = encodings(compat, "cnn"), encodings(api, "cnn")
    check(float(np.linalg.norm(ours - theirs)) < 0.1, "encodings")
    return compared(
        "a photo of 480x600 to encodings, faces of 40 pixels and more",
        {
            "facematch": lambda: encodings(compat, "cnn"),
            "face_recognition, CNN": lambda: encodings(api, "cnn"),
            "face_recognition, HOG": lambda: encodings(api, "hog"),
        },
    )


def whole_path_by_opencv() -> dict[str, Any]:
    """Two files to a cosine with YuNet and MobileFaceNet: OpenCV alone, and facematch."""
    file, faces = (
        shared_model(name) for name in ("MobileFaceNet.onnx", "face_detection_yunet_2023mar.onnx")
    )
    detector = yunet(faces)
    aligner = cv2.FaceRecognizerSF.create(str(file), "")  # for its alignCrop, of five points
    network = cv2.dnn.readNetFromONNX(str(file))
    mean, deviation = (np.array(values, np.float32) for values in IMAGENET)

    def peer() -> float:
        vectors = []
        for path in PAIR:
            pixels = cv2.imread(path)
            detector.setInputSize(pixels.shape[1::-1])
            chip = aligner.alignCrop(pixels, detector.detect(pixels)[1][0])
            values = (chip[..., ::-1].astype(np.float32) / 255 - mean) / deviation
            network.setInput(np.ascontiguousarray(values.transpose(2, 0, 1)[np.newaxis]))
            vectors.append(network.forward()[0].copy())
        return cosine(*vectors)

    with tempfile.TemporaryDirectory() as folder:
        matcher = FaceMatcher(
            detector=YuNetDetector(faces),
            embedder=onnx_embedder(file, Path(folder), *IMAGENET),
            min_face=SEEN_BY_YUNET,
        )
        # Other landmarks, other chips: facematch cuts them at dlib's five points.
        check(abs(matcher.score(*PAIR).cosine - peer()) < 0.1, "cosines of MobileFaceNet")
    return compared(
        "two photos of 480x600 to a cosine with YuNet and MobileFaceNet",
        {"facematch": lambda: matcher.score(*PAIR), "OpenCV alone": peer},
        RUNS_OF_MILLISECONDS,
    )


def whole_path_by_deepface() -> dict[str, Any]:
    """Two files to a cosine with dlib's ResNet: deepface, which finds its weights in a folder."""
    faces = shared_model("face_detection_yunet_2023mar.onnx")
    matcher = FaceMatcher(
        detector=YuNetDetector(faces), embedder="dlib-resnet", min_face=SEEN_BY_YUNET
    )
    with tempfile.TemporaryDirectory() as home:
        os.environ["DEEPFACE_HOME"] = home
        os.environ["DEEPFACE_BACKEND_ENGINE"] = "onnx"  # no TensorFlow
        os.environ["DEEPFACE_LOG_LEVEL"] = "40"  # errors only: the rest would go to stdout
        import dlib  # noqa: F401 - deepface tells less clearly that it is missing
        from deepface import DeepFace

        folder = Path(home, ".deepface", "weights")
        folder.mkdir(parents=True, exist_ok=True)
        known = [weights_path(KNOWN[name]) for name in ("dlib-landmarks", "dlib-resnet")]
        for file in (faces, *known):
            (folder / file.name).symlink_to(file.resolve())

        def peer(detector: str) -> float:
            answer = DeepFace.verify(
                *PAIR, model_name="Dlib", detector_backend=detector, silent=True
            )
            return 1 - float(answer["distance"])

        # Its chips are squares around the face, turned by the eyes: near dlib's, not the same.
        for detector in ("yunet", "dlib"):
            check(abs(matcher.score(*PAIR).cosine - peer(detector)) < 0.02, "cosines of deepface")
        return compared(
            "two photos of 480x600 to a cosine with YuNet and dlib's ResNet",
            {
                "facematch": lambda: matcher.score(*PAIR),
                "deepface, yunet and Dlib": lambda: peer("yunet"),
                "deepface, dlib and Dlib": lambda: peer("dlib"),
            },
        )


def shared_model(name: str) -> Path:
    path = SHARED / "models" / name
    if not path.is_file():
        raise AbsentError(f"models/{name} is not in FACEMATCH_SHARED, the data beside the project")
    return path


def onnx_embedder(
    file: Path, folder: Path, mean: list[float], deviation: list[float]
) -> OnnxEmbedder:
    """An embedder of a file, whose session is built before the folder of its recipe goes."""
    path = folder / file.name
    path.symlink_to(file.resolve())
    path.with_suffix(".toml").write_text(
        f'name = "{file.stem}"\nsize = 112\nframe = "arcface"\ncolour = "RGB"\n'
        f"mean = {mean}\nstd = {deviation}\n"
        f'sha256 = "{hashlib.sha256(file.read_bytes()).hexdigest()}"\n'
    )
    embedder = OnnxEmbedder(path)
    embedder.embed(np.zeros((1, *embedder.frame.shape), np.uint8))
    return embedder


def yunet(file: Path) -> cv2.FaceDetectorYN:
    """OpenCV's detector with facematch's thresholds: 0.6 for confidence, 0.3 for overlap."""
    return cv2.FaceDetectorYN.create(str(file), "", (320, 320), 0.6, 0.3, 5000)


def centre(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    return np.array([left + right, top + bottom]) / 2


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def check(right: bool, what: str) -> None:
    if not right:
        sys.exit(f"the {what} differ: nothing was timed")


if __name__ == "__main__":
    main()
