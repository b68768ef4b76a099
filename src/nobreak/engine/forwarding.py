"""Requests that go to an S3 store as they came: signed anew, streamed both ways.

Only what needs nothing of us: reads of keys that the journal does not hold, and sub-resources
that only the external store knows. Writes of objects go through the `Store`, which can divert.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp

from nobreak.core.routing import Link
from nobreak.engine.context import Context
from nobreak.engine.indexing import look_at
from nobreak.errors import OutageError, OutageKind, UnavailableError, UnsupportedError
from nobreak.stores.external.http import RequestBody
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.sigv4 import QueryPairs
from nobreak.words import ObjectName

NOT_S3 = "the external store does not speak S3: it has no answer to this"
AWAY = "the external store is away, and only it can answer this"
NO_OBJECT = "a senseless answer: an object without an ETag"
PENDING = "a write of this object still waits for the external store"


class Forwarded:
    """An answer of the external store. Read `chunks()` once, and close it in all cases."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        stack: AsyncExitStack,
        name: ObjectName,
        context: Context,
    ) -> None:
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._stack = stack
        self._name = name
        self._context = context

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body. Raises `OutageError` when it ends early, or stops coming (I5)."""
        pieces = aiter(self._response.content.iter_any())
        while True:
            try:
                async with asyncio.timeout(self._context.writes.divert_after):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except (TimeoutError, aiohttp.ClientError) as error:
                outage = OutageError(OutageKind.BROKEN, "the answer broke off", in_doubt=False)
                self._context.link.failed(self._name, outage)
                raise outage from error
            yield piece

    async def aclose(self) -> None:
        """Release the connection. May be called twice."""
        await self._stack.aclose()


class Forwarding:
    """See the module."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def possible(self) -> bool:
        """Whether the external store speaks S3 and may be tried now."""
        speaks = isinstance(self._context.external, S3Store)
        return speaks and self._context.link.state() is Link.OPEN

    def holds_back(self, name: ObjectName) -> bool:
        """Whether the journal has something of this key: then the external store must not answer."""
        return self._context.journal.newest(name) is not None

    async def changed(self, name: ObjectName, *, gone: bool, sure: bool) -> None:
        """A request that was passed on changed an object; or, without a key, any of its bucket.

        `gone`: it deleted the bucket; `sure`: it was answered with success.
        """
        if name.key:
            await look_at(self._context, name)
        elif gone and sure:
            await self._context.index.forget(name.bucket)
        elif self._context.index.follows(name.bucket):
            await self._context.index.doubt(name.bucket)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it after the request, whose client has gone."""
        self._context.background.start(work)

    async def send(
        self,
        method: str,
        name: ObjectName,
        *,
        query: QueryPairs,
        headers: Mapping[str, str],
        data: RequestBody | None,
        of_object: bool = False,
    ) -> Forwarded:
        """Send a request; `name` may lack a key, or bucket and key.

        `of_object`: the answer is to be an object. S3 always sends its ETag; without one it is
        some other server's page, and no object (I2).

        Raises `UnavailableError` at once when the external store is away, or the journal holds
        the key; `UnsupportedError` when it doesn't speak S3; `OutageError`.
        """
        external, link = self._context.external, self._context.link
        if not isinstance(external, S3Store):
            raise UnsupportedError(NOT_S3)
        if link.state() is not Link.OPEN:
            raise UnavailableError(AWAY)
        if name.key and self.holds_back(name):
            raise UnavailableError(PENDING)
        changes = method not in {"GET", "HEAD", "OPTIONS"}
        stack = AsyncExitStack()
        call = external.client.forward(
            method,
            name.bucket,
            name.key,
            query=query,
            headers=headers,
            data=data,
            changes=changes,
        )
        # A body that is still coming in is not the external store's delay.
        patience = None if data is not None else self._context.writes.divert_after
        try:
            async with asyncio.timeout(patience):
                response = await stack.enter_async_context(call)
        except TimeoutError as error:
            outage = OutageError(OutageKind.TIMEOUT, "no answer in time", in_doubt=changes)
            link.failed(name, outage)
            raise outage from error
        except OutageError as error:
            link.failed(name, error)
            raise
        if of_object and response.ok and "ETag" not in response.headers:
            await stack.aclose()
            outage = OutageError(OutageKind.BROKEN, NO_OBJECT, in_doubt=False)
            link.failed(name, outage)
            raise outage
        link.answered()
        return Forwarded(response, stack, name, self._context)
