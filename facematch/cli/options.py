"""The options that commands share, each declared once, and `takes_options` to take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from facematch.cli.folders import passed_over_told, photos_given
from facematch.cli.memory import ENGINE_BYTES, INDEX_BYTES, check_address_space
from facematch.errors import OptionError

if TYPE_CHECKING:
    from facematch.matcher import FaceMatcher
    from facematch.photos.limits import Limits
    from facematch.scoring.cohort import Cohort


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every parameter that is a dataclass expanded into options.

        @dataclass(frozen=True)
        class PictureOptions:
            save: Annotated[Path | None, typer.Option(help="Where to save the picture.")] = None
            dark: Annotated[bool, typer.Option("--dark")] = False

        @app.command()
        @takes_options
        def card(parent: Path, picture: PictureOptions) -> None: ...

    `facematch card a.jpg --save card.png` calls `card(Path("a.jpg"), PictureOptions(...))`. A field
    may be such a dataclass itself.
    """

    @wraps(command)
    def flat_command(**given: Any) -> None:
        check_address_space(ENGINE_BYTES)  # before any command imports a large library
        with passed_over_told():
            _call_with(command, given)

    parameters = list(_flat_parameters(command))
    flat_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat_command.__annotations__ = {each.name: each.annotation for each in parameters}
    return flat_command


def _flat_parameters(taker: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(taker, include_extras=True)
    for name, parameter in inspect.signature(taker).parameters.items():
        if is_dataclass(hints[name]):
            yield from _flat_parameters(hints[name])
        else:
            yield parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)


def _call_with(taker: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """What a command or a dataclass gives for its part of the values given."""
    hints = get_type_hints(taker)
    return taker(
        **{
            name: _call_with(hints[name], given) if is_dataclass(hints[name]) else given[name]
            for name in inspect.signature(taker).parameters
        }
    )


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


class VerdictFormat(StrEnum):
    """How a result is printed that has rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class TableFormat(StrEnum):
    """How many results are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print the result.")]
VerdictOption = Annotated[VerdictFormat, typer.Option("--format", help="How to print the result.")]
EmbedderOption = Annotated[
    str,
    typer.Option(
        "--embedder",
        help="kin, dlib-resnet, face-recognition, kin+mobilefacenet (see `models list`), or an "
        "ONNX file with a TOML file beside it.",
        rich_help_panel="Engine",
    ),
]
MinFaceOption = Annotated[
    float | None,
    typer.Option(
        min=1,
        metavar="PIXELS",
        help="The smallest face to find; smaller takes longer. Default: 5 % of the photo's long "
        "side, for which large photos are scaled down to 1600 pixels, and at least 24.",
        rich_help_panel="Engine",
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="FILE",
        help="Keep the faces found in photos in this file, and look them up there. It holds face "
        "templates.",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="DIR",
        help="Look photos up in an index that `facematch index` made, before they are searched.",
    ),
]
OnOption = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ray[:ADDRESS]",
        help="Work in one process per core, or on the machines of a Ray cluster, which must see "
        "the photos at the same paths.",
    ),
]


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What a photo may cost."""

    isolate: Annotated[
        bool | None,
        typer.Option(
            "--isolate/--no-isolate",
            help="Decode photos in worker processes, so that a photo that crashes or blocks a "
            "decoder costs only itself. Default: where a folder or a table is given.",
            show_default=False,
            rich_help_panel="Limits",
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=86_400,
            metavar="SECONDS",
            help="The longest a worker process may decode a photo. Default: 30.",
            rich_help_panel="Limits",
        ),
    ] = None
    max_pixels: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Refuse photos with more pixels. Default: 200 million.",
            rich_help_panel="Limits",
        ),
    ] = None
    max_bytes: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Refuse files with more bytes. Default: 256 MiB.",
            rich_help_panel="Limits",
        ),
    ] = None
    max_memory: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Refuse photos that need more bytes to decode. Default: 900 MB.",
            rich_help_panel="Limits",
        ),
    ] = None

    def as_limits(self) -> Limits:
        """The limits given; the defaults for the others."""
        from facematch.photos.limits import Limits

        given = {"max_seconds": self.timeout, "max_pixels": self.max_pixels}
        given |= {"max_bytes": self.max_bytes, "max_memory": self.max_memory}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return Limits(**chosen)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What finds and embeds faces, within which limits."""

    detector: Annotated[
        str,
        typer.Option(help="mmod, yunet or face-recognition.", rich_help_panel="Engine"),
    ] = "mmod"
    embedder: EmbedderOption = "kin"
    min_face: MinFaceOption = None
    limits: LimitOptions = field(default_factory=LimitOptions)

    def matcher(
        self, *, many: bool = False, cache: Path | None = None, index: str | None = None
    ) -> FaceMatcher:
        """The library, as the options say.

        `many` photos are decoded in worker processes unless --no-isolate is given; one or two are
        not, unless --isolate or --timeout is.
        """
        if index is not None:
            check_address_space(INDEX_BYTES)
        from facematch.matcher import FaceMatcher

        if cache is not None and index is not None:
            raise OptionError("known faces come from --cache or from --db: name one of them")
        isolate = self.limits.isolate
        return FaceMatcher(
            detector=self.detector,
            embedder=self.embedder,
            min_face=self.min_face,
            isolate=many or self.limits.timeout is not None if isolate is None else isolate,
            limits=self.limits.as_limits(),
            cache=cache,
            index=index,
        )


@dataclass(frozen=True, slots=True)
class ScoringOptions(EngineOptions):
    """What finds, embeds and scores faces."""

    cohort: Annotated[
        Path | None,
        typer.Option(
            metavar="PHOTOS|FILE",
            help="Strangers of your own, of whom scores are percentiles: photos of at least 30 "
            "people, or a file that `facematch cohort` made.",
            rich_help_panel="Engine",
        ),
    ] = None

    def matcher(
        self, *, many: bool = False, cache: Path | None = None, index: str | None = None
    ) -> FaceMatcher:
        """The library, as the options say; the cohort's photos are searched here."""
        matcher = EngineOptions.matcher(self, many=many, cache=cache, index=index)
        if self.cohort is not None:
            cohort = open_cohort(matcher, self.cohort)
            matcher.engine = replace(matcher.engine, cohort=cohort)
        return matcher


def open_cohort(matcher: FaceMatcher, path: Path) -> Cohort:
    """The cohort in an .npz file, or of the faces in photos; with a warning where it is small."""
    from facematch.scoring.cohort import FEW_FACES, read_cohort

    is_file = path.suffix.lower() == ".npz"
    cohort = read_cohort(path) if is_file else matcher.cohort(photos_given(path))
    if cohort.faces < FEW_FACES:
        typer.secho(
            f"warning: a cohort of {cohort.faces} faces: with fewer than {FEW_FACES}, scores are "
            "less sure than their intervals say",
            fg="yellow",
            err=True,
        )
    return cohort


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """Which face of each photo."""

    parent_face: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Which face of the parent's photo; 1, the default, is the largest.",
        ),
    ] = None
    child_face: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Which face of the child's photo; 1, the default, is the largest.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class PeopleOptions:
    """Who is compared."""

    parent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH",
            help="A photo of a parent, or a folder of photos; once for each parent.",
        ),
    ] = None
    child: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH",
            help="A photo of a child, or a folder of photos; once for each child.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class DateOptions:
    """When photos were taken and people were born."""

    dates: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="When photos were taken: columns photo and date."),
    ] = None
    born: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DATE",
            help="When somebody was born. Then ages are shown, and the parent's photo at the "
            "child's age is used where there is one.",
        ),
    ] = None


def check_picture_place(path: Path | None) -> Path | None:
    """The path; refused before anything is computed where no picture could be saved there."""
    if path is not None:
        from facematch.pictures.canvas import check_ending

        check_ending(path)
        check_page_place(path)
    return path


def check_page_place(path: Path) -> Path:
    """The path; refused before anything is computed where no page could be written there."""
    from facematch.runtime.places import why_no_file

    _refuse_place(path, why_no_file(path, make_folders=True))
    return path


def check_folder(path: Path | None) -> Path | None:
    """The path; refused before anything is computed where no files could be written in it."""
    if path is not None:
        from facematch.runtime.places import why_no_folder

        _refuse_place(path, why_no_folder(path))
    return path


def _refuse_place(path: Path, why: str | None) -> None:
    if why is not None:
        raise OptionError(f"{path} cannot be written ({why}): name another place")


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """The picture of a result."""

    save: Annotated[
        Path | None,
        typer.Option(
            metavar="PICTURE",
            help="Save a picture of the result: a .png, .jpg or .webp.",
            callback=check_picture_place,
        ),
    ] = None
    dark: Annotated[bool, typer.Option("--dark", help="Give the picture a dark background.")] = (
        False
    )


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Where rows are written, and how."""

    table_format: Annotated[
        TableFormat | None,
        typer.Option("--format", help="Default: what the ending of -o FILE says, else a table."),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write to this file, not to stdout."),
    ] = None

    @property
    def kind(self) -> str:
        """The format asked for, else the one that the file's ending names, else a table."""
        if self.table_format is not None:
            return self.table_format.value
        if self.out is None:
            return TableFormat.TABLE.value
        ending = self.out.suffix.lower().removeprefix(".")
        if ending in {each.value for each in TableFormat}:
            return ending
        raise OptionError(
            f"{self.out}: what format? Name one with --format, or end the name in .csv"
        )


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a long run keeps, and looks up."""

    cache: CacheOption = None
    db: StoreOption = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue -o FILE of a run that was interrupted, with what --cache kept.",
        ),
    ] = False
