"""Untrusted text (keys, a server's messages, settings) made safe to show on one line.

What could end a line, move a cursor or reorder what is read is written as an escape, and so
is the backslash, so that two different texts never look alike.
"""

import re

_UNSAFE = re.compile(
    "["
    "\\x00-\\x1f\\x7f-\\x9f"  # C0, DEL, C1: newlines and terminal sequences
    "\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069"  # line separators, bidirectional marks
    "\\ud800-\\udfff"  # lone surrogates, which UTF-8 can't carry
    "]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str, limit: int = 1024) -> str:
    """`text` on one line, at most `limit` of its characters, with an ellipsis for the rest."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _UNSAFE.sub(_escape, cut.replace("\\", r"\\"))


def printable_json(document: str) -> str:
    """A JSON document with the same characters escaped, in the escapes that JSON has."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def _escape(match: re.Match[str]) -> str:
    return _SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}"
