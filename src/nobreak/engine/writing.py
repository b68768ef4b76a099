"""Writes: through to the external store while it can be had, else into the journal.

Either way a write is acknowledged only when it is safe (I1): confirmed by the external store,
or fsynced here. What was begun outside and not answered in time goes on in the background; its
entry knows that it is in doubt (I4).
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from nobreak.core.routing import Next, Operation, Outcome, after
from nobreak.engine.attempt import Attempt
from nobreak.engine.cache import Version
from nobreak.engine.conditional import check_row
from nobreak.engine.confirming import discard_old
from nobreak.engine.context import Context
from nobreak.engine.doubts import Hold
from nobreak.engine.late import AnyAttempt, LateAttempts
from nobreak.engine.ours import GONE
from nobreak.engine.outside import NewObject, delete_outside, fill, put_outside
from nobreak.engine.untold import Untold
from nobreak.errors import (
    LocalStoreError,
    NobreakError,
    NotFoundError,
    OutOfSpaceError,
    OvertakenError,
    PreconditionFailedError,
    UndecidedError,
)
from nobreak.stores.interfaces import Appended, Condition, Draft
from nobreak.stores.local.spool import INLINE_MAX, Spool
from nobreak.words import (
    Attributes,
    Entry,
    EntryKind,
    Fingerprint,
    Mode,
    ObjectInfo,
    ObjectName,
    Precondition,
    Receipt,
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was known of a key at a time: its newest entry's number, and its catalog row."""

    at: float
    seq: int | None
    known: ObjectInfo | None

    @property
    def version(self) -> tuple[str, int, datetime] | None:
        """What is another after each write, but not when attributes of the same one were learnt."""
        info = self.known
        return None if info is None else (info.etag, info.size, info.modified)


class Writing:
    """The writes of one engine. Whoever calls it holds the key (`engine.doubts`) meanwhile."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._late = LateAttempts(context)
        self._untold = Untold(context)

    async def put_through(self, new: NewObject, spool: Spool) -> ObjectInfo:
        """Stream a body to the external store, and keep it until that has confirmed it."""
        name, precondition = new.name, new.precondition
        context, seen = self._context, self._seen(name)
        since = context.cache.moment
        attempt, fingerprint = await self._begin(new, spool)
        attributes = new.complete
        condition = Condition(precondition) if precondition else None
        draft = Draft(name, EntryKind.PUT, attributes, fingerprint, condition=condition)
        context.ours.sent(name, fingerprint.etag)
        outcome = await self._outcome(draft, attempt, spool)
        step = after(Operation.PUT, outcome)
        if step is Next.ACKNOWLEDGE:
            info = await self._remember(new, fingerprint, attributes, attempt.result)
            self._check_rivals(name, info.etag, precondition)
            version = Version.of(info, attempt.result, context.external.traits, since)
            context.cache.take_spool(version, spool)
            return info
        if step is Next.RELAY:
            raise attempt.answer
        await self._divert(draft, outcome, attempt, spool, seen)
        return local_object(name, fingerprint, attributes, context.now())

    async def _begin(self, new: NewObject, spool: Spool) -> tuple[Attempt[Receipt], Fingerprint]:
        """Take a body in and send it: a small one when it is whole, a larger one as it comes."""
        if spool.size is not None and spool.size <= INLINE_MAX:
            fingerprint = await fill(spool, new.source, new.md5)
            return Attempt(put_outside(self._context, new, spool)), fingerprint
        attempt = Attempt(put_outside(self._context, new, spool))
        try:
            return attempt, await fill(spool, new.source, new.md5)
        except BaseException as error:
            spool.fail(error)  # nothing arrived whole: the last byte was never let go
            await attempt.abandon()
            raise

    def _check_rivals(self, name: ObjectName, etag: str, precondition: Precondition | None) -> None:
        """A rival that was decided by the journal meanwhile, in whatever process, has won.

        It comes to the external store after this one. The catalog's row of this one is durable
        by now: a rival that comes later than this look has seen it.
        """
        if self._context.journal.newest(name) is None:
            return
        if precondition is not None:
            raise OvertakenError(name)
        self._context.ours.tell_all(name, etag)

    async def put_here(self, new: NewObject, spool: Spool, hold: Hold) -> ObjectInfo:
        """Take a body into the journal."""
        name = new.name
        fingerprint = await fill(spool, new.source, new.md5)
        draft = Draft(
            name,
            EntryKind.PUT,
            new.complete,
            fingerprint,
            doubtful=hold.doubtful,
            condition=hold.condition,
        )
        return journalled(await self._append(draft, spool))

    async def put_assembled(
        self,
        draft: Draft,
        work: Coroutine[Any, Any, Receipt],
        precondition: Precondition | None,
    ) -> ObjectInfo:
        """Let the external store make an object of what it has, or take the write in here.

        `draft` has its body here already. Raises `RefusedError`.
        """
        name, fingerprint = draft.name, draft.fingerprint
        new = NewObject(name, b"", draft.attributes, precondition=precondition)
        assert fingerprint is not None, "a PUT has a fingerprint"  # noqa: S101
        context, seen = self._context, self._seen(name)
        since = context.cache.moment
        draft = replace(draft, condition=Condition(precondition) if precondition else None)
        context.ours.sent(name, fingerprint.etag)
        attempt = Attempt(work)
        outcome = await self._outcome(draft, attempt, None)
        step = after(Operation.PUT, outcome)
        if step is Next.ACKNOWLEDGE:
            info = await self._remember(new, fingerprint, draft.attributes, attempt.result)
            self._check_rivals(name, info.etag, precondition)
            version = Version.of(info, attempt.result, context.external.traits, since)
            await self._copy_parts(draft, version)
            return info
        if step is Next.RELAY:
            raise attempt.answer
        await self._divert(draft, outcome, attempt, None, seen)
        return local_object(name, fingerprint, draft.attributes, context.now())

    async def _copy_parts(self, draft: Draft, version: Version) -> None:
        cache, fingerprint = self._context.cache, draft.fingerprint
        if cache.enabled and draft.body is not None and fingerprint is not None:
            held = await cache.hold(draft.name, draft.body, fingerprint)
            if held is not None:
                cache.take_held(version, held, fingerprint)

    async def put_kept(self, draft: Draft, hold: Hold) -> ObjectInfo:
        """Take a body into the journal that is here already."""
        draft = replace(draft, doubtful=hold.doubtful, condition=hold.condition)
        return journalled(await self._append(draft, None))

    async def delete_through(
        self, name: ObjectName, precondition: Precondition | None = None
    ) -> Mapping[str, str]:
        """Delete from the external store, or divert. What that said of it."""
        context, seen = self._context, self._seen(name)
        known = context.catalog.get(name)
        receipt = known[1] if known else None
        condition = Condition(precondition) if precondition else None
        draft = Draft(name, EntryKind.DELETE, condition=condition)
        context.ours.sent(name, GONE)
        attempt = Attempt(delete_outside(context, name, receipt, precondition))
        outcome = await self._outcome(draft, attempt, None)
        step = after(Operation.DELETE, outcome)
        if step is Next.RELAY:
            raise attempt.answer
        if step is not Next.ACKNOWLEDGE:
            await self._divert(draft, outcome, attempt, None, seen)
            return {}
        if known or context.cache.relied_on or context.index.follows(name.bucket):
            await self._forget(name, precondition)
        else:  # but a PUT before it may not be written down yet
            context.catalog.remove_soon(name, partial(self._untold.note, name))
        self._check_rivals(name, GONE, precondition)
        return attempt.result.said if attempt.result else {}

    async def _forget(self, name: ObjectName, precondition: Precondition | None) -> None:
        """The external store has deleted it: that stands, even if the catalog can't be told."""
        try:
            await self._context.catalog.remove(name)
        except (LocalStoreError, OutOfSpaceError):
            self._untold.note(name)
            if precondition is not None:
                raise  # its rivals look at the catalog
            self._context.index.missed(name.bucket)
            await self._context.cache.outdated(name)

    async def delete_here(self, name: ObjectName, hold: Hold) -> None:
        """Take a DELETE into the journal."""
        doubtful, condition = hold.doubtful, hold.condition
        draft = Draft(name, EntryKind.DELETE, doubtful=doubtful, condition=condition)
        await self._append(draft, None)

    async def _outcome(self, draft: Draft, attempt: AnyAttempt, spool: Spool | None) -> Outcome:
        """Wait for an attempt, no longer than the divert deadline, and tell the link."""
        context = self._context
        try:
            return await context.link.outcome(draft.name, attempt, context.writes.divert_after)
        except asyncio.CancelledError:
            self._late.orphan(draft, attempt, spool)
            raise

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
        return now.version != seen.version and now.known.modified.timestamp() > seen.at

    async def _divert(
        self,
        draft: Draft,
        outcome: Outcome,
        attempt: AnyAttempt,
        spool: Spool | None,
        seen: "_Seen",
    ) -> None:
        """Finish a write here that the external store did not (I5).

        If another write of the key was acknowledged since this one began, this one comes before
        it: it may, since nobody was told of it yet, and it must, since its client may have given
        it up and sent the other one in its place. So it is as good as overwritten already. A
        conditional one is decided by the other one, or by nobody when it may have been made.
        """
        in_doubt = outcome is not Outcome.FAILED
        may_come_first = in_doubt or draft.condition is None
        if not (may_come_first and self._overtaken(draft.name, seen)):
            draft = replace(draft, only_after=(seen.seq or 0) if may_come_first else None)
            if await self._take_in(draft, outcome, attempt, spool):
                return
        if in_doubt:
            self._late.orphan(draft, attempt, spool)
        if draft.condition is not None:
            raise UndecidedError(draft.name)

    async def _take_in(
        self, draft: Draft, outcome: Outcome, attempt: AnyAttempt, spool: Spool | None
    ) -> bool:
        """Make an entry of a write that was begun outside; False: it was overtaken in this moment."""
        slow, in_doubt = outcome is Outcome.SLOW, outcome is not Outcome.FAILED
        later = self._context.now() + self._context.writes.settle if slow else 0.0
        try:
            entry = await self._append(replace(draft, doubtful=in_doubt, not_before=later), spool)
        except OvertakenError:
            return False
        except BaseException as error:
            if in_doubt:
                self._late.orphan(draft, attempt, spool)
            if in_doubt and isinstance(error, PreconditionFailedError | NotFoundError):
                # As we know it; but if the external store knows better, it may have been made.
                raise UndecidedError(draft.name) from error
            raise
        self._context.diverts.diverted(draft.name, str(attempt.outage))
        if slow:
            self._late.follow(entry, attempt, spool)
        return True

    async def _append(self, draft: Draft, spool: Spool | None) -> Entry:
        """Make an entry durable, and with it its body (I1)."""
        context = self._context
        body = draft.body if spool is None else await context.bodies.keep(spool)
        appended = await self._append_kept(replace(draft, body=body))
        context.room.stored()
        await context.bodies.release(appended.files)
        await context.bodies.remove(appended.unused)
        return appended.entry

    async def _append_kept(self, draft: Draft) -> Appended:
        """Commit an entry; a body that no entry came to need is removed."""
        context = self._context
        try:
            check_row(context, draft.name, draft.condition)
            return await context.cache.way.with_room(partial(self._commit, draft), 0)
        except NobreakError:
            await self._remove_body(draft)
            raise

    async def _commit(self, draft: Draft) -> Appended:
        """Its entry may be made though nobody waits for it any more: until then the key is held (I4)."""
        context = self._context
        appending = asyncio.ensure_future(context.journal.append(draft, context.now()))
        try:
            return await asyncio.shield(appending)
        except asyncio.CancelledError:
            hold = context.doubts.behind(draft.name)
            appending.add_done_callback(lambda _: hold.release())
            context.background.start(self._remove_unneeded(appending, draft))
            raise

    async def _remove_unneeded(self, appending: asyncio.Future[Appended], draft: Draft) -> None:
        """The body of an entry that was not made after all."""
        try:
            await asyncio.shield(appending)
        except NobreakError:
            await self._remove_body(draft)

    async def _remove_body(self, draft: Draft) -> None:
        if draft.body is not None and draft.body.file is not None:
            await self._context.bodies.remove([draft.body.file])

    async def _remember(
        self, new: NewObject, fingerprint: Fingerprint, attributes: Attributes, receipt: Receipt
    ) -> ObjectInfo:
        """Put a confirmed object into the catalog.

        Durably where its name stands only there, or a condition was decided that others rely on, or
        the bucket is indexed.
        """
        context, name = self._context, new.name
        modified = datetime.fromtimestamp(context.now(), UTC)
        etag = receipt.etag or fingerprint.etag
        context.ours.sent(name, etag)
        said = receipt.said
        info = ObjectInfo(name, fingerprint.size, etag, modified, attributes, said=said, whole=True)
        traits = context.external.traits
        if traits.keeps_attributes and not traits.chooses_names and new.precondition is None:
            await self._note(info, receipt)
        else:
            known = context.catalog.get(name)
            try:
                await context.catalog.put(info, receipt)
            except (LocalStoreError, OutOfSpaceError):
                self._untold.note(name)
                raise
            if known:
                context.background.start(discard_old(context, name, known[1], receipt))
        return info

    async def _note(self, info: ObjectInfo, receipt: Receipt) -> None:
        """Tell the catalog: before the acknowledgement where reads rely on it in an outage (I2)."""
        catalog, index, bucket = self._context.catalog, self._context.index, info.name.bucket
        cache = self._context.cache
        if not cache.relied_on and not index.follows(bucket):
            catalog.put_soon(info, receipt, partial(self._untold.note, info.name))
            return
        try:
            await catalog.put(info, receipt)
        except (LocalStoreError, OutOfSpaceError):
            self._untold.note(info.name)
            index.missed(bucket)
            await cache.outdated(info.name)


def journalled(entry: Entry) -> ObjectInfo:
    """An object as the journal holds it."""
    assert entry.fingerprint is not None, "only a PUT makes an object"  # noqa: S101
    return local_object(entry.name, entry.fingerprint, entry.attributes, entry.acked_at)


def local_object(
    name: ObjectName, fingerprint: Fingerprint, attributes: Attributes, acked_at: float
) -> ObjectInfo:
    """An object that was acknowledged here, at `acked_at` (seconds since the epoch)."""
    modified = datetime.fromtimestamp(acked_at, UTC)
    return ObjectInfo(
        name, fingerprint.size, fingerprint.etag, modified, attributes, Mode.LOCAL, whole=True
    )
