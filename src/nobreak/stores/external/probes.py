"""Probes: one look at the external store's health, whatever state it is in.

Each check opens a fresh connection, because a kept-alive one could hide a dead listener, and is
bounded as a whole: a server that drips one byte at a time is as dead as one that is silent.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress

import aiohttp
from yarl import URL

from nobreak.errors import NobreakError, OutageError, OutageKind, RefusedError
from nobreak.stores.external.base import ExternalStore
from nobreak.stores.external.checks import CheckResult, FailureKind, Probe
from nobreak.stores.external.memory_body import MemoryBody
from nobreak.words import Attributes, ObjectName, Receipt

MAX_ANSWER_BYTES = 65536
"""How much of a health answer is read before it counts as whole."""

PAGE = "text/html"

CANARY_PREFIX = ".nobreak/canary-"
CANARY = CANARY_PREFIX + secrets.token_hex(16)
"""One name for all canaries of this process: what could not be deleted goes with the next one."""
CANARY_BYTES = 64
CLEANING_SHARE = 0.25
"""The part of the time that is kept for deleting the canary, so that none is left behind."""

FAILURES = {
    OutageKind.CONNECTION: FailureKind.CONNECTION,
    OutageKind.TIMEOUT: FailureKind.TIMEOUT,
    OutageKind.BROKEN: FailureKind.UNEXPECTED,
    OutageKind.STATUS: FailureKind.CANNOT_STORE,  # it answered: it is up, and did not store
}


class ProbeFailed(Exception):  # noqa: N818 - a verdict that travels, not an error of ours
    """The check's verdict is negative."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def healthy(status: int) -> bool:
    """The seed's `/health`: healthy is 2xx."""
    return 200 <= status < 300  # noqa: PLR2004 - the class of success, RFC 9110, 15.3


def answering(status: int) -> bool:
    """S3 and WebDAV endpoints: any answer that is not the server's own failure (I8)."""
    return status < 500  # noqa: PLR2004 - the class of server errors, RFC 9110, 15.6


async def measured(look: Callable[[], Awaitable[str]], timeout: float) -> CheckResult:
    """Run `look` for at most `timeout` seconds and turn whatever happens into a result."""
    started = time.monotonic()
    kind: FailureKind | None = None
    try:
        async with asyncio.timeout(timeout):
            detail = await look()
    except ProbeFailed as failed:
        kind, detail = failed.kind, str(failed)
    except TimeoutError:
        kind, detail = FailureKind.TIMEOUT, f"no answer within {timeout:g} s"
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, OSError) as error:
        kind, detail = FailureKind.CONNECTION, _reason(error)
    except Exception as error:  # noqa: BLE001 - a check has a verdict, whatever happens
        kind, detail = FailureKind.UNEXPECTED, _reason(error)
    return CheckResult(kind is None, time.monotonic() - started, kind, detail)


def _reason(error: Exception) -> str:
    """The shortest text that tells what was wrong, in one line."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)  # asyncio's own text says only "Connect call failed"
    return " ".join(str(cause).split()) or type(cause).__name__


class HttpProbe:
    """GET `url`; `alive` judges the status of the answer, redirects included.

    `timeout` in seconds, for the whole answer. `pages`: a success may be a page in HTML. No S3
    server has one, so there it is somebody else's, such as a load balancer's "back soon". A
    refusal in HTML may still be that of a proxy which guards only the root of an S3 server.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        *,
        alive: Callable[[int], bool] = healthy,
        pages: bool = True,
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._alive = alive
        self._pages = pages

    async def check(self) -> CheckResult:
        return await measured(self._look, self._timeout)

    async def _look(self) -> str:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, use_dns_cache=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            ) as session,
            session.get(URL(self._url, encoded=True), allow_redirects=False) as response,
        ):
            if not self._alive(response.status):
                raise ProbeFailed(FailureKind.STATUS, f"HTTP {response.status}")
            if not self._pages and healthy(response.status) and response.content_type == PAGE:
                detail = f"HTTP {response.status} with a page in HTML"
                raise ProbeFailed(FailureKind.UNEXPECTED, detail)
            await self._drain(response.content)
            return f"HTTP {response.status}"

    @staticmethod
    async def _drain(content: aiohttp.StreamReader) -> None:
        """Read the answer to its end: a server that stops in the middle of it is not well."""
        left = MAX_ANSWER_BYTES
        while left > 0 and (chunk := await content.read(left)):
            left -= len(chunk)


class TcpProbe:
    """Open a connection to `host`:`port` and close it.

    Finds a dead listener, nothing more: a frozen server's kernel still accepts.
    """

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout

    async def check(self) -> CheckResult:
        return await measured(self._look, self._timeout)

    async def _look(self) -> str:
        _, writer = await asyncio.open_connection(self._host, self._port)
        writer.close()
        with suppress(OSError):  # it was open; how it closes does not matter
            await writer.wait_closed()
        return "connected"


class DeepProbe:
    """Write a random canary into `bucket`, read it back, compare, delete it.

    Finds a store that is up but cannot store: a full disk, a read-only bucket, revoked
    credentials. It answers every other check, and still keeps nothing.

    `timeout` in seconds, for everything together. The store should be one made for checks, with
    its own connections. `strict`: a refusal (403, ...) is a failure too, unlike in traffic (I8):
    nothing but the canary's own content was asked to be kept.
    """

    def __init__(
        self, store: ExternalStore, bucket: str, timeout: float, *, strict: bool = True
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._timeout = timeout
        self._strict = strict

    async def check(self) -> CheckResult:
        return await measured(self._look, self._timeout)

    async def _look(self) -> str:
        try:
            return await self._round_trip()
        except ProbeFailed as failed:
            if self._strict or not isinstance(failed.__cause__, RefusedError):
                raise
            return str(failed)

    async def _round_trip(self) -> str:
        name = ObjectName(self._bucket, CANARY)
        content = secrets.token_bytes(CANARY_BYTES)
        receipt: Receipt | None = None
        try:
            async with asyncio.timeout(self._timeout * (1 - CLEANING_SHARE)):
                with _step("write"):
                    receipt = await self._store.put(name, MemoryBody(content), Attributes())
                with _step("read"):
                    await self._compare(name, content, receipt)
        except BaseException:
            await self._clean_up(name, receipt)  # the verdict stands; the canary may stand too
            raise
        with _step("delete"):
            await self._store.delete(name, receipt=receipt)
        return "canary written, read and deleted"

    async def _compare(self, name: ObjectName, content: bytes, receipt: Receipt) -> None:
        download = await self._store.get(name, receipt=receipt)
        kept = bytearray()
        async with aclosing(download):
            async for chunk in download.chunks():
                kept += chunk
                if len(kept) > CANARY_BYTES:
                    break
        if kept != content:
            raise ProbeFailed(FailureKind.CANNOT_STORE, "canary read: other bytes came back")

    async def _clean_up(self, name: ObjectName, receipt: Receipt | None) -> None:
        with suppress(NobreakError, TimeoutError):
            async with asyncio.timeout(self._timeout * CLEANING_SHARE):
                await self._store.delete(name, receipt=receipt)


@contextmanager
def _step(doing: str) -> Iterator[None]:
    """Turn a driver's error into the verdict."""
    try:
        yield
    except OutageError as error:
        raise ProbeFailed(FAILURES[error.kind], f"canary {doing}: {error}") from error
    except NobreakError as error:
        raise ProbeFailed(FailureKind.CANNOT_STORE, f"canary {doing}: {error}") from error


class ProbeChain:
    """Several probes in a row; the first failure is the verdict."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        self._probes = tuple(probes)

    async def check(self) -> CheckResult:
        seconds = 0.0
        details = []
        for probe in self._probes:
            result = await probe.check()
            seconds += result.seconds
            if not result.ok:
                return CheckResult(
                    ok=False, seconds=seconds, kind=result.kind, detail=result.detail
                )
            details.append(result.detail)
        return CheckResult(ok=True, seconds=seconds, detail=", ".join(filter(None, details)))
