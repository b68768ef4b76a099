"""Between the headers of S3's requests and answers and what is kept of an object."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime

from nobreak.faces.s3.hoisting import as_text, effective_headers
from nobreak.faces.s3.kept import (
    CHECKSUM_TYPE,
    WHOLE,
    checksums_of,
    is_checksum,
    kept_headers,
    read_headers,
)
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.stores.external.s3_headers import METADATA_PREFIX, TAGGING, headers_of
from nobreak.stores.external.s3_headers import attributes_of as attributes_of_headers
from nobreak.words import CONTENT_HEADERS, Attributes, ByteRange, ObjectInfo

MAX_METADATA_BYTES = 2048
"""Names and values together: "Working with object metadata" in the Amazon S3 user guide."""
DEFAULT_TYPE = "binary/octet-stream"
_OVERRIDE = "response-"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def attributes_of(request: S3Request) -> Attributes:
    """What a PUT says of its object. Raises `S3Error` `MetadataTooLarge`, `InvalidArgument`."""
    headers = {
        name: as_text(value)
        for name, value in effective_headers(request).items()
        if name in CONTENT_HEADERS or name.startswith(METADATA_PREFIX)
    }
    found = attributes_of_headers(headers)
    if "" in found.metadata:
        raise S3Error("InvalidArgument", f"{METADATA_PREFIX} needs a name after it.")
    used = sum(len(name.encode()) + len(text.encode()) for name, text in found.metadata.items())
    if used > MAX_METADATA_BYTES:
        extra = {"Size": str(used), "MaxSizeAllowed": str(MAX_METADATA_BYTES)}
        raise S3Error("MetadataTooLarge", extra=extra)
    return Attributes(_without_transport(found.headers), found.metadata)


def new_attributes(request: S3Request) -> Attributes:
    """All that a PUT says of its object. Raises `S3Error`: as `attributes_of`, or wrong tags."""
    plain = attributes_of(request)
    checksums = {name: text for name, text in request.headers.items() if is_checksum(name)}
    return Attributes(plain.headers, plain.metadata, {**kept_headers(request), **checksums})


def copied_attributes(request: S3Request, source: Attributes) -> Attributes:
    """The attributes of a copy.

    By `x-amz-metadata-directive` and `x-amz-tagging-directive` they are its source's or its own.
    Its checksum is its source's, for it has the same bytes; all else S3 takes from the request.
    Raises `S3Error` as `new_attributes`.
    """
    own = kept_headers(request)
    plain = attributes_of(request) if replaces(request, "metadata") else source
    if not replaces(request, "tagging"):
        own.pop(TAGGING, None)
        own |= {name: source.s3[name] for name in (TAGGING,) if name in source.s3}
    checksums = checksums_of(source)
    if checksums.pop(CHECKSUM_TYPE, None) == WHOLE:
        own |= checksums
    return Attributes(plain.headers, plain.metadata, own)


def replaces(request: S3Request, what: str) -> bool:
    """Whether a copy has its own metadata, or tagging. Raises `S3Error` `InvalidArgument`."""
    header = f"x-amz-{what}-directive"
    directive = effective_headers(request).get(header, "COPY")
    if directive not in {"COPY", "REPLACE"}:
        raise S3Error("InvalidArgument", f"{header} is COPY or REPLACE.")
    return directive == "REPLACE"


def response_headers(info: ObjectInfo, part: ByteRange | None = None) -> dict[str, str]:
    """The headers of an answer with an object, names in lower case; `part` for a 206.

    Raises `InvalidRequestError` for attributes that no header can carry.
    """
    sent = part or ByteRange(0, info.size)
    headers = {
        "accept-ranges": "bytes",
        "content-length": str(sent.length),
        "content-type": DEFAULT_TYPE,
        **version_headers(info),
        **headers_of(replace(info.attributes, s3=read_headers(info.attributes))),
    }
    if part is not None:
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{info.size}"
    return headers


def version_headers(info: ObjectInfo) -> dict[str, str]:
    """What names a version of an object: all that a 304 says."""
    headers = {"last-modified": format_datetime(info.modified.astimezone(UTC), usegmt=True)}
    return {**headers, "etag": f'"{info.etag}"'} if info.etag else headers


def overrides(request: S3Request) -> dict[str, str]:
    """The headers that `response-*` arguments replace in an answer to GET or HEAD.

    S3 takes them from signed requests only. Raises `S3Error` `InvalidArgument` for a value that
    no header can carry.
    """
    found = {}
    for argument, value in request.query:
        name = argument.removeprefix(_OVERRIDE)
        if name == argument or name not in CONTENT_HEADERS:
            continue
        if _CONTROL.search(value):
            extra = {"ArgumentName": argument}
            raise S3Error("InvalidArgument", "A header can't hold this value.", extra=extra)
        found[name] = value
    return found


def _without_transport(headers: Mapping[str, str]) -> dict[str, str]:
    """Content headers without `aws-chunked`: how a body was sent, not what it is."""
    codings = [each.strip() for each in headers.get("content-encoding", "").split(",")]
    kept = ",".join(each for each in codings if each and each.lower() != "aws-chunked")
    others = {name: value for name, value in headers.items() if name != "content-encoding"}
    return {**others, "content-encoding": kept} if kept else others
