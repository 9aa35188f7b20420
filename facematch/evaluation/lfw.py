"""Labeled Faces in the Wild: whether two photos show the same person."""

from __future__ import annotations

from pathlib import Path

from facematch.errors import ProtocolError
from facematch.evaluation.protocols import SAME_PERSON, Protocol, Trial, read_lines


def read_lfw(root: Path, pairs: Path) -> Protocol:
    """The folds of pairs.txt; `kin` stands for the same person. Raises ProtocolError."""
    first, *rows = [line.split() for line in read_lines(pairs)]
    try:
        folds, pairs_of_fold = (int(number) for number in first)
        trials = []
        for i, row in enumerate(rows):
            one, other = (row[0], int(row[1])), (row[-2], int(row[-1]))
            kin = len(row) == 3
            if kin:
                other = (row[0], int(row[2]))
            photos = [f"{name}/{name}_{number:04}.jpg" for name, number in (one, other)]
            fold = i // (2 * pairs_of_fold)
            trials.append(Trial((photos[0],), photos[1], kin, SAME_PERSON, row[0], fold))
    except (ValueError, IndexError) as error:
        raise ProtocolError(f"{pairs} is no pairs.txt of LFW ({error})") from error
    if len(rows) != 2 * folds * pairs_of_fold:
        expected = 2 * folds * pairs_of_fold
        raise ProtocolError(f"{pairs}: {len(rows)} pairs; its first line says {expected}")
    return Protocol("lfw", root, tuple(trials))
