"""Names that are no text, as old disks and zips have them."""

from __future__ import annotations

from facematch.pictures.canvas import drawable
from facematch.pictures.timeline import _literal


def test_bytes_that_are_no_text_are_drawn_as_a_mark() -> None:
    assert drawable("p\udce8re") == "p�re"
    assert drawable("père\n妈") == "père�妈"
    assert _literal("5$ \udce9") == r"5\$ �"
