"""Multipart uploads that survive an outage: begun before, continued during, completed after.

Every part is kept here until the upload ends, and sent to a twin of it on the external store at the
same time, while that can be had. If the twin has all parts in the end it is completed; else the
parts become the body of a journal entry as they are, and no byte is copied.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from nobreak.core.routing import Link, Operation, Outcome
from nobreak.engine.attempt import Attempt, read_within
from nobreak.engine.conditional import Head, as_they_know_it, condition_here
from nobreak.engine.context import Context
from nobreak.engine.names import checked
from nobreak.engine.outside import Source, fill
from nobreak.engine.writing import Writing
from nobreak.errors import (
    NobreakError,
    OutageError,
    OutageKind,
    OutOfSpaceError,
    RefusedError,
    UnavailableError,
)
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_headers import completion_headers, condition_headers, headers_of
from nobreak.stores.external.s3_uploads import NO_SUCH_UPLOAD, SentPart
from nobreak.stores.external.s3_xml import CompletedPart, ListedUpload
from nobreak.stores.interfaces import Completion, Condition, Draft, KeptBody, KeptSegment
from nobreak.stores.local.spool import Spool
from nobreak.stores.uploads import Upload, UploadedPart
from nobreak.words import (
    Attributes,
    EntryKind,
    Fingerprint,
    Mode,
    ObjectInfo,
    ObjectName,
    Precondition,
    Receipt,
    Segment,
    WritePolicy,
)

PAGE = 1000
LOST = frozenset({NO_SUCH_UPLOAD, "InvalidPart", "InvalidPartOrder", "EntityTooSmall"})
"""What the external store says of a twin that is not what it should be: then ours is."""

Way = Callable[
    [Operation, ObjectName, Precondition | None, int | None],
    Awaitable[tuple[bool, Condition | None]],
]
"""Whether a write goes to the external store, and what it depends on if it doesn't."""
Checksums = Callable[[], Mapping[str, str]]
"""The checksums of a part, by the name of their header, once its body has ended."""


class Uploads:
    """The uploads of one engine. Raises what `Store` raises, and `NoUploadError`."""

    def __init__(
        self,
        context: Context,
        writing: Writing,
        way: Way,
        look: Head,
    ) -> None:
        self._context = context
        self._writing = writing
        self._way = way
        self._look = look
        self._tried: dict[str, set[int]] = {}
        """Part numbers that were sent to a twin, and could still land there, by upload."""

    async def begin(self, name: ObjectName, attributes: Attributes) -> Upload:
        """Begin an upload; `attributes` are those of the object that it is to become."""
        checked(name)
        context = self._context
        twin = await self._begin_twin(name, attributes)
        upload = Upload(secrets.token_hex(24), name, attributes, context.now(), twin)
        await context.uploads.begin(upload)
        return upload

    def get(self, upload_id: str) -> Upload | None:
        """An upload of ours, also one that was completed or aborted lately."""
        return self._context.uploads.get(upload_id)

    def parts(self, upload: Upload, *, after: int = 0, limit: int = 10_000) -> list[UploadedPart]:
        """Its parts with a number above `after`, in order."""
        return self._context.uploads.parts(upload.id, after=after, limit=limit)

    async def put_part(
        self,
        upload: Upload,
        number: int,
        source: Source,
        *,
        size: int | None,
        checksums: Checksums,
        known: bool,
    ) -> UploadedPart:
        """Take in a part; it is safe when this returns (I1).

        `known`: its checksums are known before its body has ended, so that it can be sent along.
        """
        spool = self._context.bodies.spool(len(source) if isinstance(source, bytes) else size)
        try:
            return await self._put_part(upload, number, spool, source, checksums, known=known)
        except OutOfSpaceError as error:
            self._context.room.refused(error)
            raise
        finally:
            await spool.aclose()

    async def complete(
        self,
        upload: Upload,
        parts: Sequence[UploadedPart],
        request: str,
        attributes: Attributes,
        precondition: Precondition | None = None,
    ) -> ObjectInfo:
        """Make an object of these parts; it is safe when this returns (I1).

        `request` identifies what the client asked for, should it ask again. With a `precondition`
        raises as `Store.put`.
        """
        context, now = self._context, self._context.now()
        body = KeptBody(segments=tuple(KeptSegment(each.file, each.segment) for each in parts))
        fingerprint = Fingerprint.of_segments(tuple(each.segment for each in parts))
        checksums = {n: v for n, v in attributes.s3.items() if n.startswith("x-amz-checksum-")}
        completion = Completion(upload.id, request, fingerprint.etag, now, checksums)
        draft = Draft(
            upload.name, EntryKind.PUT, attributes, fingerprint, body, completes=completion
        )
        through, condition = await self._way(Operation.PUT, upload.name, precondition, None)
        info = await self._complete_twin(upload, parts, draft, precondition) if through else None
        if info is None and through and precondition is not None:
            condition = await condition_here(context, upload.name, precondition, self._look)
        if info is None:
            info = await self._writing.put_kept(replace(draft, condition=condition))
        await self._end(completion, info)
        context.room.stored()
        self._tried.pop(upload.id, None)
        return info

    async def abort(self, upload: Upload) -> None:
        """Forget an upload. Its twin is aborted, now or after the outage."""
        context = self._context
        files = await context.uploads.abort(upload.id, context.now())
        self._tried.pop(upload.id, None)
        await context.bodies.remove(files)

    async def under_way(self, bucket: str, prefix: str) -> list[ListedUpload]:
        """All uploads under way, also those that were begun on the external store without us.

        Raises `UnavailableError` while it is away, and may have some (I2).
        """
        ours = self._ours(bucket, prefix)
        external, link = self._context.external, self._context.link
        if not isinstance(external, S3Store):
            return ours
        if link.state() is not Link.OPEN:
            raise UnavailableError("the external store is away, and may have other uploads")
        twins = self._context.uploads.twins(bucket)
        try:
            found = await self._foreign(external, bucket, prefix)
        except OutageError as error:
            link.failed(ObjectName(bucket, prefix), error)
            raise UnavailableError(f"the external store failed: {error}") from error
        link.answered()
        return [*ours, *(each for each in found if each.upload_id not in twins)]

    def _ours(self, bucket: str, prefix: str) -> list[ListedUpload]:
        found: list[ListedUpload] = []
        after = ("", "")
        while page := self._context.uploads.page(bucket, prefix, after, PAGE):
            for each in page:
                begun = datetime.fromtimestamp(each.begun_at, UTC)
                found.append(ListedUpload(each.name.key, each.id, begun))
            after = (page[-1].name.key, page[-1].id)
        return found

    async def _foreign(self, external: S3Store, bucket: str, prefix: str) -> list[ListedUpload]:
        """All uploads of the external store. Raises `OutageError`, `RefusedError`."""
        found: list[ListedUpload] = []
        query = [("encoding-type", "url"), ("prefix", prefix)]
        markers: list[tuple[str, str]] = []
        while True:
            asking = external.uploads.list(bucket, [*query, *markers])
            page = await read_within(asking, self._context.writes.divert_after)
            found += page.uploads
            following = [("key-marker", page.next_key), ("upload-id-marker", page.next_id)]
            if not page.truncated:
                return found
            if following == markers or not page.uploads:
                broken = "a list of uploads that does not go on"
                raise OutageError(OutageKind.BROKEN, broken, in_doubt=False)
            markers = following

    def _twins(self) -> S3Store | None:
        """Where twins of uploads are, if that may be tried now."""
        context = self._context
        usable = context.link.state() is Link.OPEN and context.writes.policy is WritePolicy.THROUGH
        return context.external if usable and isinstance(context.external, S3Store) else None

    async def _begin_twin(self, name: ObjectName, attributes: Attributes) -> str:
        """Begin an upload on the external store: its id, empty when it can't be had now."""
        store = self._twins()
        if store is None:
            return ""
        attempt = Attempt(store.uploads.begin(name, headers_of(attributes)))
        outcome = await self._outcome(name, attempt)
        if outcome is Outcome.SLOW:
            self._context.background.start(self._abandon_late(name, attempt))
        if outcome is Outcome.ANSWERED:
            raise attempt.answer
        return attempt.result if outcome is Outcome.DONE else ""

    async def _abandon_late(self, name: ObjectName, attempt: Attempt[str]) -> None:
        """An upload that began too late has nobody who knows it."""
        if await attempt.outcome(within=self._context.writes.settle) is Outcome.DONE:
            await self._context.open_uploads.abandon(name, attempt.result, self._context.now())
        else:
            await attempt.abandon()

    async def _put_part(
        self,
        upload: Upload,
        number: int,
        spool: Spool,
        source: Source,
        checksums: Checksums,
        *,
        known: bool,
    ) -> UploadedPart:
        context = self._context
        sending = self._send_along(upload, number, spool, checksums, known=known)
        try:
            found = await fill(spool, source, None)
        except BaseException as error:
            spool.fail(error)
            if sending is not None:
                await sending.abandon()
                self._tried.get(upload.id, set()).discard(number)  # its last byte was never let go
            raise
        outcome = Outcome.FAILED if sending is None else await self._part_outcome(upload, sending)
        sent = sending.result.etag if sending and outcome is Outcome.DONE else ""
        kept = await context.bodies.keep(spool, as_file=True)
        segment = Segment(found.size, found.md5, checksums())
        part = UploadedPart(number, segment, kept.file or "", context.now(), sent)
        try:
            files = await asyncio.shield(context.uploads.keep(upload.id, part))
        except NobreakError:
            await context.bodies.remove(kept.files)
            raise
        context.room.stored()
        await context.bodies.remove(files)
        if sending is not None and outcome is Outcome.SLOW:
            spool.share()
            context.background.start(self._follow(upload, part, sending, spool))
        return part

    def _send_along(
        self, upload: Upload, number: int, spool: Spool, checksums: Checksums, *, known: bool
    ) -> Attempt[SentPart] | None:
        """Send a part to the twin as it comes in; never a second one of the same number (I4)."""
        store = self._twins() if upload.external else None
        tried = self._tried.setdefault(upload.id, set())
        kept = self._context.uploads.parts(upload.id, after=number - 1, limit=1)
        again = number in tried or any(each.number == number for each in kept)
        if store is None or again:
            return None
        tried.add(number)
        return Attempt(_send(store, upload, number, spool, checksums, known=known))

    async def _part_outcome(self, upload: Upload, sending: Attempt[SentPart]) -> Outcome:
        """Wait for the external store. A refusal is the client's, unless the twin is lost."""
        outcome = await self._outcome(upload.name, sending)
        if outcome is Outcome.ANSWERED and not _is_lost(sending.answer):
            raise sending.answer
        return outcome

    async def _outcome(
        self, name: ObjectName, attempt: Attempt[str] | Attempt[SentPart]
    ) -> Outcome:
        """Wait no longer than the divert deadline, and tell the link (I5)."""
        link = self._context.link
        try:
            outcome = await attempt.outcome(within=self._context.writes.divert_after)
        except asyncio.CancelledError:
            await attempt.abandon()
            raise
        if outcome in {Outcome.DONE, Outcome.ANSWERED}:
            link.answered()
        else:
            link.failed(name, attempt.outage)
        return outcome

    async def _follow(
        self, upload: Upload, part: UploadedPart, sending: Attempt[SentPart], spool: Spool
    ) -> None:
        """See what becomes of a part that was slow: the twin may have it in time."""
        try:
            outcome = await sending.outcome(within=self._context.writes.settle)
            if outcome is Outcome.DONE:
                self._context.uploads.note_sent(upload.id, part, sending.result.etag)
            elif outcome is Outcome.SLOW:
                await sending.abandon()
        finally:
            await spool.aclose()

    async def _complete_twin(
        self,
        upload: Upload,
        parts: Sequence[UploadedPart],
        draft: Draft,
        precondition: Precondition | None,
    ) -> ObjectInfo | None:
        """Complete the twin, if it has all parts; None: it can't be, or is lost."""
        store = self._twins() if upload.external and all(each.sent for each in parts) else None
        if store is None:
            return None
        theirs = precondition and as_they_know_it(self._context, upload.name, precondition)
        work = _complete(store, upload, parts, draft, condition_headers(theirs))
        try:
            return await self._writing.put_assembled(draft, work, precondition)
        except RefusedError as error:
            if not _is_lost(error):
                raise
            return None

    async def _end(self, completion: Completion, info: ObjectInfo) -> None:
        """Forget the parts, unless the commit of an entry has done so already."""
        context = self._context
        upload = context.uploads.get(completion.upload_id)
        if upload is None or upload.completion is not None:
            return
        overtaken = info.mode is Mode.LOCAL  # by another write: then its twin is still open
        due = completion.at + context.writes.settle if overtaken else None
        ended = Completion(
            completion.upload_id, completion.request, info.etag, completion.at, completion.checksums
        )
        await context.bodies.remove(await context.uploads.finish(ended, abandon=due))


async def _send(
    store: S3Store,
    upload: Upload,
    number: int,
    spool: Spool,
    checksums: Checksums,
    *,
    known: bool,
) -> SentPart:
    if not known or spool.size is None:
        await spool.finished()
    size = spool.size
    assert size is not None, "a body that has ended has a size"  # noqa: S101
    return await store.uploads.send(
        upload.name, upload.external, number, size, spool.chunks(0, size), checksums()
    )


async def _complete(
    store: S3Store,
    upload: Upload,
    parts: Sequence[UploadedPart],
    draft: Draft,
    conditions: Mapping[str, str],
) -> Receipt:
    """Complete a twin, and compare what it became (I3)."""
    chosen = upload.attributes.s3.get("x-amz-checksum-algorithm")
    named = [
        CompletedPart(each.number, each.sent, each.segment.checksums if chosen else {})
        for each in parts
    ]
    headers = completion_headers(draft.attributes.s3) if chosen else {}
    further = {**headers, **conditions}
    became = await store.uploads.complete(upload.name, upload.external, named, further)
    compared = all(each.sent.strip('"') == each.segment.md5 for each in parts)
    expected = draft.fingerprint.etag if draft.fingerprint else ""
    if compared and became.etag != expected:
        detail = f"the parts became {became.etag}, not {expected}"
        raise OutageError(OutageKind.BROKEN, detail, in_doubt=True)
    return Receipt(etag=became.etag)


def _is_lost(error: NobreakError) -> bool:
    return isinstance(error, RefusedError) and error.code in LOST


def request_digest(parts: Sequence[tuple[int, str]]) -> str:
    """What identifies a Complete: the numbers and ETags that it names."""
    return hashlib.sha256(repr(list(parts)).encode()).hexdigest()
