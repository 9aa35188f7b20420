"""Draw the sample family: a father, a mother, their daughter and son. Nobody here is real.

    python samples/draw_family.py [--out DIR]

A person is a set of `Genes`. Children get each gene as a weighted mean of their parents';
`at_age` then moves the proportions the way growing does. A face is a relief (height above the
picture plane) lit by one lamp and a soft sky, with eyes, brows, lips and hair painted on it.

Everything is drawn in face units: the origin lies between the eyes, x runs right, y runs down,
and 1 is half the width of an adult face. The same script always draws the same pictures.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Plane = NDArray[np.float32]  # (H, W), usually a mask in [0, 1]
Picture = NDArray[np.float32]  # (H, W, 3) RGB in [0, 1]
Curve = NDArray[np.float32]  # (N, 2) x, y in face units
Colour = tuple[float, float, float]  # RGB in [0, 1]

SHRINK = 2  # faces are drawn this many times larger than they are saved
UNIT = 112 * SHRINK  # canvas pixels in one face unit
PORTRAIT = (480, 600)  # pixels, as saved
WIDTH, HEIGHT = 600 * SHRINK, 600 * SHRINK  # the canvas: a portrait with room for shoulders
EYE_LINE = 262 * SHRINK  # the row where y is 0, on the canvas and in a portrait
SIDES = (-1, 1)

X, Y = np.meshgrid(
    (np.arange(WIDTH, dtype=np.float32) - WIDTH / 2) / UNIT,
    (np.arange(HEIGHT, dtype=np.float32) - EYE_LINE) / UNIT,
)


# Who they are ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Genes:
    """A face at thirty. Lengths are in face units, shares run from 0 to 1."""

    face_width: float  # half the width at the cheekbones
    face_length: float  # eye line to chin
    forehead: float  # eye line to crown
    jaw_width: float  # half the width at the jaw's corners
    jaw_square: float  # share: 0 tapers to the chin, 1 has corners
    chin_width: float
    cheek_fullness: float  # share
    eye_spacing: float  # midline to the middle of an eye
    eye_width: float  # half the width of an eye
    eye_height: float
    eye_tilt: float  # how far the outer corner lies above the inner one
    iris_radius: float
    iris: Colour
    lid_crease: float  # share
    brow_height: float  # eye line to brow
    brow_thickness: float
    brow_arch: float
    nose_length: float  # eye line to nose base
    nose_width: float  # half the width across the nostrils
    nose_bridge: float  # share: how high the ridge stands
    nose_tip: float  # share: how round the tip is
    philtrum: float  # nose base to the line between the lips
    mouth_width: float  # half the width
    upper_lip: float
    lower_lip: float
    mouth_tilt: float  # how far the corners lie above the middle
    ear_size: float
    skin: Colour
    lips: Colour
    hair: Colour
    freckles: float  # share


@dataclass(frozen=True)
class Person:
    """Genes, and what is not inherited. `genes` are as at thirty; `age` is applied when drawn."""

    name: str
    sex: str
    age: float
    genes: Genes
    hair_style: str  # short, tousled, long or fringe
    clothes: Colour
    stubble: float = 0.0


@dataclass(frozen=True)
class Scene:
    """One sitting: lamp, backdrop, pose and expression.

    `lamp` points from the face to the lamp (x right, y down, z to the viewer). `tilt` is in
    degrees, clockwise. `turn` slides what is near against what is far, as a turned head does.
    """

    lamp: tuple[float, float, float] = (-0.45, -0.5, 0.75)
    sky: float = 0.38
    warmth: Colour = (1.0, 0.985, 0.96)
    backdrop: tuple[Colour, Colour] = ((0.80, 0.82, 0.82), (0.52, 0.57, 0.61))
    tilt: float = 0.0
    turn: float = 0.0
    zoom: float = 1.0
    smile: float = 0.5
    gaze: float = 0.0


FATHER = Genes(
    face_width=1.04, face_length=1.58, forehead=1.55, jaw_width=0.83, jaw_square=0.75,
    chin_width=0.36, cheek_fullness=0.35, eye_spacing=0.47, eye_width=0.212, eye_height=0.155,
    eye_tilt=-0.01, iris_radius=0.092, iris=(0.33, 0.20, 0.11), lid_crease=0.5,
    brow_height=0.27, brow_thickness=0.105, brow_arch=0.02, nose_length=0.74, nose_width=0.285,
    nose_bridge=0.85, nose_tip=0.8, philtrum=0.29, mouth_width=0.41, upper_lip=0.055,
    lower_lip=0.095, mouth_tilt=0.0, ear_size=1.12, skin=(0.83, 0.62, 0.49),
    lips=(0.66, 0.40, 0.35), hair=(0.17, 0.12, 0.09), freckles=0.0,
)  # fmt: skip

MOTHER = Genes(
    face_width=0.93, face_length=1.60, forehead=1.60, jaw_width=0.66, jaw_square=0.1,
    chin_width=0.22, cheek_fullness=0.5, eye_spacing=0.435, eye_width=0.23, eye_height=0.175,
    eye_tilt=0.055, iris_radius=0.098, iris=(0.33, 0.47, 0.30), lid_crease=0.9,
    brow_height=0.33, brow_thickness=0.062, brow_arch=0.075, nose_length=0.68, nose_width=0.195,
    nose_bridge=0.5, nose_tip=0.35, philtrum=0.27, mouth_width=0.35, upper_lip=0.095,
    lower_lip=0.125, mouth_tilt=0.025, ear_size=0.92, skin=(0.95, 0.775, 0.67),
    lips=(0.80, 0.43, 0.42), hair=(0.45, 0.21, 0.11), freckles=0.55,
)  # fmt: skip

FATHERS_SHARE = {"daughter": 0.2, "son": 0.8}  # the mother gives the rest


def inherit(father: Genes, mother: Genes, fathers_share: float) -> Genes:
    """Every gene as the weighted mean of the parents'."""
    weights = np.array([fathers_share, 1 - fathers_share])
    mixed = {}
    for gene in fields(Genes):
        value = weights @ np.array([getattr(father, gene.name), getattr(mother, gene.name)])
        mixed[gene.name] = float(value) if value.ndim == 0 else tuple(map(float, value))
    return Genes(**mixed)


def at_age(genes: Genes, age: float) -> Genes:
    """The genes as they show at `age`: a child has large eyes, a short nose and a small jaw."""
    young = float(np.clip((19 - age) / 14, 0, 1))

    def grow(gene: str, change: float) -> float:
        return getattr(genes, gene) * (1 + change * young)

    return replace(
        genes,
        face_length=grow("face_length", -0.17),
        forehead=grow("forehead", 0.07),
        jaw_width=grow("jaw_width", -0.09),
        jaw_square=grow("jaw_square", -0.7),
        chin_width=grow("chin_width", -0.12),
        cheek_fullness=genes.cheek_fullness + 0.6 * young,
        eye_width=grow("eye_width", 0.12),
        eye_height=grow("eye_height", 0.38),
        iris_radius=grow("iris_radius", 0.22),
        brow_thickness=grow("brow_thickness", -0.4),
        nose_length=grow("nose_length", -0.22),
        nose_width=grow("nose_width", -0.12),
        nose_bridge=grow("nose_bridge", -0.55),
        nose_tip=grow("nose_tip", 0.2),
        philtrum=grow("philtrum", -0.04),
        mouth_width=grow("mouth_width", -0.20),
        upper_lip=grow("upper_lip", 0.15),
    )


def family() -> dict[str, Person]:
    """Everyone who is drawn, by the name of their picture."""
    father = Person("father", "male", 38, FATHER, "short", (0.20, 0.28, 0.38), stubble=0.8)
    mother = Person("mother", "female", 36, MOTHER, "long", (0.30, 0.42, 0.36))
    girl = inherit(FATHER, MOTHER, FATHERS_SHARE["daughter"])
    boy = inherit(FATHER, MOTHER, FATHERS_SHARE["son"])
    people = [
        father,
        mother,
        Person("daughter", "female", 8, girl, "fringe", (0.72, 0.45, 0.42)),
        Person("son", "male", 10, boy, "tousled", (0.62, 0.55, 0.30)),
        replace(father, name="father-child", age=9, hair_style="tousled", stubble=0.0,
                clothes=(0.55, 0.30, 0.24)),
        replace(mother, name="mother-child", age=9, clothes=(0.42, 0.44, 0.62)),
    ]  # fmt: skip
    return {person.name: person for person in people}


STRANGERS = 60  # half of them adults, half children


def random_genes(sex: str, rng: np.random.Generator) -> Genes:
    """Genes of somebody who is related to nobody.

    Men are more like the father and women more like the mother; each gene varies of its own too.
    """
    fathers_share = rng.normal({"male": 0.75, "female": 0.25}[sex], 0.3)
    drawn = {}
    for gene in fields(Genes):
        mother, father = (np.array(getattr(who, gene.name)) for who in (MOTHER, FATHER))
        reach = np.maximum(0.45 * np.abs(father - mother), 0.06 * (father + mother) / 2)
        value = mother + fathers_share * (father - mother)
        value = value + reach * rng.uniform(-1, 1, mother.shape)
        drawn[gene.name] = (
            float(value) if not mother.shape else tuple(value.clip(0.05, 0.97).tolist())
        )
    return Genes(**drawn)


def strangers(count: int = STRANGERS, seed: int = 3) -> Iterator[tuple[Person, Scene]]:
    """People who are related to nobody, each in other light."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        sex = ("male", "female")[number // 2 % 2]
        is_child = bool(number % 2)
        style = {"male": ("short", "tousled"), "female": ("long", "fringe")}[sex][is_child]
        age = float(rng.uniform(6, 13) if is_child else rng.uniform(25, 50))
        clothes, shade = (rng.uniform(0.2, 0.75, 3) for _ in range(2))
        stubble = 0.8 * float(rng.random()) if sex == "male" and not is_child else 0.0
        who, genes = f"stranger-{number + 1:02}", random_genes(sex, rng)
        person = Person(who, sex, age, genes, style, tuple(clothes.tolist()), stubble)
        yield person, sitting(shade, rng)


# Curves and masks --------------------------------------------------------------------------------


def spline(points: ArrayLike, *, closed: bool = False, steps: int = 16) -> Curve:
    """A smooth curve through the points (Catmull-Rom), `steps` samples from each to the next."""
    knots = np.asarray(points, np.float32)
    ends = (knots[-1:], knots[:2]) if closed else (knots[:1], knots[-1:])
    padded = np.concatenate((ends[0], knots, ends[1]))
    before, start, end, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[:, None, None]
    pieces = start + 0.5 * t * (
        end - before
        + t * (2 * before - 5 * start + 4 * end - after)
        + t * t * (3 * (start - end) + after - before)
    )  # fmt: skip
    curve = pieces.transpose(1, 0, 2).reshape(-1, 2)
    return curve if closed else np.concatenate((curve, knots[-1:]))


def mirrored(points: ArrayLike, side: int) -> Curve:
    """The points with x turned to `side`."""
    return np.asarray(points, np.float32) * np.array([side, 1], np.float32)


def both_sides(half: Sequence[tuple[float, float]]) -> Curve:
    """From the right half of a symmetric curve, outside to midline, the whole, left to right."""
    right = np.asarray(half, np.float32)
    return np.concatenate((mirrored(right, -1), right[-2::-1]))


def to_pixels(curve: ArrayLike) -> NDArray[np.int32]:
    """Canvas positions in 1/16 pixel, as OpenCV's `shift=4` wants them."""
    places = np.asarray(curve) * UNIT + np.array([WIDTH / 2, EYE_LINE])
    return np.rint(places * 16).astype(np.int32)


def soften(plane: Plane, radius: float) -> Plane:
    """The plane blurred by a Gaussian of `radius` face units."""
    return cv2.GaussianBlur(plane, (0, 0), max(radius * UNIT, 0.6)) if radius else plane


def filled(curve: ArrayLike, soft: float = 0.0) -> Plane:
    """A mask of the inside of a closed curve."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [to_pixels(curve)], 255, cv2.LINE_AA, shift=4)
    return soften(mask.astype(np.float32) / 255, soft)


def stroke(curve: Curve, widths: ArrayLike, soft: float = 0.0) -> Plane:
    """A mask of a line whose width runs through `widths` from its start to its end."""
    spread = np.interp(np.linspace(0, 1, len(curve)), np.linspace(0, 1, np.size(widths)), widths)
    slope = np.gradient(curve, axis=0)
    across = np.stack((-slope[:, 1], slope[:, 0]), 1)
    across *= (spread / 2 / np.maximum(np.hypot(*slope.T), 1e-6))[:, None]
    return filled(np.concatenate((curve + across, (curve - across)[::-1])), soft)


def bump(x: float, y: float, across: float, down: float) -> Plane:
    """A Gaussian hill of height 1 around (x, y)."""
    return np.exp(-(((X - x) / across) ** 2) - ((Y - y) / down) ** 2)


def pair(x: float, y: float, across: float, down: float) -> Plane:
    """The same hill on both sides of the face."""
    return bump(x, y, across, down) + bump(-x, y, across, down)


class Canvas:
    """A picture being painted, and how much of it is covered.

    `rgb` is premultiplied: already black where `alpha` is 0.
    """

    def __init__(self) -> None:
        self.rgb: Picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        self.alpha: Plane = np.zeros((HEIGHT, WIDTH), np.float32)

    def paint(self, colour: ArrayLike, mask: Plane) -> None:
        """Lay a colour, or a picture, over what the mask covers."""
        self.rgb += mask[..., None] * (np.asarray(colour, np.float32) - self.rgb)
        self.alpha += mask * (1 - self.alpha)

    def tint(self, colour: ArrayLike, mask: Plane) -> None:
        """Multiply by a colour where the mask is 1."""
        self.rgb *= 1 + mask[..., None] * (np.asarray(colour, np.float32) - 1)


# The head's relief and its light -----------------------------------------------------------------


def outline(genes: Genes) -> Curve:
    """The head from the crown round the chin, without ears and hair."""
    wide, jaw, chin, long = genes.face_width, genes.jaw_width, genes.chin_width, genes.face_length
    square, full, top = genes.jaw_square, genes.cheek_fullness, -genes.forehead
    half = [
        (0.0, top),
        (0.50 * wide, 0.93 * top),
        (0.87 * wide, 0.62 * top),
        (0.98 * wide, 0.22 * top),
        (wide, 0.12),
        ((0.60 + 0.04 * full) * wide + 0.36 * jaw, 0.38 * long),
        (jaw + 0.08 * full + 0.05 * square, (0.58 + 0.05 * square) * long),
        (0.52 * jaw + 0.6 * chin + 0.08 * full, (0.82 + 0.04 * square) * long),
        (chin + 0.03 * square, 0.962 * long),
        (0.0, long),
    ]
    other = [(-x, y) for x, y in half[-2:0:-1]]
    return spline(half + other, closed=True)


def skull(genes: Genes) -> Plane:
    """How deep the bare head is: 0 at its outline, near 1 at the middle of the face."""
    edge = outline(genes) - np.array([0, 0.1], np.float32)
    angles = np.arctan2(edge[:, 0], edge[:, 1])
    order = np.argsort(angles)
    reach = np.interp(
        np.arctan2(X, Y - 0.1), angles[order], np.hypot(*edge.T)[order], period=2 * np.pi
    )
    share = np.hypot(X, Y - 0.1) / reach.astype(np.float32)
    return 0.95 * np.sqrt(np.clip(1 - share**2.5, 0, None))


def nose_relief(genes: Genes) -> Plane:
    """The nose alone: a ridge that rises to the tip, the tip, and the wings."""
    base, wide = genes.nose_length, genes.nose_width
    down = np.clip((Y + 0.12) / (base - 0.02), 0, 1.2)
    rise = np.interp(down, (0, 0.25, 0.78, 0.9, 1.1, 1.2), (0, 0.28, 0.95, 1.0, 0.08, 0))
    rise = soften(rise.astype(np.float32), 0.04)
    girth = wide * (0.36 + 0.14 * genes.nose_tip * down + 0.2 * down**3)
    ridge = (0.10 + 0.22 * genes.nose_bridge) * rise * np.exp(-((X / girth) ** 2))
    tip = (0.06 + 0.08 * genes.nose_bridge) * bump(
        0, base - 0.13, wide * (0.42 + 0.2 * genes.nose_tip), 0.12
    )
    wings = (0.02 + 0.33 * wide) * pair(wide * 0.74, base - 0.075, wide * 0.30, 0.085)
    return ridge + tip + wings


def mouth_line(genes: Genes, smile: float) -> tuple[float, float, float]:
    """The mouth's height, half its width and how far its corners are raised."""
    y = genes.nose_length + genes.philtrum
    return y, genes.mouth_width * (1 + 0.16 * smile), genes.mouth_tilt + 0.075 * smile


def relief(genes: Genes, smile: float) -> Plane:
    """The height of the face above the picture plane, in face units."""
    eye, nose, chin = genes.eye_spacing, genes.nose_length, genes.face_length
    mouth, mouth_half, raised = mouth_line(genes, smile)
    height = skull(genes) + nose_relief(genes)
    height -= 0.13 * pair(eye * 0.86, -0.05, 0.27, 0.17)
    height += 0.085 * pair(eye, 0.0, genes.eye_width * 0.95, 0.13)
    height += 0.05 * genes.nose_bridge * pair(eye * 0.8, -genes.brow_height, 0.34, 0.11)
    height += (0.06 + 0.07 * genes.cheek_fullness) * pair(0.56, 0.50 - 0.06 * smile, 0.30, 0.26)
    height += 0.10 * bump(0, mouth, 0.42, 0.30)
    height -= 0.02 * bump(0, (nose + mouth) / 2 - 0.02, 0.045, 0.09)
    height += 0.040 * bump(0, mouth - genes.upper_lip * 0.5, mouth_half * 0.8, genes.upper_lip)
    height += 0.065 * bump(0, mouth + genes.lower_lip * 0.6, mouth_half * 0.7, genes.lower_lip)
    height -= 0.05 * pair(mouth_half + 0.06, mouth - raised, 0.10, 0.12)
    height -= 0.055 * bump(0, mouth + genes.lower_lip + 0.09, 0.26, 0.07)
    height += 0.075 * bump(0, chin - 0.17, 0.20 + 0.4 * genes.chin_width, 0.14)
    return height


def lamplight(height: Plane, scene: Scene) -> Plane:
    """The light each point receives: lamp, sky from above, less in hollows."""
    down, across = np.gradient(height, 1 / UNIT)
    length = np.sqrt(down**2 + across**2 + 1)
    lamp = np.array(scene.lamp) / np.linalg.norm(scene.lamp)
    facing = (-across * lamp[0] - down * lamp[1] + lamp[2]) / length
    direct = np.clip((facing + 0.25) / 1.25, 0, None)
    sky = scene.sky * (0.75 + 0.25 * down / length)
    hollow = np.clip((soften(height, 0.09) - height) * 5, 0, 0.5)
    return ((0.90 * direct + sky) * (1 - hollow)).astype(np.float32)


def gloss(height: Plane, scene: Scene) -> Plane:
    """Where the skin shines: the mirror image of the lamp, softened."""
    down, across = np.gradient(soften(height, 0.02), 1 / UNIT)
    lamp = np.array(scene.lamp) / np.linalg.norm(scene.lamp) + np.array([0, 0, 1])
    lamp /= np.linalg.norm(lamp)
    facing = (-across * lamp[0] - down * lamp[1] + lamp[2]) / np.sqrt(down**2 + across**2 + 1)
    return np.clip(facing, 0, 1) ** 28


def tone(light: Plane, scene: Scene) -> Picture:
    """What to multiply a colour by under that light; shaded skin turns red, as skin does."""
    falloff = np.array([0.37, 0.455, 0.50], np.float32)
    return np.clip(light, 0.02, 1.5)[..., None] ** falloff * np.array(scene.warmth, np.float32)


# The parts, from the back to the front -----------------------------------------------------------


def draw_body(canvas: Canvas, person: Person, genes: Genes, scene: Scene) -> None:
    """Neck, shoulders and clothes."""
    grown = float(np.clip((person.age - 4) / 14, 0, 1))
    neck = (0.42 + 0.13 * grown) * (1.10 if person.sex == "male" else 0.92)
    slope = 1.30 + 0.42 * grown + (0.25 * grown if person.sex == "male" else 0)
    chin = genes.face_length - 0.22 + 0.12 * grown
    column = [
        (neck, 0.6),
        (neck * 0.97, chin + 0.2),
        (neck + 0.10, chin + 0.5),
        (neck + 0.3, chin + 0.9),
    ]
    skin = filled(spline(column + [(-x, y) for x, y in column[::-1]]), 0.006)
    round_neck = 0.8 * np.sqrt(np.clip(1.02 - (X / (neck + 0.10)) ** 2, 0.01, None))
    light = lamplight(round_neck.astype(np.float32), scene)
    light *= 1 - 0.66 * filled(outline(genes) + np.array([-0.2 * scene.lamp[0], 0.20]), 0.09)
    canvas.paint(np.array(genes.skin) * tone(light, scene), skin)
    draw_clothes(canvas, person, scene, chin=chin, neck=neck, slope=slope)


def draw_clothes(
    canvas: Canvas, person: Person, scene: Scene, *, chin: float, neck: float, slope: float
) -> None:
    """A jumper with a round neck."""
    collar = [(0, chin + 0.66), (neck * 0.75, chin + 0.56), (neck + 0.10, chin + 0.34)]
    half = [*collar, (slope * 0.72, chin + 0.58), (slope, chin + 0.88), (slope + 0.2, chin + 2.6)]
    shape = np.concatenate((spline(half), mirrored(spline(half), -1)[::-1]))
    chest = 0.9 * np.exp(-((X / 1.6) ** 2) - ((Y - 3.0) / 1.3) ** 2)
    light = lamplight(chest.astype(np.float32), scene)
    canvas.paint(np.array(person.clothes) * tone(light, scene), filled(shape, 0.008))
    rim = spline([(-x, y) for x, y in collar[:0:-1]] + collar)
    canvas.tint((0.72, 0.72, 0.74), stroke(rim + np.array([0, 0.09], np.float32), [0.02], 0.012))
    canvas.tint((1.12, 1.12, 1.12), stroke(rim + np.array([0, 0.04], np.float32), [0.05], 0.012))
    for side in SIDES:
        sleeve = spline(mirrored([(slope * 0.80, chin + 1.15), (slope * 0.77, 3.2)], side))
        canvas.tint((0.66, 0.66, 0.70), stroke(sleeve, [0, 0.05], 0.025))


def draw_ears(canvas: Canvas, genes: Genes, scene: Scene) -> None:
    """Both ears: shell, rim and hollow."""
    size, edge = genes.ear_size, genes.face_width
    for side in SIDES:
        shell = [(edge - 0.08, -0.12), (edge + 0.07, -0.20), (edge + 0.155, -0.06),
                 (edge + 0.13, 0.22), (edge + 0.05, 0.44), (edge - 0.06, 0.48)]  # fmt: skip
        shape = mirrored(spline(np.array(shell) * [1, size], closed=True), side)
        light = 0.75 + 0.25 * side * scene.lamp[0]
        colour = np.array(genes.skin) * [0.98, 0.86, 0.82]
        canvas.paint(colour * tone(np.full_like(X, light), scene), filled(shape, 0.006))
        hollow = mirrored([(edge - 0.01, 0.0), (edge + 0.06, 0.02), (edge + 0.04, 0.24)], side)
        canvas.tint((0.66, 0.52, 0.48), filled(spline(hollow * [1, size], closed=True), 0.022))


def draw_skin(canvas: Canvas, person: Person, genes: Genes, scene: Scene) -> Plane:
    """The head with its light, and returns its relief."""
    height = relief(genes, scene.smile)
    head = filled(outline(genes), 0.005)
    colour = np.ones_like(canvas.rgb) * np.array(genes.skin, np.float32)
    rosy = 0.8 * pair(0.56, 0.48, 0.28, 0.22) + 0.6 * bump(0, genes.nose_length - 0.12, 0.2, 0.14)
    colour *= 1 - rosy[..., None] * np.array([0.0, 0.11, 0.10], np.float32)
    if person.stubble:
        colour *= 1 - person.stubble * beard(genes)[..., None] * np.array([0.20, 0.155, 0.12])
    shine = 0.13 * gloss(height, scene)
    canvas.paint(colour * tone(lamplight(height, scene), scene) + shine[..., None], head)
    return height


def beard(genes: Genes) -> Plane:
    """Where a beard would grow."""
    mouth = genes.nose_length + genes.philtrum
    jaw = np.clip((np.hypot(X / genes.face_width, (Y - 0.25) / 1.30) - 0.66) / 0.2, 0, 1)
    jaw *= np.clip((Y - 0.35) / 0.5, 0, 1)
    moustache = bump(0, mouth - 0.14, 0.42, 0.08)
    return soften(np.clip(np.maximum(jaw, moustache), 0, 1).astype(np.float32), 0.05)


def draw_creases(canvas: Canvas, person: Person, genes: Genes, scene: Scene) -> None:
    """The lines that years and a smile draw: nose to mouth, and under the eyes."""
    years = float(np.clip((person.age - 14) / 22, 0, 1))
    mouth, mouth_half, raised = mouth_line(genes, scene.smile)
    for side in SIDES:
        fold = spline(mirrored([
            (genes.nose_width + 0.03, genes.nose_length - 0.10),
            (mouth_half * 0.95 + 0.03, (genes.nose_length + mouth) / 2 - 0.02),
            (mouth_half + 0.12, mouth - raised + 0.03),
        ], side))  # fmt: skip
        canvas.tint((0.80, 0.68, 0.64), (0.1 + 0.6 * years) * stroke(fold, [0.03, 0.05, 0], 0.02))
        bag = spline(mirrored([
            (genes.eye_spacing - 0.19, 0.12),
            (genes.eye_spacing, 0.19),
            (genes.eye_spacing + 0.18, 0.15),
        ], side))  # fmt: skip
        canvas.tint((0.84, 0.73, 0.71), (0.3 + 0.4 * years) * stroke(bag, [0.01, 0.04, 0], 0.02))


def draw_freckles(canvas: Canvas, genes: Genes, rng: np.random.Generator) -> None:
    """Small brown spots over nose and cheeks."""
    spots = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(int(130 * genes.freckles)):
        spot = rng.normal((0, 0.42), (0.36, 0.13))
        radius, strength = rng.uniform(0.006, 0.013), int(rng.uniform(60, 190))
        cv2.circle(spots, to_pixels(spot).tolist(), int(radius * UNIT * 16), strength, -1,
                   cv2.LINE_AA, shift=4)  # fmt: skip
    canvas.tint((0.80, 0.66, 0.56), soften(spots.astype(np.float32) / 255, 0.004))


def draw_nose(canvas: Canvas, genes: Genes, scene: Scene) -> None:
    """Nostrils, the edge of the wings, and the shadow the nose throws."""
    base, wide = genes.nose_length, genes.nose_width
    z = -0.16 * np.sign(scene.lamp[0])
    shadow = spline([(-wide * 0.8, base - 0.02), (wide * 0.8, base - 0.02),
                     (wide * 0.5 + z, base + 0.10), (-wide * 0.5 + z, base + 0.10)],
                    closed=True)  # fmt: skip
    canvas.tint((0.72, 0.60, 0.57), 0.5 * filled(shadow, 0.04))
    for side in SIDES:
        hole = mirrored([
            (wide * 0.22, base - 0.015),
            (wide * 0.48, base - 0.055),
            (wide * 0.70, base - 0.025),
            (wide * 0.45, base + 0.005),
        ], side)  # fmt: skip
        canvas.tint((0.30, 0.17, 0.15), 0.8 * filled(spline(hole, closed=True), 0.011))
        wing = spline(mirrored([
            (wide * 0.88, base - 0.17),
            (wide * 1.05, base - 0.08),
            (wide * 0.92, base - 0.005),
            (wide * 0.7, base),
        ], side))  # fmt: skip
        canvas.tint((0.62, 0.47, 0.43), 0.55 * stroke(wing, [0, 0.028, 0.03, 0.01], 0.013))


def draw_mouth(canvas: Canvas, genes: Genes, scene: Scene) -> None:
    """Two lips, the line between them, and light on the lower one."""
    y, half, raised = mouth_line(genes, scene.smile)
    upper, lower = genes.upper_lip * (1 - 0.15 * scene.smile), genes.lower_lip
    between = spline(both_sides([
        (half, y - raised),
        (half * 0.5, y - raised * 0.1 + 0.004),
        (half * 0.15, y - 0.008),
        (0, y + 0.006),
    ]))  # fmt: skip
    bow = spline(both_sides([
        (half, y - raised),
        (half * 0.55, y - upper * 0.72 - raised * 0.3),
        (half * 0.2, y - upper),
        (0, y - upper * 0.82),
    ]))  # fmt: skip
    bowl = spline(both_sides([
        (half, y - raised),
        (half * 0.6, y + lower * 0.68 - raised * 0.2),
        (half * 0.22, y + lower),
        (0, y + lower * 1.02),
    ]))  # fmt: skip
    red = np.array(genes.lips) / np.array(genes.skin)
    canvas.tint(red * 0.86, 0.9 * filled(np.concatenate((between, bow[::-1])), 0.012))
    canvas.tint(red, 0.9 * filled(np.concatenate((between, bowl[::-1])), 0.012))
    canvas.tint(
        (0.36, 0.20, 0.19), 0.85 * stroke(between, [0.012, 0.022, 0.026, 0.022, 0.012], 0.008)
    )
    canvas.paint((1, 0.93, 0.9), 0.16 * bump(-0.1 * half, y + lower * 0.5, half * 0.4, lower * 0.2))
    canvas.tint((0.76, 0.64, 0.60), 0.6 * bump(0, y + lower + 0.055, half * 0.6, 0.045))


def lids(genes: Genes, side: int, smile: float) -> tuple[Curve, Curve]:
    """The upper and the lower lid, each from the inner to the outer corner."""
    half, tall, tilt = genes.eye_width, genes.eye_height, genes.eye_tilt
    inner, outer = (-half, 0.03 + tilt * 0.3), (half, -0.005 - tilt)
    upper = [inner, (-half * 0.62, -tall * 0.36), (-half * 0.05, -tall * 0.60 - tilt * 0.3),
             (half * 0.58, -tall * 0.44 - tilt * 0.8), outer]  # fmt: skip
    low = tall * (0.40 - 0.07 * smile)
    lower = [inner, (-half * 0.5, low * 0.75), (half * 0.08, low), (half * 0.62, low * 0.6), outer]
    where = np.array([genes.eye_spacing, 0])
    return spline(mirrored(upper + where, side)), spline(mirrored(lower + where, side))


def draw_eyes(canvas: Canvas, person: Person, genes: Genes, scene: Scene) -> None:
    """Both eyes with lids and lashes."""
    for side in SIDES:
        upper, lower = lids(genes, side, scene.smile)
        opening = filled(np.concatenate((upper, lower[::-1])), 0.004)
        draw_eyeball(canvas, genes, scene, side, opening)
        draw_lids(canvas, person, genes, upper, lower)


def draw_eyeball(canvas: Canvas, genes: Genes, scene: Scene, side: int, opening: Plane) -> None:
    """White, iris, pupil, catchlight, and the shadow of the upper lid."""
    x, y = side * genes.eye_spacing + scene.gaze * 0.04, -genes.eye_height * 0.10
    radius = genes.iris_radius
    ball = 1 - 0.22 * ((X - side * genes.eye_spacing) / genes.eye_width) ** 2
    white = np.array([0.90, 0.87, 0.85]) * np.clip(ball, 0.4, 1)[..., None]
    canvas.paint(white, opening)
    corner = bump(side * (genes.eye_spacing - genes.eye_width * 0.95), 0.03, 0.05, 0.05)
    canvas.paint((0.80, 0.50, 0.47), 0.75 * corner * opening)
    share = np.hypot(X - x, Y - y) / radius
    disc = np.clip((1 - share) * radius * UNIT / 2 + 0.5, 0, 1) * opening
    spokes = (
        1
        + 0.10 * np.cos(np.arctan2(Y - y, X - x) * 23)
        + 0.05 * np.cos(np.arctan2(Y - y, X - x) * 57)
    )
    glow = 0.75 + 0.55 * np.clip((Y - y) / radius, -0.6, 1) - 0.65 * np.clip(share - 0.72, 0, 1) * 2
    canvas.paint(np.array(genes.iris) * (spokes * glow * 1.15)[..., None], disc)
    canvas.paint((0.03, 0.025, 0.02), np.clip((0.42 - share) * radius * UNIT / 2, 0, 1) * opening)
    lid_shadow = soften(opening, 0.02) - soften(np.roll(opening, int(0.05 * UNIT), 0), 0.02)
    canvas.tint((0.42, 0.36, 0.35), np.clip(lid_shadow * 1.3, 0, 0.85) * opening)
    light = bump(x + 0.42 * radius * np.sign(scene.lamp[0]), y - 0.38 * radius, 0.026, 0.026)
    canvas.paint((1, 1, 1), np.clip(light * 1.6, 0, 1) * opening)


def draw_lids(canvas: Canvas, person: Person, genes: Genes, upper: Curve, lower: Curve) -> None:
    """Lash lines, the wet rim and the crease above."""
    lashes = 1.3 if person.sex == "female" else 0.8
    rise = np.array([0, -genes.eye_height * 0.24 - 0.045], np.float32)
    crease = upper[4:] + rise
    canvas.tint(
        (0.55, 0.40, 0.37),
        (0.25 + 0.6 * genes.lid_crease) * stroke(crease, [0, 0.02, 0.024, 0], 0.010),
    )
    canvas.tint(
        (0.80, 0.66, 0.62), 0.7 * stroke(lower + np.array([0, 0.012], np.float32), [0.02], 0.010)
    )
    dark = (0.10, 0.07, 0.06)
    canvas.paint(
        dark, 0.9 * stroke(upper, np.array([0.008, 0.018, 0.028, 0.03, 0.006]) * lashes, 0.005)
    )
    canvas.paint(dark, 0.35 * stroke(lower[24:], np.array([0, 0.010, 0.016]) * lashes, 0.006))


def draw_brows(canvas: Canvas, person: Person, genes: Genes, rng: np.random.Generator) -> None:
    """Brows: a soft base and single hairs along it."""
    x, y, thick, arch = genes.eye_spacing, -genes.brow_height, genes.brow_thickness, genes.brow_arch
    colour = np.array(genes.hair) * 0.85
    for side in SIDES:
        path = spline(mirrored([(x - 0.27, y + 0.012), (x - 0.08, y - arch * 0.5),
                                (x + 0.12, y - arch), (x + 0.31, y + 0.03)], side))  # fmt: skip
        widths = np.array([0.55, 1.05, 0.85, 0.2]) * thick
        canvas.paint(colour, 0.55 * stroke(path, widths, 0.022))
        hairs = np.zeros((HEIGHT, WIDTH), np.uint8)
        for along in rng.uniform(0, 1, 260):
            middle = path[int(along * (len(path) - 1))]
            reach = np.interp(along, (0, 0.33, 0.66, 1), widths)
            root = middle + np.array([0, rng.uniform(-0.5, 0.5) * reach])
            lean = np.array([side * (0.02 + 0.05 * along), -0.05 + 0.065 * along])
            cv2.line(hairs, *to_pixels([root, root + lean]).tolist(), int(rng.uniform(60, 200)),
                     1, cv2.LINE_AA, shift=4)  # fmt: skip
        canvas.paint(colour * 0.8, soften(hairs.astype(np.float32) / 255, 0.003))


# Hair --------------------------------------------------------------------------------------------


def strands_between(
    guides: Sequence[ArrayLike], count: int, rng: np.random.Generator, *, spread: float = 0.03
) -> NDArray[np.float32]:
    """Strands that run between neighbouring guide curves, each swaying a little by itself.

    Shapes: G guides of K points -> (count, N, 2), each strand sampled along a smooth curve.
    """
    curves = np.stack([spline(guide, steps=5) for guide in guides])
    where = rng.uniform(0, len(curves) - 1, count)
    first = np.minimum(where.astype(int), len(curves) - 2)
    share = (where - first)[:, None, None]
    strands = curves[first] * (1 - share) + curves[first + 1] * share
    along = np.linspace(0.25, 1, curves.shape[1])[None, :, None]
    sway = spread * np.clip(rng.normal(0, 1, (2, count, 1, 2)), -1.8, 1.8)
    return (strands + sway[0] * along + sway[1] * along**2).astype(np.float32)


def comb(
    canvas: Canvas, strands: NDArray[np.float32], colour: ArrayLike, rng: np.random.Generator
) -> None:
    """Paint strands: darker at root, tip and sides, bright where they arch to the light."""
    paint = np.clip(canvas.rgb * 255, 0, 255).astype(np.uint8)
    cover = np.clip(canvas.alpha * 255, 0, 255).astype(np.uint8)
    along = np.linspace(0, 1, strands.shape[1] - 1)
    sheen = 0.74 + 0.50 * np.exp(-(((along - 0.34) / 0.16) ** 2))
    for strand in strands:
        shown = strand[: int(len(strand) * rng.uniform(0.82, 1.0))]
        pixels = to_pixels(shown)
        round_head = 1.12 - 0.28 * (shown[:-1, 0] / 1.2) ** 2
        light = sheen[: len(round_head)] * round_head * rng.normal(1, 0.13)
        inks = np.clip(np.outer(light, colour) * 255, 0, 255)
        width = int(rng.integers(1, 3))
        for start, end, ink in zip(pixels[:-1].tolist(), pixels[1:].tolist(), inks, strict=False):
            cv2.line(paint, start, end, ink.tolist(), width, cv2.LINE_AA, shift=4)
        cv2.polylines(cover, [pixels], False, 255, width, cv2.LINE_AA, shift=4)
    canvas.rgb = paint.astype(np.float32) / 255
    canvas.alpha = np.maximum(canvas.alpha, cover.astype(np.float32) / 255)


def fitted(genes: Genes, points: ArrayLike) -> Curve:
    """Hair drawn for an average head, fitted to this one."""
    scale = np.where(np.asarray(points)[:, 1:] < 0, genes.forehead / 1.6, 1.0)
    return np.asarray(points, np.float32) * np.hstack(
        (np.full_like(scale, genes.face_width), scale)
    )


HAIRLINE = [(-1.00, 0.10), (-0.93, -0.35), (-0.80, -0.72), (-0.50, -0.98), (0.0, -1.06),
            (0.50, -0.98), (0.80, -0.72), (0.93, -0.35), (1.00, 0.10)]  # fmt: skip
CROWN = [(-1.05, 0.05), (-1.10, -0.45), (-1.03, -1.00), (-0.66, -1.52), (0.0, -1.76),
         (0.66, -1.54), (1.03, -1.00), (1.10, -0.45), (1.05, 0.05)]  # fmt: skip


def draw_cap(canvas: Canvas, genes: Genes) -> None:
    """The hair's mass over the skull, and its shadow on the forehead."""
    line, crown = spline(fitted(genes, HAIRLINE)), spline(fitted(genes, CROWN))
    shape = np.concatenate((line, crown[::-1]))
    shade_under(canvas, genes, shape + np.array([0, 0.06], np.float32))
    canvas.paint(np.array(genes.hair) * 0.62, filled(shape, 0.018))


def shade_under(canvas: Canvas, genes: Genes, shape: Curve) -> None:
    """The shadow that a mass of hair throws on the head."""
    canvas.tint((0.70, 0.58, 0.54), 0.6 * filled(shape, 0.05) * filled(outline(genes)))


def draw_short(canvas: Canvas, genes: Genes, rng: np.random.Generator) -> None:
    """Short hair, combed from a parting to both sides."""
    draw_cap(canvas, genes)
    line, crown = spline(fitted(genes, HAIRLINE)), spline(fitted(genes, CROWN))
    count, parting = 3000, 0.36
    root, rise = rng.uniform(0.03, 0.97, count), rng.uniform(0, 1, count)
    z = np.where(root < parting + rng.normal(0, 0.04, count), -0.07, 0.12)
    strands = []
    for step in np.linspace(0, 1, 7):
        here = np.clip(root + z * step, 0, 1) * (len(line) - 1)
        share = np.clip(rise + 0.34 * np.sin(step * 1.7), 0, 1.03)[:, None]
        index = here.astype(int)
        strands.append(line[index] * (1 - share) + crown[index] * share)
    comb(canvas, np.stack(strands, 1) + rng.normal(0, 0.012, (count, 1, 2)), genes.hair, rng)


def draw_tousled(canvas: Canvas, genes: Genes, rng: np.random.Generator) -> None:
    """A child's short hair: from the crown down over the forehead, swept aside."""
    draw_cap(canvas, genes)
    guides = [
        [(-0.10, -1.73), (-0.62, -1.57), (-1.05, -1.00), (-1.08, -0.30), (-1.00, 0.12)],
        [(-0.10, -1.72), (-0.54, -1.50), (-0.95, -0.98), (-0.98, -0.50), (-0.92, -0.22)],
        [(-0.05, -1.71), (-0.36, -1.48), (-0.68, -1.08), (-0.76, -0.78), (-0.62, -0.54)],
        [(0.00, -1.70), (-0.15, -1.48), (-0.34, -1.12), (-0.34, -0.82), (-0.12, -0.57)],
        [(0.05, -1.70), (0.12, -1.50), (0.12, -1.15), (0.18, -0.86), (0.38, -0.62)],
        [(0.10, -1.71), (0.38, -1.50), (0.54, -1.18), (0.64, -0.88), (0.82, -0.62)],
        [(0.10, -1.72), (0.56, -1.51), (0.90, -1.05), (0.98, -0.65), (1.00, -0.25)],
        [(0.10, -1.73), (0.64, -1.57), (1.05, -1.00), (1.08, -0.30), (1.00, 0.10)],
    ]
    fitting = [fitted(genes, guide) for guide in guides]
    comb(canvas, strands_between(fitting, 2200, rng, spread=0.032), genes.hair, rng)


FALL = {"long": 1.0, "fringe": 0.78}  # how far long hair falls, by style
LOCKS = [
    [(0.14, -1.10), (-0.34, -1.00), (-0.76, -0.66), (-0.96, -0.05), (-0.98, 0.75), (-0.74, 1.95)],
    [(0.13, -1.35), (-0.42, -1.28), (-0.94, -0.80), (-1.13, -0.05), (-1.14, 0.90), (-0.92, 2.10)],
    [(0.12, -1.58), (-0.46, -1.54), (-1.06, -0.98), (-1.27, -0.05), (-1.30, 0.95), (-1.08, 2.15)],
    [(0.10, -1.74), (-0.46, -1.68), (-1.08, -1.10), (-1.32, -0.05), (-1.38, 0.95), (-1.22, 2.10)],
]  # the left side, from the face outwards; each starts on the parting


def locks(genes: Genes, side: int, length: float) -> list[Curve]:
    """Guides for long hair on one side, cut at `length` of their fall below the eyes."""
    guides = []
    for number, lock in enumerate(LOCKS):
        falling = [(x, y * length if y > 0 else y) for x, y in lock]
        if side > 0:
            falling = [(-x if i else x, y) for i, (x, y) in enumerate(falling)]
        curve = spline(fitted(genes, falling), steps=4)
        wave = 0.045 * np.sin(curve[:, 1] * 4.6 + 0.5 * number) * np.clip(curve[:, 1], 0, 1)
        guides.append(curve + np.stack((side * wave, np.zeros_like(wave)), 1))
    return guides


def draw_back_hair(canvas: Canvas, person: Person, genes: Genes) -> None:
    """What long hair shows behind the neck."""
    if person.hair_style in FALL:
        outer = [spline(locks(genes, side, FALL[person.hair_style] * 0.93)[2]) for side in SIDES]
        shape = np.concatenate((outer[0], outer[1][::-1]))
        canvas.paint(np.array(genes.hair) * 0.42, filled(shape, 0.006))


def draw_long(canvas: Canvas, genes: Genes, rng: np.random.Generator, style: str = "long") -> None:
    """Long hair, parted, falling on both sides of the face."""
    for side in SIDES:
        guides = locks(genes, side, FALL[style])
        shape = np.concatenate((spline(guides[0]), spline(guides[-1])[::-1]))
        shade_under(canvas, genes, shape + np.array([-side * 0.06, 0.06], np.float32))
        canvas.paint(np.array(genes.hair) * 0.62, filled(shape, 0.012))
        comb(canvas, strands_between(guides, 1300, rng, spread=0.028), genes.hair, rng)


def draw_fringe(canvas: Canvas, genes: Genes, rng: np.random.Generator) -> None:
    """Long hair with a fringe over the forehead."""
    draw_long(canvas, genes, rng, "fringe")
    tips = [(-1.08, 0.05), (-0.90, -0.34), (-0.60, -0.53), (-0.20, -0.60),
            (0.24, -0.60), (0.64, -0.53), (0.92, -0.34), (1.08, 0.05)]  # fmt: skip
    guides = [
        fitted(genes, [(x * 0.25 + 0.1, -1.68), (x * 0.75, -1.46), (x * 1.05, -0.95), (x, y)])
        for x, y in tips
    ]
    shade_under(canvas, genes, spline([*(guide[-1] + [0, 0.05] for guide in guides), guides[-1][0],
                                       guides[0][0]], closed=True))  # fmt: skip
    comb(canvas, strands_between(guides, 1400, rng, spread=0.03), genes.hair, rng)


HAIR_STYLES = {
    "short": draw_short,
    "tousled": draw_tousled,
    "long": draw_long,
    "fringe": draw_fringe,
}


# From parts to pictures --------------------------------------------------------------------------


def draw_person(person: Person, scene: Scene) -> Canvas:
    """Head and shoulders, upright, on an empty canvas."""
    rng = np.random.default_rng(7)  # the same hairs and freckles in every photo
    genes = at_age(person.genes, person.age)
    canvas = Canvas()
    draw_back_hair(canvas, person, genes)
    draw_body(canvas, person, genes, scene)
    if person.hair_style not in FALL:
        draw_ears(canvas, genes, scene)
    height = draw_skin(canvas, person, genes, scene)
    draw_freckles(canvas, genes, rng)
    draw_creases(canvas, person, genes, scene)
    draw_nose(canvas, genes, scene)
    draw_mouth(canvas, genes, scene)
    draw_eyes(canvas, person, genes, scene)
    draw_brows(canvas, person, genes, rng)
    HAIR_STYLES[person.hair_style](canvas, genes, rng)
    return turned(canvas, height, scene.turn) if scene.turn else canvas


def turned(canvas: Canvas, height: Plane, turn: float) -> Canvas:
    """The head turned a little: every point slides sideways by its height."""
    columns, rows = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in (WIDTH, HEIGHT)))
    columns -= turn * UNIT * soften(height, 0.05)
    seen = Canvas()
    seen.rgb = cv2.remap(canvas.rgb, columns, rows, cv2.INTER_LINEAR)
    seen.alpha = cv2.remap(canvas.alpha, columns, rows, cv2.INTER_LINEAR)
    return seen


def backdrop(size: tuple[int, int], colours: tuple[Colour, Colour]) -> Picture:
    """A soft pool of light: the first colour in the middle, the second at the corners."""
    width, height = size
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    share = np.clip(np.hypot(x * 0.8, y * 0.8 + 0.15), 0, 1)[..., None] ** 1.5
    return (np.array(colours[0]) * (1 - share) + np.array(colours[1]) * share).astype(np.float32)


def place(
    picture: Picture, canvas: Canvas, eyes: tuple[float, float], scale: float, tilt: float
) -> None:
    """Put a drawn person into a picture: between the eyes at `eyes`, turned about that point."""
    move = cv2.getRotationMatrix2D((WIDTH / 2, EYE_LINE), -tilt, scale)
    move[:, 2] += np.array(eyes) - (WIDTH / 2, EYE_LINE)
    size = picture.shape[1::-1]
    layer = np.dstack((canvas.rgb, canvas.alpha))
    layer = cv2.copyMakeBorder(layer, 0, HEIGHT, 0, 0, cv2.BORDER_REPLICATE)  # longer clothes
    layer = cv2.warpAffine(layer, move, size)
    picture *= 1 - layer[..., 3:]
    picture += layer[..., :3]


def finished(picture: Picture, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture shrunk to `size` in 8 bits."""
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)


def portrait(person: Person, scene: Scene) -> NDArray[np.uint8]:
    """One person against a backdrop, 480 x 600."""
    width, height = (side * SHRINK for side in PORTRAIT)
    picture = backdrop((width, height), scene.backdrop)
    place(picture, draw_person(person, scene), (width / 2, EYE_LINE), scene.zoom, scene.tilt)
    return finished(picture, PORTRAIT)


SECOND_PHOTOS = {
    "father": Scene(lamp=(0.5, -0.35, 0.8), tilt=-5, turn=0.05, smile=0.8, zoom=0.95, gaze=-0.3,
                    backdrop=((0.70, 0.66, 0.58), (0.36, 0.33, 0.30)), warmth=(1.0, 0.96, 0.89)),
    "mother": Scene(lamp=(0.4, -0.55, 0.7), tilt=6, turn=-0.05, smile=0.8, zoom=0.98, gaze=0.2,
                    backdrop=((0.62, 0.70, 0.60), (0.33, 0.42, 0.34)), warmth=(0.98, 1.0, 0.97)),
    "daughter": Scene(lamp=(0.5, -0.4, 0.8), tilt=-7, turn=0.04, smile=0.9, zoom=0.96,
                      backdrop=((0.66, 0.76, 0.84), (0.36, 0.50, 0.62)), warmth=(0.97, 0.99, 1.0)),
    "son": Scene(lamp=(0.35, -0.6, 0.75), tilt=5, turn=-0.05, smile=0.8, zoom=1.02, gaze=0.3,
                 backdrop=((0.78, 0.70, 0.58), (0.48, 0.38, 0.30)), warmth=(1.0, 0.97, 0.91)),
}  # fmt: skip


YEARS = {age: f"{2006 + age}-06-01" for age in (5, 6, 7, 8, 10, 12, 14, 16, 18)}  # of the daughter


def sitting(shade: NDArray[np.float64], rng: np.random.Generator) -> Scene:
    """A scene in front of a backdrop of this shade, RGB, in a light and pose of its own."""
    return Scene(
        lamp=(float(rng.choice([-1, 1]) * rng.uniform(0.25, 0.5)), -0.5, 0.75),
        backdrop=(tuple(shade.tolist()), tuple((0.6 * shade).tolist())),
        tilt=float(rng.uniform(-6, 6)),
        turn=float(rng.uniform(-0.05, 0.05)),
        zoom=float(rng.uniform(0.92, 1.02)),
        smile=float(rng.uniform(0.3, 0.9)),
    )


def growing(person: Person) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Someone on their birthdays, each in other light; with the day."""
    rng = np.random.default_rng(5)
    for age, day in YEARS.items():
        scene = sitting(rng.uniform(0.45, 0.8, 3), rng)
        yield day, portrait(replace(person, age=age), scene)


CLIP = (640, 480)
GROUP = Scene(lamp=(-0.3, -0.6, 0.75), backdrop=((0.76, 0.78, 0.72), (0.44, 0.50, 0.46)), smile=0.6)
STANDING = {  # where the eyes are in the group picture, the scale and the tilt
    "father": ((335, 290), 0.76, 2.0),
    "mother": ((850, 305), 0.76, -3.0),
    "son": ((490, 520), 0.66, 4.0),
    "daughter": ((705, 530), 0.65, -2.0),
}


def group(people: dict[str, Person]) -> NDArray[np.uint8]:
    """Parents and children in one picture, 1200 x 800."""
    size = (1200, 800)
    picture = backdrop((size[0] * SHRINK, size[1] * SHRINK), GROUP.backdrop)
    for name, ((x, y), scale, tilt) in STANDING.items():
        place(picture, draw_person(people[name], GROUP), (x * SHRINK, y * SHRINK), scale, tilt)
    return finished(picture, size)


def clip_frames(person: Person, count: int = 36) -> Iterator[NDArray[np.uint8]]:
    """A few seconds of someone who crosses the picture, sways and comes nearer."""
    scene = SECOND_PHOTOS[person.name]
    canvas = draw_person(person, scene)
    empty = backdrop((CLIP[0] * SHRINK, CLIP[1] * SHRINK), scene.backdrop)
    for moment in np.linspace(0, 1, count):
        eyes = ((190 + 260 * moment) * SHRINK, (205 + 12 * np.sin(moment * 12)) * SHRINK)
        frame = empty.copy()
        place(frame, canvas, eyes, 0.62 + 0.14 * moment, 7 * float(np.sin(moment * 8)))
        yield finished(frame, CLIP)


def write_clip(path: Path, frames: Iterator[NDArray[np.uint8]], rate: int = 12) -> None:
    """Write the frames as a video, `rate` a second."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, CLIP)
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


def write_tables(out: Path, people: dict[str, Person]) -> None:
    """Write who is whose child (family.csv), and shares and genes (family.json)."""
    with (out / "family.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("parent", "child"))
        for child in FATHERS_SHARE:
            for parent in ("father", "mother"):
                table.writerow((f"samples/{parent}.png", f"samples/{child}.png"))
    shares = {
        child: {"father": share, "mother": round(1 - share, 6)}
        for child, share in FATHERS_SHARE.items()
    }
    record = {"shares": shares, "people": {name: asdict(who) for name, who in people.items()}}
    (out / "family.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    people = family()
    for name, person in people.items():
        Image.fromarray(portrait(person, Scene())).save(out / f"{name}.png", optimize=True)
    for name, scene in SECOND_PHOTOS.items():
        Image.fromarray(portrait(people[name], scene)).save(out / f"{name}-2.png", optimize=True)
    Image.fromarray(group(people)).save(out / "group.jpg", quality=90)
    (out / "years").mkdir(exist_ok=True)
    for day, picture in growing(people["daughter"]):
        Image.fromarray(picture).save(out / "years" / f"{day}.jpg", quality=88)
    (out / "strangers").mkdir(exist_ok=True)
    for person, scene in strangers():
        drawn = Image.fromarray(portrait(person, scene))
        picture = drawn.resize((240, 300), Image.Resampling.LANCZOS)
        picture.save(out / "strangers" / f"{person.name}.jpg", quality=85)
    write_clip(out / "clip.mp4", clip_frames(people["daughter"]))
    write_tables(out, people)


if __name__ == "__main__":
    main()
