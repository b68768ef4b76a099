"""Which bucket and key a request names: path-style or by the name of the host, decoded once.

A key is kept exactly: `a//b`, `x/` and `../y` are ordinary, and nothing here normalises a path.
Source: "Virtual hosting of buckets" in the Amazon S3 user guide.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from nobreak.engine.names import BUCKET, MAX_KEY_BYTES
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.words import ObjectName

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PORT = re.compile(r":[0-9]*\Z")


def read_request(
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Mapping[str, str],
    *,
    domain: str | None = None,
) -> S3Request:
    """Understand the head of a request.

    `raw_path` and `raw_query` as sent (bytes that are not UTF-8 as surrogates), `headers` with
    names in lower case. `domain`: `NOBREAK_S3_DOMAIN`; the host `bucket.domain` names a bucket.
    Raises `S3Error`: `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`, `InvalidArgument`.
    """
    if not raw_path.startswith("/"):
        raise S3Error("InvalidURI")
    bucket = bucket_of_host(headers.get("host", ""), domain)
    raw_key = raw_path[1:]
    if bucket is None and raw_key:
        raw_bucket, _, raw_key = raw_key.partition("/")
        bucket = _decoded(raw_bucket)
    return S3Request(
        method=method,
        raw_path=raw_path,
        raw_query=raw_query,
        query=read_query(raw_query),
        headers=headers,
        bucket=None if bucket is None else checked_bucket(bucket),
        key=checked_key(_decoded(raw_key)) if raw_key else None,
    )


def bucket_of_host(host: str, domain: str | None) -> str | None:
    """The bucket that a `Host` header names below `domain`; None when it names none."""
    if not domain:
        return None
    name = _PORT.sub("", host.strip()).lower().rstrip(".")
    suffix = "." + _PORT.sub("", domain.strip()).lower().strip(".")
    return name.removesuffix(suffix) if name.endswith(suffix) else None


def read_query(raw_query: str) -> tuple[tuple[str, str], ...]:
    """The decoded pairs of a query, in order; a plus sign means a space. Raises `S3Error`."""
    if not raw_query:
        return ()
    pairs = (part.partition("=") for part in raw_query.replace("+", "%20").split("&") if part)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in pairs)


def checked_bucket(bucket: str) -> str:
    """The bucket itself. Raises `S3Error` when none can be called so."""
    if not BUCKET.fullmatch(bucket) or ".." in bucket:
        raise S3Error("InvalidBucketName", extra={"BucketName": bucket})
    return bucket


def checked_key(key: str) -> str:
    """The key itself. Raises `S3Error` when no object can be called so."""
    size = len(key.encode())
    if size > MAX_KEY_BYTES:
        extra = {"Size": str(size), "MaxSizeAllowed": str(MAX_KEY_BYTES)}
        raise S3Error("KeyTooLongError", extra=extra)
    if not key or "\0" in key:
        raise S3Error("InvalidArgument", "A key can't be empty or contain a NUL character.")
    return key


@dataclass(frozen=True, slots=True)
class CopySource:
    """What `x-amz-copy-source` names; `version` is None where it names none."""

    name: ObjectName
    version: str | None = None


def read_copy_source(header: str) -> CopySource:
    """Understand `x-amz-copy-source`: `bucket/key`, percent-encoded. Raises `S3Error`."""
    raw, _, raw_version = header.partition("?versionId=")
    bucket, _, key = _decoded(raw).removeprefix("/").partition("/")  # the slash may be encoded
    if not bucket or not key:
        raise S3Error("InvalidArgument", "The copy source must be a bucket and a key.")
    name = ObjectName(checked_bucket(bucket), checked_key(key))
    return CopySource(name, _decoded(raw_version) or None)


def _decoded(raw: str) -> str:
    """Percent-decode, once. Raises `S3Error` for what isn't UTF-8."""
    if "%" not in raw and raw.isascii():
        return raw
    if _BROKEN_ESCAPE.search(raw):
        raise S3Error("InvalidURI")
    try:
        return unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError as error:
        raise S3Error("InvalidURI") from error
