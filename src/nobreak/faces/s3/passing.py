"""Requests that the external store answers itself: all of S3 that nobreak has no part in."""

from collections.abc import AsyncIterator, Mapping

from nobreak.engine.forwarding import Forwarded, Forwarding
from nobreak.faces.s3.answer import Answer
from nobreak.faces.s3.hoisting import as_text, effective_headers
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.request import S3Request
from nobreak.words import ObjectName

HOP_BY_HOP = frozenset(
    {
        "connection",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-amz-request-id",
    }
)
"""Headers of one connection, or of one server (RFC 9110, 7.6.1); the request id is ours."""
OF_THE_SENDER = frozenset(
    {
        "authorization",
        "content-length",
        "content-md5",
        "expect",
        "host",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-decoded-content-length",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-security-token",
        "x-amz-trailer",
    }
)
"""Headers that belong to the client's signature and framing: both are made anew."""
SIGNATURE_V2 = frozenset({"AWSAccessKeyId", "Signature", "Expires"})
UNSENT = frozenset({"GET", "HEAD", "DELETE"})


class Passing:
    """Hands requests on and answers back."""

    def __init__(self, forwarding: Forwarding) -> None:
        self._forwarding = forwarding

    async def on(self, request: S3Request, body: Incoming, *, of_object: bool = False) -> Answer:
        """The external store's own answer. Raises `UnavailableError`, `OutageError`.

        `of_object`: what answers anything but an object, or a refusal, is no S3 server.
        """
        headers = passed_headers(request)
        data = None if request.method in UNSENT else body.chunks()
        if data is not None and body.size is not None:
            headers["content-length"] = str(body.size)
        name = ObjectName(request.bucket or "", request.key or "")
        sent = await self._forwarding.send(
            request.method,
            name,
            query=passed_query(request),
            headers=headers,
            data=data,
            of_object=of_object,
        )
        return answer_of(sent)


def passed_headers(request: S3Request) -> dict[str, str]:
    """The headers that the external store is to see."""
    kept = {
        name: as_text(value)
        for name, value in effective_headers(request).items()
        if name not in HOP_BY_HOP and name not in OF_THE_SENDER
    }
    codings = [each.strip() for each in kept.pop("content-encoding", "").split(",")]
    real = ",".join(each for each in codings if each and each != "aws-chunked")
    return {**kept, "content-encoding": real} if real else kept


def passed_query(request: S3Request) -> tuple[tuple[str, str], ...]:
    """The query without the client's signature."""
    return tuple(
        (name, value)
        for name, value in request.query
        if name not in SIGNATURE_V2 and not name.lower().startswith("x-amz-")
    )


def answer_of(sent: Forwarded) -> Answer:
    """Status, headers and body as they came."""
    return Answer(sent.status, answered_headers(sent.headers), _whole(sent), sent.aclose)


def answered_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that the client is to see."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in lowered.items() if name not in HOP_BY_HOP}


async def _whole(sent: Forwarded) -> AsyncIterator[bytes]:
    async for chunk in sent.chunks():
        yield chunk
