"""Lists for `facematch evaluate search` of the families held back, in the layout of RFIW Track 3.

    python benchmarks/search_lists.py --out DIR [--data ../shared/kinship] [--seed 0]

DATA holds fiw-train.zip and fiw-train-relations.csv of Families In the Wild. One member of each
family whose parent, child, brother or sister has photos too is the probe; everyone else's faces are
the gallery.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from measuring import held_back, kin_parser

from facematch.evaluation.fiw import RELATIONS, read_relations
from facematch.evaluation.fiw_faces import ARCHIVE, family_of


def main() -> None:
    wanted = kin_parser(__doc__)
    wanted.add_argument("--out", type=Path, required=True)
    wanted.add_argument("--seed", type=int, default=0)
    options = wanted.parse_args()
    names, kin, _ = read_relations(options.data / ARCHIVE, options.data / RELATIONS)
    families = held_back()
    folders = [name.rsplit("/", 1)[0] for name in names]
    folder_of = dict(zip(kin.person.tolist(), folders, strict=True))
    probes = sample_probes(kin.parents, kin.children, folder_of, families, options.seed)
    faces = [
        (name, folder)
        for name, folder in zip(names, folders, strict=True)
        if family_of(name) in families and folder not in probes
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    write(
        options.out / "probe_list.csv", ("ref", "fid"), [(each, family_of(each)) for each in probes]
    )
    rows = [(family_of(name), folder, 1, name) for name, folder in faces]
    write(options.out / "gallery_list.csv", ("fid", "mid", "labels", "ref"), rows)
    print(f"{len(probes)} probes, {len(faces):,} faces in the gallery")


def sample_probes(
    ones: np.ndarray, others: np.ndarray, folder_of: dict[int, str], wanted: set[str], seed: int
) -> list[str]:
    """One member of each wanted family who has a relative with photos."""
    rng = np.random.default_rng(seed)
    members: dict[str, set[str]] = {}
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        folders = folder_of.get(one), folder_of.get(other)
        if None not in folders and family_of(folders[0]) in wanted:
            members.setdefault(family_of(folders[0]), set()).update(folders)
    return [str(rng.choice(sorted(members[family]))) for family in sorted(members)]


def write(path: Path, columns: tuple[str, ...], rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("", *columns))  # RFIW's lists begin with a column of line numbers
        table.writerows((at, *row) for at, row in enumerate(rows))


if __name__ == "__main__":
    main()
