"""What strangers of one population score, by their ages: uniform scores would average 50.

    python benchmarks/eval_ages.py --strangers ../shared/ages/utkface-half.zip [--json]

STRANGERS is UTKFace, or other pictures named AGE_SEX_POPULATION_*.jpg, in a folder or an archive.
The shipped models were fitted on one half of UTKFace: on that half the figures flatter them a
little. It also prints how often a stranger's childhood photo beats a stranger's adult photo for the
same baby, and how far off estimated ages are.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from measuring import parser, show
from numpy.typing import NDArray

from facematch.embedding.registry import load_embedder
from facematch.scoring.resemblance import ResemblanceModel, model_for
from facematch.scoring.strata import AGE_BANDS
from facematch.training.labels import POPULATIONS, embed_chips, read_pictures
from facematch.training.strata import LabelledFaces, sample_strangers

BABY, CHILD, TEENAGER, ADULT = range(4)
CELLS = {
    "adult and baby": (ADULT, BABY),
    "adult and child": (ADULT, CHILD),
    "adult and teenager": (ADULT, TEENAGER),
    "adult and adult": (ADULT, ADULT),
    "child and baby": (CHILD, BABY),
    "child and child": (CHILD, CHILD),
    "baby and baby": (BABY, BABY),
}
PAIRS = 4000  # of a cell and a population
FEWEST_PAIRS = 400


def main() -> None:
    wanted = parser(__doc__)
    shared = Path(os.environ.get("FACEMATCH_SHARED", "../shared"))
    wanted.add_argument("--strangers", type=Path, default=shared / "ages" / "utkface-half.zip")
    wanted.add_argument("--embedder", default="kin")
    options = wanted.parse_args()
    embedder = load_embedder(options.embedder)
    model = model_for(embedder.space)
    if model is None:
        sys.exit(f"no resemblance model fits {options.embedder}: nothing to measure")
    print(json.dumps({"machine": machine()}) if options.json else machine())
    pictures = read_pictures(options.strangers, embedder, lambda _: None)
    faces = pictures.embedded(embed_chips(embedder, pictures.chips))
    for name, stages in CELLS.items():
        show({"first and second photo": name, **of_cell(model, faces, stages)}, options.json)
    show({"childhood photo beats adult photo": childhood_wins(model, faces)}, options.json)
    show({"mean error of estimated ages, years": age_errors(model, faces)}, options.json)


def of_cell(
    model: ResemblanceModel, faces: LabelledFaces, stages: tuple[int, int]
) -> dict[str, Any]:
    """The mean score, and the share of likelihood ratios of 4 or more, for each population."""
    found: dict[str, Any] = {}
    for number, population in enumerate(POPULATIONS):
        like = faces.of_rows(faces.populations == number)
        one, other = sample_strangers(like, stages, PAIRS, np.random.default_rng(0))
        if len(one) >= FEWEST_PAIRS:
            scores, ratios = model.compare_pairs(like.vectors[one], like.vectors[other])
            mean, share = float(scores.mean()), float((ratios >= 4).mean())
            found[population] = {
                "pairs": len(one),
                "mean": round(mean, 1),
                "4 or more": f"{share:.1%}",
            }
    return found


def childhood_wins(model: ResemblanceModel, faces: LabelledFaces) -> dict[str, float]:
    """How often a stranger under 10 scores higher with a baby than an adult stranger does."""
    rng, found = np.random.default_rng(0), {}
    for number, population in enumerate(POPULATIONS):
        babies, adults, young = (
            np.flatnonzero((faces.populations == number) & chosen)
            for chosen in (faces.stages == BABY, faces.stages == ADULT, faces.stages <= CHILD)
        )
        if min(len(babies), len(adults)) >= 20:
            baby, adult, child = (rng.choice(rows, PAIRS) for rows in (babies, adults, young))
            apart = child != baby
            won = scores(model, faces, child, baby) > scores(model, faces, adult, baby)
            found[population] = round(float(won[apart].mean()), 3)
    return found


def scores(
    model: ResemblanceModel, faces: LabelledFaces, one: NDArray[np.intp], other: NDArray[np.intp]
) -> NDArray[np.float32]:
    return model.compare_pairs(faces.vectors[one], faces.vectors[other])[0]


def age_errors(model: ResemblanceModel, faces: LabelledFaces) -> dict[str, float]:
    """The mean absolute error in each age band."""
    off = np.abs(model.ages(faces.vectors)[0] - faces.ages)
    return {
        f"{low} to {high}": round(float(off[(faces.ages >= low) & (faces.ages <= high)].mean()), 1)
        for low, high in AGE_BANDS
    }


if __name__ == "__main__":
    main()
