"""Listens and takes connections in, as many as there is room for; knows nothing of HTTP or S3.

An accept loop of our own: a connection counts from its first moment, its TLS handshake included,
and one too many is turned away before it costs anything.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Protocol, TypeVar, cast

BACKLOG = 1024
HANDSHAKE_WITHIN = 10.0
LOOK_EVERY = 1.0
CROWDED = 0.9
"""Beyond this part of what there is room for, idle connections have to make some."""
AFTER_TROUBLE = 0.2
"""What `accept` gets when it fails, for want of a descriptor above all (seconds)."""


class Connection(Protocol):
    """What the listener asks of the protocol of a connection."""

    def look(self, now: float, *, crowded: bool) -> None: ...
    def drop(self) -> None: ...


C = TypeVar("C", bound=Connection)


class Listener(Generic[C]):
    """Listens until it is closed.

    `make`: a new connection's protocol, which calls `gone` when it has ended. `most`: how many
    may be open. `refusal`: what one too many is sent; with TLS it is closed without a word.
    `trouble` is told what nobody foresaw: it costs one connection, and the others go on.
    """

    def __init__(
        self,
        make: Callable[[], C],
        *,
        most: int,
        refusal: Callable[[], bytes],
        trouble: Callable[[Exception], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._make = make
        self._most = most
        self._refusal = refusal
        self._trouble = trouble
        self._tls = tls
        self._open: set[C] = set()
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._open)

    def gone(self, connection: C) -> None:
        """A connection has ended. May be called twice."""
        self._open.discard(connection)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port. Raises `OSError`."""
        self._sockets = await _bound(host, port)
        for each in self._sockets:
            self._begin(self._accept(each))
        self._begin(self._look())
        bound: int = self._sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Take no more connections in; those that are open stay."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in self._sockets:
            each.close()

    async def drop(self) -> None:
        """Cut off the connections that are still there: a TLS client may never say goodbye."""
        for connection in list(self._open):
            connection.drop()
        await asyncio.sleep(0)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _address = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(AFTER_TROUBLE)
                continue
            if len(self._open) >= self._most:
                self._turn_away(client)
                continue
            connection = self._make()
            self._open.add(connection)
            self._begin(self._take(connection, client))

    async def _take(self, connection: C, client: socket.socket) -> None:
        within = HANDSHAKE_WITHIN if self._tls else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: cast("asyncio.Protocol", connection),
                client,
                ssl=self._tls,
                ssl_handshake_timeout=within,
            )
        except OSError:  # gone already, or its handshake failed
            self.gone(connection)
            client.close()
        except Exception as error:  # noqa: BLE001 - told
            self.gone(connection)
            client.close()
            self._trouble(error)

    def _turn_away(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if self._tls is None:
                client.send(self._refusal())
                client.shutdown(socket.SHUT_WR)

    async def _look(self) -> None:
        """Have every connection look at itself."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            crowded = len(self._open) > self._most * CROWDED
            for connection in list(self._open):
                try:
                    connection.look(loop.time(), crowded=crowded)
                except Exception as error:  # noqa: BLE001 - told
                    self._trouble(error)
                    connection.drop()


async def _bound(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address of the host. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((each[0], each[4][0]) for each in found):
            sockets.append(_listening(family, str(address), port))
            port = sockets[0].getsockname()[1]
    except OSError:
        _close(sockets)
        raise
    return sockets


def _listening(family: int, address: str, port: int) -> socket.socket:
    listener = socket.create_server(
        (address, port), family=family, backlog=BACKLOG, dualstack_ipv6=False
    )
    listener.setblocking(False)
    return listener


def _close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        each.close()
