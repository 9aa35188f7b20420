"""Optional packages, imported without letting them change anything for the rest."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from facematch.errors import MissingExtraError

# Its name as a package to install. PyPI has another project called facematch.
DISTRIBUTION = "facematch-kin"


def installed_version() -> str:
    """The version of facematch that is installed."""
    from importlib.metadata import version

    return version(DISTRIBUTION)


def require(module: str, package: str, extra: str, what: str) -> Any:
    """The module, imported. Raises MissingExtraError: what needs it, and what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs {package}: run `pip install '{DISTRIBUTION}[{extra}]'`"
        ) from error


def face_recognition_api() -> Any:
    """The module `face_recognition.api`, whose dlib models load with it.

    Importing it makes Pillow accept truncated images, process-wide; that is undone here.
    Raises MissingExtraError where the package, or one it needs, is not installed.
    """
    from PIL import ImageFile

    accepts = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        from face_recognition import api
    except (ImportError, SystemExit) as error:  # it quits where its weights are missing
        raise MissingExtraError(
            "the back-end face-recognition needs its package: "
            f"run `pip install '{DISTRIBUTION}[face-recognition]'`"
        ) from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = accepts
    return api
