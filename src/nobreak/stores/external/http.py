"""The one way in which drivers speak HTTP: a connection pool, time-outs and honest errors.

Nothing is retried here, with one exception that no one can observe: a request without a body
that changes nothing and finds its kept-alive connection closed before a byte of an answer is
sent once more on a new connection.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from nobreak.errors import OutageError, OutageKind

SERVER_ERROR = 500
NOT_IMPLEMENTED = 501  # an answer about the request, not about the health of the server

RequestBody = bytes | AsyncIterator[bytes] | aiohttp.FormData


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a driver waits, in seconds.

    `connect`: for a connection, name look-up and TLS included. `silence`: for the next byte,
    in either direction. A body that is slow to arrive on our side is nobody's silence.
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
                    connect=self._timeouts.connect,
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
        data: RequestBody | None = None,
        changes: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; `url` goes out exactly as it is. Raises `OutageError`, also for 5xx.

        `changes`: the request changes the server's state, so its failure leaves it in doubt.
        Transport errors inside of the `async with` body are translated in the same way. An
        exception raised by the iterator `data` comes out unchanged.
        """
        upload = _Upload(data) if isinstance(data, AsyncIterator) else None
        try:
            with translated_errors(changes=changes):
                response = await self._send(
                    method, url, headers=headers, data=upload or data, changes=changes
                )
                async with response:
                    _raise_for_outage(response, changes=changes)
                    yield response
        except OutageError:
            if upload is not None and upload.error is not None:
                raise upload.error from None
            raise

    async def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        data: "_Upload | RequestBody | None",
        changes: bool,
    ) -> aiohttp.ClientResponse:
        session = self._open_session()
        address = URL(url, encoded=True)

        async def attempt() -> aiohttp.ClientResponse:
            return await session.request(
                method, address, headers=headers, data=data, allow_redirects=False
            )

        try:
            if isinstance(data, _Upload):
                async with data.watched(self._timeouts.silence):
                    return await attempt()
            return await attempt()
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if changes or data is not None:
                raise
            return await attempt()


class _Upload:
    """A body on its way out: remembers its own failure, and notices a server that stops reading.

    aiohttp watches for silence only when all is sent, and wraps whatever a body raises.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.error: Exception | None = None
        self._chunks = chunks
        self._silence = 0.0
        self._patience: asyncio.Timeout | None = None

    @asynccontextmanager
    async def watched(self, silence: float) -> AsyncIterator[None]:
        """Raise `TimeoutError` when a chunk needs longer than `silence` seconds to go out."""
        self._silence = silence
        async with asyncio.timeout(None) as patience:
            self._patience = patience
            try:
                yield
            finally:
                self._patience = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._chunks:
                self._allow(self._silence)
                yield chunk
                self._allow(None)
        except Exception as error:
            self.error = error
            raise

    def _allow(self, seconds: float | None) -> None:
        if self._patience is not None:
            now = asyncio.get_running_loop().time()
            self._patience.reschedule(None if seconds is None else now + seconds)


def _raise_for_outage(response: aiohttp.ClientResponse, *, changes: bool) -> None:
    status = response.status
    if status >= SERVER_ERROR and status != NOT_IMPLEMENTED:
        raise OutageError(OutageKind.STATUS, f"HTTP {status}", in_doubt=changes, status=status)


@contextmanager
def translated_errors(*, changes: bool) -> Iterator[None]:
    """Turn aiohttp's exceptions into `OutageError`; all others pass."""
    try:
        yield
    except aiohttp.ClientConnectorError as error:
        detail = str(error.os_error or error)
        raise OutageError(OutageKind.CONNECTION, detail, in_doubt=False) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise OutageError(OutageKind.TIMEOUT, "no connection in time", in_doubt=False) from error
    except TimeoutError as error:
        raise OutageError(OutageKind.TIMEOUT, "no answer in time", in_doubt=changes) from error
    except aiohttp.ClientError as error:
        detail = str(error) or type(error).__name__
        raise OutageError(OutageKind.BROKEN, detail, in_doubt=changes) from error
