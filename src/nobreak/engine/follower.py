"""The bytes of an answer on their way to a client, and into a copy for the cache."""

import asyncio
from collections.abc import AsyncIterator, Callable

from nobreak.words import Fingerprint


class Follower:
    """Takes the bytes of an answer along while its client reads them; never holds it up.

    `wait_with`: says that so many more bytes wait in memory, and hears whether that is all right. `md5`: what
    the external store states of the bytes.

    Give it each piece with `take`, and call `end` after the last one; what is not all of the object is not
    kept.
    """

    def __init__(self, wait_with: Callable[[int], bool], md5: str | None) -> None:
        self._wait_with = wait_with
        self._md5 = md5
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._over = False
        self._queued = 0

    def take(self, piece: bytes) -> None:
        """The next bytes."""
        if self._over:
            return
        self._queued += len(piece)
        if self._wait_with(len(piece)):
            self._pieces.put_nowait(piece)
        else:
            self.end()  # the disk is slower than the answer: a copy is left out

    def end(self) -> None:
        """No more bytes come, whether these were all or not. May be called twice."""
        if not self._over:
            self._over = True
            self._pieces.put_nowait(None)

    def is_right(self, fingerprint: Fingerprint) -> bool:
        """Whether these are the bytes that the external store has, as far as it says so."""
        return self._md5 in {None, fingerprint.md5}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, for the file."""
        while (piece := await self._pieces.get()) is not None:
            self._less(len(piece))
            yield piece

    async def aclose(self) -> None:
        """The file is written, or can't be."""
        self._over = True
        self._less(self._queued)

    def _less(self, count: int) -> None:
        self._queued -= count
        self._wait_with(-count)
