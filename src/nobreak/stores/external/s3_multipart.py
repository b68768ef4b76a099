"""Multipart upload of one large body: a few parts at once, each compared by its MD5.

A body in segments is sent with the same boundaries, so that it keeps the ETag that its client
knows; another one only where S3 takes it in no other way.

An upload that fails or is cancelled is aborted in the background, so that nobody waits for a
server that may be dead (I5), and the abort fences a late completion. Who dies with one under
way, or finds the server away, leaves it on the register: nothing stays open there for good.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from nobreak.errors import NobreakError, OutageError, OutageKind
from nobreak.stores.external.base import Body
from nobreak.stores.external.s3_headers import completion_headers, upload_headers
from nobreak.stores.external.s3_uploads import S3Uploads, SentPart
from nobreak.stores.external.s3_xml import CompletedPart
from nobreak.words import Fingerprint, ObjectName, Receipt, Segment

MIB = 1024 * 1024
GIB = 1024 * MIB
MAX_PARTS = 10_000
ABORT_WITHIN = 5.0
RENEW_EVERY = 60.0


class Register(Protocol):
    """Remembers the uploads that are open on the external store, durably."""

    async def opened(self, name: ObjectName, upload_id: str) -> None:
        """This one was begun there."""

    async def closed(self, upload_id: str) -> None:
        """It is an object now, or was aborted."""

    async def renew(self, upload_id: str) -> None:
        """It is still being worked on."""

    async def leave(self, upload_id: str) -> None:
        """Nobody here works on it any more: it is to be aborted when that can be done."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` to `stop` (exclusive); parts are numbered from one."""

    number: int
    start: int
    stop: int
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MultipartPlan:
    """When a body is sent in parts though it came whole, and how. Sizes in bytes.

    One piece is the rule, since only that keeps the ETag: https://docs.aws.amazon.com/AmazonS3/
    latest/userguide/qfacts.html has the limits.
    """

    threshold: int = 5 * GIB
    part_size: int = 16 * MIB
    at_once: int = 3

    def parts(self, size: int) -> Iterator[Part]:
        """The parts of a body: larger ones where there would be too many."""
        step = max(self.part_size, -(-size // MAX_PARTS))
        starts = range(0, size, step)
        return (Part(number, at, min(at + step, size), {}) for number, at in enumerate(starts, 1))


def parts_of(segments: tuple[Segment, ...]) -> Iterator[Part]:
    """The parts of a body in segments."""
    start = 0
    for number, segment in enumerate(segments, 1):
        yield Part(number, start, start + segment.size, segment.checksums)
        start += segment.size


class MultipartSender:
    """Sends large bodies, and aborts what it could not finish."""

    def __init__(self, uploads: S3Uploads, plan: MultipartPlan, register: Register | None) -> None:
        self._uploads = uploads
        self._plan = plan
        self._register = register
        self._aborts: set[asyncio.Task[None]] = set()

    async def put(
        self, name: ObjectName, body: Body, size: int, headers: Mapping[str, str]
    ) -> Receipt:
        """Send the body in parts; `headers` are the object's."""
        segments = body.fingerprint.segments if body.fingerprint else ()
        begun = asyncio.create_task(self._begin(name, upload_headers(headers, segments)))
        try:
            upload_id = await asyncio.shield(begun)  # or nobody knew what to abort
            parts = parts_of(segments) if segments else self._plan.parts(size)
            async with self._renewed(upload_id):
                sent = await self._send_all(name, upload_id, body, parts)
                receipt = await self._complete(name, upload_id, sent, headers)
        except BaseException:
            self._abort_in_background(name, begun)
            raise
        if self._register is not None:
            await self._register.closed(upload_id)
        return receipt

    async def aclose(self) -> None:
        """Give aborts under way a second, then drop them."""
        if self._aborts:
            await asyncio.wait(self._aborts, timeout=1.0)
        for abort in self._aborts:
            abort.cancel()
        await asyncio.gather(*self._aborts, return_exceptions=True)

    async def _begin(self, name: ObjectName, headers: Mapping[str, str]) -> str:
        upload_id = await self._uploads.begin(name, headers)
        if self._register is not None:
            await self._register.opened(name, upload_id)
        return upload_id

    @asynccontextmanager
    async def _renewed(self, upload_id: str) -> AsyncIterator[None]:
        """Say again and again that we are at work, for as long as the context lasts."""
        if self._register is None:
            yield
            return
        renewing = asyncio.create_task(_renew(self._register, upload_id))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})

    async def _send_all(
        self, name: ObjectName, upload_id: str, body: Body, parts: Iterator[Part]
    ) -> list[SentPart]:
        """All parts; the first failure stops the others and comes out as it is."""
        sent: dict[int, SentPart] = {}

        async def work() -> None:
            for part in parts:
                size, chunks = part.stop - part.start, body.chunks(part.start, part.stop)
                sent[part.number] = await self._uploads.send(
                    name, upload_id, part.number, size, chunks, part.checksums
                )

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._plan.at_once):
                    group.create_task(work())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [sent[number] for number in sorted(sent)]

    async def _complete(
        self, name: ObjectName, upload_id: str, sent: list[SentPart], headers: Mapping[str, str]
    ) -> Receipt:
        parts = [CompletedPart(each.number, each.etag, each.segment.checksums) for each in sent]
        further = completion_headers(headers)
        etag = (await self._uploads.complete(name, upload_id, parts, further)).etag
        expected = Fingerprint.of_segments(tuple(each.segment for each in sent)).etag
        if all(part.compared for part in sent) and etag != expected:
            detail = f"the parts became {etag}, not {expected}"
            raise OutageError(OutageKind.BROKEN, detail, in_doubt=True)
        return Receipt(etag=etag)

    def _abort_in_background(self, name: ObjectName, begun: asyncio.Task[str]) -> None:
        abort = asyncio.create_task(self._abort(name, begun))
        self._aborts.add(abort)
        abort.add_done_callback(self._aborts.discard)

    async def _abort(self, name: ObjectName, begun: asyncio.Task[str]) -> None:
        with suppress(NobreakError, TimeoutError):
            async with asyncio.timeout(ABORT_WITHIN):
                upload_id = await begun
                if self._register is not None:
                    await self._register.leave(upload_id)
                await self._uploads.abort(name, upload_id)
                if self._register is not None:
                    await self._register.closed(upload_id)


async def _renew(register: Register, upload_id: str) -> None:
    while True:
        await asyncio.sleep(RENEW_EVERY)
        with suppress(NobreakError):  # a disk in trouble: at worst the upload is sent again
            await register.renew(upload_id)
