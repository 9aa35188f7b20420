"""What every picture shares: the sheet, its colours and letters, and writing it to a file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from facematch.errors import UnreadablePhotoError
from facematch.pictures.letters import draw_line, drawable, text_width
from facematch.types import Pixels

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Colour: TypeAlias = tuple[int, int, int]  # RGB

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a sheet: its ground, panels on it, words, quiet words, and what stands out."""

    ground: Colour
    panel: Colour
    ink: Colour
    quiet: Colour
    accent: Colour
    second: Colour


LIGHT = Theme(
    ground=(250, 248, 244), panel=(238, 234, 226), ink=(33, 32, 30), quiet=(104, 100, 94),
    accent=(186, 76, 44), second=(38, 98, 138),
)  # fmt: skip
DARK = Theme(
    ground=(26, 27, 30), panel=(41, 43, 48), ink=(240, 238, 233), quiet=(168, 166, 160),
    accent=(240, 132, 92), second=(112, 178, 222),
)  # fmt: skip
THEMES = {"light": LIGHT, "dark": DARK}


class Sheet:
    """An empty sheet to draw on, `width` by `height` pixels in a theme's colours."""

    def __init__(self, width: int, height: int, theme: Theme = LIGHT) -> None:
        from PIL import Image, ImageDraw

        self.theme = theme
        self.image: Image.Image = Image.new("RGB", (width, height), theme.ground)
        self.draw: ImageDraw.ImageDraw = ImageDraw.Draw(self.image)

    @classmethod
    def over(cls, pixels: Pixels, theme: Theme) -> Sheet:
        """A sheet that shows a picture already."""
        sheet = cls(pixels.shape[1], pixels.shape[0], theme)
        sheet.paste(pixels, (0, 0))
        return sheet

    def pixels(self) -> Pixels:
        """What was drawn."""
        return np.asarray(self.image, np.uint8).copy()

    def paste(self, picture: Pixels, place: tuple[int, int], *, round_corners: int = 0) -> None:
        """A picture, its top left corner at `place`."""
        from PIL import Image, ImageDraw

        shown = Image.fromarray(picture)
        # Drawn four times as large: corners come out smooth.
        mask = Image.new("L", (4 * shown.width, 4 * shown.height), 0)
        ends = (0, 0, mask.width - 1, mask.height - 1)
        ImageDraw.Draw(mask).rounded_rectangle(ends, 4 * round_corners, fill=255)
        self.image.paste(shown, place, mask.resize(shown.size, Image.Resampling.LANCZOS))

    def panel(self, box: tuple[int, int, int, int], colour: Colour | None = None) -> None:
        """A rectangle with round corners."""
        fill = self.theme.panel if colour is None else colour
        self.draw.rounded_rectangle(box, 14, fill=fill)

    def write(
        self,
        words: str,
        place: tuple[float, float],
        size: int,
        *,
        colour: Colour | None = None,
        bold: bool = False,
        anchor: str = "mm",
        width: float | None = None,
    ) -> None:
        """One line of words, smaller, then cut, where wider than `width`.

        `anchor` is Pillow's: "l", "m" or "r", then "m".
        """
        words, size = _fitted(drawable(words), size, bold, width)
        fill = self.theme.ink if colour is None else colour
        draw_line(self.image, words, place, size, fill=fill, bold=bold, anchor=anchor)


def save_picture(pixels: Pixels, path: Path) -> Path:
    """Write a picture in the format its name ends in; gives its path. It holds no metadata.

    Raises UnreadablePhotoError where that cannot be done, or the ending is not .png, .jpg or .webp.
    """
    from PIL import Image

    kind = check_ending(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, format=kind, quality=92)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UnreadablePhotoError(str(path), f"cannot be written ({why})") from error
    return path


def check_ending(path: Path) -> str:
    """The format that a picture's name ends in. Raises UnreadablePhotoError where it is none."""
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UnreadablePhotoError(str(path), "cannot be written: end its name in .png or .jpg")
    return kind


def as_jpeg(pixels: Pixels) -> bytes:
    """The picture as a JPEG file, without metadata."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=88)
    return file.getvalue()


def resized(picture: Pixels, width: int, height: int) -> Pixels:
    """The picture in another size."""
    import cv2

    smaller = width < picture.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=way), np.uint8)


def _fitted(words: str, size: int, bold: bool, width: float | None) -> tuple[str, int]:
    least = max(round(size * 0.7), 8)
    while width is not None and size > least and text_width(words, size, bold=bold) > width:
        size -= 1
    if width is not None and text_width(words, size, bold=bold) > width:
        while words and text_width(words + "…", size, bold=bold) > width:
            words = words[:-1]
        words += "…"
    return words, size
