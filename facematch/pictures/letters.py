"""Letters in any script: DejaVu Sans, and the system's fonts for what it lacks.

A line is cut into runs of one font each. Pillow's raqm shapes a run and orders it from right to
left where it must; where Pillow has no raqm, such a line is warned of.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFont

MARK = "\N{REPLACEMENT CHARACTER}"  # for what no font draws
_FIRST_EMOJI = 0x1F000  # from here on a font for emoji goes before DejaVu, which has them in black
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"  # they change their neighbours and need no glyph
_BITMAP_SIZES = (109, 136, 160, 128, 96, 64)  # pixels, of fonts that hold pictures of one size
_LATER = ("italic", "oblique", "condensed", "thin", "light", "black", "serif", "mono", "medium")
_RIGHT_TO_LEFT = ("R", "AL")  # classes of Unicode's algorithm for both directions

_FONT_OF: dict[tuple[str, bool], Path | None] = {}  # of characters that DejaVu lacks
_UNDRAWN: ContextVar[set[str] | None] = ContextVar("undrawn", default=None)


class MissingGlyphWarning(UserWarning):
    """Characters of a picture were drawn as marks, or in the wrong order."""


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring characters of one font; `font` is None where no font has them."""

    words: str
    font: Path | None


def drawable(words: str) -> str:
    """Words without what no font draws, such as bytes of a name that are no text."""
    kept = (each for each in words if each in _JOINERS or unicodedata.category(each) != "Cf")
    return "".join(each if each.isprintable() or each in _JOINERS else MARK for each in kept)


def text_width(words: str, size: int, *, bold: bool = False) -> float:
    """How many pixels wide a line of words is."""
    return sum(_run_width(run, size, bold) for run in runs(words, bold=bold))


def draw_line(
    image: Image.Image,
    words: str,
    place: tuple[float, float],
    size: int,
    *,
    fill: tuple[int, int, int],
    bold: bool = False,
    anchor: str = "mm",
) -> None:
    """Draw one line; `anchor` is Pillow's: "l", "m" or "r", then "m"."""
    line = runs(words, bold=bold)
    _note_undrawn(line)
    width = sum(_run_width(run, size, bold) for run in line)
    x = place[0] - width * {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]]
    above, below = base_font(size, bold).getmetrics()
    baseline = place[1] + (above - below) / 2
    for run in line:
        _draw_run(image, run, (x, baseline), size, fill, bold)
        x += _run_width(run, size, bold)


def runs(words: str, *, bold: bool = False) -> list[Run]:
    """The line cut where its font changes; joiners and marks stay with the letter before them."""
    _find_fonts([each for each in dict.fromkeys(words) if not _in_base(each)], bold)
    fonts: list[Path | None] = []
    for each in words:
        follows = each in _JOINERS or unicodedata.combining(each) or each == "\u20e3"
        if follows and fonts:
            fonts.append(fonts[-1])
        else:
            fonts.append(base_path(bold) if _in_base(each) else _FONT_OF[each, bold])
    pairs = groupby(zip(words, fonts, strict=True), key=lambda pair: pair[1])
    return [Run("".join(each for each, _ in some), path) for path, some in pairs]


@contextmanager
def undrawn() -> Iterator[set[str]]:
    """Collects what cannot be drawn well: characters without a font, and those from right to left.

    The latter only where Pillow has no raqm.
    """
    found: set[str] = set()
    token = _UNDRAWN.set(found)
    try:
        yield found
    finally:
        _UNDRAWN.reset(token)


def undrawn_in(words: Iterable[str]) -> set[str]:
    """The characters of some words that cannot be drawn well."""
    with undrawn() as found:
        for line in words:
            _note_undrawn(runs(drawable(line)))
    return found


def undrawn_words(characters: set[str]) -> list[str]:
    """What is wrong with these characters, and what to install; [] where there are none."""
    turned = {each for each in characters if _is_right_to_left(each)} if not _has_raqm() else set()
    lines = []
    if missing := sorted(characters - turned):
        packages = " ".join(sorted({_package(each) for each in missing}))
        lines.append(
            f"no font here has the characters {' '.join(missing)}: they are drawn as {MARK}; "
            f"install a font that has them (Debian: {packages})"
        )
    if turned:
        lines.append(
            "letters that are written from right to left are drawn in the wrong order: Pillow "
            "finds no FriBiDi; install it (Debian: libfribidi0)"
        )
    return lines


@cache
def base_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: Latin, Greek, Cyrillic, Hebrew, Arabic letters."""
    from PIL import ImageFont

    return ImageFont.truetype(base_path(bold), size)


@cache
def base_path(bold: bool = False) -> Path:
    """The file of `base_font`."""
    found = find_spec("matplotlib")
    assert found is not None  # noqa: S101 - a dependency
    assert found.origin is not None  # noqa: S101 - and no namespace package
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / name


@cache
def system_fonts() -> tuple[Path, ...]:
    """The files of all fonts that matplotlib's font manager finds on this machine."""
    from matplotlib.font_manager import findSystemFonts

    return tuple(map(Path, sorted(findSystemFonts())))


def _in_base(character: str) -> bool:
    """Whether DejaVu Sans draws it and no other font does so better."""
    if character in _JOINERS:
        return True
    return ord(character) < _FIRST_EMOJI and ord(character) in _base_characters()


@cache
def _base_characters() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(base_path())).get_charmap())


def _find_fonts(characters: Sequence[str], bold: bool) -> None:
    """Find a font for each character that none is known for; None where no font has it."""
    wanted = [each for each in characters if (each, bold) not in _FONT_OF]
    while wanted:
        path = _font_with(wanted[0], bold)
        for each in wanted[:1] if path is None else _has(path, wanted):
            _FONT_OF[each, bold] = path
        wanted = [each for each in wanted if (each, bold) not in _FONT_OF]


def _font_with(character: str, bold: bool) -> Path | None:
    """A font of the system that has a character; upright sans serif of the right weight first."""
    is_emoji = ord(character) >= _FIRST_EMOJI

    def order(path: Path) -> tuple[int, ...]:
        name = path.stem.lower()
        strange = sum(word in name for word in _LATER) + (("bold" in name) != bold)
        return ("emoji" in name) != is_emoji, "notosans" not in name, strange

    paths = [*sorted(system_fonts(), key=order), base_path(bold)]
    return next((path for path in paths if _has(path, [character])), None)


def _has(path: Path, characters: Sequence[str]) -> set[str]:
    """Those of the characters that a font has a glyph for."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(str(path))
        return {each for each in characters if font.get_char_index(ord(each))}
    except (OSError, RuntimeError):  # a font that FreeType does not open
        return set()


def _note_undrawn(line: Sequence[Run]) -> None:
    noted = _UNDRAWN.get()
    if noted is None:
        return
    for run in line:
        if run.font is None:
            noted.update(run.words)
        elif not _has_raqm():
            noted.update(filter(_is_right_to_left, run.words))


def _is_right_to_left(character: str) -> bool:
    return unicodedata.bidirectional(character) in _RIGHT_TO_LEFT


@cache
def _has_raqm() -> bool:
    from PIL import features

    return bool(features.check("raqm"))


def _package(character: str) -> str:
    """Debian's package of fonts for a character."""
    name = unicodedata.name(character, "")
    if name.startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO")):
        return "fonts-noto-cjk"
    return "fonts-noto-color-emoji" if ord(character) >= _FIRST_EMOJI else "fonts-noto-core"


@cache
def _sized_font(path: Path, size: int) -> tuple[ImageFont.FreeTypeFont, float]:
    """A font, and by how much its glyphs are to be scaled: not 1 where it holds bitmaps."""
    from PIL import ImageFont

    for pixels in (size, *_BITMAP_SIZES):
        try:
            return ImageFont.truetype(path, pixels), size / pixels
        except OSError:
            continue
    return base_font(size), 1.0


def _run_width(run: Run, size: int, bold: bool) -> float:
    words, path = _shown(run, bold)
    letters, scale = _sized_font(path, size)
    return scale * letters.getlength(words, direction=_direction())


def _shown(run: Run, bold: bool) -> tuple[str, Path]:
    """What is drawn of a run, and by which font: marks where none has it."""
    return (run.words, run.font) if run.font else (MARK * len(run.words), base_path(bold))


def _direction() -> str | None:
    """Every line is English, whichever names are in it; raqm turns the words within it."""
    return "ltr" if _has_raqm() else None


def _draw_run(
    image: Image.Image,
    run: Run,
    place: tuple[float, float],
    size: int,
    fill: tuple[int, int, int],
    bold: bool,
) -> None:
    from PIL import Image, ImageDraw

    words, path = _shown(run, bold)
    letters, scale = _sized_font(path, size)
    way = _direction()
    if scale == 1:
        drawing = ImageDraw.Draw(image)
        drawing.text(place, words, fill, letters, "ls", direction=way, embedded_color=True)
        return
    above, below = letters.getmetrics()
    wide, high = round(letters.getlength(words, direction=way)) + 1, above + below
    glyphs = Image.new("RGBA", (wide, high))
    at = (0, above)
    ImageDraw.Draw(glyphs).text(at, words, fill, letters, "ls", direction=way, embedded_color=True)
    smaller = glyphs.resize((max(round(wide * scale), 1), max(round(high * scale), 1)))
    corner = (round(place[0]), round(place[1] - above * scale))
    image.paste(smaller, corner, smaller)
