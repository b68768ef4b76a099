"""Requests that the external store answers itself: all of S3 that nobreak has no part in."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

from nobreak.engine.forwarding import Forwarded, Forwarding
from nobreak.errors import OutageError
from nobreak.faces.s3.addressing import read_copy_source
from nobreak.faces.s3.answer import REDIRECT, Answer
from nobreak.faces.s3.effects import Effect, effect_of, objects_changed
from nobreak.faces.s3.hoisting import as_text, effective_headers
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.request import S3Request
from nobreak.stores.external.http_request import RequestBody
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
UNSENT = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
COPY_SOURCE = "x-amz-copy-source"
ASKS_OF_SOURCE = ("x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match")


class Passing:
    """Hands requests on and answers back."""

    def __init__(self, forwarding: Forwarding) -> None:
        self._forwarding = forwarding

    async def on(
        self,
        request: S3Request,
        body: Incoming,
        *,
        of_object: bool = False,
        changes: Sequence[ObjectName] = (),
    ) -> Answer:
        """The external store's own answer. Raises `UnavailableError`, `OutageError`.

        `of_object`: what answers anything but an object, or a refusal, is no S3 server. A write is
        answered only when the catalog has been told of it. `changes`: further objects whose bytes
        it may change.
        """
        sending = self._sent(request, body, changes, of_object=of_object)
        effect = effect_of(request)
        if effect is Effect.NONE:
            sent = await sending
            # A refusal is small, and one that breaks off is better an honest 503.
            return answer_of(sent) if sent.status < REDIRECT else await in_memory(sent)
        name = ObjectName(request.bucket or "", request.key or "")
        gone = effect is Effect.BUCKET_GONE
        changed = partial(self._forwarding.changed, name, changes, gone=gone)
        if effect is Effect.ATTRIBUTES:
            changed = partial(self._forwarding.described_anew, name)
        try:
            answer = await in_memory(await sending)
        except OutageError:
            await changed(sure=False)
            raise
        except asyncio.CancelledError:
            self._forwarding.later(changed(sure=False))
            raise
        if answer.succeeded:
            await changed(sure=True)
        return answer

    async def _sent(
        self,
        request: S3Request,
        body: Incoming,
        changes: Sequence[ObjectName],
        *,
        of_object: bool,
    ) -> Forwarded:
        headers = passed_headers(request)
        data: RequestBody | None = None
        if request.method not in UNSENT:
            framed = "transfer-encoding" in request.headers
            if body.size == 0 or (body.size is None and not framed):
                data = await body.whole()
            else:
                data = body.chunks()
            if body.size is not None:
                headers["content-length"] = str(body.size)
        self._ask_source_as_theirs(headers)
        name = ObjectName(request.bucket or "", request.key or "")
        return await self._forwarding.send(
            request.method,
            name,
            query=passed_query(request),
            headers=headers,
            data=data,
            of_object=of_object,
            changes=(*changes, *objects_changed(request)),
        )

    def _ask_source_as_theirs(self, headers: dict[str, str]) -> None:
        """Conditions on the source of a copy, with the ETag that the external store gives it."""
        asked = [name for name in ASKS_OF_SOURCE if name in headers]
        if asked and COPY_SOURCE in headers:
            alias = self._forwarding.alias(read_copy_source(headers[COPY_SOURCE]).name)
            if alias is not None:
                headers |= {n: headers[n].replace(alias.ours, alias.theirs) for n in asked}


def passed_headers(request: S3Request) -> dict[str, str]:
    """The headers that the external store is to see."""
    kept = {
        name: as_text(value)
        for name, value in effective_headers(request).items()
        if name not in HOP_BY_HOP and name not in OF_THE_SENDER
    }
    if "x-amz-decoded-content-length" in request.headers:
        kept.pop("content-md5", None)  # of the frames, perhaps
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
    """Status, headers and body as they came: at once what is here, the rest as it comes."""
    whole = sent.whole
    if whole is not None:
        return Answer(sent.status, answered_headers(sent.headers), whole, sent.aclose)
    return Answer(sent.status, answered_headers(sent.headers), _whole(sent), sent.aclose)


def answered_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that the client is to see: none that would send it to another server.

    Values of a repeated one are joined in order (RFC 9110, 5.3).
    """
    lowered: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        lowered[lower] = f"{lowered[lower]}, {value}" if lower in lowered else value
    elsewhere = "//" in lowered.get("location", "")
    hidden = HOP_BY_HOP | {"location"} if elsewhere else HOP_BY_HOP
    return {name: value for name, value in lowered.items() if name not in hidden}


async def in_memory(sent: Forwarded) -> Answer:
    """An answer that is small, as one to a write is: a server may say 200 before it is done."""
    try:
        content = b"".join([chunk async for chunk in sent.chunks()])
    finally:
        await sent.aclose()
    return Answer(sent.status, answered_headers(sent.headers), content)


async def _whole(sent: Forwarded) -> AsyncIterator[bytes]:
    async for chunk in sent.chunks():
        yield chunk
