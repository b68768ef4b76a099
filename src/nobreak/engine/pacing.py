"""What the drain sends, no faster than `NOBREAK_DRAIN_RATE`: evenly, also within one large body."""

import asyncio
from collections.abc import AsyncIterator, Callable

from nobreak.core.allowance import Allowance
from nobreak.stores.external.base import Body
from nobreak.words import Fingerprint

PIECES_A_SECOND = 64
LEAST_PIECE, MOST_PIECE = 1024, 64 * 1024
"""What goes out at once (bytes): many bodies take turns, and none is silent for long."""
SMALL = 1024 * 1024
"""A body of up to so many bytes need not hear of a rate that is set while it is under way."""


class Pacing:
    """See the module. `rate`: bytes per second, asked again and again; 0: as fast as it goes."""

    def __init__(self, rate: Callable[[], int]) -> None:
        self._rate = rate
        self._allowance = Allowance()

    def paced(self, body: Body) -> Body:
        """The same body, at the pace of all that go out this way."""
        unlimited = not self._rate() and body.size is not None and body.size <= SMALL
        return body if unlimited else _Paced(body, self)

    async def pieces(self, chunk: bytes) -> AsyncIterator[bytes]:
        """A chunk in pieces, each when it may go."""
        at = 0
        while at < len(chunk):
            rate = self._rate()
            if not rate:
                yield chunk[at:] if at else chunk
                return
            piece = chunk[at : at + min(MOST_PIECE, max(LEAST_PIECE, rate // PIECES_A_SECOND))]
            now = asyncio.get_running_loop().time()
            self._allowance, wait = self._allowance.take(len(piece), rate=rate, now=now)
            await asyncio.sleep(wait)  # also for nothing: others take their turn
            yield piece
            at += len(piece)


class _Paced:
    """A `Body` that lets its bytes go one piece at a time."""

    def __init__(self, body: Body, pacing: Pacing) -> None:
        self._body = body
        self._pacing = pacing

    @property
    def size(self) -> int | None:
        return self._body.size

    @property
    def fingerprint(self) -> Fingerprint | None:
        return self._body.fingerprint

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` to `stop`, each piece when it may go."""
        async for chunk in self._body.chunks(start, stop):
            async for piece in self._pacing.pieces(chunk):
                yield piece

    async def finished(self) -> Fingerprint:
        """Wait until all bytes are here; those that went out are not waited for."""
        return await self._body.finished()
