"""Between HTTP headers and an object's attributes, both ways, and the headers that protect us.

What others have stored is served from the API's own origin, so no browser may run it there:
types are not guessed (`nosniff`), and what isn't plain media runs in a sandbox without scripts.
"""

import base64
import binascii
import re
from email.utils import format_datetime

from starlette.datastructures import Headers

from nobreak.errors import InvalidRequestError
from nobreak.words import CONTENT_HEADERS, Attributes, ObjectInfo

METADATA = "x-nobreak-meta-"
METADATA_TAKEN = (METADATA, "x-amz-meta-")
MD5_BYTES = 16
_MEDIA = re.compile(r"(?:image/(?!svg)|audio/|video/)[a-z0-9.+-]+")
_INERT = frozenset({"application/pdf", "text/plain"})
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_LENGTH = re.compile("[0-9]{1,19}")
_ETAG = re.compile(r"[!#-~]+")
_FIT = re.compile(r"(?:[!-~\x80-\U0010ffff](?:[ -~\x80-\U0010ffff]*[!-~\x80-\U0010ffff])?)?")

RawHeaders = list[tuple[bytes, bytes]]


def attributes_of(headers: Headers) -> Attributes:
    """What a PUT says of its object."""
    metadata = {}
    for name in headers:
        prefix = next((each for each in METADATA_TAKEN if name.startswith(each)), None)
        if prefix is not None and name != prefix:
            metadata[name.removeprefix(prefix)] = _given(headers, name)
    content = {name: _given(headers, name) for name in CONTENT_HEADERS if headers.get(name)}
    return Attributes(content, metadata)


def _given(headers: Headers, name: str) -> str:
    """The values of a header; UTF-8 where they are that, else Latin-1."""
    joined = ", ".join(headers.getlist(name))
    try:
        return joined.encode("latin-1").decode()
    except UnicodeDecodeError:
        return joined


def size_of(headers: Headers) -> int | None:
    """The announced length of the body; None when it comes in chunks."""
    if "transfer-encoding" in headers:
        return None
    length = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        raise InvalidRequestError("Content-Length is no number")
    return int(length)


def md5_of(headers: Headers) -> str | None:
    """`Content-MD5` in hexadecimal. Raises `InvalidRequestError`."""
    text = headers.get("content-md5")
    if text is None:
        return None
    try:
        digest = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != MD5_BYTES:
        raise InvalidRequestError("Content-MD5 is not 16 bytes in base64")
    return digest.hex()


def object_headers(info: ObjectInfo) -> RawHeaders:
    """What an answer says of its object; its length is the answer's own business."""
    attributes = info.attributes
    headers = {
        "last-modified": format_datetime(info.modified, usegmt=True),
        "accept-ranges": "bytes",
        "cache-control": "no-cache",  # kept by browsers, but never shown without asking us
        "content-type": attributes.content_type,
        **protection(attributes.content_type),
        **attributes.headers,
        **{METADATA + name: value for name, value in attributes.metadata.items()},
    }
    if _ETAG.fullmatch(info.etag):
        headers["etag"] = f'"{info.etag}"'
    return [(name.encode("ascii", "replace"), _encoded(value)) for name, value in headers.items()]


def protection(content_type: str) -> dict[str, str]:
    """The headers that keep a browser from running this content as a page of ours."""
    # Of several types in one header a browser takes the last one: such a header is no media.
    kind = content_type.partition(";")[0].strip().lower() if "," not in content_type else ""
    headers = {"x-content-type-options": "nosniff"}
    if _MEDIA.fullmatch(kind):
        return headers
    if kind not in _INERT:
        headers["content-disposition"] = "attachment"
    if kind != "application/pdf":  # browsers' own viewers don't open in a sandbox
        headers["content-security-policy"] = _SANDBOX
    return headers


def _encoded(value: str) -> bytes:
    """A value in UTF-8; one that no header can carry as an encoded word of RFC 2047."""
    if _FIT.fullmatch(value):
        return value.encode()
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?=".encode()
