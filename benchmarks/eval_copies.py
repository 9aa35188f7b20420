"""How many edited copies of a photo are noticed, and how many second photographs are taken for one.

    python benchmarks/eval_copies.py [--data ../shared/kinship] [--json]
        [--photos ../shared/photos/people]

Copies are made of the largest faces in PHOTOS and of the drawn samples. The second photographs are
those of the people of Families In the Wild who are held back from training, and those of the drawn
daughter over the years.
"""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from measuring import held_back, kin_parser, show
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from facematch.detection.copies import AlignedFace, aligned_face, is_copy
from facematch.engine import Engine, open_engine
from facematch.evaluation.fiw_faces import (
    ARCHIVE,
    family_of,
    list_faces,
    open_faces,
    photograph_of,
)
from facematch.types import Photo

SAMPLES = Path(__file__).parent.parent / "samples"
SIDE = 1000  # pixels: photographs are made so large
PAIRS = 3  # of photographs of each person


def _compressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=20)
    return Image.open(file).convert("RGB")


def _cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 12, height // 12, width * 19 // 20, height * 19 // 20))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG of quality 20": _compressed,
    "0.4 of the size": lambda image: ImageOps.scale(image, 0.4),
    "cropped": _cropped,
    "turned by 4 degrees": lambda image: image.rotate(4, Image.Resampling.BICUBIC),
    "6 % wider": lambda image: image.resize((image.width * 106 // 100, image.height)),
    "1.4 times as bright": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "1.5 times the contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.5),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(3, 200)),
    "grey": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "mirrored": ImageOps.mirror,
}


def main() -> None:
    wanted = kin_parser(__doc__)
    shared = os.environ.get("FACEMATCH_SHARED", "../shared")
    wanted.add_argument("--photos", type=Path, default=Path(shared, "photos", "people"))
    options = wanted.parse_args()
    pictures = [*sorted(options.photos.glob("*.jpg")), *sorted(SAMPLES.glob("*.png"))]
    show({"what": "copies noticed"} | noticed(open_engine(), pictures), options.json)
    years = [aligned(open_engine(), Photo(path.name, pixels(path)))
             for path in sorted((SAMPLES / "years").glob("*.jpg"))]  # fmt: skip
    show(
        {"what": "drawn years taken for copies"} | taken(list(combinations(years, 2))), options.json
    )
    show(
        {"what": "second photographs taken for copies"} | taken(pairs_of(options.data)),
        options.json,
    )


def noticed(engine: Engine, pictures: Sequence[Path]) -> dict[str, object]:
    """How many copies of each kind are noticed, of all whose face is found."""
    found: dict[str, list[bool]] = defaultdict(list)
    for path in pictures:
        original = Image.fromarray(pixels(path))
        face = aligned(engine, Photo(path.name, np.asarray(original)))
        for name, edit in EDITS.items():
            copy = aligned(engine, Photo(name, np.asarray(edit(original))))
            if face is not None and copy is not None:
                found[name].append(is_copy(face, copy))
    every = [each for some in found.values() for each in some]
    return {"all": f"{sum(every)} of {len(every)}"} | {
        name: f"{sum(some)} of {len(some)}" for name, some in found.items()
    }


def taken(pairs: Sequence[tuple[AlignedFace | None, AlignedFace | None]]) -> dict[str, object]:
    """How many pairs are taken for copies."""
    told = [is_copy(one, other) for one, other in pairs if one is not None and other is not None]
    return {"pairs": len(told), "taken": sum(told)}


def pairs_of(data: Path) -> list[tuple[AlignedFace | None, AlignedFace | None]]:
    """Photographs of one person, never cut from the same one."""
    people: dict[str, list[str]] = defaultdict(list)
    held = held_back()
    for name in list_faces(data / ARCHIVE):
        if family_of(name) in held:
            people[name.rsplit("/", 1)[0]].append(name)
    rng = np.random.default_rng(0)
    pairs = []
    for names in people.values():
        some = [(one, other) for one, other in combinations(names, 2)
                if photograph_of(one) != photograph_of(other)]  # fmt: skip
        pairs += [some[row] for row in rng.permutation(len(some))[:PAIRS]]
    wanted = sorted({name for pair in pairs for name in pair})
    engine = open_engine(detector="whole")
    photos = open_faces(data / ARCHIVE, wanted)
    faces = {name: aligned(engine, photo) for name, photo in zip(wanted, photos, strict=True)}
    return [(faces[one], faces[other]) for one, other in pairs]


def aligned(engine: Engine, photo: Photo) -> AlignedFace | None:
    """The largest face; None where there is none."""
    portrait = engine.find_largest(photo)
    return aligned_face(photo.pixels, portrait.faces[0]) if portrait.faces else None


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        whole = image.convert("RGB")
        whole.thumbnail((SIDE, SIDE))
        return np.asarray(whole)


if __name__ == "__main__":
    main()
