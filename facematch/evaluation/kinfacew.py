"""KinFaceW-I and -II: pairs of a parent and a child, in five folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ProtocolError
from facematch.evaluation.protocols import Protocol, Trial, check_folds

FOLDERS = {"fs": "father-son", "fd": "father-dau", "ms": "mother-son", "md": "mother-dau"}


def read_kinfacew(root: Path) -> Protocol:
    """The image-restricted protocol; `root` holds `images/` and `meta_data/`.

    Raises ProtocolError for a pairs file that is not KinFaceW's.
    """
    trials = [
        Trial(
            parents=(f"images/{folder}/{parent}",),
            child=f"images/{folder}/{child}",
            kin=kin,
            relation=relation,
            family=parent.rsplit("_", 1)[0],
            fold=fold,
        )
        for relation, folder in FOLDERS.items()
        for fold, kin, parent, child in _mat_pairs(root / "meta_data" / f"{relation}_pairs.mat")
    ]
    return check_folds(Protocol("kinfacew", root, tuple(trials)))


def _mat_pairs(path: Path) -> list[tuple[int, bool, str, str]]:
    """The rows of one of KinFaceW's .mat files: fold, whether kin, parent's photo, child's."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        rows: NDArray[np.object_] = loadmat(path)["pairs"]
        return [
            (int(fold.item()), bool(kin.item()), str(parent.item()), str(child.item()))
            for fold, kin, parent, child in rows
        ]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, MatReadError) as error:
        raise ProtocolError(f"{path} is no pairs file of KinFaceW ({error})") from error
