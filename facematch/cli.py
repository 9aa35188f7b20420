"""The command line: read arguments, call the library, print. stdout is data, stderr is talk."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.errors import FacematchError, NoFaceError, OptionError

if TYPE_CHECKING:
    from rich.table import Table

    from facematch.evaluation.protocols import Protocol
    from facematch.pipeline import FaceMatcher, Portrait
    from facematch.tracking import Clip
    from facematch.types import Gallery

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


class ClipFormat(StrEnum):
    """How what was found in a clip is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.command()
def video(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A clip that shows the child.")],
    parent: Annotated[
        list[Path],
        typer.Option(metavar="PATH", help="A parent's photo, or a folder of them; give it again."),
    ],
    format: Annotated[  # noqa: A002 - the option's name
        ClipFormat, typer.Option("--format", help="How to print the result.")
    ] = ClipFormat.TABLE,
    save: Annotated[
        Path | None,
        typer.Option(metavar="PICTURE", help="Draw the frames used there: .png, .jpg or .webp."),
    ] = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score everyone in a clip against parents: the best frames of each person are averaged.

    Ctrl-C ends the search and prints what is known by then. This is no paternity test.
    """
    from facematch.photos import list_photos
    from facematch.pictures.canvas import save_picture

    parents = {_parent_name(path, parent): list_photos(path) for path in parent}
    matcher = _matcher(detector, embedder, min_face)
    with _stoppable("clip") as watch:
        found = matcher.video(clip, parents, watch=watch)
    _print_clip(found, format)
    if save is not None and found.people:
        typer.echo(save_picture(found.picture(), save), err=True)
    if not found.complete:
        raise typer.Exit(130)


def _print_clip(found: Clip, format: ClipFormat) -> None:  # noqa: A002 - as above
    from facematch.report import NO_PATERNITY_TEST
    from facematch.tables import write_rows
    from facematch.tracking import ROW, drawbacks

    warnings = list(found.warnings)
    for person in found.people:
        warnings += [f"{person.name}: {phrase} in every frame" for phrase in drawbacks(person)]
    if not found.complete:
        warnings.append(f"stopped after {found.frames_searched} frames: the rest is not known")
    is_table = format is ClipFormat.TABLE
    if is_table:
        _print(found.table())
    elif format is ClipFormat.JSON:
        typer.echo(found.as_json())
    else:
        write_rows(found.rows(), ROW, "csv", None)
    for warning in warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=not is_table)
    typer.echo(NO_PATERNITY_TEST, err=not is_table)


def _parent_name(path: Path, paths: Sequence[Path]) -> str:
    """The file's or folder's own name, all of the path where two are called alike."""
    names = [each.stem if each.suffix else each.name for each in paths]
    name = path.stem if path.suffix else path.name
    return name if name and names.count(name) == 1 else str(path)


@contextmanager
def _stoppable(what: str) -> Iterator[Callable[[float], bool]]:
    """A `watch` that shows progress while a person watches, and that Ctrl-C turns to False.

    Before it is first called, Ctrl-C ends the program as ever; so does a second one.
    """
    import signal

    usual = signal.getsignal(signal.SIGINT)
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, usual)

    with _progress(what) as show:
        first = True

        def watch(share: float) -> bool:
            nonlocal first
            if first:
                signal.signal(signal.SIGINT, stop)
                first = False
            show(share)
            return not stopped

        try:
            yield watch
        finally:
            signal.signal(signal.SIGINT, usual)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr while a person watches, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=1.0)
        yield lambda share: bars.update(bar, completed=share)


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

    from facematch.tail import tail_archive
    from facematch.training.embedder import train_embedder as tune

    names = _held_back(held_back).read_text(encoding="utf-8").split()
    tail, evidence = tune(data, names, seed=seed, report=_say)
    content = tail_archive(tail, asdict(evidence))
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
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # read when OpenCV is first imported
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # when it first opens a clip
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
) -> tuple[Protocol, str]:
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


def _print(table: Table) -> None:
    from rich.console import Console

    # In a pipe nobody's window is too narrow.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    Console(highlight=False, width=width).print(table)
