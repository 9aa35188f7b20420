"""Commands around it: weight files, the cache, evaluation, training."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.options import (
    CacheFile,
    EmbedderName,
    Format,
    MinFace,
    On,
    OutputFormat,
    app,
    matcher_of,
    print_table,
)
from facematch.cli.stopping import Tally, stoppable
from facematch.errors import OptionError, PhotoError

if TYPE_CHECKING:
    from facematch.evaluation import protocols as protocol_types
    from facematch.matcher import FaceMatcher

models = typer.Typer(
    help="The weight files: list them, check them, fetch one.", no_args_is_help=True
)


cache_files = typer.Typer(
    help="A cache of faces that --cache made: what it holds, and emptying it.",
    no_args_is_help=True,
)


train = typer.Typer(
    help="Make the shipped models again from data (extra \\[train]).", no_args_is_help=True
)

app.add_typer(models, name="models")
app.add_typer(cache_files, name="cache")
app.add_typer(train, name="train")


@models.command("list")
def list_models() -> None:
    """List the weight files facematch knows, and whether they are there and the right ones."""
    from facematch.output import weights as weights_output
    from facematch.weights.catalogue import KNOWN, RESEMBLANCE, state

    every = KNOWN | RESEMBLANCE
    print_table(weights_output.table([(weights, state(name)) for name, weights in every.items()]))


@models.command("check")
def check_models() -> None:
    """Check every installed weight file against its sha256; fails if one is damaged."""
    from facematch.errors import WeightsError
    from facematch.weights.catalogue import KNOWN, RESEMBLANCE, read_weights, state

    bad = []
    for name, weights in (KNOWN | RESEMBLANCE).items():
        found = state(name)
        typer.echo(f"{name}: {found}")
        if found == "damaged" or (found == "not installed" and weights.is_bundled):
            bad.append(name)
    for name in bad:
        try:
            read_weights(name)
        except WeightsError as error:
            typer.echo(f"facematch: {error}", err=True)
    if bad:
        raise typer.Exit(1)


@models.command("fetch")
def fetch_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in `models list`.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Take this file instead of the network."),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="FACEMATCH_MIRROR",
            help="The https address of a folder that has the file too; what comes is checked.",
        ),
    ] = None,
) -> None:
    """Install a weight file: the only command that uses the network.

    By https only, and through the proxy that HTTPS_PROXY names, if it does.
    """
    from facematch.weights.catalogue import fetch

    typer.echo(fetch(name, source=source, mirror=mirror))


CacheArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file of --cache.")]


@cache_files.command("info")
def cache_info(file: CacheArgument) -> None:
    """Say how many photos a cache knows."""
    from facematch.enrolment.cache import cache_entries

    entries = cache_entries(file)
    typer.echo(f"{file}: {entries:,} photos, {file.stat().st_size / 1e6:.1f} MB")


@cache_files.command("clear")
def cache_clear(file: CacheArgument) -> None:
    """Forget every face in a cache; what was stored is overwritten."""
    from facematch.enrolment.cache import clear_cache

    typer.echo(f"{file}: {clear_cache(file):,} photos forgotten")


@app.command()
def forget(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO…", help="Photos, or folders of a person's.")
    ],
    cache: Annotated[Path, typer.Option(metavar="FILE", help="The file of --cache.")],
) -> None:
    """Take some photos' faces out of a cache, of all engines; what was stored is overwritten.

    A cache knows photos by their content: forget them before you delete them.
    """
    from facematch.enrolment.cache import forget as forget_photos
    from facematch.photos.listing import list_photos
    from facematch.photos.reading import photo_digest
    from facematch.scoring.wording import counted

    digests, failed = [], False
    for photo in (photo for path in photos for photo in list_photos(path)):
        try:
            digests.append(photo_digest(photo, limits=None))
        except PhotoError as error:  # the others are forgotten all the same
            typer.secho(f"not forgotten: {error}", fg="yellow", err=True)
            failed = True
    typer.echo(f"{cache}: {counted(forget_photos(cache, digests), 'photo')} forgotten")
    if failed:
        raise typer.Exit(1)


class ProtocolName(StrEnum):
    """What `evaluate` can measure by."""

    KINFACEW = "kinfacew"
    RFIW = "rfiw"
    FIW = "fiw"
    TRI = "tri"
    TSKINFACE = "tskinface"
    LFW = "lfw"
    SEARCH = "search"
    PAIRS = "pairs"


@app.command()
def evaluate(
    protocol: Annotated[ProtocolName, typer.Argument(help="The data set's protocol.")],
    table: Annotated[
        Path | None,
        typer.Argument(metavar="[CSV]", help="pairs: with columns parent, child and kin (1 or 0)."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="The folder of the data set; for fiw its archive too.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(metavar="LIST", help="rfiw, lfw: the list of pairs.")
    ] = None,
    triples: Annotated[
        Path | None, typer.Option(metavar="LIST", help="tri: father, mother and child.")
    ] = None,
    relations: Annotated[
        Path | None, typer.Option(metavar="CSV", help="fiw: who is whose kin.")
    ] = None,
    families: Annotated[
        Path | None, typer.Option(metavar="FILE", help="fiw: names the only families to take.")
    ] = None,
    probes: Annotated[
        Path | None, typer.Option(metavar="LIST", help="search: RFIW's probe_list.csv.")
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(metavar="LIST", help="search: RFIW's gallery_list.csv.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw ROC and reliability there.")
    ] = None,
    format: OutputFormat = Format.TABLE,  # noqa: A002 - the option's name
    on: On = None,
    cache: CacheFile = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="Default: whole for crops aligned as FIW's, whole-tight for KinFaceW's and "
            "TSKinFace's, mmod for photos.",
            rich_help_panel="Engine",
        ),
    ] = None,
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    r"""Measure an engine by a published protocol (extra \[evaluate]).

    Beside each figure stand colours alone, without any face model, and the untuned cosine.
    """
    from facematch.embedding.registry import load_embedder
    from facematch.evaluation.measure import evaluate as measure
    from facematch.evaluation.report import enrolled_line, evaluation_as_json, evaluation_table

    if protocol is ProtocolName.SEARCH:
        if plots is not None:
            raise OptionError("`evaluate search` has no ROC to draw: leave --plots out")
        matcher = matcher_of(detector or "whole", embedder, min_face, cache=cache)
        _search((root, probes, gallery), matcher, format, cache, on)
        return
    chosen, usual = _protocol(protocol, table, root, pairs or triples, relations, families)
    matcher = matcher_of(detector or usual, embedder, min_face, cache=cache)
    tally, untuned = Tally(), load_embedder("dlib-resnet")
    with stoppable([tally], cache):
        found = measure(chosen, matcher.engine, untuned, on_progress=tally.photos, on=on)
    if plots is not None:
        from facematch.evaluation.plots import draw

        for path in draw(found, plots):
            typer.echo(path, err=True)
    if format is Format.JSON:
        typer.echo(evaluation_as_json(found))
    else:
        typer.echo(enrolled_line(found))
        print_table(evaluation_table(found))


FiwData = Annotated[
    Path, typer.Option(help="A folder with fiw-train.zip and fiw-train-relations.csv.")
]


OutFolder = Annotated[Path, typer.Option(help="Where to write what is made.")]


HeldBack = Annotated[
    Path | None,
    typer.Option(help="Names families to leave out and measure on. Default: models/held-back.txt."),
]


Seed = Annotated[int, typer.Option(help="Another seed draws other pairs.")]


@train.command("resemblance")
def train_resemblance(
    data: FiwData,
    out: OutFolder,
    embedder: EmbedderName = "kin",
    held_back: HeldBack = None,
    seed: Seed = 0,
) -> None:
    """Fit an embedder's resemblance model on Families In the Wild; takes some minutes.

    Writes the model, and a card with what it scores on the families held back.
    """
    from facematch.embedding.fused import FusedEmbedder
    from facematch.embedding.registry import load_embedder
    from facematch.evaluation.model_card import write_model
    from facematch.training.fusion import train_fusion
    from facematch.training.resemblance import train_resemblance as fit

    chosen, families = load_embedder(embedder), _held_back(held_back)
    names = families.read_text(encoding="utf-8").split()
    if isinstance(chosen, FusedEmbedder):
        model = train_fusion(data, chosen, names, seed=seed, report=_say)
    else:
        model = fit(data, chosen, names, seed=seed, report=_say)
    write_model(model, chosen, data, families, out, seed=seed)
    _say_weights(out / f"{model.space}.npz")


@train.command("embedder")
def train_embedder(
    data: FiwData, out: OutFolder, held_back: HeldBack = None, seed: Seed = 0
) -> None:
    """Tune the embedder `kin` on Families In the Wild; takes some ten minutes on two cores."""
    from dataclasses import asdict

    import numpy as np

    from facematch.training.embedder import train_embedder as tune
    from facematch.weights.head import head_as_bytes

    names = _held_back(held_back).read_text(encoding="utf-8").split()
    head, evidence, share = tune(data, names, seed=seed, report=_say)
    content = head_as_bytes(head, asdict(evidence) | {"share": np.asarray(share)})
    out.mkdir(parents=True, exist_ok=True)
    path = out / "kin-1-embedder.npz"
    path.write_bytes(content)
    _say_weights(path)
    _say("then run `train resemblance`")


def _say_weights(path: Path) -> None:
    """What facematch/weights/catalogue.py must know of a file before facematch will use it."""
    import hashlib

    content = path.read_bytes()
    typer.echo(f"{path}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    _say("write both into facematch/weights/catalogue.py: files are checked before they are used")


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _held_back(chosen: Path | None) -> Path:
    from facematch.weights.catalogue import models_folder

    path = models_folder() / "held-back.txt" if chosen is None else chosen
    if not path.is_file():
        raise OptionError(f"{path} is not there: it names the families to hold back")
    return path


def _given(name: str, path: Path | None, option: str) -> Path:
    if path is None:
        raise OptionError(f"`evaluate {name}` needs {option}")
    return path


def _search(
    lists: tuple[Path | None, Path | None, Path | None],
    matcher: FaceMatcher,
    form: Format,
    cache: Path | None,
    on: str | None,
) -> None:
    """Measure by RFIW's third track."""
    from facematch.embedding.registry import load_embedder
    from facematch.evaluation.protocols import read_search
    from facematch.evaluation.report import retrieval_as_json, retrieval_table, searched_line
    from facematch.evaluation.retrieval import evaluate_search

    options = ("--root DIR", "--probes LIST", "--gallery LIST")
    search = read_search(*map(partial(_given, "search"), lists, options))
    tally, untuned = Tally(), load_embedder("dlib-resnet")
    with stoppable([tally], cache):
        found = evaluate_search(search, matcher.engine, untuned, on_progress=tally.photos, on=on)
    if form is Format.JSON:
        typer.echo(retrieval_as_json(found))
    else:
        typer.echo(searched_line(found))
        print_table(retrieval_table(found))


def _protocol(
    name: ProtocolName,
    table: Path | None,
    root: Path | None,
    pairs: Path | None,
    relations: Path | None,
    families: Path | None,
) -> tuple[protocol_types.Protocol, str]:
    """The protocol, and the detector for pictures of its kind."""
    from facematch.evaluation import protocols

    given = partial(_given, name.value)
    match name:
        case ProtocolName.KINFACEW:
            return protocols.read_kinfacew(given(root, "--root DIR")), "whole-tight"
        case ProtocolName.RFIW:
            lists = given(pairs, "--pairs LIST")
            return protocols.read_rfiw(given(root, "--root DIR"), lists), "whole"
        case ProtocolName.TRI:
            lists = given(pairs, "--triples LIST")
            return protocols.read_rfiw(given(root, "--root DIR"), lists, parents=2), "whole"
        case ProtocolName.FIW:
            whose = given(relations, "--relations CSV")
            return protocols.read_fiw(given(root, "--root DIR"), whose, families), "whole"
        case ProtocolName.TSKINFACE:
            return protocols.read_tskinface(given(root, "--root DIR")), "whole-tight"
        case ProtocolName.LFW:
            lists = given(pairs, "--pairs pairs.txt")
            return protocols.read_lfw(given(root, "--root DIR"), lists), "mmod"
        case _:
            return protocols.read_labelled_pairs(given(table, "a CSV")), "mmod"
