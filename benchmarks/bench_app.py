"""How long a person waits on the page for faces and for an answer, after dropping six photos.

    python benchmarks/bench_app.py [--json]

Photos of 12 megapixels go to the page's own handlers, two at a time as the page sends them; a
browser adds what it needs to show them. Weights are read before. That each photo shows one face is
checked first. There is no peer; the bar is 5 s to the answer.
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench_verbs import photographs, result
from machine import machine
from measuring import parser, show
from starlette.testclient import TestClient

from facematch.app.security import Access
from facematch.app.server import make_app
from facematch.matcher import FaceMatcher

HOST, PORT = "127.0.0.1:8765", 8765
AT_ONCE = 2  # requests with a photo, as in app.js
ROLES = {"father": "parent", "mother": "parent", "son": "child"}
OF_EACH = 2  # photos


def main() -> None:
    as_json = parser(__doc__).parse_args().json
    show({"machine": machine()}, as_json)
    with tempfile.TemporaryDirectory() as folder, page() as browser:
        files = [Path(path) for who in ROLES for path in photographs(Path(folder), who)[:OF_EACH]]
        waits(browser, files[:: len(files) - 1])  # reads the weights, starts the decoders
        for each in waits(browser, files):
            show(each, as_json)


def page() -> TestClient:
    access = Access(frozenset({HOST}), PORT, None)
    app = make_app(FaceMatcher(isolate=True).engine, access)
    return TestClient(app, base_url=f"http://{HOST}", client=("127.0.0.1", 5000))


def waits(browser: TestClient, files: list[Path]) -> list[dict[str, Any]]:
    """Seconds until faces are shown, and until the answer is."""
    browser.get("/")
    browser.post("/forget")
    start = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        dropped = list(pool.map(lambda path: drop(browser, path), files))
    browser.get("/people").raise_for_status()
    shown = time.perf_counter() - start
    answer = browser.post("/results", json={"people": people(files, dropped)})
    answer.raise_for_status()
    answered = time.perf_counter() - start
    return [
        result(f"drop of {len(files)} photos to faces", shown, 5),
        result(f"drop of {len(files)} photos to the answer, tapping left out", answered, 5),
    ]


def drop(browser: TestClient, path: Path) -> int:
    found = browser.post("/photos", files={"photo": (path.name, path.read_bytes())}).json()
    if found["faces"] != 1:
        sys.exit(f"{path.name} shows {found['faces']} faces: nothing is worth timing")
    return int(found["photos"][0])


def people(files: list[Path], dropped: list[int]) -> list[dict[str, Any]]:
    faces: dict[str, list[str]] = {}
    for path, number in zip(files, dropped, strict=True):
        faces.setdefault(path.name.partition("-")[0], []).append(f"{number}-0")
    return [
        {"role": ROLES[who], "name": who, "faces": some, "born": ""} for who, some in faces.items()
    ]


if __name__ == "__main__":
    main()
