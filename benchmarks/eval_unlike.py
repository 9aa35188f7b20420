"""Which faces are told as unlike photographs: drawings, photographs, and photographs changed.

    python benchmarks/eval_unlike.py --data ../shared

`--data` holds photos/, kinship/fiw-train.zip and ages/utkface-half.zip. Of Families In the Wild
only families held back take part; UTKFace took no part in the fit.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from facematch import FaceMatcher
from facematch.detection.landmarks import LandmarkLocator
from facematch.embedding.photographs import embed_and_check
from facematch.evaluation.fiw import read_families
from facematch.evaluation.fiw_faces import cut_chip, open_faces
from facematch.evaluation.utkface import list_pictures, open_pictures
from facematch.types import Chips, PhotoLike, Pixels

ROOT = Path(__file__).resolve().parent.parent
PICTURES = 900  # of UTKFace
FACES = 450  # of families held back
SMALLEST = 60  # pixels of the file: smaller faces have a warning of their own
CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "in grey": lambda chip: np.repeat(chip.mean(axis=2, keepdims=True).astype(np.uint8), 3, 2),
    "JPEG of quality 30": lambda chip: packed(chip, 30),
    "filter: stylised": lambda chip: np.asarray(cv2.stylization(chip), np.uint8),
    "blurred by 5 pixels": lambda chip: np.asarray(cv2.GaussianBlur(chip, (0, 0), 5), np.uint8),
    "lower half covered": lambda chip: np.concatenate([chip[:75], np.full_like(chip[75:], 128)]),
    "upside down": lambda chip: chip[::-1],
}


def main() -> None:
    """Print the share that is told, of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    matcher = FaceMatcher()
    samples = [*(ROOT / "samples/strangers").iterdir(), *(ROOT / "samples").glob("*.png")]
    photographs = chips_of(matcher, sorted((data / "photos").rglob("*.*g")))
    strangers = data / "ages/utkface-half.zip"
    pictures = open_pictures(strangers, list_pictures(strangers)[::5][:PICTURES])
    labelled = chips_of(matcher, pictures)
    kinds = {
        "drawn people": chips_of(matcher, samples),
        "faces in photographs": photographs,
        "UTKFace": labelled,
        "families held back": held_back(matcher, data / "kinship"),
    }
    changed = np.concatenate([photographs, labelled[:100]])
    kinds |= {
        f"photographs, {name}": np.stack([change(chip) for chip in changed])
        for name, change in CHANGES.items()
    }
    for name, chips in kinds.items():
        _, unlike = embed_and_check(matcher.engine.embedder, chips)
        print(f"{name:<40}{len(chips):>5} faces, told {unlike.mean():6.1%}")


def chips_of(matcher: FaceMatcher, photos: Iterator[PhotoLike] | list[Path]) -> Chips:
    """The faces in photos that are large enough, as the embedder gets them."""
    found = (matcher.engine.find_faces(photo) for photo in photos)
    return np.stack([
        chip
        for portrait in found
        for face, chip in zip(portrait.faces, portrait.chips, strict=True)
        if (face.box[2] - face.box[0]) / portrait.photo.scale >= SMALLEST
    ])  # fmt: skip


def held_back(matcher: FaceMatcher, data: Path) -> Chips:
    """Faces of the families that no model was fitted on."""
    families = set((ROOT / "models/held-back.txt").read_text(encoding="utf-8").split())
    names, _, _ = read_families(data, ())
    of_them = [name for name in names if name.split("/")[0] in families]
    locator, frame = LandmarkLocator(), matcher.engine.embedder.frame
    photos = islice(open_faces(data / "fiw-train.zip", of_them[::4]), FACES)
    return np.stack([cut_chip(photo.pixels, locator, frame) for photo in photos])


def packed(chip: Pixels, quality: int) -> Pixels:
    """The chip as a JPEG of this quality gives it back."""
    data = cv2.imencode(".jpg", chip, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


if __name__ == "__main__":
    main()
