"""The command line: read arguments, call the library, print. stdout is data, stderr is talk."""

from __future__ import annotations

from facematch.cli.program import app, main

__all__ = ["app", "main"]
