"""Tags of objects: at most ten, as a header carries them and as S3 checks them.

Source: "Categorizing your storage using tags" in the Amazon S3 user guide.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from nobreak.faces.s3.addressing import read_query
from nobreak.faces.s3.request import S3Error

MAX_TAGS = 10
MAX_KEY_CHARACTERS = 128
MAX_VALUE_CHARACTERS = 256


def read_tags_header(header: str) -> dict[str, str]:
    """The tags of `x-amz-tagging`, written like a query. Raises `S3Error`."""
    try:
        pairs = read_query(header)
    except S3Error as error:
        raise S3Error("InvalidArgument", "x-amz-tagging is not encoded like a query.") from error
    return checked_tags(pairs)


def write_tags_header(tags: Mapping[str, str]) -> str:
    """The value of `x-amz-tagging` for these tags."""
    return urlencode(tags)


def checked_tags(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The tags themselves. Raises `S3Error`: `InvalidTag`, or `BadRequest` for too many."""
    tags: dict[str, str] = {}
    for key, value in pairs:
        if not all(map(_is_allowed, key + value)):
            raise S3Error("InvalidTag", "A tag holds letters, digits, spaces and _ . : / = + - @")
        if key in tags:
            raise S3Error("InvalidTag", "Two tags have the same key.")
        if not 1 <= len(key) <= MAX_KEY_CHARACTERS:
            raise S3Error("InvalidTag", f"A tag's key has 1 to {MAX_KEY_CHARACTERS} characters.")
        if len(value) > MAX_VALUE_CHARACTERS:
            raise S3Error("InvalidTag", f"A tag's value has {MAX_VALUE_CHARACTERS} at most.")
        tags[key] = value
    if len(tags) > MAX_TAGS:
        raise S3Error("BadRequest", f"An object has {MAX_TAGS} tags at most.")
    return tags


def _is_allowed(character: str) -> bool:
    """Letters, numbers and separators of any script, and a few signs."""
    return character in "_.:/=+-@" or unicodedata.category(character)[0] in "LNZ"
