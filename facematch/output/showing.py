"""What results show of themselves: in a notebook, as a data frame, as a dict, in a file.

`types.ResultMethods` calls these functions.
"""

from __future__ import annotations

import base64
import json
import os
from html import escape
from pathlib import Path
from typing import Any

from facematch import output
from facematch.pictures import draw
from facematch.pictures.canvas import as_jpeg, check_ending, save_picture
from facematch.runtime.extras import require
from facematch.scoring.wording import NO_PATERNITY_TEST

_MOST_WARNINGS = 5  # that a notebook shows


def as_dict(result: object) -> dict[str, Any]:
    """The fields of the JSON object."""
    fields: dict[str, Any] = json.loads(output.as_json(result))
    return fields


def as_frame(result: object) -> Any:
    """The rows as a pandas.DataFrame. Raises MissingExtraError where pandas is not installed."""
    pandas = require("pandas", "pandas", "pandas", "to_frame")
    return pandas.DataFrame(list(output.rows(result)))


def save(result: object, path: str | os.PathLike[str], theme: str, **options: Any) -> Path:
    """Save the picture, drawn with `options` as in `pictures.draw`. Gives its path.

    Raises UnreadablePhotoError where no picture can be written there.
    """
    place = Path(os.fsdecode(path))
    check_ending(place)  # before it is drawn
    return save_picture(draw(result, theme, **options), place)


def as_text(result: object) -> str:
    """The kind of result and its sentences, in a line."""
    return f"<{type(result).__name__}: {' '.join(output.sentences(result))}>"


def as_notebook_html(result: Any) -> str:
    """The picture, the sentences, and what makes them less sure, as a part of a page."""
    picture = base64.b64encode(as_jpeg(draw(result))).decode()
    sentences = output.sentences(result)
    warnings = list(result.warnings)
    more = len(warnings) - _MOST_WARNINGS
    notes = [f"warning: {warning}" for warning in warnings[:_MOST_WARNINGS]]
    notes += [f"and {more} more warnings"] if more > 0 else []
    lines = [f"<p><b>{escape(line)}</b></p>" for line in sentences]
    lines += [f"<p><small>{escape(line)}</small></p>" for line in [*notes, NO_PATERNITY_TEST]]
    words = escape(" ".join(sentences), quote=True)
    return (
        f'<div><img src="data:image/jpeg;base64,{picture}" alt="{words}" '
        f'style="max-width: min(100%, 640px)">{"".join(lines)}</div>'
    )
