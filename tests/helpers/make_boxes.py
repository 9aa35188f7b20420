"""Write boxes.json: what dlib's own CNN detector finds in the photographs beside the project.

    python tests/helpers/make_boxes.py

It takes minutes, which is why the tests read the file instead. Photographs are named by the sha256
of their pixels; boxes and confidences are all that is kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import dlib

sys.path.insert(0, str(Path(__file__).parent.parent))

from facematch.photos.reading import read_photo
from facematch.weights.catalogue import weight_file
from facematch.weights.files import weights_path
from helpers.places import SHARED

PHOTOS = {".jpg", ".jpeg", ".png"}


def main() -> None:
    detector = dlib.cnn_face_detection_model_v1(str(weights_path(weight_file("dlib-mmod"))))
    found = {}
    for path in sorted((SHARED / "photos").rglob("*")):
        if path.suffix in PHOTOS:
            pixels = read_photo(path).pixels
            digest = hashlib.sha256(pixels.tobytes()).hexdigest()
            found[digest] = [
                [box.left(), box.top(), box.right(), box.bottom(), round(confidence, 4)]
                for box, confidence in ((face.rect, face.confidence) for face in detector(pixels))
            ]
    Path(__file__).with_name("boxes.json").write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    main()
