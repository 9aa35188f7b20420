"""What the page knows of the people who use it, in memory only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from facematch.analyses.grouping import group_by_person
from facematch.app.results import Result
from facematch.app.searching import FoundPhoto
from facematch.errors import OptionError
from facematch.types import Portrait

MOST_PHOTOS = 60  # of a session; a photo that is kept has at most 12 MB
_MOST_SESSIONS = 6
_MOST_RESULTS = 4  # of a session: two tabs, and the one before
_IDLE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class FaceKey:
    """A face of a session: its photo's number and its index there. Written "3-0"."""

    photo: int
    index: int

    @classmethod
    def parse(cls, text: str) -> FaceKey:
        """From "3-0". Raises OptionError."""
        photo, _, index = text.partition("-")
        if not (photo.isascii() and index.isascii() and photo.isdecimal() and index.isdecimal()):
            raise OptionError(f"{text[:20]!r} names no face")
        return cls(int(photo[:9]), int(index[:9]))

    def __str__(self) -> str:
        """As in addresses."""
        return f"{self.photo}-{self.index}"


@dataclass(slots=True, eq=False)
class Session:
    """The photos and results of one browser. `key` is its cookie.

    The faces in `apart` were grouped and are not one person: each stands alone. `generation` counts
    how often everything was forgotten: what was begun before is not kept after.
    """

    key: str
    photos: dict[int, FoundPhoto] = field(default_factory=dict)
    results: dict[int, Result] = field(default_factory=dict)
    apart: set[FaceKey] = field(default_factory=set)
    used: float = field(default_factory=time.monotonic)
    generation: int = 0
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def add_photos(self, found: Sequence[FoundPhoto]) -> dict[int, FoundPhoto]:
        """Keep the photos of one file, all or none; gives them by their numbers.

        Raises OptionError where there are too many, or where the file is there already.
        """
        self.check_room(len(found))
        self.check_new(found[0].digest)
        numbered = {next(self._numbers): photo for photo in found}
        self.photos.update(numbered)
        return numbered

    def check_room(self, count: int = 1) -> None:
        """Raise OptionError where so many further photos cannot be kept."""
        if len(self.photos) + count > MOST_PHOTOS:
            raise OptionError(
                f"there are {len(self.photos)} photos already, and {count} more would be over the "
                f"limit of {MOST_PHOTOS}: forget everything, then drop fewer"
            )

    def check_new(self, digest: str) -> None:
        """Raise OptionError where a file that can be used has that digest."""
        kept = self.photos.values()
        if any(photo.digest == digest for photo in kept if photo.portrait is not None):
            raise OptionError("this file is there already: it was not added again")

    def add_result(self, result: Result) -> int:
        """Keep a result, and forget the oldest of many; gives its number."""
        number = next(self._numbers)
        self.results[number] = result
        while len(self.results) > _MOST_RESULTS:
            del self.results[min(self.results)]
        return number

    def forget(self) -> None:
        """Forget every photo, face and result."""
        self.generation += 1
        self.photos.clear()
        self.results.clear()
        self.apart.clear()

    def check_generation(self, generation: int) -> None:
        """Raise OptionError where everything was forgotten since that generation."""
        if generation != self.generation:
            raise OptionError("everything was forgotten meanwhile: drop the files again")

    def face(self, key: FaceKey) -> tuple[Portrait, int]:
        """A face by its key. Raises OptionError where there is none."""
        photo = self.photos.get(key.photo)
        if photo is None or photo.portrait is None or key.index >= len(photo.portrait.faces):
            raise OptionError("that face is gone: drop its photo again")
        return photo.portrait, key.index

    def people(self) -> list[list[FaceKey]]:
        """All faces, those of one person together, the person with most photos first."""
        import numpy as np

        keys, photos, identities = [], [], []
        alone = []
        for number, photo in list(self.photos.items()):  # a drop may add some meanwhile
            for index, identity in enumerate(photo.identities):
                key = FaceKey(number, index)
                if key in self.apart:
                    alone.append([key])
                    continue
                keys.append(key)
                photos.append(photo.clip or str(number))
                identities.append(identity)
        groups = group_by_person(photos, np.stack(identities)) if keys else []
        together = [[keys[row] for row in group] for group in groups]
        return sorted([*together, *alone], key=len, reverse=True)


class Sessions:
    """All sessions. One that nobody used for an hour is forgotten, as is the oldest of many."""

    def __init__(self) -> None:
        self._by_key: dict[str, Session] = {}

    def get(self, key: str | None) -> Session | None:
        """The session with that cookie, None where there is none."""
        self._forget_idle()
        session = self._by_key.get(key or "")
        if session is not None:
            session.used = time.monotonic()
        return session

    def open(self) -> Session:
        """A new session."""
        session = Session(secrets.token_urlsafe(24))
        self._by_key[session.key] = session
        while len(self._by_key) > _MOST_SESSIONS:
            self._drop(min(self._by_key.values(), key=lambda each: each.used))
        return session

    def _forget_idle(self) -> None:
        latest = time.monotonic() - _IDLE_SECONDS
        for session in [each for each in self._by_key.values() if each.used < latest]:
            self._drop(session)

    def _drop(self, session: Session) -> None:
        session.forget()
        del self._by_key[session.key]
