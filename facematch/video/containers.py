"""Which content is a clip, and which of FFmpeg's demuxers opens it.

A file's content decides, never its name, and no demuxer but that one is tried: none that opens
other files, such as playlists.
"""

from __future__ import annotations

from facematch.errors import NotAVideoError
from facematch.photos.formats import photo_format

_CLIP_FORMATS = "MP4, MOV, WebM, MKV, AVI, MPEG, WMV, FLV, Ogg"
_DEMUXER_BY_MAGIC = (
    (b"\x1a\x45\xdf\xa3", "matroska"),  # WebM, Matroska
    (b"\0\0\x01\xba", "mpeg"),  # a program stream, as on a DVD
    (b"\0\0\x01\xb3", "mpegvideo"),
    (b"FLV\x01", "flv"),
    (b"OggS", "ogg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),  # WMV
)
# The atoms that QuickTime films begin with; those of old cameras begin with all but ftyp.
_FIRST_ATOMS = frozenset(
    b"ftyp moov mdat wide skip free pnot pict PICT uuid udta junk prfl".split()
)
# Bytes of a packet of an MPEG transport stream, which begins with 0x47; in an M2TS after 4 more.
_MPEG_PACKET = 188
_PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"[playlist]")
_SOUND_STARTS = (b"ID3", b"fLaC", b"\xff\xfb", b"\xff\xf3")  # MP3, FLAC
HEAD_BYTES = 2 * _MPEG_PACKET + 8  # of a file: as many as tell its format


def is_clip(head: bytes) -> bool:
    """Whether a file that begins like this is a clip; not whether it holds video."""
    return not photo_format(head) and _demuxer(head) is not None


def demuxer_of(label: str, head: bytes) -> str:
    """The name of FFmpeg's demuxer for a file that begins like this.

    Raises NotAVideoError for whatever is no clip.
    """
    if not head:
        raise NotAVideoError(label, "is empty (0 bytes): copy or download it again")
    if head.removeprefix(b"\xef\xbb\xbf").startswith(_PLAYLIST_STARTS):
        raise NotAVideoError(label, "is a list of clips, not a clip: name one of them")
    if head.startswith(_SOUND_STARTS) or _riff_kind(head) == b"WAVE":
        raise NotAVideoError(label, "is sound and holds no video: name a clip that shows a face")
    demuxer = None if photo_format(head) else _demuxer(head)
    if demuxer is None:
        raise NotAVideoError(
            label, f"is in no format facematch plays ({_CLIP_FORMATS}): save it as MP4"
        )
    return demuxer


def _demuxer(head: bytes) -> str | None:
    if _riff_kind(head) == b"AVI ":
        return "avi"
    if head[4:8] in _FIRST_ATOMS:
        return "mov"
    if _is_transport_stream(head):
        return "mpegts"
    return next((name for magic, name in _DEMUXER_BY_MAGIC if head.startswith(magic)), None)


def _riff_kind(head: bytes) -> bytes:
    return head[8:12] if head.startswith(b"RIFF") else b""


def _is_transport_stream(head: bytes) -> bool:
    return any(
        len(head) > start + size and head[start] == head[start + size] == 0x47
        for start, size in ((0, _MPEG_PACKET), (4, _MPEG_PACKET + 4))
    )
