"""Writes: through to the external store while it can be had, else into the journal.

Either way a write is acknowledged only when it is safe (I1): confirmed by the external store,
or fsynced here. What was begun outside and not answered in time goes on in the background; its
entry knows that it is in doubt (I4).
"""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nobreak.core.routing import Next, Operation, Outcome, after
from nobreak.engine.attempt import Attempt
from nobreak.engine.confirming import discard_old
from nobreak.engine.context import Context
from nobreak.engine.doubts import Doubts
from nobreak.engine.late import LateAttempts
from nobreak.errors import NobreakError
from nobreak.stores.interfaces import Appended, Draft
from nobreak.stores.local.spool import Spool
from nobreak.words import (
    Attributes,
    Entry,
    EntryKind,
    Fingerprint,
    Mode,
    ObjectInfo,
    ObjectName,
    Receipt,
)

Source = bytes | AsyncIterable[bytes]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was known of a key at a time: its newest entry's number, and its catalog row."""

    at: float
    seq: int | None
    known: ObjectInfo | None


class Writing:
    """The writes of one engine."""

    def __init__(self, context: Context, doubts: Doubts) -> None:
        self._context = context
        self._doubts = doubts
        self._late = LateAttempts(context, doubts)

    async def put_through(
        self,
        name: ObjectName,
        spool: Spool,
        source: Source,
        attributes: Attributes,
        md5: str | None,
    ) -> ObjectInfo:
        """Stream a body to the external store, and keep it until that has confirmed it."""
        context, seen = self._context, self._seen(name)
        with self._doubts.about(name):
            attempt = Attempt(context.external.put(name, spool, attributes))
            try:
                fingerprint = await fill(spool, source, md5)
            except BaseException as error:
                spool.fail(error)  # nothing arrived whole: the last byte was never let go
                await attempt.abandon()
                raise
            outcome = await self._outcome(name, attempt, spool)
            step = after(Operation.PUT, outcome)
            if step is Next.ACKNOWLEDGE:
                return await self._remember(name, fingerprint, attributes, attempt.result)
            if step is Next.RELAY:
                raise attempt.answer
            draft = Draft(name, EntryKind.PUT, attributes, fingerprint)
            await self._divert(draft, outcome, attempt, spool, seen)
        return local_object(name, fingerprint, attributes, context.now())

    async def put_here(
        self,
        name: ObjectName,
        spool: Spool,
        source: Source,
        attributes: Attributes,
        md5: str | None,
    ) -> ObjectInfo:
        """Take a body into the journal."""
        fingerprint = await fill(spool, source, md5)
        doubtful = name in self._doubts
        draft = Draft(name, EntryKind.PUT, attributes, fingerprint, doubtful=doubtful)
        return journalled(await self._append(draft, spool))

    async def delete_through(self, name: ObjectName) -> None:
        """Delete from the external store, or divert."""
        context, seen = self._context, self._seen(name)
        known = context.catalog.get(name)
        with self._doubts.about(name):
            receipt = known[1] if known else None
            attempt = Attempt(context.external.delete(name, receipt=receipt))
            outcome = await self._outcome(name, attempt, None)
            step = after(Operation.DELETE, outcome)
            if step is Next.RELAY:
                raise attempt.answer
            if step is not Next.ACKNOWLEDGE:
                await self._divert(Draft(name, EntryKind.DELETE), outcome, attempt, None, seen)
            elif known or context.index.follows(name.bucket):
                await context.catalog.remove(name)

    async def delete_here(self, name: ObjectName) -> None:
        """Take a DELETE into the journal."""
        await self._append(Draft(name, EntryKind.DELETE, doubtful=name in self._doubts), None)

    async def _outcome(
        self, name: ObjectName, attempt: Attempt[Receipt] | Attempt[None], spool: Spool | None
    ) -> Outcome:
        """Wait for an attempt, no longer than the divert deadline, and tell the link."""
        link = self._context.link
        try:
            outcome = await attempt.outcome(within=self._context.writes.divert_after)
        except asyncio.CancelledError:
            self._late.orphan(name, attempt, spool)
            raise
        if outcome in {Outcome.DONE, Outcome.ANSWERED}:
            link.answered()
        else:
            link.failed(name, attempt.outage)
        return outcome

    def _seen(self, name: ObjectName) -> "_Seen":
        context = self._context
        newest, known = context.journal.newest(name), context.catalog.get(name)
        return _Seen(context.now(), newest.seq if newest else None, known[0] if known else None)

    def _overtaken(self, name: ObjectName, seen: "_Seen") -> bool:
        """Whether another write of the key was certainly acknowledged since then (I1).

        The catalog learns of some writes only after their acknowledgement: a new row alone may
        tell of one that came before.
        """
        now = self._seen(name)
        if now.seq != seen.seq or now.known is None:
            return now.seq != seen.seq or seen.known is not None
        return now.known != seen.known and now.known.modified.timestamp() > seen.at

    async def _divert(
        self,
        draft: Draft,
        outcome: Outcome,
        attempt: Attempt[Receipt] | Attempt[None],
        spool: Spool | None,
        seen: "_Seen",
    ) -> None:
        """Finish a write here that the external store did not (I5).

        If another write of the key was acknowledged since this one began, this one comes before
        it: it may, since nobody was told of it yet, and it must, since its client may have given
        it up and sent the other one in its place. So it is as good as overwritten already.
        """
        slow = outcome is Outcome.SLOW
        in_doubt = outcome is not Outcome.FAILED
        if self._overtaken(draft.name, seen):
            if in_doubt:
                self._late.orphan(draft.name, attempt, spool)
            return
        later = self._context.now() + self._context.writes.settle if slow else 0.0
        try:
            entry = await self._append(replace(draft, doubtful=in_doubt, not_before=later), spool)
        except BaseException:
            if in_doubt:
                self._late.orphan(draft.name, attempt, spool)
            raise
        self._context.diverts.diverted(draft.name, str(attempt.outage))
        if slow:
            self._late.follow(entry, attempt, spool)

    async def _append(self, draft: Draft, spool: Spool | None) -> Entry:
        """Make an entry durable, and with it its body (I1)."""
        context = self._context
        body = None if spool is None else await context.bodies.keep(spool)
        appended = await self._append_kept(replace(draft, body=body))
        context.room.stored()
        await context.bodies.remove(appended.files)
        return appended.entry

    async def _append_kept(self, draft: Draft) -> Appended:
        """Commit an entry; a body that no entry came to need is removed."""
        context = self._context
        try:
            return await asyncio.shield(context.journal.append(draft, context.now()))
        except NobreakError:
            if draft.body is not None and draft.body.file is not None:
                await context.bodies.remove([draft.body.file])
            raise

    async def _remember(
        self, name: ObjectName, fingerprint: Fingerprint, attributes: Attributes, receipt: Receipt
    ) -> ObjectInfo:
        """Put a confirmed object into the catalog; durably where its name stands only there."""
        context = self._context
        modified = datetime.fromtimestamp(context.now(), UTC)
        etag = receipt.etag or fingerprint.etag
        info = ObjectInfo(name, fingerprint.size, etag, modified, attributes)
        if context.external.traits.keeps_attributes and not context.external.traits.chooses_names:
            context.catalog.put_soon(info, receipt)
        else:
            known = context.catalog.get(name)
            await context.catalog.put(info, receipt)
            if known:
                context.background.start(discard_old(context, name, known[1], receipt))
        return info


async def fill(spool: Spool, source: Source, md5: str | None) -> Fingerprint:
    """Take a whole body in. Raises `BodyMismatchError` and whatever `source` raises."""
    if isinstance(source, bytes):
        await spool.write(source)
    else:
        async for chunk in source:
            await spool.write(chunk)
    return await spool.finish(md5)


def journalled(entry: Entry) -> ObjectInfo:
    """An object as the journal holds it."""
    assert entry.fingerprint is not None, "only a PUT makes an object"  # noqa: S101
    return local_object(entry.name, entry.fingerprint, entry.attributes, entry.acked_at)


def local_object(
    name: ObjectName, fingerprint: Fingerprint, attributes: Attributes, acked_at: float
) -> ObjectInfo:
    """An object that was acknowledged here, at `acked_at` (seconds since the epoch)."""
    modified = datetime.fromtimestamp(acked_at, UTC)
    return ObjectInfo(name, fingerprint.size, fingerprint.etag, modified, attributes, Mode.LOCAL)
