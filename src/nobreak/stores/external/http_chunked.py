"""Bodies in chunks (RFC 9112, 7.1), taken apart by aiohttp's parser."""

import asyncio

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser

UNLIMITED = 1 << 30
"""What is taken out at once is never too much to be held."""


class ChunkedBody:
    """The body of an answer with this head."""

    def __init__(self, head: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self._parser = HttpResponseParser(
            BaseProtocol(loop), loop, UNLIMITED, auto_decompress=False
        )
        ((_, self._payload),) = self._parser.feed_data(head)[0]
        self.clean = True
        """Nothing came after its end."""

    @property
    def ended(self) -> bool:
        """Whether all of it has come."""
        return self._payload.is_eof()

    def feed(self, data: bytes) -> bytes:
        """The bytes that these frames hold. Raises `HttpProcessingError`, `RuntimeError`."""
        others = self._parser.feed_data(data)[0]
        self.clean = not others and data.endswith(b"\n")
        return self._payload.read_nowait()
