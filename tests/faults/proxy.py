"""A proxy before the external store that knows HTTP, and does to each exchange what a fault says.

One request at a time per connection of nobreak, each over a connection of its own to the store.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

HEAD_END = b"\r\n\r\n"
CHUNK = 16 * 1024
TO_TAKE_IN = 0.05
"""What connections get to come in that the kernel had accepted when nobody listens any more (seconds)."""
LINGER_RST = struct.pack("ii", 1, 0)


class AwayError(Exception):
    """The exchange ends here, and its connection with it."""


@dataclass
class Message:
    """The head of a request or an answer; `length` of its body, None: chunked or until the end."""

    head: bytes
    length: int | None
    chunked: bool

    @property
    def first_line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")


def parsed(head: bytes, *, bodiless: bool = False) -> Message:
    headers = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    chunked = b"chunked" in headers.get(b"transfer-encoding", b"")
    announced = headers.get(b"content-length")
    length = int(announced) if announced is not None else None
    return Message(head, 0 if bodiless else length, chunked and not bodiless)


async def body(reader: asyncio.StreamReader, message: Message) -> AsyncIterator[bytes]:
    """The body's bytes as they are on the wire."""
    if message.chunked:
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            yield line + await reader.readexactly(size + 2)
            if not size:
                return
    left = message.length or 0
    while left:
        data = await reader.read(min(left, CHUNK))
        if not data:
            raise AwayError
        left -= len(data)
        yield data


@dataclass
class Exchange:
    """One request on its way. A fault calls the steps that it wants, in order."""

    proxy: "Proxy"
    request: Message
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def method(self) -> str:
        return self.request.first_line.split(" ")[0]

    @property
    def path(self) -> str:
        return self.request.first_line.split(" ")[1]

    @property
    def writes(self) -> bool:
        return self.method in {"PUT", "DELETE", "POST"}

    async def swallow(self, limit: int | None = None) -> bytes:
        """Take the request's body in, or `limit` bytes of it."""
        taken = b""
        async for data in body(self.reader, self.request):
            taken += data
            if limit is not None and len(taken) >= limit:
                break
        return taken

    async def answer(self, status: str, content: bytes = b"", headers: str = "") -> None:
        await self.swallow()
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(content)}\r\n{headers}\r\n"
        self.writer.write(head.encode() + (b"" if self.method == "HEAD" else content))
        await self.writer.drain()

    async def refuse(self, status: str, code: str) -> None:
        """An error as S3 words it."""
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
        await self.answer(status, text.encode(), "content-type: application/xml\r\n")

    async def silence(self) -> None:
        """Never answer, until the other side goes."""
        while await self.reader.read(CHUNK):
            pass
        raise AwayError

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
        self.writer.transport.abort()
        raise AwayError

    async def relay(
        self,
        *,
        change: Callable[[bytes], bytes] = lambda head: head,
        rate: float | None = None,
        request_limit: int | None = None,
        answer_limit: int | None = None,
        content: bytes | None = None,
        hold_answer: float = 0.0,
    ) -> bool:
        """Pass it on. `rate` in bytes a second. The limits end it early: False.

        `change` rewrites the answer's head; `content`: the request's body, when it was taken in;
        `hold_answer`: seconds that the answer waits.
        """
        upstream = await self._connect()
        reader, writer = upstream
        try:
            writer.write(self.request.head)
            sent = 0
            if content is not None:
                writer.write(content)
            else:
                async for data in body(self.reader, self.request):
                    writer.write(data)
                    await writer.drain()
                    sent += len(data)
                    if rate:
                        await asyncio.sleep(len(data) / rate)
                    if request_limit is not None and sent >= request_limit:
                        return False
            head = await reader.readuntil(HEAD_END)
            await asyncio.sleep(hold_answer)
            status = int(head.split(b" ", 2)[1])
            bodiless = self.method == "HEAD" or status in {204, 304}
            message = parsed(head, bodiless=bodiless)
            self.writer.write(change(head))
            passed = 0
            async for data in body(reader, message):
                part = data if answer_limit is None else data[: max(0, answer_limit - passed)]
                self.writer.write(part)
                await self.writer.drain()
                passed += len(part)
                if rate:
                    await asyncio.sleep(len(part) / rate)
                if answer_limit is not None and passed >= answer_limit:
                    return False
            await self.writer.drain()
            return True
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_connection("127.0.0.1", self.proxy.upstream_port)
        except OSError as error:
            raise AwayError from error


Fault = Callable[[Exchange], Awaitable[object]]


async def well(exchange: Exchange) -> None:
    await exchange.relay()


@dataclass
class Proxy:
    """See the module. `fault` may be changed at any time; it holds for exchanges from then on."""

    upstream_port: int
    fault: Fault = well
    port: int = 0
    exchanges: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _late: set[asyncio.Task[None]] = field(default_factory=set)
    _plugs: list[socket.socket] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen, on the port of before if there was one. Nothing happens when it does already."""
        if self._server is not None:
            return
        for plug in self._plugs:
            plug.close()
        self._plugs.clear()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Listen no more, and reset what is open: connections are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def drop(self) -> None:
        """A full backlog: the kernel drops every SYN."""
        await self.refuse()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(0)
        self._plugs = [listener]
        for _ in range(3):
            plug = socket.socket()
            plug.setblocking(False)
            plug.connect_ex(("127.0.0.1", self.port))
            self._plugs.append(plug)

    async def close(self) -> None:
        await self.refuse()
        await asyncio.sleep(TO_TAKE_IN)
        for plug in self._plugs:
            plug.close()
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    def later(self, work: Awaitable[object]) -> None:
        """Work that goes on when its connection is gone."""

        async def run() -> None:
            with contextlib.suppress(AwayError, OSError, asyncio.IncompleteReadError):
                await work

        task = asyncio.create_task(run())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def landed(self) -> None:
        """Wait for all that is still to land late."""
        while self._late:
            await asyncio.wait(set(self._late))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._server is None:
            writer.transport.abort()  # taken in just before `refuse`
            return
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(HEAD_END)
                message = parsed(head)
                if b"100-continue" in head.lower():
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.exchanges += 1
                await self.fault(Exchange(self, message, reader, writer))
        except (AwayError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(Exception):
                writer.close()
