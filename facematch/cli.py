"""The command line: read arguments, call the library, print. stdout is data, stderr is talk."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from facematch.errors import FacematchError, NoFaceError, OptionError, TableError

if TYPE_CHECKING:
    from datetime import date

    from rich.console import RenderableType

    from facematch.evaluation import protocols as protocol_types
    from facematch.pipeline import FaceMatcher, Portrait
    from facematch.types import Gallery, Pixels, Skipped

app = typer.Typer(
    name="facematch",
    help="Who does this child look like? Scores how much a child looks like a parent, from photos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
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


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


DetectorName = Annotated[
    str,
    typer.Option("--detector", help="mmod, yunet or face-recognition.", rich_help_panel="Engine"),
]
EmbedderName = Annotated[
    str,
    typer.Option(
        "--embedder",
        help="kin, dlib-resnet, face-recognition, or an ONNX file with a TOML beside it.",
        rich_help_panel="Engine",
    ),
]
MinFace = Annotated[
    float | None,
    typer.Option(
        min=1,
        metavar="PIXELS",
        help="The smallest face worth finding; smaller takes longer. Default: 5 % of the photo's "
        "long side, which scales big photos down to 1600 pixels for the search.",
        rich_help_panel="Engine",
    ),
]
OutputFormat = Annotated[Format, typer.Option("--format", help="How to print the result.")]
FaceNumber = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Which face, 1 being the largest, which is the default."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"facematch {version('facematch')}")
        raise typer.Exit


@app.callback()
def _facematch(
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass


@app.command()
def score(
    parent: Annotated[Path, typer.Argument(metavar="PARENT", help="A photo of the parent.")],
    child: Annotated[Path, typer.Argument(metavar="CHILD", help="A photo of the child.")],
    parent_face: FaceNumber = None,
    child_face: FaceNumber = None,
    prior: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How likely they are parent and child before anyone looks, above 0 and below 1; "
            "then how likely they are afterwards is printed too.",
        ),
    ] = None,
    format: OutputFormat = Format.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score how much the child in one photo looks like the parent in another.

    This is no paternity test.
    """
    from facematch.report import NO_PATERNITY_TEST, match_as_json, match_table

    if prior is not None and not 0 < prior < 1:
        raise OptionError(f"--prior {prior}: a share above 0 and below 1 is needed, 0.5 say")
    matcher = _matcher(detector, embedder, min_face)
    match = matcher.score(parent, child, parent_face=parent_face, child_face=child_face)
    if format is Format.JSON:
        typer.echo(match_as_json(match, prior))
        typer.echo(NO_PATERNITY_TEST, err=True)
        return
    _print(match_table(match, prior))
    for warning in match.warnings:
        typer.secho(f"warning: {warning}", fg="yellow")
    typer.echo(NO_PATERNITY_TEST)


@app.command()
def faces(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo.")],
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write each face there as the embedder sees it, and the photo with all marked.",
        ),
    ] = None,
    format: OutputFormat = Format.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Show the faces found in a photo, largest first."""
    from facematch.report import faces_as_json, faces_table

    portrait = _matcher(detector, embedder, min_face).find_faces(photo)
    if format is Format.JSON:
        typer.echo(faces_as_json(portrait.photo.label, portrait.subjects()))
    else:
        portrait.face_index(None)  # an error where there is none
        _print(faces_table(portrait.subjects()))
    if save is not None:
        _save(portrait, save)


class TableFormat(StrEnum):
    """How many results are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


TableOption = Annotated[
    TableFormat | None,
    typer.Option("--format", help="Default: by the ending of -o FILE; a table without one."),
]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write there, not to stdout.")
]


CacheFile = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="FILE",
        help="Keep what is found in photos there, and look it up: it holds face templates.",
    ),
]


@app.command()
def match(
    parents: Annotated[
        Path, typer.Argument(metavar="PARENTS", help="A photo, or a folder of photos.")
    ],
    children: Annotated[
        Path, typer.Argument(metavar="CHILDREN", help="A photo, or a folder of photos.")
    ],
    top: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Of each child only the K parents most alike."),
    ] = None,
    people: Annotated[
        bool, typer.Option("--people", help="A folder in PARENTS or CHILDREN is one person.")
    ] = False,
    format: TableOption = None,  # noqa: A002 - the option's name
    out: Out = None,
    cache: CacheFile = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score every child against every parent; the largest face of each photo counts.

    With --people each folder within PARENTS or CHILDREN is one person, whose photos are averaged.

    Photos that cannot be used become rows with a reason. This is no paternity test.
    """
    from facematch.photos import list_photos
    from facematch.report import NO_PATERNITY_TEST
    from facematch.tables import RESULTS, comparison_rows, write_rows

    listed = [list_photos(folder) for folder in (parents, children)]
    kind = _format(format, out)
    matcher = _matcher(detector, embedder, min_face)
    galleries = [
        matcher.gallery(_watched(photos, role), cache=cache)
        for photos, role in zip(listed, ("parents", "children"), strict=True)
    ]
    if people:
        roots = (parents, children)
        galleries = [
            gallery.by_person([_person(root, photo) for photo in gallery.labels])
            for root, gallery in zip(roots, galleries, strict=True)
        ]
    compared = matcher.match(*galleries, top=top)
    rows = comparison_rows(galleries[0], galleries[1], compared)
    write_rows(rows, ["parent", "child", *RESULTS], kind, out)
    typer.echo(NO_PATERNITY_TEST, err=True)
    _fail_if_nothing(*galleries)


@app.command()
def pairs(
    table: Annotated[
        Path,
        typer.Argument(metavar="PAIRS.csv", help="With columns parent and child: paths of photos."),
    ],
    format: TableOption = None,  # noqa: A002 - the option's name
    out: Out = None,
    cache: CacheFile = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score the pairs of photos that a CSV names, a row each; other columns are carried through.

    Paths are relative to the folder you are in. Each photo is read once. This is no paternity test.
    """
    from facematch.report import NO_PATERNITY_TEST
    from facematch.tables import RESULTS, pair_rows, read_pairs, write_rows

    columns, wanted = read_pairs(table)
    kind = _format(format, out)
    matcher = _matcher(detector, embedder, min_face)
    photos = list(dict.fromkeys(row[role] for row in wanted for role in ("parent", "child")))
    gallery = matcher.gallery(_watched(photos, "photos"), cache=cache)
    rows = pair_rows(gallery, wanted, matcher.match_pairs)
    write_rows(rows, [*columns, *RESULTS], kind, out)
    typer.echo(NO_PATERNITY_TEST, err=True)
    _fail_if_nothing(gallery)


class VerdictFormat(StrEnum):
    """How a verdict is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Parents = Annotated[
    list[str] | None,
    typer.Option(
        "--parent",
        metavar="[NAME=]PATH",
        help="A photo of a parent, or a folder of photos; once for each parent.",
    ),
]
Children = Annotated[
    list[str] | None,
    typer.Option("--child", metavar="[NAME=]PATH", help="Of a child, likewise."),
]
SavePicture = Annotated[
    Path | None,
    typer.Option("--save", metavar="PICTURE", help="Draw it there: a .png, .jpg or .webp."),
]
Dark = Annotated[bool, typer.Option("--dark", help="Draw the picture light on dark.")]
VerdictOption = Annotated[VerdictFormat, typer.Option("--format", help="How to print it.")]


@app.command()
def family(
    parent: Parents = None,
    child: Children = None,
    photo: Annotated[
        Path | None, typer.Option(metavar="PHOTO", help="One photograph of all of them.")
    ] = None,
    label: Annotated[
        bool, typer.Option("--label", help="Of --photo, draw its faces with their numbers.")
    ] = False,
    names: Annotated[
        str | None,
        typer.Option(metavar="1=mum,2=dad,…", help="Of --photo: who has which number."),
    ] = None,
    save: SavePicture = None,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Say who looks like whom: each child against each parent, and how sure that is.

    People are photos or folders of photos, named after the file or the folder, or NAME=PATH.

    One photograph will do: --photo PHOTO --label draws numbers on its faces, then --names says who
    they are. mum, mom, mother, dad, father and the like are parents, others are children, unless
    --parent NAME and --child NAME say so. This is no paternity test.
    """
    matcher = _matcher(detector, embedder, min_face)
    if photo is None:
        found = matcher.family(_people(parent, "--parent"), _people(child, "--child"))
    else:
        portrait = matcher.find_faces(photo)
        portrait.face_index(None)  # an error where there is none
        if label or names is None:
            _draw_numbers(portrait, save)
            return
        sides = _roles(names, parent, child)
        people = [
            [matcher.person(name, [(portrait, portrait.face_index(at))]) for name, at in side]
            for side in sides
        ]
        found = matcher.family_of(people[0], people[1])
    _show_verdict(found, format, save, dark)


Dates = Annotated[
    Path | None,
    typer.Option("--dates", metavar="CSV", help="When photos were taken: columns photo and date."),
]
Born = Annotated[
    list[str] | None,
    typer.Option(
        "--born",
        metavar="NAME=DATE",
        help="Who was born when: then ages are told, and the parent's photo at the child's age is "
        "taken where there is one.",
    ),
]


@app.command()
def timeline(
    parent: Parents = None,
    child: Children = None,
    dates: Dates = None,
    born: Born = None,
    save: SavePicture = None,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Show how a child's likeness to each parent changes over time.

    Dates come from --dates, from file names such as 2018-05-16.jpg, or from EXIF. This is no
    paternity test.
    """
    matcher = _matcher(detector, embedder, min_face)
    found = matcher.timeline(
        _people(parent, "--parent"),
        _people(child, "--child"),
        dates=_dates(dates),
        born=_births(born),
    )
    _show_verdict(found, format, save, dark)


@app.command()
def report(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="A .html file.")],
    parent: Parents = None,
    child: Children = None,
    dates: Dates = None,
    born: Born = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Write one page with the verdicts, cards, charts and what they mean.

    It loads nothing from anywhere, and holds these people's faces. This is no paternity test.
    """
    matcher = _matcher(detector, embedder, min_face)
    written = matcher.report(
        _people(parent, "--parent"),
        _people(child, "--child"),
        dates=_dates(dates),
        born=_births(born),
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(written, encoding="utf-8")
    except OSError as error:
        raise TableError(f"{out} cannot be written ({error.strerror})") from error
    typer.echo(out)


@app.command()
def find(
    child: Annotated[
        str, typer.Argument(metavar="CHILD", help="A photo or a folder; NAME=PATH names the child.")
    ],
    folder: Annotated[Path, typer.Option("--in", metavar="FOLDER", help="The archive of photos.")],
    top: Annotated[int, typer.Option(min=1, metavar="K", help="How many people to show.")] = 10,
    save: SavePicture = None,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Find who in an archive looks most like a child: every face, grouped by person.

    Grouping keeps siblings apart rather than photos together. This is no paternity test.
    """
    from facematch.photos import list_photos

    matcher = _matcher(detector, embedder, min_face)
    archive = _watched(list_photos(folder), "photos")
    found = matcher.find(_people([child], "CHILD"), archive, top=top)
    _show_verdict(found, format, save, dark)


class Style(StrEnum):
    """What a card shows."""

    PAIR = "pair"
    SPLIT = "split"
    BLEND = "blend"
    SWAP = "swap"
    STRIP = "strip"


@app.command()
def card(
    parent: Annotated[
        str, typer.Argument(metavar="PARENT", help="A photo or a folder; NAME=PATH names them.")
    ],
    child: Annotated[str, typer.Argument(metavar="CHILD", help="Likewise.")],
    save: Annotated[Path, typer.Option(metavar="PICTURE", help="A .png, .jpg or .webp.")],
    style: Annotated[
        Style,
        typer.Option(
            help="Side by side; half and half; one over the other; the parent's face in the "
            "child's photo; or many photos of both."
        ),
    ] = Style.PAIR,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Draw the picture people post: both faces, the score, a line of meaning.

    The file carries no metadata of the photos. This is no paternity test.
    """
    matcher = _matcher(detector, embedder, min_face)
    found = matcher.card(_people([parent], "PARENT"), _people([child], "CHILD"))
    _show_verdict(found, format, save, dark, style=style.value)


@models.command("list")
def list_models() -> None:
    """List the weight files facematch knows, and whether they are there and the right ones."""
    from facematch.report import weights_table
    from facematch.weights import KNOWN, state

    _print(weights_table([(weights, state(name)) for name, weights in KNOWN.items()]))


@models.command("check")
def check_models() -> None:
    """Check every installed weight file against its sha256; fails if one is damaged."""
    from facematch.errors import WeightsError
    from facematch.weights import KNOWN, read_weights, state

    bad = []
    for name in KNOWN:
        found = state(name)
        typer.echo(f"{name}: {found}")
        if found == "damaged" or (found == "not installed" and KNOWN[name].package):
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
) -> None:
    """Install a weight file: the only command that uses the network."""
    from facematch.weights import fetch

    typer.echo(fetch(name, source=source))


CacheArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file of --cache.")]


@cache_files.command("info")
def cache_info(file: CacheArgument) -> None:
    """Say how many photos a cache knows."""
    from facematch.cache import cache_entries

    entries = cache_entries(file)
    typer.echo(f"{file}: {entries:,} photos, {file.stat().st_size / 1e6:.1f} MB")


@cache_files.command("clear")
def cache_clear(file: CacheArgument) -> None:
    """Forget every face in a cache; what was stored is overwritten."""
    from facematch.cache import clear_cache

    typer.echo(f"{file}: {clear_cache(file):,} photos forgotten")


class ProtocolName(StrEnum):
    """What `evaluate` can measure by."""

    KINFACEW = "kinfacew"
    RFIW = "rfiw"
    FIW = "fiw"
    TRI = "tri"
    TSKINFACE = "tskinface"
    LFW = "lfw"
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
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw ROC and reliability there.")
    ] = None,
    format: OutputFormat = Format.TABLE,  # noqa: A002 - the option's name
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
    from facematch.evaluation.measure import evaluate as measure
    from facematch.evaluation.report import enrolled_line, evaluation_as_json, evaluation_table
    from facematch.registry import load_embedder

    chosen, usual = _protocol(protocol, table, root, pairs or triples, relations, families)
    matcher = _matcher(detector or usual, embedder, min_face)
    found = measure(chosen, matcher, load_embedder("dlib-resnet"))
    if plots is not None:
        from facematch.evaluation.plots import draw

        for path in draw(found, plots):
            typer.echo(path, err=True)
    if format is Format.JSON:
        typer.echo(evaluation_as_json(found))
    else:
        typer.echo(enrolled_line(found))
        _print(evaluation_table(found))


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
    from facematch.evaluation.card import write_model
    from facematch.registry import load_embedder
    from facematch.training.resemblance import train_resemblance as fit

    chosen, families = load_embedder(embedder), _held_back(held_back)
    model = fit(data, chosen, families.read_text(encoding="utf-8").split(), seed=seed, report=_say)
    write_model(model, chosen, data, families, out, seed=seed)


@train.command("embedder")
def train_embedder(
    data: FiwData, out: OutFolder, held_back: HeldBack = None, seed: Seed = 0
) -> None:
    """Tune the embedder `kin` on Families In the Wild; takes some ten minutes on two cores."""
    import hashlib
    from dataclasses import asdict

    import numpy as np

    from facematch.tail import tail_archive
    from facematch.training.embedder import train_embedder as tune

    names = _held_back(held_back).read_text(encoding="utf-8").split()
    tail, evidence, share = tune(data, names, seed=seed, report=_say)
    content = tail_archive(tail, asdict(evidence) | {"share": np.asarray(share)})
    out.mkdir(parents=True, exist_ok=True)
    path = out / "kin-1-embedder.npz"
    path.write_bytes(content)
    typer.echo(f"{path}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    typer.echo("write both into facematch/weights.py, then run `train resemblance`", err=True)


def main() -> None:
    """Run the command line; a FacematchError becomes one line on stderr and exit status 1."""
    # Labels may hold any character; a terminal that cannot show one must not stop the report.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    _quiet_libraries()
    try:
        app()
    except FacematchError as error:
        typer.echo(f"facematch: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _quiet_libraries() -> None:
    """Keep decoders' own remarks off stderr: what matters comes as a PhotoError."""
    import logging
    import warnings

    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _held_back(chosen: Path | None) -> Path:
    from facematch.weights import models_folder

    path = models_folder() / "held-back.txt" if chosen is None else chosen
    if not path.is_file():
        raise OptionError(f"{path} is not there: it names the families to hold back")
    return path


def _person(root: Path, photo: str) -> str:
    """The folder within `root` that a photo lies in; the photo itself where it lies in none."""
    parts = Path(photo).relative_to(root).parts if root.is_dir() else ()
    return parts[0] if len(parts) > 1 else photo


class _Result(Protocol):
    """What every verb gives: it knows how to be shown."""

    @property
    def warnings(self) -> tuple[str, ...]: ...
    @property
    def skipped(self) -> tuple[Skipped, ...]: ...
    def rows(self) -> Iterator[dict[str, Any]]: ...
    def as_json(self) -> str: ...
    def table(self) -> RenderableType: ...
    @property
    def picture(self) -> Callable[..., Pixels]: ...


def _show_verdict(
    result: _Result, kind: VerdictFormat, save: Path | None, dark: bool = False, **drawn: str
) -> None:
    """Print a result, what makes it less sure, and save its picture."""
    from facematch.report import NO_PATERNITY_TEST

    is_table = kind is VerdictFormat.TABLE
    if is_table:
        _print(result.table())
    elif kind is VerdictFormat.JSON:
        typer.echo(result.as_json())
    else:
        from facematch.tables import write_rows

        rows = list(result.rows())
        write_rows(rows, list(rows[0]) if rows else [], "csv", None)
    for skipped in result.skipped:
        typer.secho(f"left out: {skipped.photo}: {skipped.reason}", fg="yellow", err=not is_table)
    for warning in result.warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=not is_table)
    if save is not None:
        from facematch.pictures.canvas import save_picture

        picture = result.picture("dark" if dark else "light", **drawn)
        typer.echo(save_picture(picture, save), err=True)
    typer.echo(NO_PATERNITY_TEST, err=not is_table)


def _people(given: Sequence[str] | None, option: str) -> dict[str, list[str]]:
    """Photos by name, of what --parent or --child was given."""
    from facematch.photos import list_photos

    if not given:
        raise OptionError(f"nobody to compare: name a photo or a folder with {option}")
    people: dict[str, list[str]] = {}
    for each in given:
        name, path = _named(each)
        if name in people:
            raise OptionError(f"two are called {name!r} in {option}: name them apart, NAME=PATH")
        people[name] = list_photos(path)
    return people


def _dates(path: Path | None) -> dict[str, date]:
    from facematch.dates import read_dates

    return {} if path is None else read_dates(path)


def _births(given: Sequence[str] | None) -> dict[str, date]:
    """Birth dates by name, from NAME=DATE."""
    from facematch.dates import parsed

    births = {}
    for each in given or []:
        name, _, day = each.partition("=")
        births[name] = parsed(day, f"--born {each}")
    return births


def _named(given: str) -> tuple[str, str]:
    """NAME=PATH apart; without a name, that of the file or the folder."""
    name, equals, path = given.partition("=")
    if equals and name and not Path(given).exists():
        return name, path
    path = given
    return (Path(path).resolve().name if Path(path).is_dir() else Path(path).stem), path


_PARENTS = re.compile(r"(mum|mom|mam|mother|dad|father|pap|pop|parent)", re.IGNORECASE)


def _roles(
    names: str, parents: Sequence[str] | None, children: Sequence[str] | None
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Parents and children with the numbers of their faces, from 1=mum,2=dad,3=child."""
    numbered: dict[str, int] = {}
    for part in names.split(","):
        number, _, name = part.strip().partition("=")
        if not number.isdecimal() or not name or name in numbered:
            raise OptionError(f"--names {names}: write it like 1=mum,2=dad,3=child")
        numbered[name] = int(number)
    unknown = [name for name in [*(parents or []), *(children or [])] if name not in numbered]
    if unknown:
        raise OptionError(f"{unknown[0]!r} is not in --names {names}: of --photo, give names there")
    older = set(parents or [name for name in numbered if _PARENTS.match(name)]) - {
        *(children or [])
    }
    younger = set(children or numbered) - older
    sides = (
        [(name, at) for name, at in numbered.items() if name in side] for side in (older, younger)
    )
    one, other = sides
    if not one or not other:
        raise OptionError(f"--names {names}: no parent or no child; say who with --parent NAME")
    return one, other


def _draw_numbers(portrait: Portrait, save: Path | None) -> None:
    """Save the photo with its faces numbered, and say what to do with it."""
    from facematch.pictures.canvas import save_picture
    from facematch.pictures.faces import draw_faces

    path = Path(f"{Path(portrait.photo.label).stem}-numbered.png") if save is None else save
    picture = draw_faces(portrait.photo.pixels, portrait.faces)
    typer.echo(f"{save_picture(picture, path)}: {len(portrait.faces)} faces, numbered")
    typer.echo("now say who they are: --names 1=mum,2=dad,3=child", err=True)


def _matcher(detector: str, embedder: str, min_face: float | None) -> FaceMatcher:
    from facematch.pipeline import FaceMatcher

    return FaceMatcher(detector=detector, embedder=embedder, min_face=min_face)


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

    def given(path: Path | None, option: str) -> Path:
        if path is None:
            raise OptionError(f"`evaluate {name.value}` needs {option}")
        return path

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
        case ProtocolName.PAIRS:
            return protocols.read_labelled_pairs(given(table, "a CSV")), "mmod"


def _format(chosen: TableFormat | None, out: Path | None) -> str:
    """The format asked for, or the one of the file's ending, or a table."""
    if chosen is not None:
        return chosen.value
    ending = "" if out is None else out.suffix.lower().removeprefix(".")
    if ending in {each.value for each in TableFormat}:
        return ending
    if out is not None:
        raise OptionError(f"{out}: what format? Name one with --format, or end the name in .csv")
    return TableFormat.TABLE.value


def _watched(photos: Sequence[str], what: str) -> Iterable[str]:
    """The photos, with a progress bar on stderr while a person watches."""
    if not sys.stderr.isatty():
        return photos
    from rich.console import Console
    from rich.progress import track

    return track(photos, description=what, console=Console(stderr=True), transient=True)


def _fail_if_nothing(*galleries: Gallery) -> None:
    """Say of galleries without a single face why, in one line."""
    for gallery in galleries:
        if not gallery.subjects and gallery.skipped:
            first = gallery.skipped[0]
            raise NoFaceError(first.photo, f"{first.reason}; no photo was of use")


def _save(portrait: Portrait, folder: Path) -> None:
    from facematch.pictures.canvas import save_picture
    from facematch.pictures.faces import draw_faces

    stem = Path(portrait.photo.label).stem
    pictures = {f"face-{at}": chip for at, chip in enumerate(portrait.chips, start=1)}
    pictures["found"] = draw_faces(portrait.photo.pixels, portrait.faces)
    for what, picture in pictures.items():
        typer.echo(save_picture(picture, folder / f"{stem}-{what}.png"), err=True)


def _print(table: RenderableType) -> None:
    from rich.console import Console

    # In a pipe nobody's window is too narrow.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    Console(highlight=False, width=width).print(table)
