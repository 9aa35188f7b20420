"""The weight files that facematch knows: where each comes from, and its sha256."""

from __future__ import annotations

from dataclasses import dataclass

from facematch.errors import WeightsError


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A weight file that facematch knows.

    There are four kinds. It lies in an installed package (`package`). It is downloaded from `url`.
    A user supplies a copy (`is_user_supplied`), with `facematch models fetch NAME --from FILE`,
    because the file has no lasting address. Or it ships with facematch, in models/.
    """

    name: str
    file: str
    size: int  # bytes
    sha256: str
    licence: str
    purpose: str
    package: str | None = None
    url: str | None = None
    is_user_supplied: bool = False

    @property
    def is_bundled(self) -> bool:
        """Whether it is installed together with facematch."""
        return self.url is None and not self.is_user_supplied


_DLIB_WEIGHTS = "face_recognition_models"  # a package of data; importing it needs pkg_resources
_OPENCV_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models"
KNOWN = {
    weights.name: weights
    for weights in (
        WeightFile(
            name="dlib-landmarks",
            file="shape_predictor_5_face_landmarks.dat",
            size=9_150_489,
            sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
            licence="public domain",
            purpose="landmarks, always",
            package=_DLIB_WEIGHTS,
        ),
        WeightFile(
            name="dlib-mmod",
            file="mmod_human_face_detector.dat",
            size=729_940,
            sha256="4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
            licence="public domain",
            purpose="detector mmod",
            package=_DLIB_WEIGHTS,
        ),
        WeightFile(
            name="dlib-resnet",
            file="dlib_face_recognition_resnet_model_v1.dat",
            size=22_466_066,
            sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
            licence="public domain",
            purpose="embedder dlib-resnet",
            package=_DLIB_WEIGHTS,
        ),
        WeightFile(
            name="kin-1",
            file="kin-1-embedder.npz",
            size=17_452_146,
            sha256="b32f489d87b8f58f67d2142c419f4462b7dadb6b8b10a7f10428e8c2241083c3",
            licence="MIT, from research data",
            purpose="embedder kin",
        ),
        WeightFile(
            name="kin-1-photographs",
            file="kin-1-photographs.npz",
            size=1_051_674,
            sha256="8c6c7c05e2f359159a681b1c9b61055b6c87a0d17a225ad619fa869177770fda",
            licence="MIT, from research data",
            purpose="which faces are unlike photographs, embedder kin",
        ),
        WeightFile(
            name="mobilefacenet",
            file="MobileFaceNet.onnx",
            size=3_998_070,
            sha256="b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
            licence="Apache-2.0",
            purpose="embedder kin+mobilefacenet",
            is_user_supplied=True,
        ),
        WeightFile(
            name="yunet",
            file="face_detection_yunet_2023mar.onnx",
            size=232_589,
            sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            licence="MIT",
            purpose="detector yunet",
            url=f"{_OPENCV_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
        ),
    )
}


def _resemblance_model(space: str, size: int, sha256: str) -> WeightFile:
    return WeightFile(
        name=f"{space}-resemblance",
        file=f"{space}.npz",
        size=size,
        sha256=sha256,
        licence="MIT, from research data",
        purpose=f"what cosines of {space} mean",
    )


# To ship a model that `facematch train resemblance` wrote, add the line that it printed here.
RESEMBLANCE = {
    model.name: model
    for model in (
        _resemblance_model(
            "kin-1", 1_369_324, "2910bace5b4823243a35ff57d85b1a5536653e5886d10cdc728cec60fdb7877d"
        ),
        _resemblance_model(
            "dlib-resnet",
            275_676,
            "7a32deec2da52a95b9fc2d0d76098ce2dac9e14216b1deae4e4e8f6e40814e32",
        ),
        _resemblance_model(
            "kin-1+mobilefacenet-6d7e9ef4",
            2_861_984,
            "27d8376165c063babddf65629f62273af3fbe66aec648b6103645398a68831c9",
        ),
    )
}


def weight_file(name: str) -> WeightFile:
    """The weight file of that name. Raises WeightsError that lists the known names."""
    files = KNOWN | RESEMBLANCE
    if name not in files:
        raise WeightsError(f"no weights called {name!r}; there are: {', '.join(files)}")
    return files[name]


def engine_weights(space: str) -> list[str]:
    """The sha256 of each bundled file that changes the results of engines of that space.

    Files that are not bundled are told apart by the names of their detectors and embedders.
    """
    model = RESEMBLANCE.get(f"{space}-resemblance")
    bundled = [file for file in KNOWN.values() if file.is_bundled]
    return [file.sha256 for file in [*bundled, *([model] if model else [])]]
