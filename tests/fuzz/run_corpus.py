"""Give hostile photos to the decoders: nothing may crash them, hold them up or fill the memory.

    python tests/fuzz/run_corpus.py [--mutations 10000] [--seed 0]

Each file is decoded as `facematch match` decodes a folder, in a process of its own. Prints how many
of each outcome there were, the slowest file, and the most memory that a process took; exits with 1
where one crashed, hung, worked for more than 5 seconds, or took more than 1 GB. Seconds are those
that the process computed, for other programs may keep the machine busy. Needs Linux's /proc.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from make_corpus import bombs, hostile, mutations

from facematch.errors import PhotoError
from facematch.photos.limits import Limits
from facematch.photos.worker import Decoders

MOST_SECONDS = 5.0
HANGS = 60.0  # seconds by the clock
MOST_MEGABYTES = 1000


@dataclass(frozen=True)
class Outcome:
    """What became of a file; `megabytes` its process has held at most, other files included."""

    name: str
    code: str
    seconds: float
    megabytes: float

    @property
    def is_bad(self) -> bool:
        return (
            self.code in ("crashed", "timeout")
            or self.seconds > MOST_SECONDS
            or self.megabytes > MOST_MEGABYTES
        )

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.megabytes:,.0f} MB: {self.name}: {self.code}"


def decoded(files: Iterable[tuple[str, bytes]]) -> Iterator[Outcome]:
    """What becomes of each file, one after another, in a process that is used again."""
    decoders = Decoders(Limits(max_seconds=HANGS))
    spent = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo")
        for name, content in files:
            path.write_bytes(content)
            code = "read"
            try:
                decoders.read(path)
            except PhotoError as error:
                code = error.code
            seconds, megabytes = held(decoders)
            yield Outcome(name, code, max(seconds - spent, 0), megabytes)
            spent = seconds


def held(decoders: Decoders) -> tuple[float, float]:
    """The seconds that the waiting process has computed, and the most MB it has held."""
    for worker in decoders._idle:
        process = Path(f"/proc/{worker._process.pid}")
        used = process.joinpath("stat").read_text().rpartition(")")[2].split()[11:13]
        most = re.findall(r"VmHWM:\s*(\d+) kB", process.joinpath("status").read_text())
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK"), int(most[0]) / 1e3
    return 0.0, 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = False
    for what, files in (
        ("made by hand", hostile()),
        ("bombs", bombs()),
        (f"{options.mutations:,} mutations", mutations(options.mutations, options.seed)),
    ):
        found = list(decoded(files))
        failed |= any(each.is_bad for each in found)
        print(f"{what}: {len(found):,} files: {dict(Counter(each.code for each in found))}")
        print("  slowest", max(found, key=lambda each: each.seconds))
        print("  most memory", max(found, key=lambda each: each.megabytes))
        print(*(f"  bad: {each}" for each in found if each.is_bad), sep="\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
