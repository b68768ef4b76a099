"""Keys whose catalog row is behind: the external store made a write, and this disk could not note it.

Nothing is lost by that. But in an outage a conditional write must not be decided by such a row (I2), in
no process: what keeps the row is tried again until the disk takes it.
"""

import asyncio

from nobreak.engine.context import Context
from nobreak.engine.looking import look_at
from nobreak.errors import LocalStoreError, OutOfSpaceError
from nobreak.words import ObjectName

AGAIN = 1.0
"""When the disk is tried again (seconds)."""


class Untold:
    """See the module."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._names: set[ObjectName] = set()

    def note(self, name: ObjectName) -> None:
        """The catalog could not be told what became of this key."""
        if name not in self._names:
            self._names.add(name)
            self._context.doubts.row_is_behind(name)
            self._context.background.start(self._mend(name))

    async def _mend(self, name: ObjectName) -> None:
        try:
            while not await self._is_mended(name):
                await asyncio.sleep(AGAIN)
        finally:
            self._names.discard(name)
            self._context.doubts.row_is_right(name)

    async def _is_mended(self, name: ObjectName) -> bool:
        try:
            await look_at(self._context, name)
        except (LocalStoreError, OutOfSpaceError):
            return False
        return True
