"""The OpenAPI description of the JSON answers."""

from __future__ import annotations

from typing import Any

_FILE = {"type": "string", "format": "binary"}
_PHOTO = {"photo": _FILE}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("code", "message", "photo")},
            "required": ["code", "message"],
        }
    },
}


def _operation(summary: str, files: dict[str, Any], *, more: bool = False) -> dict[str, Any]:
    """A POST that takes these files and gives one JSON object."""
    schema = {"type": "object", "properties": files, "required": sorted(files)}
    if more:
        schema = {"type": "object", "additionalProperties": {"type": "array", "items": _FILE}}
    refused = {"content": {"application/json": {"schema": _ERROR}}}
    return {
        "post": {
            "summary": summary,
            "requestBody": {
                "required": True,
                "content": {"multipart/form-data": {"schema": schema}},
            },
            "responses": {
                "200": {
                    "description": "the result",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                "400": {"description": "not the files that are needed", **refused},
                "403": {"description": "whoever asks may not"},
                "413": {"description": "too many files, or too large", **refused},
                "422": {"description": "a photo cannot be used, or shows no face", **refused},
            },
        }
    }


DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "facematch",
        "version": "1",
        "description": "Who does this child look like? No paternity test. Nothing is kept.",
    },
    "paths": {
        "/api/score": _operation(
            "A parent and a child; the fields of `facematch score --format json`.",
            {"parent": _FILE, "child": _FILE},
        ),
        "/api/family": _operation(
            "Files in the fields parent.NAME and child.NAME, several of one name for one person; "
            "the fields of `facematch family --format json`.",
            {},
            more=True,
        ),
        "/api/faces": _operation(
            "The faces of a photo; the fields of `facematch faces --format json`.", _PHOTO
        ),
        "/api/embed": _operation("A vector for each face of a photo.", _PHOTO),
    },
}
