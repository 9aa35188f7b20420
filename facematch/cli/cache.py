"""Commands for the file of --cache: what it holds, and forgetting it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.folders import photos_given
from facematch.errors import PhotoError

cache = typer.Typer(
    help="A cache of faces that --cache made: show it, empty it.", no_args_is_help=True
)

CacheArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file of --cache.")]


@cache.command("info")
def show_cache(file: CacheArgument) -> None:
    """Say how many photos a cache knows."""
    from facematch.enrolment.cache import cache_entries

    entries = cache_entries(file)
    typer.echo(f"{file}: {entries:,} photos, {file.stat().st_size / 1e6:.1f} MB")


@cache.command("clear")
def empty_cache(file: CacheArgument) -> None:
    """Forget every face in a cache; what was stored is overwritten."""
    from facematch.enrolment.cache import clear_cache

    typer.echo(f"{file}: {clear_cache(file):,} photos forgotten")


def forget(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO…", help="Photos, or folders of photos.")
    ],
    file: Annotated[Path, typer.Option("--cache", metavar="FILE", help="The file of --cache.")],
) -> None:
    """Take photos' faces out of a cache, of all engines; what was stored is overwritten.

    A cache knows photos by their content: forget them before you delete the files.
    """
    from facematch.enrolment.cache import forget as forget_digests
    from facematch.photos.reading import photo_digest
    from facematch.scoring.wording import counted

    digests, failed = [], False
    for photo in (photo for path in photos for photo in photos_given(path)):
        try:
            digests.append(photo_digest(photo, limits=None))
        except PhotoError as error:  # the others are forgotten all the same
            typer.secho(f"not forgotten: {error}", fg="yellow", err=True)
            failed = True
    typer.echo(f"{file}: {counted(forget_digests(file, digests), 'photo')} forgotten")
    if failed:
        raise typer.Exit(1)
