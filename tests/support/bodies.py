"""Bodies of PUTs for tests of drivers and of the engine: arriving, unannounced, failing, endless."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from nobreak.words import Fingerprint, Segment

PIECE = 64 * 1024


class ArrivedBody:
    """All bytes are here, and the fingerprint is known."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size: int | None = len(content)
        self.fingerprint: Fingerprint | None = fingerprint_of(content)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        end = len(self.content) if stop is None else stop
        for at in range(start, end, PIECE):
            yield self.content[at : min(at + PIECE, end)]

    async def finished(self) -> Fingerprint:
        return fingerprint_of(self.content)


class SegmentedBody(ArrivedBody):
    """All bytes are here, in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(b"".join(pieces))
        segments = (Segment(len(each), fingerprint_of(each).md5) for each in pieces)
        self.fingerprint: Fingerprint = Fingerprint.of_segments(tuple(segments))

    async def finished(self) -> Fingerprint:
        return self.fingerprint


class ArrivingBody(ArrivedBody):
    """The length is announced, the fingerprint isn't known until somebody has read to the end."""

    def __init__(self, content: bytes, *, pause: float = 0.0) -> None:
        super().__init__(content)
        self.fingerprint = None
        self._pause = pause

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        async for chunk in super().chunks(start, stop):
            await asyncio.sleep(self._pause)
            yield chunk
        if stop is None or stop >= len(self.content):
            await self.finished()

    async def finished(self) -> Fingerprint:
        self.fingerprint = fingerprint_of(self.content)
        return self.fingerprint


class UnannouncedBody(ArrivingBody):
    """Not even the length is known before the end."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.size = None

    async def finished(self) -> Fingerprint:
        self.size = len(self.content)
        return await super().finished()


class FailingBody(ArrivingBody):
    """Raises `error` when `after` bytes of it have been read."""

    def __init__(self, content: bytes, *, after: int, error: Exception) -> None:
        super().__init__(content)
        self._after = after
        self._error = error

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        at = start
        async for chunk in super().chunks(start, stop):
            if at + len(chunk) > self._after:
                raise self._error
            yield chunk
            at += len(chunk)

    async def finished(self) -> Fingerprint:
        raise self._error


def fingerprint_of(content: bytes) -> Fingerprint:
    return Fingerprint(len(content), hashlib.md5(content).hexdigest())
