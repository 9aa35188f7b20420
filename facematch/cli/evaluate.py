"""Commands that measure an engine: one for each published protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.options import (
    CacheOption,
    EmbedderOption,
    EngineOptions,
    Format,
    FormatOption,
    MinFaceOption,
    OnOption,
    check_folder,
    takes_options,
)
from facematch.cli.printing import print_table
from facematch.cli.stopping import Tally, stoppable
from facematch.errors import OptionError

if TYPE_CHECKING:
    from facematch.evaluation.figures import Evaluation
    from facematch.evaluation.protocols import Protocol
    from facematch.matcher import FaceMatcher

evaluate = typer.Typer(
    help="Measure an engine by a published protocol. Beside each figure stand the untuned cosine "
    "and colours alone, without any face model.",
    no_args_is_help=True,
)

DataFolder = Annotated[Path, typer.Option(help="The folder of the data set.")]
FiwData = Annotated[
    Path, typer.Option(metavar="PATH", help="The folder of the data set, or its zip archive.")
]
PairList = Annotated[Path, typer.Option("--pairs", metavar="LIST", help="The list of pairs.")]
LabelTable = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="CSV",
        help="Age and population of each photo: columns face (its path below --root), age and "
        "population, as in fiw-train-ages.csv. Default: the engine's own estimates.",
    ),
]
PictureTable = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="CSV",
        help="The pictures, with columns face (a path below --root), age and population. "
        "Default: all named AGE_SEX_POPULATION_*.jpg, as in UTKFace.",
    ),
]
LeftOutPictures = Annotated[
    Path | None,
    typer.Option(
        "--leave-out",
        metavar="PATH",
        help="Pictures that fitted the engine, by their file names: a folder, a zip or a list.",
    ),
]
RefitFolder = Annotated[
    Path | None,
    typer.Option(
        "--refit",
        metavar="DIR",
        help="Measure on each third of the pictures, and fit the strata anew without it: on the "
        "other two, and on fiw-train.zip with its CSV files in DIR.",
    ),
]
PlotFolder = Annotated[
    Path | None,
    typer.Option(
        "--plots",
        metavar="DIR",
        help="Save charts there: the ROC curve and the reliability.",
        callback=check_folder,
    ),
]


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """How a protocol is measured."""

    result_format: FormatOption = Format.TABLE
    on: OnOption = None
    cache: CacheOption = None
    detector: Annotated[
        str | None,
        typer.Option(
            help="Default: whole-tight for the crops of KinFaceW and TSKinFace, whole for those of "
            "Families In the Wild, mmod for photos.",
            rich_help_panel="Engine",
        ),
    ] = None
    embedder: EmbedderOption = "kin"
    min_face: MinFaceOption = None

    def matcher(self, detector: str) -> FaceMatcher:
        """The library, as the options say; `detector` is the default."""
        engine = EngineOptions(self.detector or detector, self.embedder, self.min_face)
        return engine.matcher(many=True, cache=self.cache)


@dataclass(frozen=True, slots=True)
class KinOptions:
    """How a protocol of relatives is measured."""

    measure: MeasureOptions
    labels: LabelTable = None
    plots: PlotFolder = None


@evaluate.command("kinfacew")
@takes_options
def evaluate_kinfacew(root: DataFolder, options: KinOptions) -> None:
    """Measure on KinFaceW-I or KinFaceW-II: five folds of parent-child pairs."""
    from facematch.evaluation.kinfacew import read_kinfacew

    _run_protocol(read_kinfacew(root), "whole-tight", options)


@evaluate.command("rfiw")
@takes_options
def evaluate_rfiw(root: DataFolder, pairs: PairList, options: KinOptions) -> None:
    """Measure on track 1 of Recognizing Families In the Wild: pairs, kin or not."""
    from facematch.evaluation.rfiw import read_rfiw

    _run_protocol(read_rfiw(root, pairs), "whole", options)


@evaluate.command("tri")
@takes_options
def evaluate_tri(
    root: DataFolder,
    triples: Annotated[
        Path, typer.Option(metavar="LIST", help="The list of father, mother and child.")
    ],
    options: KinOptions,
) -> None:
    """Measure on track 2 of Recognizing Families In the Wild: both parents and a child."""
    from facematch.evaluation.rfiw import read_rfiw

    _run_protocol(read_rfiw(root, triples, parents=2), "whole", options)


@evaluate.command("fiw")
@takes_options
def evaluate_fiw(
    root: FiwData,
    relations: Annotated[
        Path, typer.Option(metavar="CSV", help="Who is related to whom, and how.")
    ],
    options: KinOptions,
    families: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names the only families to measure on. Default: all."),
    ] = None,
) -> None:
    """Measure on the training part of Families In the Wild, all of it or some families."""
    from facematch.evaluation.fiw import read_fiw

    _run_protocol(read_fiw(root, relations, families), "whole", options)


@evaluate.command("tskinface")
@takes_options
def evaluate_tskinface(root: DataFolder, options: KinOptions) -> None:
    """Measure on TSKinFace: both parents and a child."""
    from facematch.evaluation.tskinface import read_tskinface

    _run_protocol(read_tskinface(root), "whole-tight", options)


@evaluate.command("lfw")
@takes_options
def evaluate_lfw(
    root: DataFolder,
    pairs: Annotated[Path, typer.Option(metavar="LIST", help="The file pairs.txt.")],
    options: MeasureOptions,
    plots: PlotFolder = None,
) -> None:
    """Measure on Labeled Faces in the Wild: the same person or not."""
    from facematch.evaluation.lfw import read_lfw

    _run_protocol(read_lfw(root, pairs), "mmod", KinOptions(options, plots=plots))


@evaluate.command("search")
@takes_options
def evaluate_search(
    root: FiwData,
    probes: Annotated[Path, typer.Option(metavar="LIST", help="RFIW's probe_list.csv.")],
    gallery: Annotated[Path, typer.Option(metavar="LIST", help="RFIW's gallery_list.csv.")],
    options: MeasureOptions,
) -> None:
    """Measure on track 3 of Recognizing Families In the Wild: find relatives in a gallery."""
    from facematch.embedding.registry import load_embedder
    from facematch.evaluation.report import retrieval_as_json, retrieval_table, searched_line
    from facematch.evaluation.retrieval import evaluate_search as search
    from facematch.evaluation.rfiw import read_search

    lists = read_search(root, probes, gallery)
    engine = options.matcher("whole").engine
    tally, untuned = Tally(), load_embedder("dlib-resnet")
    with stoppable([tally], options.cache):
        found = search(lists, engine, untuned, on_progress=tally.photos, on=options.on)
    if options.result_format is Format.JSON:
        typer.echo(retrieval_as_json(found))
    else:
        typer.echo(searched_line(found))
        print_table(retrieval_table(found))


@evaluate.command("pairs")
@takes_options
def evaluate_pairs(
    table: Annotated[
        Path,
        typer.Argument(metavar="CSV", help="With columns parent, child and kin (1 or 0)."),
    ],
    options: KinOptions,
) -> None:
    """Measure on pairs of your own photos."""
    from facematch.evaluation.labelled_pairs import read_labelled_pairs

    _run_protocol(read_labelled_pairs(table), "mmod", options)


@evaluate.command("strangers")
@takes_options
def evaluate_strangers(
    root: Annotated[
        Path, typer.Option(metavar="PATH", help="Pictures of unrelated people, a folder or a zip.")
    ],
    options: MeasureOptions,
    labels: PictureTable = None,
    leave_out: LeftOutPictures = None,
    refit: RefitFolder = None,
) -> None:
    """Measure what strangers of one population score, by their ages: 50 on average is right."""
    from facematch.evaluation import strangers, strangers_report

    pictures = strangers.read_strangers(root, labels, leave_out)
    engine = options.matcher("mmod").engine
    model = engine.resemblance
    if model is None:
        raise OptionError(f"no resemblance model fits {engine.embedder.name}: nothing to measure")
    tally = Tally()
    with stoppable([tally], options.cache):
        faces = strangers.enrol_strangers(pictures, engine, on_progress=tally.photos, on=options.on)
        parts, note = [(model, faces)], strangers.FITTED_NOTE
        if refit is not None:
            from facematch.training.resemblance import refit_strata

            parts = refit_strata(model, refit, engine.embedder, faces)
            note = strangers.REFITTED_NOTE
        elif leave_out is not None:
            note = strangers.LEFT_OUT_NOTE
        found = strangers.measure_strangers(pictures, engine, parts, note)
    if options.result_format is Format.JSON:
        typer.echo(strangers_report.strangers_as_json(found))
        return
    for line in strangers_report.strangers_lines(found):
        typer.echo(line)
    for table in strangers_report.strangers_tables(found):
        print_table(table)


def _run_protocol(protocol: Protocol, detector: str, options: KinOptions) -> None:
    """Run a protocol, save its charts and print its figures."""
    from facematch.embedding.registry import load_embedder
    from facematch.evaluation.measure import evaluate as measure
    from facematch.evaluation.report import evaluation_as_json

    how = options.measure
    engine = how.matcher(detector).engine
    tally, untuned = Tally(), load_embedder("dlib-resnet")
    protocol = replace(protocol, labels=options.labels)
    with stoppable([tally], how.cache):
        found = measure(protocol, engine, untuned, on_progress=tally.photos, on=how.on)
    if options.plots is not None:
        from facematch.evaluation.plots import draw

        for path in draw(found, options.plots):
            typer.echo(path, err=True)
    if how.result_format is Format.JSON:
        typer.echo(evaluation_as_json(found))
    else:
        _print_evaluation(found)


def _print_evaluation(found: Evaluation) -> None:
    from facematch.evaluation import report

    typer.echo(report.enrolled_line(found))
    print_table(report.evaluation_table(found))
    if note := report.colours_note(found):
        typer.echo(note)
    same = found.same_population
    if same is not None:
        for line in ("", *report.same_population_lines(same)):
            typer.echo(line)
        print_table(report.same_population_table(same))
        if cost := report.cllr_line(same):
            typer.echo(cost)
