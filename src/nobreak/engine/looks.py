"""The look that confirms an entry (I3): by itself, or with others that wait for theirs.

Where there is much to send, one list shows as well as many single looks that the external store holds
what it was sent, by size and ETag, and costs next to nothing. What a list does not show to be so is
looked at by itself: a list alone never says that something is missing.
"""

import asyncio
from collections.abc import Callable, Mapping

from nobreak.engine.confirming import holds
from nobreak.engine.context import Context
from nobreak.engine.shown import Shown
from nobreak.words import Entry, ObjectName, Receipt

GATHER = 0.2
"""How long entries are gathered for one list (seconds)."""
MOST = 500
"""So many are looked at together at most."""


class _Group:
    """Entries that are looked at together; `shown` are those that were found well."""

    def __init__(self) -> None:
        self.entries: dict[ObjectName, tuple[Entry, Receipt]] = {}
        self.full = asyncio.Event()
        self.shown: asyncio.Future[frozenset[ObjectName]] = asyncio.Future()


class Looks:
    """See the module. `busy`: whether so much is under way that an entry may wait for others."""

    def __init__(self, context: Context, busy: Callable[[], bool]) -> None:
        self._context = context
        self._busy = busy
        self._group: _Group | None = None
        self._shown = Shown(context)

    async def holds(self, entry: Entry, receipt: Receipt) -> bool:
        """Whether the external store is now as this entry wants it. Raises `ExternalError`."""
        shown = self._may_wait(entry) and await self._is_shown(entry, receipt)
        return shown or await holds(self._context, entry, receipt)

    def _may_wait(self, entry: Entry) -> bool:
        """Whether nobody waits for this entry: a later one of its key would."""
        return (
            entry.fingerprint is not None
            and self._shown.possible
            and self._busy()
            and self._context.journal.count(entry.name) == 1
        )

    async def _is_shown(self, entry: Entry, receipt: Receipt) -> bool:
        """Whether a list shows it. The first of a group looks for all of them."""
        group, first = self._group, self._group is None
        if group is None:
            group = self._group = _Group()
        group.entries[entry.name] = entry, receipt
        if len(group.entries) >= MOST:
            group.full.set()
        if first:
            await self._look(group)
        return entry.name in await asyncio.shield(group.shown)

    async def _look(self, group: _Group) -> None:
        found: frozenset[ObjectName] = frozenset()
        try:
            try:
                async with asyncio.timeout(GATHER):
                    await group.full.wait()
            except TimeoutError:
                pass
            self._group = None
            found = await self._list(group.entries)
        finally:
            self._group = None if self._group is group else self._group
            group.shown.set_result(found)

    async def _list(
        self, entries: Mapping[ObjectName, tuple[Entry, Receipt]]
    ) -> frozenset[ObjectName]:
        expected = {
            name: (entry.fingerprint.size, frozenset({entry.fingerprint.etag, receipt.etag} - {""}))
            for name, (entry, receipt) in entries.items()
            if entry.fingerprint is not None
        }
        return await self._shown.of(expected)
