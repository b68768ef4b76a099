"""Requests that go to an S3 store as they came: signed anew, streamed both ways.

Only what needs nothing of us: reads of keys that the journal does not hold, and sub-resources
that only the external store knows. Writes of objects go through the `Store`, which can divert.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from nobreak.core.routing import Link
from nobreak.engine.context import Context
from nobreak.engine.follower import Follower
from nobreak.engine.holding import holds_bucket_back
from nobreak.engine.lesson import Lesson
from nobreak.engine.looking import look_at, look_later
from nobreak.engine.passing_by import PENDING, PassingBy
from nobreak.engine.patience import while_it_lives
from nobreak.errors import OutageError, OutageKind, UnavailableError, UnsupportedError
from nobreak.stores.external.http_request import RequestBody
from nobreak.stores.external.http_response import Response
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_client import S3Client
from nobreak.stores.external.sigv4 import QueryPairs
from nobreak.stores.interfaces import Alias
from nobreak.words import ObjectName

NOT_S3 = "the external store does not speak S3: it has no answer to this"
AWAY = "the external store is away, and only it can answer this"
NO_OBJECT = "a senseless answer: an object without an ETag"
READS = frozenset({"GET", "HEAD", "OPTIONS"})
ASKS_BY_ETAG = frozenset({"if-match", "if-none-match", "if-range"})


class Forwarded:
    """An answer of the external store. Read `chunks()` once, and close it in all cases."""

    def __init__(
        self,
        response: Response,
        name: ObjectName,
        context: Context,
        stack: AsyncExitStack | None = None,
        passing: PassingBy | None = None,
    ) -> None:
        self.status, self.ok = response.status, response.ok
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._name = name
        self._context = context
        self._stack = stack
        self._passing = passing
        self.follower: Follower | None = None
        """Who takes the bytes along."""

    @property
    def whole(self) -> bytes | None:
        """The body, if all of it is here already: then it is taken."""
        content = self._response.whole
        if content is None:
            return None
        if self._passing is not None:
            self._passing.settled = True
        if self.follower is not None:
            self.follower.take(content)
        return content

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body. Raises `OutageError` when it ends early, or stops coming (I5)."""
        patience = self._context.writes.divert_after
        while True:
            try:
                piece = await self._response.some(within=patience)
            except OutageError as error:
                outage = OutageError(OutageKind.BROKEN, "the answer broke off", in_doubt=False)
                self._context.link.failed(self._name, outage)
                raise outage from error
            if not piece:
                if self._passing is not None:
                    self._passing.settled = True
                return
            if self.follower is not None:
                self.follower.take(piece)
            yield piece

    async def aclose(self) -> None:
        """Release the connection. May be called twice."""
        if self.follower is not None:
            self.follower.end()
        self._response.close()
        if self._stack is not None:
            await self._stack.aclose()


class Forwarding:
    """See the module."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def possible(self) -> bool:
        """Whether the external store speaks S3 and may be tried now."""
        return self.to_s3 and self._context.link.state() is Link.OPEN

    @property
    def to_s3(self) -> bool:
        """Whether the external store speaks S3."""
        return isinstance(self._context.external, S3Store)

    def holds_back(self, name: ObjectName) -> bool:
        """Whether the journal has something of this key: then the external store must not answer.

        Or of its bucket, which the external store may not have yet.
        """
        if name.key and self._context.journal.newest(name) is not None:
            return True
        return holds_bucket_back(self._context, name.bucket)

    def adds_to(self, bucket: str, prefix: str) -> bool:
        """Whether the journal has anything to say to a list of the keys that begin so."""
        journal = self._context.journal
        return bool(journal.page(bucket, prefix, "", 1)) or holds_bucket_back(self._context, bucket)

    async def changed(
        self, name: ObjectName, others: Sequence[ObjectName], *, gone: bool, sure: bool
    ) -> None:
        """A request that was passed on changed an object; or, without a key, any of its bucket.

        `others`: further objects that it named. `gone`: it deleted the bucket; `sure`: it was
        answered with success.
        """
        catalog = self._context.catalog
        known = (other for other in others if catalog.get(other) is not None)
        await asyncio.gather(*(catalog.remove(other) for other in known))
        if name.key and sure:
            await look_at(self._context, name)
        elif name.key:
            self.later(look_later(self._context, name))
        else:
            await self._bucket_changed(name.bucket, gone=gone and sure)

    async def _bucket_changed(self, bucket: str, *, gone: bool) -> None:
        """Any object of it may have changed; or all are gone."""
        context = self._context
        await context.cache.forget(bucket)
        if gone:
            await context.index.forget(bucket)
        elif context.index.follows(bucket):
            await context.index.doubt(bucket)

    async def described_anew(self, name: ObjectName, *, sure: bool) -> None:
        """A request that was passed on changed what is said of an object, but not its bytes."""
        later = 0.0 if sure else self._context.now() + 2 * self._context.writes.settle
        await self._context.index.distrust(name, later)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it after the request, whose client has gone."""
        self._context.background.start(work)

    def alias(self, name: ObjectName) -> Alias | None:
        """The ETags of an object that its writer knows by another one than the external store."""
        return self._context.catalog.alias(name)

    def is_busy(self, name: ObjectName) -> bool:
        """Whether a write of this key waits, or is under way: then it must not be overtaken."""
        return self.holds_back(name) or name in self._context.doubts

    async def send(
        self,
        method: str,
        name: ObjectName,
        *,
        query: QueryPairs,
        headers: Mapping[str, str],
        data: RequestBody | None,
        of_object: bool = False,
        changes: Sequence[ObjectName] = (),
    ) -> Forwarded:
        """Send a request; `name` may lack a key, or bucket and key.

        `of_object`: the answer is to be an object. S3 always sends its ETag; without one it is
        some other server's page, and no object (I2). `changes`: the objects whose bytes it may
        change.

        Raises `UnavailableError` at once when the external store is away, or the journal holds
        the key; `UnsupportedError` when it doesn't speak S3; `OutageError`.
        """
        client = self._client(name)
        alias = self.alias(name) if name.key else None
        asked = _Asked(method, name, query, asked_as_theirs(headers, alias), data)
        lesson = Lesson(self._context, name, method, query) if of_object else None
        try:
            with self._context.link.waiting():
                if method in READS:
                    sent = await self._read(client, asked)
                else:
                    sent = await self._write(client, asked, changes)
            if of_object:
                await _check_object(sent)
        except OutageError as error:
            self._context.link.failed(name, error)
            raise
        self._context.link.answered()
        if lesson is not None:
            await _teach(lesson, sent)
        sent.headers = answered_as_ours(sent.headers, alias)
        return sent

    def _client(self, name: ObjectName) -> S3Client:
        """Whom to ask about `name`. Raises as `send`."""
        context, external = self._context, self._context.external
        if not isinstance(external, S3Store):
            raise UnsupportedError(NOT_S3)
        if context.link.state() is not Link.OPEN:
            raise UnavailableError(AWAY)
        if name.bucket and self.holds_back(name):
            raise UnavailableError(PENDING)
        return external.client

    async def _read(self, client: S3Client, asked: "_Asked") -> Forwarded:
        """The answer in time."""
        now = asyncio.get_running_loop().time()
        response = await asked.send(client, deadline=now + self._context.writes.divert_after)
        return Forwarded(response, asked.name, self._context)

    async def _write(
        self, client: S3Client, asked: "_Asked", changes: Sequence[ObjectName]
    ) -> Forwarded:
        """The answer, which may take longer than others: to copy, to join, to delete many."""
        body = _Sent(asked.data)
        asked = replace(asked, data=body.data)
        async with AsyncExitStack() as stack:
            passing = None
            if changes:
                passing = await stack.enter_async_context(PassingBy(self._context, changes))

            async def work() -> Response:
                response = await asked.send(client, changes=True)
                stack.callback(response.close)  # also if nobody waits for it any more
                return response

            async def look() -> None:
                async with client.call("HEAD", asked.name.bucket):
                    pass

            patience = self._context.writes.divert_after
            response = await while_it_lives(work(), look, sent=body.wait(), seconds=patience)
            return Forwarded(response, asked.name, self._context, stack.pop_all(), passing)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it goes to the external store."""

    method: str
    name: ObjectName
    query: QueryPairs
    headers: Mapping[str, str]
    data: RequestBody | None

    async def send(
        self, client: S3Client, *, changes: bool = False, deadline: float | None = None
    ) -> Response:
        """The head of the answer. Raises as `S3Client.send`."""
        name = self.name
        return await client.send(
            self.method,
            name.bucket,
            name.key,
            query=self.query,
            headers=self.headers,
            data=self.data,
            changes=changes,
            deadline=deadline,
        )


async def _teach(lesson: Lesson, sent: Forwarded) -> None:
    try:
        sent.follower = await lesson.take(sent.status, sent.headers)
    except BaseException:
        await sent.aclose()
        raise


async def _check_object(sent: Forwarded) -> None:
    if sent.ok and "ETag" not in sent.headers:
        await sent.aclose()
        raise OutageError(OutageKind.BROKEN, NO_OBJECT, in_doubt=False)


class _Sent:
    """A body on its way, and the time when all of it was taken."""

    def __init__(self, data: RequestBody | None) -> None:
        self._all = asyncio.Event()
        self.data = data
        if isinstance(data, AsyncIterator):
            self.data = self._watched(data)
        else:
            self._all.set()

    async def wait(self) -> None:
        await self._all.wait()

    async def _watched(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk
        self._all.set()


def asked_as_theirs(headers: Mapping[str, str], alias: Alias | None) -> Mapping[str, str]:
    """The headers of a request, with the external store's ETag in place of the one we gave out."""
    if alias is None:
        return headers
    return {
        name: value.replace(alias.ours, alias.theirs) if name in ASKS_BY_ETAG else value
        for name, value in headers.items()
    }


def answered_as_ours(headers: Mapping[str, str], alias: Alias | None) -> Mapping[str, str]:
    """The headers of an answer, with the ETag that the object's writer was given."""
    if alias is None or headers.get("ETag", "").strip('"') != alias.theirs:
        return headers
    others = {name: value for name, value in headers.items() if name.lower() != "etag"}
    return {**others, "etag": f'"{alias.ours}"'}
