"""Commands that measure an engine: one for each published protocol."""

from __future__ import annotations

from dataclasses import dataclass
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

if TYPE_CHECKING:
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
        return engine.matcher(cache=self.cache)


@evaluate.command("kinfacew")
@takes_options
def evaluate_kinfacew(root: DataFolder, options: MeasureOptions, plots: PlotFolder = None) -> None:
    """Measure on KinFaceW-I or KinFaceW-II: five folds of parent-child pairs."""
    from facematch.evaluation.kinfacew import read_kinfacew

    _run_protocol(read_kinfacew(root), "whole-tight", options, plots)


@evaluate.command("rfiw")
@takes_options
def evaluate_rfiw(
    root: DataFolder, pairs: PairList, options: MeasureOptions, plots: PlotFolder = None
) -> None:
    """Measure on track 1 of Recognizing Families In the Wild: pairs, kin or not."""
    from facematch.evaluation.rfiw import read_rfiw

    _run_protocol(read_rfiw(root, pairs), "whole", options, plots)


@evaluate.command("tri")
@takes_options
def evaluate_tri(
    root: DataFolder,
    triples: Annotated[
        Path, typer.Option(metavar="LIST", help="The list of father, mother and child.")
    ],
    options: MeasureOptions,
    plots: PlotFolder = None,
) -> None:
    """Measure on track 2 of Recognizing Families In the Wild: both parents and a child."""
    from facematch.evaluation.rfiw import read_rfiw

    _run_protocol(read_rfiw(root, triples, parents=2), "whole", options, plots)


@evaluate.command("fiw")
@takes_options
def evaluate_fiw(
    root: FiwData,
    relations: Annotated[
        Path, typer.Option(metavar="CSV", help="Who is related to whom, and how.")
    ],
    options: MeasureOptions,
    families: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names the only families to measure on. Default: all."),
    ] = None,
    plots: PlotFolder = None,
) -> None:
    """Measure on the training part of Families In the Wild, all of it or some families."""
    from facematch.evaluation.fiw import read_fiw

    _run_protocol(read_fiw(root, relations, families), "whole", options, plots)


@evaluate.command("tskinface")
@takes_options
def evaluate_tskinface(root: DataFolder, options: MeasureOptions, plots: PlotFolder = None) -> None:
    """Measure on TSKinFace: both parents and a child."""
    from facematch.evaluation.tskinface import read_tskinface

    _run_protocol(read_tskinface(root), "whole-tight", options, plots)


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

    _run_protocol(read_lfw(root, pairs), "mmod", options, plots)


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
    options: MeasureOptions,
    plots: PlotFolder = None,
) -> None:
    """Measure on pairs of your own photos."""
    from facematch.evaluation.labelled_pairs import read_labelled_pairs

    _run_protocol(read_labelled_pairs(table), "mmod", options, plots)


def _run_protocol(
    protocol: Protocol, detector: str, options: MeasureOptions, plots: Path | None
) -> None:
    """Run a protocol, save its charts and print its figures."""
    from facematch.embedding.registry import load_embedder
    from facematch.evaluation.measure import evaluate as measure
    from facematch.evaluation.report import (
        colours_note,
        enrolled_line,
        evaluation_as_json,
        evaluation_table,
    )

    engine = options.matcher(detector).engine
    tally, untuned = Tally(), load_embedder("dlib-resnet")
    with stoppable([tally], options.cache):
        found = measure(protocol, engine, untuned, on_progress=tally.photos, on=options.on)
    if plots is not None:
        from facematch.evaluation.plots import draw

        for path in draw(found, plots):
            typer.echo(path, err=True)
    if options.result_format is Format.JSON:
        typer.echo(evaluation_as_json(found))
    else:
        typer.echo(enrolled_line(found))
        print_table(evaluation_table(found))
        if note := colours_note(found):
            typer.echo(note)
