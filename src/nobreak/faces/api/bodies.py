"""Bodies on their way in and out: streamed, never held whole, nobody waited for too long."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from nobreak.engine.reading import Reading
from nobreak.errors import NobreakError
from nobreak.faces.api.headers import RawHeaders
from nobreak.faces.api.problems import ApiError
from nobreak.lang import Text

SILENCE = 60.0
"""A client that sends nothing, or takes nothing, for so long is given up (seconds)."""


async def incoming(request: Request) -> AsyncIterator[bytes]:
    """The body of a request. Raises `ClientDisconnect` when it ends early, `ApiError` (408)."""
    async with aclosing(_as_generator(request)) as stream:
        while True:
            try:
                async with asyncio.timeout(SILENCE):
                    chunk = await anext(stream, None)
            except TimeoutError:
                text = Text("O conteúdo parou de chegar", "The body stopped arriving")
                raise ApiError(408, "body_timeout", text) from None
            if chunk is None:
                return
            yield chunk


async def _as_generator(request: Request) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


class ObjectResponse(StreamingResponse):
    """The bytes of an object. Made by `open_response`; closes the reading in all cases."""

    def __init__(
        self,
        reading: Reading,
        chunks: AsyncGenerator[bytes, None],
        headers: RawHeaders,
        status: int,
    ) -> None:
        super().__init__(chunks, status)
        self.raw_headers = [*headers, (b"content-length", str(reading.length).encode())]
        self._reading = reading
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._chunks.aclose()
            await self._reading.aclose()

    async def stream_response(self, send: Send) -> None:
        """Send it all, or stop in the middle: the length then tells the client (I2)."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        try:
            async for chunk in self._chunks:
                async with asyncio.timeout(SILENCE):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (NobreakError, TimeoutError):
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def open_response(reading: Reading, headers: RawHeaders, status: int) -> ObjectResponse:
    """An answer whose first bytes are here: what fails before them is an error like any other."""
    rest = reading.chunks()
    try:
        first = await anext(rest, b"")
    except BaseException:
        await reading.aclose()
        raise

    async def chunks() -> AsyncGenerator[bytes, None]:
        if first:
            yield first
        async with aclosing(rest):
            async for chunk in rest:
                yield chunk

    return ObjectResponse(reading, chunks(), headers, status)
