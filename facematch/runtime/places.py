"""Whether a file can be written at a place: asked before work whose result goes there."""

from __future__ import annotations

import os
from pathlib import Path


def why_no_file(path: Path, *, make_folders: bool = False) -> str | None:
    """Why no file can be written at `path`; None where nothing stands in the way.

    With `make_folders`, folders that are missing on the way are made later. Nothing is written.
    """
    if path.is_dir():
        return "is a folder: name a file in it"
    if path.exists():
        return None if os.access(path, os.W_OK) else "may not be written to"
    return why_no_folder(path.absolute().parent, make_folders=make_folders)


def why_no_folder(path: Path, *, make_folders: bool = True) -> str | None:
    """Why no files can be written in the folder `path`; None where nothing stands in the way."""
    nearest = path.absolute()
    while make_folders and not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        what = "is no folder" if os.path.lexists(nearest) else "is missing"
        return f"{nearest} {what}"
    return None if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} may not be written to"
