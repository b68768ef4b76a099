"""The one way in which drivers speak HTTP: a connection pool, time-outs and honest errors.

Nothing is retried here, with one exception that no one can observe: a request that changes
nothing and finds its kept-alive connection closed before a byte of an answer is sent once more
on a new connection.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from nobreak.errors import OutageError, OutageKind

SERVER_ERROR = 500
NOT_IMPLEMENTED = 501  # an answer about the request, not about the health of the server


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a driver waits, in seconds.

    `connect`: for a connection. `silence`: for the next byte, in either direction.
    """

    connect: float = 1.0
    silence: float = 30.0


class HttpClient:
    """A connection pool to one external store. The session opens with the first request."""

    def __init__(self, timeouts: Timeouts, *, verify_tls: bool = True) -> None:
        self._timeouts = timeouts
        self._verify_tls = verify_tls
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, ssl=self._verify_tls, ttl_dns_cache=10, keepalive_timeout=25
                ),
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    sock_connect=self._timeouts.connect,
                    sock_read=self._timeouts.silence,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding", "User-Agent", "Content-Type"),
            )
            # aiohttp would send a PUT again by itself, with a body that is already spent.
            self._session._retry_connection = False  # noqa: SLF001
        return self._session

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | AsyncIterator[bytes] | aiohttp.FormData | None = None,
        changes: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; `url` goes out exactly as it is. Raises `OutageError`, also for 5xx.

        `changes`: the request changes the server's state, so its failure leaves it in doubt.
        Transport errors inside of the `async with` body are translated in the same way.
        """
        with translated_errors(changes=changes):
            response = await self._send(method, url, headers=headers, data=data, changes=changes)
            async with response:
                if response.status >= SERVER_ERROR and response.status != NOT_IMPLEMENTED:
                    detail = f"HTTP {response.status}"
                    raise OutageError(
                        OutageKind.STATUS, detail, in_doubt=changes, status=response.status
                    )
                yield response

    async def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        data: bytes | AsyncIterator[bytes] | aiohttp.FormData | None,
        changes: bool,
    ) -> aiohttp.ClientResponse:
        session = self._open_session()
        address = URL(url, encoded=True)
        send = session.request
        try:
            return await send(method, address, headers=headers, data=data, allow_redirects=False)
        except aiohttp.ServerDisconnectedError:
            if changes:
                raise
            return await send(method, address, headers=headers, data=data, allow_redirects=False)


class translated_errors:  # noqa: N801 - reads as the context manager that it is
    """Turn aiohttp's exceptions into `OutageError`; all others pass."""

    def __init__(self, *, changes: bool) -> None:
        self._changes = changes

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, OutageError):
            return
        if isinstance(error, aiohttp.ClientConnectorError):
            detail = str(error.os_error or error)
            raise OutageError(OutageKind.CONNECTION, detail, in_doubt=False) from error
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            raise OutageError(
                OutageKind.TIMEOUT, "no connection in time", in_doubt=False
            ) from error
        if isinstance(error, asyncio.TimeoutError):
            raise OutageError(
                OutageKind.TIMEOUT, "no answer in time", in_doubt=self._changes
            ) from error
        if isinstance(error, aiohttp.ClientError):
            detail = str(error) or type(error).__name__
            raise OutageError(OutageKind.BROKEN, detail, in_doubt=self._changes) from error
