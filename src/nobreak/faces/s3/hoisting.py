"""Headers that travel in the query: presigned URLs carry `x-amz-*` headers as arguments.

SDKs move them there when they presign, and S3 takes them as if they had come as headers. Both
kinds of signature in a URL cover them: nobody can add an `x-amz-copy-source` to one.
"""

import re
from collections.abc import Mapping

from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.printable import printable

_PREFIX = "x-amz-"
_SIGNATURES = frozenset({"X-Amz-Signature", "Signature"})
_OF_THE_SIGNATURE = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signature",
        "x-amz-signedheaders",
        "x-amz-security-token",
    }
)

_CONTROL = re.compile("[\\x00-\\x08\\x0a-\\x1f\\x7f]")
"""What no value of a header may hold (RFC 9110, 5.5)."""
_NOT_UTF8 = re.compile("[\\ud800-\\udfff]")
_SUSPECT = re.compile("[\\x00-\\x08\\x0a-\\x1f\\x7f\\ud800-\\udfff]")
_METADATA = "x-amz-meta-"
_ANSWERED = "response-"
"""Arguments that become headers of the answer: `response-content-type` and others."""


def effective_headers(request: S3Request) -> Mapping[str, str]:
    """The headers of a request with those from its query, if it is presigned.

    A real header goes first.
    """
    if all(name not in _SIGNATURES for name, _ in request.query):
        return request.headers
    hoisted = {
        name.lower(): value
        for name, value in request.query
        if name.lower().startswith(_PREFIX) and name.lower() not in _OF_THE_SIGNATURE
    }
    return {**hoisted, **request.headers}


def check_header_values(request: S3Request) -> None:
    """Values that can be no header are refused: they would be kept, sent on, or answered.

    Raises `S3Error` (`InvalidArgument`).
    """
    if not request.query and "".join(request.headers.values()).isprintable():
        return  # so almost all are
    in_query = [
        (name.lower(), value)
        for name, value in request.query
        if name.lower().startswith((_PREFIX, _ANSWERED))
    ]
    if not _SUSPECT.search("\t".join((*request.headers.values(), *(text for _, text in in_query)))):
        return
    for name, value in (*request.headers.items(), *in_query):
        of_s3 = name.startswith(_PREFIX) and not name.startswith(_METADATA)
        if _CONTROL.search(value) or (of_s3 and _NOT_UTF8.search(value)):
            message = "The value of a header is not UTF-8 or has control characters."
            raise S3Error("InvalidArgument", message, extra={"ArgumentName": printable(name)})


def as_text(value: str) -> str:
    """A header's value; bytes that are not UTF-8 (surrogates here) mean Latin-1."""
    if _NOT_UTF8.search(value):
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value
