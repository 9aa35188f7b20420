"""The orientation in a photo's XMP, which is a packet of XML with RDF in it."""

from __future__ import annotations

from contextlib import suppress

# Expat keeps no tree and loads nothing, and no packet that declares entities is read.
from xml.parsers import expat

_RDF, _TIFF = "http://www.w3.org/1999/02/22-rdf-syntax-ns# ", "http://ns.adobe.com/tiff/1.0/ "
_MOST_XMP = 2**20  # bytes of a packet that are read; the orientation stands near its start
_MOST_DIGITS = 20  # of the number, with spaces around it


def xmp_orientation(packet: bytes) -> int | None:
    """The value of tiff:Orientation in a packet, 1 to 8; None where there is none.

    It is an attribute or an element of an rdf:Description, whatever prefixes stand for the
    namespaces. Of a damaged packet, what stands before the damage counts.
    """
    reader = _OrientationReader()
    # LookupError, ValueError: an encoding that Python does not know, or not for XML.
    with suppress(expat.ExpatError, LookupError, ValueError):
        reader.parser.Parse(packet[:_MOST_XMP].lstrip(), False)
    return reader.orientation


class _OrientationReader:
    """Follows a packet's elements down to the first orientation of a description."""

    def __init__(self) -> None:
        self.orientation: int | None = None
        self._path: list[str] = []
        self._text: str | None = None  # of the element tiff:Orientation, while it is read
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._add_text
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if self._path[-2:] == [_RDF + "RDF", _RDF + "Description"]:
            self._take(attributes.get(_TIFF + "Orientation", ""))
        described = [_RDF + "RDF", _RDF + "Description", _TIFF + "Orientation"]
        self._text = "" if self._path[-3:] == described else None

    def _end(self, name: str) -> None:
        self._path.pop()
        self._take(self._text or "")
        self._text = None

    def _add_text(self, text: str) -> None:
        if self._text is not None and len(self._text) < _MOST_DIGITS:
            self._text += text[:_MOST_DIGITS]

    def _take(self, text: str) -> None:
        if self.orientation is None and text.strip() in tuple("12345678"):
            self.orientation = int(text)

    def _refuse(self, *_: object) -> None:
        raise ValueError("the packet declares entities")
