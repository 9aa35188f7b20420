"""How long `family`, `timeline` and `explain` take on photos of 12 megapixels.

    python benchmarks/bench_verbs.py [--json]

The answers are checked first: drawn children look more like the parent who gave most. There is no
peer that gives verdicts; the bars are 20 s for two parents and three children with ten photos each,
2 s for `explain`, and a timeline that takes at most twice as long for twice the photos.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import cv2
from machine import machine
from measuring import parser, show

from facematch.matcher import FaceMatcher

SAMPLES = Path(__file__).parent.parent / "samples"
SIZE = (3000, 4000)  # pixels, wide and high


def main() -> None:
    as_json = parser(__doc__).parse_args().json
    show({"machine": machine()}, as_json)
    with tempfile.TemporaryDirectory() as folder:
        for result in verbs(Path(folder)):
            show(result, as_json)


def verbs(folder: Path) -> list[dict[str, Any]]:
    matcher = FaceMatcher()
    people = {
        who: photographs(folder, who)
        for who in ("father", "mother", "son", "daughter", "mother-child")
    }
    parents = {who: people[who] for who in ("father", "mother")}
    children = {who: people[who] for who in ("son", "daughter", "mother-child")}
    matcher.explain(parents["father"][0], children["son"][0])  # reads the weights
    taken, found = timed(lambda: matcher.family(parents, children))
    if found.of("father", "son").cosine < found.of("mother", "son").cosine:
        sys.exit("the drawn son is not like his father: nothing is worth timing")
    results = [result("family of 2 parents and 3 children, 10 photos each", taken, 20)]
    taken, _ = timed(lambda: matcher.explain(parents["father"][0], children["son"][0]))
    results.append(result("explain", taken, 2))
    single = {who: photos[:1] for who, photos in parents.items()}
    once, _ = timed(lambda: timeline(matcher, single, children["son"][:5]))
    twice, _ = timed(lambda: timeline(matcher, single, children["son"]))
    results.append(
        {"what": "timeline, 10 photos over 5", "ratio": round(twice / once, 2), "bar": 2}
    )
    return results


def photographs(folder: Path, who: str) -> list[str]:
    """Ten photos of somebody, each a little lighter than the one before."""
    picture = cv2.imread(str(SAMPLES / f"{who}.png"))
    paths = [folder / f"{who}-{2000 + at}-01-01.jpg" for at in range(10)]
    for at, path in enumerate(paths):
        lighter = cv2.convertScaleAbs(picture, alpha=0.8 + 0.04 * at)
        cv2.imwrite(str(path), cv2.resize(lighter, SIZE, interpolation=cv2.INTER_CUBIC))
    return [str(path) for path in paths]


def timeline(matcher: FaceMatcher, parents: dict[str, list[str]], photos: list[str]) -> Any:
    return matcher.timeline(parents, {"son": photos}, born={"son": date(1995, 1, 1)})


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    given = run()
    return time.perf_counter() - start, given


def result(what: str, seconds: float, bar: float) -> dict[str, Any]:
    return {"what": what, "seconds": round(seconds, 2), "bar": bar, "met": seconds <= bar}


if __name__ == "__main__":
    main()
