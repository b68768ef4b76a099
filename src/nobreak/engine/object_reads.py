"""GET and HEAD: from the journal, from the external store, or by what is known while that is away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from nobreak.core.routing import Held, Link, Operation, Step, route
from nobreak.engine.attempt import read_within
from nobreak.engine.away import (
    AWAY,
    copy_of_newest,
    get_away,
    head_away,
    head_of_copy,
    is_sure_of,
    read_away,
)
from nobreak.engine.cache import Version
from nobreak.engine.context import Context
from nobreak.engine.holding import held_of
from nobreak.engine.journal_reading import read_here
from nobreak.engine.learning import teach
from nobreak.engine.reading import ExternalReading, Reading, as_known, is_same
from nobreak.engine.writing import journalled
from nobreak.errors import NobreakError, NotFoundError, OutageError, UnavailableError
from nobreak.words import EntryKind, ObjectInfo, ObjectName, RangeRequest, Receipt

T = TypeVar("T")
Known = tuple[ObjectInfo, Receipt] | None
"""The catalog's row of an object."""


class ObjectReads:
    """The reads of one engine. Names are checked already.

    `tried`: the external store has just failed to answer this read, so nobody asks it again (I5).
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def get(self, name: ObjectName, range_: RangeRequest | None, *, tried: bool) -> Reading:
        """See `Store.get`."""
        while True:
            step = self._step(Operation.GET, name, tried=tried)
            if step is Step.ANSWER_HERE:
                reading = await read_here(self._context, name, range_)
                if reading is not None:
                    return reading
                # It has just left: one look at the journal serves a whole turn.
                await asyncio.sleep(0)
            elif step is not Step.TRY_EXTERNAL:
                return await self._get_away(name, step, range_)
            else:
                try:
                    return await self._get_external(name, range_)
                except UnavailableError:
                    if not self.is_known(Operation.GET, name):
                        raise
                    tried = True

    async def head(self, name: ObjectName, *, tried: bool) -> ObjectInfo:
        """See `Store.head`."""
        step = self._step(Operation.HEAD, name, tried=tried)
        newest = self._context.journal.newest(name) if step is Step.ANSWER_HERE else None
        if newest is not None and newest.kind is EntryKind.PUT:
            return journalled(newest)
        if step not in {Step.TRY_EXTERNAL, Step.ANSWER_HERE}:
            return self._head_away(name, step)
        known = self._context.catalog.get(name)
        try:
            info = await self._told(name, known, self.look(name, known[1] if known else None))
        except UnavailableError:
            if not self.is_known(Operation.HEAD, name):
                raise
            return await self.head(name, tried=True)
        await teach(self._context, name, known, info)
        return as_known(info, known, self._context.external.traits)

    async def look(self, name: ObjectName, receipt: Receipt | None) -> ObjectInfo:
        """Ask the external store for an object, in bounded time."""
        return await self._ask(name, self._context.external.head(name, receipt=receipt))

    def failed(self, name: ObjectName, error: OutageError) -> UnavailableError:
        """A read failed: suspect an outage, and tell the client to come again."""
        self._context.link.failed(name, error)
        return UnavailableError(f"{name}: the external store failed: {error}")

    def is_known(self, operation: Operation, name: ObjectName) -> bool:
        """Whether a read that the external store failed to answer can be answered here."""
        step = self._step(operation, name, tried=True)
        return step in {Step.ANSWER_HERE, Step.CACHE, Step.KNOWN}

    def _step(self, operation: Operation, name: ObjectName, *, tried: bool) -> Step:
        """Ask the routing table."""
        context, held = self._context, held_of(self._context, name)
        state = context.link.state()
        if tried and state is Link.OPEN:
            state = Link.SUSPECT
        alone = state is not Link.OPEN and held is Held.NOTHING
        cached = alone and copy_of_newest(context, name) is not None
        # After a crash all keys are in doubt, for nobody knows what the dead process had under way. But
        # what it had acknowledged is in the catalog, where there is a cache.
        doubts = context.doubts
        if alone and (
            (doubts.under_way(name) if cached else name in doubts) or doubts.is_row_behind(name)
        ):
            held = Held.DOUBT
        complete = alone and not cached and is_sure_of(context, name)
        policy = context.writes.policy
        return route(operation, state, held, policy, complete=complete, cached=cached)

    async def _get_away(self, name: ObjectName, step: Step, range_: RangeRequest | None) -> Reading:
        if step is Step.CACHE:
            return await read_away(self._context, name, range_)
        if step is Step.KNOWN:
            raise get_away(self._context, name)
        raise _refusal(name, step)

    def _head_away(self, name: ObjectName, step: Step) -> ObjectInfo:
        if step is Step.CACHE:
            return head_of_copy(self._context, name)
        if step is Step.KNOWN:
            return head_away(self._context, name)
        raise _refusal(name, step)

    async def _get_external(self, name: ObjectName, range_: RangeRequest | None) -> Reading:
        context, external = self._context, self._context.external
        known, since = context.catalog.get(name), context.cache.moment
        receipt = known[1] if known else None
        asked_at = asyncio.get_running_loop().time()
        asking = self._ask(name, external.get(name, range_=range_, receipt=receipt))
        download = await self._told(name, known, asking)
        try:
            await teach(context, name, known, download.info)
        except BaseException:
            await download.aclose()
            raise
        follower = None
        if range_ is None and known is not None and is_same(download.info, *known):
            follower = context.cache.follow(Version.of(*known, external.traits, since))
        info = as_known(download.info, known, external.traits)
        patience = context.writes.divert_after
        return ExternalReading(download, info, context.link, patience, asked_at, follower)

    async def _told(self, name: ObjectName, known: Known, asking: Coroutine[Any, Any, T]) -> T:
        """What is found; that nothing is there teaches, too."""
        try:
            return await asking
        except NotFoundError:
            await teach(self._context, name, known, None)
            raise

    async def _ask(self, name: ObjectName, work: Coroutine[Any, Any, T]) -> T:
        """Ask the external store for no longer than our patience; any answer is one (I8)."""
        try:
            with self._context.link.waiting():
                result = await read_within(work, self._context.writes.divert_after)
        except OutageError as error:
            raise self.failed(name, error) from error
        except NobreakError:
            self._context.link.answered()
            raise
        self._context.link.answered()
        return result


def _refusal(name: ObjectName, step: Step) -> NotFoundError | UnavailableError:
    if step is Step.NOT_FOUND:
        return NotFoundError(name)
    return UnavailableError(f"{name}: {AWAY}")
