"""The one way in which drivers speak HTTP: a connection pool, time-outs and honest errors.

A client of our own (`http_request`, `http_response`, `http_connection`, `http_pool`), since every
request that passes through nobreak pays for it twice, and since what may be sent twice, and what is
in doubt, is decided here (I4). Nothing is retried, with one exception that no one can observe: a
request without a body that changes nothing and finds its connection closed before a byte of an
answer is sent once more on a new connection.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nobreak.errors import OutageError, OutageKind
from nobreak.stores.external.http_pool import Pool, tls_context
from nobreak.stores.external.http_request import Request, RequestBody, make_request
from nobreak.stores.external.http_response import Response

SERVER_ERROR = 500
NOT_IMPLEMENTED = 501  # an answer about the request, not about the health of the server
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a driver waits, in seconds.

    `connect`: for a connection, name look-up and TLS included. `silence`: for the next byte,
    in either direction. A body that is slow to arrive on our side is nobody's silence.
    """

    connect: float = 1.0
    silence: float = 30.0


class HttpClient:
    """Connection pools, one for each server. A pool opens with the first request to its server."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._pools: dict[tuple[str, str], Pool] = {}

    async def aclose(self) -> None:
        """Close all connections."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: RequestBody | None = None,
        changes: bool = False,
        deadline: float | None = None,
    ) -> Response:
        """Send a request; `url` goes out exactly as it is. Close the answer in all cases.

        `changes`: the request changes the server's state, so its failure leaves it in doubt.
        `deadline`: when the answer's head must be here (the loop's time), beside our time-outs.

        Raises `OutageError`, also for 5xx. What the iterator `data` raises comes out unchanged.
        """
        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        request = make_request(method, f"/{path}", host, headers or {}, data, changes=changes)
        pool = self._pools.get((scheme, host)) or self._open_pool(scheme, host)
        response = await _exchange(pool, request, deadline)
        status = response.status
        if status >= SERVER_ERROR and status != NOT_IMPLEMENTED:
            response.close()
            raise OutageError(OutageKind.STATUS, f"HTTP {status}", in_doubt=changes, status=status)
        return response

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: RequestBody | None = None,
        changes: bool = False,
    ) -> AsyncIterator[Response]:
        """As `send`; the answer is closed when the context ends."""
        response = await self.send(method, url, headers=headers, data=data, changes=changes)
        try:
            yield response
        finally:
            response.close()

    def _open_pool(self, scheme: str, host: str) -> Pool:
        name, port = _split_host(host, PORTS[scheme])
        tls = tls_context() if scheme == "https" else None
        connect, silence = self._timeouts.connect, self._timeouts.silence
        pool = Pool(name, port, tls=tls, connect=connect, silence=silence)
        self._pools[scheme, host] = pool
        return pool


async def _exchange(pool: Pool, request: Request, deadline: float | None) -> Response:
    connection = pool.take() or await pool.connect(deadline)
    try:
        return await connection.exchange(request, deadline)
    except OutageError as error:
        closed = error.kind is OutageKind.BROKEN and not connection.heard
        if not closed or not request.repeatable:
            raise
    return await (await pool.connect(deadline)).exchange(request, deadline)


def _split_host(host: str, port: int) -> tuple[str, int]:
    """The name and the port of `host:port`; `[::1]:port` has brackets."""
    name, colon, number = host.rpartition(":")
    if not colon or "]" in number:
        name, number = host, ""
    return name.strip("[]"), int(number) if number else port
