"""An HTTP server that says exactly what it is told to, byte by byte, over kept-alive connections."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable


class Wire:
    """One connection, as its server sees it. `number`: how many there were before."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self._reader = reader
        self._writer = writer

    async def head(self) -> bytes:
        """The head of the next request."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def request(self) -> tuple[bytes, bytes]:
        """The next request: its head and its body."""
        head = await self.head()
        lines = [line.lower() for line in head.split(b"\r\n")]
        if b"transfer-encoding: chunked" in lines:
            body = b""
            while size := int(await self._reader.readline(), 16):
                body += (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readexactly(2)
            return head, body
        (length,) = [int(each[16:]) for each in lines if each.startswith(b"content-length: ")] or [
            0
        ]
        return head, await self._reader.readexactly(length)

    async def say(self, *pieces: bytes) -> None:
        """Send these; several come as segments of their own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(0.001)

    async def until_closed(self) -> bytes:
        """What the client sends until it closes the connection."""
        content = b""
        with contextlib.suppress(ConnectionError):
            while piece := await self._reader.read(65536):
                content += piece
        return content

    def reset(self) -> None:
        """End it with an RST."""
        client = self._writer.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Act = Callable[[Wire], Awaitable[None]]


class WireServer:
    """Where it listens, and how many connections there were, and are."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.made = 0
        self.open = 0


@contextlib.asynccontextmanager
async def wire_server(act: Act, tls: ssl.SSLContext | None = None) -> AsyncIterator[WireServer]:
    """Each connection is played by `act`, and closed when that returns."""
    tasks: set[asyncio.Task[None]] = set()
    failures: list[BaseException] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        wire = Wire(server.made, reader, writer)
        server.made += 1
        server.open += 1
        try:
            await act(wire)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 - raised at the end
            failures.append(error)
        finally:
            server.open -= 1
            tasks.discard(task)
            writer.close()

    listener = await asyncio.start_server(play, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server = WireServer(port, "https" if tls else "http")
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failures:
        raise failures[0]
