"""Kill `facematch match` and `pairs` at random moments, go on, and compare the bytes.

    python benchmarks/kill_runs.py --kills 50

Each run is killed (SIGKILL) at a random moment of half the time that an undisturbed one takes, then
the same command goes on. Every third kill also cuts bytes off the output and puts zeros behind it,
as a power cut may. Exits with 1 where an output is not, byte for byte, that of the undisturbed run.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from machine import machine
from PIL import Image

SAMPLES = Path(__file__).parent.parent / "samples"
COMMANDS = (("match", "parents", "children"), ("pairs", "pairs.csv"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311 - no secret
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder, options.photos)
        kills = gone_on = finished = 0
        while kills < options.kills:
            for command in COMMANDS:
                some, parts = disturbed(folder, command, rng)
                kills, gone_on, finished = kills + some, gone_on + parts, finished + 1
    print(
        f"{kills} kills, {gone_on} of them with rows in the file already; {finished} outputs, all "
        "the same bytes as undisturbed"
    )


def draw(folder: Path, photos: int) -> None:
    """Two parents, children no two alike, one of them broken, and their pairs."""
    for name in ("parents", "children"):
        (folder / name).mkdir()
    for name in ("father", "mother"):
        Image.open(SAMPLES / f"{name}.png").convert("RGB").save(folder / "parents" / f"{name}.jpg")
    children = [Image.open(SAMPLES / f"{name}.png").convert("RGB") for name in ("son", "daughter")]
    for number in range(photos):
        child = children[number % 2].resize((250 + number, 260))
        child.save(folder / "children" / f"{number:03}.jpg")
    (folder / "children" / "020.jpg").write_bytes(b"\xff\xd8\xff")
    lines = [f"parents/father.jpg,children/{number:03}.jpg" for number in range(photos)]
    (folder / "pairs.csv").write_text("\n".join(["parent,child", *lines]))


def disturbed(folder: Path, command: tuple[str, ...], rng: random.Random) -> tuple[int, int]:
    """How often a run was killed until it came to its end, and how often with rows written."""
    out, kept_in = folder / "out.csv", folder / "faces.db"
    whole, seconds = undisturbed(folder, command)
    out.unlink(missing_ok=True)
    kept_in.unlink(missing_ok=True)
    kills = with_rows = 0
    while True:
        again = line(command, "-o", out, "--cache", kept_in, "--resume")
        with subprocess.Popen(again, cwd=folder, stderr=subprocess.PIPE, text=True) as running:
            try:
                _, said = running.communicate(timeout=rng.uniform(0, seconds / 2))
            except subprocess.TimeoutExpired:
                running.kill()
            else:
                break
        kills += 1
        with_rows += out.exists() and out.stat().st_size > 0
        if out.exists() and kills % 3 == 0:
            kept = out.read_bytes()
            out.write_bytes(kept[: len(kept) - rng.randrange(50)] + bytes(rng.randrange(5000)))
    if running.returncode or out.read_bytes() != whole:
        sys.exit(f"{command}: another output after {kills} kills ({said})")
    print(f"{command[0]}: the same bytes after {kills} kills", file=sys.stderr)
    return kills, with_rows


@cache
def undisturbed(folder: Path, command: tuple[str, ...]) -> tuple[bytes, float]:
    """The output of a run that nobody kills, and how long it takes."""
    start, out = time.monotonic(), folder / "whole.csv"
    subprocess.run(line(command, "-o", out), cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return out.read_bytes(), time.monotonic() - start


def line(command: tuple[str, ...], *options: object) -> list[str]:
    options = ("--detector", "whole", "--embedder", "dlib-resnet", *options)
    return [sys.executable, "-m", "facematch", *command, *map(str, options)]


if __name__ == "__main__":
    main()
