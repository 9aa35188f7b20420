"""Optional packages, imported so that they change nothing for other code."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from facematch.errors import MissingExtraError

# The name to install. The project called facematch on PyPI is another one.
DISTRIBUTION = "facematch-kin"


def installed_version() -> str:
    """The version of the installed facematch."""
    from importlib.metadata import version

    return version(DISTRIBUTION)


def require(module: str, package: str, extra: str, what: str) -> Any:
    """Import a module. Raises MissingExtraError, which says who needs it and what to install."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{what} needs {package}: {_how_to_install(extra)}") from error
    except ImportError as error:  # it is there: too little memory, or a damaged file
        raise MissingExtraError(
            f"{what} needs {package}, which cannot be imported ({error})"
        ) from error


def _how_to_install(extra: str) -> str:
    return f"run `pip install '{DISTRIBUTION}[{extra}]'`, or `pip install '.[{extra}]'` in a clone"


def face_recognition_api() -> Any:
    """Import `face_recognition.api`, which loads its dlib models.

    Its import makes Pillow accept truncated images in the whole process. That is undone here.
    Raises MissingExtraError where the package, or one it needs, is not installed.
    """
    from PIL import ImageFile

    accepts = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        from face_recognition import api
    except (ImportError, SystemExit) as error:  # SystemExit: its weights are missing
        advice = _how_to_install("face-recognition")
        raise MissingExtraError(
            f"the back-end face-recognition needs its package: {advice}"
        ) from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = accepts
    return api
