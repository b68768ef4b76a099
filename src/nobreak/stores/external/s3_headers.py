"""Between the headers of S3 and our words: attributes, ETags, sizes."""

import base64
import re
from collections.abc import Mapping, Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from nobreak.errors import InvalidRequestError
from nobreak.stores.external.reading import http_date, plain_etag
from nobreak.words import (
    CONTENT_HEADERS,
    Attributes,
    ByteRange,
    ObjectInfo,
    ObjectName,
    Precondition,
    Segment,
)

METADATA_PREFIX = "x-amz-meta-"
CHECKSUM_PREFIX = "x-amz-checksum-"
NO_CHECKSUMS = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"})
"""Headers that begin like a checksum and are none."""
CONDITIONS = frozenset({"if-match", "if-none-match"})
TAGGING = "x-amz-tagging"
STATED = frozenset(
    {
        "x-amz-object-lock-legal-hold",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-bucket-key-enabled",
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
    }
)
"""What a PUT may ask for, and an answer to GET and HEAD states."""
OF_CUSTOMERS_KEY = "x-amz-server-side-encryption-customer-algorithm"
NOT_ALL = frozenset({"x-amz-tagging-count", OF_CUSTOMERS_KEY})
"""An answer with one of these leaves something unsaid: the tags; or what only a secret opens."""
OF_THE_REQUEST = frozenset({"x-amz-id-2", "x-amz-request-id"})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PLAIN = re.compile(r"([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?")
_MD5 = re.compile(r"[0-9a-f]{32}")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def headers_of(attributes: Attributes) -> dict[str, str]:
    """The headers that carry these attributes. Raises `InvalidRequestError`."""
    headers = {}
    for name, value in attributes.headers.items():
        if name not in CONTENT_HEADERS or _CONTROL.search(value):
            raise InvalidRequestError(f"{name!r} can't be kept as a content header")
        headers[name] = value
    for name, value in attributes.metadata.items():
        if not _TOKEN.fullmatch(name):
            raise InvalidRequestError(f"{name!r} can't be the name of metadata")
        headers[METADATA_PREFIX + name] = _encode_metadata(value)
    return headers | dict(attributes.s3)


def attributes_of(headers: Mapping[str, str]) -> Attributes:
    """The attributes that an answer's headers carry."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return Attributes(
        headers={name: lowered[name] for name in CONTENT_HEADERS if name in lowered},
        metadata={
            name.removeprefix(METADATA_PREFIX): _decode_metadata(value)
            for name, value in lowered.items()
            if name.startswith(METADATA_PREFIX)
        },
        s3={name: lowered[name] for name in lowered if name in STATED or _is_of_checksum(name)},
    )


def _is_of_checksum(name: str) -> bool:
    return _is_checksum(name) or name == "x-amz-checksum-type"


def upload_headers(headers: Mapping[str, str], segments: Sequence[Segment]) -> dict[str, str]:
    """The headers that begin an upload of these: a checksum is announced, and comes at the end.

    Where a segment lacks it, nobody could check it, so it isn't announced.
    """
    later = {name for name in headers if _is_checksum(name) or name in CONDITIONS}
    found = {name: value for name, value in headers.items() if name not in later}
    for name in filter(_is_checksum, headers):
        if segments and all(name in each.checksums for each in segments):
            found["x-amz-checksum-algorithm"] = name.removeprefix(CHECKSUM_PREFIX).upper()
    if "x-amz-checksum-algorithm" not in found:
        found.pop("x-amz-checksum-type", None)
    return found


def completion_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that complete an upload: its conditions, and the whole's checksum if it is one."""
    whole = headers.get("x-amz-checksum-type") == "FULL_OBJECT"
    return {
        name: value
        for name, value in headers.items()
        if name in CONDITIONS or (whole and name.startswith(CHECKSUM_PREFIX))
    }


def condition_headers(precondition: Precondition | None) -> dict[str, str]:
    """The headers of a conditional write."""
    headers = {}
    if precondition is not None and precondition.absent:
        headers["if-none-match"] = "*"
    if precondition is not None and precondition.etags is not None:
        quoted = (etag if etag == "*" else f'"{etag}"' for etag in sorted(precondition.etags))
        headers["if-match"] = ", ".join(quoted)
    return headers


def said_of(headers: Mapping[str, str]) -> dict[str, str]:
    """What an answer to a write says of the object beside its ETag: version, encryption, ..."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return {name: lowered[name] for name in lowered if _is_said(name)}


def _is_said(name: str) -> bool:
    return name.startswith("x-amz-") and name not in OF_THE_REQUEST


def _is_checksum(name: str) -> bool:
    """Whether this header has a checksum as its value."""
    return name.startswith(CHECKSUM_PREFIX) and name not in NO_CHECKSUMS


def _encode_metadata(value: str) -> str:
    """Plain ASCII as it is, all else as one encoded word of RFC 2047, as AWS gives it back."""
    if _PLAIN.fullmatch(value) and "=?" not in value:
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="


def _decode_metadata(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def etag_of(headers: Mapping[str, str]) -> str:
    """The ETag without quotes; empty when there is none."""
    return plain_etag(headers.get("ETag", ""))


def md5_of(headers: Mapping[str, str]) -> str | None:
    """The MD5 that the server states by its ETag, or None where the ETag is something else.

    Of multipart uploads and of bodies encrypted with keys of KMS or of the customer it is.
    Source: "Common Response Headers" in the Amazon S3 API reference.
    """
    encryption = headers.get("x-amz-server-side-encryption", "")
    if encryption.startswith("aws:kms"):
        return None
    if of_customers_key(headers):
        return None
    etag = etag_of(headers)
    return etag if _MD5.fullmatch(etag) else None


def of_customers_key(headers: Mapping[str, str]) -> bool:
    """Whether these bytes were encrypted with a key that only the customer has."""
    return any(name.lower() == OF_CUSTOMERS_KEY for name in headers)


def object_info(name: ObjectName, headers: Mapping[str, str], size: int) -> ObjectInfo:
    """What an answer to HEAD or GET says of an object."""
    return ObjectInfo(
        name=name,
        size=size,
        etag=etag_of(headers),
        modified=http_date(headers.get("Last-Modified", "")),
        attributes=attributes_of(headers),
        whole=NOT_ALL.isdisjoint(name.lower() for name in headers),
    )


def extent_of(headers: Mapping[str, str]) -> tuple[ByteRange, int]:
    """Which bytes an answer carries, and the size of the whole object.

    Raises `ValueError` when the headers don't tell.
    """
    if partial := _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "")):
        first, last, size = map(int, partial.groups())
        return ByteRange(first, last + 1), size
    length = int(headers.get("Content-Length", ""))
    return ByteRange(0, length), length
