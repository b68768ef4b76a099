"""Which names objects may have."""

import re

from nobreak.errors import InvalidRequestError
from nobreak.words import ObjectName

MAX_KEY_BYTES = 1024
"""S3's own limit: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html."""
ODD_SEGMENTS = frozenset({"", ".", ".."})
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


def is_odd(key: str) -> bool:
    """Whether some servers keep this key under another name, or not at all: `a//b` as `a/b`."""
    return not ODD_SEGMENTS.isdisjoint(key.split("/"))


def checked(name: ObjectName) -> ObjectName:
    """The name itself. Raises `InvalidRequestError` when no object can be called so."""
    if not BUCKET.fullmatch(name.bucket) or ".." in name.bucket:
        raise InvalidRequestError(
            f"the bucket {name.bucket!r} can't be: letters, digits, '.', '_' and '-' are allowed"
        )
    try:
        encoded = name.key.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError("the key is not valid UTF-8") from error
    if not encoded or len(encoded) > MAX_KEY_BYTES:
        raise InvalidRequestError(
            f"the key has {len(encoded)} bytes; 1 to {MAX_KEY_BYTES} are allowed"
        )
    if b"\0" in encoded:
        raise InvalidRequestError("the key contains a NUL byte, which is not allowed")
    return name
