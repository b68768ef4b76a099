"""Continuation tokens: where a listing goes on, opaque to clients.

A token holds nothing secret and grants nothing: it is a place in a listing. The digest in it
tells one of ours from another server's and from one that was damaged on its way.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

_OURS = "nb1."
_DIGEST_BYTES = 6


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listing of objects goes on: after its element `last`.

    `theirs`: the external store's own token, if it gave the last page. `by_path`: in an order of its
    own, in which only it can go on.
    """

    last: str
    theirs: str = ""
    by_path: bool = False


def write_token(last: str) -> str:
    """The token that continues a listing after its element `last`."""
    place = last.encode()
    return _OURS + base64.urlsafe_b64encode(_digest(place) + place).decode()


def read_token(token: str) -> str | None:
    """The element that a token continues after; None when it is none of ours."""
    if not token.startswith(_OURS):
        return None
    try:
        raw = base64.b64decode(token.removeprefix(_OURS), altchars=b"-_", validate=True)
        digest, place = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        return place.decode() if digest == _digest(place) else None
    except (binascii.Error, ValueError):
        return None


def write_place(place: Place) -> str:
    """The token that continues a listing of objects."""
    return write_token(json.dumps([place.last, place.theirs, place.by_path]))


def read_place(token: str) -> Place | None:
    """The place that a token of such a listing stands for; None when it is none of ours."""
    text = read_token(token)
    try:
        last, theirs, by_path = json.loads(text or "")
        return Place(str(last), str(theirs), bool(by_path))
    except (TypeError, ValueError):
        return None


def _digest(place: bytes) -> bytes:
    return hashlib.blake2b(place, digest_size=_DIGEST_BYTES, person=b"nobreak-list").digest()
