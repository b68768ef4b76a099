"""A body that lies in memory as a whole: canaries, markers and other small things."""

import hashlib
from collections.abc import AsyncIterator

from nobreak.words import Fingerprint


class MemoryBody:
    """The `Body` (see `base`) of these bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._fingerprint = Fingerprint(len(content), hashlib.md5(content).hexdigest())

    @property
    def size(self) -> int:
        return self._fingerprint.size

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        if piece := self._content[start:stop]:
            yield piece

    async def finished(self) -> Fingerprint:
        return self._fingerprint
