"""Commands that make the shipped models again from data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import EmbedderOption, check_folder
from facematch.errors import OptionError

train = typer.Typer(
    help="Make the shipped models again from data (extra \\[train]).", no_args_is_help=True
)

FiwFolder = Annotated[
    Path,
    typer.Option(
        help="A folder with fiw-train.zip, fiw-train-relations.csv and fiw-train-ages.csv."
    ),
]
StrangersPath = Annotated[
    Path, typer.Option(help="Labelled pictures of strangers: UTKFace, a folder or a zip archive.")
]
OutFolder = Annotated[Path, typer.Option(help="The folder to write to.", callback=check_folder)]
HeldBackFile = Annotated[
    Path | None,
    typer.Option(help="Names families to leave out and measure on. Default: models/held-back.txt."),
]
SeedOption = Annotated[int, typer.Option(help="Another seed gives other random pairs.")]


@train.command("resemblance")
def train_resemblance(
    data: FiwFolder,
    strangers: StrangersPath,
    out: OutFolder,
    embedder: EmbedderOption = "kin",
    held_back: HeldBackFile = None,
    seed: SeedOption = 0,
) -> None:
    """Fit an embedder's resemblance model on Families In the Wild; takes up to an hour.

    Writes the model, and a card with its figures on the families held back.
    """
    from facematch.embedding.fused import FusedEmbedder
    from facematch.embedding.registry import load_embedder
    from facematch.evaluation.model_card import write_model
    from facematch.training.fusion import train_fusion
    from facematch.training.resemblance import train_resemblance as fit

    chosen, families = load_embedder(embedder), _held_back_file(held_back)
    names = families.read_text(encoding="utf-8").split()
    if isinstance(chosen, FusedEmbedder):
        model = train_fusion(data, chosen, names, strangers, seed=seed, report=_report)
    else:
        model = fit(data, chosen, names, strangers, seed=seed, report=_report)
    write_model(model, chosen, data, families, out, seed=seed)
    _print_catalogue_entry(out / f"{model.space}.npz")


@train.command("embedder")
def train_embedder(
    data: FiwFolder, out: OutFolder, held_back: HeldBackFile = None, seed: SeedOption = 0
) -> None:
    """Tune the embedder `kin` on Families In the Wild; takes some ten minutes on two cores."""
    from facematch.training.embedder import train_embedder as tune
    from facematch.weights.head import head_as_bytes

    names = _held_back_file(held_back).read_text(encoding="utf-8").split()
    content = head_as_bytes(tune(data, names, seed=seed, report=_report))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "kin-1-embedder.npz"
    path.write_bytes(content)
    _print_catalogue_entry(path)
    _report("then run `train resemblance`")


@train.command("photographs")
def train_photographs(data: FiwFolder, out: OutFolder, held_back: HeldBackFile = None) -> None:
    """Fit which faces are like photographs, on Families In the Wild; takes some five minutes."""
    from facematch.training.photographs import train_photographs as fit

    names = _held_back_file(held_back).read_text(encoding="utf-8").split()
    content = fit(data, names, report=_report).as_bytes()
    out.mkdir(parents=True, exist_ok=True)
    path = out / "kin-1-photographs.npz"
    path.write_bytes(content)
    _print_catalogue_entry(path)


def _print_catalogue_entry(path: Path) -> None:
    """What facematch/weights/catalogue.py must know of a file before facematch uses it."""
    import hashlib

    content = path.read_bytes()
    typer.echo(f"{path}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    _report(
        "write both into facematch/weights/catalogue.py: files are checked before they are used"
    )


def _report(line: str) -> None:
    typer.echo(line, err=True)


def _held_back_file(chosen: Path | None) -> Path:
    from facematch.weights.files import models_folder

    path = models_folder() / "held-back.txt" if chosen is None else chosen
    if not path.is_file():
        raise OptionError(f"there is no file {path}: it names the families to hold back")
    return path
