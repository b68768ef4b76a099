"""Connections to one HTTP server: kept alive between requests, and made when there is none."""

import asyncio
import socket
import ssl

import aiohappyeyeballs

from nobreak.errors import OutageError, OutageKind
from nobreak.stores.external.http_connection import Connection

NAME_LIVES = 10.0
"""How long the addresses of a name are believed (seconds)."""
NEXT_ADDRESS_AFTER = 0.25
"""After so many seconds without a connection, the next address is tried beside it (RFC 8305)."""

AddressInfo = tuple[int, int, int, str, tuple[object, ...]]


class Pool:
    """See the module. `connect` and `silence` in seconds, as `http.Timeouts` has them."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, connect: float, silence: float
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._within = connect
        self._silence = silence
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._names = _Names(host, port)

    def take(self) -> Connection | None:
        """The connection that was used last of those that wait; it may be closed as we take it."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def connect(self, deadline: float | None = None) -> Connection:
        """A new connection, no later than `deadline` (the loop's time). Raises `OutageError`."""
        latest = asyncio.get_running_loop().time() + self._within
        try:
            async with asyncio.timeout_at(latest if deadline is None else min(latest, deadline)):
                return await self._connect()
        except TimeoutError as error:
            detail = "no connection in time"
            raise OutageError(OutageKind.TIMEOUT, detail, in_doubt=False) from error
        except OSError as error:
            raise OutageError(OutageKind.CONNECTION, str(error), in_doubt=False) from error

    async def aclose(self) -> None:
        """Close all of them, those in use, too."""
        for connection in list(self._open):
            connection.close()
        self._names.close()
        await asyncio.sleep(0)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        client = await aiohappyeyeballs.start_connection(
            await self._names.find(),
            happy_eyeballs_delay=NEXT_ADDRESS_AFTER,
            interleave=1,
            loop=loop,
        )
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._silence, self._idle.append, self._forget),
                sock=client,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except BaseException:
            client.close()
            raise
        self._open.add(connection)
        return connection

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


class _Names:
    """The addresses of one host: looked up once for all who ask at the same time."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._found: list[AddressInfo] = []
        self._until = 0.0
        self._looking: asyncio.Task[list[AddressInfo]] | None = None

    async def find(self) -> list[AddressInfo]:
        """Raises `OSError`."""
        loop = asyncio.get_running_loop()
        if self._found and loop.time() < self._until:
            return self._found
        if self._looking is None or self._looking.done():
            self._looking = loop.create_task(self._look())
            self._looking.add_done_callback(_seen)
        return await asyncio.shield(self._looking)

    def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> list[AddressInfo]:
        loop = asyncio.get_running_loop()
        try:  # an address needs no look
            found = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except socket.gaierror:
            found = await loop.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
        self._found, self._until = list(found), loop.time() + NAME_LIVES
        return self._found


def _seen(looking: "asyncio.Task[list[AddressInfo]]") -> None:
    if not looking.cancelled():
        looking.exception()  # those who wait for it are told


def tls_context() -> ssl.SSLContext:
    """How servers are spoken to by TLS: they have to show that they are who they say they are."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
