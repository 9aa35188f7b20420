"""What somebody meant who called a command in another way than it is called: the one that works."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from facematch.errors import OptionError, PhotoError

PARENT_NAMES = re.compile(
    r"(mum(my)?|mom(my)?|mama?|mother|dad(dy)?|father|papa|pop|parent)\d*", re.IGNORECASE
)
_ROLES = ("--parent", "--child")
# The commands that compare people, and those among them that take one photo of each.
_OF_PEOPLE = ("score", "explain", "family", "timeline", "report")
_OF_PAIRS = ("score", "explain")
_OF_ONE_PHOTO = (*_OF_PAIRS, "family")


def refuse_words(command: str, words: Sequence[str], flags: Sequence[str]) -> None:
    """Raise an OptionError that says what to call, for words that a command cannot take.

    `flags` are its options without a value. Nothing is raised where no other call is likely.
    """
    if command not in _OF_PEOPLE:
        return
    people, loose, rest = _sorted_words(words, flags)
    if command in _OF_ONE_PHOTO and len(loose) == 1 and not any(people.values()):
        raise OptionError(
            f"one photo is given: name a second one or, where {loose[0]} shows both, number its "
            f"faces: `{call_words('family', '--photo', loose[0], '--label')}`"
        )
    for word in loose:
        name = word.partition("=")[0] if "=" in word else Path(word).stem
        people["--parent" if PARENT_NAMES.fullmatch(name) else "--child"].append(word)
    by_option = not loose
    _fill_roles(people)
    parents, children = people.values()
    if by_option and command in _OF_PAIRS and len(parents) == len(children) == 1:
        raise OptionError(
            f"two photos are given without options: `{call_words(command, *parents, *children)}`"
        )
    if command == "timeline" and len(children) > 1:
        parts = [part for word in parents for part in ("--parent", word)]
        raise OptionError(
            "a timeline is of one child, whose photos lie in a folder: "
            f"`{call_words(command, *parts, '--child', 'FOLDER', *rest)}`"
        )
    if parents and children:
        options = [part for role in _ROLES for word in people[role] for part in (role, word)]
        of_many, more = ("family", []) if command in _OF_PAIRS else (command, rest)
        raise OptionError(
            "an option before each photo says who it shows: "
            f"`{call_words(of_many, *options, *more)}`"
        )


def refuse_no_photos(parent: Path, child: Path) -> None:
    """Raise an OptionError that says what to call for a clip or a folder in a photo's place."""
    sides = {"--parent": str(parent), "--child": str(child)}
    for path in sides.values():
        if os.path.isdir(path):
            options = [part for role in _ROLES for part in (role, sides[role])]
            _refuse(path, "a folder", "family", *options)
    if _is_clip(sides["--child"]):
        own = [] if _is_clip(sides["--parent"]) else ["--parent", sides["--parent"]]
        _refuse(sides["--child"], "a clip", "video", sides["--child"], *own)
    if _is_clip(sides["--parent"]):
        raise OptionError(
            f"{parent}: is a clip, which only the child may be: name a photo of the parent, or "
            f"compare the people in it: `{call_words('video', str(parent))}`"
        )


def _sorted_words(
    words: Sequence[str], flags: Sequence[str]
) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """The people behind --parent and --child, the words behind no option, and the other options."""
    people: dict[str, list[str]] = {role: [] for role in _ROLES}
    loose: list[str] = []
    rest: list[str] = []
    option = ""
    for word in words:
        if word.startswith("-") and word != "-":
            option = word if "=" not in word and word not in flags else ""
            rest += [] if option in _ROLES else [word]
        elif option in _ROLES:
            people[option].append(word)
        elif option:
            rest.append(word)
            option = ""
        else:
            loose.append(word)
    return people, loose, rest


def _fill_roles(people: dict[str, list[str]]) -> None:
    """Make the last the child where no child was found, and all but the last parents likewise."""
    parents, children = people["--parent"], people["--child"]
    if not children and len(parents) > 1:
        children.append(parents.pop())
    elif not parents and len(children) > 1:
        parents += children[:-1]
        del children[:-1]


def _is_clip(path: str) -> bool:
    """Whether a file is a clip by its first bytes."""
    from facematch.photos.files import opened
    from facematch.video.containers import HEAD_BYTES, demuxer_of

    try:
        with opened(path) as (file, _):
            demuxer_of(path, file.read(HEAD_BYTES))
    except PhotoError:
        return False
    return True


def _refuse(path: str, what: str, command: str, *words: str) -> NoReturn:
    raise OptionError(f"{path}: is {what}: call `{call_words(command, *words)}`")


def call_words(command: str, *words: str) -> str:
    """A call as it is typed in a shell."""
    return shlex.join(["facematch", command, *words])
