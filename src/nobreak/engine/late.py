"""Attempts that were not answered in time. They are awaited, not forgotten (I4).

A late answer may spare the drain a second transfer. One that never comes leaves its key in doubt
for a while: the server may have frozen with the request in its buffers.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from nobreak.core.routing import Outcome
from nobreak.engine.attempt import Attempt
from nobreak.engine.confirming import confirm, holds
from nobreak.engine.context import Context
from nobreak.engine.looking import look_at, look_later
from nobreak.engine.ours import wanted
from nobreak.errors import ExternalError
from nobreak.stores.interfaces import Draft
from nobreak.stores.local.spool import Spool
from nobreak.words import Entry, ObjectName, Receipt

AWAITED_SHARE = 0.5
"""The part of the settle time that an attempt is awaited for."""

AnyAttempt = Attempt[Receipt] | Attempt[Receipt | None]


class LateAttempts:
    """See the module."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._doubts = context.doubts
        self._under_way: Counter[ObjectName] = Counter()

    def follow(self, entry: Entry, attempt: AnyAttempt, spool: Spool | None) -> None:
        """The write is safe in the journal; see what becomes of the attempt."""
        self._under_way[entry.name] += 1
        self._start(self._follow(entry, attempt, spool), spool)

    def orphan(self, draft: Draft, attempt: AnyAttempt, spool: Spool | None) -> None:
        """Nobody relies on this write, but it may yet take effect."""
        name = draft.name
        self._doubts.begin(name)
        self._context.ours.tell_all(name, wanted(draft.fingerprint))
        self._start(self._fear(name, attempt, spool), spool)

    def _start(self, work: Coroutine[Any, Any, None], spool: Spool | None) -> None:
        if spool is not None:
            spool.share()
        self._context.background.start(work)

    async def _follow(self, entry: Entry, attempt: AnyAttempt, spool: Spool | None) -> None:
        try:
            outcome = await self._end_of(attempt, spool)
        finally:
            self._under_way[entry.name] -= 1
            if not self._under_way[entry.name]:
                del self._under_way[entry.name]
        if outcome is Outcome.DONE and await self._is_alone_and_held(entry, attempt):
            await confirm(self._context, entry, attempt.result or Receipt(), settle=0.0)
            return
        doubtful = outcome in {Outcome.SLOW, Outcome.UNKNOWN}
        await self._context.journal.defer(
            entry, not_before=0.0, error="no answer in time", in_doubt=doubtful
        )

    async def _is_alone_and_held(self, entry: Entry, attempt: AnyAttempt) -> bool:
        """Whether nothing else could still change the key, and it is as this entry wants it.

        Of several attempts on a key any may land last. Then the drain, in order, decides (I4).
        """
        others = self._context.journal.count(entry.name) > 1
        if others or entry.name in self._under_way:
            return False
        try:
            return await holds(self._context, entry, attempt.result or Receipt())
        except ExternalError:
            return False

    async def _fear(self, name: ObjectName, attempt: AnyAttempt, spool: Spool | None) -> None:
        try:
            outcome = await self._end_of(attempt, spool)
            if outcome in {Outcome.SLOW, Outcome.UNKNOWN}:
                await look_later(self._context, name)
            elif outcome is Outcome.DONE:
                await look_at(self._context, name)
        except asyncio.CancelledError:
            self._context.index.distrust_soon(name)
            raise
        finally:
            self._doubts.end(name)

    async def _end_of(self, attempt: AnyAttempt, spool: Spool | None) -> Outcome:
        """Wait for the end of an attempt; give it up while what it could harm still settles.

        Its body is needed no longer then: what is feared may be so for all of an outage.
        """
        try:
            outcome = await attempt.outcome(within=self._context.writes.settle * AWAITED_SHARE)
            if outcome is Outcome.SLOW:
                await attempt.abandon()
        except asyncio.CancelledError:
            await attempt.abandon()
            raise
        finally:
            if spool is not None:
                await spool.aclose()
        return outcome
