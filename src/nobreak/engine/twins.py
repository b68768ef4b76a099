"""The twin of a client's upload on the external store: it gets every part as that comes in here.

A twin is never relied on. A part number goes there once, so that no straggler can get in (I4); what
it has not, or has lost, is here, and is sent again by the drain.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from nobreak.core.routing import Link, Outcome
from nobreak.engine.attempt import Attempt
from nobreak.engine.conditional import as_they_know_it
from nobreak.engine.context import Context
from nobreak.errors import NobreakError, OutageError, OutageKind, RefusedError
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_headers import completion_headers, condition_headers, headers_of
from nobreak.stores.external.s3_uploads import NO_SUCH_UPLOAD, SentPart
from nobreak.stores.external.s3_xml import CompletedPart
from nobreak.stores.interfaces import Draft
from nobreak.stores.local.spool import Spool
from nobreak.stores.uploads import Upload, UploadedPart
from nobreak.words import Attributes, ObjectName, Precondition, Receipt, WritePolicy

LOST = frozenset({NO_SUCH_UPLOAD, "InvalidPart", "InvalidPartOrder", "EntityTooSmall"})
"""What the external store says of a twin that is not what it should be: then ours is."""

Checksums = Callable[[], Mapping[str, str]]
"""The checksums of a part, by the name of their header, once its body has ended."""


class Twins:
    """The twins of one engine's uploads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tried: dict[str, set[int]] = {}
        """Part numbers that were sent to a twin, and could still land there, by upload."""

    async def begin(self, name: ObjectName, attributes: Attributes) -> str:
        """Begin an upload on the external store: its id, empty when it can't be had now.

        Raises `RefusedError`.
        """
        store = self._store()
        if store is None:
            return ""
        attempt = Attempt(store.uploads.begin(name, headers_of(attributes)))
        outcome = await self._outcome(name, attempt)
        if outcome is Outcome.SLOW:
            self._context.background.start(self._abandon_late(name, attempt))
        if outcome is Outcome.ANSWERED:
            raise attempt.answer
        return attempt.result if outcome is Outcome.DONE else ""

    def send_along(
        self, upload: Upload, number: int, spool: Spool, checksums: Checksums, *, known: bool
    ) -> Attempt[SentPart] | None:
        """Send a part to the twin as it comes in; never a second one of the same number (I4)."""
        store = self._store() if upload.external else None
        tried = self._tried.setdefault(upload.id, set())
        kept = self._context.uploads.parts(upload.id, after=number - 1, limit=1)
        again = number in tried or any(each.number == number for each in kept)
        if store is None or again:
            return None
        tried.add(number)
        return Attempt(_send(store, upload, number, spool, checksums, known=known))

    async def take_back(self, upload: Upload, number: int, sending: Attempt[SentPart]) -> None:
        """The body of a part that is being sent failed: its last byte was never let go."""
        await sending.abandon()
        self._tried.get(upload.id, set()).discard(number)

    async def part_outcome(self, upload: Upload, sending: Attempt[SentPart]) -> Outcome:
        """Wait for the external store. A refusal is the client's, unless the twin is lost."""
        outcome = await self._outcome(upload.name, sending)
        if outcome is Outcome.ANSWERED and not is_lost(sending.answer):
            raise sending.answer
        return outcome

    def follow(
        self, upload: Upload, part: UploadedPart, sending: Attempt[SentPart], spool: Spool
    ) -> None:
        """See what becomes of a part that was slow: the twin may have it in time."""
        spool.share()
        self._context.background.start(self._follow(upload, part, sending, spool))

    def completion(
        self,
        upload: Upload,
        parts: Sequence[UploadedPart],
        draft: Draft,
        precondition: Precondition | None,
    ) -> Coroutine[Any, Any, Receipt] | None:
        """The request that completes the twin; None: it has not all parts, or can't be had now."""
        store = self._store() if upload.external and all(each.sent for each in parts) else None
        if store is None:
            return None
        theirs = precondition and as_they_know_it(self._context, upload.name, precondition)
        return _complete(store, upload, parts, draft, condition_headers(theirs))

    def forget(self, upload: Upload) -> None:
        """The upload has ended."""
        self._tried.pop(upload.id, None)

    def _store(self) -> S3Store | None:
        """Where twins are, if that may be tried now."""
        context = self._context
        usable = context.link.state() is Link.OPEN and context.writes.policy is WritePolicy.THROUGH
        return context.external if usable and isinstance(context.external, S3Store) else None

    async def _outcome(
        self, name: ObjectName, attempt: Attempt[str] | Attempt[SentPart]
    ) -> Outcome:
        """Wait no longer than the divert deadline, and tell the link (I5)."""
        context = self._context
        try:
            return await context.link.outcome(name, attempt, context.writes.divert_after)
        except asyncio.CancelledError:
            await attempt.abandon()
            raise

    async def _abandon_late(self, name: ObjectName, attempt: Attempt[str]) -> None:
        """An upload that began too late has nobody who knows it."""
        if await attempt.outcome(within=self._context.writes.settle) is Outcome.DONE:
            await self._context.open_uploads.abandon(name, attempt.result, self._context.now())
        else:
            await attempt.abandon()

    async def _follow(
        self, upload: Upload, part: UploadedPart, sending: Attempt[SentPart], spool: Spool
    ) -> None:
        try:
            outcome = await sending.outcome(within=self._context.writes.settle)
            if outcome is Outcome.DONE:
                self._context.uploads.note_sent(upload.id, part, sending.result.etag)
            elif outcome is Outcome.SLOW:
                await sending.abandon()
        finally:
            await spool.aclose()


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


def is_lost(error: NobreakError) -> bool:
    """Whether the external store says that a twin is not what it should be."""
    return isinstance(error, RefusedError) and error.code in LOST
