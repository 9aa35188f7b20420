"""Results as pictures: one module draws one result, `canvas.py` is what they share.

`draw` finds the module of a result by its type, and imports only that module.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

from facematch.pictures.letters import MissingGlyphWarning, undrawn, undrawn_words
from facematch.types import Pixels

_PICTURE_MODULES = {
    "Card": "card",
    "Clip": "clip",
    "Explanation": "explanation",
    "Family": "family",
    "Findings": "findings",
    "Match": "match",
    "Portrait": "faces",
    "Timeline": "timeline",
}


def draw(result: object, theme: str = "light", **options: Any) -> Pixels:
    """The picture of a result in a theme of `canvas.THEMES`. Shapes: (H, W, 3).

    `options` are those of the module that draws it: a card has a `style`. Raises TypeError for what
    is no result. Warns, once a picture, of characters that no font of this machine has.
    """
    name = type(result).__name__
    if name not in _PICTURE_MODULES:
        raise TypeError(f"{name} has no picture; there are: {', '.join(sorted(_PICTURE_MODULES))}")
    module = import_module(f"facematch.pictures.{_PICTURE_MODULES[name]}")
    with undrawn() as characters:
        picture: Pixels = module.draw(result, theme=theme, **options)
    for line in undrawn_words(characters):
        warnings.warn(line, MissingGlyphWarning, stacklevel=2)
    return picture
