"""A cheap load generator: raw HTTP/1.1 over keep-alive connections, every request signed before.

It shares the machine with what it measures, so it parses no more of an answer than it must.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from nobreak.stores.external.sigv4 import Credentials, SignedRequest, sign

RECEIVE_BYTES = 512 * 1024
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes for the wire, and how long the body of the answer must be (None: of any length)."""

    head: bytes
    body: bytes
    expects: int | None


def signed(
    method: str, host: str, path: str, pair: tuple[str, str], body: bytes = b"", *, expects: int
) -> Request:
    """A request for `path`, with the payload left out of its signature."""
    headers = {"host": host, "content-length": str(len(body))}
    if method == "GET":
        del headers["content-length"]
    complete = sign(
        SignedRequest(method, path, (), headers), Credentials(*pair), now=datetime.now(UTC)
    )
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in complete.items())]
    return Request("\r\n".join(lines).encode() + HEAD_END, body, expects)


class Connection(asyncio.BufferedProtocol):
    """Sends the next request as soon as an answer is whole. `done` is set when none is left."""

    def __init__(self, requests: Iterator[Request]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._buffer = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._buffer)
        self._head = b""
        self._left = 0
        self._expects: int | None = None

    def connection_made(self, transport) -> None:
        self._transport = transport
        self._next()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, count: int) -> None:
        if self._left:
            self._left -= count
        else:
            self._head += self._view[:count]
            head, end, rest = self._head.partition(HEAD_END)
            if not end:
                return
            self._head = b""
            try:
                self._left = self._length(head) - len(rest)
            except ValueError as error:
                self._fail(error)
                return
        if not self._left:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._expects = request.expects
        self._transport.writelines([request.head, request.body])

    def _length(self, head: bytes) -> int:
        """The length of the answer's body. Raises `ValueError` for any answer but the one due."""
        status, *lines = head.lower().split(b"\r\n")
        fields = dict(line.split(b":", 1) for line in lines)
        length = int(fields.get(b"content-length", b"-1"))
        good = status.split()[1] == b"200" and length in {
            self._expects,
            length * (not self._expects),
        }
        if not good or length < 0:
            raise ValueError(f"not the answer that was due: {head.decode(errors='replace')}")
        return length

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
        self._transport.abort()


async def drive(host: str, requests: Iterable[Request], connections: int) -> float:
    """Send all requests over so many connections; returns the seconds that took."""
    address, _, port = host.partition(":")
    loop, shared = asyncio.get_running_loop(), iter(requests)
    began = time.perf_counter()
    opened = await asyncio.gather(
        *(
            loop.create_connection(lambda: Connection(shared), address, int(port))
            for _ in range(connections)
        )
    )
    await asyncio.gather(*(protocol.done for _, protocol in opened))
    return time.perf_counter() - began
