"""Data sets in the layouts of FIW, painted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.places import SAMPLES


def paint(path: Path, colour: tuple[float, ...], rng: np.random.Generator, side: int = 64) -> None:
    """A picture of one colour, with some grain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grain = rng.normal(0, 12, (side, side, 3)) + np.array(colour)
    Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)).save(path)


def fiw(root: Path, families: int = 30) -> Path:
    """FIW's layout: two parents and a child, two photos each, one of them of all together."""
    rng = np.random.default_rng(0)
    relations = ["family,a,b,a_is,a_sex,b_sex"]
    for family in range(1, families + 1):
        colour = rng.uniform(40, 215, 3)
        for member in (1, 2, 3):
            for photo, number in ((1, 1), (2, 10 * member)):
                name = f"F{family:04}/MID{member}/P{number:05}_face{photo}.jpg"
                paint(root / name, tuple(colour + rng.normal(0, 30, 3)), rng, 112)
        relations.append(f"F{family:04},MID1,MID3,parent,m,f")
        relations.append(f"F{family:04},MID2,MID3,parent,f,f")
        relations.append(f"F{family:04},MID3,MID1,sibling,f,m")
    (root / "relations.csv").write_text("\n".join(relations))
    return root


def archive(folder: Path, families: int = 30) -> Path:
    """FIW's layout, with drawn faces in different colours in place of people."""
    face = Image.open(SAMPLES / "father.png").crop((75, 110, 361, 396)).resize((112, 112))
    pixels = np.asarray(face.convert("RGB")).astype(float)
    rng = np.random.default_rng(0)
    relations = ["family,a,b,a_is,a_sex,b_sex"]
    labels = ["face,age,sex,population"]
    with zipfile.ZipFile(folder / "fiw-train.zip", "w") as entries:
        for family in range(1, families + 1):
            light = rng.uniform(0.4, 1, 3)
            for member in (1, 2, 3):
                for photo in (1, 2):
                    shade = np.clip(pixels * light * rng.uniform(0.9, 1.1), 0, 255)
                    data = io.BytesIO()
                    Image.fromarray(shade.astype(np.uint8)).save(data, "JPEG")
                    name = f"F{family:04}/MID{member}/P{photo:05}_face0.jpg"
                    entries.writestr(name, data.getvalue())
                    labels.append(f"{name},{8 + 9 * member},male,{('white', 'asian')[family % 2]}")
            relations += [
                f"F{family:04},MID1,MID3,parent,m,f",
                f"F{family:04},MID1,MID2,spouse,m,f",
            ]
            relations += [
                f"F{family:04},MID2,MID3,parent,f,f",
                f"F{family:04},MID9,MID3,parent,f,f",
            ]
        entries.writestr("README", "not a face")
    (folder / "fiw-train-relations.csv").write_text("\n".join(relations))
    (folder / "fiw-train-ages.csv").write_text("\n".join(labels))
    return folder


def strangers(folder: Path, count: int = 24) -> Path:
    """UTKFace's layout, with the drawn father in different light in place of people."""
    face = Image.open(SAMPLES / "father.png").convert("RGB").resize((200, 200))
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        shade = np.asarray(face).astype(float) * rng.uniform(0.5, 1, 3)
        name = f"{20 + number % 3}_{number % 2}_{number % 4}_{number:04}.jpg.chip.jpg"
        Image.fromarray(shade.astype(np.uint8)).save(folder / name, "JPEG")
    return folder
