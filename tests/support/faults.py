"""A server for the faults that no real one makes on request."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class FaultyServer:
    """A TCP server on 127.0.0.1 whose connections all get the same treatment.

    `open_connections` counts those that the other side has not closed yet.
    """

    def __init__(self, answer: Answer) -> None:
        self.open_connections = 0
        self.requests: list[bytes] = []
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open_connections += 1
        try:
            # A cancellation is ours (`stop`), and asyncio would report it as an error.
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
            ):
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await self._answer(reader, writer)
        finally:
            self.open_connections -= 1
            self._tasks.discard(task)
            writer.close()


@contextlib.asynccontextmanager
async def faulty_server(answer: Answer) -> AsyncIterator[FaultyServer]:
    server = FaultyServer(answer)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Reads everything and never answers, until the other side goes."""
    while await reader.read(65536):
        pass


async def deafness(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Reads nothing more and never answers."""
    await asyncio.sleep(60)


def reset_after(count: int) -> Answer:
    """Resets the connection (RST) when `count` bytes of the body have come."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(count)
        lingering = struct.pack("ii", 1, 0)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        writer.transport.abort()

    return answer


def answers(
    status: str, *, headers: str = "", body: bytes = b"", read_body: bool = False
) -> Answer:
    """Answers with `status` ("503 Slow Down"); at once, or when the body is here."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if read_body:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await silence(reader, writer)
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}connection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        if not read_body:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await silence(reader, writer)

    return answer


def truncated(body: bytes, announced: int) -> Answer:
    """A 200 that announces more bytes than it sends before it closes."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f'HTTP/1.1 200 OK\r\netag: "opaque"\r\ncontent-length: {announced}\r\n\r\n'
        writer.write(head.encode() + body)
        await writer.drain()

    return answer
