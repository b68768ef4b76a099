r"""How object names become WebDAV paths and back, without a collision.

An ordinary key is its own path. What can't be a path segment on some server is escaped, with
`%` as the escape character *inside of names* (in a URL it is percent-encoded once more):

* `%`, `\`, what XML can't carry, a dot at the beginning of a segment (nginx lists no such file)
  and a dot or space at its end: `%XX` for each byte, in upper-case hexadecimal; this covers
  `.` and `..`;
* an empty segment (`a//b`, `/a`, `x/`): `%` alone, so `x/` is the file `%` in the folder `x`;
* a segment of more than 250 bytes: cut into folders, each ending in `%`, for file systems
  allow 255 bytes.

Every name has exactly one path, and a path that is not the one of its name is not ours: so
temporary files, whose names begin with `%tmp-`, can never be mistaken for an object. The server
has to keep names exactly: one that ignores case, or changes the Unicode form, mixes up keys
that differ in nothing else.

Files and folders share their names in WebDAV, so `a` and `a/b` can't both exist there.
"""

import re
from urllib.parse import quote

from nobreak.words import ObjectName

LONGEST_PIECE = 250
"""In bytes, so that a piece and its `%` fit into 255 with room to spare."""

TEMPORARY_PREFIX = "%tmp-"  # no escape begins so: `t` is no hexadecimal digit

SPECIAL = re.compile(r"[%\\/\x00-\x1f\x7f\ufffe\uffff]|\A\.|[. ]\Z")
ESCAPES = re.compile(r"(?:%[0-9A-F]{2})+")
UNIT = re.compile(r"%[0-9A-F]{2}|.", re.DOTALL)
"""What a cut must not divide: an escape, or a character."""


def segments_of(name: ObjectName) -> tuple[str, ...]:
    """The path segments of an object, below the base: folders, then the file."""
    return (*pieces_of(name.bucket), *key_segments(name.key))


def key_segments(key: str) -> tuple[str, ...]:
    """The path segments of a key, below its bucket's folder."""
    return tuple(piece for segment in key.split("/") for piece in pieces_of(segment))


def pieces_of(segment: str) -> tuple[str, ...]:
    """The path segments that stand for one segment of a key: one, unless it is long."""
    if not segment:
        return ("%",)
    escaped = SPECIAL.sub(_escape, segment)
    if len(escaped.encode()) <= LONGEST_PIECE:
        return (escaped,)
    pieces = [""]
    room = LONGEST_PIECE
    for unit in UNIT.findall(escaped):
        room -= len(unit.encode())
        if room < 0:
            pieces.append("")
            room = LONGEST_PIECE - len(unit.encode())
        pieces[-1] += unit
    return (*(f"{piece}%" for piece in pieces[:-1]), pieces[-1])


def is_cut(piece: str) -> bool:
    """Whether this folder's name is only the beginning of a long segment."""
    return len(piece) > 1 and ESCAPES.sub("", piece).endswith("%")


def key_of(segments: tuple[str, ...]) -> str | None:
    """The key whose path, below its bucket's folder, this is; None when there is none."""
    text = ""
    for piece in segments:
        if is_cut(piece):
            text += piece[:-1]
        else:
            text += ("" if piece == "%" else piece) + "/"
    try:
        key = ESCAPES.sub(_unescape, text.removesuffix("/"))
    except UnicodeDecodeError:
        return None
    return key if key_segments(key) == segments else None


def url_path(segments: tuple[str, ...]) -> str:
    """The segments as a URL path, percent-encoded, beginning with a slash."""
    return "".join("/" + quote(segment, safe="") for segment in segments)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def _unescape(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode()
