"""One way to write a JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any


def json_object(fields: dict[str, Any]) -> str:
    """One JSON object in one line; dataclasses in it become objects. NaN is refused."""
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, default=asdict)
