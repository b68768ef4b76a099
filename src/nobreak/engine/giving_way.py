"""Room that the cache gives up when a write needs it: copies are of use, writes have to be safe (I1)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from nobreak.engine.background import Background
from nobreak.errors import NobreakError, OutOfSpaceError
from nobreak.stores.copies import Copies
from nobreak.stores.local.copies import CopyFiles

T = TypeVar("T")

LEAST = 16 * 1024 * 1024
"""A disk that is full gets so many bytes back at once, if there are as many: more writes will come."""


class GivingWay:
    """See the module; `nobreak.stores.local.disk.Yielding`."""

    def __init__(self, copies: Copies, files: CopyFiles, background: Background) -> None:
        self._copies = copies
        self._files = files
        self._background = background
        self._owed = 0

    def reclaimable(self) -> int:
        """What the cache would give back if it had to (bytes)."""
        return self._copies.tally().bytes

    def give_way(self, lack: int) -> None:
        """Somebody needs so many bytes more than the disk has, soon."""
        asked_already, self._owed = self._owed > 0, max(self._owed, lack)
        if not asked_already:
            self._background.start(self._give_what_is_owed())

    async def with_room(self, attempt: Callable[[], Awaitable[T]], wanted: int) -> T:
        """What `attempt` gives. While the disk is full, some copies go, then all."""
        for share in (0.0, 1.0):
            try:
                return await attempt()
            except OutOfSpaceError:
                there = self.reclaimable()
                if not there:
                    raise
                await self._give(max(wanted, LEAST, int(there * share)))
        return await attempt()

    async def _give_what_is_owed(self) -> None:
        try:
            while self._owed:
                owed = self._owed
                await self._give(owed)
                self._owed = 0 if self._owed == owed else self._owed - owed
        finally:
            self._owed = 0

    async def _give(self, count: int) -> None:
        """The oldest files first. A disk may be so full that not even the table can be written."""
        left = max(0, self._copies.tally().bytes - count)
        with suppress(NobreakError):
            try:
                await self._files.remove(await self._copies.shrink(left))
            except NobreakError:
                oldest = self._copies.oldest(count)
                await self._files.remove([copy.file for copy in oldest])
                await asyncio.gather(*map(self._copies.drop, oldest))
