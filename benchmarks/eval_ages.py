"""What strangers of one population score, by their ages: uniform scores would average 50.

    python benchmarks/eval_ages.py [--strangers ../shared/ages/utkface-half.zip]
        [--data ../shared/kinship] [--json]

STRANGERS is UTKFace, or other pictures named AGE_SEX_POPULATION_*.jpg, in a folder or an archive.
The shipped models were fitted on one half of UTKFace. So the strata are fitted three times anew, on
the training families in DATA and two thirds of the pictures, and measured on the third that is left
out. It also prints how often a stranger's childhood photo beats a stranger's adult photo for the
same baby, and how far off estimated ages are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from measuring import held_back, kin_parser, show
from numpy.typing import NDArray

from facematch.embedding.registry import load_embedder
from facematch.scoring.resemblance import ResemblanceModel, model_for
from facematch.scoring.strata import AGE_BANDS
from facematch.training.labels import POPULATIONS, TrainingData, read_training_data
from facematch.training.resemblance import STRANGER_FOLDS, split_labelled
from facematch.training.strata import LabelledFaces, fit_strata, sample_strangers

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
PAIRS = 2000  # of a cell and a population, in each third
FEWEST_PAIRS = 400

Part = tuple[ResemblanceModel, LabelledFaces]  # a model, and faces that it did not see


def main() -> None:
    wanted = kin_parser(__doc__)
    shared = Path(os.environ.get("FACEMATCH_SHARED", "../shared"))
    wanted.add_argument("--strangers", type=Path, default=shared / "ages" / "utkface-half.zip")
    wanted.add_argument("--embedder", default="kin")
    options = wanted.parse_args()
    embedder = load_embedder(options.embedder)
    model = model_for(embedder.space)
    if model is None:
        sys.exit(f"no resemblance model fits {options.embedder}: nothing to measure")
    show({"machine": machine()}, options.json)
    families = held_back()
    data = read_training_data(options.data, embedder, families, options.strangers, lambda _: None)
    parts = fitted_without_each_third(model, data)
    for name, stages in CELLS.items():
        found = by_population(parts, lambda part, stages=stages: cell_scores(part, stages), summary)
        show({"first and second photo": name, **found}, options.json)
    won = by_population(parts, childhood_wins, lambda won: round(float(won.mean()), 3))
    show({"childhood photo beats adult photo": won}, options.json)
    show({"mean error of estimated ages, years": age_errors(parts)}, options.json)


def fitted_without_each_third(model: ResemblanceModel, data: TrainingData) -> list[Part]:
    parts = []
    for fold in range(STRANGER_FOLDS):
        families, others, left_out = split_labelled(data.labelled, data.others, fold)
        faces = LabelledFaces.joined(families, others)
        parts.append((fit_strata(model, faces, np.random.default_rng(0)), left_out))
    return parts


def by_population(
    parts: Sequence[Part],
    values: Callable[[Part], NDArray[np.float64]],
    told: Callable[[NDArray[np.float64]], Any],
) -> dict[str, Any]:
    """What is told of the values over all parts, for each population with enough of them."""
    found = {}
    for number, name in enumerate(POPULATIONS):
        like = [(model, faces.of_rows(faces.populations == number)) for model, faces in parts]
        all_values = np.concatenate([values(part) for part in like])
        if len(all_values) >= FEWEST_PAIRS:
            found[name] = told(all_values)
    return found


def cell_scores(part: Part, stages: tuple[int, int]) -> NDArray[np.float64]:
    """Scores and likelihood ratios of strangers of these stages, (N, 2)."""
    model, faces = part
    one, other = sample_strangers(faces, stages, PAIRS, np.random.default_rng(0))
    return np.stack(model.compare_pairs(faces.vectors[one], faces.vectors[other]), axis=1)


def summary(values: NDArray[np.float64]) -> dict[str, Any]:
    scores, ratios = values.T
    share = f"{(ratios >= 4).mean():.1%}"
    return {"pairs": len(values), "mean": round(float(scores.mean()), 1), "4 or more": share}


def childhood_wins(part: Part) -> NDArray[np.float64]:
    """Whether a stranger under 10 scores higher with a baby than an adult stranger does, (N,)."""
    model, faces = part
    babies, adults, young = (
        np.flatnonzero(chosen)
        for chosen in (faces.stages == BABY, faces.stages == ADULT, np.isin(faces.stages, (0, 1)))
    )
    if not len(babies) or not len(adults):
        return np.empty(0)
    rng = np.random.default_rng(0)
    baby, adult, child = (rng.choice(rows, PAIRS) for rows in (babies, adults, young))
    ahead = scores(model, faces, child, baby) > scores(model, faces, adult, baby)
    return np.asarray(ahead[child != baby], np.float64)


def scores(
    model: ResemblanceModel, faces: LabelledFaces, one: NDArray[np.intp], other: NDArray[np.intp]
) -> NDArray[np.float32]:
    return model.compare_pairs(faces.vectors[one], faces.vectors[other])[0]


def age_errors(parts: Sequence[Part]) -> dict[str, float]:
    """The mean absolute error in each age band."""
    ages = np.concatenate([faces.ages for _, faces in parts])
    off = np.abs(np.concatenate([model.ages(faces.vectors)[0] for model, faces in parts]) - ages)
    return {
        f"{low} to {high}": round(float(off[(ages >= low) & (ages <= high)].mean()), 1)
        for low, high in AGE_BANDS
    }


if __name__ == "__main__":
    main()
