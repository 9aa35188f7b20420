"""TSKinFace: both parents against the child."""

from __future__ import annotations

import re
from pathlib import Path

from facematch.errors import ProtocolError
from facematch.evaluation.protocols import FOLDS, Protocol, Trial, assign_folds

_MEMBER = re.compile(r"(.+)-([FMSD])\.(?:jpe?g|png|bmp)", re.IGNORECASE)


def read_tskinface(root: Path) -> Protocol:
    """NNNN-F.jpg, -M, -S and -D at any depth; both parents against the child.

    A stranger is the child of the same sex of the next family; folds are by family. Raises
    ProtocolError where there is no family.
    """
    groups: dict[str, dict[str, str]] = {}
    for path in sorted(root.rglob("*")):
        if found := _MEMBER.fullmatch(path.name):
            family = str(path.parent.relative_to(root) / found[1])
            groups.setdefault(family, {})[found[2].upper()] = str(path.relative_to(root))
    trials = []
    for role in "SD":
        whole = [family for family, group in groups.items() if {"F", "M", role} <= group.keys()]
        fold_of = assign_folds(whole)
        for fold in range(FOLDS):
            part = [family for family in whole if fold_of[family] == fold]
            for family, other in zip(part, [*part[1:], *part[:1]], strict=True):
                parents = (groups[family]["F"], groups[family]["M"])
                for child, kin in ((groups[family][role], True), (groups[other][role], False)):
                    relation = f"fm{role.lower()}"
                    trials.append(Trial(parents, child, kin, relation, family, fold))
    if not trials:
        raise ProtocolError(f"{root} holds no family of NNNN-F, -M and -S or -D pictures")
    return Protocol("tskinface", root, tuple(trials))
