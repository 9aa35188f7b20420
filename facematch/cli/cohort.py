"""The command that keeps a cohort of the user's own strangers in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import EngineOptions, open_cohort
from facematch.cli.printing import refuse_overwrite
from facematch.errors import OptionError


def cohort(
    photos: Annotated[
        Path,
        typer.Argument(metavar="PHOTOS", help="A folder of photos, one or more of each stranger."),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE.npz", help="Write the cohort to this file.")
    ],
    engine: EngineOptions,
) -> None:
    """Keep strangers of your own, of whom scores are percentiles, for --cohort.

    Take people like those you score, of the same time and place, who are not related: at least 30
    faces, better 100. The file holds means and covariances, nobody's face.
    """
    from facematch.output.writing import check_place

    if out.suffix.lower() != ".npz":
        raise OptionError(f"{out}: end the name in .npz")
    refuse_overwrite(out, str(photos))
    check_place(out)
    found = open_cohort(engine.matcher(many=True), photos)
    found.save(out)
    typer.echo(f"{out}: {found.faces} faces")
