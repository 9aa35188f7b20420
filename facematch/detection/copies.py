"""Edited and re-saved copies of one photo, told by the face in them.

Two aligned faces are laid over each other by the affine transform that fits best (Evangelidis and
Psarakis 2008). What then remains is how far parts of one face lie from the same parts of the other
(Farneback 2003). In a copy nothing has moved, whatever became of its size, its light, its colours
or its edges; in another photograph of the same person eyes, mouth and hair have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.detection.alignment import similarity_transform
from facematch.detection.portraits import portrait_frame, shrunk
from facematch.types import Face, Pixels

_SIDE = 128  # pixels of an aligned face
_MARGIN = 12  # pixels at its edges that are not compared
_GROWN = 4  # pixels by which what lies outside a photo is taken larger
_FEWEST_COMPARED = 0.2  # of the pixels
_COARSE = slice(24, -24)  # of an aligned face, shrunk to _COARSE_SIDE
_COARSE_SIDE = 16
# These only save time: of 271 copies noticed without the second, one lies below it (0.25, the next
# 0.6), and 97 of 100 pairs of photos of one person, FIW.
_COARSE_CORRELATION = 0.65
_SHIFTED_CORRELATION = 0.55
_FINE_CORRELATION = 0.65
_MOST_SHIFT = 4  # pixels of a face of 64
# Pixels by which a tenth of the face has moved, or more. eval_copies.py: 270 of 329 copies
# stay below it; strong light, contrast and sharpening are what it misses. None of 2,014 pairs of
# photos of one person, FIW, does. The drawn years, which differ in light and smile, have 0.40.
_MOVED = 0.35

_Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """A face upright in grey (128, 128), and which of these pixels lie `inside` its photo."""

    grey: NDArray[np.uint8]
    inside: NDArray[np.bool_]

    def mirrored(self) -> AlignedFace:
        """The same of a photo that was mirrored."""
        return AlignedFace(
            np.ascontiguousarray(self.grey[:, ::-1]), np.ascontiguousarray(self.inside[:, ::-1])
        )


def aligned_face(pixels: Pixels, face: Face) -> AlignedFace:
    """The face as copies are told by. Raises ValueError where a face has no landmarks."""
    import cv2

    if face.landmarks is None:
        raise ValueError("a face without landmarks cannot be aligned: locate them first")
    to_photo = similarity_transform(portrait_frame(_SIDE).template, face.landmarks)
    source, to_source = shrunk(pixels, to_photo)
    flags, square = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (_SIDE, _SIDE)
    edge = cv2.BORDER_REPLICATE
    picture = cv2.warpAffine(source, to_source, square, flags=flags, borderMode=edge)
    whole = np.full(source.shape[:2], 255, np.uint8)
    inside = np.asarray(cv2.warpAffine(whole, to_source, square, flags=flags)) == 255
    return AlignedFace(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8), inside)


def is_copy(one: AlignedFace, other: AlignedFace) -> bool:
    """Whether two faces come from one photo, edited, mirrored or saved again."""
    if not may_be_copies([one, other])[0, 1]:
        return False
    return _is_copy(one, other) or _is_copy(one, other.mirrored())


def may_be_copies(faces: Sequence[AlignedFace]) -> NDArray[np.bool_]:
    """Which pairs `is_copy` looks closer at, (N, N); the others are none. N may be 0.

    It takes 0.1 ms a pair, where `is_copy` takes 10.
    """
    both = faces, [face.mirrored() for face in faces]
    coarse, mirrored = (
        np.array([_coarse(face) for face in some]).reshape(-1, _COARSE_SIDE**2) for some in both
    )
    likely = np.maximum(coarse @ coarse.T, coarse @ mirrored.T) >= _COARSE_CORRELATION
    plain, others = (_Details.of(some) for some in both)
    for row in range(len(faces)):
        columns = np.flatnonzero(likely[row])
        alike = [plain.correlations(row, some, columns) for some in (plain, others)]
        likely[row, columns] = np.maximum(*alike) >= _SHIFTED_CORRELATION
    return np.asarray(likely)


@dataclass(frozen=True, slots=True, eq=False)
class _Details:
    """What is fine in faces, of one contrast everywhere, inside their photos: (N, 64, 64) each."""

    planes: _Plane
    inside: _Plane
    spectra: NDArray[np.complex64]

    @classmethod
    def of(cls, faces: Sequence[AlignedFace]) -> _Details:
        side = _SIDE // 2
        inside = np.array([_compared(face, face)[::2, ::2] for face in faces], np.float32)
        inside = inside.reshape(-1, side, side)
        planes = np.array([_even_details(face) for face in faces], np.float32)
        planes = planes.reshape(inside.shape) * inside
        return cls(planes, inside, np.asarray(np.fft.rfft2(planes), np.complex64))

    def correlations(self, row: int, others: _Details, columns: NDArray[np.intp]) -> _Plane:
        """The greatest correlation of one face with each of some others, shifted a little: (M,)."""
        side = _SIDE // 2
        products = self.spectra[row] * np.conj(others.spectra[columns])
        near = np.r_[-_MOST_SHIFT : _MOST_SHIFT + 1]
        sums = np.fft.irfft2(products, s=(side, side))[:, near[:, np.newaxis], near]
        own = np.einsum("yx,nyx->n", self.planes[row] ** 2, others.inside[columns])
        theirs = np.einsum("nyx,yx->n", others.planes[columns] ** 2, self.inside[row])
        scale = np.sqrt(own * theirs) + 1e-6  # where nothing is compared
        return np.asarray(sums.max(axis=(1, 2)) / scale, np.float32)


def _is_copy(one: AlignedFace, other: AlignedFace) -> bool:
    compared = _compared(one, other)
    if compared.mean() < _FEWEST_COMPARED:
        return False
    half = compared[::2, ::2]
    planes = one.grey.astype(np.float32), other.grey.astype(np.float32)
    halves = _halved(planes[0]), _halved(planes[1])
    to_other = _fitted(halves, half, np.eye(2, 3, dtype=np.float32), blur=3)
    if to_other is None:
        return False
    fine = _details(halves[0]), _details(_laid_over(halves[1], to_other))
    if _correlation(fine[0][half], fine[1][half]) < _FINE_CORRELATION:
        return False
    to_other[:, 2] *= 2
    to_other = _fitted(planes, compared, to_other, blur=5)
    return to_other is not None and _moved(planes, to_other, compared) < _MOVED


def _coarse(face: AlignedFace) -> _Plane:
    """The middle of a face in 16 x 16 pixels, with a mean of 0 and a length of 1."""
    import cv2

    middle = np.ascontiguousarray(face.grey[_COARSE, _COARSE], np.float32)
    size = _COARSE_SIDE, _COARSE_SIDE
    return _standardised(np.asarray(cv2.resize(middle, size, interpolation=cv2.INTER_AREA)))


def _even_details(face: AlignedFace) -> _Plane:
    """The details of a face of 64 pixels, of one contrast everywhere."""
    import cv2

    details = _details(_halved(face.grey.astype(np.float32)))
    contrast = np.sqrt(np.asarray(cv2.GaussianBlur(details * details, (0, 0), 4)))
    return np.asarray(details / (contrast + 2), np.float32)  # 2: noise


def _standardised(plane: _Plane) -> _Plane:
    """The plane with a mean of 0 and a length of 1; zeros where it is of one grey."""
    apart = np.asarray(plane, np.float32) - plane.mean()
    length = float(np.linalg.norm(apart))
    return np.asarray(apart / np.float32(length) if length > 0 else apart, np.float32)


def _compared(one: AlignedFace, other: AlignedFace) -> NDArray[np.bool_]:
    """The pixels inside both photos, without those near an edge. Shape (128, 128)."""
    import cv2

    inside = np.zeros(one.inside.shape, np.uint8)
    middle = slice(_MARGIN, -_MARGIN)
    inside[middle, middle] = (one.inside & other.inside)[middle, middle]
    square = np.ones((2 * _GROWN + 1, 2 * _GROWN + 1), np.uint8)
    return np.asarray(cv2.erode(inside, square, borderValue=0)) > 0


def _halved(plane: _Plane) -> _Plane:
    import cv2

    size = _SIDE // 2, _SIDE // 2
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def _fitted(
    planes: tuple[_Plane, _Plane], compared: NDArray[np.bool_], start: _Plane, *, blur: int
) -> _Plane | None:
    """The affine transform from one plane to the other, (2, 3); None where no fit is found."""
    import cv2

    stop = cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-5
    mask = np.ascontiguousarray(compared, np.uint8)
    try:
        _, to_other = cv2.findTransformECC(
            *planes, start.copy(), cv2.MOTION_AFFINE, stop, mask, blur
        )
    except cv2.error:  # planes that have nothing in common, or no contrast
        return None
    return np.asarray(to_other, np.float32)


def _laid_over(plane: _Plane, to_plane: _Plane) -> _Plane:
    import cv2

    flags, edge = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.warpAffine(plane, to_plane, plane.shape, flags=flags, borderMode=edge), np.float32
    )


def _details(plane: _Plane) -> _Plane:
    import cv2

    return plane - np.asarray(cv2.GaussianBlur(plane, (0, 0), 2), np.float32)


def _moved(planes: tuple[_Plane, _Plane], to_other: _Plane, compared: NDArray[np.bool_]) -> float:
    """How far the tenth of a face that moved most has moved, in pixels, where it has edges."""
    import cv2

    one, other = planes[0], _laid_over(planes[1], to_other)
    flow = cv2.calcOpticalFlowFarneback(
        _evened(one), _evened(other), np.empty(0), pyr_scale=0.5, levels=2, winsize=15,
        iterations=4, poly_n=5, poly_sigma=1.1, flags=0,
    )  # fmt: skip
    slopes = np.hypot(cv2.Sobel(one, cv2.CV_32F, 1, 0), cv2.Sobel(one, cv2.CV_32F, 0, 1))
    edges = np.asarray(cv2.GaussianBlur(slopes, (0, 0), 2))
    with_edges = compared & (edges >= np.quantile(edges[compared], 0.6))
    return float(np.quantile(np.hypot(flow[..., 0], flow[..., 1])[with_edges], 0.9))


def _evened(plane: _Plane) -> NDArray[np.uint8]:
    """A plane with one brightness and one contrast everywhere: light moves nothing."""
    import cv2

    smooth = np.asarray(cv2.GaussianBlur(plane, (0, 0), 1))
    apart = smooth - np.asarray(cv2.GaussianBlur(smooth, (0, 0), 6))
    spread = np.sqrt(np.asarray(cv2.GaussianBlur(apart * apart, (0, 0), 6)))
    evened = np.clip(128 + 40 * apart / (spread + 2), 0, 255)  # 2: noise
    return np.asarray(evened, np.uint8)


def _correlation(one: _Plane, other: _Plane) -> float:
    """Pearson's correlation of the pixels; 0 where one plane is of one grey."""
    return float((_standardised(one) * _standardised(other)).sum())
