"""Headers that travel in the query: presigned URLs carry `x-amz-*` headers as arguments.

SDKs move them there when they presign, and S3 takes them as if they had come as headers. Both
kinds of signature in a URL cover them: nobody can add an `x-amz-copy-source` to one.
"""

from collections.abc import Mapping

from nobreak.faces.s3.request import S3Request

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
