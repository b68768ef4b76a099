"""What the external store still has when it returns: a few objects that it confirmed last are looked at.

A server that comes back empty, or from an older copy, has lost what it had confirmed, and nobody here
has those bytes any more. It can be said, at once (I7); and lists are no longer made from what it had (I2).
"""

import asyncio
from collections.abc import Sequence

from nobreak.core.routing import Link
from nobreak.engine.attempt import read_within
from nobreak.engine.context import Context
from nobreak.engine.holding import is_being_written
from nobreak.errors import ExternalError, NotFoundError, OutageError, RefusedError
from nobreak.reporting.events import EventKind
from nobreak.stores.interfaces import Catalog
from nobreak.words import ObjectName

LOOK_EVERY = 0.1
"""How often the leader looks whether it is back (seconds)."""
LOOK_AGAIN = 1.0
"""When it is looked at again after it failed at that (seconds): it may be just starting."""
LOOKS = 20
"""So many objects are looked at: after a return from a copy, the newest are those that are missing."""
CANDIDATES = 1000
"""Of so many names that were written last those are chosen that nothing waits for."""


class Returning:
    """Looks after each outage. The leader runs it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._until(away=True)
            await self._until(away=False)
            while not await self._look():
                await asyncio.sleep(LOOK_AGAIN)
                await self._until(away=False)

    async def _until(self, *, away: bool) -> None:
        while (self._context.link.state() is not Link.OPEN) is not away:
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> bool:
        """Compare some objects with the catalog; False: the server failed at it, and it says nothing."""
        names = self._chosen()
        lost = []
        for name in names:
            try:
                if await self._is_lost(name):
                    lost.append(name)
            except OutageError:
                return False
            except ExternalError:
                continue  # an answer, but none about the object: who may not look at it
        if lost:
            self._context.reporter.emit(
                EventKind.EXTERNAL_LOST, name=str(lost[0]), lost=len(lost), looked=len(names)
            )
            await self._context.index.doubt()
        return True

    def _chosen(self) -> Sequence[ObjectName]:
        """Those written last here; after a start, any that the catalog knows."""
        context = self._context
        latest = [name for name in context.ours.latest(CANDIDATES) if self._is_quiet(name)]
        if latest:
            return latest[:LOOKS]
        page = context.catalog.page(context.writes.bucket, "", "", LOOKS)
        return [info.name for info, _ in page if self._is_quiet(info.name)]

    def _is_quiet(self, name: ObjectName) -> bool:
        """Whether the external store alone has it, and nothing of ours could be changing it."""
        context = self._context
        return not is_being_written(context, name) and context.catalog.get(name) is not None

    async def _is_lost(self, name: ObjectName) -> bool:
        """Whether it is gone, or another version than the one that was confirmed."""
        context = self._context
        known = context.catalog.get(name)
        if known is None:
            return False
        work = context.external.head(name, receipt=known[1])
        try:
            found = (await read_within(work, context.writes.divert_after)).etag
        except NotFoundError:
            found = None
        except RefusedError as error:
            if not error.not_found:
                raise
            found = None  # its bucket is gone
        as_confirmed = found is not None and (not known[1].etag or found == known[1].etag)
        written_since = not self._is_quiet(name) or _etag(context.catalog, name) != known[1].etag
        return not as_confirmed and not written_since


def _etag(catalog: Catalog, name: ObjectName) -> str | None:
    known = catalog.get(name)
    return known[1].etag if known else None
