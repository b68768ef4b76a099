"""An answer of an HTTP server: its head is here, its body is read as it comes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from nobreak.errors import OutageError, OutageKind

FIRST_REFUSAL = 300
HIGH = 128 * 1024
"""With so many bytes waiting to be taken, no more are read from the server."""
LOW = 64 * 1024
"""With so few, they are read again."""


class Source(Protocol):
    """The connection that a body comes over."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""

    def drop(self, response: "Response") -> None:
        """Nobody wants the rest of this one."""


class Response:
    """See the module. Close it in all cases: with its body unread, that costs its connection.

    `headers`: names in any case; values of a repeated one are all there, in order. `path`: as the
    request had it. `content_length`: as announced; None when the body has none. `changes`: the
    request changed something, so an answer that breaks off leaves it in doubt.
    """

    __slots__ = (
        "_error",
        "_held",
        "_paused",
        "_pieces",
        "_source",
        "_waiter",
        "_whole",
        "changes",
        "content_length",
        "early",
        "headers",
        "method",
        "path",
        "reason",
        "status",
    )

    def __init__(
        self,
        source: Source,
        method: str,
        path: str,
        status: int,
        reason: str,
        headers: Mapping[str, str],
        content_length: int | None,
        *,
        changes: bool,
        early: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.status = status
        self.reason = reason
        self.headers = headers
        self.changes = changes
        self.early = early
        """It came before the whole request was sent."""
        self.content_length = content_length
        self._source = source
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._paused = False
        self._whole = False
        self._error: OutageError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return self.status < FIRST_REFUSAL

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; empty when there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def whole(self) -> bytes | None:
        """What is left of the body, if all of it is here: it is taken."""
        if not self._whole:
            return None
        pieces, self._pieces, self._held = self._pieces, deque(), 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def some(self, most: int | None = None, *, within: float | None = None) -> bytes:
        """The next bytes of the body, `most` at most; none at its end.

        Raises `OutageError` when it breaks off, or when nothing comes `within` so many seconds.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._whole:
                return b""
            await self._more(within)
        piece = self._pieces.popleft()
        if most is not None and len(piece) > most:
            self._pieces.appendleft(piece[most:])
            piece = piece[:most]
        self._held -= len(piece)
        if self._paused and self._held <= LOW and not self._whole:
            self._paused = False
            self._source.resume()
        return piece

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises as `some`."""
        while piece := await self.some():
            yield piece

    async def read(self, limit: int) -> bytes:
        """The body, or its first `limit` bytes. Raises as `some`."""
        content = bytearray()
        while len(content) < limit and (piece := await self.some(limit - len(content))):
            content += piece
        return bytes(content)

    def close(self) -> None:
        """Whatever has not come yet is not wanted. May be called twice."""
        self._pieces.clear()
        if not self._whole and self._error is None:
            self._error = self.outage(OutageKind.BROKEN, "it was closed")
            self._source.drop(self)

    def outage(self, kind: OutageKind, detail: str) -> OutageError:
        """The failure of this exchange."""
        return OutageError(kind, detail, in_doubt=self.changes)

    def take(self, data: bytes) -> None:
        """For the connection: the next bytes of the body, not none."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held > HIGH and not self._paused:
            self._paused = True
            self._source.pause()
        self._wake()

    def end(self) -> None:
        """For the connection: that was all of it."""
        self._whole = True
        self._wake()

    def fail(self, error: OutageError) -> None:
        """For the connection: no more will come, and that was not all."""
        if not self._whole and self._error is None:
            self._error = error
            self._wake()

    async def _more(self, within: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = None if within is None else loop.call_later(within, self._give_up, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _give_up(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            self.fail(self.outage(OutageKind.TIMEOUT, "no more bytes in time"))
            self._source.drop(self)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
