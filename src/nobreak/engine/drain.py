"""The drain gives everything back: oldest first, keys in parallel, each key in order (I4).

An entry is sent, looked at on the external store, and only then forgotten (I3). One that is
refused is parked, one that fails waits its turn, and nobody waits for either (I7).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from nobreak.core.pace import Pace, beside, retry_in
from nobreak.core.routing import Link
from nobreak.engine.buckets import Buckets
from nobreak.engine.calm import Calm
from nobreak.engine.clock import Clock
from nobreak.engine.confirming import clear_away, confirm, discard_old, holds
from nobreak.engine.conflicts import Conflicts
from nobreak.engine.context import Context
from nobreak.engine.looks import Looks
from nobreak.engine.ours import wanted
from nobreak.engine.pacing import Pacing
from nobreak.engine.progress import Progress
from nobreak.engine.under_way import UnderWay
from nobreak.errors import (
    CorruptBodyError,
    LocalStoreError,
    NobreakError,
    OutageError,
    OutageKind,
    OutOfSpaceError,
    RefusedError,
)
from nobreak.reporting.events import EventKind
from nobreak.stores.sqlite.database import DamagedJournalError
from nobreak.words import Entry, EntryKind, EntryState, ObjectName, Receipt

LOOK_EVERY = 0.1
"""How often an idle drain looks for work (seconds)."""
FAILED_FIRST, FAILED_LONGEST = 1.0, 60.0
"""When an entry that failed while the server is well is tried again (seconds)."""
PARKED_FIRST, PARKED_LONGEST = 60.0, 3600.0
"""When a parked entry is tried again by itself (seconds)."""
FAILURES_TO_PARK = 8
"""An entry that failed so often while checks are well is parked: the fault is its own."""
SPARE = 16
"""So many entries more than needed are looked through for some that may go."""
ANY_KEY = "nobreak"
"""Of this one it is asked whether the external store answers, whatever it says."""
GRACE = 1.0
"""What sendings get to end by themselves when the external store goes away (seconds)."""


class Drain:
    """See the module. One process of a machine runs it: the one that monitors.

    `rate`: bytes per second that may be sent at the moment; 0: any.
    """

    def __init__(self, context: Context, rate: Callable[[], int]) -> None:
        self._context = context
        self._pacing = Pacing(rate)
        self._pace = Pace(context.writes.drain_concurrency)
        self._under_way = UnderWay(self._send, self._slots, self._may_send)
        self._looks = Looks(context, lambda: self._under_way.is_busy)
        self._progress = Progress(context)
        self._conflicts = Conflicts(context, self._pacing)
        self._calm = Calm(context)
        self._after_crash: Calm | None = None
        self._clock = Clock(context, lambda: PARKED_LONGEST)

    async def run(self) -> None:
        """Drain whenever there is something to drain and somebody to give it to."""
        await self._context.journal.resume()
        self._calm, prepared = Calm(self._context), False
        try:
            while True:
                if not self._may_send():
                    await self._pause()
                    prepared = False
                if not self._calm.lasts():
                    await self._settle_anew()
                if not prepared:
                    prepared = await self._prepare()
                await self._forgive_crash()
                await self._clock.mend()
                await self._take_up()
                await self._progress.report(idle=not self._under_way)
                await self._under_way.change(LOOK_EVERY)
        finally:
            await self._stop_sending(0.0)

    async def _prepare(self) -> bool:
        """Make the bucket of the faces that know none; whether there is nothing more to do."""
        try:
            bucket = self._context.writes.bucket
            await self._context.external.ensure_bucket(bucket)
            if self._context.buckets.get(bucket) is None:
                await Buckets(self._context).note_made(bucket)
        except OutageError:
            return False
        except RefusedError:
            pass  # perhaps we may write to it all the same
        return True

    async def _forgive_crash(self) -> None:
        """What a dead process had under way has landed, or will not: after a calm settle time."""
        if not self._context.board.read().crashed:
            self._after_crash = None
            return
        self._after_crash = self._after_crash or Calm(self._context)
        if await self._after_crash.is_over(ObjectName(self._context.writes.bucket, ANY_KEY)):
            await self._context.board.update(lambda old: (replace(old, crashed=False), None))

    async def _pause(self) -> None:
        """The external store is away. When it returns, all begins gently again."""
        self._calm, self._after_crash = Calm(self._context), None
        await self._stop_sending(GRACE)
        self._pace = Pace(self._context.writes.drain_concurrency)
        await self._progress.pause()
        while not self._may_send():
            await asyncio.sleep(LOOK_EVERY)

    async def _settle_anew(self) -> None:
        """Time in which the external store was away, or nobody watched it, does not count (I4)."""
        settled_at = self._context.now() + self._context.writes.settle
        await self._context.journal.postpone_settling(settled_at)

    def _slots(self) -> int:
        return beside(self._pace.allowed, self._context.link.live)

    def _may_send(self) -> bool:
        return self._context.link.state() is Link.OPEN

    async def _take_up(self) -> None:
        """Begin what may be sent next, ahead of the slots for it."""
        if not self._may_send():
            return  # it changed since the last look: what was kept since then is to stay here
        room = self._under_way.room()
        chosen = self._choose(room) if room > 0 else ()
        if chosen:
            self._progress.begin()
            await self._conflicts.look_ahead(chosen)
            await self._context.journal.begin(chosen)
            self._under_way.take_up(chosen)

    def _choose(self, count: int) -> Sequence[Entry]:
        """The entries to send next: never two of one key at once."""
        # A key has at most one entry that may go, and parked ones beside it.
        ready = self._context.journal.ready(self._context.now(), count + SPARE)
        chosen: dict[ObjectName, Entry] = {}
        for entry in ready:
            if entry.name not in self._under_way and entry.name not in chosen:
                chosen[entry.name] = entry
            if len(chosen) == count:
                break
        return list(chosen.values())

    async def _stop_sending(self, grace: float) -> None:
        """Give what is under way some seconds, then cancel it: its outcome is in doubt."""
        if not self._under_way:
            return
        never_sent = await self._under_way.stop(grace)
        await self._context.journal.withdraw(never_sent)
        await self._context.journal.resume()

    async def _send(self, entry: Entry) -> None:
        """Bring one entry to its end, whatever that is."""
        try:
            held = await self._replay(entry)
        except asyncio.CancelledError:
            self._note_in_doubt(entry)
            raise
        except RefusedError as error:
            await self._park(entry, str(error))
        except OutageError as error:
            self._context.link.failed(entry.name, error)
            at_once = error.kind is OutageKind.CONNECTION
            await self._defer(entry, str(error), in_doubt=error.in_doubt, at_once=at_once)
        except CorruptBodyError as error:
            self._context.reporter.emit(
                EventKind.BODY_CORRUPT, name=str(entry.name), seq=entry.seq, reason=str(error)
            )
            await self._park(entry, str(error))
        except DamagedJournalError as error:
            await self._park(entry, str(error))  # of this entry, perhaps: the others go on
        except (LocalStoreError, OutOfSpaceError) as error:
            # A disk that fails altogether lets nothing be written of it: all begins again then.
            await self._defer(entry, str(error), in_doubt=True)
        except NobreakError as error:
            await self._park(entry, str(error))
        else:
            self._context.link.answered()  # whatever it holds, it answered (I8)
            if held:
                self._pace = self._pace.succeeded()

    async def _replay(self, entry: Entry) -> bool:
        """Send an entry and look at it there; whether the external store holds it now."""
        context, calm = self._context, Calm(self._context)
        if entry.state is EntryState.SETTLING:
            return await self._settle(entry, calm)
        known = context.catalog.get(entry.name)
        if await self._conflicts.theirs_stays(entry, known):
            await self._forget(entry)
            return True
        context.ours.sent(entry.name, wanted(entry.fingerprint))
        receipt = await self._apply(entry, known[1] if known else None)
        if receipt.etag:
            context.ours.sent(entry.name, receipt.etag)
        self._under_way.sent(entry.name)
        if not await self._looks.holds(entry, receipt):
            await self._defer(entry, "the external store holds something else", in_doubt=True)
            return False
        await self._clock.mend()  # that was set meanwhile: what is in doubt is not over
        settle, anew = context.writes.settle, calm.broke()
        left = await confirm(context, entry, receipt, settle=settle, anew=anew)
        self._progress.count(entry, gone=left.gone)
        if known:
            await discard_old(context, entry.name, known[1], receipt)
        return True

    async def _settle(self, entry: Entry, calm: Calm) -> bool:
        """Look again at what was in doubt: an older request may have landed (I4)."""
        context = self._context
        held = await holds(context, entry, entry.receipt)
        if not held:
            await context.journal.defer(
                entry, not_before=0.0, error="overwritten by an older request", in_doubt=True
            )
        elif calm.broke():  # it was answered as the server thawed, and an older one may go on now
            now, settle = context.now(), context.writes.settle
            left = await context.journal.confirm(entry, entry.receipt, now, settle, anew=True)
            await clear_away(context, left)
        else:
            await self._forget(entry)
        return held

    async def _forget(self, entry: Entry) -> None:
        left = await self._context.journal.forget(entry)
        await clear_away(self._context, left)
        self._progress.count(entry, gone=left.gone)

    async def _apply(self, entry: Entry, known: Receipt | None) -> Receipt:
        """Do on the external store what the entry says; `known`: what it had before."""
        context = self._context
        if not entry.name.key:
            return await self._apply_bucket(entry)
        if entry.kind is EntryKind.DELETE:
            await context.external.delete(entry.name, receipt=known)
            return Receipt()
        kept = context.journal.body(entry)
        if kept is None or entry.fingerprint is None:
            raise CorruptBodyError("the journal has lost the bytes")
        async with aclosing(await context.bodies.open_kept(kept, entry.fingerprint)) as body:
            if not context.external.traits.replaces_whole:
                await body.verify()  # else it is enough that damage shows before the last byte
            paced = self._pacing.paced(body)
            return await context.external.put(entry.name, paced, entry.attributes)

    async def _apply_bucket(self, entry: Entry) -> Receipt:
        external = self._context.external
        if entry.kind is EntryKind.PUT:
            await external.ensure_bucket(entry.name.bucket)
        else:
            await external.delete_bucket(entry.name.bucket)
        return Receipt()

    async def _defer(
        self, entry: Entry, reason: str, *, in_doubt: bool, at_once: bool = False
    ) -> None:
        """It failed. If the server is away all wait; else this one waits, then is parked."""
        self._pace = self._pace.failed()
        context = self._context
        if in_doubt:
            self._note_in_doubt(entry)
        attempts = entry.attempts + 1
        if attempts >= FAILURES_TO_PARK and context.link.state() is Link.OPEN:
            await self._park(entry, reason)
            return
        wait = retry_in(attempts, first=FAILED_FIRST, longest=FAILED_LONGEST)
        later = 0.0 if at_once else context.now() + wait
        await context.journal.defer(entry, not_before=later, error=reason, in_doubt=in_doubt)

    def _note_in_doubt(self, entry: Entry) -> None:
        """Its request may land late: after a restart, too, that is known as our own."""
        if entry.name.key:
            self._context.ours.tell_all(entry.name, wanted(entry.fingerprint))

    async def _park(self, entry: Entry, reason: str) -> None:
        """The fault is the entry's own: keep it, show it, try it again later (I7)."""
        wait = retry_in(entry.attempts + 1, first=PARKED_FIRST, longest=PARKED_LONGEST)
        await self._context.journal.park(entry, not_before=self._context.now() + wait, error=reason)
        if entry.state is not EntryState.PARKED:
            self._context.reporter.emit(
                EventKind.ENTRY_PARKED, name=str(entry.name), seq=entry.seq, reason=reason
            )
