"""Everything facematch raises on purpose.

FacematchError
├── PhotoError               one photo cannot be used; has `photo` and a stable `code`
│   ├── MissingPhotoError      "missing"        no such file, or a folder
│   ├── NotAnImageError        "not-an-image"   the content is no format we open
│   ├── RawPhotoError          "raw"            a camera's raw file, which must be developed
│   ├── UnsupportedPhotoError  "unsupported"    a kind of pixels that we do not read
│   ├── NotAVideoError         "not-a-video"    the content is no clip we play
│   ├── TruncatedPhotoError    "truncated"      the file ends too early
│   ├── PhotoTooLargeError     "too-large"      over a limit on bytes, pixels, frames or memory
│   ├── UnreadablePhotoError   "unreadable"     damaged, or the system refuses it
│   ├── PhotoTimeoutError      "timeout"        decoding took too long
│   ├── CrashedPhotoError      "crashed"        the decoder crashed on it
│   └── NoFaceError            "no-face"        nothing found, or not that many
├── OptionError              an option's value makes no sense
├── UnknownBackendError      no detector, embedder or model has that name
├── MissingExtraError        a back-end needs a package that is not installed
├── MemoryLimitError         the system gives the program too little memory
├── WeightsError             a weight file is missing, damaged or not the one expected
├── TableError               a table of pairs or results cannot be read or written
├── CacheError               a file is no cache of faces
├── ArchiveError             an index of faces is missing, damaged or another engine's
├── ClusterError             a cluster cannot be reached, or loses work again and again
├── ProtocolError            a data set's list cannot be read, or has people of the training data
├── EmbeddingError           vectors that cannot be compared
└── ResemblanceError         no resemblance model fits these vectors
"""

from __future__ import annotations

from typing import ClassVar


def printable(text: str) -> str:
    """Text for one line of a terminal. Unprintable characters, like a line break, are escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


class FacematchError(Exception):
    """Base of every error that facematch raises on purpose. Its message is one line for people."""


class PhotoError(FacematchError):
    """One photo cannot be used. `photo` is its label; `code` is a stable word for the reason."""

    code: ClassVar[str] = "photo"

    def __init__(self, photo: str, reason: str) -> None:
        super().__init__(f"{photo}: {reason}")
        self.photo = photo
        self.reason = reason

    def __reduce__(self) -> tuple[type[PhotoError], tuple[str, str]]:
        """How to pickle the error, so that other processes can raise it."""
        return type(self), (self.photo, self.reason)


class MissingPhotoError(PhotoError):
    """There is no such file, or it is a folder."""

    code = "missing"


class NotAnImageError(PhotoError):
    """The content is in no image format that facematch opens."""

    code = "not-an-image"


class RawPhotoError(PhotoError):
    """The file holds what a camera's sensor measured, which is not yet a picture."""

    code = "raw"


class UnsupportedPhotoError(PhotoError):
    """The file is sound, but of a kind of pixels or compression that facematch does not read."""

    code = "unsupported"


class NotAVideoError(PhotoError):
    """The content is no clip that facematch can play. `photo` is its label."""

    code = "not-a-video"


class TruncatedPhotoError(PhotoError):
    """The file ends before the picture does."""

    code = "truncated"


class PhotoTooLargeError(PhotoError):
    """The file is over a limit on bytes, pixels, frames or memory."""

    code = "too-large"


class UnreadablePhotoError(PhotoError):
    """The file is damaged, or the operating system refuses to read it."""

    code = "unreadable"


class PhotoTimeoutError(PhotoError):
    """Decoding the file in a separate process took too long."""

    code = "timeout"


class CrashedPhotoError(PhotoError):
    """The decoder crashed on the file, in a separate process."""

    code = "crashed"


class NoFaceError(PhotoError):
    """No face was found, or fewer than the number asked for."""

    code = "no-face"


class OptionError(FacematchError):
    """An option has a value that makes no sense, at all or for this photo."""


class UnknownBackendError(FacematchError):
    """No detector, embedder or model has that name."""


class MissingExtraError(FacematchError):
    """A back-end needs a package that is not installed."""


class MemoryLimitError(FacematchError):
    """The system gives the program too little memory."""


class WeightsError(FacematchError):
    """A weight file is missing, damaged, or not the one expected."""


class TableError(FacematchError):
    """A table of pairs or results cannot be read or written."""


class CacheError(FacematchError):
    """A file is no cache of faces, or cannot be used as one."""


class ArchiveError(FacematchError):
    """An index of faces is missing, damaged, in use, or another engine's."""


class ClusterError(FacematchError):
    """A cluster cannot be reached, runs another facematch, or loses work again and again."""


class ProtocolError(FacematchError):
    """A data set's list cannot be read, or holds people that the engine was fitted on."""


class EmbeddingError(FacematchError):
    """Vectors cannot be compared: wrong shape, not finite, all zeros, or from two embedders."""


class ResemblanceError(FacematchError):
    """A resemblance model is damaged, or was not fitted to these vectors."""
