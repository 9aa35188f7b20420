"""A clip that shows parents and children: its people compared with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from facematch.errors import OptionError
from facematch.scoring.resemblance import ResemblanceModel
from facematch.scoring.strata import ADULT
from facematch.types import Gallery
from facematch.video.clip import ClipPerson, people_in_clip
from facematch.video.tracking import Track, keyframe_gallery, photos_worth

ONE_LIGHT = (
    "the clip shows both: they share its light and colours, which make people alike; a photo of "
    "each, from other days, gives a surer score"
)
_SAY_WHO = "say who is who with --label, then --names 1=dad,2=son"


@dataclass(frozen=True, slots=True)
class ClipRoles:
    """Who in a clip is a parent and who a child: names, and the numbers of people from 1.

    Without any number, everyone is estimated to be an adult, in the parent's place, or a child.
    """

    parents: Mapping[str, int] = field(default_factory=dict)
    children: Mapping[str, int] = field(default_factory=dict)


def compared_with_each_other(
    tracks: Sequence[Track], roles: ClipRoles, space: str, model: ResemblanceModel | None
) -> tuple[ClipPerson, ...]:
    """Everyone who was tracked; children scored against the parents in the same clip.

    Raises OptionError for a number that nobody has, and where age does not tell who is who.
    """
    if len(tracks) < 2:
        raise OptionError(
            "the clip shows one person only: name a photo of a parent with --parent PHOTO"
        )
    names = _names_by_index(roles, len(tracks))
    if roles.parents:
        parents = [number - 1 for number in roles.parents.values()]
        children = [number - 1 for number in roles.children.values()]
    else:
        parents, children = _by_age(tracks, space, model)
    gallery = Gallery.joined([
        _one_row(tracks[i], names.get(i, f"person {i + 1}"), space) for i in parents
    ])  # fmt: skip
    return people_in_clip(tracks, gallery, names=names, scored=children, model=model)


def _names_by_index(roles: ClipRoles, count: int) -> dict[int, str]:
    numbers = {**roles.parents, **roles.children}
    for name, number in numbers.items():
        if not 1 <= number <= count:
            raise OptionError(f"--names {number}={name}: the clip shows {count} people")
    return {number - 1: name for name, number in numbers.items()}


def _by_age(
    tracks: Sequence[Track], space: str, model: ResemblanceModel | None
) -> tuple[list[int], list[int]]:
    """The indices of adults and of children."""
    if model is None:
        raise OptionError(f"no model estimates ages here: {_SAY_WHO}")
    means = np.concatenate([_one_row(track, "", space).vectors for track in tracks])
    years, _ = model.ages(means)
    adults = [i for i, age in enumerate(years) if age >= ADULT]
    if not adults or len(adults) == len(tracks):
        kind = "adults" if adults else "children"
        raise OptionError(f"everyone in the clip looks like {kind}: {_SAY_WHO}")
    return adults, [i for i in range(len(tracks)) if i not in adults]


def _one_row(track: Track, name: str, space: str) -> Gallery:
    """One person as a gallery of one row, of as many photos as the frames are worth."""
    frames = replace(keyframe_gallery(track.keyframes, track.vectors), space=space)
    worth = int(photos_worth(track.vectors, space))
    return replace(frames.averaged(name), photos=np.array([worth], np.int64))
