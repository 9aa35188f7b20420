"""Draw the pictures of the README from the drawn family, with facematch itself.

python samples/make_pictures.py [--out DIR]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import cv2

from facematch import FaceMatcher
from facematch.photos.listing import list_photos
from facematch.pictures import draw
from facematch.pictures.canvas import save_picture
from facematch.types import Pixels

HERE = Path(__file__).parent
PARENTS = {
    who: [str(HERE / f"{who}{nth}.png") for nth in ("", "-2")] for who in ("father", "mother")
}
CHILDREN = {
    who: [str(HERE / f"{who}{nth}.png") for nth in ("", "-2")] for who in ("son", "daughter")
}
WIDTH = 900  # pixels, at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "pictures")
    out = parser.parse_args().out
    for name, picture in pictures(drawn_matcher()):
        height, width = picture.shape[:2]
        if width > WIDTH:
            size = (WIDTH, round(height * WIDTH / width))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        print(save_picture(picture, out / f"{name}.jpg"))


def drawn_matcher() -> FaceMatcher:
    """Compares the drawn family with drawn strangers."""
    return FaceMatcher(min_face=60, cohort=HERE / "strangers.npz")


def pictures(matcher: FaceMatcher) -> Iterator[tuple[str, Pixels]]:
    yield "family", draw(matcher.family(PARENTS, CHILDREN))
    years = {"daughter": list_photos(HERE / "years")}
    born = {"daughter": date(2006, 6, 1)}
    yield "timeline", draw(matcher.timeline(PARENTS, years, born=born), "dark")
    son = {"son": CHILDREN["son"][:1]}
    card = matcher.card({"father": PARENTS["father"][:1]}, son)
    yield "card", draw(card)
    yield "card-split", draw(card, style="split")
    yield "explain", draw(matcher.explain(PARENTS["father"][0], CHILDREN["son"][0]))
    parents = {who: photos[:1] for who, photos in PARENTS.items()}
    yield "video", draw(matcher.video(HERE / "clip.mp4", parents))
    archive = [path for path in list_photos(HERE) if Path(path).parent == HERE]
    yield "find", draw(matcher.find({"daughter": years["daughter"][:3]}, archive, top=4))


if __name__ == "__main__":
    main()
